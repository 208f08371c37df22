//! All that a rule may ask besides the findings.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where and for whom a decision is made; given from outside, so that the same situation always gives the same decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situation {
    /// Towards the model, or towards the client.
    pub stage: Stage,
    /// Who wrote the text.
    pub provenance: Provenance,
    /// Whether it is said now, or was said before and is only repeated.
    pub turn: Turn,
    /// Whose traffic this is.
    pub tenant: String,
    /// The groups the caller's key belongs to.
    pub groups: Vec<String>,
    /// The path of the request, such as `/v1/chat/completions`.
    pub route: String,
    /// The wire format, such as `openai-chat`.
    pub dialect: String,
    /// The model the client asked for.
    pub model: String,
    /// Seconds since the Unix epoch.
    pub now: u64,
    /// A number that is stable for the caller, for percentage roll-outs.
    pub roll_out_key: u64,
}

/// When a text of a conversation was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Turn {
    /// In the turn that is to be answered, or in the answer.
    #[default]
    Current,
    /// In a turn before it, which the client sends again with every request.
    Earlier,
}

/// The direction a text travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// From the client towards the model.
    Input,
    /// From the model towards the client.
    Output,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Output => "output",
        })
    }
}

/// Who wrote a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// The operator of the chat app: system and developer turns, tool definitions.
    System,
    /// The person: user turns, and every field we do not know.
    User,
    /// The model: its answers, also those replayed in a later request.
    Assistant,
    /// A tool's result, or a document: text the person did not write.
    Tool,
}
