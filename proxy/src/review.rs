//! The operators' side: health, metrics, the policies in force, and a page that shows the newest decisions.

mod admin;
mod page;

use std::{path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use prometheus::Registry;
use uuid::Uuid;

use crate::{
    audit::{AuditLog, Timestamp},
    live::Live,
    serve::Hosts,
    telemetry::Telemetry,
    upstream::{Credentials, Upstream},
};

/// What the operators' side shows.
pub struct Review {
    /// The metrics.
    pub registry: Registry,
    /// The log that decisions go to.
    pub audit: Arc<AuditLog>,
    /// Where the log is.
    pub directory: PathBuf,
    /// The generator.
    pub upstream: Arc<crate::serve::Service>,
    /// The policies in force.
    pub live: Arc<Live>,
    /// The names this side answers to.
    pub hosts: Hosts,
    /// What is in force, as lines of name and value.
    pub in_force: Vec<(&'static str, String)>,
}

/// The routes of the operators' side.
pub fn router(review: Arc<Review>) -> Router {
    Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/", get(newest))
        .route("/exchange/{id}", get(exchange))
        .route("/admin/policies", get(admin::policies))
        .route("/admin/reload", post(admin::reload))
        .route("/admin/simulate", post(admin::simulate))
        .route("/style.css", get(|| async { ([(header::CONTENT_TYPE, "text/css")], page::STYLE) }))
        .layer(middleware::from_fn_with_state(Arc::clone(&review), guarded))
        .with_state(review)
}

/// Ready when a decision could be recorded and the upstream answers.
async fn ready(State(review): State<Arc<Review>>) -> Response {
    if let Err(error) = review.audit.health() {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("the audit log is out of order: {error}\n")).into_response();
    }
    match &review.upstream.upstream {
        Upstream::InProcess(_) => "ready\n".into_response(),
        upstream @ Upstream::Http(_) => match upstream.models(&Credentials::default()).await {
            Ok(_) => "ready\n".into_response(),
            Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
        },
    }
}

async fn metrics(State(review): State<Arc<Review>>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], Telemetry::render(&review.registry)).into_response()
}

async fn newest(State(review): State<Arc<Review>>) -> Response {
    let directory = review.directory.clone();
    let mut lines = review.in_force.clone();
    lines.extend(policies(&review.live));
    show(tokio::task::spawn_blocking(move || page::newest(&directory, &lines)).await)
}

/// The policies in force, and what is wrong with them, as lines of name and value.
fn policies(live: &Live) -> Vec<(&'static str, String)> {
    let (policies, state) = (live.policies(), live.state());
    let mut lines = vec![
        ("policies", policies.version()),
        ("in force since", format!("{}, hash {}", state.since, policies.hash())),
    ];
    lines.extend(state.error.map(|error| ("not in force", error)));
    let expired = policies.expired(Timestamp::now().seconds());
    lines.extend(expired.iter().map(|expired| ("exception", expired.to_string())));
    lines
}

async fn exchange(State(review): State<Arc<Review>>, Path(id): Path<Uuid>) -> Response {
    let directory = review.directory.clone();
    show(tokio::task::spawn_blocking(move || page::exchange(&directory, id)).await)
}

fn show<E: std::fmt::Display>(page: Result<Result<String, E>, tokio::task::JoinError>) -> Response {
    match page {
        Ok(Ok(page)) => Html(page).into_response(),
        Ok(Err(error)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("the audit log cannot be read: {error}\n")).into_response()
        }
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made\n").into_response(),
    }
}

/// Nothing on a page runs or is fetched from elsewhere, and a foreign name that points here (DNS rebinding) is refused.
async fn guarded(State(review): State<Arc<Review>>, request: Request, next: Next) -> Response {
    if !is_own(&review.hosts, request.headers(), request.uri()) {
        let message = "this host name is not served here; use the address itself, or add the name to `hosts`\n";
        return (StatusCode::MISDIRECTED_REQUEST, message).into_response();
    }
    if !is_from_here(&review.hosts, request.method(), request.headers()) {
        return (StatusCode::FORBIDDEN, "a page of another site cannot ask this\n").into_response();
    }
    let mut response = next.run(request).await;
    let policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whether a request names one host, in one or both of its places, and that is one of ours.
fn is_own(hosts: &Hosts, headers: &HeaderMap, uri: &Uri) -> bool {
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    let named: Vec<&[u8]> =
        authority.into_iter().chain(headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes)).collect();
    match named.as_slice() {
        [host] => hosts.admits(host) == Some(true),
        [authority, host] => authority == host && uri.authority().is_some() && hosts.admits(host) == Some(true),
        _ => false,
    }
}

/// Whether a request comes from a page of ours, or from no page at all. Another port of this machine is another site for
/// whatever changes something; a link from elsewhere may be followed.
fn is_from_here(hosts: &Hosts, method: &Method, headers: &HeaderMap) -> bool {
    let own = headers.get_all("sec-fetch-site").iter().all(|site| site == "same-origin" || site == "none");
    let named = headers.get_all(header::ORIGIN).iter().all(|origin| {
        let origin = origin.as_bytes();
        let host = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
        host.is_some_and(|host| hosts.admits(host) == Some(true))
    });
    named && (own || method.is_safe())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, Method, Uri, header};

    use super::{Hosts, is_from_here, is_own};

    #[test]
    fn a_page_of_another_site_asks_in_vain() {
        let hosts = Hosts::new("127.0.0.1:8701".parse().unwrap(), &[]).unwrap();
        let from = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.append(header::ORIGIN, origin.parse().unwrap());
            is_from_here(&hosts, &Method::POST, &headers)
        };
        assert!(
            is_from_here(&hosts, &Method::POST, &HeaderMap::new())
                && from("http://127.0.0.1:8701")
                && from("http://localhost")
        );
        assert!(!from("https://evil.example") && !from("null") && !from("file://") && !from(""));
    }

    #[test]
    fn another_port_of_this_machine_is_another_site() {
        let hosts = Hosts::new("127.0.0.1:8701".parse().unwrap(), &[]).unwrap();
        let from = |method: &Method, site: &str| {
            let headers = [("sec-fetch-site".parse().unwrap(), site.parse().unwrap())].into_iter().collect();
            is_from_here(&hosts, method, &headers)
        };
        assert!(from(&Method::POST, "same-origin") && from(&Method::POST, "none"));
        assert!(!from(&Method::POST, "same-site") && !from(&Method::POST, "cross-site"));
        assert!(from(&Method::GET, "cross-site"));
    }

    fn own(uri: &str, named: &[&str]) -> bool {
        let hosts = Hosts::new("127.0.0.1:8701".parse().unwrap(), &["review.example".to_owned()]).unwrap();
        let mut headers = HeaderMap::new();
        for host in named {
            headers.append(header::HOST, host.parse().unwrap());
        }
        is_own(&hosts, &headers, &uri.parse::<Uri>().unwrap())
    }

    #[test]
    fn foreign_names_are_refused() {
        for host in ["127.0.0.1:8701", "localhost:8701", "[::1]:8701", "localhost", "review.example:1"] {
            assert!(own("/", &[host]), "{host}");
        }
        for host in ["evil.example:8701", "localhost.evil.example", "", "127.0.0.1.evil.example:1", "10.1.2.3"] {
            assert!(!own("/", &[host]), "{host}");
        }
        assert!(!own("/", &[]) && !own("/", &["localhost", "localhost"]));
    }

    #[test]
    fn the_authority_of_http2_counts() {
        assert!(own("http://localhost:8701/", &[]) && own("http://localhost/", &["localhost"]));
        assert!(!own("http://evil.example/", &[]) && !own("http://evil.example/", &["localhost"]));
        assert!(!own("http://localhost/", &["evil.example"]));
    }
}
