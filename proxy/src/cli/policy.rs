//! `ringfence policy`: writing policies, testing them, and knowing what they change before they are in force.

mod cases;
mod check;
mod diff;
mod explain;
mod junit;
mod replay;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Subcommand, ValueEnum};
use policies::{Catalog, Policy, PolicySet};

use crate::{
    config::{Config, default_audit_directory},
    house, live,
};

/// The arguments of `ringfence policy`.
#[derive(Debug, Clone, Args)]
pub struct PolicyArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// A directory of further code rules, whose findings policies may name
    #[arg(long, value_name = "DIR", global = true)]
    rules: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Say whether policies load, their cases hold, every rule has a case and no exception is over
    Check {
        /// Policy files, or `pack:NAME`; those of the configuration if none are given
        #[arg(value_name = "POLICY")]
        policies: Vec<String>,
    },
    /// Run the cases
    Test {
        /// Policy files, or `pack:NAME`; those of the configuration if none are given
        #[arg(value_name = "POLICY")]
        policies: Vec<String>,
        /// How to tell what came of them
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Say which rules decided a record, why, and what would have to be different
    Explain(explain::ExplainArgs),
    /// List the cases of both that two sets of policies decide differently
    Diff {
        /// A policy file or `pack:NAME`; several joined with `+`
        #[arg(value_name = "A")]
        one: String,
        /// The other
        #[arg(value_name = "B")]
        other: String,
        /// How to show them
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Decide recorded traffic again with other policies, and show what changes
    Replay(replay::ReplayArgs),
    /// Print the JSON Schema of policies, for editors
    Schema,
    /// Print the page of a policy, in Markdown
    Docs {
        /// Policy files, or `pack:NAME`; those of the configuration if none are given
        #[arg(value_name = "POLICY")]
        policies: Vec<String>,
    },
}

/// How a result is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For build servers
    Junit,
}

/// Runs the command: 0 when nothing is amiss or different, 1 when something is.
///
/// # Errors
/// Something cannot be read or written, or is no policy.
pub fn run(arguments: &PolicyArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut config = arguments.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    if arguments.rules.is_some() {
        config.rules.clone_from(&arguments.rules);
    }
    let desk = Desk { catalog: house::everything(&config)?, config };
    let clean = match &arguments.command {
        Command::Check { policies } => check::run(&desk, policies, out),
        Command::Test { policies, format } => cases::run(&desk.read(policies)?, *format, out),
        Command::Explain(arguments) => explain::run(&desk, arguments, out),
        Command::Diff { one, other, format } => diff::run(&desk, [one, other], *format, out),
        Command::Replay(arguments) => replay::run(&desk, arguments, out),
        Command::Schema => {
            writeln!(out, "{:#}", policies::schema(&desk.catalog))?;
            Ok(true)
        }
        Command::Docs { policies } => {
            for policy in desk.read(policies)? {
                write!(out, "{}", policies::page(&policy))?;
            }
            Ok(true)
        }
    };
    match clean.and_then(|clean| Ok(out.flush().map(|()| clean)?)) {
        Ok(clean) => Ok(ExitCode::from(u8::from(!clean))),
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error),
    }
}

/// What all commands need.
struct Desk {
    config: Config,
    catalog: Catalog,
}

impl Desk {
    /// Policies by their names; those of the configuration if none are given.
    fn read(&self, names: &[String]) -> anyhow::Result<Vec<Policy>> {
        let default = ["pack:default".to_owned()];
        let names = match (names, self.config.policies.as_slice()) {
            ([], []) => &default,
            ([], configured) => configured,
            (given, _) => given,
        };
        names.iter().map(|name| Ok(live::parse(name, &live::text(live::split(name).0)?, &self.catalog)?)).collect()
    }

    /// The same as one set, which need not answer the failures of detectors.
    fn set(&self, names: &[String]) -> anyhow::Result<PolicySet> {
        Ok(PolicySet::new(self.read(names)?, &Catalog::new([]))?)
    }

    /// The directory of the audit log.
    fn audit(&self, given: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
        let directory = given.cloned().or_else(|| self.config.audit.directory.clone()).or_else(default_audit_directory);
        directory.ok_or_else(|| anyhow::anyhow!("name the audit log's directory with `--audit DIR`"))
    }
}

#[cfg(test)]
mod tests;
