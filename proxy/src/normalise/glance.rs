//! One look at every byte, which says what can be in a text at all; plain text needs no other.

/// What a text has, and how often. A word is a row of letters and digits, a run is all between white space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Glance {
    /// Bytes beyond ASCII.
    pub(super) foreign: u32,
    /// Control characters, white space aside.
    pub(super) controls: u32,
    /// ASCII that shows.
    pub(super) graphic: u32,
    pub(super) letters: u32,
    /// `%`, `\`, `&`, `=` and `+`, with which escapes are written.
    pub(super) escapes: u32,
    /// Quotation marks at the end of a word.
    pub(super) quotes: u32,
    /// Words of one letter or digit right behind another.
    pub(super) singles: u32,
    /// Words with digits right behind another.
    pub(super) figures: u32,
    /// Signs between two letters, the apostrophe aside.
    pub(super) inside: u32,
    /// Digits and signs that pass for letters, before a letter.
    pub(super) played: u32,
    /// Capitals behind small letters.
    pub(super) rises: u32,
    /// Words that end in `ay`.
    pub(super) endings: u32,
    /// Two dashes side by side.
    pub(super) dashes: u32,
    /// Dots and dashes at the beginning of a run.
    pub(super) taps: u32,
    /// Words with the ends of one of the spelling alphabet, at most so many in a row.
    pub(super) spelt: u32,
    /// Long runs that are more than words.
    pub(super) runs: u32,
}

impl Glance {
    pub(super) fn at(text: &str) -> Glance {
        let mut seen = Glance::default();
        let mut word = Word::default();
        let (mut before, mut last) = (SPACE, SPACE);
        // The length of the run, what is in it, and how many signs.
        let (mut length, mut made_of, mut signs) = (0_u32, 0_u32, 0_u32);
        for byte in text.bytes().chain([b' ']) {
            let class = CLASSES.get(usize::from(byte)).copied().unwrap_or(0);
            let has = |class: u32, bits: u32| u32::from(class & bits != 0);
            if class & ALNUM != 0 {
                word.add(byte, class);
            } else {
                if last & ALNUM != 0 {
                    word.end(&mut seen);
                    seen.endings += has(before, A) & has(last, Y);
                }
                seen.quotes += has(before, ALNUM) & has(last, QUOTE);
                seen.controls += has(class, CONTROL);
                seen.escapes += has(class, ESCAPE);
                seen.dashes += has(last, DASH) & has(class, DASH);
                seen.taps += has(last, SPACE) & has(class, TAP);
            }
            seen.foreign += has(class, FOREIGN);
            seen.letters += has(class, LETTER);
            seen.inside += has(before, LETTER) & has(last, SIGN) & has(class, LETTER);
            seen.played += has(last, PLAY) & has(class, LETTER);
            seen.rises += has(last, LOWER) & has(class, UPPER);
            if class & GRAPHIC != 0 {
                made_of |= class & (DIGIT | if length > 0 { UPPER } else { 0 });
                signs += has(class, SIGN);
                length += 1;
            } else {
                let odd = made_of != 0 || signs > MAX_SIGNS || length >= MAX_WORD;
                seen.runs += u32::from(length >= LONG_WORD && odd);
                seen.graphic += length;
                (length, made_of, signs) = (0, 0, 0);
            }
            (before, last) = (last, class);
        }
        seen
    }
}

/// A row of letters and digits, and what is known of the one before.
#[derive(Default)]
struct Word {
    length: u32,
    first: u8,
    last: u8,
    made_of: u32,
    was_single: bool,
    had_digits: bool,
    spelt: u32,
}

impl Word {
    fn add(&mut self, byte: u8, class: u32) {
        if self.length == 0 {
            self.first = byte;
        }
        self.last = byte;
        self.made_of |= class;
        self.length += 1;
    }

    fn end(&mut self, seen: &mut Glance) {
        // A character beyond ASCII has two bytes or more.
        let single = self.length == 1 || (self.made_of & !(FOREIGN | GRAPHIC) == 0 && self.length <= 4);
        let digits = self.made_of & DIGIT != 0;
        seen.singles += u32::from(single && self.was_single);
        seen.figures += if digits && self.length >= MAX_WORD { 3 } else { u32::from(digits && self.had_digits) };
        let end = ENDS.get(usize::from(self.first & 31)).copied();
        let spelt = end == Some(self.last | 32) && (3..=8).contains(&self.length);
        self.spelt = if spelt { self.spelt + 1 } else { 0 };
        seen.spelt = seen.spelt.max(self.spelt);
        (self.was_single, self.had_digits, self.length, self.made_of) = (single, digits, 0, 0);
    }
}

/// The last letter of the word of the spelling alphabet that begins with each letter.
const ENDS: &[u8; 27] = b" aoeaotflatoaerracoaomryyeu";

const FOREIGN: u32 = 1;
const CONTROL: u32 = 1 << 1;
const LOWER: u32 = 1 << 2;
const UPPER: u32 = 1 << 3;
const LETTER: u32 = LOWER | UPPER;
const DIGIT: u32 = 1 << 4;
const ALNUM: u32 = LETTER | DIGIT | FOREIGN;
const ESCAPE: u32 = 1 << 5;
const QUOTE: u32 = 1 << 6;
/// Neither letter, digit nor apostrophe.
const SIGN: u32 = 1 << 7;
const PLAY: u32 = 1 << 8;
const A: u32 = 1 << 9;
const Y: u32 = 1 << 10;
const DASH: u32 = 1 << 11;
const TAP: u32 = 1 << 12;
const SPACE: u32 = 1 << 13;
const GRAPHIC: u32 = 1 << 14;

/// The shortest run that may be something else than a word, when more than small letters are in it.
const LONG_WORD: u32 = super::base::MIN_CODED as u32;

/// So many signs may stand around a word.
const MAX_SIGNS: u32 = 3;

/// The longest word; it has a compound's length.
const MAX_WORD: u32 = 40;

static CLASSES: [u32; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        let class = match byte {
            128.. => FOREIGN,
            b'\t'..=b'\r' | b' ' => SPACE,
            0..=8 | 14..=31 | 127 => CONTROL,
            b'a' => GRAPHIC | LOWER | A,
            b'y' => GRAPHIC | LOWER | Y,
            b'A' => GRAPHIC | UPPER | A,
            b'Y' => GRAPHIC | UPPER | Y,
            b'b'..=b'x' | b'z' => GRAPHIC | LOWER,
            b'B'..=b'X' | b'Z' => GRAPHIC | UPPER,
            b'0'..=b'9' => GRAPHIC | DIGIT | PLAY,
            b'%' | b'\\' | b'&' | b'=' => GRAPHIC | SIGN | ESCAPE,
            b'+' => GRAPHIC | SIGN | ESCAPE | PLAY,
            b'\'' => GRAPHIC | QUOTE,
            b'"' => GRAPHIC | SIGN | QUOTE,
            b'-' => GRAPHIC | SIGN | DASH | TAP,
            b'.' | b'_' => GRAPHIC | SIGN | TAP,
            b'@' | b'#' | b'!' | b'|' | b'$' => GRAPHIC | SIGN | PLAY,
            _ => GRAPHIC | SIGN,
        };
        #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
        {
            classes[byte as usize] = class;
        }
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_seen() {
        let seen = Glance::at("A day, 4ll \"it's\" x b-c -- %41 é\u{7} fooBar aGVsbG8gd29ybGQ .- 12345678901");
        assert_eq!(seen.foreign, 2);
        assert_eq!(seen.controls, 1);
        assert_eq!(seen.quotes, 1);
        assert_eq!(seen.singles, 3, "s x b c");
        assert_eq!(seen.inside, 1);
        assert_eq!(seen.endings, 1);
        assert_eq!(seen.dashes, 1);
        assert_eq!(seen.runs, 2);
        assert_eq!(seen.escapes, 1);
        assert_eq!(Glance::at("Kilo India Lima lima").spelt, 4);
        assert_eq!(Glance::at("69 6e, 66").figures, 2);
        assert_eq!(Glance::at("").graphic, 0);
    }
}
