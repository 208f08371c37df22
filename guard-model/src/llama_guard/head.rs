//! The beginning that all prompts share: computed once, forked for each verdict.

use super::feed;
use crate::GuardError;
use crate::llama::{Cache, Llama};
use crate::prompt::{Categories, Message, Template};
use crate::vocabulary::Vocabulary;
use std::sync::OnceLock;
use std::time::Instant;

/// The beginnings of prompts about a user's and about an agent's text.
pub(super) struct Heads([Head; 2]);

struct Head {
    tokens: Vec<u32>,
    /// What the model has read of it; made when it is first needed.
    cache: OnceLock<Cache>,
}

impl Heads {
    /// The beginnings of a template's prompts.
    pub(super) fn new(
        template: &Template,
        categories: &Categories,
        vocabulary: &Vocabulary,
    ) -> Result<Self, GuardError> {
        let head = |role: &str| -> Result<Head, GuardError> {
            let ids = |text: &str| template.render(&[Message::new(role, text)], categories)?.ids(vocabulary);
            let (one, other) = (ids("one")?, ids("Привет")?);
            let shared = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
            Ok(Head { tokens: one.into_iter().take(shared).collect(), cache: OnceLock::new() })
        };
        Ok(Self([head("user")?, head("assistant")?]))
    }

    /// A cache that has read the beginning of a prompt, and how many of its tokens that is. The last token is always left.
    pub(super) fn fork(&self, llama: &Llama, prompt: &[u32], deadline: Instant) -> Result<(Cache, usize), GuardError> {
        let fits = |head: &&Head| prompt.len() > head.tokens.len() && prompt.starts_with(&head.tokens);
        let Some(head) = self.0.iter().filter(fits).max_by_key(|head| head.tokens.len()) else {
            return Ok((llama.cache(), 0));
        };
        if let Some(cache) = head.cache.get() {
            return Ok((cache.clone(), head.tokens.len()));
        }
        let mut cache = llama.cache();
        if head.tokens.is_empty() || feed(llama, &head.tokens, &mut cache, deadline)?.is_none() {
            return Ok((llama.cache(), 0));
        }
        Ok((head.cache.get_or_init(|| cache).clone(), head.tokens.len()))
    }
}
