//! The formats findings are shown in.

use std::io::Write;

use serde::Serialize;
use serde_json::{Value, json};

use super::Format;
use super::finding::{Finding, Place};
use crate::audit::visible;

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    #[serde(flatten)]
    finding: &'a Finding,
}

pub(super) fn write(format: Format, findings: &[(String, Finding)], out: &mut dyn Write) -> anyhow::Result<()> {
    let lines = findings.iter().map(|(file, finding)| Line { file, finding });
    match format {
        Format::Text => {
            for (file, finding) in findings {
                let Finding { rule, cwe, severity, line, column, message, path } = finding;
                let cwe = cwe.as_deref().map(|cwe| format!(", {cwe}")).unwrap_or_default();
                let file = visible(file);
                writeln!(out, "{file}:{line}:{column}: {severity}: {message} ({rule}{cwe})")?;
                for Place { line, column, says } in path {
                    writeln!(out, "    {file}:{line}:{column}: {}", visible(says))?;
                }
            }
        }
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &json!({ "findings": lines.collect::<Vec<_>>() }))?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            for line in lines {
                serde_json::to_writer(&mut *out, &line)?;
                writeln!(out)?;
            }
        }
        Format::Sarif => {
            serde_json::to_writer_pretty(&mut *out, &sarif(findings))?;
            writeln!(out)?;
        }
    }
    Ok(())
}

/// A log of one run, after SARIF 2.1.0 (OASIS).
fn sarif(findings: &[(String, Finding)]) -> Value {
    let mut rules: Vec<&Finding> = findings.iter().map(|(_, finding)| finding).collect();
    rules.sort_by(|a, b| a.rule.cmp(&b.rule));
    rules.dedup_by(|a, b| a.rule == b.rule);
    let rules: Vec<_> = rules
        .iter()
        .map(|rule| {
            json!({
                "id": rule.rule,
                "shortDescription": { "text": rule.message },
                "defaultConfiguration": { "level": level(rule) },
                "properties": { "tags": rule.cwe.iter().collect::<Vec<_>>() },
            })
        })
        .collect();
    let results: Vec<_> = findings
        .iter()
        .map(|(file, finding)| {
            let mut result = json!({
                "ruleId": finding.rule,
                "level": level(finding),
                "message": { "text": finding.message },
                "locations": [location(file, finding.line, finding.column)],
            });
            if !finding.path.is_empty() {
                let steps = finding.path.iter().map(|place| {
                    let mut location = location(file, place.line, place.column);
                    if let Some(location) = location.as_object_mut() {
                        location.insert("message".to_owned(), json!({ "text": place.says }));
                    }
                    json!({ "location": location })
                });
                let steps: Vec<_> = steps.collect();
                if let Some(result) = result.as_object_mut() {
                    result.insert("codeFlows".to_owned(), json!([{ "threadFlows": [{ "locations": steps }] }]));
                }
            }
            result
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "ringfence", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn location(file: &str, line: usize, column: usize) -> Value {
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(file) },
        "region": { "startLine": line, "startColumn": column },
    }})
}

fn level(finding: &Finding) -> &'static str {
    match finding.severity {
        "advice" => "note",
        other => other,
    }
}

/// A path as a relative reference: what has a meaning in one is written in percent.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            _ => uri.extend(['%', hex(byte >> 4), hex(byte & 15)]),
        }
    }
    uri
}

fn hex(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase()
}
