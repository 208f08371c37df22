//! Which guards are asked.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// The guard models.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardConfig {
    /// How long a verdict may take, in milliseconds; all tiers together.
    pub deadline_ms: u64,
    /// The guards, in the order they are asked; all of them are, and of each hazard the highest score counts.
    pub tiers: Vec<GuardTier>,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self { deadline_ms: 30_000, tiers: vec![GuardTier::named(GuardTier::EMBEDDED)] }
    }
}

/// One guard: a name, a file or a URL, or an object that says more.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GuardTier {
    /// `embedded`; the name or file of a Llama Guard to run in this process; or a model's name on the servers of `urls`.
    pub model: Option<String>,
    /// Root URLs of servers that give the same answers.
    pub urls: Vec<String>,
    /// What the servers are; they are asked if nothing is said.
    pub server: Option<GuardServer>,
    /// The template's name; told by the model's file, or `lg3_8b_canonical` on servers.
    pub template: Option<String>,
    /// The tokenizer's file; the model's own in this process. For servers it makes prompts tokens instead of text.
    pub tokenizer: Option<PathBuf>,
    /// A file of categories instead of the template's own.
    pub taxonomy: Option<PathBuf>,
    /// Codes of categories to leave out.
    pub exclude: Vec<String>,
    /// How long a server may take for one answer, in milliseconds; 10,000 if not given.
    pub timeout_ms: Option<u64>,
    /// After how long another server is asked too, in milliseconds; 2,000 if not given.
    pub hedge_ms: Option<u64>,
}

/// What a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardServer {
    /// It is asked when it is first needed.
    #[default]
    Auto,
    /// llama.cpp's own server.
    LlamaServer,
    /// vLLM, or another server of OpenAI's completions, such as llama-cpp-python's.
    Vllm,
    /// Ollama.
    Ollama,
}

impl GuardTier {
    /// The name of the guard in this program.
    pub const EMBEDDED: &str = "embedded";

    /// The guard of a name: `embedded`, a model's name or file, or a server's URL.
    pub fn named(name: &str) -> Self {
        if name.starts_with("http://") || name.starts_with("https://") {
            Self { urls: vec![name.to_owned()], ..Self::default() }
        } else {
            Self { model: Some(name.to_owned()), ..Self::default() }
        }
    }

    /// What people call it.
    pub fn told(&self) -> String {
        match (&self.model, self.urls.is_empty()) {
            (Some(model), true) => model.clone(),
            _ => self.urls.join(" "),
        }
    }

    /// How long a server may take for one answer.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.unwrap_or(10_000))
    }

    /// After how long another server is asked too.
    pub fn hedge(&self) -> Duration {
        Duration::from_millis(self.hedge_ms.unwrap_or(2_000))
    }
}

impl<'de> Deserialize<'de> for GuardTier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tier)
    }
}

/// Reads a name or an object; an untagged enum would not say which field of an object is wrong.
struct Tier;

impl<'de> Visitor<'de> for Tier {
    type Value = GuardTier;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("`embedded`, a model's name or file, a URL, or an object with `model` or `urls`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<GuardTier, E> {
        Ok(GuardTier::named(name))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<GuardTier, A::Error> {
        let fields = Fields::deserialize(MapAccessDeserializer::new(map))?;
        let Fields { model, urls, server, template, tokenizer, taxonomy, exclude, timeout_ms, hedge_ms } = fields;
        Ok(GuardTier { model, urls, server, template, tokenizer, taxonomy, exclude, timeout_ms, hedge_ms })
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Fields {
    model: Option<String>,
    urls: Vec<String>,
    server: Option<GuardServer>,
    template: Option<String>,
    tokenizer: Option<PathBuf>,
    taxonomy: Option<PathBuf>,
    exclude: Vec<String>,
    timeout_ms: Option<u64>,
    hedge_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_guard_is_a_name_a_file_a_url_or_more() {
        let text = "guard:\n  deadline_ms: 5\n  tiers:\n    - embedded\n    - http://127.0.0.1:8080\n    - /models/guard.gguf\n    - {urls: [\"http://a\", \"http://b\"], server: llama-server, hedge_ms: 50, exclude: [S5]}\n";
        let tiers = Config::parse("x.yaml", text).unwrap().guard.tiers;
        assert_eq!(tiers[0], GuardTier::named("embedded"));
        assert_eq!((tiers[1].urls.len(), tiers[2].model.as_deref()), (1, Some("/models/guard.gguf")));
        assert_eq!((tiers[3].server, tiers[3].told().as_str()), (Some(GuardServer::LlamaServer), "http://a http://b"));
        assert_eq!((tiers[3].hedge(), tiers[3].timeout()), (Duration::from_millis(50), Duration::from_secs(10)));
        assert_eq!(Config::parse("x.yaml", "").unwrap().guard.tiers, [GuardTier::named("embedded")]);
    }

    #[test]
    fn a_wrong_field_of_a_guard_is_named_with_its_place() {
        let text = "guard:\n  tiers:\n    - {model: x, temlpate: y}\n";
        let error = Config::parse("x.yaml", text).unwrap_err().to_string();
        assert!(error.starts_with("x.yaml:3") && error.contains("temlpate"), "{error}");
    }
}
