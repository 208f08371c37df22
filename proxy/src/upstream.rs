//! The generator we protect.

mod discover;
mod event;
mod http;
mod in_process;

use ::http::{HeaderMap, HeaderValue, StatusCode, header::AUTHORIZATION};
use serde_json::Value;

use crate::{
    dialect::{Answers, Family, Request, Vectors},
    enforce::Cleared,
};

pub use discover::{Found, USUAL, discover, probe};
pub use event::{Event, Finish, Lane, Usage};
pub use http::{HttpClient, HttpUpstream, http_client};
pub use in_process::InProcess;

/// A generator, at the other end of a connection or in this process.
pub enum Upstream {
    /// A server.
    Http(Box<HttpUpstream>),
    /// A model that runs here.
    InProcess(InProcess),
}

impl Upstream {
    /// Asks for an answer, in the client's own format where the upstream speaks it, else in the upstream's.
    ///
    /// Dropping the reply cancels it.
    ///
    /// # Errors
    /// The upstream cannot be reached, says something that is no answer, or cannot be asked for this.
    pub async fn ask(
        &self,
        dialect: &'static dyn Answers,
        request: Cleared<Request>,
        credentials: &Credentials,
    ) -> Result<Reply, UpstreamError> {
        match self {
            Self::Http(upstream) => upstream.ask(dialect, request, credentials).await,
            Self::InProcess(upstream) => Ok(Reply::Events(Events::InProcess(upstream.ask(dialect, &request)?))),
        }
    }

    /// Asks for embeddings: the vectors of the inputs, in their order.
    ///
    /// # Errors
    /// As [`Upstream::ask`]; and a model in process has none.
    pub async fn embed(
        &self,
        dialect: &'static dyn Vectors,
        request: Cleared<Request>,
        credentials: &Credentials,
    ) -> Result<Embedded, UpstreamError> {
        match self {
            Self::Http(upstream) => upstream.embed(dialect, request, credentials).await,
            Self::InProcess(_) => Err(UpstreamError::Unfit(
                "the model in process gives no embeddings; put ringfence in front of a server that does".to_owned(),
            )),
        }
    }

    /// The names of its models.
    ///
    /// # Errors
    /// The upstream cannot be reached, or does not answer with a list.
    pub async fn models(&self, credentials: &Credentials) -> Result<Vec<String>, UpstreamError> {
        match self {
            Self::Http(upstream) => upstream.models(credentials).await,
            Self::InProcess(upstream) => Ok(vec![upstream.name().to_owned()]),
        }
    }

    /// What Ollama's native interface says at `path`; nothing if the upstream is no Ollama.
    ///
    /// # Errors
    /// The upstream cannot be reached, or does not answer with strict JSON.
    pub async fn about(&self, path: &str, body: Option<&Value>) -> Result<Option<Value>, UpstreamError> {
        match self {
            Self::Http(upstream) if upstream.speaks(Family::Ollama) => upstream.about(path, body).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        match self {
            Self::Http(upstream) => format!("{} ({})", upstream.root(), upstream.spoken()),
            Self::InProcess(upstream) => format!("{} in process", upstream.name()),
        }
    }
}

/// With what a client says who it is; passed on to the upstream, whose business it is.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// `authorization`.
    pub authorization: Option<HeaderValue>,
    /// `x-api-key`, Anthropic's way.
    pub api_key: Option<HeaderValue>,
}

impl Credentials {
    /// Those of a request.
    pub fn of(headers: &HeaderMap) -> Self {
        Self { authorization: headers.get(AUTHORIZATION).cloned(), api_key: headers.get("x-api-key").cloned() }
    }
}

/// What an upstream answers when it is asked for embeddings.
pub enum Embedded {
    /// The vectors, and what they cost.
    Vectors(Vec<Vec<f64>>, Usage),
    /// A status that is no success.
    Failure(Failure),
}

/// What an upstream answers.
pub enum Reply {
    /// An answer, as it comes.
    Events(Events),
    /// A status that is no success.
    Failure(Failure),
}

/// A status that is no success, and what was said with it.
pub struct Failure {
    /// The status, 400 to 599.
    pub status: StatusCode,
    /// When to try again, in seconds, if it says so.
    pub retry_after: Option<u32>,
    /// The body, at most 64 KiB of it.
    pub body: String,
    /// Whose format the body is in.
    pub family: Family,
}

/// An answer as it comes, whole or in pieces.
pub enum Events {
    /// From a server.
    Http(Box<http::HttpEvents>),
    /// From this process.
    InProcess(in_process::LocalEvents),
}

impl Events {
    /// The next events; none when the answer has ended in the way its format prescribes.
    ///
    /// # Errors
    /// The answer was cut, stalled, or cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, UpstreamError> {
        match self {
            Self::Http(events) => events.next().await,
            Self::InProcess(events) => events.next().await,
        }
    }
}

/// Why there is no answer, or no more of it.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Nobody listens there, or the connection broke.
    #[error("the upstream cannot be reached: {0}")]
    Unreachable(String),
    /// It fell silent.
    #[error("the upstream sent nothing for {0} s")]
    Silent(u64),
    /// The answer ended before its end.
    #[error("the upstream's answer was cut")]
    Cut,
    /// The answer is not in its format.
    #[error("the upstream's answer cannot be read: {0}")]
    Unreadable(String),
    /// The upstream reported an error amid its answer.
    #[error("the upstream reported an error")]
    Reported,
    /// The request cannot be served by this model.
    #[error("{0}")]
    Unfit(String),
}
