//! Everything that is not part of the program: `cargo xtask COMMAND`.
//!
//! | command | what it does |
//! |---|---|
//! | `generate` | makes the bundled model's data from a seed |
//! | `shipped` | computes the runs that the program carries, and names questions to begin with |
//! | `reference` | writes the reference pages below `docs/reference` |

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

mod datagen;
mod generate;
mod reference;
mod shipped;

/// Development tasks of s1-tui.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
enum Task {
    /// Make the bundled model's data from a seed: training lines, traces, held-out problems.
    Generate(generate::GenerateArgs),
    /// Compute the runs that the program carries with it, and name questions to begin with.
    Shipped,
    /// Write the reference pages: settings, command line, keys.
    Reference,
}

fn main() -> Result<ExitCode> {
    match Task::parse() {
        Task::Generate(args) => generate::run(&args),
        Task::Shipped => shipped::write(),
        Task::Reference => reference::write(),
    }
}

#[cfg(test)]
mod tests;
