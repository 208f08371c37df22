//! Scores of rows from vectors that are kept on disk, so that heads and thresholds are compared in seconds.

use crate::Failure;
use crate::features::Features;
use crate::report::{measured, trials};
use crate::rows::Row;
use guard_model::encoder::{Encoder, Pieces, SPACE, WeightsFile};
use guard_model::heads::{Heads, OUTPUTS, Scores, Sight};
use guard_model::{Role, Windows, ngrams, sentences};
use std::ops::Range;

/// What a turn on trial was given: the verdicts, then S1 to S14.
pub(crate) type Given = [f32; OUTPUTS];

/// Prints for each turn on trial: source, label, language, role, what harm, injection and cyber abuse were given, the
/// row's name, and the scores of S1 to S14.
pub(crate) fn print(weights: &str, cache: &str, sets: &[&str]) -> Result<(), Failure> {
    let rows = measured(sets)?;
    for (row, turns) in rows.iter().zip(given(weights, cache, &rows)?) {
        for (role, [harm, injection, cyber, hazards @ ..]) in turns {
            let hazards = hazards.map(|score| format!("{score:.3}")).join(" ");
            let Row { source, label, lang, id, .. } = row;
            println!("{source}\t{label}\t{lang}\t{role:?}\t{harm:.4}\t{injection:.4}\t{cyber:.4}\t{id}\t{hazards}");
        }
    }
    Ok(())
}

/// What each turn on trial of each row is given, judged alone. The windows are the guard's own.
pub(crate) fn given(weights: &str, cache: &str, rows: &[Row]) -> Result<Vec<Vec<(Role, Given)>>, Failure> {
    let bytes = std::fs::read(weights)?;
    let mut file = WeightsFile::parse(&bytes)?;
    let (encoder, heads) = (Encoder::load(&mut file)?, Heads::load(&mut file)?);
    let mut all: Vec<Vec<(Role, Given)>> = Vec::new();
    let mut windows: Vec<(usize, usize, Role, Sight, String)> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let mut turns = Vec::new();
        for turn in trials(row).iter().filter_map(|trial| trial.turns.last()) {
            let cut = encoder.cut(turn.text);
            let mut add = |range, sight| windows.push((at, turns.len(), turn.role, sight, text_of(&cut, range)));
            for range in Windows::of(turn.role).ranges(cut.pieces.len()) {
                add(range, Sight::Whole);
            }
            for range in sentences(turn.role, &cut) {
                add(range, Sight::Sentences);
            }
            turns.push((turn.role, [0.0; OUTPUTS]));
        }
        all.push(turns);
    }
    let texts: Vec<(Role, &str)> = windows.iter().map(|(_, _, role, _, text)| (*role, text.as_str())).collect();
    let features = Features::compute(cache, &encoder, &texts)?;
    for (at, which, role, sight, text) in &windows {
        let outputs = heads.outputs(features.of(*role, text)?, &ngrams::hashed(text), *role);
        let scores = Scores::of(&heads.calibrated(&outputs, *role, *sight));
        let scores = scores.verdicts.into_iter().chain(scores.hazards);
        if let Some((_, worst)) = all.get_mut(*at).and_then(|turns| turns.get_mut(*which)) {
            worst.iter_mut().zip(scores).for_each(|(old, new)| *old = old.max(new));
        }
    }
    Ok(all)
}

fn text_of(cut: &Pieces, range: Range<usize>) -> String {
    cut.slice(range.start, range.end).replace(SPACE, " ")
}
