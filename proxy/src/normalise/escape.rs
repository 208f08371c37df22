//! Characters written as escapes: `%69`, `\x69`, `\u0069`, `\u{69}`, `\151`, `&#105;`, `&#x69;`, `U+0069`, `=69`.

use std::ops::Range;

use super::glance::Glance;
use super::view::{View, ViewKind};
use super::{Reach, means};

/// Undoes escapes where there are several near each other and what comes out means something.
pub(super) fn decoded(text: &str, seen: &Glance, reach: Reach) -> Option<View> {
    if (seen.escapes as usize) < MIN_ESCAPES {
        return None;
    }
    let mut edits = Vec::new();
    let mut cluster: Vec<Found> = Vec::new();
    for found in (Escapes { text, at: 0 }) {
        if cluster.last().is_some_and(|last| found.range.start > last.range.end + MAX_GAP) {
            close(text, &cluster, reach, &mut edits);
            cluster.clear();
        }
        cluster.push(found);
    }
    close(text, &cluster, reach, &mut edits);
    View::edited(text, ViewKind::Decoded, edits)
}

fn close(text: &str, cluster: &[Found], reach: Reach, edits: &mut Vec<(Range<usize>, String)>) {
    let counted = cluster.iter().filter(|found| found.sign != Sign::Named).count();
    let (Some(first), Some(last)) = (cluster.first(), cluster.last()) else { return };
    if counted < MIN_ESCAPES {
        return;
    }
    // An equals sign before two digits is nothing special, unless the text is full of them or has spaces only so.
    let length = last.range.end - first.range.start;
    if cluster.iter().all(|found| found.sign == Sign::Equals) {
        let spaces = cluster.iter().filter(|found| found.value == Escaped::Byte(b' ')).count();
        if counted * 3 * 2 < length && spaces < MIN_ESCAPES {
            return;
        }
    }
    let Some(new) = replacements(cluster) else { return };
    let around = around(text, first.range.start, last.range.end);
    let mut plain = String::with_capacity(around.len());
    let mut done = around.start;
    for (range, by) in &new {
        plain.push_str(text.get(done..range.start).unwrap_or_default());
        plain.push_str(by);
        done = range.end;
    }
    plain.push_str(text.get(done..around.end).unwrap_or_default());
    // Among escapes, signs that begin none are of another alphabet.
    let broken = |sign: u8| {
        let gaps = cluster.windows(2).filter_map(|pair| match pair {
            [left, right] => text.get(left.range.end..right.range.start),
            _ => None,
        });
        gaps.flat_map(str::bytes).filter(|byte| *byte == sign).count() * 12 > counted
    };
    let sign = text.as_bytes().get(first.range.start).copied();
    if !sign.is_some_and(broken) && means(&plain, reach) {
        edits.extend(new);
    }
}

/// What stands for each escape; bytes side by side are characters together. None when they are not, or are no text.
fn replacements(cluster: &[Found]) -> Option<Vec<(Range<usize>, String)>> {
    let mut out: Vec<(Range<usize>, String)> = Vec::with_capacity(cluster.len());
    let mut bytes: Vec<u8> = Vec::new();
    let mut range = 0..0;
    for found in cluster {
        if !bytes.is_empty() && (found.range.start != range.end || !matches!(found.value, Escaped::Byte(_))) {
            out.push((range.clone(), String::from_utf8(std::mem::take(&mut bytes)).ok()?));
        }
        match found.value {
            Escaped::Byte(byte) => {
                if bytes.is_empty() {
                    range.start = found.range.start;
                }
                range.end = found.range.end;
                bytes.push(byte);
            }
            Escaped::Character(c) => out.push((found.range.clone(), c.to_string())),
            Escaped::Nothing => out.push((found.range.clone(), String::new())),
        }
    }
    if !bytes.is_empty() {
        out.push((range, String::from_utf8(bytes).ok()?));
    }
    Some(out)
}

/// The range, out to the nearest white space.
fn around(text: &str, start: usize, end: usize) -> Range<usize> {
    let before = text.get(..start).unwrap_or_default();
    let behind = text.get(end..).unwrap_or_default();
    let word = |c: &char| !c.is_whitespace();
    let left: usize = before.chars().rev().take(MAX_GAP).take_while(word).map(char::len_utf8).sum();
    let right: usize = behind.chars().take(MAX_GAP).take_while(word).map(char::len_utf8).sum();
    start - left..end + right
}

struct Escapes<'a> {
    text: &'a str,
    at: usize,
}

struct Found {
    range: Range<usize>,
    value: Escaped,
    sign: Sign,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escaped {
    Byte(u8),
    Character(char),
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Equals,
    /// An HTML entity with a name; no letter has one.
    Named,
    Other,
}

impl Iterator for Escapes<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let rest = self.text.get(self.at..)?;
            let offset = rest.bytes().position(|byte| matches!(byte, b'%' | b'\\' | b'&' | b'=' | b'U' | b'u'))?;
            let start = self.at + offset;
            let seen = self.text.get(start..).and_then(escape);
            self.at = start + seen.as_ref().map_or(1, |(length, ..)| *length);
            if let Some((_, value, sign)) = seen {
                return Some(Found { range: start..self.at, value, sign });
            }
        }
    }
}

/// The escape at the beginning of the text, and its length.
fn escape(text: &str) -> Option<(usize, Escaped, Sign)> {
    let hex = |range: Range<usize>| {
        let digits = text.get(range).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let byte = |from: usize| u8::try_from(hex(from..from + 2)?).ok().map(Escaped::Byte);
    let character = |code: Option<u32>| char::from_u32(code?).map(Escaped::Character);
    let run = |from: usize| text.bytes().skip(from).take(8).take_while(u8::is_ascii_hexdigit).count();
    let seen = match text.as_bytes() {
        [b'%', b'u' | b'U', ..] => (6, character(hex(2..6))?, Sign::Other),
        [b'%', ..] => (3, byte(1)?, Sign::Other),
        [b'=', b'\n', ..] => (2, Escaped::Nothing, Sign::Equals),
        [b'=', b'\r', b'\n', ..] => (3, Escaped::Nothing, Sign::Equals),
        [b'=', ..] => (3, byte(1)?, Sign::Equals),
        [b'\\', b'x' | b'X', ..] => (4, byte(2)?, Sign::Other),
        [b'\\', b'u', b'{', ..] => {
            let length = run(3);
            text.get(3 + length..)?.strip_prefix('}')?;
            (4 + length, character(hex(3..3 + length))?, Sign::Other)
        }
        [b'\\', b'u', ..] => surrogates(text).or_else(|| Some((6, character(hex(2..6))?, Sign::Other)))?,
        [b'\\', b'U', ..] => (10, character(hex(2..10))?, Sign::Other),
        [b'\\', b'0'..=b'3', ..] => {
            let digits = text.get(1..4).filter(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'7')))?;
            (4, Escaped::Byte(u8::from_str_radix(digits, 8).ok()?), Sign::Other)
        }
        [b'U' | b'u', b'+', ..] => {
            let length = run(2).min(6);
            let space = usize::from(text.get(2 + length..).is_some_and(|rest| rest.starts_with(' ')));
            (2 + length + space, character(hex(2..2 + length).filter(|_| length >= 2))?, Sign::Other)
        }
        [b'&', b'#', ..] => {
            // The longest is `&#x10FFFF;`, leading zeros aside.
            let end = text.bytes().take(12).position(|byte| byte == b';')?;
            let number = text.get(2..end)?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            (end + 1, character(code.ok())?, Sign::Other)
        }
        [b'&', ..] => {
            let (name, c) = NAMED.iter().find(|(name, _)| text.get(1..).is_some_and(|rest| rest.starts_with(name)))?;
            (name.len() + 1, Escaped::Character(*c), Sign::Named)
        }
        _ => return None,
    };
    Some(seen)
}

/// Two escapes that are one character beyond the first plane.
fn surrogates(text: &str) -> Option<(usize, Escaped, Sign)> {
    let unit = |at: usize| u16::from_str_radix(text.get(at..at + 4)?, 16).ok();
    let high = unit(2)?;
    let low = text.get(6..8).filter(|sign| *sign == "\\u").and_then(|_| unit(8))?;
    let c = char::decode_utf16([high, low]).next()?.ok()?;
    (c.len_utf16() == 2).then_some((12, Escaped::Character(c), Sign::Other))
}

const NAMED: [(&str, char); 6] =
    [("lt;", '<'), ("gt;", '>'), ("amp;", '&'), ("quot;", '"'), ("apos;", '\''), ("nbsp;", ' ')];

/// A link has one or two escapes without hiding anything.
const MIN_ESCAPES: usize = 3;

/// Escapes further apart have nothing to do with each other.
const MAX_GAP: usize = 32;
