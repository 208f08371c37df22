//! The ranks of a `tokenizer.model` as Meta publishes it: a line for each token, its bytes in base64 and its rank.
//!
//! Such a file has no merges and no special tokens. A token's merges are all pairs of tokens that make its bytes; the special
//! tokens are those of Llama 3 and 4, told apart by how many ranks there are.

use super::{Cut, Vocabulary, alphabet};
use std::collections::{BTreeMap, HashMap};
use tokenizers::models::bpe::Merges;

impl Vocabulary {
    /// The tables of ranks, or what is wrong with them in one sentence.
    pub(super) fn of_ranks(text: &str) -> Result<Self, String> {
        let mut tokens: Vec<Vec<u8>> = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let wrong = || format!("line {} is not a token in base64 and its rank", number + 1);
            let (token, rank) = line.split_once(' ').ok_or_else(wrong)?;
            if rank.parse() != Ok(tokens.len()) {
                return Err(format!("line {}: the ranks do not count up from 0", number + 1));
            }
            tokens.push(base64(token).filter(|token| !token.is_empty()).ok_or_else(wrong)?);
        }
        let (specials, cut, [begin, end]) = match tokens.len() {
            128_000 => (llama_3(), "llama-bpe", ["<|begin_of_text|>", "<|end_of_text|>"]),
            200_000 => (llama_4(), "llama4", ["<|begin_of_text|>", "<|end_of_text|>"]),
            other => return Err(format!("it has {other} ranks; Llama 3 has 128000 and Llama 4 has 200000")),
        };
        let merges = merges(&tokens)?;
        let letters = letters();
        let spelled: Vec<String> = tokens.iter().map(|token| spell(&letters, token)).collect();
        let names: Vec<&str> = spelled.iter().chain(&specials).map(String::as_str).collect();
        let mut vocabulary = Self::build(&names, |id| id >= tokens.len(), merges, Cut::named(cut)?)?;
        if tokens.len() == 128_000 {
            // A place that Llama 3 only reserved and where Llama 3.1 and later end a message.
            vocabulary.ends.push(128_008);
        }
        begin.clone_into(&mut vocabulary.begin_name);
        end.clone_into(&mut vocabulary.end_name);
        Ok(vocabulary)
    }
}

/// The special tokens of Llama 3, in order.
fn llama_3() -> Vec<String> {
    let reserved = |number: usize| format!("<|reserved_special_token_{number}|>");
    let mut names = vec!["<|begin_of_text|>".to_owned(), "<|end_of_text|>".to_owned()];
    names.extend((0..4).map(reserved));
    names.extend([
        "<|start_header_id|>".to_owned(),
        "<|end_header_id|>".to_owned(),
        reserved(4),
        "<|eot_id|>".to_owned(),
    ]);
    names.extend((5..251).map(reserved));
    names
}

/// The special tokens of Llama 4 that templates write, in order.
fn llama_4() -> Vec<String> {
    let first = ["begin_of_text", "end_of_text", "fim_prefix", "fim_middle", "fim_suffix"];
    let next = ["header_start", "header_end", "eom", "eot", "step"];
    first.iter().chain(&next).map(|name| format!("<|{name}|>")).collect()
}

/// The merges that make each token of more than one byte, in the order of ranks: every pair of tokens it can be made of,
/// since ranks ask only what comes out.
fn merges(tokens: &[Vec<u8>]) -> Result<Merges, String> {
    let ranks: HashMap<&[u8], usize> =
        tokens.iter().enumerate().map(|(rank, token)| (token.as_slice(), rank)).collect();
    if ranks.len() != tokens.len() {
        return Err("a token comes twice".to_owned());
    }
    let letters = letters();
    let mut merges = Merges::new();
    for token in tokens {
        let mut pairs: Vec<(usize, usize, usize)> = (1..token.len())
            .filter_map(|at| {
                let (left, right) = token.split_at(at);
                Some((*ranks.get(left)?, *ranks.get(right)?, at))
            })
            .collect();
        pairs.sort_unstable();
        for (_, _, at) in pairs {
            let (left, right) = token.split_at(at);
            merges.push((spell(&letters, left), spell(&letters, right)));
        }
    }
    Ok(merges)
}

/// The letter of each byte.
fn letters() -> BTreeMap<u8, char> {
    alphabet().into_iter().map(|(letter, byte)| (byte, letter)).collect()
}

fn spell(letters: &BTreeMap<u8, char>, token: &[u8]) -> String {
    token.iter().filter_map(|byte| letters.get(byte)).collect()
}

/// The bytes of a text in base64, padded; nothing for any other text.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (bits, count) = (bits << 6 | u32::from(value), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_its_padding_only() {
        let read = |text: &str| base64(text).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!([read("IQ=="), read("ISE="), read("ISEh")], ["!", "!!", "!!!"].map(|text| Some(text.to_owned())));
        assert_eq!([read("IQ"), read("I==="), read("I*=="), read("")], [None, None, None, Some(String::new())]);
    }

    #[test]
    fn a_token_is_made_of_every_pair_that_makes_it() {
        let tokens = ["a", "b", "c", "ab", "bc", "abc"].map(|token| token.as_bytes().to_vec());
        let merges = merges(&tokens).unwrap();
        let pairs: Vec<(&str, &str)> = merges.iter().map(|(left, right)| (left.as_str(), right.as_str())).collect();
        assert_eq!(pairs, [("a", "b"), ("b", "c"), ("a", "bc"), ("ab", "c")]);
        assert!(super::merges(&["a", "a"].map(|token| token.as_bytes().to_vec())).is_err());
    }

    #[test]
    fn ranks_that_are_no_llamas_are_turned_down() {
        let of = |text: &str| Vocabulary::of_ranks(text).err().unwrap();
        assert_eq!(of("IQ== 0\nIg== 1\n"), "it has 2 ranks; Llama 3 has 128000 and Llama 4 has 200000");
        assert_eq!(of("IQ== 0\nIg== 2\n"), "line 2: the ranks do not count up from 0");
        assert_eq!(of("IQ== 0\nIg 1\n"), "line 2 is not a token in base64 and its rank");
    }
}
