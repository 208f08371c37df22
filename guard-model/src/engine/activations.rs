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
    /// The sum of each group as it was before the whole numbers, for weights that have an offset.
    totals: Vec<f32>,
    /// For each row the values that are kept as they are, see [`Activations::quantize`].
    apart: Vec<f32>,
    /// The sum of each 16 values, with which a kernel corrects for weights that are stored with an offset.
    sums: Vec<i32>,
}

impl Activations {
    /// Takes over the rows of `input`, each `width` long, a multiple of 32. Memory is used again.
    ///
    /// The columns `apart` are not rounded but kept beside the others, for the same columns of a [`super::Matrix`]: of
    /// some models a few columns are so large that the values beside them would lose their lower bits.
    pub(crate) fn quantize(&mut self, level: Level, input: &mut [f32], width: usize, apart: &[usize]) {
        assert!(width.is_multiple_of(GROUP) && input.len().is_multiple_of(width.max(1)), "rows of whole groups");
        self.rows = input.len() / width.max(1);
        self.groups = width / GROUP;
        // What is left from before is overwritten below.
        self.values.resize(input.len(), 0);
        self.scales.resize(input.len() / GROUP, 0.0);
        self.sums.resize(input.len() / 16, 0);
        self.apart.clear();
        for row in input.chunks_exact_mut(width.max(1)) {
            self.apart.extend(apart.iter().map(|at| row.get_mut(*at).map(std::mem::take).unwrap_or_default()));
        }
        kernels::quantize(level, input, &mut self.values, &mut self.scales, &mut self.sums);
        self.totals.clear();
        let sums = self.sums.as_chunks::<2>().0.iter().zip(&self.scales);
        self.totals.extend(sums.map(|([first, second], scale)| scale * (first + second) as f32));
        if !apart.is_empty() {
            for (row, values) in input.chunks_exact_mut(width.max(1)).zip(self.apart.chunks_exact(apart.len())) {
                for (at, value) in apart.iter().zip(values) {
                    row.get_mut(*at).into_iter().for_each(|place| *place = *value);
                }
            }
        }
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

    /// What sums of products begin with when a weight's `zero` is stored as that number: for each group, or half group.
    pub(super) fn starts(&self, zero: u8, fine: bool, starts: &mut Vec<i32>) {
        let zero = -i32::from(zero);
        starts.clear();
        if fine {
            starts.extend(self.sums.iter().map(|sum| zero * sum));
        } else {
            starts.extend(self.sums.as_chunks::<2>().0.iter().map(|[first, second]| zero * (first + second)));
        }
    }

    /// A sum for each row and group, times its scale.
    pub(super) fn totals(&self) -> &[f32] {
        &self.totals
    }

    /// The values kept apart, row after row.
    pub(super) fn apart(&self) -> &[f32] {
        &self.apart
    }

    /// Two sums for each row and group.
    #[cfg(test)]
    pub(super) fn sums(&self) -> &[i32] {
        &self.sums
    }
}
