//! `ringfence keys`: keys for callers.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use policies::Day;

use crate::keys::new_key;

/// The arguments of `ringfence keys`.
#[derive(Debug, Clone, Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Make a key: the key itself for its owner, and its entry for the file that `keys` names
    New {
        /// Whose traffic it will be
        #[arg(long)]
        tenant: String,
        /// A group it belongs to; may be repeated
        #[arg(long)]
        group: Vec<String>,
        /// The last day on which it holds, such as 2027-12-31
        #[arg(long, value_name = "DAY", value_parser = day)]
        until: Option<Day>,
    },
}

/// Runs the command.
///
/// # Errors
/// There are no random numbers, or the output is closed.
pub fn run(arguments: &KeysArgs, out: &mut dyn Write) -> io::Result<ExitCode> {
    let Command::New { tenant, group, until } = &arguments.command;
    let (key, entry) = new_key(tenant, group, *until)?;
    writeln!(
        out,
        "# Give this to its owner; it is nowhere else:\n#   {key}\n# Put this below `keys:` in the key file:"
    )?;
    write!(out, "{entry}")?;
    Ok(ExitCode::SUCCESS)
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| format!("`{text}` is not a day: write one such as 2027-12-31"))
}
