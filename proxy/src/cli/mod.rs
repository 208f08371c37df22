//! The commands of the `ringfence` program.

pub mod audit;
