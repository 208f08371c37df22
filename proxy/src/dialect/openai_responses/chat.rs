//! A request for a response as a chat.

use serde_json::{Map, Value, json};

use super::super::{
    set,
    translate::{plain, put, streamed, unfit, word},
};
use crate::upstream::UpstreamError;

pub(super) fn to_chat(body: &Value) -> Result<Value, UpstreamError> {
    let mut messages: Vec<Value> = Vec::new();
    if let Some(text) = body.get("instructions").filter(|text| text.is_string()) {
        messages.push(json!({"role": "system", "content": text}));
    }
    let mut thought = String::new();
    match body.get("input") {
        Some(Value::Array(items)) => {
            for item in items {
                add(item, &mut messages, &mut thought)?;
            }
        }
        input => messages.push(json!({"role": "user", "content": plain(input)?})),
    }
    let mut chat = Map::new();
    put(&mut chat, "model", body.get("model"));
    chat.insert("messages".to_owned(), Value::Array(messages));
    streamed(&mut chat, body.get("stream").and_then(Value::as_bool).unwrap_or(false));
    for name in ["temperature", "top_p", "parallel_tool_calls", "user"] {
        put(&mut chat, name, body.get(name));
    }
    put(&mut chat, "max_tokens", body.get("max_output_tokens"));
    put(&mut chat, "reasoning_effort", body.get("reasoning").and_then(|reasoning| reasoning.get("effort")));
    if let Some(format) = body.get("text").and_then(|text| text.get("format")) {
        put(&mut chat, "response_format", format_to_chat(format).as_ref());
    }
    let tools = body.get("tools").and_then(Value::as_array).into_iter().flatten();
    let tools = tools.map(tool_to_chat).collect::<Result<Vec<_>, _>>()?;
    if !tools.is_empty() {
        chat.insert("tools".to_owned(), Value::Array(tools));
        put(&mut chat, "tool_choice", body.get("tool_choice").and_then(choice_to_chat).as_ref());
    }
    Ok(Value::Object(chat))
}

fn add(item: &Value, messages: &mut Vec<Value>, thought: &mut String) -> Result<(), UpstreamError> {
    match word(item, "type") {
        "" | "message" => {
            let mut told = json!({"role": item.get("role"), "content": plain(item.get("content"))?});
            if word(item, "role") == "assistant" && !thought.is_empty() {
                set(&mut told, "reasoning_content", json!(std::mem::take(thought)));
            }
            messages.push(told);
        }
        "reasoning" => {
            let parts = item.get("content").filter(|content| !content.is_null()).or_else(|| item.get("summary"));
            for part in parts.and_then(Value::as_array).into_iter().flatten() {
                thought.push_str(word(part, "text"));
            }
        }
        "function_call" => {
            let call = json!({"id": item.get("call_id"), "type": "function",
                "function": {"name": item.get("name"), "arguments": item.get("arguments")}});
            // Calls of one turn stand together.
            let last = messages.last_mut().filter(|last| word(last, "role") == "assistant");
            match last {
                Some(Value::Object(last)) => match last.get_mut("tool_calls") {
                    Some(Value::Array(calls)) => calls.push(call),
                    _ => put(last, "tool_calls", Some(&json!([call]))),
                },
                _ => messages.push(json!({"role": "assistant", "content": null, "tool_calls": [call]})),
            }
        }
        "function_call_output" => {
            let output = plain(item.get("output"))?;
            messages.push(json!({"role": "tool", "tool_call_id": item.get("call_id"), "content": output}));
        }
        kind => return Err(unfit(&format!("this upstream cannot be shown an item of type `{kind}`"))),
    }
    Ok(())
}

fn format_to_chat(format: &Value) -> Option<Value> {
    match word(format, "type") {
        "json_object" => Some(json!({"type": "json_object"})),
        "json_schema" => {
            let mut schema = Map::new();
            for name in ["name", "description", "schema", "strict"] {
                put(&mut schema, name, format.get(name));
            }
            Some(json!({"type": "json_schema", "json_schema": schema}))
        }
        _ => None,
    }
}

fn tool_to_chat(tool: &Value) -> Result<Value, UpstreamError> {
    if word(tool, "type") != "function" {
        return Err(unfit(&format!("this upstream has no tool of type `{}`", word(tool, "type"))));
    }
    let mut function = Map::new();
    for name in ["name", "description", "parameters", "strict"] {
        put(&mut function, name, tool.get(name));
    }
    Ok(json!({"type": "function", "function": function}))
}

fn choice_to_chat(choice: &Value) -> Option<Value> {
    match choice {
        Value::String(_) => Some(choice.clone()),
        choice => Some(json!({"type": "function", "function": {"name": choice.get("name")?}})),
    }
}
