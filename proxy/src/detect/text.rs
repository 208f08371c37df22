//! Secrets, personal data and injection markers, in the text as written and as disguised.

use std::sync::Arc;

use code_shield::text::{MAX_MATCH, TextIssue, TextRules};
use policies::{Finding, FindingId};

use super::{Detector, DetectorError, Findings, Located, blocking, ids, severity, within};
use crate::{
    chat::Chat,
    normalise::views,
    segment::{Part, Segment},
};

/// Matches the text rules.
#[derive(Clone)]
pub struct Text {
    rules: Arc<TextRules>,
}

impl Text {
    /// A detector for these rules.
    pub fn new(rules: Arc<TextRules>) -> Self {
        Self { rules }
    }
}

impl Detector for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn catalog(&self) -> Vec<FindingId> {
        ids(self.rules.ids())
    }

    fn detect(&self, _: &Arc<Chat>, segment: &Arc<Segment>) -> Findings {
        let (rules, segment) = (Arc::clone(&self.rules), Arc::clone(segment));
        Box::pin(blocking(move || {
            let mut found = Vec::new();
            for (index, part) in segment.parts.iter().enumerate() {
                look(&rules, part, index, segment.last, &mut found)?;
            }
            Ok(found)
        }))
    }
}

/// Scans the part with as much before it as a match can reach back; at the end of an answer, all of it.
fn look(
    rules: &TextRules,
    part: &Part,
    index: usize,
    last: bool,
    found: &mut Vec<Located>,
) -> Result<(), DetectorError> {
    let whole = part.with_before();
    let mut from = if last { 0 } else { part.start().saturating_sub(MAX_MATCH) };
    while !whole.is_char_boundary(from) {
        from -= 1;
    }
    let text = whole.get(from..).unwrap_or_default();
    let start = part.start() - from;
    let mut report = |issue: TextIssue, span: std::ops::Range<usize>| -> Result<(), DetectorError> {
        // What was released earlier was judged earlier; at the end, a match that only shows in the whole counts all the same.
        let Some(span) = within(&span, start) else { return Ok(()) };
        let id = FindingId::parse(&issue.id).map_err(|error| DetectorError::Failed(error.to_string()))?;
        found.push(Located {
            part: index,
            finding: Finding {
                id,
                severity: severity(issue.severity),
                score: 1.0,
                span,
                message: issue.message,
                language: None,
                cwe: issue.cwe,
            },
        });
        Ok(())
    };
    let plain = rules.scan(text);
    let seen: Vec<_> = plain.iter().map(|issue| (issue.id.clone(), issue.span.clone())).collect();
    for issue in plain {
        let span = issue.span.clone();
        report(issue, span)?;
    }
    for view in views(text) {
        for issue in rules.scan(&view.text) {
            let span = view.to_original(issue.span.clone());
            let known = seen.iter().any(|(id, at)| *id == issue.id && at.start < span.end && span.start < at.end);
            if !known {
                report(issue, span)?;
            }
        }
    }
    Ok(())
}
