//! What the program carries with it: the bundled models and their data, by name.
//!
//! A name such as `bundled:reasoner` is accepted wherever a file is: `--model`, problem sets,
//! training data. Not here: what is in the files, and how they were made (`docs/bundled-model.md`).

use std::path::Path;

pub const PREFIX: &str = "bundled:";
/// The bundled reasoner: the base after 1,000 traces. What the program opens by itself.
pub const REASONER: &str = "bundled:reasoner";
/// The bundled base: knows the skills, does not think.
pub const BASE: &str = "bundled:base";
/// The 1,000 traces that make the reasoner of the base (JSONL).
pub const TRACES: &str = "bundled:traces";
/// Problems that no training data holds (JSONL).
pub const HELD_OUT: &str = "bundled:held-out";

/// The bundled models, the one to begin with first.
pub const MODELS: [&str; 2] = [REASONER, BASE];
/// A question to begin with, for the bundled reasoner, and its answer.
pub const FIRST_QUESTION: (&str, &str) = ("How many r in raspberry?", "3");

/// The bytes behind a name; `None` where it is the name of a file.
pub fn open(name: &str) -> Option<&'static [u8]> {
    Some(match name {
        REASONER => include_bytes!("../../../assets/nano/reasoner.gguf"),
        BASE => include_bytes!("../../../assets/nano/base.gguf"),
        TRACES => include_bytes!("../../../assets/nano/traces.jsonl"),
        HELD_OUT => include_bytes!("../../../assets/nano/held-out.jsonl"),
        _ => return None,
    })
}

/// As [`open`], for a path from a flag.
pub fn open_path(path: &Path) -> Option<&'static [u8]> {
    open(path.to_str()?)
}

/// Which of the bundled models a path names: `reasoner`, `base`; `None` for a file's path.
pub fn model(path: &Path) -> Option<&'static str> {
    let name = MODELS.into_iter().find(|name| path == Path::new(name))?;
    name.strip_prefix("bundled:")
}
