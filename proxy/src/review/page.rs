//! The pages, written by the server; every text from the log is escaped.

use std::{fmt::Write as _, path::Path};

use uuid::Uuid;

use crate::audit::{AuditError, Record, last, read, visible};

/// How many records the first page shows.
const NEWEST: u64 = 100;
/// The longest excerpt of a text, in characters.
const EXCERPT: usize = 160;

/// The page of the newest records.
///
/// # Errors
/// The log cannot be read.
pub(super) fn newest(directory: &Path, in_force: &[(&'static str, String)]) -> Result<String, AuditError> {
    let mut records: Vec<Record> = last(directory, NEWEST)?.filter_map(|line| line.ok()?.record().ok()).collect();
    records.reverse();
    let mut body = String::from("<h1>ringfence</h1><dl>");
    for (name, value) in in_force {
        let _ = write!(body, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    body.push_str("</dl><h2>Newest decisions</h2>");
    if records.is_empty() {
        body.push_str("<p>Nothing has passed the door yet.</p>");
    } else {
        table(&mut body, &records, true);
    }
    Ok(page("ringfence", &body))
}

/// The page of one exchange.
///
/// # Errors
/// The log cannot be read.
pub(super) fn exchange(directory: &Path, id: Uuid) -> Result<String, AuditError> {
    let wanted = id.to_string();
    let of_exchange = |record: &Record| record.draft.exchange == id;
    let lines = read(directory)?.filter_map(Result::ok).filter(|line| line.text.contains(&wanted));
    let records: Vec<Record> = lines.filter_map(|line| line.record().ok()).filter(of_exchange).take(1000).collect();
    let mut body = format!("<p><a href=\"/\">All decisions</a></p><h1>Exchange {id}</h1>");
    if records.is_empty() {
        body.push_str("<p>The log has no record of it.</p>");
    } else {
        table(&mut body, &records, false);
    }
    Ok(page(&wanted, &body))
}

fn table(body: &mut String, records: &[Record], short: bool) {
    body.push_str(
        "<table><thead><tr><th>Time<th>Stage<th>Field<th>Decision<th>Rules<th>Text<th>Exchange</tr></thead><tbody>",
    );
    for record in records {
        let draft = &record.draft;
        let stage = draft.stage.map_or_else(|| draft.event.to_string(), |stage| stage.to_string());
        let rules = draft.reasons.iter().map(|reason| {
            format!("{}/{} {} {} {:.2}", reason.policy, reason.rule, reason.finding, reason.severity, reason.score)
        });
        let rules = rules.collect::<Vec<_>>().join("\n");
        let text =
            draft.content.as_ref().and_then(|content| content.text()).or(draft.note.as_deref()).unwrap_or_default();
        let text: String = if short { text.chars().take(EXCERPT).collect() } else { text.to_owned() };
        let id = draft.exchange;
        let _ = write!(
            body,
            "<tr class=\"{decision}\"><td>{time}<td>{stage}<td>{field}<td><b>{decision}</b><td class=\"lines\">{rules}\
             <td class=\"lines\">{text}<td><a href=\"/exchange/{id}\">{short_id}</a></tr>",
            decision = draft.decision,
            time = escape(&record.time.to_string()),
            stage = escape(&stage),
            field = escape(draft.field.as_deref().unwrap_or_default()),
            rules = escape(&rules),
            text = escape(&text),
            short_id =
                escape(&id.to_string().chars().rev().take(8).collect::<String>().chars().rev().collect::<String>()),
        );
    }
    body.push_str("</tbody></table>");
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href=\"/style.css\"></head>\
         <body><main>{body}</main></body></html>",
        escape(title)
    )
}

/// A text that is only text in HTML, with controls and invisible characters made visible.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            escaped.push('\n');
        }
        for character in visible(line).to_string().chars() {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                other => escaped.push(other),
            }
        }
    }
    escaped
}

/// The pages' style, light and dark.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--block:#c0392b;--redact:#b9770e;--flag:#2471a3}\
body{font:15px/1.45 system-ui,sans-serif;margin:0}main{max-width:88rem;margin:auto;padding:1rem 1.5rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid var(--line)}\
.lines{white-space:pre-wrap;overflow-wrap:anywhere;max-width:34rem}td:first-child{white-space:nowrap}\
.block b{color:var(--block)}.redact b{color:var(--redact)}.flag b{color:var(--flag)}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{opacity:.7}dd{margin:0}";

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn text_from_the_log_is_only_text() {
        let text = escape("<script>alert('x')</script>\n\u{1b}[31m & \"q\"");
        assert!(!text.contains(['<', '>', '"', '\'', '\u{1b}']), "{text}");
        assert_eq!(text.lines().count(), 2);
    }
}
