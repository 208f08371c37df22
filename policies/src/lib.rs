//! The decision point: findings in, decision out.
//!
//! *Invariant: pure. No I/O, no clock, no network; knows nothing of detectors, HTTP or other crates of the house.*
#![forbid(unsafe_code)]

mod decision;
mod finding;
mod situation;

pub use decision::{Action, Decision, Reason};
pub use finding::{Finding, FindingId, FindingIdError, Severity};
pub use situation::{Provenance, Situation, Stage};
