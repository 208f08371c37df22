//! What a client reads when the door is shut: which rules and hazards, never which words.

use serde_json::{Map, Value, json};

use crate::enforce::{Cause, Refusal};

/// The sentence a person reads.
pub(super) fn message(refusal: &Refusal) -> String {
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

/// What was found, by finding: severity and score; and which rules decided.
pub fn results(refusal: &Refusal) -> Value {
    let mut results = Map::new();
    for reason in &refusal.reasons {
        let result = json!({"filtered": true, "severity": reason.severity, "score": reason.score, "rule": reason.rule});
        results.insert(reason.finding.to_string(), result);
    }
    let ringfence = json!({
        "filtered": true,
        "decision": refusal.exchange,
        "rules": rules(refusal),
        "taxonomy": TAXONOMY,
    });
    results.insert("ringfence".to_owned(), ringfence);
    Value::Object(results)
}

/// The meaning of the codes S1 to S14, which differ between versions of Llama Guard.
const TAXONOMY: &str = "mlcommons-2024";

pub(super) fn rules(refusal: &Refusal) -> Vec<String> {
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
