//! Everything that is not part of the program: `cargo xtask COMMAND`.
//!
//! | command | what it does |
//! |---|---|
//! | `capture` | pictures the program, for the README and the guides |
//! | `docs` | writes the reference pages below `docs/reference`, or checks them |
//! | `generate` | makes the bundled model's data from a seed |
//! | `shipped` | computes the runs that the program carries, and names questions to begin with |

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

mod capture;
mod datagen;
mod generate;
mod reference;
mod shipped;

/// Development tasks of s1-tui.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
enum XtaskCommand {
    /// Picture the program in a pseudo-terminal, for the README and the guides.
    Capture(capture::CaptureArgs),
    /// Make the bundled model's data from a seed: training lines, traces, held-out problems.
    Generate(generate::GenerateArgs),
    /// Compute the runs that the program carries with it, and name questions to begin with.
    Shipped,
    /// Write the reference pages: settings, commands, keys, themes, families, fields.
    #[command(visible_alias = "reference")]
    Docs(reference::DocsArgs),
}

fn main() -> Result<ExitCode> {
    match XtaskCommand::parse() {
        XtaskCommand::Capture(args) => capture::run(&args),
        XtaskCommand::Generate(args) => generate::run(&args),
        XtaskCommand::Shipped => shipped::write(),
        XtaskCommand::Docs(args) => reference::run(&args),
    }
}

#[cfg(test)]
mod tests;
