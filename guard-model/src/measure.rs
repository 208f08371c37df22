//! How fast a guard model is on this machine: what an operator asks before choosing one.

use crate::GuardError;
use crate::engine::{Level, eight_bit_peak};
use crate::llama::{Llama, Wanted};
use std::path::Path;
use std::time::{Duration, Instant};

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Tokens that a verdict finds in the cache.
    pub prefix: usize,
    /// Tokens that are new to it.
    pub new: usize,
    /// Threads to compute with; 0 for as many as there are cores.
    pub threads: usize,
}

/// What was seen. Times are medians over some repetitions, of whatever else the machine did in the meantime too.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Figures {
    /// Milliseconds of a verdict: the new tokens behind the cached ones, and the two logits that it is made of.
    pub verdict_ms: f64,
    /// What one verdict in a hundred takes, or the slowest of fewer.
    pub verdict_p99_ms: f64,
    /// Tokens a second of a prompt of 128.
    pub prefill128_tok_s: f64,
    /// Tokens a second of a prompt of 512.
    pub prefill512_tok_s: f64,
    /// Tokens a second, one after the other.
    pub decode_tok_s: f64,
    /// The share of what all threads can do in eight-bit products that a verdict's matrices alone make use of; none where
    /// the machine has no instructions for them.
    pub int8_peak_share: Option<f64>,
    /// Milliseconds to read the file.
    pub load_ms: f64,
    /// The most memory this process ever had, in megabytes; none where the system does not say.
    pub peak_rss_mb: Option<f64>,
}

/// Measures the model in a file with tokens drawn at random, so that it needs no vocabulary. It takes some seconds, for
/// large models longer.
///
/// # Errors
/// [`GuardError::Weights`] when the file cannot be used, [`GuardError::Failed`] when the load does not fit its context or
/// there can be no such threads.
pub fn measure(path: &Path, load: Load) -> Result<Figures, GuardError> {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(load.threads).build();
    let threads = threads.map_err(|error| GuardError::Failed(format!("{} threads: {error}", load.threads)))?;
    threads.install(|| measured(path, load))
}

fn measured(path: &Path, load: Load) -> Result<Figures, GuardError> {
    let started = Instant::now();
    let llama = Llama::open(path)?;
    let load_ms = milliseconds(started.elapsed());
    let mut seed = 1_u64;
    let mut tokens = |count: usize| -> Vec<u32> {
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            ((seed >> 33) % llama.vocabulary().max(1) as u64) as u32
        };
        (0..count).map(|_| next()).collect()
    };
    let mut cached = llama.cache();
    if load.prefix > 0 {
        llama.scores(&tokens(load.prefix), &mut cached, &[])?;
    }
    let new = tokens(load.new);
    let wanted = [Wanted { after: load.new.saturating_sub(1), of: &[0, 1] }];
    let verdicts = repeat(|| llama.scores(&new, &mut cached.clone(), &wanted).map(drop))?;
    let mut prefill = |count: usize| -> Result<f64, GuardError> {
        let prompt = tokens(count);
        let times = repeat(|| llama.forward(&prompt, &mut llama.cache()).map(drop))?;
        Ok(count as f64 * 1e3 / share(&times, 0.5))
    };
    let (prefill128_tok_s, prefill512_tok_s) = (prefill(128)?, prefill(512)?);
    let mut cache = llama.cache();
    llama.forward(&tokens(100), &mut cache)?;
    let next = tokens(1);
    let steps = repeat(|| llama.forward(&next, &mut cache).map(drop))?;
    let verdict_ms = share(&verdicts, 0.5);
    let work = 2.0 * llama.multiplications() as f64 * load.new as f64;
    let peak = eight_bit_peak(Level::best());
    Ok(Figures {
        verdict_ms,
        verdict_p99_ms: share(&verdicts, 0.99),
        prefill128_tok_s,
        prefill512_tok_s,
        decode_tok_s: 1e3 / share(&steps, 0.5),
        int8_peak_share: peak.map(|peak| work / (verdict_ms / 1e3) / peak),
        load_ms,
        peak_rss_mb: peak_memory(),
    })
}

/// Milliseconds of some runs, sorted: as many as there is time for, the first one not counted.
fn repeat(mut run: impl FnMut() -> Result<(), GuardError>) -> Result<Vec<f64>, GuardError> {
    run()?;
    let (started, mut times) = (Instant::now(), Vec::new());
    while times.len() < FEWEST || (times.len() < MOST && started.elapsed() < ENOUGH) {
        let start = Instant::now();
        run()?;
        times.push(milliseconds(start.elapsed()));
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// The value below which a share of the sorted values lies.
fn share(sorted: &[f64], share: f64) -> f64 {
    let at = (share * sorted.len() as f64) as usize;
    sorted.get(at).or(sorted.last()).copied().unwrap_or(f64::NAN)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()? / 1024.0)
}

/// Runs of a measurement: at least, at most, and how long there may be more.
const FEWEST: usize = 5;
const MOST: usize = 100;
const ENOUGH: Duration = Duration::from_secs(3);
