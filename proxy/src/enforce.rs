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
mod masks;
mod record;

use std::{ops::Range, sync::Arc, time::Duration};

use policies::{Action, Decision, Extent, Finding, Reason, Situation, Stage, Style};
use tracing::Instrument as _;
use uuid::Uuid;

pub use judge::{catalog, failures};
pub use masks::Masks;

use masks::Within;

use crate::{
    audit::{AuditError, AuditLog, Durable, Event, RecordDraft, Timestamp, redact},
    chat::Chat,
    detect::{Detector, Located},
    dialect::Texts,
    live::Live,
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
    /// As what a policy wants it told, if one says.
    pub style: Option<Style>,
    /// The policy's own words for the reader, if it has some in a language of theirs.
    pub text: Option<String>,
}

impl Refusal {
    /// A refusal that no rule asked for.
    pub fn without_rule(exchange: Uuid, cause: Cause) -> Self {
        Self { exchange, cause, reasons: Vec::new(), style: None, text: None }
    }
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
    /// Who decides, for exchanges that begin now.
    pub live: Arc<Live>,
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
        for judged in &verdict.parts {
            judged.decision.reasons.iter().for_each(|reason| self.metrics.spared(reason));
        }
        tracing::Span::current().record("ringfence.action", tracing::field::display(verdict.action()));
        if verdict.action() == Action::Block {
            return Err(self.refusal(chat, verdict.reasons()));
        }
        let texts = segment.parts.iter().zip(&verdict.parts).map(|(part, judged)| match segment.stage {
            Stage::Input => judged.redacted(part.text(), Some(&chat.masks)),
            Stage::Output => {
                let within = if part.field.ends_with("arguments") { Within::Json } else { Within::Text };
                chat.masks.restore(&judged.redacted(part.text(), None), within)
            }
        });
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
            return Err(Refusal::without_rule(chat.exchange, Cause::GuardUnavailable));
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
            Refusal::without_rule(chat.exchange, Cause::Unrecorded)
        })
    }

    /// What would be decided on a segment, field by field. Nothing passes, and nothing is recorded.
    pub async fn simulate(&self, chat: &Arc<Chat>, segment: Segment) -> Vec<(String, Decision)> {
        let segment = Arc::new(segment);
        let verdict = self.judge(chat, &segment).await;
        let fields = segment.parts.iter().map(|part| part.field.clone());
        fields.zip(verdict.parts.into_iter().map(Judged::into_done)).collect()
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
            groups: Vec::new(),
            place: None,
            route: route.chars().take(256).collect(),
            dialect: None,
            model: None,
            stage: None,
            provenance: None,
            turn: policies::Turn::Current,
            field: None,
            choice: None,
            segment: None,
            decision: Action::Block,
            reasons: Vec::new(),
            findings: Vec::new(),
            note: None,
            status: None,
            policy_hash: self.live.policies().hash().to_owned(),
            policy_version: String::new(),
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
        let wording = chat.policies.refusal(&reasons).filter(|_| cause == Cause::Blocked);
        let text = wording.and_then(|wording| wording.text(&chat.languages)).map(str::to_owned);
        Refusal { exchange: chat.exchange, cause, style: wording.and_then(|wording| wording.style), text, reasons }
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
        groups: chat.groups.clone(),
        route: chat.route.clone(),
        dialect: chat.dialect.to_owned(),
        model: chat.model.clone(),
        now: Timestamp::now().seconds(),
        roll_out_key: chat.place,
    }
}

/// What was decided on one part.
struct Judged {
    decision: Decision,
    /// What was decided on.
    findings: Vec<Finding>,
    /// Where secrets and personal data are, whatever was decided on them.
    private: Vec<(std::ops::Range<usize>, String)>,
    kind: Kind,
}

impl Judged {
    /// What is done: what would have to be redacted and cannot be is a block.
    fn done(&self) -> Action {
        match self.decision.action {
            Action::Redact if !self.can_be_redacted() => Action::Block,
            action => action,
        }
    }

    fn into_done(mut self) -> Decision {
        self.decision.action = self.done();
        self.decision
    }

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

    /// The text with what the policy redacts replaced; what is to be put back later is masked, if there are masks.
    fn redacted(&self, text: &str, masks: Option<&Masks>) -> String {
        let mut spans = Vec::new();
        for reason in self.decision.reasons.iter().filter(|reason| reason.action == Action::Redact) {
            // A finding about the whole text leaves nothing of it.
            let whole = reason.span.is_empty() || reason.redact == Extent::Text;
            let span = if whole { 0..text.len() } else { reason.span.clone() };
            let word = reason.placeholder.clone().unwrap_or_else(|| format!("[{}]", reason.finding));
            let fate = if reason.redact == Extent::Reversible { Fate::Masked } else { Fate::Gone };
            spans.push((span, word, fate));
        }
        let mut spans = merged(spans);
        for (span, word, fate) in &mut spans {
            if let (Fate::Masked, Some(masks), Some(original)) = (fate, masks, text.get(span.clone())) {
                *word = masks.mask(word, original);
            }
        }
        spans.iter().rev().fold(text.to_owned(), |text, (span, word, _)| redact(&text, [span.clone()], word))
    }
}

/// Whether what is taken out of a text comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Gone,
    Masked,
}

/// Spans in order; overlapping ones become one with the first one's word, and gone if one of them is.
fn merged(mut spans: Vec<(Range<usize>, String, Fate)>) -> Vec<(Range<usize>, String, Fate)> {
    spans.sort_by_key(|(span, ..)| (span.start, std::cmp::Reverse(span.end)));
    let mut merged: Vec<(Range<usize>, String, Fate)> = Vec::new();
    for (span, word, fate) in spans {
        match merged.last_mut() {
            Some((last, _, known)) if span.start < last.end => {
                last.end = last.end.max(span.end);
                *known = if fate == Fate::Gone { Fate::Gone } else { *known };
            }
            _ => merged.push((span, word, fate)),
        }
    }
    merged
}

/// Replaces spans for good, from the last to the first.
fn replaced(text: &str, spans: Vec<(Range<usize>, String)>) -> String {
    let spans = merged(spans.into_iter().map(|(span, word)| (span, word, Fate::Gone)).collect());
    spans.iter().rev().fold(text.to_owned(), |text, (span, word, _)| redact(&text, [span.clone()], word))
}
