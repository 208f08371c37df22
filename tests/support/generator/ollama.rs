//! What the generator says in Ollama's formats.

use serde_json::{Value, json};

use super::{
    Act, CALL, COMPLETION_TOKENS, PROMPT_TOKENS, act, act_on_result, failed, halved, items, streamed, text, unknown,
    whole,
};
use crate::upstream::Script;

pub(super) fn answer(path: &str, asked: &Value) -> Script {
    let stream = asked["stream"] != false;
    match path {
        "/api/version" => whole(&json!({"version": "0.0.1"})),
        "/api/tags" => whole(&json!({"models": [{"name": "scripted", "model": "scripted", "size": 1}]})),
        "/api/ps" => whole(&json!({"models": [{"name": "scripted", "model": "scripted", "size_vram": 1}]})),
        "/api/show" => whole(&json!({"template": "{{ .Prompt }}", "capabilities": ["completion", "tools"],
            "details": {"family": "llama"}, "model_info": {"llama.context_length": 4096}})),
        "/api/embed" => {
            let count = asked["input"].as_array().map_or(1, Vec::len);
            let vectors = (0..count).map(|index| json!([index, -0.5, 0.25]));
            whole(&json!({"embeddings": vectors.collect::<Value>(), "prompt_eval_count": PROMPT_TOKENS}))
        }
        "/api/generate" => {
            respond(act(&text(&asked["prompt"]), None, &asked["format"]), stream, |text, _| json!({ "response": text }))
        }
        "/api/chat" => respond(
            heard(asked),
            stream,
            |text, calls| json!({"message": {"role": "assistant", "content": text, "tool_calls": calls}}),
        ),
        _ => unknown(),
    }
}

fn heard(asked: &Value) -> Act {
    let messages = items(&asked["messages"]);
    let last = messages.last().unwrap_or(&Value::Null);
    let said = text(&last["content"]);
    if last["role"] != "tool" {
        return act(&said, asked["tools"][0]["function"]["name"].as_str(), &asked["format"]);
    }
    let mut calls = messages.iter().flat_map(|message| items(&message["tool_calls"]));
    act_on_result(&said, calls.any(|call| call["function"]["name"] == last["tool_name"]))
}

fn respond(act: Act, stream: bool, said: impl Fn(&str, Option<Value>) -> Value) -> Script {
    let (pieces, call, cut) = match act {
        Act::Fails => return failed(503, &json!({"error": "the model has no time"})),
        Act::Says(pieces) => (pieces, None, false),
        Act::Breaks(pieces) => (pieces, None, true),
        Act::Calls(tool, arguments) => (Vec::new(), Some((tool, arguments)), false),
    };
    let calls = call.map(|(name, arguments)| {
        let arguments: Value = serde_json::from_str(&arguments.concat()).unwrap();
        json!([{"id": CALL, "function": {"name": name, "arguments": arguments}}])
    });
    let line = |mut line: Value, done: bool| {
        line["model"] = json!("up");
        line["created_at"] = json!("2026-01-01T00:00:00Z");
        line["done"] = json!(done);
        if done {
            line["done_reason"] = json!("stop");
            line["prompt_eval_count"] = json!(PROMPT_TOKENS);
            line["eval_count"] = json!(COMPLETION_TOKENS);
        }
        line
    };
    if !stream {
        let document = line(said(&pieces.concat(), calls), true);
        return if cut { halved(&document) } else { whole(&document) };
    }
    let mut lines: Vec<Value> = pieces.iter().map(|piece| line(said(piece, None), false)).collect();
    lines.extend(calls.map(|calls| line(said("", Some(calls)), false)));
    if !cut {
        lines.push(line(said("", None), true));
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
    streamed("application/x-ndjson", &lines, cut)
}
