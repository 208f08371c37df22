//! What the machine could do at most.

use super::kernels::{self, Level};
use std::time::Instant;

/// Operations a second of eight-bit products on all threads of the pool, two for each pair of bytes; none where there are
/// no instructions for them.
pub(crate) fn eight_bit_peak(level: Level) -> Option<f64> {
    let once = || {
        let started = Instant::now();
        let done = rayon::broadcast(|_| kernels::eight_bit_rounds(level, ROUNDS));
        let done: usize = done.into_iter().sum::<Option<usize>>()?;
        Some(done as f64 / started.elapsed().as_secs_f64())
    };
    (0..TRIES).filter_map(|_| once()).max_by(f64::total_cmp)
}

/// Some milliseconds of products, and how often: the best counts, since what else runs only takes away.
const ROUNDS: usize = 1_000_000;
const TRIES: usize = 7;
