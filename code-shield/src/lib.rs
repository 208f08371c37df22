//! The code reader: source in, issues out.

#![forbid(unsafe_code)]

pub mod text;
