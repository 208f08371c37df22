//! The words of a window as a sparse vector: hashed words, pairs of words, and pairs of letters where a script writes
//! no spaces. It remembers what the encoder's mean blurs, a rare word above all.

/// Number of places a word can be hashed to.
pub const BUCKETS: usize = 1 << 16;

/// The places of a text's words and pairs, each at most once, in rising order.
pub fn hashed(text: &str) -> Vec<u32> {
    let mut places = Vec::new();
    let mut previous = 0_u64;
    for word in text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let lower = word.to_lowercase();
        if lower.chars().any(unspaced) {
            let letters: Vec<char> = lower.chars().collect();
            for pair in letters.windows(2) {
                places
                    .push(place(pair.iter().fold(hash(2, ""), |sum, letter| mix(sum, u64::from(u32::from(*letter))))));
            }
            previous = 0;
            continue;
        }
        let this = hash(1, &lower);
        places.push(place(this));
        if previous != 0 {
            places.push(place(mix(previous, this)));
        }
        previous = this;
    }
    places.sort_unstable();
    places.dedup();
    places
}

/// Letters of scripts that write words without spaces.
fn unspaced(letter: char) -> bool {
    matches!(letter, '\u{e00}'..='\u{e7f}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
}

fn hash(seed: u64, word: &str) -> u64 {
    word.bytes().fold(mix(0xcbf2_9ce4_8422_2325, seed), |sum, byte| mix(sum, u64::from(byte)))
}

fn mix(sum: u64, value: u64) -> u64 {
    let mixed = (sum ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

fn place(hash: u64) -> u32 {
    (hash.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 48) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_punctuation_do_not_count_and_order_does() {
        assert_eq!(hashed("Kill the process!"), hashed("kill, the process"));
        assert_ne!(hashed("the process kill"), hashed("kill the process"));
        assert_eq!(hashed("kill the process").len(), 5);
    }

    #[test]
    fn scripts_without_spaces_give_pairs() {
        assert_eq!(hashed("東京都").len(), 2);
        assert_eq!(hashed(""), [0_u32; 0]);
    }
}
