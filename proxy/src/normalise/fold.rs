//! Disguised characters become the ones they pass for.

use std::ops::Range;

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::confusable;
use super::view::{View, ViewKind, Writer};

/// One character of the view, and what it stands for.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) c: char,
    pub(super) original: Range<usize>,
}

pub(super) fn folded(text: &str) -> Option<View> {
    if text.is_ascii() {
        return None;
    }
    let mut units = units(text);
    confusable::fold(&mut units);

    let mut writer = Writer::new(text);
    let mut end = 0;
    for unit in units {
        let original = text.get(unit.original.clone()).unwrap_or_default();
        if unit.original.start > end {
            writer.replace(end..unit.original.start, "");
        }
        let mut buffer = [0; 4];
        let now: &str = unit.c.encode_utf8(&mut buffer);
        if original == now && unit.original.start >= end {
            writer.keep(unit.original.clone());
        } else {
            writer.replace(unit.original.clone(), now);
        }
        end = end.max(unit.original.end);
    }
    if end < text.len() {
        writer.replace(end..text.len(), "");
    }
    writer.finish(ViewKind::Folded)
}

/// The characters of the text in compatibility form, without the invisible ones.
fn units(text: &str) -> Vec<Unit> {
    let mut units = Vec::with_capacity(text.len());
    let mut cluster = Cluster::default();
    let mut before = '\0';
    let mut flag = false;
    for (start, c) in text.char_indices() {
        let original = start..start + c.len_utf8();
        // The tags after a black flag name a region until U+E007F or anything that is no tag.
        flag = c == '\u{1f3f4}' || (flag && ('\u{e0030}'..='\u{e007a}').contains(&c));
        let shown = match c {
            '\u{e0020}'..='\u{e007e}' if !flag => char::from_u32(u32::from(c) - 0xe0000),
            '\u{e007f}' if is_tag(before) && text.get(..start).is_some_and(ends_in_flag) => Some(c),
            _ if flag => Some(c),
            // Where typographers set it, beside signs and figures, a space that does not break is no disguise.
            '\u{a0}' | '\u{202f}' if !before.is_alphabetic() || !letter_at(text, original.end) => Some(c),
            _ if invisible(c, before) => None,
            _ => Some(lettered(c)),
        };
        let at_home = is_full_width_sign(c) && before >= '\u{2e80}';
        before = c;
        let Some(shown) = shown else { continue };
        if at_home {
            cluster.flush(&mut units);
            units.push(Unit { c, original });
            continue;
        }
        if !joins(shown) {
            cluster.flush(&mut units);
        }
        cluster.units.push(Unit { c: shown, original });
    }
    cluster.flush(&mut units);
    units
}

fn letter_at(text: &str, at: usize) -> bool {
    text.get(at..).and_then(|rest| rest.chars().next()).is_some_and(char::is_alphabetic)
}

fn is_tag(c: char) -> bool {
    ('\u{e0020}'..='\u{e007f}').contains(&c)
}

/// A black flag and two to six tags behind it.
fn ends_in_flag(text: &str) -> bool {
    text.chars().rev().take(7).find(|c| !is_tag(*c)) == Some('\u{1f3f4}')
}

/// A character that shows nothing. A joiner or a variation selector is one only where it has no work to do: the scripts
/// from Arabic to Mongolian need joiners, emoji need both.
fn invisible(c: char, before: char) -> bool {
    match c {
        '\u{200c}' | '\u{200d}' => {
            !matches!(before, '\u{600}'..='\u{1cff}' | '\u{2190}'..='\u{2bff}' | '\u{fe0f}' | '\u{1f000}'..='\u{1faff}')
        }
        '\u{fe00}'..='\u{fe0f}' => {
            !matches!(before, '\u{1000}'..='\u{1fff}' | '\u{2030}'..='\u{33ff}' | '\u{3400}'..='\u{9fff}' | '\u{1f000}'..='\u{1faff}' | '©' | '®' | '0'..='9' | '#' | '*')
        }
        '\u{e0100}'..='\u{e01ef}' => {
            !matches!(before, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        }
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

/// Punctuation of East Asian text, which is a disguise only behind other writing.
fn is_full_width_sign(c: char) -> bool {
    matches!(c, '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}')
}

/// The letter in a white-on-black circle or square, which has no compatibility form, and the space that does not break.
fn lettered(c: char) -> char {
    if matches!(c, '\u{a0}' | '\u{202f}') {
        return ' ';
    }
    let letter = |first: u32| u8::try_from(u32::from(c) - first).ok().map_or(c, |n| char::from(b'A' + n));
    match c {
        '\u{1f150}'..='\u{1f169}' => letter(0x1f150),
        '\u{1f170}'..='\u{1f189}' => letter(0x1f170),
        _ => c,
    }
}

/// A character that is written onto the one before it: a combining mark, or a vowel or final of Hangul.
fn joins(c: char) -> bool {
    !c.is_ascii()
        && (canonical_combining_class(c) != 0
            || is_loose_mark(c)
            || matches!(c, '\u{1161}'..='\u{11ff}' | '\u{3099}' | '\u{309a}'))
}

/// A mark of no script in particular, such as pile-ups are made of.
fn is_loose_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// A character and what is written onto it.
#[derive(Default)]
struct Cluster {
    units: Vec<Unit>,
}

impl Cluster {
    fn flush(&mut self, out: &mut Vec<Unit>) {
        let marks = self.units.iter().filter(|unit| is_loose_mark(unit.c)).count();
        if marks > MAX_MARKS {
            self.units.retain(|unit| !is_loose_mark(unit.c));
        } else if marks > 0 {
            // A stroke through a letter crosses it out; it does not make another.
            self.units.retain(|unit| !matches!(unit.c, '\u{334}'..='\u{338}' | '\u{20d2}' | '\u{20d3}' | '\u{20e5}'));
        }
        let (Some(first), Some(last)) = (self.units.first(), self.units.last()) else { return };
        if self.units.len() == 1 && (is_kept(first.c) || is_nfkc_quick(std::iter::once(first.c)) == IsNormalized::Yes) {
            out.append(&mut self.units);
            return;
        }
        let original = first.original.start..last.original.end;
        let before = self.units.iter().map(|unit| unit.c);
        let after: Vec<char> = before.clone().nfkc().collect();
        let bytes: usize = after.iter().map(|c| c.len_utf8()).sum();
        // Two ways to write the same letter are no disguise, unless one of them is ASCII: the sign of the kelvin is a K.
        let plain = first.c.is_ascii() || after.iter().any(char::is_ascii);
        let same = before.clone().eq(after.iter().copied()) || (!plain && before.nfd().eq(after.iter().copied().nfd()));
        if same || bytes > original.len() * MAX_GROWTH {
            out.append(&mut self.units);
        } else {
            out.extend(after.into_iter().map(|c| Unit { c, original: original.clone() }));
            self.units.clear();
        }
    }
}

/// A sign whose compatibility form says nothing new to a detector, and which is all over ordinary text.
fn is_kept(c: char) -> bool {
    matches!(
        c,
        '\u{a0}'
            | '\u{202f}'
            | '…'
            | '™'
            | '²'
            | '³'
            | '¹'
            | '½'
            | '¼'
            | '¾'
            | 'ª'
            | 'º'
            | '´'
            | '¨'
            | '¯'
            | '¸'
            | '№'
            | '℃'
    )
}

/// A letter of any living language carries no more marks than these.
const MAX_MARKS: usize = 2;

/// A sign that stands for a whole phrase (U+FDFA has 18 letters) stays a sign.
const MAX_GROWTH: usize = 4;
