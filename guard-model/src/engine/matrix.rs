//! A weight matrix in the order the kernels read it.

use super::activations::Activations;
use super::kernels::{self, LINES, Level, Output, Strip};
use super::{Columns, GROUP, Line, STRIP, half};
use crate::GuardError;

/// The weights of `y = W x + b`, in strips of 32 outputs.
pub(crate) struct Matrix {
    outputs: usize,
    groups: usize,
    zero: u8,
    /// Four-bit values: for each group eight lines, the first four pairs of lines of a [`Strip`] in their low halves.
    nibbles: Vec<Line>,
    /// Half-precision scales.
    scales: Vec<[u16; STRIP]>,
    bias: Vec<Columns>,
    /// For each strip the weights, as they are, of the inputs that are kept apart.
    apart: Vec<Columns>,
}

/// What a product needs besides its inputs; used again by the next one.
#[derive(Default)]
pub(crate) struct Workspace {
    values: Vec<Line>,
    scales: Vec<Columns>,
}

impl Matrix {
    /// Reads rows of `Q4_0` blocks, one row for each output: a half-precision scale, then 16 bytes that hold the values
    /// 0 to 15 in their low and 16 to 31 in their high halves, zero being 8.
    ///
    /// Inputs must keep the columns `apart`, see [`Activations::quantize`].
    ///
    /// # Errors
    /// [`GuardError::Weights`] when the sizes do not fit together or a scale is not a number.
    pub(crate) fn from_q4_0(rows: &[&[u8]], inputs: usize, bias: &[f32], apart: &[usize]) -> Result<Self, GuardError> {
        let wrong = |reason: &str| GuardError::Weights(format!("a matrix of {inputs} inputs: {reason}"));
        let (outputs, groups) = (rows.len(), inputs / GROUP);
        let fits = inputs.is_multiple_of(GROUP) && outputs.is_multiple_of(STRIP) && bias.len() == outputs;
        if !fits || rows.iter().any(|row| row.len() != groups * Q4_0) {
            return Err(wrong("its sizes do not fit together"));
        }
        // A number in, a number out: what is rounded to eight bits could hide that it was none.
        if bias.iter().any(|bias| !bias.is_finite()) {
            return Err(wrong("a bias is not a number"));
        }
        let mut kept = Vec::with_capacity(outputs / STRIP * apart.len());
        let mut nibbles = Vec::with_capacity(outputs / STRIP * groups * LINES / 2);
        let mut scales = Vec::with_capacity(outputs / STRIP * groups);
        for strip in rows.as_chunks::<STRIP>().0 {
            for group in 0..groups {
                let blocks = strip.map(|row| row.as_chunks::<Q4_0>().0.get(group).copied().unwrap_or_default());
                let own = blocks.map(|[low, high, ..]| u16::from_le_bytes([low, high]));
                if own.iter().any(|scale| scale & 0x7c00 == 0x7c00) {
                    return Err(wrong("a scale is not a number"));
                }
                scales.push(own);
                nibbles.extend(lines(&blocks));
            }
            kept.extend(apart.iter().map(|at| Columns(strip.map(|row| weight(row, *at)))));
        }
        let bias = bias.as_chunks::<STRIP>().0.iter().map(|bias| Columns(*bias)).collect();
        Ok(Self { outputs, groups, zero: 8, nibbles, scales, bias, apart: kept })
    }

    /// Length of an output row.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The product with every row of `input` into the rows of `output`; `add` keeps what is there and adds to it.
    pub(crate) fn multiply(
        &self,
        level: Level,
        input: &Activations,
        output: &mut [f32],
        add: bool,
        workspace: &mut Workspace,
    ) {
        workspace.values.resize(self.groups * LINES, Line([0; 64]));
        workspace.scales.resize(self.groups, Columns([0.0; STRIP]));
        let strips = self.nibbles.chunks_exact(self.groups * LINES / 2).zip(self.scales.chunks_exact(self.groups));
        let apart = self.apart.len() / self.bias.len().max(1);
        for (at, ((nibbles, scales), bias)) in strips.zip(&self.bias).enumerate() {
            kernels::unpack_nibbles(level, nibbles, &mut workspace.values);
            kernels::unpack_halves(level, scales, &mut workspace.scales);
            let strip = Strip {
                values: &workspace.values,
                scales: &workspace.scales,
                least: None,
                zero: self.zero,
                apart: self.apart.get(at * apart..(at + 1) * apart).unwrap_or_default(),
            };
            let mut output = Output { values: output, stride: self.outputs, column: at * STRIP, add };
            kernels::product(level, input, &strip, bias, &mut output);
        }
    }
}

/// Bytes of a block of 32 weights.
const Q4_0: usize = 18;

/// One weight of a row.
fn weight(row: &[u8], at: usize) -> f32 {
    let Some([low, high, values @ ..]) = row.as_chunks::<Q4_0>().0.get(at / GROUP) else { return 0.0 };
    let byte = values.get(at % 16).copied().unwrap_or_default();
    let value = if at % GROUP < 16 { byte & 15 } else { byte >> 4 };
    half(u16::from_le_bytes([*low, *high])) * (f32::from(value) - 8.0)
}

/// The values of a group of 32 columns in the order of [`Matrix::nibbles`].
fn lines(blocks: &[[u8; Q4_0]; STRIP]) -> [Line; LINES / 2] {
    let value = |column: usize, row: usize| {
        let byte = blocks.get(column).and_then(|block| block.get(2 + row % 16)).copied().unwrap_or_default();
        if row < 16 { byte & 15 } else { byte >> 4 }
    };
    std::array::from_fn(|line| {
        let (step, side) = (line / 2, line % 2);
        Line(std::array::from_fn(|at| {
            let (column, row) = (side * 16 + at / 4, step * 4 + at % 4);
            value(column, row) | value(column, row + 16) << 4
        }))
    })
}
