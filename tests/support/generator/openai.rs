//! What the generator says in OpenAI's formats.

use serde_json::{Value, json};

use super::{
    Act, CALL, COMPLETION_TOKENS, PROMPT_TOKENS, act, act_on_result, failed, halved, items, streamed, text, unknown,
    whole,
};
use crate::upstream::Script;

pub(super) fn answer(path: &str, asked: &Value) -> Script {
    match path {
        "/v1/models" => whole(&json!({"object": "list", "data": [{"id": "scripted", "object": "model"}]})),
        "/v1/chat/completions" => chat(asked),
        "/v1/completions" => completions(asked),
        "/v1/embeddings" => embeddings(asked),
        _ => unknown(),
    }
}

fn chat(asked: &Value) -> Script {
    let messages = items(&asked["messages"]);
    let last = messages.last().unwrap_or(&Value::Null);
    let said = text(&last["content"]);
    let act = if last["role"] == "tool" {
        let mut calls = messages.iter().flat_map(|message| items(&message["tool_calls"]));
        act_on_result(&said, calls.any(|call| call["id"] == last["tool_call_id"]))
    } else {
        act(&said, asked["tools"][0]["function"]["name"].as_str(), &asked["response_format"]["json_schema"]["schema"])
    };
    respond(act, asked["stream"] == true, |said| match said {
        Part::Begun => json!({"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}),
        Part::Text(text) => json!({"index": 0, "delta": {"content": text}, "finish_reason": null}),
        Part::Call(call) => json!({"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": null}),
        Part::Ended(reason) => json!({"index": 0, "delta": {}, "finish_reason": reason}),
        Part::All(text, calls, reason) => {
            let message = json!({"role": "assistant", "content": text, "tool_calls": calls});
            json!({"index": 0, "message": message, "finish_reason": reason})
        }
    })
}

fn completions(asked: &Value) -> Script {
    respond(act(&text(&asked["prompt"]), None, &Value::Null), asked["stream"] == true, |said| match said {
        Part::Begun | Part::Call(_) => json!({"index": 0, "text": "", "finish_reason": null}),
        Part::Text(text) => json!({"index": 0, "text": text, "finish_reason": null}),
        Part::Ended(reason) => json!({"index": 0, "text": "", "finish_reason": reason}),
        Part::All(text, _, reason) => json!({"index": 0, "text": text, "finish_reason": reason}),
    })
}

/// What a choice tells.
enum Part<'a> {
    Begun,
    Text(&'a str),
    Call(Value),
    Ended(&'a str),
    All(Option<String>, Option<Value>, &'a str),
}

fn respond(act: Act, stream: bool, choice: impl Fn(Part<'_>) -> Value) -> Script {
    let (pieces, call, cut) = match act {
        Act::Fails => {
            return failed(503, &json!({"error": {"message": "the model has no time", "type": "server_error"}}));
        }
        Act::Says(pieces) => (pieces, None, false),
        Act::Breaks(pieces) => (pieces, None, true),
        Act::Calls(tool, arguments) => (Vec::new(), Some((tool, arguments)), false),
    };
    let reason = if call.is_some() { "tool_calls" } else { "stop" };
    let total = PROMPT_TOKENS + COMPLETION_TOKENS;
    let usage = json!({"prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS, "total_tokens": total});
    if !stream {
        let calls = call.map(|(name, arguments)| {
            let function = json!({"name": name, "arguments": arguments.concat()});
            json!([{"id": CALL, "type": "function", "function": function}])
        });
        let text = calls.is_none().then(|| pieces.concat());
        let document = json!({"id": "up", "choices": [choice(Part::All(text, calls, reason))], "usage": usage});
        return if cut { halved(&document) } else { whole(&document) };
    }
    let chunk = |part| format!("data: {}\n\n", json!({"id": "up", "model": "up", "choices": [choice(part)]}));
    let mut chunks = vec![chunk(Part::Begun)];
    chunks.extend(pieces.iter().map(|piece| chunk(Part::Text(piece))));
    if let Some((name, arguments)) = call {
        let function = json!({"name": name, "arguments": ""});
        chunks.push(chunk(Part::Call(json!({"index": 0, "id": CALL, "type": "function", "function": function}))));
        let more = |arguments| json!({"index": 0, "function": {"arguments": arguments}});
        chunks.extend(arguments.iter().map(|arguments| chunk(Part::Call(more(arguments)))));
    }
    if !cut {
        chunks.push(chunk(Part::Ended(reason)));
        chunks.push(format!("data: {}\n\n", json!({"id": "up", "choices": [], "usage": usage})));
        chunks.push("data: [DONE]\n\n".to_owned());
    }
    streamed("text/event-stream", &chunks, cut)
}

/// Numbers that a 32-bit float holds exactly.
fn embeddings(asked: &Value) -> Script {
    let count = asked["input"].as_array().map_or(1, Vec::len);
    let vector = |index| json!({"object": "embedding", "index": index, "embedding": [index, -0.5, 0.25]});
    let usage = json!({"prompt_tokens": PROMPT_TOKENS, "total_tokens": PROMPT_TOKENS});
    whole(&json!({"object": "list", "data": (0..count).map(vector).collect::<Value>(), "usage": usage}))
}
