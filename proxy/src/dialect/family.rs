//! Whose format it is, and how that one says that something went wrong.

use http::StatusCode;
use serde_json::{Value, json};

use super::{refusal, set};
use crate::enforce::{Cause, Refusal};

/// Who defined a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// OpenAI; also what llama.cpp, vLLM and LM Studio speak.
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Ollama.
    Ollama,
}

/// Why a client does not get what it asked for.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// A word for programs.
    pub code: &'static str,
    /// The field that is wrong.
    pub param: Option<String>,
    /// A sentence for people.
    pub message: String,
    /// The refusal, if the door was shut.
    refusal: Option<Refusal>,
}

impl Problem {
    /// A problem that is no refusal.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, param: None, message: message.into(), refusal: None }
    }

    /// The same about a field.
    #[must_use]
    pub fn about(mut self, param: Option<String>) -> Self {
        self.param = param;
        self
    }
}

impl From<&Refusal> for Problem {
    fn from(refused: &Refusal) -> Self {
        let (status, code) = match refused.cause {
            Cause::Blocked => (StatusCode::BAD_REQUEST, "content_filter"),
            Cause::GuardUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "guard_unavailable"),
            Cause::Unrecorded => (StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable"),
        };
        Self { status, code, param: None, message: refusal::message(refused), refusal: Some(refused.clone()) }
    }
}

impl Family {
    /// The family whose errors the clients of a path expect, also where nobody owns the path.
    pub fn of_path(path: &str) -> Self {
        if path.starts_with("/api/") {
            Self::Ollama
        } else if path.starts_with("/v1/messages") {
            Self::Anthropic
        } else {
            Self::OpenAi
        }
    }

    /// The status of a problem; Anthropic's word for "try later" has a number of its own.
    pub fn status(self, problem: &Problem) -> StatusCode {
        match (self, problem.status) {
            (Self::Anthropic, StatusCode::SERVICE_UNAVAILABLE) => {
                StatusCode::from_u16(529).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
            }
            (_, status) => status,
        }
    }

    /// The document that says what went wrong.
    pub fn error(self, problem: &Problem) -> Value {
        match self {
            Self::OpenAi => openai(problem),
            Self::Anthropic => anthropic(problem),
            Self::Ollama => json!({ "error": problem.message }),
        }
    }
}

fn openai(problem: &Problem) -> Value {
    let kind = if problem.status.is_client_error() { "invalid_request_error" } else { "server_error" };
    let mut error = json!({
        "message": problem.message,
        "type": kind,
        "param": problem.param,
        "code": problem.code,
        "status": problem.status.as_u16(),
    });
    match &problem.refusal {
        Some(refused) if refused.cause == Cause::Blocked => {
            set(&mut error, "param", json!("prompt"));
            set(
                &mut error,
                "innererror",
                json!({
                    "code": "ResponsibleAIPolicyViolation",
                    "content_filter_result": refusal::results(refused),
                }),
            );
        }
        Some(refused) => {
            set(&mut error, "decision", json!(refused.exchange));
            set(&mut error, "rules", json!(refusal::rules(refused)));
        }
        None => {}
    }
    json!({ "error": error })
}

fn anthropic(problem: &Problem) -> Value {
    let kind = match problem.status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        503 | 529 => "overloaded_error",
        _ => "api_error",
    };
    let mut error = json!({"type": kind, "message": problem.message, "code": problem.code});
    if let Some(refused) = &problem.refusal {
        set(&mut error, "ringfence", refusal::results(refused));
    }
    json!({"type": "error", "error": error})
}
