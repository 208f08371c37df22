//! From rows to what is learnt: a prompt and the answer a guard should give.

use crate::Failure;
use crate::prompt::{self, Judged};
use crate::rows::Row;
use crate::vocabulary::Vocabulary;
use std::collections::HashMap;

/// Most bytes of a text.
const LONGEST: usize = 200;

/// Most rows of a source.
const MOST: usize = 1500;

/// A row that a guard can be asked about.
pub(crate) struct Told<'a> {
    /// What is judged.
    pub(crate) text: &'a str,
    judged: Judged,
    /// The number of the hazard; none in a harmless row.
    hazard: Option<usize>,
    /// Kept to be measured with.
    pub(crate) held_out: bool,
}

/// A prompt behind its common beginning, and the answer.
pub(crate) struct Example {
    /// The rest of the prompt, then the answer without its last token.
    pub(crate) tokens: Vec<u32>,
    /// The place after which the verdict comes.
    pub(crate) verdict: usize,
    answer: Vec<u32>,
    /// Who is judged.
    pub(crate) judged: Judged,
    /// Whether the verdict is `unsafe`.
    pub(crate) bad: bool,
    /// Kept to be measured with.
    pub(crate) held_out: bool,
}

/// The English rows that are short enough and harmless or of a named hazard.
pub(crate) fn told(rows: &[Row]) -> Vec<Told<'_>> {
    let mut all: Vec<&Row> = rows.iter().filter(|row| row.lang == "en" && row.label != "unlabelled").collect();
    all.sort_by_key(|row| hash(&row.id));
    let mut count: HashMap<&str, usize> = HashMap::new();
    let mut told = Vec::new();
    for row in all {
        let hazard = row.categories.iter().find_map(|name| name.strip_prefix('S')?.parse::<usize>().ok());
        let (judged, text) = match &row.response {
            Some(response) => (Judged::Agent, response.as_str()),
            None => (Judged::User, row.text.as_str()),
        };
        let document = row.messages.iter().any(|message| message.role == "tool");
        // Definitions, and words that mean nothing by themselves, are no requests.
        let request = !["own_definitions", "own_frames"].contains(&row.source.as_str());
        let clear = (row.label == "unsafe") == hazard.is_some() && (request && !document);
        let of = count.entry(&row.source).or_default();
        if clear && !text.trim().is_empty() && text.len() <= LONGEST && *of < MOST {
            *of += 1;
            let held_out = hash(row.group.as_deref().unwrap_or(text)) % 10 == 1;
            told.push(Told { text, judged, hazard, held_out });
        }
    }
    told
}

impl Example {
    /// The example of a row.
    pub(crate) fn new(told: &Told<'_>, vocabulary: &Vocabulary) -> Result<Self, Failure> {
        let mut tokens = prompt::rest(vocabulary, told.judged, told.text)?;
        let verdict = tokens.len() - 1;
        let mut answer = match told.hazard {
            Some(hazard) => vocabulary.encode(&format!("unsafe\nS{hazard}"))?,
            None => vocabulary.encode("safe")?,
        };
        if ![1, 4].contains(&answer.len()) {
            return Err(format!("an answer has {} tokens", answer.len()).into());
        }
        tokens.extend(&answer);
        answer.push(vocabulary.special("<|eot_id|>")?);
        let bad = told.hazard.is_some();
        Ok(Self { tokens, verdict, answer, judged: told.judged, bad, held_out: told.held_out })
    }

    /// What is learnt from the example, which is number `at` of its batch: the verdict most of all, then the hazard.
    pub(crate) fn answers(&self, at: usize) -> Vec<(usize, usize, u32, f32)> {
        let weight = |place| match place {
            0 => 1.0,
            3 => 0.5,
            _ => 0.1,
        };
        self.answer.iter().enumerate().map(|(place, token)| (at, self.verdict + place, *token, weight(place))).collect()
    }
}

/// How often a harmful row is scored above a harmless one.
pub(crate) fn area(scored: &mut [(f32, bool)]) -> f64 {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut sum) = (0.0, 0.0);
    for (_, bad) in scored.iter() {
        if *bad {
            sum += below;
        } else {
            below += 1.0;
        }
    }
    sum / (below * (scored.len() as f64 - below)).max(1.0)
}

/// The same on every machine and in every release (`FNV-1a`).
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
