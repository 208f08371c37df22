//! OpenAI embeddings: `POST /v1/embeddings`. The inputs are judged; what comes back is numbers and nothing else.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use policies::Provenance;
use serde_json::{Map, Value, json};

use super::{
    Bounds, Dialect, Family, ReadError, Reading, Request, Vectors,
    openai_chat::usage_of,
    reader::{self, At, Is, Reader, Table},
    set,
};
use crate::{
    segment::Kind,
    upstream::{UpstreamError, Usage},
};

/// The format.
pub(super) struct OpenAiEmbeddings;

const USER: Is = Is::Text(Provenance::User, Kind::Detail);
const TOP: Table = &[
    ("model", USER),
    ("input", Is::Own),
    ("encoding_format", Is::Word(&["float", "base64"])),
    ("dimensions", Is::Number),
    ("user", USER),
];

impl Dialect for OpenAiEmbeddings {
    fn name(&self) -> &'static str {
        "openai-embeddings"
    }

    fn path(&self) -> &'static str {
        "/v1/embeddings"
    }

    fn family(&self) -> Family {
        Family::OpenAi
    }

    fn read(&self, body: &[u8], bounds: &Bounds) -> Result<Reading, ReadError> {
        let mut fields = Reader::object(body)?;
        let mut reader = Reader::new(bounds);
        let model = reader::model(&fields)?;
        inputs(&mut reader, &fields)?;
        reader.fields(&mut fields, &At::default(), TOP)?;
        reader.check_count()?;
        let (body, parts) = (Value::Object(fields), reader.parts);
        let request = Request { model, stream: false, include_usage: true, choices: 0, body, parts };
        Ok(Reading { request, notes: reader.notes })
    }
}

/// Reads `input`: a string or a list of strings; token ids are noted as unreadable.
pub(super) fn inputs(reader: &mut Reader<'_>, fields: &Map<String, Value>) -> Result<(), ReadError> {
    let at = At::default().field("input");
    match fields.get("input") {
        None | Some(Value::Null) => Err(at.problem("is required")),
        Some(Value::String(text)) => {
            reader.text(text, &at, Provenance::User, Kind::Turn);
            Ok(())
        }
        Some(Value::Array(items)) if items.is_empty() => Err(at.problem("must not be empty")),
        Some(Value::Array(items)) => {
            let mut tokens = None;
            for (index, item) in items.iter().enumerate() {
                let at = at.item(index);
                match item {
                    Value::String(text) => reader.text(text, &at, Provenance::User, Kind::Turn),
                    Value::Number(_) | Value::Array(_) => {
                        tokens.get_or_insert_with(|| at.clone());
                        reader.free(item, &at, Provenance::User, Kind::Detail);
                    }
                    _ => return Err(at.problem("must be a string")),
                }
            }
            if let Some(at) = tokens {
                let message = "an input of token ids cannot be read";
                reader.unreadable("unreadable.tokens", message, &at, Provenance::User);
            }
            Ok(())
        }
        Some(_) => Err(at.problem("must be a string or an array of strings")),
    }
}

impl Vectors for OpenAiEmbeddings {
    fn vectors(&self, model: &str, asked: &Value, vectors: &[Vec<f64>], usage: Usage) -> Value {
        let packed = asked.get("encoding_format").is_some_and(|format| format == "base64");
        let data = vectors.iter().zip(0_u32..).map(|(vector, index)| {
            let embedding = if packed { json!(STANDARD.encode(bytes(vector))) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        });
        let usage = json!({"prompt_tokens": usage.prompt, "total_tokens": usage.prompt});
        json!({"object": "list", "data": data.collect::<Value>(), "model": model, "usage": usage})
    }

    fn read_vectors(&self, answer: &Value) -> Result<(Vec<Vec<f64>>, Usage), UpstreamError> {
        let data = answer.get("data").and_then(Value::as_array).into_iter().flatten();
        let vectors = rows(data.map(|item| item.get("embedding").unwrap_or(&Value::Null)))?;
        Ok((vectors, answer.get("usage").and_then(usage_of).unwrap_or_default()))
    }

    /// Numbers are asked for whatever the client wants them packed in: packed ones could be anything.
    fn ask(&self, body: &Value, native: bool) -> Value {
        let mut asked = if native { body.clone() } else { common(body) };
        set(&mut asked, "encoding_format", json!("float"));
        asked
    }
}

/// The fields that all formats of embeddings have; the oldest calls its only input `prompt`.
pub(super) fn common(body: &Value) -> Value {
    let field = |(name, theirs): (&str, &str)| Some((name.to_owned(), body.get(theirs)?.clone()));
    let fields = [("model", "model"), ("input", "prompt"), ("input", "input"), ("dimensions", "dimensions")];
    Value::Object(fields.into_iter().filter_map(field).collect())
}

/// Little-endian 32-bit floats, as the format packs them.
#[expect(clippy::cast_possible_truncation, reason = "the format's precision")]
fn bytes(vector: &[f64]) -> Vec<u8> {
    vector.iter().flat_map(|number| (*number as f32).to_le_bytes()).collect()
}

/// Lists of numbers.
pub(super) fn rows<'a>(lists: impl Iterator<Item = &'a Value>) -> Result<Vec<Vec<f64>>, UpstreamError> {
    let unreadable = || UpstreamError::Unreadable("an embedding is not a list of numbers".to_owned());
    let row = |list: &Value| -> Result<Vec<f64>, UpstreamError> {
        let list = list.as_array().ok_or_else(unreadable)?;
        list.iter().map(|number| number.as_f64().ok_or_else(unreadable)).collect()
    };
    lists.map(row).collect()
}
