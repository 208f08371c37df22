use http::Method;
use serde_json::{Value, json};

use super::{ANSWERS, Bounds, Family, FieldPolicy, NoRoute, Route, Texts as _, VECTORS, chat_wire, route};
use crate::segment::Part;

const BOUNDS: Bounds = Bounds { fields: FieldPolicy::Scan, choices: 8, parts: 1000 };

fn owner(method: &Method, path: &str) -> Result<&'static str, NoRoute> {
    route(method, path).map(|(_, path)| path)
}

#[test]
fn only_exact_paths_have_an_owner() {
    for dialect in ANSWERS {
        assert!(matches!(route(&Method::POST, dialect.path()), Ok((Route::Answers(_), _))), "{}", dialect.path());
        assert_eq!(owner(&Method::GET, dialect.path()), Err(NoRoute::Method("POST")));
        for wrong in ["{}/", "/{}", "{};x", "{}?x", "/.{}", "{}%20", "{}\0"] {
            let path = wrong.replace("{}", dialect.path());
            assert_eq!(owner(&Method::POST, &path), Err(NoRoute::Unknown), "{path}");
        }
        assert_eq!(owner(&Method::POST, &dialect.path().to_uppercase()), Err(NoRoute::Unknown));
    }
    assert_eq!(owner(&Method::GET, "/v1/models"), Ok("/v1/models"));
    assert_eq!(owner(&Method::GET, "/v1/models/"), Err(NoRoute::Unknown));
    for name in ["m", "a/b:8b", "%2e%2e", "../chat/completions"] {
        let path = format!("/v1/models/{name}");
        assert_eq!(owner(&Method::GET, &path), Ok("/v1/models/{model}"));
        assert_eq!(owner(&Method::POST, &path), Err(NoRoute::Method("GET")));
    }
    for path in ["/v1/%63hat/completions", "/v1/./chat/completions", "/v1/messages/count_tokens", "/completion", ""] {
        assert_eq!(owner(&Method::POST, path), Err(NoRoute::Unknown), "{path}");
    }
    for path in ["create", "pull", "push", "copy", "delete", "blobs/sha256:0", "embedding"] {
        assert_eq!(owner(&Method::POST, &format!("/api/{path}")), Err(NoRoute::Unknown), "{path}");
    }
}

/// A request of every format, with a word of its own (`t…`) in every field that may hold one.
fn requests() -> Vec<(&'static str, Value)> {
    let odd = json!({"deep": ["todd"]});
    let schema = json!({"type": "tkind", "properties": {"tproperty": {"enum": ["tenum"]}}});
    let function = json!({"name": "tfunction", "description": "tdescription", "parameters": schema});
    vec![
        (
            "/v1/chat/completions",
            json!({"model": "tmodel", "odd": odd, "stop": ["tstop"], "user": "tuser",
            "metadata": {"tkey": "tvalue"}, "tools": [{"type": "function", "function": function}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "tschema", "schema": schema}},
            "messages": [{"role": "system", "content": "tsystem", "name": "tname"},
                {"role": "user", "content": [{"type": "text", "text": "tpart", "odd": "tbeside"}, {"type": "text", "text": "tother"}]},
                {"role": "assistant", "content": null, "reasoning_content": "tthought", "refusal": "trefusal",
                    "tool_calls": [{"id": "tid", "type": "function", "function": {"name": "tcalled", "arguments": "{\"a\":\"t\\u0061rgument\"}"}}]},
                {"role": "tool", "tool_call_id": "tanswered", "content": "tresult", "odd": "todder"}]}),
        ),
        (
            "/v1/completions",
            json!({"model": "tmodel", "prompt": ["tprompt", "tsecond"], "suffix": "tsuffix", "stop": "tstop", "odd": odd, "user": "tuser"}),
        ),
        (
            "/v1/responses",
            json!({"model": "tmodel", "instructions": "tinstructions", "odd": odd, "metadata": {"tkey": "tvalue"},
            "tools": [{"type": "function", "name": "tfunction", "description": "tdescription", "parameters": schema}],
            "text": {"format": {"type": "json_schema", "name": "tschema", "schema": schema}},
            "input": [{"role": "user", "content": "tplain"},
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "tpart"}]},
                {"type": "reasoning", "id": "trs", "summary": [{"type": "summary_text", "text": "tsummary"}], "content": [{"type": "reasoning_text", "text": "tthought"}]},
                {"type": "function_call", "call_id": "tid", "name": "tcalled", "arguments": "{\"a\":\"t\\u0061rgument\"}"},
                {"type": "function_call_output", "call_id": "tid", "output": [{"type": "input_text", "text": "tresult"}]}]}),
        ),
        (
            "/v1/messages",
            json!({"model": "tmodel", "max_tokens": 5, "odd": odd, "stop_sequences": ["tstop"], "metadata": {"user_id": "tuser"},
            "system": [{"type": "text", "text": "tsystem", "cache_control": {"type": "tcache"}}],
            "tools": [{"name": "tfunction", "description": "tdescription", "input_schema": schema}],
            "messages": [{"role": "user", "content": "tplain"},
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "tthought", "signature": "tsignature"},
                    {"type": "tool_use", "id": "tid", "name": "tcalled", "input": {"tkey": "targument"}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "tid", "content": [{"type": "text", "text": "tresult"}]},
                    {"type": "search_result", "source": "tsource", "title": "ttitle", "content": [{"type": "text", "text": "tfound"}]},
                    {"type": "document", "title": "tdocument", "source": {"type": "text", "media_type": "tmedia", "data": "tdata"}},
                    {"type": "text", "text": "tpart"}]}]}),
        ),
        (
            "/api/chat",
            json!({"model": "tmodel", "odd": odd, "format": schema, "keep_alive": "tlive", "options": {"stop": ["tstop"]},
            "tools": [{"type": "function", "function": function}],
            "messages": [{"role": "system", "content": "tsystem"}, {"role": "user", "content": "tplain"},
                {"role": "assistant", "content": "", "thinking": "tthought", "tool_calls": [{"function": {"name": "tcalled", "arguments": {"tkey": "targument"}}}]},
                {"role": "tool", "tool_name": "tcalled", "content": "tresult"}]}),
        ),
        (
            "/api/generate",
            json!({"model": "tmodel", "prompt": "tprompt", "suffix": "tsuffix", "system": "tsystem", "template": "ttemplate",
            "odd": odd, "options": {"stop": ["tstop"]}}),
        ),
        ("/v1/embeddings", json!({"model": "tmodel", "input": ["tinput", "tsecond"], "odd": odd, "user": "tuser"})),
        ("/api/embed", json!({"model": "tmodel", "input": "tinput", "odd": odd})),
        (
            "/api/embeddings",
            json!({"model": "tmodel", "prompt": "tprompt", "options": {"stop": ["tstop"]}, "odd": odd}),
        ),
    ]
}

fn read(path: &str, body: &Value, bounds: &Bounds) -> Result<super::Reading, super::ReadError> {
    let body = body.to_string();
    match route(&Method::POST, path) {
        Ok((Route::Answers(dialect), _)) => dialect.read(body.as_bytes(), bounds),
        Ok((Route::Vectors(dialect), _)) => dialect.read(body.as_bytes(), bounds),
        _ => panic!("{path} has no dialect"),
    }
}

/// Every string and every key that begins with `t` and is no setting's name.
fn words(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::String(text) => all.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| words(item, all)),
        Value::Object(fields) => {
            all.extend(
                fields.keys().filter(|key| matches!(key.as_str(), "tkey" | "tproperty" | "odd" | "deep")).cloned(),
            );
            fields.values().for_each(|value| words(value, all));
        }
        _ => {}
    }
}

#[test]
fn every_string_that_is_forwarded_is_a_part_in_every_format() {
    assert_eq!(requests().len(), ANSWERS.len() + VECTORS.len(), "a format has no sample here");
    // Roles and types are the only strings that are not free: each is one of a closed set.
    let closed = [
        "system",
        "user",
        "assistant",
        "tool",
        "text",
        "input_text",
        "reasoning_text",
        "summary_text",
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "thinking",
        "tool_use",
        "tool_result",
        "search_result",
        "document",
    ];
    for (path, body) in requests() {
        let request = read(path, &body, &BOUNDS).unwrap().request;
        let mut forwarded = Vec::new();
        words(request.body(), &mut forwarded);
        let parts: Vec<&str> = request.parts().iter().map(Part::text).collect();
        for text in forwarded.iter().filter(|text| !closed.contains(&text.as_str())) {
            assert!(parts.contains(&text.as_str()), "{path}: `{text}` is forwarded unread");
        }
        if path.ends_with("completions") && path.contains("chat") || path.ends_with("responses") {
            assert!(parts.contains(&"targument"), "{path}: what an escape hides is not read");
        }
    }
}

#[test]
fn every_text_can_be_replaced_where_it_stands() {
    for (path, body) in requests() {
        let request = read(path, &body, &BOUNDS).unwrap().request;
        let texts: Vec<String> =
            request.parts().iter().map(|part| part.text().replace("tresult", "[x]").replace("tplain", "[y]")).collect();
        let changed = request.with_texts(&texts).body().to_string();
        assert!(!changed.contains("tresult") && !changed.contains("tplain"), "{path}: {changed}");
    }
}

#[test]
fn a_key_of_another_case_and_an_unknown_field_are_refused_in_every_format() {
    for (path, body) in requests() {
        let mut folded = body.clone();
        folded["Model"] = json!("x");
        let error = read(path, &folded, &BOUNDS).map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, "`Model` is spelled `model`", "{path}");
        let error = read(path, &body, &Bounds { fields: FieldPolicy::Refuse, ..BOUNDS }).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("is not a field of this request"), "{path}: {error}");
        let error = read(path, &json!({"model": 1}), &BOUNDS).map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, "`model` must be a string of 1 to 256 bytes", "{path}");
        let error = read(path, &json!({"model": "m"}), &BOUNDS).map(|_| ());
        assert!(error.is_err() || path == "/api/generate", "{path} needs something to answer");
    }
}

#[test]
fn what_cannot_be_read_is_noted_in_every_format() {
    for (path, body, expected) in [
        ("/v1/completions", json!({"model": "m", "prompt": [1, 2, 3]}), "unreadable.tokens"),
        ("/v1/completions", json!({"model": "m", "prompt": ["a", [1, 2, 3]]}), "unreadable.tokens"),
        ("/v1/completions", json!({"model": "m", "prompt_embeds": "AAAA"}), "unreadable.tokens"),
        ("/v1/embeddings", json!({"model": "m", "input": [[1, 2, 3]]}), "unreadable.tokens"),
        ("/api/embed", json!({"model": "m", "input": [1]}), "unreadable.tokens"),
        ("/api/generate", json!({"model": "m", "prompt": "x", "context": [1, 2]}), "unreadable.tokens"),
        ("/api/generate", json!({"model": "m", "prompt": "x", "images": ["AAAA"]}), "unreadable.image"),
        (
            "/api/chat",
            json!({"model": "m", "messages": [{"role": "user", "content": "x", "images": ["AAAA"]}]}),
            "unreadable.image",
        ),
        (
            "/v1/responses",
            json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}),
            "unreadable.image",
        ),
        ("/v1/responses", json!({"model": "m", "input": [{"type": "computer_call"}]}), "unreadable.part"),
        (
            "/v1/messages",
            json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}),
            "unreadable.image",
        ),
        (
            "/v1/messages",
            json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "base64"}}]}]}),
            "unreadable.file",
        ),
        (
            "/v1/messages",
            json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "server_tool_use"}]}]}),
            "unreadable.part",
        ),
    ] {
        let notes = read(path, &body, &BOUNDS).unwrap().notes;
        assert!(notes.iter().any(|note| note.id == expected), "{path} {body}: {notes:?}");
    }
}

#[test]
fn a_stored_conversation_is_refused() {
    for field in ["previous_response_id", "conversation", "prompt"] {
        let body = json!({"model": "m", "input": "x", field: "resp_1"});
        let error = read("/v1/responses", &body, &BOUNDS).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("stored elsewhere"), "{error}");
    }
}

#[test]
fn parts_of_one_message_are_also_read_together() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "one pi"}, {"type": "text", "text": "pe"}]}]});
    let request = read("/v1/chat/completions", &body, &BOUNDS).unwrap().request;
    assert!(request.parts().iter().any(|part| part.text() == "one pipe"));
}

/// Each format's request as a chat, and that chat in each family's words.
#[test]
fn requests_keep_their_meaning_in_other_words() {
    let chat = |path: &str, body: &Value| {
        let Ok((Route::Answers(dialect), _)) = route(&Method::POST, path) else { panic!("{path}") };
        dialect.to_chat(body).unwrap()
    };
    let tool =
        json!({"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}});
    let expected = json!([
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "r"}]);
    let openai = json!({"model": "m", "stream": false, "max_tokens": 9, "temperature": 0.5, "stop": ["e"], "messages": expected, "tools": [tool]});

    let claude = json!({"model": "m", "max_tokens": 9, "temperature": 0.5, "stop_sequences": ["e"], "system": "s", "stream": false, "messages": [
        {"role": "user", "content": [{"type": "text", "text": "u"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "c1", "name": "f", "input": {"x": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "r"}]}],
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}]});
    let there = chat("/v1/messages", &claude);
    assert_eq!((&there["messages"], &there["tools"], &there["stop"]), (&expected, &json!([tool]), &json!(["e"])));
    assert_eq!(chat_wire(Family::Anthropic).of_chat(&openai).unwrap(), claude);
    let mut held = claude;
    super::set(&mut held, "output_config", json!({"format": {"type": "json_schema", "schema": {"type": "object"}}}));
    let held_chat = chat("/v1/messages", &held);
    assert_eq!(chat_wire(Family::Anthropic).of_chat(&held_chat).unwrap()["output_config"], held["output_config"]);
    let held = &held_chat["response_format"];
    assert_eq!((&held["type"], &held["json_schema"]["schema"]), (&json!("json_schema"), &json!({"type": "object"})));

    let ollama = json!({"model": "m", "stream": false, "options": {"temperature": 0.5, "stop": ["e"], "num_predict": 9}, "tools": [tool], "messages": [
        {"role": "system", "content": "s"}, {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]},
        {"role": "tool", "content": "r", "tool_name": "f"}]});
    assert_eq!(chat_wire(Family::Ollama).of_chat(&openai).unwrap(), ollama);
    let there = chat("/api/chat", &ollama);
    let id = there["messages"][2]["tool_calls"][0]["id"].clone();
    assert_eq!(there["messages"][3]["tool_call_id"], id);
    assert_eq!((&there["max_tokens"], &there["temperature"]), (&json!(9), &json!(0.5)));

    let responses = json!({"model": "m", "instructions": "s", "max_output_tokens": 9, "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "u"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"x\":1}"},
        {"type": "function_call_output", "call_id": "c1", "output": "r"}],
        "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}]});
    let there = chat("/v1/responses", &responses);
    assert_eq!((&there["messages"], &there["tools"], &there["max_tokens"]), (&expected, &json!([tool]), &json!(9)));

    let generate = json!({"model": "m", "system": "s", "prompt": "u", "stream": false});
    assert_eq!(chat("/api/generate", &generate)["messages"], json!([expected[0], expected[1]]));
    assert_eq!(chat("/v1/completions", &json!({"model": "m", "prompt": "u"}))["messages"], json!([expected[1]]));
}

#[test]
fn what_a_format_cannot_say_is_refused_with_a_sentence() {
    let image = json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]});
    for family in [Family::Ollama, Family::Anthropic] {
        let error = chat_wire(family).of_chat(&image).unwrap_err().to_string();
        assert!(error.contains("image_url"), "{error}");
        assert!(chat_wire(family).of_chat(&json!({"n": 2, "messages": []})).is_err());
    }
}
