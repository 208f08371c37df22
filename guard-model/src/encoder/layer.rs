//! One layer of the encoder: attention, then two products, each added to what came in and brought to norm.

use super::WeightsFile;
use crate::GuardError;
use crate::engine::{Activations, Attention, Level, Matrix, Workspace, gelu, layer_norm};
use std::cmp::Ordering;
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
    /// Reads layer `at` of a weights file; the columns `apart` of hidden states are not rounded to eight bits.
    pub(super) fn load(
        file: &mut WeightsFile<'_>,
        shape: Shape,
        apart: &[usize],
        at: usize,
    ) -> Result<Self, GuardError> {
        let Shape { width, inner, .. } = shape;
        let name = |part: &str| format!("blk.{at}.{part}");
        let project = ["attn_q", "attn_k", "attn_v"].map(name);
        Ok(Self {
            project: matrix(file, &project, width, width, apart)?,
            attention_output: matrix(file, &[name("attn_output")], width, width, &[])?,
            attention_norm: Norm::load(file, &name("attn_output_norm"), width)?,
            up: matrix(file, &[name("ffn_up")], width, inner, apart)?,
            down: matrix(file, &[name("ffn_down")], inner, width, &[])?,
            output_norm: Norm::load(file, &name("layer_output_norm"), width)?,
        })
    }

    /// Takes the hidden states of `scratch` through the layer; `windows` are the rows that belong together.
    pub(super) fn forward(&self, level: Level, windows: &[Range<usize>], apart: &[usize], scratch: &mut Scratch) {
        let width = self.attention_norm.weight.len();
        let Scratch { hidden, projected, attended, inner, rounded, attention, workspace } = scratch;
        let rows = hidden.len() / width;
        rounded.quantize(level, hidden, width, apart);
        projected.resize(rows * self.project.outputs(), 0.0);
        self.project.multiply(level, rounded, projected, false, workspace);
        attended.resize(hidden.len(), 0.0);
        for window in windows {
            let part = |width: usize| window.start * width..window.end * width;
            if let (Some(projected), Some(attended)) = (projected.get(part(3 * width)), attended.get_mut(part(width))) {
                attention.attend(level, projected, width, attended);
            }
        }
        rounded.quantize(level, attended, width, &[]);
        self.attention_output.multiply(level, rounded, hidden, true, workspace);
        self.attention_norm.apply(level, hidden);
        rounded.quantize(level, hidden, width, apart);
        inner.resize(rows * self.up.outputs(), 0.0);
        self.up.multiply(level, rounded, inner, false, workspace);
        gelu(level, inner);
        rounded.quantize(level, inner, self.up.outputs(), &[]);
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

/// The columns of hidden states that are far larger than others: the norms after attention give them the most weight,
/// over all layers. On their own they take three quarters of the rounding's error away.
pub(super) fn outstanding(file: &mut WeightsFile<'_>, shape: Shape) -> Result<Vec<usize>, GuardError> {
    let mut weights = vec![0.0; shape.width];
    for at in 0..shape.layers {
        let norm = Norm::load(file, &format!("blk.{at}.attn_output_norm"), shape.width)?;
        weights.iter_mut().zip(&norm.weight).for_each(|(sum, weight)| *sum += weight * weight);
    }
    let mut order: Vec<usize> = (0..shape.width).collect();
    order.sort_by(|a, b| weights.get(*b).partial_cmp(&weights.get(*a)).unwrap_or(Ordering::Equal));
    order.truncate(APART);
    Ok(order)
}

/// How many columns are kept apart.
const APART: usize = 6;

/// Reads matrices of `inputs` by `outputs` each, one below the other, with their biases.
fn matrix(
    file: &mut WeightsFile<'_>,
    names: &[String],
    inputs: usize,
    outputs: usize,
    apart: &[usize],
) -> Result<Matrix, GuardError> {
    let wrong = |reason| GuardError::Weights(format!("matrix `{}`: {reason}", names.join("`, `")));
    let (mut blocks, mut bias, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        let (kind, own) = file.blocks(&format!("{name}.weight"), outputs, inputs)?;
        blocks.extend_from_slice(own);
        kinds.push(kind);
        bias.extend(file.floats(&format!("{name}.bias"))?);
    }
    kinds.dedup();
    let [kind] = kinds.as_slice() else { return Err(wrong("its parts are of several types")) };
    Matrix::pack(*kind, &blocks, inputs, Some(&bias), apart).map_err(wrong)
}

/// What is added to a variance before its root is taken.
const EPSILON: f32 = 1e-12;
