//! Policies that change while traffic flows: no exchange fails of it, and none sees two sets.

use std::{
    collections::HashMap,
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use ringfence_tests::{
    client::{ask, chat},
    proxy::Ringfence,
    upstream::{Script, ScriptedUpstream},
};
use serde_json::Value;

const ROUNDS: usize = 1000;
const CONFIG: &str = "detectors: [shape, text]\ntelemetry: {log: \"off\"}\n";
const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"Write to anna@example.com"}]}"#;
const ANSWER: &str =
    r#"{"choices":[{"index":0,"message":{"content":"I wrote to anna@example.com."},"finish_reason":"stop"}]}"#;

/// A set whose version stands in every record.
fn policy(version: usize, action: &str) -> String {
    format!(
        "policy: p\nversion: v{version}\nrules:\n  - {{id: all, finding: detector, action: block, why: w}}\n  \
         - {{id: mail, finding: personal.email, action: {action}, why: w}}\n"
    )
}

fn upstream() -> ScriptedUpstream {
    let upstream = ScriptedUpstream::start();
    let kind = "application/json".to_owned();
    upstream.script(Script { status: 200, kind, body: ANSWER.into(), ..Script::default() });
    upstream
}

fn post(proxy: &Ringfence, path: &str, body: &str) -> (u16, Value) {
    let json = [("content-type".to_owned(), "application/json".to_owned())];
    let answer = ask(proxy.admin, "POST", path, &json, body);
    (answer.status, serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{}", answer.body)))
}

#[test]
fn many_reloads_under_load_fail_no_request_and_mix_no_sets() {
    let upstream = upstream();
    let proxy = Ringfence::start(CONFIG, &[policy(0, "flag")], &upstream.url);
    let file = proxy.directory.join("policy-0.yaml");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut asked = 0;
                    while !done.load(Ordering::Relaxed) {
                        let answer = chat(proxy.proxy, CHAT);
                        assert_eq!(answer.status, 200, "{}", answer.body);
                        asked += 1;
                    }
                    asked
                })
            })
            .collect();
        for round in 1..=ROUNDS {
            let (text, status) = match round % 4 {
                0 => (policy(round, "blok"), 422),
                2 => (policy(round, "flag") + "cases: [{stage: input, finding: {id: detector}, expect: allow}]\n", 422),
                _ => (policy(round, "flag"), 200),
            };
            fs::write(&file, text).unwrap();
            assert_eq!(post(&proxy, "/admin/reload", "").0, status, "round {round}");
        }
        done.store(true, Ordering::Relaxed);
        let asked: i32 = clients.into_iter().map(|client| client.join().unwrap()).sum();
        assert!(asked > 10, "there was load: {asked}");
    });
    let mut sets: HashMap<String, String> = HashMap::new();
    for record in proxy.records().iter().filter(|record| record["event"] == "decision") {
        let set = format!("{} {}", record["policy_hash"], record["policy_version"]);
        let first = sets.entry(record["exchange"].to_string()).or_insert_with(|| set.clone());
        assert_eq!(*first, set, "one exchange, two sets");
    }
    let different: std::collections::HashSet<&String> = sets.values().collect();
    assert!(different.len() > 5, "the sets did change: {different:?}");
}

#[test]
fn a_file_is_watched_and_a_bad_one_is_told() {
    let upstream = upstream();
    let proxy = Ringfence::start(CONFIG, &[policy(1, "flag")], &upstream.url);
    let file = proxy.directory.join("policy-0.yaml");
    assert_eq!(chat(proxy.proxy, CHAT).status, 200);

    fs::write(&file, policy(2, "block")).unwrap();
    wait(|| chat(proxy.proxy, CHAT).status == 400);

    fs::write(&file, "policy: [\n").unwrap();
    let page = || ask(proxy.admin, "GET", "/", &[], "").body;
    wait(|| page().contains("not in force") && page().contains("policy-0.yaml:"));
    assert_eq!(chat(proxy.proxy, CHAT).status, 400, "the old one stays");
    let metrics = ask(proxy.admin, "GET", "/metrics", &[], "").body;
    assert!(metrics.contains(r#"ringfence_policy_reloads_total{outcome="failed""#), "{metrics}");
    let state: Value = serde_json::from_str(&ask(proxy.admin, "GET", "/admin/policies", &[], "").body).unwrap();
    assert_eq!(state["policies"][0]["version"], "v2");
    assert!(state["error"].as_str().unwrap().contains("policy-0.yaml:"), "{state}");
}

#[test]
fn a_chat_is_simulated_without_upstream_and_record() {
    let upstream = upstream();
    let proxy = Ringfence::start(CONFIG, &[policy(1, "block, tenant: acme")], &upstream.url);
    let simulate = |extra: &str| {
        let body = format!(r#"{{"chat": {CHAT}, "answer": "To bob@example.com."{extra}}}"#);
        let (status, decided) = post(&proxy, "/admin/simulate", &body);
        assert_eq!(status, 200, "{decided}");
        decided
    };
    let decided = simulate(r#", "tenant": "acme""#);
    assert_eq!((&decided["input"]["action"], &decided["output"]["action"]), (&"block".into(), &"block".into()));
    assert_eq!(decided["input"]["fields"][0]["reasons"][0]["rule"], "mail");
    assert_eq!(simulate("")["input"]["action"], "allow");
    assert_eq!(upstream.asked().len(), 0);
    assert_eq!(proxy.records().len(), 0);
    assert_eq!(post(&proxy, "/admin/simulate", r#"{"chat": {"model": 1}}"#).0, 400);
    let origin = [("origin".to_owned(), "https://evil.example".to_owned())];
    assert_eq!(ask(proxy.admin, "POST", "/admin/reload", &origin, "").status, 403);
}

fn wait(until: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !until() {
        assert!(Instant::now() < end, "it did not happen in time");
        thread::sleep(Duration::from_millis(100));
    }
}
