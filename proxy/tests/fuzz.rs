//! The promises of `proxy/fuzz/oracles.rs`, on seeds and on seeded mutations of them: the same bytes in every run.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "an oracle that breaks should end the test")]

#[path = "../fuzz/oracles.rs"]
mod oracles;

use oracles::ORACLES;

/// Mutations of each seed for each promise.
const ROUNDS: u64 = 2_000;

const WORDS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"true",
    b"1e400",
    b"-0",
    b"\\u0000",
    b"\\ud800",
    b"\"role\"",
    b"\"content\"",
    b"\"type\":\"text\"",
    b"\"Model\"",
    b"```",
    b"~~~\n",
    b"\n",
    b"\r",
    b"data: ",
    b"\xff",
    b"\xe2\x80\x8b",
    b"=",
];

#[test]
fn what_must_hold_for_any_bytes_holds_for_many() {
    for (number, seed) in (0_u64..).zip(&seeds()) {
        for (name, oracle) in ORACLES {
            oracle(seed);
            let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (number + 1));
            let mut data = seed.clone();
            for round in 0..ROUNDS {
                if round % 8 == 0 {
                    data = seed.clone();
                }
                mutate(&mut data, &mut random);
                let outcome = std::panic::catch_unwind(|| oracle(&data));
                assert!(outcome.is_ok(), "{name} breaks on {:?}", String::from_utf8_lossy(&data));
            }
        }
    }
}

/// What the coverage-guided targets begin with, too.
fn seeds() -> Vec<Vec<u8>> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds");
    let files = std::fs::read_dir(directory).expect("the seeds are there");
    let mut files: Vec<_> = files.map(|file| file.expect("a seed is listed").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|file| std::fs::read(file).expect("a seed is readable")).collect()
}

/// One small change somewhere.
fn mutate(data: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(data.len() + 1);
    match random.below(6) {
        0 if at < data.len() => data[at] ^= 1 << random.below(8),
        1 => drop(data.splice(at..at, WORDS[random.below(WORDS.len())].iter().copied())),
        2 => drop(data.drain(at..(at + random.below(9)).min(data.len()))),
        3 => {
            let piece = data[at..(at + random.below(64)).min(data.len())].to_vec();
            let to = random.below(data.len() + 1);
            drop(data.splice(to..to, piece));
        }
        4 => data.truncate(at.max(1)),
        _ => {
            let word = WORDS[random.below(WORDS.len())];
            let end = (at + word.len()).min(data.len());
            drop(data.splice(at..end, word.iter().copied()));
        }
    }
}

/// xorshift64 (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap_or(1)).unwrap_or(0)
    }
}
