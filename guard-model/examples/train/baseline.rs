//! What length and punctuation alone can tell: if much, the training data give their labels away by style.

use crate::rows::Row;
use crate::samples::{self, Sample};
use crate::{figures, learn::Random};
use guard_model::heads::Sight;

/// Areas under the curve of harmful against harmless rows not learnt from, by length alone and by length, punctuation
/// and letter case together. One half is chance.
pub(crate) fn areas(rows: &[Row], samples: &[Sample]) -> [f64; 2] {
    [areas_of(rows, samples, 1), areas_of(rows, samples, STYLE)]
}

fn areas_of(rows: &[Row], samples: &[Sample], count: usize) -> f64 {
    let mut points = Vec::new();
    for sample in samples.iter().filter(|sample| sample.sight == Sight::Whole) {
        if let (Some(Some(bad)), Some(row)) = (sample.targets.first(), rows.get(sample.row)) {
            let mut style = style(samples::on_trial(row).1);
            style.iter_mut().skip(count).for_each(|value| *value = 0.0);
            points.push((style, *bad, sample.weight, sample.held_out));
        }
    }
    let mass = |of: bool| points.iter().filter(|(_, bad, ..)| *bad == of).map(|(_, _, weight, _)| weight).sum::<f32>();
    let mass = [mass(false).max(1e-6), mass(true).max(1e-6)];
    let (mut weights, mut bias) = ([0.0_f32; STYLE], 0.0_f32);
    let mut random = Random(5);
    for epoch in 0..6 {
        random.shuffle(&mut points);
        for (style, bad, weight, _) in points.iter().filter(|(.., held_out)| !held_out) {
            let weight = weight / if *bad { mass[1] } else { mass[0] } * mass[0];
            let told = 1.0 / (1.0 + (-(dot(&weights, style) + bias)).exp());
            let step = 0.02 / (1.0 + epoch as f32) * weight.min(5.0) * (told - f32::from(u8::from(*bad)));
            weights.iter_mut().zip(style).for_each(|(value, x)| *value -= step * x);
            bias -= step;
        }
    }
    let held = points.iter().filter(|(.., held_out)| *held_out);
    let scored: Vec<(f32, bool)> = held.map(|(style, bad, ..)| (dot(&weights, style), *bad)).collect();
    figures::area(&scored)
}

/// Numbers of [`style`].
const STYLE: usize = 10;

/// Length, then shares of marks and of capital letters.
fn style(text: &str) -> [f32; STYLE] {
    let letters = text.chars().count().max(1) as f32;
    let share =
        |of: fn(char) -> bool| (text.chars().filter(|letter| of(*letter)).count() as f32 / letters * 20.0).min(3.0);
    let has = |mark: &[char]| if text.contains(mark) { 1.0 } else { 0.0 };
    [
        letters.ln() - 4.5,
        share(char::is_uppercase),
        share(|letter| letter.is_ascii_digit()),
        share(|letter| !letter.is_alphanumeric() && !letter.is_whitespace()),
        has(&['?', '\u{ff1f}']),
        has(&['!']),
        has(&['\n']),
        has(&['"', '\'']),
        if text.trim_end().ends_with(['.', '\u{3002}']) { 1.0 } else { 0.0 },
        if text.chars().next().is_some_and(char::is_lowercase) { 1.0 } else { 0.0 },
    ]
}

fn dot(a: &[f32; STYLE], b: &[f32; STYLE]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
