//! A Llama small enough to be trained here, computed with candle so that it can learn.

use crate::Failure;
use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Tensor, Var};
use std::collections::BTreeMap;

/// Values of a hidden state.
pub(crate) const WIDTH: usize = 128;

/// Values between the two halves of a feed-forward step.
pub(crate) const INNER: usize = 256;

/// Layers.
pub(crate) const LAYERS: usize = 2;

/// Heads of attention.
pub(crate) const HEADS: usize = 4;

/// What the angles of positions are powers of.
pub(crate) const ROPE_BASE: f32 = 10_000.0;

/// What is added to a mean square before its root is taken.
pub(crate) const EPSILON: f64 = 1e-5;

const HEAD: usize = WIDTH / HEADS;

/// The weights by the names a GGUF file gives them, with what Adam remembers.
pub(crate) struct Model {
    weights: BTreeMap<String, Learnt>,
    steps: i32,
}

struct Learnt {
    var: Var,
    first: Tensor,
    second: Tensor,
}

/// Tokens of an answer, its end included.
const ANSWER: usize = 5;

/// Examples whose prompts begin alike.
pub(crate) struct Batch<'a> {
    /// The tokens that all prompts begin with.
    pub(crate) prefix: &'a [u32],
    /// What follows in each.
    pub(crate) rest: Vec<&'a [u32]>,
    /// For each, the last place of the prompt: after it the answer is learnt.
    pub(crate) asked: Vec<usize>,
    /// Places in the rest after which a token is learnt: example, place, token, weight.
    pub(crate) answers: Vec<(usize, usize, u32, f32)>,
}

impl Model {
    /// Random weights for `tokens` tokens; `normal` gives numbers of spread one.
    pub(crate) fn new(tokens: usize, mut normal: impl FnMut() -> f32) -> Result<Self, Failure> {
        let mut weights = BTreeMap::new();
        let mut add = |name: String, rows: usize, columns: usize, spread: f32| -> Result<(), Failure> {
            let values: Vec<f32> = (0..rows * columns).map(|_| normal() * spread).collect();
            weights.insert(name, Learnt::new(&Tensor::from_vec(values, (rows, columns), &Device::Cpu)?)?);
            Ok(())
        };
        let spread = |inputs: usize| (1.0 / inputs as f32).sqrt();
        add("token_embd.weight".into(), tokens, WIDTH, 0.06)?;
        for layer in 0..LAYERS {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            for part in ["attn_q", "attn_k", "attn_v"] {
                add(name(part), WIDTH, WIDTH, spread(WIDTH))?;
            }
            add(name("attn_output"), WIDTH, WIDTH, spread(WIDTH) * 0.5)?;
            add(name("ffn_gate"), INNER, WIDTH, spread(WIDTH))?;
            add(name("ffn_up"), INNER, WIDTH, spread(WIDTH))?;
            add(name("ffn_down"), WIDTH, INNER, spread(INNER) * 0.5)?;
        }
        let norms = (0..LAYERS).flat_map(|layer| [format!("blk.{layer}.attn_norm"), format!("blk.{layer}.ffn_norm")]);
        for name in norms.chain(["output_norm".to_owned()]) {
            weights.insert(format!("{name}.weight"), Learnt::new(&Tensor::ones(WIDTH, DType::F32, &Device::Cpu)?)?);
        }
        Ok(Self { weights, steps: 0 })
    }

    /// All weights with their names.
    pub(crate) fn weights(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.weights.iter().map(|(name, learnt)| (name.as_str(), learnt.var.as_tensor()))
    }

    /// Logits at the places of the answers, a row for each.
    pub(crate) fn logits(&self, batch: &Batch<'_>) -> Result<Tensor, Failure> {
        let length = batch.rest.iter().map(|rest| rest.len()).max().unwrap_or(1);
        let (count, before) = (batch.rest.len(), batch.prefix.len());
        let mut ids = batch.prefix.to_vec();
        for rest in &batch.rest {
            // What fills up a shorter example comes after all that is learnt of it.
            ids.extend((0..length).map(|at| rest.get(at).copied().unwrap_or(0)));
        }
        let ids = Tensor::new(ids, &Device::Cpu)?;
        let states = self.part("token_embd")?.index_select(&ids, 0)?;
        let mut prefix = states.narrow(0, 0, before)?.unsqueeze(0)?;
        let mut rest = states.narrow(0, before, count * length)?.reshape((count, length, WIDTH))?;
        let (ahead, causal) = (turns(0..before)?, mask(0..before, before)?);
        let after = turns(before..before + length)?;
        // In the last layer only the places where an answer is learnt are of interest.
        let asked = |at: &usize| (*at..at + ANSWER).map(|place| place.min(length - 1));
        let asked: Vec<usize> = batch.asked.iter().flat_map(asked).collect();
        for layer in 0..LAYERS {
            let part = |name: &str| self.part(&format!("blk.{layer}.{name}"));
            let last = layer + 1 == LAYERS;
            let (keys, values) = self.keys(layer, &prefix, &ahead)?;
            let (own_keys, own_values) = self.keys(layer, &rest, &after)?;
            if !last {
                let queries = self.queries(layer, &prefix, &ahead)?;
                let shares = shares(&(queries.matmul(&keys.t()?.contiguous()?)?.broadcast_add(&causal)?))?;
                let heard = joined(&shares.matmul(&values)?)?;
                prefix = self.feed_forward(layer, &(&prefix + linear(&heard, &part("attn_output")?)?)?)?;
            }
            let (places, mask) = if last {
                let rows: Vec<u32> =
                    asked.iter().enumerate().map(|(at, place)| (at / ANSWER * length + place) as u32).collect();
                let rows = Tensor::new(rows, &Device::Cpu)?;
                rest =
                    rest.reshape((count * length, WIDTH))?.index_select(&rows, 0)?.reshape((count, ANSWER, WIDTH))?;
                let (cos, sin) = turns(asked.iter().map(|place| before + place))?;
                let each = |x: Tensor| x.reshape((count, 1, ANSWER, HEAD / 2, 1));
                let mask = mask(asked.iter().copied(), length)?.reshape((count, 1, ANSWER, length))?;
                ((each(cos)?, each(sin)?), mask)
            } else {
                (after.clone(), mask(0..length, length)?)
            };
            let rows = rest.dim(1)?;
            let queries = self.queries(layer, &rest, &places)?;
            // The beginning is the same for all: queries of all examples meet its keys in one product.
            let together = |x: &Tensor, width: usize| -> Result<Tensor, Failure> {
                Ok(x.transpose(0, 1)?.contiguous()?.reshape((HEADS, count * rows, width))?)
            };
            let apart = |x: &Tensor, width: usize| -> Result<Tensor, Failure> {
                Ok(x.reshape((HEADS, count, rows, width))?.transpose(0, 1)?.contiguous()?)
            };
            let (keys, values) = (keys.squeeze(0)?, values.squeeze(0)?);
            let scores = apart(&together(&queries, HEAD)?.matmul(&keys.t()?.contiguous()?)?, before)?;
            let own = queries.matmul(&own_keys.t()?.contiguous()?)?.broadcast_add(&mask)?;
            let shares = shares(&Tensor::cat(&[scores, own], D::Minus1)?)?;
            let heard = together(&shares.narrow(D::Minus1, 0, before)?, before)?.matmul(&values.contiguous()?)?;
            let own = shares.narrow(D::Minus1, before, length)?.contiguous()?.matmul(&own_values)?;
            let heard = joined(&(apart(&heard, HEAD)? + own)?)?;
            rest = self.feed_forward(layer, &(&rest + linear(&heard, &part("attn_output")?)?)?)?;
        }
        let mut places = Vec::new();
        for (example, place, ..) in &batch.answers {
            let first = batch.asked.get(*example).ok_or("an answer of no example")?;
            places.push((example * ANSWER + place - first) as u32);
        }
        let places = Tensor::new(places, &Device::Cpu)?;
        let states = rest.reshape((count * ANSWER, WIDTH))?.index_select(&places, 0)?;
        let states = norm(&states, &self.part("output_norm")?)?;
        Ok(states.matmul(&self.part("token_embd")?.t()?)?)
    }

    /// Learns from a batch and gives its loss.
    pub(crate) fn step(&mut self, batch: &Batch<'_>, rate: f64) -> Result<f32, Failure> {
        let logits = self.logits(batch)?;
        let told = candle_nn::ops::log_softmax(&logits, D::Minus1)?;
        let targets: Vec<u32> = batch.answers.iter().map(|(_, _, token, _)| *token).collect();
        let weights: Vec<f32> = batch.answers.iter().map(|(.., weight)| *weight).collect();
        let all = weights.iter().sum::<f32>().max(1e-6);
        let (count, weights) = (targets.len(), Tensor::new(weights, &Device::Cpu)?);
        let targets = Tensor::from_vec(targets, (count, 1), &Device::Cpu)?;
        let loss = (told.gather(&targets, 1)?.squeeze(1)? * weights)?.sum_all()?;
        let loss = (loss / -f64::from(all))?;
        let slopes = loss.backward()?;
        self.steps += 1;
        for learnt in self.weights.values_mut() {
            learnt.step(&slopes, rate, self.steps)?;
        }
        Ok(loss.to_scalar()?)
    }

    fn part(&self, name: &str) -> Result<Tensor, Failure> {
        let learnt = self.weights.get(&format!("{name}.weight")).ok_or("a weight is missing")?;
        Ok(learnt.var.as_tensor().clone())
    }

    /// Queries by heads, turned by their positions.
    fn queries(&self, layer: usize, x: &Tensor, turns: &(Tensor, Tensor)) -> Result<Tensor, Failure> {
        turned(&self.heads(layer, x, "attn_q")?, turns)
    }

    /// Keys by heads, turned by their positions, and values.
    fn keys(&self, layer: usize, x: &Tensor, turns: &(Tensor, Tensor)) -> Result<(Tensor, Tensor), Failure> {
        Ok((turned(&self.heads(layer, x, "attn_k")?, turns)?, self.heads(layer, x, "attn_v")?))
    }

    fn heads(&self, layer: usize, x: &Tensor, name: &str) -> Result<Tensor, Failure> {
        let x = norm(x, &self.part(&format!("blk.{layer}.attn_norm"))?)?;
        let (count, length, _) = x.dims3()?;
        let x = linear(&x, &self.part(&format!("blk.{layer}.{name}"))?)?;
        Ok(x.reshape((count, length, HEADS, HEAD))?.transpose(1, 2)?.contiguous()?)
    }

    fn feed_forward(&self, layer: usize, x: &Tensor) -> Result<Tensor, Failure> {
        let part = |name: &str| self.part(&format!("blk.{layer}.{name}"));
        let normed = norm(x, &part("ffn_norm")?)?;
        let gate = linear(&normed, &part("ffn_gate")?)?.silu()?;
        let inner = (gate * linear(&normed, &part("ffn_up")?)?)?;
        Ok((x + linear(&inner, &part("ffn_down")?)?)?)
    }
}

impl Learnt {
    fn new(tensor: &Tensor) -> Result<Self, Failure> {
        let zero = tensor.zeros_like()?;
        Ok(Self { var: Var::from_tensor(tensor)?, first: zero.clone(), second: zero })
    }

    /// One step of Adam with decoupled decay.
    fn step(&mut self, slopes: &GradStore, rate: f64, step: i32) -> Result<(), Failure> {
        let Some(slope) = slopes.get(&self.var) else { return Ok(()) };
        self.first = ((&self.first * 0.9)? + (slope * 0.1)?)?.detach();
        self.second = ((&self.second * 0.99)? + (slope.sqr()? * 0.01)?)?.detach();
        let (fix1, fix2) = (1.0 - 0.9_f64.powi(step), 1.0 - 0.99_f64.powi(step));
        let change = (&self.first / fix1)?.div(&((&self.second / fix2)?.sqrt()? + 1e-8)?)?;
        let old = self.var.as_detached_tensor();
        let decay = if old.rank() > 1 { 0.05 } else { 0.0 };
        self.var.set(&((&old * (1.0 - rate * decay))? - (change * rate)?)?)?;
        Ok(())
    }
}

/// Rows times a matrix that has a row for each output.
fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor, Failure> {
    let (count, length, width) = x.dims3()?;
    Ok(x.reshape((count * length, width))?.matmul(&weight.t()?)?.reshape((count, length, ()))?)
}

fn norm(x: &Tensor, weight: &Tensor) -> Result<Tensor, Failure> {
    let root = (x.sqr()?.mean_keepdim(D::Minus1)? + EPSILON)?.sqrt()?;
    Ok(x.broadcast_div(&root)?.broadcast_mul(weight)?)
}

/// Heads side by side again.
fn joined(x: &Tensor) -> Result<Tensor, Failure> {
    let (count, _, length, _) = x.dims4()?;
    Ok(x.transpose(1, 2)?.contiguous()?.reshape((count, length, WIDTH))?)
}

/// How much each place is heard.
fn shares(scores: &Tensor) -> Result<Tensor, Failure> {
    Ok(candle_nn::ops::softmax(&(scores / (HEAD as f64).sqrt())?, D::Minus1)?)
}

/// Cosines and sines for positions, a row for each.
fn turns(positions: impl Iterator<Item = usize>) -> Result<(Tensor, Tensor), Failure> {
    let angle = |position: usize, pair: usize| position as f32 * ROPE_BASE.powf(-2.0 * pair as f32 / HEAD as f32);
    let angles: Vec<f32> =
        positions.flat_map(|position| (0..HEAD / 2).map(move |pair| angle(position, pair))).collect();
    let rows = angles.len() / (HEAD / 2);
    let angles = Tensor::from_vec(angles, (rows, HEAD / 2, 1), &Device::Cpu)?;
    Ok((angles.cos()?, angles.sin()?))
}

/// Turns neighbouring values of every head by their position's angles.
fn turned(x: &Tensor, (cos, sin): &(Tensor, Tensor)) -> Result<Tensor, Failure> {
    let (count, heads, length, width) = x.dims4()?;
    let pairs = x.reshape((count, heads, length, width / 2, 2))?;
    let (left, right) = (pairs.narrow(D::Minus1, 0, 1)?, pairs.narrow(D::Minus1, 1, 1)?);
    let new_left = (left.broadcast_mul(cos)? - right.broadcast_mul(sin)?)?;
    let new_right = (left.broadcast_mul(sin)? + right.broadcast_mul(cos)?)?;
    Ok(Tensor::cat(&[new_left, new_right], D::Minus1)?.reshape((count, heads, length, width))?)
}

/// Nought where a token at each of `places` may look, far below where another comes later.
fn mask(places: impl Iterator<Item = usize>, length: usize) -> Result<Tensor, Failure> {
    let row = |place: usize| (0..length).map(move |at| if at > place { -1e9 } else { 0.0_f32 });
    let values: Vec<f32> = places.flat_map(row).collect();
    let rows = values.len() / length.max(1);
    Ok(Tensor::from_vec(values, (1, 1, rows, length), &Device::Cpu)?)
}
