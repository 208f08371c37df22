//! Disguised characters become the ones they pass for.

use std::ops::Range;

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::view::{View, ViewKind, Writer};
use super::{confusable, region, words};

/// One character of the view, and what it stands for.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) c: char,
    pub(super) original: Range<usize>,
}

pub(super) fn folded(text: &str) -> Option<View> {
    if text.bytes().all(|byte| byte.is_ascii() && !is_unseen(char::from(byte))) {
        return None;
    }
    if !is_doubtful(text) {
        return None;
    }
    let mut units = units(text);
    confusable::fold(&mut units);

    let mut writer = Writer::new(text);
    let (mut end, mut before) = (0, ' ');
    let (mut hidden, mut alone) = (false, 0);
    let eastern = text.contains(|c| matches!(c, '\u{2e80}'..='\u{fefe}' | '\u{ff66}'..='\u{ffdc}'));
    for (index, unit) in units.iter().enumerate() {
        let original = text.get(unit.original.clone()).unwrap_or_default();
        if unit.original.start > end {
            // Out of sight where words end anyway, it hides nothing.
            let gone = text.get(end..unit.original.start).unwrap_or_default();
            hidden |= before.is_alphanumeric() && unit.c.is_alphanumeric();
            hidden |= before.is_ascii_graphic() && unit.c.is_ascii_graphic();
            // What is turned round is not what is read.
            hidden |= gone.contains(['\u{202d}', '\u{202e}']);
            alone += usize::from(!before.is_whitespace() && !unit.c.is_whitespace());
            hidden |= alone >= MIN_ALONE;
            hidden |= gone.contains(is_loose_mark);
            writer.replace(end..unit.original.start, "");
        }
        let mut buffer = [0; 4];
        let now: &str = unit.c.encode_utf8(&mut buffer);
        if original == now && unit.original.start >= end {
            writer.keep(unit.original.clone());
        } else {
            let next = units.get(index + 1).map_or(' ', |next| next.c);
            if is_disguise(original, unit.c, eastern) {
                // One letter alone is a sign for something, several are a word.
                alone += 1;
                hidden |= before.is_alphanumeric() || next.is_alphanumeric() || alone >= MIN_ALONE;
            }
            writer.replace(unit.original.clone(), now);
        }
        before = unit.c;
        end = end.max(unit.original.end);
    }
    if end < text.len() {
        writer.replace(end..text.len(), "");
    }
    writer.finish(ViewKind::Folded).filter(|_| hidden)
}

/// Whether there is anything to look at closely. Letters of scripts that stand in for nothing, and signs of their own, are not.
fn is_doubtful(text: &str) -> bool {
    let (mut latin, mut twins, mut before) = (false, false, '\0');
    for c in text.chars() {
        latin |= c.is_ascii_alphabetic();
        twins |= matches!(c, 'Ͱ'..='֏');
        let at_home = is_usual(c)
            || is_kept(c)
            || (matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0f}') && !invisible(c, before))
            || (is_full_width_sign(c) && before >= '\u{2e80}');
        if !at_home {
            return true;
        }
        before = c;
    }
    latin && twins
}

/// A character of a living script, or a sign of print, that has no other form.
fn is_usual(c: char) -> bool {
    matches!(
        c,
        ' '..='~'
            | '\t'..='\r'
            | 'À'..='ſ'
            | 'ƀ'..='ǃ'
            | 'Ȁ'..='ɏ'
            | 'Ͱ'..='֏'
            | '\u{590}'..='\u{61b}'
            | '\u{61d}'..='\u{674}'
            | '\u{679}'..='\u{e32}'
            | '\u{e34}'..='\u{eb2}'
            | 'Ạ'..='ỿ'
            | '\u{2010}'
            | '\u{2012}'..='\u{2016}'
            | '\u{2018}'..='\u{2023}'
            | '…'
            | '€'
            | '\u{3001}'..='\u{3035}'
            | '\u{3041}'..='\u{309a}'
            | '\u{309d}'
            | '\u{309e}'
            | '\u{30a0}'..='\u{30fe}'
            | '\u{3400}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7a3}'
    )
}

/// Whether a character that became another says something else now; figures and signs of East Asian text do not.
fn is_disguise(original: &str, now: char, eastern: bool) -> bool {
    match now {
        'a'..='z' | 'A'..='Z' => true,
        _ if now.is_ascii() => !eastern,
        _ => now.is_alphabetic() && original.chars().any(|c| c >= '\u{f900}' || is_loose_mark(c)),
    }
}

/// The characters of the text in compatibility form, without the invisible ones.
fn units(text: &str) -> Vec<Unit> {
    let mut units = Vec::with_capacity(text.len());
    let mut cluster = Cluster::default();
    let mut before = '\0';
    let mut flag = false;
    let mut letters = None;
    let mut skipped = 0;
    for (start, c) in text.char_indices() {
        if start < skipped {
            continue;
        }
        if c == '\u{1b}' {
            skipped = start + colour(text.get(start..).unwrap_or_default());
        }
        let original = start..start + c.len_utf8();
        // The tags after a black flag name a region until U+E007F or anything that is no tag.
        flag = c == '\u{1f3f4}' || (flag && ('\u{e0030}'..='\u{e007a}').contains(&c));
        let shown = match c {
            '\u{e0009}' | '\u{e000a}' | '\u{e0020}'..='\u{e007e}' if !flag => char::from_u32(u32::from(c) - 0xe0000),
            '\u{e007f}' if is_tag(before) && text.get(..start).is_some_and(ends_in_flag) => Some(c),
            _ if flag => Some(c),
            // Where typographers set it, beside signs and figures, a space that does not break is no disguise.
            '\u{a0}' | '\u{202f}' if !before.is_alphabetic() || !letter_at(text, original.end) => Some(c),
            // A sign that was a letter has no variants.
            '\u{fe00}'..='\u{fe0f}' if lettered(before) != before || region::letter(before).is_some() => None,
            _ if invisible(c, before) => None,
            '\u{1f1e6}'..='\u{1f1ff}' if *letters.get_or_insert_with(|| are_letters(text)) => region::letter(c),
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

/// A control character that moves nothing on a page.
fn is_unseen(c: char) -> bool {
    c.is_control() && !matches!(c, '\t'..='\r' | '\u{85}')
}

/// The length of a control sequence of a terminal, such as sets a colour.
fn colour(text: &str) -> usize {
    let inside = |byte: &u8| matches!(byte, b' '..=b'?');
    match text.as_bytes() {
        [_, b'[', rest @ ..] => {
            let length = rest.iter().take(MAX_SEQUENCE).take_while(|byte| inside(byte)).count();
            if rest.get(length).is_some_and(u8::is_ascii_graphic) { length + 3 } else { 1 }
        }
        _ => 1,
    }
}

/// Whether the regional indicators of a text are letters: there is a row of them that is not all flags, or is a word.
fn are_letters(text: &str) -> bool {
    let mut rows = text.split(|c| region::letter(c).is_none()).filter(|row| !row.is_empty());
    rows.any(|row| {
        let letters: Vec<char> = row.chars().filter_map(region::letter).collect();
        let word: String = letters.iter().collect();
        let is_flag = |pair: &[char]| matches!(pair, [first, second] if region::is_region(*first, *second));
        !letters.chunks(2).all(is_flag) || (word.len() > 4 && words::is_english(&word))
    })
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
        _ => is_unseen(c),
    }
}

/// Punctuation of East Asian text, which is a disguise only behind other writing.
fn is_full_width_sign(c: char) -> bool {
    matches!(c, '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}')
}

/// The letter in a white-on-black circle or square, which has no compatibility form, or in brackets, and the space that does not break.
fn lettered(c: char) -> char {
    if matches!(c, '\u{a0}' | '\u{202f}') {
        return ' ';
    }
    let letter = |first: u32| u8::try_from(u32::from(c) - first).ok().map_or(c, |n| char::from(b'A' + n));
    match c {
        '⒜'..='⒵' => letter(0x249c).to_ascii_lowercase(),
        '\u{1f110}'..='\u{1f129}' => letter(0x1f110),
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

/// So many letters alone are more than signs.
const MIN_ALONE: usize = 4;

/// A control sequence is not longer.
const MAX_SEQUENCE: usize = 32;

/// A letter of any living language carries no more marks than these.
const MAX_MARKS: usize = 2;

/// A sign that stands for a whole phrase (U+FDFA has 18 letters) stays a sign.
const MAX_GROWTH: usize = 4;
