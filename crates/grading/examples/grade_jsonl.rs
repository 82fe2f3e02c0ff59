//! Grades a JSON Lines file whose lines are `{"reference": "…", "answer": "…"}`, one verdict per
//! line, the accuracy last: `cargo run --example grade_jsonl -- examples/pairs.jsonl`

use s1_grading::grade;
use serde_json::Value;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: grade_jsonl FILE.jsonl")?;
    let (mut right, mut total) = (0, 0);
    for (index, line) in BufReader::new(File::open(&path)?).lines().enumerate() {
        let record: Value = serde_json::from_str(&line?)?;
        let (Some(reference), Some(answer)) =
            (record["reference"].as_str(), record["answer"].as_str())
        else {
            return Err(format!("{path}, line {}: no reference or answer", index + 1).into());
        };
        let verdict = grade(reference, answer).verdict;
        total += 1;
        right += u32::from(verdict.equal);
        println!("{}\t{}", verdict.equal, verdict.reason);
    }
    println!("{right} of {total} right");
    Ok(())
}
