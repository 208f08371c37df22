//! `ringfence check`: is what would be served sound?

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use crate::{config::Config, house::House};

/// The arguments of `ringfence check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A policy file, or `pack:NAME`; may be repeated
    #[arg(long, value_name = "FILE")]
    policy: Vec<String>,
    /// A directory of further code rules
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
}

/// Loads everything, runs the policies' cases, and says what is wrong.
///
/// # Errors
/// Something cannot be loaded.
pub fn run(arguments: &CheckArgs) -> anyhow::Result<ExitCode> {
    let mut config = arguments.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    if !arguments.policy.is_empty() {
        config.policies.clone_from(&arguments.policy);
    }
    if arguments.rules.is_some() {
        config.rules.clone_from(&arguments.rules);
    }
    let house = House::build(&config)?;
    let (mut cases, mut failed) = (0, 0);
    for policy in house.policies.policies() {
        cases += policy.cases().len();
        for failure in policy.run_cases() {
            failed += 1;
            eprintln!("{failure}");
        }
        for rule in policy.untested_rules() {
            eprintln!("warning: {}: no case shows the rule `{}`", policy.file(), rule.id);
        }
    }
    let text_rules = house.text_rules.as_ref().map_or(0, |rules| rules.ids().count());
    println!("policies    {}", house.policies.names().collect::<Vec<_>>().join(", "));
    println!("policy hash {}", house.policies.hash());
    println!("cases       {} passed, {failed} failed", cases - failed);
    println!("code rules  {}", house.code_rules);
    println!("text rules  {text_rules}");
    println!("guard       {}", house.guard);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
