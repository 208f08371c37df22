//! Plays on spelling: digits and signs for letters, pig Latin, wild capitals, accents that no language has.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::glance::Glance;
use super::view::{View, ViewKind};
use super::words::{cost, is_english, is_known, rank};

pub(super) fn undone(text: &str, seen: &Glance) -> Option<View> {
    let look = |any: bool, at: fn(&str) -> Option<View>| if any { at(text) } else { None };
    look(seen.foreign > 0, plain_letters)
        .or_else(|| look(seen.played as usize >= MIN_PLAYED, letters))
        .or_else(|| look(seen.endings as usize > MIN_PLAYED, pig_latin))
        .or_else(|| look(seen.rises as usize >= MIN_RISES, small))
}

/// The tokens of a text, with their places.
fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let place = move |token: &str| token.as_ptr().addr() - text.as_ptr().addr();
    text.split_whitespace().map(move |token| (place(token), token))
}

/// Digits and signs become the letters they look like: `1gn0r3 4ll`.
fn letters(text: &str) -> Option<View> {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let (mut all, mut played, mut known) = (0_usize, 0_usize, 0_usize);
    for (start, token) in tokens(text) {
        all += 1;
        let Some((range, plain, found)) = played_token(token) else { continue };
        let mixed = token.bytes().any(|byte| byte.is_ascii_alphabetic());
        if mixed {
            played += 1;
            known += usize::from(found);
        }
        if mixed || found {
            edits.push((start + range.start..start + range.end, plain));
        }
    }
    let enough = known >= 2 && known * 2 >= played && (known * 5 >= all || (known >= 5 && known * 10 >= played * 8));
    if enough { View::edited(text, ViewKind::Deciphered, edits) } else { None }
}

fn sign(byte: u8) -> bool {
    !options(byte).is_empty()
}

/// A token in letters, and whether that is a word; signs at its ends are letters only if that makes one.
fn played_token(token: &str) -> Option<(Range<usize>, String, bool)> {
    if !token.is_ascii() || token.len() > MAX_WORD || !token.bytes().any(sign) {
        return None;
    }
    let trimmed = |ends: &[u8]| {
        let end = |byte: &u8| ends.contains(byte);
        let start = token.bytes().take_while(|byte| end(byte)).count();
        let length = token.len() - token.bytes().rev().take_while(|byte| end(byte)).count();
        start..length.max(start)
    };
    let ranges = [trimmed(b""), trimmed(b".,;:?\"'`"), trimmed(b".,;:?\"'`!()[]{}<>|*")];
    for range in &ranges {
        let part = token.get(range.clone()).filter(|part| part.bytes().any(sign))?;
        if let Some(plain) = readings(part).filter(|plain| is_word(plain)).min_by_key(|plain| rank(plain)) {
            return Some((range.clone(), plain, true));
        }
    }
    let [.., range] = ranges;
    let cheapest = |plain: &String| cost(plain.bytes().filter(u8::is_ascii_alphabetic));
    let plain = readings(token.get(range.clone())?).min_by_key(cheapest)?;
    Some((range, plain, false))
}

/// The ways to read a token, the likeliest first; only few of many.
fn readings(token: &str) -> impl Iterator<Item = String> {
    let doubtful = token.bytes().filter(|byte| options(*byte).len() > 1).count().min(MAX_DOUBTS);
    (0..1_u32 << doubtful).map(move |choice| {
        let mut seen = 0;
        let letter = |byte: u8| {
            let options = options(byte);
            let second = options.len() > 1 && {
                seen += 1;
                seen <= MAX_DOUBTS && choice >> (seen - 1) & 1 == 1
            };
            char::from(options.get(usize::from(second)).copied().unwrap_or(byte))
        };
        token.bytes().map(letter).collect()
    })
}

fn options(byte: u8) -> &'static [u8] {
    match byte {
        b'4' | b'@' => b"a",
        b'8' => b"b",
        b'(' | b'<' | b'{' | b'[' => b"c",
        b'3' => b"e",
        b'6' => b"gb",
        b'9' => b"g",
        b'#' => b"h",
        b'1' | b'!' => b"il",
        b'|' => b"li",
        b'0' => b"o",
        b'5' | b'$' => b"s",
        b'7' | b'+' => b"t",
        b'2' => b"z",
        _ => b"",
    }
}

/// `ignoreway allway eviouspray`: several words in a row that end so.
fn pig_latin(text: &str) -> Option<View> {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let mut row: Vec<(Range<usize>, String)> = Vec::new();
    let mut known = 0_usize;
    for (start, token) in tokens(text).chain([(text.len(), "")]) {
        let bare = token.trim_matches(|c: char| !c.is_ascii_alphabetic());
        let lower = bare.to_ascii_lowercase();
        let stem = lower
            .strip_suffix("ay")
            .filter(|stem| !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_lowercase()));
        if let Some(plain) = stem.and_then(turned) {
            known += usize::from(is_known(&plain) || plain.len() == 1);
            let from = start + (bare.as_ptr().addr() - token.as_ptr().addr());
            row.push((from..from + bare.len(), plain));
        } else {
            if row.len() > MIN_PLAYED && known * 2 >= row.len() {
                edits.append(&mut row);
            }
            row.clear();
            known = 0;
        }
    }
    View::edited(text, ViewKind::Deciphered, edits)
}

/// The word whose beginning went to the end: a known one if there is any.
fn turned(stem: &str) -> Option<String> {
    let consonants = stem.bytes().rev().take(4).take_while(|byte| !b"aeiou".contains(byte)).count();
    let moved = (1..=consonants).filter_map(|count| {
        let (rest, first) = stem.split_at_checked(stem.len() - count)?;
        Some(format!("{first}{rest}"))
    });
    // Behind a vowel at the beginning stands only the ending.
    let vowel_first = ["w", "y", "h", ""].iter().filter_map(|mark| stem.strip_suffix(mark)).map(str::to_owned);
    let all: Vec<String> = moved.chain(vowel_first).filter(|word| !word.is_empty()).collect();
    let known = all.iter().filter(|word| is_word(word)).min_by_key(|word| rank(word));
    let cheapest = || all.iter().take(consonants.max(1)).min_by_key(|word| cost(word.bytes()));
    known.or_else(cheapest).cloned()
}

fn is_word(word: &str) -> bool {
    is_known(word) || matches!(word, "a" | "i")
}

/// Capitals in the middle of many words: `iGnOrE aLl`.
fn small(text: &str) -> Option<View> {
    let rises = text.as_bytes().windows(2).filter(|pair| match pair {
        [left, right] => left.is_ascii_lowercase() && right.is_ascii_uppercase(),
        _ => false,
    });
    let rises = rises.count();
    if rises < MIN_RISES || rises * 6 < text.len() {
        return None;
    }
    let (mut wild, mut known) = (0_usize, 0_usize);
    for word in text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() > 2) {
        wild += 1;
        known += usize::from(is_known(word));
    }
    (known * 2 >= wild && known >= 3)
        .then(|| View::edited(text, ViewKind::Deciphered, [(0..text.len(), text.to_ascii_lowercase())]))?
}

/// English words under accents: `ígnóré áll`.
fn plain_letters(text: &str) -> Option<View> {
    if !text.contains(|c| matches!(c, 'À'..='ɏ' | '\u{300}'..='\u{36f}' | 'Ḁ'..='ỿ')) {
        return None;
    }
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let (mut all, mut english, mut plain_words) = (0_usize, 0_usize, 0_usize);
    for (start, token) in tokens(text) {
        let bare = token.trim_matches(|c: char| !c.is_alphabetic() && !is_combining_mark(c));
        if bare.is_ascii() {
            plain_words += usize::from(bare.len() > 3 && is_english(bare));
            continue;
        }
        if bare.len() > MAX_WORD {
            continue;
        }
        let plain: String = bare.nfd().filter(|c| !is_combining_mark(*c)).map(unmarked).collect();
        let word = plain.split(|c: char| !c.is_ascii_alphabetic()).max_by_key(|part| part.len()).unwrap_or_default();
        all += usize::from(word.len() > 3);
        english += usize::from(word.len() > 3 && is_english(word));
        let from = start + (bare.as_ptr().addr() - token.as_ptr().addr());
        edits.push((from..from + bare.len(), plain));
    }
    let enough = english >= 2 && english * 2 > all && (english + plain_words) * 5 >= all * 3;
    if enough { View::edited(text, ViewKind::Folded, edits) } else { None }
}

/// The letter under a mark that is part of it.
fn unmarked(c: char) -> char {
    const MARKED: [(&str, char); 12] = [
        ("øØɵ", 'o'),
        ("łŁƚɫ", 'l'),
        ("đĐɗ", 'd'),
        ("ħĦɦ", 'h'),
        ("ŧŦƫ", 't'),
        ("ıɨ", 'i'),
        ("ƀɓ", 'b'),
        ("ɇ", 'e'),
        ("ŋƞ", 'n'),
        ("ɍ", 'r'),
        ("ʂȿ", 's'),
        ("ʉ", 'u'),
    ];
    MARKED.iter().find_map(|(marked, plain)| marked.contains(c).then_some(*plain)).unwrap_or(c)
}

/// So many signs beside letters are a play.
const MIN_PLAYED: usize = 3;

/// So many capitals behind small letters are wild.
const MIN_RISES: usize = 6;

/// In one word, so many signs are read in two ways.
const MAX_DOUBTS: usize = 4;

/// No word is longer.
const MAX_WORD: usize = 64;
