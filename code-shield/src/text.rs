//! Rules for any text: secrets, personal data, injection markers. Text in, issues out; pure, and linear in the text.
//!
//! A rule is a Markdown document in `rules/any/<folder>/<name>.md` and its id is `<folder>.<name>`, so
//! `secret.aws-access-key`. The documents are compiled in; [`TextRules::parse`] reads more of them from strings.
//!
//! # Streams
//!
//! Text that arrives in pieces is released in pieces, and no piece may end inside a datum. [`TextRules::holds`] says from
//! where on a tail is to be kept, and promises: **however the text goes on, no match lies across that offset.** It asks the
//! rules' own automata whether a tail may still become a match, so a new rule needs no word about streaming. What makes the
//! promise cheap is a bound: a match is at most [`MAX_MATCH`] bytes, a block (a key between two marker lines) [`MAX_BLOCK`].
//! A cut is also a place to go on from: [`TextRules::scan_from`] sees there what [`TextRules::scan`] sees in the whole.
//!
//! # Limits
//!
//! The rules read characters as they are. What hides behind encodings, homoglyphs or invisible characters is for the
//! caller to undo first. A name or an address has no rule: only data with a shape of its own has.

use std::ops::Range;

mod boundary;
mod built_in;
mod check;
mod document;
mod hold;
mod keyword;
mod rule;

pub use document::{Severity, TextRuleError};
pub use rule::{MAX_BLOCK, MAX_MATCH};

use document::Document;
use hold::Liveness;
use keyword::Keywords;
use rule::{Hit, Rule};

/// Something a text rule saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextIssue {
    /// The rule's id, a folder and a name with a dot between: `secret.aws-access-key`.
    pub id: String,
    /// The number of the weakness in the Common Weakness Enumeration, when the rule names one.
    pub cwe: Option<u16>,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence for the reader of a report.
    pub message: String,
    /// The bytes of the datum itself, without the words around it; on character boundaries and never empty.
    pub span: Range<usize>,
}

/// A set of text rules, compiled.
pub struct TextRules {
    rules: Vec<Rule>,
    keywords: Keywords,
    liveness: Liveness,
}

impl TextRules {
    /// The rules that ship with the crate.
    ///
    /// # Errors
    /// None, as the tests read every document; the type leaves the choice to the caller all the same.
    pub fn built_in() -> Result<TextRules, TextRuleError> {
        TextRules::parse(built_in::DOCUMENTS)
    }

    /// The documents that ship with the crate, as id and Markdown, to put others beside them.
    pub fn built_in_documents() -> &'static [(&'static str, &'static str)] {
        built_in::DOCUMENTS
    }

    /// Reads rules from documents, each with its id.
    ///
    /// # Errors
    /// When a document lacks a part, a pattern is not a regular expression of bounded length, or an id occurs twice.
    pub fn parse<'a>(documents: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Result<TextRules, TextRuleError> {
        let mut rules: Vec<Rule> = Vec::new();
        for (id, markdown) in documents {
            if rules.iter().any(|rule| rule.id == *id) {
                return Err(TextRuleError::Twice { id: (*id).to_owned() });
            }
            rules.push(Rule::new(id, Document::parse(id, markdown)?)?);
        }
        let keywords = Keywords::new(&rules)?;
        let liveness = Liveness::new(&rules)?;
        Ok(TextRules { rules, keywords, liveness })
    }

    /// The ids of all rules, in the order they were read: all that can ever be reported.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.id.as_str())
    }

    /// Every issue in the text, in the order of where it starts. Issues of different rules may overlap.
    pub fn scan(&self, text: &str) -> Vec<TextIssue> {
        self.scan_from(text, 0)
    }

    /// The issues whose match starts at `from` or later; the text before `from` is context only.
    ///
    /// When `from` was given by [`TextRules::holds_from`] for a prefix of the text, these are exactly the issues of the
    /// whole that start there or later. An offset inside a character is moved to its end.
    pub fn scan_from(&self, text: &str, from: usize) -> Vec<TextIssue> {
        let mut issues: Vec<TextIssue> =
            self.hits(text, from).into_iter().filter_map(|hit| Some(self.rules.get(hit.rule)?.issue(hit))).collect();
        issues.sort_by_key(|issue| (issue.span.start, issue.span.end));
        issues
    }

    /// The offset from which the tail of the text is to be kept until more has come, or nothing when all may go.
    ///
    /// At the end of a text there is no more to come: do not ask, scan. The tail is at most [`MAX_BLOCK`] bytes long,
    /// but for matches of different rules that overlap one another in an unbroken chain: a chain is kept whole.
    pub fn holds(&self, text: &str) -> Option<usize> {
        self.holds_from(text, 0)
    }

    /// As [`TextRules::holds`], for a text whose part before `from`, itself such an offset, has already gone.
    pub fn holds_from(&self, text: &str, from: usize) -> Option<usize> {
        let mut cut = self.liveness.earliest(text, from).unwrap_or(text.len());
        // What begins before the cut is settled. From the last to the first, since moving the cut may touch one before.
        for hit in self.hits(text, from).iter().rev() {
            if hit.whole.start < cut && (hit.open || hit.whole.end > cut) {
                cut = hit.whole.start;
            }
        }
        (cut < text.len()).then_some(cut)
    }

    fn hits(&self, text: &str, from: usize) -> Vec<Hit> {
        let from = boundary::ceil(text, from);
        let mut hits = Vec::new();
        for index in self.keywords.candidates(text, from) {
            if let Some(rule) = self.rules.get(index) {
                rule.hits(index, text, from, &mut hits);
            }
        }
        hits.sort_by_key(|hit| (hit.whole.start, hit.whole.end));
        hits
    }
}

#[cfg(test)]
mod tests;
