//! `ringfence generate`: what a model answers, without a proxy.

use std::{
    io::{self, Write as _},
    ops::ControlFlow,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Args;
use guard_model::generator::{GenerationRequest, Generator, Message};

use crate::{
    config,
    models::{ModelStore, Progress},
};

/// The arguments of `ringfence generate`.
#[derive(Debug, Clone, Args)]
pub struct GenerateArgs {
    /// A model's name or GGUF file
    #[arg(long, value_name = "NAME|FILE")]
    model: String,
    /// What the user says, `-` for standard input
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: String,
    /// Most tokens of the answer
    #[arg(long, value_name = "N", default_value_t = 256)]
    max_tokens: usize,
    /// How freely tokens are drawn: 0 takes the likeliest
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    temperature: f64,
    /// The same seed draws the same answer
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

/// Writes the answer as it comes.
///
/// # Errors
/// The model cannot be had or does not run here, a setting is out of range, or the output is closed.
pub fn run(arguments: GenerateArgs) -> anyhow::Result<ExitCode> {
    let GenerateArgs { model, prompt, max_tokens, temperature, seed } = arguments;
    let path = ModelStore::new(&config::models_environment())?.pull(&model, &Progress::stderr())?;
    let generator = Generator::open(&path).with_context(|| format!("{} cannot be loaded", path.display()))?;
    let content = if prompt == "-" { io::read_to_string(io::stdin())? } else { prompt };
    let request = GenerationRequest {
        messages: vec![Message { role: "user".to_owned(), content }],
        max_tokens: Some(max_tokens),
        temperature,
        top_p: 1.0,
        seed,
        stop: Vec::new(),
    };
    let mut out = io::stdout().lock();
    let mut closed = Ok(());
    generator.generate(&request, &mut |text| {
        closed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        if closed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    closed?;
    writeln!(out)?;
    Ok(ExitCode::SUCCESS)
}
