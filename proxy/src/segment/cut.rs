//! Where an answer is cut: a function of the text alone, never of how it arrived.
//!
//! A cut falls after a newline or the end of a sentence, once there is enough to judge; else after the last white space
//! before the cap; else at the cap, but not within a short bracket. Within a fenced code block a cut falls only before a
//! line that begins a new thing at the left margin, once [`CODE`] bytes are there to judge, or at [`MAX_HELD`]: code leaves
//! in whole functions, each read with all that stands before it.

/// The most that is held back for a fence or an open match, in bytes.
pub const MAX_HELD: usize = 64 << 10;

/// The first segment's cap, about 12 tokens; it decides the time to the first word.
const FIRST: usize = 48;
/// Later segments' cap, about 48 tokens.
const LATER: usize = 192;
/// Code is cut before a line at the left margin once there is so much of it, in bytes.
const CODE: usize = 2 << 10;
/// A bracket that is longer than this is no placeholder, in bytes.
const BRACKET: usize = 128;
/// A line with more white space before it, in characters, is no fence.
const INDENT: usize = 64;
/// No fence has more marks.
const MARKS: usize = 1024;
/// So much behind a fence says what language it is in, in characters.
const INFO: usize = 1024;
/// A word that goes on with what stood before has fewer letters.
const LONGEST_WORD: usize = 16;
/// No sentence or line ends a segment before this many bytes.
const LEAST: usize = 24;

/// The end of the segment that begins at `start`, within `fence` if one is open there, or none while the text does not
/// decide it yet.
///
/// The text that follows never moves a cut already given.
pub fn next_cut(text: &str, start: usize, mut fence: Option<Fence>) -> Option<usize> {
    let rest = text.get(start..)?;
    let cap = if start == 0 { FIRST } else { LATER };
    let mut space = None;
    let mut line_start = is_line_start(text, start);
    let mut characters = rest.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let end = at + character.len_utf8();
        if line_start {
            // What a line begins with decides about fences; it must be known before anything of it is cut.
            let line = rest.get(at..).unwrap_or_default();
            match (Fence::of(line), fence) {
                (Opening::Undecided, _) => return None,
                (Opening::Fence(_), None) if at > 0 => return Some(start + at),
                (Opening::Fence(found), None) => fence = Some(found),
                (Opening::Fence(found), Some(open)) if found.closes(open) => {
                    return line.find('\n').map(|newline| start + at + newline + 1);
                }
                (_, Some(_)) if at >= CODE => match begins_thing(line) {
                    Some(true) => return Some(start + at),
                    Some(false) => {}
                    None => return None,
                },
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
        if end >= LEAST.min(cap) {
            match ends_sentence(character, characters.peek().map(|(_, next)| *next)) {
                Some(true) => return Some(start + end),
                Some(false) => {}
                None => return None,
            }
        }
        if end >= cap {
            match (space, open_bracket(rest.get(..end).unwrap_or_default())) {
                (Some(space), _) => return Some(start + space),
                (None, Some(0)) if end < cap + BRACKET => {}
                (None, None | Some(0)) => return Some(start + end),
                (None, Some(open)) => return Some(start + open),
            }
        }
    }
    None
}

/// Where a bracket opens that may still close: it may be the placeholder of something masked, which is not cut in two.
fn open_bracket(text: &str) -> Option<usize> {
    let open = text.rfind('[')?;
    let inner = text.get(open..)?;
    (inner.len() <= BRACKET && !inner.contains(']')).then_some(open)
}

/// The fence that is open at `end`, given the one that is open at `start`.
pub fn fence_at(text: &str, start: usize, fence: Option<Fence>, end: usize) -> Option<Fence> {
    let mut open = fence;
    let lines = text.get(start..end).into_iter().flat_map(|piece| piece.match_indices('\n'));
    let starts = lines.map(|(newline, _)| start + newline + 1).filter(|line| *line < end);
    for line in is_line_start(text, start).then_some(start).into_iter().chain(starts) {
        open = match (Fence::of(text.get(line..).unwrap_or_default()), open) {
            (Opening::Fence(found), None) => Some(found),
            (Opening::Fence(found), Some(known)) if found.closes(known) => None,
            (_, open) => open,
        };
    }
    open
}

fn is_line_start(text: &str, at: usize) -> bool {
    at == 0 || text.as_bytes().get(at.wrapping_sub(1)) == Some(&b'\n')
}

/// Whether a line of code begins something new: it is not indented, closes nothing, and goes on with nothing that stood
/// before it. None while its first word may still grow.
fn begins_thing(line: &str) -> Option<bool> {
    const GOES_ON: [&str; 14] = [
        "else", "elif", "elsif", "except", "finally", "catch", "rescue", "ensure", "end", "done", "fi", "esac", "then",
        "while",
    ];
    let first = line.chars().next()?;
    if !(first.is_alphabetic() || matches!(first, '@' | '#' | '_' | '/')) {
        return Some(false);
    }
    let mut letters = line.char_indices().take(LONGEST_WORD);
    match letters.find(|(_, c)| !c.is_alphanumeric() && *c != '_' && *c != first) {
        Some((end, _)) => Some(!GOES_ON.contains(&line.get(..end).unwrap_or_default())),
        None => (line.chars().nth(LONGEST_WORD - 1).is_some()).then_some(true),
    }
}

/// Whether `character` is the end of a line or sentence; of a full stop the next character decides, if it is known.
fn ends_sentence(character: char, next: Option<char>) -> Option<bool> {
    match character {
        '\n' | '。' | '！' | '？' | '।' => Some(true),
        '.' | '!' | '?' => next.map(char::is_whitespace),
        _ => Some(false),
    }
}

/// An opened code fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
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
    /// Reads the beginning of a line; undecided while more of it could still make it a fence, or end the run of marks. No
    /// more than so many characters of each are looked at, whatever follows.
    fn of(line: &str) -> Opening {
        let indent = line.chars().take(INDENT).take_while(|c| *c == ' ' || *c == '\t').count();
        let body = line.get(indent..).unwrap_or_default();
        let Some(mark) = body.chars().next() else { return Opening::Undecided };
        if mark != '`' && mark != '~' {
            return Opening::Text;
        }
        let length = body.chars().take(MARKS).take_while(|c| *c == mark).count();
        let after = body.get(length..).unwrap_or_default();
        if after.is_empty() {
            return Opening::Undecided;
        }
        if length < 3 {
            return Opening::Text;
        }
        let (mut info, mut ended) = (String::new(), false);
        for (count, character) in after.chars().enumerate() {
            ended = character == '\n' || count == INFO;
            if ended {
                break;
            }
            info.push(character);
        }
        if !ended && info.trim().is_empty() {
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
    use super::{CODE, MAX_HELD, fence_at, next_cut};
    use proptest::prelude::*;

    fn cuts(text: &str) -> Vec<usize> {
        let mut all = Vec::new();
        let (mut start, mut fence) = (0, None);
        while let Some(cut) = next_cut(text, start, fence) {
            all.push(cut);
            fence = fence_at(text, start, fence, cut);
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
        let endless = format!("```\n{}", " x = 1\n".repeat(MAX_HELD));
        assert_eq!(cuts(&endless)[..2], [MAX_HELD, 2 * MAX_HELD]);
    }

    #[test]
    fn long_code_leaves_in_whole_functions() {
        let body = "    value = value + 1\n".repeat(CODE / 24);
        let function = format!("def one(value):\n{body}    return value\n\n");
        let other = format!("try:\n{body}except OSError:\n{body}");
        let text = format!("```python\n{function}{function}{other}{function}```\nDone. ");
        let pieces: Vec<&str> = std::iter::once(0)
            .chain(cuts(&text))
            .collect::<Vec<_>>()
            .windows(2)
            .map(|pair| &text[pair[0]..pair[1]])
            .collect();
        assert!(pieces.len() >= 3, "{pieces:?}");
        for piece in &pieces[1..pieces.len() - 1] {
            assert!(piece.starts_with("def ") || piece.starts_with("try:"), "{piece}");
            assert!(piece.len() >= CODE || piece.ends_with("```\n"), "{piece}");
        }
    }

    proptest! {
        /// However a text arrives, it is cut at the same places.
        #[test]
        fn what_follows_never_moves_a_cut(text in "([a-z .!?。`~\n]| {12,20}|!|```py\n|\n```\n|def x:\n( y\n){40}){0,400}", at in 0usize..4000) {
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
