//! What happens when somebody goes away: the client, or the proxy itself.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ringfence_tests::{
    client::{chat, send},
    proxy::{Ringfence, records},
    upstream::{Script, ScriptedUpstream},
};

const CONFIG: &str = "detectors: [shape, text, code]\n";
const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"Hello there, how are you today?"}]}"#;

/// Waits until something is so; the bound only ends a test that has failed.
fn eventually(what: &str, so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !so() {
        assert!(Instant::now() < until, "{what} did not come to pass");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn when_the_client_leaves_the_upstream_is_left_too() {
    let upstream = ScriptedUpstream::start();
    let piece = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"One more sentence of many. \"}}]}\n\n";
    let body = piece.repeat(10_000);
    let pause = Duration::from_millis(5);
    let kind = "text/event-stream".to_owned();
    upstream.script(Script { status: 200, kind, body, piece: piece.len(), pause, ..Script::default() });
    let proxy = Ringfence::start(CONFIG, &[], &upstream.url);
    let json = [("content-type".to_owned(), "application/json".to_owned())];
    let asked = CHAT.replace("\"model\"", "\"stream\":true,\"model\"");
    let stream = send(proxy.proxy, "POST", "/v1/chat/completions", &json, &asked);
    let first = {
        use std::io::Read as _;
        let mut first = [0; 64];
        (&stream).read(&mut first).unwrap()
    };
    assert!(first > 0 && upstream.abandoned() == 0);
    drop(stream);
    eventually("the upstream's being left", || upstream.abandoned() == 1);
}

#[test]
fn traces_are_exported_when_there_is_an_endpoint() {
    // Enough of a collector to see what is sent: it reads, and answers nothing.
    let collector = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    std::thread::spawn(move || {
        use std::io::Read as _;
        for mut stream in collector.incoming().flatten() {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut bytes) {
                sink.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        }
    });
    let upstream = ScriptedUpstream::start();
    let body = r#"{"choices":[{"index":0,"message":{"content":"I am well."},"finish_reason":"stop"}]}"#;
    upstream.script(Script { status: 200, kind: "application/json".into(), body: body.into(), ..Script::default() });
    let config = format!("{CONFIG}telemetry: {{otlp: \"{endpoint}\"}}\n");
    let proxy = Ringfence::start(&config, &[], &upstream.url);
    assert_eq!(chat(proxy.proxy, CHAT).status, 200);
    let has = |word: &str| seen.lock().unwrap().windows(word.len()).any(|bytes| bytes == word.as_bytes());
    for word in ["ringfence", "enforce", "gen_ai.request.model", "ringfence.stage", "http.route"] {
        eventually(word, || has(word));
    }
    assert!(!has("Hello there") && !has("I am well"), "text of an exchange is in the traces");
}

#[test]
fn after_a_kill_every_answer_a_client_received_has_its_record() {
    let upstream = ScriptedUpstream::start();
    let body = r#"{"choices":[{"index":0,"message":{"content":"I am well, thank you."},"finish_reason":"stop"}]}"#;
    upstream.script(Script { status: 200, kind: "application/json".into(), body: body.into(), ..Script::default() });
    let mut directory = None;
    let mut received = HashSet::new();
    for round in 0..8 {
        let directory_now = directory.take().unwrap_or_else(ringfence_tests::proxy::fresh_directory);
        let mut proxy = Ringfence::start_in(directory_now, CONFIG, &[], &upstream.url);
        let answered = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let (answered, stop, address) = (Arc::clone(&answered), Arc::clone(&stop), proxy.proxy);
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let Ok(answer) = std::panic::catch_unwind(|| chat(address, CHAT)) else { return };
                        // An answer counts from its first byte of text.
                        if answer.body.contains("I am") {
                            answered.lock().unwrap().push(answer.header("x-ringfence-decision").unwrap().to_owned());
                        }
                    }
                })
            })
            .collect();
        eventually("an answer", || answered.lock().unwrap().len() > 5 + round * 3);
        proxy.kill();
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
        received.extend(answered.lock().unwrap().drain(..));
        directory = Some(proxy.directory.clone());
    }
    let directory = directory.unwrap();
    // One more start recovers the log.
    drop(Ringfence::start_in(directory.clone(), CONFIG, &[], &upstream.url));
    let logged = records(&directory.join("audit"));
    let of_stage = |stage: &str| -> HashSet<String> {
        let of_stage = logged.iter().filter(|record| record["stage"] == stage);
        of_stage.map(|record| record["exchange"].as_str().unwrap().to_owned()).collect()
    };
    let (input, output) = (of_stage("input"), of_stage("output"));
    assert!(received.len() > 40, "only {} answers were received", received.len());
    for exchange in &received {
        assert!(input.contains(exchange) && output.contains(exchange), "{exchange} was answered without a record");
    }
}
