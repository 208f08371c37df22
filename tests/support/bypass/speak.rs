//! What the upstream says, in the format and the framing that a case wants.

mod formats;

use serde_json::{Value, json};

/// A field of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// What is said.
    Content,
    /// What is thought.
    Reasoning,
    /// The model's own refusal.
    Refusal,
    /// The arguments of a tool call.
    Arguments,
    /// The name of a tool call.
    Name,
    /// The arguments of the older function call.
    Function,
}

impl Lane {
    /// By its word in the suite's documents.
    ///
    /// # Panics
    /// There is no such lane.
    pub fn named(word: &str) -> Self {
        match word {
            "content" => Self::Content,
            "reasoning" => Self::Reasoning,
            "refusal" => Self::Refusal,
            "arguments" => Self::Arguments,
            "name" => Self::Name,
            "function" => Self::Function,
            other => panic!("there is no lane `{other}`"),
        }
    }
}

/// What the upstream says to one case.
#[derive(Debug, Clone, Default)]
pub struct Says {
    /// The answers: each a lane and its text in pieces.
    pub answers: Vec<(Option<Lane>, Vec<String>)>,
    /// How it is framed; empty for the usual way.
    pub framing: String,
    /// A text that stands beside the answer, for the framings that put one there.
    pub beside: String,
    /// How many bytes go in one packet; 0 for all.
    pub tcp: usize,
}

/// What goes over the wire.
#[derive(Debug, Clone, Default)]
pub struct Spoken {
    /// The status.
    pub status: u16,
    /// The type of the body.
    pub kind: String,
    /// Further header lines, each with its line break.
    pub headers: String,
    /// The body.
    pub body: Vec<u8>,
    /// How many bytes go in one packet; 0 for all.
    pub tcp: usize,
    /// Whether the connection ends before the body does.
    pub cut: bool,
}

/// The answer to a prompt whose answer is not what the case is about.
pub const HELLO: &str = "Hello there.";

impl Says {
    /// An answer in one lane.
    pub fn one(lane: Lane, pieces: Vec<String>) -> Self {
        Self { answers: vec![(Some(lane), pieces)], ..Self::default() }
    }

    /// What goes over the wire to who asks at `path` with `body`.
    pub fn spoken(&self, path: &str, body: &Value) -> Spoken {
        let prompts = body["prompt"].as_array().map_or(1, Vec::len);
        let hello = vec![(Some(Lane::Content), vec![HELLO.to_owned()]); prompts];
        let answers = if self.answers.is_empty() { &hello } else { &self.answers };
        let path = path.split('?').next().unwrap_or_default();
        if path.ends_with("/embeddings") || path.ends_with("/embed") {
            return json_body(200, &formats::vectors(path, body));
        }
        let mut format = formats::of(path);
        let asked = body["stream"].as_bool().unwrap_or(format.streams_unasked());
        let (stream, lines) = (asked != (self.framing == "unasked-stream"), format.is_lines());
        let said =
            format!("{}{}", answers.iter().flat_map(|(_, pieces)| pieces).cloned().collect::<String>(), self.beside);
        let error = json!({"error": {"message": said, "type": "invalid_request_error", "code": null}, "type": "error"});
        let error = if lines { json!({ "error": said }) } else { error };
        match self.framing.as_str() {
            "error-json" => return json_body(400, &error),
            "error-500" => return json_body(500, &error),
            "error-text" => return body_of(400, "text/plain", said.into_bytes()),
            "error-html" => return body_of(502, "text/html", format!("<p>{said}</p>").into_bytes()),
            "json-body" => return json_body(200, &format.whole(answers)),
            _ => {}
        }
        if !stream {
            let mut whole = format.whole(answers);
            self.put_beside(&mut whole);
            let mut spoken = json_body(200, &whole);
            self.spoil(&mut spoken.body);
            if self.framing == "headers" {
                spoken.headers = format!("x-note: {0}\r\nserver: {0}\r\nset-cookie: a={0}\r\n", self.beside);
            }
            return spoken;
        }
        let mut events = format.stream(answers);
        for (_, event) in &mut events {
            self.put_beside(event);
        }
        let mut spoken = self.framed(&events, lines, format.last_word());
        if self.framing == "error-in-stream" {
            let first = self.framed(&events[..1], lines, "");
            let error = self.framed(&[(String::new(), error)], lines, "");
            spoken.body = [first.body, error.body].concat();
        }
        if self.framing == "headers" {
            spoken.headers = format!("x-note: {0}\r\nserver: {0}\r\nset-cookie: a={0}\r\n", self.beside);
        }
        spoken
    }

    /// Texts where no answer stands.
    fn put_beside(&self, document: &mut Value) {
        let text = &self.beside;
        match self.framing.as_str() {
            "logprobs" => {
                let tokens = json!({"content": [{"token": text, "logprob": -0.1, "bytes": null, "top_logprobs": [{"token": text, "logprob": -0.1}]}]});
                for choice in document["choices"].as_array_mut().into_iter().flatten() {
                    choice["logprobs"] = tokens.clone();
                }
                if document.get("done").is_some() {
                    document["logprobs"] = json!([{"token": text, "logprob": -0.1}]);
                }
            }
            "extra-fields" if document.is_object() => {
                document["note"] = json!({"seen": text});
                document["model"] = json!(text);
                document["system_fingerprint"] = json!(text);
                for choice in document["choices"].as_array_mut().into_iter().flatten() {
                    choice["stop_reason"] = json!(text);
                    choice["note"] = json!(text);
                    if choice["delta"].is_object() {
                        choice["delta"]["note"] = json!(text);
                    }
                }
            }
            _ => {}
        }
    }

    fn framed(&self, events: &[(String, Value)], lines: bool, last: &str) -> Spoken {
        let end = match self.framing.as_str() {
            "crlf" => "\r\n",
            "cr" => "\r",
            _ => "\n",
        };
        let mut body = Vec::new();
        if self.framing == "bom" && !lines {
            body.extend("\u{feff}".as_bytes());
        }
        for (number, (name, event)) in events.iter().enumerate() {
            let text = match self.framing.as_str() {
                "multiline" if !lines => serde_json::to_string_pretty(event).unwrap(),
                "huge-line" => event.to_string().replacen(
                    '{',
                    &format!("{{{}", " ".repeat(if number < 3 { 200_000 } else { 0 })),
                    1,
                ),
                _ => event.to_string(),
            };
            if lines {
                body.extend(format!("{text}{}", if end == "\r" { "\n" } else { end }).bytes());
                continue;
            }
            if self.framing == "comments" {
                body.extend(format!(": still here{end}{end}id: {number}{end}retry: 5{end}").bytes());
            }
            let name = if name.is_empty() && self.framing == "named" { "chunk" } else { name };
            if !name.is_empty() {
                body.extend(format!("event: {name}{end}").bytes());
            }
            for line in text.lines() {
                body.extend(format!("data: {line}{end}").bytes());
            }
            body.extend(end.bytes());
        }
        let mut cut = false;
        match self.framing.as_str() {
            "no-done" => {}
            "cut" => {
                // Before the event that ends the answer.
                let ending = ["\"finish_reason\":\"", "\"stop_reason\":\"", "\"done\":true", "response.completed"];
                let text = String::from_utf8(body).unwrap();
                let at = ending.iter().filter_map(|word| text.find(word)).min().unwrap_or(text.len());
                let at = text[..at].rfind(if lines { "\n" } else { "\n\n" }).unwrap_or(0);
                body = text.as_bytes()[..at].to_vec();
                body.extend(if lines { "\n" } else { "\n\n" }.bytes());
                cut = true;
            }
            _ if last.is_empty() => {}
            _ => body.extend(format!("data: {last}{end}{end}").bytes()),
        }
        if self.framing == "after-done" {
            body.extend(
                format!(
                    "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}]}}{end}{end}",
                    self.beside
                )
                .bytes(),
            );
        }
        self.spoil(&mut body);
        let kind = if lines { "application/x-ndjson" } else { "text/event-stream" };
        Spoken { tcp: self.tcp, cut, ..body_of(200, kind, body) }
    }

    fn spoil(&self, body: &mut Vec<u8>) {
        match self.framing.as_str() {
            "nonsense" => *body = b"<html>not what you asked for</html>\n\n".to_vec(),
            "invalid-utf8" => {
                let text = String::from_utf8_lossy(body).into_owned();
                let at = text.find("AKIA").unwrap_or(text.len() / 2);
                body.splice(at..at, [0xff, 0xfe]);
            }
            "doubled-key" => {
                let text = String::from_utf8_lossy(body).replacen("\"content\":", "\"content\":\"\",\"content\":", 1);
                *body = text
                    .replacen("\"text\":", "\"text\":\"\",\"text\":", 1)
                    .replacen("\"response\":", "\"response\":\"\",\"response\":", 1)
                    .into_bytes();
            }
            "endless-line" => {
                let padding = vec![b' '; 9 << 20];
                let at = body.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
                body.splice(at..at, padding);
            }
            _ => {}
        }
    }
}

fn json_body(status: u16, body: &Value) -> Spoken {
    body_of(status, "application/json", body.to_string().into_bytes())
}

fn body_of(status: u16, kind: &str, body: Vec<u8>) -> Spoken {
    Spoken { status, kind: kind.to_owned(), body, ..Spoken::default() }
}
