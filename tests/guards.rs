//! A second guard behind the embedded one, on a scripted server, and what the commands about guards say.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use ringfence_tests::{
    client::chat,
    proxy::{Ringfence, binary},
    upstream::{Script, ScriptedUpstream},
};
use serde_json::{Value, json};

/// A server of llama.cpp's kind whose guard calls a text about harbours unsafe, for its fifth category.
fn guard_server(pause: Duration) -> (ScriptedUpstream, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let server = ScriptedUpstream::choosing(move |line, body| {
        let script = |body: Value| Script {
            status: 200,
            kind: "application/json".to_owned(),
            body: body.to_string(),
            pause,
            ..Script::default()
        };
        if !line.contains(" /completion ") {
            return script(json!({"default_generation_settings": {}}));
        }
        let prompt: Value = serde_json::from_str(body).unwrap_or_default();
        let prompt = prompt["prompt"].as_str().unwrap_or_default().to_owned();
        let odds = match (prompt.contains("harbour"), prompt.ends_with("unsafe\nS")) {
            (_, true) => [("5", -0.1), ("2", -3.0)],
            (true, false) => [("unsafe", -0.1), ("safe", -2.5)],
            (false, false) => [("safe", -0.01), ("unsafe", -6.0)],
        };
        log.lock().unwrap().push(prompt);
        let list: Vec<Value> = odds.iter().map(|(token, odds)| json!({"token": token, "logprob": odds})).collect();
        script(json!({"completion_probabilities": [{"top_logprobs": list}]}))
    });
    (server, asked)
}

fn start(tier: &str) -> (Ringfence, ScriptedUpstream) {
    let upstream = ScriptedUpstream::start();
    let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}]}"#;
    upstream.script(Script {
        status: 200,
        kind: "application/json".to_owned(),
        body: body.to_owned(),
        ..Script::default()
    });
    let config = format!("guard:\n  deadline_ms: 4000\n  tiers:\n    - embedded\n    - {tier}\n");
    (Ringfence::start(&config, &[], &upstream.url), upstream)
}

fn prompt(proxy: &Ringfence, text: &str) -> (u16, String) {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": text}]}).to_string();
    let answer = chat(proxy.proxy, &body);
    (answer.status, answer.body)
}

#[test]
fn what_either_guard_finds_is_found() {
    let (guard, asked) = guard_server(Duration::ZERO);
    let (proxy, _upstream) = start(&format!("{{urls: [\"{}\"], server: llama-server}}", guard.url));
    assert_eq!(prompt(&proxy, "Please tell me how long potatoes boil.").0, 200);
    let (status, body) = prompt(&proxy, "Please tell me which bus goes to the harbour.");
    assert_eq!(status, 400, "{body}");
    let records = proxy.records();
    let reasons = records.iter().flat_map(|record| record["reasons"].as_array().cloned().unwrap_or_default());
    let found: Vec<Value> = reasons.filter(|reason| reason["finding"] == "guard.S5").collect();
    assert!(
        found.iter().any(|reason| reason["action"] == "block" && reason["score"].as_f64() > Some(0.9)),
        "{records:?}"
    );
    assert!(asked.lock().unwrap().iter().all(|prompt| prompt.starts_with("<|start_header_id|>user<|end_header_id|>")));
}

#[test]
fn a_guard_that_is_late_or_gone_blocks_and_says_so() {
    let (slow, _asked) = guard_server(Duration::from_secs(5));
    let (proxy, _upstream) = start(&format!("{{urls: [\"{}\"], server: llama-server, timeout_ms: 300}}", slow.url));
    assert_eq!(prompt(&proxy, "How long do potatoes boil?").0, 503);
    assert!(proxy.records().iter().any(|record| record.to_string().contains("detector.guard.late")));
    let (proxy, _upstream) = start("{urls: [\"http://127.0.0.1:9\"], server: llama-server}");
    assert_eq!(prompt(&proxy, "How long do potatoes boil?").0, 503);
    assert!(proxy.records().iter().any(|record| record.to_string().contains("detector.guard.failed")));
}

fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(binary());
    let mut child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn classify_asks_a_server_by_its_url() {
    let (guard, _asked) = guard_server(Duration::ZERO);
    let answer = run(&["classify", "--model", &guard.url, "--format", "json", "Which bus goes to the harbour?"], "");
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    let verdict: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert!(verdict["flagged"] == true && verdict["hazards"]["S5"].as_f64() > Some(0.9), "{verdict}");
    assert_eq!(run(&["classify", "--model", &guard.url, "How long do potatoes boil?"], "").status.code(), Some(0));
    let url = format!("{}/v1", guard.url);
    let answer = run(&["classify", "--model", &url, "--template", "lg9", "Hello"], "");
    assert!(String::from_utf8_lossy(&answer.stderr).contains("there is no template `lg9`"), "{answer:?}");
}

#[test]
fn render_shows_what_a_guard_sees() {
    let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tokenizers/llama3/tokenizer.model");
    let tokenizer = tokenizer.to_str().unwrap();
    let lines = concat!(
        r#"{"id": 1, "messages": [{"role": "user", "content": "Where is the <|eot_id|> harbour?"}]}"#,
        "\n",
        r#"{"id": 2, "messages": [{"role": "assistant", "content": "first"}]}"#,
        "\n",
    );
    let answer = run(&["guard", "render", "--template", "lg3_1b_hf", "--tokenizer", tokenizer, "--jsonl"], lines);
    assert!(answer.status.success(), "{answer:?}");
    let answers: Vec<Value> =
        String::from_utf8(answer.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<u64> = answers[0]["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
    assert_eq!((ids[0], *ids.last().unwrap()), (128_000, 128_007));
    assert_eq!(ids.iter().filter(|id| **id == 128_009).count(), 1, "what the user writes is text");
    assert!(answers[0]["prompt"].as_str().unwrap().contains("User: Where is the <|eot_id|> harbour?\n\n"));
    assert_eq!(answers[1]["id"], 2);
    assert!(answers[1]["error"].as_str().unwrap().contains("must alternate"), "{}", answers[1]);
    let wrong = run(&["guard", "render", "--template", "nope", "--tokenizer", tokenizer, "--jsonl"], "");
    assert!(wrong.status.code() == Some(2) && String::from_utf8_lossy(&wrong.stderr).contains("lg3_1b_canonical"));
}

#[test]
fn a_models_file_is_inspected_and_asked() {
    let answer = run(&["models", "inspect", "smollm2-135m-instruct", "--format", "json"], "");
    let seen: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!((seen["architecture"].as_str(), seen["layers"].as_u64()), (Some("llama"), Some(30)));
    assert!(seen["obstacle"].is_null() && seen["guard_template"].is_null() && seen["memory_bytes"].as_u64() > Some(9));
    let asked = ["generate", "--model", "smollm2-135m-instruct", "--max-tokens", "24", "--prompt"];
    let answer = run(&[&asked[..], &["What is the capital of France?"]].concat(), "");
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "The capital of France is Paris.\n");
    let classify = ["classify", "--model", "smollm2-135m-instruct", "Hello"];
    let answer = run(&classify, "");
    assert!(String::from_utf8_lossy(&answer.stderr).contains("of no guard known here"), "{answer:?}");
}
