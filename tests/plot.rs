//! `s1-tui plot` on a database of runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Output;
use std::time::Duration;

use common::Home;
use s1_tui::store::Db;
use s1_tui::store::run::{Budget, NewRow, PointSpec, Sample, Settings, Sources};
use s1_tui::thinking::trace::StopReason;

/// A run of 20 problems at three budgets, solved from a number of tokens on.
fn store(home: &Home, name: &str, needs: usize) {
    let points: Vec<PointSpec> = [Budget::Tokens(0), Budget::Tokens(32), Budget::Natural]
        .map(|budget| PointSpec { budget, waits: 0 })
        .to_vec();
    let mut settings = Settings {
        samples: 1,
        points: points.clone(),
        ..Settings::default()
    };
    settings.model.card.name = "tiny".into();
    settings.problems.name = "made up".into();
    settings.problems.count = 20;
    let mut db = Db::open(&home.path("data/s1-tui/runs.db")).unwrap();
    db.create_run(name, &settings, &Sources::default()).unwrap();
    for problem in 0..20 {
        let sample = |(point, spec): (usize, &PointSpec)| {
            let thinking = spec.budget.max_thinking().unwrap_or(60 + problem);
            Sample {
                point,
                sample: 0,
                trace: 0,
                thinking,
                answer_tokens: 4,
                waits_used: 0,
                forced: spec.budget != Budget::Natural,
                answer: Some("7".into()),
                correct: Some(thinking >= needs + problem),
                stop: StopReason::EndOfTurn,
            }
        };
        let row = NewRow {
            problem,
            id: problem.to_string(),
            question: "?".into(),
            reference: Some("7".into()),
            prompt: vec![1, 2, 3],
            computed: 80,
            pointwise: 180,
            floor: 80,
            traces: vec![Vec::new()],
            samples: points.iter().enumerate().map(sample).collect(),
        };
        db.add_row(name, &row, Duration::from_millis(10)).unwrap();
    }
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
    store(&home, "tuned", 20);
    store(&home, "base", 70);
    for (name, begin) in [
        ("c.svg", &b"<svg"[..]),
        ("c.png", b"\x89PNG"),
        ("c.csv", b"series,"),
    ] {
        let output = plot(&home, &["tuned", "base", "--out", name, "--log"]);
        assert!(output.status.success(), "{output:?}");
        assert!(std::fs::read(home.path(name)).unwrap().starts_with(begin));
    }
    let csv = std::fs::read_to_string(home.path("c.csv")).unwrap();
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!(rows.len(), 1 + 2 * 3);
    // Solved from 20 + i tokens on: with 32, problems 0 to 12.
    assert!(
        rows[2].starts_with("tuned (n = 20),32,32,0.65,"),
        "{}",
        rows[2]
    );
    assert!(rows[2].ends_with(",13/20"));
    let svg = std::fs::read_to_string(home.path("c.svg")).unwrap();
    assert!(svg.contains("tiny · made up (20) · greedy") && svg.contains("base (n = 20)"));
}

#[test]
fn without_a_file_it_draws_on_the_terminal_in_ascii_if_asked() {
    let home = Home::new();
    store(&home, "tuned", 20);
    let output = plot(&home, &["tuned", "--ascii"]);
    let drawn = String::from_utf8(output.stdout).unwrap();
    assert!(
        drawn.starts_with("accuracy against thinking tokens\n"),
        "{drawn}"
    );
    assert!(
        drawn.contains("100%+") && drawn.contains("tuned (n = 20)"),
        "{drawn}"
    );
    assert!(drawn.lines().all(|line| line.chars().count() <= 80));
    let output = plot(&home, &["tuned", "--figure", "lengths"]);
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("natural (median 70)")
    );
}

#[test]
fn what_cannot_be_drawn_is_said_in_one_sentence() {
    let home = Home::new();
    assert!(fails(&home, &["x"]).contains("s1-tui sweep makes one"));
    store(&home, "tuned", 20);
    assert!(fails(&home, &["nothing"]).contains("nothing"));
    assert!(fails(&home, &["tuned", "--out", "a.pdf"]).contains(".svg, .png or .csv"));
    assert!(
        fails(&home, &["tuned", "--out", "no/such/a.svg"]).contains("cannot write no/such/a.svg")
    );
    let mut db = Db::open(&home.path("data/s1-tui/runs.db")).unwrap();
    db.create_run("empty", &Settings::default(), &Sources::default())
        .unwrap();
    assert!(fails(&home, &["empty"]).contains("no problem done yet"));
}
