//! One layer of the encoder: attention, then two products, each added to what came in and brought to norm.

use super::WeightsFile;
use crate::GuardError;
use crate::engine::{Activations, Attention, GROUP, Level, Matrix, Workspace, gelu, layer_norm};
use std::ops::Range;

/// Sizes of an encoder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) layers: usize,
    pub(super) width: usize,
    pub(super) inner: usize,
    pub(super) places: usize,
}

/// The weights of a layer.
pub(super) struct Layer {
    /// Query, key and value one below the other.
    project: Matrix,
    attention_output: Matrix,
    attention_norm: Norm,
    up: Matrix,
    down: Matrix,
    output_norm: Norm,
}

/// Scale and shift of a layer norm.
pub(super) struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// The memory of one computation; the next one uses it again.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) hidden: Vec<f32>,
    projected: Vec<f32>,
    attended: Vec<f32>,
    inner: Vec<f32>,
    rounded: Activations,
    attention: Attention,
    workspace: Workspace,
}

impl Layer {
    /// Reads layer `at` of a weights file.
    pub(super) fn load(file: &mut WeightsFile<'_>, shape: Shape, at: usize) -> Result<Self, GuardError> {
        let Shape { width, inner, .. } = shape;
        let name = |part: &str| format!("blk.{at}.{part}");
        let project = ["attn_q", "attn_k", "attn_v"].map(name);
        Ok(Self {
            project: matrix(file, &project, width, width)?,
            attention_output: matrix(file, &[name("attn_output")], width, width)?,
            attention_norm: Norm::load(file, &name("attn_output_norm"), width)?,
            up: matrix(file, &[name("ffn_up")], width, inner)?,
            down: matrix(file, &[name("ffn_down")], inner, width)?,
            output_norm: Norm::load(file, &name("layer_output_norm"), width)?,
        })
    }

    /// Takes the hidden states of `scratch` through the layer; `windows` are the rows that belong together.
    pub(super) fn forward(&self, level: Level, windows: &[Range<usize>], width: usize, scratch: &mut Scratch) {
        let Scratch { hidden, projected, attended, inner, rounded, attention, workspace } = scratch;
        let rows = hidden.len() / width;
        rounded.quantize(level, hidden, width);
        projected.resize(rows * self.project.outputs(), 0.0);
        self.project.multiply(level, rounded, projected, false, workspace);
        attended.resize(hidden.len(), 0.0);
        for window in windows {
            let part = |width: usize| window.start * width..window.end * width;
            if let (Some(projected), Some(attended)) = (projected.get(part(3 * width)), attended.get_mut(part(width))) {
                attention.attend(level, projected, width, attended);
            }
        }
        rounded.quantize(level, attended, width);
        self.attention_output.multiply(level, rounded, hidden, true, workspace);
        self.attention_norm.apply(level, hidden);
        rounded.quantize(level, hidden, width);
        inner.resize(rows * self.up.outputs(), 0.0);
        self.up.multiply(level, rounded, inner, false, workspace);
        gelu(level, inner);
        rounded.quantize(level, inner, self.up.outputs());
        self.down.multiply(level, rounded, hidden, true, workspace);
        self.output_norm.apply(level, hidden);
    }
}

impl Norm {
    /// Reads a norm's weight and bias.
    pub(super) fn load(file: &mut WeightsFile<'_>, name: &str, width: usize) -> Result<Self, GuardError> {
        let norm =
            Self { weight: file.floats(&format!("{name}.weight"))?, bias: file.floats(&format!("{name}.bias"))? };
        let finite = norm.weight.iter().chain(&norm.bias).all(|value| value.is_finite());
        if finite && norm.weight.len() == width && norm.bias.len() == width {
            return Ok(norm);
        }
        Err(GuardError::Weights(format!("`{name}` has not {width} numbers")))
    }

    /// Brings every row to norm.
    pub(super) fn apply(&self, level: Level, rows: &mut [f32]) {
        layer_norm(level, rows, self.weight.len(), &self.weight, &self.bias, EPSILON);
    }
}

/// Reads matrices of `inputs` by `outputs` each, one below the other, with their biases. Four-bit weights stay so,
/// others are rounded to eight bits.
fn matrix(file: &mut WeightsFile<'_>, names: &[String], inputs: usize, outputs: usize) -> Result<Matrix, GuardError> {
    let mut bias = Vec::new();
    for name in names {
        bias.extend(file.floats(&format!("{name}.bias"))?);
    }
    let weights: Vec<String> = names.iter().map(|name| format!("{name}.weight")).collect();
    if !weights.iter().all(|name| file.is_q4_0(name)) {
        let mut values = Vec::with_capacity(names.len() * inputs * outputs);
        for name in &weights {
            values.extend(file.floats(name)?);
        }
        return Matrix::from_floats(&values, inputs, &bias);
    }
    let mut blocks = Vec::new();
    for name in &weights {
        blocks.extend_from_slice(file.q4_0(name, outputs, inputs)?);
    }
    let rows: Vec<&[u8]> = blocks.chunks_exact(inputs / GROUP * 18).collect();
    Matrix::from_q4_0(&rows, inputs, &bias)
}

/// What is added to a variance before its root is taken.
const EPSILON: f32 = 1e-12;
