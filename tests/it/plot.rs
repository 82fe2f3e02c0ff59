//! `s1-tui plot` on a database of runs.

use std::process::Output;

use crate::common::Home;
use s1_store::Db;
use s1_store::run::{RunSettings, Sources};
use serde_json::Value;

/// Sweeps 20 problems at three budgets; what the sweep says of its points.
fn swept(home: &Home, name: &str) -> Vec<Value> {
    let set = "--problems bundled:held-out --limit 20 --budgets 0,32,natural --json";
    let mut command = home.command();
    command.args([
        "sweep",
        "--model",
        &format!("bundled:{name}"),
        "--name",
        name,
    ]);
    let output = command.args(set.split(' ')).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    said["points"].as_array().unwrap().clone()
}

fn plot(home: &Home, args: &[&str]) -> Output {
    home.command().arg("plot").args(args).output().unwrap()
}

fn fails(home: &Home, args: &[&str]) -> String {
    let output = plot(home, args);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn two_runs_become_one_picture_in_every_format() {
    let home = Home::new();
    let points = swept(&home, "reasoner");
    swept(&home, "base");
    for (name, begin) in [
        ("c.svg", &b"<svg"[..]),
        ("c.png", b"\x89PNG"),
        ("c.csv", b"series,"),
    ] {
        let output = plot(&home, &["reasoner", "base", "--out", name, "--log"]);
        assert!(output.status.success(), "{output:?}");
        assert!(std::fs::read(home.path(name)).unwrap().starts_with(begin));
    }
    let csv = std::fs::read_to_string(home.path("c.csv")).unwrap();
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!(rows.len(), 1 + 2 * 3);
    let (at_32, row) = (&points[1], rows[2]);
    let begin = format!(
        "reasoner (n = 20),32,{},{},",
        at_32["avg_thinking_tokens"], at_32["accuracy"]
    );
    assert!(row.starts_with(&begin), "{row} for {begin}");
    let end = format!(",{}/20,{},", at_32["correct"], at_32["avg_answer_tokens"]);
    assert!(row.contains(&end), "{row} for {end}");
    assert!(
        rows[0].ends_with(",note") && row.contains("reasoned on"),
        "{row}"
    );
    let svg = std::fs::read_to_string(home.path("c.svg")).unwrap();
    assert!(svg.contains("bundled:held-out (20) · greedy") && svg.contains("base (n = 20)"));
}

#[test]
fn without_a_file_it_draws_on_the_terminal_in_ascii_if_asked() {
    let home = Home::new();
    swept(&home, "reasoner");
    let output = plot(&home, &["reasoner", "--ascii"]);
    let drawn = String::from_utf8(output.stdout).unwrap();
    assert!(
        drawn.starts_with("accuracy against thinking tokens\n"),
        "{drawn}"
    );
    assert!(
        drawn.contains("100%+") && drawn.contains("reasoner (n = 20)"),
        "{drawn}"
    );
    assert!(drawn.lines().all(|line| line.chars().count() <= 80));
    let output = plot(&home, &["reasoner", "--figure", "lengths"]);
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("natural (median ")
    );
}

#[test]
fn what_cannot_be_drawn_is_said_in_one_sentence() {
    let home = Home::new();
    assert!(fails(&home, &["x"]).contains("s1-tui sweep makes one"));
    swept(&home, "reasoner");
    assert!(fails(&home, &["nothing"]).contains("nothing"));
    assert!(fails(&home, &["reasoner", "--out", "a.pdf"]).contains(".svg, .png or .csv"));
    assert!(
        fails(&home, &["reasoner", "--out", "no/such/a.svg"])
            .contains("cannot write no/such/a.svg")
    );
    let mut db = Db::open(&home.path("data/s1-tui/runs.db")).unwrap();
    db.create_run("empty", &RunSettings::default(), &Sources::default())
        .unwrap();
    assert!(fails(&home, &["empty"]).contains("no problem done yet"));
}
