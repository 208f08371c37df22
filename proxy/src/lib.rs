//! The enforcement point: the only place where text comes in or goes out.

#![forbid(unsafe_code)]

pub mod normalise;
