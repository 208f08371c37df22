//! Answers that are no stream, and the headers every answer has.

use std::any::Any;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use uuid::Uuid;

use super::Body;
use crate::dialect::{Family, Problem};

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
    response
}

/// Why a client does not get what it asked for, in the words of its format.
pub(super) fn problem(exchange: Uuid, family: Family, problem: &Problem) -> Response<Body> {
    let mut response = json(exchange, family.status(problem), &family.error(problem));
    if problem.status == StatusCode::SERVICE_UNAVAILABLE {
        // Clients try a 503 again by themselves; here that would only be asked, and refused, three times.
        response.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}

/// What a client gets when our own code broke; nothing was let through.
pub(super) fn after_panic(_: Box<dyn Any + Send + 'static>) -> Response<Body> {
    tracing::error!("a request ended in a panic, and was refused");
    let message = "the request could not be handled";
    let broke = Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message);
    problem(Uuid::nil(), Family::OpenAi, &broke)
}
