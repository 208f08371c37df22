//! Ollama's embeddings: `POST /api/embed`.

use policies::Provenance;
use serde_json::{Value, json};

use super::{
    Bounds, Dialect, Family, ReadError, Reading, Request, Vectors,
    openai_embeddings::{common, inputs, rows},
    reader::{self, At, Is, Reader, Table},
};
use crate::{
    segment::Kind,
    upstream::{UpstreamError, Usage},
};

/// The format.
pub(super) struct OllamaEmbed;

const USER: Is = Is::Text(Provenance::User, Kind::Detail);
const TOP: Table = &[
    ("model", USER),
    ("input", Is::Own),
    ("truncate", Is::Flag),
    ("dimensions", Is::Number),
    ("options", USER),
    ("keep_alive", USER),
];

impl Dialect for OllamaEmbed {
    fn name(&self) -> &'static str {
        "ollama-embed"
    }

    fn path(&self) -> &'static str {
        "/api/embed"
    }

    fn family(&self) -> Family {
        Family::Ollama
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

impl Vectors for OllamaEmbed {
    fn vectors(&self, model: &str, _: &Value, vectors: &[Vec<f64>], usage: Usage) -> Value {
        json!({
            "model": model,
            "embeddings": vectors,
            "total_duration": 0,
            "load_duration": 0,
            "prompt_eval_count": usage.prompt,
        })
    }

    fn read_vectors(&self, answer: &Value) -> Result<(Vec<Vec<f64>>, Usage), UpstreamError> {
        let vectors = rows(answer.get("embeddings").and_then(Value::as_array).into_iter().flatten())?;
        let prompt = answer.get("prompt_eval_count").and_then(Value::as_u64).unwrap_or_default();
        Ok((vectors, Usage { prompt, completion: 0 }))
    }

    fn ask(&self, body: &Value, native: bool) -> Value {
        if native { body.clone() } else { common(body) }
    }
}
