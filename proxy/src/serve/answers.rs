//! Answers of the generator, streamed and whole.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue, Request as HttpRequest, Response, StatusCode, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use policies::Stage;

use super::{
    Body, Service,
    answer::{self, DECISION},
    handle::Call,
    upstream_failed::{broken, upstream_said_no},
};
use crate::{
    audit::Timestamp,
    chat::Chat,
    config::RefusalStyle,
    dialect::{Answers, Family, Head, Problem, Reading, Stream, Told},
    enforce::{Cause, Refusal},
    exchange::{Broken, Exchange, Step},
    segment::Segment,
    upstream::{Reply, UpstreamError, Usage},
};

pub(super) async fn answer(
    call: &Call<'_>,
    dialect: &'static dyn Answers,
    request: HttpRequest<Incoming>,
) -> Response<Body> {
    let service = call.service;
    let Reading { request: asked, notes } = match call.read(dialect, request).await {
        Ok(reading) => reading,
        Err(response) => return response,
    };
    let chat = Arc::new(Chat { notes, ..call.chat(dialect.name(), &asked.model, asked.parts()) });
    let head = Head {
        id: call.exchange,
        at: Timestamp::now(),
        model: asked.model.clone(),
        include_usage: asked.include_usage,
    };
    let segment = Segment { stage: Stage::Input, choice: 0, number: 0, last: true, parts: chat.parts.clone() };
    let cleared = match service.enforcer.enforce(&chat, segment).await {
        Ok(cleared) => cleared,
        Err(refusal) => return prompt_refused(call, dialect, asked.stream, head, &refusal),
    };
    let (choices, stream) = (asked.choices, asked.stream);
    match service.upstream.ask(dialect, cleared.onto(asked), &call.credentials).await {
        Err(error) => call.problem(&broken(service, &chat, &error).await),
        Ok(Reply::Failure(failure)) => upstream_said_no(call, &chat, failure).await,
        Ok(Reply::Events(events)) => {
            let rules = service.text_rules.clone();
            let exchange = Exchange::new(Arc::clone(&service.enforcer), Arc::clone(&chat), events, choices, rules);
            if stream {
                streamed(service, &chat, dialect, head, exchange)
            } else {
                whole(call, &chat, dialect, &head, exchange, choices).await
            }
        }
    }
}

/// A blocked prompt, as an error or, for chat apps that show errors badly, as an answer that says so.
fn prompt_refused(
    call: &Call<'_>,
    dialect: &'static dyn Answers,
    stream: bool,
    head: Head,
    refusal: &Refusal,
) -> Response<Body> {
    if call.service.refusal == RefusalStyle::Error || refusal.cause != Cause::Blocked {
        return call.problem(&Problem::from(refusal));
    }
    if stream {
        let mut writer = dialect.stream(head);
        let body = [writer.refused(0, refusal), writer.end(Usage::default())].concat();
        let body = String::from_utf8_lossy(&body).into_owned();
        return answer::text(call.exchange, StatusCode::OK, kind(dialect.family()), body);
    }
    let mut told = Told::new(1);
    told.refused(0, refusal);
    answer::json(call.exchange, StatusCode::OK, &dialect.whole(&head, &told, Usage::default()))
}

/// The type of a streamed answer.
fn kind(family: Family) -> &'static str {
    match family {
        Family::OpenAi | Family::Anthropic => "text/event-stream; charset=utf-8",
        Family::Ollama => "application/x-ndjson",
    }
}

/// The answer as it is cleared.
fn streamed(
    service: &Arc<Service>,
    chat: &Arc<Chat>,
    dialect: &'static dyn Answers,
    head: Head,
    exchange: Exchange,
) -> Response<Body> {
    let state = (exchange, dialect.stream(head), Arc::clone(service), Arc::clone(chat));
    let frames = stream::unfold(state, |(mut exchange, mut writer, service, chat)| async move {
        loop {
            let step = exchange.next().await?;
            let bytes = frame(&service, &chat, writer.as_mut(), step).await;
            if !bytes.is_empty() {
                let state = (exchange, writer, service, chat);
                return Some((Ok::<_, Infallible>(Frame::data(bytes)), state));
            }
        }
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(dialect.family())));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    if let Ok(id) = HeaderValue::from_str(&chat.exchange.to_string()) {
        headers.insert(DECISION, id);
    }
    response
}

async fn frame(service: &Service, chat: &Chat, writer: &mut dyn Stream, step: Step) -> Bytes {
    match step {
        Step::Piece(place, cleared) => writer.piece(&place, &cleared),
        Step::Refused(choice, refusal) => writer.refused(choice, &refusal),
        Step::Finished(choice, reason) => writer.finished(choice, reason),
        Step::Quiet => writer.quiet(),
        Step::End(usage) => writer.end(usage.unwrap_or_default()),
        Step::Broken(Broken::Door(refusal)) => writer.broken(&Problem::from(&refusal)),
        Step::Broken(Broken::Upstream(error)) => writer.broken(&broken(service, chat, &error).await),
    }
}

/// The answer once it is complete: the same steps, told at once.
async fn whole(
    call: &Call<'_>,
    chat: &Arc<Chat>,
    dialect: &'static dyn Answers,
    head: &Head,
    mut exchange: Exchange,
    choices: u32,
) -> Response<Body> {
    let mut told = Told::new(choices);
    let error = loop {
        match exchange.next().await {
            Some(Step::Piece(place, cleared)) => told.piece(&place, &cleared),
            Some(Step::Refused(choice, refusal)) => told.refused(choice, &refusal),
            Some(Step::Finished(choice, reason)) => told.finished(choice, reason),
            Some(Step::Quiet) => {}
            Some(Step::End(usage)) => {
                let body = dialect.whole(head, &told, usage.unwrap_or_default());
                return answer::json(chat.exchange, StatusCode::OK, &body);
            }
            Some(Step::Broken(Broken::Door(refusal))) => return call.problem(&Problem::from(&refusal)),
            Some(Step::Broken(Broken::Upstream(error))) => break error,
            None => break UpstreamError::Cut,
        }
    };
    call.problem(&broken(call.service, chat, &error).await)
}
