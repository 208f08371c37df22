//! Reading a request: every field is known text, a known setting, or unknown and then treated as text.
//!
//! Keys that a case-insensitive server would take for a known one are refused, settings are checked for their type, and
//! every string that is left is a [`Part`], so that none can reach the model unread.

use policies::{Provenance, Severity};
use serde_json::{Map, Value};

use super::Request;
use crate::{
    chat::Note,
    json::{self, JsonError, fold},
    segment::{Kind, Part, Step},
};

/// What a request may ask for at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Answers to one request.
    pub choices: u64,
    /// Texts in one request.
    pub parts: usize,
}

/// What happens to a field that the format does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldPolicy {
    /// It is scanned as the user's text, and forwarded.
    #[default]
    Scan,
    /// It is refused.
    Refuse,
}

/// A body that is not a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is not JSON.
    #[error("the body is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// A field is missing or wrong.
    #[error("`{field}` {problem}")]
    Field {
        /// The field.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Reads the body of a request.
///
/// # Errors
/// The body is not strict JSON, or a field is missing, has the wrong type, an unknown value, or a name that differs from
/// a known one only by case.
pub fn read(body: &[u8], fields: FieldPolicy, limits: Limits) -> Result<(Request, Vec<Note>), ReadError> {
    let Value::Object(mut body) = json::parse(body)? else {
        return Err(problem("", "must be a JSON object"));
    };
    let mut reader = Reader { fields, parts: Vec::new(), notes: Vec::new() };
    Reader::known_keys(&body, "", TOP)?;
    for name in STRIPPED {
        body.remove(*name);
    }
    let model = text(&body, "model")?.ok_or_else(|| problem("model", "is required"))?.to_owned();
    let stream = flag(&body, "stream")?;
    let include_usage = match body.get("stream_options") {
        None | Some(Value::Null) => false,
        Some(Value::Object(options)) => {
            Reader::known_keys(options, "stream_options", &["include_usage", "include_obfuscation"])?;
            flag(options, "include_usage")?
        }
        Some(_) => return Err(problem("stream_options", "must be an object")),
    };
    if let Some(count) = body.get("n").filter(|n| !n.is_null())
        && !count.as_u64().is_some_and(|count| (1..=limits.choices).contains(&count))
    {
        return Err(problem("n", &format!("must be a whole number from 1 to {}", limits.choices)));
    }
    for name in NUMBERS {
        if body.get(*name).is_some_and(|value| !value.is_number() && !value.is_null()) {
            return Err(problem(name, "must be a number"));
        }
    }
    for name in FLAGS {
        flag(&body, name)?;
    }
    reader.messages(&body)?;
    for (name, value) in &body {
        reader.top_field(name, value)?;
    }
    if reader.parts.len() > limits.parts {
        return Err(problem("messages", &format!("and the other fields hold more than {} texts", limits.parts)));
    }
    let mut request = Request { model, stream, include_usage, body: Value::Object(body), parts: reader.parts };
    request.ask_usage();
    Ok((request, reader.notes))
}

const TOP: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "n",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "seed",
    "user",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "functions",
    "function_call",
    "metadata",
    "prediction",
    "store",
    "service_tier",
    "reasoning_effort",
    "modalities",
    "audio",
    "safety_identifier",
    "prompt_cache_key",
    "verbosity",
    "web_search_options",
];
/// Log-probabilities spell out tokens that may be withheld, so they are not asked for.
const STRIPPED: &[&str] = &["logprobs", "top_logprobs"];
const NUMBERS: &[&str] =
    &["max_tokens", "max_completion_tokens", "temperature", "top_p", "presence_penalty", "frequency_penalty", "seed"];
const FLAGS: &[&str] = &["parallel_tool_calls", "store"];
const ROLES: &[&str] = &["system", "developer", "user", "assistant", "tool", "function"];
const MESSAGE: &[&str] = &[
    "role",
    "content",
    "name",
    "tool_calls",
    "tool_call_id",
    "refusal",
    "reasoning_content",
    "reasoning",
    "function_call",
    "audio",
];

struct Reader {
    fields: FieldPolicy,
    parts: Vec<Part>,
    notes: Vec<Note>,
}

impl Reader {
    fn messages(&mut self, body: &Map<String, Value>) -> Result<(), ReadError> {
        let messages = body.get("messages").ok_or_else(|| problem("messages", "is required"))?;
        let messages = messages.as_array().ok_or_else(|| problem("messages", "must be an array"))?;
        if messages.is_empty() {
            return Err(problem("messages", "must not be empty"));
        }
        for (index, message) in messages.iter().enumerate() {
            let field = format!("messages[{index}]");
            let message = message.as_object().ok_or_else(|| problem(&field, "must be an object"))?;
            Self::known_keys(message, &field, MESSAGE)?;
            let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
            let provenance = match ROLES.iter().find(|known| **known == role) {
                Some(&"system" | &"developer") => Provenance::System,
                Some(&"user") => Provenance::User,
                Some(&"assistant") => Provenance::Assistant,
                Some(_) => Provenance::Tool,
                None => return Err(problem(&format!("{field}.role"), &format!("must be one of {}", ROLES.join(", ")))),
            };
            let path = vec![Step::Field("messages".to_owned()), Step::Item(index)];
            for (name, value) in message.iter().filter(|(name, _)| *name != "role") {
                let field = format!("{field}.{name}");
                let path = extended(&path, Step::Field(name.clone()));
                match name.as_str() {
                    "content" => self.content(value, &field, &path, provenance)?,
                    "refusal" | "reasoning_content" | "reasoning" => {
                        self.free(value, &field, &path, Provenance::Assistant, Kind::Turn);
                    }
                    "tool_calls" | "function_call" => {
                        self.free(value, &field, &path, Provenance::Assistant, Kind::Detail);
                    }
                    "name" | "tool_call_id" => self.free(value, &field, &path, provenance, Kind::Detail),
                    "audio" => self.unreadable("unreadable.audio", &field, provenance, "audio cannot be read"),
                    _ => self.unknown(value, &field, &path)?,
                }
            }
        }
        Ok(())
    }

    fn content(&mut self, value: &Value, field: &str, path: &[Step], provenance: Provenance) -> Result<(), ReadError> {
        let parts = match value {
            Value::Null => return Ok(()),
            Value::String(_) => {
                self.free(value, field, path, provenance, Kind::Turn);
                return Ok(());
            }
            Value::Array(parts) => parts,
            _ => return Err(problem(field, "must be a string, null or an array of parts")),
        };
        for (index, part) in parts.iter().enumerate() {
            let field = format!("{field}[{index}]");
            let path = extended(path, Step::Item(index));
            let fields = part.as_object().ok_or_else(|| problem(&field, "must be an object"))?;
            Self::known_keys(fields, &field, &["type", "text", "refusal"])?;
            let note = match fields.get("type").and_then(Value::as_str) {
                Some("text" | "refusal") => None,
                Some("image_url" | "image" | "input_image") => Some(("unreadable.image", "an image cannot be read")),
                Some("input_audio" | "audio") => Some(("unreadable.audio", "audio cannot be read")),
                Some("file" | "input_file") => Some(("unreadable.file", "a file cannot be read")),
                _ => Some(("unreadable.part", "a part of this type cannot be read")),
            };
            if let Some((id, message)) = note {
                self.unreadable(id, &field, provenance, message);
            }
            for (name, value) in fields.iter().filter(|(name, _)| *name != "type" || note.is_some()) {
                let field = format!("{field}.{name}");
                let path = extended(&path, Step::Field(name.clone()));
                match (name.as_str(), note) {
                    ("text" | "refusal", None) if value.is_string() => {
                        self.free(value, &field, &path, provenance, Kind::Turn);
                    }
                    ("text" | "refusal", None) => return Err(problem(&field, "must be a string")),
                    (_, None) => self.unknown(value, &field, &path)?,
                    (_, Some(_)) => self.free(value, &field, &path, provenance, Kind::Detail),
                }
            }
        }
        Ok(())
    }

    fn top_field(&mut self, name: &str, value: &Value) -> Result<(), ReadError> {
        let path = [Step::Field(name.to_owned())];
        match name {
            "messages" | "stream" | "n" | "stream_options" => {}
            _ if NUMBERS.contains(&name) || FLAGS.contains(&name) => {}
            "tools" | "functions" | "response_format" | "tool_choice" | "function_call" | "web_search_options" => {
                self.free(value, name, &path, Provenance::System, Kind::Detail);
            }
            "audio" => self.unreadable("unreadable.audio", name, Provenance::User, "spoken answers cannot be read"),
            "modalities" => {
                if value.as_array().is_none_or(|kinds| kinds.iter().any(|kind| kind != "text")) && !value.is_null() {
                    self.unreadable("unreadable.audio", name, Provenance::User, "only answers in text can be read");
                }
                self.free(value, name, &path, Provenance::User, Kind::Detail);
            }
            _ if TOP.contains(&name) => self.free(value, name, &path, Provenance::User, Kind::Detail),
            _ => self.unknown(value, name, &path)?,
        }
        Ok(())
    }

    /// Every string below `value`, and every key, is a text.
    fn free(&mut self, value: &Value, field: &str, path: &[Step], provenance: Provenance, kind: Kind) {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => {
                self.parts.push(Part::new(field.to_owned(), path.to_vec(), provenance, kind, text));
            }
            Value::Array(items) => {
                if items.len() >= TOKENS && items.iter().all(Value::is_number) {
                    self.unreadable("unreadable.tokens", field, provenance, "a list of numbers may stand for text");
                }
                for (index, item) in items.iter().enumerate() {
                    self.free(item, &format!("{field}[{index}]"), &extended(path, Step::Item(index)), provenance, kind);
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.parts.push(Part::new(format!("{field}{{}}"), Vec::new(), provenance, Kind::Key, name));
                    let path = extended(path, Step::Field(name.clone()));
                    self.free(value, &format!("{field}.{name}"), &path, provenance, kind);
                }
            }
        }
    }

    fn unknown(&mut self, value: &Value, field: &str, path: &[Step]) -> Result<(), ReadError> {
        if self.fields == FieldPolicy::Refuse {
            return Err(problem(field, "is not a field of this request"));
        }
        self.notes.push(Note {
            id: "request.unknown-field",
            severity: Severity::Advice,
            field: field.to_owned(),
            provenance: Provenance::User,
            message: "a field this format does not have is read as the user's text",
        });
        let name = field.rsplit('.').next().unwrap_or(field);
        self.parts.push(Part::new(field.to_owned(), Vec::new(), Provenance::User, Kind::Key, name));
        self.free(value, field, path, Provenance::User, Kind::Turn);
        Ok(())
    }

    fn unreadable(&mut self, id: &'static str, field: &str, provenance: Provenance, message: &'static str) {
        self.notes.push(Note { id, severity: Severity::Error, field: field.to_owned(), provenance, message });
    }

    /// Refuses a key that a case-insensitive reader would take for a known one.
    fn known_keys(fields: &Map<String, Value>, field: &str, known: &[&str]) -> Result<(), ReadError> {
        for name in fields.keys() {
            let folded = fold(name);
            if known.contains(&folded.as_str()) && !known.contains(&name.as_str()) {
                let field = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
                return Err(problem(&field, &format!("is spelled `{folded}`")));
            }
        }
        Ok(())
    }
}

/// So many numbers in a row may be token ids or an embedding.
const TOKENS: usize = 8;

fn extended(path: &[Step], step: Step) -> Vec<Step> {
    path.iter().cloned().chain([step]).collect()
}

fn flag(fields: &Map<String, Value>, name: &str) -> Result<bool, ReadError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(problem(name, "must be true or false")),
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, ReadError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.len() <= 256 => Ok(Some(text)),
        Some(_) => Err(problem(name, "must be a string of 1 to 256 bytes")),
    }
}

fn problem(field: &str, problem: &str) -> ReadError {
    let field = if field.is_empty() { "body" } else { field };
    ReadError::Field { field: field.chars().take(128).collect(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests;
