//! Thousands of verdicts of mixed lengths, some of which nobody waits for: does memory stay flat?
//! `cargo run --release -p guard-model --example soak -- FILE [VERDICTS]`, with a GGUF file or a safetensors directory.

use guard_model::llama::{Llama, Owner, Request, Scheduler, Store, Ticket};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let path = Path::new(words.first().ok_or("usage: soak FILE [VERDICTS]")?);
    let count: usize = words.get(1).map_or(Ok(10_000), |word| word.parse())?;
    let (model, store) = (Arc::new(Llama::open(path)?), Arc::new(Store::new(STORE)));
    let scheduler = Scheduler::new(Arc::clone(&model), Arc::clone(&store), 64)?;
    let mut draw = Draw(1);
    let head: Vec<u32> = (0..150).map(|_| draw.below(model.vocabulary()) as u32).collect();
    let mut cache = model.cache();
    model.scores(&head, &mut cache, &[])?;
    store.keep(&Owner::Public, &head, cache);
    let tenants: Vec<Owner> = ["red", "green", "blue"].map(|name| Owner::Tenant(name.into())).to_vec();
    let (mut waiting, mut answered, mut late, mut left, mut settled): (VecDeque<Ticket>, _, _, _, _) =
        (VecDeque::new(), 0, 0, 0, None);
    let started = Instant::now();
    for at in 0..count {
        let mut tokens = head.clone();
        let length = 4 + draw.below(240);
        tokens.extend((0..length).map(|_| draw.below(model.vocabulary()) as u32));
        let wait = if draw.below(20) == 0 { Duration::from_millis(5) } else { Duration::from_mins(10) };
        let ticket = scheduler.ask(Request {
            owner: tenants.get(draw.below(3)).cloned().ok_or("no tenant")?,
            wanted: vec![(tokens.len() - 1, vec![0, 1])],
            tokens,
            deadline: Instant::now() + wait,
        })?;
        if draw.below(10) == 0 {
            left += 1;
            drop(ticket);
        } else {
            waiting.push_back(ticket);
        }
        while waiting.len() > 12 {
            match waiting.pop_front().map(Ticket::wait) {
                Some(Ok(_)) => answered += 1,
                Some(Err(_)) => late += 1,
                None => {}
            }
        }
        if at % (count / 10).max(1) == 0 {
            let (now, second) = (resident()?, started.elapsed().as_secs());
            println!("{at} asked, {answered} answered, {late} late, {left} left: {now:.0} MB after {second} s");
            // By then the store is full, and every buffer as large as it gets.
            if at >= count / 5 {
                let first = *settled.get_or_insert(now);
                if now > first * 1.1 + 20.0 {
                    return Err(format!("memory grew from {first:.0} to {now:.0} MB").into());
                }
            }
        }
    }
    println!("memory stays flat; the store has {:.0} of {:.0} MB", store.bytes() as f64 / 1e6, STORE as f64 / 1e6);
    Ok(())
}

/// Numbers that look drawn at random.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % end.max(1)
    }
}

/// Megabytes of this process in memory now.
fn resident() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("there is no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<f64>()? / 1024.0)
}

const STORE: usize = 64 << 20;
