//! A sweep from the plots screen, in a pseudo-terminal, as a person does it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fmt::Write;

use common::{Home, Pty};

const ENTER: &str = "\r";
const DOWN: &str = "\x1b[B";
const END: &str = "\x1b[F";
const BACKSPACE: &str = "\x7f";

/// Problems of which the tiny model solves none: it speaks nonsense.
fn problems(home: &Home, n: usize) -> String {
    let mut lines = String::new();
    for i in 0..n {
        writeln!(
            lines,
            r#"{{"question": "What is {i} + {i}?", "answer": "{}"}}"#,
            2 * i
        )
        .unwrap();
    }
    let path = home.path("sums.jsonl");
    std::fs::write(&path, lines).unwrap();
    path.display().to_string()
}

/// Chooses a row of the form, and types its value.
fn field(pty: &Pty, row: usize, title: &str, value: &str) {
    pty.keys("\x1b[H");
    for _ in 0..row {
        pty.keys(DOWN);
    }
    pty.keys(ENTER).wait_for("Enter take it");
    pty.keys(&BACKSPACE.repeat(60)).keys(value).keys(ENTER);
    pty.wait_until(title, |s| {
        s.contains("A new sweep") && !s.contains("take it")
    });
}

#[test]
fn a_sweep_is_launched_watched_and_a_cell_opens_its_trace() {
    let home = Home::new();
    let file = problems(&home, 6);
    let model = home.model();
    let args = ["--model", &model, "--answer-max", "8"];
    let mut pty = Pty::start(&home, &args, 40, 120);
    pty.wait_for("tiny qwen3").keys("\x1b").keys("3");
    pty.wait_for("There are no runs yet.")
        .keys("n")
        .wait_for("A new sweep");
    field(&pty, 1, "Problems", &file);
    field(&pty, 2, "Thinking budgets", "0,8,16");
    field(&pty, 3, "Waits", "0");
    field(&pty, 8, "Name", "first");
    pty.keys(END).keys(ENTER);

    // The curve is there before the sweep is done, and complete afterwards.
    pty.wait_for("accuracy against thinking tokens")
        .wait_for("first (n = ");
    pty.wait_for("The sweep first is done.")
        .wait_for("first (n = 6)");
    pty.keys("\x1b[D").wait_for("/6 = ");

    // From the curve to its problems, and from a cell to its trace.
    pty.keys("\t").wait_for("items ─ first").wait_for("✂");
    pty.keys(DOWN).keys("\x1b[C").keys("\x1b[C").keys(ENTER);
    pty.wait_for("What is 1 + 1?").wait_for("✂");
    pty.keys("3").wait_for("items ─ first");
    pty.keys("q");
    assert_eq!(pty.end(), 0);
    assert!(pty.is_restored());
}

#[test]
fn a_sweep_is_paused_and_cancelled_and_what_is_done_stays() {
    let home = Home::new();
    let file = problems(&home, 400);
    let model = home.model();
    let args = ["--model", &model, "--answer-max", "8"];
    let mut pty = Pty::start(&home, &args, 24, 80);
    pty.wait_for("tiny qwen3").keys("\x1b").keys("3");
    pty.wait_for("There are no runs yet.")
        .keys("n")
        .wait_for("A new sweep");
    field(&pty, 1, "Problems", &file);
    field(&pty, 2, "Thinking budgets", "0,64");
    field(&pty, 3, "Waits", "0");
    field(&pty, 4, "Only the first", "");
    field(&pty, 8, "Name", "long");
    pty.keys(END).keys(ENTER).wait_for("long (n = ");
    pty.keys("p").wait_for("paused");
    pty.keys("p")
        .wait_until("going on", |s| !s.contains("paused"));
    pty.keys("x").wait_for("--resume long");
    pty.keys("q");
    assert_eq!(pty.end(), 0);

    // It is still there in the next program.
    let mut pty = Pty::start(&home, &args, 24, 80);
    pty.wait_for("tiny qwen3")
        .keys("\x1b")
        .keys("3")
        .wait_for("long (n = ");
    pty.keys("q");
    assert_eq!(pty.end(), 0);
}
