//! Runs every row of the tables in `tests/http2` against the real binary, and against a server of stock hyper.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use ringfence_tests::{
    http2::Client,
    proxy::Ringfence,
    stock,
    table::{Row, rows},
    upstream::{Script, ScriptedUpstream},
};

const CONFIG: &str = "detectors: [shape, text, code]\nhosts: [guard.example]\n";
const JSON: &str = r#"{"model":"m","messages":[{"role":"user","content":"Hello."}]}"#;
const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"content":"I am well."},"finish_reason":"stop"}]}"#;
const PATIENCE: Duration = Duration::from_secs(30);
const GET: &str = ":method=GET :scheme=http :path=/v1/models :authority={host}";
const POST: &str =
    ":method=POST :scheme=http :path=/v1/chat/completions :authority={host} content-type=application/json";

fn written(text: &str, address: SocketAddr) -> String {
    let mut text = text.replace("{get}", GET).replace("{post}", POST).replace("{host}", &address.to_string());
    text = text.replace("{json}", &format!("'{JSON}'")).replace("{n}", &JSON.len().to_string());
    text.replace("{9000*a}", &"a".repeat(9000)).replace("{4000*a}", &format!("'{}'", "a".repeat(4000)))
}

/// What comes of some frames: what was wanted, or the first thing that is no mere courtesy.
fn outcome(client: &mut Client, wanted: &str) -> String {
    loop {
        let next = client.read();
        // `status 200 1` is `status 200` of stream 1, and `end 1` the end of its answer.
        let next = next
            .strip_prefix("status")
            .map_or(next.clone(), |rest| format!("status{}", rest.rsplit_once(' ').unwrap().0));
        let idle = ["settings", "ack", "pong", "ping", "window"].contains(&next.as_str())
            || next.starts_with("frame ")
            || next.starts_with("data ")
            || next.starts_with("end ")
            // A goodbye that blames nobody comes before the end of a connection that is closed in peace.
            || next == "goaway NO_ERROR"
            // What is left of a request that was answered early is not wanted.
            || next == "reset NO_ERROR"
            || (wanted == "pong" && next.starts_with("reset "))
            || (next.starts_with("status ") && !wanted.starts_with("status "));
        if next == wanted || !idle {
            return next;
        }
    }
}

fn run(name: &str, row: &Row, address: SocketAddr) -> Result<(), String> {
    let mut client = Client::connect(address, PATIENCE);
    client.send(&written(&row["frames"], address));
    let told = outcome(&mut client, &row["answer"]);
    if told != row["answer"] {
        return Err(format!("{name}: {told} instead of {}", row["answer"]));
    }
    if told.starts_with("goaway") {
        let then = outcome(&mut client, "closed");
        return if then == "closed" { Ok(()) } else { Err(format!("{name}: {then} after goodbye")) };
    }
    // What concerns one stream leaves the others alone, unless it was refused by us: then the connection ends in peace.
    if told.starts_with("reset") || row["record"] == "-" {
        client.more("PING 0 x0706050403020100");
        let then = outcome(&mut client, "pong");
        return if then == "pong" { Ok(()) } else { Err(format!("{name}: {then} to a ping afterwards")) };
    }
    // The handler refuses trailers, and hyper fields that are too long; they leave the connection open.
    if ["trailers", "http2"].contains(&row["record"].as_str()) {
        return Ok(());
    }
    let then = outcome(&mut client, "closed");
    if then == "closed" { Ok(()) } else { Err(format!("{name}: then {then}")) }
}

#[test]
fn every_row_is_answered_as_the_rfc_says() {
    let rows = rows(&Path::new(env!("CARGO_MANIFEST_DIR")).join("http2"));
    let upstream = ScriptedUpstream::start();
    let kind = "application/json".to_owned();
    upstream.script(Script { status: 200, kind, body: ANSWER.into(), ..Script::default() });
    let proxy = Ringfence::start(CONFIG, &[], &upstream.url);
    let mut failures: Vec<String> = rows.iter().filter_map(|(name, row)| run(name, row, proxy.proxy).err()).collect();
    let mut expected: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, row) in rows.iter().filter(|(_, row)| row["record"] != "-") {
        *expected.entry(&row["record"]).or_default() += 1;
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let mut recorded: BTreeMap<String, usize> = BTreeMap::new();
        for record in proxy.records().iter().filter(|record| record["event"] == "request-refused") {
            let note = record["note"].as_str().unwrap().split(':').next().unwrap().to_owned();
            // A request that was fine until its client left.
            if note != "body_cut" {
                *recorded.entry(note).or_default() += 1;
            }
        }
        let same = recorded
            .iter()
            .map(|(code, count)| (code.as_str(), *count))
            .eq(expected.iter().map(|(code, count)| (*code, *count)));
        if same || Instant::now() > until {
            if !same {
                failures.push(format!("the records are {recorded:?} instead of {expected:?}"));
            }
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(rows.len() >= 147, "only {} rows were run", rows.len());
    assert!(failures.is_empty(), "{} of {} failures:\n{}", failures.len(), rows.len(), failures.join("\n"));
}

#[test]
fn stock_hyper_does_what_the_tables_say() {
    let stock = stock::start();
    let rows = rows(&Path::new(env!("CARGO_MANIFEST_DIR")).join("http2"));
    let says = |row: &Row| {
        let mut client = Client::connect(stock, Duration::from_secs(3));
        client.send(&written(&row["frames"], stock));
        outcome(&mut client, &row["answer"])
    };
    let mut wrong = Vec::new();
    for some in rows.chunks(64) {
        std::thread::scope(|scope| {
            let asked: Vec<_> = some.iter().map(|(name, row)| (name, row, scope.spawn(move || says(row)))).collect();
            for (name, row, said) in asked {
                let said = said.join().unwrap();
                if said != row["hyper"] {
                    wrong.push(format!("{name}: {said}"));
                }
            }
        });
    }
    assert!(wrong.is_empty(), "stock hyper does otherwise:\n{}", wrong.join("\n"));
}
