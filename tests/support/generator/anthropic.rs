//! What the generator says in Anthropic's messages.

use serde_json::{Value, json};

use super::{
    Act, CALL, COMPLETION_TOKENS, PROMPT_TOKENS, act, act_on_result, failed, halved, items, streamed, text, unknown,
    whole,
};
use crate::upstream::Script;

pub(super) fn answer(path: &str, asked: &Value) -> Script {
    match path {
        "/v1/models" => whole(&json!({"data": [{"type": "model", "id": "scripted"}], "has_more": false})),
        "/v1/messages" => respond(heard(asked), asked["stream"] == true),
        _ => unknown(),
    }
}

fn heard(asked: &Value) -> Act {
    let messages = items(&asked["messages"]);
    let content = messages.last().map_or(&Value::Null, |last| &last["content"]);
    let Some(result) = items(content).iter().find(|block| block["type"] == "tool_result") else {
        return act(&text(content), asked["tools"][0]["name"].as_str(), &asked["output_config"]["format"]["schema"]);
    };
    let mut blocks = messages.iter().flat_map(|message| items(&message["content"]));
    let belongs = blocks.any(|block| block["type"] == "tool_use" && block["id"] == result["tool_use_id"]);
    act_on_result(&text(&result["content"]), belongs)
}

fn respond(act: Act, stream: bool) -> Script {
    let (pieces, call, cut) = match act {
        Act::Fails => {
            let error = json!({"type": "overloaded_error", "message": "the model has no time"});
            return failed(529, &json!({"type": "error", "error": error}));
        }
        Act::Says(pieces) => (pieces, None, false),
        Act::Breaks(pieces) => (pieces, None, true),
        Act::Calls(tool, arguments) => (Vec::new(), Some((tool, arguments)), false),
    };
    let reason = if call.is_some() { "tool_use" } else { "end_turn" };
    let message = |content: &Value, reason: Option<&str>| {
        let usage = json!({"input_tokens": PROMPT_TOKENS, "output_tokens": COMPLETION_TOKENS});
        json!({"id": "up", "type": "message", "role": "assistant", "model": "up", "content": content,
            "stop_reason": reason, "stop_sequence": null, "usage": usage})
    };
    if !stream {
        let block = match call {
            Some((name, arguments)) => {
                let input: Value = serde_json::from_str(&arguments.concat()).unwrap();
                json!({"type": "tool_use", "id": CALL, "name": name, "input": input})
            }
            None => json!({"type": "text", "text": pieces.concat()}),
        };
        let document = message(&json!([block]), Some(reason));
        return if cut { halved(&document) } else { whole(&document) };
    }
    let event = |name: &str, mut document: Value| {
        document["type"] = json!(name);
        format!("event: {name}\ndata: {document}\n\n")
    };
    let delta = |delta: Value| event("content_block_delta", json!({"index": 0, "delta": delta}));
    let mut events = vec![event("message_start", json!({"message": message(&json!([]), None)}))];
    let block = match &call {
        Some((name, _)) => json!({"type": "tool_use", "id": CALL, "name": name, "input": {}}),
        None => json!({"type": "text", "text": ""}),
    };
    events.push(event("content_block_start", json!({"index": 0, "content_block": block})));
    events.push(event("ping", json!({})));
    events.extend(pieces.iter().map(|piece| delta(json!({"type": "text_delta", "text": piece}))));
    if let Some((_, arguments)) = call {
        let input = |piece| json!({"type": "input_json_delta", "partial_json": piece});
        events.extend(arguments.iter().map(|piece| delta(input(piece))));
    }
    if !cut {
        events.push(event("content_block_stop", json!({"index": 0})));
        let delta = json!({"stop_reason": reason, "stop_sequence": null});
        events.push(event("message_delta", json!({"delta": delta, "usage": {"output_tokens": COMPLETION_TOKENS}})));
        events.push(event("message_stop", json!({})));
    }
    streamed("text/event-stream", &events, cut)
}
