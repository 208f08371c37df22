//! Answers that are no stream, and the headers every answer has.

use std::any::Any;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use uuid::Uuid;

use super::Body;
use crate::{dialect::openai_chat::refusal, enforce::Refusal};

/// The exchange's id, which its records bear.
pub(super) const DECISION: HeaderName = HeaderName::from_static("x-ringfence-decision");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// A JSON document.
pub(super) fn json(exchange: Uuid, status: StatusCode, value: &Value) -> Response<Body> {
    text(exchange, status, "application/json", value.to_string())
}

/// A text of a given type.
pub(super) fn text(exchange: Uuid, status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&exchange.to_string()) {
        headers.insert(DECISION, id);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}

/// A refusal from the first byte.
pub(super) fn refused(refused: &Refusal) -> Response<Body> {
    json(refused.exchange, refusal::status(refused), &refusal::body(refused))
}

/// An error that is no refusal.
pub(super) fn error(
    exchange: Uuid,
    status: StatusCode,
    code: &str,
    param: Option<&str>,
    message: &str,
) -> Response<Body> {
    json(exchange, status, &refusal::error(status, code, param, message))
}

/// What a client gets when our own code broke; nothing was let through.
pub(super) fn after_panic(_: Box<dyn Any + Send + 'static>) -> Response<Body> {
    tracing::error!("a request ended in a panic, and was refused");
    error(Uuid::nil(), StatusCode::INTERNAL_SERVER_ERROR, "internal_error", None, "the request could not be handled")
}
