//! Letters of other alphabets that stand in for Latin ones.
//!
//! A word that mixes Latin with look-alikes is folded; so is a word of look-alikes alone when words near it are Latin
//! and none is of the other alphabet. A Russian or Greek text has neither. Only alphabets that are used for this are looked at: Greek, Cyrillic,
//! Armenian, Cherokee, Coptic, Lisu, and the Latin letters of phonetic alphabets.

use std::ops::Range;

use super::fold::Unit;

pub(super) fn fold(units: &mut [Unit]) {
    let words = words(units);
    let kinds: Vec<Kind> = words.iter().map(|word| kind(units.get(word.clone()).unwrap_or_default())).collect();
    let count = |wanted: Kind| kinds.iter().filter(|kind| **kind == wanted).count();
    let foreign = count(Kind::Other) > count(Kind::Latin);
    for (index, (word, kind)) in words.into_iter().zip(&kinds).enumerate() {
        let near = kinds.get(index.saturating_sub(NEAR)..(index + NEAR + 1).min(kinds.len())).unwrap_or_default();
        let units = units.get_mut(word).unwrap_or_default();
        let disguised = match kind {
            // A slip of the hand among words of the other alphabet.
            Kind::Mixed if foreign => units.iter().filter(|unit| is_latin(unit.c)).count() * 2 >= units.len(),
            Kind::Mixed => true,
            Kind::Twins => {
                near.iter().any(|kind| matches!(kind, Kind::Latin | Kind::Mixed)) && !near.contains(&Kind::Other)
            }
            Kind::Twin => near.contains(&Kind::Mixed) && !near.contains(&Kind::Other),
            Kind::Latin | Kind::Figures | Kind::Other => false,
        };
        for unit in units.iter_mut().filter(|_| disguised) {
            unit.c = latin(unit.c).unwrap_or(unit.c);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Digits only.
    Figures,
    /// Latin letters only.
    Latin,
    /// Latin letters and look-alikes of them.
    Mixed,
    /// One look-alike.
    Twin,
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
        (0, 0) if all == 0 => Kind::Figures,
        (0, _) if plain == all => Kind::Latin,
        (1.., 1..) => Kind::Mixed,
        (1, 0) if all == 1 => Kind::Twin,
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

/// So many words on each side say in which language a word is.
const NEAR: usize = 4;

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
