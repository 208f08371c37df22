//! All detectors look, then the policies decide; a failure to look is something that was found.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use policies::{Action, Finding, FindingId, Reason, Severity};

use super::{Enforcer, Judged, situation};
use crate::{
    chat::Chat,
    detect::{Detector, DetectorError, Located},
    segment::{Kind, Segment},
};

/// The most findings of one segment that are decided on, the most severe first; a text made to trip every rule costs no more.
const MOST: usize = 256;

/// What was decided on a segment.
pub(super) struct Verdict {
    /// One entry for each part.
    pub(super) parts: Vec<Judged>,
    /// What was found.
    pub(super) found: Vec<Located>,
    /// Microseconds each detector took.
    pub(super) detectors: BTreeMap<String, u64>,
    /// When the segment came to the door.
    pub(super) since: Instant,
}

impl Verdict {
    /// The strictest action over all parts; what would have to be redacted and cannot be is a block.
    pub(super) fn action(&self) -> Action {
        let strict = |judged: &Judged| match judged.decision.action {
            Action::Redact if !judged.can_be_redacted() => Action::Block,
            action => action,
        };
        self.parts.iter().map(strict).max().unwrap_or(Action::Allow)
    }

    pub(super) fn reasons(&self) -> Vec<Reason> {
        self.parts.iter().flat_map(|judged| judged.decision.reasons.iter().cloned()).collect()
    }
}

impl Enforcer {
    pub(super) async fn judge(&self, chat: &Arc<Chat>, segment: &Arc<Segment>) -> Verdict {
        let since = Instant::now();
        let looks = self.detectors.iter().map(|detector| self.look(detector.as_ref(), chat, segment));
        let mut found = Vec::new();
        let mut detectors = BTreeMap::new();
        for (name, took, findings) in futures_util::future::join_all(looks).await {
            self.metrics.detector(name, took);
            detectors.insert(name.to_owned(), u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            found.extend(findings);
        }
        found.sort_by_key(|located| std::cmp::Reverse(located.finding.severity));
        found.truncate(MOST);
        self.drop_seen_apart(chat, segment, &mut found);
        let parts = segment.parts.iter().enumerate().map(|(index, part)| {
            let of_part = |located: &&Located| located.part == index;
            let findings: Vec<Finding> = found.iter().filter(of_part).map(|located| located.finding.clone()).collect();
            let decision = self.policies.decide(&situation(chat, segment, part), &findings);
            let private = findings.iter().filter(|finding| is_private(&finding.id));
            let private = private.map(|finding| (finding.span.clone(), format!("[{}]", finding.id))).collect();
            Judged { decision, private, kind: part.kind }
        });
        Verdict { parts: parts.collect(), found, detectors, since }
    }

    /// Leaves of what was found in joined texts only what was not found, and answered, as often in the texts themselves.
    ///
    /// What was found in one of them answers for it only if it is removed, or costs as much by itself: one that is let
    /// pass there, for its author or for being mild, does not excuse what the whole says.
    fn drop_seen_apart(&self, chat: &Chat, segment: &Segment, found: &mut Vec<Located>) {
        let part = |located: &Located| segment.parts.get(located.part);
        let is_joined = |located: &Located| part(located).is_some_and(|part| part.kind == Kind::Joined);
        if !found.iter().any(is_joined) {
            return;
        }
        let action = |located: &Located| {
            let findings = std::slice::from_ref(&located.finding);
            part(located)
                .map_or(Action::Block, |part| self.policies.decide(&situation(chat, segment, part), findings).action)
        };
        let mut apart: BTreeMap<String, Vec<Action>> = BTreeMap::new();
        for located in found.iter().filter(|located| !is_joined(located)) {
            apart.entry(located.finding.id.to_string()).or_default().push(action(located));
        }
        let mut joined: BTreeMap<(usize, String), usize> = BTreeMap::new();
        found.retain(|located| {
            let id = located.finding.id.to_string();
            // A failure counts whatever it was that could not be judged.
            if !is_joined(located) || id.starts_with("detector.") {
                return true;
            }
            let least = action(located).min(Action::Redact);
            let answered = apart.get(&id).map_or(0, |all| all.iter().filter(|action| **action >= least).count());
            let count = joined.entry((located.part, id)).or_default();
            *count += 1;
            *count > answered
        });
    }

    async fn look(
        &self,
        detector: &dyn Detector,
        chat: &Arc<Chat>,
        segment: &Arc<Segment>,
    ) -> (&'static str, Duration, Vec<Located>) {
        let since = Instant::now();
        let result = tokio::time::timeout(self.detector_deadline, detector.detect(chat, segment)).await;
        let found = result.unwrap_or(Err(DetectorError::Late)).unwrap_or_else(|error| {
            tracing::warn!(detector = detector.name(), %error, exchange = %chat.exchange, "a detector has no verdict");
            self.metrics.detector_failure(detector.name());
            failure(detector.name(), &error, segment.parts.len())
        });
        (detector.name(), since.elapsed(), found)
    }
}

/// A failure, reported for every part, so that it counts whatever a rule asks about a part.
fn failure(detector: &str, error: &DetectorError, parts: usize) -> Vec<Located> {
    let (kind, message) = match error {
        DetectorError::Late => ("late", "the detector gave no verdict in time"),
        DetectorError::Failed(_) => ("failed", "the detector failed"),
    };
    let Ok(id) = FindingId::parse(&format!("detector.{detector}.{kind}")) else { return Vec::new() };
    let finding = Finding {
        id,
        severity: Severity::Error,
        score: 1.0,
        span: 0..0,
        message: message.to_owned(),
        language: None,
        cwe: None,
    };
    (0..parts).take(MOST).map(|part| Located { part, finding: finding.clone() }).collect()
}

fn is_private(id: &FindingId) -> bool {
    id.as_str().starts_with("secret.") || id.as_str().starts_with("personal.")
}

/// Every id a set of detectors can cause to be decided on, the failures of each included.
pub fn catalog(detectors: &[Box<dyn Detector>]) -> Vec<FindingId> {
    let of = |detector: &dyn Detector| detector.catalog().into_iter().chain(failures(detector.name()));
    detectors.iter().flat_map(|detector| of(detector.as_ref())).collect()
}

/// What is decided on when a detector of this name gives no verdict.
pub fn failures(detector: &str) -> Vec<FindingId> {
    let ids = ["failed", "late"].map(|kind| FindingId::parse(&format!("detector.{detector}.{kind}")).ok());
    ids.into_iter().flatten().collect()
}
