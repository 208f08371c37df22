//! Reading the answers of an upstream that speaks Anthropic's messages, streamed or whole.

use serde_json::Value;

use super::super::{
    Heard, Listener,
    openai_chat::{number, parsed, said_text},
    translate::{list, word},
};
use crate::upstream::{Event, Finish, Lane, UpstreamError, Usage};

/// Blocks are numbered by the upstream, tool calls by us.
#[derive(Default)]
pub(super) struct Reads {
    /// The block of each tool call, in order.
    calls: Vec<u32>,
    usage: Usage,
}

impl Listener for Reads {
    fn hear(&mut self, document: &[u8]) -> Result<Heard, UpstreamError> {
        let value = parsed(document)?;
        let mut heard = Heard::default();
        match word(&value, "type") {
            "message_start" => self.count(value.get("message").and_then(|message| message.get("usage"))),
            "content_block_start" => {
                let block = value.get("content_block").unwrap_or(&Value::Null);
                self.block(block, number(&value, "index", 0)?, false, &mut heard.events)?;
            }
            "content_block_delta" => {
                let delta = value.get("delta").unwrap_or(&Value::Null);
                self.delta(delta, number(&value, "index", 0)?, &mut heard.events)?;
            }
            "message_delta" => {
                self.count(value.get("usage"));
                let reason = value.get("delta").map(|delta| word(delta, "stop_reason")).unwrap_or_default();
                heard.events.push(Event::Finish { choice: 0, reason: finish(reason) });
            }
            "message_stop" => {
                heard.events.push(Event::Usage(self.usage));
                heard.ended = true;
            }
            "message" => {
                for (block, index) in list(&value, "content").zip(0..) {
                    self.block(block, index, true, &mut heard.events)?;
                }
                self.count(value.get("usage"));
                let reason = finish(word(&value, "stop_reason"));
                heard.events.extend([Event::Finish { choice: 0, reason }, Event::Usage(self.usage)]);
                heard.ended = true;
            }
            "error" => return Err(UpstreamError::Reported),
            "" => return Err(UpstreamError::Unreadable("it has no `type`".to_owned())),
            // Signs of life and ends of blocks tell nothing new. The format says that kinds of events may be added, and that unknown ones are passed over.
            _ => {}
        }
        Ok(heard)
    }
}

impl Reads {
    fn count(&mut self, usage: Option<&Value>) {
        let count = |name| usage.and_then(|usage| usage.get(name)).and_then(Value::as_u64);
        self.usage.prompt = count("input_tokens").unwrap_or(self.usage.prompt);
        self.usage.completion = count("output_tokens").unwrap_or(self.usage.completion);
    }

    fn block(&mut self, block: &Value, index: u32, whole: bool, events: &mut Vec<Event>) -> Result<(), UpstreamError> {
        for (name, lane) in [("thinking", Lane::Reasoning), ("text", Lane::Content)] {
            if word(block, "type") == name {
                events.extend(said_text(block, name)?.map(|text| Event::Text { choice: 0, lane, text }));
            }
        }
        if word(block, "type") == "tool_use" {
            let lane = Lane::Tool(u32::try_from(self.calls.len()).unwrap_or(u32::MAX));
            self.calls.push(index);
            // In a stream the input begins as an empty object and comes as text afterwards.
            let input = block.get("input").filter(|input| whole || input.as_object().is_some_and(|o| !o.is_empty()));
            let id = Some(word(block, "id")).filter(|id| !id.is_empty()).map(str::to_owned);
            let arguments = input.map(Value::to_string).unwrap_or_default();
            events.push(Event::ToolCall { choice: 0, lane, id, name: word(block, "name").to_owned(), arguments });
        }
        Ok(())
    }

    fn delta(&self, delta: &Value, index: u32, events: &mut Vec<Event>) -> Result<(), UpstreamError> {
        let text = |name, lane| Ok(said_text(delta, name)?.map(|text| Event::Text { choice: 0, lane, text }));
        match word(delta, "type") {
            "text_delta" => events.extend(text("text", Lane::Content)?),
            "thinking_delta" => events.extend(text("thinking", Lane::Reasoning)?),
            "input_json_delta" => {
                let call = self.calls.iter().position(|block| *block == index);
                let call = call.and_then(|call| u32::try_from(call).ok());
                let call = call.ok_or_else(|| UpstreamError::Unreadable("an input belongs to no call".to_owned()))?;
                let arguments = said_text(delta, "partial_json")?.unwrap_or_default();
                let (id, name) = (None, String::new());
                events.push(Event::ToolCall { choice: 0, lane: Lane::Tool(call), id, name, arguments });
            }
            // Signatures and citations stay behind.
            _ => {}
        }
        Ok(())
    }
}

fn finish(reason: &str) -> Finish {
    match reason {
        "max_tokens" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::ContentFilter,
        _ => Finish::Stop,
    }
}
