//! Scores of rows from vectors that are kept on disk, so that heads and thresholds are compared in seconds.

use crate::features::Features;
use crate::report::trials;
use crate::rows::{self, Row};
use crate::{Failure, samples};
use guard_model::encoder::{Encoder, Pieces, SPACE, WeightsFile};
use guard_model::heads::{Heads, OUTPUTS, Scores, Sight, column};
use guard_model::{Role, Windows, ngrams, sentences};
use std::collections::BTreeMap;
use std::ops::Range;

/// Prints for each turn on trial: source, label, language, role, what harm, injection and cyber abuse were given, the
/// row's name, and the scores of S1 to S14.
pub(crate) fn print(weights: &str, cache: &str, sets: &[&str]) -> Result<(), Failure> {
    let bytes = std::fs::read(weights)?;
    let mut file = WeightsFile::parse(&bytes)?;
    let (encoder, heads) = (Encoder::load(&mut file)?, Heads::load(&mut file)?);
    let mut rows = Vec::new();
    for path in sets {
        rows.extend(rows::read(path)?);
    }
    rows.retain(|row| row.source != "code_snippets" || samples::for_measuring(row));
    let mut windows: Vec<(usize, usize, Role, Sight, String)> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        for (trial, which) in trials(row).iter().zip(0..) {
            let Some(turn) = trial.turns.last() else { continue };
            let cut = encoder.cut(turn.text);
            let text = |range: Range<usize>| text_of(&cut, range);
            for range in Windows::of(turn.role).ranges(cut.pieces.len()) {
                windows.push((at, which, turn.role, Sight::Whole, text(range)));
            }
            for range in sentences(turn.role, &cut) {
                windows.push((at, which, turn.role, Sight::Sentences, text(range)));
            }
        }
    }
    let texts: Vec<(Role, &str)> = windows.iter().map(|(_, _, role, _, text)| (*role, text.as_str())).collect();
    let features = Features::compute(cache, &encoder, &texts)?;
    let mut worst: BTreeMap<(usize, usize, usize), [f32; OUTPUTS]> = BTreeMap::new();
    for (at, which, role, sight, text) in &windows {
        let outputs = heads.outputs(features.of(*role, text)?, &ngrams::hashed(text), *role);
        let scores = Scores::of(&heads.calibrated(&outputs, *role, *sight));
        let scores = scores.verdicts.into_iter().chain(scores.hazards);
        let entry = worst.entry((*at, *which, column(*role))).or_default();
        entry.iter_mut().zip(scores).for_each(|(old, new)| *old = old.max(new));
    }
    for ((at, _, role), [harm, injection, cyber, hazards @ ..]) in worst {
        let Some(Row { source, label, lang, id, .. }) = rows.get(at) else { continue };
        let hazards = hazards.map(|score| format!("{score:.3}")).join(" ");
        println!("{source}\t{label}\t{lang}\t{role}\t{harm:.4}\t{injection:.4}\t{cyber:.4}\t{id}\t{hazards}");
    }
    Ok(())
}

fn text_of(cut: &Pieces, range: Range<usize>) -> String {
    cut.slice(range.start, range.end).replace(SPACE, " ")
}
