//! Placeholders: `{payload|base64}`, `{fill:200}`, `{code}` and their like, filled in.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::disguise::disguise;

/// What stands for each placeholder.
pub type Words = HashMap<String, String>;

/// A template with its placeholders filled in. A word may have disguises after it: `{payload|hex|base64}`.
/// `{fill:N}` is N bytes of harmless sentences, `{pad:N}` N letters, `{nest:N}` N pairs of brackets. What is no
/// placeholder stays as it is.
pub fn fill(template: &str, words: &Words) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let inner = rest.find('}').map(|close| &rest[1..close]);
        match inner.and_then(|inner| Some((inner, placeholder(inner, words)?))) {
            Some((inner, text)) => {
                out.push_str(&text);
                rest = &rest[inner.len() + 2..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn placeholder(inner: &str, words: &Words) -> Option<String> {
    if let Some((kind, count)) = inner.split_once(':') {
        let count: usize = count.parse().ok()?;
        return match kind {
            "fill" => Some(filler(count)),
            "pad" => Some(cycled("lorem", count)),
            "nest" => Some("[".repeat(count) + &"]".repeat(count)),
            _ => None,
        };
    }
    let mut steps = inner.split('|');
    let first = words.get(steps.next()?)?;
    Some(steps.fold(first.clone(), |text, step| disguise(step, &text)))
}

/// Harmless sentences, exactly so many bytes of them.
fn filler(count: usize) -> String {
    const SENTENCES: &str = "The harbour opens at six in the morning. Boats come in with the tide, and gulls follow them. \
         Bread is sold at the corner by a baker who knows everyone. In the evening the lamps are lit. ";
    cycled(SENTENCES, count)
}

fn cycled(text: &str, count: usize) -> String {
    let mut out = text.repeat(count / text.len() + 1);
    out.truncate(count);
    out
}

/// The same in every string and every key of a document.
pub fn fill_all(template: &Value, words: &Words) -> Value {
    match template {
        Value::String(text) => Value::String(fill(text, words)),
        Value::Array(items) => items.iter().map(|item| fill_all(item, words)).collect(),
        Value::Object(fields) => {
            let filled = fields.iter().map(|(name, value)| (fill(name, words), fill_all(value, words)));
            Value::Object(filled.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// Whether a placeholder of this name is anywhere in a document.
pub fn mentions(template: &Value, name: &str) -> bool {
    template.to_string().contains(&format!("{{{name}"))
}

#[cfg(test)]
mod tests {
    use super::{Words, fill};

    #[test]
    fn placeholders_are_filled_and_other_braces_stay() {
        let words = Words::from([("payload".to_owned(), "ab".to_owned())]);
        assert_eq!(fill("{\"x\": {payload|hex}} {pad:3} {nest:2} {none}", &words), "{\"x\": 6162} lor [[]] {none}");
        assert_eq!(fill("{fill:10}", &words), "The harbou");
    }
}
