//! Attention of every token of a window to every other.

use super::kernels::{self, Level};
use super::{Columns, GROUP, STRIP};

/// The memory of attention, used again from window to window.
#[derive(Default)]
pub(crate) struct Attention {
    keys: Vec<Columns>,
    values: Vec<Columns>,
    scores: Vec<f32>,
    scales: Vec<f32>,
}

impl Attention {
    /// Attends within one window: `projected` has for each token its query, key and value, each of `width` values in
    /// heads of 32; the result goes to the rows of `output`, each of `width` values.
    pub(crate) fn attend(&mut self, level: Level, projected: &[f32], width: usize, output: &mut [f32]) {
        let row = 3 * width;
        let tokens = projected.len() / row;
        let stride = tokens.next_multiple_of(STRIP);
        self.scores.resize(tokens * stride, 0.0);
        for head in (0..width).step_by(GROUP) {
            self.turn(projected, row, width, head, tokens);
            self.scales.clear();
            self.scales.resize(tokens, 1.0 / (GROUP as f32).sqrt());
            let queries = projected.get(head..).unwrap_or_default();
            for (strip, keys) in self.keys.chunks_exact(GROUP).enumerate() {
                let scores = self.scores.get_mut(strip * STRIP..).unwrap_or_default();
                kernels::small_product(level, (queries, row), keys, &self.scales, (scores, stride), false);
            }
            for (scores, share) in self.scores.chunks_exact_mut(stride).zip(&mut self.scales) {
                kernels::softmax(level, scores.get_mut(..tokens).unwrap_or_default(), share);
            }
            let output = output.get_mut(head..).unwrap_or_default();
            kernels::small_product(level, (&self.scores, stride), &self.values, &self.scales, (output, width), false);
        }
    }

    /// Lays out keys and values of a head: keys as columns, 32 tokens to a strip, values as rows.
    fn turn(&mut self, projected: &[f32], row: usize, width: usize, head: usize, tokens: usize) {
        self.keys.clear();
        self.keys.resize(tokens.div_ceil(STRIP) * GROUP, Columns([0.0; STRIP]));
        self.values.clear();
        for (token, row) in projected.chunks_exact(row).enumerate() {
            let part =
                |from: usize| row.get(from..).and_then(|rest| rest.first_chunk::<GROUP>()).unwrap_or(&[0.0; GROUP]);
            let strip = self.keys.get_mut(token / STRIP * GROUP..).unwrap_or_default();
            for (columns, value) in strip.iter_mut().zip(part(width + head)) {
                if let Some(place) = columns.0.get_mut(token % STRIP) {
                    *place = *value;
                }
            }
            self.values.push(Columns(*part(2 * width + head)));
        }
    }
}
