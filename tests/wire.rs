//! Runs every row of the tables in `tests/wire` against the real binary, and against a server of stock hyper.

use std::{collections::HashMap, path::Path, time::Duration};

use ringfence_tests::{
    client::{Answer, ask},
    proxy::Ringfence,
    raw::{Next, Raw, bytes},
    stock,
    table::{Row, rows},
    upstream::{Script, ScriptedUpstream},
};

const CONFIG: &str = "detectors: [shape, text, code]\nhosts: [guard.example]\nlimits: {head_ms: 4000}\n";
const JSON: &str = r#"{"model":"m","messages":[{"role":"user","content":"Hello there."}]}"#;
const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"content":"I am well."},"finish_reason":"stop"}]}"#;
const PATIENCE: Duration = Duration::from_secs(20);

/// What is sent, and whether the client says that it sends no more.
fn written(text: &str, host: &str) -> (Vec<u8>, bool) {
    let get = format!("GET /v1/models HTTP/1.1\\r\\nHost: {host}\\r\\n");
    let post =
        format!("POST /v1/chat/completions HTTP/1.1\\r\\nHost: {host}\\r\\nContent-Type: application/json\\r\\n");
    let (n, x) = (JSON.len().to_string(), format!("{:x}", JSON.len()));
    let words = [("get", get.as_str()), ("post", &post), ("host", host), ("json", JSON), ("n", &n), ("x", &x)];
    let (text, ends) = text.strip_suffix("<end>").map_or((text, false), |text| (text, true));
    (bytes(text, &words), ends)
}

struct House {
    proxy: Ringfence,
    upstream: ScriptedUpstream,
}

impl House {
    fn start(config: &str) -> Self {
        let upstream = ScriptedUpstream::start();
        let kind = "application/json".to_owned();
        upstream.script(Script { status: 200, kind, body: ANSWER.into(), ..Script::default() });
        Self { proxy: Ringfence::start(config, &[], &upstream.url), upstream }
    }

    /// Sends an attack, right behind other bytes, and returns the id of the exchange it was refused in.
    fn attack(&self, row: &Row, first: &str, piece: usize) -> Result<String, String> {
        let host = self.proxy.proxy.to_string();
        let (attack, ends) = written(&format!("{first}{}", row["attack"]), &host);
        let mut client = Raw::connect(self.proxy.proxy, PATIENCE);
        client.send(&attack, piece);
        if ends {
            client.end();
        }
        if !first.is_empty() {
            match client.read() {
                Next::Answer(answer) if answer.status == 200 => {}
                other => return Err(format!("the request before it was answered {other:?}")),
            }
        }
        let answer = match client.read() {
            Next::Answer(answer) => answer,
            other => return Err(format!("it was answered {other:?}")),
        };
        refused(&answer, row)?;
        match client.read() {
            Next::End(rest) if rest.is_empty() => {}
            other => return Err(format!("the connection goes on: {other:?}")),
        }
        if !self.upstream.asked().is_empty() {
            return Err("the upstream was asked".into());
        }
        Ok(answer.header("x-ringfence-decision").unwrap_or_default().to_owned())
    }

    /// Whether each exchange has one record that says why it was refused, and nothing else was refused.
    fn recorded(&self, expected: &HashMap<String, &Row>) -> Result<(), String> {
        let mut refusals = self.proxy.records();
        refusals.retain(|record| record["event"] == "request-refused");
        for record in &refusals {
            let row = expected.get(record["exchange"].as_str().unwrap()).ok_or(format!("nobody expects {record}"))?;
            let noted = record["note"].as_str().is_some_and(|note| note.starts_with(&format!("{}: ", row["code"])));
            if !noted || record["status"].as_u64() != row["answer"].parse().ok() || record["decision"] != "block" {
                return Err(format!("{} is recorded as {record}", row["case"]));
            }
        }
        if refusals.len() != expected.len() {
            return Err(format!("{} refusals have {} records", expected.len(), refusals.len()));
        }
        Ok(())
    }

    fn twin(&self, row: &Row, piece: usize) -> Result<(), String> {
        let host = self.proxy.proxy.to_string();
        let (twin, _) = written(&row["twin"], &host);
        let mut client = Raw::connect(self.proxy.proxy, PATIENCE);
        client.send(&twin, piece);
        match client.read() {
            Next::Answer(answer)
                if answer.status == 200 && answer.body.contains("I am well") == row["twin"].contains("post}") =>
            {
                Ok(())
            }
            Next::Answer(answer) if answer.status == 200 && row["twin"].starts_with("POST") => Ok(()),
            other => Err(format!("its twin was answered {other:?}")),
        }
    }
}

fn refused(answer: &Answer, row: &Row) -> Result<(), String> {
    let code = format!("\"code\":\"{}\"", row["code"]);
    if answer.status.to_string() == row["answer"]
        && answer.body.contains(&code)
        && answer.header("connection") == Some("close")
    {
        return Ok(());
    }
    Err(format!("it should be {} {}; it was answered {answer:?}", row["answer"], row["code"]))
}

/// What stock hyper makes of an attack.
fn stock_says(row: &Row, address: std::net::SocketAddr) -> String {
    let (attack, ends) = written(&row["attack"], &address.to_string());
    let mut client = Raw::connect(address, Duration::from_secs(3));
    client.send(&attack, 0);
    if ends {
        client.end();
    }
    match client.read() {
        Next::Answer(answer) => answer.status.to_string(),
        Next::End(_) => "cut".into(),
        Next::Silence => "waits".into(),
    }
}

#[test]
fn every_row_is_refused_and_its_twin_passes() {
    let rows = rows(&Path::new(env!("CARGO_MANIFEST_DIR")).join("wire"));
    let house = House::start(CONFIG);
    let (mut failures, mut expected) = (Vec::new(), HashMap::new());
    for (name, row) in &rows {
        let sizes: &[usize] = if row["attack"].contains("00*") { &[0, 1000] } else { &[0, 7, 1] };
        // Also right behind a request that is fine, in the same segment; but whoever leaves meanwhile waits for no answer.
        let befores: &[&str] = if row["attack"].ends_with("<end>") { &[""] } else { &["", r"{get}\r\n"] };
        for piece in sizes {
            for first in befores {
                match house.attack(row, first, *piece) {
                    Ok(exchange) => drop(expected.insert(exchange, row)),
                    Err(problem) => failures.push(format!("{name} (pieces of {piece}): {problem}")),
                }
            }
            if let Err(problem) = house.twin(row, *piece) {
                failures.push(format!("{name} (pieces of {piece}): {problem}"));
            }
            house.upstream.asked();
        }
    }
    failures.extend(house.recorded(&expected).err());
    assert!(rows.len() >= 120 && expected.len() > 600, "only {} rows, {} attacks", rows.len(), expected.len());
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn stock_hyper_does_what_the_tables_say() {
    let stock = stock::start();
    let rows = rows(&Path::new(env!("CARGO_MANIFEST_DIR")).join("wire"));
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let asked: Vec<_> =
            rows.iter().map(|(name, row)| (name, row, scope.spawn(move || stock_says(row, stock)))).collect();
        let told = asked.into_iter().map(|(name, row, said)| (name, row, said.join().unwrap()));
        told.filter(|(_, row, said)| row["hyper"] != *said).map(|(name, _, said)| format!("{name}: {said}")).collect()
    });
    assert!(wrong.is_empty(), "stock hyper does otherwise:\n{}", wrong.join("\n"));
}

#[test]
fn operators_have_their_own_host_names_too() {
    let house = House::start(CONFIG);
    for (host, status) in [("guard.example", 200), ("localhost", 200), ("evil.example", 421), ("10.0.0.1", 421)] {
        let mut client = Raw::connect(house.proxy.admin, PATIENCE);
        client.send(format!("GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(), 0);
        let Next::Answer(answer) = client.read() else { panic!("{host}: no answer") };
        assert_eq!(answer.status, status, "{host}");
    }
    assert_eq!(ask(house.proxy.admin, "GET", "/health", &[], "").status, 200);
}
