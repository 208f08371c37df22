//! OpenAI chat completions: reading requests, reading an upstream's events, writing answers.

pub mod answer;
pub mod event;
mod read;
pub mod refusal;
mod request;

pub use read::{FieldPolicy, Limits, ReadError, read};
pub use request::Request;

/// The format's name in policies and records.
pub const NAME: &str = "openai-chat";
