//! Matrices that read the same input, applied by as many threads as there is work for.

use super::STRIP;
use super::activations::Activations;
use super::kernels::Level;
use super::matrix::{Matrix, Workspace};
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

    /// The matrices.
    pub(crate) fn parts(&self) -> &[Matrix] {
        &self.parts
    }

    /// The products with every row of `input` into the rows of `output`; `add` keeps what is there and adds to it.
    pub(crate) fn apply(&self, level: Level, input: &mut [f32], output: &mut [f32], add: bool) {
        let rows = input.len() / self.inputs.max(1);
        let threads = if rows * self.inputs * self.stride < WORTH_A_THREAD { 1 } else { rayon::current_num_threads() };
        if threads > 1 && rows >= MANY_ROWS {
            let share = rows.div_ceil(threads).next_multiple_of(TILE);
            input
                .par_chunks_mut(share * self.inputs)
                .zip(output.par_chunks_mut(share * self.stride))
                .for_each(|(input, output)| self.apply_here(level, input, output, add));
        } else if threads > 1 && rows == 1 {
            // Taken, not borrowed: while this thread waits it may be given work that wants its own.
            let (mut rounded, workspace) = SCRATCH.take();
            rounded.quantize(level, input, self.inputs, &[]);
            let share = (self.stride / STRIP).div_ceil(threads * 2);
            let first = output.par_chunks_mut(share * STRIP).enumerate();
            first.for_each(|(at, output)| {
                SCRATCH.with_borrow_mut(|(_, workspace)| {
                    self.some_strips(level, &rounded, at * share, output, add, workspace);
                });
            });
            SCRATCH.set((rounded, workspace));
        } else {
            self.apply_here(level, input, output, add);
        }
    }

    fn apply_here(&self, level: Level, input: &mut [f32], output: &mut [f32], add: bool) {
        SCRATCH.with_borrow_mut(|(rounded, workspace)| {
            rounded.quantize(level, input, self.inputs, &[]);
            let mut column = 0;
            for part in &self.parts {
                part.multiply_strips(level, rounded, 0..part.strips(), (output, self.stride, column), add, workspace);
                column += part.stride();
            }
        });
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

/// From so many rows on they are divided among threads, each of which unpacks all weights.
const MANY_ROWS: usize = 24;

/// Rows the kernels take at once.
const TILE: usize = 6;
