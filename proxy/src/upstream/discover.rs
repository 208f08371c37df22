//! Finding a local generator, and which format it speaks.

use std::time::Duration;

use super::HttpUpstream;

/// Where local generators usually listen: name and root URL.
pub const USUAL: [(&str, &str); 4] = [
    ("Ollama", "http://127.0.0.1:11434"),
    ("llama.cpp", "http://127.0.0.1:8080"),
    ("vLLM", "http://127.0.0.1:8000"),
    ("LM Studio", "http://127.0.0.1:1234"),
];

/// A generator that answered.
pub struct Found {
    /// What usually listens there.
    pub name: &'static str,
    /// Its root URL.
    pub root: &'static str,
    /// Its models.
    pub models: Vec<String>,
}

/// Asks the usual places, in order, and answers the first that has models.
pub async fn discover() -> Option<Found> {
    let asked = USUAL.map(|(name, root)| async move { probe(root).await.map(|models| Found { name, root, models }) });
    let answers = futures_util::future::join_all(asked).await;
    answers.into_iter().flatten().find(|found| !found.models.is_empty())
}

/// Asks the server at `root` for its models in OpenAI's format, which Ollama, llama.cpp, vLLM and LM Studio all speak.
pub async fn probe(root: &str) -> Option<Vec<String>> {
    let upstream = HttpUpstream::new(root, Duration::from_millis(1500));
    upstream.models(None).await.ok()
}
