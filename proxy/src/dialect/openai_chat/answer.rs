//! Writing an answer. Text is taken from nothing but [`Cleared`] pieces and [`Refusal`]s.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{event::LEGACY, refusal};
use crate::{
    enforce::{Cleared, Passed, Refusal},
    hold::Place,
    upstream::{Finish, Lane, Usage},
};

/// What every chunk of an answer repeats.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The answer's id.
    pub id: String,
    /// When it was begun, in seconds since the Unix epoch.
    pub created: u64,
    /// The model the client asked for.
    pub model: String,
    /// Whether a streamed answer ends with its usage.
    pub include_usage: bool,
}

impl Writer {
    /// A chunk with a piece of an answer; the first one of an answer names the role.
    pub fn piece(&self, place: &Place, cleared: &Cleared<Passed>, first: bool) -> Option<Bytes> {
        let mut delta = Map::new();
        if first {
            delta.insert("role".to_owned(), json!("assistant"));
        }
        let (name, value) = field(place, &cleared.get().texts);
        let empty = value.as_str().is_some_and(str::is_empty);
        if !empty {
            let value = if let (Value::Object(mut call), Lane::Tool(index)) = (value.clone(), place.lane)
                && index != LEGACY
            {
                call.insert("index".to_owned(), json!(index));
                json!([call])
            } else {
                value
            };
            delta.insert(name.to_owned(), value);
        }
        (!delta.is_empty()).then(|| self.chunk(&json!([choice(place.choice, &Value::Object(delta), None)])))
    }

    /// The chunk that ends an answer.
    pub fn finished(&self, index: u32, reason: Finish) -> Bytes {
        self.chunk(&json!([choice(index, &json!({}), Some(reason))]))
    }

    /// The chunks that refuse an answer: the refusal's text, then, apart from it, the end.
    pub fn refused(&self, index: u32, refusal: &Refusal, first: bool) -> Bytes {
        let mut delta = Map::new();
        if first {
            delta.insert("role".to_owned(), json!("assistant"));
        }
        delta.insert("content".to_owned(), json!(refusal::message(refusal)));
        let said = self.chunk(&json!([choice(index, &Value::Object(delta), None)]));
        let mut end = choice(index, &json!({}), Some(Finish::ContentFilter));
        put(&mut end, "content_filter_results", refusal::results(refusal));
        [said, self.chunk(&json!([end]))].concat().into()
    }

    /// The end of a stream, with its usage if the client asked for it.
    pub fn end(&self, usage: Option<Usage>) -> Bytes {
        let usage = if self.include_usage {
            let mut chunk = self.envelope("chat.completion.chunk", &json!([]));
            put(&mut chunk, "usage", usage_value(usage));
            event(&chunk)
        } else {
            Bytes::new()
        };
        [usage, Bytes::from_static(b"data: [DONE]\n\n")].concat().into()
    }

    /// The frame that says that a stream breaks off; nothing follows it.
    pub fn broken(error: &Value) -> Bytes {
        event(error)
    }

    /// A comment, which clients pass over.
    pub fn quiet() -> Bytes {
        Bytes::from_static(b": held\n\n")
    }

    fn chunk(&self, choices: &Value) -> Bytes {
        event(&self.envelope("chat.completion.chunk", choices))
    }

    fn envelope(&self, object: &str, choices: &Value) -> Value {
        json!({"id": self.id, "object": object, "created": self.created, "model": self.model, "choices": choices})
    }
}

/// An answer that is not streamed, as it grows.
#[derive(Debug)]
pub struct Whole {
    choices: Vec<Choice>,
}

#[derive(Debug, Default)]
struct Choice {
    message: Map<String, Value>,
    reason: Option<Finish>,
    refused: Option<Value>,
}

impl Whole {
    /// An empty answer with `count` choices.
    pub fn new(count: u32) -> Self {
        Self { choices: (0..count).map(|_| Choice::default()).collect() }
    }

    /// Adds a piece.
    pub fn piece(&mut self, place: &Place, cleared: &Cleared<Passed>) {
        let (name, value) = field(place, &cleared.get().texts);
        let Some(choice) = self.choice(place.choice) else { return };
        match (choice.message.get_mut(name), value) {
            (Some(Value::String(known)), Value::String(more)) => known.push_str(&more),
            (Some(Value::Array(calls)), call @ Value::Object(_)) => calls.push(call),
            (_, call @ Value::Object(_)) if name == "tool_calls" => {
                choice.message.insert(name.to_owned(), json!([call]));
            }
            (_, value) => {
                choice.message.insert(name.to_owned(), value);
            }
        }
    }

    /// Ends a choice.
    pub fn finished(&mut self, index: u32, reason: Finish) {
        if let Some(choice) = self.choice(index) {
            choice.reason = Some(reason);
        }
    }

    /// Replaces a choice by its refusal; what was said before it is withdrawn.
    pub fn refused(&mut self, index: u32, refusal: &Refusal) {
        if let Some(choice) = self.choice(index) {
            choice.message = Map::from_iter([("content".to_owned(), json!(refusal::message(refusal)))]);
            choice.reason = Some(Finish::ContentFilter);
            choice.refused = Some(refusal::results(refusal));
        }
    }

    /// The document.
    pub fn body(self, writer: &Writer, usage: Option<Usage>) -> Value {
        let choices = self.choices.into_iter().zip(0..).map(|(choice, index): (Choice, u32)| {
            let mut message =
                Map::from_iter([("role".to_owned(), json!("assistant")), ("content".to_owned(), Value::Null)]);
            message.extend(choice.message);
            let reason = choice.reason.unwrap_or(Finish::Stop).as_str();
            let mut value = json!({"index": index, "message": message, "logprobs": null, "finish_reason": reason});
            if let Some(results) = choice.refused {
                put(&mut value, "content_filter_results", results);
            }
            value
        });
        let mut body = writer.envelope("chat.completion", &Value::Array(choices.collect()));
        put(&mut body, "usage", usage_value(usage));
        body
    }

    fn choice(&mut self, index: u32) -> Option<&mut Choice> {
        usize::try_from(index).ok().and_then(|index| self.choices.get_mut(index))
    }
}

/// The field of a message that a piece belongs to, and its value there.
fn field(place: &Place, texts: &[String]) -> (&'static str, Value) {
    let text = |index: usize| texts.get(index).cloned().unwrap_or_default();
    match place.lane {
        Lane::Content => ("content", json!(text(0))),
        Lane::Reasoning => ("reasoning_content", json!(text(0))),
        Lane::Refusal => ("refusal", json!(text(0))),
        Lane::Tool(LEGACY) => ("function_call", json!({"name": text(0), "arguments": text(1)})),
        Lane::Tool(index) => {
            let id = place.id.clone().unwrap_or_else(|| format!("call_{}_{index}", place.choice));
            let function = json!({"name": text(0), "arguments": text(1)});
            ("tool_calls", json!({"id": id, "type": "function", "function": function}))
        }
    }
}

fn choice(index: u32, delta: &Value, reason: Option<Finish>) -> Value {
    json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": reason.map(Finish::as_str)})
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.insert(name.to_owned(), value);
    }
}

fn usage_value(usage: Option<Usage>) -> Value {
    let usage = usage.unwrap_or_default();
    json!({"prompt_tokens": usage.prompt, "completion_tokens": usage.completion, "total_tokens": usage.prompt + usage.completion})
}

fn event(value: &Value) -> Bytes {
    format!("data: {value}\n\n").into()
}
