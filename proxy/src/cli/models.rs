//! `ringfence models`: getting models by hand.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use crate::models::{MODELS, Model, ModelError, ModelStore, Progress};

/// The arguments of `ringfence models`.
#[derive(Debug, Clone, Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Fetch a model and print where it is
    Pull {
        /// A name from `ringfence models list`
        #[arg(default_value = MODELS[0].name)]
        name: String,
    },
    /// Show the models that have a name
    List {
        /// How to show them
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Print where a model is
    Path {
        /// A name from `ringfence models list`
        name: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one JSON array
    Json,
}

/// Runs the command: what it found goes to `out`, why it failed to the error stream.
///
/// # Errors
/// When `out` cannot be written.
pub fn run(arguments: &ModelsArgs, store: &ModelStore, out: &mut dyn Write) -> io::Result<ExitCode> {
    match &arguments.command {
        Command::Pull { name } => {
            show(store.pull(name, &Progress::stderr()).map(|path| path.display().to_string()), out)
        }
        Command::Path { name } => show(path(name, store), out),
        Command::List { format } => {
            list(*format, store, out)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn path(name: &str, store: &ModelStore) -> Result<String, String> {
    match store.resolve(name).map_err(|error: ModelError| error.to_string())? {
        Some(path) => Ok(path.display().to_string()),
        None => Err(format!("`{name}` is not here yet: run `ringfence models pull {name}`")),
    }
}

fn show<E: std::fmt::Display>(found: Result<String, E>, out: &mut dyn Write) -> io::Result<ExitCode> {
    match found {
        Ok(text) => writeln!(out, "{text}").map(|()| ExitCode::SUCCESS),
        Err(error) => writeln!(io::stderr(), "ringfence: {error}").map(|()| ExitCode::from(2)),
    }
}

fn list(format: Format, store: &ModelStore, out: &mut dyn Write) -> io::Result<()> {
    let cached = |model: &Model| Some(store.path(model)).filter(|path| path.is_file());
    match format {
        Format::Text => {
            writeln!(out, "{:<24}{:>8}  {:<12}{:<8}FROM", "NAME", "SIZE", "LICENCE", "HERE")?;
            for model in MODELS {
                let size = format!("{} MB", model.megabytes);
                let here = if cached(model).is_some() { "yes" } else { "no" };
                writeln!(out, "{:<24}{size:>8}  {:<12}{here:<8}{}", model.name, model.licence, model.source)?;
            }
            Ok(())
        }
        Format::Json => {
            let rows: Vec<serde_json::Value> = MODELS
                .iter()
                .map(|model| {
                    serde_json::json!({
                        "name": model.name,
                        "megabytes": model.megabytes,
                        "licence": model.licence,
                        "source": model.source.to_string(),
                        "path": cached(model),
                    })
                })
                .collect();
            writeln!(out, "{:#}", serde_json::Value::from(rows))
        }
    }
}
