//! One pass of rows through all layers: tokens of one conversation, or of several at once.
//!
//! Between the steps rows lie in strips of 32 columns, first all rows of one strip, then those of the next, so that a
//! product's strips are written by as many threads as there are. A single row is the same as a plain list of numbers.

use super::attention::{self, Queries, attend, copy, turn};
use super::{Cache, Layer, Llama, failed};
use crate::engine::{Columns, Matrix, Rounded, STRIP, Source, flat, flat_mut, rms_norm, root_means, swiglu};
use candle_core::Result;
use rayon::prelude::{IndexedParallelIterator as _, ParallelIterator as _, ParallelSliceMut as _};
use std::ops::Range;

/// Tokens to be fed behind a cache, and what is wanted of them.
pub struct Part<'a> {
    /// The tokens, at least one.
    pub tokens: &'a [u32],
    /// What was fed before; the tokens are added to it.
    pub cache: &'a mut Cache,
    /// The logits that are asked for; with none the tokens are only added to the cache.
    pub wanted: &'a [Wanted<'a>],
}

/// Logits that are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The token, by its number among those that are fed, after which they stand.
    pub after: usize,
    /// Whose logits; empty for those of the whole vocabulary.
    pub of: &'a [u32],
}

/// Rows of values between the steps of a pass.
#[derive(Default)]
pub(super) struct Scratch {
    hidden: Vec<Columns>,
    projected: Vec<Columns>,
    attended: Vec<f32>,
    mixed: Vec<Columns>,
    wide: Vec<Columns>,
    /// Values of a single row.
    row: Vec<f32>,
    factors: Vec<f32>,
    rounded: Rounded,
    /// Cosine and sine of every pair's angle, for each row.
    turns: Vec<(f32, f32)>,
}

/// The rows of a part in a pass.
struct Rows {
    all: Range<usize>,
    /// Of them, those whose hidden states matter after the last layer's keys and values.
    kept: Range<usize>,
    /// The position of the first.
    position: usize,
}

impl Llama {
    /// Feeds all parts, some rows at a time.
    pub(super) fn passes(&self, parts: &mut [Part<'_>], scratch: &mut Scratch) -> Result<Vec<Vec<Vec<f32>>>> {
        let mut logits: Vec<Vec<Vec<f32>>> = parts.iter().map(|part| vec![Vec::new(); part.wanted.len()]).collect();
        let mut done = vec![0; parts.len()];
        loop {
            // What is left of each part, as long as there is room.
            let mut room = MOST_ROWS;
            let mut now: Vec<(usize, Range<usize>)> = Vec::new();
            for (at, (part, done)) in parts.iter().zip(&mut done).enumerate() {
                let count = room.min(part.tokens.len() - *done);
                if count > 0 {
                    now.push((at, *done..*done + count));
                    (room, *done) = (room - count, *done + count);
                }
            }
            if now.is_empty() {
                return Ok(logits);
            }
            self.pass(parts, &now, scratch, &mut logits)?;
        }
    }

    fn pass(
        &self,
        parts: &mut [Part<'_>],
        now: &[(usize, Range<usize>)],
        scratch: &mut Scratch,
        logits: &mut [Vec<Vec<f32>>],
    ) -> Result<()> {
        let all: usize = now.iter().map(|(_, tokens)| tokens.len()).sum();
        // A row that is left of several is computed as it would be among them: what a batch says depends on no other.
        let single = all == 1;
        let mut places: Vec<Rows> = Vec::with_capacity(now.len());
        for (at, tokens) in now {
            let Some(part) = parts.get(*at) else { continue };
            let start = places.last().map_or(0, |rows| rows.all.end);
            let all = start..start + tokens.len();
            let wanted = part.wanted.iter().map(|wanted| wanted.after).filter(|after| tokens.contains(after));
            let first = wanted.min().map_or(all.end, |after| start + after - tokens.start);
            places.push(Rows { kept: first..all.end, all, position: part.cache.length() });
        }
        self.embed(parts, now, all, &mut scratch.hidden)?;
        self.angles(&places, &mut scratch.turns);
        for (at, layer) in self.layers.iter().enumerate() {
            let last = at + 1 == self.layers.len();
            self.normed(layer, Half::Attention, (all, single), scratch);
            for ((index, _), rows) in now.iter().zip(&places) {
                let Some(part) = parts.get_mut(*index) else { continue };
                self.remember(layer, at, all, rows, scratch, part.cache);
            }
            let kept = |rows: &Rows| if last { rows.kept.clone() } else { rows.all.clone() };
            let left: usize = places.iter().map(|rows| kept(rows).len()).sum();
            if left == 0 {
                break;
            }
            // After the last layer's keys and values only some rows are of interest.
            if left < all {
                let rows: Vec<Range<usize>> = places.iter().map(|rows| rows.kept.clone()).collect();
                keep(&mut scratch.hidden, all, &rows);
            }
            self.attend(parts, now, &places, (at, all, left), kept, scratch);
            self.added(layer, Half::Attention, (left, single), scratch);
            self.normed(layer, Half::FeedForward, (left, single), scratch);
            self.added(layer, Half::FeedForward, (left, single), scratch);
        }
        let left = scratch.hidden.len() * STRIP / self.shape.width;
        let mut row = 0;
        for ((index, tokens), rows) in now.iter().zip(&places) {
            let Some(part) = parts.get_mut(*index) else { continue };
            part.cache.advance(tokens.len());
            let first = tokens.end - rows.kept.len();
            let wanted = part.wanted.iter().zip(logits.get_mut(*index).into_iter().flatten());
            for (wanted, logits) in wanted.filter(|(wanted, _)| (first..tokens.end).contains(&wanted.after)) {
                *logits = self.logits(wanted, row + wanted.after - first, left, scratch);
            }
            row += rows.kept.len();
        }
        Ok(())
    }

    fn embed(
        &self,
        parts: &[Part<'_>],
        now: &[(usize, Range<usize>)],
        all: usize,
        hidden: &mut Vec<Columns>,
    ) -> Result<()> {
        let Some(table) = self.embeddings.parts().first() else { return Err(failed("there are no embeddings")) };
        let width = self.shape.width;
        let tokens: Vec<u32> = now
            .iter()
            .filter_map(|(at, tokens)| parts.get(*at)?.tokens.get(tokens.clone()))
            .flatten()
            .copied()
            .collect();
        let mut rows = vec![0.0; all * width];
        let read = |(row, token): (&mut [f32], &u32)| {
            let read = table.row(*token as usize, row);
            read.ok_or_else(|| failed(&format!("there is no token {token} in the vocabulary")))
        };
        rows.par_chunks_mut(width).zip(&tokens).with_min_len(8).try_for_each(read)?;
        let strips = resized(hidden, all * width / STRIP).chunks_exact_mut(all);
        for (strip, to) in strips.enumerate() {
            for (row, to) in rows.chunks_exact(width).zip(to) {
                row.iter().skip(strip * STRIP).zip(&mut to.0).for_each(|(value, to)| *to = *value);
            }
        }
        Ok(())
    }

    fn angles(&self, places: &[Rows], turns: &mut Vec<(f32, f32)>) {
        turns.clear();
        for position in places.iter().flat_map(|rows| rows.position..rows.position + rows.all.len()) {
            let angle = |frequency: &f32| (position as f32 * frequency).sin_cos();
            turns.extend(self.frequencies.iter().map(angle).map(|(sin, cos)| (cos, sin)));
        }
    }

    /// The product of the hidden states, brought to norm, with the first matrix of a layer's half.
    fn normed(&self, layer: &Layer, half: Half, (rows, single): (usize, bool), scratch: &mut Scratch) {
        let Scratch { hidden, projected, wide, row, factors, rounded, .. } = scratch;
        let (linear, weight, output) = match half {
            Half::Attention => (&layer.project, &layer.attention_norm, projected),
            Half::FeedForward => (&layer.widen, &layer.feed_forward_norm, wide),
        };
        let output = resized(output, rows * linear.stride() / STRIP);
        let epsilon = self.shape.norm_epsilon;
        if single {
            row.resize(self.shape.width, 0.0);
            rms_norm(self.level, flat(hidden), self.shape.width, flat(weight), epsilon, row);
            linear.apply_row(self.level, row, flat_mut(output), false);
            return;
        }
        factors.resize(rows, 0.0);
        factors.par_chunks_mut(FACTORS_AT_ONCE).enumerate().for_each(|(at, factors)| {
            root_means(self.level, hidden, rows, at * FACTORS_AT_ONCE, epsilon, factors);
        });
        rounded.round(self.level, &Source::Normed { values: hidden, weight, factors }, rows);
        linear.apply_rows(self.level, rounded, output, false);
    }

    /// Adds the product of what attention or the gates made with the second matrix of a layer's half to the hidden states.
    fn added(&self, layer: &Layer, half: Half, (rows, single): (usize, bool), scratch: &mut Scratch) {
        let Scratch { hidden, mixed, wide, row, rounded, .. } = scratch;
        let linear = match half {
            Half::Attention => &layer.attention_output,
            Half::FeedForward => &layer.down,
        };
        if single {
            match half {
                Half::Attention => {
                    row.clear();
                    row.extend_from_slice(flat(mixed));
                }
                Half::FeedForward => {
                    row.resize(wide.len() * STRIP / 2, 0.0);
                    swiglu(self.level, flat(wide), wide.len() * STRIP / 2, row);
                }
            }
            linear.apply_row(self.level, row, flat_mut(hidden), true);
            return;
        }
        let source = match half {
            Half::Attention => Source::Plain(mixed),
            Half::FeedForward => {
                let (gates, values) = wide.split_at(wide.len() / 2);
                Source::Gated { gates, values }
            }
        };
        rounded.round(self.level, &source, rows);
        linear.apply_rows(self.level, rounded, hidden, true);
    }

    /// Writes the keys and values of a part's rows to its cache.
    fn remember(&self, layer: &Layer, at: usize, all: usize, rows: &Rows, scratch: &Scratch, cache: &mut Cache) {
        let [keys, values] = starts(layer);
        let width = self.shape.head_width;
        cache.write(at, rows.position, rows.all.len(), |index, head, key, value| {
            let row = rows.all.start + index;
            copy(&scratch.projected, all, row, keys + head * width, key);
            copy(&scratch.projected, all, row, values + head * width, value);
            turn(key, scratch.turns.get(row * width / 2..).unwrap_or_default());
        });
    }

    /// Attends with the kept rows of all parts and brings the results into strips.
    fn attend(
        &self,
        parts: &[Part<'_>],
        now: &[(usize, Range<usize>)],
        places: &[Rows],
        (layer, all, left): (usize, usize, usize),
        kept: impl Fn(&Rows) -> Range<usize>,
        scratch: &mut Scratch,
    ) {
        let (width, shape) = (self.shape.heads * self.shape.head_width, &self.shape);
        let Scratch { projected, attended, mixed, turns, .. } = scratch;
        attended.resize(left * width, 0.0);
        let mut rest = attended.as_mut_slice();
        for ((index, _), rows) in now.iter().zip(places) {
            let (Some(part), own) = (parts.get(*index), kept(rows)) else { continue };
            let Some(output) = rest.split_off_mut(..own.len() * width) else { continue };
            let position = rows.position + own.start - rows.all.start;
            let queries = Queries { projected, all, rows: own, position, turns };
            attend(self.level, shape, part.cache, layer, &queries, output);
        }
        // For each row the part it belongs to: where its results begin, how many rows they have, and which it is.
        let mut start = 0;
        let mut from = Vec::with_capacity(left);
        for rows in places.iter().map(|rows| kept(rows).len()) {
            from.extend((0..rows).map(|row| (start * width, rows, row)));
            start += rows;
        }
        let head_width = shape.head_width;
        let mixed = resized(mixed, left * width / STRIP);
        mixed.par_chunks_mut(left).with_min_len(8).enumerate().for_each(|(strip, to)| {
            for (to, (start, rows, row)) in to.iter_mut().zip(&from) {
                for (offset, to) in to.0.chunks_mut(STRIP.min(head_width & head_width.wrapping_neg())).enumerate() {
                    let at = strip * STRIP + offset * to.len();
                    let place = start + attention::place(shape, *rows, *row, at / head_width) + at % head_width;
                    let values = attended.get(place..).unwrap_or_default();
                    to.iter_mut().zip(values).for_each(|(to, value)| *to = *value);
                }
            }
        });
    }

    /// The wanted logits after a row of the hidden states.
    fn logits(&self, wanted: &Wanted<'_>, row: usize, rows: usize, scratch: &mut Scratch) -> Vec<f32> {
        let width = self.shape.width;
        let mut hidden = vec![0.0; width];
        copy(&scratch.hidden, rows, row, 0, &mut hidden);
        scratch.row.resize(width, 0.0);
        rms_norm(self.level, &hidden, width, flat(&self.norm), self.shape.norm_epsilon, &mut scratch.row);
        let output = self.output.as_ref().unwrap_or(&self.embeddings);
        if wanted.of.is_empty() {
            let mut logits = vec![0.0; output.stride()];
            output.apply_row(self.level, &mut scratch.row, &mut logits, false);
            logits.truncate(output.parts().first().map_or(0, Matrix::outputs));
            return logits;
        }
        let one = |id: &u32| {
            output.parts().first()?.row(*id as usize, &mut hidden)?;
            Some(hidden.iter().zip(&scratch.row).map(|(weight, value)| weight * value).sum())
        };
        // `check` has seen that all ids are there; what is none is never a small number.
        wanted.of.iter().map(one).map(|logit| logit.unwrap_or(f32::NAN)).collect()
    }
}

/// The halves of a layer: each brings the hidden states to norm and multiplies them, makes something of the product, and
/// adds the product of that to the hidden states.
#[derive(Clone, Copy)]
enum Half {
    Attention,
    FeedForward,
}

/// Where keys and values begin in a row of a layer's projections.
fn starts(layer: &Layer) -> [usize; 2] {
    let stride = |at: usize| layer.project.parts().get(at).map_or(0, Matrix::stride);
    [stride(0), stride(0) + stride(1)]
}

/// Keeps only some of the rows of strips.
fn keep(strips: &mut Vec<Columns>, all: usize, kept: &[Range<usize>]) {
    let mut to = 0;
    for strip in (0..strips.len()).step_by(all.max(1)) {
        for row in kept.iter().cloned().flatten() {
            strips.swap(to, strip + row);
            to += 1;
        }
    }
    strips.truncate(to);
}

/// The same memory with room for so many values, which are all to be written.
fn resized(values: &mut Vec<Columns>, length: usize) -> &mut [Columns] {
    values.resize(length, Columns([0.0; STRIP]));
    values
}

/// Rows that go through the layers at once: more are fed one after the other, so that memory is bounded.
const MOST_ROWS: usize = 512;

/// Rows whose norms are worth a thread.
const FACTORS_AT_ONCE: usize = 32;
