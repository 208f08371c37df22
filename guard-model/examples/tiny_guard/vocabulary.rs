//! A small byte-level vocabulary, made from the texts that are learnt from, with the special tokens of Llama 3.

use crate::Failure;
use std::collections::HashMap;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{SplitDelimiterBehavior, Tokenizer};

/// Tokens of text; the special ones come after them.
const TOKENS: usize = 2048;

/// The special tokens that prompts use.
pub(crate) const SPECIALS: [&str; 4] = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"];

/// How Llama 3 cuts text before it looks for pairs.
const CUT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The vocabulary.
pub(crate) struct Vocabulary {
    text: Tokenizer,
    /// Names of the tokens of text, in order.
    pub(crate) names: Vec<String>,
    /// Pairs that are joined, in order.
    pub(crate) merges: Vec<String>,
}

impl Vocabulary {
    /// Learns pairs from `texts`.
    pub(crate) fn learn(texts: &[String]) -> Result<Self, Failure> {
        let trainer = BpeTrainer::builder()
            .vocab_size(TOKENS)
            .min_frequency(2)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .show_progress(false)
            .build();
        let mut tokenizer = cutting(BPE::default())?;
        tokenizer.train(&mut TrainerWrapper::from(trainer), texts.iter().map(String::as_str))?;
        let parsed: serde_json::Value = serde_json::from_str(&tokenizer.to_string(false)?)?;
        let table: HashMap<String, usize> =
            serde_json::from_value(parsed.pointer("/model/vocab").ok_or("a tokenizer without a table")?.clone())?;
        let pairs: Vec<(String, String)> =
            serde_json::from_value(parsed.pointer("/model/merges").ok_or("a tokenizer without pairs")?.clone())?;
        let mut names: Vec<(usize, String)> = table.into_iter().map(|(name, id)| (id, name)).collect();
        names.sort();
        let names: Vec<String> = names.into_iter().map(|(_, name)| name).collect();
        let ids: Vocab = names.iter().zip(0..).map(|(name, id)| (name.clone(), id)).collect();
        // Whole words in the table are taken as they are, as in Llama 3.
        let model = BPE::builder().vocab_and_merges(ids, pairs.clone()).ignore_merges(true).build()?;
        let merges = pairs.iter().map(|(left, right)| format!("{left} {right}")).collect();
        Ok(Self { text: cutting(model)?, names, merges })
    }

    /// The tokens of plain text; never a special one.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, Failure> {
        Ok(self.text.encode_fast(text, false)?.get_ids().to_vec())
    }

    /// A special token.
    pub(crate) fn special(&self, name: &str) -> Result<u32, Failure> {
        let at = SPECIALS.iter().position(|known| *known == name).ok_or("a special token is not known")?;
        Ok((self.names.len() + at) as u32)
    }

    /// The only token of a word.
    pub(crate) fn word(&self, word: &str) -> Result<u32, Failure> {
        match self.encode(word)?.as_slice() {
            [token] => Ok(*token),
            tokens => Err(format!("`{word}` has {} tokens", tokens.len()).into()),
        }
    }

    /// How many tokens there are.
    pub(crate) fn size(&self) -> usize {
        self.names.len() + SPECIALS.len()
    }
}

fn cutting(model: BPE) -> Result<Tokenizer, Failure> {
    let split = Split::new(SplitPattern::Regex(CUT.to_owned()), SplitDelimiterBehavior::Isolated, false)?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![split.into(), ByteLevel::new(false, false, false).into()])));
    Ok(tokenizer)
}
