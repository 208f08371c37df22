//! The tokens of a Llama Guard's answers, and how likely each is.

use crate::GuardError;
use crate::llama::{Cache, Llama};
use crate::prompt::Categories;
use crate::vocabulary::Vocabulary;

/// The answers a model can give.
pub(super) struct Answers {
    harmless: u32,
    harmful: u32,
    /// What is told in the model's name before a category: `unsafe`, a new line, and what all codes begin with.
    told: Vec<u32>,
    /// What can follow.
    codes: Node,
    count: usize,
}

/// Tokens that can come next, and where each leads.
#[derive(Default)]
struct Node {
    next: Vec<(u32, Node)>,
    /// The category whose code is complete here.
    ends: Option<usize>,
}

impl Answers {
    /// The answers of a vocabulary about some categories.
    ///
    /// # Errors
    /// [`GuardError::Vocabulary`] when `safe` or `unsafe` is not one token, or a code cannot be told from others.
    pub(super) fn new(vocabulary: &Vocabulary, categories: &Categories) -> Result<Self, GuardError> {
        let wrong = |reason: String| GuardError::Vocabulary { file: "the guard's tokenizer".to_owned(), reason };
        let tokens = |text: &str| vocabulary.encode(text).map_err(wrong);
        let single = |word: &str| match tokens(word)?.as_slice() {
            [token] => Ok(*token),
            more => Err(wrong(format!("`{word}` is {} tokens, and a verdict is read from one", more.len()))),
        };
        let (harmless, harmful) = (single("safe")?, single("unsafe")?);
        let codes: Vec<Vec<u32>> = categories
            .categories
            .iter()
            .map(|category| tokens(&format!("unsafe\n{}", category.code)))
            .collect::<Result<_, _>>()?;
        let first = codes.first().cloned().unwrap_or_default();
        let shared = |code: &Vec<u32>| code.iter().zip(&first).take_while(|(one, other)| one == other).count();
        // Of a single category nothing is asked, so the last token is kept for a question all the same.
        let told = codes.iter().map(shared).min().unwrap_or(0).min(first.len().saturating_sub(1));
        let mut root = Node::default();
        for (at, code) in codes.iter().enumerate() {
            let rest = code.get(told..).unwrap_or_default();
            if !root.add(rest, at) {
                let code = categories.categories.get(at).map_or("", |category| &category.code);
                return Err(wrong(format!("category `{code}` has the same tokens as another")));
            }
        }
        let told = first.get(..told).unwrap_or_default().to_vec();
        if told.first() != Some(&harmful) {
            return Err(wrong("`unsafe` and a new line share a token".to_owned()));
        }
        Ok(Self { harmless, harmful, told, codes: root, count: codes.len() })
    }

    /// Tokens an answer takes.
    pub(super) fn room(&self) -> usize {
        self.told.len() + self.codes.depth()
    }

    /// How likely `unsafe` is against `safe`.
    ///
    /// # Errors
    /// [`GuardError::Failed`] when the model would say neither.
    pub(super) fn harm(&self, logits: &[f32]) -> Result<f32, GuardError> {
        let best = likeliest(logits)?;
        if best != self.harmless && best != self.harmful {
            return Err(GuardError::Failed(format!("its answer is neither `safe` nor `unsafe`, but token {best}")));
        }
        let logit = |token: u32| logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
        Ok(1.0 / (1.0 + (logit(self.harmless) - logit(self.harmful)).exp()))
    }

    /// How likely each category is named first, once the text is called unsafe; what `harm` says decides whether naming
    /// none of them is an error.
    ///
    /// # Errors
    /// [`GuardError::Failed`] when the text is unsafe and the model would name no category.
    pub(super) fn shares(&self, llama: &Llama, cache: &mut Cache, harm: f32) -> Result<Vec<f32>, GuardError> {
        let logits = llama.forward(&self.told, cache)?;
        let best = likeliest(&logits)?;
        if harm >= 0.5 && !self.codes.next.iter().any(|(token, _)| *token == best) {
            return Err(GuardError::Failed(format!("it calls the text unsafe under no category, but token {best}")));
        }
        let mut shares = vec![0.0; self.count];
        self.codes.spread(llama, cache, &logits, 1.0, &mut shares)?;
        Ok(shares)
    }
}

impl Node {
    /// Adds a code; false when it is there already.
    fn add(&mut self, rest: &[u32], category: usize) -> bool {
        let Some((token, rest)) = rest.split_first() else {
            return self.ends.replace(category).is_none();
        };
        if let Some((_, node)) = self.next.iter_mut().find(|(known, _)| known == token) {
            return node.add(rest, category);
        }
        let mut node = Self::default();
        let added = node.add(rest, category);
        self.next.push((*token, node));
        added
    }

    fn depth(&self) -> usize {
        self.next.iter().map(|(_, node)| node.depth() + 1).max().unwrap_or(0)
    }

    /// Spreads a share over the codes below, by the odds of the tokens that lead to them.
    fn spread(
        &self,
        llama: &Llama,
        cache: &Cache,
        logits: &[f32],
        share: f32,
        shares: &mut [f32],
    ) -> Result<(), GuardError> {
        let odds = odds(logits, self.next.iter().map(|(token, _)| *token), self.ends.is_some());
        let ended = (1.0 - odds.iter().sum::<f32>()).max(0.0);
        if let Some(end) = self.ends.and_then(|at| shares.get_mut(at)) {
            *end = share * ended;
        }
        for ((token, node), odds) in self.next.iter().zip(odds) {
            match node.ends {
                Some(at) if node.next.is_empty() => {
                    if let Some(end) = shares.get_mut(at) {
                        *end = share * odds;
                    }
                }
                _ => {
                    let mut fork = cache.clone();
                    let logits = llama.forward(&[*token], &mut fork)?;
                    node.spread(llama, &fork, &logits, share * odds, shares)?;
                }
            }
        }
        Ok(())
    }
}

/// The odds of some tokens: among themselves, or among all when the answer may also end here.
fn odds(logits: &[f32], tokens: impl Iterator<Item = u32>, among_all: bool) -> Vec<f32> {
    let logits_of = |token: u32| logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
    let own: Vec<f32> = tokens.map(logits_of).collect();
    let all = if among_all { logits } else { &own };
    let most = all.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = all.iter().map(|logit| (logit - most).exp()).sum();
    own.iter().map(|logit| (logit - most).exp() / sum).collect()
}

/// The token a model would say.
fn likeliest(logits: &[f32]) -> Result<u32, GuardError> {
    if logits.is_empty() || logits.iter().any(|logit| !logit.is_finite()) {
        return Err(GuardError::Failed("a logit is not a number".to_owned()));
    }
    let best = logits.iter().zip(0_u32..).max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map(|(_, token)| token).ok_or_else(|| GuardError::Failed("there are no logits".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_are_among_the_codes_or_among_all() {
        let logits = [0.0, 1.0, 1.0, 5.0];
        assert_eq!(odds(&logits, [1, 2].into_iter(), false), [0.5, 0.5]);
        assert!(odds(&logits, [1, 2].into_iter(), true).iter().sum::<f32>() < 0.1);
    }

    #[test]
    fn a_strange_logit_is_no_answer() {
        assert!(likeliest(&[0.0, f32::NAN]).is_err() && likeliest(&[]).is_err());
        assert_eq!(likeliest(&[0.0, 3.0, 1.0]).unwrap(), 1);
    }
}
