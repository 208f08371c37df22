//! The commands of the program, one file each.

pub mod audit;
pub mod models;
