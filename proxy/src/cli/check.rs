//! `ringfence check`: is what would be served sound?

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

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
/// Something cannot be loaded, or the output is closed.
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
    let mut out = io::stdout().lock();
    writeln!(out, "policies    {}", house.policies.names().collect::<Vec<_>>().join(", "))?;
    writeln!(out, "policy hash {}", house.policies.hash())?;
    writeln!(out, "cases       {} passed, {failed} failed", cases - failed)?;
    writeln!(out, "code rules  {}", house.code_rules)?;
    writeln!(out, "text rules  {text_rules}")?;
    writeln!(out, "guard       {}", house.guard)?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
