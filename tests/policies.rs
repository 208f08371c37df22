//! The user's path: a rule for one tenant, tested, replayed, watched, enforced, without a restart.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use ringfence_tests::{
    client::{Answer, ask},
    proxy::{Ringfence, binary, fresh_directory},
    upstream::{Script, ScriptedUpstream},
};

const RULE: &str = "\
---
severity: error
message: \"the code name of a project\"
keywords: [\"bluefin\"]
---
# code-name
Nobody outside is to read it.
```regex
(?i)\\bbluefin\\b
```
```text
the ‹›Bluefin <- issue
the blue fin
```
";

fn policy(mode: &str) -> String {
    format!(
        "policy: acme\nrules:\n  - id: code-name\n    finding: project.code-name\n    stage: output\n    tenant: acme\n    \
         action: block\n    mode: {mode}\n    why: the code name is not public yet\ncases:\n  \
         - {{stage: output, tenant: acme, finding: {{id: project.code-name}}, expect: {}, would: block}}\n  \
         - {{stage: output, tenant: other, finding: {{id: project.code-name}}, expect: allow, would: allow}}\n",
        if mode == "enforce" { "block" } else { "allow" }
    )
}

fn ringfence(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().unwrap()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A key for a tenant, and its entry.
fn key(tenant: &str) -> (String, String) {
    let output = ringfence(&["keys", "new", "--tenant", tenant]);
    let text = String::from_utf8(output.stdout).unwrap();
    let key = text.lines().find_map(|line| line.strip_prefix("#   ")).unwrap().to_owned();
    let entry: String = text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    (key, entry)
}

fn chat(proxy: &Ringfence, key: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("authorization", &format!("Bearer {key}"))];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let body = r#"{"model":"m","messages":[{"role":"user","content":"What is new?"}]}"#;
    ask(proxy.proxy, "POST", "/v1/chat/completions", &headers, body)
}

fn wait(what: &str, until: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !until() {
        assert!(Instant::now() < end, "{what} did not happen in time");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_code_name_is_kept_for_one_tenant() {
    let directory = fresh_directory();
    let rules = directory.join("rules");
    fs::create_dir_all(rules.join("any/project")).unwrap();
    fs::write(rules.join("any/project/code-name.md"), RULE).unwrap();
    let ((acme, one), (other, two)) = (key("acme"), key("other"));
    fs::write(directory.join("keys.yaml"), format!("keys:\n{one}{two}")).unwrap();
    let (rules, keys) = (rules.display().to_string(), directory.join("keys.yaml").display().to_string());
    let config = format!("detectors: [shape, text]\nrules: {rules}\nkeys: {keys}\ntelemetry: {{log: \"off\"}}\n");

    // Yesterday: the rule is in a file, but does nothing yet.
    let empty = "policy: acme\nrules: []\n".to_owned();
    let upstream = ScriptedUpstream::start();
    let answer =
        r#"{"choices":[{"index":0,"message":{"content":"Bluefin ships soon."},"finish_reason":"stop"}]}"#.to_owned();
    upstream.script(Script { status: 200, kind: "application/json".into(), body: answer, ..Script::default() });
    let proxy = Ringfence::start(&config, &["pack:default".to_owned(), empty], &upstream.url);
    assert_eq!(chat(&proxy, &acme).status, 200);
    assert_eq!(chat(&proxy, &other).status, 200);
    for wrong in ["", "rf_x_y", "sk-mine"] {
        assert_eq!(chat(&proxy, wrong).status, 401, "{wrong}");
    }

    // Write it, test it.
    let candidate = directory.join("candidate.yaml");
    let candidate_name = candidate.display().to_string();
    fs::write(&candidate, policy("enforce")).unwrap();
    let test = ringfence(&["policy", "test", &candidate_name, "--rules", &rules]);
    assert!(test.status.success() && told(&test).contains("2 cases hold, 0 fail"), "{}", told(&test));

    // Replay yesterday's log against it.
    let log = proxy.directory.join("audit").display().to_string();
    let replay = |policy: &str, more: &[&str]| {
        let fixed =
            ["policy", "replay", "--rules", &rules, "--audit", &log, "--policy", "pack:default", "--policy", policy];
        ringfence(&fixed.iter().chain(more).copied().collect::<Vec<_>>())
    };
    let replayed = replay(&candidate_name, &["--format", "json"]);
    assert_eq!(replayed.status.code(), Some(1), "{}", told(&replayed));
    let changes: serde_json::Value = serde_json::from_slice(&replayed.stdout).unwrap();
    let [change] = changes["changes"].as_array().unwrap().as_slice() else { panic!("{changes}") };
    assert_eq!(
        (&change["was"], &change["becomes"], &change["rules"], &change["records"]),
        (&"allow".into(), &"block".into(), &"acme/code-name".into(), &1.into()),
        "the other tenant's answer stays"
    );
    assert!(change["samples"][0]["text"].as_str().unwrap().contains("Bluefin"), "{change}");
    let milder = replay(&candidate_name, &["--fail-on", "milder"]);
    assert!(milder.status.success() && told(&milder).contains("acme/code-name"), "{}", told(&milder));

    // Watch it, then enforce it, without a restart.
    let live = proxy.directory.join("policy-1.yaml");
    fs::write(&live, policy("monitor")).unwrap();
    let would = || {
        assert_eq!(chat(&proxy, &acme).status, 200);
        proxy.records().iter().any(|record| record["reasons"][0]["would"]["action"] == "block")
    };
    wait("the watch", would);
    let metrics = ask(proxy.admin, "GET", "/metrics", &[], "").body;
    assert!(metrics.contains("ringfence_rules_spared_total{") && metrics.contains(r#"rule="code-name""#), "{metrics}");
    fs::write(&live, policy("enforce")).unwrap();
    wait("the block", || !chat(&proxy, &acme).body.contains("Bluefin"));
    assert!(chat(&proxy, &other).body.contains("Bluefin"), "the other tenant still reads it");

    // Why was it?
    let blocked = chat(&proxy, &acme);
    let id = blocked.header("x-ringfence-decision").unwrap();
    let explained = explain(id, &rules, &log, &live);
    assert!(
        explained.contains("decided: acme/code-name asks for block") && explained.contains("`mode: monitor`"),
        "{explained}"
    );
    assert!(explained.contains("without acme/code-name, it would be: allow"), "{explained}");

    // A key that is taken out of the file no longer opens anything.
    fs::write(directory.join("keys.yaml"), format!("keys:\n{two}")).unwrap();
    wait("the revocation", || chat(&proxy, &acme).status == 401);
    assert_eq!(chat(&proxy, &other).status, 200);
}

fn explain(id: &str, rules: &str, log: &str, policy: &Path) -> String {
    let policy = policy.display().to_string();
    let arguments =
        ["policy", "explain", id, "--rules", rules, "--audit", log, "--policy", "pack:default", "--policy", &policy];
    told(&ringfence(&arguments))
}

#[test]
fn two_tenants_have_different_packs_at_once() {
    let directory = fresh_directory();
    let ((school, one), (bank, two)) = (key("school"), key("bank"));
    fs::write(directory.join("keys.yaml"), format!("keys:\n{one}{two}")).unwrap();
    let keys = directory.join("keys.yaml").display().to_string();
    let config = format!("detectors: [shape, text]\nkeys: {keys}\ntelemetry: {{log: \"off\"}}\n");
    let upstream = ScriptedUpstream::start();
    let answer = r#"{"choices":[{"index":0,"message":{"content":"Ask anna@example.com."},"finish_reason":"stop"}]}"#;
    upstream.script(Script { status: 200, kind: "application/json".into(), body: answer.into(), ..Script::default() });
    let policies = ["pack:default".to_owned(), "pack:children for school".to_owned()];
    let proxy = Ringfence::start(&config, &policies, &upstream.url);
    assert!(chat(&proxy, &school).body.contains("Ask [private]."));
    assert!(chat(&proxy, &bank).body.contains("Ask anna@example.com."));
    let tenants: Vec<String> =
        proxy.records().iter().map(|record| record["tenant"].as_str().unwrap().to_owned()).collect();
    assert_eq!(tenants, ["school", "school", "bank", "bank"]);
}

#[test]
fn a_policy_whose_own_cases_fail_is_not_served() {
    let directory = fresh_directory();
    let file = directory.join("failing.yaml");
    fs::write(
        &file,
        policy("enforce").replace("expect: block", "expect: flag").replace("project.code-name", "personal"),
    )
    .unwrap();
    let output = Command::new(binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", "http://127.0.0.1:1"])
        .args(["--audit", &directory.join("audit").display().to_string(), "--policy", "pack:default", "--policy"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("the case expects `flag`, the policy says `block`"), "{}", told(&output));
}
