//! placeholder
pub mod generator;
