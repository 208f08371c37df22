//! Code in strings of JSON: the source of a notebook's cell, a tool's argument, the body of a request.

use std::iter::Peekable;
use std::str::CharIndices;

use super::inline::tells;
use crate::view::{View, Writer};

/// Gives what every string stands for that may hold code: one with escapes, or whose only line does something.
///
/// Strings that follow one another as the lines of a list are one text. A string that is not closed lasts to the end of its
/// line.
pub(super) fn strings(view: &View<'_>, each: &mut dyn FnMut(View<'_>)) {
    let text = view.text();
    let mut at = 0;
    while let Some(open) = text.get(at..).and_then(|rest| rest.find('"')).map(|found| at + found) {
        at = open + 1;
        // A quote behind a letter closes something.
        let before = text.get(..open).and_then(|before| before.chars().next_back());
        if before.is_some_and(|c| !c.is_whitespace() && !"[{(,:='`>".contains(c)) {
            continue;
        }
        let mut string = Writer::of(view);
        let mut escapes = 0;
        while let Some(read) = read(view, at, &mut string) {
            escapes += read.escapes;
            at = read.end;
            let next = if read.goes_on { following(text, read.end) } else { None };
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        if string.is_empty() {
            continue;
        }
        let string = string.finish();
        if escapes > 0 || tells(string.text()) {
            each(string);
        }
    }
}

/// What was read of one string.
struct Read {
    /// Where it ends, behind its closing quote.
    end: usize,
    escapes: usize,
    /// Whether it was closed, and its last character is the end of a line.
    goes_on: bool,
}

/// Writes what the string that starts at `start` stands for.
fn read(view: &View<'_>, start: usize, string: &mut Writer<'_>) -> Option<Read> {
    let rest = view.text().get(start..)?;
    let mut characters = rest.char_indices().peekable();
    let (mut kept, mut escapes, mut ends_line) = (0, 0, false);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' | '\n' => {
                string.keep(start + kept..start + at);
                let closed = character == '"';
                return Some(Read { end: start + at + 1, escapes, goes_on: closed && ends_line && kept == at });
            }
            '\\' => {
                string.keep(start + kept..start + at);
                let meant = escaped(&mut characters);
                kept = characters.peek().map_or(rest.len(), |(next, _)| *next);
                if let Some(meant) = meant {
                    ends_line = meant == '\n';
                    escapes += 1;
                    string.put(meant.encode_utf8(&mut [0; 4]), &(start + at..start + kept));
                }
            }
            _ => {}
        }
    }
    string.keep(start + kept..start + rest.len());
    Some(Read { end: view.text().len(), escapes, goes_on: false })
}

/// The character that an escape stands for; a half of a pair, or one that is cut off, stands for none.
fn escaped(characters: &mut Peekable<CharIndices<'_>>) -> Option<char> {
    let (_, character) = characters.next()?;
    let unit = |characters: &mut Peekable<CharIndices<'_>>| {
        let mut value = 0;
        for _ in 0..4 {
            let (_, digit) = characters.next_if(|(_, digit)| digit.is_ascii_hexdigit())?;
            value = value * 16 + digit.to_digit(16)?;
        }
        Some(value)
    };
    Some(match character {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' | 'f' => ' ',
        'u' => match unit(characters)? {
            high @ 0xd800..=0xdbff => {
                // Only a second half is read with the first one.
                let mut ahead = characters.clone();
                ahead.next_if(|(_, c)| *c == '\\')?;
                ahead.next_if(|(_, c)| *c == 'u')?;
                let low = unit(&mut ahead)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                *characters = ahead;
                char::from_u32(0x10000 + ((high - 0xd800) << 10) + low)?
            }
            value => char::from_u32(value)?,
        },
        other => other,
    })
}

/// Where the string begins that follows as the next line of a list.
fn following(text: &str, end: usize) -> Option<usize> {
    let rest = text.get(end..)?;
    let next = rest.trim_start().strip_prefix(',')?.trim_start().strip_prefix('"')?;
    // With a colon behind it, it is the next key of an object.
    let mut escaped = false;
    let close = next.bytes().position(|byte| {
        let closes = matches!(byte, b'"' | b'\n') && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    let is_key = close.and_then(|close| next.get(close + 1..)).is_some_and(|rest| rest.trim_start().starts_with(':'));
    (!is_key).then_some(text.len() - next.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        strings(&View::whole(text).unwrap(), &mut |view| found.push(view.text().to_owned()));
        found
    }

    #[test]
    fn strings_are_read_as_what_they_stand_for() {
        assert_eq!(found(r#"{"code": "a\n\tb(\"c\")\n", "x": "y"}"#), ["a\n\tb(\"c\")\n"]);
        assert_eq!(found(r#"{"source": ["a\n", "b\n",  "c"], "d": "e\nf"}"#), ["a\nb\nc", "e\nf"]);
        assert_eq!(found(r#"{"code": "a\n\u0062\ud83d\ude00\\"#), ["a\nb😀\\"]);
        assert_eq!(found(r#"stray " {"code": "f(g(h, i))"}"#), ["f(g(h, i))"]);
        assert_eq!(found("She said \"import os\" and left \"for good\"."), Vec::<String>::new());
        assert_eq!(found("\"\\ud83d\\n\\u00"), ["\n"]);
    }

    #[test]
    fn what_is_found_in_a_string_has_its_place() {
        let text = r#"{"code": "a\nb"}"#;
        let mut span = 0..0;
        strings(&View::whole(text).unwrap(), &mut |view| span = view.span(&(2..3)));
        assert_eq!(&text[span], "b");
    }
}
