//! What is known of the models; every text in it is judged like an answer.

use std::sync::Arc;

use http::{Request as HttpRequest, Response, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use policies::Stage;
use serde_json::{Value, json};

use super::{
    Body, answer,
    handle::{Call, unread},
    upstream_failed::broken,
};
use crate::{
    chat::Chat,
    dialect::{About, Document, Family, MODELS, Problem, named_model},
    segment::Segment,
    upstream::UpstreamError,
};

pub(super) async fn answer(call: &Call<'_>, about: About, request: HttpRequest<Incoming>) -> Response<Body> {
    let family = if request.headers().contains_key("anthropic-version") { Family::Anthropic } else { call.family() };
    let mut model = String::new();
    if about == About::Show {
        let body = match call.body(request).await {
            Ok(body) => body,
            Err(response) => return response,
        };
        model = match named_model(&body) {
            Ok(model) => model,
            Err(error) => return call.turned_away(&unread(&error)).await,
        };
    } else if let Some(name) = request.uri().path().strip_prefix(MODELS) {
        // Clients write a slash or a colon in a name as an escape. It is looked up in a list and goes nowhere else.
        model = percent_decode_str(name).decode_utf8_lossy().into_owned();
    }
    let chat = Arc::new(call.chat("models", &model, &[]));
    match known(call, about, family, &model).await {
        Ok(Some(document)) => cleared(call, &chat, document).await,
        Ok(None) => {
            let problem = Problem::new(StatusCode::NOT_FOUND, "model_not_found", "there is no such model");
            call.turned_away(&problem.about(Some("model".to_owned()))).await
        }
        Err(error) => call.problem(&broken(call.service, &chat, &error).await),
    }
}

/// What the upstream says, or what follows from the names of its models; nothing if it has no model of that name.
async fn known(call: &Call<'_>, about: About, family: Family, model: &str) -> Result<Option<Value>, UpstreamError> {
    let upstream = &call.service.upstream;
    let asked = (about == About::Show).then(|| json!({ "model": model }));
    if matches!(about, About::Tags | About::Running | About::Show | About::Version)
        && let Some(document) = upstream.about(call.path, asked.as_ref()).await?
    {
        return Ok(Some(document));
    }
    match about {
        About::Running => return Ok(Some(json!({"models": []}))),
        About::Version => return Ok(Some(json!({ "version": env!("CARGO_PKG_VERSION") }))),
        About::List | About::One | About::Tags | About::Show => {}
    }
    let names = upstream.models(&call.credentials).await?;
    let is_known = names.iter().any(|name| name == model);
    let details = json!({"format": "", "family": "", "families": null, "parameter_size": "", "quantization_level": ""});
    Ok(match about {
        About::List => Some(list(family, &names)),
        About::One => is_known.then(|| one(family, model)),
        About::Tags => {
            let model = |name: &String| {
                json!({"name": name, "model": name, "modified_at": BEFORE, "size": 0, "digest": "",
                    "details": details})
            };
            Some(json!({ "models": names.iter().map(model).collect::<Value>() }))
        }
        _ => is_known.then(|| {
            json!({"modelfile": "", "parameters": "", "template": "", "details": details, "model_info": {},
                "capabilities": ["completion", "tools"]})
        }),
    })
}

/// Every model, in the words of a family: OpenAI's list, or Anthropic's only page.
fn list(family: Family, names: &[String]) -> Value {
    let data: Value = names.iter().map(|name| one(family, name)).collect();
    match family {
        Family::Anthropic => {
            json!({"data": data, "has_more": false, "first_id": names.first(), "last_id": names.last()})
        }
        Family::OpenAi | Family::Ollama => json!({"object": "list", "data": data}),
    }
}

fn one(family: Family, name: &str) -> Value {
    match family {
        Family::Anthropic => json!({"type": "model", "id": name, "display_name": name, "created_at": BEFORE}),
        Family::OpenAi | Family::Ollama => {
            json!({"id": name, "object": "model", "created": 0, "owned_by": "upstream"})
        }
    }
}

/// When a model was made of which nobody says when it was made.
const BEFORE: &str = "1970-01-01T00:00:00Z";

/// A document whose texts passed the door.
async fn cleared(call: &Call<'_>, chat: &Arc<Chat>, document: Value) -> Response<Body> {
    let document = Document::new(document);
    let parts = document.parts().to_vec();
    let segment = Segment { stage: Stage::Output, choice: 0, number: 0, last: true, parts };
    match call.service.enforcer.enforce(chat, segment).await {
        Ok(cleared) => answer::json(call.exchange, StatusCode::OK, cleared.onto(document).get().body()),
        Err(refusal) => call.problem(&Problem::from(&refusal)),
    }
}
