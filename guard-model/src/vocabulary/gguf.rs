//! The tables in the metadata of a GGUF file.

use super::{Cut, Vocabulary};
use crate::llama::Metadata;
use tokenizers::models::bpe::Merges;

impl Vocabulary {
    /// The tables of `metadata`, or what is wrong with them in one sentence.
    pub(crate) fn of_gguf(metadata: &Metadata<'_>) -> Result<Self, String> {
        let model = metadata.text("tokenizer.ggml.model").unwrap_or_default();
        if model != "gpt2" {
            return Err(format!("tokenizer `{model}` is not one that is read here, `gpt2` (byte-level BPE) is"));
        }
        let missing = |key: &str| format!("`{key}` is missing from the file");
        let names = metadata.texts("tokenizer.ggml.tokens").ok_or_else(|| missing("tokenizer.ggml.tokens"))?;
        let kinds = metadata.counts("tokenizer.ggml.token_type").ok_or_else(|| missing("tokenizer.ggml.token_type"))?;
        let merges = metadata.texts("tokenizer.ggml.merges").ok_or_else(|| missing("tokenizer.ggml.merges"))?;
        if kinds.len() != names.len() {
            return Err(format!("the file has {} tokens and {} token types", names.len(), kinds.len()));
        }
        let merges: Merges = merges
            .iter()
            .map(|merge| merge.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned())))
            .collect::<Option<_>>()
            .ok_or("a merge of `tokenizer.ggml.merges` is not two tokens with a space between")?;
        let cut = Cut::named(metadata.text("tokenizer.ggml.pre").unwrap_or("default"))?;
        let mut vocabulary = Self::build(&names, |id| kinds.get(id) != Some(&NORMAL), merges, cut)?;

        let id = |key: &str| metadata.count(key).and_then(|id| u32::try_from(id).ok());
        let name =
            |id: Option<u32>| id.and_then(|id| names.get(id as usize)).map_or(String::new(), ToString::to_string);
        let begin = id("tokenizer.ggml.bos_token_id");
        let end = id("tokenizer.ggml.eos_token_id");
        vocabulary.ends.extend([end, id("tokenizer.ggml.eot_token_id")].into_iter().flatten());
        vocabulary.begin = begin.filter(|_| metadata.flag("tokenizer.ggml.add_bos_token").unwrap_or(false));
        vocabulary.begin_name = name(begin);
        vocabulary.end_name = name(end);
        Ok(vocabulary)
    }
}

/// The token type of ordinary tokens; every other type is special here.
const NORMAL: usize = 1;
