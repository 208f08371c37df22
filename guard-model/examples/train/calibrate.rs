//! From raw verdicts to probabilities and thresholds, by rows whose source the judging heads have not seen.
//!
//! Rows of the project's own files are parted by what they ask for, those of others by the set they come from: a head
//! that is judged by rows like those it learnt from looks better than it is.

use crate::features::Features;
use crate::heads::{example, weights_of};
use crate::learn::{self, Example, Knobs};
use crate::rows::Row;
use crate::samples::{self, Sample};
use crate::{Failure, figures};
use guard_model::heads::{Calibration, Heads, OUTPUTS, SPEAKERS, Sight, VERDICTS, column};
use guard_model::{NEVER, ngrams};
use std::collections::BTreeMap;

/// Parts the rows are cut into; each is judged by heads that learnt from the others.
const PARTS: u64 = 4;

/// What calibration finds.
pub(crate) struct Calibrated {
    /// Slopes, shifts and margins.
    pub(crate) calibration: Calibration,
    /// The shipped thresholds: for each verdict user, assistant, tool.
    pub(crate) thresholds: Thresholds,
    /// Thresholds by share of harmless rows flagged, for the card.
    pub(crate) by_share: Vec<(f64, Thresholds)>,
}

/// A row for each verdict: user, assistant, tool.
pub(crate) type Thresholds = [[f32; SPEAKERS]; VERDICTS.len()];

/// Finds the calibration of heads trained with `knobs`.
pub(crate) fn find(rows: &[Row], samples: &[Sample], features: &Features, knobs: Knobs) -> Result<Calibrated, Failure> {
    let mut outputs: Vec<Option<[f32; OUTPUTS]>> = vec![None; samples.len()];
    for part in 0..PARTS {
        let inside = |sample: &Sample| rows.get(sample.row).is_some_and(|row| samples::part(row, PARTS) == part);
        let learnt = samples.iter().filter(|sample| !inside(sample));
        let examples = learnt.map(|sample| example(sample, features)).collect::<Result<Vec<Example<'_>>, _>>()?;
        eprintln!("calibration, part {} of {PARTS}: {} windows", part + 1, examples.len());
        let heads = learn::train(&examples, Knobs { members: 1, ..knobs })?;
        for (sample, place) in samples.iter().zip(&mut outputs).filter(|(sample, _)| inside(sample)) {
            *place = Some(raw(&heads, features, sample)?);
        }
    }
    let judged: Vec<(&Sample, [f32; OUTPUTS])> =
        samples.iter().zip(outputs).filter_map(|(sample, outputs)| Some((sample, outputs?))).collect();
    let mut calibration = Calibration { lines: lines(&judged), ..Calibration::default() };
    let worst = worst(rows, &judged, &calibration, Sight::Whole);
    let by_share: Vec<(f64, Thresholds)> =
        [0.01, 0.05].into_iter().map(|share| (share, thresholds(&worst, |_, _| Some(share)))).collect();
    let shipped = thresholds(&worst, aim);
    margins(&mut calibration, &shipped, rows, &judged);
    for (name, (lines, thresholds)) in VERDICTS.iter().zip(calibration.lines.iter().zip(&shipped)) {
        eprintln!("{name}: lines {lines:.2?}, thresholds {thresholds:.3?}");
    }
    eprintln!("margins {:.2?}", calibration.margins);
    reliability(&judged, &calibration);
    Ok(Calibrated { calibration, thresholds: shipped, by_share })
}

/// The share of ordinary texts of unseen sources that may be flagged; none where a verdict is not for that role.
fn aim(verdict: usize, speaker: usize) -> Option<f64> {
    match (verdict, speaker) {
        // An answer cut off in the middle is the worse surprise.
        (0, 1) => Some(0.008),
        (1, 2) => Some(0.006),
        (2, 0) => Some(0.01),
        // A document is judged for instructions; as for harm, it reports what the world is like.
        (0, 2) => Some(0.002),
        (0, 0) => Some(0.026),
        (1, 0) => Some(0.0025),
        _ => None,
    }
}

fn raw(heads: &Heads, features: &Features, sample: &Sample) -> Result<[f32; OUTPUTS], Failure> {
    let vector = features.of(sample.speaker, &sample.text)?;
    Ok(heads.outputs(vector, &ngrams::hashed(&sample.text), sample.speaker))
}

/// Slope and shift for each verdict and role, where both labels are frequent enough; a user's line elsewhere.
fn lines(judged: &[(&Sample, [f32; OUTPUTS])]) -> [[[f32; 2]; SPEAKERS]; VERDICTS.len()] {
    let mut lines = Calibration::default().lines;
    for (verdict, lines) in lines.iter_mut().enumerate() {
        for speaker in 0..SPEAKERS {
            let mut points = Vec::new();
            for (sample, outputs) in judged.iter().filter(|(sample, _)| column(sample.speaker) == speaker) {
                if let (Some(Some(target)), Some(output)) = (sample.targets.get(verdict), outputs.get(verdict)) {
                    points.push((f64::from(*output), *target, f64::from(weights_of(sample))));
                }
            }
            let bad = points.iter().filter(|(_, target, _)| *target).count();
            let users = lines.first().copied().unwrap_or([1.0, 0.0]);
            if let Some(line) = lines.get_mut(speaker) {
                *line = if bad < 60 || points.len() - bad < 60 { users } else { fit(&points) };
            }
        }
    }
    lines
}

/// Logistic regression on one number (Platt's scaling), by the weights the rows have in training.
fn fit(points: &[(f64, bool, f64)]) -> [f32; 2] {
    let mass = points.iter().map(|(.., weight)| weight).sum::<f64>().max(1e-9);
    // What is paid for a line: doubt in the labels, and a little for a slope far from one.
    let cost = |slope: f64, shift: f64| {
        let doubt = points.iter().map(|(x, bad, weight)| {
            let output = slope * x + shift;
            let soft = output.max(0.0) + (-output.abs()).exp().ln_1p();
            weight / mass * (soft - if *bad { output } else { 0.0 })
        });
        doubt.sum::<f64>() + 0.01 * (slope - 1.0).powi(2)
    };
    let (mut slope, mut shift) = (1.0_f64, 0.0_f64);
    let mut least = cost(slope, shift);
    // Steps along one number at a time, halved where they lead uphill.
    let (mut slope_step, mut shift_step) = (0.5_f64, 1.0_f64);
    for _ in 0..60 {
        for (a, b) in [(slope_step, 0.0), (-slope_step, 0.0), (0.0, shift_step), (0.0, -shift_step)] {
            let (new_slope, new_shift) = ((slope + a).clamp(0.05, 4.0), (shift + b).clamp(-8.0, 8.0));
            let new = cost(new_slope, new_shift);
            if new < least {
                (slope, shift, least) = (new_slope, new_shift, new);
            }
        }
        (slope_step, shift_step) = (slope_step * 0.9, shift_step * 0.9);
    }
    [slope as f32, shift as f32]
}

/// The worst verdicts on each ordinary row, as calibrated raw numbers, by role.
type Worst = BTreeMap<(usize, usize), [f32; VERDICTS.len()]>;

fn worst(rows: &[Row], judged: &[(&Sample, [f32; OUTPUTS])], calibration: &Calibration, sight: Sight) -> Worst {
    let heads = Heads { calibration: calibration.clone(), ..Heads::default() };
    let mut worst = Worst::new();
    for (sample, outputs) in judged.iter().filter(|(sample, _)| sample.sight == sight) {
        if rows.get(sample.row).is_some_and(samples::ordinary) {
            let outputs = heads.calibrated(outputs, sample.speaker, sight);
            let entry = worst.entry((column(sample.speaker), sample.row)).or_insert([f32::MIN; VERDICTS.len()]);
            entry.iter_mut().zip(outputs).for_each(|(old, new)| *old = old.max(new));
        }
    }
    worst
}

fn thresholds(worst: &Worst, share: impl Fn(usize, usize) -> Option<f64>) -> Thresholds {
    let mut thresholds = [[NEVER; SPEAKERS]; VERDICTS.len()];
    for (verdict, row) in thresholds.iter_mut().enumerate() {
        for (speaker, threshold) in row.iter_mut().enumerate() {
            if let (Some(share), Some(_)) = (share(verdict, speaker), aim(verdict, speaker)) {
                *threshold = probability(quantile(worst, verdict, speaker, share)).clamp(0.02, 0.99);
            }
        }
    }
    thresholds
}

/// The verdict that a share of ordinary rows exceeds.
fn quantile(worst: &Worst, verdict: usize, speaker: usize, share: f64) -> f32 {
    let of = worst.iter().filter(|((column, _), _)| *column == speaker);
    let mut scores: Vec<f32> = of.filter_map(|(_, scores)| scores.get(verdict).copied()).collect();
    figures::threshold(&mut scores, share, -20.0, 20.0)
}

/// Margins so that a second look by sentences flags about a sixth as many long harmless rows as the first look does.
fn margins(calibration: &mut Calibration, shipped: &Thresholds, rows: &[Row], judged: &[(&Sample, [f32; OUTPUTS])]) {
    let worst = worst(rows, judged, calibration, Sight::Sentences);
    for (verdict, (margins, thresholds)) in calibration.margins.iter_mut().zip(shipped).enumerate() {
        for (speaker, (margin, threshold)) in margins.iter_mut().zip(thresholds).enumerate() {
            let share = aim(verdict, speaker).unwrap_or(0.01) / 6.0;
            let bar = (threshold.min(0.999) / (1.0 - threshold.min(0.999))).ln();
            *margin = (quantile(&worst, verdict, speaker, share) - bar).clamp(0.0, 4.0);
        }
    }
}

fn probability(output: f32) -> f32 {
    1.0 / (1.0 + (-output).exp())
}

/// Prints how often rows with a score about p are harmful, which should be about p.
fn reliability(judged: &[(&Sample, [f32; OUTPUTS])], calibration: &Calibration) {
    let heads = Heads { calibration: calibration.clone(), ..Heads::default() };
    let mut bins = [[0.0_f32; 3]; 10];
    for (sample, outputs) in judged.iter().filter(|(sample, _)| sample.sight == Sight::Whole) {
        let (Some(Some(bad)), [harm, ..]) =
            (sample.targets.first(), heads.calibrated(outputs, sample.speaker, sample.sight))
        else {
            continue;
        };
        let told = probability(harm);
        if let Some(bin) = bins.get_mut(((told * 10.0) as usize).min(9)) {
            let weight = weights_of(sample);
            let add = [weight, weight * told, if *bad { weight } else { 0.0 }];
            bin.iter_mut().zip(add).for_each(|(sum, add)| *sum += add);
        }
    }
    for [weight, told, bad] in bins {
        eprintln!("harm told {:.2}, seen {:.2} (weight {weight:.0})", told / weight.max(1e-6), bad / weight.max(1e-6));
    }
}
