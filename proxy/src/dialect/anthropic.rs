//! Anthropic's messages: `POST /v1/messages`.

mod chat;
mod listen;
mod stream;

use policies::Provenance;
use serde_json::{Map, Value, json};

use super::{
    Answers, Bounds, Dialect, Family, Head, Listener, ReadError, Reading, Request, Stream, Told, Wire,
    reader::{self, At, Block, Is, Reader, Table},
    set,
};
use crate::{
    segment::Kind,
    upstream::{Finish, UpstreamError, Usage},
};

/// The format.
pub(super) struct Messages;

const USER: Is = Is::Text(Provenance::User, Kind::Detail);
const SYSTEM: Is = Is::Text(Provenance::System, Kind::Detail);
const TOP: Table = &[
    ("model", USER),
    ("messages", Is::Own),
    ("system", Is::Own),
    ("max_tokens", Is::Number),
    ("metadata", USER),
    ("stop_sequences", USER),
    ("stream", Is::Flag),
    ("temperature", Is::Number),
    ("top_p", Is::Number),
    ("top_k", Is::Number),
    ("tools", SYSTEM),
    ("tool_choice", SYSTEM),
    ("thinking", SYSTEM),
    ("output_config", SYSTEM),
    ("service_tier", USER),
    ("mcp_servers", Is::Refused("names servers whose answers nobody here would see")),
    ("container", Is::Refused("names a container whose contents nobody here can see")),
];
const MESSAGE: Table = &[("role", Is::Own), ("content", Is::Own)];
const BLOCKS: &[(&str, Block)] = &[
    ("text", Block::Text("text")),
    ("thinking", Block::Text("thinking")),
    ("image", Block::Unreadable("unreadable.image", "an image cannot be read")),
    ("document", Block::Unreadable("unreadable.file", "a document cannot be read")),
    ("redacted_thinking", Block::Unreadable("unreadable.part", "an encrypted thought cannot be read")),
];
const TOOL_USE: Table = &[
    ("type", Is::Own),
    ("id", Is::Text(Provenance::Assistant, Kind::Detail)),
    ("name", Is::Text(Provenance::Assistant, Kind::Detail)),
    ("input", Is::Text(Provenance::Assistant, Kind::Detail)),
    ("cache_control", Is::Text(Provenance::Assistant, Kind::Detail)),
];
const TOOL_RESULT: Table = &[
    ("type", Is::Own),
    ("tool_use_id", Is::Text(Provenance::Tool, Kind::Detail)),
    ("content", Is::Own),
    ("is_error", Is::Flag),
    ("cache_control", Is::Text(Provenance::Tool, Kind::Detail)),
];
/// A document that is text; of any other kind nobody here reads it.
const DOCUMENT: Table = &[
    ("type", Is::Own),
    ("source", Is::Text(Provenance::Tool, Kind::Turn)),
    ("title", Is::Text(Provenance::Tool, Kind::Detail)),
    ("context", Is::Text(Provenance::Tool, Kind::Turn)),
    ("citations", Is::Text(Provenance::Tool, Kind::Detail)),
    ("cache_control", Is::Text(Provenance::Tool, Kind::Detail)),
];
const SEARCH_RESULT: Table = &[
    ("type", Is::Own),
    ("source", Is::Text(Provenance::Tool, Kind::Detail)),
    ("title", Is::Text(Provenance::Tool, Kind::Detail)),
    ("content", Is::Own),
    ("citations", Is::Text(Provenance::Tool, Kind::Detail)),
    ("cache_control", Is::Text(Provenance::Tool, Kind::Detail)),
];

impl Dialect for Messages {
    fn name(&self) -> &'static str {
        "anthropic-messages"
    }

    fn path(&self) -> &'static str {
        "/v1/messages"
    }

    fn family(&self) -> Family {
        Family::Anthropic
    }

    fn read(&self, body: &[u8], bounds: &Bounds) -> Result<Reading, ReadError> {
        let mut fields = Reader::object(body)?;
        let (mut reader, top) = (Reader::new(bounds), At::default());
        let model = reader::model(&fields)?;
        let stream = reader::flag(&fields, "stream", false)?;
        if let Some(system) = fields.get("system") {
            content(&mut reader, system, &top.field("system"), Provenance::System)?;
        }
        messages(&mut reader, &fields)?;
        reader.fields(&mut fields, &top, TOP)?;
        reader.together();
        reader.check_count()?;
        let (body, parts) = (Value::Object(fields), reader.parts);
        let request = Request { model, stream, include_usage: true, choices: 1, body, parts };
        Ok(Reading { request, notes: reader.notes })
    }
}

fn messages(reader: &mut Reader<'_>, fields: &Map<String, Value>) -> Result<(), ReadError> {
    // Results of tools come in a user's message too, but nobody asks with them.
    let is_result = |block: &Value| block.get("type").is_some_and(|kind| kind == "tool_result");
    let is_asking = |message: &Value| {
        let blocks = message.get("content").and_then(Value::as_array);
        message.get("role").is_some_and(|role| role == "user") && !blocks.is_some_and(|all| all.iter().all(is_result))
    };
    reader.messages(reader::items(fields, "messages")?, is_asking, message, &At::default().field("messages"))
}

fn message(reader: &mut Reader<'_>, message: &Value, at: &At) -> Result<(), ReadError> {
    let message = message.as_object().ok_or_else(|| at.problem("must be an object"))?;
    let by = match message.get("role").and_then(Value::as_str) {
        Some("user") => Provenance::User,
        Some("assistant") => Provenance::Assistant,
        _ => return Err(at.field("role").problem("must be one of user, assistant")),
    };
    let said = message.get("content").ok_or_else(|| at.field("content").problem("is required"))?;
    content(reader, said, &at.field("content"), by)?;
    reader.read_fields(message, at, MESSAGE)
}

/// A string, or blocks; results of tools and of searches hold blocks of their own.
fn content(reader: &mut Reader<'_>, value: &Value, at: &At, by: Provenance) -> Result<(), ReadError> {
    let blocks = match value {
        Value::Null => return Ok(()),
        Value::String(text) => {
            reader.text(text, at, by, Kind::Turn);
            return Ok(());
        }
        Value::Array(blocks) => blocks,
        _ => return Err(at.problem("must be a string or an array of blocks")),
    };
    let mut texts = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let at = at.item(index);
        let fields = block.as_object().ok_or_else(|| at.problem("must be an object"))?;
        let (table, inner) = match fields.get("type").and_then(Value::as_str) {
            Some("tool_use") => (TOOL_USE, Provenance::Assistant),
            Some("tool_result") => (TOOL_RESULT, Provenance::Tool),
            Some("search_result") => (SEARCH_RESULT, Provenance::Tool),
            Some("document") if is_text(fields) => (DOCUMENT, Provenance::Tool),
            _ => {
                texts.extend(reader.block(block, &at, by, BLOCKS)?);
                continue;
            }
        };
        if let Some(said) = fields.get("content").filter(|_| table.iter().any(|(name, _)| *name == "content")) {
            content(reader, said, &at.field("content"), inner)?;
        }
        reader.read_fields(fields, &at, table)?;
    }
    reader.joined(&texts, at, by);
    Ok(())
}

/// Whether a document's source is plain text.
fn is_text(document: &Map<String, Value>) -> bool {
    let source = document.get("source");
    let word = |name| source.and_then(|source| source.get(name)).and_then(Value::as_str);
    word("type") == Some("text") && word("data").is_some()
}

impl Answers for Messages {
    fn to_chat(&self, body: &Value) -> Result<Value, UpstreamError> {
        chat::to_chat(body)
    }

    fn wire(&self) -> Option<&'static dyn Wire> {
        Some(&Messages)
    }

    fn stream(&self, head: Head) -> Box<dyn Stream> {
        Box::new(stream::Blocks::new(head))
    }

    fn whole(&self, head: &Head, told: &Told, usage: Usage) -> Value {
        let Some(choice) = told.only() else { return json!({}) };
        let mut content = Vec::new();
        if !choice.reasoning.is_empty() {
            content.push(json!({"type": "thinking", "thinking": choice.reasoning, "signature": ""}));
        }
        let text = [choice.content.as_str(), choice.refusal.as_str()].concat();
        if !text.is_empty() {
            content.push(json!({"type": "text", "text": text}));
        }
        for call in choice.calls.iter().chain(&choice.function) {
            content.push(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.object()}));
        }
        let mut message = stream::message(head, &Value::Array(content), usage);
        set(&mut message, "stop_reason", json!(stop_reason(choice.reason())));
        if let Some(results) = &choice.refused {
            set(&mut message, "content_filter_results", results.clone());
        }
        message
    }
}

fn stop_reason(reason: Finish) -> &'static str {
    match reason {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls | Finish::FunctionCall => "tool_use",
        Finish::ContentFilter => "refusal",
    }
}

impl Wire for Messages {
    fn path(&self) -> &'static str {
        Dialect::path(self)
    }

    fn family(&self) -> Family {
        Family::Anthropic
    }

    fn of_chat(&self, chat: &Value) -> Result<Value, UpstreamError> {
        chat::of_chat(chat)
    }

    fn reader(&self) -> Box<dyn Listener> {
        Box::new(listen::Reads::default())
    }
}
