//! The enforcement point: the only place where text comes in or goes out.
//!
//! *Invariant: nothing passes the door without a decision, and no decision without a record.*
#![forbid(unsafe_code)]

pub mod audit;
pub mod cli;
