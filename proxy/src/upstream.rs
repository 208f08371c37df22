//! The generator we protect.

mod discover;
mod event;
mod http;
mod in_process;

use crate::{dialect::openai_chat::Request, enforce::Cleared};

pub use discover::{Found, USUAL, discover, probe};
pub use event::{Event, Finish, Lane, Usage};
pub use http::HttpUpstream;
pub use in_process::InProcess;

/// A generator, at the other end of a connection or in this process.
pub enum Upstream {
    /// A server.
    Http(Box<HttpUpstream>),
    /// A model that runs here.
    InProcess(InProcess),
}

impl Upstream {
    /// Asks for an answer. Dropping the reply cancels it.
    ///
    /// # Errors
    /// The upstream cannot be reached, or says something that is no answer.
    pub async fn ask(
        &self,
        request: Cleared<Request>,
        authorization: Option<::http::HeaderValue>,
    ) -> Result<Reply, UpstreamError> {
        match self {
            Self::Http(upstream) => upstream.ask(request, authorization).await,
            Self::InProcess(upstream) => Ok(Reply::Events(Events::InProcess(upstream.ask(&request)?))),
        }
    }

    /// The names of its models.
    ///
    /// # Errors
    /// The upstream cannot be reached, or does not answer with a list.
    pub async fn models(&self, authorization: Option<::http::HeaderValue>) -> Result<Vec<String>, UpstreamError> {
        match self {
            Self::Http(upstream) => upstream.models(authorization).await,
            Self::InProcess(upstream) => Ok(vec![upstream.name().to_owned()]),
        }
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        match self {
            Self::Http(upstream) => upstream.root().to_owned(),
            Self::InProcess(upstream) => format!("{} in process", upstream.name()),
        }
    }
}

/// What an upstream answers.
pub enum Reply {
    /// An answer, as it comes.
    Events(Events),
    /// A status that is no success, and its body.
    Failure {
        /// The status, 400 to 599.
        status: ::http::StatusCode,
        /// When to try again, in seconds, if it says so.
        retry_after: Option<u32>,
        /// The body, at most 64 KiB of it.
        body: String,
    },
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
