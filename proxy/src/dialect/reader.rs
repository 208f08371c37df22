//! Reading requests of any format by a table that says of every field what it is.
//!
//! A table is the only way to name a field, and naming it is classifying it: what no table names is unknown, and then it
//! is the user's text. Keys that a case-insensitive server would take for a known one are refused, settings are checked
//! for their type, and every string that is left is a [`Part`], so that none can reach the model unread.

use policies::{Provenance, Severity, Turn};
use serde_json::{Map, Value};

use crate::{
    chat::Note,
    json::{self, JsonError, fold},
    segment::{Kind, Part, Step},
};

/// What a request may hold.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// What happens to a field that the format does not have.
    pub fields: FieldPolicy,
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

/// What a field is.
#[derive(Clone, Copy)]
pub(super) enum Is {
    /// The dialect reads it itself.
    Own,
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// Every string and every key below it is this author's text.
    Text(Provenance, Kind),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Not forwarded.
    Dropped,
    /// Something nobody here can read: the finding and a sentence.
    Unreadable(&'static str, &'static str),
    /// Refused where it is given, with this reason.
    Refused(&'static str),
}

/// The fields of an object.
pub(super) type Table = &'static [(&'static str, Is)];

/// A place in a request.
#[derive(Clone, Default)]
pub(super) struct At {
    field: String,
    path: Vec<Step>,
}

impl At {
    pub(super) fn field(&self, name: &str) -> Self {
        let field = if self.field.is_empty() { name.to_owned() } else { format!("{}.{name}", self.field) };
        Self { field, path: self.path.iter().cloned().chain([Step::Field(name.to_owned())]).collect() }
    }

    pub(super) fn item(&self, index: usize) -> Self {
        let path = self.path.iter().cloned().chain([Step::Item(index)]).collect();
        Self { field: format!("{}[{index}]", self.field), path }
    }

    pub(super) fn problem(&self, problem: &str) -> ReadError {
        let field = if self.field.is_empty() { "body" } else { &self.field };
        ReadError::Field { field: field.chars().take(128).collect(), problem: problem.to_owned() }
    }
}

/// What a part of a message is.
#[derive(Clone, Copy)]
pub(super) enum Block {
    /// Text, in the field of this name.
    Text(&'static str),
    /// Something nobody here can read.
    Unreadable(&'static str, &'static str),
}

pub(super) struct Reader<'a> {
    bounds: &'a Bounds,
    pub(super) parts: Vec<Part>,
    pub(super) notes: Vec<Note>,
    /// Whether what is read now was said now or before.
    pub(super) turn: Turn,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bounds: &'a Bounds) -> Self {
        Self { bounds, parts: Vec::new(), notes: Vec::new(), turn: Turn::Current }
    }

    /// The object that a body is.
    pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, ReadError> {
        match json::parse(body)? {
            Value::Object(fields) => Ok(fields),
            _ => Err(At::default().problem("must be a JSON object")),
        }
    }

    /// Reads the fields of an object; what the table says is dropped is taken out of it.
    pub(super) fn fields(&mut self, fields: &mut Map<String, Value>, at: &At, table: Table) -> Result<(), ReadError> {
        for (name, is) in table {
            if matches!(is, Is::Dropped) {
                fields.shift_remove(*name);
            }
        }
        self.read_fields(fields, at, table)
    }

    /// Reads the fields of an object of which nothing is dropped.
    pub(super) fn read_fields(&mut self, fields: &Map<String, Value>, at: &At, table: Table) -> Result<(), ReadError> {
        known_keys(fields, at, table.iter().map(|(name, _)| *name))?;
        for (name, value) in fields {
            let at = at.field(name);
            let known = table.iter().find(|(known, _)| known == name).map(|(_, is)| *is);
            match known {
                Some(Is::Own) => {}
                Some(_) if value.is_null() => {}
                Some(Is::Number) if value.is_number() => {}
                Some(Is::Number) => return Err(at.problem("must be a number")),
                Some(Is::Flag) if value.is_boolean() => {}
                Some(Is::Flag) => return Err(at.problem("must be true or false")),
                Some(Is::Word(words)) if value.as_str().is_some_and(|word| words.contains(&word)) => {}
                Some(Is::Word(words)) => return Err(at.problem(&format!("must be one of {}", words.join(", ")))),
                Some(Is::Text(by, kind)) => self.free(value, &at, by, kind),
                Some(Is::Refused(why)) => return Err(at.problem(why)),
                Some(Is::Unreadable(id, message)) => {
                    self.unreadable(id, message, &at, Provenance::User);
                    self.free(value, &at, Provenance::User, Kind::Detail);
                }
                Some(Is::Dropped) | None => self.unknown(name, value, &at)?,
            }
        }
        Ok(())
    }

    /// One part of a message that is an object with a `type`.
    pub(super) fn block(
        &mut self,
        item: &Value,
        at: &At,
        by: Provenance,
        kinds: &[(&str, Block)],
    ) -> Result<Option<String>, ReadError> {
        let fields = item.as_object().ok_or_else(|| at.problem("must be an object"))?;
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
        let known = kinds.iter().find(|(known, _)| *known == kind).map(|(_, block)| *block);
        let names = kinds.iter().filter_map(|(_, block)| match block {
            Block::Text(name) => Some(*name),
            Block::Unreadable(..) => None,
        });
        known_keys(fields, at, names.chain(["type"]))?;
        if let Some(Block::Text(name)) = known {
            let text = fields.get(name).and_then(Value::as_str);
            let text = text.ok_or_else(|| at.field(name).problem("must be a string"))?;
            self.text(text, &at.field(name), by, Kind::Turn);
            for (other, value) in fields.iter().filter(|(other, _)| *other != name && *other != "type") {
                match other.as_str() {
                    // Notes beside a text which a model may be shown, or which change nothing.
                    "cache_control" | "citations" | "annotations" | "logprobs" => {
                        self.free(value, &at.field(other), by, Kind::Detail);
                    }
                    _ => self.unknown(other, value, &at.field(other))?,
                }
            }
            return Ok(Some(text.to_owned()));
        }
        let (id, message) = match known {
            Some(Block::Unreadable(id, message)) => (id, message),
            _ => ("unreadable.part", "a part of this type cannot be read"),
        };
        self.unreadable(id, message, at, by);
        self.free(item, at, by, Kind::Detail);
        Ok(None)
    }

    /// A text that is only whole when its pieces are read together.
    pub(super) fn joined(&mut self, texts: &[String], at: &At, by: Provenance) {
        if texts.len() > 1 {
            let field = format!("{}[*]", at.field);
            self.push(Part::new(field, Vec::new(), by, Kind::Joined, &texts.concat()));
        }
    }

    /// Every string below `value`, and every key, is a text.
    pub(super) fn free(&mut self, value: &Value, at: &At, by: Provenance, kind: Kind) {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => self.text(text, at, by, kind),
            Value::Array(items) => {
                if items.len() >= TOKENS && items.iter().all(Value::is_number) {
                    self.unreadable("unreadable.tokens", "a list of numbers may stand for text", at, by);
                }
                for (index, item) in items.iter().enumerate() {
                    self.free(item, &at.item(index), by, kind);
                }
                let pieces: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                self.pieces(&pieces, at, by);
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.key(name, &at.field, by);
                    self.free(value, &at.field(name), by, kind);
                    if let Value::String(text) = value {
                        self.pieces(&[name, text], &at.field(name), by);
                    }
                }
            }
        }
    }

    /// Strings that stand side by side in data: a text cut over a key and its value, or over a list, is read whole. Not if
    /// all but the last are mere words, as keys of data are, and not beyond what is read together elsewhere.
    fn pieces(&mut self, pieces: &[&str], at: &At, by: Provenance) {
        let is_word = |piece: &&str| {
            piece.len() <= WORD && piece.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte))
        };
        let before_last = pieces.len().saturating_sub(1);
        let cut = pieces.len() > 1 && !pieces.iter().take(before_last).all(is_word);
        if cut && pieces.iter().map(|piece| piece.len() + 1).sum::<usize>() <= TOGETHER {
            self.both_ways(pieces, &at.field, by);
        }
    }

    /// Pieces as one text, word by word and letter by letter.
    fn both_ways(&mut self, pieces: &[&str], field: &str, by: Provenance) {
        for (between, name) in [(" ", "[words]"), ("", "[letters]")] {
            self.push(Part::new(format!("{field}{name}"), Vec::new(), by, Kind::Joined, &pieces.join(between)));
        }
    }

    /// A string; if it is a detail and JSON, as a tool call's arguments are, then also what only shows when that is read.
    pub(super) fn text(&mut self, text: &str, at: &At, by: Provenance, kind: Kind) {
        self.push(Part::new(at.field.clone(), at.path.clone(), by, kind, text));
        if kind == Kind::Detail && text.trim_start().starts_with(['{', '[', '"']) {
            for hidden in json::hidden(text) {
                self.push(Part::new(format!("{}{{}}", at.field), Vec::new(), by, Kind::Key, &hidden));
            }
        }
    }

    fn key(&mut self, name: &str, field: &str, by: Provenance) {
        self.push(Part::new(format!("{field}{{}}"), Vec::new(), by, Kind::Key, name));
    }

    /// What a system turn says holds now, however long ago it was said.
    fn push(&mut self, mut part: Part) {
        part.turn = if part.provenance == Provenance::System { Turn::Current } else { self.turn };
        self.parts.push(part);
    }

    /// Reads messages: those before the last one that `is_asking` were said before.
    pub(super) fn messages(
        &mut self,
        messages: &[Value],
        is_asking: impl Fn(&Value) -> bool,
        mut read: impl FnMut(&mut Self, &Value, &At) -> Result<(), ReadError>,
        at: &At,
    ) -> Result<(), ReadError> {
        let current = messages.iter().rposition(is_asking).unwrap_or(0);
        for (index, message) in messages.iter().enumerate() {
            self.turn = if index < current { Turn::Earlier } else { Turn::Current };
            read(self, message, &at.item(index))?;
        }
        self.turn = Turn::Current;
        Ok(())
    }

    /// What the user said last is also read together, so that a text is no less whole for being said in pieces: word by
    /// word, and letter by letter. So is what the user and the operator said.
    pub(super) fn together(&mut self) {
        for by in [Provenance::User, Provenance::System] {
            let mut said = Vec::new();
            let mut length = 0;
            for part in self.parts.iter().rev() {
                let asks = part.provenance == Provenance::User || part.provenance == by;
                if asks && part.kind == Kind::Turn && !part.text().is_empty() {
                    length += part.text().len();
                    if length > TOGETHER {
                        break;
                    }
                    said.push((part.provenance == Provenance::User, part.text().to_owned()));
                }
            }
            said.reverse();
            // Wherever it stands in the request, the model reads first what the operator says.
            said.sort_by_key(|(by_user, _)| *by_user);
            let by_operator = said.first().is_some_and(|(by_user, _)| !by_user);
            if said.len() < 2 || by_operator != (by == Provenance::System) {
                continue;
            }
            let said: Vec<&str> = said.iter().map(|(_, text)| text.as_str()).collect();
            self.both_ways(&said, "", by);
        }
    }

    pub(super) fn unknown(&mut self, name: &str, value: &Value, at: &At) -> Result<(), ReadError> {
        if self.bounds.fields == FieldPolicy::Refuse {
            return Err(at.problem("is not a field of this request"));
        }
        self.notes.push(Note {
            id: "request.unknown-field",
            severity: Severity::Advice,
            field: at.field.clone(),
            provenance: Provenance::User,
            message: "a field this format does not have is read as the user's text",
        });
        self.push(Part::new(at.field.clone(), Vec::new(), Provenance::User, Kind::Key, name));
        self.free(value, at, Provenance::User, Kind::Turn);
        Ok(())
    }

    pub(super) fn unreadable(&mut self, id: &'static str, message: &'static str, at: &At, by: Provenance) {
        let (severity, field) = (Severity::Error, at.field.clone());
        self.notes.push(Note { id, severity, field, provenance: by, message });
    }

    /// How many answers are asked for.
    pub(super) fn choices(&self, fields: &Map<String, Value>, name: &str) -> Result<u64, ReadError> {
        let most = self.bounds.choices;
        match fields.get(name).filter(|count| !count.is_null()) {
            None => Ok(1),
            Some(count) => count
                .as_u64()
                .filter(|count| (1..=most).contains(count))
                .ok_or_else(|| At::default().field(name).problem(&format!("must be a whole number from 1 to {most}"))),
        }
    }

    /// Whether there are more texts than one request may hold.
    pub(super) fn check_count(&self) -> Result<(), ReadError> {
        let most = self.bounds.parts;
        if self.parts.len() <= most {
            return Ok(());
        }
        Err(At::default().problem(&format!("holds more than {most} texts")))
    }
}

/// So much of what was said last is also read together, in bytes.
const TOGETHER: usize = 1024;

/// A key of so many bytes at most may be a mere word.
const WORD: usize = 16;

/// So many numbers in a row may be token ids or an embedding.
const TOKENS: usize = 8;

/// Refuses a key that a case-insensitive reader would take for a known one.
fn known_keys<'a>(
    fields: &Map<String, Value>,
    at: &At,
    known: impl IntoIterator<Item = &'a str>,
) -> Result<(), ReadError> {
    let known: Vec<&str> = known.into_iter().collect();
    for name in fields.keys() {
        let folded = fold(name);
        if folded != *name && known.contains(&folded.as_str()) {
            return Err(at.field(name).problem(&format!("is spelled `{folded}`")));
        }
    }
    Ok(())
}

/// The items of a list that must not be empty.
pub(super) fn items<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], ReadError> {
    let at = At::default().field(name);
    match fields.get(name) {
        None => Err(at.problem("is required")),
        Some(Value::Array(items)) if items.is_empty() => Err(at.problem("must not be empty")),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(at.problem("must be an array")),
    }
}

/// The model asked for.
pub(super) fn model(fields: &Map<String, Value>) -> Result<String, ReadError> {
    let at = At::default().field("model");
    match fields.get("model") {
        None | Some(Value::Null) => Err(at.problem("is required")),
        Some(Value::String(text)) if !text.is_empty() && text.len() <= 256 => Ok(text.clone()),
        Some(_) => Err(at.problem("must be a string of 1 to 256 bytes")),
    }
}

/// A setting that is true or false.
pub(super) fn flag(fields: &Map<String, Value>, name: &str, otherwise: bool) -> Result<bool, ReadError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(otherwise),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(At::default().field(name).problem("must be true or false")),
    }
}

/// Every string and every key of a document that is no request.
pub(super) fn texts(document: &Value) -> Vec<Part> {
    let bounds = Bounds { fields: FieldPolicy::Scan, choices: 1, parts: usize::MAX };
    let mut reader = Reader::new(&bounds);
    reader.free(document, &At::default(), Provenance::Assistant, Kind::Detail);
    reader.parts
}

/// The model that a request for its description names, by `model` or, as older clients do, by `name`.
///
/// # Errors
/// The body is not strict JSON, or names none.
pub fn named_model(body: &[u8]) -> Result<String, ReadError> {
    let mut fields = Reader::object(body)?;
    known_keys(&fields, &At::default(), ["model", "name"])?;
    if !fields.contains_key("model")
        && let Some(name) = fields.shift_remove("name")
    {
        fields.insert("model".to_owned(), name);
    }
    model(&fields)
}
