//! Llama Guard in this process: weights, tokenizer, template and categories together.
//!
//! A verdict is read, not generated. The prompt ends where the model's answer begins, so the next token's odds say how
//! likely `unsafe` is against `safe`; with `unsafe` and a new line told to the model in its own name, the odds of what
//! follows are the odds of the categories. The beginning that all prompts share is computed once.
//!
//! **Anything else is no answer.** When neither word is what the model would say, or an unsafe text falls under none of
//! the categories, there is an error and no score.
//!
//! # Limits
//! A long text is judged in overlapping windows of which the worst counts; of the turns before it the model is told the
//! newest that fit ([`Measure`]). Conversations of a batch are judged one after the other.

mod answers;
mod head;
mod load;
mod question;
mod scale;
#[cfg(test)]
mod tests;

use crate::llama::{Cache, Llama};
use crate::prompt::{Categories, Template};
use crate::vocabulary::Vocabulary;
use crate::{Assessment, Classifier, Conversation, GuardError, HazardId, Role, Taxonomy};
use answers::Answers;
use head::Heads;
use std::time::Instant;

pub use load::LlamaGuardOptions;
pub use question::{Measure, Window, windows};
pub use scale::{Judgement, Scale};

/// A loaded Llama Guard.
pub struct LlamaGuard {
    llama: Llama,
    vocabulary: Vocabulary,
    template: Template,
    scale: Scale,
    answers: Answers,
    heads: Heads,
    measure: Measure,
    /// Most tokens of a prompt.
    longest: usize,
    version: String,
}

impl LlamaGuard {
    /// The template it is asked with.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The categories it judges by.
    pub fn categories(&self) -> &Categories {
        self.scale.categories()
    }

    /// Judges one conversation.
    fn judge(&self, conversation: &Conversation<'_>, deadline: Instant) -> Result<Assessment, GuardError> {
        let windows = windows(conversation, self.measure)?;
        let mut worst: Option<Judgement> = None;
        for (judged, window) in windows.iter().enumerate() {
            let late = || GuardError::Late { judged, windows: windows.len() };
            let judgement = self.window(&window.conversation(), deadline)?.ok_or_else(late)?;
            worst = Some(worst.map_or_else(|| judgement.clone(), |worst| worst.worse(&judgement)));
        }
        Ok(self.scale.assessment(&worst.ok_or(GuardError::Empty)?))
    }

    /// Judges what fits one prompt; nothing when there was no time for it.
    fn window(&self, conversation: &Conversation<'_>, deadline: Instant) -> Result<Option<Judgement>, GuardError> {
        let prompt = self.template.ask(conversation, self.categories())?.ids(&self.vocabulary)?;
        let room = self.answers.room();
        if prompt.len() + room > self.longest {
            let (tokens, most) = (prompt.len(), self.longest.saturating_sub(room));
            return Err(GuardError::Failed(format!("the prompt has {tokens} tokens, and {most} fit the model")));
        }
        let (mut cache, fed) = self.heads.fork(&self.llama, &prompt, deadline)?;
        let rest = prompt.get(fed..).unwrap_or_default();
        let Some(logits) = feed(&self.llama, rest, &mut cache, deadline)? else { return Ok(None) };
        let harm = self.answers.harm(&logits)?;
        if Instant::now() >= deadline {
            return Ok(None);
        }
        let shares = self.answers.shares(&self.llama, &mut cache, harm)?;
        Ok(Some(Judgement { harm, shares }))
    }
}

impl Classifier for LlamaGuard {
    fn version(&self) -> &str {
        &self.version
    }

    fn taxonomy(&self) -> &Taxonomy {
        self.scale.taxonomy()
    }

    fn threshold(&self, _: &HazardId, _: Role) -> f32 {
        Scale::THRESHOLD
    }

    fn assess(&self, batch: &[Conversation<'_>], deadline: Instant) -> Vec<Result<Assessment, GuardError>> {
        batch.iter().map(|conversation| self.judge(conversation, deadline)).collect()
    }
}

/// Feeds tokens in parts between which the clock is looked at: the logits after the last, or nothing when time ran out.
fn feed(llama: &Llama, tokens: &[u32], cache: &mut Cache, deadline: Instant) -> Result<Option<Vec<f32>>, GuardError> {
    let mut logits = None;
    for part in tokens.chunks(PART) {
        if Instant::now() >= deadline {
            return Ok(None);
        }
        logits = Some(llama.forward(part, cache)?);
    }
    if logits.is_none() { Err(GuardError::Failed("no tokens were fed".to_owned())) } else { Ok(logits) }
}

/// Tokens fed at once.
const PART: usize = 256;
