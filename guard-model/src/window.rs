//! Overlapping windows over a text of any length: nothing is cut away, and what sits on a border of one window is
//! inside another.

use crate::Role;
use crate::encoder::Pieces;
use std::ops::Range;

/// How a text is cut into windows, counted in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Most pieces in one window.
    pub size: usize,
    /// From the start of a window to the start of the next; less than `size`.
    pub step: usize,
}

impl Windows {
    /// The windows used for text of a role. A document is read through a narrow window, because an instruction
    /// planted in it is short and a wide mean would drown it.
    pub fn of(role: Role) -> Self {
        match role {
            Role::Tool => Self { size: 32, step: 20 },
            Role::System | Role::User | Role::Assistant => Self { size: 128, step: 96 },
        }
    }

    /// The ranges that cover `pieces` pieces; the last one ends at the end. At least one.
    pub fn ranges(self, pieces: usize) -> Vec<Range<usize>> {
        let mut ranges = Vec::with_capacity(pieces / self.step.max(1) + 1);
        let mut start = 0;
        loop {
            let end = start + self.size;
            if end >= pieces {
                // The last window is as long as the others: a tail of two words alone would be read out of context.
                ranges.push(pieces.saturating_sub(self.size).min(start)..pieces);
                return ranges;
            }
            ranges.push(start..end);
            start += self.step.max(1);
        }
    }
}

/// A second look at a longer text of a person or a generator, a few sentences at a time, so that a harmful one among
/// harmless ones is not drowned. Empty for a short text, and for documents, whose windows are narrow anyway.
///
/// A window begins with every sentence and ends with one, or after `SIGHT` pieces, so that whatever stands before a
/// harmful sentence, there is a window in which it comes first, and the last sentence is read alone.
pub fn sentences(role: Role, text: &Pieces) -> Vec<Range<usize>> {
    if role == Role::Tool || text.pieces.len() <= SIGHT + SIGHT / 2 {
        return Vec::new();
    }
    let mut starts = vec![0];
    for at in 1..text.pieces.len() {
        let sentence = starts.last().map_or(0, |start| at - start);
        let ended = text.slice(at - 1, at).ends_with(['.', '?', '!', ':', ';', '\u{3002}', '\u{964}']);
        if (ended && sentence >= SHORTEST) || sentence >= SIGHT {
            starts.push(at);
        }
    }
    let ends = starts.iter().skip(1).copied().chain([text.pieces.len()]);
    let sentences: Vec<Range<usize>> = starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect();
    let window = |(at, first): (usize, &Range<usize>)| {
        let fits = |last: &&Range<usize>| last.end - first.start <= SIGHT;
        first.start..sentences.iter().skip(at).take_while(fits).last().unwrap_or(first).end
    };
    sentences.iter().enumerate().map(window).collect()
}

/// Most pieces of a window of sentences.
const SIGHT: usize = 32;

/// A sentence of fewer pieces ("No." or "e.g.") is read with the next.
const SHORTEST: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Piece;
    use proptest::prelude::*;

    /// A text whose pieces are its words.
    fn pieces(words: &[&str]) -> Pieces {
        let mut text = String::new();
        let pieces = words.iter().map(|word| {
            text.push_str(word);
            Piece { id: 0, end: u32::try_from(text.len()).unwrap() }
        });
        let pieces = pieces.collect();
        Pieces { text, pieces }
    }

    #[test]
    fn windows_of_sentences_begin_and_end_with_sentences() {
        let sentence = ["The", "dog", "sleeps", "all", "day", "long", "."];
        let text = pieces(&sentence.repeat(9));
        let windows = sentences(Role::User, &text);
        assert!(windows.iter().all(|window| window.start % 7 == 0 && window.end % 7 == 0), "{windows:?}");
        assert_eq!(windows.first(), Some(&(0..28)));
        assert!(sentences(Role::Tool, &text).is_empty());
        assert!(sentences(Role::User, &pieces(&sentence.repeat(4))).is_empty());
    }

    proptest! {
        #[test]
        fn every_piece_is_covered_and_neighbours_overlap(pieces in 0_usize..2000, size in 8_usize..200, share in 0.3_f64..0.9) {
            let windows = Windows { size, step: ((size as f64 * share) as usize).max(1) };
            let ranges = windows.ranges(pieces);
            prop_assert_eq!(ranges[0].start, 0);
            prop_assert_eq!(ranges[ranges.len() - 1].end, pieces);
            for range in &ranges {
                prop_assert!(range.len() <= size);
            }
            for pair in ranges.windows(2) {
                prop_assert!(pair[1].start < pair[0].end && pair[1].end > pair[0].end);
            }
        }

        #[test]
        fn no_piece_of_a_long_text_is_in_no_window_of_sentences(stops in prop::collection::vec(1_usize..60, 3..40)) {
            let words: Vec<&str> =
                stops.iter().flat_map(|length| std::iter::repeat_n("word", *length).chain([". "])).collect();
            let text = pieces(&words.iter().map(|word| word.trim()).collect::<Vec<_>>());
            let windows = sentences(Role::Assistant, &text);
            if text.pieces.len() > SIGHT * 2 {
                prop_assert_eq!(windows[0].start, 0);
                prop_assert_eq!(windows[windows.len() - 1].end, text.pieces.len());
                prop_assert!(windows.windows(2).all(|pair| pair[1].start <= pair[0].end && pair[0].start < pair[1].start));
                prop_assert!(windows.iter().all(|window| window.len() <= SIGHT));
            }
        }
    }
}
