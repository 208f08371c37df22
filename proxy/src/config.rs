//! What the operator wants: a file, flags that win over it, and the environment. The only place that reads the environment.

mod guard;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use crate::{dialect::FieldPolicy, enforce::Keep, models::Environment};

pub use guard::{GuardConfig, GuardServer, GuardTier};

/// The configuration. Every field has a default, so that an empty file is a configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where chat apps connect.
    pub listen: SocketAddr,
    /// Where operators connect.
    pub admin: SocketAddr,
    /// Further host names that this server answers to; its addresses and, on a loopback address, `localhost` are always among
    /// them. Elsewhere every name is, unless some are given.
    pub hosts: Vec<String>,
    /// The generator.
    pub upstream: UpstreamConfig,
    /// Files of policies; the pack `default` if there are none. `pack:NAME` names a shipped one.
    pub policies: Vec<String>,
    /// A directory of further code rules, `<language>/<rule>.md`.
    pub rules: Option<PathBuf>,
    /// Which detectors look; all of them unless told otherwise.
    pub detectors: Vec<DetectorName>,
    /// The guard models.
    pub guard: GuardConfig,
    /// How a blocked prompt is told.
    pub refusal: RefusalStyle,
    /// What happens to fields that the format does not have.
    pub unknown_fields: FieldPolicy,
    /// The audit log.
    pub audit: AuditConfig,
    /// Traces and logs.
    pub telemetry: TelemetryConfig,
    /// Bounds on what a client may send.
    pub limits: LimitsConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8700).into(),
            admin: (Ipv4Addr::LOCALHOST, 8701).into(),
            hosts: Vec::new(),
            upstream: UpstreamConfig::default(),
            policies: Vec::new(),
            rules: None,
            detectors: DetectorName::ALL.to_vec(),
            guard: GuardConfig::default(),
            refusal: RefusalStyle::default(),
            unknown_fields: FieldPolicy::default(),
            audit: AuditConfig::default(),
            telemetry: TelemetryConfig::default(),
            limits: LimitsConfig::default(),
        }
    }
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// The file cannot be read, or a field is unknown or wrong; the error names file, line and column.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError(format!("{}: {error}", path.display())))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(text).map_err(|error| {
            let place = error.location().map(|at| format!(":{}:{}", at.line(), at.column())).unwrap_or_default();
            let message = error.to_string();
            let message = message.lines().next().unwrap_or_default();
            ConfigError(format!("{file}{place}: {message}"))
        })
    }
}

/// A configuration that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// The generator.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamConfig {
    /// The server's root URL; excludes `model`.
    pub url: Option<String>,
    /// The name or file of a model to run in this process.
    pub model: Option<String>,
    /// What the server speaks.
    pub dialect: UpstreamDialect,
    /// How long it may send nothing, in milliseconds; 300,000 if not given.
    pub timeout_ms: Option<u64>,
}

impl UpstreamConfig {
    /// How long the upstream may send nothing.
    pub fn silence(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.unwrap_or(300_000))
    }
}

/// What an upstream server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamDialect {
    /// It is asked at start.
    #[default]
    Auto,
    /// OpenAI's formats below `/v1`.
    OpenAi,
    /// Ollama's own formats below `/api`.
    Ollama,
    /// Anthropic's messages.
    Anthropic,
}

/// A detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectorName {
    /// Parts and fields that cannot be read.
    Shape,
    /// Secrets, personal data, injection markers.
    Text,
    /// Weak code.
    Code,
    /// The guard model.
    Guard,
}

impl DetectorName {
    /// Every detector.
    pub const ALL: [Self; 4] = [Self::Shape, Self::Text, Self::Code, Self::Guard];
}

/// How a blocked prompt is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefusalStyle {
    /// As an error with status 400.
    #[default]
    Error,
    /// As an answer that says so, for chat apps that show errors badly.
    Message,
}

/// The audit log.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// Its directory; below the user's state directory if not given.
    pub directory: Option<PathBuf>,
    /// How much of a text it keeps.
    pub content: Keep,
}

/// Traces and logs.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Where traces go over OTLP (gRPC), such as `http://127.0.0.1:4317`; nowhere if not given.
    pub otlp: Option<String>,
    /// Which log lines are written, in the syntax of `tracing`'s filters.
    pub log: String,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { otlp: None, log: "warn,ringfence=info".to_owned() }
    }
}

/// Bounds on what a client may send.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// The longest body, in bytes.
    pub body_bytes: usize,
    /// How long a body may take, in milliseconds.
    pub body_ms: u64,
    /// How long the head of a request may take, and each further KiB of a body, in milliseconds.
    pub head_ms: u64,
    /// How long a connection may be open with nothing to do, in milliseconds.
    pub idle_ms: u64,
    /// How long a client may read nothing of an answer that waits for it, in milliseconds.
    pub stall_ms: u64,
    /// Connections at once, at most 1,048,576.
    pub connections: usize,
    /// Answers to one request.
    pub choices: u64,
    /// Texts in one request.
    pub parts: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            body_bytes: 8 << 20,
            body_ms: 30_000,
            head_ms: 10_000,
            idle_ms: 75_000,
            stall_ms: 60_000,
            connections: 1024,
            choices: 8,
            parts: 20_000,
        }
    }
}

/// What the environment says about models.
pub fn models_environment() -> Environment {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    let text = |name| std::env::var(name).ok();
    Environment {
        models: path("RINGFENCE_MODELS"),
        cache_home: path("XDG_CACHE_HOME"),
        home: path("HOME"),
        hub_token: text("HF_TOKEN"),
        hub_home: path("HF_HOME"),
        hub_endpoint: text("HF_ENDPOINT"),
    }
}

/// Where the audit log is if nobody says otherwise.
pub fn default_audit_directory() -> Option<PathBuf> {
    let (state, home) = (std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"));
    crate::audit::default_directory(state.as_deref(), home.as_deref())
}

#[cfg(test)]
mod tests {
    use super::{Config, UpstreamDialect};

    #[test]
    fn nothing_is_a_configuration() {
        let config = Config::parse("x.yaml", "# nothing\n").unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8700");
        assert!(config.listen.ip().is_loopback() && config.admin.ip().is_loopback());
        assert_eq!(config.detectors.len(), 4);
    }

    #[test]
    fn errors_name_file_line_and_field() {
        let error = Config::parse("x.yaml", "listen: 127.0.0.1:1\nlisten_on: 3\n").unwrap_err().to_string();
        assert!(error.starts_with("x.yaml:2:") && error.contains("listen_on"), "{error}");
        let error = Config::parse("x.yaml", "guard:\n  deadline_ms: soon\n").unwrap_err().to_string();
        assert!(error.starts_with("x.yaml:2:"), "{error}");
    }

    #[test]
    fn fields_are_read() {
        let config =
            Config::parse("x", "upstream: {url: \"http://127.0.0.1:1\", dialect: ollama}\ndetectors: []\n").unwrap();
        assert_eq!(config.upstream.dialect, UpstreamDialect::Ollama);
        assert!(config.detectors.is_empty());
    }
}
