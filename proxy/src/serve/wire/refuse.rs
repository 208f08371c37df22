//! What is refused on the wire is answered and recorded like anything else that is refused.

use http::{HeaderValue, Response, header};
use uuid::Uuid;

use super::violation::Fault;
use crate::{
    audit::Event,
    dialect::{Family, Problem},
    enforce::{Cause, Refusal},
    serve::{Body, Service, answer},
};

/// Records a fault, and makes its answer, after which the connection is closed.
pub(super) async fn refuse(service: &Service, fault: &Fault) -> Response<Body> {
    let exchange = Uuid::now_v7();
    let status = fault.violation.status();
    let (code, message) = fault.violation.words();
    let problem = if note(service, exchange, fault, Some(status.as_u16())).await {
        Problem::new(status, code, message)
    } else {
        Problem::from(&Refusal { exchange, cause: Cause::Unrecorded, reasons: Vec::new() })
    };
    let mut response = answer::problem(exchange, Family::of_path(&fault.path), &problem);
    service.enforcer.metrics.exchange("none", response.status().as_u16());
    // hyper leaves it out where it means nothing, in HTTP/2.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Records a fault that could not be answered.
pub(super) async fn unanswered(service: &Service, fault: &Fault) {
    note(service, Uuid::now_v7(), fault, None).await;
}

async fn note(service: &Service, exchange: Uuid, fault: &Fault, status: Option<u16>) -> bool {
    let (code, message) = fault.violation.words();
    let mut draft = service.enforcer.draft(Event::RequestRefused, exchange, &fault.path);
    draft.status = status;
    draft.note = Some(format!("{code}: {message}"));
    let noted = service.enforcer.note(&draft).await;
    if let Err(error) = &noted {
        tracing::error!(%error, "a request that broke the rules of HTTP cannot be recorded");
    }
    noted.is_ok()
}
