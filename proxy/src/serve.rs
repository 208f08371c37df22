//! Listening: connections in, answers out. The only place that starts tasks.

mod answer;
mod answers;
mod body;
mod handle;
mod models;
mod moderate;
mod upstream_failed;
mod vectors;

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use code_shield::text::TextRules;
use http::{HeaderName, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    sensitive_headers::SetSensitiveRequestHeadersLayer,
    trace::TraceLayer,
};

use crate::{
    config::{LimitsConfig, RefusalStyle},
    dialect::{self, FieldPolicy},
    enforce::Enforcer,
    upstream::Upstream,
};

/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What every request is served with.
pub struct Service {
    /// The door.
    pub enforcer: Arc<Enforcer>,
    /// The generator.
    pub upstream: Upstream,
    /// The rules that hold text back.
    pub text_rules: Option<Arc<TextRules>>,
    /// How a blocked prompt is told.
    pub refusal: RefusalStyle,
    /// What happens to unknown fields.
    pub unknown_fields: FieldPolicy,
    /// Bounds.
    pub limits: LimitsConfig,
}

/// Serves until `stop` resolves, then lets what is under way end, for at most ten seconds.
pub async fn serve(listener: TcpListener, service: Arc<Service>, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(service.limits.connections));
    let builder = builder();
    tokio::pin!(stop);
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = &mut stop => break,
        };
        let Ok(place) = place else { break };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: wait for some to come back rather than spin.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let _ = stream.set_nodelay(true);
        let handler = {
            let service = Arc::clone(&service);
            tower::service_fn(move |request: http::Request<Incoming>| {
                let service = Arc::clone(&service);
                async move { Ok::<Response<Body>, Infallible>(handle::handle(&service, request).await) }
            })
        };
        let handler = ServiceBuilder::new()
            .layer(SetSensitiveRequestHeadersLayer::new([
                http::header::AUTHORIZATION,
                HeaderName::from_static("api-key"),
                HeaderName::from_static("x-api-key"),
            ]))
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            .layer(TraceLayer::new_for_http().make_span_with(span).on_request(()).on_response(()).on_failure(()))
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(CatchPanicLayer::custom(answer::after_panic))
            .service(handler);
        let connection =
            builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(handler));
        let connection = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended with an error");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(Duration::from_secs(10), graceful.shutdown()).await.is_err() {
        tracing::warn!("some exchanges were still under way after ten seconds and were ended");
    }
}

/// The span of a request; it lasts until the last byte of the answer. A path nobody owns is not repeated in it.
fn span(request: &http::Request<Incoming>) -> tracing::Span {
    let route =
        if dialect::route(request.method(), request.uri().path()).is_ok() { request.uri().path() } else { "none" };
    tracing::info_span!("request", otel.kind = "server", http.request.method = %request.method(), http.route = route)
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10))
        .max_headers(64)
        .max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .max_header_list_size(16 << 10)
        .max_pending_accept_reset_streams(Some(16))
        .max_send_buf_size(64 << 10)
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}
