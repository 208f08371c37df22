//! A text in another form, with the way back.

use std::ops::Range;

/// What was done to make a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViewKind {
    /// Disguised characters became the ones they pass for.
    Folded,
    /// Encoded runs became the text they encode.
    Decoded,
}

/// A text in another form.
#[derive(Clone, Debug)]
pub struct View {
    /// What was done.
    pub kind: ViewKind,
    /// The text to look at.
    pub text: String,
    /// In order; each piece reaches to where the next begins.
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
struct Piece {
    /// Where it begins in the view.
    at: usize,
    original: Range<usize>,
    /// The bytes are the original's own; otherwise the piece stands for its range as a whole.
    verbatim: bool,
}

impl View {
    /// The bytes of the original that a range of the view stands for.
    ///
    /// The answer is on character boundaries and within the original, whatever is asked; a range inside a replaced run
    /// gives the whole run.
    pub fn to_original(&self, range: Range<usize>) -> Range<usize> {
        let start = floor(&self.text, range.start);
        let end = ceil(&self.text, range.end.max(start));
        let first = self.piece(start).map_or(0, |piece| {
            if piece.verbatim {
                (piece.original.start + (start - piece.at)).min(piece.original.end)
            } else {
                piece.original.start
            }
        });
        if start >= end {
            return first..first;
        }
        let last = self.piece(end - 1).map_or(first, |piece| {
            if piece.verbatim {
                (piece.original.start + (end - piece.at)).min(piece.original.end)
            } else {
                piece.original.end
            }
        });
        first..last.max(first)
    }

    fn piece(&self, at: usize) -> Option<&Piece> {
        let after = self.pieces.partition_point(|piece| piece.at <= at);
        self.pieces.get(after.checked_sub(1)?)
    }
}

/// Writes a view from left to right.
pub(super) struct Writer<'a> {
    original: &'a str,
    text: String,
    pieces: Vec<Piece>,
    changed: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(original: &'a str) -> Writer<'a> {
        Writer { original, text: String::with_capacity(original.len()), pieces: Vec::new(), changed: false }
    }

    /// Copies a range of the original.
    pub(super) fn keep(&mut self, range: Range<usize>) {
        let Some(same) = self.original.get(range.clone()).filter(|same| !same.is_empty()) else { return };
        match self.pieces.last_mut() {
            Some(last) if last.verbatim && last.original.end == range.start => last.original.end = range.end,
            _ => self.pieces.push(Piece { at: self.text.len(), original: range, verbatim: true }),
        }
        self.text.push_str(same);
    }

    /// Writes what a range of the original stands for; nothing leaves the range out.
    pub(super) fn replace(&mut self, range: Range<usize>, by: &str) {
        self.changed = true;
        if !by.is_empty() {
            self.pieces.push(Piece { at: self.text.len(), original: range, verbatim: false });
            self.text.push_str(by);
        }
    }

    /// The view, when it differs from the original.
    pub(super) fn finish(self, kind: ViewKind) -> Option<View> {
        let differs = self.changed && self.text != self.original;
        differs.then_some(View { kind, text: self.text, pieces: self.pieces })
    }
}

fn floor(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn ceil(text: &str, offset: usize) -> usize {
    (offset..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}
