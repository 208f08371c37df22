//! Encoded runs become the text they encode.
//!
//! A run counts only when it is long enough and what comes out is printable text, mostly letters: hashes, keys, images and
//! identifiers do not decode to that.

use std::ops::Range;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::escape;
use super::view::{View, ViewKind, Writer};

/// The most runs decoded in one text; further ones are left as they are.
pub const MAX_RUNS: usize = 8;

pub(super) fn decoded(text: &str) -> Option<View> {
    let runs = Runs { text, at: 0, token: 0 };
    let mut writer = None;
    let mut done = 0;
    for (range, plain) in runs.take(MAX_RUNS) {
        let writer = writer.get_or_insert_with(|| Writer::new(text));
        writer.keep(done..range.start);
        writer.replace(range.clone(), &plain);
        done = range.end;
    }
    let mut writer = writer?;
    writer.keep(done..text.len());
    writer.finish(ViewKind::Decoded)
}

/// The encoded runs of a text from left to right, with what they say.
struct Runs<'a> {
    text: &'a str,
    at: usize,
    /// The end of the token that was already looked at as a whole.
    token: usize,
}

impl Iterator for Runs<'_> {
    type Item = (Range<usize>, String);

    /// Every step looks once at what it goes over, so the whole is linear.
    fn next(&mut self) -> Option<Self::Item> {
        while self.at < self.text.len() {
            let mut start = self.at;
            let mut rest = self.text.get(start..)?;
            if start >= self.token {
                if let Some(length) = selectors(rest) {
                    self.at += length;
                    match rest.get(..length).map(selected).and_then(text) {
                        Some(plain) => return Some((start..self.at, plain)),
                        None => continue,
                    }
                }
                let length = rest.find(is_gap).unwrap_or(rest.len());
                if length == 0 {
                    self.at += rest.chars().next()?.len_utf8();
                    continue;
                }
                self.token = start + length;
                if let Some(plain) = escape::decoded(rest.get(..length)?).filter(|plain| is_text(plain)) {
                    self.at = self.token;
                    return Some((start..self.at, plain));
                }
            }
            let Some(offset) = rest.get(..self.token - start)?.find(in_alphabet) else {
                self.at = self.token;
                continue;
            };
            start += offset;
            rest = rest.get(offset..)?;
            let (length, plain) = match hexadecimal(rest) {
                (0, _) => base64(rest),
                seen => seen,
            };
            self.at = start + length;
            if let Some(plain) = plain {
                return Some((start..self.at, plain));
            }
        }
        None
    }
}

/// What ends a token; inside one, escapes and other characters may be mixed.
fn is_gap(c: char) -> bool {
    c.is_whitespace() || !c.is_ascii() || "\"'`<>()[]{},".contains(c)
}

/// The alphabets of base64, the plain one and that of URLs.
fn in_alphabet(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/-_".contains(c)
}

/// Pairs of hexadecimal digits at the beginning, in one run or each apart by a space, a colon or a line end.
///
/// Gives how far they go, and zero when it is not for them to say what the run is.
fn hexadecimal(rest: &str) -> (usize, Option<String>) {
    let bytes = rest.as_bytes();
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    let word = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let mut at = if rest.starts_with("0x") || rest.starts_with("0X") { 2 } else { 0 };
    let mut out = Vec::new();
    let mut apart = false;
    while let (Some(high), Some(low)) = (digit(at), digit(at + 1)) {
        out.push(u8::try_from(high * 16 + low).unwrap_or_default());
        at += 2;
        let goes_on = (apart || out.len() == 1) && matches!(bytes.get(at), Some(b' ' | b':' | b'\n'));
        if goes_on && digit(at + 1).is_some() && digit(at + 2).is_some() && !word(at + 3) {
            apart = true;
            at += 1;
        } else if apart {
            break;
        }
    }
    match text(out) {
        Some(plain) if !word(at) => (at, Some(plain)),
        _ if apart => (at, None),
        _ => (0, None),
    }
}

/// A run of base64 at the beginning, over line ends when the lines are long, and how far it goes.
fn base64(rest: &str) -> (usize, Option<String>) {
    let bytes = rest.as_bytes();
    let inside = |at: usize| bytes.get(at).is_some_and(|byte| in_alphabet(char::from(*byte)));
    let (mut at, mut line) = (0, 0);
    loop {
        while inside(at) {
            at += 1;
        }
        let feed = match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'\n'), _) => 1,
            (Some(b'\r'), Some(b'\n')) => 2,
            _ => break,
        };
        if at - line < WRAPPED || !inside(at + feed) {
            break;
        }
        at += feed;
        line = at;
    }
    let padding = bytes.iter().skip(at).take(2).take_while(|byte| **byte == b'=').count();
    (at + padding, rest.get(..at).and_then(unpacked))
}

/// What a run without padding says.
fn unpacked(coded: &str) -> Option<String> {
    if coded.len() < MIN_CODED {
        return None;
    }
    let engine = if coded.contains(['-', '_']) { &WEB } else { &PLAIN };
    // A look at the beginning, on the stack: nearly every run ends here.
    let mut look = [0; 16];
    let length = engine.decode_slice(coded.get(..20)?, &mut look).ok()?;
    if look.iter().take(length).any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace()) {
        return None;
    }
    let whole: String = coded.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    text(engine.decode(whole).ok()?)
}

/// The length of the variation selectors the text begins with, when they are too many to select variants.
fn selectors(rest: &str) -> Option<usize> {
    let mut count = 0;
    let length = rest.chars().take_while(|c| selector(*c).is_some()).inspect(|_| count += 1).map(char::len_utf8).sum();
    (count >= MIN_TEXT).then_some(length)
}

fn selected(run: &str) -> Vec<u8> {
    run.chars().filter_map(selector).collect()
}

/// The byte a variation selector can carry: the first sixteen are in one block, the others in another.
fn selector(c: char) -> Option<u8> {
    let number = match c {
        '\u{fe00}'..='\u{fe0f}' => u32::from(c) - 0xfe00,
        '\u{e0100}'..='\u{e01ef}' => u32::from(c) - 0xe0100 + 16,
        _ => return None,
    };
    u8::try_from(number).ok()
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|plain| is_text(plain))
}

/// Long enough, printable, and mostly letters.
fn is_text(plain: &str) -> bool {
    let (mut all, mut letters) = (0, 0);
    for c in plain.chars() {
        if c.is_control() && !matches!(c, '\n' | '\r' | '\t') {
            return false;
        }
        all += 1;
        letters += usize::from(c.is_alphabetic() || c == ' ');
    }
    all >= MIN_TEXT && letters * 10 >= all * 7
}

/// The fewest characters that say something.
const MIN_TEXT: usize = 16;

/// What [`MIN_TEXT`] bytes come to in base64, without padding.
const MIN_CODED: usize = 22;

/// The shortest line after which wrapped base64 goes on; 60, 64 and 76 are in use.
const WRAPPED: usize = 60;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const WEB: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
