//! What version 0.1.0 wrote before its parts became crates, in `tests/fixtures/v0`: a user would
//! lose the sessions, runs and settings they have.
//!
//! `runs.jsonl`, `*.lm-eval.jsonl` and `curve.csv` are what that version said about its database.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use s1_core::trace::Origin;
use s1_store::session::Document;
use serde_json::Value;

use crate::common::{Home, MODEL, MODEL_NAME, Pty};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/v0")
        .join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).unwrap()
}

/// A home with one of the fixture's folders in it, `config` or `data`.
fn home_with(folder: &str) -> Home {
    let home = Home::new();
    copy(&fixture(folder), &home.path(folder).join("s1-tui"));
    home
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (
            entry.as_ref().unwrap().path(),
            to.join(entry.unwrap().file_name()),
        );
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

fn said(home: &Home, args: &[&str]) -> String {
    let output = home
        .command()
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn json_lines(text: &str) -> Vec<Value> {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// All of `then` is in `now`, which may hold more.
fn assert_holds(now: &Value, then: &Value, at: &str) {
    match (now, then) {
        (Value::Object(now), Value::Object(then)) => {
            for (key, then) in then {
                let now = now.get(key).unwrap_or(&Value::Null);
                assert_holds(now, then, &format!("{at}.{key}"));
            }
        }
        (Value::Array(now), Value::Array(then)) => {
            assert_eq!(now.len(), then.len(), "{at}");
            for (i, (now, then)) in now.iter().zip(then).enumerate() {
                assert_holds(now, then, &format!("{at}[{i}]"));
            }
        }
        _ => assert_eq!(now, then, "{at}"),
    }
}

#[test]
fn a_session_opens_with_its_branches() {
    let file = fixture("data/sessions/raspberry.s1.json");
    let document = Document::read(&file).unwrap();
    assert_eq!(document.request.question, "How many r in raspberry?");
    assert_eq!(document.request.reference.as_deref(), Some("3"));
    let branches = document.tree.branches();
    let forks: Vec<_> = branches
        .iter()
        .map(|b| b.fork.map(|f| (f.parent, f.at)))
        .collect();
    assert_eq!(forks, [None, Some((0, 14)), Some((0, 12))]);
    let users = branches[2]
        .tokens
        .iter()
        .filter(|t| t.origin == Origin::User);
    assert_eq!(users.map(|t| t.text.as_str()).collect::<String>(), "so 2.");

    let home = home_with("data");
    let file = home
        .path("data/s1-tui/sessions/raspberry.s1.json")
        .display()
        .to_string();
    let mut pty = Pty::start(&home, &["--session", &file], 40, 120);
    pty.wait_for("so 2.")
        .wait_for("3 branches")
        .wait_for("Answer ▸ 2 ✗");
    pty.keys("q");
    assert_eq!(pty.end(), 0);
}

#[test]
fn a_question_asked_earlier_is_found_again() {
    let home = home_with("data");
    let mut pty = Pty::start(&home, &["--model", MODEL], 24, 80);
    pty.wait_for(MODEL_NAME).keys("\x1b[A");
    pty.wait_for("How many r in raspberry?").keys("\x03");
    assert_eq!(pty.end(), 0);
}

#[test]
fn runs_are_listed_and_exported_as_they_were() {
    let home = home_with("data");
    let (then, now) = (
        json_lines(&read("runs.jsonl")),
        json_lines(&said(&home, &["runs", "--json"])),
    );
    assert_eq!(now.len(), then.len());
    for (now, then) in now.iter().zip(&then) {
        assert_holds(now, then, "run");
    }
    for run in ["greedy", "sampled"] {
        let then = json_lines(&read(&format!("{run}.lm-eval.jsonl")));
        let now = json_lines(&said(&home, &["export", run]));
        assert_eq!(now.len(), then.len(), "{run}");
        for (now, then) in now.iter().zip(&then) {
            assert_holds(now, then, run);
        }
    }
}

/// Names and words of a plot may change, what was measured does not.
#[test]
fn plots_show_the_same_figures() {
    let home = home_with("data");
    said(&home, &["plot", "greedy", "sampled", "--out", "curve.csv"]);
    let now = std::fs::read_to_string(home.path("curve.csv")).unwrap();
    let figures = |text: &str| -> Vec<Vec<String>> {
        let mut rows = text.lines();
        let heads = rows.next().unwrap().split(',');
        let newer = heads.skip_while(|head| *head != "detail").skip(1).count();
        // A series' name may hold a comma.
        let row = |row: &str| {
            row.rsplit(',')
                .skip(newer)
                .take(5)
                .map(String::from)
                .collect()
        };
        rows.map(row).collect()
    };
    let (now, then) = (figures(&now), figures(&read("curve.csv")));
    assert_eq!(now.len(), then.len());
    for (now, then) in now.iter().zip(&then) {
        assert_eq!(now[0], then[0], "right answers of all");
        for (now, then) in now[1..4].iter().zip(&then[1..4]) {
            let (now, then): (f64, f64) = (now.parse().unwrap(), then.parse().unwrap());
            assert!((now - then).abs() < 1e-9, "{now} was {then}");
        }
    }

    let mut pty = Pty::start(&home, &["--model", MODEL], 40, 120);
    pty.wait_for(MODEL_NAME).keys("\x1b3");
    // The newest is drawn, the others are in the list.
    pty.wait_for("sampled (n = 6)").wait_for("greedy");
    pty.keys("\x1b[D").wait_for("3/6 = ");
    pty.keys("q");
    assert_eq!(pty.end(), 0);
}

#[test]
fn a_training_is_listed_with_what_was_asked_for() {
    let home = home_with("data");
    let listed = said(&home, &["trainings"]);
    for word in ["tuned", "finished", "4/4", "bundled:base", "bundled:traces"] {
        assert!(listed.contains(word), "{word}: {listed}");
    }
}

/// The same settings in the environment, by the names they have always had. Only what the file
/// says about the look of the screen is left out.
const ENVIRONMENT: [(&str, &str); 24] = [
    ("MODEL", "bundled:base"),
    ("CONTEXT", "512"),
    ("DEVICE", "cpu"),
    ("THREADS", "2"),
    ("FAMILY", "generic"),
    ("THINK_OPEN", "<think>\n"),
    ("THINK_END", "\n</think>"),
    ("THINK_CLOSE", "\n"),
    ("SYSTEM", "Answer with a number."),
    ("THINK", "true"),
    ("MAX_THINKING", "300"),
    ("WAITS", "2"),
    ("WAIT_TEXT", "Hmm"),
    ("MIN_THINKING", "10"),
    ("CUT_AT", "sentence:32"),
    ("ANSWER_MAX", "64"),
    ("ON_LOOP", "answer"),
    ("TEMPERATURE", "0.7"),
    ("TOP_K", "40"),
    ("TOP_P", "0.95"),
    ("MIN_P", "0.02"),
    ("REPETITION_PENALTY", "1.1"),
    ("REPETITION_WINDOW", "32"),
    ("SEED", "11"),
];

#[test]
fn a_settings_file_means_what_it_meant() {
    let ask = |home: &Home, environment: &[(&str, &str)]| -> Value {
        let mut command = home.command();
        command.args(["run", "--prompt", "How many r in raspberry?", "--json"]);
        for (name, value) in environment {
            command.env(format!("S1_TUI_{name}"), value);
        }
        let output = command.stdin(Stdio::null()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        let out: Value = serde_json::from_slice(&output.stdout).unwrap();
        out["tokens"].clone()
    };
    let tokens = ask(&home_with("config"), &[]);
    assert_eq!(tokens, ask(&Home::new(), &ENVIRONMENT));
    assert_ne!(tokens, ask(&Home::new(), &[("MODEL", "bundled:base")]));
}

#[test]
fn a_keymap_and_a_theme_still_rule_the_screen() {
    let home = home_with("config");
    let args = ["--model", MODEL, "--question", "How many r in raspberry?"];
    let mut pty = Pty::start_with(&home, &args, 40, 120, &[("COLORTERM", "truecolor")]);
    pty.wait_for("How many r in raspberry?")
        .wait_for(MODEL_NAME);
    pty.keys("\r").wait_for("F5 Wait");
    assert!(pty.has_background(0x14, 0x17, 0x1c), "the theme's ground");
    pty.keys("q\x1b[20~");
    assert_eq!(pty.end(), 0, "q does nothing here, F9 quits");
}

/// A sweep that was begun before answers were begun for the model (`final_answer`) goes on as it was:
/// half of its curve must not mean something else.
#[test]
fn a_sweep_of_an_earlier_version_goes_on_with_what_it_meant() {
    let home = Home::new();
    let sweep = |more: &[&str]| -> Value {
        let mut args = vec!["sweep", "--db", "s.db", "--json"];
        args.extend(more);
        let mut table: Value = serde_json::from_str(&said(&home, &args)).unwrap();
        table.as_object_mut().unwrap().remove("wall_s");
        table["run"].take();
        table
    };
    let new = |name: &str, begun: &str| {
        let settings = "--problems bundled:held-out --limit 4 --budgets 8,16 --answer-max 12";
        let mut more = vec!["--model", MODEL, "--name", name, "--final-answer", begun];
        // The model was trained to end its thoughts, in a way that this one does not know.
        more.extend(["--family", "generic"]);
        more.extend(settings.split(' '));
        sweep(&more)
    };
    let expected = new("earlier", "off");
    assert_ne!(new("now", "auto"), expected, "else nothing is shown below");
    let db = rusqlite::Connection::open(home.path("s.db")).unwrap();
    let settings = || -> String {
        let sql = "SELECT settings FROM runs WHERE name = 'earlier'";
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let mut stored: Value = serde_json::from_str(&settings()).unwrap();
    let field = stored["policy"].as_object_mut().unwrap();
    assert_eq!(field.remove("final_answer"), Some("off".into()));
    let stored = stored.to_string();
    let sql = "UPDATE runs SET settings = ? WHERE name = 'earlier'";
    db.execute(sql, [&stored]).unwrap();
    for table in ["samples", "traces", "rows"] {
        let sql = format!(
            "DELETE FROM {table} WHERE problem >= 2 AND run = (SELECT id FROM runs WHERE name = 'earlier')"
        );
        assert!(db.execute(&sql, []).unwrap() > 0);
    }
    assert_eq!(sweep(&["--resume", "earlier"]), expected);
    assert_eq!(settings(), stored, "and stays what it was");
}
