//! placeholder
#![forbid(unsafe_code)]
pub mod audit;
pub mod cli;
pub mod config;
pub mod json;
pub mod models;
pub mod normalise;
pub mod sse;
