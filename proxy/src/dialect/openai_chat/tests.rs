use policies::Provenance;
use serde_json::{Value, json};

use super::super::{Bounds, Dialect as _, FieldPolicy, ReadError, Reading, Texts as _};
use super::{OpenAiChat, Reads};
use crate::{
    dialect::Listener as _,
    upstream::{Event, Finish, Lane, UpstreamError, Usage},
};

const SCAN: Bounds = Bounds { fields: FieldPolicy::Scan, choices: 8, parts: 1000 };

fn read(body: &Value, fields: FieldPolicy) -> Result<Reading, ReadError> {
    OpenAiChat.read(body.to_string().as_bytes(), &Bounds { fields, ..SCAN })
}

fn texts(body: &Value) -> Vec<(String, Provenance, String)> {
    let Reading { request, .. } = read(body, FieldPolicy::Scan).unwrap();
    request.parts.iter().map(|part| (part.field.clone(), part.provenance, part.text().to_owned())).collect()
}

/// Every string in the value, keys left out.
fn strings(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::String(text) => all.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, all)),
        Value::Object(fields) => fields.values().for_each(|value| strings(value, all)),
        _ => {}
    }
}

#[test]
fn every_string_that_is_forwarded_is_a_part() {
    let body = json!({
        "model": "m1", "stream": true, "stop": ["s1", "s2"], "user": "u1", "metadata": {"k": "v1"},
        "tools": [{"type": "function", "function": {"name": "f1", "description": "d1",
            "parameters": {"type": "object", "properties": {"p": {"enum": ["e1"]}}}}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n1", "schema": {"title": "t1"}}},
        "guided_grammar": {"deep": ["g1"]},
        "messages": [
            {"role": "system", "content": "c1", "name": "nm1"},
            {"role": "user", "content": [{"type": "text", "text": "c2", "cache": {"x": "x1"}}, {"type": "image_url", "image_url": {"url": "i1"}}]},
            {"role": "assistant", "content": null, "reasoning_content": "r1", "refusal": "r2",
             "tool_calls": [{"id": "id1", "type": "function", "function": {"name": "f2", "arguments": "a1"}}]},
            {"role": "tool", "tool_call_id": "id2", "content": "c3", "odd": "o1"}
        ]
    });
    let Reading { request, .. } = read(&body, FieldPolicy::Scan).unwrap();
    let mut forwarded = Vec::new();
    strings(request.body(), &mut forwarded);
    let parts: Vec<&str> = request.parts.iter().map(crate::segment::Part::text).collect();
    // Roles and the types of parts are the only strings that are not free: they are one of a closed set.
    let closed = ["system", "user", "assistant", "tool", "text"];
    for text in forwarded.iter().filter(|text| !closed.contains(&text.as_str())) {
        assert!(parts.contains(&text.as_str()), "`{text}` is forwarded unread");
    }
    for key in ["k", "p", "deep", "guided_grammar", "odd", "cache"] {
        assert!(parts.contains(&key), "the key `{key}` is forwarded unread");
    }
}

#[test]
fn text_has_its_author() {
    let body = json!({"model": "m", "messages": [
        {"role": "developer", "content": "a"}, {"role": "user", "content": "b"},
        {"role": "assistant", "content": "c"}, {"role": "tool", "content": "d"}]});
    let authors: Vec<_> =
        texts(&body).into_iter().filter(|(field, ..)| field.contains("content")).map(|t| t.1).collect();
    assert_eq!(authors, [Provenance::System, Provenance::User, Provenance::Assistant, Provenance::Tool]);
}

#[test]
fn what_is_wrong_is_named() {
    let chat = |change: Value| {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        read(&body, FieldPolicy::Refuse).map(|_| ()).unwrap_err().to_string()
    };
    for (change, expected) in [
        (json!({"Messages": []}), "`Messages` is spelled `messages`"),
        (json!({"meſſages": []}), "`meſſages` is spelled `messages`"),
        (json!({"n": 9}), "`n` must be a whole number from 1 to 8"),
        (json!({"n": "1"}), "`n` must be a whole number from 1 to 8"),
        (json!({"stream": "yes"}), "`stream` must be true or false"),
        (json!({"temperature": "hot"}), "`temperature` must be a number"),
        (json!({"messages": []}), "`messages` must not be empty"),
        (
            json!({"messages": [{"role": "User ", "content": "x"}]}),
            "`messages[0].role` must be one of system, developer, user, assistant, tool, function",
        ),
        (json!({"messages": [{"role": "user", "Content": "x"}]}), "`messages[0].Content` is spelled `content`"),
        (
            json!({"messages": [{"role": "user", "content": 1}]}),
            "`messages[0].content` must be a string, null or an array of parts",
        ),
        (json!({"model": 1}), "`model` must be a string of 1 to 256 bytes"),
        (json!({"odd": 1}), "`odd` is not a field of this request"),
    ] {
        assert_eq!(chat(change), expected);
    }
}

#[test]
fn what_cannot_be_read_is_noted() {
    let body = json!({"model": "m", "prompt_token_ids": [1,2,3,4,5,6,7,8,9], "messages": [
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}, {"type": "file"}, {"type": "odd"}]}]});
    let Reading { notes, .. } = read(&body, FieldPolicy::Scan).unwrap();
    let ids: Vec<_> = notes.iter().map(|note| note.id).collect();
    assert_eq!(
        ids,
        ["unreadable.audio", "unreadable.file", "unreadable.part", "request.unknown-field", "unreadable.tokens"]
    );
}

#[test]
fn cleared_texts_take_the_place_of_the_read_ones() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "my key"}]}]});
    let Reading { request, .. } = read(&body, FieldPolicy::Scan).unwrap();
    let texts: Vec<String> = request.parts.iter().map(|part| part.text().replace("key", "[key]")).collect();
    assert_eq!(request.with_texts(&texts).body()["messages"][0]["content"][0]["text"], "my [key]");
}

#[test]
fn log_probabilities_are_not_asked_for() {
    let body =
        json!({"model": "m", "logprobs": true, "top_logprobs": 5, "messages": [{"role": "user", "content": "x"}]});
    let Reading { request, .. } = read(&body, FieldPolicy::Scan).unwrap();
    assert_eq!(request.body().get("logprobs"), None);
    assert_eq!(request.body().get("top_logprobs"), None);
}

fn hear(document: &[u8]) -> Result<Vec<Event>, UpstreamError> {
    Reads.hear(document).map(|heard| heard.events)
}

#[test]
fn whole_answers_and_pieces_read_alike() {
    let expected = vec![
        Event::Text { choice: 0, lane: Lane::Reasoning, text: "hm".into() },
        Event::Text { choice: 0, lane: Lane::Content, text: "hi".into() },
        Event::ToolCall {
            choice: 0,
            lane: Lane::Tool(0),
            id: Some("c1".into()),
            name: "f".into(),
            arguments: "{}".into(),
        },
        Event::Finish { choice: 0, reason: Finish::ToolCalls },
        Event::Usage(Usage { prompt: 3, completion: 4 }),
    ];
    for said in ["delta", "message"] {
        let body = format!(
            r#"{{"choices":[{{"index":0,"{said}":{{"content":"hi","reasoning_content":"hm","tool_calls":[{{"id":"c1","function":{{"name":"f","arguments":"{{}}"}}}}],"odd":"x"}},"finish_reason":"tool_calls"}}],"usage":{{"prompt_tokens":3,"completion_tokens":4}}}}"#
        );
        assert_eq!(hear(body.as_bytes()).unwrap(), expected);
    }
}

#[test]
fn the_older_function_call_is_read() {
    let events = hear(br#"{"choices":[{"delta":{"function_call":{"name":"f","arguments":"{"}}}]}"#).unwrap();
    let call = Event::ToolCall { choice: 0, lane: Lane::Function, id: None, name: "f".into(), arguments: "{".into() };
    assert_eq!(events, [call]);
}

#[test]
fn what_is_no_answer_is_an_error() {
    assert!(matches!(hear(br#"{"error":{"message":"x"}}"#), Err(UpstreamError::Reported)));
    for bad in [
        "{}",
        r#"{"choices":[{"index":-1}]}"#,
        r#"{"choices":[{"index":4000000000}]}"#,
        r#"{"choices":[{"delta":{"content":["x"]}}]}"#,
        r#"{"choices":[],"choices":[]}"#,
        "nonsense",
    ] {
        assert!(matches!(hear(bad.as_bytes()), Err(UpstreamError::Unreadable(_))), "{bad}");
    }
}
