//! The upstream failed, or said no.

use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode, header};
use policies::Stage;
use serde_json::Value;

use super::{Body, Service, answer, handle::Call};
use crate::{
    audit::Event,
    chat::Chat,
    dialect::Problem,
    json,
    segment::{Kind, Part, Segment},
    upstream::{Failure, UpstreamError},
};

/// Notes that the upstream failed; what a stranger is told says no more than the kind of failure.
pub(super) async fn broken(service: &Service, chat: &Chat, error: &UpstreamError) -> Problem {
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
    let mut draft = service.enforcer.draft(Event::UpstreamFailed, chat.exchange, &chat.route);
    draft.dialect = Some(chat.dialect.to_owned());
    draft.model = Some(chat.model.clone());
    draft.note = Some(code.to_owned());
    draft.status = Some(status.as_u16());
    if let Err(error) = service.enforcer.note(&draft).await {
        tracing::error!(%error, "an upstream failure cannot be recorded");
    }
    Problem::new(status, code, message)
}

/// A status that is no success: its body may repeat the prompt, or worse, so it is judged like an answer.
pub(super) async fn upstream_said_no(call: &Call<'_>, chat: &Arc<Chat>, failure: Failure) -> Response<Body> {
    let Failure { status, retry_after, body, family } = failure;
    let document = json::parse(body.as_bytes()).ok();
    // In the client's own format all of it is passed on, else only what it says.
    let native = family == call.family();
    let text = match &document {
        Some(value) if native => value.to_string(),
        Some(value) => said(value).unwrap_or("the model reported an error").to_owned(),
        None => body,
    };
    let part = Part::piece("error".to_owned(), Kind::Turn, &text.as_str().into(), 0..text.len());
    let segment = Segment { stage: Stage::Output, choice: 0, number: 0, last: true, parts: vec![part] };
    let cleared = match call.service.enforcer.enforce(chat, segment).await {
        Ok(cleared) => cleared.get().texts.concat(),
        Err(refusal) => return call.problem(&Problem::from(&refusal)),
    };
    let mut response = match document {
        Some(_) if native => answer::text(call.exchange, status, "application/json", cleared),
        None if native => answer::text(call.exchange, status, "text/plain; charset=utf-8", cleared),
        _ => call.problem(&Problem::new(status, "upstream_error", cleared)),
    };
    response.headers_mut().extend(retry_after.map(|after| (header::RETRY_AFTER, HeaderValue::from(after))));
    response
}

/// The sentence in an error of any format.
fn said(document: &Value) -> Option<&str> {
    let error = document.get("error")?;
    error.as_str().or_else(|| error.get("message")?.as_str())
}
