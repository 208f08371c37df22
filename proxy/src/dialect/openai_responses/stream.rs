//! OpenAI's streamed responses: items that are added, grow and are done, every event with its number.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    super::{Family, Head, Problem, Stream, named, refusal, set, told::Call},
    function_call, item_id, message, reasoning, response, text_part,
};
use crate::{
    enforce::{Cleared, Passed, Refusal},
    hold::Place,
    upstream::{Finish, Lane, Usage},
};

/// A streamed answer.
pub(super) struct Items {
    head: Head,
    /// The number of the next event.
    number: u64,
    /// The items that are done.
    output: Vec<Value>,
    open: Option<(Kind, String)>,
    reason: Finish,
    results: Option<Value>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    Reasoning,
}

impl Kind {
    /// The names of the events in which it grows and is done, and of the field that then has all of it.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Text => ("response.output_text.delta", "response.output_text.done", "text"),
            Self::Refusal => ("response.refusal.delta", "response.refusal.done", "refusal"),
            Self::Reasoning => ("response.reasoning_text.delta", "response.reasoning_text.done", "text"),
        }
    }

    fn part(self, text: &str) -> Value {
        match self {
            Self::Text => text_part(text),
            Self::Refusal => json!({"type": "refusal", "refusal": text}),
            Self::Reasoning => json!({"type": "reasoning_text", "text": text}),
        }
    }
}

impl Items {
    pub(super) fn new(head: Head) -> Self {
        Self { head, number: 0, output: Vec::new(), open: None, reason: Finish::Stop, results: None }
    }

    fn emit(&mut self, kind: &str, mut event: Value, out: &mut String) {
        set(&mut event, "type", json!(kind));
        set(&mut event, "sequence_number", json!(self.number));
        self.number += 1;
        out.push_str(&named(kind, &event));
    }

    fn begin(&mut self, out: &mut String) {
        if self.number == 0 {
            let under_way = response(&self.head, &[], None, None);
            self.emit("response.created", json!({ "response": under_way }), out);
            self.emit("response.in_progress", json!({ "response": under_way }), out);
        }
    }

    /// The item that the open text is in, with its parts.
    fn item(&self, kind: Kind, text: Option<&str>, status: &str) -> Value {
        let index = self.output.len();
        match kind {
            Kind::Reasoning => reasoning(&self.head, index, text.unwrap_or_default()),
            Kind::Text | Kind::Refusal => {
                let parts: Vec<Value> = text.map(|text| kind.part(text)).into_iter().collect();
                message(&self.head, index, &parts, status)
            }
        }
    }

    fn place(&self, kind: Kind) -> Value {
        let name = if kind == Kind::Reasoning { "rs" } else { "msg" };
        let index = self.output.len();
        json!({"item_id": item_id(name, &self.head, index), "output_index": index, "content_index": 0})
    }

    fn text(&mut self, kind: Kind, text: &str, out: &mut String) {
        self.begin(out);
        if self.open.as_ref().is_none_or(|(open, _)| *open != kind) {
            self.close(out);
            let added = json!({"output_index": self.output.len(), "item": self.item(kind, None, "in_progress")});
            self.emit("response.output_item.added", added, out);
            let mut part = self.place(kind);
            set(&mut part, "part", kind.part(""));
            self.emit("response.content_part.added", part, out);
            self.open = Some((kind, String::new()));
        }
        if let Some((_, whole)) = &mut self.open {
            whole.push_str(text);
        }
        let mut delta = self.place(kind);
        set(&mut delta, "delta", json!(text));
        if kind == Kind::Text {
            set(&mut delta, "logprobs", json!([]));
        }
        self.emit(kind.names().0, delta, out);
    }

    fn close(&mut self, out: &mut String) {
        let Some((kind, text)) = self.open.take() else { return };
        let (_, done, field) = kind.names();
        let mut event = self.place(kind);
        set(&mut event, field, json!(text));
        if kind == Kind::Text {
            set(&mut event, "logprobs", json!([]));
        }
        self.emit(done, event, out);
        let mut part = self.place(kind);
        set(&mut part, "part", kind.part(&text));
        self.emit("response.content_part.done", part, out);
        let item = self.item(kind, Some(&text), "completed");
        self.done(item, out);
    }

    fn done(&mut self, item: Value, out: &mut String) {
        let event = json!({"output_index": self.output.len(), "item": item});
        self.emit("response.output_item.done", event, out);
        self.output.push(item);
    }

    fn call(&mut self, call: &Call, out: &mut String) {
        self.begin(out);
        self.close(out);
        let index = self.output.len();
        let begun = Call { arguments: String::new(), ..call.clone() };
        let item = function_call(&self.head, index, &begun, "in_progress");
        self.emit("response.output_item.added", json!({"output_index": index, "item": item}), out);
        let place = json!({"item_id": item_id("fc", &self.head, index), "output_index": index});
        let mut delta = place.clone();
        set(&mut delta, "delta", json!(call.arguments));
        self.emit("response.function_call_arguments.delta", delta, out);
        let mut done = place;
        set(&mut done, "name", json!(call.name));
        set(&mut done, "arguments", json!(call.arguments));
        self.emit("response.function_call_arguments.done", done, out);
        let item = function_call(&self.head, index, call, "completed");
        self.done(item, out);
    }
}

impl Stream for Items {
    fn piece(&mut self, place: &Place, cleared: &Cleared<Passed>) -> Bytes {
        let text = cleared.get().texts.first().map_or("", String::as_str);
        let mut out = String::new();
        match place.lane {
            Lane::Tool(_) | Lane::Function => self.call(&Call::of(place, cleared), &mut out),
            _ if text.is_empty() => {}
            Lane::Reasoning => self.text(Kind::Reasoning, text, &mut out),
            Lane::Content => self.text(Kind::Text, text, &mut out),
            Lane::Refusal => self.text(Kind::Refusal, text, &mut out),
        }
        out.into()
    }

    /// What was said stays an item of its own, so that the refusal's text is told apart from it.
    fn refused(&mut self, _: u32, refused: &Refusal) -> Bytes {
        let mut out = String::new();
        self.begin(&mut out);
        self.close(&mut out);
        self.text(Kind::Text, &refusal::message(refused), &mut out);
        self.close(&mut out);
        self.reason = Finish::ContentFilter;
        self.results = Some(refusal::results(refused));
        out.into()
    }

    fn finished(&mut self, _: u32, reason: Finish) -> Bytes {
        self.reason = reason;
        Bytes::new()
    }

    fn end(&mut self, usage: Usage) -> Bytes {
        let mut out = String::new();
        self.begin(&mut out);
        self.close(&mut out);
        let mut response = response(&self.head, &self.output, Some(self.reason), Some(usage));
        if let Some(results) = self.results.take() {
            set(&mut response, "content_filter_results", results);
        }
        let complete = response.get("status").is_some_and(|status| status == "completed");
        let kind = if complete { "response.completed" } else { "response.incomplete" };
        self.emit(kind, json!({ "response": response }), &mut out);
        out.into()
    }

    fn broken(&mut self, problem: &Problem) -> Bytes {
        let mut out = String::new();
        let said = Family::OpenAi.error(problem);
        let mut error = said.get("error").cloned().unwrap_or_default();
        // The format has the fields of an error beside its `type`.
        set(&mut error, "error", said.get("error").cloned().unwrap_or_default());
        self.emit("error", error, &mut out);
        out.into()
    }

    fn quiet(&mut self) -> Bytes {
        Bytes::from_static(b": held\n\n")
    }
}
