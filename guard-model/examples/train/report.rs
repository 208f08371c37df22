//! Measures a finished guard on rows it was not trained on, and writes the model card.

use crate::rows::{self, Row};
use crate::{Failure, figures, samples};
use guard_model::{Conversation, Guard, HazardId, Role, Turn};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Measures the guard in `weights` on the rows of `dev` and on source code, and writes `card`.
pub(crate) fn write(weights: &str, dev: &str, code: &str, card: &str) -> Result<(), Failure> {
    let guard = Guard::load(&std::fs::read(weights)?)?;
    let mut rows = rows::read(dev)?;
    rows.extend(rows::read(code)?.into_iter().filter(samples::for_measuring));
    let judged = judge(&guard, &rows)?;
    let mut figures = String::new();
    writeln!(figures, "Guard `{}`, {} rows.\n", guard.version(), rows.len())?;
    sources(&mut figures, &rows, &judged)?;
    languages(&mut figures, &rows, &judged)?;
    hazards(&mut figures, &rows, &judged)?;
    let moderation: Vec<(f32, bool)> = rows
        .iter()
        .zip(&judged)
        .filter(|(row, _)| row.source == "openai_moderation")
        .map(|(row, judged)| (judged.unsafe_score, row.label == "unsafe"))
        .collect();
    let precision = figures::average_precision(&moderation);
    writeln!(
        figures,
        "OpenAI moderation, area under precision and recall (AUPRC): **{precision:.3}**, n = {}\n",
        moderation.len()
    )?;
    latency(&mut figures, &guard)?;
    thresholds(&mut figures, &guard)?;
    std::fs::write(card, include_str!("card.md").replace("{figures}", figures.trim_end()))?;
    eprint!("{figures}");
    Ok(())
}

/// What the guard says of a row.
#[derive(Default)]
struct Judged {
    unsafe_score: f32,
    flagged: Vec<HazardId>,
    /// The hazard of S1..S14 with the highest score.
    likeliest: Option<HazardId>,
}

fn judge(guard: &Guard, rows: &[Row]) -> Result<Vec<Judged>, Failure> {
    let mut all = Vec::new();
    for (row, at) in rows.iter().zip(0..) {
        let mut judged = Judged::default();
        let trials = trials(row);
        for (trial, assessment) in trials.iter().zip(guard.assess(&trials, Instant::now() + Duration::from_mins(10))) {
            let assessment = assessment?;
            let role = trial.turns.last().map_or(Role::User, |turn| turn.role);
            judged.flagged.extend(assessment.flagged(guard, role));
            if assessment.unsafe_score >= judged.unsafe_score {
                judged.unsafe_score = assessment.unsafe_score;
                let content = assessment.hazards.iter().take(14);
                judged.likeliest = content.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(hazard, _)| hazard.clone());
            }
        }
        all.push(judged);
        if at % 500 == 0 {
            eprintln!("judged {at} of {}", rows.len());
        }
    }
    Ok(all)
}

/// The conversations of a row that are on trial, as `ringfence classify` chooses them.
fn trials(row: &Row) -> Vec<Conversation<'_>> {
    if row.messages.is_empty() {
        let (role, text) = samples::on_trial(row);
        return vec![Conversation::single(role, text)];
    }
    let role = |name: &str| match name {
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        "system" => Role::System,
        _ => Role::User,
    };
    let turns = row.messages.iter();
    let turns =
        turns.map(|message| Turn { role: role(&message.role), text: message.content.as_deref().unwrap_or_default() });
    Conversation { turns: turns.collect() }.trials()
}

fn sources(out: &mut String, rows: &[Row], judged: &[Judged]) -> Result<(), Failure> {
    let mut table: BTreeMap<(&str, &str), [usize; 5]> = BTreeMap::new();
    for (row, judged) in rows.iter().zip(judged) {
        let has = |name: &str| judged.flagged.iter().any(|hazard| hazard.as_str() == name);
        let harm = judged.flagged.iter().any(|hazard| hazard.as_str().starts_with('S'));
        let marks = [true, !judged.flagged.is_empty(), harm, has("injection"), has("cyber")];
        let entry = table.entry((&row.label, &row.source)).or_default();
        entry.iter_mut().zip(marks).for_each(|(count, mark)| *count += usize::from(mark));
    }
    for (label, title) in [
        ("unsafe", "Recall: share of harmful rows that are flagged"),
        ("safe", "False positives: share of harmless rows that are flagged"),
    ] {
        writeln!(
            out,
            "### {title}\n\n| source | flagged (95 % interval) | by harm | injection | cyber |\n|---|---|---|---|---|"
        )?;
        for ((_, source), [all, any, harm, injection, cyber]) in table.iter().filter(|((of, _), _)| *of == label) {
            writeln!(out, "| {source} | {} | {harm} | {injection} | {cyber} |", figures::share(*any, *all))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn languages(out: &mut String, rows: &[Row], judged: &[Judged]) -> Result<(), Failure> {
    let mut table: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for (row, judged) in rows.iter().zip(judged) {
        let flagged = !judged.flagged.is_empty();
        let entry = table.entry(&row.lang).or_default();
        let marks = match row.source.as_str() {
            "xsafety_crimes" => [true, flagged, false, false],
            "xquad_question" | "jcommonsenseqa" | "jsquad" => [false, false, true, flagged],
            _ => continue,
        };
        entry.iter_mut().zip(marks).for_each(|(count, mark)| *count += usize::from(mark));
    }
    writeln!(
        out,
        "### By language\n\n| language | XSafety crimes flagged | XQuAD and JGLUE questions flagged |\n|---|---|---|"
    )?;
    for (language, [bad, found, good, wrong]) in
        table.iter().filter(|(_, counts)| counts.iter().any(|count| *count > 0))
    {
        writeln!(out, "| {language} | {} | {} |", figures::share(*found, *bad), figures::share(*wrong, *good))?;
    }
    writeln!(out)?;
    Ok(())
}

/// Of the rows whose category is known and that are flagged: how often the likeliest hazard is the right one.
fn hazards(out: &mut String, rows: &[Row], judged: &[Judged]) -> Result<(), Failure> {
    let mut table: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for (row, judged) in rows.iter().zip(judged) {
        for code in row.categories.iter().filter(|code| code.starts_with('S')) {
            let flagged = !judged.flagged.is_empty();
            let right = flagged && judged.likeliest.as_ref().is_some_and(|hazard| hazard.as_str() == code);
            let entry = table.entry(code).or_default();
            entry.iter_mut().zip([true, flagged, right]).for_each(|(count, mark)| *count += usize::from(mark));
        }
    }
    writeln!(
        out,
        "### By category, where rows name one\n\n| category | rows | flagged | likeliest hazard is the category |\n|---|---|---|---|"
    )?;
    for (code, [all, flagged, right]) in &table {
        writeln!(out, "| {code} | {all} | {flagged} | {right} |")?;
    }
    writeln!(out)?;
    Ok(())
}

fn latency(out: &mut String, guard: &Guard) -> Result<(), Failure> {
    writeln!(out, "### Time of one verdict\n")?;
    for (name, words) in [("about 32 pieces", 22), ("about 128 pieces", 92)] {
        let text = "the quick brown fox jumps over a lazy dog and runs ".repeat(20);
        let text = text.split(' ').take(words).collect::<Vec<_>>().join(" ");
        let mut times = Vec::new();
        for _ in 0..30 {
            let started = Instant::now();
            guard
                .assess(&[Conversation::single(Role::User, &text)], started + Duration::from_mins(1))
                .into_iter()
                .collect::<Result<Vec<_>, _>>()?;
            times.push(started.elapsed());
        }
        times.sort();
        let (median, slow) = (times.get(15).copied().unwrap_or_default(), times.get(27).copied().unwrap_or_default());
        writeln!(
            out,
            "- {name}: median {:.1} ms, nine of ten within {:.1} ms",
            median.as_secs_f64() * 1e3,
            slow.as_secs_f64() * 1e3
        )?;
    }
    writeln!(out)?;
    Ok(())
}

fn thresholds(out: &mut String, guard: &Guard) -> Result<(), Failure> {
    writeln!(out, "### Thresholds\n\n| | prompt | answer | tool result |\n|---|---|---|---|")?;
    for (name, code) in [("harm (S1 to S14)", "S1"), ("injection", "injection"), ("cyber", "cyber")] {
        let cell = |role| match guard.threshold(&HazardId::new(code), role) {
            never if never > 1.0 => "not judged".to_owned(),
            threshold => format!("{threshold:.3}"),
        };
        writeln!(out, "| {name} | {} | {} | {} |", cell(Role::User), cell(Role::Assistant), cell(Role::Tool))?;
    }
    Ok(())
}
