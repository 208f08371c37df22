//! Matrices that read the same input, applied by as many threads as there is work for.

use super::activations::Activations;
use super::kernels::Level;
use super::matrix::{Matrix, Workspace};
use super::spans::Rounded;
use super::{Columns, STRIP};
use rayon::prelude::{IndexedParallelIterator as _, ParallelIterator as _, ParallelSliceMut as _};
use std::cell::RefCell;

/// Matrices of the same inputs; the outputs of one follow those of the one before it.
pub(crate) struct Linear {
    parts: Vec<Matrix>,
    inputs: usize,
    stride: usize,
}

thread_local! {
    /// What a thread needs for a product, kept from one to the next.
    static SCRATCH: RefCell<(Activations, Workspace)> = RefCell::default();
}

impl Linear {
    /// One or more matrices of `inputs` each.
    pub(crate) fn new(parts: Vec<Matrix>, inputs: usize) -> Self {
        let stride = parts.iter().map(Matrix::stride).sum();
        Self { parts, inputs, stride }
    }

    /// Length of an output row.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// Length of an input row.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// The matrices.
    pub(crate) fn parts(&self) -> &[Matrix] {
        &self.parts
    }

    /// The products with every row of `input` into strips of `output`, one after the other, as many rows in each; `add`
    /// keeps what is there and adds to it.
    pub(crate) fn apply_rows(&self, level: Level, input: &Rounded, output: &mut [Columns], add: bool) {
        let rows = input.rows().max(1);
        let many = rows * self.inputs * self.stride >= WORTH_A_THREAD;
        let shares = if many { rayon::current_num_threads() * SHARES } else { 1 };
        let share = (self.stride / STRIP).div_ceil(shares).max(1);
        output.par_chunks_mut(share * rows).enumerate().for_each(|(at, mut output)| {
            SCRATCH.with_borrow_mut(|(_, workspace)| {
                let (first, last) = (at * share, (at + 1) * share);
                let mut before = 0;
                for part in &self.parts {
                    let (from, to) = (first.max(before), last.min(before + part.strips()));
                    if from < to {
                        let own = output.split_off_mut(..(to - from) * rows).unwrap_or_default();
                        part.multiply_rows(level, input, from - before..to - before, own, add, workspace);
                    }
                    before += part.strips();
                }
            });
        });
    }

    /// As [`Linear::apply_rows`] for a single row, whose values are rounded with a scale for every 32 and whose weights
    /// are taken as they are: what a generated token costs is the reading of the weights.
    pub(crate) fn apply_row(&self, level: Level, input: &mut [f32], output: &mut [f32], add: bool) {
        let threads = if self.inputs * self.stride < WORTH_A_THREAD { 1 } else { rayon::current_num_threads() };
        // Taken, not borrowed: while this thread waits it may be given work that wants its own.
        let (mut rounded, workspace) = SCRATCH.take();
        rounded.quantize(level, input, self.inputs, &[]);
        let shares = if threads > 1 { threads * SHARES } else { 1 };
        let share = (self.stride / STRIP).div_ceil(shares).max(1);
        let first = output.par_chunks_mut(share * STRIP).enumerate();
        first.for_each(|(at, output)| {
            SCRATCH.with_borrow_mut(|(_, workspace)| {
                self.some_strips(level, &rounded, at * share, output, add, workspace);
            });
        });
        SCRATCH.set((rounded, workspace));
    }

    /// The strips from `first`, counted over all parts, that fill one row of `output`.
    fn some_strips(
        &self,
        level: Level,
        input: &Activations,
        first: usize,
        output: &mut [f32],
        add: bool,
        workspace: &mut Workspace,
    ) {
        let stride = output.len();
        let last = first + stride / STRIP;
        let mut before = 0;
        for part in &self.parts {
            let (from, to) = (first.max(before), last.min(before + part.strips()));
            if from < to {
                let column = (from - first) * STRIP;
                part.multiply_strips(
                    level,
                    input,
                    from - before..to - before,
                    (output, stride, column),
                    add,
                    workspace,
                );
            }
            before += part.strips();
        }
    }
}

/// Products of fewer multiplications are done before another thread has woken up.
const WORTH_A_THREAD: usize = 400_000;

/// Shares of a product for each thread: more than one, so that one that is held up does not hold up all.
const SHARES: usize = 4;
