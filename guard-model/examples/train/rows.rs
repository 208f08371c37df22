//! Rows of the data sets, as they are on disk.

use serde::Deserialize;

/// One labelled text.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Row {
    /// Name within the data set.
    #[serde(default)]
    pub(crate) id: String,
    /// The prompt, or the text on trial.
    pub(crate) text: String,
    /// The conversation, where the text alone does not say enough.
    #[serde(default)]
    pub(crate) messages: Vec<Message>,
    /// The answer on trial, where there is one.
    #[serde(default)]
    pub(crate) response: Option<String>,
    /// `safe`, `unsafe` or `unlabelled`.
    pub(crate) label: String,
    /// Codes of hazards, `injection`, `jailbreak`, `cyber`.
    #[serde(default)]
    pub(crate) categories: Vec<String>,
    /// Data set.
    pub(crate) source: String,
    /// Language code.
    pub(crate) lang: String,
    /// A label nobody checked.
    #[serde(default)]
    pub(crate) weak: bool,
    /// Rows of one group are variants of each other and stay on one side of a split.
    #[serde(default)]
    pub(crate) group: Option<String>,
}

/// One message of a conversation.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Message {
    /// `system`, `user`, `assistant` or `tool`.
    pub(crate) role: String,
    /// The text, absent in tool calls.
    #[serde(default)]
    pub(crate) content: Option<String>,
}

/// Reads JSON lines, through `gzip` where the name says so.
///
/// # Errors
/// A file that can't be read, or a line that is no row, by number.
pub(crate) fn read(path: &str) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
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
        let parsed = serde_json::from_str(line).map(|line| match line {
            Line::Row(row) => row,
            Line::Code { id, code } => harmless_code(id, code),
        });
        parsed.map_err(|error| format!("{path}:{number}: {error}").into())
    };
    text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()).map(parse).collect()
}

/// A line of a data set: a labelled text, or a piece of source code.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Row(Row),
    Code { id: String, code: String },
}

/// Source code as an answer. Whether it is secure is for the code reader to say; harmful it is not.
fn harmless_code(id: String, code: String) -> Row {
    Row {
        id,
        text: String::new(),
        messages: Vec::new(),
        response: Some(code),
        label: "safe".into(),
        categories: Vec::new(),
        source: "code_snippets".into(),
        lang: "en".into(),
        weak: false,
        group: None,
    }
}
