//! Ollama's completion of a prompt: `POST /api/generate`, answered in lines of JSON.

use policies::Provenance;
use serde_json::{Value, json};

use super::{
    Answers, Bounds, Dialect, Family, Head, Listener, ReadError, Reading, Request, Stream, Told, Wire,
    ollama_chat::{Lines, Reads, images, whole},
    reader::{self, At, Is, Reader, Table},
    set, translate,
};
use crate::{
    segment::Kind,
    upstream::{Finish, UpstreamError, Usage},
};

/// The format.
pub(super) struct OllamaGenerate;

const USER: Is = Is::Text(Provenance::User, Kind::Detail);
const SYSTEM: Is = Is::Text(Provenance::System, Kind::Turn);
const PROMPT: Is = Is::Text(Provenance::User, Kind::Turn);
const TOP: Table = &[
    ("model", USER),
    ("prompt", PROMPT),
    ("suffix", PROMPT),
    ("system", SYSTEM),
    ("template", SYSTEM),
    ("images", Is::Own),
    ("format", Is::Text(Provenance::System, Kind::Detail)),
    ("options", USER),
    ("context", Is::Unreadable("unreadable.tokens", "an earlier context in token ids cannot be read")),
    ("stream", Is::Flag),
    ("raw", Is::Flag),
    ("think", USER),
    ("keep_alive", USER),
    ("logprobs", Is::Dropped),
    ("top_logprobs", Is::Dropped),
    ("truncate", Is::Flag),
    ("shift", Is::Flag),
];

impl Dialect for OllamaGenerate {
    fn name(&self) -> &'static str {
        "ollama-generate"
    }

    fn path(&self) -> &'static str {
        "/api/generate"
    }

    fn family(&self) -> Family {
        Family::Ollama
    }

    fn read(&self, body: &[u8], bounds: &Bounds) -> Result<Reading, ReadError> {
        let mut fields = Reader::object(body)?;
        let (mut reader, top) = (Reader::new(bounds), At::default());
        let model = reader::model(&fields)?;
        let stream = reader::flag(&fields, "stream", true)?;
        for name in ["prompt", "suffix", "system", "template"] {
            if fields.get(name).is_some_and(|value| !value.is_null() && !value.is_string()) {
                return Err(top.field(name).problem("must be a string"));
            }
        }
        images(&mut reader, &fields, &top, Provenance::User);
        reader.fields(&mut fields, &top, TOP)?;
        reader.together();
        reader.check_count()?;
        let (body, parts) = (Value::Object(fields), reader.parts);
        let request = Request { model, stream, include_usage: true, choices: 1, body, parts };
        Ok(Reading { request, notes: reader.notes })
    }
}

impl Answers for OllamaGenerate {
    fn to_chat(&self, body: &Value) -> Result<Value, UpstreamError> {
        for name in ["suffix", "template", "context", "images", "raw"] {
            let given = |value: &Value| !value.is_null() && *value != false && *value != "" && *value != json!([]);
            if body.get(name).is_some_and(given) {
                return Err(UpstreamError::Unfit(format!("this upstream takes chats only, which have no `{name}`")));
            }
        }
        let text = |name: &str| body.get(name).filter(|text| text.as_str().is_some_and(|text| !text.is_empty()));
        let system = text("system").map(|text| json!({"role": "system", "content": text}));
        let prompt = text("prompt").ok_or_else(|| UpstreamError::Unfit("`prompt` is empty".to_owned()))?;
        let mut chat = body.clone();
        set(&mut chat, "messages", system.into_iter().chain([json!({"role": "user", "content": prompt})]).collect());
        translate::chat_of_ollama(&chat)
    }

    fn wire(&self) -> Option<&'static dyn Wire> {
        Some(&OllamaGenerate)
    }

    fn stream(&self, head: Head) -> Box<dyn Stream> {
        Box::new(Lines { head, shape: said, reason: Finish::Stop })
    }

    fn whole(&self, head: &Head, told: &Told, usage: Usage) -> Value {
        whole(head, told, usage, said)
    }
}

fn said(text: &str, thinking: &str, _: Vec<Value>) -> (&'static str, Value, Option<(&'static str, Value)>) {
    ("response", json!(text), (!thinking.is_empty()).then(|| ("thinking", json!(thinking))))
}

impl Wire for OllamaGenerate {
    fn path(&self) -> &'static str {
        Dialect::path(self)
    }

    fn family(&self) -> Family {
        Family::Ollama
    }

    fn of_chat(&self, _: &Value) -> Result<Value, UpstreamError> {
        Err(UpstreamError::Unfit("a chat cannot be asked for as a completion".to_owned()))
    }

    fn reader(&self) -> Box<dyn Listener> {
        Box::new(Reads { calls: 0, thinking: ("", "thinking"), content: ("", "response") })
    }
}
