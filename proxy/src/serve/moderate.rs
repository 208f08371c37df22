//! A verdict of our own guard, in the format of OpenAI's moderations. Nothing is forwarded.

use std::sync::Arc;

use http::{Request as HttpRequest, Response, StatusCode};
use hyper::body::Incoming;
use policies::Stage;

use super::{
    Body, answer,
    handle::{Call, unread},
};
use crate::{
    chat::Chat,
    dialect::{Problem, moderations},
    segment::Segment,
};

pub(super) async fn answer(call: &Call<'_>, request: HttpRequest<Incoming>) -> Response<Body> {
    let body = match call.body(request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let asked = match moderations::read(&body, &call.bounds()) {
        Ok(asked) => asked,
        Err(error) => return call.turned_away(&unread(&error)).await,
    };
    let chat = Chat { notes: asked.notes.clone(), ..call.chat(moderations::NAME, &asked.model, &asked.parts) };
    let segment = Segment { stage: Stage::Input, choice: 0, number: 0, last: true, parts: asked.parts.clone() };
    match call.service.enforcer.assess(&Arc::new(chat), segment).await {
        Ok(found) => {
            let guard = &call.service.enforcer.guard;
            answer::json(call.exchange, StatusCode::OK, &moderations::answer(call.exchange, guard, &asked, &found))
        }
        Err(refusal) => call.problem(&Problem::from(&refusal)),
    }
}
