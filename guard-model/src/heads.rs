//! The trained part: from a window's vector and words to scores.
//!
//! One hidden layer reads the encoder's vector and who speaks; a sparse linear part adds what single words say to the
//! three verdicts. The hazards are read as shares of the harm: the likeliest carries all of it.

use crate::{GuardError, Role, encoder::WeightsFile};

/// The verdicts, in the order of the output layer; the hazards S1..S14 follow them.
pub const VERDICTS: [&str; 3] = ["unsafe", "injection", "cyber"];

/// Number of outputs.
pub const OUTPUTS: usize = VERDICTS.len() + 14;

/// Number of inputs that say who speaks.
pub const SPEAKERS: usize = 3;

/// The weights of the heads, all in row order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heads {
    /// Mean of each feature over the training data.
    pub mean: Vec<f32>,
    /// One over the standard deviation of each feature.
    pub scale: Vec<f32>,
    /// Hidden layer, a row for each unit: features, then speakers.
    pub hidden: Vec<f32>,
    /// Hidden layer's bias.
    pub hidden_bias: Vec<f32>,
    /// Output layer, a row for each output.
    pub output: Vec<f32>,
    /// Output layer's bias.
    pub output_bias: Vec<f32>,
    /// Sparse part, a row for each verdict.
    pub words: Vec<f32>,
}

/// What the heads say of one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Harm, injection and cyber abuse, each from 0 to 1.
    pub verdicts: [f32; VERDICTS.len()],
    /// S1..S14: the likeliest has the score of harm, the others their share of it.
    pub hazards: [f32; 14],
}

impl Heads {
    /// Reads the heads of a weights file.
    ///
    /// # Errors
    /// [`GuardError::Weights`] when a part is missing or their sizes do not fit together.
    pub fn load(file: &mut WeightsFile<'_>) -> Result<Self, GuardError> {
        let heads = Self {
            mean: file.floats("head.mean")?,
            scale: file.floats("head.scale")?,
            hidden: file.floats("head.hidden.weight")?,
            hidden_bias: file.floats("head.hidden.bias")?,
            output: file.floats("head.output.weight")?,
            output_bias: file.floats("head.output.bias")?,
            words: file.floats("head.words.weight")?,
        };
        let (features, units) = (heads.mean.len(), heads.hidden_bias.len());
        let fits = heads.scale.len() == features
            && heads.hidden.len() == units * (features + SPEAKERS)
            && heads.output.len() == units * OUTPUTS
            && heads.output_bias.len() == OUTPUTS
            && heads.words.len() == VERDICTS.len() * crate::ngrams::BUCKETS;
        if fits { Ok(heads) } else { Err(GuardError::Weights("the sizes of the heads do not fit together".into())) }
    }

    /// The raw outputs for one window: `features` from the encoder, `words` from [`crate::ngrams::hashed`].
    pub fn outputs(&self, features: &[f32], words: &[u32], speaker: Role) -> [f32; OUTPUTS] {
        let mut input: Vec<f32> = features
            .iter()
            .zip(&self.mean)
            .zip(&self.scale)
            .map(|((value, mean), scale)| (value - mean) * scale)
            .collect();
        input.extend(speaks(speaker));
        let units = self.hidden.chunks_exact(input.len()).zip(&self.hidden_bias);
        let hidden: Vec<f32> = units.map(|(row, bias)| (dot(row, &input) + bias).max(0.0)).collect();
        let mut outputs = [0.0; OUTPUTS];
        let rows = self.output.chunks_exact(hidden.len()).zip(&self.output_bias);
        for (output, (row, bias)) in outputs.iter_mut().zip(rows) {
            *output = dot(row, &hidden) + bias;
        }
        let norm = words_norm(words.len());
        for (output, row) in outputs.iter_mut().zip(self.words.chunks_exact(crate::ngrams::BUCKETS)) {
            *output += norm * words.iter().filter_map(|place| row.get(*place as usize)).sum::<f32>();
        }
        outputs
    }
}

impl Scores {
    /// Reads raw outputs as scores; not a number stays not a number.
    pub fn of(outputs: &[f32; OUTPUTS]) -> Self {
        let [harm, injection, cyber, hazards @ ..] = *outputs;
        let harm = sigmoid(harm);
        let likely = hazards.map(sigmoid);
        let most = likely.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        Self { verdicts: [harm, sigmoid(injection), sigmoid(cyber)], hazards: likely.map(|share| harm * share / most) }
    }
}

/// The inputs that say who speaks. A system prompt is read like a user's.
pub fn speaks(speaker: Role) -> [f32; SPEAKERS] {
    match speaker {
        Role::System | Role::User => [1.0, 0.0, 0.0],
        Role::Assistant => [0.0, 1.0, 0.0],
        Role::Tool => [0.0, 0.0, 1.0],
    }
}

/// What the sum over words is multiplied by, so that a long text is not more certain only because it is long.
pub fn words_norm(words: usize) -> f32 {
    1.0 / (words.max(4) as f32).sqrt()
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums side by side, so that the compiler can use vector instructions.
    let mut sums = [0.0_f32; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (x, y) in a8.iter().zip(b8) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_hazard_carries_the_whole_harm() {
        let mut outputs = [-3.0; OUTPUTS];
        outputs[0] = 2.0;
        outputs[3 + 8] = 1.0;
        let scores = Scores::of(&outputs);
        assert!((scores.hazards[8] - scores.verdicts[0]).abs() < f32::EPSILON);
        assert!(scores.hazards.iter().enumerate().all(|(at, score)| at == 8 || *score < scores.verdicts[0] / 4.0));
    }

    #[test]
    fn not_a_number_is_not_hidden() {
        assert!(Scores::of(&[f32::NAN; OUTPUTS]).verdicts.iter().all(|score| score.is_nan()));
    }

    #[test]
    fn the_dot_product_takes_the_rest_too() {
        let a: Vec<f32> = (0..19).map(|at| at as f32).collect();
        assert!((dot(&a, &a) - 2109.0).abs() < 1e-3);
    }
}
