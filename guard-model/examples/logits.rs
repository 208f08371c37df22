//! What a model says next, for comparison with other engines: reads lines of token ids, and for each writes one JSON line
//! with the logits of the whole vocabulary and the ids of a greedy answer.
//! `cargo run --release -p guard-model --example logits -- FILE [TOKENS] < LINES`.

use guard_model::llama::Llama;
use std::io::{BufRead as _, Write as _};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let model = Llama::open(Path::new(words.first().ok_or("usage: logits FILE [TOKENS] < LINES")?))?;
    let count: usize = words.get(1).map_or(Ok(24), |word| word.parse())?;
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let ids: Vec<u32> = line?.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let mut cache = model.cache();
        let logits = model.forward(&ids, &mut cache)?;
        let (mut next, mut greedy) = (logits.clone(), Vec::new());
        while greedy.len() < count {
            let best = (0_u32..).zip(&next).max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(id, _)| id);
            greedy.push(best);
            next = model.forward(&[best], &mut cache)?;
        }
        serde_json::to_writer(&mut out, &serde_json::json!({ "logits": logits, "greedy": greedy }))?;
        writeln!(out)?;
    }
    Ok(())
}
