//! The encoder as candle computes it, in 32-bit floats: what the engine is compared with.

use candle_core::quantized::QTensor;
use candle_core::{D, DType, Device, Tensor};
use candle_nn::{LayerNorm, Module as _, VarBuilder};
use candle_transformers::models::bert::{BertEncoder, Config, HiddenAct, PositionEmbeddingType};
use guard_model::GuardError;
use guard_model::encoder::{LAYER_NAMES, WeightsFile};
use std::collections::HashMap;

const GROUPS: usize = 3;

/// The reference encoder.
pub(crate) struct Reference {
    words: QTensor,
    positions: Tensor,
    norm: LayerNorm,
    groups: Vec<BertEncoder>,
}

impl Reference {
    /// Reads the encoder's part of a weights file; the layers are expanded to 32-bit floats.
    pub(crate) fn load(file: &mut WeightsFile<'_>) -> Result<Self, GuardError> {
        let config = config(file)?;
        let mut groups = Vec::new();
        for group in 0..GROUPS {
            groups.push(load_group(file, &config, group)?);
        }
        let kind = file.tensor("token_types.weight")?.narrow(0, 0, 1)?;
        let positions = file.tensor("position_embd.weight")?.broadcast_add(&kind)?;
        let norm = LayerNorm::new(
            file.tensor("token_embd_norm.weight")?,
            file.tensor("token_embd_norm.bias")?,
            config.layer_norm_eps,
        );
        Ok(Self { words: file.quantized("token_embd.weight")?, positions, norm, groups })
    }

    /// The vectors of several windows, in order; their padding is masked.
    pub(crate) fn encode(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, GuardError> {
        let length = windows.iter().map(|ids| ids.len() + 2).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(windows.len() * length);
        let mut mask = Vec::with_capacity(windows.len() * length);
        for window in windows {
            let used = window.len() + 2;
            ids.push(0);
            ids.extend_from_slice(window);
            ids.push(2);
            ids.extend(std::iter::repeat_n(1, length - used));
            mask.extend(std::iter::repeat_n(1.0_f32, used));
            mask.extend(std::iter::repeat_n(0.0_f32, length - used));
        }
        let shape = (windows.len(), length);
        let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
        let closed = ((mask.ones_like()? - &mask)? * f64::from(f32::MIN))?.unsqueeze(1)?.unsqueeze(1)?;
        let weight = mask.broadcast_div(&mask.sum_keepdim(1)?)?.unsqueeze(2)?;
        let words = self.words.embedding(&Tensor::from_vec(ids, shape, &Device::Cpu)?)?;
        let places = self.positions.narrow(0, 0, length)?.unsqueeze(0)?;
        let mut hidden = self.norm.forward(&words.broadcast_add(&places)?)?;
        let mut pooled = Vec::new();
        for (group, at) in self.groups.iter().zip(0..) {
            hidden = group.forward(&hidden, &closed)?;
            if at > 0 {
                pooled.push(hidden.broadcast_mul(&weight)?.sum(1)?);
            }
        }
        let padding = ((mask.ones_like()? - &mask)? * -1e4)?.unsqueeze(2)?;
        pooled.push(hidden.broadcast_add(&padding)?.max(1)?);
        Ok(Tensor::cat(&pooled, D::Minus1)?.to_vec2()?)
    }
}

fn config(file: &WeightsFile<'_>) -> Result<Config, GuardError> {
    let number = |key: &str| Ok::<_, GuardError>(file.number(key)? as usize);
    Ok(Config {
        hidden_size: number("bert.embedding_length")?,
        num_hidden_layers: number("bert.block_count")? / GROUPS,
        num_attention_heads: number("bert.attention.head_count")?,
        intermediate_size: number("bert.feed_forward_length")?,
        hidden_act: HiddenAct::Gelu,
        max_position_embeddings: number("bert.context_length")?,
        layer_norm_eps: 1e-12,
        position_embedding_type: PositionEmbeddingType::Absolute,
        ..Config::default()
    })
}

/// Loads a third of the layers under the names candle uses.
fn load_group(file: &mut WeightsFile<'_>, config: &Config, group: usize) -> Result<BertEncoder, GuardError> {
    let mut tensors = HashMap::new();
    for layer in 0..config.num_hidden_layers {
        let stored = group * config.num_hidden_layers + layer;
        for (theirs, ours) in LAYER_NAMES {
            for part in ["weight", "bias"] {
                let tensor = file.tensor(&format!("blk.{stored}.{ours}.{part}"))?;
                tensors.insert(format!("layer.{layer}.{theirs}.{part}"), tensor);
            }
        }
    }
    let variables = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    Ok(BertEncoder::load(variables, config)?)
}

/// 1 for vectors that say the same.
pub(crate) fn cosine(left: &[f32], right: &[f32]) -> f64 {
    let dot =
        |left: &[f32], right: &[f32]| left.iter().zip(right).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(left, right) / (dot(left, left) * dot(right, right)).sqrt()
}
