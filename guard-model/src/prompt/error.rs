//! Why there is no prompt.

/// Why a template, a list of categories or a prompt cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// No template has this name.
    #[error("there is no template `{name}`; there are {known}")]
    UnknownTemplate {
        /// The name that was asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// No shipped list of categories has this name.
    #[error("there is no list of categories `{name}`; there are {known}")]
    UnknownCategories {
        /// The name that was asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// A file of categories or of a template cannot be read.
    #[error("`{name}` cannot be read: {reason}")]
    File {
        /// The file's name.
        name: String,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// A category that is to be left out is not in the list.
    #[error("there is no category `{code}` to leave out; there are {known}")]
    UnknownCategory {
        /// The code that was asked for.
        code: String,
        /// All codes.
        known: String,
    },
    /// No category is left to judge by.
    #[error("no category is left to judge by")]
    NoCategories,
    /// The conversation has no message.
    #[error("the conversation has no message")]
    Empty,
    /// The template wants user and assistant in turn, from the user on.
    #[error("message {number} is from `{role}`: Conversation roles must alternate user/assistant/user/assistant/...")]
    Order {
        /// Which message, from 1 on.
        number: usize,
        /// Who speaks in it.
        role: String,
    },
    /// The template does not know who speaks.
    #[error("message {number} is from `{role}`, and the template knows only {known}")]
    UnknownRole {
        /// Which message, from 1 on.
        number: usize,
        /// Who speaks in it.
        role: String,
        /// The roles it knows.
        known: String,
    },
    /// The prompt cannot be told in this tokenizer's tokens.
    #[error("the tokenizer cannot tell the prompt: {0}")]
    Tokens(String),
}
