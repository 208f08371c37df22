//! The `ringfence` program.
use std::process::ExitCode;

use clap::Parser;
use ringfence::{cli::models::ModelsArgs, config, models::ModelStore};

#[derive(Parser)]
enum Program {
    /// Get and find models
    Models(ModelsArgs),
}

fn main() -> anyhow::Result<ExitCode> {
    let Program::Models(arguments) = Program::parse();
    let store = ModelStore::new(&config::models_environment())?;
    Ok(ringfence::cli::models::run(&arguments, &store, &mut std::io::stdout())?)
}
