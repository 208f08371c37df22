//! What was masked in a request, to be put back into its answer.
//!
//! It lives as long as its exchange and belongs to no other, so nothing is ever put back into another's answer. What is put
//! back is not judged again: it was, when it came.

use std::sync::{Mutex, PoisonError};

/// The masked texts of one exchange.
#[derive(Debug, Default)]
pub struct Masks(Mutex<Vec<Mask>>);

#[derive(Debug)]
struct Mask {
    /// The placeholder without its number.
    word: String,
    /// What the model reads.
    placeholder: String,
    /// What stood there.
    original: String,
}

/// The most that is remembered; what comes beyond it is taken out for good.
const MOST: usize = 256;

/// A longer text is taken out for good, in bytes.
const LONGEST: usize = 4 << 10;

/// The most that is put back into one text, in bytes; behind that the placeholders stay.
const ADDED: usize = 1 << 20;

/// How a text is written where it is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// As it is.
    Text,
    /// As a part of a string in JSON.
    Json,
}

impl Masks {
    /// What stands in for `original`: the same in all of the exchange, and another for every other text.
    pub(super) fn mask(&self, word: &str, original: &str) -> String {
        let mut masks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same_word = || masks.iter().filter(|mask| mask.word == word);
        if let Some(known) = same_word().find(|mask| mask.original == original) {
            return known.placeholder.clone();
        }
        if masks.len() >= MOST || original.len() > LONGEST {
            return word.to_owned();
        }
        let placeholder = numbered(word, same_word().count() + 1);
        let (word, original) = (word.to_owned(), original.to_owned());
        masks.push(Mask { word, placeholder: placeholder.clone(), original });
        placeholder
    }

    /// The text with what was masked put back; no more than [`ADDED`] bytes of it, for a model can be told to repeat itself.
    pub(super) fn restore(&self, text: &str, within: Within) -> String {
        let masks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<(usize, &Mask)> = masks
            .iter()
            .flat_map(|mask| text.match_indices(mask.placeholder.as_str()).map(move |(at, _)| (at, mask)))
            .collect();
        // At each place the longest: `x-1` also begins `x-12`.
        found.sort_by_key(|(at, mask)| (*at, std::cmp::Reverse(mask.placeholder.len())));
        let (mut restored, mut end, mut seen, mut left) = (String::new(), 0, 0, ADDED);
        for (at, mask) in found {
            if at < seen {
                continue;
            }
            seen = at + mask.placeholder.len();
            if mask.original.len() > left {
                continue;
            }
            left -= mask.original.len();
            restored.push_str(text.get(end..at).unwrap_or_default());
            match within {
                Within::Text => restored.push_str(&mask.original),
                Within::Json => {
                    let quoted = serde_json::Value::from(mask.original.as_str()).to_string();
                    restored.push_str(quoted.get(1..quoted.len() - 1).unwrap_or_default());
                }
            }
            end = seen;
        }
        restored.push_str(text.get(end..).unwrap_or_default());
        restored
    }
}

/// `[mail]` with its number: `[mail-1]`.
fn numbered(word: &str, number: usize) -> String {
    match word.char_indices().next_back() {
        Some((at, last)) if !last.is_alphanumeric() && at > 0 => {
            format!("{}-{number}{last}", word.get(..at).unwrap_or_default())
        }
        _ => format!("{word}-{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{ADDED, LONGEST, MOST, Masks, Within};

    #[test]
    fn what_was_masked_comes_back() {
        let masks = Masks::default();
        assert_eq!(masks.mask("[mail]", "a@x.org"), "[mail-1]");
        assert_eq!(masks.mask("[mail]", "b@x.org"), "[mail-2]");
        assert_eq!(masks.mask("[mail]", "a@x.org"), "[mail-1]");
        assert_eq!(masks.mask("card", "1"), "card-1");
        let text = masks.restore("To [mail-2], [mail-1] and [mail-1]; not [mail-3] or [mail].", Within::Text);
        assert_eq!(text, "To b@x.org, a@x.org and a@x.org; not [mail-3] or [mail].");
        assert_eq!(Masks::default().restore("[mail-1]", Within::Text), "[mail-1]", "another exchange knows nothing");
    }

    #[test]
    fn a_model_that_repeats_itself_fills_no_memory() {
        let masks = Masks::default();
        assert_eq!(masks.mask("[a]", &"x".repeat(LONGEST + 1)), "[a]");
        masks.mask("[a]", &"x".repeat(LONGEST));
        let text = masks.restore(&"[a-1]".repeat(10_000), Within::Text);
        assert_eq!(text.matches('x').count(), ADDED);
        assert_eq!(text.matches("[a-1]").count(), 10_000 - ADDED / LONGEST);
    }

    #[test]
    fn what_is_put_back_is_not_looked_at_again_and_keeps_json_whole() {
        let masks = Masks::default();
        masks.mask("[a]", "[a-2]");
        masks.mask("[a]", "say \"hi\"\\");
        assert_eq!(masks.restore("[a-1]", Within::Text), "[a-2]");
        let json = masks.restore(r#"{"x":"[a-2]"}"#, Within::Json);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["x"], "say \"hi\"\\");
    }

    #[test]
    fn the_longer_placeholder_wins_and_there_is_an_end() {
        let masks = Masks::default();
        for number in 1..=MOST {
            masks.mask("x", &format!("<{number}>"));
        }
        assert_eq!(masks.restore("x-12 x-1", Within::Text), "<12> <1>");
        assert_eq!(masks.mask("x", "one more"), "x");
    }
}
