//! States of the encoder after its lower layers, computed once for every window that the upper layers learn from.

use crate::Failure;
use crate::features::batches;
use crate::samples::Sample;
use candle_core::{D, DType, Device, Tensor};
use candle_nn::{LayerNorm, Module as _, VarBuilder};
use candle_transformers::models::bert::{BertEncoder, Config, HiddenAct, PositionEmbeddingType};
use guard_model::encoder::{Encoder, LAYER_NAMES, WeightsFile};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Instant;

/// A window's states, a row for each piece.
pub(crate) struct Window {
    /// Pieces, the encoder's own frame included.
    pub(crate) length: usize,
    /// Half precision, to fit in memory.
    pub(crate) states: Tensor,
}

/// Mean and maximum over the pieces, side by side.
pub(crate) fn pool(states: &Tensor, mask: &Tensor) -> Result<Tensor, Failure> {
    let weight = mask.broadcast_div(&mask.sum_keepdim(1)?)?.unsqueeze(2)?;
    let mean = states.broadcast_mul(&weight)?.sum(1)?;
    let closed = ((mask.ones_like()? - mask)? * -1e4)?.unsqueeze(2)?;
    let most = states.broadcast_add(&closed)?.max(1)?;
    Ok(Tensor::cat(&[mean, most], D::Minus1)?)
}

/// The states of all samples after `layers` layers.
pub(crate) fn compute(
    file: &mut WeightsFile<'_>,
    encoder: &Encoder,
    samples: &[Sample],
    layers: usize,
) -> Result<Vec<Window>, Failure> {
    let lower = Lower::load(file, layers)?;
    let mut inputs: Vec<(usize, Vec<u32>)> = samples
        .iter()
        .map(|sample| lower.ids(guard_model::framed(encoder, sample.speaker, &sample.text)))
        .enumerate()
        .collect();
    inputs.sort_by_key(|(_, ids)| ids.len());
    let all: usize = inputs.iter().map(|(_, ids)| ids.len()).sum();
    let batches = batches(&inputs, 1024, |(_, ids)| ids.len());
    let (next, started, mut reported, mut done) = (AtomicUsize::new(0), Instant::now(), Instant::now(), 0_usize);
    let mut windows: Vec<Option<Window>> = samples.iter().map(|_| None).collect();
    std::thread::scope(|scope| -> Result<(), Failure> {
        let (send, ready) = sync_channel(4);
        for _ in 0..std::thread::available_parallelism()?.get() {
            let (send, batches, next, lower) = (send.clone(), &batches, &next, &lower);
            scope.spawn(move || {
                while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if send.send(lower.states(batch).map_err(|error| error.to_string())).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        for batch in ready {
            for (at, window) in batch? {
                done += window.length;
                if let Some(place) = windows.get_mut(at) {
                    *place = Some(window);
                }
            }
            if reported.elapsed().as_secs() >= 30 {
                reported = Instant::now();
                let rate = done as f64 / started.elapsed().as_secs_f64();
                eprintln!("states: {:.0} % of {all} pieces at {rate:.0} pieces/s", 100.0 * done as f64 / all as f64);
            }
        }
        Ok(())
    })?;
    windows.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| "a window has no states".into())
}

/// The part of the encoder that does not learn.
struct Lower {
    words: Tensor,
    positions: Tensor,
    norm: LayerNorm,
    layers: BertEncoder,
    begin: u32,
    end: u32,
}

impl Lower {
    fn load(file: &mut WeightsFile<'_>, layers: usize) -> Result<Self, Failure> {
        let config = Config {
            vocab_size: 0,
            hidden_size: file.number("bert.embedding_length")? as usize,
            num_hidden_layers: layers,
            num_attention_heads: file.number("bert.attention.head_count")? as usize,
            intermediate_size: file.number("bert.feed_forward_length")? as usize,
            hidden_act: HiddenAct::Gelu,
            max_position_embeddings: file.number("bert.context_length")? as usize,
            layer_norm_eps: 1e-12,
            position_embedding_type: PositionEmbeddingType::Absolute,
            ..Config::default()
        };
        let mut tensors = HashMap::new();
        for layer in 0..layers {
            for (theirs, ours) in LAYER_NAMES {
                for part in ["weight", "bias"] {
                    let tensor = file.tensor(&format!("blk.{layer}.{ours}.{part}"))?;
                    tensors.insert(format!("layer.{layer}.{theirs}.{part}"), tensor);
                }
            }
        }
        let variables = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let kind = file.tensor("token_types.weight")?.narrow(0, 0, 1)?;
        Ok(Self {
            words: file.tensor("token_embd.weight")?,
            positions: file.tensor("position_embd.weight")?.broadcast_add(&kind)?,
            norm: LayerNorm::new(file.tensor("token_embd_norm.weight")?, file.tensor("token_embd_norm.bias")?, 1e-12),
            layers: BertEncoder::load(variables, &config)?,
            begin: file.number("tokenizer.ggml.bos_token_id")?,
            end: file.number("tokenizer.ggml.eos_token_id")?,
        })
    }

    fn ids(&self, pieces: Vec<u32>) -> Vec<u32> {
        std::iter::once(self.begin).chain(pieces).chain(std::iter::once(self.end)).collect()
    }

    fn states(&self, batch: &[(usize, Vec<u32>)]) -> Result<Vec<(usize, Window)>, Failure> {
        let length = batch.iter().map(|(_, ids)| ids.len()).max().unwrap_or(1);
        let (mut ids, mut mask) = (Vec::new(), Vec::new());
        for (_, window) in batch {
            ids.extend((0..length).map(|at| window.get(at).copied().unwrap_or(self.end)));
            mask.extend((0..length).map(|at| if at < window.len() { 0.0 } else { f32::MIN }));
        }
        let closed = Tensor::from_vec(mask, (batch.len(), 1, 1, length), &Device::Cpu)?;
        let ids = Tensor::from_vec(ids, batch.len() * length, &Device::Cpu)?;
        let words = self.words.index_select(&ids, 0)?.reshape((batch.len(), length, ()))?;
        let places = self.positions.narrow(0, 0, length)?.unsqueeze(0)?;
        let hidden = self.norm.forward(&words.broadcast_add(&places)?)?;
        let hidden = self.layers.forward(&hidden, &closed)?.to_dtype(DType::F16)?;
        let cut = |(at, (row, ids)): (usize, &(usize, Vec<u32>))| {
            // Copied, so that the batch as a whole is not kept alive.
            let states = hidden.get(at)?.narrow(0, 0, ids.len())?.copy()?;
            Ok((*row, Window { length: ids.len(), states }))
        };
        batch.iter().enumerate().map(cut).collect()
    }
}
