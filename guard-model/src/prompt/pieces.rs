//! A rendered prompt: text, and the special tokens that only a template can write.

use super::PromptError;
use super::file::Content;
use crate::vocabulary::Vocabulary;

/// A part of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text of the template.
    Own(String),
    /// Text of the conversation or of the categories.
    Told(String),
    /// A special token, by name.
    Special(String),
    /// A place no token reaches across.
    Cut,
}

/// A prompt, ready for a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    pub(super) pieces: Vec<Piece>,
    pub(super) content: Content,
}

impl Prompt {
    /// The prompt as one text, in which a special token and a text that looks like one cannot be told apart.
    pub fn text(&self) -> String {
        self.pieces.iter().map(Piece::text).collect()
    }

    /// The prompt as one text for a program that takes every name of a special token for the token: whatever is told is
    /// changed by a space where such a name could begin.
    pub fn disarmed(&self) -> String {
        let told = |text: &str| {
            let text = text.replace("<|", "< |");
            ["<s>", "</s>", "<unk>"].iter().fold(text, |text, name| text.replace(name, &name.replacen('<', "< ", 1)))
        };
        // What is told may end with the beginning of a name and go on with the next piece.
        let mut all = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Told(text) => {
                    all.push_str(&told(text));
                    if all.ends_with('<') {
                        all.push(' ');
                    }
                }
                other => all.push_str(other.text()),
            }
        }
        all
    }

    /// The prompt's tokens.
    ///
    /// # Errors
    /// [`PromptError::Tokens`] when the vocabulary has not a special token of the template.
    pub fn ids(&self, vocabulary: &Vocabulary) -> Result<Vec<u32>, PromptError> {
        let mut ids = Vec::new();
        let mut run = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Own(text) | Piece::Told(text) => run.push_str(text),
                Piece::Special(name) => {
                    self.encode(vocabulary, &mut run, &mut ids)?;
                    let missing = || PromptError::Tokens(format!("it has no token `{name}`"));
                    ids.push(vocabulary.special_id(name).ok_or_else(missing)?);
                }
                Piece::Cut => self.encode(vocabulary, &mut run, &mut ids)?,
            }
        }
        self.encode(vocabulary, &mut run, &mut ids)?;
        Ok(ids)
    }

    /// Adds the tokens of a run of text, and empties it.
    fn encode(&self, vocabulary: &Vocabulary, run: &mut String, ids: &mut Vec<u32>) -> Result<(), PromptError> {
        let mut rest = run.as_str();
        while self.content == Content::Tokens
            && let Some((at, length, id)) = next_special(vocabulary, rest)
        {
            let (before, special) = rest.split_at(at);
            ids.extend(vocabulary.encode(before).map_err(PromptError::Tokens)?);
            ids.push(id);
            rest = special.get(length..).unwrap_or_default();
        }
        ids.extend(vocabulary.encode(rest).map_err(PromptError::Tokens)?);
        run.clear();
        Ok(())
    }
}

impl Piece {
    fn text(&self) -> &str {
        match self {
            Self::Own(text) | Self::Told(text) | Self::Special(text) => text,
            Self::Cut => "",
        }
    }
}

/// The first name of a special token in a text: where it is, how long it is, and the token.
fn next_special(vocabulary: &Vocabulary, text: &str) -> Option<(usize, usize, u32)> {
    text.match_indices("<|").find_map(|(at, _)| {
        let (length, id) = vocabulary.special(text.get(at..)?)?;
        Some((at, length, id))
    })
}
