//! Ollama's older embeddings: `POST /api/embeddings`, one prompt and one vector.

use policies::Provenance;
use serde_json::{Value, json};

use super::{
    Bounds, Dialect, Family, ReadError, Reading, Request, Vectors,
    openai_embeddings::{common, rows},
    reader::{self, At, Is, Reader, Table},
};
use crate::{
    segment::Kind,
    upstream::{UpstreamError, Usage},
};

/// The format.
pub(super) struct OllamaEmbeddings;

const USER: Is = Is::Text(Provenance::User, Kind::Detail);
const TOP: Table = &[("model", USER), ("prompt", Is::Own), ("options", USER), ("keep_alive", USER)];

impl Dialect for OllamaEmbeddings {
    fn name(&self) -> &'static str {
        "ollama-embeddings"
    }

    fn path(&self) -> &'static str {
        "/api/embeddings"
    }

    fn family(&self) -> Family {
        Family::Ollama
    }

    fn read(&self, body: &[u8], bounds: &Bounds) -> Result<Reading, ReadError> {
        let mut fields = Reader::object(body)?;
        let mut reader = Reader::new(bounds);
        let model = reader::model(&fields)?;
        let at = At::default().field("prompt");
        match fields.get("prompt") {
            Some(Value::String(text)) => reader.text(text, &at, Provenance::User, Kind::Turn),
            None | Some(Value::Null) => return Err(at.problem("is required")),
            Some(_) => return Err(at.problem("must be a string")),
        }
        reader.fields(&mut fields, &At::default(), TOP)?;
        reader.check_count()?;
        let (body, parts) = (Value::Object(fields), reader.parts);
        let request = Request { model, stream: false, include_usage: true, choices: 0, body, parts };
        Ok(Reading { request, notes: reader.notes })
    }
}

impl Vectors for OllamaEmbeddings {
    fn vectors(&self, _: &str, _: &Value, vectors: &[Vec<f64>], _: Usage) -> Value {
        json!({ "embedding": vectors.first() })
    }

    fn read_vectors(&self, answer: &Value) -> Result<(Vec<Vec<f64>>, Usage), UpstreamError> {
        Ok((rows(answer.get("embedding").into_iter())?, Usage::default()))
    }

    fn ask(&self, body: &Value, native: bool) -> Value {
        // Whoever speaks this speaks the newer format, in which other clients' inputs are asked for.
        if native { body.clone() } else { common(body) }
    }
}
