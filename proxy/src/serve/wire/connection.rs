//! One connection, from its first byte to its last.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use http::{HeaderName, Request, Response, header};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
    service::TowerToHyperService,
};
use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    sync::watch,
    time::{Instant, timeout_at},
};
use tower::{BoxError, ServiceBuilder};
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    sensitive_headers::SetSensitiveRequestHeadersLayer,
    trace::TraceLayer,
};

use super::{
    Rules,
    fence::{Fence, Inspect},
    http1::Reader,
    http2::{Counter, PREFACE, Watch},
    line::Line,
    refuse::unanswered,
    request::admit,
    violation::{Fault, Violation},
};
use crate::{
    dialect,
    serve::{Body, Service, answer, handle},
};

/// How long a client has to answer a goodbye, and to read what is left.
const GRACE: Duration = Duration::from_secs(2);

/// Where a connection is served.
#[derive(Clone)]
pub(in crate::serve) struct Place {
    /// What its requests are served with.
    pub(in crate::serve) service: Arc<Service>,
    /// What it is measured by.
    pub(in crate::serve) rules: Arc<Rules>,
    /// Whether it should end.
    pub(in crate::serve) stop: watch::Receiver<bool>,
}

/// Serves a connection to its end.
pub(in crate::serve) async fn serve(mut stream: TcpStream, place: Place) {
    let Some((first, speaks_http2)) = preface(&mut stream, &place).await else { return };
    let (rules, line) = (Arc::clone(&place.rules), Line::new());
    let inspect = if speaks_http2 {
        Inspect::Two(Box::new(Counter::new()), Watch::default())
    } else {
        Inspect::One(Box::new(Reader::new(Arc::clone(&rules))))
    };
    let io = TokioIo::new(Fence::new(stream, &first, inspect, Arc::clone(&line), rules));
    let service = TowerToHyperService::new(handler(&place, &line));
    if speaks_http2 {
        run(http2_builder().serve_connection(io, service), &line, &place).await;
    } else {
        run(http1_builder().serve_connection(io, service), &line, &place).await;
    }
    if let Some(fault) = line.take() {
        unanswered(&place.service, &fault).await;
    }
}

/// The first bytes, and whether they are those of HTTP/2; none if there are none in time.
async fn preface(stream: &mut TcpStream, place: &Place) -> Option<(Vec<u8>, bool)> {
    let mut stop = place.stop.clone();
    let mut first = [0; PREFACE.len()];
    let mut length = 0;
    let mut deadline = Instant::now() + place.rules.idle;
    loop {
        let read = tokio::select! {
            read = timeout_at(deadline, stream.read(first.get_mut(length..).unwrap_or_default())) => read,
            _ = stop.wait_for(|stop| *stop) => return None,
        };
        match read {
            Ok(Ok(count @ 1..)) => {
                if length == 0 {
                    deadline = Instant::now() + place.rules.slow;
                }
                length += count;
            }
            // What there is goes to the reader of HTTP/1, which says what is wrong with it.
            _ if length > 0 => return Some((first.get(..length)?.to_vec(), false)),
            _ => return None,
        }
        let read = first.get(..length)?;
        if !PREFACE.starts_with(read) || length == PREFACE.len() {
            return Some((read.to_vec(), read == PREFACE));
        }
    }
}

/// Drives a connection, and ends it when it is idle, stalled, or told to.
async fn run<C: GracefulConnection<Error = hyper::Error>>(connection: C, line: &Line, place: &Place) {
    let mut connection = pin!(connection);
    let (mut ending, rules) = (place.stop.clone(), &place.rules);
    let tick = rules.idle.min(rules.stall).min(GRACE) / 4;
    let mut clock = tokio::time::interval(tick.max(Duration::from_millis(10)));
    let mut last: Option<Instant> = None;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended with an error");
                    if error.is_parse() {
                        line.fail(Fault::of_connection(Violation::Unreadable));
                    }
                }
                return;
            }
            _ = ending.wait_for(|stop| *stop), if last.is_none() => {}
            () = line.closing(), if last.is_none() => {}
            _ = clock.tick() => {
                if line.stalled() > rules.stall {
                    line.fail(Fault::of_connection(Violation::Stalled));
                    return;
                }
                // Who was told goodbye, and does not answer that, is left.
                if last.is_some_and(|last| last.elapsed() > GRACE) && line.idle() > GRACE {
                    return;
                }
                if line.idle() <= rules.idle {
                    continue;
                }
            }
        }
        if last.is_none() {
            last = Some(Instant::now());
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// What every request goes through.
fn handler(
    place: &Place,
    line: &Arc<Line>,
) -> impl tower::Service<
    Request<Incoming>,
    Response = Response<impl hyper::body::Body<Data = bytes::Bytes, Error: Into<BoxError>> + Send + 'static>,
    Error = Infallible,
    Future = impl Future + Send + 'static,
> + Clone
+ Send
+ 'static {
    let (service, rules, line) = (Arc::clone(&place.service), Arc::clone(&place.rules), Arc::clone(line));
    let inner = tower::service_fn(move |request: Request<Incoming>| {
        let (service, rules, line) = (Arc::clone(&service), Arc::clone(&rules), Arc::clone(&line));
        async move {
            let handle = |request| handle::handle(&service, request);
            Ok::<Response<Body>, Infallible>(admit(&service, &rules, &line, request, handle).await)
        }
    });
    ServiceBuilder::new()
        .layer(SetSensitiveRequestHeadersLayer::new([
            header::AUTHORIZATION,
            HeaderName::from_static("api-key"),
            HeaderName::from_static("x-api-key"),
        ]))
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(TraceLayer::new_for_http().make_span_with(span).on_request(()).on_response(()).on_failure(()))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(CatchPanicLayer::custom(answer::after_panic))
        .service(inner)
}

/// The span of a request; it lasts until the last byte of the answer. A path nobody owns is not repeated in it.
fn span(request: &Request<Incoming>) -> tracing::Span {
    let route = dialect::route(request.method(), request.uri().path()).map_or("none", |(_, path)| path);
    tracing::info_span!("request", otel.kind = "server", http.request.method = %request.method(), http.route = route)
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // The fence keeps the time, and the number of fields.
    builder.timer(TokioTimer::new()).header_read_timeout(None).max_headers(80).max_buf_size(64 << 10);
    builder
}

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .max_header_list_size(16 << 10)
        .max_pending_accept_reset_streams(Some(16))
        .max_local_error_reset_streams(Some(32))
        .max_send_buf_size(64 << 10)
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}
