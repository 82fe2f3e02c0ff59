//! A problem set in the forms that data come in: JSON lines, an array, a table, compressed. The first byte
//! chooses the file's name.
//!
//! Not here: Parquet, whose library panics on some damaged files. That is contained, and tested beside the
//! reader.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use s1_data::{assets, records};
use s1_lab::problems::{ProblemOptions, ProblemSet};

const NAMES: [&str; 3] = ["set.jsonl", "set.csv", "set.tsv"];

static FOLDER: LazyLock<PathBuf> = LazyLock::new(s1_fuzz::scratch);

fn seed() {
    let set = assets::open(assets::HELD_OUT).unwrap_or_default();
    let lines: Vec<&[u8]> = set.split_inclusive(|&b| b == b'\n').take(4).collect();
    let lines = lines.concat();
    let array =
        br#"[{"question": "1+1?", "answer": 2},{"problem": "x", "solution": "\\boxed{3}"}]"#;
    let table = b"id,question,answer\n1,\"What,\nnow?\",4\n2,Why?,because\n";
    let tabs = b"Question\tCorrect Answer\nWhat?\t12345678901234567890\n";
    let of = |form: u8, bytes: &[u8]| [&[form], bytes].concat();
    s1_fuzz::seed(
        "records",
        [of(0, &lines), of(0, array), of(1, table), of(2, tabs)],
    );
}

fuzz_target!(init: seed(), |data: &[u8]| {
    let Some((form, bytes)) = data.split_first() else {
        return;
    };
    let path = FOLDER.join(NAMES[usize::from(*form) % NAMES.len()]);
    if bytes.starts_with(b"PAR1") {
        return;
    }
    s1_fuzz::write(&path, bytes);
    if let Ok(mut lines) = records::lines(&path) {
        while let Ok(Some((_, line))) = lines.next_line() {
            if let Ok(line) = line {
                let _ = records::record(line);
            }
        }
    }
    let options = ProblemOptions { skip_broken: true, ..ProblemOptions::default() };
    let _ = ProblemSet::load(&path.display().to_string(), &options);
});
