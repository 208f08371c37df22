//! Trains the heads, chooses thresholds, and writes the weights file.

use crate::features::Features;
use crate::learn::{self, Example, Knobs};
use crate::rows::{self, Row};
use crate::samples::{self, Sample};
use crate::{Failure, figures};
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use guard_model::encoder::{Encoder, WeightsFile};
use guard_model::heads::{Heads, OUTPUTS, SPEAKERS, Scores, VERDICTS};
use guard_model::ngrams::{self, BUCKETS};
use guard_model::{NEVER, Role};
use std::collections::{BTreeMap, HashSet};

/// What is read and written.
pub(crate) struct Files<'a> {
    /// Weights whose encoder is kept and whose heads are replaced.
    pub(crate) weights: &'a str,
    /// Where the encoder's vectors are kept between runs.
    pub(crate) cache: &'a str,
    /// Rows that must not be learnt from.
    pub(crate) dev: &'a str,
    /// Rows to learn from.
    pub(crate) train: &'a [&'a str],
}

const KNOBS: Knobs =
    Knobs { members: 4, units: 128, epochs: 10, rate: 5e-4, words_rate: 0.02, dropout: 0.6, decay: 2.0, seed: 7 };

/// Trains the heads, chooses the thresholds and writes both into the weights file.
pub(crate) fn train(files: &Files<'_>) -> Result<(), Failure> {
    let bytes = std::fs::read(files.weights)?;
    let encoder = Encoder::load(&mut WeightsFile::parse(&bytes)?)?;
    let rows = read(files)?;
    let samples = samples::of(&rows, &encoder);
    let unlabelled: Vec<&Row> = rows.iter().filter(|row| row.source == "hh_harmless_firstturn").collect();
    let mut texts: Vec<(Role, &str)> = samples.iter().map(|sample| (sample.speaker, sample.text.as_str())).collect();
    texts.extend(unlabelled.iter().map(|row| (Role::User, row.text.as_str())));
    let features = Features::compute(files.cache, &encoder, &texts)?;

    let mut examples = Vec::new();
    for sample in samples.iter().filter(|sample| !sample.held_out) {
        examples.push(Example {
            features: features.of(sample.speaker, &sample.text)?,
            words: ngrams::hashed(&sample.text),
            speaker: sample.speaker,
            targets: sample.targets,
            weight: sample.weight,
            rarity: sample.rarity,
        });
    }
    eprintln!("{} windows to learn from, {} held out", examples.len(), samples.len() - examples.len());
    let teacher = learn::train(&examples, KNOBS)?;
    let labelled = examples.len();
    for row in &unlabelled {
        examples.extend(weakly_labelled(row, &teacher, &features)?);
    }
    eprintln!("{} of {} unlabelled requests got a weak label", examples.len() - labelled, unlabelled.len());
    let heads = learn::train(&examples, KNOBS)?;
    let thresholds = thresholds(&rows, &samples, &heads, &features)?;
    write(files, &heads, &thresholds)
}

/// The rows to learn from, those told in a frame included, without texts that the development rows have as well.
fn read(files: &Files<'_>) -> Result<Vec<Row>, Failure> {
    let mut rows: Vec<Row> = Vec::new();
    for path in files.train {
        rows.extend(rows::read(path)?);
    }
    let made = [samples::framed(&rows), samples::planted_inside(&rows)];
    rows.extend(made.into_iter().flatten());
    let dev = rows::read(files.dev)?;
    let forbidden: HashSet<&str> = dev.iter().map(|row| samples::on_trial(row).1.trim()).collect();
    let before = rows.len();
    rows.retain(|row| !forbidden.contains(samples::on_trial(row).1.trim()));
    eprintln!("{} rows, {} left out because a development row has the same text", rows.len(), before - rows.len());
    Ok(rows)
}

/// An unlabelled request of a real person: where a first training is sure, its opinion is taken as a weak label.
fn weakly_labelled<'a>(row: &Row, teacher: &Heads, features: &'a Features) -> Result<Option<Example<'a>>, Failure> {
    let [harm, ..] = scores(teacher, features, Role::User, &row.text)?;
    let bad = match harm {
        0.8.. => true,
        ..0.08 => false,
        _ => return Ok(None),
    };
    let mut targets = [None; OUTPUTS];
    for (target, value) in targets.iter_mut().zip([bad, false]) {
        *target = Some(value);
    }
    let (features, words) = (features.of(Role::User, &row.text)?, ngrams::hashed(&row.text));
    Ok(Some(Example { features, words, speaker: Role::User, targets, weight: 0.7, rarity: 1.0 }))
}

/// Thresholds from ordinary rows that were held out, by the shares and bounds of [`aim`].
fn thresholds(
    rows: &[Row],
    samples: &[Sample],
    heads: &Heads,
    features: &Features,
) -> Result<[[f32; 3]; VERDICTS.len()], Failure> {
    let mut worst: BTreeMap<(usize, usize), [f32; VERDICTS.len()]> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.held_out) {
        if rows.get(sample.row).is_some_and(samples::ordinary) {
            let scores = scores(heads, features, sample.speaker, &sample.text)?;
            let entry = worst.entry((column(sample.speaker), sample.row)).or_default();
            entry.iter_mut().zip(scores).for_each(|(old, new)| *old = old.max(new));
        }
    }
    let mut thresholds = [[NEVER; 3]; VERDICTS.len()];
    for ((row, verdict), name) in thresholds.iter_mut().zip(0..).zip(VERDICTS) {
        for (threshold, speaker) in row.iter_mut().zip(0..) {
            let Some((share, least, most)) = aim(verdict, speaker) else { continue };
            let of = worst.iter().filter(|((column, _), _)| *column == speaker);
            let mut scores: Vec<f32> = of.filter_map(|(_, scores)| scores.get(verdict).copied()).collect();
            let rows = scores.len();
            let free = figures::threshold(&mut scores, share, 0.0, 1.0);
            *threshold = free.clamp(least, most);
            eprintln!("threshold {name} {speaker}: {threshold:.3} ({free:.3} by {rows} held-out rows)");
        }
    }
    Ok(thresholds)
}

/// For a verdict and a role: the share of ordinary held-out texts that may be flagged, and bounds for the threshold.
///
/// The lower bounds come from the development rows: held-out rows are so like the training rows that the quantile alone
/// would be far too low for the way other people write.
fn aim(verdict: usize, speaker: usize) -> Option<(f64, f32, f32)> {
    match (verdict, speaker) {
        // Few answers are labelled, and an answer cut off in the middle is the worse surprise: be slow to call it harmful.
        (0, 1) => Some((0.005, 0.9, 0.99)),
        (_, 1) | (2, 2) => None,
        // A document is judged for instructions; as for harm, it reports what the world is like.
        (0, 2) => Some((0.005, 0.95, 0.99)),
        (1, 2) => Some((0.01, 0.4, 0.98)),
        (0, _) => Some((0.01, 0.75, 0.98)),
        (1, _) => Some((0.005, 0.7, 0.98)),
        (_, _) => Some((0.005, 0.5, 0.98)),
    }
}

fn column(role: Role) -> usize {
    match role {
        Role::System | Role::User => 0,
        Role::Assistant => 1,
        Role::Tool => 2,
    }
}

fn scores(heads: &Heads, features: &Features, role: Role, text: &str) -> Result<[f32; VERDICTS.len()], Failure> {
    let outputs = heads.outputs(features.of(role, text)?, &ngrams::hashed(text), role);
    Ok(Scores::of(&outputs).verdicts)
}

fn write(files: &Files<'_>, heads: &Heads, thresholds: &[[f32; 3]]) -> Result<(), Failure> {
    let bytes = std::fs::read(files.weights)?;
    let mut file = WeightsFile::parse(&bytes)?;
    let mut tensors: Vec<(String, QTensor)> = Vec::new();
    for name in file.tensor_names().into_iter().filter(|name| !name.starts_with("head.")) {
        tensors.push((name.clone(), file.quantized(&name)?));
    }
    let (units, features) = (heads.hidden_bias.len(), heads.mean.len());
    let parts: [(&str, &[f32], Vec<usize>, GgmlDType); 7] = [
        ("head.mean", &heads.mean, vec![features], GgmlDType::F32),
        ("head.scale", &heads.scale, vec![features], GgmlDType::F32),
        ("head.hidden.weight", &heads.hidden, vec![units, features + SPEAKERS], GgmlDType::F16),
        ("head.hidden.bias", &heads.hidden_bias, vec![units], GgmlDType::F32),
        ("head.output.weight", &heads.output, vec![OUTPUTS, units], GgmlDType::F32),
        ("head.output.bias", &heads.output_bias, vec![OUTPUTS], GgmlDType::F32),
        ("head.words.weight", &heads.words, vec![VERDICTS.len(), BUCKETS], GgmlDType::F16),
    ];
    for (name, values, shape, kind) in parts {
        let tensor = Tensor::from_slice(values, shape, &Device::Cpu)?;
        tensors.push((name.to_owned(), QTensor::quantize(&tensor, kind)?));
    }
    let mut metadata: BTreeMap<String, Value> =
        file.metadata().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let flat = thresholds.iter().flatten().map(|threshold| Value::F32(*threshold)).collect();
    metadata.insert("ringfence.thresholds".into(), Value::Array(flat));
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut out = std::io::Cursor::new(Vec::new());
    gguf_file::write(&mut out, &metadata, &tensors)?;
    std::fs::write(files.weights, out.into_inner())?;
    Ok(())
}
