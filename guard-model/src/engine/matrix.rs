//! A weight matrix in the order the kernels read it.

use super::activations::Activations;
use super::kernels::{self, LINES, Level, Output, Strip};
use super::{Columns, GROUP, Line, STRIP};
use crate::GuardError;

/// The weights of `y = W x + b`, in strips of 32 outputs.
pub(crate) struct Matrix {
    outputs: usize,
    groups: usize,
    stored: Stored,
    bias: Vec<Columns>,
}

/// How the values are kept.
enum Stored {
    /// Four-bit values, zero being 8: for each group eight lines, the first four pairs of lines of a [`Strip`] in their
    /// low halves. The scales have half precision.
    Nibbles { values: Vec<Line>, scales: Vec<[u16; STRIP]> },
    /// Eight-bit values, zero being 128, in the order of a [`Strip`].
    Bytes { values: Vec<Line>, scales: Vec<Columns> },
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
    /// # Errors
    /// [`GuardError::Weights`] when the sizes do not fit together or a scale is not a number.
    pub(crate) fn from_q4_0(rows: &[&[u8]], inputs: usize, bias: &[f32]) -> Result<Self, GuardError> {
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
        }
        let bias = bias.as_chunks::<STRIP>().0.iter().map(|bias| Columns(*bias)).collect();
        Ok(Self { outputs, groups, stored: Stored::Nibbles { values: nibbles, scales }, bias })
    }

    /// Rounds rows of weights, one row for each output, to eight bits with a scale for every 32 values.
    ///
    /// # Errors
    /// [`GuardError::Weights`] when the sizes do not fit together or a weight is not a number.
    pub(crate) fn from_floats(weights: &[f32], inputs: usize, bias: &[f32]) -> Result<Self, GuardError> {
        let wrong = |reason: &str| GuardError::Weights(format!("a matrix of {inputs} inputs: {reason}"));
        let (outputs, groups) = (bias.len(), inputs / GROUP);
        let fits = inputs.is_multiple_of(GROUP) && inputs > 0 && outputs.is_multiple_of(STRIP);
        if !fits || weights.len() != outputs * inputs {
            return Err(wrong("its sizes do not fit together"));
        }
        if weights.iter().chain(bias).any(|value| !value.is_finite()) {
            return Err(wrong("a weight or bias is not a number"));
        }
        let mut values = Vec::with_capacity(outputs / STRIP * groups * LINES);
        let mut scales = Vec::with_capacity(outputs / STRIP * groups);
        for strip in weights.chunks_exact(STRIP * inputs) {
            for group in 0..groups {
                let block = |column: usize| strip.get(column * inputs + group * GROUP..).unwrap_or_default();
                let scale = |column: usize| {
                    block(column).iter().take(GROUP).fold(0.0_f32, |most, value| most.max(value.abs())) / 127.0
                };
                let own: [f32; STRIP] = std::array::from_fn(scale);
                let value = |column: usize, row: usize| {
                    let weight = block(column).get(row).copied().unwrap_or_default();
                    let scale = own.get(column).copied().unwrap_or_default().max(f32::MIN_POSITIVE);
                    ((weight / scale).round().clamp(-127.0, 127.0) + 128.0) as u8
                };
                for line in 0..LINES {
                    let (step, side) = (line / 2, line % 2);
                    values.push(Line(std::array::from_fn(|at| value(side * 16 + at / 4, step * 4 + at % 4))));
                }
                scales.push(Columns(own));
            }
        }
        let bias = bias.as_chunks::<STRIP>().0.iter().map(|bias| Columns(*bias)).collect();
        Ok(Self { outputs, groups, stored: Stored::Bytes { values, scales }, bias })
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
        let mut strip_product = |at: usize, strip: &Strip<'_>, bias: &Columns| {
            let mut output = Output { values: &mut *output, stride: self.outputs, column: at * STRIP, add };
            kernels::product(level, input, strip, bias, &mut output);
        };
        match &self.stored {
            Stored::Nibbles { values, scales } => {
                workspace.values.resize(self.groups * LINES, Line([0; 64]));
                workspace.scales.resize(self.groups, Columns([0.0; STRIP]));
                let strips = values.chunks_exact(self.groups * LINES / 2).zip(scales.chunks_exact(self.groups));
                for (at, ((nibbles, scales), bias)) in strips.zip(&self.bias).enumerate() {
                    kernels::unpack_nibbles(level, nibbles, &mut workspace.values);
                    kernels::unpack_halves(level, scales, &mut workspace.scales);
                    let (values, scales) = (workspace.values.as_slice(), workspace.scales.as_slice());
                    strip_product(at, &Strip { values, scales, least: None, zero: 8 }, bias);
                }
            }
            Stored::Bytes { values, scales } => {
                let strips = values.chunks_exact(self.groups * LINES).zip(scales.chunks_exact(self.groups));
                for (at, ((values, scales), bias)) in strips.zip(&self.bias).enumerate() {
                    strip_product(at, &Strip { values, scales, least: None, zero: 128 }, bias);
                }
            }
        }
    }
}

/// Bytes of a block of 32 weights.
const Q4_0: usize = 18;

/// The values of a group of 32 columns in the order of [`Stored::Nibbles`].
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
