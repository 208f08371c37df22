//! What operators ask of the policies: which are in force, to read them again, and what they would decide.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{Method, StatusCode},
    response::{IntoResponse as _, Response},
};
use policies::{Action, Decision, Mode, Policy, Share, Stage};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Review;
use crate::{
    audit::Timestamp,
    chat::Chat,
    dialect::{self, Bounds, Reading, Route},
    enforce::TENANT,
    segment::{Kind, Part, Segment},
};

/// `GET /admin/policies`
pub(super) async fn policies(State(review): State<Arc<Review>>) -> Response {
    answer(StatusCode::OK, &in_force(&review))
}

/// `POST /admin/reload`
pub(super) async fn reload(State(review): State<Arc<Review>>) -> Response {
    let live = Arc::clone(&review.live);
    match tokio::task::spawn_blocking(move || live.reload()).await {
        Ok(Ok(_)) => answer(StatusCode::OK, &in_force(&review)),
        Ok(Err(error)) => answer(StatusCode::UNPROCESSABLE_ENTITY, &json!({"error": error.to_string()})),
        Err(_) => answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": "the policies could not be read"})),
    }
}

/// `POST /admin/simulate`: what would be decided on a chat, and on an answer to it. Nothing is sent, and nothing recorded.
pub(super) async fn simulate(State(review): State<Arc<Review>>, body: Bytes) -> Response {
    match simulated(&review, &body).await {
        Ok(decided) => answer(StatusCode::OK, &decided),
        Err(message) => answer(StatusCode::BAD_REQUEST, &json!({"error": message})),
    }
}

/// What is to be simulated.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Simulation {
    /// A request in the format of OpenAI's chats.
    chat: Value,
    /// An answer to it.
    #[serde(default)]
    answer: Option<String>,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    /// The caller's place in roll-outs.
    #[serde(default)]
    place: u64,
}

async fn simulated(review: &Review, body: &[u8]) -> Result<Value, String> {
    let asked: Simulation = serde_json::from_slice(body).map_err(|error| {
        format!("give {{\"chat\": …, \"answer\": …, \"tenant\": …, \"groups\": […], \"place\": …}}: {error}")
    })?;
    let (Route::Answers(format), path) =
        dialect::route(&Method::POST, "/v1/chat/completions").map_err(|_| "no format reads chats".to_owned())?
    else {
        return Err("no format reads chats".to_owned());
    };
    let service = &review.upstream;
    let limits = &service.limits;
    let bounds = Bounds { fields: service.unknown_fields, choices: limits.choices, parts: limits.parts };
    let text = asked.chat.to_string();
    let Reading { request, notes } =
        format.read(text.as_bytes(), &bounds).map_err(|error| format!("`chat` is no request: {error}"))?;
    let chat = Arc::new(Chat {
        exchange: Uuid::now_v7(),
        tenant: asked.tenant.unwrap_or_else(|| TENANT.to_owned()),
        groups: asked.groups,
        place: asked.place,
        languages: String::new(),
        masks: Arc::default(),
        policies: review.live.policies(),
        route: path.to_owned(),
        dialect: format.name(),
        model: request.model.clone(),
        parts: request.parts().to_vec(),
        notes,
    });
    let input = Segment { stage: Stage::Input, choice: 0, number: 0, last: true, parts: chat.parts.clone() };
    let mut decided = json!({
        "policy_hash": chat.policies.hash(),
        "input": told(&service.enforcer.simulate(&chat, input).await),
    });
    if let Some(text) = asked.answer {
        let whole: Arc<str> = text.into();
        let part = Part::piece("content".to_owned(), Kind::Turn, &whole, 0..whole.len());
        let output = Segment { stage: Stage::Output, choice: 0, number: 0, last: true, parts: vec![part] };
        let output = told(&service.enforcer.simulate(&chat, output).await);
        if let Value::Object(decided) = &mut decided {
            decided.insert("output".to_owned(), output);
        }
    }
    Ok(decided)
}

fn told(decisions: &[(String, Decision)]) -> Value {
    let strictest =
        |of: fn(&Decision) -> Action| decisions.iter().map(|(_, decision)| of(decision)).max().unwrap_or(Action::Allow);
    let spoken = decisions.iter().filter(|(_, decision)| !decision.reasons.is_empty());
    let fields = spoken.map(|(field, decision)| {
        json!({"field": field, "action": decision.action, "would": decision.would(), "reasons": decision.reasons})
    });
    json!({
        "action": strictest(|decision| decision.action),
        "would": strictest(Decision::would),
        "fields": fields.collect::<Vec<_>>(),
    })
}

fn in_force(review: &Review) -> Value {
    let (policies, state) = (review.live.policies(), review.live.state());
    let expired = policies.expired(Timestamp::now().seconds());
    json!({
        "generation": state.generation,
        "since": state.since,
        "hash": policies.hash(),
        "error": state.error,
        "expired": expired.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "policies": policies.policies().iter().map(one).collect::<Vec<_>>(),
    })
}

fn one(policy: &Policy) -> Value {
    let rules = policy.rules().iter().map(|rule| {
        json!({
            "id": rule.id,
            "action": rule.action,
            "mode": rule.force.mode,
            "roll_out": (rule.force.mode == Mode::Enforce && rule.force.share != Share::ALL)
                .then(|| rule.force.share.to_string()),
            "exceptions": rule.exceptions.len(),
            "why": rule.why,
        })
    });
    json!({
        "name": policy.name(),
        "version": policy.version(),
        "file": policy.file(),
        "only_for": policy.only().iter().map(policies::Glob::as_str).collect::<Vec<_>>(),
        "rules": rules.collect::<Vec<_>>(),
        "cases": policy.cases().len(),
    })
}

fn answer(status: StatusCode, value: &Value) -> Response {
    (status, axum::Json(value)).into_response()
}
