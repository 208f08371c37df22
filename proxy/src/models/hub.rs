//! A model that comes from the Hugging Face hub, with the user's own token.
//!
//! What an unfinished download brought stays beside its place and is gone on from. The token goes to the hub's own
//! address only, never to where it redirects, and never in the clear but to this machine.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE, USER_AGENT};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use url::{Host, Url};

use super::catalog::HubFile;
use super::{ModelError, Progress};

/// The hub, and who asks.
#[derive(Clone)]
pub(super) struct Hub {
    pub(super) endpoint: Url,
    pub(super) token: Option<String>,
}

impl Hub {
    /// Puts the file, checked, at `part`, going on from what is there.
    pub(super) fn fetch(&self, file: &HubFile, part: &Path, progress: &Progress) -> Result<(), ModelError> {
        let mut url = self.endpoint.clone();
        let path = format!("{}/{}/resolve/main/{}", url.path().trim_end_matches('/'), file.repository, file.file);
        url.set_path(&path);
        let failed = |reason: String| ModelError::Download { url: url.to_string(), reason };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        progress.step(&format!("asking the hub for {}", file.repository));
        match runtime.block_on(self.download(&url, part, progress)) {
            Ok(()) => Ok(()),
            Err(Failure::Forbidden) => {
                let repository = file.repository.to_owned();
                let page = format!("{}/{repository}", self.endpoint.as_str().trim_end_matches('/'));
                Err(ModelError::Licence { repository, page })
            }
            Err(Failure::Wrong(reason)) => {
                // A wrong file must not be gone on from; if it cannot be deleted it is found wrong again.
                drop(fs::remove_file(part));
                Err(ModelError::Checksum { what: file.file.to_owned(), reason })
            }
            Err(Failure::Other(reason)) => Err(failed(reason)),
        }
    }

    async fn download(&self, url: &Url, part: &Path, progress: &Progress) -> Result<(), Failure> {
        let client = client()?;
        let have = fs::metadata(part).map_or(0, |metadata| metadata.len());
        let (mut promise, mut response) = self.request(&client, url, have).await?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            // All of it is here, or too much: the checksum tells, and without one it comes anew.
            if promise.sha256.is_some() && promise.size == Some(have) {
                return promise.check(part);
            }
            (promise, response) = self.request(&client, url, 0).await?;
        }
        let from = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if range_start(response.headers()) == Some(have) => have,
            other => return Err(Failure::Other(format!("it answered {other}"))),
        };
        let rest = number(response.headers(), CONTENT_LENGTH.as_str());
        promise.size = promise.size.or(rest.map(|rest| from + rest));
        let total = promise.size.ok_or_else(|| Failure::Other("it does not say how long the file is".to_owned()))?;

        let mut file = File::options().create(true).write(true).truncate(false).open(part)?;
        file.set_len(from)?;
        file.seek(SeekFrom::End(0))?;
        progress.bytes("downloading", total);
        progress.advance(from);
        let mut written = from;
        let mut body = response.into_body();
        while let Some(frame) = timeout(PATIENCE, body.frame()).await.map_err(|_| Failure::silent())? {
            let Ok(bytes) = frame.map_err(Failure::other)?.into_data() else { continue };
            written += bytes.len() as u64;
            if written > total {
                return Err(Failure::Wrong(format!("more than {total} bytes")));
            }
            file.write_all(&bytes)?;
            progress.advance(bytes.len() as u64);
        }
        file.sync_all()?;
        if written < total {
            return Err(Failure::Other(format!("the connection ended after {written} of {total} bytes")));
        }
        progress.step("checking");
        promise.check(part)
    }

    /// Follows the hub's redirects to the file; what was promised of it on the way.
    async fn request(
        &self,
        client: &HttpClient,
        url: &Url,
        from: u64,
    ) -> Result<(Promise, Response<Incoming>), Failure> {
        let mut url = url.clone();
        let mut promise = Promise::default();
        for _ in 0..REDIRECTS {
            let mut request = Request::get(url.as_str()).header(USER_AGENT, "ringfence");
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            if let Some(token) = self.token.as_ref().filter(|_| url.origin() == self.endpoint.origin() && private(&url))
            {
                request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            }
            let request = request.body(Empty::new()).map_err(Failure::other)?;
            let response = timeout(PATIENCE, client.request(request)).await.map_err(|_| Failure::silent())?;
            let response = response.map_err(|error| Failure::Other(causes(&error)))?;
            promise.read(response.headers());
            match response.status() {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Failure::Forbidden),
                status if status.is_redirection() => {
                    let target = response.headers().get(LOCATION).and_then(|target| target.to_str().ok());
                    let next = target.and_then(|target| url.join(target).ok());
                    let next = next.filter(|next| next.scheme() == url.scheme() || next.scheme() == "https");
                    url = next.ok_or_else(|| Failure::Other("it redirects to nowhere".to_owned()))?;
                }
                _ => return Ok((promise, response)),
            }
        }
        Err(Failure::Other("it redirects too often".to_owned()))
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token stays out of every log.
        formatter.debug_struct("Hub").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}

/// What the hub says of a file before it sends it.
#[derive(Default)]
struct Promise {
    sha256: Option<String>,
    size: Option<u64>,
}

impl Promise {
    fn read(&mut self, headers: &HeaderMap) {
        let tag = headers.get("x-linked-etag").and_then(|tag| tag.to_str().ok()).map(|tag| tag.trim_matches('"'));
        let is_sha256 = |tag: &&str| tag.len() == 64 && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.sha256 = self.sha256.take().or_else(|| Some(tag.filter(is_sha256)?.to_ascii_lowercase()));
        self.size = self.size.or_else(|| number(headers, "x-linked-size"));
    }

    fn check(&self, part: &Path) -> Result<(), Failure> {
        let Some(expected) = &self.sha256 else { return Ok(()) };
        let mut file = File::open(part)?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = file.read(&mut buffer)?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            digest.update(bytes);
        }
        let found = hexadecimal(&digest.finalize());
        if found == *expected { Ok(()) } else { Err(Failure::Wrong(format!("SHA-256 {found}, not {expected}"))) }
    }
}

enum Failure {
    Forbidden,
    Wrong(String),
    Other(String),
}

impl Failure {
    fn other(error: impl std::fmt::Display) -> Failure {
        Failure::Other(error.to_string())
    }

    fn silent() -> Failure {
        Failure::Other(format!("nothing came for {} seconds", PATIENCE.as_secs()))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::other(error)
    }
}

/// Bytes in hexadecimal, lower case.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// A client that trusts what this machine trusts.
fn client() -> Result<HttpClient, Failure> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let connector = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider).map_err(Failure::other)?;
    Ok(Client::builder(TokioExecutor::new()).build(connector.https_or_http().enable_http1().build()))
}

/// May a token be sent there: encrypted, or not leaving this machine?
fn private(url: &Url) -> bool {
    url.scheme() == "https"
        || match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// Where the part begins that a partial answer brings: `bytes 5-9/10` begins at 5.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// An error with all that lies behind it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

/// Where the hub is when `HF_ENDPOINT` does not say otherwise.
pub(super) const ADDRESS: &str = "https://huggingface.co";

/// How long to wait for the next sign of life.
const PATIENCE: Duration = Duration::from_mins(1);

/// How many addresses to go through to a file.
const REDIRECTS: usize = 5;
