//! **The door.** Nothing passes it without a decision, and no decision without a record.
//!
//! The wire accepts only [`Cleared`] values and [`Refusal`]s, and only this module makes them:
//!
//! ```compile_fail
//! # use ringfence::{enforce::{Cleared, Passed}};
//! fn forge(text: Passed) -> Cleared<Passed> {
//!     Cleared { value: text, receipts: Vec::new() } // the fields are private
//! }
//! ```
//!
//! What does compile, so that the examples here fail for their own reason:
//!
//! ```
//! # use ringfence::{dialect::{Answers, Request, Stream, Told}, enforce::{Cleared, Passed}, hold::Place};
//! # use ringfence::upstream::{Credentials, Upstream};
//! async fn forward(upstream: &Upstream, dialect: &'static dyn Answers, request: Cleared<Request>) {
//!     let _ = upstream.ask(dialect, request, &Credentials::default()).await;
//! }
//! fn answer(stream: &mut dyn Stream, told: &mut Told, place: &Place, text: &Cleared<Passed>) {
//!     let _ = stream.piece(place, text);
//!     told.piece(place, text);
//! }
//! ```
//!
//! ```compile_fail
//! # use ringfence::{dialect::{Answers, Request}, upstream::{Credentials, Upstream}};
//! async fn forward_unread(upstream: &Upstream, dialect: &'static dyn Answers, request: Request) {
//!     // It takes a `Cleared<Request>`.
//!     let _ = upstream.ask(dialect, request, &Credentials::default()).await;
//! }
//! ```
//!
//! ```compile_fail
//! # use ringfence::{dialect::Stream, enforce::Passed, hold::Place};
//! fn answer_unread(stream: &mut dyn Stream, place: &Place, text: &Passed) {
//!     let _ = stream.piece(place, text); // it takes a `&Cleared<Passed>`
//! }
//! ```
//!
//! ```compile_fail
//! # use ringfence::{dialect::Told, enforce::Passed, hold::Place};
//! fn tell_unread(told: &mut Told, place: &Place, text: &Passed) {
//!     told.piece(place, text); // it takes a `&Cleared<Passed>`
//! }
//! ```

mod judge;
mod record;

use std::{sync::Arc, time::Duration};

use policies::{Action, PolicySet, Reason, Situation};
use tracing::Instrument as _;
use uuid::Uuid;

pub use judge::{catalog, failures};

use crate::{
    audit::{AuditError, AuditLog, Durable, Event, RecordDraft, Timestamp, redact},
    chat::Chat,
    detect::{Detector, Located},
    dialect::Texts,
    segment::{Kind, Part, Segment},
    telemetry::Metrics,
};

/// Proof that a value passed the door: it was decided on, and the record of that is on disk.
#[derive(Debug)]
#[must_use = "what was cleared has not left yet"]
pub struct Cleared<T> {
    value: T,
    receipts: Vec<Durable>,
}

impl<T> Cleared<T> {
    /// What was cleared, as it may leave.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// The sequence numbers of the records that allow it.
    pub fn records(&self) -> impl Iterator<Item = u64> {
        self.receipts.iter().map(Durable::sequence)
    }
}

/// A segment as it may leave: the texts of its parts, redacted where the policy says so.
#[derive(Debug)]
pub struct Passed {
    /// Which of several answers it belongs to.
    pub choice: u32,
    /// The text of each part, in their order.
    pub texts: Vec<String>,
}

impl Cleared<Passed> {
    /// The request or document whose texts were cleared; `whole` must be the one the segment was read from.
    pub fn onto<T: Texts>(self, whole: T) -> Cleared<T> {
        Cleared { value: whole.with_texts(&self.value.texts), receipts: self.receipts }
    }
}

/// Proof that the door was shut, and why, in words fit for a stranger.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The exchange it ends.
    pub exchange: Uuid,
    /// What shut it.
    pub cause: Cause,
    /// The rules that decided; they name findings, never the text that tripped them.
    pub reasons: Vec<Reason>,
}

/// What shut the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A policy blocks what was found.
    Blocked,
    /// A policy blocks because a detector failed or was late.
    GuardUnavailable,
    /// The decision could not be recorded.
    Unrecorded,
}

/// How much of a text its record keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// All of it.
    Full,
    /// All but matched secrets and personal data.
    #[default]
    Redacted,
    /// Only a hash.
    Hashed,
}

/// The detectors, the policies and the log, and the only way past them.
pub struct Enforcer {
    /// Who looks.
    pub detectors: Vec<Box<dyn Detector>>,
    /// Who decides.
    pub policies: Arc<PolicySet>,
    /// Who remembers.
    pub audit: Arc<AuditLog>,
    /// How much of a text is remembered.
    pub keep: Keep,
    /// The name of the guard model, for records.
    pub guard: String,
    /// How long a detector may take.
    pub detector_deadline: Duration,
    /// How long a record may take to be durable.
    pub record_deadline: Duration,
    /// Who counts.
    pub metrics: Metrics,
}

impl Enforcer {
    /// Judges one segment: all detectors look, the policies decide, the record is made durable.
    ///
    /// # Errors
    /// A policy blocks, or the decision cannot be recorded.
    pub async fn enforce(&self, chat: &Arc<Chat>, segment: Segment) -> Result<Cleared<Passed>, Refusal> {
        let span = tracing::info_span!(
            "enforce",
            gen_ai.operation.name = "chat",
            gen_ai.request.model = chat.model,
            ringfence.exchange = %chat.exchange,
            ringfence.stage = %segment.stage,
            ringfence.action = tracing::field::Empty,
        );
        self.enforce_in(chat, segment).instrument(span).await
    }

    async fn enforce_in(&self, chat: &Arc<Chat>, segment: Segment) -> Result<Cleared<Passed>, Refusal> {
        let segment = Arc::new(segment);
        let verdict = self.judge(chat, &segment).await;
        let receipts = self.keep_record(chat, &segment, &verdict).await?;
        self.metrics.decision(segment.stage, verdict.action());
        tracing::Span::current().record("ringfence.action", tracing::field::display(verdict.action()));
        if verdict.action() == Action::Block {
            return Err(self.refusal(chat, verdict.reasons()));
        }
        let texts = segment.parts.iter().zip(&verdict.parts).map(|(part, judged)| judged.redacted(part.text()));
        Ok(Cleared { value: Passed { choice: segment.choice, texts: texts.collect() }, receipts })
    }

    /// Looks at a segment that goes nowhere, and tells what was found; the record says what the policies would decide.
    ///
    /// # Errors
    /// A detector failed, or what was found cannot be recorded.
    pub async fn assess(&self, chat: &Arc<Chat>, segment: Segment) -> Result<Vec<Located>, Refusal> {
        let segment = Arc::new(segment);
        let verdict = self.judge(chat, &segment).await;
        self.keep_record(chat, &segment, &verdict).await?;
        let failed = |located: &Located| located.finding.id.as_str().starts_with("detector.");
        if verdict.found.iter().any(failed) {
            return Err(Refusal { exchange: chat.exchange, cause: Cause::GuardUnavailable, reasons: Vec::new() });
        }
        Ok(verdict.found)
    }

    async fn keep_record(
        &self,
        chat: &Chat,
        segment: &Segment,
        verdict: &judge::Verdict,
    ) -> Result<Vec<Durable>, Refusal> {
        self.record(chat, segment, verdict).await.map_err(|error| {
            tracing::error!(%error, exchange = %chat.exchange, "a decision cannot be recorded, so it is a refusal");
            self.metrics.unrecorded();
            Refusal { exchange: chat.exchange, cause: Cause::Unrecorded, reasons: Vec::new() }
        })
    }

    /// Records a request that got no further than its path or its form.
    ///
    /// # Errors
    /// The record cannot be written.
    pub async fn note(&self, draft: &RecordDraft) -> Result<Durable, AuditError> {
        self.audit.append(draft, std::time::Instant::now() + self.record_deadline).await
    }

    /// A draft for [`Enforcer::note`] about an exchange that has no chat yet.
    pub fn draft(&self, event: Event, exchange: Uuid, route: &str) -> RecordDraft {
        RecordDraft {
            event,
            exchange,
            tenant: TENANT.to_owned(),
            route: route.chars().take(256).collect(),
            dialect: None,
            model: None,
            stage: None,
            provenance: None,
            field: None,
            choice: None,
            segment: None,
            decision: Action::Block,
            reasons: Vec::new(),
            note: None,
            status: None,
            policy_hash: self.policies.hash().to_owned(),
            guard: None,
            latency_us: crate::audit::Latency::default(),
            content: None,
        }
    }

    fn refusal(&self, chat: &Chat, mut reasons: Vec<Reason>) -> Refusal {
        reasons.retain(|reason| reason.action == Action::Block);
        let failed = |reason: &Reason| reason.finding.as_str().starts_with("detector.");
        let cause =
            if !reasons.is_empty() && reasons.iter().all(failed) { Cause::GuardUnavailable } else { Cause::Blocked };
        self.metrics.refusal(cause);
        Refusal { exchange: chat.exchange, cause, reasons }
    }
}

/// Whose traffic it is while keys do not tell tenants apart.
pub const TENANT: &str = "default";

fn situation(chat: &Chat, segment: &Segment, part: &Part) -> Situation {
    Situation {
        stage: segment.stage,
        provenance: part.provenance,
        turn: part.turn,
        tenant: chat.tenant.clone(),
        groups: Vec::new(),
        route: chat.route.clone(),
        dialect: chat.dialect.to_owned(),
        model: chat.model.clone(),
        now: Timestamp::now().seconds(),
        roll_out_key: 0,
    }
}

/// What was decided on one part.
struct Judged {
    decision: policies::Decision,
    /// Where secrets and personal data are, whatever was decided on them.
    private: Vec<(std::ops::Range<usize>, String)>,
    kind: Kind,
}

impl Judged {
    /// Whether what the policy would redact can be: a key and what is only read together have no place of their own, and
    /// what is no text, or was not looked at, does not go away with the text around it.
    fn can_be_redacted(&self) -> bool {
        let is_text = |reason: &Reason| {
            let finding = reason.finding.as_str();
            !finding.starts_with("unreadable.") && !finding.starts_with("detector.")
        };
        let redacts = |reason: &&Reason| reason.action == Action::Redact;
        matches!(self.kind, Kind::Turn | Kind::Detail) && self.decision.reasons.iter().filter(redacts).all(is_text)
    }

    /// The text with what the policy redacts replaced.
    fn redacted(&self, text: &str) -> String {
        let mut spans: Vec<(std::ops::Range<usize>, String)> = Vec::new();
        for reason in self.decision.reasons.iter().filter(|reason| reason.action == Action::Redact) {
            // A finding about the whole text leaves nothing of it.
            let span = if reason.span.is_empty() { 0..text.len() } else { reason.span.clone() };
            let word = reason.placeholder.clone().unwrap_or_else(|| format!("[{}]", reason.finding));
            spans.push((span, word));
        }
        replaced(text, spans)
    }
}

/// Replaces spans, from the last to the first; overlapping ones become one with the first one's word.
fn replaced(text: &str, mut spans: Vec<(std::ops::Range<usize>, String)>) -> String {
    spans.sort_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
    let mut merged: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    for (span, word) in spans {
        match merged.last_mut() {
            Some((last, _)) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push((span, word)),
        }
    }
    merged.iter().rev().fold(text.to_owned(), |text, (span, word)| redact(&text, [span.clone()], word))
}
