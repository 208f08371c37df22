//! Text to tokens and back, by a model's own tables.
//!
//! The tables come from the metadata of a GGUF file, from a `tokenizer.json`, or from the ranks of a `tokenizer.model`
//! as Meta publishes it.
//!
//! **Only a template makes a special token.** The special tokens (`<|im_end|>`, `<|eot_id|>`) are taken out of the
//! table that text is encoded with, so no text whatever can become one; they are reached by name alone, through
//! [`Vocabulary::special_id`], which only a template's own words are looked up in.

mod gguf;
mod json;
mod ranks;

use crate::GuardError;
use crate::llama::Metadata;
use candle_core::quantized::gguf_file::Content;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{SplitDelimiterBehavior, Tokenizer};

/// The tokens of a model.
pub struct Vocabulary {
    text: Tokenizer,
    specials: BTreeMap<String, u32>,
    /// What each token is in bytes; nothing for a special token.
    bytes: Vec<Box<[u8]>>,
    ends: Vec<u32>,
    /// The token every prompt opens with, for models that want one.
    pub(crate) begin: Option<u32>,
    /// The name of the token that begins a text, for templates that write it.
    pub(crate) begin_name: String,
    /// The name of the token that ends a text, for templates that write it.
    pub(crate) end_name: String,
}

impl Vocabulary {
    /// The tables in a file: a GGUF file, a `tokenizer.json`, or the ranks of a `tokenizer.model`, told by what is in it.
    ///
    /// # Errors
    /// [`GuardError::Vocabulary`] when the file cannot be read or its tables are not ones that are read here.
    pub fn open(path: &Path) -> Result<Self, GuardError> {
        let wrong = |reason: String| GuardError::Vocabulary { file: path.display().to_string(), reason };
        let mut file = BufReader::new(File::open(path).map_err(|error| wrong(error.to_string()))?);
        let mut first = [0; 4];
        file.read_exact(&mut first).map_err(|error| wrong(error.to_string()))?;
        file.seek_relative(-4).map_err(|error| wrong(error.to_string()))?;
        if first == *b"GGUF" {
            let content = Content::read(&mut file).map_err(|error| wrong(error.to_string()))?;
            return Self::of_gguf(&Metadata(&content)).map_err(wrong);
        }
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
        if text.len() as u64 == LONGEST {
            return Err(wrong(format!("it is longer than {LONGEST} bytes")));
        }
        if text.trim_start().starts_with('{') { Self::of_json(&text) } else { Self::of_ranks(&text) }.map_err(wrong)
    }

    /// Tables of one form out of the parts that every source has: names in the letters of bytes, which of them are
    /// special, and merges in order.
    fn build(names: &[&str], special: impl Fn(usize) -> bool, merges: Merges, split: Cut) -> Result<Self, String> {
        let mut specials = BTreeMap::new();
        let mut vocabulary = Vocab::new();
        let mut bytes = Vec::with_capacity(names.len());
        let alphabet = alphabet();
        for (at, name) in names.iter().enumerate() {
            let id = u32::try_from(at).map_err(|_| "there are more tokens than ids".to_owned())?;
            if special(at) {
                specials.insert((*name).to_owned(), id);
                bytes.push(Box::default());
            } else {
                vocabulary.insert((*name).to_owned(), id);
                bytes.push(name.chars().filter_map(|letter| alphabet.get(&letter).copied()).collect());
            }
        }
        let model = BPE::builder()
            .vocab_and_merges(vocabulary, merges)
            .ignore_merges(split.whole_words)
            .build()
            .map_err(|error| format!("the tokenizer's tables do not fit each other: {error}"))?;
        let mut text = Tokenizer::new(model);
        text.with_pre_tokenizer(Some(split.pre_tokenizer));
        let ends = END_NAMES.iter().filter_map(|name| specials.get(*name).copied()).collect();
        Ok(Self { text, specials, bytes, ends, begin: None, begin_name: String::new(), end_name: String::new() })
    }

    /// The tokens of plain text. Never a special one, whatever the text says.
    ///
    /// # Errors
    /// What the tokenizer says, in one sentence.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let encoding = self.text.encode_fast(text, false).map_err(|error| error.to_string())?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The special token of that name.
    pub fn special_id(&self, name: &str) -> Option<u32> {
        self.specials.get(name).copied()
    }

    /// Tokens, the special ones among them.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The longest special token whose name `text` begins with: the length of the name, and the token.
    pub(crate) fn special(&self, text: &str) -> Option<(usize, u32)> {
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
    pub(crate) fn special_names(&self) -> impl Iterator<Item = &str> {
        self.specials.keys().map(String::as_str)
    }

    /// What a token is in bytes: often less than a character, and nothing for a special token.
    pub fn bytes(&self, token: u32) -> &[u8] {
        self.bytes.get(token as usize).map_or(&[], |bytes| bytes)
    }

    /// Does this token end an answer?
    pub(crate) fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }
}

/// How text is cut before merges are looked for, and whether a whole word in the table is taken without them.
struct Cut {
    pre_tokenizer: PreTokenizerWrapper,
    whole_words: bool,
}

impl Cut {
    /// The cut of GPT-2's family, by the name GGUF files have for it.
    fn named(name: &str) -> Result<Self, String> {
        let bytes = |use_regex| ByteLevel::new(false, false, use_regex);
        match name {
            "default" | "gpt-2" | "gpt2" => Ok(Self { pre_tokenizer: bytes(true).into(), whole_words: false }),
            "smollm" => {
                let parts = vec![Digits::new(true).into(), bytes(true).into()];
                Ok(Self { pre_tokenizer: Sequence::new(parts).into(), whole_words: false })
            }
            "llama-bpe" | "llama3" | "llama-v3" => Self::pattern(LLAMA_3),
            "llama4" => Self::pattern(LLAMA_4),
            other => Err(format!(
                "pre-tokenizer `{other}` (`tokenizer.ggml.pre`) is not one that is known here: `default`, `smollm`, \
                 `llama-bpe`, `llama4`"
            )),
        }
    }

    fn pattern(pattern: &str) -> Result<Self, String> {
        let pattern = SplitPattern::Regex(pattern.to_owned());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(|error| error.to_string())?;
        let parts = vec![split.into(), ByteLevel::new(false, false, false).into()];
        Ok(Self { pre_tokenizer: Sequence::new(parts).into(), whole_words: true })
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

/// The tokens that end a turn or a text in the Llama families, beside those the file names.
const END_NAMES: [&str; 7] =
    ["<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>", "<|eot|>", "<|eom|>"];

/// Llama 3's cut into words, as its `tokenizer.json` has it.
const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Llama 4's, as Meta's code has it.
const LLAMA_4: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Most bytes of a tokenizer's file; Llama 4's `tokenizer.json` has 28 MB.
const LONGEST: u64 = 256 << 20;

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
        assert!(Cut::named("tekken").is_err_and(|error| error.contains("`tekken`")));
    }
}
