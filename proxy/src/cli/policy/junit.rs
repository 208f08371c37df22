//! Results in the XML that build servers read.

use std::io::{self, Write};

/// One thing that was tried.
pub(super) struct Trial {
    /// Where it belongs.
    pub(super) class: String,
    /// What it is.
    pub(super) name: String,
    /// What was wrong with it; none if nothing was.
    pub(super) failure: Option<String>,
}

/// Writes a suite.
pub(super) fn write(out: &mut dyn Write, suite: &str, trials: &[Trial]) -> io::Result<()> {
    let failures = trials.iter().filter(|trial| trial.failure.is_some()).count();
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    let suite = escape(suite);
    writeln!(out, r#"<testsuites><testsuite name="{suite}" tests="{}" failures="{failures}">"#, trials.len())?;
    for Trial { class, name, failure } in trials {
        let (class, name) = (escape(class), escape(name));
        match failure {
            None => writeln!(out, r#"  <testcase classname="{class}" name="{name}"/>"#)?,
            Some(failure) => writeln!(
                out,
                r#"  <testcase classname="{class}" name="{name}"><failure message="{}"/></testcase>"#,
                escape(failure)
            )?,
        }
    }
    writeln!(out, "</testsuite></testsuites>")
}

/// A text as the value of an attribute; what XML cannot hold at all becomes a replacement character.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
