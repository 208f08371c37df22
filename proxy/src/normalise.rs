//! The other forms in which detectors see a text: what a model reads out of it, where a pattern reads only characters.
//!
//! [`views`] is pure and linear in the text. It undoes one disguise at a time until nothing more can be undone, and gives a
//! view for every step, each with the way back to the original. What is undone, in this order at each step:
//!
//! - bytes in variation selectors and in invisible characters (`smuggle`);
//! - compatibility forms, invisible characters, tags, pile-ups of marks, look-alikes, braille, letters among emoji (`fold`);
//! - percent, backslash, HTML, `U+` and quoted-printable escapes (`escape`), encoded words, uuencode, punycode (`mail`),
//!   lists of codes in any base (`number`), hexadecimal, base32, base58, base64 and base85 (`run`);
//! - Morse and the spelling alphabet (`spell`);
//! - letters set apart, words cut up, strings joined by signs (`space`);
//! - alphabets shifted or mirrored, rot47, text backwards or upside down (`cipher`);
//! - digits for letters, pig Latin, wild capitals, accents that no language has (`play`).
//!
//! # Limits
//!
//! At most [`MAX_VIEWS`] steps, and at most [`MAX_GROWTH`] times the bytes of the original in all views; where that is not
//! enough, [`Views::complete`] says so. A run counts only when what comes out is printable text, mostly letters, or can be
//! undone in its turn: hashes, keys, images and identifiers do not come to that. What is told by reading alone (ciphers,
//! letters set apart) is undone when words in Latin letters come out, and only when there were none before. What mixes
//! upper and lower case and then loses it (base64 spelt in Morse) cannot be undone.

mod alphabet;
mod base;
mod cipher;
mod confusable;
mod escape;
mod fold;
mod glance;
mod mail;
mod number;
mod play;
mod punycode;
mod region;
mod reverse;
mod run;
mod smuggle;
mod space;
mod spell;
mod stretch;
mod view;
mod words;

pub use view::{View, ViewKind};

use glance::Glance;

/// The most views of one text, and so the deepest nest that is opened.
pub const MAX_VIEWS: usize = 6;

/// All views together have at most so many times the bytes of the text, and [`SPARE`] more.
pub const MAX_GROWTH: usize = 8;

/// What short texts may grow by, in bytes.
pub const SPARE: usize = 4096;

/// The other forms of a text.
#[derive(Clone, Debug)]
pub struct Views {
    /// They differ from the text and from each other; later ones are undone further.
    pub views: Vec<View>,
    /// Whether nothing more can be undone; otherwise the text is nested too deep or grows too much, and nobody knows what
    /// it says.
    pub complete: bool,
}

/// The views that differ from the text; none for plain text, and then nearly nothing is allocated.
pub fn views(text: &str) -> Views {
    let mut views: Vec<View> = Vec::new();
    let mut bytes = 0;
    let mut open = 0;
    let mut found = next(text, Reach::FULL);
    loop {
        for view in found {
            if view.text == text || views.iter().any(|known| known.text == view.text) {
                continue;
            }
            bytes += view.text.len();
            if views.len() == MAX_VIEWS || bytes > text.len() * MAX_GROWTH + SPARE {
                return Views { views, complete: false };
            }
            views.push(view);
        }
        let Some(from) = views.get(open) else { return Views { views, complete: true } };
        open += 1;
        found = next(&from.text, Reach::FULL).into_iter().map(|view| from.then(view)).collect();
    }
}

/// How far to look ahead: whether what a step gives means anything may show only when it is undone further.
#[derive(Clone, Copy)]
struct Reach {
    /// So many steps.
    deep: u8,
    /// Whether an alphabet may be undone only to see whether an encoding is behind it.
    behind: bool,
}

impl Reach {
    const FULL: Reach = Reach { deep: 3, behind: true };

    fn less(self) -> Option<Reach> {
        Some(Reach { deep: self.deep.checked_sub(1)?, ..self })
    }
}

/// The next step: what the first disguise that is seen leaves behind, in the two ways it may be read when there are two.
fn next(text: &str, reach: Reach) -> Vec<View> {
    let seen = Glance::at(text);
    let unseen = if seen.foreign + seen.controls > 0 {
        smuggle::opened(text, reach).or_else(|| reverse::upright(text)).or_else(|| fold::folded(text))
    } else {
        None
    };
    if let Some(view) = unseen.or_else(|| encoded(text, &seen, reach)) {
        return vec![view];
    }
    let deciphered = cipher::undone(text);
    if !deciphered.views.is_empty() {
        return deciphered.views;
    }
    let strange = deciphered.strange || seen.letters * 2 < seen.graphic;
    let behind = || if strange { cipher::behind(text, &seen, reach) } else { None };
    play::undone(text, &seen).or_else(behind).into_iter().collect()
}

/// What is written in other signs, by rules that tell by themselves.
fn encoded(text: &str, seen: &Glance, reach: Reach) -> Option<View> {
    mail::decoded(text, seen, reach)
        .or_else(|| escape::decoded(text, seen, reach))
        .or_else(|| number::decoded(text, seen, reach))
        .or_else(|| spell::decoded(text, seen, reach))
        .or_else(|| run::decoded(text, seen, reach))
        .or_else(|| space::joined(text, seen, reach))
}

/// Whether what came out of an encoding means anything: printable text, mostly letters, or something to be undone in turn.
fn means(plain: &str, reach: Reach) -> bool {
    let (mut all, mut letters, mut foreign, mut empty) = (0, 0, 0, 0);
    for c in plain.chars() {
        if c.is_control() && !matches!(c, '\0' | '\n' | '\r' | '\t' | '\u{1b}') {
            return false;
        }
        all += 1;
        empty += usize::from(c == '\0');
        letters += usize::from(c.is_alphabetic() || c == ' ' || c == '\n');
        foreign += usize::from(!c.is_ascii() && c.is_alphabetic());
    }
    // Between the letters of a word, a zero is a character out of sight like others.
    if empty > 0 {
        return empty * 3 >= all && means(&plain.replace('\0', ""), reach);
    }
    let lettered = letters * 10 >= all * 7;
    (lettered && all >= LONG)
        || (lettered && all >= SHORT && foreign * 2 >= all)
        || (all >= SHORT && words::Reading::of(plain).is_words())
        || (all >= LONG && reach.less().is_some_and(|reach| !next(plain, reach).is_empty()))
}

/// So many characters, mostly letters, do not come about by chance.
const LONG: usize = 16;

/// The fewest characters that say something.
const SHORT: usize = 8;

#[cfg(test)]
mod tests;
