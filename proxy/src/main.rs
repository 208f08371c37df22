//! The `ringfence` program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use ringfence::cli::{self, Program};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(Program::parse()).unwrap_or_else(|error| {
        eprintln!("ringfence: {error:#}");
        ExitCode::from(2)
    })
}
