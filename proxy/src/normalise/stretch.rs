//! Stretches of a text that do not read like words, and the cipher in which they do.

use std::collections::HashSet;
use std::ops::Range;

use super::alphabet::{Cipher, cost};
use super::words::{self, NAT, Reading};

struct Token {
    range: Range<usize>,
    cost: u32,
}

impl Token {
    fn at(bytes: &[u8], from: usize) -> Option<Token> {
        let start = from + bytes.get(from..)?.iter().position(u8::is_ascii_graphic)?;
        let length = bytes.get(start..)?.iter().take_while(|byte| byte.is_ascii_graphic()).count();
        let token = bytes.get(start..start + length)?;
        Some(Token { range: start..start + length, cost: cost(token.iter().copied()) })
    }

    /// How many letters cost something, and the end.
    fn steps(&self) -> i32 {
        i32::try_from(self.range.len() + 1).unwrap_or(i32::MAX / 256)
    }

    /// What it costs more than words do.
    fn excess(&self) -> i32 {
        i32::try_from(self.cost).unwrap_or(i32::MAX / 4) - self.steps().saturating_mul(USUAL)
    }
}

/// Tokens side by side, most of them no words.
pub(super) struct Group {
    tokens: Vec<Token>,
    /// What those that are no words cost more than words do.
    excess: i32,
}

/// The groups of a text from left to right.
pub(super) struct Groups<'a> {
    text: &'a str,
    at: usize,
    /// What stood before, and has not been in a group.
    before: Vec<Token>,
    /// What all tokens cost more than words do, and half a nat more for each letter.
    pub(super) strange: i64,
}

impl<'a> Groups<'a> {
    pub(super) fn of(text: &'a str) -> Groups<'a> {
        Groups { text, at: 0, before: Vec::new(), strange: 0 }
    }
}

impl Iterator for Groups<'_> {
    type Item = Group;

    fn next(&mut self) -> Option<Group> {
        let bytes = self.text.as_bytes();
        loop {
            let (mut odd, mut letters, mut excess, mut quiet) = (0_usize, 0_usize, 0_i32, 0_usize);
            let mut end = None;
            while let Some(token) = Token::at(bytes, self.at) {
                self.at = token.range.end;
                let (over, steps) = (token.excess(), token.steps());
                self.strange += i64::from(over) - i64::from(steps) * i64::from(NAT / 2);
                let is_odd = over > -steps * SURELY && !is_word(self.text, &token.range);
                if is_odd {
                    (odd, letters, quiet) = (odd + 1, letters + token.range.len(), 0);
                    excess = excess.saturating_add(over);
                } else if odd > 0 {
                    quiet += 1;
                }
                if odd == 0 && self.before.len() == NEAR {
                    self.before.remove(0);
                }
                self.before.push(token);
                if quiet == NEAR {
                    end = Some(self.at);
                    break;
                }
            }
            let tokens = self.before.len();
            if odd >= 2 && letters >= MIN_LETTERS as usize && odd * 3 >= tokens && excess >= LEAST {
                return Some(Group { tokens: std::mem::take(&mut self.before), excess });
            }
            end?;
            self.before.drain(..tokens.saturating_sub(NEAR));
        }
    }
}

impl Group {
    /// The cipher that makes words of the group, and of which part.
    pub(super) fn solved(&self, text: &str) -> Option<(Cipher, Range<usize>)> {
        let mut best: Vec<(i32, Cipher, Range<usize>)> = Vec::new();
        let dear = self.excess >= GIBBERISH;
        for cipher in Cipher::all().take(if dear { usize::MAX } else { 1 }) {
            let (range, saved) = self.stretch(text, cipher);
            let least = if cipher == Cipher::Backwards { 5 } else { 9 };
            if saved >= least * NAT.cast_signed() {
                best.push((saved, cipher, range));
            }
        }
        best.sort_by_key(|(saved, ..)| -saved);
        best.into_iter().take(3).map(|(_, cipher, range)| (cipher, range)).find(|(cipher, range)| {
            let part = text.get(range.clone()).unwrap_or_default();
            let plain = cipher.undo(part);
            let (before, after) = (Reading::of(part), Reading::of(&plain));
            after.is_words() && before.known * 2 <= after.known && is_sure(&plain, after)
        })
    }

    /// The stretch in which a cipher saves most, and how much.
    fn stretch(&self, text: &str, cipher: Cipher) -> (Range<usize>, i32) {
        let bytes_of = |token: &Token| text.as_bytes().get(token.range.clone()).unwrap_or_default();
        let gain = |token: &Token| {
            let other = cipher.cost(bytes_of(token));
            i32::try_from(token.cost).unwrap_or(i32::MAX / 4) - i32::try_from(other).unwrap_or(i32::MAX / 4)
        };
        let gains: Vec<i32> = self.tokens.iter().map(gain).collect();
        let (mut sum, mut from) = (0_i32, 0);
        let (mut best, mut range) = (0, 0..0);
        for (index, gain) in gains.iter().enumerate() {
            if sum <= 0 {
                (sum, from) = (0, index);
            }
            sum = sum.saturating_add(*gain);
            if sum > best {
                (best, range) = (sum, from..index + 1);
            }
        }
        // A word at the edge that reads as well either way belongs to it, and one that is none as it is.
        let unknown = |index: usize| self.tokens.get(index).is_some_and(|token| !is_word(text, &token.range));
        let slack = |index: usize| {
            gains.get(index).is_some_and(|gain| {
                *gain > -2 * NAT.cast_signed() || (*gain > -7 * NAT.cast_signed() && unknown(index))
            })
        };
        while range.start > 0 && slack(range.start - 1) {
            range.start -= 1;
        }
        while slack(range.end) {
            range.end += 1;
        }
        let start = self.tokens.get(range.start).map_or(0, |token| token.range.start);
        let end =
            range.end.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(start, |token| token.range.end);
        (start..end.max(start), best)
    }
}

/// Whether a token is a known word, with or without signs around it.
fn is_word(text: &str, range: &Range<usize>) -> bool {
    let token = text.get(range.clone()).unwrap_or_default();
    words::is_known(token.trim_matches(|c: char| !c.is_ascii_alphabetic()))
}

/// Whether so many words come out that it is no accident: two at least, and all of them when there are few letters.
fn is_sure(plain: &str, reading: Reading) -> bool {
    let words = plain.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| words::is_known(word));
    let different: HashSet<String> = words.map(str::to_ascii_lowercase).collect();
    match reading.letters {
        ..MIN_LETTERS => false,
        MIN_LETTERS..12 => reading.known + 1 >= reading.letters && different.len() >= 2,
        12..24 => reading.known * 4 >= reading.letters * 3 && different.len() >= 3,
        _ => different.len() >= 3,
    }
}

/// What a letter of words in Latin letters costs at most.
const USUAL: i32 = 44;

/// A token that costs so much less than usual, by letter, is taken for a word.
const SURELY: i32 = 10;

/// What the tokens of a group that are no words cost together at least.
const LEAST: i32 = 2 * NAT.cast_signed();

/// What gibberish costs at least; text backwards may cost less.
const GIBBERISH: i32 = 5 * NAT.cast_signed();

/// So many words around a group may belong to it.
const NEAR: usize = 3;

/// Fewer letters cannot be told.
const MIN_LETTERS: u32 = 7;
