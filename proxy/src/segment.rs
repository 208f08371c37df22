//! The run of text inspected and released as one, and where it is cut.

mod cut;

use std::{ops::Range, sync::Arc};

use policies::{Provenance, Stage, Turn};

pub use cut::{Fence, MAX_HELD, fence_at, next_cut};

/// A run of text that is judged as one: a whole request, or a piece of an answer.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Its direction.
    pub stage: Stage,
    /// Which of several answers it belongs to, from 0; 0 for a request.
    pub choice: u32,
    /// Its place within its field of the answer, from 0.
    pub number: u64,
    /// Whether nothing follows in this field; the whole field is then judged once more.
    pub last: bool,
    /// The texts it is made of.
    pub parts: Vec<Part>,
}

/// One text of a segment.
#[derive(Debug, Clone)]
pub struct Part {
    /// Where it stands, such as `messages[2].content`.
    pub field: String,
    /// The way to it in a request's body; empty in an answer.
    pub path: Vec<Step>,
    /// Who wrote it.
    pub provenance: Provenance,
    /// What kind of text it is.
    pub kind: Kind,
    /// Whether it was said now or before.
    pub turn: Turn,
    whole: Arc<str>,
    range: Range<usize>,
}

impl Part {
    /// A text that stands alone.
    pub fn new(field: String, path: Vec<Step>, provenance: Provenance, kind: Kind, text: &str) -> Self {
        Self { field, path, provenance, kind, turn: Turn::Current, whole: text.into(), range: 0..text.len() }
    }

    /// The piece `range` of an answer's field, `whole` as far as it is known.
    ///
    /// A range beyond the text, or within a character, is an empty piece at the end.
    pub fn piece(field: String, kind: Kind, whole: &Arc<str>, range: Range<usize>) -> Self {
        let range = if whole.get(range.clone()).is_some() { range } else { whole.len()..whole.len() };
        let (path, provenance, whole) = (Vec::new(), Provenance::Assistant, Arc::clone(whole));
        Self { field, path, provenance, kind, turn: Turn::Current, whole, range }
    }

    /// The text to be judged.
    pub fn text(&self) -> &str {
        self.whole.get(self.range.clone()).unwrap_or_default()
    }

    /// The text together with all that stood before it in its field.
    pub fn with_before(&self) -> &str {
        self.whole.get(..self.range.end).unwrap_or_default()
    }

    /// How many bytes stood before it in its field.
    pub fn start(&self) -> usize {
        self.range.start
    }
}

/// What kind of text a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something said: judged by itself.
    Turn,
    /// A name, a description, an argument: judged together with its like.
    Detail,
    /// A key of an object; it cannot be replaced.
    Key,
    /// Several texts as they are read one after the other; what is found in it only counts beyond what is found in them.
    Joined,
}

/// One step into a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into the field of an object.
    Field(String),
    /// Into the item of an array.
    Item(usize),
}
