//! Other alphabets, and what a token costs when it is read in one.

use super::reverse;
use super::words::{self, NAT};

/// A way to write a text in other letters or backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    Backwards,
    /// Rotates the 26 letters.
    Shift(u8),
    Atbash,
    /// Rotates the 94 signs of ASCII by half.
    Rot47,
}

impl Cipher {
    pub(super) fn all() -> impl Iterator<Item = Cipher> {
        let others = (1..26).filter(|by| *by != 13).map(Cipher::Shift);
        [Cipher::Backwards, Cipher::Shift(13), Cipher::Atbash, Cipher::Rot47].into_iter().chain(others)
    }

    /// What a token costs when it is undone.
    pub(super) fn cost(self, token: &[u8]) -> u32 {
        let bytes = token.iter().copied();
        match self {
            Cipher::Backwards => cost(bytes.rev()),
            Cipher::Rot47 => cost(bytes.map(|byte| self.byte(byte))),
            Cipher::Shift(by) => cost_in(bytes, SHIFTED.get(usize::from(by)).unwrap_or(&SAME)),
            Cipher::Atbash => cost_in(bytes, &MIRRORED),
        }
    }

    pub(super) fn undo(self, text: &str) -> String {
        if self == Cipher::Backwards {
            return reverse::backwards(text);
        }
        let letter =
            |c: char| u8::try_from(c).map_or(c, |byte| if byte.is_ascii() { char::from(self.byte(byte)) } else { c });
        text.chars().map(letter).collect()
    }

    /// The beginning of what comes out.
    pub(super) fn sample(self, text: &str, length: usize) -> String {
        let cut = |at: usize| (at..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        let part = if self == Cipher::Backwards {
            text.get(cut(text.len().saturating_sub(length))..)
        } else {
            text.get(..cut(length.min(text.len())))
        };
        let plain = self.undo(part.unwrap_or(text));
        // Not within a number of a list.
        match plain.rfind(' ') {
            Some(space) => plain.get(..space).unwrap_or_default().to_owned(),
            None => plain,
        }
    }

    fn byte(self, byte: u8) -> u8 {
        let first = if byte.is_ascii_lowercase() { b'a' } else { b'A' };
        match self {
            Cipher::Shift(by) if byte.is_ascii_alphabetic() => (byte - first + by) % 26 + first,
            Cipher::Atbash if byte.is_ascii_alphabetic() => 25 - (byte - first) + first,
            Cipher::Rot47 if byte.is_ascii_graphic() => (byte - b'!' + 47) % 94 + b'!',
            _ => byte,
        }
    }
}

/// What a token costs, its ends and its signs included.
pub(super) fn cost(token: impl Iterator<Item = u8>) -> u32 {
    cost_in(token, &SAME)
}

fn cost_in(token: impl Iterator<Item = u8>, alphabet: &Alphabet) -> u32 {
    let costs = words::costs();
    let mut before = words::END;
    let mut sum = 0;
    for byte in token {
        let (symbol, sign) = SYMBOLS.get(usize::from(byte)).copied().unwrap_or((words::END as u8, 0));
        let symbol = usize::from(alphabet.get(usize::from(symbol & 31)).copied().unwrap_or(0));
        sum += u32::from(costs.get((before * 32 + symbol) & 1023).copied().unwrap_or(0)) + u32::from(sign);
        before = symbol;
    }
    sum + u32::from(costs.get((before * 32 + words::END) & 1023).copied().unwrap_or(0))
}

/// What each symbol becomes.
type Alphabet = [u8; 32];

static SAME: Alphabet = alphabet(0, false);

static MIRRORED: Alphabet = alphabet(0, true);

/// The alphabets by how far they are shifted.
static SHIFTED: [Alphabet; 26] = {
    let mut all = [[0; 32]; 26];
    let mut by = 0;
    while by < 26 {
        #[expect(clippy::indexing_slicing, reason = "within the bounds of the loop")]
        {
            all[by as usize] = alphabet(by, false);
        }
        by += 1;
    }
    all
};

const fn alphabet(by: u8, mirrored: bool) -> Alphabet {
    let mut alphabet = [words::END as u8; 32];
    let mut letter = 0;
    while letter < 26 {
        #[expect(clippy::indexing_slicing, reason = "within the bounds of the loop")]
        {
            alphabet[letter as usize] = if mirrored { 25 - letter } else { (letter + by) % 26 };
        }
        letter += 1;
    }
    alphabet
}

/// The symbol of a byte, and what it costs for being no letter.
static SYMBOLS: [(u8, u8); 256] = {
    let mut symbols = [(words::END as u8, 0); 256];
    let mut byte = 0_u8;
    loop {
        let cost = match byte {
            b'.' | b',' | b'?' | b'!' | b'\'' | b'"' | b':' | b';' | b'-' => NAT / 2,
            b'0'..=b'9' => NAT * 5 / 2,
            _ => NAT * 5,
        };
        #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
        {
            symbols[byte as usize] = match byte {
                b'a'..=b'z' | b'A'..=b'Z' => ((byte & 31) - 1, 0),
                _ => (words::END as u8, cost as u8),
            };
        }
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    symbols
};
