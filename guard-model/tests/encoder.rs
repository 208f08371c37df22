//! The encoder on our own kernels says what candle's says, and so does the verdict.

mod reference;

use guard_model::encoder::{Encoder, WeightsFile};
use guard_model::engine::Level;
use guard_model::heads::{Heads, Scores};
use guard_model::{Role, Windows, framed, ngrams};
use reference::{Reference, cosine};

const WEIGHTS: &[u8] = include_bytes!("../weights/guard.gguf");

/// Every eighth of the texts written for training, which are in many languages, and who says them.
fn texts() -> Vec<(Role, String)> {
    let files = [
        (Role::User, include_str!("../training/harmful_requests.jsonl")),
        (Role::User, include_str!("../training/benign_requests.jsonl")),
        (Role::Tool, include_str!("../training/benign_documents.jsonl")),
        (Role::Assistant, include_str!("../training/harmful_answers.jsonl")),
    ];
    let text = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).ok()?;
        let texts = ["response", "text"].iter().filter_map(|key| row.get(key)?.as_str());
        texts.filter(|text| !text.is_empty()).map(str::to_owned).next()
    };
    let lines = files.into_iter().flat_map(|(role, file)| file.lines().step_by(8).map(move |line| (role, line)));
    lines.filter_map(|(role, line)| Some((role, text(line)?))).collect()
}

#[test]
fn vectors_and_scores_are_those_of_the_reference() {
    let mut file = WeightsFile::parse(WEIGHTS).unwrap();
    let reference = Reference::load(&mut file).unwrap();
    let heads = Heads::load(&mut file).unwrap();
    let encoder = Encoder::load_static(&mut file).unwrap();
    let texts = texts();
    assert!(texts.len() > 100, "only {} texts", texts.len());
    let (mut least, mut worst) = (1.0_f64, 0.0_f32);
    for (role, text) in &texts {
        let mut ids = framed(&encoder, *role, text);
        ids.truncate(Windows::of(*role).size);
        let found = encoder.encode(&[&ids]).unwrap().remove(0);
        let expected = reference.encode(&[&ids]).unwrap().remove(0);
        let third = found.len() / 3;
        for range in [0..third, third..2 * third, 2 * third..found.len()] {
            least = least.min(cosine(&found[range.clone()], &expected[range]));
        }
        let words = ngrams::hashed(text);
        let scores = |vector: &[f32]| Scores::of(&heads.outputs(vector, &words, *role));
        let (found, expected) = (scores(&found), scores(&expected));
        for (found, expected) in found.verdicts.iter().zip(expected.verdicts) {
            worst = worst.max((found - expected).abs());
        }
    }
    println!("{} texts: least cosine {least:.6}, worst score {worst:.4} off", texts.len());
    assert!(least > 0.999, "a hidden state's cosine is {least}");
    // The largest of each state moves more than their mean.
    assert!(worst < 0.03, "a score is {worst} off");
}

#[test]
fn every_level_and_every_company_gives_the_same_vector() {
    let load = || Encoder::load(&mut WeightsFile::parse(WEIGHTS).unwrap()).unwrap();
    let long: Vec<u32> = (0..250_u32).map(|at| 10 + at * 97 % 60_000).collect();
    let windows: Vec<&[u32]> = [1, 120, 0, 30, 31, 2, 150].iter().map(|length| &long[..*length]).collect();
    let expected = load().on(Level::available()[0]).encode(&windows[2..5]).unwrap();
    for level in Level::available() {
        let encoder = load().on(level);
        let together = encoder.encode(&windows).unwrap();
        for (window, together) in windows.iter().zip(&together) {
            let alone = encoder.encode(&[window]).unwrap().remove(0);
            let worst = alone.iter().zip(together).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-6, "{level:?}: {} pieces differ by {worst}", window.len());
        }
        for (expected, found) in expected.iter().zip(&together[2..5]) {
            assert!(cosine(expected, found) > 0.9999, "{level:?}: {}", cosine(expected, found));
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let encoder = Encoder::load_static(&mut WeightsFile::parse(WEIGHTS).unwrap()).unwrap();
    assert!(encoder.encode(&[]).unwrap().is_empty());
    assert!(encoder.encode(&[&[5; 254]]).is_ok());
    let error = encoder.encode(&[&[5; 255]]).unwrap_err().to_string();
    assert!(error.contains("a window has 257 pieces, at most 256 fit"), "{error}");
    let error = encoder.encode(&[&[5], &[u32::MAX]]).unwrap_err().to_string();
    assert!(error.contains("there is no piece 4294967295"), "{error}");
}
