//! The forward pass of a Llama-architecture model, on the engine's kernels.
//!
//! candle-transformers' `quantized_llama` is the reference; tests compare the two on real weights and on small random
//! models. This one differs where that one cannot serve requests: the cache belongs to the call and can be forked, so
//! that one set of weights answers many; the file's own context length and long-context frequencies (`rope_freqs`,
//! Llama 3.1 and later) are used; weights stay in the form the file has, repacked once. The file is read one tensor at a
//! time, so that loading takes little more memory than the weights.

mod attention;
mod cache;
mod metadata;

pub use cache::Cache;
pub(crate) use metadata::{Metadata, Shape};

use crate::GuardError;
use crate::engine::{Kind, Level, Linear, Matrix, rms_norm, swiglu};
use attention::attend;
use candle_core::quantized::gguf_file::Content;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Error, Result};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The weights of a model. They never change once read, and any number of threads may use them.
pub struct Llama {
    embeddings: Linear,
    layers: Vec<Layer>,
    norm: Vec<f32>,
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
    attention_norm: Vec<f32>,
    /// Query, key and value.
    project: Linear,
    attention_output: Linear,
    feed_forward_norm: Vec<f32>,
    /// Gate and up.
    widen: Linear,
    down: Linear,
}

/// Rows of values between the steps of a pass.
#[derive(Default)]
struct Scratch {
    hidden: Vec<f32>,
    normed: Vec<f32>,
    projected: Vec<f32>,
    attended: Vec<f32>,
    wide: Vec<f32>,
    gated: Vec<f32>,
    /// Cosine and sine of every pair's angle, for each token.
    turns: Vec<(f32, f32)>,
}

impl Llama {
    /// Reads the model in the GGUF file at `path`.
    ///
    /// # Errors
    /// [`GuardError::Weights`] when the file cannot be read, is no GGUF file, or holds a model that does not run here.
    pub fn open(path: &Path) -> std::result::Result<Self, GuardError> {
        let wrong = |reason: String| GuardError::Weights(format!("`{}`: {reason}", path.display()));
        let mut file = BufReader::new(File::open(path).map_err(|error| wrong(error.to_string()))?);
        let content = Content::read(&mut file).map_err(|error| wrong(error.to_string()))?;
        let shape = Metadata(&content).shape().map_err(wrong)?;
        Self::read(&content, shape, &mut file).map_err(|error| wrong(error.to_string()))
    }

    /// Reads the weights named by `content` from `file`, one tensor at a time.
    pub(crate) fn read<R: Read + Seek>(content: &Content, shape: Shape, file: &mut R) -> Result<Llama> {
        let mut reader = Reader { content, file };
        let (width, inner) = (shape.heads * shape.head_width, reader.rows("blk.0.ffn_up.weight")?);
        let keys = shape.key_heads * shape.head_width;
        let vocabulary = reader.rows("token_embd.weight")?;
        let embeddings = reader.linear(&["token_embd"], shape.width, &[vocabulary])?;
        let output = if content.tensor_infos.contains_key("output.weight") {
            Some(reader.linear(&["output"], shape.width, &[vocabulary])?)
        } else {
            None // small models use one matrix for both ends
        };
        let mut layers = Vec::with_capacity(shape.layers);
        for at in 0..shape.layers {
            let name = |part: &str| format!("blk.{at}.{part}");
            layers.push(Layer {
                attention_norm: reader.floats(&name("attn_norm"), shape.width)?,
                project: reader.linear(
                    &[&name("attn_q"), &name("attn_k"), &name("attn_v")],
                    shape.width,
                    &[width, keys, keys],
                )?,
                attention_output: reader.linear(&[&name("attn_output")], width, &[shape.width])?,
                feed_forward_norm: reader.floats(&name("ffn_norm"), shape.width)?,
                widen: reader.linear(&[&name("ffn_gate"), &name("ffn_up")], shape.width, &[inner, inner])?,
                down: reader.linear(&[&name("ffn_down")], inner, &[shape.width])?,
            });
        }
        let norm = reader.floats("output_norm", shape.width)?;
        let factors = if content.tensor_infos.contains_key("rope_freqs.weight") {
            reader.floats("rope_freqs", shape.rope_width / 2)?
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
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let logits = self.pass(tokens, cache, &mut scratch);
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        Ok(logits?)
    }

    fn pass(&self, tokens: &[u32], cache: &mut Cache, scratch: &mut Scratch) -> Result<Vec<f32>> {
        let (width, first) = (self.shape.width, cache.length());
        let Some(before_last) = tokens.len().checked_sub(1) else { return Err(failed("no tokens were fed")) };
        self.embed(tokens, &mut scratch.hidden)?;
        scratch.turns.clear();
        for position in first..first + tokens.len() {
            let angle = |frequency: &f32| (position as f32 * frequency).sin_cos();
            scratch.turns.extend(self.frequencies.iter().map(angle).map(|(sin, cos)| (cos, sin)));
        }
        for (at, layer) in self.layers.iter().enumerate() {
            self.project(layer, scratch);
            let [queries, keys, values] = self.ranges(layer);
            let stride = layer.project.stride();
            for (position, row) in (first..).zip(scratch.projected.chunks_exact(stride)) {
                let part = |range: &Range<usize>| row.get(range.clone()).unwrap_or_default();
                cache.write(at, position, part(&keys), part(&values));
            }
            // After the last layer's keys and values only the last token is of interest.
            let kept = if at + 1 == self.layers.len() { before_last } else { 0 };
            scratch.hidden.drain(..kept * width);
            let projected = scratch.projected.get(kept * stride..).unwrap_or_default();
            scratch.attended.resize((tokens.len() - kept) * queries.len(), 0.0);
            let (queries, attended) = ((projected, stride), &mut scratch.attended);
            attend(self.level, &self.shape, cache, at, first + kept, queries, attended);
            layer.attention_output.apply(self.level, &mut scratch.attended, &mut scratch.hidden, true);
            self.feed_forward(layer, scratch);
        }
        cache.advance(tokens.len());
        rms_norm(
            self.level,
            &scratch.hidden,
            width,
            &self.norm,
            self.shape.norm_epsilon,
            resized(&mut scratch.normed, width),
        );
        let output = self.output.as_ref().unwrap_or(&self.embeddings);
        let mut logits = vec![0.0; output.stride()];
        output.apply(self.level, &mut scratch.normed, &mut logits, false);
        logits.truncate(output.parts().first().map_or(0, Matrix::outputs));
        Ok(logits)
    }

    fn embed(&self, tokens: &[u32], hidden: &mut Vec<f32>) -> Result<()> {
        let rows = resized(hidden, tokens.len() * self.shape.width).chunks_exact_mut(self.shape.width);
        for (token, row) in tokens.iter().zip(rows) {
            let read = self.embeddings.parts().first().and_then(|table| table.row(*token as usize, row));
            read.ok_or_else(|| failed(&format!("there is no token {token} in the vocabulary")))?;
        }
        Ok(())
    }

    /// Queries, keys and values of all rows, the first two turned by their positions.
    fn project(&self, layer: &Layer, scratch: &mut Scratch) {
        let (width, rows) = (self.shape.width, scratch.hidden.len() / self.shape.width);
        let normed = resized(&mut scratch.normed, rows * width);
        rms_norm(self.level, &scratch.hidden, width, &layer.attention_norm, self.shape.norm_epsilon, normed);
        let projected = resized(&mut scratch.projected, rows * layer.project.stride());
        layer.project.apply(self.level, normed, projected, false);
        let [queries, keys, _] = self.ranges(layer);
        let rows = projected.chunks_exact_mut(layer.project.stride());
        for (row, turns) in rows.zip(scratch.turns.chunks_exact(self.frequencies.len())) {
            for range in [&queries, &keys] {
                let heads = row.get_mut(range.clone()).unwrap_or_default();
                for head in heads.chunks_exact_mut(self.shape.head_width) {
                    for ([left, right], (cos, sin)) in head.as_chunks_mut::<2>().0.iter_mut().zip(turns) {
                        (*left, *right) = (*left * cos - *right * sin, *left * sin + *right * cos);
                    }
                }
            }
        }
    }

    /// Where queries, keys and values are in a row of a layer's projections.
    fn ranges(&self, layer: &Layer) -> [Range<usize>; 3] {
        let keys = self.shape.key_heads * self.shape.head_width;
        let mut starts = layer.project.parts().iter().scan(0, |next, part| {
            *next += part.stride();
            Some(*next - part.stride())
        });
        [self.shape.heads * self.shape.head_width, keys, keys].map(|length| {
            let start = starts.next().unwrap_or_default();
            start..start + length
        })
    }

    fn feed_forward(&self, layer: &Layer, scratch: &mut Scratch) {
        let (width, rows) = (self.shape.width, scratch.hidden.len() / self.shape.width);
        let normed = resized(&mut scratch.normed, rows * width);
        rms_norm(self.level, &scratch.hidden, width, &layer.feed_forward_norm, self.shape.norm_epsilon, normed);
        let wide = resized(&mut scratch.wide, rows * layer.widen.stride());
        layer.widen.apply(self.level, normed, wide, false);
        let gated = resized(&mut scratch.gated, rows * layer.widen.stride() / 2);
        swiglu(self.level, wide, layer.widen.stride() / 2, gated);
        layer.down.apply(self.level, gated, &mut scratch.hidden, true);
    }
}

/// Reads tensors by name and checks their shapes.
struct Reader<'a, R> {
    content: &'a Content,
    file: &'a mut R,
}

impl<R: Read + Seek> Reader<'_, R> {
    fn tensor(&mut self, name: &str) -> Result<QTensor> {
        self.content.tensor(self.file, name, &Device::Cpu)
    }

    fn rows(&self, name: &str) -> Result<usize> {
        let rows = self.content.tensor_infos.get(name).and_then(|info| info.shape.dims().first().copied());
        rows.filter(|rows| *rows > 0).ok_or_else(|| failed(&format!("tensor `{name}` is missing or empty")))
    }

    fn floats(&mut self, name: &str, count: usize) -> Result<Vec<f32>> {
        let values =
            self.tensor(&format!("{name}.weight"))?.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
        if values.len() != count || values.iter().any(|value| !value.is_finite()) {
            return Err(failed(&format!("tensor `{name}.weight` is not {count} numbers")));
        }
        Ok(values)
    }

    /// Matrices of the same inputs, whose numbers of outputs are given.
    fn linear(&mut self, names: &[&str], inputs: usize, outputs: &[usize]) -> Result<Linear> {
        let mut parts = Vec::with_capacity(names.len());
        for (name, outputs) in names.iter().zip(outputs) {
            let name = format!("{name}.weight");
            let tensor = self.tensor(&name)?;
            if tensor.shape().dims() != [*outputs, inputs] {
                let shape = tensor.shape().dims().to_vec();
                return Err(failed(&format!("tensor `{name}` is {shape:?}, not {outputs} by {inputs}")));
            }
            let wrong = |reason: &str| failed(&format!("tensor `{name}`: {reason}"));
            let matrix = match (Kind::of(tensor.dtype()), tensor.dtype()) {
                (Some(kind), _) => Matrix::pack(kind, &tensor.data()?, inputs, None, &[]),
                (None, GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16) => {
                    let values = tensor.dequantize(&Device::Cpu)?;
                    let rounded = QTensor::quantize(&values, GgmlDType::Q8_0)?;
                    Matrix::pack(Kind::Q8Zero, &rounded.data()?, inputs, None, &[])
                }
                (None, other) => return Err(wrong(&format!("its type {other:?} is not one that runs here"))),
            };
            parts.push(matrix.map_err(wrong)?);
        }
        Ok(Linear::new(parts, inputs))
    }
}

fn failed(reason: &str) -> Error {
    Error::Msg(reason.to_owned())
}

/// The same memory with room for so many values, which are all to be written.
fn resized(values: &mut Vec<f32>, length: usize) -> &mut [f32] {
    values.resize(length, 0.0);
    values
}

fn frequencies(shape: &Shape, factors: &[f32]) -> Vec<f32> {
    let width = shape.rope_width;
    let frequency = |pair: usize| {
        let exponent = (2 * pair) as f32 / width as f32;
        shape.rope_base.powf(-exponent) / factors.get(pair).copied().unwrap_or(1.0)
    };
    (0..width / 2).map(frequency).collect()
}

#[cfg(test)]
mod tests;
