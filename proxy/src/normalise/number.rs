//! Characters written as lists of their codes, in binary, octal, decimal or hexadecimal, or of their places in the alphabet.

use std::collections::HashSet;
use std::ops::Range;

use super::glance::Glance;
use super::view::{View, ViewKind};
use super::words::Reading;
use super::{Reach, means};

pub(super) fn decoded(text: &str, seen: &Glance, reach: Reach) -> Option<View> {
    if seen.figures < 3 {
        return None;
    }
    let lists = Lists { text, at: 0 };
    let read =
        lists.filter_map(|list| Some((list.first()?.range.start..list.last()?.range.end, read(text, &list, reach)?)));
    View::edited(text, ViewKind::Spelled, read)
}

/// One number of a list.
#[derive(Debug)]
struct Number<'a> {
    /// With its prefix.
    range: Range<usize>,
    digits: &'a str,
}

fn read(text: &str, list: &[Number<'_>], reach: Reach) -> Option<String> {
    if let [only] = list {
        let long = only.digits.len() >= MIN_BITS && only.digits.bytes().all(|byte| matches!(byte, b'0' | b'1'));
        let widths = [8, 7].into_iter().filter(|width| long && only.digits.len() % width == 0);
        let chunk = |width: usize| {
            let codes = only.digits.as_bytes().chunks(width).map(|bits| std::str::from_utf8(bits).ok());
            said(&codes.map(|bits| u32::from_str_radix(bits?, 2).ok()).collect::<Option<Vec<u32>>>()?)
        };
        return widths.filter_map(chunk).find(|plain| means(plain, reach));
    }
    if list.len() < MIN_NUMBERS {
        return None;
    }
    let all = |test: fn(&str) -> bool| list.iter().all(|number| test(number.digits));
    let codes = |radix: u32| -> Option<Vec<u32>> {
        list.iter().map(|number| u32::from_str_radix(number.digits, radix).ok()).collect()
    };
    let in_base = |radix: u32| codes(radix).and_then(|codes| said(&codes)).filter(|plain| means(plain, reach));
    let binary = || all(|digits| digits.len() >= 6 && digits.bytes().all(|byte| byte <= b'1')).then(|| in_base(2))?;
    let octal = || {
        all(|digits| (2..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte <= b'7')).then(|| in_base(8))?
    };
    let decimal = || all(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| in_base(10))?;
    let hexadecimal = || all(|digits| matches!(digits.len(), 2 | 4 | 6 | 8)).then(|| in_base(16))?;
    if let Some(plain) = binary() {
        return Some(plain);
    }
    let all: Vec<String> = [hexadecimal(), decimal(), octal()].into_iter().flatten().collect();
    let tells = |plain: &&String| {
        Reading::of(plain).is_words() || reach.less().is_some_and(|reach| !super::next(plain, reach).is_empty())
    };
    let best =
        if all.len() > 1 { all.iter().find(tells).or_else(|| all.iter().find(|plain| plain.is_ascii())) } else { None };
    best.or(all.first()).cloned().or_else(|| places(text, list, &codes(10)?, reach))
}

/// The characters with these codes, as bytes of UTF-8 or as they are.
fn said(codes: &[u32]) -> Option<String> {
    let bytes: Option<Vec<u8>> = codes.iter().map(|code| u8::try_from(*code).ok()).collect();
    let utf8 = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    utf8.or_else(|| {
        let plain: String = codes.iter().map(|code| char::from_u32(*code)).collect::<Option<String>>()?;
        // A text is written in few alphabets; letters with marks are among others.
        let pages: HashSet<u32> = plain.chars().map(|c| u32::from(c) >> 8).collect();
        let marked = plain.chars().filter(|c| matches!(c, '\u{80}'..='\u{2ff}')).count();
        (pages.len() <= 4 && marked * 2 <= codes.len()).then_some(plain)
    })
}

/// Places in the alphabet, `9-7-14-15-18-5`; another sign between them than the usual one ends a word.
fn places(text: &str, list: &[Number<'_>], codes: &[u32], reach: Reach) -> Option<String> {
    let mut gaps = list.windows(2).filter_map(|pair| match pair {
        [left, right] => text.get(left.range.end..right.range.start),
        _ => None,
    });
    let usual = gaps.clone().min_by_key(|gap| gap.len())?;
    let mut plain = String::new();
    for code in codes {
        plain.push(char::from(u8::try_from(*code).ok().filter(|code| (1..=26).contains(code))? + b'a' - 1));
        if gaps.next().is_some_and(|gap| gap != usual) {
            plain.push(' ');
        }
    }
    (Reading::of(&plain).is_words()
        || (plain.len() >= 16 && !super::cipher::undone(&plain).views.is_empty() && reach.deep > 0))
        .then_some(plain)
}

struct Lists<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Lists<'a> {
    type Item = Vec<Number<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let bytes = self.text.as_bytes();
            // At the beginning of a word; bytes beyond ASCII begin with a letter.
            let start = self.at + bytes.get(self.at..)?.iter().position(u8::is_ascii_alphanumeric)?;
            let mut list: Vec<Number<'a>> = Vec::new();
            let mut at = start;
            let mut short = usize::MAX;
            while let Some((number, end)) = number(self.text, at) {
                at = end;
                list.push(number);
                let behind = self.text.get(at..).unwrap_or_default();
                let gap: usize = behind
                    .bytes()
                    .take(MAX_GAP + 1)
                    .take_while(|byte| b" ,;:-/|_.()[]\\\n\t\r+".contains(byte))
                    .count();
                if gap == 0 || gap > MAX_GAP {
                    break;
                }
                short = short.min(gap);
                at += gap;
            }
            self.at = list.last().map_or(start, |last| last.range.end);
            // On to the end of the word, whatever it was.
            let word = self.text.get(self.at..)?.bytes().take_while(u8::is_ascii_alphanumeric).count();
            self.at += word;
            let long = list.first().is_some_and(|only| only.digits.len() >= MIN_BITS);
            if list.len() >= MIN_NUMBERS || long {
                return Some(list);
            }
        }
    }
}

/// The number at a place, and where it ends; up to eight digits, or many bits.
fn number(text: &str, at: usize) -> Option<(Number<'_>, usize)> {
    let rest = text.get(at..)?;
    let prefixed =
        ["0x", "0X", "0b", "0B", "0o", "0O", "\\x", "x", "o"].iter().find(|prefix| rest.starts_with(**prefix));
    let bare = prefixed.and_then(|prefix| rest.strip_prefix(prefix));
    // `0b` may be two digits of hexadecimal.
    let length = |text: &str| text.bytes().take_while(u8::is_ascii_hexdigit).count();
    let digits = match bare.filter(|bare| length(bare) > 0) {
        Some(bare) => bare,
        None => rest,
    };
    let count = length(digits);
    let end = at + (rest.len() - digits.len()) + count;
    let ends = !text.as_bytes().get(end).is_some_and(u8::is_ascii_alphanumeric);
    let digits = digits.get(..count).filter(|_| ends && count > 0)?;
    (count <= MAX_DIGITS || digits.bytes().all(|byte| byte <= b'1')).then_some((Number { range: at..end, digits }, end))
}

/// Fewer numbers say nothing.
const MIN_NUMBERS: usize = 6;

/// As many bits side by side may be characters.
const MIN_BITS: usize = 48;

/// The most digits of one number, when they are not bits.
const MAX_DIGITS: usize = 8;

/// Between two numbers stand at most so many bytes.
const MAX_GAP: usize = 3;
