//! One request: who owns its path, is it read, and whose turn it is then.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request as HttpRequest, Response, StatusCode, header};
use hyper::body::Incoming;
use uuid::Uuid;

use super::{Body, Service, answer, answers, body, models, moderate, vectors};
use crate::{
    audit::Event,
    caller::Caller,
    chat::Chat,
    dialect::{self, Bounds, Dialect, Family, NoRoute, Problem, ReadError, Reading, Route},
    enforce::{Cause, Refusal, TENANT},
    keys::KeyError,
    segment::Part,
    upstream::Credentials,
};

/// A request whose path has an owner.
pub(super) struct Call<'a> {
    pub(super) service: &'a Arc<Service>,
    pub(super) exchange: Uuid,
    pub(super) path: &'static str,
    pub(super) credentials: Credentials,
    caller: Caller,
    languages: String,
}

/// Answers one request.
pub(super) async fn handle(service: &Arc<Service>, request: HttpRequest<Incoming>) -> Response<Body> {
    let exchange = Uuid::now_v7();
    let (name, response) = match dialect::route(request.method(), request.uri().path()) {
        Ok((route, path)) => {
            let mut credentials = Credentials::of(request.headers());
            let caller = match &service.keys {
                None => Ok(Caller::new(TENANT, Vec::new(), &credentials)),
                Some(keys) => keys.caller(&mut credentials).await,
            };
            let caller = match caller {
                Ok(caller) => caller,
                Err(error) => {
                    let response = no_key(service, exchange, path, error).await;
                    service.enforcer.metrics.exchange("none", response.status().as_u16());
                    return response;
                }
            };
            let languages = languages(request.headers());
            let call = Call { service, exchange, path, credentials, caller, languages };
            match (route, request) {
                (Route::Answers(dialect), request) => ("answers", answers::answer(&call, dialect, request).await),
                (Route::Vectors(dialect), request) => ("vectors", vectors::answer(&call, dialect, request).await),
                (Route::Moderations, request) => ("moderations", moderate::answer(&call, request).await),
                (Route::Models(about), request) => ("models", models::answer(&call, about, request).await),
            }
        }
        Err(missing) => ("none", no_route(service, exchange, &request, missing).await),
    };
    service.enforcer.metrics.exchange(name, response.status().as_u16());
    response
}

/// Default deny, on the record.
async fn no_route(
    service: &Service,
    exchange: Uuid,
    request: &HttpRequest<Incoming>,
    missing: NoRoute,
) -> Response<Body> {
    let problem = match missing {
        NoRoute::Unknown => Problem::new(StatusCode::NOT_FOUND, "unknown_path", "this path is not served"),
        NoRoute::Method(allowed) => {
            let message = format!("this path takes {allowed} only");
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        }
    };
    let mut response = turned_away(service, exchange, request.uri().path(), Event::RouteRefused, &problem).await;
    if let NoRoute::Method(allowed) = missing {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    response
}

/// Who is not known gets no further.
async fn no_key(service: &Service, exchange: Uuid, path: &str, error: KeyError) -> Response<Body> {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "invalid_api_key", error.to_string());
    let mut response = turned_away(service, exchange, path, Event::RequestRefused, &problem).await;
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Refuses a request that has no chat, on the record; if that fails, the answer says only that.
async fn turned_away(service: &Service, exchange: Uuid, path: &str, event: Event, problem: &Problem) -> Response<Body> {
    let family = Family::of_path(path);
    let mut draft = service.enforcer.draft(event, exchange, path);
    draft.status = Some(family.status(problem).as_u16());
    // A problem with a field may repeat what a client sent; the record does not.
    let what = if problem.param.is_some() { "a field is missing or wrong" } else { &problem.message };
    draft.note = Some(format!("{}: {what}", problem.code));
    match service.enforcer.note(&draft).await {
        Ok(_) => answer::problem(exchange, family, problem),
        Err(error) => {
            tracing::error!(%error, "a refused request cannot be recorded");
            let refusal = Refusal::without_rule(exchange, Cause::Unrecorded);
            answer::problem(exchange, family, &Problem::from(&refusal))
        }
    }
}

impl Call<'_> {
    /// The family whose words the client expects.
    pub(super) fn family(&self) -> Family {
        Family::of_path(self.path)
    }

    /// Refuses the request before it is a chat, on the record.
    pub(super) async fn turned_away(&self, problem: &Problem) -> Response<Body> {
        turned_away(self.service, self.exchange, self.path, Event::RequestRefused, problem).await
    }

    /// A problem, in the client's words.
    pub(super) fn problem(&self, problem: &Problem) -> Response<Body> {
        answer::problem(self.exchange, self.family(), problem)
    }

    /// The body of a request in a dialect.
    ///
    /// # Errors
    /// The head or the body is not what it must be; the answer that says so is on the record.
    pub(super) async fn read<D: Dialect + ?Sized>(
        &self,
        dialect: &D,
        request: HttpRequest<Incoming>,
    ) -> Result<Reading, Response<Body>> {
        let body = self.body(request).await?;
        match dialect.read(&body, &self.bounds()) {
            Ok(reading) => Ok(reading),
            Err(error) => Err(self.turned_away(&unread(&error)).await),
        }
    }

    /// The bytes of a request's body.
    ///
    /// # Errors
    /// As [`Call::read`].
    pub(super) async fn body(&self, request: HttpRequest<Incoming>) -> Result<bytes::Bytes, Response<Body>> {
        if let Err(problem) = body::check_head(request.headers(), self.family()) {
            return Err(self.turned_away(&problem).await);
        }
        match body::read(self.service, request.into_body()).await {
            Ok(body) => Ok(body),
            Err(problem) => Err(self.turned_away(&problem).await),
        }
    }

    pub(super) fn bounds(&self) -> Bounds {
        let limits = &self.service.limits;
        Bounds { fields: self.service.unknown_fields, choices: limits.choices, parts: limits.parts }
    }

    /// The chat of this exchange.
    pub(super) fn chat(&self, dialect: &'static str, model: &str, parts: &[Part]) -> Chat {
        Chat {
            exchange: self.exchange,
            tenant: self.caller.tenant.clone(),
            groups: self.caller.groups.clone(),
            place: self.caller.place,
            masks: Arc::default(),
            languages: self.languages.clone(),
            policies: self.service.enforcer.live.policies(),
            route: self.path.to_owned(),
            dialect,
            model: model.to_owned(),
            parts: parts.to_vec(),
            notes: Vec::new(),
        }
    }
}

/// The languages that the reader of an answer accepts, as far as that is a text of bearable length.
fn languages(headers: &HeaderMap) -> String {
    let text = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.chars().take(256).collect()
}

/// A body that is no request of its format.
pub(super) fn unread(error: &ReadError) -> Problem {
    let param = match error {
        ReadError::Field { field, .. } => field.clone(),
        ReadError::Json(_) => "body".to_owned(),
    };
    Problem::new(StatusCode::BAD_REQUEST, "invalid_request", error.to_string()).about(Some(param))
}
