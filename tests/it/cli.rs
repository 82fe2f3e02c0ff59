//! The headless commands as a script sees them.

use std::io::Write;
use std::process::{Output, Stdio};

use crate::common::{Home, MODEL};
use serde_json::Value;

fn run(home: &Home, args: &[&str]) -> Output {
    home.command()
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Standard output of a command that must succeed.
fn ok(home: &Home, args: &[&str]) -> String {
    let output = run(home, args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one sentence of a command that must fail.
fn fails(home: &Home, args: &[&str]) -> String {
    let output = run(home, args);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error.trim_end().lines().count(), 1, "{args:?}: {error}");
    assert!(error.starts_with("s1-tui: "), "{error}");
    assert!(
        !error.contains("panicked") && !error.contains("backtrace"),
        "{error}"
    );
    error
}

fn ask(home: &Home, extra: &[&str]) -> Value {
    let mut args = vec![
        "run",
        "--model",
        MODEL,
        "--prompt",
        "What is 337 times 93?",
        "--answer-max",
        "8",
        "--json",
    ];
    args.extend(extra);
    serde_json::from_str(&ok(home, &args)).unwrap()
}

#[test]
fn run_prints_one_object_that_accounts_for_every_token() {
    let home = Home::new();
    let out = ask(&home, &["--max-thinking", "20"]);
    let tokens = out["tokens"].as_array().unwrap();
    let count = |phase: &str| tokens.iter().filter(|t| t["phase"] == phase).count();
    assert_eq!(out["thinking_tokens"], count("thinking"));
    assert_eq!(out["answer_tokens"], count("answer"));
    assert!(count("thinking") <= 20);
    let text: String = tokens.iter().map(|t| t["text"].as_str().unwrap()).collect();
    assert_eq!(out["text"], text.as_str());
    for token in tokens {
        assert!(token["logprob"].as_f64().unwrap() <= 0.0);
        assert!(token["entropy"].as_f64().unwrap() >= 0.0);
        assert!(["sampled", "forced", "user"].contains(&token["origin"].as_str().unwrap()));
    }
    assert!(!out["prompt_ids"].as_array().unwrap().is_empty());
    for key in ["prefill_tok_s", "decode_tok_s", "time_to_first_token_ms"] {
        assert!(out[key].as_f64().unwrap() > 0.0, "{key}");
    }
    let forced = out["forced"].as_array().unwrap();
    assert!(
        forced
            .iter()
            .any(|f| f["text"].as_str().unwrap().starts_with("</think>"))
    );
}

#[test]
fn waits_and_budgets_act_together() {
    let home = Home::new();
    // Two attempts to end are replaced, and the third ends it.
    let out = ask(&home, &["--max-thinking", "900", "--waits", "2"]);
    let reasons: Vec<&str> = out["forced"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["wait", "wait"]);

    // With a budget of zero it answers at once, and no wait has room.
    let out = ask(&home, &["--max-thinking", "0", "--waits", "3"]);
    assert_eq!(out["thinking_tokens"], 0);
    assert_eq!(out["forced"][0]["position"], 0);
    assert_eq!(out["forced"][0]["reason"], "budget");

    let out = ask(&home, &["--no-think"]);
    assert_eq!(out["thinking_tokens"], 0);
    assert_eq!(out["forced"].as_array().unwrap().len(), 0);
}

/// A user would lose: an end of thinking that comes as they chose it, on a real model.
#[test]
fn a_thought_ends_as_it_is_told_to() {
    let home = Home::new();
    let ended = |more: &[&str]| {
        let out = ask(&home, &[&["--max-thinking", "20"], more].concat());
        let forced = out["forced"].as_array().unwrap().clone();
        let of = |key: &str| -> Vec<String> {
            let all = forced.iter().map(|f| f[key].as_str().unwrap().to_owned());
            all.collect()
        };
        let thinking = out["thinking_tokens"].as_u64().unwrap();
        (thinking, of("reason"), of("text").concat())
    };
    let (thinking, reasons, text) = ended(&["--ending", "message", "--ending-text", "so: "]);
    assert_eq!(
        (thinking, reasons.join(" ").as_str()),
        (20, "message budget")
    );
    assert!(text.starts_with("so: \n</think>"), "{text:?}");
    let (thinking, reasons, text) = ended(&["--ending", "newline"]);
    assert_eq!((thinking, reasons.join(" ").as_str()), (20, "budget"));
    assert!(text.contains("</think>"), "{text:?}");
    let (thinking, ..) = ended(&["--cut-at", "next-sentence:30"]);
    assert!((20..=50).contains(&thinking), "{thinking}");
    // Among so many, the end always is.
    let (thinking, reasons, _) = ended(&["--cut-at", "rank:1000:30"]);
    assert_eq!((thinking, reasons.join(" ").as_str()), (20, "budget"));
    // Among one it would be the model's own choice, which is to think on here.
    let (thinking, ..) = ended(&["--cut-at", "rank:1:7"]);
    assert_eq!(thinking, 27);
    let drawn = ["--temp", "1", "--seed", "3", "--cut-at"];
    let (plain, ..) = ended(&[&drawn[..], &["token"]].concat());
    let (ramp, ..) = ended(&[&drawn[..], &["ramp:100"]].concat());
    assert!(
        ramp < plain,
        "made likely over all of it: {ramp} of {plain}"
    );
}

/// A user would lose: the same trace whatever the engine computes ahead.
#[test]
fn lookup_changes_no_token_and_no_score() {
    let home = Home::new();
    let mut taken = 0;
    for extra in [
        &["--min-thinking", "600", "--max-thinking", "700"][..],
        &[
            "--min-thinking",
            "300",
            "--waits",
            "3",
            "--temp",
            "0.8",
            "--seed",
            "7",
        ],
        &[
            "--waits",
            "4",
            "--repetition-penalty",
            "1.2",
            "--on-loop",
            "answer",
        ],
    ] {
        let with = |lookup: &str| {
            let mut args = extra.to_vec();
            args.push(lookup);
            ask(&home, &args)
        };
        let (ahead, plain) = (with("--lookup"), with("--lookup=false"));
        assert_eq!(ahead["tokens"], plain["tokens"], "{extra:?}");
        assert_eq!(plain["drafted"], 0);
        taken += ahead["taken"].as_u64().unwrap();
    }
    // How much depends on what it costs.
    assert!(taken > 0);
}

#[test]
fn the_same_seed_says_the_same_again() {
    let home = Home::new();
    let args = ["--max-thinking", "16", "--temp", "3", "--seed", "5"];
    let ids = |out: &Value| -> Vec<u64> {
        let tokens = out["tokens"].as_array().unwrap();
        tokens.iter().map(|t| t["id"].as_u64().unwrap()).collect()
    };
    let first = ids(&ask(&home, &args));
    assert_eq!(ids(&ask(&home, &args)), first);
    let other = ["--max-thinking", "16", "--temp", "3", "--seed", "6"];
    assert_ne!(ids(&ask(&home, &other)), first);
}

#[test]
fn text_streams_into_a_pipe_without_escape_sequences() {
    let home = Home::new();
    let args = [
        "run",
        "--model",
        MODEL,
        "--prompt",
        "hi",
        "--max-thinking",
        "9",
        "--answer-max",
        "5",
    ];
    let text = ok(&home, &args);
    assert!(text.contains("</think>"));
    assert!(!text.contains("\u{1b}[2m"), "no dimming in a pipe");
    assert!(text.ends_with('\n'));
}

#[test]
fn a_question_comes_from_standard_input() {
    let home = Home::new();
    let mut child = home
        .command()
        .args([
            "run",
            "--model",
            MODEL,
            "--prompt",
            "-",
            "--max-thinking",
            "4",
            "--answer-max",
            "8",
            "--json",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"What is 337 times 93?\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let piped: Value = serde_json::from_slice(&output.stdout).unwrap();
    let given = ask(&home, &["--max-thinking", "4"]);
    assert_eq!(piped["prompt_ids"], given["prompt_ids"]);
}

#[test]
fn a_reader_that_has_read_enough_is_no_error() {
    let home = Home::new();
    let mut child = home
        .command()
        .args([
            "run",
            "--model",
            MODEL,
            "--prompt",
            "hi",
            "--max-thinking",
            "200",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn score_and_tokenize_speak_the_shape_of_the_references() {
    let home = Home::new();
    let ids: Value = serde_json::from_str(&ok(
        &home,
        &[
            "tokenize",
            "--model",
            MODEL,
            "--text",
            "9*7<|im_end|>",
            "--json",
        ],
    ))
    .unwrap();
    assert_eq!(ids, serde_json::json!([57, 42, 55, 589]));
    let scored: Value = serde_json::from_str(&ok(
        &home,
        &["score", "--model", MODEL, "--ids", "57,42,55,589", "--json"],
    ))
    .unwrap();
    assert_eq!(scored["ids"], ids);
    let positions = scored["positions"].as_array().unwrap();
    assert_eq!(positions.len(), 3);
    assert_eq!(positions[0]["next"], 42);
    assert_eq!(positions[0]["top5"].as_array().unwrap().len(), 5);
    assert!(positions[0]["logprob"].as_f64().unwrap() < 0.0);
    let by_text: Value = serde_json::from_str(&ok(
        &home,
        &[
            "score",
            "--model",
            MODEL,
            "--text",
            "9*7<|im_end|>",
            "--json",
        ],
    ))
    .unwrap();
    assert_eq!(by_text, scored);
}

#[test]
fn what_cannot_be_done_is_said_in_one_sentence() {
    let home = Home::new();
    let garbage = home.path("garbage.gguf").display().to_string();
    std::fs::write(
        &garbage,
        b"GGUF\x03\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff",
    )
    .unwrap();
    let whole = s1_data::assets::open(MODEL).unwrap();
    let short = home.path("short.gguf").display().to_string();
    std::fs::write(&short, &whole[..whole.len() / 2]).unwrap();

    assert!(fails(&home, &["run", "--prompt", "x"]).contains("--model"));
    assert!(
        fails(&home, &["run", "--model", "/nowhere.gguf", "--prompt", "x"])
            .contains("/nowhere.gguf")
    );
    for file in [&garbage, &short] {
        let error = fails(&home, &["run", "--model", file, "--prompt", "x"]);
        assert!(error.contains(file.as_str()), "{error}");
    }
    assert!(fails(&home, &["run", "--model", MODEL, "--prompt", ""]).contains("question"));
    let long = "word ".repeat(1000);
    assert!(fails(&home, &["run", "--model", MODEL, "--prompt", &long]).contains("context"));
    let temp = run(
        &home,
        &["run", "--model", MODEL, "--prompt", "x", "--temp", "-3"],
    );
    assert_eq!(temp.status.code(), Some(2), "the command line is wrong");
    let said = String::from_utf8_lossy(&temp.stderr);
    let sentence = "'--temp <T>': must be a number from 0 (greedy) to 100, but is \"-3\"";
    assert!(said.contains(sentence), "{said}");
    assert!(fails(&home, &["score", "--model", MODEL, "--ids", "1,99999"]).contains("99999"));
    assert!(fails(&home, &["score", "--model", MODEL, "--ids", "1"]).contains("two tokens"));
    assert!(fails(&home, &["--model", MODEL]).contains("terminal"));
    assert_eq!(
        run(&home, &["run", "--waits", "many"]).status.code(),
        Some(2)
    );
}

#[test]
fn a_broken_settings_file_is_named_with_its_line() {
    let home = Home::new();
    let folder = home.path("config/s1-tui");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("config.toml"),
        "theme = \"dark\"\n[thinking]\nwaits = -1\n",
    )
    .unwrap();
    let error = fails(&home, &["run", "--model", MODEL, "--prompt", "x"]);
    assert!(
        error.contains("line 3") && error.contains("waits"),
        "{error}"
    );
}

#[test]
fn grading_completions_and_manual_work() {
    let home = Home::new();
    let verdict: Value = serde_json::from_str(&ok(
        &home,
        &[
            "grade",
            "--reference",
            "\\frac12",
            "--answer",
            "0.5",
            "--json",
        ],
    ))
    .unwrap();
    assert_eq!(verdict["equal"], true);
    assert!(ok(&home, &["completions", "bash"]).contains("s1-tui"));
    assert!(ok(&home, &["man"]).starts_with(".ie"));
    assert!(ok(&home, &["--help"]).contains("--max-thinking"));
}
