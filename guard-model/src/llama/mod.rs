//! The forward pass of a Llama-architecture model, on the engine's kernels.
//!
//! candle-transformers' `quantized_llama` is the reference; tests compare the two on real weights and on small random
//! models. This one differs where that one cannot serve requests: the cache belongs to the call and can be forked, so
//! that one set of weights answers many; the file's own context length and long-context frequencies (`rope_freqs`, or
//! the configuration's `rope_scaling`) are used; weights stay in the form the file has, repacked once. Files are read a few
//! megabytes at a time, so that loading takes little more memory than the weights. A prompt asks only for the logits it
//! needs: some ids after some tokens.

mod attention;
mod cache;
mod metadata;
mod pass;
mod scheduler;
mod store;

pub use cache::Cache;
pub(crate) use metadata::{Metadata, Scaling, Shape};
pub use pass::{Part, Wanted};
pub use scheduler::{Request, Scheduler, Ticket};
pub use store::{Owner, Store};

use crate::GuardError;
use crate::engine::{Columns, Level, Linear, Matrix, STRIP};
use crate::weights::{Tensors, open_directory};
use candle_core::quantized::gguf_file::Content;
use candle_core::{Error, Result};
use pass::Scratch;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The weights of a model. They never change once read, and any number of threads may use them.
pub struct Llama {
    embeddings: Linear,
    layers: Vec<Layer>,
    norm: Vec<Columns>,
    /// What turns hidden states into logits, when it is not the embeddings.
    output: Option<Linear>,
    /// Radians per position, for each pair of a head's values.
    frequencies: Vec<f32>,
    shape: Shape,
    level: Level,
    /// Memory of computations that are done.
    scratch: Mutex<Vec<Scratch>>,
}

struct Layer {
    attention_norm: Vec<Columns>,
    /// Query, key and value.
    project: Linear,
    attention_output: Linear,
    feed_forward_norm: Vec<Columns>,
    /// Gate and up.
    widen: Linear,
    down: Linear,
}

impl Llama {
    /// Reads the model in the GGUF file, or the directory of safetensors with a `config.json`, at `path`.
    ///
    /// # Errors
    /// [`GuardError::Weights`] when a file cannot be read, has another format, or holds a model that does not run here.
    pub fn open(path: &Path) -> std::result::Result<Self, GuardError> {
        let wrong = |reason: String| GuardError::Weights(format!("`{}`: {reason}", path.display()));
        if path.is_dir() {
            let (tensors, config) = open_directory(path).map_err(wrong)?;
            let shape = config.shape().map_err(|reason| wrong(format!("`config.json`: {reason}")))?;
            return Self::build(tensors, shape).map_err(wrong);
        }
        let mut file = BufReader::new(File::open(path).map_err(|error| wrong(error.to_string()))?);
        let content = Content::read(&mut file).map_err(|error| wrong(error.to_string()))?;
        let shape = Metadata(&content).shape().map_err(wrong)?;
        Self::build(Tensors::of_gguf(&content, file.into_inner()), shape).map_err(wrong)
    }

    /// Reads the weights named by `content` from `file`.
    pub(crate) fn read<R: Read + Seek>(content: &Content, shape: Shape, file: &mut R) -> Result<Llama> {
        Self::build(Tensors::of_gguf(content, file), shape).map_err(|reason| failed(&reason))
    }

    fn build<R: Read + Seek>(mut tensors: Tensors<R>, shape: Shape) -> std::result::Result<Llama, String> {
        let (width, inner) = (shape.heads * shape.head_width, tensors.rows("blk.0.ffn_up.weight")?);
        let keys = shape.key_heads * shape.head_width;
        let vocabulary = tensors.rows("token_embd.weight")?;
        let linear = |tensors: &mut Tensors<R>, names: &[&str], inputs: usize, outputs: &[usize]| {
            let named = names.iter().zip(outputs);
            let parts = named.map(|(name, outputs)| tensors.matrix(&format!("{name}.weight"), *outputs, inputs));
            Ok::<_, String>(Linear::new(parts.collect::<std::result::Result<_, _>>()?, inputs))
        };
        let columns = |tensors: &mut Tensors<R>, name: &str| {
            let values = tensors.floats(&format!("{name}.weight"), shape.width)?;
            Ok::<_, String>(values.as_chunks::<STRIP>().0.iter().map(|columns| Columns(*columns)).collect())
        };
        let embeddings = linear(&mut tensors, &["token_embd"], shape.width, &[vocabulary])?;
        let output = if tensors.has("output.weight") {
            Some(linear(&mut tensors, &["output"], shape.width, &[vocabulary])?)
        } else {
            None // small models use one matrix for both ends
        };
        let mut layers = Vec::with_capacity(shape.layers);
        for at in 0..shape.layers {
            let name = |part: &str| format!("blk.{at}.{part}");
            let project = [&*name("attn_q"), &*name("attn_k"), &*name("attn_v")];
            layers.push(Layer {
                attention_norm: columns(&mut tensors, &name("attn_norm"))?,
                project: linear(&mut tensors, &project, shape.width, &[width, keys, keys])?,
                attention_output: linear(&mut tensors, &[&name("attn_output")], width, &[shape.width])?,
                feed_forward_norm: columns(&mut tensors, &name("ffn_norm"))?,
                widen: linear(&mut tensors, &[&name("ffn_gate"), &name("ffn_up")], shape.width, &[inner, inner])?,
                down: linear(&mut tensors, &[&name("ffn_down")], inner, &[shape.width])?,
            });
        }
        let norm = columns(&mut tensors, "output_norm")?;
        let factors = if tensors.has("rope_freqs.weight") {
            tensors.floats("rope_freqs.weight", shape.head_width / 2)?
        } else {
            Vec::new()
        };
        let frequencies = frequencies(&shape, &factors);
        let (level, scratch) = (Level::best(), Mutex::default());
        Ok(Llama { embeddings, layers, norm, output, frequencies, shape, level, scratch })
    }

    /// An empty cache for one call.
    pub fn cache(&self) -> Cache {
        Cache::new(self.layers.len(), self.shape.key_heads, self.shape.head_width)
    }

    /// Feeds `tokens` behind what `cache` holds; the logits of the token that would follow the last of them. A cache
    /// belongs to the model that made it.
    ///
    /// # Errors
    /// [`GuardError::Failed`] when there are no tokens, or one that is not in the vocabulary; the cache is as before.
    pub fn forward(&self, tokens: &[u32], cache: &mut Cache) -> std::result::Result<Vec<f32>, GuardError> {
        let wanted = [Wanted { after: tokens.len().saturating_sub(1), of: &[] }];
        let mut logits = self.scores(tokens, cache, &wanted)?;
        logits.pop().ok_or_else(|| GuardError::Failed("there are no logits".to_owned()))
    }

    /// Feeds `tokens` behind what `cache` holds; for each of `wanted` the logits it names.
    ///
    /// # Errors
    /// As [`Llama::forward`]; also when what is wanted stands after no token or is not in the vocabulary.
    pub fn scores(
        &self,
        tokens: &[u32],
        cache: &mut Cache,
        wanted: &[Wanted<'_>],
    ) -> std::result::Result<Vec<Vec<f32>>, GuardError> {
        let mut all = self.batch(&mut [Part { tokens, cache, wanted }])?;
        Ok(all.pop().unwrap_or_default())
    }

    /// Feeds several conversations at once, each behind its own cache: together they cost less than one after the other,
    /// since the weights are read once.
    ///
    /// # Errors
    /// As [`Llama::scores`], for the first part that is wrong; no cache has then changed.
    pub fn batch(&self, parts: &mut [Part<'_>]) -> std::result::Result<Vec<Vec<Vec<f32>>>, GuardError> {
        self.check(parts)?;
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let logits = self.passes(parts, &mut scratch);
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        Ok(logits?)
    }

    fn check(&self, parts: &[Part<'_>]) -> std::result::Result<(), GuardError> {
        let failed = |reason: String| Err(GuardError::Failed(reason));
        let vocabulary = self.vocabulary();
        for part in parts {
            let wanted = part.wanted.iter().flat_map(|wanted| wanted.of);
            if let Some(token) = part.tokens.iter().chain(wanted).find(|token| **token as usize >= vocabulary) {
                return failed(format!("there is no token {token} in the vocabulary"));
            }
            if part.tokens.is_empty() || part.wanted.iter().any(|wanted| wanted.after >= part.tokens.len()) {
                return failed("no tokens were fed, or scores are wanted after one that is not there".to_owned());
            }
            if part.cache.length() + part.tokens.len() > self.shape.context_length {
                let (fed, most) = (part.cache.length() + part.tokens.len(), self.shape.context_length);
                return failed(format!("{fed} tokens do not fit the model's context of {most}"));
            }
        }
        Ok(())
    }

    /// Tokens of the vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.embeddings.parts().first().map_or(0, Matrix::outputs)
    }

    /// Multiplications of a token with the matrices of all layers.
    pub fn multiplications(&self) -> usize {
        let of = |linear: &Linear| linear.inputs() * linear.stride();
        let all = |layer: &Layer| of(&layer.project) + of(&layer.attention_output) + of(&layer.widen) + of(&layer.down);
        self.layers.iter().map(all).sum()
    }

    /// Tokens the model can have before it at once, as its file says.
    pub fn context_length(&self) -> usize {
        self.shape.context_length
    }
}

fn failed(reason: &str) -> Error {
    Error::Msg(reason.to_owned())
}

fn frequencies(shape: &Shape, factors: &[f32]) -> Vec<f32> {
    let width = shape.head_width;
    let frequency = |pair: usize| {
        let exponent = (2 * pair) as f32 / width as f32;
        shape.scaling.apply(shape.rope_base.powf(-exponent)) / factors.get(pair).copied().unwrap_or(1.0)
    };
    (0..width / 2).map(frequency).collect()
}

#[cfg(test)]
mod tests;
