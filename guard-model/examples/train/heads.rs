//! Trains the heads, chooses thresholds, and writes the weights file.

use crate::features::Features;
use crate::learn::{self, Example, Knobs};
use crate::rows::{self, Row};
use crate::samples::{self, Sample};
use crate::{Failure, baseline, calibrate};
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use guard_model::Role;
use guard_model::encoder::{Encoder, WeightsFile};
use guard_model::heads::{Heads, OUTPUTS, SPEAKERS, Scores, VERDICTS};
use guard_model::ngrams::{self, BUCKETS};
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
    Knobs { members: 4, units: 96, epochs: 8, rate: 5e-4, words_rate: 0.02, dropout: 0.6, decay: 2.0, seed: 7 };

/// Trains the heads, chooses the thresholds and writes both into the weights file.
pub(crate) fn train(files: &Files<'_>) -> Result<(), Failure> {
    let bytes = std::fs::read(files.weights)?;
    let encoder = Encoder::load(&mut WeightsFile::parse(&bytes)?)?;
    let rows = read(files)?;
    let taught = |sample: &Sample| rows.get(sample.row).is_some_and(|row| samples::taught(row, sample));
    let samples: Vec<Sample> = samples::of(&rows, &encoder).into_iter().filter(taught).collect();
    let [length, style] = baseline::areas(&rows, &samples);
    eprintln!("length alone tells harmful from harmless with an area of {length:.3}, style as a whole with {style:.3}");
    let unlabelled: Vec<&Row> = rows.iter().filter(|row| row.source == "hh_harmless_firstturn").collect();
    let mut texts: Vec<(Role, &str)> = samples.iter().map(|sample| (sample.speaker, sample.text.as_str())).collect();
    texts.extend(unlabelled.iter().map(|row| (Role::User, row.text.as_str())));
    let features = Features::compute(files.cache, &encoder, &texts)?;

    let learnt = samples.iter().filter(|sample| !sample.held_out);
    let mut examples = learnt.map(|sample| example(sample, &features)).collect::<Result<Vec<_>, _>>()?;
    eprintln!("{} windows to learn from, {} held out", examples.len(), samples.len() - examples.len());
    let teacher = learn::train(&examples, Knobs { members: 2, ..KNOBS })?;
    let labelled = examples.len();
    for row in &unlabelled {
        examples.extend(weakly_labelled(row, &teacher, &features)?);
    }
    eprintln!("{} of {} unlabelled requests got a weak label", examples.len() - labelled, unlabelled.len());
    let mut heads = learn::train(&examples, KNOBS)?;
    let found = calibrate::find(&rows, &samples, &features, KNOBS)?;
    heads.calibration = found.calibration;
    for (share, thresholds) in &found.by_share {
        eprintln!("thresholds at {share} of ordinary rows of unseen sources: {thresholds:.3?}");
    }
    let metadata = [
        ("ringfence.thresholds", found.thresholds.as_flattened().to_vec()),
        ("ringfence.calibration", heads.calibration.numbers()),
        ("ringfence.style", vec![length as f32, style as f32]),
        (
            "ringfence.thresholds_by_share",
            found.by_share.iter().flat_map(|(_, all)| all.as_flattened().to_vec()).collect(),
        ),
    ];
    write(files, &heads, &metadata)
}

/// What is learnt from one window.
pub(crate) fn example<'a>(sample: &Sample, features: &'a Features) -> Result<Example<'a>, Failure> {
    Ok(Example {
        features: features.of(sample.speaker, &sample.text)?,
        words: ngrams::hashed(&sample.text),
        speaker: sample.speaker,
        targets: sample.targets,
        weight: sample.weight,
        rarity: sample.rarity,
    })
}

/// How much a window counts.
pub(crate) fn weights_of(sample: &Sample) -> f32 {
    sample.weight
}

/// The rows to learn from, those told in a frame included, without texts that the development rows have as well.
pub(crate) fn read(files: &Files<'_>) -> Result<Vec<Row>, Failure> {
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
    let outputs = teacher.outputs(features.of(Role::User, &row.text)?, &ngrams::hashed(&row.text), Role::User);
    let [harm, ..] = Scores::of(&outputs).verdicts;
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

fn write(files: &Files<'_>, heads: &Heads, metadata: &[(&str, Vec<f32>)]) -> Result<(), Failure> {
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
    write_file(&file, &tensors, files.weights, metadata)
}

/// Writes a weights file: `tensors` with the metadata of `file`, and `numbers` in place of its own or beside them.
pub(crate) fn write_file(
    file: &WeightsFile<'_>,
    tensors: &[(String, QTensor)],
    out: &str,
    numbers: &[(&str, Vec<f32>)],
) -> Result<(), Failure> {
    let mut metadata: BTreeMap<String, Value> =
        file.metadata().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    for (key, numbers) in numbers {
        metadata.insert((*key).into(), Value::Array(numbers.iter().map(|number| Value::F32(*number)).collect()));
    }
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut bytes = std::io::Cursor::new(Vec::new());
    gguf_file::write(&mut bytes, &metadata, &tensors)?;
    std::fs::write(out, bytes.into_inner())?;
    Ok(())
}
