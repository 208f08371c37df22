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

use super::{Event, Events, Reply, UpstreamError};
use crate::{
    dialect::openai_chat::{Request, event},
    enforce::Cleared,
    json, sse,
};

/// The longest body read whole, in bytes.
const WHOLE: usize = 8 << 20;
/// The longest error body passed on, in bytes.
const ERROR: usize = 64 << 10;

/// A server, its connections pooled.
pub struct HttpUpstream {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    root: String,
    silence: Duration,
}

impl HttpUpstream {
    /// The server at `root`, such as `http://127.0.0.1:11434`; `silence` is how long it may send nothing.
    pub fn new(root: &str, silence: Duration) -> Self {
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
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_mins(1))
            .build(connector);
        let root = root.trim_end_matches('/').trim_end_matches("/v1").to_owned();
        Self { client, root, silence }
    }

    /// Its root URL.
    pub fn root(&self) -> &str {
        &self.root
    }

    pub(super) async fn ask(
        &self,
        request: Cleared<Request>,
        authorization: Option<HeaderValue>,
    ) -> Result<Reply, UpstreamError> {
        let body = Bytes::from(request.get().body().to_string());
        let response = self.send(Method::POST, "/v1/chat/completions", body, authorization).await?;
        let status = response.status();
        if !status.is_success() {
            // A status that is neither success nor failure has no place here: 1xx and 3xx are never followed.
            let status = if status.as_u16() >= 400 { status } else { StatusCode::BAD_GATEWAY };
            let retry_after = response.headers().get(header::RETRY_AFTER);
            let retry_after = retry_after.and_then(|after| after.to_str().ok()?.parse().ok());
            let body = self.whole(response.into_body(), ERROR).await.unwrap_or_default();
            return Ok(Reply::Failure { status, retry_after, body: String::from_utf8_lossy(&body).into_owned() });
        }
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let streamed = kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream");
        let body = response.into_body();
        let source = if streamed {
            Source::Stream { body, reader: sse::Reader::default(), done: false, finished: 0, failed: None }
        } else {
            Source::Whole(Some(Box::pin(whole(body, WHOLE, self.silence))))
        };
        let heard = Instant::now();
        Ok(Reply::Events(Events::Http(Box::new(HttpEvents { source, silence: self.silence, heard }))))
    }

    pub(super) async fn models(&self, authorization: Option<HeaderValue>) -> Result<Vec<String>, UpstreamError> {
        let response = self.send(Method::GET, "/v1/models", Bytes::new(), authorization).await?;
        if !response.status().is_success() {
            return Err(UpstreamError::Unreadable(format!("its list of models has status {}", response.status())));
        }
        let body = self.whole(response.into_body(), WHOLE).await?;
        let list = json::parse(&body).map_err(|error| UpstreamError::Unreadable(error.to_string()))?;
        let items = list.get("data").and_then(Value::as_array);
        let items = items.ok_or_else(|| UpstreamError::Unreadable("its list of models has no `data`".to_owned()))?;
        Ok(items.iter().filter_map(|item| item.get("id").and_then(Value::as_str)).map(str::to_owned).collect())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        authorization: Option<HeaderValue>,
    ) -> Result<http::Response<Incoming>, UpstreamError> {
        let mut request = HttpRequest::builder()
            .method(method)
            .uri(format!("{}{path}", self.root))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("ringfence/", env!("CARGO_PKG_VERSION")));
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
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
    silence: Duration,
    heard: Instant,
}

type Reading = Pin<Box<dyn Future<Output = Result<Bytes, UpstreamError>> + Send>>;

enum Source {
    /// One document; a stream of one.
    Whole(Option<Reading>),
    /// Server-sent events up to `[DONE]`.
    Stream { body: Incoming, reader: sse::Reader, done: bool, finished: usize, failed: Option<UpstreamError> },
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
                event::read(&read?).map(Some)
            }
            Source::Stream { body, reader, done, finished, failed } => loop {
                if let Some(error) = failed.take() {
                    *done = true;
                    return Err(error);
                }
                let frame = tokio::time::timeout_at(self.heard + self.silence, body.frame()).await;
                self.heard = Instant::now();
                let Some(frame) = frame.map_err(|_| UpstreamError::Silent(self.silence.as_secs()))? else {
                    // Some servers end without `[DONE]`; that is an end only if every answer begun was finished.
                    *done = true;
                    return if *finished > 0 && !reader.is_amid_event() { Ok(None) } else { Err(UpstreamError::Cut) };
                };
                let Ok(bytes) = frame.map_err(|_| UpstreamError::Cut)?.into_data() else { continue };
                // What came before an error counts, however both were packed.
                let (mut events, mut documents) = (Vec::new(), Vec::new());
                let read = reader.push(&bytes, &mut documents);
                *failed = read.err().map(|error| UpstreamError::Unreadable(error.to_string()));
                for data in documents.iter().map(|data| data.trim()).filter(|data| !data.is_empty()) {
                    if data == "[DONE]" {
                        *done = true;
                        break;
                    }
                    match event::read(data.as_bytes()) {
                        Ok(read) => events.extend(read),
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
