//! One request, from its head to the beginning of its answer.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request as HttpRequest, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use policies::Stage;
use uuid::Uuid;

use super::{
    Body, Service,
    answer::{self, DECISION},
};
use crate::{
    audit::{Event as RecordEvent, Timestamp},
    chat::Chat,
    config::RefusalStyle,
    dialect::{
        self, NoRoute, Route,
        openai_chat::{
            self, Limits, Request,
            answer::{Whole, Writer},
            refusal,
        },
    },
    enforce::{Cause, Refusal, TENANT},
    exchange::{Broken, Exchange, Step},
    segment::{Kind, Part, Segment},
    upstream::{Events, Reply, UpstreamError},
};

/// Headers by which some frameworks let a client change the method after the fact.
const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Answers one request.
pub(super) async fn handle(service: &Arc<Service>, request: HttpRequest<Incoming>) -> Response<Body> {
    let exchange = Uuid::now_v7();
    let (route, name) = match dialect::route(request.method(), request.uri().path()) {
        Ok(route @ Route::OpenAiChat) => (route, "chat"),
        Ok(route @ Route::Models) => (route, "models"),
        Err(missing) => {
            let response = no_route(service, exchange, &request, missing).await;
            service.enforcer.metrics.exchange("none", response.status().as_u16());
            return response;
        }
    };
    let response = match route {
        Route::OpenAiChat => chat(service, exchange, request).await,
        Route::Models => models(service, exchange, request.headers()).await,
    };
    service.enforcer.metrics.exchange(name, response.status().as_u16());
    response
}

/// Default deny, on the record.
async fn no_route(
    service: &Service,
    exchange: Uuid,
    request: &HttpRequest<Incoming>,
    missing: NoRoute,
) -> Response<Body> {
    let (status, code, message) = match missing {
        NoRoute::Unknown => (StatusCode::NOT_FOUND, "unknown_path", "this path is not served".to_owned()),
        NoRoute::Method(allowed) => {
            (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", format!("this path takes {allowed} only"))
        }
    };
    let path = request.uri().path();
    let mut response =
        turned_away(service, exchange, path, RecordEvent::RouteRefused, status, code, None, &message).await;
    if let NoRoute::Method(allowed) = missing {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    response
}

/// Refuses a request that has no chat, on the record; if that fails, the answer says only that.
#[expect(clippy::too_many_arguments, reason = "each is one word of the record and of the answer")]
async fn turned_away(
    service: &Service,
    exchange: Uuid,
    path: &str,
    event: RecordEvent,
    status: StatusCode,
    code: &str,
    param: Option<&str>,
    message: &str,
) -> Response<Body> {
    let mut draft = service.enforcer.draft(event, exchange, path);
    draft.status = Some(status.as_u16());
    draft.note = Some(format!("{code}: {}", if param.is_some() { "a field is missing or wrong" } else { message }));
    match service.enforcer.note(&draft).await {
        Ok(_) => answer::error(exchange, status, code, param, message),
        Err(error) => {
            tracing::error!(%error, "a refused request cannot be recorded");
            answer::refused(&Refusal { exchange, cause: Cause::Unrecorded, reasons: Vec::new() })
        }
    }
}

async fn chat(service: &Arc<Service>, exchange: Uuid, request: HttpRequest<Incoming>) -> Response<Body> {
    const PATH: &str = "/v1/chat/completions";
    let authorization = request.headers().get(header::AUTHORIZATION).cloned();
    let refuse = |status, code: &'static str, param: Option<String>, message: String| async move {
        let event = RecordEvent::RequestRefused;
        turned_away(service, exchange, PATH, event, status, code, param.as_deref(), &message).await
    };
    if let Err((status, code, message)) = head(request.headers()) {
        return refuse(status, code, None, message.to_owned()).await;
    }
    let body = match read_body(service, request.into_body()).await {
        Ok(body) => body,
        Err((status, code, message)) => return refuse(status, code, None, message.to_owned()).await,
    };
    let limits = Limits { choices: service.limits.choices, parts: service.limits.parts };
    let (asked, notes) = match openai_chat::read(&body, service.unknown_fields, limits) {
        Ok(read) => read,
        Err(error) => {
            let param = match &error {
                openai_chat::ReadError::Field { field, .. } => field.clone(),
                openai_chat::ReadError::Json(_) => "body".to_owned(),
            };
            return refuse(StatusCode::BAD_REQUEST, "invalid_request", Some(param), error.to_string()).await;
        }
    };
    let chat = Arc::new(Chat {
        exchange,
        tenant: TENANT.to_owned(),
        route: PATH.to_owned(),
        dialect: openai_chat::NAME,
        model: asked.model.clone(),
        parts: asked.parts().to_vec(),
        notes,
    });
    let writer = Writer {
        id: format!("chatcmpl-{}", exchange.simple()),
        created: Timestamp::now().seconds(),
        model: asked.model.clone(),
        include_usage: asked.include_usage,
    };
    let segment = Segment { stage: Stage::Input, choice: 0, number: 0, last: true, parts: chat.parts.clone() };
    let cleared = match service.enforcer.enforce(&chat, segment).await {
        Ok(cleared) => cleared,
        Err(refusal) => return prompt_refused(service, &asked, &writer, &refusal),
    };
    let (choices, stream) = (asked.choices(), asked.stream);
    match service.upstream.ask(cleared.onto(asked), authorization).await {
        Err(error) => upstream_failed(service, &chat, &error).await,
        Ok(Reply::Failure { status, retry_after, body }) => {
            let mut response = upstream_said_no(service, &chat, status, &body).await;
            response.headers_mut().extend(retry_after.map(|after| (header::RETRY_AFTER, HeaderValue::from(after))));
            response
        }
        Ok(Reply::Events(events)) if stream => streamed(service, &chat, writer, events, choices),
        Ok(Reply::Events(events)) => whole(service, &chat, &writer, events, choices).await,
    }
}

/// What the head of a request must be, before a byte of its body is read.
fn head(headers: &HeaderMap) -> Result<(), (StatusCode, &'static str, &'static str)> {
    if OVERRIDES.iter().any(|name| headers.contains_key(*name)) {
        return Err((
            StatusCode::METHOD_NOT_ALLOWED,
            "method_override",
            "a request says its method in its first line only",
        ));
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_encoding", "the body must not be compressed"));
    }
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let kind = kinds.next().and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let charset = kind.split(';').skip(1).all(|parameter| {
        let parameter = parameter.trim().to_ascii_lowercase();
        !parameter.starts_with("charset") || parameter.replace('"', "") == "charset=utf-8"
    });
    if kinds.next().is_some() || !essence.eq_ignore_ascii_case("application/json") || !charset {
        return Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_type",
            "the body must be `application/json` in UTF-8",
        ));
    }
    Ok(())
}

async fn read_body(service: &Service, body: Incoming) -> Result<Bytes, (StatusCode, &'static str, &'static str)> {
    let wait = Duration::from_millis(service.limits.body_ms);
    match tokio::time::timeout(wait, Limited::new(body, service.limits.body_bytes).collect()).await {
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body took too long")),
        Ok(Ok(body)) if body.trailers().is_some() => {
            Err((StatusCode::BAD_REQUEST, "trailers", "there must be no fields after the body"))
        }
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err((StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is too large"))
        }
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "body_cut", "the body ended before its end")),
    }
}

/// A blocked prompt, as an error or, for chat apps that show errors badly, as an answer that says so.
fn prompt_refused(service: &Service, asked: &Request, writer: &Writer, refusal: &Refusal) -> Response<Body> {
    if service.refusal == RefusalStyle::Error || refusal.cause != Cause::Blocked {
        return answer::refused(refusal);
    }
    if asked.stream {
        let body = [writer.refused(0, refusal, true), writer.end(None)].concat();
        let body = String::from_utf8_lossy(&body).into_owned();
        return answer::text(refusal.exchange, StatusCode::OK, EVENTS, body);
    }
    let mut whole = Whole::new(1);
    whole.refused(0, refusal);
    answer::json(refusal.exchange, StatusCode::OK, &whole.body(writer, None))
}

const EVENTS: &str = "text/event-stream; charset=utf-8";

/// The answer as it is cleared.
fn streamed(service: &Arc<Service>, chat: &Arc<Chat>, writer: Writer, events: Events, choices: u32) -> Response<Body> {
    let exchange =
        Exchange::new(Arc::clone(&service.enforcer), Arc::clone(chat), events, choices, service.text_rules.clone());
    let state = (exchange, writer, Vec::new(), Arc::clone(service), Arc::clone(chat));
    let frames = stream::unfold(state, |(mut exchange, writer, mut begun, service, chat)| async move {
        loop {
            let step = exchange.next().await?;
            if let Some(bytes) = frame(&service, &chat, &writer, &mut begun, step).await {
                let state = (exchange, writer, begun, service, chat);
                return Some((Ok::<_, Infallible>(Frame::data(bytes)), state));
            }
        }
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENTS));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    if let Ok(id) = HeaderValue::from_str(&chat.exchange.to_string()) {
        headers.insert(DECISION, id);
    }
    response
}

async fn frame(service: &Service, chat: &Chat, writer: &Writer, begun: &mut Vec<u32>, step: Step) -> Option<Bytes> {
    let mut first = |choice: u32| {
        let first = !begun.contains(&choice);
        if first {
            begun.push(choice);
        }
        first
    };
    match step {
        Step::Piece(place, cleared) => writer.piece(&place, &cleared, first(place.choice)),
        Step::Refused(choice, refusal) => Some(writer.refused(choice, &refusal, first(choice))),
        Step::Finished(choice, reason) => Some(writer.finished(choice, reason)),
        Step::Quiet => Some(Writer::quiet()),
        Step::End(usage) => Some(writer.end(usage)),
        Step::Broken(Broken::Door(refusal)) => Some(Writer::broken(&refusal::body(&refusal))),
        Step::Broken(Broken::Upstream(error)) => {
            let (status, code, message) = broken(service, chat, &error).await;
            Some(Writer::broken(&refusal::error(status, code, None, &message)))
        }
    }
}

/// The answer once it is complete: the same steps, told at once.
async fn whole(
    service: &Arc<Service>,
    chat: &Arc<Chat>,
    writer: &Writer,
    events: Events,
    choices: u32,
) -> Response<Body> {
    let rules = service.text_rules.clone();
    let mut exchange = Exchange::new(Arc::clone(&service.enforcer), Arc::clone(chat), events, choices, rules);
    let mut answer = Whole::new(choices);
    while let Some(step) = exchange.next().await {
        match step {
            Step::Piece(place, cleared) => answer.piece(&place, &cleared),
            Step::Refused(choice, refusal) => answer.refused(choice, &refusal),
            Step::Finished(choice, reason) => answer.finished(choice, reason),
            Step::Quiet => {}
            Step::End(usage) => return answer::json(chat.exchange, StatusCode::OK, &answer.body(writer, usage)),
            Step::Broken(Broken::Door(refusal)) => return answer::refused(&refusal),
            Step::Broken(Broken::Upstream(error)) => return upstream_failed(service, chat, &error).await,
        }
    }
    upstream_failed(service, chat, &UpstreamError::Cut).await
}

async fn upstream_failed(service: &Service, chat: &Chat, error: &UpstreamError) -> Response<Body> {
    let (status, code, message) = broken(service, chat, error).await;
    answer::error(chat.exchange, status, code, None, &message)
}

/// Notes that the upstream failed; what a stranger is told says no more than the kind of failure.
async fn broken(service: &Service, chat: &Chat, error: &UpstreamError) -> (StatusCode, &'static str, String) {
    service.enforcer.metrics.upstream_failure();
    tracing::warn!(%error, exchange = %chat.exchange, "the upstream failed");
    let (status, code, message) = match error {
        UpstreamError::Unreachable(_) => {
            (StatusCode::BAD_GATEWAY, "upstream_unreachable", "the model cannot be reached".to_owned())
        }
        UpstreamError::Silent(_) => {
            (StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", "the model sent nothing for too long".to_owned())
        }
        UpstreamError::Cut => (StatusCode::BAD_GATEWAY, "upstream_cut", "the model's answer was cut".to_owned()),
        UpstreamError::Unreadable(_) => {
            (StatusCode::BAD_GATEWAY, "upstream_unreadable", "the model's answer cannot be read".to_owned())
        }
        UpstreamError::Reported => {
            (StatusCode::BAD_GATEWAY, "upstream_error", "the model reported an error".to_owned())
        }
        UpstreamError::Unfit(why) => (StatusCode::BAD_REQUEST, "unfit_request", why.clone()),
    };
    let mut draft = service.enforcer.draft(RecordEvent::UpstreamFailed, chat.exchange, &chat.route);
    draft.dialect = Some(chat.dialect.to_owned());
    draft.model = Some(chat.model.clone());
    draft.note = Some(code.to_owned());
    draft.status = Some(status.as_u16());
    if let Err(error) = service.enforcer.note(&draft).await {
        tracing::error!(%error, "an upstream failure cannot be recorded");
    }
    (status, code, message)
}

/// A status that is no success: its body may repeat the prompt, or worse, so it is judged like an answer.
async fn upstream_said_no(service: &Service, chat: &Arc<Chat>, status: StatusCode, body: &str) -> Response<Body> {
    let (kind, text) = match crate::json::parse(body.as_bytes()) {
        Ok(value) => ("application/json", value.to_string()),
        Err(_) => ("text/plain; charset=utf-8", body.to_owned()),
    };
    let part = Part::piece("error".to_owned(), Kind::Turn, &text.as_str().into(), 0..text.len());
    let segment = Segment { stage: Stage::Output, choice: 0, number: 0, last: true, parts: vec![part] };
    match service.enforcer.enforce(chat, segment).await {
        Ok(cleared) => answer::text(chat.exchange, status, kind, cleared.get().texts.concat()),
        Err(refusal) => answer::refused(&refusal),
    }
}

/// The upstream's models, their names judged like any text of an answer.
async fn models(service: &Service, exchange: Uuid, headers: &HeaderMap) -> Response<Body> {
    let chat = Arc::new(Chat {
        exchange,
        tenant: TENANT.to_owned(),
        route: "/v1/models".to_owned(),
        dialect: openai_chat::NAME,
        model: String::new(),
        parts: Vec::new(),
        notes: Vec::new(),
    });
    let names = match service.upstream.models(headers.get(header::AUTHORIZATION).cloned()).await {
        Ok(names) => names,
        Err(error) => return upstream_failed(service, &chat, &error).await,
    };
    let part = |name: &String| Part::piece("data[].id".to_owned(), Kind::Detail, &name.as_str().into(), 0..name.len());
    let parts = names.iter().take(1000).map(part).collect();
    let segment = Segment { stage: Stage::Output, choice: 0, number: 0, last: true, parts };
    match service.enforcer.enforce(&chat, segment).await {
        Ok(cleared) => {
            let models = cleared.get().texts.iter();
            let models =
                models.map(|id| serde_json::json!({"id": id, "object": "model", "created": 0, "owned_by": "upstream"}));
            let list = serde_json::json!({"object": "list", "data": models.collect::<Vec<_>>()});
            answer::json(exchange, StatusCode::OK, &list)
        }
        Err(refusal) => answer::refused(&refusal),
    }
}
