//! `ringfence bench`: how fast will it be on this machine?

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use guard_model::measure::{Figures, Load, measure};

/// The arguments of `ringfence bench`.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Measure a guard model, with tokens drawn at random
    Guard(GuardArgs),
}

#[derive(Debug, Clone, Args)]
struct GuardArgs {
    /// A GGUF file, or a directory of safetensors with its `config.json`
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Tokens that a verdict finds computed: the template's head and what was said before
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u32).range(..=MOST_TOKENS))]
    prefix: u32,
    /// Tokens that are new to it
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=MOST_TOKENS))]
    new: u32,
    /// Threads to compute with; without it, one for each core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// How to show what was measured
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one JSON object
    Json,
}

/// Measures what the command line names.
///
/// # Errors
/// The model cannot be read, the load does not fit its context, or the output is closed.
pub fn run(arguments: &BenchArgs) -> anyhow::Result<ExitCode> {
    let Command::Guard(GuardArgs { model, prefix, new, threads, format }) = &arguments.command;
    let load =
        Load { prefix: *prefix as usize, new: *new as usize, threads: threads.map_or(0, |threads| threads as usize) };
    let figures = measure(model, load)?;
    show(&figures, load, *format, &mut io::stdout().lock()).context("the output is closed")?;
    Ok(ExitCode::SUCCESS)
}

fn show(figures: &Figures, load: Load, format: Format, out: &mut dyn Write) -> io::Result<()> {
    if let Format::Json = format {
        serde_json::to_writer(&mut *out, figures)?;
        return writeln!(out);
    }
    let Load { prefix, new, .. } = load;
    let known =
        |value: Option<f64>, unit: &str| value.map_or("unknown".to_owned(), |value| format!("{value:.0}{unit}"));
    writeln!(out, "verdict       {:.1} ms ({prefix} tokens cached, {new} new)", figures.verdict_ms)?;
    writeln!(out, "  at worst    {:.1} ms (99th percentile)", figures.verdict_p99_ms)?;
    writeln!(out, "prefill 128   {:.0} tokens/s", figures.prefill128_tok_s)?;
    writeln!(out, "prefill 512   {:.0} tokens/s", figures.prefill512_tok_s)?;
    writeln!(out, "decode        {:.1} tokens/s", figures.decode_tok_s)?;
    writeln!(out, "of the peak   {}", known(figures.int8_peak_share.map(|share| share * 100.0), " %"))?;
    writeln!(out, "load          {:.0} ms", figures.load_ms)?;
    writeln!(out, "peak memory   {}", known(figures.peak_rss_mb, " MB"))
}

/// Most tokens of either kind: the longest context of the models that run here.
const MOST_TOKENS: i64 = 131_072;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_the_names_of_the_contract() {
        let figures = Figures {
            verdict_ms: 1.0,
            verdict_p99_ms: 2.0,
            prefill128_tok_s: 3.0,
            prefill512_tok_s: 4.0,
            decode_tok_s: 5.0,
            int8_peak_share: None,
            load_ms: 6.0,
            peak_rss_mb: Some(7.0),
        };
        let shown = |format| {
            let mut out = Vec::new();
            show(&figures, Load { prefix: 600, new: 100, threads: 0 }, format, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            shown(Format::Json),
            "{\"verdict_ms\":1.0,\"verdict_p99_ms\":2.0,\"prefill128_tok_s\":3.0,\"prefill512_tok_s\":4.0,\
             \"decode_tok_s\":5.0,\"int8_peak_share\":null,\"load_ms\":6.0,\"peak_rss_mb\":7.0}\n"
        );
        assert!(shown(Format::Text).contains("of the peak   unknown"));
    }
}
