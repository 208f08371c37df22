//! What can go wrong in the guard.

/// Why a guard could not be loaded or could not judge.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The deadline passed before every window of the text was judged; what was judged so far is not an answer.
    #[error("the guard was late: {judged} of {windows} windows were judged before the deadline")]
    Late {
        /// Windows that were judged in time.
        judged: usize,
        /// Windows the text has.
        windows: usize,
    },
    /// The model gave no usable score; never read as safe.
    #[error("the guard failed: {0}")]
    Failed(String),
    /// The conversation has no turn, so nothing can be judged.
    #[error("the conversation has no turn to judge")]
    Empty,
    /// A weights file does not have the form the guard expects.
    #[error("the guard's weights are not usable: {0}")]
    Weights(String),
    /// A tokenizer's tables cannot be read.
    #[error("the tokenizer in `{file}` cannot be used: {reason}")]
    Vocabulary {
        /// Which file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no prompt for a conversation, or no categories for a guard.
    #[error(transparent)]
    Prompt(#[from] crate::prompt::PromptError),
    /// A taxonomy file cannot be read.
    #[error("taxonomy `{name}` cannot be read: {reason}")]
    Taxonomy {
        /// The file's name.
        name: String,
        /// The parser's message, with line and column.
        reason: String,
    },
}

impl From<candle_core::Error> for GuardError {
    fn from(error: candle_core::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
