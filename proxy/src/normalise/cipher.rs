//! Other alphabets and orders that are told by reading: shifted and mirrored alphabets, rot47, text backwards.
//!
//! Each token costs what its letters cost beside each other (see [`words`](super::words)). Where the text as it is costs
//! much, all alphabets are tried on all tokens; the stretch in which one of them saves most is undone when words come out.

use std::ops::Range;

use super::alphabet::Cipher;
use super::glance::Glance;
use super::stretch::Groups;
use super::view::{View, ViewKind};
use super::words::Reading;
use super::{Reach, encoded, play, reverse};

/// What reading tells.
pub(super) struct Undone {
    /// Text backwards is given as read by characters and by words.
    pub(super) views: Vec<View>,
    /// Whether the text does not read like words as it is.
    pub(super) strange: bool,
}

pub(super) fn undone(text: &str) -> Undone {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let mut other: Vec<(Range<usize>, String)> = Vec::new();
    let mut backwards = false;
    let mut groups = Groups::of(text);
    for group in groups.by_ref() {
        let Some((cipher, range)) = group.solved(text) else { continue };
        let Some(part) = text.get(range.clone()) else { continue };
        if cipher == Cipher::Backwards {
            backwards = true;
            other.push((range.clone(), reverse::words_backwards(part)));
        } else {
            other.push((range.clone(), cipher.undo(part)));
        }
        edits.push((range, cipher.undo(part)));
    }
    if edits.is_empty() {
        let views = reverse::in_order(text).map(|plain| edited(text, 0..text.len(), plain)).unwrap_or_default();
        return Undone { views, strange: groups.strange > 0 };
    }
    let first = View::edited(text, ViewKind::Deciphered, edits);
    let second = if backwards { View::edited(text, ViewKind::Deciphered, other) } else { None };
    Undone { views: first.into_iter().chain(second).collect(), strange: false }
}

/// An alphabet with an encoding behind it: neither can be told without the other.
pub(super) fn behind(text: &str, seen: &Glance, reach: Reach) -> Option<View> {
    let ascii = seen.graphic as usize * 2 >= text.len();
    if !reach.behind || text.len() < MIN_BEHIND || !ascii {
        return None;
    }
    let reach = Reach { behind: false, ..reach }.less()?;
    let look = |range: Range<usize>| {
        let part = text.get(range.clone())?;
        let opened = Cipher::all().filter_map(|cipher| {
            // A long text shows at its beginning whether there is anything.
            if part.len() > 2 * SAMPLE && opened(&cipher.sample(part, SAMPLE), reach).is_none() {
                return None;
            }
            opened(&cipher.undo(part), reach)
        });
        // Several shifts may give figures of some kind, but only one gives words.
        let known = |plain: &String| {
            let reading = Reading::of(plain);
            (reading.known * 100).checked_div(reading.letters).unwrap_or(0)
        };
        edited(text, range.clone(), opened.max_by_key(known)?).pop()
    };
    look(0..text.len()).or_else(|| {
        let longest = text.split_ascii_whitespace().max_by_key(|token| token.len())?;
        let start = longest.as_ptr().addr() - text.as_ptr().addr();
        (longest.len() >= MIN_BEHIND && longest.len() < text.len()).then(|| look(start..start + longest.len()))?
    })
}

/// What an encoding says, if that means anything.
fn opened(text: &str, reach: Reach) -> Option<String> {
    let seen = Glance::at(text);
    let view = encoded(text, &seen, reach).or_else(|| play::undone(text, &seen))?;
    let meant = Reading::of(&view.text).is_words() || !super::next(&view.text, reach).is_empty();
    meant.then_some(view.text)
}

fn edited(text: &str, range: Range<usize>, plain: String) -> Vec<View> {
    View::edited(text, ViewKind::Deciphered, [(range, plain)]).into_iter().collect()
}

/// So much of a long text is looked at first; encodings go by 2, 4, 5 and 8 characters.
const SAMPLE: usize = 480;

/// The shortest text that is looked behind.
const MIN_BEHIND: usize = 16;
