//! A Llama Guard on servers: asked with our own prompt, its verdict read from the odds of the next token.
//!
//! The same template, categories and arithmetic as in this process; the server only computes. Where a tokenizer is
//! given, the prompt is sent as tokens. Where it is not, it is sent as text, and since servers take every name of a
//! special token in a text for the token, a space is put into all that a conversation says in such a form.
//!
//! Of several servers one is asked; when it fails, or takes longer than the hedge, the next is asked too, and the first
//! answer counts. One that failed is left alone for a while, and then asked how it is before it is trusted again.

mod replicas;
mod server;

use std::{sync::OnceLock, time::Duration, time::Instant};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream, stream::FuturesUnordered};
use guard_model::{
    Assessment, Classifier, Conversation, GuardError, HazardId, Judgement, Measure, Role, Scale, Taxonomy,
    prompt::{Categories, Template},
    vocabulary::Vocabulary,
};
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use serde_json::Value;
use tokio::runtime::{Handle, Runtime};

use self::{
    replicas::{Condition, Replica, Replicas},
    server::{Asked, Odds},
};
use crate::{
    config::GuardServer as Server,
    json,
    upstream::{HttpClient, http_client},
};

/// A guard on one server or several that give the same answers.
pub(super) struct Remote {
    client: HttpClient,
    replicas: Replicas,
    server: Server,
    /// What the servers turned out to be.
    found: OnceLock<(Server, Option<String>)>,
    options: Options,
    scale: Scale,
    /// What all codes begin with.
    stem: String,
    version: String,
    runner: Runner,
}

/// What an operator says about a guard on servers.
pub(super) struct RemoteOptions {
    /// Root URLs.
    pub(super) urls: Vec<String>,
    /// What they are.
    pub(super) server: Server,
    /// The model's name there.
    pub(super) model: Option<String>,
    /// How the model is asked.
    pub(super) template: Template,
    /// What it judges by.
    pub(super) categories: Categories,
    /// Its tokens, if they are known here.
    pub(super) vocabulary: Option<Vocabulary>,
    /// How long a server may take for one answer.
    pub(super) timeout: Duration,
    /// After how long another server is asked too.
    pub(super) hedge: Duration,
}

struct Options {
    model: Option<String>,
    template: Template,
    vocabulary: Option<Vocabulary>,
    timeout: Duration,
    hedge: Duration,
}

/// Where the waiting is done: the server's own threads, or some of a command's.
enum Runner {
    Shared(Handle),
    Own(Runtime),
}

/// Why a server gave no odds.
#[derive(Debug, Clone, thiserror::Error)]
enum RemoteError {
    #[error("there was no time left to ask")]
    Late,
    #[error("{0} did not answer in time")]
    Silent(String),
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, String),
    #[error("{0} answered with status {1}")]
    Status(String, u16),
    #[error("{0} tells no odds of tokens; it must be a server that gives log-probabilities")]
    NoOdds(String),
}

impl Remote {
    /// A guard on servers. Nobody is asked anything yet.
    ///
    /// # Errors
    /// A URL is none, or the categories name hazards that do not exist.
    pub(super) fn new(options: RemoteOptions) -> anyhow::Result<Self> {
        for url in &options.urls {
            let parsed = url::Url::parse(url).map_err(|error| anyhow::anyhow!("`{url}` is not a URL: {error}"))?;
            if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
                anyhow::bail!("`{url}` must be a server's root URL, such as http://127.0.0.1:8080");
            }
        }
        let runner = match Handle::try_current() {
            Ok(handle) => Runner::Shared(handle),
            Err(_) => Runner::Own(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?),
        };
        let roots: Vec<String> =
            options.urls.iter().map(|url| url.trim_end_matches('/').trim_end_matches("/v1").to_owned()).collect();
        let version = format!("{} ({})", roots.join(" "), options.template.name());
        let scale = Scale::new(options.categories)?;
        let stem = stem(scale.categories())?;
        let RemoteOptions { model, template, vocabulary, timeout, hedge, server, .. } = options;
        let options = Options { model, template, vocabulary, timeout, hedge };
        let (client, replicas) = (http_client(), Replicas::new(roots));
        Ok(Self { client, replicas, server, found: OnceLock::new(), options, scale, stem, version, runner })
    }

    async fn judge(&self, conversation: &Conversation<'_>, deadline: Instant) -> Result<Assessment, GuardError> {
        let windows = guard_model::windows(conversation, Measure::default())?;
        let mut worst: Option<Judgement> = None;
        for (judged, window) in windows.iter().enumerate() {
            let failed = |error: RemoteError| match error {
                RemoteError::Late | RemoteError::Silent(_) => GuardError::Late { judged, windows: windows.len() },
                other => GuardError::Failed(other.to_string()),
            };
            let judgement = self.window(&window.conversation(), deadline).await?.map_err(failed)?;
            worst = Some(worst.map_or_else(|| judgement.clone(), |worst| worst.worse(&judgement)));
        }
        Ok(self.scale.assessment(&worst.ok_or(GuardError::Empty)?))
    }

    async fn window(
        &self,
        conversation: &Conversation<'_>,
        deadline: Instant,
    ) -> Result<Result<Judgement, RemoteError>, GuardError> {
        let prompt = self.options.template.ask(conversation, self.scale.categories())?;
        let asked = match &self.options.vocabulary {
            Some(vocabulary) => Asked::Ids(prompt.ids(vocabulary)?),
            // The servers begin a text themselves.
            None => Asked::Text(prompt.disarmed().trim_start_matches("<|begin_of_text|>").to_owned()),
        };
        let odds = match self.ask(&asked, deadline).await {
            Ok(odds) => odds,
            Err(error) => return Ok(Err(error)),
        };
        let harm = harm(&odds)?;
        let count = self.scale.categories().categories.len();
        if harm < NOTHING || count == 1 {
            return Ok(Ok(Judgement { harm, shares: vec![1.0 / count as f32; count] }));
        }
        let told = format!("unsafe\n{}", self.stem);
        let asked = match (&self.options.vocabulary, asked) {
            (Some(vocabulary), Asked::Ids(mut ids)) => {
                ids.extend(vocabulary.encode(&told).map_err(GuardError::Failed)?);
                Asked::Ids(ids)
            }
            (_, Asked::Text(text)) => Asked::Text(text + &told),
            (None, ids @ Asked::Ids(_)) => ids,
        };
        Ok(self.ask(&asked, deadline).await.map(|odds| Judgement { harm, shares: self.shares(&odds) }))
    }

    /// How likely each category is named, among those that are named at all; all alike when none is.
    fn shares(&self, odds: &Odds) -> Vec<f32> {
        let categories = &self.scale.categories().categories;
        let of = |code: &str| {
            let rest = code.strip_prefix(self.stem.as_str()).unwrap_or(code);
            odds.iter().filter(|(token, _)| token.trim() == rest).map(|(_, odds)| odds.exp()).sum::<f32>()
        };
        let shares: Vec<f32> = categories.iter().map(|category| of(&category.code)).collect();
        let sum: f32 = shares.iter().sum();
        if sum > 0.0 {
            shares.iter().map(|share| share / sum).collect()
        } else {
            vec![1.0 / categories.len().max(1) as f32; categories.len()]
        }
    }

    /// The odds of the next token, by the first server that tells them.
    async fn ask(&self, asked: &Asked, deadline: Instant) -> Result<Odds, RemoteError> {
        let mut order = self.replicas.in_order(Instant::now()).into_iter();
        let mut running = FuturesUnordered::new();
        let mut last = RemoteError::Late;
        loop {
            if running.is_empty() {
                let Some((replica, condition)) = order.next() else { return Err(last) };
                running.push(self.attempt(replica, condition, asked, deadline));
            }
            let hedge = tokio::time::sleep(self.options.hedge);
            tokio::select! {
                Some(answer) = running.next() => match answer {
                    Ok(odds) => return Ok(odds),
                    Err(error) => last = error,
                },
                () = hedge => if let Some((replica, condition)) = order.next() {
                    running.push(self.attempt(replica, condition, asked, deadline));
                },
            }
        }
    }

    async fn attempt(
        &self,
        replica: &Replica,
        condition: Condition,
        asked: &Asked,
        deadline: Instant,
    ) -> Result<Odds, RemoteError> {
        let left = deadline.saturating_duration_since(Instant::now()).min(self.options.timeout);
        if left.is_zero() {
            return Err(RemoteError::Late);
        }
        let work = async {
            let (server, model) = self.server_of(replica).await;
            if condition == Condition::Doubtful {
                let well = self.send(replica, server.health(), None);
                tokio::time::timeout(WELL, well).await.map_err(|_| RemoteError::Silent(replica.root.clone()))??;
            }
            let question = server.question(model.as_deref(), asked);
            let answer = self.send(replica, server.path(), Some(&question)).await?;
            server.odds(&answer).ok_or_else(|| RemoteError::NoOdds(replica.root.clone()))
        };
        let silent = Err(RemoteError::Silent(replica.root.clone()));
        let answer = tokio::time::timeout(left, work).await.unwrap_or(silent);
        if answer.is_ok() {
            replica.answered();
        } else {
            replica.failed(Instant::now());
        }
        answer
    }

    /// What the servers are and what they call the model: told by the operator, or by what one answers.
    async fn server_of(&self, replica: &Replica) -> (Server, Option<String>) {
        if let Some(found) = self.found.get() {
            return found.clone();
        }
        let mut server = self.server;
        if server == Server::Auto {
            let (version, props) = (self.send(replica, "/api/version", None), self.send(replica, "/props", None));
            server = match tokio::join!(version, props) {
                (Ok(version), _) if version.get("version").is_some() => Server::Ollama,
                (_, Ok(props)) if props.get("default_generation_settings").is_some() => Server::LlamaServer,
                (Err(RemoteError::Unreachable(..)), _) => return (Server::Vllm, self.options.model.clone()),
                _ => Server::Vllm,
            };
        }
        let mut model = self.options.model.clone();
        if model.is_none() && server == Server::Vllm {
            let Ok(list) = self.send(replica, "/v1/models", None).await else { return (server, None) };
            let first = list.get("data").and_then(|data| data.get(0)?.get("id")?.as_str());
            model = first.map(str::to_owned);
        }
        self.found.get_or_init(|| (server, model)).clone()
    }

    async fn send(&self, replica: &Replica, path: &str, body: Option<&Value>) -> Result<Value, RemoteError> {
        let root = || replica.root.clone();
        let unreachable = |reason: String| RemoteError::Unreachable(root(), reason);
        let request = Request::builder()
            .method(if body.is_some() { Method::POST } else { Method::GET })
            .uri(format!("{}{path}", replica.root))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("ringfence/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body.map(|body| Bytes::from(body.to_string())).unwrap_or_default()))
            .map_err(|error| unreachable(error.to_string()))?;
        let response = self.client.request(request).await.map_err(|error| unreachable(error.to_string()))?;
        if !response.status().is_success() {
            return Err(RemoteError::Status(root(), response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), LONGEST).collect().await;
        let body = body.map_err(|error| unreachable(error.to_string()))?.to_bytes();
        if body.is_empty() {
            return Ok(Value::Null);
        }
        json::parse(&body).map_err(|_| RemoteError::NoOdds(root()))
    }
}

impl Classifier for Remote {
    fn version(&self) -> &str {
        &self.version
    }

    fn taxonomy(&self) -> &Taxonomy {
        self.scale.taxonomy()
    }

    fn threshold(&self, _: &HazardId, _: Role) -> f32 {
        Scale::THRESHOLD
    }

    /// Blocks the thread until all are judged; several conversations are asked about at once.
    fn assess(&self, batch: &[Conversation<'_>], deadline: Instant) -> Vec<Result<Assessment, GuardError>> {
        let work = async {
            let asked = batch.iter().map(|conversation| self.judge(conversation, deadline));
            stream::iter(asked).buffered(AT_ONCE).collect().await
        };
        match &self.runner {
            Runner::Shared(handle) => handle.block_on(work),
            Runner::Own(runtime) => runtime.block_on(work),
        }
    }
}

/// How likely `unsafe` is against `safe`. What is not among the likeliest tokens is taken for as likely as the last that
/// is, which never makes harm less likely than it was.
fn harm(odds: &Odds) -> Result<f32, GuardError> {
    let of = |word: &str| {
        let same = odds.iter().filter(|(token, _)| token.trim() == word);
        same.map(|(_, odds)| *odds).reduce(f32::max)
    };
    let best = odds.first().map_or("", |(token, _)| token.trim());
    if best != "safe" && best != "unsafe" {
        return Err(GuardError::Failed("its answer is neither `safe` nor `unsafe`".to_owned()));
    }
    let least = odds.last().map_or(f32::NEG_INFINITY, |(_, odds)| *odds);
    let (harmless, harmful) = (of("safe").unwrap_or(f32::NEG_INFINITY), of("unsafe").unwrap_or(least));
    Ok(1.0 / (1.0 + (harmless - harmful).exp()))
}

/// The letters all codes begin with. The numbers behind them are one token each, which is what a server tells odds of.
fn stem(categories: &Categories) -> anyhow::Result<String> {
    let codes = || categories.categories.iter().map(|category| category.code.as_str());
    let digit = |letter: char| letter.is_ascii_digit();
    let stem = codes().next().unwrap_or_default().trim_end_matches(digit);
    let number = |code: &str| {
        code.strip_prefix(stem).is_some_and(|number| (1..=3).contains(&number.len()) && number.chars().all(digit))
    };
    match codes().find(|code| !number(code)) {
        Some(strange) => {
            anyhow::bail!("category `{strange}`: a guard on a server takes codes of the same letters and a number")
        }
        None => Ok(stem.to_owned()),
    }
}

/// Below this no category is asked for: none would be reported.
const NOTHING: f32 = 0.05;

/// Conversations of a batch asked about at once.
const AT_ONCE: usize = 8;

/// How long a server may take to say that it is well again.
const WELL: Duration = Duration::from_secs(1);

/// Most bytes of an answer.
const LONGEST: usize = 1 << 20;

#[cfg(test)]
mod tests;
