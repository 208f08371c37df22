//! Text in another order: backwards by characters or by words, and upside down.

use super::view::{View, ViewKind};
use super::words::Reading;

/// The characters from the last to the first.
pub(super) fn backwards(text: &str) -> String {
    text.chars().rev().collect()
}

/// Each run between white space backwards, where it stands.
pub(super) fn words_backwards(text: &str) -> String {
    text.split_inclusive(char::is_whitespace)
        .flat_map(|word| {
            let bare = word.trim_end_matches(char::is_whitespace);
            bare.chars().rev().chain(word.get(bare.len()..).unwrap_or_default().chars())
        })
        .collect()
}

/// The words from the last to the first, when that puts more small words in front of what they belong to.
pub(super) fn in_order(text: &str) -> Option<String> {
    // A sentence ends at its beginning, or begins at its end.
    let capital = |word: &str| word.starts_with(|c: char| c.is_ascii_uppercase());
    let ends = |word: &str| word.ends_with(['.', '?', '!']);
    let (first, last) = (text.split_ascii_whitespace().next()?, text.split_ascii_whitespace().next_back()?);
    let turned = (ends(first) && !ends(last)) || (capital(last) && !capital(first) && !ends(last));
    if !turned {
        return None;
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    if !(MIN_WORDS..=MAX_WORDS).contains(&words.len()) || !text.is_ascii() {
        return None;
    }
    let (mut ahead, mut back) = (0, 0);
    for pair in words.windows(2) {
        let [left, right] = pair else { continue };
        ahead += usize::from(belongs(left, right));
        back += usize::from(belongs(right, left));
    }
    back += usize::from(ends(first) && !ends(last)) * 2;
    back += usize::from(capital(last) && !ends(last) && !words.iter().rev().skip(1).any(|word| capital(word)));
    let back_to_front = back >= 2 && back > ahead * 3;
    let plain = || words.iter().rev().copied().collect::<Vec<&str>>().join(" ");
    back_to_front.then(plain).filter(|plain| Reading::of(plain).is_words())
}

/// Whether the second word commonly follows the first, and hardly ever goes before it.
fn belongs(left: &str, right: &str) -> bool {
    let is = |list: &[&str], word: &str| list.iter().any(|known| known.eq_ignore_ascii_case(word));
    let article = |word: &str| is(&["the", "a", "an", "my", "your", "their", "his", "our"], word);
    let link = |word: &str| {
        is(&["of", "in", "to", "on", "for", "with", "from", "at", "by", "into", "about", "is", "are"], word)
    };
    (link(left) && article(right))
        || is_pair(
            left,
            right,
            &[("how", "to"), ("do", "not"), ("i", "am"), ("you", "are"), ("can", "you"), ("to", "make")],
        )
        || is_pair(
            left,
            right,
            &[("to", "be"), ("tell", "me"), ("give", "me"), ("i", "want"), ("want", "to"), ("how", "do")],
        )
}

fn is_pair(left: &str, right: &str, pairs: &[(&str, &str)]) -> bool {
    pairs.iter().any(|(first, second)| first.eq_ignore_ascii_case(left) && second.eq_ignore_ascii_case(right))
}

/// Lines with their letters turned back onto their feet, when they are upside down.
pub(super) fn upright(text: &str) -> Option<View> {
    if text.is_ascii() || text.chars().filter(|c| SURE.contains(*c)).take(MIN_TURNED).count() < MIN_TURNED {
        return None;
    }
    let (first, last) = (text.find(|c| SURE.contains(c))?, text.rfind(|c| SURE.contains(c))?);
    let start = text.get(..first)?.rfind('\n').map_or(0, |at| at + 1);
    let end = text.get(last..)?.find('\n').map_or(text.len(), |at| last + at);
    let turned = |c: char| TURNED.iter().find_map(|(upside, plain)| upside.contains(c).then_some(*plain)).unwrap_or(c);
    let plain: String = text.get(start..end)?.chars().map(turned).collect();
    let back = backwards(&plain);
    let plain = [back, plain].into_iter().find(|plain| Reading::of(plain).is_words())?;
    View::edited(text, ViewKind::Deciphered, [(start..end, plain)])
}

/// Letters that are written in this way in phonetics only.
const SURE: &str = "ɐǝɥɯɹʇʌʍʎʞɟƃɔᴉ";

const TURNED: [(&str, char); 35] = [
    ("ɐ∀", 'a'),
    ("q", 'b'),
    ("ɔƆ", 'c'),
    ("p", 'd'),
    ("ǝƎə", 'e'),
    ("ɟℲ", 'f'),
    ("ƃɓ⅁פ", 'g'),
    ("ɥ", 'h'),
    ("ᴉıᴵ", 'i'),
    ("ɾſ", 'j'),
    ("ʞ", 'k'),
    ("ʃן˥", 'l'),
    ("ɯw", 'm'),
    ("u", 'n'),
    ("d", 'p'),
    ("b", 'q'),
    ("ɹɿ", 'r'),
    ("ʇ┴⊥", 't'),
    ("n∩", 'u'),
    ("ʌΛ", 'v'),
    ("ʍ", 'w'),
    ("ʎ⅄", 'y'),
    ("M", 'W'),
    ("W", 'M'),
    ("˙", '.'),
    ("‘", ','),
    ("¿", '?'),
    ("¡", '!'),
    (",", '\''),
    ("6", '9'),
    ("9", '6'),
    ("(", ')'),
    (")", '('),
    ("Ԁ", 'P'),
    ("⅋", '&'),
];

/// Fewer turned letters may be phonetics.
const MIN_TURNED: usize = 3;

/// Fewer words have no order that can be told.
const MIN_WORDS: usize = 6;

/// More words than these are never set back to front by hand, nor counted.
const MAX_WORDS: usize = 100_000;
