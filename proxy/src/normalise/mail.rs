//! What mail is made of: encoded words, uuencoded lines; and names in punycode.

use std::ops::Range;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::glance::Glance;
use super::view::{View, ViewKind};
use super::{Reach, base, means, punycode};

pub(super) fn decoded(text: &str, seen: &Glance, reach: Reach) -> Option<View> {
    let words = || {
        View::edited(
            text,
            ViewKind::Decoded,
            (seen.escapes > 1).then_some(Words { text, at: 0, before: 0 }).into_iter().flatten(),
        )
    };
    let names = || {
        View::edited(text, ViewKind::Decoded, (seen.dashes > 0).then_some(Names { text, at: 0 }).into_iter().flatten())
    };
    uuencoded(text, reach).or_else(words).or_else(names)
}

/// Encoded words, `=?utf-8?B?…?=`; white space between two of them is none.
struct Words<'a> {
    text: &'a str,
    at: usize,
    /// Where the last one ended.
    before: usize,
}

impl Iterator for Words<'_> {
    type Item = (Range<usize>, String);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.at + self.text.get(self.at..)?.find("=?")?;
            self.at = start + 2;
            // A word has at most 75 characters, but nobody keeps to that.
            let inside = self.text.get(start + 2..)?;
            let Some((plain, length)) = word(inside) else { continue };
            self.at = start + 2 + length;
            let gap = self.text.get(self.before..start).is_some_and(|gap| gap.trim_ascii().is_empty());
            let from = if gap && self.before > 0 { self.before } else { start };
            self.before = self.at;
            return Some((from..self.at, plain));
        }
    }
}

/// The word behind its `=?`, and where it ends.
fn word(inside: &str) -> Option<(String, usize)> {
    let charset = inside.bytes().take(32).position(|byte| byte == b'?')?;
    let (kind, coded) = inside.get(charset + 1..)?.split_at_checked(2)?;
    let length = coded.find('?').filter(|at| coded.get(*at..).is_some_and(|end| end.starts_with("?=")))?;
    let coded = coded.get(..length)?;
    let bytes = match kind {
        "B?" | "b?" => BASE64_STANDARD.decode(coded).ok()?,
        "Q?" | "q?" => quoted(coded)?,
        _ => return None,
    };
    Some((String::from_utf8(bytes).ok()?, charset + 3 + length + 2))
}

fn quoted(coded: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(coded.len());
    let mut bytes = coded.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        out.push(match byte {
            b'_' => b' ',
            b'=' => {
                bytes.nth(1)?;
                u8::from_str_radix(coded.get(at + 1..at + 3)?, 16).ok()?
            }
            other => other,
        });
    }
    Some(out)
}

/// Names that begin with `xn--`.
struct Names<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Names<'_> {
    type Item = (Range<usize>, String);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.at + self.text.get(self.at..)?.find("xn--")?;
            let label = self.text.get(start + 4..)?;
            let length = label.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(label.len());
            self.at = start + 4 + length;
            if let Some(plain) = punycode::decoded(label.get(..length)?) {
                return Some((start..self.at, plain));
            }
        }
    }
}

/// Lines that say how long they are, as uuencode makes them; `begin` and `end` around them stay.
fn uuencoded(text: &str, reach: Reach) -> Option<View> {
    let mut found: Vec<(Range<usize>, String)> = Vec::new();
    let mut open: Option<(Range<usize>, Vec<u8>)> = None;
    let mut at = 0;
    let mut close = |open: &mut Option<(Range<usize>, Vec<u8>)>| {
        let plain = open.take().and_then(|(range, bytes)| Some((range, String::from_utf8(bytes).ok()?)));
        found.extend(plain.filter(|(_, plain)| means(plain, reach)));
    };
    for line in text.split_inclusive('\n') {
        if open.is_none() && !is_sized(line) {
            at += line.len();
            continue;
        }
        let bare = line.trim_end_matches(['\n', '\r']);
        match uu_line(bare) {
            Some(bytes) => {
                let (range, all) = open.get_or_insert_with(|| (at..at, Vec::new()));
                range.end = at + bare.len();
                all.extend(bytes);
            }
            None => close(&mut open),
        }
        at += line.len();
    }
    close(&mut open);
    View::edited(text, ViewKind::Decoded, found)
}

/// Whether the first character of a line may say how long it is.
fn is_sized(line: &str) -> bool {
    let count = line.bytes().next().unwrap_or_default().wrapping_sub(32);
    (1..=45).contains(&count) && line.len() + 3 >= usize::from(count).div_ceil(3) * 4 && line.len() <= 64
}

fn uu_line(line: &str) -> Option<Vec<u8>> {
    let first = line.bytes().next()?;
    let count = usize::from(first.checked_sub(32).filter(|count| (1..=45).contains(count))?);
    let coded = line.get(1..)?;
    let length = count.div_ceil(3) * 4;
    // Blanks at the end may have been cut.
    if coded.len() > length + 1 || coded.len() + 3 < length {
        return None;
    }
    let digit = |byte: u8| matches!(byte, b' '..=b'`').then(|| (byte - 32) & 63);
    let padded = coded.bytes().chain(std::iter::repeat_n(b' ', length.saturating_sub(coded.len())));
    let padded: String = padded.take(length).map(char::from).collect();
    let mut bytes = base::bits(&padded, 6, digit)?;
    bytes.truncate(count);
    Some(bytes)
}
