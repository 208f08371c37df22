//! Trains the last layers of the encoder together with a throw-away head, and writes them back into the weights.
//!
//! The lower layers stay as they are: their states are computed once for the windows to learn from. Two halves of
//! every batch run side by side. What is learnt is stored with five or eight bits a weight, because four would round it away.

use crate::features::batches;
use crate::heads::{self, Files};
use crate::learn::Random;
use crate::samples::{self, Sample};
use crate::states::{self, Window};
use crate::{Failure, figures};
use candle_core::backprop::GradStore;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{D, DType, Device, Tensor, Var};
use guard_model::encoder::{Encoder, WeightsFile};
use guard_model::heads::{OUTPUTS, SPEAKERS, VERDICTS, speaks};
use std::collections::HashMap;
use std::time::Instant;

/// The first layer that learns.
pub(crate) const FIRST: usize = 8;

/// Passes over the data.
const EPOCHS: usize = 2;

/// Highest step of the layers, and of the throw-away head.
const RATES: (f64, f64) = (1e-4, 1e-3);

/// Pieces in one batch.
const BATCH: usize = 1536;

/// Shrinkage towards nought of the weights, a step at rate one.
const DECAY: f64 = 0.01;

/// Trains the last layers and writes them into the weights file.
pub(crate) fn train(files: &Files<'_>, out: &str) -> Result<(), Failure> {
    let bytes = std::fs::read(files.weights)?;
    let encoder = Encoder::load(&mut WeightsFile::parse(&bytes)?)?;
    let rows = heads::read(files)?;
    // Long windows cost most of the time and teach least: few of them are kept.
    let short = |sample: &Sample| {
        let pieces = encoder.cut(&sample.text).pieces.len();
        pieces <= 36 || (pieces <= 110 && sample.text.len().is_multiple_of(6))
    };
    let chosen =
        |sample: &Sample| rows.get(sample.row).is_some_and(|row| samples::chosen(row, sample)) && short(sample);
    let samples: Vec<Sample> = samples::of(&rows, &encoder).into_iter().filter(chosen).collect();
    let mut file = WeightsFile::parse(&bytes)?;
    let windows = states::compute(&mut file, &encoder, &samples, FIRST)?;
    let (held, learnt): (Vec<usize>, Vec<usize>) =
        (0..samples.len()).partition(|at| samples.get(*at).is_some_and(|sample| sample.held_out));
    let mut model = Model::load(&mut file)?;
    let of = |choice: &[usize]| -> Vec<(&Sample, &Window)> {
        choice.iter().filter_map(|at| Some((samples.get(*at)?, windows.get(*at)?))).collect()
    };
    let (held, mut learnt) = (of(&held), of(&learnt));
    held_out_figures(&model, &held)?;
    let mut random = Random(11);
    let pieces: usize = learnt.iter().map(|(_, window)| window.length).sum();
    eprintln!("{} windows to learn from ({pieces} pieces), {} held out", learnt.len(), held.len());
    let all = (pieces * EPOCHS) as f64;
    let (mut done, mut steps, started) = (0_usize, 0.0_f64, Instant::now());
    for epoch in 0..EPOCHS {
        random.shuffle(&mut learnt);
        // Batches of like length, drawn from big runs of the shuffled rows, in random order.
        let mut batches: Vec<Vec<(&Sample, &Window)>> = Vec::new();
        for run in learnt.chunks_mut(2048) {
            run.sort_by_key(|(_, window)| window.length);
            batches.extend(lengthwise(run));
        }
        random.shuffle(&mut batches);
        let (mut loss, mut reported) = (Vec::new(), Instant::now());
        for batch in &batches {
            let share = done as f64 / all;
            let warm = (steps / 60.0).min(1.0);
            loss.push(model.step(batch, warm * (1.0 - share), steps as i32 + 1, random.next())?);
            steps += 1.0;
            done += batch.iter().map(|(_, window)| window.length).sum::<usize>();
            if reported.elapsed().as_secs() >= 30 {
                reported = Instant::now();
                let recent = loss.iter().rev().take(50);
                eprintln!(
                    "epoch {} of {EPOCHS}, {:.0} %: loss {:.4}, {:.0} pieces/s",
                    epoch + 1,
                    100.0 * done as f64 / all,
                    recent.clone().sum::<f64>() / recent.count() as f64,
                    done as f64 / started.elapsed().as_secs_f64()
                );
            }
        }
        held_out_figures(&model, &held)?;
        model.write(&bytes, out)?;
    }
    Ok(())
}

/// Cuts what is sorted by length into batches of about [`BATCH`] pieces.
fn lengthwise<'a>(sorted: &[(&'a Sample, &'a Window)]) -> Vec<Vec<(&'a Sample, &'a Window)>> {
    batches(sorted, BATCH, |(_, window)| window.length).into_iter().map(<[_]>::to_vec).collect()
}

/// How well harmful and harmless, and injections and the rest, are told apart among rows not learnt from.
fn held_out_figures(model: &Model, held: &[(&Sample, &Window)]) -> Result<(), Failure> {
    let mut sorted = held.to_vec();
    sorted.sort_by_key(|(_, window)| window.length);
    let mut scored: Vec<Vec<(f32, bool)>> = vec![Vec::new(); VERDICTS.len()];
    for batch in lengthwise(&sorted) {
        let logits: Vec<Vec<f32>> = model.logits(&batch, None)?.to_vec2()?;
        for ((sample, _), logits) in batch.iter().zip(logits) {
            for ((scored, target), logit) in scored.iter_mut().zip(&sample.targets).zip(logits) {
                scored.extend(target.map(|target| (logit, target)));
            }
        }
    }
    for (name, scored) in VERDICTS.iter().zip(&scored) {
        eprintln!("held out, {name}: average precision {:.4} of {}", figures::average_precision(scored), scored.len());
    }
    Ok(())
}

/// The layers that learn, and the head that is thrown away.
struct Model {
    layers: Vec<HashMap<String, Learnt>>,
    head: Learnt,
    bias: Learnt,
    attention_heads: usize,
}

/// A tensor with what Adam remembers of it.
struct Learnt {
    var: Var,
    first: Tensor,
    second: Tensor,
}

impl Learnt {
    fn new(tensor: &Tensor) -> Result<Self, Failure> {
        let zero = tensor.zeros_like()?;
        Ok(Self { var: Var::from_tensor(tensor)?, first: zero.clone(), second: zero })
    }

    /// One step of Adam with decoupled decay.
    fn step(&mut self, slope: &Tensor, rate: f64, step: i32) -> Result<(), Failure> {
        self.first = ((&self.first * 0.9)? + (slope * 0.1)?)?;
        self.second = ((&self.second * 0.999)? + (slope.sqr()? * 0.001)?)?;
        let (fix1, fix2) = (1.0 - 0.9_f64.powi(step), 1.0 - 0.999_f64.powi(step));
        let change = (&self.first / fix1)?.div(&((&self.second / fix2)?.sqrt()? + 1e-8)?)?;
        let old = self.var.as_detached_tensor();
        let decay = if old.rank() > 1 { DECAY } else { 0.0 };
        self.var.set(&((&old * (1.0 - rate * decay))? - (change * rate)?)?)?;
        Ok(())
    }
}

impl Model {
    fn load(file: &mut WeightsFile<'_>) -> Result<Self, Failure> {
        let count = file.number("bert.block_count")? as usize;
        let width = file.number("bert.embedding_length")? as usize;
        let mut layers = Vec::new();
        for layer in FIRST..count {
            let mut tensors = HashMap::new();
            for (_, name) in guard_model::encoder::LAYER_NAMES {
                for part in ["weight", "bias"] {
                    tensors.insert(
                        format!("{name}.{part}"),
                        Learnt::new(&file.tensor(&format!("blk.{layer}.{name}.{part}"))?)?,
                    );
                }
            }
            layers.push(tensors);
        }
        let head = Tensor::zeros((OUTPUTS, width * 2 + SPEAKERS), DType::F32, &Device::Cpu)?;
        let bias = Tensor::full(-1.0_f32, OUTPUTS, &Device::Cpu)?;
        let attention_heads = file.number("bert.attention.head_count")? as usize;
        Ok(Self { layers, head: Learnt::new(&head)?, bias: Learnt::new(&bias)?, attention_heads })
    }

    /// What the head says of a batch; with a seed, parts of the vectors are left out at random.
    fn logits(&self, batch: &[(&Sample, &Window)], seed: Option<u64>) -> Result<Tensor, Failure> {
        let length = batch.iter().map(|(_, window)| window.length).max().unwrap_or(1);
        let (mut states, mut mask, mut speakers) = (Vec::new(), Vec::new(), Vec::new());
        for (sample, window) in batch {
            let state = window.states.to_dtype(DType::F32)?;
            states.push(state.pad_with_zeros(0, 0, length - window.length)?);
            mask.extend((0..length).map(|at| if at < window.length { 1.0_f32 } else { 0.0 }));
            speakers.extend(speaks(sample.speaker));
        }
        let mut x = Tensor::stack(&states, 0)?;
        let mask = Tensor::from_vec(mask, (batch.len(), length), &Device::Cpu)?;
        let closed = ((mask.ones_like()? - &mask)? * -1e9)?.unsqueeze(1)?.unsqueeze(1)?;
        for layer in &self.layers {
            x = self.layer(layer, &x, &closed)?;
        }
        let pooled = states::pool(&x, &mask)?;
        let pooled = match seed {
            Some(seed) => {
                let mut random = Random(seed);
                let kept: Vec<f32> =
                    (0..pooled.elem_count()).map(|_| if random.unit() < 0.2 { 0.0 } else { 1.25 }).collect();
                (&pooled * Tensor::from_vec(kept, pooled.shape(), &Device::Cpu)?)?
            }
            None => pooled,
        };
        let speakers = Tensor::from_vec(speakers, (batch.len(), SPEAKERS), &Device::Cpu)?;
        let input = Tensor::cat(&[pooled, speakers], 1)?;
        Ok(input.matmul(&self.head.var.t()?)?.broadcast_add(&self.bias.var)?)
    }

    fn layer(&self, parts: &HashMap<String, Learnt>, x: &Tensor, closed: &Tensor) -> Result<Tensor, Failure> {
        let part = |name: &str| {
            Ok::<_, Failure>(parts.get(name).ok_or("a part of a layer is missing")?.var.as_tensor().clone())
        };
        let (rows, length, width) = x.dims3()?;
        let linear = |x: &Tensor, name: &str| -> Result<Tensor, Failure> {
            Ok(x.matmul(&part(&format!("{name}.weight"))?.t()?)?.broadcast_add(&part(&format!("{name}.bias"))?)?)
        };
        let norm = |x: &Tensor, name: &str| -> Result<Tensor, Failure> {
            let x = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
            let spread = (x.sqr()?.mean_keepdim(D::Minus1)? + 1e-12)?.sqrt()?;
            let x = x.broadcast_div(&spread)?;
            Ok(x.broadcast_mul(&part(&format!("{name}.weight"))?)?.broadcast_add(&part(&format!("{name}.bias"))?)?)
        };
        let x = x.reshape((rows * length, width))?;
        let (heads, each) = (self.attention_heads, width / self.attention_heads);
        let split = |name: &str| -> Result<Tensor, Failure> {
            Ok(linear(&x, name)?.reshape((rows, length, heads, each))?.transpose(1, 2)?.contiguous()?)
        };
        let (query, key, value) = (split("attn_q")?, split("attn_k")?, split("attn_v")?);
        let scores = (query.matmul(&key.t()?.contiguous()?)? / (each as f64).sqrt())?.broadcast_add(closed)?;
        let scores = candle_nn::ops::softmax(&scores, D::Minus1)?;
        let heard = scores.matmul(&value)?.transpose(1, 2)?.contiguous()?.reshape((rows * length, width))?;
        let x = norm(&(&x + linear(&heard, "attn_output")?)?, "attn_output_norm")?;
        let inner = linear(&x, "ffn_up")?.gelu_erf()?;
        let x = norm(&(&x + linear(&inner, "ffn_down")?)?, "layer_output_norm")?;
        Ok(x.reshape((rows, length, width))?)
    }

    /// Learns from one batch and gives its loss.
    fn step(&mut self, batch: &[(&Sample, &Window)], rate: f64, step: i32, seed: u64) -> Result<f64, Failure> {
        let (left, right) = batch.split_at(batch.len() / 2);
        let this = &*self;
        let (left, right) = std::thread::scope(|scope| {
            let other = scope.spawn(move || this.slopes(left, seed).map_err(|error| error.to_string()));
            let right = this.slopes(right, seed ^ 1).map_err(|error| error.to_string());
            (other.join(), right)
        });
        let halves = [left.map_err(|_| "a half of a batch failed")??, right?];
        let weight: f64 = halves.iter().flatten().map(|(_, _, weight)| weight).sum();
        let loss: f64 = halves.iter().flatten().map(|(_, loss, _)| loss).sum();
        let slopes: Vec<&GradStore> = halves.iter().flatten().map(|(slopes, _, _)| slopes).collect();
        let update = |learnt: &mut Learnt, rate: f64| -> Result<(), Failure> {
            let mut sum: Option<Tensor> = None;
            for slope in slopes.iter().filter_map(|slopes| slopes.get(&learnt.var)) {
                sum = Some(match sum {
                    Some(sum) => (sum + slope)?,
                    None => slope.clone(),
                });
            }
            match sum {
                Some(sum) => learnt.step(&(sum / weight.max(1e-6))?, rate, step),
                None => Ok(()),
            }
        };
        for learnt in self.layers.iter_mut().flat_map(HashMap::values_mut) {
            update(learnt, RATES.0 * rate)?;
        }
        update(&mut self.head, RATES.1 * rate)?;
        update(&mut self.bias, RATES.1 * rate)?;
        Ok(loss / weight.max(1e-6))
    }

    /// Slopes, summed loss and weight of a half batch; none of an empty one.
    fn slopes(&self, batch: &[(&Sample, &Window)], seed: u64) -> Result<Option<(GradStore, f64, f64)>, Failure> {
        if batch.is_empty() {
            return Ok(None);
        }
        let (mut targets, mut weights) = (Vec::new(), Vec::new());
        for (sample, _) in batch {
            for (target, at) in sample.targets.iter().zip(0..) {
                // A little doubt in every label keeps a wrong one from pulling too hard.
                targets.push(if *target == Some(true) { 0.98_f32 } else { 0.02 });
                let weight = if at < VERDICTS.len() { 1.0 } else { 0.1 * sample.rarity.min(10.0) };
                weights.push(if target.is_some() { weight * sample.weight.min(5.0) } else { 0.0 });
            }
        }
        let weight: f32 = weights.iter().sum();
        let shape = (batch.len(), OUTPUTS);
        let (targets, weights) =
            (Tensor::from_vec(targets, shape, &Device::Cpu)?, Tensor::from_vec(weights, shape, &Device::Cpu)?);
        let logits = self.logits(batch, Some(seed))?;
        let soft = ((logits.abs()?.neg()?.exp()? + 1.0)?.log()? + logits.relu()?)?;
        let loss = ((soft - (&logits * targets)?)? * weights)?.sum_all()?;
        let value = f64::from(loss.to_scalar::<f32>()?);
        Ok(Some((loss.backward()?, value, f64::from(weight))))
    }

    fn write(&self, bytes: &[u8], out: &str) -> Result<(), Failure> {
        let mut file = WeightsFile::parse(bytes)?;
        let mut tensors: Vec<(String, QTensor)> = Vec::new();
        for name in file.tensor_names() {
            let learnt = name
                .strip_prefix("blk.")
                .and_then(|rest| rest.split_once('.'))
                .and_then(|(layer, part)| self.layers.get(layer.parse::<usize>().ok()?.checked_sub(FIRST)?)?.get(part));
            let tensor = match learnt {
                Some(learnt) => {
                    let kind = match (learnt.var.rank(), name.contains("ffn")) {
                        (1, _) => GgmlDType::F32,
                        (_, true) => GgmlDType::Q5_0,
                        (_, false) => GgmlDType::Q8_0,
                    };
                    QTensor::quantize(learnt.var.as_tensor(), kind)?
                }
                None => file.quantized(&name)?,
            };
            tensors.push((name, tensor));
        }
        heads::write_file(&file, &tensors, out, &[])
    }
}
