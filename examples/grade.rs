//! Grades a file of answers: `cargo run --example grade < answers.jsonl`, one
//! `{"reference": "1/2", "answer": "It is 0.5."}` a line.

use std::io;

fn main() -> anyhow::Result<()> {
    let (mut n, mut right) = (0, 0);
    for line in io::stdin().lines() {
        let line: serde_json::Value = serde_json::from_str(&line?)?;
        let text = |field: &str| line[field].as_str().unwrap_or_default();
        let graded = s1_grading::grade(text("reference"), text("answer"));
        n += 1;
        right += usize::from(graded.verdict.equal);
        let read = graded
            .extracted
            .map_or("nothing".into(), |found| found.text);
        println!("{} {read}", if graded.verdict.equal { "✓" } else { "✗" });
    }
    println!("{right} of {n} right");
    Ok(())
}
