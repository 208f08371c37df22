//! Embeddings: the inputs are judged, and what comes back is numbers.

use std::sync::Arc;

use http::{Request as HttpRequest, Response, StatusCode};
use hyper::body::Incoming;
use policies::Stage;

use super::{
    Body, answer,
    handle::Call,
    upstream_failed::{broken, upstream_said_no},
};
use crate::{
    chat::Chat,
    dialect::{Problem, Reading, Vectors},
    segment::Segment,
    upstream::Embedded,
};

pub(super) async fn answer(
    call: &Call<'_>,
    dialect: &'static dyn Vectors,
    request: HttpRequest<Incoming>,
) -> Response<Body> {
    let service = call.service;
    let Reading { request: asked, notes } = match call.read(dialect, request).await {
        Ok(reading) => reading,
        Err(response) => return response,
    };
    let chat = Arc::new(Chat { notes, ..call.chat(dialect.name(), &asked.model, asked.parts()) });
    let segment = Segment { stage: Stage::Input, choice: 0, number: 0, last: true, parts: chat.parts.clone() };
    let cleared = match service.enforcer.enforce(&chat, segment).await {
        Ok(cleared) => cleared.onto(asked),
        Err(refusal) => return call.problem(&Problem::from(&refusal)),
    };
    let asked = cleared.get().body().clone();
    match service.upstream.embed(dialect, cleared, &call.credentials).await {
        Err(error) => call.problem(&broken(service, &chat, &error).await),
        Ok(Embedded::Failure(failure)) => upstream_said_no(call, &chat, failure).await,
        Ok(Embedded::Vectors(vectors, usage)) => {
            answer::json(call.exchange, StatusCode::OK, &dialect.vectors(&chat.model, &asked, &vectors, usage))
        }
    }
}
