//! The formats an upstream answers in, whole and streamed.

use serde_json::{Value, json};

use super::Lane;

/// A format.
#[derive(Clone, Copy)]
pub enum Format {
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's completions.
    Text,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Messages,
    /// Ollama's chat.
    OllamaChat,
    /// Ollama's completions.
    OllamaGenerate,
}

type Answers = [(Option<Lane>, Vec<String>)];
type Events = Vec<(String, Value)>;

/// The format that a path is asked in.
pub fn of(path: &str) -> Format {
    match path {
        path if path.ends_with("/chat/completions") => Format::Chat,
        path if path.ends_with("/completions") => Format::Text,
        path if path.ends_with("/responses") => Format::Responses,
        path if path.ends_with("/messages") => Format::Messages,
        path if path.ends_with("/api/generate") => Format::OllamaGenerate,
        path if path.ends_with("/api/chat") => Format::OllamaChat,
        _ => Format::Chat,
    }
}

/// Vectors for as many inputs as were given.
pub fn vectors(path: &str, body: &Value) -> Value {
    let count = match &body["input"] {
        Value::Array(items) if items.first().is_none_or(|item| !item.is_number()) => items.len(),
        _ => 1,
    };
    if path.ends_with("/api/embed") {
        return json!({"model": "up", "embeddings": vec![[0.5, 0.25]; count], "prompt_eval_count": 3});
    }
    let data: Vec<Value> =
        (0..count).map(|index| json!({"object": "embedding", "index": index, "embedding": [0.5, 0.25]})).collect();
    json!({"object": "list", "data": data, "model": "up", "usage": {"prompt_tokens": 3, "total_tokens": 3}})
}

impl Format {
    /// Whether who says nothing of it gets a stream.
    pub fn streams_unasked(self) -> bool {
        self.is_lines()
    }

    /// Whether a stream is lines of JSON.
    pub fn is_lines(self) -> bool {
        matches!(self, Self::OllamaChat | Self::OllamaGenerate)
    }

    /// What a stream ends with besides its events.
    pub fn last_word(self) -> &'static str {
        if matches!(self, Self::Chat | Self::Text) { "[DONE]" } else { "" }
    }

    /// The one document of an answer.
    pub fn whole(&mut self, answers: &Answers) -> Value {
        let usage = json!({"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8});
        let texts = answers.iter().map(|(lane, pieces)| (lane.unwrap_or(Lane::Content), pieces.concat()));
        let (lane, text) = texts.clone().next().unwrap_or((Lane::Content, String::new()));
        match self {
            Self::Chat => {
                let choices: Vec<Value> = texts
                    .zip(0..)
                    .map(|((lane, text), index)| {
                        let (mut message, reason) = chat_said(lane, &text, &text);
                        message["role"] = json!("assistant");
                        if message.get("content").is_none() {
                            message["content"] = Value::Null;
                        }
                        json!({"index": index, "message": message, "finish_reason": reason})
                    })
                    .collect();
                json!({"id": "x", "object": "chat.completion", "created": 1, "model": "up", "choices": choices, "usage": usage})
            }
            Self::Text => {
                let choices: Vec<Value> = texts.zip(0..).map(|((_, text), index)| json!({"index": index, "text": text, "logprobs": null, "finish_reason": "stop"})).collect();
                json!({"id": "x", "object": "text_completion", "created": 1, "model": "up", "choices": choices, "usage": usage})
            }
            Self::Responses => response(&[item(lane, &text)], "completed"),
            Self::Messages => {
                let (block, reason) = block(lane, &text, true);
                json!({"id": "x", "type": "message", "role": "assistant", "model": "up", "content": [block], "stop_reason": reason,
                    "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 5}})
            }
            Self::OllamaChat | Self::OllamaGenerate => {
                let mut line = self.line(lane, &text);
                end_line(&mut line);
                line
            }
        }
    }

    /// The events of a streamed answer, with the names of those that have one.
    pub fn stream(&mut self, answers: &Answers) -> Events {
        let lane = answers.first().and_then(|(lane, _)| *lane).unwrap_or(Lane::Content);
        let none = Vec::new();
        let pieces = answers.first().map_or(&none, |(_, pieces)| pieces);
        match self {
            Self::Chat | Self::Text => self.chunks(answers),
            Self::Responses => response_events(lane, pieces),
            Self::Messages => message_events(lane, pieces),
            Self::OllamaChat | Self::OllamaGenerate => {
                // Ollama gives a tool call in one piece.
                let whole = vec![pieces.concat()];
                let pieces =
                    if matches!(lane, Lane::Arguments | Lane::Name | Lane::Function) { &whole } else { pieces };
                let mut events: Events = pieces.iter().map(|piece| (String::new(), self.line(lane, piece))).collect();
                let mut end = self.line(Lane::Content, "");
                end_line(&mut end);
                events.push((String::new(), end));
                events
            }
        }
    }

    /// Chunks of several answers, one from each in turn.
    fn chunks(self, answers: &Answers) -> Events {
        let chat = matches!(self, Self::Chat);
        let object = if chat { "chat.completion.chunk" } else { "text_completion" };
        let chunk =
            |choices: Value| json!({"id": "x", "object": object, "created": 1, "model": "up", "choices": choices});
        let mut events = Vec::new();
        let most = answers.iter().map(|(_, pieces)| pieces.len()).max().unwrap_or(0);
        for number in 0..most {
            for ((lane, pieces), index) in answers.iter().zip(0..) {
                let Some(piece) = pieces.get(number) else { continue };
                let choice = if chat {
                    let name = if number == 0 { piece.as_str() } else { "" };
                    let (mut delta, _) = chat_said(lane.unwrap_or(Lane::Content), piece, name);
                    if number > 0 && delta.get("tool_calls").is_some() {
                        delta["tool_calls"][0].as_object_mut().unwrap().remove("id");
                        if *lane == Some(Lane::Arguments) {
                            delta["tool_calls"][0]["function"].as_object_mut().unwrap().remove("name");
                        }
                    }
                    if number == 0 {
                        delta["role"] = json!("assistant");
                    }
                    json!({"index": index, "delta": delta, "finish_reason": null})
                } else {
                    json!({"index": index, "text": piece, "logprobs": null, "finish_reason": null})
                };
                events.push(chunk(json!([choice])));
            }
        }
        for ((lane, _), index) in answers.iter().zip(0..) {
            let (_, reason) = chat_said(lane.unwrap_or(Lane::Content), "", "");
            let choice = if chat {
                json!({"index": index, "delta": {}, "finish_reason": reason})
            } else {
                json!({"index": index, "text": "", "logprobs": null, "finish_reason": "stop"})
            };
            events.push(chunk(json!([choice])));
        }
        let mut usage = chunk(json!([]));
        usage["usage"] = json!({"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8});
        events.push(usage);
        events.into_iter().map(|event| (String::new(), event)).collect()
    }

    fn line(self, lane: Lane, text: &str) -> Value {
        let mut line = json!({"model": "up", "created_at": "2026-01-01T00:00:00Z", "done": false});
        if matches!(self, Self::OllamaGenerate) {
            line["response"] = json!(if lane == Lane::Reasoning { "" } else { text });
            if lane == Lane::Reasoning {
                line["thinking"] = json!(text);
            }
            return line;
        }
        line["message"] = json!({"role": "assistant", "content": ""});
        match lane {
            Lane::Content | Lane::Refusal => line["message"]["content"] = json!(text),
            Lane::Reasoning => line["message"]["thinking"] = json!(text),
            Lane::Arguments | Lane::Function => {
                let arguments: Value = serde_json::from_str(text).unwrap_or_default();
                line["message"]["tool_calls"] = json!([{"function": {"name": "look", "arguments": arguments}}]);
            }
            Lane::Name => line["message"]["tool_calls"] = json!([{"function": {"name": text, "arguments": {}}}]),
        }
        line
    }
}

/// A message or a delta of a chat, and why it ends.
fn chat_said(lane: Lane, text: &str, name: &str) -> (Value, &'static str) {
    match lane {
        Lane::Content => (json!({ "content": text }), "stop"),
        Lane::Reasoning => (json!({ "reasoning_content": text }), "stop"),
        Lane::Refusal => (json!({ "refusal": text }), "stop"),
        Lane::Arguments => {
            let function = json!({"name": "look", "arguments": text});
            (json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}), "tool_calls")
        }
        Lane::Name => {
            let name = if name.is_empty() { text } else { name };
            let function = json!({"name": name, "arguments": ""});
            (json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}), "tool_calls")
        }
        Lane::Function => (json!({"function_call": {"name": "look", "arguments": text}}), "function_call"),
    }
}

fn end_line(line: &mut Value) {
    line["done"] = json!(true);
    line["done_reason"] = json!("stop");
    line["prompt_eval_count"] = json!(3);
    line["eval_count"] = json!(5);
}

fn block(lane: Lane, text: &str, whole: bool) -> (Value, &'static str) {
    match lane {
        Lane::Content | Lane::Refusal => (json!({"type": "text", "text": text}), "end_turn"),
        Lane::Reasoning => (json!({"type": "thinking", "thinking": text, "signature": ""}), "end_turn"),
        Lane::Name => (json!({"type": "tool_use", "id": "c1", "name": text, "input": {}}), "tool_use"),
        Lane::Arguments | Lane::Function => {
            let input: Value = if whole { serde_json::from_str(text).unwrap_or_default() } else { json!({}) };
            (json!({"type": "tool_use", "id": "c1", "name": "look", "input": input}), "tool_use")
        }
    }
}

fn message_events(lane: Lane, pieces: &[String]) -> Events {
    let named = |value: Value| (value["type"].as_str().unwrap_or_default().to_owned(), value);
    let name = pieces.concat();
    let (begun, reason) = block(lane, if lane == Lane::Name { &name } else { "" }, false);
    let message = json!({"id": "x", "type": "message", "role": "assistant", "model": "up", "content": [], "stop_reason": null,
        "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 0}});
    let mut events = vec![
        named(json!({"type": "message_start", "message": message})),
        named(json!({"type": "content_block_start", "index": 0, "content_block": begun})),
        named(json!({"type": "ping"})),
    ];
    let deltas = if lane == Lane::Name { &[] } else { pieces };
    events.extend(deltas.iter().map(|piece| {
        let delta = match lane {
            Lane::Content | Lane::Refusal | Lane::Name => json!({"type": "text_delta", "text": piece}),
            Lane::Reasoning => json!({"type": "thinking_delta", "thinking": piece}),
            Lane::Arguments | Lane::Function => json!({"type": "input_json_delta", "partial_json": piece}),
        };
        named(json!({"type": "content_block_delta", "index": 0, "delta": delta}))
    }));
    events.push(named(json!({"type": "content_block_stop", "index": 0})));
    events.push(named(json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 5}})));
    events.push(named(json!({"type": "message_stop"})));
    events
}

fn item(lane: Lane, text: &str) -> Value {
    match lane {
        Lane::Refusal => {
            json!({"type": "message", "id": "i", "role": "assistant", "status": "completed", "content": [{"type": "refusal", "refusal": text}]})
        }
        Lane::Content => json!({"type": "message", "id": "i", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}]}),
        Lane::Reasoning => json!({"type": "reasoning", "id": "i", "summary": [{"type": "summary_text", "text": text}]}),
        Lane::Name => {
            json!({"type": "function_call", "id": "i", "call_id": "c1", "name": text, "arguments": "{}", "status": "completed"})
        }
        Lane::Arguments | Lane::Function => {
            json!({"type": "function_call", "id": "i", "call_id": "c1", "name": "look", "arguments": text, "status": "completed"})
        }
    }
}

fn response(output: &[Value], status: &str) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "up", "output": output, "error": null,
        "incomplete_details": null, "instructions": null, "metadata": {}, "parallel_tool_calls": true, "temperature": 1.0,
        "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "usage": {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 8}})
}

fn response_events(lane: Lane, pieces: &[String]) -> Events {
    let text = pieces.concat();
    let (delta, done, field) = match lane {
        Lane::Content | Lane::Name => ("response.output_text.delta", "response.output_text.done", "text"),
        Lane::Refusal => ("response.refusal.delta", "response.refusal.done", "refusal"),
        Lane::Reasoning => ("response.reasoning_summary_text.delta", "response.reasoning_summary_text.done", "text"),
        Lane::Arguments | Lane::Function => {
            ("response.function_call_arguments.delta", "response.function_call_arguments.done", "arguments")
        }
    };
    let mut events = vec![
        json!({"type": "response.created", "response": response(&[], "in_progress")}),
        json!({"type": "response.in_progress", "response": response(&[], "in_progress")}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item(lane, if lane == Lane::Name { &text } else { "" })}),
    ];
    if lane != Lane::Name {
        let place = |value: &mut Value| {
            value["item_id"] = json!("i");
            value["output_index"] = json!(0);
            value["content_index"] = json!(0);
        };
        events.extend(pieces.iter().map(|piece| {
            let mut event = json!({"type": delta, "delta": piece});
            place(&mut event);
            event
        }));
        let mut end = json!({"type": done});
        end[field] = json!(text);
        place(&mut end);
        events.push(end);
    }
    events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item(lane, &text)}));
    events.push(json!({"type": "response.completed", "response": response(&[item(lane, &text)], "completed")}));
    let numbered = events.into_iter().zip(0..).map(|(mut event, number)| {
        event["sequence_number"] = json!(number);
        (event["type"].as_str().unwrap_or_default().to_owned(), event)
    });
    numbered.collect()
}
