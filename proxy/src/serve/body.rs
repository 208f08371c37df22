//! The head and the body of a request, within their bounds.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::Service;
use crate::dialect::{Family, Problem};

/// Headers by which some frameworks let a client change the method after the fact.
const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// What the head of a request must be, before a byte of its body is read.
pub(super) fn check_head(headers: &HeaderMap, family: Family) -> Result<(), Problem> {
    if OVERRIDES.iter().any(|name| headers.contains_key(*name)) {
        let message = "a request says its method in its first line only";
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_override", message));
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        let message = "the body must not be compressed";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_encoding", message));
    }
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let kind = kinds.next().map(|kind| kind.to_str().unwrap_or("?"));
    if kinds.next().is_none() && fits(kind, family) {
        return Ok(());
    }
    let message = "the body must be `application/json` in UTF-8";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", message))
}

/// Whether a body of this type is read; Ollama's users send JSON as `curl -d` labels it, or without a label.
fn fits(kind: Option<&str>, family: Family) -> bool {
    let Some(kind) = kind else { return family == Family::Ollama };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let charset = kind.split(';').skip(1).all(|parameter| {
        let parameter = parameter.trim().to_ascii_lowercase();
        !parameter.starts_with("charset") || parameter.replace('"', "") == "charset=utf-8"
    });
    let form = family == Family::Ollama && essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    charset && (form || essence.eq_ignore_ascii_case("application/json"))
}

/// Reads a body whole.
pub(super) async fn read(service: &Service, body: Incoming) -> Result<Bytes, Problem> {
    let wait = Duration::from_millis(service.limits.body_ms);
    match tokio::time::timeout(wait, Limited::new(body, service.limits.body_bytes).collect()).await {
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body took too long")),
        Ok(Ok(body)) if body.trailers().is_some() => {
            Err(Problem::new(StatusCode::BAD_REQUEST, "trailers", "there must be no fields after the body"))
        }
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is too large"))
        }
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "body_cut", "the body ended before its end")),
    }
}
