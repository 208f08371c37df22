//! What a Llama Guard is asked: templates and categories as data, conversations into prompts.
//!
//! A template is a file in `templates/`, a list of categories one in `taxonomies/`; both are compiled in, and an operator
//! may bring categories of their own. **Only a template's own words make a special token**: whatever a conversation says
//! is text, unless a template declares `content: tokens`, which exists to show what other programs do and is never used
//! to ask a model.
//!
//! ```
//! use guard_model::prompt::{Categories, Message, Template};
//!
//! let template = Template::named("lg3_1b_canonical")?;
//! let categories = Categories::named(template.taxonomy())?;
//! let prompt = template.render(&[Message::new("user", "Which bus goes to the harbour?")], &categories)?;
//! assert!(prompt.text().contains("User: Which bus goes to the harbour?\n\n<END CONVERSATION>"));
//! # Ok::<(), guard_model::prompt::PromptError>(())
//! ```

mod categories;
mod error;
mod file;
mod pieces;
mod template;
#[cfg(test)]
mod tests;

pub use categories::{Categories, Category};
pub use error::PromptError;
pub use pieces::Prompt;
pub use template::{Message, Template};
