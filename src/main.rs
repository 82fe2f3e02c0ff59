//! The thin binary: parse, run, exit code.

fn main() -> std::process::ExitCode {
    s1_tui::cli::main()
}
