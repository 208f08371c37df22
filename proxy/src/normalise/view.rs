//! A text in another form, with the way back.

use std::ops::Range;

/// What was done to make a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViewKind {
    /// Disguised characters became the ones they pass for.
    Folded,
    /// Encoded runs became the text they encode.
    Decoded,
    /// Letters written as words, signs or numbers became letters: Morse, spelling alphabets, lists of codes.
    Spelled,
    /// Letters set apart, words cut up and strings joined by signs were put together.
    Joined,
    /// Another alphabet, another order of letters or words, or another spelling was undone.
    Deciphered,
}

/// A text in another form.
#[derive(Clone, Debug)]
pub struct View {
    /// What was done last.
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
    /// A view with these replacements, in order and apart from each other.
    pub(super) fn edited(
        text: &str,
        kind: ViewKind,
        edits: impl IntoIterator<Item = (Range<usize>, String)>,
    ) -> Option<View> {
        let mut edits = edits.into_iter().peekable();
        edits.peek()?;
        let mut writer = Writer::new(text);
        let mut done = 0;
        for (range, by) in edits {
            writer.keep(done..range.start);
            writer.replace(range.clone(), &by);
            done = range.end;
        }
        writer.keep(done..text.len());
        writer.finish(kind)
    }

    /// The bytes of the original that a range of the view stands for.
    ///
    /// The answer is on character boundaries and within the original, whatever is asked; a range inside a replaced run
    /// gives the whole run.
    pub fn to_original(&self, range: Range<usize>) -> Range<usize> {
        let start = floor(&self.text, range.start);
        let end = ceil(&self.text, range.end.max(start));
        let first = self.piece(start).map_or(0, |(_, piece)| {
            if piece.verbatim {
                (piece.original.start + (start - piece.at)).min(piece.original.end)
            } else {
                piece.original.start
            }
        });
        if start >= end {
            return first..first;
        }
        let last = self.piece(end - 1).map_or(first, |(_, piece)| {
            if piece.verbatim {
                (piece.original.start + (end - piece.at)).min(piece.original.end)
            } else {
                piece.original.end
            }
        });
        first..last.max(first)
    }

    /// A view of this view's text, as a view of the original.
    pub(super) fn then(&self, next: View) -> View {
        let mut pieces: Vec<Piece> = Vec::with_capacity(next.pieces.len());
        for piece in &next.pieces {
            if piece.verbatim {
                self.copied(piece, &mut pieces);
            } else {
                let original = self.to_original(piece.original.clone());
                pieces.push(Piece { at: piece.at, original, verbatim: false });
            }
        }
        View { kind: next.kind, text: next.text, pieces }
    }

    /// The pieces behind a part of this view that the next one keeps as it is.
    fn copied(&self, part: &Piece, pieces: &mut Vec<Piece>) {
        let mut at = part.original.start;
        let mut index = self.piece(at).map_or(0, |(index, _)| index);
        while at < part.original.end {
            let Some(piece) = self.pieces.get(index) else { return };
            index += 1;
            let end = self.pieces.get(index).map_or(self.text.len(), |next| next.at).min(part.original.end);
            let original = if piece.verbatim {
                piece.original.start + (at - piece.at)..piece.original.start + (end - piece.at)
            } else {
                piece.original.clone()
            };
            pieces.push(Piece { at: part.at + (at - part.original.start), original, verbatim: piece.verbatim });
            at = end;
        }
    }

    fn piece(&self, at: usize) -> Option<(usize, &Piece)> {
        let index = self.pieces.partition_point(|piece| piece.at <= at).checked_sub(1)?;
        Some((index, self.pieces.get(index)?))
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
