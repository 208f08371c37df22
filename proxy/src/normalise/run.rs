//! Runs of hexadecimal, base32, base58, base64 and base85 become the text they encode.
//!
//! A run counts only when it is long enough and what comes out means something: hashes, keys, images and identifiers do
//! not decode to that.

use std::ops::Range;

use super::glance::Glance;
use super::view::{View, ViewKind};
use super::{Reach, base, means};

pub(super) fn decoded(text: &str, seen: &Glance, reach: Reach) -> Option<View> {
    if seen.runs == 0 {
        return None;
    }
    View::edited(text, ViewKind::Decoded, Runs { text, at: 0, reach })
}

/// The encoded runs of a text from left to right, with what they say.
struct Runs<'a> {
    text: &'a str,
    at: usize,
    reach: Reach,
}

impl Iterator for Runs<'_> {
    type Item = (Range<usize>, String);

    /// Every step looks a bounded number of times at what it goes over, so the whole is linear.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.text.get(self.at..)?;
            let start = self.at + rest.find(|c: char| c.is_ascii_graphic())?;
            let rest = self.text.get(start..)?;
            let end =
                rest.bytes().position(|byte| !byte.is_ascii_graphic()).map_or(self.text.len(), |length| start + length);
            self.at = end;
            if end - start < base::MIN_CODED {
                continue;
            }
            if let Some((range, plain)) = self.narrow(start, end).or_else(|| self.wide(start, end)) {
                self.at = range.end;
                return Some((range, plain));
            }
        }
    }
}

impl Runs<'_> {
    /// The first run in a token that is in one of the alphabets of letters and digits.
    fn narrow(&self, mut start: usize, token: usize) -> Option<(Range<usize>, String)> {
        while start < token {
            start += self.text.get(start..token)?.bytes().position(in_alphabet)?;
            let rest = self.text.get(start..)?;
            let length = rest.bytes().position(|byte| !in_alphabet(byte)).unwrap_or(rest.len());
            let short = rest.get(..length)?;
            let long = lines(rest, length, in_alphabet);
            for length in [long, length].into_iter().take(if long > length { 2 } else { 1 }) {
                let padding = rest.bytes().skip(length).take_while(|byte| *byte == b'=').count().min(6);
                let run = rest.get(..length)?;
                let read = self.read(run);
                if let Some(plain) = read {
                    return Some((start..start + length + padding, plain));
                }
            }
            // A path or an address may have the run behind a stroke.
            let parts = short.split(['/', '+', '-', '_']).filter(|part| part.len() >= base::MIN_CODED);
            for part in parts.filter(|part| part.len() < short.len()).take(MAX_PARTS) {
                let from = start + (part.as_ptr().addr() - short.as_ptr().addr());
                if let Some(plain) = self.read(part) {
                    return Some((from..from + part.len(), plain));
                }
            }
            start += length.max(1);
        }
        None
    }

    fn read(&self, run: &str) -> Option<String> {
        if is_word(run) {
            return None;
        }
        let joined: String;
        let run = if run.contains(['\n', '\r']) {
            joined = run.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            &joined
        } else {
            run
        };
        base::NARROW.iter().find_map(|decode| self.text_of(decode(run)?))
    }

    /// A token in an alphabet with signs, over line ends when the lines are long.
    fn wide(&self, start: usize, end: usize) -> Option<(Range<usize>, String)> {
        let rest = self.text.get(start..)?;
        let length = lines(rest, end - start, |byte| byte.is_ascii_graphic());
        let run = rest.get(..length)?;
        if length < base::MIN_WIDE || is_word(run) {
            return None;
        }
        let whole: String = run.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let plain = base::WIDE.iter().find_map(|decode| self.text_of(decode(&whole)?));
        let quoted = || {
            let inner = whole.trim_matches(['"', '\'', '`']);
            (inner.len() < whole.len()).then(|| base::WIDE.iter().find_map(|decode| self.text_of(decode(inner)?)))?
        };
        Some((start..start + length, plain.or_else(quoted)?))
    }

    fn text_of(&self, bytes: Vec<u8>) -> Option<String> {
        let plain = match base::sixteen(&bytes) {
            Some(plain) => plain,
            None => String::from_utf8(bytes).ok()?,
        };
        means(&plain, self.reach).then_some(plain)
    }
}

/// How far a run goes on over line ends: after lines of one length, if that is a usual one or there are three.
fn lines(rest: &str, first: usize, inside: impl Fn(u8) -> bool) -> usize {
    let bytes = rest.as_bytes();
    let mut end = first;
    let mut count = 1;
    loop {
        let feed = match (bytes.get(end), bytes.get(end + 1)) {
            (Some(b'\n'), _) => 1,
            (Some(b'\r'), Some(b'\n')) => 2,
            _ => break,
        };
        let length = bytes.iter().skip(end + feed).take(first + 1).take_while(|byte| inside(**byte)).count();
        if length == 0 || length > first || first < WRAPPED {
            break;
        }
        end += feed + length;
        count += 1;
        if length < first {
            break;
        }
    }
    if count > 1 { end } else { first }
}

/// A word, however long: lower case, with or without a capital.
fn is_word(run: &str) -> bool {
    run.len() < 40 && run.bytes().skip(1).all(|byte| byte.is_ascii_lowercase())
}

/// The alphabets of base64, the plain one and that of URLs; all the others with letters and digits only are within them.
fn in_alphabet(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}

/// The shortest line after which a run goes on.
const WRAPPED: usize = 16;

/// So many parts of a path are looked at alone.
const MAX_PARTS: usize = 8;
