//! Where an answer is cut: a function of the text alone, never of how it arrived.
//!
//! A cut falls after a newline or the end of a sentence, once there is enough to judge; else after the last white space
//! before the cap; else at the cap. Within a fenced code block there is no cut until the fence closes or
//! [`MAX_HELD`] bytes are held, so that code is read whole.

/// The most that is held back for a fence or an open match, in bytes.
pub const MAX_HELD: usize = 64 << 10;

/// The first segment's cap, about 12 tokens; it decides the time to the first word.
const FIRST: usize = 48;
/// Later segments' cap, about 48 tokens.
const LATER: usize = 192;
/// No sentence or line ends a segment before this many bytes.
const LEAST: usize = 24;

/// The end of the segment that begins at `start`, or none while the text does not decide it yet.
///
/// The text that follows never moves a cut already given.
pub fn next_cut(text: &str, start: usize) -> Option<usize> {
    let rest = text.get(start..)?;
    let cap = if start == 0 { FIRST } else { LATER };
    let mut fence: Option<Fence> = None;
    let mut space = None;
    let mut line_start = start == 0 || text.as_bytes().get(start.wrapping_sub(1)) == Some(&b'\n');
    let mut characters = rest.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let end = at + character.len_utf8();
        if line_start {
            // What a line begins with decides about fences; it must be known before anything of it is cut.
            let line = rest.get(at..).unwrap_or_default();
            match (Fence::of(line), fence) {
                (Opening::Undecided, _) => return None,
                (Opening::Fence(found), None) if at > 0 => {
                    let _ = found;
                    return Some(start + at);
                }
                (Opening::Fence(found), None) => fence = Some(found),
                (Opening::Fence(found), Some(open)) if found.closes(open) => {
                    return line.find('\n').map(|newline| start + at + newline + 1);
                }
                _ => {}
            }
        }
        line_start = character == '\n';
        if fence.is_some() {
            if end >= MAX_HELD {
                return Some(start + end);
            }
            continue;
        }
        if character.is_whitespace() {
            space = Some(end);
        }
        if end >= LEAST.min(cap) && ends_sentence(character, characters.peek().map(|(_, next)| *next)) {
            return Some(start + end);
        }
        if end >= cap {
            return Some(start + space.unwrap_or(end));
        }
    }
    None
}

/// Whether `character` is the end of a line or sentence; a full stop is one only if the next character is known to be white space.
fn ends_sentence(character: char, next: Option<char>) -> bool {
    match character {
        '\n' | '。' | '！' | '？' | '।' => true,
        '.' | '!' | '?' => next.is_some_and(char::is_whitespace),
        _ => false,
    }
}

#[derive(Clone, Copy)]
struct Fence {
    mark: char,
    length: usize,
    bare: bool,
}

enum Opening {
    Fence(Fence),
    Text,
    Undecided,
}

impl Fence {
    /// Reads the beginning of a line; undecided while more of it could still make it a fence, or end the run of marks.
    fn of(line: &str) -> Opening {
        let indent = line.chars().take_while(|c| *c == ' ' || *c == '\t').count();
        let body = line.get(indent..).unwrap_or_default();
        let Some(mark) = body.chars().next() else {
            return if indent < 16 { Opening::Undecided } else { Opening::Text };
        };
        if mark != '`' && mark != '~' {
            return Opening::Text;
        }
        let length = body.chars().take_while(|c| *c == mark).count();
        let after = body.get(length..).unwrap_or_default();
        if after.is_empty() && length < 1024 {
            return Opening::Undecided;
        }
        if length < 3 {
            return Opening::Text;
        }
        let info = after.split('\n').next().unwrap_or_default();
        if !after.contains('\n') && info.trim().is_empty() && info.len() < 1024 {
            return Opening::Undecided;
        }
        Opening::Fence(Self { mark, length, bare: info.trim().is_empty() })
    }

    fn closes(self, open: Self) -> bool {
        self.bare && self.mark == open.mark && self.length >= open.length
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_HELD, next_cut};
    use proptest::prelude::*;

    fn cuts(text: &str) -> Vec<usize> {
        let mut all = Vec::new();
        let mut start = 0;
        while let Some(cut) = next_cut(text, start) {
            all.push(cut);
            start = cut;
        }
        all
    }

    #[test]
    fn sentences_and_lines_end_segments() {
        let text = "The first sentence is over here. Next one\nA third line that goes on and ends.\nx";
        let pieces: Vec<&str> = cuts(text).windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        assert_eq!(&text[..cuts(text)[0]], "The first sentence is over here.");
        assert_eq!(pieces, [" Next one\nA third line that goes on and ends."]);
    }

    #[test]
    fn a_fence_is_held_until_it_closes() {
        let open = format!("Look at this code:\n```python\n{}", "x = 1\n".repeat(200));
        assert_eq!(cuts(&open), ["Look at this code:\n".len()]);
        let closed = format!("{open}```\nDone");
        assert_eq!(cuts(&closed), ["Look at this code:\n".len(), closed.len() - 4]);
        let endless = format!("```\n{}", "x = 1\n".repeat(MAX_HELD));
        assert_eq!(cuts(&endless)[0], MAX_HELD);
    }

    proptest! {
        /// However a text arrives, it is cut at the same places.
        #[test]
        fn what_follows_never_moves_a_cut(text in "([a-z .!?。`~\n]|```py\n|\n```\n){0,400}", at in 0usize..400) {
            let whole = cuts(&text);
            let split = (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap();
            let head = cuts(&text[..split]);
            prop_assert_eq!(&whole[..head.len()], &head[..]);
        }

        #[test]
        fn cuts_go_forward(text in "\\PC{0,600}") {
            let all = cuts(&text);
            prop_assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(all.iter().all(|cut| *cut > 0 && text.is_char_boundary(*cut)));
        }
    }
}
