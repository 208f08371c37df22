//! One text rule, compiled: where it matches, and which part of the match is the datum.

use std::ops::Range;

use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, meta};

use super::TextIssue;
use super::document::{Check, Document, Severity, TextRuleError};
use super::{boundary, check};

/// The most bytes a match may have; a pattern that could match more does not load.
pub const MAX_MATCH: usize = 4096;

/// The most bytes a block may have, from its opening on; a block that is still open there is reported as it is.
pub const MAX_BLOCK: usize = 16 << 10;

pub(super) struct Rule {
    pub(super) id: String,
    pub(super) pattern: String,
    pub(super) keywords: Vec<String>,
    cwe: Option<u16>,
    severity: Severity,
    message: String,
    check: Check,
    until: Vec<String>,
    regex: meta::Regex,
    /// The number of the group `secret`; without one the whole match is the datum.
    secret: Option<usize>,
}

/// One match that passed its check.
pub(super) struct Hit {
    /// The rule's place in its set.
    pub(super) rule: usize,
    pub(super) whole: Range<usize>,
    pub(super) span: Range<usize>,
    /// The match is a block that has not been closed and may still grow.
    pub(super) open: bool,
}

impl Rule {
    pub(super) fn new(id: &str, document: Document) -> Result<Rule, TextRuleError> {
        let failed = |reason: String| TextRuleError::Pattern { id: id.to_owned(), reason };
        let pattern = ascii_boundaries(&document.pattern);
        let parsed = syntax::parse(&pattern).map_err(|error| failed(error.to_string()))?;
        let lengths = (parsed.properties().minimum_len(), parsed.properties().maximum_len());
        if !matches!(lengths, (Some(1..), Some(0..=MAX_MATCH))) {
            return Err(TextRuleError::Length { id: id.to_owned(), max: MAX_MATCH });
        }
        let regex = meta::Regex::new(&pattern).map_err(|error| failed(error.to_string()))?;
        let secret = regex.group_info().to_index(regex_automata::PatternID::ZERO, "secret");
        let cwe = document.matter.cwe();
        let matter = document.matter;
        Ok(Rule {
            id: id.to_owned(),
            pattern,
            keywords: matter.keywords,
            cwe,
            severity: matter.severity,
            message: matter.message,
            check: matter.check,
            until: matter.until,
            regex,
            secret,
        })
    }

    pub(super) fn issue(&self, hit: Hit) -> TextIssue {
        TextIssue {
            id: self.id.clone(),
            cwe: self.cwe,
            severity: self.severity,
            message: self.message.clone(),
            span: hit.span,
        }
    }

    /// Adds every match that starts at or after `from` and passes the check. After one that does not, the search goes on
    /// at the next character, so that a number beside the number that counts does not hide it.
    pub(super) fn hits(&self, index: usize, text: &str, from: usize, hits: &mut Vec<Hit>) {
        let mut at = from;
        while at < text.len() {
            let Some(found) = self.regex.find(Input::new(text).range(at..)) else { return };
            let mut whole = found.range();
            let mut span = self.datum(text, whole.clone());
            let kept = check::kept(self.check, text.get(span.clone()).unwrap_or_default());
            if kept == 0 {
                at = boundary::ceil(text, whole.start + 1);
                continue;
            }
            span.end = span.start + kept;
            let open = !self.until.is_empty() && self.close(text, &mut whole);
            if !self.until.is_empty() {
                span.end = whole.end;
            }
            at = whole.end;
            hits.push(Hit { rule: index, whole, span, open });
        }
    }

    fn datum(&self, text: &str, whole: Range<usize>) -> Range<usize> {
        let Some(group) = self.secret else { return whole };
        let mut captures = self.regex.create_captures();
        // Up to the end of the text, not of the match: the pattern may look at what follows.
        let input = Input::new(text).range(whole.start..).anchored(Anchored::Yes);
        self.regex.search_captures(&input, &mut captures);
        captures.get_group(group).map_or(whole, |span| span.range())
    }

    /// Moves the end of an opening to where its block ends; says whether more text could move it further.
    fn close(&self, text: &str, whole: &mut Range<usize>) -> bool {
        let limit = boundary::floor(text, whole.start + MAX_BLOCK).max(whole.end);
        let body = text.get(whole.end..limit).unwrap_or_default();
        let closed = self.until.iter().filter_map(|until| Some(body.find(until.as_str())? + until.len())).min();
        let open = closed.is_none() && text.len() < whole.start + MAX_BLOCK;
        whole.end = closed.map_or(limit, |length| whole.end + length);
        open
    }
}

/// The pattern with every `\b` and `\B` made ASCII: the Unicode ones cannot be decided byte by byte.
fn ascii_boundaries(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match (c, (c == '\\').then(|| chars.next()).flatten()) {
            (_, Some(escaped @ ('b' | 'B'))) => out.extend(["(?-u:\\", escaped.encode_utf8(&mut [0; 4]), ")"]),
            (_, Some(escaped)) => out.extend(['\\', escaped]),
            (c, None) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_word_boundaries_are_rewritten() {
        assert_eq!(ascii_boundaries(r"\ba\\b\B\d[\]]"), r"(?-u:\b)a\\b(?-u:\B)\d[\]]");
    }

    #[test]
    fn a_pattern_without_a_bound_does_not_load() {
        for pattern in ["fo+", "x{0,3}", "[a-z]{4097}", "a{2", "[^a]{1,2000}"] {
            let markdown = format!(
                "---\nseverity: error\nmessage: m\n---\n# foo\n```regex\n{pattern}\n```\n```text\nfoo <- issue\nbar\n```\n"
            );
            let document = Document::parse("x.foo", &markdown).unwrap();
            assert!(Rule::new("x.foo", document).is_err(), "{pattern}");
        }
    }
}
