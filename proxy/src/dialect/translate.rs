//! The same chat in another family's words, with OpenAI's chat between the two.
//!
//! What a format cannot say is refused with a sentence; fields nobody knows are left out, since they were addressed to
//! another server. The texts were judged before, and none is made here.

use serde_json::{Map, Value, json};

use super::set;
use crate::{json as strict, upstream::UpstreamError};

/// Settings with one name in OpenAI's chat and one below Ollama's `options`.
const OPTIONS: &[(&str, &str)] = &[
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("top_k", "top_k"),
    ("min_p", "min_p"),
    ("seed", "seed"),
    ("stop", "stop"),
    ("presence_penalty", "presence_penalty"),
    ("frequency_penalty", "frequency_penalty"),
    ("max_tokens", "num_predict"),
];

/// A chat of OpenAI's in Ollama's words.
pub(super) fn chat_to_ollama(chat: &Value) -> Result<Value, UpstreamError> {
    if chat.get("n").and_then(Value::as_u64).is_some_and(|count| count > 1) {
        return Err(unfit("this upstream gives one answer at a time; leave out `n`"));
    }
    let mut names: Vec<(String, String)> = Vec::new();
    let mut messages = Vec::new();
    for message in list(chat, "messages") {
        let role = match word(message, "role") {
            "developer" => "system",
            "function" => "tool",
            role => role,
        };
        let mut told = json!({"role": role, "content": plain(message.get("content"))?});
        let calls: Vec<Value> = list(message, "tool_calls").map(|call| ollama_call(call, &mut names)).collect();
        if !calls.is_empty() {
            set(&mut told, "tool_calls", Value::Array(calls));
        }
        if role == "tool" {
            let id = word(message, "tool_call_id");
            let name =
                names.iter().rev().find(|(known, _)| known == id).map_or(word(message, "name"), |(_, name)| name);
            set(&mut told, "tool_name", json!(name));
        }
        if let Some(thought) = message.get("reasoning_content").filter(|thought| thought.is_string()) {
            set(&mut told, "thinking", thought.clone());
        }
        messages.push(told);
    }
    let mut options = Map::new();
    for (ours, theirs) in OPTIONS {
        put(&mut options, theirs, chat.get(*ours));
    }
    put(&mut options, "num_predict", chat.get("max_completion_tokens"));
    let stream = chat.get("stream").and_then(Value::as_bool).unwrap_or(false);
    let mut asked = json!({"model": chat.get("model"), "messages": messages, "stream": stream, "options": options});
    if let Value::Object(asked) = &mut asked {
        put(asked, "tools", chat.get("tools"));
        let format = chat.get("response_format");
        match format.map(|format| word(format, "type")) {
            Some("json_object") => put(asked, "format", Some(&json!("json"))),
            Some("json_schema") => put(asked, "format", format.and_then(|f| f.get("json_schema")?.get("schema"))),
            _ => {}
        }
        put(asked, "think", chat.get("reasoning_effort"));
    }
    Ok(asked)
}

fn ollama_call(call: &Value, names: &mut Vec<(String, String)>) -> Value {
    let function = call.get("function").unwrap_or(&Value::Null);
    names.push((word(call, "id").to_owned(), word(function, "name").to_owned()));
    json!({"function": {"name": word(function, "name"), "arguments": object(word(function, "arguments"))}})
}

/// A chat of Ollama's in OpenAI's words.
pub(super) fn chat_of_ollama(chat: &Value) -> Result<Value, UpstreamError> {
    let mut open: Vec<(String, String)> = Vec::new();
    let mut number = 0_u32;
    let mut messages = Vec::new();
    for message in list(chat, "messages") {
        let images = message.get("images").filter(|images| images.as_array().is_none_or(|list| !list.is_empty()));
        if images.is_some_and(|images| !images.is_null()) {
            return Err(unfit("this upstream cannot be shown images"));
        }
        let role = word(message, "role");
        let mut told = json!({"role": role, "content": word(message, "content")});
        if role == "tool" {
            // Ollama names the tool where OpenAI names the call: the oldest open call of that tool is meant.
            let name = word(message, "tool_name");
            let place = open.iter().position(|(_, known)| name.is_empty() || known == name);
            set(&mut told, "tool_call_id", json!(place.map_or("call_0".to_owned(), |place| open.remove(place).0)));
        }
        let mut calls = Vec::new();
        for call in list(message, "tool_calls") {
            let function = call.get("function").unwrap_or(&Value::Null);
            let id = Some(word(call, "id")).filter(|id| !id.is_empty());
            let id = id.map_or_else(|| format!("call_{number}"), str::to_owned);
            number += 1;
            let arguments = function.get("arguments").map_or_else(|| "{}".to_owned(), Value::to_string);
            calls.push(json!({"id": id, "type": "function",
                "function": {"name": word(function, "name"), "arguments": arguments}}));
            open.push((id, word(function, "name").to_owned()));
        }
        if !calls.is_empty() {
            set(&mut told, "tool_calls", Value::Array(calls));
        }
        messages.push(told);
    }
    let stream = chat.get("stream").and_then(Value::as_bool).unwrap_or(true);
    let mut asked = Map::new();
    put(&mut asked, "model", chat.get("model"));
    asked.insert("messages".to_owned(), Value::Array(messages));
    streamed(&mut asked, stream);
    let options = chat.get("options").unwrap_or(&Value::Null);
    for (ours, theirs) in OPTIONS {
        // A negative length is Ollama's way to say that there is no limit.
        let value = options.get(*theirs).filter(|value| value.as_i64().is_none_or(|n| n >= 0 || *ours != "max_tokens"));
        put(&mut asked, ours, value);
    }
    put(&mut asked, "tools", chat.get("tools"));
    match chat.get("format") {
        Some(Value::String(format)) if format == "json" => {
            put(&mut asked, "response_format", Some(&json!({"type": "json_object"})));
        }
        Some(schema @ Value::Object(_)) => {
            let format = json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}});
            put(&mut asked, "response_format", Some(&format));
        }
        _ => {}
    }
    put(&mut asked, "reasoning_effort", chat.get("think").filter(|think| think.is_string()));
    Ok(Value::Object(asked))
}

/// Marks a chat as streamed or not; usage is counted whatever the client wants to see of it.
pub(super) fn streamed(chat: &mut Map<String, Value>, stream: bool) {
    chat.insert("stream".to_owned(), json!(stream));
    if stream {
        chat.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
}

/// The text of a message's content; parts are joined, and a part that is no text is refused.
pub(super) fn plain(content: Option<&Value>) -> Result<String, UpstreamError> {
    match content {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => {
            let text = |part: &Value| match word(part, "type") {
                "text" | "input_text" | "output_text" => Ok(word(part, "text").to_owned()),
                "refusal" => Ok(word(part, "refusal").to_owned()),
                kind => Err(unfit(&format!("this upstream cannot be shown a part of type `{kind}`"))),
            };
            parts.iter().map(text).collect()
        }
        Some(_) => Err(unfit("a message's content is neither text nor parts")),
    }
}

/// A string field; empty if there is none.
pub(super) fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The items of a list; none if there is no list.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// The object that a text is; arguments that are none stay readable below a name of their own.
pub(super) fn object(text: &str) -> Value {
    match strict::parse(text.as_bytes()) {
        Ok(object @ Value::Object(_)) => object,
        _ if text.trim().is_empty() => json!({}),
        _ => json!({ "arguments": text }),
    }
}

/// Sets a field, unless there is no value for it.
pub(super) fn put(fields: &mut Map<String, Value>, name: &str, value: Option<&Value>) {
    if let Some(value) = value.filter(|value| !value.is_null()) {
        fields.insert(name.to_owned(), value.clone());
    }
}

pub(super) fn unfit(why: &str) -> UpstreamError {
    UpstreamError::Unfit(why.to_owned())
}
