//! Taking spans out of a text.

use std::ops::Range;

/// The text with each of the spans, given in bytes, replaced by the placeholder.
///
/// Spans may come in any order; those that overlap or touch become one. A span that begins or ends within a character
/// takes the whole character, and what lies beyond the text is ignored; an empty span takes nothing.
pub fn redact(text: &str, spans: impl IntoIterator<Item = Range<usize>>, placeholder: &str) -> String {
    let mut spans: Vec<_> = spans.into_iter().filter(|span| span.start < span.end).collect();
    spans.sort_unstable_by_key(|span| span.start);
    let mut redacted = String::with_capacity(text.len());
    let (mut at, mut open) = (0, false);
    for span in spans {
        let (start, end) = (boundary_before(text, span.start), boundary_after(text, span.end));
        if start == end {
            continue;
        }
        if start > at || !open {
            redacted.push_str(text.get(at..start).unwrap_or_default());
            redacted.push_str(placeholder);
            open = true;
        }
        at = at.max(end);
    }
    redacted.push_str(text.get(at..).unwrap_or_default());
    redacted
}

/// The character boundary at or before `at`, within the text.
fn boundary_before(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// The character boundary at or after `at`, within the text.
fn boundary_after(text: &str, at: usize) -> usize {
    (at..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use std::iter::once;

    use proptest::prelude::*;

    use super::redact;

    #[test]
    fn spans_that_overlap_or_touch_become_one() {
        assert_eq!(redact("0123456789", [6..8, 1..3, 2..4, 4..5], "*"), "0*5*89");
        assert_eq!(redact("0123456789", [0..10, 3..4], "[secret]"), "[secret]");
        assert_eq!(redact("0123", [0..1, 3..4], "*"), "*12*");
    }

    #[test]
    fn a_span_within_a_character_takes_the_whole_character() {
        assert_eq!(redact("aéb", once(2..3), "*"), "a*b");
        assert_eq!(redact("aéb", once(1..2), "*"), "a*b");
    }

    #[test]
    fn spans_outside_the_text_and_empty_ones_take_nothing() {
        assert_eq!(redact("abc", [3..9, 7..8, 1..1], "*"), "abc");
        assert_eq!(redact("abc", once(2..usize::MAX), "*"), "ab*");
        assert_eq!(redact("abc", [], "*"), "abc");
    }

    proptest! {
        #[test]
        fn no_byte_of_a_span_stays(text in "[a-zé]{0,20}", spans in prop::collection::vec((0..50_usize, 0..50_usize), 0..5)) {
            let spans: Vec<_> = spans.into_iter().map(|(a, b)| a..b).collect();
            let kept: String = text.char_indices()
                .filter(|(at, c)| !spans.iter().any(|s| s.start < s.end && s.start < at + c.len_utf8() && *at < s.end))
                .map(|(_, c)| c).collect();
            prop_assert_eq!(redact(&text, spans, "*").replace('*', ""), kept);
        }
    }
}
