//! OpenAI responses: `POST /v1/responses`. Upstreams are asked for a chat, which all of them have.

mod chat;
mod stream;

use policies::Provenance;
use serde_json::{Map, Value, json};

use super::{
    Answers, Bounds, Dialect, Family, Head, ReadError, Reading, Request, Stream, Told,
    openai_chat::content,
    reader::{self, At, Block, Is, Reader, Table},
    set,
    told::{Call, Choice},
};
use crate::{
    segment::Kind,
    upstream::{Finish, UpstreamError, Usage},
};

/// The format.
pub(super) struct OpenAiResponses;

const USER: Is = Is::Text(Provenance::User, Kind::Detail);
const SYSTEM: Is = Is::Text(Provenance::System, Kind::Detail);
const STORED: Is = Is::Refused("refers to something stored elsewhere, which nobody here can read");
const TOP: Table = &[
    ("model", USER),
    ("input", Is::Own),
    ("instructions", Is::Text(Provenance::System, Kind::Turn)),
    ("background", Is::Own),
    ("conversation", STORED),
    ("previous_response_id", STORED),
    ("prompt", STORED),
    ("include", USER),
    ("max_output_tokens", Is::Number),
    ("max_tool_calls", Is::Number),
    ("metadata", USER),
    ("parallel_tool_calls", Is::Flag),
    ("prompt_cache_key", USER),
    ("reasoning", USER),
    ("safety_identifier", USER),
    ("service_tier", USER),
    ("store", Is::Flag),
    ("stream", Is::Flag),
    ("stream_options", USER),
    ("temperature", Is::Number),
    ("text", SYSTEM),
    ("tool_choice", SYSTEM),
    ("tools", SYSTEM),
    ("top_logprobs", Is::Dropped),
    ("top_p", Is::Number),
    ("truncation", USER),
    ("user", USER),
];
const BLOCKS: &[(&str, Block)] = &[
    ("input_text", Block::Text("text")),
    ("output_text", Block::Text("text")),
    ("text", Block::Text("text")),
    ("summary_text", Block::Text("text")),
    ("reasoning_text", Block::Text("text")),
    ("refusal", Block::Text("refusal")),
    ("input_image", Block::Unreadable("unreadable.image", "an image cannot be read")),
    ("input_audio", Block::Unreadable("unreadable.audio", "audio cannot be read")),
    ("input_file", Block::Unreadable("unreadable.file", "a file cannot be read")),
];
const MESSAGE: Table =
    &[("type", Is::Own), ("role", Is::Own), ("content", Is::Own), ("id", USER), ("status", USER), ("phase", USER)];
const CALL: Is = Is::Text(Provenance::Assistant, Kind::Detail);
const FUNCTION_CALL: Table =
    &[("type", Is::Own), ("id", CALL), ("call_id", CALL), ("name", CALL), ("arguments", CALL), ("status", CALL)];
const RESULT: Is = Is::Text(Provenance::Tool, Kind::Detail);
const FUNCTION_OUTPUT: Table =
    &[("type", Is::Own), ("id", RESULT), ("call_id", RESULT), ("output", Is::Own), ("status", RESULT)];
const REASONING: Table = &[
    ("type", Is::Own),
    ("id", CALL),
    ("summary", Is::Own),
    ("content", Is::Own),
    ("status", CALL),
    ("encrypted_content", Is::Unreadable("unreadable.part", "an encrypted thought cannot be read")),
];

impl Dialect for OpenAiResponses {
    fn name(&self) -> &'static str {
        "openai-responses"
    }

    fn path(&self) -> &'static str {
        "/v1/responses"
    }

    fn family(&self) -> Family {
        Family::OpenAi
    }

    fn read(&self, body: &[u8], bounds: &Bounds) -> Result<Reading, ReadError> {
        let mut fields = Reader::object(body)?;
        let (mut reader, top) = (Reader::new(bounds), At::default());
        let model = reader::model(&fields)?;
        let stream = reader::flag(&fields, "stream", false)?;
        if reader::flag(&fields, "background", false)? {
            return Err(top.field("background").problem("asks for an answer that would be fetched past this service"));
        }
        input(&mut reader, &fields)?;
        reader.fields(&mut fields, &top, TOP)?;
        reader.together();
        reader.check_count()?;
        let (body, parts) = (Value::Object(fields), reader.parts);
        let request = Request { model, stream, include_usage: true, choices: 1, body, parts };
        Ok(Reading { request, notes: reader.notes })
    }
}

fn input(reader: &mut Reader<'_>, fields: &Map<String, Value>) -> Result<(), ReadError> {
    let at = At::default().field("input");
    match fields.get("input") {
        None | Some(Value::Null) => Err(at.problem("is required")),
        Some(Value::String(text)) => {
            reader.text(text, &at, Provenance::User, Kind::Turn);
            Ok(())
        }
        Some(Value::Array(items)) if items.is_empty() => Err(at.problem("must not be empty")),
        Some(Value::Array(items)) => {
            let is_asking = |item: &Value| item.get("role").is_some_and(|role| role == "user");
            reader.messages(items, is_asking, item, &at)
        }
        Some(_) => Err(at.problem("must be a string or an array of items")),
    }
}

fn item(reader: &mut Reader<'_>, value: &Value, at: &At) -> Result<(), ReadError> {
    let fields = value.as_object().ok_or_else(|| at.problem("must be an object"))?;
    let (table, by) = match fields.get("type").and_then(Value::as_str) {
        None | Some("message") => {
            let by = match fields.get("role").and_then(Value::as_str) {
                Some("system" | "developer") => Provenance::System,
                Some("user") => Provenance::User,
                Some("assistant") => Provenance::Assistant,
                _ => return Err(at.field("role").problem("must be one of system, developer, user, assistant")),
            };
            (MESSAGE, by)
        }
        Some("function_call") => (FUNCTION_CALL, Provenance::Assistant),
        Some("function_call_output") => (FUNCTION_OUTPUT, Provenance::Tool),
        Some("reasoning") => (REASONING, Provenance::Assistant),
        Some("item_reference") => return Err(at.problem("refers to something stored elsewhere")),
        Some(_) => {
            reader.unreadable("unreadable.part", "an item of this type cannot be read", at, Provenance::User);
            reader.free(value, at, Provenance::User, Kind::Detail);
            return Ok(());
        }
    };
    for (name, _) in table.iter().filter(|(name, is)| matches!(is, Is::Own) && !matches!(*name, "type" | "role")) {
        if let Some(said) = fields.get(*name) {
            content(reader, said, &at.field(name), by, BLOCKS)?;
        }
    }
    reader.read_fields(fields, at, table)
}

impl Answers for OpenAiResponses {
    fn to_chat(&self, body: &Value) -> Result<Value, UpstreamError> {
        chat::to_chat(body)
    }

    fn stream(&self, head: Head) -> Box<dyn Stream> {
        Box::new(stream::Items::new(head))
    }

    fn whole(&self, head: &Head, told: &Told, usage: Usage) -> Value {
        let Some(choice) = told.only() else { return json!({}) };
        let mut response = response(head, &output(head, choice), Some(choice.reason()), Some(usage));
        if let Some(results) = &choice.refused {
            set(&mut response, "content_filter_results", results.clone());
        }
        response
    }
}

/// The items of an answer.
fn output(head: &Head, choice: &Choice) -> Vec<Value> {
    let mut output = Vec::new();
    if !choice.reasoning.is_empty() {
        output.push(reasoning(head, output.len(), &choice.reasoning));
    }
    let mut parts = Vec::new();
    if !choice.content.is_empty() {
        parts.push(text_part(&choice.content));
    }
    if !choice.refusal.is_empty() {
        parts.push(json!({"type": "refusal", "refusal": choice.refusal}));
    }
    if !parts.is_empty() {
        output.push(message(head, output.len(), &parts, "completed"));
    }
    for call in choice.calls.iter().chain(&choice.function) {
        output.push(function_call(head, output.len(), call, "completed"));
    }
    output
}

fn reasoning(head: &Head, index: usize, text: &str) -> Value {
    let content = if text.is_empty() { json!([]) } else { json!([{"type": "reasoning_text", "text": text}]) };
    json!({"type": "reasoning", "id": item_id("rs", head, index), "summary": [], "content": content})
}

fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn message(head: &Head, index: usize, parts: &[Value], status: &str) -> Value {
    let id = item_id("msg", head, index);
    json!({"type": "message", "id": id, "status": status, "role": "assistant", "content": parts})
}

fn function_call(head: &Head, index: usize, call: &Call, status: &str) -> Value {
    json!({
        "type": "function_call",
        "id": item_id("fc", head, index),
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
        "status": status,
    })
}

fn item_id(kind: &str, head: &Head, index: usize) -> String {
    format!("{kind}_{}_{index}", head.id.simple())
}

/// A response as far as it has come: without a reason it is still under way.
fn response(head: &Head, output: &[Value], reason: Option<Finish>, usage: Option<Usage>) -> Value {
    let (status, details) = match reason {
        None => ("in_progress", Value::Null),
        Some(Finish::Length) => ("incomplete", json!({"reason": "max_output_tokens"})),
        Some(Finish::ContentFilter) => ("incomplete", json!({"reason": "content_filter"})),
        Some(Finish::Stop | Finish::ToolCalls | Finish::FunctionCall) => ("completed", Value::Null),
    };
    let usage = usage.map(|usage| {
        json!({
            "input_tokens": usage.prompt,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": usage.completion,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.prompt.saturating_add(usage.completion),
        })
    });
    json!({
        "id": format!("resp_{}", head.id.simple()),
        "object": "response",
        "created_at": head.at.seconds(),
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": details,
        "instructions": null,
        "max_output_tokens": null,
        "model": head.model,
        "output": output,
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null},
        "store": false,
        "temperature": null,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": null,
        "truncation": "disabled",
        "usage": usage,
        "user": null,
        "metadata": {},
    })
}
