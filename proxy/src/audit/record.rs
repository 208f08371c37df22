//! One entry of the audit log.

use std::{collections::BTreeMap, fmt};

use policies::{Action, Finding, FindingId, Provenance, Reason, Severity, Stage, Turn};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Timestamp, hash::Hash};

/// One line of the log: what the writer adds, then what was decided.
///
/// A field that says nothing is left out. Readers ignore fields they do not know, so that a later version may add some;
/// one that changes a meaning raises `v`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this format: 1.
    pub v: u32,
    /// The place in the log: the first record is 1, and no number is left out.
    pub sequence: u64,
    /// When the record was written.
    pub time: Timestamp,
    /// The SHA-256 of the line before, without its line break; 64 zeros in the first record.
    pub previous: String,
    /// What was decided.
    #[serde(flatten)]
    pub draft: RecordDraft,
}

/// What the door knows about a record before it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordDraft {
    /// The kind of thing that happened.
    pub event: Event,
    /// The exchange, a request and its answer, that this belongs to; the client has the same id in `x-ringfence-decision`.
    pub exchange: Uuid,
    /// Whose traffic it is.
    pub tenant: String,
    /// The groups that the caller's key belongs to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The caller's place in roll-outs, 0 to 9999; none before it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u64>,
    /// The path of the request.
    pub route: String,
    /// The wire format, such as `openai-chat`; none if no dialect owns the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<String>,
    /// The model the client asked for; none before it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The direction the text travels; none when there is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Who wrote the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// Whether the text was said now or before.
    #[serde(default, skip_serializing_if = "is_current")]
    pub turn: Turn,
    /// Where the text stands in the exchange, such as `messages[2].content` or `tool_calls[0].arguments`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Which of several answers, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<u32>,
    /// Which segment of the field, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<u64>,
    /// What was done.
    pub decision: Action,
    /// Why: the rules that matched, with what they matched. Spans are in bytes of the text as it was before redaction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// Everything that was found in the text, whether or not a rule matched it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Seen>,
    /// What happened, in one sentence that quotes no text of the exchange; for events that have no reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The status of the answer the client got, where this event decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The hash of the policies that decided.
    pub policy_hash: String,
    /// The names and versions of the policies that decided.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub policy_version: String,
    /// The guard model and its version; none if none was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<String>,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Latency::is_empty")]
    pub latency_us: Latency,
    /// The text itself, as far as it may be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

/// The kind of thing a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A segment was judged.
    Decision,
    /// A path that no dialect owns was refused.
    RouteRefused,
    /// A request could not be read, and was refused.
    RequestRefused,
    /// The upstream failed, or its answer could not be read.
    UpstreamFailed,
    /// An exchange came to its end.
    ExchangeEnd,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decision => "decision",
            Self::RouteRefused => "route-refused",
            Self::RequestRefused => "request-refused",
            Self::UpstreamFailed => "upstream-failed",
            Self::ExchangeEnd => "exchange-end",
        })
    }
}

/// Something that was found, as far as a policy may ask about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// What.
    pub id: FindingId,
    /// How bad it is.
    pub severity: Severity,
    /// How sure the detector is, 0 to 1; none if it did not say.
    pub score: Option<f32>,
    /// The programming language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The weakness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwe: Option<u16>,
    /// Who wrote the text, in a record of several texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// Whether that text was said now or before.
    #[serde(default, skip_serializing_if = "is_current")]
    pub turn: Turn,
}

impl Seen {
    /// A finding in a text of this author and turn.
    pub fn new(finding: &Finding, provenance: Provenance, turn: Turn) -> Self {
        Self {
            id: finding.id.clone(),
            severity: finding.severity,
            score: finding.score.is_finite().then_some(finding.score),
            language: finding.language.clone(),
            cwe: finding.cwe,
            provenance: Some(provenance),
            turn,
        }
    }

    /// The finding, for a policy to decide on.
    pub fn finding(&self) -> Finding {
        Finding {
            id: self.id.clone(),
            severity: self.severity,
            score: self.score.unwrap_or(f32::NAN),
            span: 0..0,
            message: String::new(),
            language: self.language.clone(),
            cwe: self.cwe,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_current(turn: &Turn) -> bool {
    *turn == Turn::Current
}

/// Durations in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// From the segment's arrival at the door to the decision.
    pub total: u64,
    /// For each detector by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detectors: BTreeMap<String, u64>,
}

impl Latency {
    fn is_empty(&self) -> bool {
        self.total == 0 && self.detectors.is_empty()
    }
}

/// The text of a segment, as far as it may be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// All of it.
    Full(String),
    /// With the matched secrets and personal data taken out, see [`redact`](super::redact).
    Redacted(String),
    /// Only its hash. A short text can be found from its hash by guessing.
    Hashed {
        /// SHA-256 of the text, in hexadecimal.
        sha256: String,
        /// The text's length in bytes.
        length: u64,
    },
}

impl Content {
    /// The hash in place of a text.
    pub fn hashed(text: &str) -> Self {
        Self::Hashed { sha256: Hash::of(text.as_bytes()).to_string(), length: text.len() as u64 }
    }

    /// The text, if any of it was kept.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Full(text) | Self::Redacted(text) => Some(text),
            Self::Hashed { .. } => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Content, Event, Latency, Record, RecordDraft};
    use policies::{Action, Provenance, Stage, Turn};
    use uuid::Uuid;

    /// A decision on one segment; what tests need in many places.
    pub(crate) fn draft(text: &str) -> RecordDraft {
        RecordDraft {
            event: Event::Decision,
            exchange: Uuid::from_u128(7),
            tenant: "acme".into(),
            groups: Vec::new(),
            place: None,
            route: "/v1/chat/completions".into(),
            dialect: Some("openai-chat".into()),
            model: Some("llama".into()),
            stage: Some(Stage::Input),
            provenance: Some(Provenance::User),
            turn: Turn::Current,
            field: Some("messages[0].content".into()),
            choice: None,
            segment: Some(0),
            decision: Action::Block,
            reasons: serde_json::from_str(
                r#"[{"policy":"default","rule":"unsafe","action":"block","finding":"guard.S1","severity":"error",
                     "score":0.97,"span":{"start":0,"end":4},"cwe":null,"why":"violence"}]"#,
            )
            .unwrap(),
            findings: Vec::new(),
            note: None,
            status: None,
            policy_hash: "aa".into(),
            policy_version: String::new(),
            guard: Some("embedded 1".into()),
            latency_us: Latency { total: 3100, detectors: [("guard".to_owned(), 3000)].into() },
            content: Some(Content::Redacted(text.into())),
        }
    }

    /// The same with little in it, for tests that go through every byte.
    pub(in super::super) fn short_draft(text: &str) -> RecordDraft {
        RecordDraft {
            tenant: String::new(),
            route: String::new(),
            dialect: None,
            model: None,
            provenance: None,
            field: None,
            reasons: Vec::new(),
            policy_hash: String::new(),
            guard: None,
            latency_us: Latency::default(),
            ..draft(text)
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_written_and_unknown_fields_are_ignored() {
        let mut draft = draft("hello");
        for content in [Some(Content::Full("x".into())), Some(Content::hashed("x")), draft.content.clone(), None] {
            draft.content = content;
            let time = super::Timestamp::parse("2026-11-24T08:46:00.123Z").unwrap();
            let record = Record { v: 1, sequence: 9, time, previous: "00".into(), draft: draft.clone() };
            let mut value = serde_json::to_value(&record).unwrap();
            value.as_object_mut().unwrap().insert("later".into(), 1.into());
            assert_eq!(serde_json::from_str::<Record>(&value.to_string()).unwrap(), record);
        }
    }

    #[test]
    fn hashed_content_is_the_sha_256_of_the_text() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned();
        assert_eq!(Content::hashed("abc"), Content::Hashed { sha256, length: 3 });
    }
}
