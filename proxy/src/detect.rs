//! What looks at a segment.

mod code;
mod guard;
mod shape;
mod text;

use std::{future::Future, ops::Range, pin::Pin, sync::Arc};

use code_shield::Severity as RuleSeverity;
use policies::{Finding, FindingId, Severity};

use crate::{chat::Chat, segment::Segment};

pub use code::Code;
pub use guard::{Guard, Overrides, classifier, tiers as guard_tiers};
pub use shape::Shape;
pub use text::Text;

/// Looks at a segment and reports what it sees.
///
/// It never decides; and its failure is no verdict: the door turns an error or a missed deadline into a finding.
pub trait Detector: Send + Sync {
    /// A word for findings (`detector.<name>.failed`), records and metrics.
    fn name(&self) -> &'static str;

    /// Every finding it can ever report.
    fn catalog(&self) -> Vec<FindingId>;

    /// What it sees in `segment`, a part of `chat` or of its answer.
    fn detect(&self, chat: &Arc<Chat>, segment: &Arc<Segment>) -> Findings;
}

/// The findings of one detector in one segment, or why there are none.
pub type Findings = Pin<Box<dyn Future<Output = Result<Vec<Located>, DetectorError>> + Send>>;

/// A finding, and the part of the segment it is in.
#[derive(Debug, Clone)]
pub struct Located {
    /// The index of the part.
    pub part: usize,
    /// What was seen there; its span is in bytes of the part's text.
    pub finding: Finding,
}

/// Why a detector has no verdict.
#[derive(Debug, thiserror::Error)]
pub enum DetectorError {
    /// The deadline passed.
    #[error("no verdict in time")]
    Late,
    /// It broke.
    #[error("{0}")]
    Failed(String),
}

/// Runs blocking work off the async threads; a panic in it is a failure of the detector.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DetectorError> + Send + 'static,
) -> Result<T, DetectorError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(DetectorError::Failed("the detector panicked".to_owned())),
    }
}

/// A rule's severity, in the words of policies.
fn severity(severity: RuleSeverity) -> Severity {
    match severity {
        RuleSeverity::Advice => Severity::Advice,
        RuleSeverity::Warning => Severity::Warning,
        RuleSeverity::Error => Severity::Error,
    }
}

/// A span of `with_before`, as one of the part's own text; none if it lies wholly before it.
fn within(span: &Range<usize>, start: usize) -> Option<Range<usize>> {
    (span.end > start || (span.is_empty() && span.end >= start))
        .then(|| span.start.saturating_sub(start)..span.end.saturating_sub(start))
}

/// A name known to be well formed, or nothing: a name that cannot be parsed is never reported, and a test sees to it that there is none.
fn ids<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<FindingId> {
    names.into_iter().filter_map(|name| FindingId::parse(name).ok()).collect()
}
