//! Attention of new tokens to themselves and to all before them.

use super::{Cache, Shape};
use crate::engine::{GROUP, Level, small_product, softmax};
use rayon::prelude::{IndexedParallelIterator as _, ParallelIterator as _, ParallelSlice as _, ParallelSliceMut as _};
use std::cell::RefCell;

/// Attends with the queries at the start of each row of `projected` (rows of `stride`), which belong to the tokens from
/// position `first`, to what `layer` of the cache holds; each result goes to a row of `output`.
pub(super) fn attend(
    level: Level,
    shape: &Shape,
    cache: &Cache,
    layer: usize,
    first: usize,
    (projected, stride): (&[f32], usize),
    output: &mut [f32],
) {
    let width = shape.heads * shape.head_width;
    if projected.len() <= stride {
        attend_part(level, shape, cache, layer, first, (projected, stride), output);
        return;
    }
    projected.par_chunks(ROWS * stride).zip(output.par_chunks_mut(ROWS * width)).enumerate().for_each(
        |(at, (projected, output))| {
            attend_part(level, shape, cache, layer, first + at * ROWS, (projected, stride), output);
        },
    );
}

/// As [`attend`], for a few rows on one thread.
fn attend_part(
    level: Level,
    shape: &Shape,
    cache: &Cache,
    layer: usize,
    first: usize,
    (projected, stride): (&[f32], usize),
    output: &mut [f32],
) {
    let (width, group) = (shape.head_width, shape.heads / shape.key_heads);
    let rows = projected.len() / stride;
    for key_head in 0..shape.key_heads {
        let head = key_head * group * width;
        let queries = |head: usize| projected.get(head..).unwrap_or_default();
        if rows == 1 {
            // The heads that share keys are the rows of one product.
            let output = output.get_mut(head..).unwrap_or_default();
            let (queries, visible) = ((queries(head), width, group), |_| first + 1);
            one_head(level, shape, cache, (layer, key_head), queries, visible, (output, width));
            continue;
        }
        for own in (head..).step_by(width).take(group) {
            let output = output.get_mut(own..).unwrap_or_default();
            let (queries, visible) = ((queries(own), stride, rows), |row| first + row + 1);
            one_head(level, shape, cache, (layer, key_head), queries, visible, (output, shape.heads * width));
        }
    }
}

/// Rows of queries to one head's keys and values: `visible` says how many tokens a row may see.
fn one_head(
    level: Level,
    shape: &Shape,
    cache: &Cache,
    (layer, key_head): (usize, usize),
    (queries, query_stride, rows): (&[f32], usize, usize),
    visible: impl Fn(usize) -> usize,
    (output, output_stride): (&mut [f32], usize),
) {
    let width = shape.head_width;
    let blocks = cache.blocks(layer);
    let blocks = blocks.get(..visible(rows - 1).div_ceil(GROUP)).unwrap_or(blocks);
    let stride = blocks.len() * GROUP;
    SCRATCH.with_borrow_mut(|Scratch { scores, scales, mixed }| {
        scores.resize(rows * stride, 0.0);
        scales.clear();
        scales.resize(rows, 1.0 / (width as f32).sqrt());
        for (at, block) in blocks.iter().enumerate() {
            let scores = scores.get_mut(at * GROUP..).unwrap_or_default();
            let keys = block.keys(key_head, width);
            small_product(level, (queries, query_stride), keys, scales, (scores, stride), false);
        }
        for (row, (scores, share)) in scores.chunks_exact_mut(stride).zip(scales.iter_mut()).enumerate() {
            let (seen, unseen) = scores.split_at_mut(visible(row).min(stride));
            softmax(level, seen, share);
            unseen.fill(0.0);
        }
        for part in 0..width.div_ceil(GROUP) {
            mixed.clear();
            mixed.resize(rows * GROUP, 0.0);
            for (at, block) in blocks.iter().enumerate() {
                let scores = scores.get(at * GROUP..).unwrap_or_default();
                let values = block.values(key_head, width, part);
                small_product(level, (scores, stride), values, scales, (mixed, GROUP), true);
            }
            for (row, mixed) in mixed.chunks_exact(GROUP).enumerate() {
                let to = output.get_mut(row * output_stride + part * GROUP..).unwrap_or_default();
                let kept = (width - part * GROUP).min(GROUP);
                to.iter_mut().zip(mixed.iter().take(kept)).for_each(|(to, value)| *to = *value);
            }
        }
    });
}

/// The memory a thread keeps from one head to the next.
#[derive(Default)]
struct Scratch {
    scores: Vec<f32>,
    scales: Vec<f32>,
    mixed: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Rows of queries that are done at once: with the longest context their scores take 1 MB.
const ROWS: usize = 32;
