//! What is known of the models; every text in it is judged like an answer.

use std::sync::Arc;

use http::{Request as HttpRequest, Response, StatusCode};
use hyper::body::Incoming;
use policies::Stage;
use serde_json::{Value, json};

use super::{
    Body, answer,
    handle::{Call, unread},
    upstream_failed::broken,
};
use crate::{
    chat::Chat,
    dialect::{About, Document, Problem, named_model},
    segment::Segment,
    upstream::UpstreamError,
};

pub(super) async fn answer(call: &Call<'_>, about: About, request: HttpRequest<Incoming>) -> Response<Body> {
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
    }
    let chat = Arc::new(call.chat("models", &model, &[]));
    match known(call, about, &model).await {
        Ok(document) => cleared(call, &chat, document).await,
        Err(error) => call.problem(&broken(call.service, &chat, &error).await),
    }
}

/// What the upstream says, or what follows from the names of its models.
async fn known(call: &Call<'_>, about: About, model: &str) -> Result<Value, UpstreamError> {
    let upstream = &call.service.upstream;
    let asked = (about == About::Show).then(|| json!({ "model": model }));
    if about != About::List
        && let Some(document) = upstream.about(call.path, asked.as_ref()).await?
    {
        return Ok(document);
    }
    let details = json!({"format": "", "family": "", "families": null, "parameter_size": "", "quantization_level": ""});
    Ok(match about {
        About::List => {
            let names = upstream.models(&call.credentials).await?;
            let model = |id: &String| json!({"id": id, "object": "model", "created": 0, "owned_by": "upstream"});
            json!({"object": "list", "data": names.iter().map(model).collect::<Value>()})
        }
        About::Tags => {
            let names = upstream.models(&call.credentials).await?;
            let model = |name: &String| {
                json!({"name": name, "model": name, "modified_at": "1970-01-01T00:00:00Z", "size": 0, "digest": "",
                    "details": details})
            };
            json!({ "models": names.iter().map(model).collect::<Value>() })
        }
        About::Running => json!({"models": []}),
        About::Show => {
            let names = upstream.models(&call.credentials).await?;
            if !names.iter().any(|name| name == model) {
                return Err(UpstreamError::Unfit(format!("there is no model `{model}`")));
            }
            json!({"modelfile": "", "parameters": "", "template": "", "details": details, "model_info": {},
                "capabilities": ["completion", "tools"]})
        }
        About::Version => json!({ "version": env!("CARGO_PKG_VERSION") }),
    })
}

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
