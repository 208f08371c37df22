//! A text as it reads once it is taken out of another: unquoted, unescaped, without the marks of a diff.
//!
//! A view knows where each of its bytes stands in the text it was first taken from, through any number of steps, so that
//! what is found in it has a place there.

use std::borrow::Cow;
use std::ops::Range;

/// A text, and where it stands in the first one.
#[derive(Clone, Debug)]
pub(crate) struct View<'a> {
    text: Cow<'a, str>,
    /// In order; each lasts until the next.
    runs: Vec<Run>,
}

/// Bytes that stand together, either the same as in the first text or all of them made from a piece of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    at: u32,
    from: u32,
    /// The length of the piece in the first text.
    long: u32,
    same: bool,
}

impl<'a> View<'a> {
    /// A text that is its own first one; nothing when it is too long for any reader.
    pub(crate) fn whole(text: &'a str) -> Option<View<'a>> {
        let long = u32::try_from(text.len()).ok()?;
        Some(View { text: Cow::Borrowed(text), runs: vec![Run { at: 0, from: 0, long, same: true }] })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A part of it, without a copy.
    pub(crate) fn part(&self, range: Range<usize>) -> View<'_> {
        let mut runs = Vec::new();
        self.each_run(&range, |run, _| runs.push(run));
        View { text: Cow::Borrowed(self.text.get(range).unwrap_or_default()), runs }
    }

    /// Where a part of it stands in the first text.
    pub(crate) fn span(&self, range: &Range<usize>) -> Range<usize> {
        let place = |at: usize| {
            let run = self.runs.get(self.runs.partition_point(|run| run.at as usize <= at).saturating_sub(1));
            run.map_or((0, 0), |run| {
                let (from, inside) = (run.from as usize, at.saturating_sub(run.at as usize));
                if run.same { (from + inside, from + inside + 1) } else { (from, from + run.long as usize) }
            })
        };
        let start = place(range.start).0;
        if range.is_empty() { start..start } else { start..place(range.end - 1).1.max(start) }
    }

    /// The runs of a part, cut to it, with their places counted from its start.
    fn each_run(&self, range: &Range<usize>, mut each: impl FnMut(Run, Range<usize>)) {
        let first = self.runs.partition_point(|run| run.at as usize <= range.start).saturating_sub(1);
        for (index, run) in self.runs.iter().enumerate().skip(first) {
            let end = self.runs.get(index + 1).map_or(self.text.len(), |next| next.at as usize);
            let (start, end) = ((run.at as usize).max(range.start), end.min(range.end));
            if start >= end {
                break;
            }
            let at = (start - range.start) as u32;
            let (from, long) = if run.same {
                (run.from + (start as u32 - run.at), (end - start) as u32)
            } else {
                (run.from, run.long)
            };
            each(Run { at, from, long, same: run.same }, start..end);
        }
    }
}

/// Makes a view of another, piece by piece.
pub(crate) struct Writer<'v> {
    of: &'v View<'v>,
    text: String,
    runs: Vec<Run>,
}

impl<'v> Writer<'v> {
    pub(crate) fn of(view: &'v View<'v>) -> Self {
        Self { of: view, text: String::new(), runs: Vec::new() }
    }

    /// Goes on with a piece as it is.
    pub(crate) fn keep(&mut self, range: Range<usize>) {
        let at = self.text.len() as u32;
        let runs = &mut self.runs;
        self.of.each_run(&range, |run, _| {
            let run = Run { at: at + run.at, ..run };
            match runs.last() {
                Some(last) if last.same && run.same && last.from + (run.at - last.at) == run.from => {}
                _ => runs.push(run),
            }
        });
        self.text.push_str(self.of.text().get(range).unwrap_or_default());
    }

    /// Goes on with what a piece stands for.
    pub(crate) fn put(&mut self, text: &str, range: &Range<usize>) {
        if text.is_empty() {
            return;
        }
        let span = self.of.span(range);
        let (from, long) = (span.start as u32, span.len() as u32);
        self.runs.push(Run { at: self.text.len() as u32, from, long, same: false });
        self.text.push_str(text);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn finish(self) -> View<'static> {
        View { text: Cow::Owned(self.text), runs: self.runs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_known_through_every_step() {
        let first = View::whole("say \"a\\nbc\" now").unwrap();
        let string = first.part(5..10);
        let mut writer = Writer::of(&string);
        writer.keep(0..1);
        writer.put("\n", &(1..3));
        writer.keep(3..5);
        let decoded = writer.finish();
        assert_eq!(decoded.text(), "a\nbc");
        assert_eq!(decoded.span(&(0..4)), 5..10);
        assert_eq!(decoded.span(&(1..2)), 6..8);
        let part = decoded.part(1..3);
        assert_eq!((part.text(), part.span(&(0..1)), part.span(&(1..2))), ("\nb", 6..8, 8..9));
        let mut again = Writer::of(&part);
        again.keep(0..1);
        again.keep(1..2);
        again.put("xyz", &(0..2));
        let again = again.finish();
        assert_eq!((again.text(), again.span(&(3..4)), again.span(&(1..1))), ("\nbxyz", 6..9, 8..8));
    }

    #[test]
    fn pieces_that_stood_together_are_one_run() {
        let first = View::whole("abcdef").unwrap();
        let mut writer = Writer::of(&first);
        (0..6).for_each(|at| writer.keep(at..at + 1));
        assert_eq!(writer.runs.len(), 1);
        assert!(!writer.is_empty());
        assert_eq!(writer.finish().span(&(2..4)), 2..4);
    }
}
