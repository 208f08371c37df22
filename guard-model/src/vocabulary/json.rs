//! The tables in a `tokenizer.json`.

use super::{Cut, Vocabulary};
use serde::Deserialize;
use std::collections::BTreeMap;
use tokenizers::models::bpe::Merges;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;

impl Vocabulary {
    /// The tables of a `tokenizer.json`, or what is wrong with them in one sentence.
    pub(super) fn of_json(text: &str) -> Result<Self, String> {
        let File { model, added_tokens, pre_tokenizer, normalizer } =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        if model.kind.as_deref().is_some_and(|kind| kind != "BPE") || model.byte_fallback {
            return Err("its model is not byte-level BPE, which is what is read here".to_owned());
        }
        if normalizer.is_some_and(|normalizer| !normalizer.is_null()) {
            return Err("it has a normalizer, which no Llama from the third on has".to_owned());
        }
        let pre_tokenizer = pre_tokenizer.ok_or("it has no pre-tokenizer")?;
        let size = model.vocab.values().chain(added_tokens.iter().map(|added| &added.id)).max().map_or(0, |id| id + 1);
        // A hole in the ids is a token nobody can reach.
        if size as usize > 2 * (model.vocab.len() + added_tokens.len()) {
            return Err("its ids have holes".to_owned());
        }
        let mut names = vec![""; size as usize];
        let mut special = vec![true; size as usize];
        for (name, id, added) in (model.vocab.iter().map(|(name, id)| (name, *id, false)))
            .chain(added_tokens.iter().map(|added| (&added.content, added.id, true)))
        {
            if let (Some(place), Some(flag)) = (names.get_mut(id as usize), special.get_mut(id as usize)) {
                (*place, *flag) = (name, added);
            }
        }
        let merges: Merges = model.merges.into_iter().map(Merge::pair).collect::<Result<_, _>>()?;
        let cut = Cut { pre_tokenizer, whole_words: model.ignore_merges };
        let mut vocabulary = Self::build(&names, |id| special.get(id).copied().unwrap_or(true), merges, cut)?;
        let known = |names: &[&'static str]| {
            let known = names.iter().find(|name| vocabulary.special_id(name).is_some());
            known.map_or(String::new(), |name| (*name).to_owned())
        };
        let begin = known(&["<|begin_of_text|>", "<s>", "<|im_start|>"]);
        let end = known(&["<|end_of_text|>", "</s>", "<|im_end|>"]);
        (vocabulary.begin_name, vocabulary.end_name) = (begin, end);
        Ok(vocabulary)
    }
}

#[derive(Deserialize)]
struct File {
    model: Model,
    #[serde(default)]
    added_tokens: Vec<Added>,
    pre_tokenizer: Option<PreTokenizerWrapper>,
    normalizer: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    vocab: BTreeMap<String, u32>,
    merges: Vec<Merge>,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
}

/// Older files write the two tokens as one text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Text(String),
}

impl Merge {
    fn pair(self) -> Result<(String, String), String> {
        match self {
            Self::Pair(left, right) => Ok((left, right)),
            Self::Text(text) => {
                let (left, right) = text.split_once(' ').ok_or("a merge is not two tokens with a space between")?;
                Ok((left.to_owned(), right.to_owned()))
            }
        }
    }
}
