//! Words taken apart: letters with something between them, signs inside words, strings joined by signs.

use std::collections::HashSet;
use std::ops::Range;

use super::glance::Glance;
use super::view::{View, ViewKind};
use super::words::{NAT, Reading, is_english, is_known};
use super::{LONG, Reach, next};

pub(super) fn joined(text: &str, seen: &Glance, reach: Reach) -> Option<View> {
    let look = |any: bool, at: &dyn Fn() -> Option<View>| if any { at() } else { None };
    look(seen.singles as usize + 1 >= MIN_UNITS, &|| apart(text, reach))
        .or_else(|| look(seen.quotes > 0, &|| strings(text)))
        .or_else(|| look(seen.inside > 1 && seen.inside * 40 >= seen.letters, &|| signs(text)))
}

/// `k i l l`, `k.i.l.l`, one letter on a line: the same separator behind each character.
fn apart(text: &str, reach: Reach) -> Option<View> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = single(text, at) {
        let run = Run::from(text, start, at);
        at = run.last.max(start + 1);
        if run.units >= MIN_UNITS && run.is_meant(reach) {
            at = run.end;
            found.push((run.start..run.end, run.plain));
        }
    }
    View::edited(text, ViewKind::Joined, found)
}

/// The next letter or digit that stands alone.
fn single(text: &str, at: usize) -> Option<usize> {
    let mut word = text.get(..at)?.chars().next_back().is_some_and(char::is_alphanumeric);
    let mut chars = text.get(at..)?.char_indices().peekable();
    while let Some((offset, c)) = chars.next() {
        let inside = word;
        word = c.is_alphanumeric();
        if word && !inside && chars.peek().is_some_and(|(_, next)| !next.is_alphanumeric()) {
            return Some(at + offset);
        }
    }
    None
}

/// A run of single characters.
struct Run {
    plain: String,
    /// How many characters were put together.
    units: usize,
    start: usize,
    /// Where the last of them begins.
    last: usize,
    end: usize,
}

impl Run {
    /// The run around a letter that stands alone, not before `floor`.
    fn from(text: &str, start: usize, floor: usize) -> Run {
        let mut run = Run { plain: String::new(), units: 0, start, last: start, end: start };
        let Some(first) = text.get(start..).and_then(|rest| rest.chars().next()) else { return run };
        run.push(first, start);
        let behind = text.get(run.end..).unwrap_or_default();
        let length: usize =
            behind.chars().take(MAX_SEPARATOR + 1).take_while(|c| !c.is_alphanumeric()).map(char::len_utf8).sum();
        let Some(separator) = behind.get(..length).filter(|gap| gap.chars().count() <= MAX_SEPARATOR) else {
            return run;
        };
        let ends = |rest: &str| rest.is_empty() || rest.starts_with(separator) || rest.starts_with(char::is_whitespace);
        loop {
            let rest = text.get(run.end..).unwrap_or_default();
            if let Some(after) = rest.strip_prefix(separator)
                && let Some(c) = after.chars().next()
                && after.get(c.len_utf8()..).is_some_and(|rest| {
                    if c.is_alphanumeric() {
                        ends(rest) || !rest.starts_with(char::is_alphanumeric)
                    } else {
                        ends(rest)
                    }
                })
            {
                run.push(c, run.end + separator.len());
                continue;
            }
            // Another white space than the separator is between words.
            let gap = rest.len() - rest.trim_start().len();
            if let Some(after) = rest.get(gap..).filter(|_| gap > 0 && gap <= 4)
                && let Some(c) = after.chars().next()
                && after.get(c.len_utf8()..).is_some_and(ends)
            {
                run.plain.push(' ');
                run.push(c, run.end + gap);
                continue;
            }
            break;
        }
        run.back(text, separator, floor);
        run
    }

    /// What stands before it in the same way, signs as they are.
    fn back(&mut self, text: &str, separator: &str, floor: usize) {
        let mut signs: Vec<char> = Vec::new();
        while let Some(before) = text.get(floor..self.start).and_then(|before| before.strip_suffix(separator))
            && let Some(c) = before.chars().next_back().filter(|c| !c.is_alphanumeric() && !c.is_whitespace())
        {
            signs.push(c);
            self.start = floor + before.len() - c.len_utf8();
        }
        if !signs.is_empty() {
            self.units += signs.len();
            self.plain = signs.iter().rev().chain(self.plain.chars().collect::<Vec<char>>().iter()).collect();
        }
    }

    fn push(&mut self, c: char, at: usize) {
        self.plain.push(c);
        self.units += 1;
        self.last = at;
        self.end = at + c.len_utf8();
    }

    fn is_meant(&self, reach: Reach) -> bool {
        let reading = Reading::of(&self.plain);
        let letters = self.plain.chars().filter(|c| c.is_alphabetic()).count();
        let foreign = self.plain.chars().filter(|c| matches!(c, '\u{370}'..='\u{1cff}')).count();
        let varied = || self.plain.chars().collect::<HashSet<char>>().len() >= 6;
        // Without any sign of where words end, they are still written in the usual letters.
        let close = letters >= SURE && reading.signs == 0 && reading.cost <= reading.steps * NAT * 27 / 10;
        reading.is_words()
            || (close && varied())
            || (foreign >= SURE && foreign * 2 >= self.units && varied())
            || (self.units >= LONG
                && self.plain.chars().filter(|c| !c.is_whitespace()).count() * 10 >= self.units * 6
                && reach.less().is_some_and(|reach| !next(&self.plain, reach).is_empty()))
    }
}

/// `"kil" + "l"`: strings whose seam is inside a word.
fn strings(text: &str) -> Option<View> {
    let mut seams: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(offset) = text.get(at..)?.find(['"', '\'']) {
        let start = at + offset;
        at = start + 1;
        if let Some(end) = seam(text, start) {
            seams.push(start..end);
            at = end;
        }
    }
    if seams.is_empty() {
        return None;
    }
    let view = View::edited(text, ViewKind::Joined, seams.iter().map(|seam| (seam.clone(), String::new())))?;
    let (mut cut, mut whole) = (0, 0);
    let mut removed = 0;
    let mut done = 0;
    for seam in &seams {
        let place = seam.start - removed;
        removed += seam.len();
        if place < done {
            continue;
        }
        let letters = |c: &char| c.is_ascii_alphabetic();
        let left: usize = view.text.get(..place)?.chars().rev().take(MAX_WORD).take_while(letters).count();
        let right: usize = view.text.get(place..)?.chars().take(MAX_WORD).take_while(letters).count();
        done = place + right;
        cut += 1;
        let word = view.text.get(place - left..place + right)?;
        whole += usize::from(word.len() >= 4 && is_known(word));
    }
    (whole > 0 && whole * 2 >= cut).then_some(view)
}

/// The end of a seam that begins with a quotation mark: the mark, a sign that joins, and another mark.
fn seam(text: &str, start: usize) -> Option<usize> {
    let rest = text.get(start..)?;
    let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    if !word(text.get(..start)?.chars().next_back()) {
        return None;
    }
    let blank = |text: &str| text.bytes().take(16).take_while(u8::is_ascii_whitespace).count();
    let mut at = 1;
    at += blank(rest.get(at..)?);
    let sign = ["+", "||", "..", ".", "&", "~", "\\"]
        .iter()
        .find(|sign| rest.get(at..).is_some_and(|rest| rest.starts_with(**sign)));
    at += sign.map_or(0, |sign| sign.len());
    at += blank(rest.get(at..)?);
    let opens = rest.get(at..)?.starts_with(['"', '\'']) && at > 1;
    (opens && word(rest.get(at + 1..)?.chars().next())).then_some(start + at + 1)
}

/// `ig*no*re`: signs inside words that are words without them.
fn signs(text: &str) -> Option<View> {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let (mut words, mut cut, mut whole) = (0_usize, 0_usize, 0_usize);
    let mut at = 0;
    for token in text.split_ascii_whitespace() {
        at += text.get(at..)?.find(token)?;
        words += 1;
        let bare = token.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        if bare.bytes().all(|byte| byte.is_ascii_alphanumeric()) || bare.len() > MAX_WORD || !bare.is_ascii() {
            at += token.len();
            continue;
        }
        let start = at + (bare.as_ptr().addr() - token.as_ptr().addr());
        at += token.len();
        let whole_word: String = bare.chars().filter(char::is_ascii_alphanumeric).collect();
        let parts_known = bare.split(|c: char| !c.is_ascii_alphabetic()).filter(|part| !part.is_empty()).all(is_known);
        cut += 1;
        let apart = bare.contains(|c: char| !c.is_ascii_alphanumeric() && c != '\'');
        if whole_word.len() >= 3 && is_english(&whole_word) && !parts_known && apart {
            whole += 1;
        }
        let inner = bare.char_indices().filter(|(_, c)| !c.is_ascii_alphanumeric());
        edits.extend(inner.map(|(offset, _)| (start + offset..start + offset + 1, String::new())));
    }
    let enough = whole >= 2 && whole * 2 >= cut && whole * 4 >= words;
    if enough { View::edited(text, ViewKind::Joined, edits) } else { None }
}

/// Fewer characters apart say nothing.
const MIN_UNITS: usize = 4;

/// As many letters without a known word are words of some language.
const SURE: usize = 8;

/// The most characters between two.
const MAX_SEPARATOR: usize = 3;

/// No word is longer.
const MAX_WORD: usize = 48;
