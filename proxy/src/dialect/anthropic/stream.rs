//! Anthropic's streamed answers: blocks that open, grow and close within one message.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    super::{Family, Head, Problem, Stream, named, refusal, told::Call},
    stop_reason,
};
use crate::{
    enforce::{Cleared, Passed, Refusal},
    hold::Place,
    upstream::{Finish, Lane, Usage},
};

/// A streamed answer.
pub(super) struct Blocks {
    head: Head,
    begun: bool,
    /// What kind of text the open block holds.
    open: Option<Kind>,
    /// The index of the next block.
    next: u32,
    reason: Finish,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
}

impl Blocks {
    pub(super) fn new(head: Head) -> Self {
        Self { head, begun: false, open: None, next: 0, reason: Finish::Stop }
    }

    fn begin(&mut self, out: &mut String) {
        if !std::mem::replace(&mut self.begun, true) {
            let message = message(&self.head, &json!([]), Usage::default());
            out.push_str(&named("message_start", &json!({"type": "message_start", "message": message})));
        }
    }

    fn open(&mut self, kind: Kind, out: &mut String) {
        if self.open == Some(kind) {
            return;
        }
        self.close(out);
        let block = match kind {
            Kind::Text => json!({"type": "text", "text": ""}),
            Kind::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
        };
        self.start(&block, out);
        self.open = Some(kind);
    }

    fn start(&mut self, block: &Value, out: &mut String) {
        let start = json!({"type": "content_block_start", "index": self.next, "content_block": block});
        out.push_str(&named("content_block_start", &start));
        self.next += 1;
    }

    fn delta(&self, delta: &Value, out: &mut String) {
        let index = self.next.saturating_sub(1);
        let delta = json!({"type": "content_block_delta", "index": index, "delta": delta});
        out.push_str(&named("content_block_delta", &delta));
    }

    fn stop(&self, out: &mut String) {
        let index = self.next.saturating_sub(1);
        out.push_str(&named("content_block_stop", &json!({"type": "content_block_stop", "index": index})));
    }

    fn close(&mut self, out: &mut String) {
        if self.open.take().is_some() {
            self.stop(out);
        }
    }

    fn text(&mut self, kind: Kind, text: &str, out: &mut String) {
        self.open(kind, out);
        let delta = match kind {
            Kind::Text => json!({"type": "text_delta", "text": text}),
            Kind::Thinking => json!({"type": "thinking_delta", "thinking": text}),
        };
        self.delta(&delta, out);
    }
}

impl Stream for Blocks {
    fn piece(&mut self, place: &Place, cleared: &Cleared<Passed>) -> Bytes {
        let text = cleared.get().texts.first().map_or("", String::as_str);
        let mut out = String::new();
        match place.lane {
            Lane::Tool(_) | Lane::Function => {
                let call = Call::of(place, cleared);
                self.begin(&mut out);
                self.close(&mut out);
                self.start(&json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}}), &mut out);
                let input = call.object().to_string();
                self.delta(&json!({"type": "input_json_delta", "partial_json": input}), &mut out);
                self.stop(&mut out);
            }
            _ if text.is_empty() => {}
            Lane::Reasoning => {
                self.begin(&mut out);
                self.text(Kind::Thinking, text, &mut out);
            }
            Lane::Content | Lane::Refusal => {
                self.begin(&mut out);
                self.text(Kind::Text, text, &mut out);
            }
        }
        out.into()
    }

    /// What was said stays a block of its own, so that the refusal's text is told apart from it.
    fn refused(&mut self, _: u32, refusal: &Refusal) -> Bytes {
        let mut out = String::new();
        self.begin(&mut out);
        self.close(&mut out);
        self.text(Kind::Text, &refusal::message(refusal), &mut out);
        self.close(&mut out);
        self.reason = Finish::ContentFilter;
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
        let delta = json!({
            "type": "message_delta",
            "delta": {"stop_reason": stop_reason(self.reason), "stop_sequence": null},
            "usage": usage_value(usage),
        });
        out.push_str(&named("message_delta", &delta));
        out.push_str(&named("message_stop", &json!({"type": "message_stop"})));
        out.into()
    }

    fn broken(&mut self, problem: &Problem) -> Bytes {
        named("error", &Family::Anthropic.error(problem)).into()
    }

    fn quiet(&mut self) -> Bytes {
        named("ping", &json!({"type": "ping"})).into()
    }
}

/// A message with this content.
pub(super) fn message(head: &Head, content: &Value, usage: Usage) -> Value {
    json!({
        "id": format!("msg_{}", head.id.simple()),
        "type": "message",
        "role": "assistant",
        "model": head.model,
        "content": content,
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage_value(usage),
    })
}

fn usage_value(usage: Usage) -> Value {
    json!({"input_tokens": usage.prompt, "output_tokens": usage.completion})
}
