//! The bypass-conformance suite: cases from `tests/bypass`, sent to a proxy, judged by what came out at both ends.

pub mod answers;
pub mod bodies;
pub mod case;
pub mod data;
pub mod disguise;
pub mod fill;
pub mod generator;
pub mod judge;
pub mod parsers;
pub mod plan;
pub mod raw;
pub mod reading;
pub mod speak;
pub mod talk;
