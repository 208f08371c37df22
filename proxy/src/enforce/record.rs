//! What the log keeps of a decision.
//!
//! A part of a segment that a rule spoke about has a record of its own; all others share one.

use std::{ops::Range, time::Instant};

use policies::Action;

use super::{Enforcer, Judged, Keep, judge::Verdict, replaced};
use crate::{
    audit::{AuditError, Content, Durable, Event, Latency, RecordDraft},
    chat::Chat,
    segment::{Kind, Part, Segment},
};

impl Enforcer {
    /// Makes the decision durable.
    pub(super) async fn record(
        &self,
        chat: &Chat,
        segment: &Segment,
        verdict: &Verdict,
    ) -> Result<Vec<Durable>, AuditError> {
        let deadline = Instant::now() + self.record_deadline;
        let drafts = self.drafts(chat, segment, verdict);
        futures_util::future::try_join_all(drafts.iter().map(|draft| self.audit.append(draft, deadline))).await
    }

    fn drafts(&self, chat: &Chat, segment: &Segment, verdict: &Verdict) -> Vec<RecordDraft> {
        let both = || segment.parts.iter().zip(&verdict.parts);
        let alone = both().filter(|(_, judged)| !judged.decision.reasons.is_empty());
        let mut drafts: Vec<RecordDraft> = alone
            .map(|(part, judged)| {
                let mut draft = self.decision_draft(chat, segment, verdict);
                draft.provenance = Some(part.provenance);
                draft.field = Some(part.field.clone());
                draft.decision = judged.decision.action;
                draft.reasons.clone_from(&judged.decision.reasons);
                draft.content = Some(self.content(part.text().to_owned(), judged.private.clone()));
                draft
            })
            .collect();
        let quiet = both().filter(|(part, judged)| judged.decision.reasons.is_empty() && part.kind != Kind::Joined);
        let quiet: Vec<(&Part, &Judged)> = quiet.collect();
        if !quiet.is_empty() || drafts.is_empty() {
            let mut draft = self.decision_draft(chat, segment, verdict);
            let (mut text, mut private) = (String::new(), Vec::new());
            if let [(part, judged)] = quiet.as_slice() {
                draft.provenance = Some(part.provenance);
                draft.field = Some(part.field.clone());
                part.text().clone_into(&mut text);
                private.clone_from(&judged.private);
            } else {
                for (part, judged) in quiet {
                    text.push_str(&part.field);
                    text.push_str(": ");
                    let at = text.len();
                    private.extend(
                        judged.private.iter().map(|(span, word)| (span.start + at..span.end + at, word.clone())),
                    );
                    text.push_str(part.text());
                    text.push('\n');
                }
            }
            draft.content = Some(self.content(text, private));
            drafts.push(draft);
        }
        drafts
    }

    fn decision_draft(&self, chat: &Chat, segment: &Segment, verdict: &Verdict) -> RecordDraft {
        let output = segment.stage == policies::Stage::Output;
        let total = u64::try_from(verdict.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        RecordDraft {
            tenant: chat.tenant.clone(),
            dialect: Some(chat.dialect.to_owned()),
            model: Some(chat.model.clone()),
            stage: Some(segment.stage),
            choice: output.then_some(segment.choice),
            segment: output.then_some(segment.number),
            decision: Action::Allow,
            guard: Some(self.guard.clone()),
            latency_us: Latency { total, detectors: verdict.detectors.clone() },
            ..self.draft(Event::Decision, chat.exchange, &chat.route)
        }
    }

    fn content(&self, text: String, private: Vec<(Range<usize>, String)>) -> Content {
        match self.keep {
            Keep::Full => Content::Full(text),
            Keep::Redacted => Content::Redacted(replaced(&text, private)),
            Keep::Hashed => Content::hashed(&text),
        }
    }
}
