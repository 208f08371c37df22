//! Letters of other alphabets that stand in for Latin ones.
//!
//! A word that mixes Latin with look-alikes is folded; so is a word of look-alikes alone when the words beside it are
//! Latin. A Russian or Greek text has neither. Only alphabets that are used for this are looked at: Greek, Cyrillic,
//! Armenian, Cherokee, Coptic, Lisu, and the Latin letters of phonetic alphabets.

use std::ops::Range;

use super::fold::Unit;

pub(super) fn fold(units: &mut [Unit]) {
    let words = words(units);
    let kinds: Vec<Kind> = words.iter().map(|word| kind(units.get(word.clone()).unwrap_or_default())).collect();
    let before = settled(kinds.iter());
    let mut after = settled(kinds.iter().rev());
    after.reverse();
    for (((word, kind), before), after) in words.into_iter().zip(kinds).zip(before).zip(after) {
        let around = [before, after];
        let disguised = match kind {
            Kind::Mixed => true,
            Kind::Twins => around.contains(&Some(Kind::Latin)) && !around.contains(&Some(Kind::Other)),
            Kind::Latin | Kind::Other => false,
        };
        for unit in units.get_mut(word).unwrap_or_default().iter_mut().filter(|_| disguised) {
            unit.c = latin(unit.c).unwrap_or(unit.c);
        }
    }
}

/// For each word the kind of the nearest one before it that has letters of one alphabet only.
fn settled<'a>(kinds: impl Iterator<Item = &'a Kind>) -> Vec<Option<Kind>> {
    let mut last = None;
    let mut settled = Vec::new();
    for kind in kinds {
        settled.push(last);
        match kind {
            Kind::Latin | Kind::Other => last = Some(*kind),
            Kind::Mixed => last = Some(Kind::Latin),
            Kind::Twins => {}
        }
    }
    settled
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Latin letters only, or digits.
    Latin,
    /// Latin letters and look-alikes of them.
    Mixed,
    /// Look-alikes only, two or more.
    Twins,
    /// Letters of another script.
    Other,
}

fn words(units: &[Unit]) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (index, unit) in units.iter().enumerate() {
        match (start, unit.c.is_alphanumeric()) {
            (None, true) => start = Some(index),
            (Some(begun), false) => {
                words.push(begun..index);
                start = None;
            }
            _ => {}
        }
    }
    words.extend(start.map(|begun| begun..units.len()));
    words
}

fn kind(word: &[Unit]) -> Kind {
    let letters = || word.iter().map(|unit| unit.c).filter(|c| c.is_alphabetic());
    let twins = letters().filter(|c| latin(*c).is_some()).count();
    let plain = letters().filter(|c| is_latin(*c)).count();
    let all = letters().count();
    match (twins, plain) {
        (0, _) if plain == all => Kind::Latin,
        (1.., 1..) => Kind::Mixed,
        (2.., 0) if twins == all => Kind::Twins,
        _ => Kind::Other,
    }
}

fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, 'À'..='ɏ' | 'Ḁ'..='ỿ') || (is_phonetic(c) && latin(c).is_some())
}

/// A Latin letter of a phonetic alphabet; no language is written in these alone.
fn is_phonetic(c: char) -> bool {
    matches!(c, 'ɐ'..='ʯ' | 'ᴀ'..='ᶿ' | 'ꜰ' | 'ꜱ' | 'ꬰ'..='ꭦ')
}

/// The Latin letter that a look-alike stands in for.
fn latin(c: char) -> Option<char> {
    if !matches!(c, 'ɐ'..='ʯ' | 'Ͱ'..='֏' | 'Ꭰ'..='Ᏼ' | 'ᲀ'..='ᲈ' | 'ᴀ'..='ᶿ' | 'Ⱡ'..='⳿' | 'Ꙁ'..='ꟿ' | 'ꓐ'..='ꓹ' | 'ꬰ'..='ꮿ')
    {
        return None;
    }
    let known = TWINS.iter().find_map(|(twins, letter)| twins.contains(c).then_some(*letter));
    known.or_else(|| {
        let mut buffer = [0; 4];
        let mut skeleton = unicode_security::skeleton(c.encode_utf8(&mut buffer));
        let letter = skeleton.next().filter(char::is_ascii_alphabetic)?;
        skeleton.next().is_none().then_some(letter)
    })
}

/// Look-alikes that the Unicode table of confusables does not lead to a Latin letter, but readers do.
const TWINS: [(&str, char); 34] = [
    ("ᴀαд", 'a'),
    ("ʙвβ", 'b'),
    ("ᴅ", 'd'),
    ("ᴇεєҽ", 'e'),
    ("ꜰғ", 'f'),
    ("ɢɡ", 'g'),
    ("ʜнһ", 'h'),
    ("ɪιї", 'i'),
    ("ᴊј", 'j'),
    ("ᴋкκқ", 'k'),
    ("ʟ", 'l'),
    ("ᴍм", 'm'),
    ("ɴηпիո", 'n'),
    ("σ", 'o'),
    ("ᴘ", 'p'),
    ("ʀгя", 'r'),
    ("ꜱ", 's'),
    ("ᴛтτ", 't'),
    ("ᴜυцս", 'u'),
    ("ν", 'v'),
    ("ωшѡա", 'w'),
    ("χ", 'x'),
    ("ʏу", 'y'),
    ("ᴢ", 'z'),
    ("Β", 'B'),
    ("ЕΕ", 'E'),
    ("НΗ", 'H'),
    ("ΙІ", 'I'),
    ("КΚ", 'K'),
    ("М", 'M'),
    ("ИΝ", 'N'),
    ("Я", 'R'),
    ("ТΤ", 'T'),
    ("ΥУ", 'Y'),
];
