//! A request, read and ready to be forwarded.

use serde_json::Value;

use super::reader;
use crate::{
    chat::Note,
    segment::{Part, Step},
};

/// A request as it was read.
#[derive(Debug)]
pub struct Reading {
    /// The request.
    pub request: Request,
    /// What reading it showed besides text.
    pub notes: Vec<Note>,
}

/// What a client asks for. Its body is canonical: what was scanned is what is sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// The model asked for.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether a streamed answer is to end with its usage.
    pub include_usage: bool,
    /// How many answers it asks for.
    pub choices: u32,
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
}

/// A document of an upstream that is passed on: its texts are judged, and take their places again.
#[derive(Debug, Clone)]
pub struct Document {
    body: Value,
    parts: Vec<Part>,
}

impl Document {
    /// A document, every string and every key in which is a text.
    pub fn new(body: Value) -> Self {
        let parts = reader::texts(&body);
        Self { body, parts }
    }

    /// The document.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// Every text in it.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }
}

/// Something with texts that may be replaced, in their order.
pub trait Texts {
    /// The same with other texts.
    #[must_use]
    fn with_texts(self, texts: &[String]) -> Self;
}

impl Texts for Request {
    fn with_texts(mut self, texts: &[String]) -> Self {
        replace(&mut self.body, &self.parts, texts);
        self
    }
}

impl Texts for Document {
    fn with_texts(mut self, texts: &[String]) -> Self {
        replace(&mut self.body, &self.parts, texts);
        self
    }
}

fn replace(body: &mut Value, parts: &[Part], texts: &[String]) {
    for (part, text) in parts.iter().zip(texts) {
        if part.text() != text
            && let Some(Value::String(place)) = at(body, &part.path)
        {
            place.clone_from(text);
        }
    }
}

fn at<'a>(value: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.get_mut(name),
        Step::Item(index) => value.get_mut(index),
    })
}
