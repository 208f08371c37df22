//! Time of one window through the encoder, by the engine and by candle in turn:
//! `taskset -c 0 cargo bench -p guard-model --bench encoder`. Lengths may be given, and `alone` leaves candle out.

#[path = "../tests/reference/mod.rs"]
mod reference;

use guard_model::encoder::{Encoder, WeightsFile};
use guard_model::engine::Level;
use reference::Reference;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let weights: &'static [u8] = include_bytes!("../weights/guard.gguf");
    let before = resident()?;
    let encoder = Encoder::load_static(&mut WeightsFile::parse(weights)?)?;
    println!(
        "engine: {:?}, resident {:.1} MB more once loaded, pages of the file among them",
        Level::best(),
        resident()? - before
    );
    let reference = Reference::load(&mut WeightsFile::parse(weights)?)?;
    let alone = std::env::args().any(|word| word == "alone");
    let lengths: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    for pieces in if lengths.is_empty() { vec![32, 128] } else { lengths } {
        let ids: Vec<u32> = (0..pieces as u32 - 2).map(|at| 100 + at * 37 % 5000).collect();
        let windows = [ids.as_slice()];
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..if alone { 1000 } else { 100 } {
            let [ours, theirs] = &mut times;
            ours.push(time(|| Ok(encoder.encode(&windows)?))?);
            if !alone && round % 5 == 0 {
                theirs.push(time(|| Ok(reference.encode(&windows)?))?);
            }
        }
        let (found, expected) = (encoder.encode(&windows)?.concat(), reference.encode(&windows)?.concat());
        let [ours, theirs] = times.map(Summary::of);
        println!(
            "{pieces} tokens: engine median {:.2} ms (best {:.2}, nine of ten within {:.2}), candle median {:.2} ms; cosine {:.6}",
            ours.median,
            ours.best,
            ours.slow,
            theirs.median,
            reference::cosine(&found, &expected)
        );
    }
    Ok(())
}

fn time(run: impl Fn() -> Result<Vec<Vec<f32>>, Failure>) -> Result<Duration, Failure> {
    let started = Instant::now();
    std::hint::black_box(run()?);
    Ok(started.elapsed())
}

/// Milliseconds.
struct Summary {
    best: f64,
    median: f64,
    slow: f64,
}

impl Summary {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |share: usize| times.get(times.len() * share / 10).copied().unwrap_or_default().as_secs_f64() * 1e3;
        Self { best: at(0), median: at(5), slow: at(9) }
    }
}

/// Megabytes of this process in memory.
fn resident() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("there is no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<f64>()? / 1024.0)
}
