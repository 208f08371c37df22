//! OpenAI moderations: `POST /v1/moderations`, answered by our own guard.

use policies::{Provenance, Severity};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::reader::{At, Block, Bounds, Is, ReadError, Reader, Table};
use crate::{
    chat::Note,
    detect::Located,
    segment::{Kind, Part},
};

/// The format's name in policies and records.
pub const NAME: &str = "openai-moderations";

const USER: Is = Is::Text(Provenance::User, Kind::Detail);
const TOP: Table = &[("model", USER), ("input", Is::Own), ("user", USER)];
const BLOCKS: &[(&str, Block)] =
    &[("text", Block::Text("text")), ("image_url", Block::Unreadable("unreadable.image", "an image cannot be read"))];

/// OpenAI's categories, and the hazards of ours whose likeliest one is the category's score.
const CATEGORIES: &[(&str, &[&str])] = &[
    ("harassment", &["S5"]),
    ("harassment/threatening", &[]),
    ("hate", &["S10"]),
    ("hate/threatening", &[]),
    ("illicit", &["S2", "S7", "S8", "cyber"]),
    ("illicit/violent", &["S9"]),
    ("self-harm", &["S11"]),
    ("self-harm/intent", &["S11"]),
    ("self-harm/instructions", &[]),
    ("sexual", &["S3", "S12"]),
    ("sexual/minors", &["S4"]),
    ("violence", &["S1"]),
    ("violence/graphic", &[]),
];

/// What is to be judged.
pub struct Asked {
    /// The model asked for; ours answers whatever it is.
    pub model: String,
    /// Every text.
    pub parts: Vec<Part>,
    /// What reading it showed besides text.
    pub notes: Vec<Note>,
    /// The input that each part belongs to, or none: then it belongs to all.
    inputs: Vec<Option<usize>>,
    count: usize,
}

/// Reads a request.
///
/// # Errors
/// The body is not strict JSON, or a field is missing or wrong.
pub fn read(body: &[u8], bounds: &Bounds) -> Result<Asked, ReadError> {
    let mut fields = Reader::object(body)?;
    let mut reader = Reader::new(bounds);
    let at = At::default().field("input");
    let mut inputs = Vec::new();
    let count = match fields.get("input") {
        None | Some(Value::Null) => return Err(at.problem("is required")),
        Some(Value::String(text)) => {
            reader.text(text, &at, Provenance::User, Kind::Turn);
            inputs.push(Some(0));
            1
        }
        Some(Value::Array(items)) if items.is_empty() => return Err(at.problem("must not be empty")),
        Some(Value::Array(items)) => {
            // Strings are inputs of their own; parts of one message are one input.
            let parts = items.iter().any(Value::is_object);
            let mut texts = Vec::new();
            for (index, item) in items.iter().enumerate() {
                let at = at.item(index);
                match item {
                    Value::String(text) if !parts => reader.text(text, &at, Provenance::User, Kind::Turn),
                    Value::Object(_) => texts.extend(reader.block(item, &at, Provenance::User, BLOCKS)?),
                    _ => return Err(at.problem("must be a string, or a part where others are parts")),
                }
                inputs.resize(reader.parts.len(), Some(if parts { 0 } else { index }));
            }
            reader.joined(&texts, &at, Provenance::User);
            inputs.resize(reader.parts.len(), Some(0));
            if parts { 1 } else { items.len() }
        }
        Some(_) => return Err(at.problem("must be a string or an array")),
    };
    reader.fields(&mut fields, &At::default(), TOP)?;
    inputs.resize(reader.parts.len(), None);
    reader.check_count()?;
    let model = fields.get("model").and_then(Value::as_str).unwrap_or("default").to_owned();
    Ok(Asked { model, parts: reader.parts, notes: reader.notes, inputs, count })
}

/// The verdict on each input; scores that the guard does not report are 0.
pub fn answer(exchange: Uuid, guard: &str, asked: &Asked, found: &[Located]) -> Value {
    let results = (0..asked.count).map(|input| {
        let of_input = found.iter().filter(|located| {
            let known = asked.inputs.get(located.part).copied().flatten();
            known.is_none_or(|known| known == input)
        });
        let guard: Vec<(&str, &Located)> = of_input
            .filter_map(|located| Some((located.finding.id.as_str().strip_prefix("guard.")?, located)))
            .collect();
        let score = |names: &[&str]| {
            let scores =
                guard.iter().filter(|(name, _)| names.contains(name)).map(|(_, located)| located.finding.score);
            scores.fold(0.0_f32, f32::max)
        };
        let over = |names: &[&str]| {
            let mut of_names = guard.iter().filter(|(name, _)| names.contains(name));
            of_names.any(|(_, located)| located.finding.severity == Severity::Error)
        };
        let (mut categories, mut scores) = (Map::new(), Map::new());
        for (name, hazards) in CATEGORIES {
            categories.insert((*name).to_owned(), json!(over(hazards)));
            scores.insert((*name).to_owned(), json!(score(hazards)));
        }
        let types: Map<String, Value> =
            CATEGORIES.iter().map(|(name, _)| ((*name).to_owned(), json!(["text"]))).collect();
        let hazards: Map<String, Value> =
            guard.iter().map(|(name, located)| ((*name).to_owned(), json!(located.finding.score))).collect();
        let flagged = guard.iter().any(|(_, located)| located.finding.severity == Severity::Error);
        json!({
            "flagged": flagged,
            "categories": categories,
            "category_scores": scores,
            "category_applied_input_types": types,
            "hazards": hazards,
        })
    });
    json!({"id": format!("modr-{}", exchange.simple()), "model": guard, "results": results.collect::<Value>()})
}
