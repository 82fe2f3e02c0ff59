//! The command line: flags, subcommands, exit codes.

use std::process::ExitCode;

/// Parses the arguments, runs the command, and turns any error into one sentence on stderr.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
