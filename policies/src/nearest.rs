//! The word a writer most likely meant.

/// The candidate with the fewest edits (insert, delete, replace a letter) from `word`, case aside; the first of equals.
///
/// None when even the best needs more than a third of the longer word, two edits at least: a guess that far off misleads.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(LONGEST).flat_map(char::to_lowercase).collect();
    candidates
        .into_iter()
        .map(|candidate| {
            let letters: Vec<char> = candidate.chars().take(LONGEST).flat_map(char::to_lowercase).collect();
            (edits(&word, &letters), word.len().max(letters.len()), candidate)
        })
        .filter(|(edits, length, _)| *edits <= (length / 3).max(2) && edits < length)
        .min_by_key(|(edits, ..)| *edits)
        .map(|(.., candidate)| candidate)
}

/// The edit distance of two words (Wagner and Fischer), one row of the table at a time.
fn edits(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for letter in one {
        let Some((first, rest)) = row.split_first_mut() else { break };
        let mut diagonal = *first;
        *first += 1;
        let mut left = *first;
        for (cell, against) in rest.iter_mut().zip(other) {
            let replaced = diagonal + usize::from(letter != against);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// Letters of a word that are compared; as long as the longest finding id.
const LONGEST: usize = 128;

#[cfg(test)]
mod tests {
    use super::{edits, nearest};

    #[test]
    fn edits_are_counted() {
        let count =
            |one: &str, other: &str| edits(&one.chars().collect::<Vec<_>>(), &other.chars().collect::<Vec<_>>());
        assert_eq!(count("", ""), 0);
        assert_eq!(count("abc", ""), 3);
        assert_eq!(count("", "abc"), 3);
        assert_eq!(count("kitten", "sitting"), 3);
        assert_eq!(count("flaw", "lawn"), 2);
        assert_eq!(count("block", "block"), 0);
    }

    #[test]
    fn a_slip_of_the_hand_is_recognised_and_a_stranger_is_not() {
        let actions = ["allow", "flag", "redact", "block"];
        assert_eq!(nearest("blok", actions), Some("block"));
        assert_eq!(nearest("REDACT", actions), Some("redact"));
        assert_eq!(nearest("quarantine", actions), None);
        assert_eq!(nearest("x", actions), None);
        assert_eq!(nearest("", actions), None);
    }
}
