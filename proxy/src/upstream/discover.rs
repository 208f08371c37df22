//! Finding a local generator, and which format it speaks.

use std::time::Duration;

use serde_json::Value;

use super::{Credentials, HttpUpstream};
use crate::{config::UpstreamDialect, dialect::Family};

/// Where local generators usually listen: name and root URL.
pub const USUAL: [(&str, &str); 4] = [
    ("Ollama", "http://127.0.0.1:11434"),
    ("llama.cpp", "http://127.0.0.1:8080"),
    ("vLLM", "http://127.0.0.1:8000"),
    ("LM Studio", "http://127.0.0.1:1234"),
];

/// A generator that answered.
pub struct Found {
    /// Whose formats it speaks, the preferred one first.
    pub families: Vec<Family>,
    /// Its models.
    pub models: Vec<String>,
}

/// Asks the usual places and gives the first, in their order, that has models: its name, its root URL, what it said.
pub async fn discover() -> Option<(&'static str, &'static str, Found)> {
    let asked = USUAL.map(|(name, root)| async move {
        let found = probe(root, UpstreamDialect::Auto).await?;
        Some((name, root, found))
    });
    let answers = futures_util::future::join_all(asked).await;
    answers.into_iter().flatten().find(|(.., found)| !found.models.is_empty())
}

/// Asks the server at `root` what it speaks and which models it has; nothing if it answers to none of it.
pub async fn probe(root: &str, dialect: UpstreamDialect) -> Option<Found> {
    let list = |family| async move { asked(root, family).models(&Credentials::default()).await.ok() };
    match dialect {
        UpstreamDialect::Auto => {
            let ask = asked(root, Family::OpenAi);
            let (native, listed) = tokio::join!(ask.about("/api/version", None), ask.about("/v1/models", None));
            let ollama = native.is_ok_and(|answer| answer.get("version").is_some_and(Value::is_string));
            let (mut families, mut models) = (Vec::new(), None);
            if let Some(data) = listed.ok().and_then(|list| list.get("data")?.as_array().cloned()) {
                // Anthropic's list looks like OpenAI's, but for what each of its items says that it is.
                let anthropic = data.iter().any(|item| item.get("type").is_some_and(|kind| kind == "model"));
                families.push(if anthropic { Family::Anthropic } else { Family::OpenAi });
                let names = data.iter().filter_map(|item| item.get("id")?.as_str().map(str::to_owned));
                models = Some(names.collect());
            }
            if ollama {
                families.push(Family::Ollama);
                if models.is_none() {
                    models = list(Family::Ollama).await;
                }
            }
            (!families.is_empty()).then(|| Found { families, models: models.unwrap_or_default() })
        }
        UpstreamDialect::OpenAi => {
            list(Family::OpenAi).await.map(|models| Found { families: vec![Family::OpenAi], models })
        }
        UpstreamDialect::Ollama => {
            list(Family::Ollama).await.map(|models| Found { families: vec![Family::Ollama], models })
        }
        UpstreamDialect::Anthropic => {
            list(Family::Anthropic).await.map(|models| Found { families: vec![Family::Anthropic], models })
        }
    }
}

fn asked(root: &str, family: Family) -> HttpUpstream {
    HttpUpstream::new(root, vec![family], Duration::from_millis(1500))
}
