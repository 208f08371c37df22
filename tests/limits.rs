//! Clients that are slow, idle, or read nothing: each is left in time, on the record, and one that is only thoughtful is not.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use ringfence_tests::{
    http2::Client,
    proxy::Ringfence,
    raw::{Next, Raw},
    upstream::{Script, ScriptedUpstream},
};

const CONFIG: &str =
    "detectors: [shape, text, code]\nlimits: {head_ms: 1500, idle_ms: 3000, stall_ms: 2000, connections: 64}\n";
const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"content":"I am well."},"finish_reason":"stop"}]}"#;
const JSON: &str = r#"{"model":"m","messages":[{"role":"user","content":"Hello."}]}"#;
const PATIENCE: Duration = Duration::from_secs(30);

struct House {
    proxy: Ringfence,
    upstream: ScriptedUpstream,
}

impl House {
    fn start() -> Self {
        let upstream = ScriptedUpstream::start();
        let house = Self { proxy: Ringfence::start(CONFIG, &[], &upstream.url), upstream };
        house.pause(Duration::ZERO);
        house
    }

    /// How long the upstream thinks.
    fn pause(&self, pause: Duration) {
        let kind = "application/json".to_owned();
        self.upstream.script(Script { status: 200, kind, body: ANSWER.into(), pause, ..Script::default() });
    }

    fn address(&self) -> SocketAddr {
        self.proxy.proxy
    }

    /// The notes of the records of refused requests, once there are so many.
    fn notes(&self, count: usize) -> Vec<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut records = self.proxy.records();
            records.retain(|record| record["event"] == "request-refused");
            if records.len() >= count || Instant::now() > until {
                let note = |record: &serde_json::Value| record["note"].as_str().unwrap().to_owned();
                return records.iter().map(note).collect();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn get(&self) -> String {
        format!("GET /v1/models HTTP/1.1\r\nHost: {}\r\n", self.address())
    }

    fn post(&self) -> String {
        let host = self.address();
        let length = JSON.len();
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
    }
}

fn status(client: &mut Raw) -> u16 {
    match client.read() {
        Next::Answer(answer) => answer.status,
        Next::End(rest) => panic!("the connection ended with {:?}", String::from_utf8_lossy(&rest)),
        Next::Silence => panic!("no answer came"),
    }
}

/// Sends bytes one by one until the other side has enough, for four seconds at most.
fn drip(client: &mut Raw, bytes: &[u8], pause: Duration) {
    let until = Instant::now() + Duration::from_secs(4);
    for b in bytes.iter().take_while(|_| Instant::now() < until) {
        client.send(&[*b], 0);
        std::thread::sleep(pause);
    }
}

#[test]
fn a_slow_head_is_refused_and_a_quick_one_in_pieces_is_not() {
    let house = House::start();
    let mut client = Raw::connect(house.address(), PATIENCE);
    drip(&mut client, house.get().as_bytes(), Duration::from_millis(100));
    assert_eq!(status(&mut client), 408);
    assert!(matches!(client.read(), Next::End(_)));
    assert!(house.notes(1)[0].starts_with("head_timeout"));

    // The time of one head is not the time of the next.
    let mut client = Raw::connect(house.address(), PATIENCE);
    for _ in 0..4 {
        for piece in (house.get() + "\r\n").into_bytes().chunks(20) {
            client.send(piece, 0);
            std::thread::sleep(Duration::from_millis(150));
        }
        assert_eq!(status(&mut client), 200);
    }
    assert_eq!(house.notes(1).len(), 1);
}

#[test]
fn a_head_that_stops_behind_a_request_is_refused_too() {
    let house = House::start();
    let mut client = Raw::connect(house.address(), PATIENCE);
    client.send((house.get() + "\r\nGET /v1/mod").as_bytes(), 0);
    assert_eq!((status(&mut client), status(&mut client)), (200, 408));
    assert!(house.notes(1)[0].starts_with("head_timeout"));
}

#[test]
fn a_slow_body_is_refused_and_a_pause_before_it_is_not() {
    let house = House::start();
    let mut client = Raw::connect(house.address(), PATIENCE);
    client.send(house.post().as_bytes(), 0);
    drip(&mut client, JSON.as_bytes(), Duration::from_millis(100));
    assert_eq!(status(&mut client), 408);
    assert!(house.notes(1)[0].starts_with("body_timeout"));

    let mut client = Raw::connect(house.address(), PATIENCE);
    client.send(house.post().as_bytes(), 0);
    std::thread::sleep(Duration::from_millis(400));
    client.send(JSON.as_bytes(), 0);
    assert_eq!(status(&mut client), 200);
    assert_eq!(house.notes(1).len(), 1);
}

#[test]
fn a_body_that_goes_on_is_not_slow_though_it_is_long() {
    let house = House::start();
    let body = format!("{}{JSON}", " ".repeat(8 << 10));
    let mut client = Raw::connect(house.address(), PATIENCE);
    client.send(
        house.post().replace(&format!(": {}\r\n\r\n", JSON.len()), &format!(": {}\r\n\r\n", body.len())).as_bytes(),
        0,
    );
    for piece in body.as_bytes().chunks(1 << 10) {
        client.send(piece, 0);
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(status(&mut client), 200);
}

#[test]
fn an_idle_connection_is_closed_and_one_that_waits_for_its_answer_is_not() {
    let house = House::start();
    for first in [String::new(), house.get() + "\r\n"] {
        let mut client = Raw::connect(house.address(), PATIENCE);
        client.send(first.as_bytes(), 0);
        if !first.is_empty() {
            assert_eq!(status(&mut client), 200);
        }
        let since = Instant::now();
        assert!(matches!(client.read(), Next::End(rest) if rest.is_empty()));
        assert!(since.elapsed() > Duration::from_millis(2000), "it was closed after {:?}", since.elapsed());
    }
    house.pause(Duration::from_millis(5000));
    let mut client = Raw::connect(house.address(), PATIENCE);
    client.send((house.post() + JSON).as_bytes(), 0);
    assert_eq!(status(&mut client), 200);
    assert_eq!(house.notes(0), [""; 0]);
}

/// What comes until the connection ends, without courtesies.
fn end(client: &mut Client) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let next = client.read();
        match next.as_str() {
            "settings" | "ack" | "window" | "ping" | "pong" => {}
            "closed" => return all,
            "silence" => panic!("the connection goes on after {all:?}"),
            _ => all.push(next),
        }
    }
}

#[test]
fn an_idle_connection_of_http2_is_closed_in_peace_even_if_it_answers_pings() {
    let house = House::start();
    for answers in [true, false] {
        let mut client = Client::connect(house.address(), PATIENCE);
        client.answers = answers;
        client.send("PING 0 x0000000000000000");
        let told = end(&mut client);
        assert!(!told.is_empty() && told.iter().all(|told| told == "goaway NO_ERROR"), "{told:?}");
    }
    assert_eq!(house.notes(0), [""; 0]);
}

#[test]
fn half_a_frame_and_an_open_block_are_not_waited_for() {
    let house = House::start();
    let get = format!(":method=GET :scheme=http :path=/v1/models :authority={}", house.address());
    for (count, frames) in
        ["bytes x0000080600".to_owned(), "bytes x000008060000000000 x0000".to_owned(), format!("HEADERS 1 END {get}")]
            .iter()
            .enumerate()
    {
        let mut client = Client::connect(house.address(), PATIENCE);
        client.send(frames);
        end(&mut client);
        let notes = house.notes(count + 1);
        assert_eq!(notes.len(), count + 1);
        assert!(notes.iter().all(|note| note.starts_with("head_timeout")), "{notes:?}");
    }
}

#[test]
fn a_client_that_opens_no_window_is_left() {
    let house = House::start();
    let mut client = Client::connect(house.address(), PATIENCE);
    let get = format!(":method=GET :scheme=http :path=/v1/models :authority={}", house.address());
    client.send(&format!("SETTINGS 0 x000400000000 ; HEADERS 1 END WHOLE {get}"));
    assert_eq!(end(&mut client), ["status 200 1"]);
    assert!(house.notes(1)[0].starts_with("stalled"));
    // One that opens it in time is served.
    let mut client = Client::connect(house.address(), PATIENCE);
    client.send(&format!("SETTINGS 0 x000400000000 ; HEADERS 1 END WHOLE {get}"));
    std::thread::sleep(Duration::from_millis(500));
    client.more("SETTINGS 0 x000400010000");
    assert!(end(&mut client).contains(&"end 1".to_owned()));
    assert_eq!(house.notes(1).len(), 1);
}

#[test]
fn resets_are_counted_when_the_streams_were_accepted_too() {
    let house = House::start();
    let post = format!(
        ":method=POST :scheme=http :path=/v1/chat/completions :authority={} content-type=application/json",
        house.address()
    );
    let mut client = Client::connect(house.address(), PATIENCE);
    client.send("");
    for stream in (1..220).step_by(2) {
        // The answer to the ping says that the stream was seen before it is given up.
        client.more(&format!("HEADERS {stream} WHOLE {post} ; PING 0 x00*8"));
        while !["pong", "closed", "goaway PROTOCOL_ERROR"].contains(&client.read().as_str()) {}
        client.more(&format!("RESET {stream} x00000008"));
    }
    end(&mut client);
    let until = Instant::now() + PATIENCE;
    while !house.notes(0).iter().any(|note| note.starts_with("flood")) {
        assert!(Instant::now() < until, "110 resets were let pass");
    }
}

#[test]
fn places_come_back() {
    let house = House::start();
    // More than there are places, each of them refused or left.
    for round in 0..3 {
        let clients: Vec<Raw> = (0..60)
            .map(|count| {
                let mut client = Raw::connect(house.address(), PATIENCE);
                client.send(if count % 2 == 0 { b"GET / HT" } else { b"\0" }, 0);
                client
            })
            .collect();
        for mut client in clients {
            let _ = client.read();
        }
        let mut client = Raw::connect(house.address(), PATIENCE);
        client.send((house.get() + "\r\n").as_bytes(), 0);
        assert_eq!(status(&mut client), 200, "round {round}");
    }
    assert_eq!(house.notes(180).len(), 180);
}
