//! Whether what came out at both ends is what a case wants.

use serde_json::Value;

use super::{
    case::{Sent, Want},
    data::{list, word},
    generator::Asked,
    reading::{documents, has_all, strings, texts},
    speak::HELLO,
};
use crate::client::Answer;

/// Judges what ringfence did: what must never come through, the wire in every detail, and what was forwarded.
pub fn ours(sent: &Sent, dialect: &Value, answer: &Answer, asked: &[Asked]) -> Result<(), String> {
    let mut said = texts(answer);
    said.push(answer.body.clone());
    said.extend(answer.headers.iter().map(|(_, value)| value.clone()));
    let told = told(asked);
    if has_all(&said, &sent.never) {
        return Err("the client got what is forbidden".to_owned());
    }
    if told.iter().any(|texts| has_all(texts, &sent.never)) {
        return Err("the upstream got what is forbidden".to_owned());
    }
    let status = |wanted: &[u64]| {
        let met = wanted.contains(&u64::from(answer.status));
        if met { Ok(()) } else { Err(format!("the status is {}, not of {wanted:?}", answer.status)) }
    };
    let unasked =
        || if asked.is_empty() { Ok(()) } else { Err(format!("the upstream was asked at {}", asked[0].path)) };
    match &sent.want {
        Want::Refused => {
            unasked()?;
            status(&[dialect["refused"]["status"].as_u64().unwrap()])?;
            document_has(answer, &dialect["refused"]["body"])
        }
        Want::Statuses(statuses) => unasked().and_then(|()| status(statuses)),
        Want::Withheld => {
            status(&[200])?;
            if is_stream(answer) {
                in_order(answer, list(&dialect["withheld"], "stream"))
            } else {
                document_has(answer, &dialect["withheld"]["whole"])
            }
        }
        Want::Clean if answer.status == 0 => Err("there is no answer".to_owned()),
        Want::Clean | Want::Anything => Ok(()),
        Want::Redacted => {
            status(&[200])?;
            has(&said, "[secret.")
        }
        Want::Broken if is_stream(answer) => in_order(answer, std::slice::from_ref(&dialect["broken"])),
        Want::Broken => status(&[502]),
        Want::Dropped(fields) => {
            status(&[200])?;
            let body: Value = asked
                .first()
                .and_then(|asked| serde_json::from_slice(&asked.body).ok())
                .ok_or("it was not forwarded")?;
            let left: Vec<&String> = fields.iter().filter(|field| body.get(field.as_str()).is_some()).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("it was forwarded with {left:?}")) }
        }
        Want::Forwarded(wanted) => {
            status(&[200])?;
            if asked.len() != 1 {
                return Err(format!("the upstream was asked {} times", asked.len()));
            }
            if !wanted.is_empty() && !told.iter().any(|texts| has_all(texts, wanted)) {
                return Err(format!("the upstream was not told {wanted:?}"));
            }
            if word(dialect, "dialect").contains("embed") { Ok(()) } else { has(&said, HELLO.trim_end_matches('.')) }
        }
        Want::Answered(text) => {
            status(&[200])?;
            if answer.body.contains("content_filter") || answer.body.contains("\"stop_reason\":\"refusal\"") {
                return Err("it is withheld".to_owned());
            }
            has(&said, text)
        }
        Want::Failed(text) => {
            if answer.status < 400 && !answer.body.contains("\"error\"") {
                return Err(format!("the status is {}", answer.status));
            }
            // An error amid a stream is told without its words.
            if is_stream(answer) { Ok(()) } else { has(&said, text) }
        }
    }
}

/// Judges what another proxy did: of an attack, only that nothing forbidden came through; of a twin, that it was served.
/// `raw` requests are judged by whether they were forwarded at all.
pub fn others(sent: &Sent, dialect: &Value, answer: &Answer, asked: &[Asked], raw: bool) -> Result<(), String> {
    match &sent.want {
        Want::Refused | Want::Statuses(_) => {
            if told(asked).iter().any(|texts| has_all(texts, &sent.never)) {
                return Err("the upstream got what is forbidden".to_owned());
            }
            if raw && !asked.is_empty() { Err("it was forwarded".to_owned()) } else { Ok(()) }
        }
        Want::Withheld | Want::Clean | Want::Redacted | Want::Broken => {
            let mut said = texts(answer);
            said.push(answer.body.clone());
            said.extend(answer.headers.iter().map(|(_, value)| value.clone()));
            if has_all(&said, &sent.never) { Err("the client got what is forbidden".to_owned()) } else { Ok(()) }
        }
        Want::Dropped(_) | Want::Anything => Ok(()),
        // Where the upstream frames its answer oddly, not to serve it is no fault.
        Want::Answered(_) if !sent.says.framing.is_empty() => Ok(()),
        Want::Forwarded(_) if answer.status == 200 && !asked.is_empty() => {
            if word(dialect, "dialect").contains("embed") {
                Ok(())
            } else {
                has(&texts(answer), HELLO.trim_end_matches('.'))
            }
        }
        Want::Answered(text) if answer.status == 200 => has(&texts(answer), text),
        Want::Failed(_) if answer.status >= 400 || answer.body.contains("error") => Ok(()),
        _ => Err(format!("the twin got status {}, and the upstream was asked {} times", answer.status, asked.len())),
    }
}

/// Whether all of `part` is in `whole`; a text is in a text that contains it, an item in any item of a list.
pub fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|whole| contains(whole, value)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            part.iter().all(|value| whole.iter().any(|whole| contains(whole, value)))
        }
        (Value::String(whole), Value::String(part)) => whole.contains(part.as_str()),
        (whole, part) => whole == part,
    }
}

/// The strings and keys of each body the upstream was asked with; of one that is no JSON, its text.
fn told(asked: &[Asked]) -> Vec<Vec<String>> {
    let read = |asked: &Asked| match serde_json::from_slice::<Value>(&asked.body) {
        Ok(body) => {
            let mut texts = strings(&body);
            // Parts of one text are read together.
            texts.push(String::from_utf8_lossy(&asked.body).into_owned());
            texts
        }
        Err(_) => vec![String::from_utf8_lossy(&asked.body).into_owned()],
    };
    asked.iter().map(read).collect()
}

fn is_stream(answer: &Answer) -> bool {
    let kind = answer.header("content-type").unwrap_or_default();
    kind.starts_with("text/event-stream") || kind.starts_with("application/x-ndjson")
}

fn has(texts: &[String], text: &str) -> Result<(), String> {
    let met = text.is_empty() || has_all(texts, &[text.to_owned()]);
    if met { Ok(()) } else { Err(format!("`{text}` is not in the answer")) }
}

fn document_has(answer: &Answer, wanted: &Value) -> Result<(), String> {
    let met = documents(answer).iter().any(|document| contains(document, wanted));
    if met { Ok(()) } else { Err(format!("the answer is not like {wanted}")) }
}

fn in_order(answer: &Answer, wanted: &[Value]) -> Result<(), String> {
    let mut rest = answer.body.as_str();
    for line in wanted.iter().filter_map(Value::as_str) {
        let at = rest.find(line).ok_or_else(|| format!("`{line}` is missing, or not in its place"))?;
        rest = &rest[at + line.len()..];
    }
    Ok(())
}
