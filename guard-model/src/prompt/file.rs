//! The form of a template's file.

use serde::Deserialize;
use std::collections::BTreeMap;

/// A template as its file has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Its name.
    pub(super) template: String,
    /// The model it is for.
    pub(super) model: String,
    /// The list of categories it was made for; none for a chat.
    pub(super) taxonomy: Option<String>,
    /// What a role is called in the prompt.
    pub(super) roles: BTreeMap<String, String>,
    /// What becomes of any other role.
    #[serde(default)]
    pub(super) others: Others,
    /// Roles whose text is told as a JSON string, and what they are called.
    #[serde(default)]
    pub(super) quoted: BTreeMap<String, String>,
    /// Which roles may follow each other.
    pub(super) order: Order,
    /// Is white space around a text taken away?
    #[serde(default)]
    pub(super) strip: bool,
    /// What special tokens in a message are.
    #[serde(default)]
    pub(super) content: Content,
    /// All of it, with `{system}`, `{turns}`, `{categories}`, and `{role}` for whose text is judged.
    pub(super) prompt: String,
    /// One message, with `{role}`, `{text}`, and `{cut}` where tokens may not reach across.
    pub(super) turn: String,
    /// The operator's message, with `{text}`; where this is missing it is a message like others.
    pub(super) system: Option<String>,
    /// A category, with `{code}` and `{name}`.
    pub(super) category: Option<String>,
    /// A category with its `{description}`.
    pub(super) described: Option<String>,
}

/// What becomes of a role that the template does not name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Others {
    /// There is no prompt.
    #[default]
    Refused,
    /// Its text stands under the name of whose text is judged.
    Judged,
    /// It is called what it is called, with a capital.
    Capitalized,
    /// It is called what it is called.
    Verbatim,
}

/// Which roles may follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    /// Users at odd places and nobody else there; whose text is judged is told by their number.
    Alternate,
    /// Anyone after anyone; the last is judged.
    Any,
}

/// What special tokens in a message are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Content {
    /// Text.
    #[default]
    Text,
    /// Tokens: a hole of other programs, kept for comparison.
    Tokens,
}
