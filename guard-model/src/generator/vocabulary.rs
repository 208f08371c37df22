//! Text to tokens and back, by the tables in the model's own file.
//!
//! **Only a template makes a special token.** The special tokens (`<|im_end|>`, `<|eot_id|>`) are taken out of the
//! table that text is encoded with, so no text whatever can become one; they are reached by name alone, through
//! [`Vocabulary::special`], which only the template's own words are looked up in.

use std::collections::BTreeMap;

use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{SplitDelimiterBehavior, Tokenizer};

use crate::llama::Metadata;

/// The tokens of a model.
pub(super) struct Vocabulary {
    text: Tokenizer,
    specials: BTreeMap<String, u32>,
    /// What each token is in bytes; nothing for a special token.
    bytes: Vec<Box<[u8]>>,
    ends: Vec<u32>,
    /// The token every prompt opens with, for models that want one.
    pub(super) begin: Option<u32>,
    /// The name of the token that begins a text, for templates that write it.
    pub(super) begin_name: String,
    /// The name of the token that ends a text, for templates that write it.
    pub(super) end_name: String,
}

impl Vocabulary {
    /// The tables of `metadata`, or what is wrong with them in one sentence.
    pub(super) fn read(metadata: &Metadata<'_>) -> Result<Vocabulary, String> {
        let model = metadata.text("tokenizer.ggml.model").unwrap_or_default();
        if model != "gpt2" {
            return Err(format!("tokenizer `{model}` is not one the generator reads, `gpt2` (byte-level BPE) is"));
        }
        let missing = |key: &str| format!("`{key}` is missing from the file");
        let names = metadata.texts("tokenizer.ggml.tokens").ok_or_else(|| missing("tokenizer.ggml.tokens"))?;
        let kinds = metadata.counts("tokenizer.ggml.token_type").ok_or_else(|| missing("tokenizer.ggml.token_type"))?;
        let merges = metadata.texts("tokenizer.ggml.merges").ok_or_else(|| missing("tokenizer.ggml.merges"))?;
        if kinds.len() != names.len() {
            return Err(format!("the file has {} tokens and {} token types", names.len(), kinds.len()));
        }

        let mut specials = BTreeMap::new();
        let mut vocabulary = Vocab::new();
        let mut bytes = Vec::with_capacity(names.len());
        let alphabet = alphabet();
        for (id, (name, kind)) in names.iter().zip(kinds).enumerate() {
            let id = u32::try_from(id).map_err(|_| "the file has more tokens than ids".to_owned())?;
            if kind == NORMAL {
                vocabulary.insert((*name).to_owned(), id);
                bytes.push(name.chars().filter_map(|letter| alphabet.get(&letter).copied()).collect());
            } else {
                specials.insert((*name).to_owned(), id);
                bytes.push(Box::default());
            }
        }
        let merges: Merges = merges
            .iter()
            .map(|merge| merge.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned())))
            .collect::<Option<_>>()
            .ok_or("a merge of `tokenizer.ggml.merges` is not two tokens with a space between")?;

        let (pre_tokenizer, whole_words) = pre_tokenizer(metadata.text("tokenizer.ggml.pre").unwrap_or("default"))?;
        let model = BPE::builder()
            .vocab_and_merges(vocabulary, merges)
            .ignore_merges(whole_words)
            .build()
            .map_err(|error| format!("the tokenizer's tables do not fit each other: {error}"))?;
        let mut text = Tokenizer::new(model);
        text.with_pre_tokenizer(Some(pre_tokenizer));

        let id = |key: &str| metadata.count(key).and_then(|id| u32::try_from(id).ok());
        let name =
            |id: Option<u32>| id.and_then(|id| names.get(id as usize)).map_or(String::new(), ToString::to_string);
        let begin = id("tokenizer.ggml.bos_token_id");
        let end = id("tokenizer.ggml.eos_token_id");
        let mut ends: Vec<u32> = END_NAMES.iter().filter_map(|name| specials.get(*name).copied()).collect();
        ends.extend(["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"].into_iter().filter_map(id));
        Ok(Vocabulary {
            text,
            specials,
            bytes,
            ends,
            begin: begin.filter(|_| metadata.flag("tokenizer.ggml.add_bos_token").unwrap_or(false)),
            begin_name: name(begin),
            end_name: name(end),
        })
    }

    /// The tokens of plain text. Never a special one, whatever the text says.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let encoding = self.text.encode_fast(text, false).map_err(|error| error.to_string())?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The longest special token whose name `text` begins with: the length of the name, and the token.
    pub(super) fn special(&self, text: &str) -> Option<(usize, u32)> {
        let mut found = None;
        for (name, id) in &self.specials {
            let longer = found.is_none_or(|(length, _)| name.len() > length);
            // A name of one character cannot be told from that character in a message.
            if longer && name.chars().nth(1).is_some() && text.starts_with(name.as_str()) {
                found = Some((name.len(), *id));
            }
        }
        found
    }

    /// The names of the special tokens.
    pub(super) fn special_names(&self) -> impl Iterator<Item = &str> {
        self.specials.keys().map(String::as_str)
    }

    /// What a token is in bytes: often less than a character, and nothing for a special token.
    pub(super) fn bytes(&self, token: u32) -> &[u8] {
        self.bytes.get(token as usize).map_or(&[], |bytes| bytes)
    }

    /// Does this token end an answer?
    pub(super) fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }
}

/// How text is cut before merges are looked for, and whether a whole word in the table is taken without them.
fn pre_tokenizer(name: &str) -> Result<(PreTokenizerWrapper, bool), String> {
    let bytes = |use_regex| ByteLevel::new(false, false, use_regex);
    match name {
        "default" | "gpt-2" | "gpt2" => Ok((bytes(true).into(), false)),
        "smollm" => Ok((Sequence::new(vec![Digits::new(true).into(), bytes(true).into()]).into(), false)),
        "llama-bpe" | "llama3" | "llama-v3" => {
            let pattern = SplitPattern::Regex(LLAMA_3.to_owned());
            let split =
                Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(|error| error.to_string())?;
            Ok((Sequence::new(vec![split.into(), bytes(false).into()]).into(), true))
        }
        other => Err(format!(
            "pre-tokenizer `{other}` (`tokenizer.ggml.pre`) is not one the generator knows: `default`, `smollm`, `llama-bpe`"
        )),
    }
}

/// The byte each letter of a byte-level token stands for: printable Latin-1 for itself, the others shifted to the
/// letters from U+0100.
fn alphabet() -> BTreeMap<char, u8> {
    let printable = |byte: u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let shifted = (0u8..=255).filter(|byte| !printable(*byte)).zip('\u{100}'..);
    (0u8..=255)
        .filter(|byte| printable(*byte))
        .map(|byte| (char::from(byte), byte))
        .chain(shifted.map(|(b, c)| (c, b)))
        .collect()
}

/// The token type of ordinary tokens; every other type is special here.
const NORMAL: usize = 1;

/// The tokens that end a turn or a text in the Llama families, beside those the file names.
const END_NAMES: [&str; 5] = ["<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>"];

/// Llama 3's cut into words, as its `tokenizer.json` has it.
const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_letter_of_its_own() {
        let alphabet = alphabet();
        assert_eq!(alphabet.len(), 256);
        assert_eq!(alphabet[&'Ġ'], b' ');
        assert_eq!(alphabet[&'Ċ'], b'\n');
        assert_eq!(alphabet[&'a'], b'a');
        let tokenizers: std::collections::BTreeSet<char> = ByteLevel::alphabet().into_iter().collect();
        assert_eq!(alphabet.keys().copied().collect::<std::collections::BTreeSet<_>>(), tokenizers);
    }

    #[test]
    fn an_unknown_pre_tokenizer_is_named() {
        assert!(pre_tokenizer("tekken").is_err_and(|error| error.contains("`tekken`")));
    }
}
