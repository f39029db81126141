//! The `hallpass` program.

use std::process::ExitCode;

use clap::Parser as _;
use hallpass::server::cli::{self, Cli};

/// A server that is asked all the time asks for memory all the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
