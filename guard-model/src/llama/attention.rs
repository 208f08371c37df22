//! Attention of new tokens to themselves and to all before them.
//!
//! Keys and values are widened to single precision 256 tokens at a time, for all queries that want them: those of a few
//! rows, of all heads that share the keys. Exponentials are taken of what was seen so far and put right when a greater
//! score comes, so that the memory does not grow with the context.

use super::{Cache, Shape};
use crate::engine::{Columns, GROUP, Level, small_product, softmax_on, widen};
use rayon::prelude::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};
use std::cell::RefCell;
use std::ops::Range;

/// The queries of tokens that follow each other.
pub(super) struct Queries<'a> {
    /// Strips of 32 columns, `all` rows each.
    pub(super) projected: &'a [Columns],
    pub(super) all: usize,
    /// Which of the rows.
    pub(super) rows: Range<usize>,
    /// The position of the first of them.
    pub(super) position: usize,
    /// Cosine and sine of every pair's angle, for each of all rows.
    pub(super) turns: &'a [(f32, f32)],
}

/// Attends with queries to what `layer` of the cache holds; for where the results are see [`place`].
pub(super) fn attend(
    level: Level,
    shape: &Shape,
    cache: &Cache,
    layer: usize,
    queries: &Queries<'_>,
    mut output: &mut [f32],
) {
    let (width, group) = (shape.head_width, shape.heads / shape.key_heads);
    let rows = queries.rows.len();
    let mut tasks = Vec::new();
    for key_head in 0..shape.key_heads {
        for first in (0..rows).step_by(ROWS) {
            let count = ROWS.min(rows - first);
            let part = output.split_off_mut(..count * group * width).unwrap_or_default();
            tasks.push((key_head, first, count, part));
        }
    }
    let attend = |(key_head, first, count, output): (usize, usize, usize, &mut [f32])| {
        SCRATCH.with_borrow_mut(|scratch| {
            let start = queries.rows.start + first;
            scratch.read(shape, queries, key_head, start..start + count);
            scratch.attend(level, shape, (cache, layer, key_head), queries.position + first, count, output);
        });
    };
    if rows * (queries.position + rows) < WORTH_A_THREAD {
        tasks.into_iter().for_each(attend);
    } else {
        tasks.into_par_iter().with_max_len(1).for_each(attend);
    }
}

/// Where [`attend`] leaves the values of a row and head, of `rows` rows: for each head of keys some rows at a time, of
/// every head that shares the keys the rows one after the other. So each piece is written by one thread.
pub(super) fn place(shape: &Shape, rows: usize, row: usize, head: usize) -> usize {
    let group = shape.heads / shape.key_heads;
    let (key_head, own) = (head / group, head % group);
    let first = row / ROWS * ROWS;
    let count = ROWS.min(rows - first);
    ((key_head * rows + first) * group + own * count + (row - first)) * shape.head_width
}

/// The value at `at` of a row that lies in strips.
pub(super) fn value(strips: &[Columns], rows: usize, row: usize, at: usize) -> f32 {
    let columns = strips.get(at / GROUP * rows + row);
    columns.and_then(|columns| columns.0.get(at % GROUP)).copied().unwrap_or_default()
}

/// Copies the values from `at` on of a row that lies in strips.
pub(super) fn copy(strips: &[Columns], rows: usize, row: usize, at: usize, to: &mut [f32]) {
    if at.is_multiple_of(GROUP) {
        let columns = strips.iter().skip(at / GROUP * rows + row).step_by(rows.max(1));
        for (to, columns) in to.chunks_mut(GROUP).zip(columns) {
            to.iter_mut().zip(columns.0).for_each(|(to, value)| *to = value);
        }
    } else {
        to.iter_mut().enumerate().for_each(|(index, to)| *to = value(strips, rows, row, at + index));
    }
}

/// Turns the pairs of a head by their angles.
pub(super) fn turn(head: &mut [f32], turns: &[(f32, f32)]) {
    for ([left, right], (cos, sin)) in head.as_chunks_mut::<2>().0.iter_mut().zip(turns) {
        (*left, *right) = (*left * cos - *right * sin, *left * sin + *right * cos);
    }
}

/// The memory a thread keeps from one head to the next.
#[derive(Default)]
struct Scratch {
    queries: Vec<f32>,
    scores: Vec<f32>,
    scales: Vec<f32>,
    ones: Vec<f32>,
    most: Vec<f32>,
    sums: Vec<f32>,
    widened: Vec<Columns>,
    /// For each part of a head 32 columns of all rows.
    mixed: Vec<f32>,
}

impl Scratch {
    /// Takes over the queries of some rows, turned: of all heads that share `key_head`, the rows of one after the other.
    fn read(&mut self, shape: &Shape, queries: &Queries<'_>, key_head: usize, rows: Range<usize>) {
        let (width, group) = (shape.head_width, shape.heads / shape.key_heads);
        self.queries.resize(rows.len() * group * width, 0.0);
        let places = (0..group).flat_map(|own| rows.clone().map(move |row| (own, row)));
        for ((own, row), to) in places.zip(self.queries.chunks_exact_mut(width)) {
            copy(queries.projected, queries.all, row, (key_head * group + own) * width, to);
            turn(to, queries.turns.get(row * width / 2..).unwrap_or_default());
        }
    }

    /// Attends with `rows` rows of each head, of which the first stands at position `first`.
    fn attend(
        &mut self,
        level: Level,
        shape: &Shape,
        (cache, layer, key_head): (&Cache, usize, usize),
        first: usize,
        rows: usize,
        output: &mut [f32],
    ) {
        let width = shape.head_width;
        let count = self.queries.len() / width;
        let parts = width.div_ceil(GROUP);
        let fill = |values: &mut Vec<f32>, count: usize, value: f32| {
            values.clear();
            values.resize(count, value);
        };
        self.scores.resize(count * CHUNK * GROUP, 0.0);
        fill(&mut self.scales, count, 1.0 / (width as f32).sqrt());
        fill(&mut self.ones, count, 1.0);
        fill(&mut self.most, count, f32::NEG_INFINITY);
        fill(&mut self.sums, count, 0.0);
        fill(&mut self.mixed, parts * count * GROUP, 0.0);
        let blocks = cache.blocks(layer);
        let blocks = blocks.get(..(first + rows).div_ceil(GROUP)).unwrap_or(blocks);
        for (chunk, blocks) in blocks.chunks(CHUNK).enumerate() {
            let stride = blocks.len() * GROUP;
            for (at, block) in blocks.iter().enumerate() {
                self.widened.resize(width, Columns([0.0; GROUP]));
                widen(level, block.keys(key_head, width), &mut self.widened);
                let scores = self.scores.get_mut(at * GROUP..).unwrap_or_default();
                small_product(level, (&self.queries, width), &self.widened, &self.scales, (scores, stride), false);
            }
            let scores = self.scores.chunks_exact_mut(stride);
            let states = self.most.iter_mut().zip(&mut self.sums);
            for (index, (scores, (most, sum))) in scores.zip(states).enumerate() {
                let visible = (first + index % rows + 1).saturating_sub(chunk * CHUNK * GROUP).min(stride);
                let (seen, unseen) = scores.split_at_mut(visible);
                unseen.fill(0.0);
                if seen.is_empty() {
                    continue;
                }
                let mut kept = 1.0;
                softmax_on(level, seen, most, sum, &mut kept);
                if kept < 1.0 && chunk > 0 {
                    for part in self.mixed.chunks_exact_mut(count * GROUP) {
                        let own = part.get_mut(index * GROUP..(index + 1) * GROUP).unwrap_or_default();
                        for value in own {
                            *value *= kept;
                        }
                    }
                }
            }
            for (at, block) in blocks.iter().enumerate() {
                let scores = self.scores.get(at * GROUP..).unwrap_or_default();
                for (part, mixed) in self.mixed.chunks_exact_mut(count * GROUP).enumerate() {
                    self.widened.resize(GROUP, Columns([0.0; GROUP]));
                    widen(level, block.values(key_head, width, part), &mut self.widened);
                    small_product(level, (scores, stride), &self.widened, &self.ones, (mixed, GROUP), true);
                }
            }
        }
        for (index, (output, sum)) in output.chunks_exact_mut(width).zip(&self.sums).enumerate() {
            for (to, mixed) in output.chunks_mut(GROUP).zip(self.mixed.chunks_exact(count * GROUP)) {
                let mixed = mixed.iter().skip(index * GROUP);
                to.iter_mut().zip(mixed).for_each(|(to, mixed)| *to = mixed / sum);
            }
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Rows of queries, of each head, that are done at once.
const ROWS: usize = 32;

/// Blocks of 32 tokens whose scores are held at once.
const CHUNK: usize = 8;

/// Scores of a head from which on another thread is worth its waking up.
const WORTH_A_THREAD: usize = 64;
