//! The forward pass of a Llama-architecture model.
//!
//! candle-transformers' `quantized_llama` is the reference; a test compares the two on the real weights. This one
//! differs where that one cannot serve requests: the cache belongs to the call, so that one set of weights answers
//! many; the file's own context length and long-context frequencies (`rope_freqs`, Llama 3.1 and later) are used; a
//! long prompt is fed in parts, so that attention never needs memory of its length squared.

use std::io::{Read, Seek};
use std::sync::Arc;

use candle_core::quantized::QTensor;
use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, IndexOp, Module, Result, Tensor};
use candle_nn::kv_cache::KvCache;
use candle_nn::ops::{silu, softmax_last_dim};
use candle_nn::rotary_emb::rope_i;
use candle_transformers::quantized_nn::RmsNorm;

use super::linear::Linear;
use super::metadata::Shape;

/// The weights of a model. They never change once read, and any number of threads may use them.
pub(super) struct Llama {
    embeddings: Arc<QTensor>,
    layers: Vec<Layer>,
    norm: RmsNorm,
    output: Linear,
    /// Radians per position, for each pair of a head's values.
    frequencies: Tensor,
    shape: Shape,
}

/// Keys and values of the tokens one call has fed so far.
pub(super) struct Cache {
    layers: Vec<KvCache>,
    length: usize,
}

impl Llama {
    /// Reads the weights named by `content` from `file`.
    pub(super) fn read<R: Read + Seek>(content: &Content, shape: Shape, file: &mut R) -> Result<Llama> {
        let mut tensor = |name: &str| content.tensor(file, name, &Device::Cpu);
        let embeddings = Arc::new(tensor("token_embd.weight")?);
        let norm = RmsNorm::from_qtensor(tensor("output_norm.weight")?, shape.norm_epsilon)?;
        let has = |name: &str| content.tensor_infos.contains_key(name);
        // Small models use one matrix for both ends.
        let output = if has("output.weight") { Arc::new(tensor("output.weight")?) } else { embeddings.clone() };
        let output = Linear::new(output)?;
        let factors = if has("rope_freqs.weight") {
            tensor("rope_freqs.weight")?.dequantize(&Device::Cpu)?.to_vec1::<f32>()?
        } else {
            Vec::new()
        };
        let mut layers = Vec::with_capacity(shape.layers);
        for index in 0..shape.layers {
            layers.push(Layer::read(&shape, |name| tensor(&format!("blk.{index}.{name}.weight")))?);
        }
        let frequencies = frequencies(&shape, &factors)?;
        Ok(Llama { embeddings, layers, norm, output, frequencies, shape })
    }

    /// An empty cache for one call.
    pub(super) fn cache(&self) -> Cache {
        Cache { layers: self.layers.iter().map(|_| KvCache::new(2, CACHE_STEP)).collect(), length: 0 }
    }

    /// Feeds `tokens` behind what `cache` holds; the logits of the token that would follow the last of them.
    pub(super) fn forward(&self, tokens: &[u32], cache: &mut Cache) -> Result<Tensor> {
        let device = &Device::Cpu;
        let positions = Tensor::arange(cache.length as u32, (cache.length + tokens.len()) as u32, device)?
            .to_dtype(candle_core::DType::F32)?
            .unsqueeze(1)?;
        let angles = positions.broadcast_mul(&self.frequencies)?;
        let rotation = (angles.cos()?, angles.sin()?);
        let mask = if tokens.len() > 1 { Some(causal_mask(cache.length, tokens.len())?) } else { None };
        let ids = Tensor::new(tokens, device)?.unsqueeze(0)?;
        let mut hidden = self.embeddings.embedding(&ids)?;
        for (layer, keys_and_values) in self.layers.iter().zip(&mut cache.layers) {
            hidden = layer.forward(&self.shape, &hidden, &rotation, mask.as_ref(), keys_and_values)?;
        }
        cache.length += tokens.len();
        let last = hidden.i((.., tokens.len() - 1.., ..))?.contiguous()?;
        self.output.forward(&self.norm.forward(&last)?)?.flatten_all()
    }
}

struct Layer {
    attention_norm: RmsNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    feed_forward_norm: RmsNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Layer {
    fn read(shape: &Shape, mut tensor: impl FnMut(&str) -> Result<QTensor>) -> Result<Layer> {
        let attention_norm = RmsNorm::from_qtensor(tensor("attn_norm")?, shape.norm_epsilon)?;
        let feed_forward_norm = RmsNorm::from_qtensor(tensor("ffn_norm")?, shape.norm_epsilon)?;
        let mut linear = |name: &str| Linear::new(Arc::new(tensor(name)?));
        Ok(Layer {
            attention_norm,
            query: linear("attn_q")?,
            key: linear("attn_k")?,
            value: linear("attn_v")?,
            attention_output: linear("attn_output")?,
            feed_forward_norm,
            gate: linear("ffn_gate")?,
            up: linear("ffn_up")?,
            down: linear("ffn_down")?,
        })
    }

    fn forward(
        &self,
        shape: &Shape,
        input: &Tensor,
        rotation: &(Tensor, Tensor),
        mask: Option<&Tensor>,
        cache: &mut KvCache,
    ) -> Result<Tensor> {
        let attention = self.attend(shape, &self.attention_norm.forward(input)?, rotation, mask, cache)?;
        let hidden = (attention + input)?;
        let normed = self.feed_forward_norm.forward(&hidden)?;
        let gated = (silu(&self.gate.forward(&normed)?)? * self.up.forward(&normed)?)?;
        self.down.forward(&gated)? + hidden
    }

    fn attend(
        &self,
        shape: &Shape,
        input: &Tensor,
        (cos, sin): &(Tensor, Tensor),
        mask: Option<&Tensor>,
        cache: &mut KvCache,
    ) -> Result<Tensor> {
        let (_, length, _) = input.dims3()?;
        let heads = |tensor: Tensor, count: usize| {
            tensor.reshape((1, length, count, shape.head_width))?.transpose(1, 2)?.contiguous()
        };
        let query = rope_i(&heads(self.query.forward(input)?, shape.heads)?, cos, sin)?;
        let key = rope_i(&heads(self.key.forward(input)?, shape.key_heads)?, cos, sin)?;
        let value = heads(self.value.forward(input)?, shape.key_heads)?;
        let (key, value) = cache.append(&key, &value)?;
        let (key, value) = (key.squeeze(0)?, value.squeeze(0)?);

        // Query heads that share a key head become rows of one product: keys are read in place, never repeated.
        let group = shape.heads / shape.key_heads;
        let query =
            (query.reshape((shape.key_heads, group * length, shape.head_width))? / (shape.head_width as f64).sqrt())?;
        let mut scores = query.matmul(&key.t()?)?;
        if let Some(mask) = mask {
            let total = key.dim(1)?;
            scores = scores.reshape((shape.key_heads, group, length, total))?.broadcast_add(mask)?.reshape((
                shape.key_heads,
                group * length,
                total,
            ))?;
        }
        let mixed = softmax_last_dim(&scores)?.matmul(&value)?;
        let mixed = mixed.reshape((1, shape.heads, length, shape.head_width))?.transpose(1, 2)?.reshape((
            1,
            length,
            shape.heads * shape.head_width,
        ))?;
        self.attention_output.forward(&mixed)
    }
}

fn frequencies(shape: &Shape, factors: &[f32]) -> Result<Tensor> {
    let width = shape.rope_width;
    let values: Vec<f32> = (0..width / 2)
        .map(|pair| {
            let exponent = (2 * pair) as f32 / width as f32;
            shape.rope_base.powf(-exponent) / factors.get(pair).copied().unwrap_or(1.0)
        })
        .collect();
    Tensor::new(values, &Device::Cpu)?.unsqueeze(0)
}

/// What is added to the scores of `length` tokens behind `before` others: nothing for what a token may see, minus
/// infinity for what comes after it.
fn causal_mask(before: usize, length: usize) -> Result<Tensor> {
    let total = before + length;
    let values: Vec<f32> = (0..length)
        .flat_map(|row| (0..total).map(move |column| if column > before + row { f32::NEG_INFINITY } else { 0.0 }))
        .collect();
    Tensor::from_vec(values, (length, total), &Device::Cpu)
}

/// Tokens the cache grows by.
const CACHE_STEP: usize = 512;
