//! The `hallpass` program.

use std::process::ExitCode;

use clap::Parser as _;
use hallpass::server::cli::{self, Cli};

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
