//! Cases about HTTP itself: requests written out byte by byte.

use serde_json::{Value, json};

use super::{
    case::{Case, Sent, Want},
    data::{fields, list, word},
    fill::{Words, fill},
    plan::Plan,
    speak::Says,
};

/// Adds the cases of a set. In a request, `{head}` is a host and a type, `{body}` a chat, `{length}` its length,
/// `{chunked}` the same as one chunk and the end, `{path}` its path; `{pad:N}` is N letters.
pub fn cases(plan: &Plan, class: char, set: &Value, cases: &mut Vec<Case>) {
    for dialect in plan.dialects_of(&json!({"dialects": ["openai-chat"]})) {
        for (name, request) in fields(&set["requests"]) {
            let raw = request.as_str().unwrap_or_else(|| word(request, "raw"));
            let body = || plan.body(dialect, &json!({}), &Words::new(), Some(false)).to_string();
            let text = body();
            let head = "Host: 127.0.0.1\r\nContent-Type: application/json\r\n";
            let chunked = format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
            let words = [
                ("head", head.to_owned()),
                ("length", text.len().to_string()),
                ("path", word(dialect, "path").to_owned()),
                ("chunked", chunked),
                ("body", text),
            ];
            let words: Words = words.map(|(name, text)| (name.to_owned(), text)).into();
            let statuses =
                list(request, "expect").iter().chain(list(set, "expect")).filter_map(Value::as_u64).collect();
            let want =
                if request["expect"] == "served" { Want::Forwarded(Vec::new()) } else { Want::Statuses(statuses) };
            let attack = Sent { bytes: fill(raw, &words).into_bytes(), says: Says::default(), want, never: Vec::new() };
            let twin = plan.sent(dialect, body().as_bytes(), Want::Forwarded(Vec::new()), &[]);
            cases.push(plan.case(class, set, name, dialect, &plan.house_of(dialect), attack, Some(twin), None, true));
        }
    }
}
