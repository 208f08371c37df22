//! Anthropic's messages and OpenAI's chat, each in the words of the other.

use serde_json::{Map, Value, json};

use super::super::{
    set,
    translate::{list, object, plain, put, streamed, unfit, word},
};
use crate::upstream::UpstreamError;

/// The length of an answer where the client names none and the format wants one, in tokens.
const USUAL_LENGTH: u64 = 4096;

/// A request for a message as a chat.
pub(super) fn to_chat(body: &Value) -> Result<Value, UpstreamError> {
    let mut messages = Vec::new();
    let system = plain(body.get("system"))?;
    if !system.is_empty() {
        messages.push(json!({"role": "system", "content": system}));
    }
    for message in list(body, "messages") {
        let role = word(message, "role");
        let Some(Value::Array(blocks)) = message.get("content") else {
            messages.push(json!({"role": role, "content": plain(message.get("content"))?}));
            continue;
        };
        let (mut text, mut thought, mut calls) = (String::new(), String::new(), Vec::new());
        for block in blocks {
            match word(block, "type") {
                "text" => text.push_str(word(block, "text")),
                "thinking" => thought.push_str(word(block, "thinking")),
                "tool_use" => {
                    let input = block.get("input").map_or_else(|| "{}".to_owned(), Value::to_string);
                    calls.push(json!({"id": block.get("id"), "type": "function",
                        "function": {"name": block.get("name"), "arguments": input}}));
                }
                "tool_result" => messages.push(json!({
                    "role": "tool",
                    "tool_call_id": block.get("tool_use_id"),
                    "content": plain(block.get("content"))?,
                })),
                "search_result" => {
                    let found = plain(block.get("content"))?;
                    text.push_str(&[word(block, "title"), "\n", word(block, "source"), "\n", &found, "\n"].concat());
                }
                "document" if block.get("source").is_some_and(|source| word(source, "type") == "text") => {
                    let source = block.get("source").map(|source| word(source, "data")).unwrap_or_default();
                    text.push_str(&[word(block, "title"), "\n", word(block, "context"), "\n", source, "\n"].concat());
                }
                kind => return Err(unfit(&format!("this upstream cannot be shown a block of type `{kind}`"))),
            }
        }
        if text.is_empty() && calls.is_empty() {
            continue;
        }
        let mut told = json!({"role": role, "content": text});
        if !calls.is_empty() {
            set(&mut told, "tool_calls", Value::Array(calls));
        }
        if !thought.is_empty() {
            set(&mut told, "reasoning_content", json!(thought));
        }
        messages.push(told);
    }
    let mut chat = Map::new();
    put(&mut chat, "model", body.get("model"));
    chat.insert("messages".to_owned(), Value::Array(messages));
    streamed(&mut chat, body.get("stream").and_then(Value::as_bool).unwrap_or(false));
    for name in ["max_tokens", "temperature", "top_p", "top_k"] {
        put(&mut chat, name, body.get(name));
    }
    put(&mut chat, "stop", body.get("stop_sequences"));
    put(&mut chat, "user", body.get("metadata").and_then(|metadata| metadata.get("user_id")));
    let format = body.get("output_config").and_then(|config| config.get("format"));
    if let Some(schema) = format.filter(|format| word(format, "type") == "json_schema").and_then(|f| f.get("schema")) {
        let format = json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}});
        put(&mut chat, "response_format", Some(&format));
    }
    let tools = list(body, "tools").map(tool_to_chat).collect::<Result<Vec<_>, _>>()?;
    if !tools.is_empty() {
        chat.insert("tools".to_owned(), Value::Array(tools));
        put(&mut chat, "tool_choice", body.get("tool_choice").and_then(choice_to_chat).as_ref());
    }
    Ok(Value::Object(chat))
}

fn tool_to_chat(tool: &Value) -> Result<Value, UpstreamError> {
    if !matches!(word(tool, "type"), "" | "custom") {
        return Err(unfit(&format!("this upstream has no tool of type `{}`", word(tool, "type"))));
    }
    let mut function = Map::new();
    put(&mut function, "name", tool.get("name"));
    put(&mut function, "description", tool.get("description"));
    put(&mut function, "parameters", tool.get("input_schema"));
    Ok(json!({"type": "function", "function": function}))
}

fn choice_to_chat(choice: &Value) -> Option<Value> {
    match word(choice, "type") {
        "auto" => Some(json!("auto")),
        "any" => Some(json!("required")),
        "none" => Some(json!("none")),
        "tool" => Some(json!({"type": "function", "function": {"name": choice.get("name")}})),
        _ => None,
    }
}

/// A chat as a request for a message.
pub(super) fn of_chat(chat: &Value) -> Result<Value, UpstreamError> {
    if chat.get("n").and_then(Value::as_u64).is_some_and(|count| count > 1) {
        return Err(unfit("this upstream gives one answer at a time; leave out `n`"));
    }
    let format = chat.get("response_format");
    let schema = format.and_then(|format| format.get("json_schema")?.get("schema"));
    if schema.is_none() && format.is_some_and(|format| !matches!(word(format, "type"), "" | "text")) {
        return Err(unfit("this upstream can be held to a `json_schema` only"));
    }
    let mut system = Vec::new();
    let mut messages: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in list(chat, "messages") {
        let text = plain(message.get("content"))?;
        let said = (!text.is_empty()).then(|| json!({"type": "text", "text": text}));
        let (role, blocks) = match word(message, "role") {
            "system" | "developer" => {
                system.push(text);
                continue;
            }
            "assistant" => {
                let calls = list(message, "tool_calls").map(|call| {
                    let function = call.get("function").unwrap_or(&Value::Null);
                    let input = object(word(function, "arguments"));
                    json!({"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": input})
                });
                ("assistant", said.into_iter().chain(calls).collect())
            }
            "tool" | "function" => {
                let id = word(message, "tool_call_id");
                ("user", vec![json!({"type": "tool_result", "tool_use_id": id, "content": text})])
            }
            _ => ("user", said.into_iter().collect::<Vec<_>>()),
        };
        match messages.last_mut() {
            // The format wants turns to alternate, and all results of a turn's calls together.
            Some((last, earlier)) if *last == role => earlier.extend(blocks),
            _ if blocks.is_empty() => {}
            _ => messages.push((role, blocks)),
        }
    }
    let told = messages.into_iter().map(|(role, content)| json!({"role": role, "content": content}));
    let mut asked = Map::new();
    put(&mut asked, "model", chat.get("model"));
    asked.insert("messages".to_owned(), told.collect());
    if !system.is_empty() {
        asked.insert("system".to_owned(), json!(system.join("\n\n")));
    }
    let length =
        chat.get("max_completion_tokens").filter(|length| !length.is_null()).or_else(|| chat.get("max_tokens"));
    asked.insert("max_tokens".to_owned(), length.filter(|n| !n.is_null()).cloned().unwrap_or(json!(USUAL_LENGTH)));
    for name in ["stream", "temperature", "top_p", "top_k"] {
        put(&mut asked, name, chat.get(name));
    }
    let held = schema.map(|schema| json!({"format": {"type": "json_schema", "schema": schema}}));
    put(&mut asked, "output_config", held.as_ref());
    match chat.get("stop") {
        Some(stop @ Value::String(_)) => put(&mut asked, "stop_sequences", Some(&json!([stop]))),
        stop => put(&mut asked, "stop_sequences", stop),
    }
    put(&mut asked, "metadata", chat.get("user").map(|user| json!({ "user_id": user })).as_ref());
    let tools: Vec<Value> = list(chat, "tools").map(tool_of_chat).collect();
    if !tools.is_empty() {
        asked.insert("tools".to_owned(), Value::Array(tools));
        put(&mut asked, "tool_choice", chat.get("tool_choice").and_then(choice_of_chat).as_ref());
    }
    Ok(Value::Object(asked))
}

fn tool_of_chat(tool: &Value) -> Value {
    let function = tool.get("function").unwrap_or(&Value::Null);
    let mut told = Map::new();
    put(&mut told, "name", function.get("name"));
    put(&mut told, "description", function.get("description"));
    let schema = function.get("parameters").filter(|schema| !schema.is_null());
    told.insert("input_schema".to_owned(), schema.cloned().unwrap_or(json!({"type": "object"})));
    Value::Object(told)
}

fn choice_of_chat(choice: &Value) -> Option<Value> {
    match choice {
        Value::String(word) => match word.as_str() {
            "auto" => Some(json!({"type": "auto"})),
            "required" => Some(json!({"type": "any"})),
            "none" => Some(json!({"type": "none"})),
            _ => None,
        },
        choice => {
            let name = choice.get("function").and_then(|function| function.get("name"))?;
            Some(json!({"type": "tool", "name": name}))
        }
    }
}
