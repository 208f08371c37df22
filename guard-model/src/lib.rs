//! The classifier of ringfence: conversation in, assessment out.
//!
//! Invariant: this crate reads weights, never the network; and text it judges is only ever text.
//!
//! ```
//! use guard_model::{Conversation, Guard, Role};
//! use std::time::{Duration, Instant};
//!
//! let guard = Guard::embedded()?;
//! let greeting = Conversation::single(Role::User, "Good morning! Which bus goes to the harbour?");
//! for assessment in guard.assess(&[greeting], Instant::now() + Duration::from_secs(30)) {
//!     assert!(assessment?.flagged(&guard, Role::User).is_empty());
//! }
//! # Ok::<(), guard_model::GuardError>(())
//! ```

pub mod encoder;
pub mod engine;
pub mod heads;
pub mod llama;
pub mod ngrams;

pub mod generator;
pub mod prompt;
pub mod vocabulary;

mod assessment;
mod classifier;
mod conversation;
mod error;
mod frame;
mod guard;
mod inspect;
mod llama_guard;
mod taxonomy;
mod window;

pub use assessment::Assessment;
pub use classifier::Classifier;
pub use conversation::{Conversation, Role, Turn};
pub use error::GuardError;
pub use frame::{frame, framed};
pub use guard::{Guard, NEVER};
pub use inspect::Inspection;
pub use llama_guard::{Judgement, LlamaGuard, LlamaGuardOptions, Measure, Scale, Window, windows};
pub use taxonomy::{Hazard, HazardId, Taxonomy};
pub use window::Windows;
