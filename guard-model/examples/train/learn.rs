//! Gradient descent on the heads; the encoder stays as it is.

use crate::Failure;
use candle_core::{Device, Tensor};
use guard_model::Role;
use guard_model::heads::{Calibration, Heads, OUTPUTS, SPEAKERS, VERDICTS, speaks, words_norm};
use guard_model::ngrams::BUCKETS;

/// What is learnt from: one window.
#[derive(Clone)]
pub(crate) struct Example<'a> {
    /// The encoder's vector.
    pub(crate) features: &'a [f32],
    /// The places of its words.
    pub(crate) words: Vec<u32>,
    /// Who speaks.
    pub(crate) speaker: Role,
    /// What each output should say.
    pub(crate) targets: [Option<bool>; OUTPUTS],
    /// How much it counts.
    pub(crate) weight: f32,
    /// How much more it counts for telling hazards apart.
    pub(crate) rarity: f32,
}

/// The knobs of training.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Knobs {
    /// Units of the hidden layer of each member.
    pub(crate) units: usize,
    /// Heads that are trained and joined.
    pub(crate) members: usize,
    /// Passes over the data.
    pub(crate) epochs: usize,
    /// Step of the dense part.
    pub(crate) rate: f32,
    /// Step of the sparse part; zero switches it off.
    pub(crate) words_rate: f32,
    /// Share of hidden units left out at a step.
    pub(crate) dropout: f32,
    /// Shrinkage of the dense weights.
    pub(crate) decay: f32,
    /// Start of the random numbers.
    pub(crate) seed: u64,
}

const BATCH: usize = 256;

/// Trains several heads that differ in their random start and joins them into one that says their mean: what they
/// agree on is more often true of texts unlike the training data. The same knobs give the same heads.
pub(crate) fn train(examples: &[Example<'_>], knobs: Knobs) -> Result<Heads, Failure> {
    let mut joined = Heads::default();
    let share = 1.0 / knobs.members as f32;
    let mut rows: Vec<Vec<f32>> = vec![Vec::new(); OUTPUTS];
    for member in 0..knobs.members as u64 {
        let heads = train_one(examples, Knobs { seed: knobs.seed + member, ..knobs })?;
        joined.hidden.extend(heads.hidden);
        joined.hidden_bias.extend(heads.hidden_bias);
        for (row, new) in rows.iter_mut().zip(heads.output.chunks_exact(knobs.units)) {
            row.extend(new.iter().map(|value| value * share));
        }
        joined.output_bias.resize(OUTPUTS, 0.0);
        joined.output_bias.iter_mut().zip(heads.output_bias).for_each(|(sum, bias)| *sum += bias * share);
        joined.words.resize(heads.words.len(), 0.0);
        joined.words.iter_mut().zip(heads.words).for_each(|(sum, word)| *sum += word * share);
        (joined.mean, joined.scale) = (heads.mean, heads.scale);
    }
    joined.output = rows.concat();
    Ok(joined)
}

fn train_one(examples: &[Example<'_>], knobs: Knobs) -> Result<Heads, Failure> {
    let features = examples.first().ok_or("nothing to learn from")?.features.len();
    let (mean, scale) = moments(examples, features);
    let inputs = features + SPEAKERS;
    let mut random = Random(knobs.seed);
    let mut hidden = Weights::random(knobs.units * inputs, (2.0 / inputs as f32).sqrt(), &mut random);
    let mut hidden_bias = Weights::zero(knobs.units);
    let mut output = Weights::random(OUTPUTS * knobs.units, (1.0 / knobs.units as f32).sqrt(), &mut random);
    let mut output_bias = Weights::zero(OUTPUTS);
    let mut words = vec![0.0_f32; VERDICTS.len() * BUCKETS];
    let mut words_seen = vec![1e-4_f32; VERDICTS.len() * BUCKETS];
    let mut order: Vec<usize> = (0..examples.len()).collect();
    let steps = (examples.len().div_ceil(BATCH) * knobs.epochs) as f32;
    let mut step = 0.0_f32;
    for epoch in 0..knobs.epochs {
        random.shuffle(&mut order);
        let (mut loss, mut counted) = (0.0_f64, 0.0_f64);
        for batch in order.chunks(BATCH) {
            let batch: Vec<&Example<'_>> = batch.iter().filter_map(|at| examples.get(*at)).collect();
            let rows = batch.len();
            let mut x = Vec::with_capacity(rows * inputs);
            for example in &batch {
                x.extend(
                    example.features.iter().zip(&mean).zip(&scale).map(|((value, mean), scale)| (value - mean) * scale),
                );
                x.extend(speaks(example.speaker));
            }
            let x = Tensor::from_vec(x, (rows, inputs), &Device::Cpu)?;
            let w1 = Tensor::from_slice(&hidden.values, (knobs.units, inputs), &Device::Cpu)?;
            let b1 = Tensor::from_slice(&hidden_bias.values, (1, knobs.units), &Device::Cpu)?;
            let w2 = Tensor::from_slice(&output.values, (OUTPUTS, knobs.units), &Device::Cpu)?;
            let b2 = Tensor::from_slice(&output_bias.values, (1, OUTPUTS), &Device::Cpu)?;
            let kept = 1.0 / (1.0 - knobs.dropout);
            let mask: Vec<f32> =
                (0..rows * knobs.units).map(|_| if random.unit() < knobs.dropout { 0.0 } else { kept }).collect();
            let mask = Tensor::from_vec(mask, (rows, knobs.units), &Device::Cpu)?;
            let before = x.matmul(&w1.t()?)?.broadcast_add(&b1)?;
            let active = before.gt(0.0)?.to_dtype(candle_core::DType::F32)?.mul(&mask)?;
            let h = (before * &active)?;
            let logits: Vec<Vec<f32>> = h.matmul(&w2.t()?)?.broadcast_add(&b2)?.to_vec2()?;

            let mut errors = vec![0.0_f32; rows * OUTPUTS];
            for ((example, logits), errors) in batch.iter().zip(&logits).zip(errors.chunks_exact_mut(OUTPUTS)) {
                let norm = words_norm(example.words.len());
                let seen: Vec<usize> =
                    example.words.iter().filter(|_| random.unit() >= 0.3).map(|place| *place as usize).collect();
                for (at, ((logit, error), target)) in logits.iter().zip(errors).zip(&example.targets).enumerate() {
                    let Some(target) = target else { continue };
                    let mut logit = *logit;
                    let sparse = words.chunks_exact_mut(BUCKETS).zip(words_seen.chunks_exact_mut(BUCKETS)).nth(at);
                    if let Some((row, _)) = &sparse {
                        logit += norm / 0.7 * seen.iter().filter_map(|place| row.get(*place)).sum::<f32>();
                    }
                    let target = if *target { 1.0 } else { 0.0 };
                    let told = 1.0 / (1.0 + (-logit).exp());
                    let weight = example.weight * if at < VERDICTS.len() { 1.0 } else { 0.1 * example.rarity };
                    *error = weight * (told - target);
                    let sure = if target > 0.5 { told } else { 1.0 - told };
                    loss -= f64::from(weight * sure.max(1e-7).ln());
                    counted += f64::from(weight);
                    if let Some((row, squares)) = sparse
                        && knobs.words_rate > 0.0
                    {
                        for place in &seen {
                            if let (Some(value), Some(square)) = (row.get_mut(*place), squares.get_mut(*place)) {
                                let slope = *error * norm + 1e-3 * *value;
                                *square += slope * slope;
                                *value -= knobs.words_rate * slope / square.sqrt();
                            }
                        }
                    }
                }
            }
            let errors = (Tensor::from_vec(errors, (rows, OUTPUTS), &Device::Cpu)? / rows as f64)?;
            let back = errors.matmul(&w2)?.mul(&active)?;
            step += 1.0;
            let rate = knobs.rate * (1.0 - step / (steps + 1.0)) * (step / 100.0).min(1.0);
            let flat = |tensor: Tensor| -> Result<Vec<f32>, Failure> { Ok(tensor.flatten_all()?.to_vec1()?) };
            output.step(&flat(errors.t()?.matmul(&h)?)?, rate, knobs.decay, step);
            output_bias.step(&flat(errors.sum(0)?)?, rate, 0.0, step);
            hidden.step(&flat(back.t()?.matmul(&x)?)?, rate, knobs.decay, step);
            hidden_bias.step(&flat(back.sum(0)?)?, rate, 0.0, step);
        }
        eprintln!("start {}, epoch {} of {}: loss {:.4}", knobs.seed, epoch + 1, knobs.epochs, loss / counted);
    }
    Ok(Heads {
        mean,
        scale,
        hidden: hidden.values,
        hidden_bias: hidden_bias.values,
        output: output.values,
        output_bias: output_bias.values,
        words,
        calibration: Calibration::default(),
    })
}

/// Mean and inverse standard deviation of each feature.
fn moments(examples: &[Example<'_>], features: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut sum, mut squares) = (vec![0.0_f64; features], vec![0.0_f64; features]);
    for example in examples {
        for ((value, sum), square) in example.features.iter().zip(&mut sum).zip(&mut squares) {
            *sum += f64::from(*value);
            *square += f64::from(*value) * f64::from(*value);
        }
    }
    let count = examples.len() as f64;
    let mean: Vec<f64> = sum.iter().map(|sum| sum / count).collect();
    let scale =
        squares.iter().zip(&mean).map(|(square, mean)| (1.0 / (square / count - mean * mean).max(1e-8).sqrt()) as f32);
    (mean.iter().map(|mean| *mean as f32).collect(), scale.collect())
}

/// Weights with what Adam remembers of them.
struct Weights {
    values: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Weights {
    fn zero(count: usize) -> Self {
        Self { values: vec![0.0; count], first: vec![0.0; count], second: vec![0.0; count] }
    }

    fn random(count: usize, spread: f32, random: &mut Random) -> Self {
        let mut weights = Self::zero(count);
        weights
            .values
            .iter_mut()
            .for_each(|value| *value = (random.unit() + random.unit() + random.unit() - 1.5) * 2.0 * spread);
        weights
    }

    /// One step of Adam with decoupled decay.
    fn step(&mut self, slopes: &[f32], rate: f32, decay: f32, step: f32) {
        let (keep1, keep2) = (0.9_f32, 0.999_f32);
        let (fix1, fix2) = (1.0 - keep1.powf(step), 1.0 - keep2.powf(step));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((value, (first, second)), slope) in self.values.iter_mut().zip(moments).zip(slopes) {
            *first = keep1 * *first + (1.0 - keep1) * slope;
            *second = keep2 * *second + (1.0 - keep2) * slope * slope;
            *value -= rate * (*first / fix1 / ((*second / fix2).sqrt() + 1e-8) + decay * *value);
        }
    }
}

/// A small generator of random numbers (`SplitMix64`), the same on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From nought to one.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// Puts things into random order.
    pub(crate) fn shuffle<T>(&mut self, order: &mut [T]) {
        for at in (1..order.len()).rev() {
            order.swap(at, (self.next() % (at as u64 + 1)) as usize);
        }
    }
}
