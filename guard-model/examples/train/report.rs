//! Measures a finished guard on rows it was not trained on, and writes the model card.

use crate::check::{self, Given};
use crate::rows::{self, Row};
use crate::{Failure, figures, samples};
use guard_model::encoder::WeightsFile;
use guard_model::{Assessment, Conversation, Guard, HazardId, Role, Turn};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Measures the guard in `weights` on the rows of `sets` and writes `card`. The encoder's vectors are kept in `cache`.
pub(crate) fn write(weights: &str, card: &str, cache: &str, sets: &[&str]) -> Result<(), Failure> {
    let bytes = std::fs::read(weights)?;
    let guard = Guard::load(&bytes)?;
    let file = WeightsFile::parse(&bytes)?;
    let rows = measured(sets)?;
    let judged = judge(&guard, &rows, check::given(weights, cache, &rows)?)?;
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
    padding(&mut figures, &guard, &rows)?;
    trade(&mut figures, &rows, &judged)?;
    reliability(&mut figures, &rows, &judged)?;
    latency(&mut figures, &guard)?;
    thresholds(&mut figures, &guard)?;
    by_share(&mut figures, &file)?;
    std::fs::write(card, include_str!("card.md").replace("{figures}", figures.trim_end()))?;
    eprint!("{figures}");
    Ok(())
}

/// What the guard says of a row.
#[derive(Default)]
struct Judged {
    unsafe_score: f32,
    /// Highest scores of S1..S14 and of injection in a prompt.
    prompt: [f32; 2],
    flagged: Vec<HazardId>,
    /// The hazard of S1..S14 with the highest score.
    likeliest: Option<HazardId>,
}

/// The rows of `sets` that are measured with.
pub(crate) fn measured(sets: &[&str]) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for path in sets {
        rows.extend(rows::read(path)?);
    }
    rows.retain(|row| row.source != "code_snippets" || samples::for_measuring(row));
    Ok(rows)
}

/// Reads what was given to the turns of all rows.
fn judge(guard: &Guard, rows: &[Row], given: Vec<Vec<(Role, Given)>>) -> Result<Vec<Judged>, Failure> {
    rows.iter().zip(given).map(|(row, given)| judge_one(guard, row, given)).collect()
}

fn judge_one(guard: &Guard, row: &Row, given: Vec<(Role, Given)>) -> Result<Judged, Failure> {
    let mut judged = Judged::default();
    let trials = trials(row);
    let asks_before = |trial: &Conversation<'_>| {
        let users = trial.turns.iter().filter(|turn| turn.role == Role::User).count();
        users > 1 && trial.turns.last().is_some_and(|turn| turn.role == Role::User)
    };
    let assessments = if trials.iter().any(asks_before) {
        // A short question is read with the one before, which only the guard itself does.
        guard.assess(&trials, Instant::now() + Duration::from_mins(10)).into_iter().collect::<Result<Vec<_>, _>>()?
    } else {
        given.into_iter().map(|(_, given)| assessment(guard, &given)).collect()
    };
    for (trial, assessment) in trials.iter().zip(assessments) {
        let role = trial.turns.last().map_or(Role::User, |turn| turn.role);
        judged.flagged.extend(assessment.flagged(guard, role));
        if role == Role::User {
            let harm = assessment.hazards.iter().take(14).map(|(_, score)| *score).fold(0.0, f32::max);
            let scores = [harm, assessment.score(&HazardId::new("injection"))];
            judged.prompt.iter_mut().zip(scores).for_each(|(old, new)| *old = old.max(new));
        }
        if assessment.unsafe_score >= judged.unsafe_score {
            judged.unsafe_score = assessment.unsafe_score;
            let content = assessment.hazards.iter().take(14);
            judged.likeliest = content.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(hazard, _)| hazard.clone());
        }
    }
    Ok(judged)
}

/// What was given, in the guard's words.
fn assessment(guard: &Guard, [harm, injection, cyber, hazards @ ..]: &Given) -> Assessment {
    let scores = hazards.iter().chain([injection, cyber]);
    let hazards = guard.taxonomy().hazards.iter().zip(scores).map(|(hazard, score)| (hazard.code.clone(), *score));
    Assessment { unsafe_score: harm.max(*cyber), hazards: hazards.collect() }
}

/// The conversations of a row that are on trial, as `ringfence classify` chooses them.
pub(crate) fn trials(row: &Row) -> Vec<Conversation<'_>> {
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

/// What other thresholds would flag, of sources foreign to training where there are some.
fn trade(out: &mut String, rows: &[Row], judged: &[Judged]) -> Result<(), Failure> {
    for (verdict, (name, sources)) in [
        ("harm", ["simplesafetytests", "harmbench", "strongreject", "xstest", "openai_moderation", "wildguard_benign"]),
        (
            "injection",
            [
                "cse_injection_override",
                "cse_injection_ml_override",
                "xsafety_hijack",
                "notinject",
                "openai_moderation",
                "wildguard_benign",
            ],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        writeln!(out, "### Other thresholds for {name} in prompts, share flagged\n")?;
        writeln!(out, "| threshold | {} |\n|---|{}", sources.join(" | "), "---|".repeat(sources.len()))?;
        for threshold in [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95_f32] {
            let share = |source: &str| {
                let of = |label: &str| {
                    let of = rows.iter().zip(judged).filter(|(row, _)| row.source == source && row.label == label);
                    let hits: Vec<bool> = of
                        .map(|(_, judged)| judged.prompt.get(verdict).is_some_and(|score| *score >= threshold))
                        .collect();
                    let count = hits.iter().filter(|hit| **hit).count();
                    (!hits.is_empty()).then(|| format!("{label} {:.1}", 100.0 * count as f64 / hits.len() as f64))
                };
                [of("unsafe"), of("safe")].into_iter().flatten().collect::<Vec<_>>().join(", ")
            };
            let cells: Vec<String> = sources.iter().map(|source| share(source)).collect();
            writeln!(out, "| {threshold:.2} | {} |", cells.join(" | "))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Short harmful requests inside a page of harmless text, and the pages alone.
fn padding(out: &mut String, guard: &Guard, rows: &[Row]) -> Result<(), Failure> {
    let page = |row: &&Row| row.source == "indirect_documents" && row.label == "safe" && row.lang == "en";
    let pages: Vec<String> =
        rows.iter().filter(page).map(|row| samples::on_trial(row).1.chars().take(1500).collect()).collect();
    let harmful: Vec<&Row> = rows.iter().filter(|row| row.source == "simplesafetytests").collect();
    if pages.is_empty() || harmful.is_empty() {
        return Ok(());
    }
    let flagged = |texts: &[String]| -> Result<usize, Failure> {
        let mut count = 0;
        for text in texts {
            let trial = [Conversation::single(Role::User, text)];
            for assessment in guard.assess(&trial, Instant::now() + Duration::from_mins(10)) {
                count += usize::from(!assessment?.flagged(guard, Role::User).is_empty());
            }
        }
        Ok(count)
    };
    writeln!(out, "### Padding: SimpleSafetyTests in pages of 1,500 harmless characters\n\n| | flagged |\n|---|---|")?;
    let with = |place: fn(&str, &str) -> String| -> Vec<String> {
        harmful.iter().zip(pages.iter().cycle()).map(|(row, page)| place(&row.text, page)).collect()
    };
    for (name, texts) in [
        ("alone", with(|text, _| text.to_owned())),
        ("page in front", with(|text, page| format!("{page} {text}"))),
        ("page behind", with(|text, page| format!("{text} {page}"))),
        ("pages around", with(|text, page| format!("{page} {text} {page}"))),
        ("the harmless pages alone", pages.clone()),
    ] {
        writeln!(out, "| {name} | {} |", figures::share(flagged(&texts)?, texts.len()))?;
    }
    writeln!(out)?;
    Ok(())
}

/// How often rows with a score about p are harmful, over all rows of the development sets.
fn reliability(out: &mut String, rows: &[Row], judged: &[Judged]) -> Result<(), Failure> {
    writeln!(out, "### Scores against truth\n\n| score | rows | mean score | harmful |\n|---|---|---|---|")?;
    for bin in 0..5_u8 {
        let least = f32::from(bin) / 5.0;
        let inside = |judged: &Judged| judged.unsafe_score >= least && (judged.unsafe_score < least + 0.2 || bin == 4);
        let content = |row: &Row| !row.categories.iter().any(|category| category == "injection");
        let all: Vec<(f32, bool)> = rows
            .iter()
            .zip(judged)
            .filter(|(row, judged)| content(row) && inside(judged))
            .map(|(row, judged)| (judged.unsafe_score, row.label == "unsafe"))
            .collect();
        let mean = all.iter().map(|(score, _)| score).sum::<f32>() / (all.len() as f32).max(1.0);
        let bad = all.iter().filter(|(_, bad)| *bad).count();
        let range = format!("{least:.1} to {:.1}", least + 0.2);
        writeln!(out, "| {range} | {} | {mean:.2} | {} |", all.len(), figures::share(bad, all.len()))?;
    }
    writeln!(out)?;
    Ok(())
}

/// Thresholds that shares of held-out harmless rows reach, as training found them, and what style alone can tell.
fn by_share(out: &mut String, file: &WeightsFile<'_>) -> Result<(), Failure> {
    let numbers = file.fractions("ringfence.thresholds_by_share")?;
    writeln!(
        out,
        "\n| false alarms on training rows of unseen sources | harm: prompt, answer | injection: prompt, tool result | cyber |\n|---|---|---|---|"
    )?;
    for (share, all) in ["1 %", "5 %"].iter().zip(numbers.as_chunks::<9>().0) {
        let [harm, answer, _, injection, _, tool, cyber, ..] = all;
        writeln!(out, "| {share} | {harm:.3}, {answer:.3} | {injection:.3}, {tool:.3} | {cyber:.3} |")?;
    }
    if let [length, style] = file.fractions("ringfence.style")?.as_slice() {
        writeln!(
            out,
            "\nLength alone tells harmful from harmless training rows with an area under the curve of {length:.2}; length, \
             marks and letter case together with {style:.2} (0.50 is chance)."
        )?;
    }
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
