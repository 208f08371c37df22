//! Records as people read them. Everything that came from outside is shown through `visible`.

use std::{
    fmt::Display,
    io::{self, Write},
};

use policies::{Provenance, Reason, Stage};

use crate::audit::{Content, Record, visible};

/// A record in one line.
pub(super) fn brief(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    let draft = &record.draft;
    write!(out, "{} #{:<6} {:<6}", record.time, record.sequence, draft.decision)?;
    let mut line = format!(" {} {}", place(record), draft.tenant);
    if let Some(model) = &draft.model {
        line = format!("{line} {model}");
    }
    for reason in &draft.reasons {
        line = format!("{line} {}/{}={}:{:.2}", reason.policy, reason.rule, reason.finding, reason.score);
    }
    if let Some(note) = &draft.note {
        line = format!("{line} ({note})");
    }
    writeln!(out, "{} {}", visible(&one_line(&line)), draft.exchange)
}

/// A record with its text and all reasons.
pub(super) fn full(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    let draft = &record.draft;
    let head = format!("{} #{}  {}  {}", record.time, record.sequence, place(record), draft.decision);
    writeln!(out, "{}", visible(&one_line(&head)))?;
    let mut pair =
        |name: &str, value: &dyn Display| writeln!(out, "  {name:<9} {}", visible(&one_line(&value.to_string())));
    pair("exchange", &draft.exchange)?;
    pair("tenant", &draft.tenant)?;
    pair("route", &format!("{} ({})", draft.route, draft.dialect.as_deref().unwrap_or("no dialect")))?;
    if let Some(model) = &draft.model {
        pair("model", model)?;
    }
    if let Some(status) = &draft.status {
        pair("status", status)?;
    }
    if let Some(note) = &draft.note {
        pair("note", note)?;
    }
    if let Some(guard) = &draft.guard {
        pair("guard", guard)?;
    }
    pair("policy", &draft.policy_hash)?;
    let mut took = format!("{} µs", draft.latency_us.total);
    for (detector, microseconds) in &draft.latency_us.detectors {
        took = format!("{took}, {detector} {microseconds} µs");
    }
    pair("took", &took)?;
    for reason in &draft.reasons {
        pair("because", &because(reason))?;
    }
    match &draft.content {
        None => {}
        Some(Content::Hashed { sha256, length }) => pair("text", &format!("{length} bytes with SHA-256 {sha256}"))?,
        Some(Content::Full(text) | Content::Redacted(text)) => {
            for line in text.split('\n') {
                writeln!(out, "  | {}", visible(line))?;
            }
        }
    }
    writeln!(out)
}

/// Where in the exchange the record belongs.
fn place(record: &Record) -> String {
    let draft = &record.draft;
    let Some(stage) = draft.stage else { return draft.event.to_string() };
    let mut place = match stage {
        Stage::Input => "input",
        Stage::Output => "output",
    }
    .to_owned();
    if let Some(provenance) = draft.provenance {
        place += match provenance {
            Provenance::System => " system",
            Provenance::User => " user",
            Provenance::Assistant => " assistant",
            Provenance::Tool => " tool",
        };
    }
    if let Some(choice) = draft.choice {
        place = format!("{place} choice {choice}");
    }
    if let Some(field) = &draft.field {
        place = format!("{place} {field}");
    }
    if let Some(segment) = draft.segment {
        place = format!("{place} segment {segment}");
    }
    place
}

fn because(reason: &Reason) -> String {
    let cwe = reason.cwe.map(|cwe| format!(" CWE-{cwe}")).unwrap_or_default();
    format!(
        "{}/{} asks to {}: {}{cwe} {} {:.2} at {}..{}: {}",
        reason.policy,
        reason.rule,
        reason.action,
        reason.finding,
        reason.severity,
        reason.score,
        reason.span.start,
        reason.span.end,
        reason.why
    )
}

/// Line breaks as spaces, so that no value can look like a line of ours.
fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}
