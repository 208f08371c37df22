//! What a pattern cannot say about a match: check digits, known lengths, placeholders.

use super::document::Check;

/// How many bytes of the datum stand; zero when it is not what the rule looks for.
pub(super) fn kept(check: Check, datum: &str) -> usize {
    let stands = match check {
        Check::None => true,
        Check::Luhn => luhn(datum),
        Check::Iban => return iban(datum).unwrap_or(0),
        Check::UsSsn => us_ssn(datum),
        Check::MyNumber => my_number(datum),
        Check::Email => !FILES.iter().any(|file| has_suffix(datum, file)),
        Check::Placeholder => !placeholder(datum),
        Check::Entropy => !placeholder(datum) && entropy(datum) >= MIN_ENTROPY && classes(datum) >= 2,
        Check::SmuggledTags => datum.chars().count() > FLAG_TAGS || !datum.ends_with('\u{e007f}'),
    };
    if stands { datum.len() } else { 0 }
}

fn digits(datum: &str) -> Vec<u32> {
    datum.chars().filter_map(|c| c.to_digit(10)).collect()
}

fn luhn(datum: &str) -> bool {
    let digits = digits(datum);
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => *digit,
            (_, twice @ 10..) => twice - 9,
            (_, twice) => twice,
        })
        .sum();
    // A row of one digit passes the sum and is a filler.
    sum.is_multiple_of(10) && digits.iter().any(|digit| Some(digit) != digits.first())
}

/// The length of the account number the datum begins with (ISO 13616: length by country, remainder 1 modulo 97).
fn iban(datum: &str) -> Option<usize> {
    let country = datum.get(..2)?;
    let length = *COUNTRIES.iter().find_map(|(name, length)| (*name == country).then_some(length))?;
    let (last, c) = datum.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).nth(length - 1)?;
    let end = last + c.len_utf8();
    if datum.get(end..)?.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let account: Vec<u32> = datum.get(..end)?.chars().filter_map(|c| c.to_digit(36)).collect();
    let remainder = account.iter().skip(4).chain(account.iter().take(4)).fold(0, |remainder, value| {
        if *value < 10 { (remainder * 10 + value) % 97 } else { (remainder * 100 + value) % 97 }
    });
    (remainder == 1).then_some(end)
}

fn us_ssn(datum: &str) -> bool {
    let number = digits(datum).iter().fold(0, |number, digit| number * 10 + digit);
    let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0
}

/// The check digit of the individual number: eleven digits weighted 2 to 7 from the right, 11 less the remainder.
fn my_number(datum: &str) -> bool {
    let digits = digits(datum);
    let Some((check, rest)) = digits.split_last() else { return false };
    let sum: u32 = rest.iter().rev().zip((2..=7).cycle()).map(|(digit, weight)| digit * weight).sum();
    let expected = match sum % 11 {
        0 | 1 => 0,
        remainder => 11 - remainder,
    };
    rest.len() == 11 && *check == expected
}

fn placeholder(datum: &str) -> bool {
    let lower = datum.to_ascii_lowercase();
    let mut letters = lower.chars();
    let first = letters.next();
    letters.all(|c| Some(c) == first)
        || lower.starts_with(['<', '$', '{', '%', '*'])
        || PLACEHOLDERS.iter().any(|word| lower.contains(word))
}

/// Bits per character by the datum's own frequencies, as Shannon counts them.
fn entropy(datum: &str) -> f32 {
    let mut counts = [0_u32; 256];
    for byte in datum.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let total = datum.len() as f32;
    counts.iter().filter(|count| **count > 0).map(|count| *count as f32 / total).map(|part| -part * part.log2()).sum()
}

/// How many kinds of character occur: small letters, capitals, digits, others.
fn classes(datum: &str) -> usize {
    let kinds: [fn(&u8) -> bool; 4] =
        [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit, |byte| !byte.is_ascii_alphanumeric()];
    kinds.iter().filter(|kind| datum.as_bytes().iter().any(*kind)).count()
}

fn has_suffix(datum: &str, suffix: &str) -> bool {
    let start = datum.len().saturating_sub(suffix.len());
    datum.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// Below it lie words and names, above it what a generator made.
const MIN_ENTROPY: f32 = 3.0;

/// The most tags a flag of a region has, the closing one included.
const FLAG_TAGS: usize = 6;

const FILES: [&str; 9] = [".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".js", ".css", ".html"];

const PLACEHOLDERS: [&str; 13] = [
    "changeme",
    "change_me",
    "change-me",
    "placeholder",
    "example",
    "your_",
    "your-",
    "yourpassword",
    "insert",
    "dummy",
    "redacted",
    "xxxx",
    "password",
];

#[rustfmt::skip]
const COUNTRIES: [(&str, usize); 78] = [
    ("AD", 24), ("AE", 23), ("AL", 28), ("AT", 20), ("AZ", 28), ("BA", 20), ("BE", 16), ("BG", 22), ("BH", 22),
    ("BR", 29), ("BY", 28), ("CH", 21), ("CR", 22), ("CY", 28), ("CZ", 24), ("DE", 22), ("DK", 18), ("DO", 28),
    ("EE", 20), ("EG", 29), ("ES", 24), ("FI", 18), ("FO", 18), ("FR", 27), ("GB", 22), ("GE", 22), ("GI", 23),
    ("GL", 18), ("GR", 27), ("GT", 28), ("HR", 21), ("HU", 28), ("IE", 22), ("IL", 23), ("IQ", 23), ("IS", 26),
    ("IT", 27), ("JO", 30), ("KW", 30), ("KZ", 20), ("LB", 28), ("LC", 32), ("LI", 21), ("LT", 20), ("LU", 20),
    ("LV", 21), ("LY", 25), ("MC", 27), ("MD", 24), ("ME", 22), ("MK", 19), ("MR", 27), ("MT", 31), ("MU", 30),
    ("NL", 18), ("NO", 15), ("PK", 24), ("PL", 28), ("PS", 29), ("PT", 25), ("QA", 29), ("RO", 24), ("RS", 22),
    ("RU", 33), ("SA", 24), ("SC", 31), ("SD", 18), ("SE", 24), ("SI", 19), ("SK", 24), ("SM", 27), ("SO", 23),
    ("ST", 25), ("SV", 28), ("TN", 24), ("TR", 26), ("UA", 29), ("VA", 22),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_decide() {
        assert!(luhn("4111 1111 1111 1111") && !luhn("4111 1111 1111 1112") && !luhn("0000000000000000"));
        assert_eq!(iban("GB82 WEST 1234 5698 7654 32"), Some(27));
        assert_eq!(iban("BE68 5390 0754 7034 EUR"), Some(19), "what follows is cut off");
        assert_eq!(iban("GB82 WEST 1234 5698 7654 33"), None);
        assert_eq!(iban("BE68 5390 0754 70345"), None);
        assert!(my_number("1234 5678 9018") && !my_number("1234 5678 9019"));
        assert!(us_ssn("078-05-1120") && !us_ssn("666-05-1120") && !us_ssn("078-00-1120") && !us_ssn("978-05-1120"));
    }

    #[test]
    fn chance_is_told_from_words() {
        for (datum, stands) in [
            ("k3J9xQ2mV7pL", true),
            ("${DB_PASSWORD}", false),
            ("aaaaaaaaaaaa", false),
            ("changeme-2024", false),
            ("correcthorse", false),
        ] {
            assert_eq!(kept(Check::Entropy, datum) > 0, stands, "{datum}");
        }
    }
}
