//! The upstream that always says the same, and a reverse proxy that does nothing but pass on.

use std::{convert::Infallible, future::Future, net::SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{Request, Response, Uri, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::net::TcpListener;

const ANSWER: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"stub","choices":[{"index":0,"message":{"role":"assistant","content":"The Seine runs through Paris, from the east to the west."},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":14,"completion_tokens":13,"total_tokens":27}}"#;
const MODELS: &str =
    r#"{"object":"list","data":[{"id":"stub","object":"model","created":1700000000,"owned_by":"bench"}]}"#;

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// Starts the upstream.
pub async fn stub() -> SocketAddr {
    serve(|request: Request<Incoming>| async move {
        let (path, body) = (request.uri().path().to_owned(), request.into_body());
        // A request is read to its end, as any generator would.
        let _ = body.collect().await;
        json(if path == "/v1/models" { MODELS } else { ANSWER })
    })
    .await
}

/// Starts the plain reverse proxy in front of `upstream`: pooled, HTTP/1.1, bodies streamed through.
pub async fn plain(upstream: SocketAddr) -> SocketAddr {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> =
        Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    serve(move |mut request: Request<Incoming>| {
        let client = client.clone();
        async move {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            *request.uri_mut() = format!("http://{upstream}{path}").parse::<Uri>().expect("a path stays one");
            client.request(request).await.expect("the stub answers").map(BodyExt::boxed)
        }
    })
    .await
}

async fn serve<F, R>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
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

fn json(text: &'static str) -> Answer {
    let body = Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {}).boxed();
    Response::builder().header(header::CONTENT_TYPE, "application/json").body(body).expect("an answer")
}
