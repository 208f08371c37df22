//! The load: connections that are kept, each with one request at a time.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

/// A request that was not sent before, so that no verdict on it is remembered.
fn body() -> String {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let number = ASKED.fetch_add(1, Ordering::Relaxed);
    let question = format!("Which river runs through town number {number} on the map?");
    format!(r#"{{"model":"stub","messages":[{{"role":"user","content":"{question}"}}]}}"#)
}

/// Sends `requests` over `connections`; answers each request's time and the time of all.
pub async fn run(to: SocketAddr, connections: usize, requests: usize) -> (Vec<Duration>, Duration) {
    let left = Arc::new(AtomicUsize::new(requests));
    let mut clients = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..connections {
        clients.spawn(client(to, Arc::clone(&left)));
    }
    let times = clients.join_all().await.concat();
    (times, begun.elapsed())
}

async fn client(to: SocketAddr, left: Arc<AtomicUsize>) -> Vec<Duration> {
    let stream = TcpStream::connect(to).await.expect("the server listens");
    stream.set_nodelay(true).expect("a socket takes its options");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    let connection = tokio::spawn(connection);
    let mut times = Vec::new();
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        let request = Request::post("/v1/chat/completions")
            .header(header::HOST, to.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body())))
            .expect("a request");
        let begun = Instant::now();
        let answer = sender.send_request(request).await.expect("an answer");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
        times.push(begun.elapsed());
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    }
    drop(sender);
    let _ = connection.await;
    times
}
