//! Bytes that are carried by characters nobody sees.

use std::ops::Range;

use super::view::{View, ViewKind};
use super::{Reach, means};

/// Runs of variation selectors, and of two invisible characters that stand for bits.
pub(super) fn opened(text: &str, reach: Reach) -> Option<View> {
    if text.is_ascii() {
        return None;
    }
    let mut found: Vec<(Range<usize>, String)> = Vec::new();
    let mut at = 0;
    while let Some(offset) = text.get(at..)?.find(|c| selector(c).is_some() || bit(c).is_some()) {
        let start = at + offset;
        let rest = text.get(start..)?;
        let selectors = run(rest, |c| selector(c).is_some());
        let length = selectors.max(run(rest, |c| bit(c).is_some()));
        let carrier = rest.get(..length)?;
        let bytes = if selectors > 0 { Some(carrier.chars().filter_map(selector).collect()) } else { bits(carrier) };
        let plain = bytes.and_then(|bytes: Vec<u8>| String::from_utf8(bytes).ok());
        if let Some(plain) = plain.filter(|plain| plain.len() >= MIN_BYTES && means(plain, reach)) {
            // It is a text of its own, wherever it hangs.
            let apart = |c: Option<char>| if c.is_some_and(|c| !c.is_whitespace()) { " " } else { "" };
            let before = apart(text.get(..start)?.chars().next_back());
            let behind = apart(text.get(start + length..)?.chars().next());
            found.push((start..start + length, format!("{before}{plain}{behind}")));
        }
        at = start + length;
    }
    View::edited(text, ViewKind::Decoded, found)
}

fn run(text: &str, inside: impl Fn(char) -> bool) -> usize {
    text.find(|c| !inside(c)).unwrap_or(text.len())
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

/// Bytes in two characters, eight to a byte, the first one for zero or the other way round.
fn bits(carrier: &str) -> Option<Vec<u8>> {
    let zero = carrier.chars().filter_map(bit).min()?;
    let one = carrier.chars().filter_map(bit).max()?;
    let only_two = carrier.chars().filter_map(bit).all(|c| c == zero || c == one);
    let count = carrier.chars().count();
    if !only_two || zero == one || !count.is_multiple_of(8) {
        return None;
    }
    let read = |set: char| {
        let bits: Vec<bool> = carrier.chars().map(|c| c == set).collect();
        let bytes = bits.chunks(8).map(|byte| byte.iter().fold(0_u8, |all, bit| (all << 1) | u8::from(*bit)));
        bytes.collect::<Vec<u8>>()
    };
    let is_text = |bytes: &Vec<u8>| {
        std::str::from_utf8(bytes).is_ok_and(|text| !text.contains(|c: char| c.is_control() && c != '\n'))
    };
    [one, zero].into_iter().map(read).find(is_text)
}

/// An invisible character that can carry a bit.
fn bit(c: char) -> Option<char> {
    matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}').then_some(c)
}

/// Fewer bytes say nothing.
const MIN_BYTES: usize = 8;
