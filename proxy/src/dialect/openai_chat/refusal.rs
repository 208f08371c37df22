//! What a client reads when the door is shut: which rules and hazards, never which words.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::enforce::{Cause, Refusal};

/// The sentence a person reads.
pub fn message(refusal: &Refusal) -> String {
    let what = match refusal.cause {
        Cause::Blocked => "This was blocked by the safety policy of this service",
        Cause::GuardUnavailable => "This could not be checked, and what is not checked does not pass",
        Cause::Unrecorded => "This could not be recorded, and what is not recorded does not pass",
    };
    let rules = rules(refusal);
    if rules.is_empty() {
        format!("{what} (decision {}).", refusal.exchange)
    } else {
        format!("{what} (rules: {}; decision {}).", rules.join(", "), refusal.exchange)
    }
}

/// The status of an answer that is a refusal from its first byte.
pub fn status(refusal: &Refusal) -> StatusCode {
    match refusal.cause {
        Cause::Blocked => StatusCode::BAD_REQUEST,
        Cause::GuardUnavailable | Cause::Unrecorded => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The document of an answer that is a refusal from its first byte, and the frame of one in mid-stream.
pub fn body(refusal: &Refusal) -> Value {
    match refusal.cause {
        Cause::Blocked => json!({"error": {
            "message": message(refusal),
            "type": "invalid_request_error",
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": results(refusal),
            },
        }}),
        Cause::GuardUnavailable | Cause::Unrecorded => {
            let code = if refusal.cause == Cause::Unrecorded { "audit_unavailable" } else { "guard_unavailable" };
            json!({"error": {
                "message": message(refusal),
                "type": "server_error",
                "param": null,
                "code": code,
                "status": 503,
                "decision": refusal.exchange,
                "rules": rules(refusal),
            }})
        }
    }
}

/// An error that is no refusal, in the format's way.
pub fn error(status: StatusCode, code: &str, param: Option<&str>, message: &str) -> Value {
    let kind = if status.is_client_error() { "invalid_request_error" } else { "server_error" };
    json!({"error": {"message": message, "type": kind, "param": param, "code": code, "status": status.as_u16()}})
}

/// What was found, by finding: severity and score; and which rules decided.
pub fn results(refusal: &Refusal) -> Value {
    let mut results = Map::new();
    for reason in &refusal.reasons {
        let result = json!({"filtered": true, "severity": reason.severity, "score": reason.score, "rule": reason.rule});
        results.insert(reason.finding.to_string(), result);
    }
    results.insert(
        "ringfence".to_owned(),
        json!({
            "filtered": true,
            "decision": refusal.exchange,
            "rules": rules(refusal),
            "taxonomy": TAXONOMY,
        }),
    );
    Value::Object(results)
}

/// The meaning of the codes S1 to S14, which differ between versions of Llama Guard.
const TAXONOMY: &str = "mlcommons-2024";

fn rules(refusal: &Refusal) -> Vec<String> {
    let mut rules: Vec<String> = refusal
        .reasons
        .iter()
        .map(|reason| match reason.finding.as_str().strip_prefix("guard.") {
            Some(hazard) => format!("{}/{} {hazard}", reason.policy, reason.rule),
            None => format!("{}/{}", reason.policy, reason.rule),
        })
        .collect();
    rules.sort();
    rules.dedup();
    rules.truncate(8);
    rules
}
