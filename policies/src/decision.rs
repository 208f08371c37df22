//! What a policy answers.

use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};

use crate::{FindingId, Severity, Would};

/// What is done with a segment. Ordered: the strictest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It passes.
    Allow,
    /// It passes, and the record says so.
    Flag,
    /// It passes with the spans of the findings replaced.
    Redact,
    /// It does not pass.
    Block,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Flag => "flag",
            Self::Redact => "redact",
            Self::Block => "block",
        })
    }
}

/// The strictest action, and every rule that asked for one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use = "a decision that is not enforced decides nothing"]
pub struct Decision {
    /// What is to be done.
    pub action: Action,
    /// Why: one entry for each pair of a rule and a finding it matched, in the order of the rules.
    pub reasons: Vec<Reason>,
}

impl Decision {
    /// What would be done if every rule were in force for everybody and nothing was excepted.
    pub fn would(&self) -> Action {
        let would = |reason: &Reason| reason.would.as_ref().map_or(reason.action, |would| would.action);
        self.reasons.iter().map(would).max().unwrap_or(Action::Allow)
    }
}

/// How much of a text is redacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// What was found.
    #[default]
    Finding,
    /// All of the text that it was found in.
    Text,
    /// What was found; in a request it is masked, and put back into the answer. In an answer it is as [`Extent::Finding`].
    Reversible,
}

impl Extent {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    fn is_finding(&self) -> bool {
        *self == Self::Finding
    }
}

/// One rule that matched one finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// The policy's name.
    pub policy: String,
    /// The rule's id within the policy.
    pub rule: String,
    /// What it asks for; [`Action::Allow`] when it was spared.
    pub action: Action,
    /// What it would have asked for, when it was spared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would: Option<Would>,
    /// The finding it matched.
    pub finding: FindingId,
    /// The finding's severity.
    pub severity: Severity,
    /// The finding's score, 0 to 1.
    pub score: f32,
    /// The finding's span, in bytes of the segment's text.
    pub span: Range<usize>,
    /// The finding's weakness.
    pub cwe: Option<u16>,
    /// The rule's own words on why it exists.
    pub why: String,
    /// What stands in for the redacted text; only with [`Action::Redact`], and none when the rule leaves it to the door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
    /// How much is redacted; only with [`Action::Redact`].
    #[serde(default, skip_serializing_if = "Extent::is_finding")]
    pub redact: Extent,
}
