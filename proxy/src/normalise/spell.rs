//! Letters written as signs or words: Morse, braille and the spelling alphabet.

use std::ops::Range;

use super::glance::Glance;
use super::view::{View, ViewKind};
use super::{Reach, means};

pub(super) fn decoded(text: &str, seen: &Glance, reach: Reach) -> Option<View> {
    let embossed = || if seen.foreign > 0 { embossed(text, reach) } else { None };
    let tapped = seen.taps as usize >= MIN_SIGNS || seen.foreign > 0;
    if tapped || seen.spelt >= 3 { spelt(text, reach).or_else(embossed) } else { None }
}

/// Braille of grade one.
fn embossed(text: &str, reach: Reach) -> Option<View> {
    let mut found: Vec<(Range<usize>, String)> = Vec::new();
    let mut at = 0;
    while let Some(offset) = text.get(at..)?.find(is_braille) {
        let start = at + offset;
        let rest = text.get(start..)?;
        let length = rest
            .find(|c: char| !is_braille(c) && !c.is_whitespace() && !c.is_ascii_punctuation())
            .unwrap_or(rest.len());
        let run = rest.get(..length)?.trim_end();
        let (mut plain, mut figures) = (String::new(), false);
        for c in run.chars() {
            let dots = if is_braille(c) { u8::try_from(u32::from(c) - 0x2800).unwrap_or(u8::MAX) } else { 0 };
            match dots {
                0 => {
                    figures = false;
                    plain.push(if is_braille(c) { ' ' } else { c });
                }
                0x3c => figures = true,
                0x20 => {}
                _ => {
                    let known = BRAILLE.iter().find(|(known, _)| *known == dots);
                    let Some((_, known)) = known.copied() else {
                        plain.clear();
                        break;
                    };
                    figures = figures && matches!(known, 'a'..='j');
                    plain.push(if figures { figure(known) } else { known });
                }
            }
        }
        if plain.len() >= MIN_SIGNS && meant(&plain, reach) {
            found.push((start..start + run.len(), plain));
        }
        at = start + length;
    }
    View::edited(text, ViewKind::Spelled, found)
}

fn is_braille(c: char) -> bool {
    ('\u{2800}'..='\u{28ff}').contains(&c)
}

fn figure(letter: char) -> char {
    match letter {
        'j' => '0',
        other => char::from_u32(u32::from(other) - u32::from('a') + u32::from('1')).unwrap_or(other),
    }
}

fn spelt(text: &str, reach: Reach) -> Option<View> {
    let mut found: Vec<(Range<usize>, String)> = Vec::new();
    let mut tokens = Tokens { text, at: 0 }.peekable();
    while let Some(first) = tokens.next() {
        let Some(kind) = Alphabet::of(first.text) else { continue };
        let mut plain = String::new();
        let mut range = first.range.clone();
        let mut count = 0;
        let mut token = first;
        loop {
            match kind.letter(token.text) {
                Some(Spelt::Letter(c)) => {
                    plain.push(c);
                    count += 1;
                }
                Some(Spelt::Gap) => plain.push(' '),
                None => break,
            }
            range.end = token.range.end;
            let Some(next) = tokens.next_if(|next| kind.letter(next.text).is_some() || next.text.is_empty()) else {
                break;
            };
            if next.gap && !plain.ends_with(' ') {
                plain.push(' ');
            }
            token = next;
        }
        let least = if kind == Alphabet::Morse { MIN_SIGNS } else { MIN_WORDS };
        if count >= least && (kind == Alphabet::Words || meant(&plain, reach)) {
            found.push((range, plain.trim().to_owned()));
        }
    }
    View::edited(text, ViewKind::Spelled, found)
}

fn meant(plain: &str, reach: Reach) -> bool {
    let varied = plain.chars().any(|c| !"etis ".contains(c));
    varied && (plain.len() < 32 || !plain.contains(' ')) && means(plain.trim(), reach)
        || super::words::Reading::of(plain).is_words()
        || (plain.len() >= 16 && reach.less().is_some_and(|reach| !super::next(plain.trim(), reach).is_empty()))
}

/// A run without white space, and whether the space before it is wide: two blanks, or the end of a line.
struct Token<'a> {
    text: &'a str,
    range: Range<usize>,
    gap: bool,
}

struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let rest = self.text.get(self.at..)?;
        let space = rest.find(|c: char| !c.is_ascii_whitespace())?;
        let before = rest.get(..space)?;
        let gap = before.len() > 1 || before.contains('\n');
        let start = self.at + space;
        let rest = self.text.get(start..)?;
        // A stroke between words may stand close to the letters.
        let length = if rest.starts_with(['/', '|']) { 1 } else { length(rest) };
        self.at = start + length;
        Some(Token { text: rest.get(..length)?, range: start..self.at, gap })
    }
}

/// The length of the token a text begins with; what is beyond ASCII and no dot or dash stands apart.
fn length(rest: &str) -> usize {
    let sign = |c: char| c.is_ascii() || is_dot(c) || is_dash(c) || is_braille(c);
    let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '/' | '|') || !sign(c);
    match rest.find(sign).unwrap_or(rest.len()) {
        0 => rest.find(ends).unwrap_or(rest.len()),
        alone => alone,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    Morse,
    Words,
}

enum Spelt {
    Letter(char),
    Gap,
}

impl Alphabet {
    fn of(token: &str) -> Option<Alphabet> {
        let first = token.chars().next()?;
        if is_dot(first) || is_dash(first) {
            return morse(token).map(|_| Alphabet::Morse);
        }
        nato(token).map(|_| Alphabet::Words)
    }

    fn letter(self, token: &str) -> Option<Spelt> {
        if matches!(token, "/" | "|" | "(space)" | "[space]" | "<space>") {
            return Some(Spelt::Gap);
        }
        match self {
            Alphabet::Morse => morse(token).map(Spelt::Letter),
            Alphabet::Words => nato(token).map(Spelt::Letter),
        }
    }
}

fn is_dot(c: char) -> bool {
    matches!(c, '.' | '·' | '•' | '∙' | '⋅')
}

fn is_dash(c: char) -> bool {
    matches!(c, '-' | '−' | '–' | '—' | '_')
}

fn morse(token: &str) -> Option<char> {
    let mut code = String::with_capacity(8);
    for c in token.chars() {
        match c {
            _ if code.len() == 7 => return None,
            _ if is_dot(c) => code.push('.'),
            _ if is_dash(c) => code.push('-'),
            _ => return None,
        }
    }
    MORSE.iter().find(|(known, _)| *known == code).map(|(_, letter)| *letter)
}

fn nato(token: &str) -> Option<char> {
    let word = token.trim_matches([',', '.', '-', ';']);
    if !(4..=8).contains(&word.len()) && !word.eq_ignore_ascii_case("x-ray") {
        return None;
    }
    let first = word.bytes().next()?.to_ascii_lowercase();
    let known = NATO.iter().find(|(known, letter)| *letter as u8 == first && known.eq_ignore_ascii_case(word));
    known.map(|(_, letter)| *letter)
}

const MORSE: [(&str, char); 54] = [
    (".-", 'a'),
    ("-...", 'b'),
    ("-.-.", 'c'),
    ("-..", 'd'),
    (".", 'e'),
    ("..-.", 'f'),
    ("--.", 'g'),
    ("....", 'h'),
    ("..", 'i'),
    (".---", 'j'),
    ("-.-", 'k'),
    (".-..", 'l'),
    ("--", 'm'),
    ("-.", 'n'),
    ("---", 'o'),
    (".--.", 'p'),
    ("--.-", 'q'),
    (".-.", 'r'),
    ("...", 's'),
    ("-", 't'),
    ("..-", 'u'),
    ("...-", 'v'),
    (".--", 'w'),
    ("-..-", 'x'),
    ("-.--", 'y'),
    ("--..", 'z'),
    ("-----", '0'),
    (".----", '1'),
    ("..---", '2'),
    ("...--", '3'),
    ("....-", '4'),
    (".....", '5'),
    ("-....", '6'),
    ("--...", '7'),
    ("---..", '8'),
    ("----.", '9'),
    (".-.-.-", '.'),
    ("--..--", ','),
    ("..--..", '?'),
    (".----.", '\''),
    ("-.-.--", '!'),
    ("-..-.", '/'),
    ("-.--.", '('),
    ("-.--.-", ')'),
    (".-...", '&'),
    ("---...", ':'),
    ("-.-.-.", ';'),
    ("-...-", '='),
    (".-.-.", '+'),
    ("-....-", '-'),
    ("..--.-", '_'),
    (".-..-.", '"'),
    ("...-..-", '$'),
    (".--.-.", '@'),
];

/// By the dots, the first in the lowest bit.
const BRAILLE: [(u8, char); 34] = [
    (0x01, 'a'),
    (0x03, 'b'),
    (0x09, 'c'),
    (0x19, 'd'),
    (0x11, 'e'),
    (0x0b, 'f'),
    (0x1b, 'g'),
    (0x13, 'h'),
    (0x0a, 'i'),
    (0x1a, 'j'),
    (0x05, 'k'),
    (0x07, 'l'),
    (0x0d, 'm'),
    (0x1d, 'n'),
    (0x15, 'o'),
    (0x0f, 'p'),
    (0x1f, 'q'),
    (0x17, 'r'),
    (0x0e, 's'),
    (0x1e, 't'),
    (0x25, 'u'),
    (0x27, 'v'),
    (0x3a, 'w'),
    (0x2d, 'x'),
    (0x3d, 'y'),
    (0x35, 'z'),
    (0x02, ','),
    (0x06, ';'),
    (0x12, ':'),
    (0x32, '.'),
    (0x16, '!'),
    (0x26, '?'),
    (0x04, '\''),
    (0x24, '-'),
];

const NATO: [(&str, char); 30] = [
    ("alfa", 'a'),
    ("alpha", 'a'),
    ("bravo", 'b'),
    ("charlie", 'c'),
    ("delta", 'd'),
    ("echo", 'e'),
    ("foxtrot", 'f'),
    ("golf", 'g'),
    ("hotel", 'h'),
    ("india", 'i'),
    ("juliet", 'j'),
    ("juliett", 'j'),
    ("kilo", 'k'),
    ("lima", 'l'),
    ("mike", 'm'),
    ("november", 'n'),
    ("oscar", 'o'),
    ("papa", 'p'),
    ("quebec", 'q'),
    ("romeo", 'r'),
    ("sierra", 's'),
    ("tango", 't'),
    ("uniform", 'u'),
    ("victor", 'v'),
    ("whiskey", 'w'),
    ("whisky", 'w'),
    ("xray", 'x'),
    ("x-ray", 'x'),
    ("yankee", 'y'),
    ("zulu", 'z'),
];

/// Fewer letters in Morse say nothing.
const MIN_SIGNS: usize = 6;

/// As many words of the spelling alphabet side by side are no accident.
const MIN_WORDS: usize = 4;
