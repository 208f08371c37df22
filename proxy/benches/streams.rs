//! What the door adds to a stream: time to the first word, lag of each word, memory of an open stream.
//!
//! A scripted generator says 50 tokens a second; a detector that only waits stands for a guard of 0, 50 or 250 ms. Beside
//! it, in the same run, the same answer is asked for whole, which is what buffering until the verdict would cost.
//! `cargo bench -p ringfence --bench streams`
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark that cannot go on should say where")]

use std::{
    convert::Infallible,
    io::Write as _,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{future::join_all, stream};
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use policies::{Catalog, FindingId, PolicySet};
use ringfence::{
    audit::{AuditLog, Options},
    chat::Chat,
    config::{LimitsConfig, RefusalStyle},
    detect::{Detector, Findings},
    dialect::{Family, FieldPolicy},
    enforce::{Enforcer, Keep},
    segment::Segment,
    serve::{Hosts, Service, serve},
    telemetry::Telemetry,
    upstream::{HttpUpstream, Upstream},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Tokens of an answer, and the time between two.
const TOKENS: u32 = 200;
const EACH: Duration = Duration::from_millis(20);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let generator = generator().await;
    let mut rows = Vec::new();
    println!("| guard | streams | first word | lag of a word, mean | longest pause | first word if buffered |");
    println!("|---|---|---|---|---|---|");
    for guard in [0, 50, 250] {
        let proxy = proxy(generator, Duration::from_millis(guard)).await;
        for streams in [1, 16, 64] {
            let streamed = join_all((0..streams).map(|_| ask(proxy, true))).await;
            let buffered = join_all((0..streams).map(|_| ask(proxy, false))).await;
            let first = median(streamed.iter().map(|seen| seen.first));
            let lag = median(streamed.iter().map(|seen| seen.lag));
            let pause = median(streamed.iter().map(|seen| seen.pause));
            let whole = median(buffered.iter().map(|seen| seen.first));
            println!("| {guard} ms | {streams} | {first:.2} s | {lag:.2} s | {pause:.2} s | {whole:.2} s |");
            std::io::stdout().flush().unwrap();
            rows.push(json!({"guard_ms": guard, "streams": streams, "first": first, "lag": lag, "pause": pause,
                "buffered": whole}));
        }
    }
    let proxy = proxy(generator, Duration::from_millis(50)).await;
    let before = resident();
    let open: Vec<_> = (0..512).map(|_| tokio::spawn(ask(proxy, true))).collect();
    tokio::time::sleep(Duration::from_secs(3)).await;
    // Client, generator and proxy share this process, so this is an upper bound of the proxy's own part.
    let each = resident().saturating_sub(before) / 512;
    println!("\nmemory of an open stream, client and generator included: {} KiB (512 open)", each >> 10);
    join_all(open).await;
    println!("{}", json!({"streams": rows, "bytes_per_stream": each}));
}

/// What a client saw, in seconds.
struct Seen {
    first: f64,
    lag: f64,
    pause: f64,
}

async fn ask(proxy: SocketAddr, stream: bool) -> Seen {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let body = json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "Tell me a story."}]});
    let request = Request::post(format!("http://{proxy}/v1/chat/completions"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap();
    let since = Instant::now();
    let mut body = client.request(request).await.unwrap().into_body();
    let (mut first, mut said, mut lag, mut last, mut pause) = (None, 0_u32, 0.0, 0.0, 0.0_f64);
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.unwrap().into_data() else { continue };
        let now = since.elapsed().as_secs_f64();
        text.push_str(&String::from_utf8_lossy(&data));
        // The words that have come; the generator said word `n` at `n` times `EACH`.
        let words = u32::try_from(text.matches("word").count()).unwrap();
        if words > said {
            first.get_or_insert(now);
            for word in said..words {
                lag += now - f64::from(word + 1) * EACH.as_secs_f64();
            }
            pause = pause.max(now - last);
            (said, last) = (words, now);
        }
    }
    assert_eq!(said, TOKENS, "{text}");
    Seen { first: first.unwrap(), lag: lag / f64::from(TOKENS), pause }
}

/// Says a word every [`EACH`], a sentence every twelve words, streamed or at once when it is done.
async fn generator() -> SocketAddr {
    listen(|request: Request<Incoming>| async move {
        if request.uri().path() == "/v1/models" {
            return Response::new(Full::new(Bytes::from(r#"{"data":[]}"#)).boxed_unsync());
        }
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let asked: Value = serde_json::from_slice(&body).unwrap();
        let begun = tokio::time::Instant::now();
        let word = |index: u32| if index % 12 == 11 { "word. ".to_owned() } else { "word ".to_owned() };
        if asked["stream"] == true {
            let frames = stream::unfold(0_u32, move |index| async move {
                if index > TOKENS {
                    return None;
                }
                tokio::time::sleep_until(begun + EACH * (index + 1)).await;
                let event = if index == TOKENS {
                    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
                        .to_owned()
                } else {
                    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": word(index)}}]}))
                };
                Some((Ok::<_, Infallible>(Frame::data(Bytes::from(event))), index + 1))
            });
            let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
            response.headers_mut().insert(header::CONTENT_TYPE, "text/event-stream".parse().unwrap());
            return response;
        }
        tokio::time::sleep_until(begun + EACH * TOKENS).await;
        let text: String = (0..TOKENS).map(word).collect();
        let answer = json!({"choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}]});
        Response::new(Full::new(Bytes::from(answer.to_string())).boxed_unsync())
    })
    .await
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

async fn listen<F, R>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answered = answer(request);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// The proxy in this process, with a guard that only takes its time.
async fn proxy(generator: SocketAddr, guard: Duration) -> SocketAddr {
    let directory = std::env::temp_dir().join(format!("ringfence-bench-{}-{}", std::process::id(), guard.as_millis()));
    let _ = std::fs::remove_dir_all(&directory);
    let audit = Arc::new(AuditLog::open(&directory, Options::default()).unwrap());
    let telemetry = Telemetry::start(None, "error").unwrap();
    let enforcer = Enforcer {
        detectors: vec![Box::new(Waits(guard))],
        policies: Arc::new(PolicySet::new(Vec::new(), &Catalog::new([])).unwrap()),
        audit,
        keep: Keep::Redacted,
        guard: "none".to_owned(),
        detector_deadline: Duration::from_secs(10),
        record_deadline: Duration::from_secs(10),
        metrics: telemetry.metrics(),
    };
    let upstream = HttpUpstream::new(&format!("http://{generator}"), vec![Family::OpenAi], Duration::from_mins(1));
    let service = Service {
        enforcer: Arc::new(enforcer),
        upstream: Upstream::Http(Box::new(upstream)),
        text_rules: None,
        refusal: RefusalStyle::Error,
        unknown_fields: FieldPolicy::Scan,
        hosts: Hosts::new(generator, &[]).unwrap(),
        limits: LimitsConfig::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Arc::new(service), std::future::pending()));
    address
}

struct Waits(Duration);

impl Detector for Waits {
    fn name(&self) -> &'static str {
        "guard"
    }

    fn catalog(&self) -> Vec<FindingId> {
        Vec::new()
    }

    fn detect(&self, _: &Arc<Chat>, _: &Arc<Segment>) -> Findings {
        let wait = self.0;
        Box::pin(async move {
            tokio::time::sleep(wait).await;
            Ok(Vec::new())
        })
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Memory that is in use by this process, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
