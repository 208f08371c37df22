//! Bytes in the letters of an alphabet: the encodings of a single run.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

type Decode = fn(&str) -> Option<Vec<u8>>;

/// Those with letters and digits, and the two signs of base64; asked in this order.
pub(super) const NARROW: [Decode; 4] = [hexadecimal, base64, base32, base58];

/// Those with most signs of ASCII.
pub(super) const WIDE: [Decode; 3] = [ascii85, base85, z85];

/// The fewest characters that are looked at.
pub(super) const MIN_CODED: usize = 11;

/// The fewest characters of base85 that are looked at.
pub(super) const MIN_WIDE: usize = 12;

fn hexadecimal(run: &str) -> Option<Vec<u8>> {
    let run = run.strip_prefix("0x").or_else(|| run.strip_prefix("0X")).unwrap_or(run);
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if run.len() < 16 || !run.len().is_multiple_of(2) || !run.bytes().all(|byte| digit(byte).is_some()) {
        return None;
    }
    let mut digits = run.bytes().filter_map(digit);
    let mut out = Vec::with_capacity(run.len() / 2);
    while let (Some(high), Some(low)) = (digits.next(), digits.next()) {
        out.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    Some(out)
}

fn base64(run: &str) -> Option<Vec<u8>> {
    let engine = if run.contains(['-', '_']) { &WEB } else { &PLAIN };
    // A look at the beginning, on the stack: nearly every run ends here.
    let mut look = [0; 16];
    let length = engine.decode_slice(run.get(..run.len().min(20) / 4 * 4)?, &mut look).ok()?;
    let seen = look.get(..length)?;
    if seen.iter().copied().any(is_unlikely) {
        return None;
    }
    engine.decode(run).ok()
}

fn base32(run: &str) -> Option<Vec<u8>> {
    let upper = run.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'2'..=b'7'));
    let lower = || run.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'2'..=b'7'));
    if !(upper || lower()) {
        return None;
    }
    bits(run, 5, |byte| match byte.to_ascii_uppercase() {
        byte @ b'A'..=b'Z' => Some(byte - b'A'),
        byte @ b'2'..=b'7' => Some(byte - b'2' + 26),
        _ => None,
    })
}

/// The whole bytes in the digits of a run, each of so many bits.
pub(super) fn bits(run: &str, width: u32, digit: impl Fn(u8) -> Option<u8>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(run.len());
    let (mut bits, mut held) = (0_u32, 0);
    for byte in run.bytes() {
        bits = (bits << width) | u32::from(digit(byte)?);
        held += width;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from((bits >> held) & 255).unwrap_or_default());
            bits &= (1 << held) - 1;
        }
    }
    Some(out)
}

/// A number of up to [`MAX_58`] digits; it takes steps by the square of that, so a longer one is left.
fn base58(run: &str) -> Option<Vec<u8>> {
    if run.len() > MAX_58 || !run.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()) {
        return None;
    }
    let mut limbs: Vec<u32> = Vec::with_capacity(run.len() / 5 + 1);
    let mut add = |factor: u64, carry: u64| {
        let mut carry = carry;
        for limb in &mut limbs {
            let sum = u64::from(*limb) * factor + carry;
            *limb = sum as u32;
            carry = sum >> 32;
        }
        if carry > 0 {
            limbs.push(carry as u32);
        }
    };
    let (mut factor, mut value) = (1, 0);
    for byte in run.bytes() {
        let digit = BASE58.iter().position(|letter| *letter == byte)?;
        (factor, value) = (factor * 58, value * 58 + digit as u64);
        if factor == 58_u64.pow(5) {
            add(factor, value);
            (factor, value) = (1, 0);
        }
    }
    add(factor, value);
    let bytes = limbs.iter().rev().flat_map(|limb| limb.to_be_bytes());
    Some(bytes.skip_while(|byte| *byte == 0).collect())
}

fn ascii85(run: &str) -> Option<Vec<u8>> {
    let run = run.strip_prefix("<~").unwrap_or(run);
    let run = run.strip_suffix("~>").unwrap_or(run);
    groups(run, |byte| matches!(byte, b'!'..=b'u').then(|| u32::from(byte - b'!')))
}

fn base85(run: &str) -> Option<Vec<u8>> {
    groups(run, |byte| position(BASE85, byte))
}

fn z85(run: &str) -> Option<Vec<u8>> {
    groups(run, |byte| position(Z85, byte))
}

fn position(alphabet: &[u8], byte: u8) -> Option<u32> {
    u32::try_from(alphabet.iter().position(|letter| *letter == byte)?).ok()
}

/// Five digits for four bytes; the last group may be shorter.
fn groups(run: &str, digit: impl Fn(u8) -> Option<u32>) -> Option<Vec<u8>> {
    let bytes = run.as_bytes();
    let mut out = Vec::new();
    for group in bytes.chunks(5) {
        let missing = 5 - group.len();
        if missing == 4 {
            return None;
        }
        let mut value = 0_u32;
        for byte in group {
            value = value.checked_mul(85)?.checked_add(digit(*byte)?)?;
        }
        for _ in 0..missing {
            value = value.checked_mul(85)?.checked_add(84)?;
        }
        let whole = value.to_be_bytes();
        let kept = whole.get(..4 - missing)?;
        // What encodes text has no control characters; nearly every run ends at its first group.
        if kept.iter().copied().any(is_unlikely) {
            return None;
        }
        out.extend(kept);
    }
    Some(out)
}

/// Text of 16 bits, the lower byte first or last: it has a zero beside each letter.
pub(super) fn sixteen(bytes: &[u8]) -> Option<String> {
    let zeros = bytes.iter().map(|byte| usize::from(*byte == 0)).sum::<usize>();
    if !bytes.len().is_multiple_of(2) || zeros == 0 || zeros * 4 < bytes.len() {
        return None;
    }
    let first = bytes.iter().step_by(2).filter(|byte| **byte == 0).count();
    let pairs = bytes.chunks_exact(2).filter_map(|pair| <[u8; 2]>::try_from(pair).ok());
    let units: Vec<u16> = if first * 2 > zeros {
        pairs.map(u16::from_be_bytes).collect()
    } else {
        pairs.map(u16::from_le_bytes).collect()
    };
    String::from_utf16(&units).ok()
}

/// A control character that is in no text, not in one of 16 bits or with colours for a terminal either.
fn is_unlikely(byte: u8) -> bool {
    byte.is_ascii_control() && !byte.is_ascii_whitespace() && !matches!(byte, 0 | 0x1b)
}

const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BASE85: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
const Z85: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// A number with more digits in base58 is left.
const MAX_58: usize = 4096;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const WEB: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
