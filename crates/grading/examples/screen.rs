//! Screens for wrong "equal": compares answers that are written differently, all against all where they
//! share their digits and at random elsewhere, and prints the pairs that are called equal. Most of
//! those are one value in two spellings; what is not is a fault. With a reference that is not equal to
//! itself in a box, it says so.
//!
//! `cargo run --release --example screen -- FILE.jsonl [PAIRS]`, where each line has a `reference`.

use s1_grading::{equal, grade};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};

/// A small generator, so that two runs screen the same pairs.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % n
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: screen FILE.jsonl [PAIRS]")?;
    let wanted: usize = arguments.next().map_or(Ok(120_000), |n| n.parse())?;
    let mut references = BTreeSet::new();
    for line in BufReader::new(File::open(&path)?).lines() {
        let record: Value = serde_json::from_str(&line?)?;
        if let Some(reference) = record["reference"].as_str() {
            references.insert(reference.to_owned());
        }
    }
    let references: Vec<String> = references.into_iter().collect();
    if references.len() < 2 {
        return Err("fewer than two references".into());
    }
    for reference in &references {
        let boxed = format!("\\boxed{{{reference}}}");
        let verdict = grade(reference, &boxed).verdict;
        if !verdict.equal {
            println!("not itself\t{reference}\t{}", verdict.reason);
        }
    }
    let pairs = pairs(&references, wanted);
    let mut found = 0;
    for (a, b) in &pairs {
        let verdict = equal(a, b);
        if verdict.equal {
            found += 1;
            println!("equal\t{a}\t{b}\t{}", verdict.reason);
        }
    }
    eprintln!(
        "{} references, {} pairs, {found} equal",
        references.len(),
        pairs.len()
    );
    Ok(())
}

/// Pairs of different references: near misses first, which have the same digits, then random ones.
fn pairs(references: &[String], wanted: usize) -> Vec<(&str, &str)> {
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for reference in references {
        let digits = reference.chars().filter(char::is_ascii_digit).collect();
        alike.entry(digits).or_default().push(reference);
    }
    let mut pairs = Vec::new();
    for group in alike.values() {
        for (index, a) in group.iter().enumerate() {
            // A large group is one of short answers, which the random pairs cover.
            let others = group.iter().skip(index + 1).take(40);
            pairs.extend(others.flat_map(|b| [(*a, *b), (*b, *a)]));
        }
    }
    let mut random = Random(1);
    while pairs.len() < wanted {
        let (a, b) = (
            random.below(references.len()),
            random.below(references.len()),
        );
        if a != b {
            pairs.push((&references[a], &references[b]));
        }
    }
    pairs.truncate(wanted);
    pairs
}
