//! Runs every document in `tests/exchanges` against the real binary and a scripted upstream.
//!
//! Blocks are fenced by four backticks. `request`: a line `METHOD path`, headers, an empty line, the body. `upstream`: a
//! line `status type`, then the body; a last line `--- cut` breaks the connection. `forwarded`: what the upstream must
//! have been asked (JSON that is contained in it), or `nothing`. `response`: the status, headers, an empty line, and
//! lines that must stand in the body in this order. `audit`: records that must be in the log in this order, each a line
//! of JSON that is contained in one. `never`: lines that must not be in the answer or in the log's place for them.
//! Each exchange is run with the upstream's body in one piece, in pieces of 64, of 7 and of 1 byte: nothing may change.

use std::{collections::BTreeMap, fs, path::Path};

use ringfence_tests::{
    client::{Answer, ask},
    document::Document,
    proxy::Ringfence,
    upstream::{Script, ScriptedUpstream},
};
use serde_json::Value;

#[test]
fn every_exchange_goes_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("exchanges");
    let mut groups: BTreeMap<(String, String), Vec<Document>> = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let document = Document::read(&entry.unwrap().path());
        let text = |tag: &str| document.block(tag).unwrap_or_default().to_owned();
        groups.entry((text("config"), text("policy"))).or_default().push(document);
    }
    let mut failures = Vec::new();
    let mut run = 0;
    for ((config, policy), mut documents) in groups {
        let upstream = ScriptedUpstream::start();
        let policies = if policy.is_empty() { Vec::new() } else { vec![policy] };
        let Ok(proxy) = std::panic::catch_unwind(|| Ringfence::start(&config, &policies, &upstream.url)) else {
            failures.extend(documents.iter().map(|document| format!("{}: ringfence does not start", document.name)));
            continue;
        };
        documents.sort_by(|a, b| a.name.cmp(&b.name));
        for document in &documents {
            for piece in [0, 64, 7, 1] {
                run += 1;
                if let Err(problem) = exchange(document, &proxy, &upstream, piece) {
                    failures.push(format!("{} (pieces of {piece}): {problem}", document.name));
                    break;
                }
            }
        }
    }
    assert!(run >= 20, "only {run} exchanges were run");
    assert!(failures.is_empty(), "{} exchanges failed:\n{}", failures.len(), failures.join("\n"));
}

fn exchange(document: &Document, proxy: &Ringfence, upstream: &ScriptedUpstream, piece: usize) -> Result<(), String> {
    if let Some(script) = document.block("upstream") {
        let (head, body) = script.split_once('\n').unwrap();
        let (status, kind) = head.split_once(' ').unwrap();
        let (body, cut) = match body.strip_suffix("--- cut\n") {
            Some(body) => (body, true),
            None => (body, false),
        };
        let (status, kind) = (status.parse().unwrap(), kind.to_owned());
        upstream.script(Script { status, kind, body: body.to_owned(), piece, cut, ..Script::default() });
    }
    upstream.asked();
    let seen = proxy.records().len();
    let answer = send(document.block("request").ok_or("it has no request")?, proxy);
    let problem = |what: String| format!("{what}\n--- answered {} ---\n{}\n---", answer.status, answer.body);
    let expected = document.block("response").ok_or("it has no response")?;
    response(expected, &answer).map_err(problem)?;
    forwarded(document.block("forwarded"), &upstream.asked()).map_err(problem)?;
    let records = proxy.records().split_off(seen);
    let id = answer.header("x-ringfence-decision").unwrap_or_default();
    let of_exchange: Vec<Value> = records.into_iter().filter(|record| record["exchange"] == id).collect();
    audit(document.block("audit").ok_or("it expects no record")?, &of_exchange).map_err(problem)?;
    for line in document.block("never").unwrap_or_default().lines() {
        if answer.body.contains(line) {
            return Err(problem(format!("`{line}` reached the client")));
        }
    }
    Ok(())
}

fn send(request: &str, proxy: &Ringfence) -> Answer {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let mut lines = head.lines();
    let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    ask(proxy.proxy, method, path, &headers, body.trim_end())
}

fn response(expected: &str, answer: &Answer) -> Result<(), String> {
    let (head, body) = expected.split_once("\n\n").unwrap_or((expected.trim_end(), ""));
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    if answer.status.to_string() != status {
        return Err(format!("the status should be {status}"));
    }
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        if answer.header(name) != Some(value) {
            return Err(format!("the header `{line}` is missing; it is {:?}", answer.header(name)));
        }
    }
    let mut rest = answer.body.as_str();
    for line in body.lines().filter(|line| !line.is_empty()) {
        let at = rest.find(line).ok_or_else(|| format!("`{line}` is missing, or not in its place"))?;
        rest = &rest[at + line.len()..];
    }
    Ok(())
}

fn forwarded(expected: Option<&str>, asked: &[String]) -> Result<(), String> {
    match expected.map(str::trim) {
        None => Ok(()),
        Some("nothing") if asked.is_empty() => Ok(()),
        Some("nothing") => Err(format!("the upstream was asked: {asked:?}")),
        Some(expected) => {
            let expected: Value = serde_json::from_str(expected).unwrap();
            let asked = asked.first().ok_or("the upstream was not asked")?;
            let found: Value = serde_json::from_str(asked).unwrap();
            if contains(&found, &expected) { Ok(()) } else { Err(format!("the upstream was asked: {asked}")) }
        }
    }
}

fn audit(expected: &str, records: &[Value]) -> Result<(), String> {
    let mut rest = records.iter();
    for line in expected.lines().filter(|line| !line.is_empty()) {
        let wanted: Value = serde_json::from_str(line).unwrap();
        if !rest.any(|record| contains(record, &wanted)) {
            let log: Vec<String> = records.iter().map(Value::to_string).collect();
            return Err(format!("no record like {line}; the log has\n{}", log.join("\n")));
        }
    }
    Ok(())
}

/// Whether all of `part` is in `whole`; a text is in a text that contains it, an item in any item of a list.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|whole| contains(whole, value)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            part.iter().all(|value| whole.iter().any(|whole| contains(whole, value)))
        }
        (Value::String(whole), Value::String(part)) => whole.contains(part.as_str()),
        (whole, part) => whole == part,
    }
}
