//! The inputs of a product, rounded to eight bits.

use super::GROUP;
use super::kernels::{self, Level};

/// Rows of whole numbers from -127 to 127, with a scale for each group of 32 along a row.
#[derive(Debug, Default)]
pub(crate) struct Activations {
    rows: usize,
    groups: usize,
    values: Vec<i8>,
    scales: Vec<f32>,
    /// The sum of each 16 values, with which a kernel corrects for weights that are stored with an offset.
    sums: Vec<i32>,
}

impl Activations {
    /// Takes over the rows of `input`, each `width` long, a multiple of 32. Memory is used again.
    pub(crate) fn quantize(&mut self, level: Level, input: &[f32], width: usize) {
        assert!(width.is_multiple_of(GROUP) && input.len().is_multiple_of(width.max(1)), "rows of whole groups");
        self.rows = input.len() / width.max(1);
        self.groups = width / GROUP;
        // What is left from before is overwritten below.
        self.values.resize(input.len(), 0);
        self.scales.resize(input.len() / GROUP, 0.0);
        self.sums.resize(input.len() / 16, 0);
        kernels::quantize(level, input, &mut self.values, &mut self.scales, &mut self.sums);
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Groups of 32 in a row.
    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    /// All values, row after row; as many as rows times groups times 32.
    pub(super) fn values(&self) -> &[i8] {
        &self.values
    }

    /// A scale for each row and group.
    pub(super) fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Two sums for each row and group.
    pub(super) fn sums(&self) -> &[i32] {
        &self.sums
    }
}
