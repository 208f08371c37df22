//! A server that speaks OpenAI's chat completions.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request as HttpRequest, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde_json::Value;
use tokio::time::Instant;

use super::{Credentials, Embedded, Event, Events, Failure, Reply, UpstreamError};
use crate::{
    dialect::{Answers, Family, Heard, Listener, Request, Vectors, chat_wire, vectors_of},
    enforce::Cleared,
    json, lines, sse,
};

/// The longest body read whole, in bytes.
const WHOLE: usize = 8 << 20;
/// The longest body with embeddings, in bytes.
const VECTORS: usize = 64 << 20;
/// The longest error body passed on, in bytes.
const ERROR: usize = 64 << 10;

/// A server, its connections pooled.
pub struct HttpUpstream {
    client: HttpClient,
    root: String,
    /// The families whose formats it speaks, the preferred one first.
    families: Vec<Family>,
    silence: Duration,
}

impl HttpUpstream {
    /// The server at `root`, such as `http://127.0.0.1:11434`; `silence` is how long it may send nothing.
    pub fn new(root: &str, families: Vec<Family>, silence: Duration) -> Self {
        let client = http_client();
        let root = root.trim_end_matches('/').trim_end_matches("/v1").to_owned();
        Self { client, root, families, silence }
    }

    /// Its root URL.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Whether it speaks the formats of a family.
    pub fn speaks(&self, family: Family) -> bool {
        self.families.contains(&family)
    }

    /// What it speaks, for people.
    pub fn spoken(&self) -> String {
        let names = self.families.iter().map(|family| match family {
            Family::OpenAi => "openai",
            Family::Anthropic => "anthropic",
            Family::Ollama => "ollama",
        });
        names.collect::<Vec<_>>().join(", ")
    }

    pub(super) async fn ask(
        &self,
        dialect: &'static dyn Answers,
        request: Cleared<Request>,
        credentials: &Credentials,
    ) -> Result<Reply, UpstreamError> {
        let body = request.get().body();
        let native = dialect.wire().filter(|wire| self.speaks(wire.family()));
        let wire = native.unwrap_or_else(|| chat_wire(self.family()));
        let body = if native.is_some() { body.clone() } else { wire.of_chat(&dialect.to_chat(body)?)? };
        let response = self.send(Method::POST, wire.path(), Some(&body), credentials).await?;
        if !response.status().is_success() {
            return Ok(Reply::Failure(self.failure(response, wire.family()).await));
        }
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.trim_start().to_ascii_lowercase();
        let body = response.into_body();
        let framing = if kind.starts_with("text/event-stream") {
            Some(Framing::Events(sse::Reader::default()))
        } else if kind.starts_with("application/x-ndjson") {
            Some(Framing::Lines(lines::Reader::default()))
        } else {
            None
        };
        let source = match framing {
            Some(framing) => Source::Stream { body, framing, done: false, finished: 0, failed: None },
            None => Source::Whole(Some(Box::pin(whole(body, WHOLE, self.silence)))),
        };
        let (listener, heard) = (wire.reader(), Instant::now());
        Ok(Reply::Events(Events::Http(Box::new(HttpEvents { source, listener, silence: self.silence, heard }))))
    }

    pub(super) async fn embed(
        &self,
        dialect: &'static dyn Vectors,
        request: Cleared<Request>,
        credentials: &Credentials,
    ) -> Result<Embedded, UpstreamError> {
        let native = self.speaks(dialect.family());
        let theirs = if native { Some(dialect) } else { vectors_of(self.family()) };
        let theirs = theirs.ok_or_else(|| UpstreamError::Unfit("this upstream gives no embeddings".to_owned()))?;
        let body = theirs.ask(request.get().body(), native);
        let response = self.send(Method::POST, theirs.path(), Some(&body), credentials).await?;
        if !response.status().is_success() {
            return Ok(Embedded::Failure(self.failure(response, theirs.family()).await));
        }
        let body = self.whole(response.into_body(), VECTORS).await?;
        let answer = json::parse(&body).map_err(|error| UpstreamError::Unreadable(error.to_string()))?;
        let (vectors, usage) = theirs.read_vectors(&answer)?;
        Ok(Embedded::Vectors(vectors, usage))
    }

    pub(super) async fn models(&self, credentials: &Credentials) -> Result<Vec<String>, UpstreamError> {
        let (path, list, name) = match self.family() {
            Family::Ollama => ("/api/tags", "models", "name"),
            Family::OpenAi | Family::Anthropic => ("/v1/models", "data", "id"),
        };
        let response = self.send(Method::GET, path, None, credentials).await?;
        if !response.status().is_success() {
            return Err(UpstreamError::Unreadable(format!("its list of models has status {}", response.status())));
        }
        let body = self.whole(response.into_body(), WHOLE).await?;
        let document = json::parse(&body).map_err(|error| UpstreamError::Unreadable(error.to_string()))?;
        let items = document.get(list).and_then(Value::as_array);
        let items = items.ok_or_else(|| UpstreamError::Unreadable(format!("its list of models has no `{list}`")))?;
        Ok(items.iter().filter_map(|item| item.get(name).and_then(Value::as_str)).map(str::to_owned).collect())
    }

    pub(super) async fn about(&self, path: &str, body: Option<&Value>) -> Result<Value, UpstreamError> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let response = self.send(method, path, body, &Credentials::default()).await?;
        if !response.status().is_success() {
            return Err(UpstreamError::Unreadable(format!("{path} has status {}", response.status())));
        }
        let body = self.whole(response.into_body(), WHOLE).await?;
        json::parse(&body).map_err(|error| UpstreamError::Unreadable(error.to_string()))
    }

    /// The family in which it is asked when it does not speak the client's format.
    fn family(&self) -> Family {
        self.families.first().copied().unwrap_or(Family::OpenAi)
    }

    async fn failure(&self, response: http::Response<Incoming>, family: Family) -> Failure {
        let status = response.status();
        // A status that is neither success nor failure has no place here: 1xx and 3xx are never followed.
        let status = if status.as_u16() >= 400 { status } else { StatusCode::BAD_GATEWAY };
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|after| after.to_str().ok()?.parse().ok());
        let body = self.whole(response.into_body(), ERROR).await.unwrap_or_default();
        Failure { status, retry_after, body: String::from_utf8_lossy(&body).into_owned(), family }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        credentials: &Credentials,
    ) -> Result<http::Response<Incoming>, UpstreamError> {
        let mut request = HttpRequest::builder()
            .method(method)
            .uri(format!("{}{path}", self.root))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("ringfence/", env!("CARGO_PKG_VERSION")));
        let Credentials { authorization, api_key } = credentials;
        if self.family() == Family::Anthropic {
            request = request.header("anthropic-version", "2023-06-01");
        }
        // A key that came in one family's header goes on in the other's too: the upstream reads the one it knows.
        let bearer =
            api_key.as_ref().and_then(|key| HeaderValue::from_str(&format!("Bearer {}", key.to_str().ok()?)).ok());
        if let Some(value) = authorization.clone().or(bearer) {
            request = request.header(header::AUTHORIZATION, value);
        }
        if let Some(value) = api_key {
            request = request.header("x-api-key", value);
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(Full::new(body)).map_err(|error| UpstreamError::Unreachable(error.to_string()))?;
        let answer = tokio::time::timeout(self.silence, self.client.request(request)).await;
        answer
            .map_err(|_| UpstreamError::Silent(self.silence.as_secs()))?
            .map_err(|error| UpstreamError::Unreachable(describe(&error)))
    }

    async fn whole(&self, body: Incoming, most: usize) -> Result<Bytes, UpstreamError> {
        whole(body, most, self.silence).await
    }
}

/// A client of HTTP whose connections are pooled.
pub type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that speaks HTTP/1.1 and HTTP/2, with TLS or without.
pub fn http_client() -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(Duration::from_secs(5)));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let connector = match hyper_rustls::HttpsConnectorBuilder::new().with_provider_and_webpki_roots(provider) {
        Ok(builder) => builder.https_or_http().enable_all_versions().wrap_connector(connector),
        Err(_) => hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(connector),
    };
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_mins(1))
        .build(connector)
}

async fn whole(body: Incoming, most: usize, silence: Duration) -> Result<Bytes, UpstreamError> {
    let read = tokio::time::timeout(silence, Limited::new(body, most).collect()).await;
    let read = read.map_err(|_| UpstreamError::Silent(silence.as_secs()))?;
    read.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            UpstreamError::Unreadable(format!("it is longer than {most} bytes"))
        } else {
            UpstreamError::Cut
        }
    })
}

/// The reason behind an error of the client, without the URL it may carry.
fn describe(error: &hyper_util::client::legacy::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// An answer from a server.
pub struct HttpEvents {
    source: Source,
    listener: Box<dyn Listener>,
    silence: Duration,
    heard: Instant,
}

type Reading = Pin<Box<dyn Future<Output = Result<Bytes, UpstreamError>> + Send>>;

enum Source {
    /// One document; a stream of one.
    Whole(Option<Reading>),
    /// Documents up to the one that says that nothing follows.
    Stream { body: Incoming, framing: Framing, done: bool, finished: usize, failed: Option<UpstreamError> },
}

/// How documents stand in a stream.
enum Framing {
    /// As server-sent events.
    Events(sse::Reader),
    /// One in a line.
    Lines(lines::Reader),
}

impl Framing {
    fn push(&mut self, bytes: &[u8], documents: &mut Vec<String>) -> Result<(), UpstreamError> {
        let read = match self {
            Self::Events(reader) => reader.push(bytes, documents).map_err(|error| error.to_string()),
            Self::Lines(reader) => reader.push(bytes, documents).map_err(|error| error.to_string()),
        };
        read.map_err(UpstreamError::Unreadable)
    }

    fn is_amid_document(&self) -> bool {
        match self {
            Self::Events(reader) => reader.is_amid_event(),
            Self::Lines(reader) => reader.is_amid_line(),
        }
    }
}

impl HttpEvents {
    /// The next events; what was read is kept when the caller stops waiting.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Event>>, UpstreamError> {
        match &mut self.source {
            Source::Whole(None) | Source::Stream { done: true, .. } => Ok(None),
            Source::Whole(body @ Some(_)) => {
                let read = match body {
                    Some(reading) => reading.await,
                    None => return Ok(None),
                };
                *body = None;
                self.listener.hear(&read?).map(|heard| Some(heard.events))
            }
            Source::Stream { body, framing, done, finished, failed } => loop {
                if let Some(error) = failed.take() {
                    *done = true;
                    return Err(error);
                }
                let frame = tokio::time::timeout_at(self.heard + self.silence, body.frame()).await;
                self.heard = Instant::now();
                let Some(frame) = frame.map_err(|_| UpstreamError::Silent(self.silence.as_secs()))? else {
                    // Some servers end without the last word; that is an end only if an answer was finished.
                    *done = true;
                    return if *finished > 0 && !framing.is_amid_document() {
                        Ok(None)
                    } else {
                        Err(UpstreamError::Cut)
                    };
                };
                let Ok(bytes) = frame.map_err(|_| UpstreamError::Cut)?.into_data() else { continue };
                // What came before an error counts, however both were packed.
                let (mut events, mut documents) = (Vec::new(), Vec::new());
                *failed = framing.push(&bytes, &mut documents).err();
                for data in documents.iter().map(|data| data.trim()).filter(|data| !data.is_empty()) {
                    match self.listener.hear(data.as_bytes()) {
                        Ok(Heard { events: more, ended }) => {
                            events.extend(more);
                            if ended {
                                *done = true;
                                break;
                            }
                        }
                        Err(error) => {
                            *failed = Some(error);
                            break;
                        }
                    }
                }
                *finished += events.iter().filter(|event| matches!(event, Event::Finish { .. })).count();
                if *done || !events.is_empty() {
                    return Ok(Some(events));
                }
            },
        }
    }
}
