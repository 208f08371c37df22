//! The commands of the program, one file each.

pub mod audit;
pub mod check;
pub mod classify;
pub mod generate;
pub mod guard;
pub mod models;
pub mod scan;
pub mod serve;

use std::{io, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{config, models::ModelStore};

/// A safety guardrail proxy in front of a local Llama generator
#[derive(Debug, Parser)]
#[command(name = "ringfence", version, args_conflicts_with_subcommands = true)]
pub struct Program {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Stand in front of a generator and judge what passes (the default)
    Serve(serve::ServeArgs),
    /// Look for weak code and secrets in files
    Scan(scan::ScanArgs),
    /// Ask the guard model about a text
    Classify(classify::ClassifyArgs),
    /// Show what a guard is asked
    Guard(guard::GuardArgs),
    /// Ask a model a question
    Generate(generate::GenerateArgs),
    /// Validate the configuration, the policies and the rules, and run all their cases
    Check(check::CheckArgs),
    /// Read the audit log
    Audit(audit::AuditArgs),
    /// Get and find models
    Models(models::ModelsArgs),
}

/// Runs what the command line asks for: 0 is clean, 1 says that something was found.
///
/// # Errors
/// What went wrong, in one sentence; the exit code is then 2.
pub fn run(program: Program) -> anyhow::Result<ExitCode> {
    match program.command {
        None => serve::run(program.serve),
        Some(Command::Serve(arguments)) => serve::run(arguments),
        Some(Command::Scan(arguments)) => scan::run(arguments),
        Some(Command::Classify(arguments)) => classify::run(arguments),
        Some(Command::Guard(arguments)) => guard::run(arguments),
        Some(Command::Generate(arguments)) => generate::run(arguments),
        Some(Command::Check(arguments)) => check::run(&arguments),
        Some(Command::Audit(arguments)) => {
            let default = config::default_audit_directory();
            let code = audit::run(&arguments, default.as_deref(), &mut io::stdout(), &mut io::stderr())?;
            Ok(ExitCode::from(code))
        }
        Some(Command::Models(arguments)) => {
            let store = ModelStore::new(&config::models_environment())?;
            Ok(models::run(&arguments, &store, &mut io::stdout())?)
        }
    }
}
