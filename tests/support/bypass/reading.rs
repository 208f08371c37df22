//! What a client reads out of an answer: the texts of all its documents, those that grow in pieces put together.

use serde_json::Value;

use crate::client::Answer;

/// The documents of an answer, whether it is one, a stream of events, or lines.
pub fn documents(answer: &Answer) -> Vec<Value> {
    let kind = answer.header("content-type").unwrap_or_default();
    let texts: Vec<String> = if kind.starts_with("text/event-stream") {
        let events = answer.body.replace("\r\n", "\n");
        let data =
            |event: &str| event.lines().filter_map(|line| line.strip_prefix("data:")).collect::<Vec<_>>().join("\n");
        events.split("\n\n").map(data).collect()
    } else if kind.starts_with("application/x-ndjson") {
        answer.body.lines().map(str::to_owned).collect()
    } else {
        vec![answer.body.clone()]
    };
    texts.iter().filter_map(|text| serde_json::from_str(text.trim()).ok()).collect()
}

/// Every text of an answer by its place; what stands in the same place of several documents is one text.
pub fn texts(answer: &Answer) -> Vec<String> {
    let mut places: Vec<(String, String)> = Vec::new();
    for document in documents(answer) {
        let mut found = Vec::new();
        walk(&document, event_of(&document), &mut found);
        for (place, text) in found {
            match places.iter_mut().find(|(known, _)| *known == place) {
                Some((_, whole)) => whole.push_str(&text),
                None => places.push((place, text)),
            }
        }
    }
    places.into_iter().map(|(_, text)| text).collect()
}

/// Every string and key of one document.
pub fn strings(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(document, String::new(), &mut found);
    found.into_iter().map(|(_, text)| text).collect()
}

/// Whether all of `parts` are in these texts, also where JSON in a text escapes them.
pub fn has_all(texts: &[String], parts: &[String]) -> bool {
    !parts.is_empty() && parts.iter().all(|part| texts.iter().any(|text| has(text, part)))
}

fn has(text: &str, part: &str) -> bool {
    text.contains(part) || (text.contains('\\') && text.replace("\\\"", "\"").contains(part))
}

/// Which of the growing texts of its format an event is about.
fn event_of(document: &Value) -> String {
    let part = |name: &str| document[name].as_u64().map(|number| number.to_string()).unwrap_or_default();
    format!("{}/{}/{}", document["type"].as_str().unwrap_or_default(), part("output_index"), part("index"))
}

fn walk(value: &Value, place: String, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((place, text.clone())),
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                let number = item["index"].as_u64().map_or_else(|| number.to_string(), |index| format!("#{index}"));
                walk(item, format!("{place}[{number}]"), found);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                found.push((format!("{place}.{name}{{}}"), name.clone()));
                walk(value, format!("{place}.{name}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
