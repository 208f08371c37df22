//! The decision point: findings in, decision out.
//!
//! *Invariant: pure. No I/O, no clock, no network; knows nothing of detectors, HTTP or other crates of the house.*
//!
//! Three rules make a decision small enough to reason about: the strictest action wins, so the order of rules and files
//! is of no account; ids are dotted paths, and a rule answers all that lies below the path it names; the failure of a
//! detector is a finding like any other, and a set of policies that leaves it unanswered does not load.
//!
#![doc = include_str!("docs/format.md")]
#![forbid(unsafe_code)]

mod case;
mod catalog;
mod decision;
mod error;
mod finding;
mod glob;
mod nearest;
mod packs;
mod policy;
mod reader;
mod rule;
mod scope;
mod set;
mod situation;
#[cfg(test)]
mod tests;
mod yaml;

pub use case::{Case, CaseFailure};
pub use catalog::Catalog;
pub use decision::{Action, Decision, Reason};
pub use error::{Fault, Place, PolicyError, Problem};
pub use finding::{Finding, FindingId, FindingIdError, Severity};
pub use glob::Glob;
pub use packs::packs;
pub use policy::Policy;
pub use rule::Rule;
pub use scope::Scope;
pub use set::PolicySet;
pub use situation::{Provenance, Situation, Stage, Turn};
