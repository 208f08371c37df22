//! Rows of the data sets, as far as a prompt is made of them.

use crate::Failure;
use serde::Deserialize;

/// One labelled text.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    /// Name within the data set.
    pub(crate) id: String,
    /// The prompt.
    pub(crate) text: String,
    /// The conversation, where the text alone does not say enough.
    #[serde(default)]
    pub(crate) messages: Vec<Message>,
    /// The answer on trial, where there is one.
    #[serde(default)]
    pub(crate) response: Option<String>,
    /// `safe`, `unsafe` or `unlabelled`.
    pub(crate) label: String,
    /// Codes of hazards.
    #[serde(default)]
    pub(crate) categories: Vec<String>,
    /// Data set.
    pub(crate) source: String,
    /// Language code.
    pub(crate) lang: String,
    /// Rows of one group are variants of each other and stay on one side of a split.
    #[serde(default)]
    pub(crate) group: Option<String>,
}

/// One message of a conversation.
#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    /// `system`, `user`, `assistant` or `tool`.
    pub(crate) role: String,
}

/// Reads JSON lines, through `gzip` where the name says so.
pub(crate) fn read(path: &str) -> Result<Vec<Row>, Failure> {
    let text = if std::path::Path::new(path).extension().is_some_and(|extension| extension == "gz") {
        let output = std::process::Command::new("gzip").args(["-dc", path]).output()?;
        if !output.status.success() {
            return Err(format!("`{path}` cannot be unpacked: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        String::from_utf8(output.stdout)?
    } else {
        std::fs::read_to_string(path).map_err(|error| format!("`{path}` cannot be read: {error}"))?
    };
    let parse = |(line, number): (&str, usize)| {
        serde_json::from_str(line).map_err(|error| format!("{path}:{number}: {error}").into())
    };
    text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()).map(parse).collect()
}
