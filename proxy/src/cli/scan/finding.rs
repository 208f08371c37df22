//! Scanning one text: code rules and rules for secrets, in one list.

use std::path::Path;

use code_shield::text::TextRules;
use code_shield::{Issue, Language, RuleSet, Severity, Step, code_blocks, guess, scan, scan_text, scan_text_as};
use serde::Serialize;

/// Something found, as every format shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) rule: String,
    /// `CWE-78`.
    pub(super) cwe: Option<String>,
    pub(super) severity: &'static str,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
    /// How a value from outside comes here, the source first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) path: Vec<Place>,
}

/// One place on the way of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) says: String,
}

/// The rules, ready.
pub(super) struct Scanner {
    rules: RuleSet,
    text: TextRules,
}

impl Scanner {
    pub(super) fn new() -> anyhow::Result<Scanner> {
        Ok(Scanner { rules: RuleSet::built_in()?, text: TextRules::built_in()? })
    }

    /// A file: its name tells the language. Other files are read for fenced code, and if they were named, guessed.
    pub(super) fn file(&self, path: &Path, text: &str, language: Option<Language>, named: bool) -> Vec<Finding> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let language = language.or_else(|| Language::from_tag(extension));
        match language {
            Some(language) => self.findings(text, scan(text, language, &self.rules)),
            None if named || ["md", "markdown"].contains(&extension) => {
                self.findings(text, scan_text_as(text, None, &self.rules))
            }
            None => self.findings(text, Vec::new()),
        }
    }

    /// A text without a name.
    pub(super) fn text(&self, text: &str, language: Option<Language>) -> Vec<Finding> {
        self.code(text, language, "").1
    }

    /// A text with what is said about its language, as a language or as a tag that may name one we do not read.
    pub(super) fn code(&self, text: &str, language: Option<Language>, tag: &str) -> (Option<Language>, Vec<Finding>) {
        let language = language.or_else(|| Language::from_tag(tag));
        let blocks = code_blocks(text);
        let fenced = blocks.iter().any(|block| block.span != (0..text.len()));
        if fenced {
            let language = blocks.iter().find_map(|block| block.language).or(language);
            let issues = scan_text_as(text, language, &self.rules);
            return (issues.first().map(|issue| issue.language).or(language), self.findings(text, issues));
        }
        // A tag we do not know is believed: there is then no code we could read.
        let language = if tag.trim().is_empty() { language.or_else(|| guess(text)) } else { language };
        let issues = match language {
            Some(language) => scan(text, language, &self.rules),
            None if tag.trim().is_empty() => scan_text(text, &self.rules),
            None => Vec::new(),
        };
        (language, self.findings(text, issues))
    }

    fn findings(&self, text: &str, issues: Vec<Issue>) -> Vec<Finding> {
        let mut findings: Vec<Finding> = issues
            .into_iter()
            .map(|issue| Finding {
                rule: issue.rule,
                cwe: issue.cwe.map(|number| format!("CWE-{number}")),
                severity: word(issue.severity),
                line: issue.line,
                column: issue.column,
                message: issue.message,
                path: issue.path.into_iter().map(place).collect(),
            })
            .collect();
        for issue in self.text.scan(text).into_iter().filter(|issue| issue.id.starts_with("secret.")) {
            let before = text.get(..issue.span.start).unwrap_or_default();
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            findings.push(Finding {
                rule: issue.id,
                cwe: issue.cwe.map(|number| format!("CWE-{number}")),
                severity: word(issue.severity),
                line: before.matches('\n').count() + 1,
                column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
                message: issue.message,
                path: Vec::new(),
            });
        }
        findings.sort_by(|a, b| (a.line, a.column, &a.rule).cmp(&(b.line, b.column, &b.rule)));
        findings
    }
}

fn place(step: Step) -> Place {
    Place { line: step.line, column: step.column, says: step.says }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Advice => "advice",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}
