//! The embedded guard: the encoder and its heads over windows of the judged turn.

use crate::encoder::{Encoder, Pieces, WeightsFile};
use crate::heads::{Heads, OUTPUTS, Scores, Sight, VERDICTS, column};
use crate::{Assessment, Conversation, GuardError, HazardId, Role, Taxonomy, Windows, frame, ngrams, sentences};
use sha2::{Digest as _, Sha256};
use std::ops::Range;
use std::time::Instant;

/// A threshold no score reaches: the hazard is not judged for text of that role.
pub const NEVER: f32 = 2.0;

/// A loaded guard. It holds no state of conversations and may be shared between threads.
pub struct Guard {
    encoder: Encoder,
    heads: Heads,
    taxonomy: Taxonomy,
    /// A row for each verdict: user, assistant, tool.
    thresholds: Vec<[f32; 3]>,
    version: String,
}

impl Guard {
    /// The guard compiled into the program.
    ///
    /// # Errors
    /// [`GuardError::Weights`] when the built-in weights are damaged.
    pub fn embedded() -> Result<Self, GuardError> {
        let weights: &'static [u8] = include_bytes!("../weights/guard.gguf");
        let mut file = WeightsFile::parse(weights)?;
        let encoder = Encoder::load_static(&mut file)?;
        Self::with_encoder(weights, file, encoder)
    }

    /// A guard from a weights file of the same form.
    ///
    /// # Errors
    /// [`GuardError::Weights`] naming what is missing or malformed.
    pub fn load(weights: &[u8]) -> Result<Self, GuardError> {
        let mut file = WeightsFile::parse(weights)?;
        let encoder = Encoder::load(&mut file)?;
        Self::with_encoder(weights, file, encoder)
    }

    fn with_encoder(weights: &[u8], mut file: WeightsFile<'_>, encoder: Encoder) -> Result<Self, GuardError> {
        let heads = Heads::load(&mut file)?;
        if heads.mean.len() != encoder.features() {
            return Err(GuardError::Weights("the heads were trained on another encoder".into()));
        }
        let thresholds = file.fractions("ringfence.thresholds")?.as_chunks::<3>().0.to_vec();
        if thresholds.len() != VERDICTS.len() {
            return Err(GuardError::Weights("`ringfence.thresholds` has not three roles for each verdict".into()));
        }
        let digest = Sha256::digest(weights);
        let hash = digest.iter().take(6).fold(String::new(), |hash, byte| hash + &format!("{byte:02x}"));
        Ok(Self { encoder, heads, taxonomy: Taxonomy::embedded()?, thresholds, version: format!("embedded-{hash}") })
    }

    /// Name and the first 12 hex digits of the SHA-256 of the weights.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The hazards this guard reports.
    pub fn taxonomy(&self) -> &Taxonomy {
        &self.taxonomy
    }

    /// The score from which a hazard counts as found in text of a role; [`NEVER`] where it is not judged.
    pub fn threshold(&self, hazard: &HazardId, judged: Role) -> f32 {
        let row = match hazard.as_str() {
            "injection" => 1,
            "cyber" => 2,
            _ => 0,
        };
        self.thresholds.get(row).and_then(|row| row.get(column(judged))).copied().unwrap_or(0.0)
    }

    /// Judges the last turn of each conversation; the answers are in the order of the batch.
    ///
    /// A text of any length is judged in whole, by overlapping windows and, where it is longer, by a few sentences at a
    /// time; the worst counts. A short question
    /// ("and how do I do that?") is judged together with the user's turn before it as well.
    ///
    /// # Errors
    /// Per conversation: [`GuardError::Late`] when the deadline passed before its last window,
    /// [`GuardError::Failed`] when a score is not a number, [`GuardError::Empty`] when it has no turn.
    pub fn assess(&self, batch: &[Conversation<'_>], deadline: Instant) -> Vec<Result<Assessment, GuardError>> {
        let trials: Vec<Trial> = batch.iter().map(|conversation| self.trial(conversation, deadline)).collect();
        let mut windows: Vec<Window> = Vec::new();
        for (trial, at) in trials.iter().zip(0..) {
            for (text, which) in trial.texts.iter().zip(0..) {
                let whole = Windows::of(trial.role).ranges(text.pieces.len());
                let whole = whole.into_iter().map(|range| (range, Sight::Whole));
                let sentences = sentences(trial.role, text).into_iter().map(|range| (range, Sight::Sentences));
                let window = |(range, sight)| Window { trial: at, text: which, range, sight };
                windows.extend(whole.chain(sentences).map(window));
            }
        }
        windows.sort_by_key(|window| window.range.len());
        let mut verdicts: Vec<Verdict> = trials.iter().map(|_| Verdict::default()).collect();
        for window in &windows {
            if let Some(verdict) = verdicts.get_mut(window.trial) {
                verdict.windows += 1;
            }
        }
        let mut rest = windows.as_slice();
        while !rest.is_empty() && Instant::now() < deadline {
            let (now, later) = rest.split_at(batch_size(rest));
            rest = later;
            self.judge(&trials, now, &mut verdicts);
        }
        trials.iter().zip(verdicts).map(|(trial, verdict)| self.conclude(trial, verdict)).collect()
    }

    fn trial(&self, conversation: &Conversation<'_>, deadline: Instant) -> Trial {
        let Some((last, earlier)) = conversation.turns.split_last() else { return Trial::default() };
        let mut texts = Vec::new();
        if Instant::now() < deadline {
            texts.push(self.encoder.cut(last.text));
            let short = texts.first().is_some_and(|text| text.pieces.len() <= SHORT);
            if let Some(before) = earlier.iter().rfind(|turn| turn.role == Role::User)
                && last.role == Role::User
                && short
            {
                let from = before.text.len().saturating_sub(CONTEXT);
                let before = before.text.get(before.text.ceil_char_boundary(from)..).unwrap_or_default();
                texts.push(self.encoder.cut(&format!("{before} {}", last.text)));
            }
        }
        Trial { empty: false, role: last.role, texts }
    }

    fn judge(&self, trials: &[Trial], windows: &[Window], verdicts: &mut [Verdict]) {
        let text = |window: &Window| {
            let trial = trials.get(window.trial)?;
            Some((trial, trial.texts.get(window.text)?))
        };
        let ids = |window: &Window| -> Vec<u32> {
            let Some((trial, text)) = text(window) else { return Vec::new() };
            let frame = self.encoder.cut(frame(trial.role)).pieces;
            let pieces = text.pieces.get(window.range.clone()).unwrap_or_default();
            frame.iter().chain(pieces).map(|piece| piece.id).collect()
        };
        let inputs: Vec<Vec<u32>> = windows.iter().map(ids).collect();
        let vectors = match self.encoder.encode(&inputs.iter().map(Vec::as_slice).collect::<Vec<_>>()) {
            Ok(vectors) => vectors,
            Err(error) => {
                for window in windows {
                    if let Some(verdict) = verdicts.get_mut(window.trial) {
                        verdict.failure = Some(error.to_string());
                    }
                }
                return;
            }
        };
        for (window, vector) in windows.iter().zip(vectors) {
            let (Some((trial, text)), Some(verdict)) = (text(window), verdicts.get_mut(window.trial)) else { continue };
            let words = ngrams::hashed(text.slice(window.range.start, window.range.end));
            let outputs = self.heads.outputs(&vector, &words, trial.role);
            verdict.hear(&self.heads.calibrated(&outputs, trial.role, window.sight));
        }
    }

    fn conclude(&self, trial: &Trial, verdict: Verdict) -> Result<Assessment, GuardError> {
        if trial.empty {
            return Err(GuardError::Empty);
        }
        if let Some(failure) = verdict.failure {
            return Err(GuardError::Failed(failure));
        }
        if trial.texts.is_empty() || verdict.judged < verdict.windows {
            let windows = verdict.windows.max(1);
            return Err(GuardError::Late { judged: verdict.judged, windows });
        }
        let [harm, injection, cyber] = verdict.verdicts;
        let scores = verdict.hazards.into_iter().chain([injection, cyber]);
        let hazards = self.taxonomy.hazards.iter().zip(scores).map(|(hazard, score)| (hazard.code.clone(), score));
        Ok(Assessment { unsafe_score: harm.max(cyber), hazards: hazards.collect() })
    }
}

/// A turn on trial.
struct Trial {
    empty: bool,
    role: Role,
    texts: Vec<Pieces>,
}

impl Default for Trial {
    fn default() -> Self {
        Self { empty: true, role: Role::User, texts: Vec::new() }
    }
}

/// A part of one of a trial's texts.
struct Window {
    trial: usize,
    text: usize,
    range: Range<usize>,
    sight: Sight,
}

/// The worst of what was heard so far.
#[derive(Default)]
struct Verdict {
    windows: usize,
    judged: usize,
    verdicts: [f32; VERDICTS.len()],
    hazards: [f32; 14],
    failure: Option<String>,
}

impl Verdict {
    fn hear(&mut self, outputs: &[f32; OUTPUTS]) {
        if let Some(strange) = outputs.iter().find(|output| !output.is_finite()) {
            self.failure = Some(format!("a score is {strange}"));
            return;
        }
        let scores = Scores::of(outputs);
        self.judged += 1;
        let worst = |old: &mut [f32], new: &[f32]| {
            old.iter_mut().zip(new).for_each(|(old, new)| *old = old.max(*new));
        };
        worst(&mut self.verdicts, &scores.verdicts);
        worst(&mut self.hazards, &scores.hazards);
    }
}

/// How many of the next windows, shortest first, are encoded at once.
fn batch_size(windows: &[Window]) -> usize {
    let fits = |count: &usize| windows.get(count - 1).is_some_and(|last| last.range.len() * count <= BATCH_PIECES);
    (1..=windows.len()).take_while(fits).last().unwrap_or(1)
}

/// Most pieces encoded at once: between two such steps the deadline is looked at.
const BATCH_PIECES: usize = 512;

/// A turn of so few pieces leans on what was said before.
const SHORT: usize = 14;

/// Bytes of the turn before that are read with a short one.
const CONTEXT: usize = 400;

#[cfg(test)]
mod tests;
