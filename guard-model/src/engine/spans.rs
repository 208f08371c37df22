//! The inputs of products of many rows: eight bits, one scale for each row and span of 256 values.

use super::kernels::{self, Input, Level};
use super::{Columns, GROUP};
use rayon::prelude::{IndexedParallelIterator as _, ParallelIterator as _, ParallelSliceMut as _};

/// Groups of inputs that share a scale when many rows are multiplied.
pub(crate) const SPAN: usize = 8;

/// Where the values of rows come from. All of it lies in strips of 32 columns: first the rows of one strip, then those
/// of the next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    /// The values as they are.
    Plain(&'a [Columns]),
    /// Values times their column's weight and their row's factor.
    Normed { values: &'a [Columns], weight: &'a [Columns], factors: &'a [f32] },
    /// `gate / (1 + e^-gate) * value`.
    Gated { gates: &'a [Columns], values: &'a [Columns] },
}

/// Rows of whole numbers from -127 to 127: first all rows of the first span, then those of the next.
#[derive(Debug, Default)]
pub(crate) struct Rounded {
    rows: usize,
    groups: usize,
    values: Vec<i8>,
    scales: Vec<f32>,
    starts: Vec<i32>,
}

impl Rounded {
    /// Takes over `rows` rows of a source. Memory is used again.
    pub(crate) fn round(&mut self, level: Level, source: &Source<'_>, rows: usize) {
        self.rows = rows;
        self.groups = source.strips() / rows.max(1);
        let spans = self.groups.div_ceil(SPAN);
        // What is left from before is overwritten below.
        self.values.resize(rows * self.groups * GROUP, 0);
        self.scales.resize(rows * spans, 0.0);
        self.starts.resize(rows * spans, 0);
        let rows = rows.max(1);
        let values = self.values.par_chunks_mut(rows * SPAN * GROUP);
        let spans = values.zip(self.scales.par_chunks_mut(rows)).zip(self.starts.par_chunks_mut(rows));
        let spans = spans.with_min_len(SPANS_AT_ONCE.div_ceil(rows)).enumerate();
        spans.for_each(|(at, ((values, scales), starts))| {
            kernels::round_span(level, &source.span(at, rows), values, scales, starts);
        });
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    /// All rows of a span.
    pub(super) fn span(&self, at: usize) -> Input<'_> {
        let values = self.rows * SPAN * GROUP;
        let end = ((at + 1) * values).min(self.values.len());
        let rows = at * self.rows..(at + 1) * self.rows;
        Input {
            values: self.values.get(at * values..end).unwrap_or_default(),
            scales: self.scales.get(rows.clone()).unwrap_or_default(),
            starts: self.starts.get(rows).unwrap_or_default(),
        }
    }
}

impl<'a> Source<'a> {
    /// Rows times strips.
    fn strips(&self) -> usize {
        match self {
            Self::Plain(values) | Self::Normed { values, .. } | Self::Gated { values, .. } => values.len(),
        }
    }

    /// The source of one span.
    fn span(&self, at: usize, rows: usize) -> Source<'a> {
        let part = |all: &'a [Columns], rows: usize| {
            let end = ((at + 1) * SPAN * rows).min(all.len());
            all.get(at * SPAN * rows..end).unwrap_or_default()
        };
        match *self {
            Self::Plain(values) => Source::Plain(part(values, rows)),
            Self::Normed { values, weight, factors } => {
                Source::Normed { values: part(values, rows), weight: part(weight, 1), factors }
            }
            Self::Gated { gates, values } => Source::Gated { gates: part(gates, rows), values: part(values, rows) },
        }
    }
}

/// Rows of a span that are worth a thread.
const SPANS_AT_ONCE: usize = 24;
