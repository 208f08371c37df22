//! OpenAI chat completions: `POST /v1/chat/completions`. What llama.cpp, vLLM, LM Studio and Ollama's `/v1` speak.

use bytes::Bytes;
use policies::Provenance;
use serde_json::{Map, Value, json};

use super::{
    Answers, Bounds, Dialect, Family, Head, Heard, Listener, Problem, ReadError, Reading, Request, Stream, Told, Wire,
    event,
    reader::{self, At, Block, Is, Reader, Table},
    refusal, set,
    told::{Call, Choice},
};
use crate::{
    enforce::{Cleared, Passed, Refusal},
    hold::Place,
    json,
    segment::Kind,
    upstream::{Event, Finish, Lane, UpstreamError, Usage},
};

/// The format.
pub(super) struct OpenAiChat;

const USER: Is = Is::Text(Provenance::User, Kind::Detail);
const SYSTEM: Is = Is::Text(Provenance::System, Kind::Detail);
const CALLS: Is = Is::Text(Provenance::Assistant, Kind::Detail);
const THOUGHT: Is = Is::Text(Provenance::Assistant, Kind::Turn);

const TOP: Table = &[
    ("model", USER),
    ("messages", Is::Own),
    ("stream", Is::Flag),
    ("stream_options", Is::Own),
    ("n", Is::Own),
    ("max_tokens", Is::Number),
    ("max_completion_tokens", Is::Number),
    ("temperature", Is::Number),
    ("top_p", Is::Number),
    ("presence_penalty", Is::Number),
    ("frequency_penalty", Is::Number),
    ("seed", Is::Number),
    ("stop", USER),
    ("logit_bias", USER),
    // Log-probabilities spell out tokens that may be withheld, so they are not asked for.
    ("logprobs", Is::Dropped),
    ("top_logprobs", Is::Dropped),
    ("user", USER),
    ("tools", SYSTEM),
    ("tool_choice", SYSTEM),
    ("parallel_tool_calls", Is::Flag),
    ("response_format", SYSTEM),
    ("functions", SYSTEM),
    ("function_call", SYSTEM),
    ("metadata", USER),
    ("prediction", USER),
    ("store", Is::Flag),
    ("service_tier", USER),
    ("reasoning_effort", USER),
    ("modalities", Is::Own),
    ("audio", Is::Unreadable("unreadable.audio", "spoken answers cannot be read")),
    ("safety_identifier", USER),
    ("prompt_cache_key", USER),
    ("verbosity", USER),
    ("web_search_options", SYSTEM),
];
const STREAM_OPTIONS: Table = &[("include_usage", Is::Flag), ("include_obfuscation", Is::Flag)];
const ROLES: &[&str] = &["system", "developer", "user", "assistant", "tool", "function"];
const MESSAGE: Table = &[
    ("role", Is::Own),
    ("content", Is::Own),
    ("name", Is::Own),
    ("tool_call_id", Is::Own),
    ("tool_calls", CALLS),
    ("function_call", CALLS),
    ("refusal", THOUGHT),
    ("reasoning_content", THOUGHT),
    ("reasoning", THOUGHT),
    ("audio", Is::Unreadable("unreadable.audio", "audio cannot be read")),
];
const BLOCKS: &[(&str, Block)] = &[
    ("text", Block::Text("text")),
    ("refusal", Block::Text("refusal")),
    ("image_url", Block::Unreadable("unreadable.image", "an image cannot be read")),
    ("image", Block::Unreadable("unreadable.image", "an image cannot be read")),
    ("input_audio", Block::Unreadable("unreadable.audio", "audio cannot be read")),
    ("audio", Block::Unreadable("unreadable.audio", "audio cannot be read")),
    ("file", Block::Unreadable("unreadable.file", "a file cannot be read")),
];

impl Dialect for OpenAiChat {
    fn name(&self) -> &'static str {
        "openai-chat"
    }

    fn path(&self) -> &'static str {
        "/v1/chat/completions"
    }

    fn family(&self) -> Family {
        Family::OpenAi
    }

    fn read(&self, body: &[u8], bounds: &Bounds) -> Result<Reading, ReadError> {
        let mut fields = Reader::object(body)?;
        let (mut reader, top) = (Reader::new(bounds), At::default());
        let model = reader::model(&fields)?;
        let stream = reader::flag(&fields, "stream", false)?;
        let choices = reader.choices(&fields, "n")?;
        messages(&mut reader, &fields)?;
        reader.fields(&mut fields, &top, TOP)?;
        if let Some(kinds) = fields.get("modalities").filter(|kinds| !kinds.is_null()) {
            let at = top.field("modalities");
            if kinds.as_array().is_none_or(|kinds| kinds.iter().any(|kind| kind != "text")) {
                reader.unreadable("unreadable.audio", "only answers in text can be read", &at, Provenance::User);
            }
            reader.free(kinds, &at, Provenance::User, Kind::Detail);
        }
        let include_usage = usage_wanted(&mut reader, &fields)?;
        reader.together();
        reader.check_count()?;
        if stream {
            // Usage is counted whatever the client wants to see of it.
            fields.insert("stream_options".to_owned(), json!({ "include_usage": true }));
        }
        let choices = u32::try_from(choices).unwrap_or(1);
        let (body, parts) = (Value::Object(fields), reader.parts);
        let request = Request { model, stream, include_usage, choices, body, parts };
        Ok(Reading { request, notes: reader.notes })
    }
}

/// Whether a streamed answer is to end with its usage.
pub(super) fn usage_wanted(reader: &mut Reader<'_>, fields: &Map<String, Value>) -> Result<bool, ReadError> {
    let at = At::default().field("stream_options");
    match fields.get("stream_options") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Object(options)) => {
            reader.read_fields(options, &at, STREAM_OPTIONS)?;
            Ok(options.get("include_usage").and_then(Value::as_bool).unwrap_or(false))
        }
        Some(_) => Err(at.problem("must be an object")),
    }
}

fn messages(reader: &mut Reader<'_>, fields: &Map<String, Value>) -> Result<(), ReadError> {
    let is_asking = |message: &Value| message.get("role").is_some_and(|role| role == "user");
    reader.messages(reader::items(fields, "messages")?, is_asking, message, &At::default().field("messages"))
}

fn message(reader: &mut Reader<'_>, message: &Value, at: &At) -> Result<(), ReadError> {
    let message = message.as_object().ok_or_else(|| at.problem("must be an object"))?;
    let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
    let by = match ROLES.iter().find(|known| **known == role) {
        Some(&"system" | &"developer") => Provenance::System,
        Some(&"user") => Provenance::User,
        Some(&"assistant") => Provenance::Assistant,
        Some(_) => Provenance::Tool,
        None => return Err(at.field("role").problem(&format!("must be one of {}", ROLES.join(", ")))),
    };
    if let Some(value) = message.get("content") {
        content(reader, value, &at.field("content"), by, BLOCKS)?;
    }
    for name in ["name", "tool_call_id"] {
        if let Some(value) = message.get(name) {
            reader.free(value, &at.field(name), by, Kind::Detail);
        }
    }
    reader.read_fields(message, at, MESSAGE)
}

/// What is said in a message: a string, nothing, or parts.
pub(super) fn content(
    reader: &mut Reader<'_>,
    value: &Value,
    at: &At,
    by: Provenance,
    blocks: &[(&str, Block)],
) -> Result<(), ReadError> {
    match value {
        Value::Null => Ok(()),
        Value::String(text) => {
            reader.text(text, at, by, Kind::Turn);
            Ok(())
        }
        Value::Array(parts) => {
            let mut texts = Vec::new();
            for (index, part) in parts.iter().enumerate() {
                texts.extend(reader.block(part, &at.item(index), by, blocks)?);
            }
            reader.joined(&texts, at, by);
            Ok(())
        }
        _ => Err(at.problem("must be a string, null or an array of parts")),
    }
}

impl Answers for OpenAiChat {
    fn to_chat(&self, body: &Value) -> Result<Value, UpstreamError> {
        Ok(body.clone())
    }

    fn wire(&self) -> Option<&'static dyn Wire> {
        Some(&OpenAiChat)
    }

    fn stream(&self, head: Head) -> Box<dyn Stream> {
        Box::new(Chunks { head, begun: Vec::new() })
    }

    fn whole(&self, head: &Head, told: &Told, usage: Usage) -> Value {
        let choices = told.choices().map(|(index, choice)| {
            let reason = choice.reason().as_str();
            let mut value =
                json!({"index": index, "message": spoken(choice), "logprobs": null, "finish_reason": reason});
            if let Some(results) = &choice.refused {
                set(&mut value, "content_filter_results", results.clone());
            }
            value
        });
        let mut body = envelope(head, "chat.completion", &choices.collect::<Value>());
        set(&mut body, "usage", usage_value(usage));
        body
    }
}

/// An answer as a message.
fn spoken(choice: &Choice) -> Value {
    let text = |text: &String| if text.is_empty() { Value::Null } else { json!(text) };
    let mut message = json!({"role": "assistant", "content": text(&choice.content)});
    for (name, said) in [("reasoning_content", &choice.reasoning), ("refusal", &choice.refusal)] {
        if !said.is_empty() {
            set(&mut message, name, json!(said));
        }
    }
    if !choice.calls.is_empty() {
        set(&mut message, "tool_calls", choice.calls.iter().map(call_value).collect());
    }
    if let Some(call) = &choice.function {
        set(&mut message, "function_call", json!({"name": call.name, "arguments": call.arguments}));
    }
    message
}

fn call_value(call: &Call) -> Value {
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}})
}

/// A streamed answer.
struct Chunks {
    head: Head,
    /// The answers that have begun.
    begun: Vec<u32>,
}

impl Chunks {
    fn delta(&mut self, choice: u32) -> Map<String, Value> {
        let mut delta = Map::new();
        if !self.begun.contains(&choice) {
            self.begun.push(choice);
            delta.insert("role".to_owned(), json!("assistant"));
        }
        delta
    }

    fn chunk(&self, choices: &Value) -> String {
        event(&envelope(&self.head, "chat.completion.chunk", choices))
    }

    fn said(&self, choice: u32, delta: &Map<String, Value>) -> String {
        self.chunk(&json!([choice_value(choice, &json!(delta), None)]))
    }
}

impl Stream for Chunks {
    fn piece(&mut self, place: &Place, cleared: &Cleared<Passed>) -> Bytes {
        let mut delta = self.delta(place.choice);
        let text = cleared.get().texts.first().map_or("", String::as_str);
        let name = match place.lane {
            Lane::Content => "content",
            Lane::Reasoning => "reasoning_content",
            Lane::Refusal => "refusal",
            Lane::Tool(index) => {
                let mut call = call_value(&Call::of(place, cleared));
                set(&mut call, "index", json!(index));
                delta.insert("tool_calls".to_owned(), json!([call]));
                return self.said(place.choice, &delta).into();
            }
            Lane::Function => {
                let call = Call::of(place, cleared);
                let call = json!({"name": call.name, "arguments": call.arguments});
                delta.insert("function_call".to_owned(), call);
                return self.said(place.choice, &delta).into();
            }
        };
        if !text.is_empty() {
            delta.insert(name.to_owned(), json!(text));
        }
        if delta.is_empty() { Bytes::new() } else { self.said(place.choice, &delta).into() }
    }

    fn refused(&mut self, choice: u32, refusal: &Refusal) -> Bytes {
        let mut delta = self.delta(choice);
        delta.insert("content".to_owned(), json!(refusal::message(refusal)));
        let mut end = choice_value(choice, &json!({}), Some(Finish::ContentFilter));
        set(&mut end, "content_filter_results", refusal::results(refusal));
        [self.said(choice, &delta), self.chunk(&json!([end]))].concat().into()
    }

    fn finished(&mut self, choice: u32, reason: Finish) -> Bytes {
        self.chunk(&json!([choice_value(choice, &json!({}), Some(reason))])).into()
    }

    fn end(&mut self, usage: Usage) -> Bytes {
        let mut end = String::new();
        if self.head.include_usage {
            let mut chunk = envelope(&self.head, "chat.completion.chunk", &json!([]));
            set(&mut chunk, "usage", usage_value(usage));
            end.push_str(&event(&chunk));
        }
        end.push_str("data: [DONE]\n\n");
        end.into()
    }

    fn broken(&mut self, problem: &Problem) -> Bytes {
        event(&Family::OpenAi.error(problem)).into()
    }

    fn quiet(&mut self) -> Bytes {
        Bytes::from_static(b": held\n\n")
    }
}

fn envelope(head: &Head, object: &str, choices: &Value) -> Value {
    let id = format!("chatcmpl-{}", head.id.simple());
    json!({"id": id, "object": object, "created": head.at.seconds(), "model": head.model, "choices": choices})
}

fn choice_value(index: u32, delta: &Value, reason: Option<Finish>) -> Value {
    json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": reason.map(Finish::as_str)})
}

/// Usage as OpenAI counts it.
pub(super) fn usage_value(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt.saturating_add(usage.completion),
    })
}

impl Wire for OpenAiChat {
    fn path(&self) -> &'static str {
        Dialect::path(self)
    }

    fn family(&self) -> Family {
        Family::OpenAi
    }

    fn of_chat(&self, chat: &Value) -> Result<Value, UpstreamError> {
        Ok(chat.clone())
    }

    fn reader(&self) -> Box<dyn Listener> {
        Box::new(Reads)
    }
}

/// The most answers and tool calls an upstream may number.
const MOST: u64 = 128;

/// Reads chunks and whole answers alike.
struct Reads;

impl Listener for Reads {
    fn hear(&mut self, document: &[u8]) -> Result<Heard, UpstreamError> {
        if document == b"[DONE]" {
            return Ok(Heard { events: Vec::new(), ended: true });
        }
        let chunk = parsed(document)?;
        let mut events = Vec::new();
        let choices = chunk.get("choices").and_then(Value::as_array);
        let usage = chunk.get("usage").and_then(usage_of);
        if choices.is_none() && usage.is_none() {
            return Err(UpstreamError::Unreadable("it has neither `choices` nor `usage`".to_owned()));
        }
        for choice in choices.into_iter().flatten() {
            read_choice(choice, &mut events)?;
        }
        events.extend(usage.map(Event::Usage));
        Ok(Heard { events, ended: false })
    }
}

/// A document of an answer that is no error report.
pub(super) fn parsed(document: &[u8]) -> Result<Value, UpstreamError> {
    let value = json::parse(document).map_err(|error| UpstreamError::Unreadable(error.to_string()))?;
    if value.get("error").is_some_and(|error| !error.is_null()) {
        return Err(UpstreamError::Reported);
    }
    Ok(value)
}

/// Usage as OpenAI tells it.
pub(super) fn usage_of(usage: &Value) -> Option<Usage> {
    let count = |name| usage.get(name).and_then(Value::as_u64).unwrap_or_default();
    usage.is_object().then(|| Usage { prompt: count("prompt_tokens"), completion: count("completion_tokens") })
}

fn read_choice(choice: &Value, events: &mut Vec<Event>) -> Result<(), UpstreamError> {
    let index = number(choice, "index", 0)?;
    let said = choice.get("delta").or_else(|| choice.get("message")).unwrap_or(&Value::Null);
    let lanes = [
        ("reasoning_content", Lane::Reasoning),
        ("reasoning", Lane::Reasoning),
        ("content", Lane::Content),
        ("refusal", Lane::Refusal),
    ];
    for (name, lane) in lanes {
        events.extend(said_text(said, name)?.map(|text| Event::Text { choice: index, lane, text }));
    }
    // A whole answer's calls have no index but their place.
    for (call, place) in said.get("tool_calls").and_then(Value::as_array).into_iter().flatten().zip(0..) {
        let id = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned);
        events.push(tool_call(index, Lane::Tool(number(call, "index", place)?), id, call.get("function")));
    }
    if let Some(call) = said.get("function_call").filter(|call| call.is_object()) {
        events.push(tool_call(index, Lane::Function, None, Some(call)));
    }
    if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
        events.push(Event::Finish { choice: index, reason: Finish::read(reason) });
    }
    Ok(())
}

/// The text in a field, if there is any.
pub(super) fn said_text(said: &Value, name: &str) -> Result<Option<String>, UpstreamError> {
    match said.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(UpstreamError::Unreadable(format!("`{name}` is not a string"))),
    }
}

/// A tool call, or a piece of one.
pub(super) fn tool_call(choice: u32, lane: Lane, id: Option<String>, function: Option<&Value>) -> Event {
    let text = |name| match function.and_then(|function| function.get(name)) {
        Some(Value::String(text)) => text.clone(),
        // Some servers send arguments as an object; its text is what counts.
        Some(value) if !value.is_null() => value.to_string(),
        _ => String::new(),
    };
    Event::ToolCall { choice, lane, id, name: text("name"), arguments: text("arguments") }
}

/// An index within bounds.
pub(super) fn number(value: &Value, name: &str, otherwise: u32) -> Result<u32, UpstreamError> {
    match value.get(name) {
        None | Some(Value::Null) => Ok(otherwise),
        Some(index) => index
            .as_u64()
            .filter(|index| *index < MOST)
            .and_then(|index| u32::try_from(index).ok())
            .ok_or_else(|| UpstreamError::Unreadable(format!("`{name}` is not a number below {MOST}"))),
    }
}

#[cfg(test)]
mod tests;
