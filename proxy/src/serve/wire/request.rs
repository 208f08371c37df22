//! One request between hyper and its handler.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;

use super::{
    Rules, fields, hosts, http1,
    line::Line,
    refuse::refuse,
    violation::{Fault, Violation, Within},
};
use crate::serve::{Body, Service};

/// Lets a request through to `handle`, or refuses it.
pub(super) async fn admit<F: Future<Output = Response<Body>>>(
    service: &Arc<Service>,
    rules: &Rules,
    line: &Arc<Line>,
    request: Request<Incoming>,
    handle: impl FnOnce(Request<Incoming>) -> F,
) -> Response<Body> {
    let under_way = line.begin();
    let version = request.version();
    let response = match check(&request, rules) {
        Err(None) => {
            let fault = line.take().unwrap_or_else(|| Fault::of_connection(Violation::Unreadable));
            refuse(service, &fault).await
        }
        Err(Some(violation)) => {
            let path = request.uri().path().chars().take(256).collect();
            line.close();
            refuse(service, &Fault { violation, path, within: Within::Head }).await
        }
        Ok(()) => {
            // The fence speaks first: of a body that broke a rule the handler sees only that it was cut, and would say so.
            let ended = tokio::select! {
                biased;
                fault = line.broken() => Err(fault),
                response = handle(request) => Ok(response),
            };
            match ended {
                Ok(response) => response,
                Err(fault) => refuse(service, &fault).await,
            }
        }
    };
    let (mut parts, body) = response.into_parts();
    if version < Version::HTTP_11 {
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Response::from_parts(parts, under_way.watch(body))
}

/// What is wrong with a request that hyper has read; nothing can be with one of HTTP/1, whose head the fence has read before,
/// but that it is the stand-in for one that was refused.
fn check<B>(request: &Request<B>, rules: &Rules) -> Result<(), Option<Violation>> {
    if request.version() < Version::HTTP_2 {
        return if request.method().as_str() == http1::REFUSED { Err(None) } else { Ok(()) };
    }
    check_http2(request, rules).map_err(Some)
}

fn check_http2<B>(request: &Request<B>, rules: &Rules) -> Result<(), Violation> {
    if !fields::is_method(request.method().as_str().as_bytes()) {
        return Err(Violation::Method);
    }
    let (uri, headers) = (request.uri(), request.headers());
    fields::target_is_path(uri.path_and_query().map_or("", |target| target.as_str()).as_bytes())?;
    let spaced = |value: &HeaderValue| value.as_bytes().trim_ascii().len() != value.len();
    if headers.values().any(spaced) {
        return Err(Violation::FieldValue);
    }
    let host = single(headers, &header::HOST, Violation::Hosts)?;
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    match (authority, host) {
        (None, None) => return Err(Violation::NoHost),
        (Some(authority), None) => fields::admitted(authority, &rules.hosts)?,
        (None, Some(host)) => fields::admitted(host, &rules.hosts)?,
        (Some(authority), Some(host)) => {
            fields::admitted(authority, &rules.hosts)?;
            if hosts::split(host).is_none() {
                return Err(Violation::Host);
            }
            if !host.eq_ignore_ascii_case(authority) {
                return Err(Violation::Authority);
            }
        }
    }
    if let Some(value) = single(headers, &header::CONTENT_LENGTH, Violation::Lengths)? {
        let length = fields::length(value).ok_or(Violation::Length)?;
        if length > rules.body_bytes {
            return Err(Violation::BodyLength);
        }
    }
    if headers.get_all(header::EXPECT).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Violation::Expect);
    }
    if headers.contains_key(header::TRAILER) {
        return Err(Violation::Trailers);
    }
    if headers.contains_key("http2-settings") {
        return Err(Violation::Upgrade);
    }
    Ok(())
}

/// The value of a field that there may be one of.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &header::HeaderName,
    two: Violation,
) -> Result<Option<&'a [u8]>, Violation> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(HeaderValue::as_bytes)),
        (_, Some(_)) => Err(two),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Version};

    use super::{Rules, Violation, check_http2, hosts::Hosts};

    fn wrong(uri: &str, fields: &[(&str, &str)]) -> Option<Violation> {
        let hosts = Hosts::new("127.0.0.1:1".parse().unwrap(), &[]).unwrap();
        let time = Duration::from_secs(1);
        let rules = Rules { hosts, body_bytes: 100, slow: time, idle: time, stall: time };
        let mut request = Request::builder().version(Version::HTTP_2).method("POST").uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        check_http2(&request.body(()).unwrap(), &rules).err()
    }

    #[test]
    fn what_http2_lets_through_is_looked_at() {
        let own = "http://127.0.0.1:8700/v1/models";
        assert_eq!(wrong(own, &[]), None);
        assert_eq!(wrong(own, &[("host", "127.0.0.1:8700"), ("content-length", "7")]), None);
        assert_eq!(wrong("/v1/models", &[("host", "localhost")]), None);
        assert_eq!(wrong("/v1/models", &[]), Some(Violation::NoHost));
        assert_eq!(wrong("http://evil.example/", &[]), Some(Violation::ForeignHost));
        assert_eq!(wrong("/", &[("host", "evil.example")]), Some(Violation::ForeignHost));
        assert_eq!(wrong(own, &[("host", "localhost:8700")]), Some(Violation::Authority));
        assert_eq!(wrong(own, &[("host", "x/#@y")]), Some(Violation::Host));
        assert_eq!(wrong("http://user@127.0.0.1:8700/", &[]), Some(Violation::Host));
        assert_eq!(wrong("/", &[("host", "localhost"), ("host", "localhost")]), Some(Violation::Hosts));
        assert_eq!(wrong(own, &[("content-length", "1"), ("content-length", "1")]), Some(Violation::Lengths));
        assert_eq!(wrong(own, &[("content-length", "+1")]), Some(Violation::Length));
        assert_eq!(wrong(own, &[("content-length", "101")]), Some(Violation::BodyLength));
        assert_eq!(wrong(own, &[("expect", "200-ok")]), Some(Violation::Expect));
        assert_eq!(wrong(own, &[("x", " a")]), Some(Violation::FieldValue));
        assert_eq!(wrong(own, &[("x", "a\t")]), Some(Violation::FieldValue));
        assert_eq!(wrong(own, &[("trailer", "x")]), Some(Violation::Trailers));
        assert_eq!(wrong("http://127.0.0.1/%zz", &[]), Some(Violation::Target));
    }
}
