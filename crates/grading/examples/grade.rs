//! Grades one response: `cargo run --example grade -- '\frac{3}{4}' 'so it is 75%.'`

use s1_grading::grade;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [reference, response] = arguments.as_slice() else {
        eprintln!("usage: grade REFERENCE RESPONSE");
        return ExitCode::FAILURE;
    };
    let graded = grade(reference, response);
    match &graded.extracted {
        Some(found) => println!("answer:  {} (found by {:?})", found.text, found.rule),
        None => println!("answer:  none found"),
    }
    let word = if graded.verdict.equal {
        "right"
    } else {
        "wrong"
    };
    println!("verdict: {word}, {}", graded.verdict.reason);
    ExitCode::SUCCESS
}
