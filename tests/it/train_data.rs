//! What `s1-tui train` reads and what it says of it before it starts.
//!
//! If these fail, a user trains on something other than what was meant, and learns it from the
//! answers.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use s1_model::fixture::{SPECIAL_TOKENS, tiny_gguf, tiny_gguf_of};
use serde_json::Value;

use crate::common::Home;

const LINES: &str = concat!(
    r#"{"messages":[{"role":"user","content":"how?"},{"role":"assistant","content":"4","reasoning_content":"two and two"}]}"#,
    "\n",
    r#"{"question":"how?","answer":"4"}"#,
    "\n",
);

fn home() -> Home {
    let home = Home::new();
    std::fs::write(home.path("qwen3.gguf"), tiny_gguf("qwen3", 3)).unwrap();
    home
}

fn plan(home: &Home, data: &str, more: &[&str]) -> Command {
    let mut command = home.command();
    command.args(["train", "--model", "qwen3.gguf", "--out", "out", "--plan"]);
    command.args(["--data", data]).args(more);
    command
}

fn planned(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let event: Value = serde_json::from_slice(&output.stdout).unwrap();
    event["plan"].clone()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}

#[test]
fn the_same_data_are_read_in_every_form() {
    let home = home();
    let array = format!("[{}]", LINES.trim().replace('\n', ",\n "));
    for (name, bytes) in [
        ("plain.jsonl", LINES.as_bytes().to_vec()),
        ("bom.jsonl", format!("\u{feff}{LINES}").into_bytes()),
        ("packed.jsonl.gz", gzip(LINES)),
        ("array.json", array.into_bytes()),
    ] {
        std::fs::write(home.path(name), &bytes).unwrap();
        let plan = planned(&plan(&home, name, &["--json"]).output().unwrap());
        assert_eq!(plan["records"], 2, "{name}");
        assert_eq!((&plan["turns"], &plan["thoughts"]), (&2.into(), &1.into()));
    }
}

#[test]
#[cfg(unix)]
fn data_may_come_through_a_pipe() {
    let home = home();
    for bytes in [LINES.as_bytes().to_vec(), gzip(LINES)] {
        let mut command = plan(&home, "/dev/stdin", &["--json"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let plan = planned(&child.wait_with_output().unwrap());
        assert_eq!(plan["records"], 2);
    }
}

#[test]
fn a_plan_shows_what_is_learned() {
    let home = home();
    std::fs::write(home.path("data.jsonl"), LINES).unwrap();
    let output = plan(&home, "data.jsonl", &[]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("2 turns of 2 records carry loss · 1 of them with a thought"),
        "{said}"
    );
    assert!(
        said.contains(
            "│ <|im_start|>user\n│ how?<|im_end|>\n│ <|im_start|>assistant\n│ <think>\n\
             ▌ two and two\n▌ </think>\n▌ \n▌ 4<|im_end|>\n"
        ),
        "{said}"
    );
    // The same in s1's form.
    let output = plan(&home, "data.jsonl", &["--family", "s1", "--json"])
        .output()
        .unwrap();
    let pieces = planned(&output)["rendering"].clone();
    assert_eq!(pieces[0]["loss"], false);
    assert_eq!(pieces[1]["loss"], true);
    assert_eq!(
        pieces[1]["text"],
        "\ntwo and two\n<|im_start|>answer\n4<|im_end|>"
    );
}

/// A user would lose: examples in the form in which the model will be asked, where its template has
/// switches; with either trainer.
#[test]
fn examples_are_written_with_the_switches_of_the_template() {
    let home = home();
    let template = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}\
         {% if add_generation_prompt %}{{ '<|im_start|>assistant' + ' ' + effort|default('') + '\\n' }}{% endif %}";
    let file = tiny_gguf_of("qwen3", 3, template, &SPECIAL_TOKENS);
    std::fs::write(home.path("qwen3.gguf"), file).unwrap();
    std::fs::write(home.path("data.jsonl"), LINES).unwrap();
    let first = |more: &[&str]| {
        let more = [&["--json"], more].concat();
        let plan = planned(&plan(&home, "data.jsonl", &more).output().unwrap());
        plan["rendering"][0]["text"].as_str().unwrap().to_owned()
    };
    assert!(first(&[]).contains("<|im_start|>assistant \n<think>"));
    let switched = first(&["--template-arg", "effort=high", "--template-arg", "n=3"]);
    assert!(
        switched.contains("<|im_start|>assistant high\n<think>"),
        "{switched}"
    );

    // What TRL is given are the same tokens.
    let printed = |folder: &str, more: &[&str]| {
        let mut command = home.command();
        command.args([
            "train",
            "--trainer",
            "trl",
            "--print",
            folder,
            "--model",
            "qwen3.gguf",
        ]);
        let output = command
            .args(["--data", "data.jsonl"])
            .args(more)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::fs::read_to_string(home.path(&format!("{folder}/examples.jsonl"))).unwrap()
    };
    // The vocabulary is that of bytes.
    let high = ",104,105,103,104,";
    assert_eq!(printed("usual", &[]).matches(high).count(), 0);
    let switched = printed("switched", &["--template-arg", "effort=high"]);
    assert_eq!(switched.matches(high).count(), 2, "{switched}");

    let wrong = plan(&home, "data.jsonl", &["--template-arg", "effort"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert!(said.contains("must be KEY=VALUE"), "{said}");
}

#[test]
fn a_line_that_cannot_be_learned_as_it_was_meant_is_named() {
    let home = home();
    let tools = r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"x"}]}]}"#;
    std::fs::write(home.path("data.jsonl"), format!("{LINES}{tools}\n")).unwrap();
    let output = plan(&home, "data.jsonl", &[]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("line 3 (--skip-broken uses the others)"),
        "{said}"
    );
    assert!(said.contains("turn 2: it calls tools"), "{said}");
    let plan = planned(
        &plan(&home, "data.jsonl", &["--skip-broken", "--json"])
            .output()
            .unwrap(),
    );
    assert_eq!((&plan["records"], &plan["broken"]), (&2.into(), &1.into()));
}
