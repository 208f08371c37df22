//! One field of an answer: what is known of it, and how far it was judged.

use std::sync::Arc;

use code_shield::text::TextRules;
use policies::Stage;

use super::Place;
use crate::{
    json,
    segment::{Fence, Kind, MAX_HELD, Part, Segment, fence_at, next_cut},
    upstream::Lane,
};

pub(super) struct LaneText {
    pub(super) place: Place,
    /// The name of the tool, for a tool call.
    name: String,
    text: String,
    /// How far segments were handed out.
    start: usize,
    /// The code fence that is open there.
    fence: Option<Fence>,
    number: u64,
    ended: bool,
    done: bool,
}

impl LaneText {
    pub(super) fn new(choice: u32, lane: Lane) -> Self {
        let place = Place { choice, lane, id: None };
        Self {
            place,
            name: String::new(),
            text: String::new(),
            start: 0,
            fence: None,
            number: 0,
            ended: false,
            done: false,
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        if !self.ended {
            self.text.push_str(text);
        }
    }

    pub(super) fn push_call(&mut self, id: Option<String>, name: &str, arguments: &str) {
        if self.ended {
            return;
        }
        let plain =
            |id: &String| id.len() <= 128 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
        self.place.id = self.place.id.take().or_else(|| id.filter(plain));
        self.name.push_str(name);
        self.text.push_str(arguments);
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Whether all of it was handed out. What was handed out and not yet judged is the caller's to wait for.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    pub(super) fn waiting(&self) -> usize {
        if self.done { 0 } else { self.text.len() - self.start }
    }

    pub(super) fn ready(&mut self, rules: Option<&TextRules>) -> Vec<(Place, Segment)> {
        if self.done {
            return Vec::new();
        }
        if matches!(self.place.lane, Lane::Tool(_) | Lane::Function) {
            return if self.ended { vec![self.call()] } else { Vec::new() };
        }
        let mut ready = Vec::new();
        // The text so far is copied only if something of it is ready.
        let mut copy: Option<Arc<str>> = None;
        loop {
            let (end, last) = match self.cut(rules) {
                Some(cut) => (cut, false),
                None if self.ended => (self.text.len(), true),
                None => return ready,
            };
            let whole = Arc::clone(copy.get_or_insert_with(|| self.text.as_str().into()));
            ready.push(self.piece(&whole, end, last));
            self.done = last;
            if last {
                return ready;
            }
        }
    }

    /// The next cut, moved back to where no text rule is amid a match; or the one after it, where a match spans it all.
    fn cut(&self, rules: Option<&TextRules>) -> Option<usize> {
        let mut probe = self.start;
        loop {
            let fence = fence_at(&self.text, self.start, self.fence, probe);
            let cut = next_cut(&self.text, probe, fence)?;
            match rules.and_then(|rules| rules.holds_from(self.text.get(..cut)?, self.start)) {
                Some(open) if open > self.start => return Some(open.min(cut)),
                Some(_) if cut - self.start <= MAX_HELD => probe = cut,
                _ => return Some(cut),
            }
        }
    }

    fn piece(&mut self, whole: &Arc<str>, end: usize, last: bool) -> (Place, Segment) {
        let part = Part::piece(self.field(), Kind::Turn, whole, self.start..end);
        self.fence = fence_at(&self.text, self.start, self.fence, end);
        self.start = end;
        let segment =
            Segment { stage: Stage::Output, choice: self.place.choice, number: self.number, last, parts: vec![part] };
        self.number += 1;
        (self.place.clone(), segment)
    }

    /// A whole tool call: its name, its arguments, and those strings in them that only show when the JSON is read.
    fn call(&mut self) -> (Place, Segment) {
        self.done = true;
        let field = self.field();
        let part =
            |name: &str, kind, text: &str| Part::piece(format!("{field}.{name}"), kind, &text.into(), 0..text.len());
        let mut parts = vec![part("name", Kind::Detail, &self.name), part("arguments", Kind::Turn, &self.text)];
        // Such a string cannot be replaced in place, so redacting it is refusing the call.
        let strings = json::hidden(&self.text);
        parts.extend(strings.iter().map(|text| part("arguments{}", Kind::Key, text)));
        (self.place.clone(), Segment { stage: Stage::Output, choice: self.place.choice, number: 0, last: true, parts })
    }

    fn field(&self) -> String {
        match self.place.lane {
            Lane::Content => "content".to_owned(),
            Lane::Reasoning => "reasoning_content".to_owned(),
            Lane::Refusal => "refusal".to_owned(),
            Lane::Function => "function_call".to_owned(),
            Lane::Tool(index) => format!("tool_calls[{index}]"),
        }
    }
}
