//! Tokens per second of a Llama in a GGUF file, by the engine and by candle in turn:
//! `cargo bench -p guard-model --bench llama -- FILE [alone | figures | cpu]`; the last counts the time
//! of the processor that one thread takes, which other programs change little.

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_llama::ModelWeights;
use guard_model::engine::Level;
use guard_model::llama::Llama;
use guard_model::llama::Wanted;
use guard_model::measure::Load;
use std::path::Path;
use std::time::Instant;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let path = Path::new(words.first().ok_or("usage: llama FILE [alone | figures | cpu]")?);
    if words.get(1).is_some_and(|word| word == "cpu") {
        return rayon::ThreadPoolBuilder::new().num_threads(1).build()?.install(|| costs(path));
    }
    if words.get(1).is_some_and(|word| word == "figures") {
        let figures = guard_model::measure::measure(path, Load { prefix: 600, new: 100, threads: 0 })?;
        println!("{}", serde_json::to_string(&figures)?);
        return Ok(());
    }
    let started = Instant::now();
    let ours = Llama::open(path)?;
    println!("{:?}: loaded in {:.2} s, {:.0} MB resident", Level::best(), started.elapsed().as_secs_f64(), resident()?);
    let mut theirs = if words.len() > 1 { None } else { Some(candle(path)?) };
    for count in [128, 512] {
        let tokens: Vec<u32> = (0..count).map(|at| 20 + at * 7919 % 10_000).collect();
        let (mut fast, mut slow) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            fast.push(timed(|| Ok(ours.forward(&tokens, &mut ours.cache())?))?);
            if let Some(theirs) = &mut theirs {
                slow.push(timed(|| step(theirs, &tokens, 0))?);
            }
        }
        report(&format!("prefill {count}"), f64::from(count), fast, slow);
        if let Some(theirs) = &mut theirs {
            let found = ours.forward(&tokens, &mut ours.cache())?;
            println!("  next token's odds differ by {:.4} nats", divergence(&step(theirs, &tokens, 0)?, &found));
        }
    }
    let prefix: Vec<u32> = (0..600).map(|at| 20 + at * 31 % 10_000).collect();
    let mut cached = ours.cache();
    ours.forward(&prefix, &mut cached)?;
    let suffix: Vec<u32> = (0..100).map(|at| 50 + at * 17 % 10_000).collect();
    let times = (0..5).map(|_| timed(|| Ok(ours.forward(&suffix, &mut cached.clone())?))).collect::<Result<_, _>>()?;
    report("600 cached + 100 new", 100.0, times, Vec::new());
    let (mut fast, mut slow) = (Vec::new(), Vec::new());
    let mut cache = ours.cache();
    ours.forward(&suffix, &mut cache)?;
    if let Some(theirs) = &mut theirs {
        step(theirs, &suffix, 0)?;
    }
    for at in 0..40 {
        fast.push(timed(|| Ok(ours.forward(&[50 + at], &mut cache)?))?);
        if let Some(theirs) = &mut theirs {
            slow.push(timed(|| step(theirs, &[50 + at], 100 + at as usize))?);
        }
    }
    report("decode", 1.0, fast, slow);
    Ok(())
}

/// Processor time of the smallest of some runs, in milliseconds, on one thread.
fn costs(path: &Path) -> Result<(), Failure> {
    let least = |count: usize, run: &mut dyn FnMut() -> Result<(), Failure>| -> Result<f64, Failure> {
        let mut least = f64::INFINITY;
        for _ in 0..count {
            let before = on_processor()?;
            run()?;
            least = least.min(on_processor()? - before);
        }
        Ok(least)
    };
    let before = on_processor()?;
    let llama = Llama::open(path)?;
    println!("load {:.0} ms, {:.0} MB resident", on_processor()? - before, resident()?);
    let tokens = |count: u32| -> Vec<u32> { (0..count).map(|at| 20 + at * 7919 % 10_000).collect() };
    let mut cached = llama.cache();
    llama.scores(&tokens(600), &mut cached, &[])?;
    let (new, wanted) = (tokens(100), [Wanted { after: 99, of: &[0, 1] }]);
    let verdict = least(7, &mut || Ok(llama.scores(&new, &mut cached.clone(), &wanted).map(drop)?))?;
    let work = 2e-9 * llama.multiplications() as f64;
    println!("verdict {verdict:.1} ms, {:.0} GOP/s", work * 1e5 / verdict);
    for count in [128, 512] {
        let prompt = tokens(count);
        let prefill = least(5, &mut || Ok(llama.forward(&prompt, &mut llama.cache()).map(drop)?))?;
        let rate = f64::from(count) * 1e3 / prefill;
        println!("prefill {count}: {rate:.1} tokens/s, {:.0} GOP/s", work * rate);
    }
    let mut cache = llama.cache();
    llama.forward(&tokens(100), &mut cache)?;
    let decode = least(20, &mut || Ok(llama.forward(&[77], &mut cache).map(drop)?))?;
    println!("decode {:.1} tokens/s", 1e3 / decode);
    Ok(())
}

/// Milliseconds that all threads of this process have had of the processor.
fn on_processor() -> Result<f64, Failure> {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let times = std::fs::read_to_string(task?.path().join("schedstat"))?;
        sum += times.split_whitespace().next().ok_or("there is no time in schedstat")?.parse::<f64>()?;
    }
    Ok(sum / 1e6)
}

fn candle(path: &Path) -> Result<ModelWeights, Failure> {
    let mut file = std::io::BufReader::new(std::fs::File::open(path)?);
    let content = Content::read(&mut file)?;
    Ok(ModelWeights::from_gguf(content, &mut file, &Device::Cpu)?)
}

fn step(model: &mut ModelWeights, tokens: &[u32], at: usize) -> Result<Vec<f32>, Failure> {
    Ok(model.forward(&Tensor::new(tokens, &Device::Cpu)?.unsqueeze(0)?, at)?.flatten_all()?.to_vec1()?)
}

fn timed(run: impl FnOnce() -> Result<Vec<f32>, Failure>) -> Result<f64, Failure> {
    let started = Instant::now();
    std::hint::black_box(run()?);
    Ok(started.elapsed().as_secs_f64())
}

fn report(what: &str, tokens: f64, mut fast: Vec<f64>, mut slow: Vec<f64>) {
    let rates = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        let at = |index: usize| times.get(index).map_or(f64::NAN, |seconds| tokens / seconds);
        (at(times.len() / 2), at(0))
    };
    let ((ours, best), (theirs, their_best)) = (rates(&mut fast), rates(&mut slow));
    println!("{what}: engine {ours:.1} tokens/s (best {best:.1}), candle {theirs:.1} (best {their_best:.1})");
}

/// Kullback and Leibler's divergence of the odds that two rows of logits give.
fn divergence(expected: &[f32], found: &[f32]) -> f64 {
    let odds = |logits: &[f32]| {
        let most = logits.iter().copied().fold(f32::MIN, f32::max);
        let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
        logits.iter().map(|logit| f64::from(logit - most) - sum.ln()).collect::<Vec<f64>>()
    };
    odds(expected).iter().zip(odds(found)).map(|(expected, found)| expected.exp() * (expected - found)).sum()
}

/// Megabytes of this process in memory.
fn resident() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("there is no VmHWM")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<f64>()? / 1024.0)
}
