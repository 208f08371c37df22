//! `ringfence models`: getting models by hand.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use guard_model::Inspection;

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
    /// Tell what a model's file holds, and what it would take to run it here
    Inspect {
        /// A GGUF file, or a name from `ringfence models list`
        path: String,
        /// How to tell it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Print where a model is
    Path {
        /// A name from `ringfence models list`
        name: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: JSON
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
        Command::Inspect { path: name, format } => inspect(name, *format, store, out),
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

fn inspect(name: &str, format: Format, store: &ModelStore, out: &mut dyn Write) -> io::Result<ExitCode> {
    let file = path(name, store);
    let seen = file.and_then(|file| Inspection::of(Path::new(&file)).map_err(|error| error.to_string()));
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => return show(Err(error), out),
    };
    // What a conversation of this many tokens takes, so that the sum means something.
    let room = seen.context.unwrap_or(0).min(4096);
    let memory = seen.weight_bytes + room as u64 * seen.token_bytes;
    if format == Format::Json {
        let mut all = serde_json::to_value(&seen).map_err(io::Error::other)?;
        if let Some(fields) = all.as_object_mut() {
            fields.insert("memory_bytes".to_owned(), memory.into());
        }
        return writeln!(out, "{all:#}").map(|()| ExitCode::SUCCESS);
    }
    let megabytes = |bytes: u64| format!("{:.0} MB", bytes as f64 / 1e6);
    let number = |number: Option<usize>| number.map_or("not told".to_owned(), |number| number.to_string());
    let types = seen.quantisation.iter().map(|(kind, bytes)| format!("{kind} {}", megabytes(*bytes)));
    let template = match seen.guard_template {
        Some(template) => format!("a guard's, {template}"),
        None if seen.chat_template => "a chat's".to_owned(),
        None => "none".to_owned(),
    };
    let rows = [
        ("name", seen.name.clone().unwrap_or_else(|| "not told".to_owned())),
        ("architecture", seen.architecture.clone()),
        ("parameters", format!("{:.2} billion", seen.parameters as f64 / 1e9)),
        ("quantisation", types.collect::<Vec<_>>().join(", ")),
        ("layers", number(seen.layers)),
        ("context", number(seen.context)),
        ("vocabulary", number(seen.vocabulary)),
        ("template", template),
        ("memory", format!("{} with a conversation of {room} tokens", megabytes(memory))),
        ("runs here", seen.obstacle.clone().map_or_else(|| "yes".to_owned(), |obstacle| format!("no: {obstacle}"))),
    ];
    for (name, value) in rows {
        writeln!(out, "{name:<14}{value}")?;
    }
    Ok(ExitCode::SUCCESS)
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
