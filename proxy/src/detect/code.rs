//! Weak code in what is said.

use std::sync::Arc;

use code_shield::{RuleSet, scan_text};
use policies::{Finding, FindingId};

use super::{Detector, DetectorError, Findings, Located, blocking, ids, severity, within};
use crate::{chat::Chat, segment::Segment};

/// Scans code with the rules of Code Shield.
pub struct Code {
    rules: Arc<RuleSet>,
}

impl Code {
    /// A detector for these rules.
    pub fn new(rules: Arc<RuleSet>) -> Self {
        Self { rules }
    }
}

impl Detector for Code {
    fn name(&self) -> &'static str {
        "code"
    }

    fn catalog(&self) -> Vec<FindingId> {
        ids(self.rules.ids().chain(["code.unreadable"]))
    }

    fn detect(&self, _: &Arc<Chat>, segment: &Arc<Segment>) -> Findings {
        let (rules, segment) = (Arc::clone(&self.rules), Arc::clone(segment));
        Box::pin(blocking(move || {
            let mut found = Vec::new();
            for (index, part) in segment.parts.iter().enumerate() {
                let start = part.start();
                for issue in scan_text(part.with_before(), &rules) {
                    // At the end the whole answer counts, also code that only its end made readable.
                    let span = match within(&issue.span, start) {
                        Some(span) => span,
                        None if segment.last => 0..0,
                        None => continue,
                    };
                    let id = FindingId::parse(&issue.rule).map_err(|error| DetectorError::Failed(error.to_string()))?;
                    found.push(Located {
                        part: index,
                        finding: Finding {
                            id,
                            severity: severity(issue.severity),
                            score: 1.0,
                            span,
                            message: issue.message,
                            language: Some(issue.language.to_string()),
                            cwe: issue.cwe,
                        },
                    });
                }
            }
            Ok(found)
        }))
    }
}
