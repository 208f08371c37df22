//! The text encoder: a small multilingual BERT that turns a window of text into a vector.
//!
//! The vector is the mean over the window's pieces of the hidden states after two thirds and after all of the layers,
//! and the largest of each state after all of them, which a harmless sentence beside a harmful one does not dilute.
//! Earlier layers keep the words, the last ones the sense; the first third was measured and did harm.

mod file;
mod tokenizer;
mod trie;

pub use file::WeightsFile;
pub use tokenizer::{Piece, Pieces, SPACE, Tokenizer};

use crate::GuardError;
use candle_core::quantized::QTensor;
use candle_core::{D, DType, Device, Tensor};
use candle_nn::{LayerNorm, Module as _, VarBuilder};
use candle_transformers::models::bert::{BertEncoder, Config, HiddenAct, PositionEmbeddingType};
use std::collections::HashMap;

/// Most pieces a window may have, the encoder's own frame included.
pub const LONGEST_WINDOW: usize = 256;

/// Groups the layers are loaded in.
const GROUPS: usize = 3;

/// How many of the last groups give the mean of their output to the vector.
const POOLED: usize = 2;

/// Parts of the vector: the means, and the maximum of the last output.
const PARTS: usize = POOLED + 1;

/// The encoder with its tokenizer.
pub struct Encoder {
    tokenizer: Tokenizer,
    words: QTensor,
    positions: Tensor,
    norm: LayerNorm,
    groups: Vec<BertEncoder>,
    width: usize,
    begin: u32,
    end: u32,
    pad: u32,
}

impl Encoder {
    /// Reads the encoder's part of a weights file; the layers are expanded to 32-bit floats, the vocabulary is not.
    ///
    /// # Errors
    /// [`GuardError::Weights`] naming what is missing or malformed.
    pub fn load(file: &mut WeightsFile<'_>) -> Result<Self, GuardError> {
        let config = config(file)?;
        let width = config.hidden_size;
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
        let words = file.quantized("token_embd.weight")?;
        let (begin, end, pad) = (
            file.number("tokenizer.ggml.bos_token_id")?,
            file.number("tokenizer.ggml.eos_token_id")?,
            file.number("tokenizer.ggml.padding_token_id")?,
        );
        Ok(Self { tokenizer: load_tokenizer(file)?, words, positions, norm, groups, width, begin, end, pad })
    }

    /// Cuts a text into the encoder's pieces.
    pub fn cut(&self, text: &str) -> Pieces {
        self.tokenizer.cut(text)
    }

    /// Length of the vector that [`Encoder::encode`] gives for a window.
    pub fn features(&self) -> usize {
        self.width * PARTS
    }

    /// The vectors of several windows, in order. A window is the ids of its pieces; what is beyond
    /// [`LONGEST_WINDOW`] less two is the caller's error and is refused.
    ///
    /// # Errors
    /// [`GuardError::Failed`] when a window is too long or the computation fails.
    pub fn encode(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, GuardError> {
        let length = windows.iter().map(|ids| ids.len() + 2).max().unwrap_or(0);
        if length > LONGEST_WINDOW {
            return Err(GuardError::Failed(format!("a window has {length} pieces, at most {LONGEST_WINDOW} fit")));
        }
        if windows.is_empty() {
            return Ok(Vec::new());
        }
        let mut ids = Vec::with_capacity(windows.len() * length);
        let mut mask = Vec::with_capacity(windows.len() * length);
        for window in windows {
            let used = window.len() + 2;
            ids.push(self.begin);
            ids.extend_from_slice(window);
            ids.push(self.end);
            ids.extend(std::iter::repeat_n(self.pad, length - used));
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
        let mut pooled = Vec::with_capacity(PARTS);
        for (group, at) in self.groups.iter().zip(0..) {
            hidden = group.forward(&hidden, &closed)?;
            if at >= GROUPS - POOLED {
                pooled.push(hidden.broadcast_mul(&weight)?.sum(1)?);
            }
        }
        let padding = ((mask.ones_like()? - &mask)? * -1e4)?.unsqueeze(2)?;
        pooled.push(hidden.broadcast_add(&padding)?.max(1)?);
        Ok(Tensor::cat(&pooled, D::Minus1)?.to_dtype(DType::F32)?.to_vec2()?)
    }
}

fn config(file: &WeightsFile<'_>) -> Result<Config, GuardError> {
    let number = |key: &str| Ok::<_, GuardError>(file.number(key)? as usize);
    let layers = number("bert.block_count")?;
    if layers == 0 || !layers.is_multiple_of(GROUPS) {
        return Err(GuardError::Weights(format!(
            "`bert.block_count` is {layers}, which is not a multiple of {GROUPS}"
        )));
    }
    Ok(Config {
        vocab_size: 0, // the embedding table is looked up by the encoder itself
        hidden_size: number("bert.embedding_length")?,
        num_hidden_layers: layers / GROUPS,
        num_attention_heads: number("bert.attention.head_count")?,
        intermediate_size: number("bert.feed_forward_length")?,
        hidden_act: HiddenAct::Gelu,
        max_position_embeddings: number("bert.context_length")?,
        layer_norm_eps: 1e-12,
        position_embedding_type: PositionEmbeddingType::Absolute,
        ..Config::default()
    })
}

/// Loads a third of the layers under the names the reference implementation uses.
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
    BertEncoder::load(variables, config).map_err(|error| GuardError::Weights(error.to_string()))
}

/// The reference implementation's names of a layer's parts, and the names in GGUF files.
pub const LAYER_NAMES: [(&str, &str); 8] = [
    ("attention.self.query", "attn_q"),
    ("attention.self.key", "attn_k"),
    ("attention.self.value", "attn_v"),
    ("attention.output.dense", "attn_output"),
    ("attention.output.LayerNorm", "attn_output_norm"),
    ("intermediate.dense", "ffn_up"),
    ("output.dense", "ffn_down"),
    ("output.LayerNorm", "layer_output_norm"),
];

fn load_tokenizer(file: &WeightsFile<'_>) -> Result<Tokenizer, GuardError> {
    let from = file.numbers("ringfence.normalise.from")?;
    let to = file.texts("ringfence.normalise.to")?;
    let normalise = from.iter().zip(to).filter_map(|(from, to)| Some((char::from_u32(*from)?, to.into_boxed_str())));
    let control = [
        file.number("tokenizer.ggml.bos_token_id")?,
        file.number("tokenizer.ggml.eos_token_id")?,
        file.number("tokenizer.ggml.padding_token_id")?,
    ];
    Ok(Tokenizer::new(
        &file.texts("tokenizer.ggml.tokens")?,
        &file.fractions("tokenizer.ggml.scores")?,
        &control,
        file.number("tokenizer.ggml.unknown_token_id")?,
        normalise.collect(),
    ))
}
