//! Ollama's chat: `POST /api/chat`, answered in lines of JSON.

use bytes::Bytes;
use policies::Provenance;
use serde_json::{Map, Value, json};

use super::{
    Answers, Bounds, Dialect, Family, Head, Heard, Listener, Problem, ReadError, Reading, Request, Stream, Told, Wire,
    openai_chat::{parsed, said_text, tool_call},
    reader::{self, At, Is, Reader, Table},
    refusal, set,
    told::Call,
    translate,
};
use crate::{
    enforce::{Cleared, Passed, Refusal},
    hold::Place,
    segment::Kind,
    upstream::{Event, Finish, Lane, UpstreamError, Usage},
};

/// The format.
pub(super) struct OllamaChat;

const USER: Is = Is::Text(Provenance::User, Kind::Detail);
const SYSTEM: Is = Is::Text(Provenance::System, Kind::Detail);
const TOP: Table = &[
    ("model", USER),
    ("messages", Is::Own),
    ("tools", SYSTEM),
    ("format", SYSTEM),
    ("options", USER),
    ("stream", Is::Flag),
    ("think", USER),
    ("keep_alive", USER),
    ("logprobs", Is::Dropped),
    ("top_logprobs", Is::Dropped),
    ("truncate", Is::Flag),
    ("shift", Is::Flag),
];
const ROLES: &[&str] = &["system", "user", "assistant", "tool"];
const MESSAGE: Table = &[
    ("role", Is::Own),
    ("content", Is::Own),
    ("images", Is::Own),
    ("tool_calls", Is::Text(Provenance::Assistant, Kind::Detail)),
    ("thinking", Is::Text(Provenance::Assistant, Kind::Turn)),
    ("tool_name", Is::Text(Provenance::Tool, Kind::Detail)),
    ("tool_call_id", Is::Text(Provenance::Tool, Kind::Detail)),
];

impl Dialect for OllamaChat {
    fn name(&self) -> &'static str {
        "ollama-chat"
    }

    fn path(&self) -> &'static str {
        "/api/chat"
    }

    fn family(&self) -> Family {
        Family::Ollama
    }

    fn read(&self, body: &[u8], bounds: &Bounds) -> Result<Reading, ReadError> {
        let mut fields = Reader::object(body)?;
        let (mut reader, top) = (Reader::new(bounds), At::default());
        let model = reader::model(&fields)?;
        let stream = reader::flag(&fields, "stream", true)?;
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
    let is_asking = |message: &Value| message.get("role").is_some_and(|role| role == "user");
    reader.messages(reader::items(fields, "messages")?, is_asking, message, &At::default().field("messages"))
}

fn message(reader: &mut Reader<'_>, message: &Value, at: &At) -> Result<(), ReadError> {
    let message = message.as_object().ok_or_else(|| at.problem("must be an object"))?;
    let by = match message.get("role").and_then(Value::as_str) {
        Some("system") => Provenance::System,
        Some("user") => Provenance::User,
        Some("assistant") => Provenance::Assistant,
        Some("tool") => Provenance::Tool,
        _ => return Err(at.field("role").problem(&format!("must be one of {}", ROLES.join(", ")))),
    };
    match message.get("content") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => reader.text(text, &at.field("content"), by, Kind::Turn),
        Some(_) => return Err(at.field("content").problem("must be a string")),
    }
    images(reader, message, at, by);
    reader.read_fields(message, at, MESSAGE)
}

/// Images are base64 in a list; an empty list is none.
pub(super) fn images(reader: &mut Reader<'_>, fields: &Map<String, Value>, at: &At, by: Provenance) {
    let given = |value: &Value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
    if fields.get("images").is_some_and(given) {
        reader.unreadable("unreadable.image", "an image cannot be read", &at.field("images"), by);
    }
}

impl Answers for OllamaChat {
    fn to_chat(&self, body: &Value) -> Result<Value, UpstreamError> {
        translate::chat_of_ollama(body)
    }

    fn wire(&self) -> Option<&'static dyn Wire> {
        Some(&OllamaChat)
    }

    fn stream(&self, head: Head) -> Box<dyn Stream> {
        Box::new(Lines { head, shape: said, reason: Finish::Stop })
    }

    fn whole(&self, head: &Head, told: &Told, usage: Usage) -> Value {
        whole(head, told, usage, said)
    }
}

/// How a format puts what is said into a line: text, thoughts, calls.
type Shape = fn(text: &str, thinking: &str, calls: Vec<Value>) -> (&'static str, Value, Option<(&'static str, Value)>);

fn said(text: &str, thinking: &str, calls: Vec<Value>) -> (&'static str, Value, Option<(&'static str, Value)>) {
    let mut message = json!({"role": "assistant", "content": text});
    if !thinking.is_empty() {
        set(&mut message, "thinking", json!(thinking));
    }
    if !calls.is_empty() {
        set(&mut message, "tool_calls", Value::Array(calls));
    }
    ("message", message, None)
}

/// The one document of an answer that is not streamed.
pub(super) fn whole(head: &Head, told: &Told, usage: Usage, shape: Shape) -> Value {
    let Some(choice) = told.only() else { return json!({}) };
    // Ollama has no field for a model's own refusal, which is text like any other.
    let text = [choice.content.as_str(), choice.refusal.as_str()].concat();
    let calls = choice.calls.iter().chain(&choice.function).map(call_value).collect();
    let mut line = line_value(head, shape(&text, &choice.reasoning, calls));
    end_line(&mut line, choice.reason(), usage);
    if let Some(results) = &choice.refused {
        set(&mut line, "content_filter_results", results.clone());
    }
    line
}

fn call_value(call: &Call) -> Value {
    json!({"id": call.id, "function": {"name": call.name, "arguments": call.object()}})
}

fn line_value(head: &Head, said: (&'static str, Value, Option<(&'static str, Value)>)) -> Value {
    let mut line = json!({"model": head.model, "created_at": head.at.to_string()});
    set(&mut line, said.0, said.1);
    if let Some((name, value)) = said.2 {
        set(&mut line, name, value);
    }
    set(&mut line, "done", json!(false));
    line
}

fn end_line(line: &mut Value, reason: Finish, usage: Usage) {
    set(line, "done", json!(true));
    set(
        line,
        "done_reason",
        json!(match reason {
            Finish::Length => "length",
            Finish::ContentFilter => "content_filter",
            Finish::Stop | Finish::ToolCalls | Finish::FunctionCall => "stop",
        }),
    );
    // We do not know how the upstream spent its time.
    for name in ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"] {
        set(line, name, json!(0));
    }
    set(line, "prompt_eval_count", json!(usage.prompt));
    set(line, "eval_count", json!(usage.completion));
}

/// A streamed answer of either of Ollama's formats.
pub(super) struct Lines {
    pub(super) head: Head,
    pub(super) shape: Shape,
    pub(super) reason: Finish,
}

impl Lines {
    fn line(&self, text: &str, thinking: &str, calls: Vec<Value>) -> Bytes {
        format!("{}\n", line_value(&self.head, (self.shape)(text, thinking, calls))).into()
    }
}

impl Stream for Lines {
    fn piece(&mut self, place: &Place, cleared: &Cleared<Passed>) -> Bytes {
        let text = cleared.get().texts.first().map_or("", String::as_str);
        match place.lane {
            Lane::Tool(_) | Lane::Function => self.line("", "", vec![call_value(&Call::of(place, cleared))]),
            _ if text.is_empty() => Bytes::new(),
            Lane::Reasoning => self.line("", text, Vec::new()),
            Lane::Content | Lane::Refusal => self.line(text, "", Vec::new()),
        }
    }

    fn refused(&mut self, _: u32, refusal: &Refusal) -> Bytes {
        self.reason = Finish::ContentFilter;
        self.line(&refusal::message(refusal), "", Vec::new())
    }

    fn finished(&mut self, _: u32, reason: Finish) -> Bytes {
        self.reason = reason;
        Bytes::new()
    }

    fn end(&mut self, usage: Usage) -> Bytes {
        let mut line = line_value(&self.head, (self.shape)("", "", Vec::new()));
        end_line(&mut line, self.reason, usage);
        format!("{line}\n").into()
    }

    fn broken(&mut self, problem: &Problem) -> Bytes {
        format!("{}\n", Family::Ollama.error(problem)).into()
    }

    /// The format has no comments; a line that adds nothing is one.
    fn quiet(&mut self) -> Bytes {
        self.line("", "", Vec::new())
    }
}

impl Wire for OllamaChat {
    fn path(&self) -> &'static str {
        Dialect::path(self)
    }

    fn family(&self) -> Family {
        Family::Ollama
    }

    fn of_chat(&self, chat: &Value) -> Result<Value, UpstreamError> {
        translate::chat_to_ollama(chat)
    }

    fn reader(&self) -> Box<dyn Listener> {
        Box::new(Reads { calls: 0, thinking: ("message", "thinking"), content: ("message", "content") })
    }
}

/// Reads lines and whole answers alike; where text stands differs between Ollama's formats.
pub(super) struct Reads {
    pub(super) calls: u32,
    pub(super) thinking: (&'static str, &'static str),
    pub(super) content: (&'static str, &'static str),
}

impl Listener for Reads {
    fn hear(&mut self, document: &[u8]) -> Result<Heard, UpstreamError> {
        let line = parsed(document)?;
        let ended = match line.get("done") {
            Some(Value::Bool(done)) => *done,
            _ => return Err(UpstreamError::Unreadable("it does not say whether it is `done`".to_owned())),
        };
        let mut events = Vec::new();
        for ((outer, inner), lane) in [(self.thinking, Lane::Reasoning), (self.content, Lane::Content)] {
            let place = if outer.is_empty() { Some(&line) } else { line.get(outer) };
            let text = place.map(|place| said_text(place, inner)).transpose()?.flatten();
            events.extend(text.map(|text| Event::Text { choice: 0, lane, text }));
        }
        let calls = line.get("message").and_then(|message| message.get("tool_calls")).and_then(Value::as_array);
        for call in calls.into_iter().flatten() {
            let id = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned);
            events.push(tool_call(0, Lane::Tool(self.calls), id, call.get("function")));
            self.calls += 1;
        }
        if ended {
            let reason = match line.get("done_reason").and_then(Value::as_str) {
                Some("length") => Finish::Length,
                Some("content_filter") => Finish::ContentFilter,
                _ if self.calls > 0 => Finish::ToolCalls,
                _ => Finish::Stop,
            };
            let count = |name| line.get(name).and_then(Value::as_u64).unwrap_or_default();
            events.push(Event::Finish { choice: 0, reason });
            events.push(Event::Usage(Usage { prompt: count("prompt_eval_count"), completion: count("eval_count") }));
        }
        Ok(Heard { events, ended })
    }
}
