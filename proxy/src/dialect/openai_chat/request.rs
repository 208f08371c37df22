//! A request, read and ready to be forwarded.

use serde_json::{Value, json};

use crate::segment::{Part, Step};

/// What a client asks for. Its body is canonical: what was scanned is what is sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// The model asked for.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether a streamed answer is to end with its usage.
    pub include_usage: bool,
    pub(super) body: Value,
    pub(super) parts: Vec<Part>,
}

impl Request {
    /// The document that is sent upstream.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// Every text in it.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// How many answers it asks for.
    pub fn choices(&self) -> u32 {
        let asked = self.body.get("n").and_then(Value::as_u64).unwrap_or(1);
        u32::try_from(asked).unwrap_or(1)
    }

    /// The same request with the texts of its parts replaced, in their order.
    pub(crate) fn with_texts(mut self, texts: &[String]) -> Self {
        let parts = std::mem::take(&mut self.parts);
        for (part, text) in parts.iter().zip(texts) {
            if part.text() != text
                && let Some(Value::String(place)) = at(&mut self.body, &part.path)
            {
                place.clone_from(text);
            }
        }
        self.parts = parts;
        self
    }

    /// Asks the upstream for usage where the client's own wish would leave it out, so that it can be counted.
    pub(super) fn ask_usage(&mut self) {
        if self.stream
            && let Value::Object(fields) = &mut self.body
        {
            fields.insert("stream_options".to_owned(), json!({ "include_usage": true }));
        }
    }
}

fn at<'a>(value: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.get_mut(name),
        Step::Item(index) => value.get_mut(index),
    })
}
