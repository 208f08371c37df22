//! Why the generator could not be opened, or did not answer.

use std::path::PathBuf;

/// An error of the generator. The first three belong to the file, the next three to the request.
#[derive(Debug, thiserror::Error)]
pub enum GeneratorError {
    /// The file cannot be read.
    #[error("the model file `{}` cannot be read: {error}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is not a GGUF file, or not a whole one.
    #[error("`{}` is not a GGUF file the generator reads: {error}", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: candle_core::Error,
    },
    /// The file is a GGUF file of a model this generator does not run.
    #[error("the model in `{}` does not run here: {reason}", path.display())]
    Model {
        /// Which file.
        path: PathBuf,
        /// What is missing or strange, in one sentence.
        reason: String,
    },
    /// The chat and the room for its answer do not fit the model's context.
    #[error("the chat is {prompt} tokens long and the model's context is {context}: shorten the chat")]
    TooLong {
        /// Tokens of the rendered chat.
        prompt: usize,
        /// Tokens the context holds, the answer included.
        context: usize,
    },
    /// The model's chat template turned the chat down.
    #[error("the model's chat template refuses the chat: {reason}")]
    Chat {
        /// What the template says.
        reason: String,
    },
    /// A setting of the request is out of its range.
    #[error("`{setting}` is {value}, it must be {range}")]
    Setting {
        /// Its name on the wire.
        setting: &'static str,
        /// What it was.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// The arithmetic failed; nothing a request can do about it.
    #[error("the model failed: {0}")]
    Arithmetic(#[from] crate::GuardError),
}
