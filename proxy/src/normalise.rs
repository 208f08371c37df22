//! The other forms in which detectors see a text: what a model reads out of it, where a pattern reads only characters.
//!
//! [`views`] is pure, linear in the text, and gives at most two views, each with the way back to the original:
//!
//! - [`ViewKind::Folded`]: compatibility forms (NFKC), invisible characters removed, tag characters as the ASCII they
//!   mirror, combining marks piled up on a letter removed, and letters of other alphabets that stand in for Latin ones.
//! - [`ViewKind::Decoded`]: one layer of base64, hexadecimal, percent, backslash and HTML escapes, and of bytes in
//!   variation selectors, each run in the place where it stood.
//!
//! # Limits
//!
//! One layer: what is encoded twice, or first disguised and then encoded, is not opened. A view has at most 4 times the
//! bytes of the original and at most [`MAX_RUNS`] decoded runs. Letters are folded only in words that mix alphabets and in
//! words made of look-alikes among Latin words; a text in one alphabet is left as it is. Digits for letters and
//! transpositions such as rot13 are for the guard.

mod confusable;
mod decode;
mod escape;
mod fold;
mod view;

pub use decode::MAX_RUNS;
pub use view::{View, ViewKind};

/// The views that differ from the text; none for plain text, and then nothing is allocated.
pub fn views(text: &str) -> Vec<View> {
    [fold::folded(text), decode::decoded(text)].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
