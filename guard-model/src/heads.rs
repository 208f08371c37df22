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
    /// How a raw verdict becomes one that means probability.
    pub calibration: Calibration,
}

/// What makes raw verdicts mean probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Slope and shift for each verdict and role: user, assistant, tool.
    pub lines: [[[f32; 2]; SPEAKERS]; VERDICTS.len()],
    /// What is taken off a verdict on a window of sentences, for each verdict and role: a long text has many of them,
    /// and so many chances of a false alarm.
    pub margins: [[f32; SPEAKERS]; VERDICTS.len()],
}

impl Default for Calibration {
    fn default() -> Self {
        Self { lines: [[[1.0, 0.0]; SPEAKERS]; VERDICTS.len()], margins: [[0.0; SPEAKERS]; VERDICTS.len()] }
    }
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
            calibration: Calibration::load(file)?,
        };
        let (features, units) = (heads.mean.len(), heads.hidden_bias.len());
        let fits = heads.scale.len() == features
            && heads.hidden.len() == units * (features + SPEAKERS)
            && heads.output.len() == units * OUTPUTS
            && heads.output_bias.len() == OUTPUTS
            && heads.words.len() == VERDICTS.len() * crate::ngrams::BUCKETS;
        if fits { Ok(heads) } else { Err(GuardError::Weights("the sizes of the heads do not fit together".into())) }
    }

    /// Raw outputs with the verdicts brought to probability.
    pub fn calibrated(&self, outputs: &[f32; OUTPUTS], speaker: Role, sight: Sight) -> [f32; OUTPUTS] {
        let mut calibrated = *outputs;
        let parts = self.calibration.lines.iter().zip(&self.calibration.margins);
        for (output, (lines, margins)) in calibrated.iter_mut().zip(parts) {
            let column = column(speaker);
            let [slope, shift] = lines.get(column).copied().unwrap_or([1.0, 0.0]);
            let margin = match sight {
                Sight::Whole => 0.0,
                Sight::Sentences => margins.get(column).copied().unwrap_or(0.0),
            };
            *output = *output * slope + shift - margin;
        }
        calibrated
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

impl Calibration {
    fn load(file: &WeightsFile<'_>) -> Result<Self, GuardError> {
        let mut calibration = Self::default();
        let numbers = file.fractions("ringfence.calibration")?;
        let (lines, margins) = numbers.split_at(numbers.len().min(VERDICTS.len() * SPEAKERS * 2));
        if margins.len() != VERDICTS.len() * SPEAKERS {
            return Err(GuardError::Weights(
                "`ringfence.calibration` has not three numbers for each verdict and role".into(),
            ));
        }
        calibration.lines.iter_mut().flatten().flatten().zip(lines).for_each(|(place, value)| *place = *value);
        calibration.margins.iter_mut().flatten().zip(margins).for_each(|(place, value)| *place = *value);
        Ok(calibration)
    }

    /// All numbers in the order of the weights file.
    pub fn numbers(&self) -> Vec<f32> {
        self.lines.iter().flatten().flatten().chain(self.margins.iter().flatten()).copied().collect()
    }
}

/// What a window shows of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// As much as fits.
    Whole,
    /// A few sentences.
    Sentences,
}

/// Where a role stands in tables of roles: user, assistant, tool.
pub fn column(speaker: Role) -> usize {
    match speaker {
        Role::System | Role::User => 0,
        Role::Assistant => 1,
        Role::Tool => 2,
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
