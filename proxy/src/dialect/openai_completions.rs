//! OpenAI completions, the older format: `POST /v1/completions`, a prompt that is continued.

use bytes::Bytes;
use policies::Provenance;
use serde_json::{Map, Value, json};

use super::{
    Answers, Bounds, Dialect, Family, Head, Heard, Listener, Problem, ReadError, Reading, Request, Stream, Told, Wire,
    event,
    openai_chat::{number, parsed, said_text, usage_of, usage_value, usage_wanted},
    reader::{self, At, Is, Reader, Table},
    refusal, set,
};
use crate::{
    enforce::{Cleared, Passed, Refusal},
    hold::Place,
    segment::Kind,
    upstream::{Event, Finish, Lane, UpstreamError, Usage},
};

/// The format.
pub(super) struct OpenAiCompletions;

const USER: Is = Is::Text(Provenance::User, Kind::Detail);
const TOP: Table = &[
    ("model", USER),
    ("prompt", Is::Own),
    ("suffix", Is::Text(Provenance::User, Kind::Turn)),
    ("stream", Is::Flag),
    ("stream_options", Is::Own),
    ("n", Is::Own),
    // Candidates that are thrown away cost time and are read by nobody.
    ("best_of", Is::Dropped),
    ("echo", Is::Flag),
    ("max_tokens", Is::Number),
    ("temperature", Is::Number),
    ("top_p", Is::Number),
    ("presence_penalty", Is::Number),
    ("frequency_penalty", Is::Number),
    ("seed", Is::Number),
    ("stop", USER),
    ("logit_bias", USER),
    ("logprobs", Is::Dropped),
    ("prompt_logprobs", Is::Dropped),
    ("user", USER),
    ("prompt_embeds", Is::Unreadable("unreadable.tokens", "a prompt of numbers cannot be read")),
];

impl Dialect for OpenAiCompletions {
    fn name(&self) -> &'static str {
        "openai-completions"
    }

    fn path(&self) -> &'static str {
        "/v1/completions"
    }

    fn family(&self) -> Family {
        Family::OpenAi
    }

    fn read(&self, body: &[u8], bounds: &Bounds) -> Result<Reading, ReadError> {
        let mut fields = Reader::object(body)?;
        let (mut reader, top) = (Reader::new(bounds), At::default());
        let model = reader::model(&fields)?;
        let stream = reader::flag(&fields, "stream", false)?;
        let each = reader.choices(&fields, "n")?;
        let prompts = prompts(&mut reader, &fields)?;
        let choices = each.saturating_mul(prompts);
        if choices > bounds.choices {
            let most = bounds.choices;
            return Err(top.field("prompt").problem(&format!("asks for more than {most} answers, `n` for each")));
        }
        reader.fields(&mut fields, &top, TOP)?;
        let include_usage = usage_wanted(&mut reader, &fields)?;
        reader.together();
        reader.check_count()?;
        if stream {
            fields.insert("stream_options".to_owned(), json!({ "include_usage": true }));
        }
        let choices = u32::try_from(choices).unwrap_or(1);
        let (body, parts) = (Value::Object(fields), reader.parts);
        let request = Request { model, stream, include_usage, choices, body, parts };
        Ok(Reading { request, notes: reader.notes })
    }
}

/// Reads the prompts and counts them; token ids are noted as unreadable.
fn prompts(reader: &mut Reader<'_>, fields: &Map<String, Value>) -> Result<u64, ReadError> {
    let at = At::default().field("prompt");
    match fields.get("prompt") {
        None | Some(Value::Null) if fields.contains_key("prompt_embeds") => Ok(1),
        None | Some(Value::Null) => Err(at.problem("is required")),
        Some(Value::String(text)) => {
            reader.text(text, &at, Provenance::User, Kind::Turn);
            Ok(1)
        }
        Some(Value::Array(items)) if items.is_empty() => Err(at.problem("must not be empty")),
        Some(Value::Array(items)) => {
            let mut tokens = None;
            for (index, item) in items.iter().enumerate() {
                let at = at.item(index);
                match item {
                    Value::String(text) => reader.text(text, &at, Provenance::User, Kind::Turn),
                    Value::Number(_) | Value::Array(_) => {
                        tokens.get_or_insert_with(|| at.clone());
                        reader.free(item, &at, Provenance::User, Kind::Detail);
                    }
                    _ => return Err(at.problem("must be a string")),
                }
            }
            if let Some(at) = tokens {
                let message = "a prompt of token ids cannot be read";
                reader.unreadable("unreadable.tokens", message, &at, Provenance::User);
            }
            let one = items.first().is_some_and(Value::is_number);
            Ok(if one { 1 } else { u64::try_from(items.len()).unwrap_or(u64::MAX) })
        }
        Some(_) => Err(at.problem("must be a string or an array of strings")),
    }
}

impl Answers for OpenAiCompletions {
    fn to_chat(&self, body: &Value) -> Result<Value, UpstreamError> {
        let prompt = match body.get("prompt") {
            Some(Value::String(prompt)) => prompt,
            Some(Value::Array(prompts)) => match prompts.as_slice() {
                [Value::String(prompt)] => prompt,
                _ => return Err(UpstreamError::Unfit("this upstream takes one prompt at a time".to_owned())),
            },
            _ => return Err(UpstreamError::Unfit("this upstream takes prompts in text only".to_owned())),
        };
        for name in ["suffix", "echo"] {
            if body.get(name).is_some_and(|value| !value.is_null() && value != false) {
                return Err(UpstreamError::Unfit(format!("this upstream takes chats only, which have no `{name}`")));
            }
        }
        let mut chat = body.clone();
        if let Value::Object(fields) = &mut chat {
            fields.shift_remove("prompt");
            fields.shift_remove("suffix");
            fields.shift_remove("echo");
        }
        set(&mut chat, "messages", json!([{"role": "user", "content": prompt}]));
        Ok(chat)
    }

    fn wire(&self) -> Option<&'static dyn Wire> {
        Some(&OpenAiCompletions)
    }

    fn stream(&self, head: Head) -> Box<dyn Stream> {
        Box::new(Chunks { head })
    }

    fn whole(&self, head: &Head, told: &Told, usage: Usage) -> Value {
        let choices = told.choices().map(|(index, choice)| {
            let mut value = choice_value(index, &choice.content, Some(choice.reason()));
            if let Some(results) = &choice.refused {
                set(&mut value, "content_filter_results", results.clone());
            }
            value
        });
        let mut body = envelope(head, &choices.collect::<Value>());
        set(&mut body, "usage", usage_value(usage));
        body
    }
}

/// A streamed answer.
struct Chunks {
    head: Head,
}

impl Chunks {
    fn chunk(&self, choice: &Value) -> String {
        event(&envelope(&self.head, &json!([choice])))
    }
}

impl Stream for Chunks {
    fn piece(&mut self, place: &Place, cleared: &Cleared<Passed>) -> Bytes {
        let text = cleared.get().texts.first().map_or("", String::as_str);
        if place.lane != Lane::Content || text.is_empty() {
            return Bytes::new();
        }
        self.chunk(&choice_value(place.choice, text, None)).into()
    }

    fn refused(&mut self, choice: u32, refusal: &Refusal) -> Bytes {
        let said = self.chunk(&choice_value(choice, &refusal::message(refusal), None));
        let mut end = choice_value(choice, "", Some(Finish::ContentFilter));
        set(&mut end, "content_filter_results", refusal::results(refusal));
        [said, self.chunk(&end)].concat().into()
    }

    fn finished(&mut self, choice: u32, reason: Finish) -> Bytes {
        self.chunk(&choice_value(choice, "", Some(reason))).into()
    }

    fn end(&mut self, usage: Usage) -> Bytes {
        let mut end = String::new();
        if self.head.include_usage {
            let mut chunk = envelope(&self.head, &json!([]));
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

fn envelope(head: &Head, choices: &Value) -> Value {
    let id = format!("cmpl-{}", head.id.simple());
    json!({"id": id, "object": "text_completion", "created": head.at.seconds(), "model": head.model, "choices": choices})
}

fn choice_value(index: u32, text: &str, reason: Option<Finish>) -> Value {
    json!({"index": index, "text": text, "logprobs": null, "finish_reason": reason.map(Finish::as_str)})
}

impl Wire for OpenAiCompletions {
    fn path(&self) -> &'static str {
        Dialect::path(self)
    }

    fn family(&self) -> Family {
        Family::OpenAi
    }

    fn of_chat(&self, _: &Value) -> Result<Value, UpstreamError> {
        Err(UpstreamError::Unfit("a chat cannot be asked for as a completion".to_owned()))
    }

    fn reader(&self) -> Box<dyn Listener> {
        Box::new(Reads)
    }
}

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
            let index = number(choice, "index", 0)?;
            for (name, lane) in [("reasoning", Lane::Reasoning), ("text", Lane::Content)] {
                events.extend(said_text(choice, name)?.map(|text| Event::Text { choice: index, lane, text }));
            }
            if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
                events.push(Event::Finish { choice: index, reason: Finish::read(reason) });
            }
        }
        events.extend(usage.map(Event::Usage));
        Ok(Heard { events, ended: false })
    }
}
