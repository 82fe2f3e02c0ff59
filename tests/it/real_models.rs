//! The engine on real models (`S1_TUI_MODELS`): what a user would lose is that steering does what
//! it says on the models they use.

use std::process::Stdio;

use crate::common::{Home, models};
use serde_json::Value;

const MODELS: [&str; 2] = [
    "smollm2-135m-instruct-q4_1.gguf",
    "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
];

fn ask(model: &str, extra: &[&str]) -> Value {
    let path = models().join(model).display().to_string();
    let home = Home::new();
    let prompt = "How many r in raspberry?";
    let args = [
        "run",
        "--model",
        &path,
        "--prompt",
        prompt,
        "--json",
        "--answer-max",
        "32",
    ];
    let output = home
        .command()
        .args(args)
        .args(extra)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn ids(out: &Value, phase: &str) -> Vec<u64> {
    let tokens = out["tokens"].as_array().unwrap();
    let of_phase = tokens.iter().filter(|t| t["phase"] == phase);
    of_phase.map(|t| t["id"].as_u64().unwrap()).collect()
}

/// Text of the thinking.
fn thought(out: &Value) -> String {
    let tokens = out["tokens"].as_array().unwrap();
    let of_phase = tokens.iter().filter(|t| t["phase"] == "thinking");
    of_phase.map(|t| t["text"].as_str().unwrap()).collect()
}

#[test]
#[ignore = "needs S1_TUI_MODELS"]
fn thinking_under_a_budget_is_a_prefix_of_thinking_under_a_larger_one() {
    for model in MODELS {
        let long = ask(model, &["--max-thinking", "48", "--waits", "2"]);
        for budget in [0, 7, 20] {
            let text = budget.to_string();
            let short = ask(model, &["--max-thinking", &text, "--waits", "2"]);
            let (short, long) = (ids(&short, "thinking"), ids(&long, "thinking"));
            assert!(short.len() <= budget, "{model}");
            assert_eq!(short, long[..short.len()], "{model} at {budget}");
        }
    }
}

#[test]
#[ignore = "needs S1_TUI_MODELS"]
fn waits_lengthen_the_thought_by_going_on_where_it_ended() {
    for model in MODELS {
        let none = ask(model, &["--max-thinking", "120"]);
        let one = ask(model, &["--max-thinking", "120", "--waits", "1"]);
        let forced = one["forced"].as_array().unwrap();
        let waits: Vec<_> = forced.iter().filter(|f| f["reason"] == "wait").collect();
        if none["thinking_tokens"] == 120 {
            continue; // it never tried to end
        }
        assert_eq!(waits.len(), 1, "{model}: {forced:?}");
        assert_eq!(waits[0]["text"], "Wait");
        let start = format!("{}Wait", thought(&none));
        assert!(
            thought(&one).starts_with(&start),
            "{model}: {}",
            thought(&one)
        );
    }
}

#[test]
#[ignore = "needs S1_TUI_MODELS"]
fn after_a_forced_end_there_is_always_an_answer() {
    for model in MODELS {
        let out = ask(model, &["--max-thinking", "5"]);
        assert_eq!(out["thinking_tokens"], 5, "{model}");
        let forced = out["forced"].as_array().unwrap();
        assert_eq!(forced[0]["position"], 5);
        assert_eq!(forced[0]["text"], "\n</think>\n\n");
        let begun = (&forced[1]["reason"], &forced[1]["text"]);
        assert_eq!(begun, (&"final_answer".into(), &"Final Answer:".into()));
        assert!(out["answer_tokens"].as_u64().unwrap() > 4, "{model}");
        assert!(
            !out["text"].as_str().unwrap().contains('\u{fffd}'),
            "{model}"
        );
    }
}

/// Questions of our own, with their answers.
const PROBLEMS: [(&str, u32); 10] = [
    (
        "Tom has 3 boxes with 12 pens each and gives away 9 pens. How many pens are left?",
        27,
    ),
    (
        "A baker makes 8 trays of 15 rolls and sells all but 20 rolls. How many rolls are sold?",
        100,
    ),
    (
        "Lena reads 14 pages a day for 6 days. Her book has 120 pages. How many pages are left?",
        36,
    ),
    (
        "A bus has 42 seats and 17 are free. At a stop 6 people get on. How many seats are free now?",
        11,
    ),
    (
        "Apples cost 3 dollars a bag. Omar buys 7 bags and pays with 50 dollars. What is his change?",
        29,
    ),
    (
        "A garden has 5 rows of 9 tulips and 4 rows of 8 roses. How many flowers does it have?",
        77,
    ),
    (
        "Mia runs 4 kilometres on each of 5 days and 10 on Sunday. How far does she run in all?",
        30,
    ),
    (
        "A tank holds 200 litres and is half full. 35 litres are taken out. How many are in it?",
        65,
    ),
    (
        "Six friends share 84 marbles equally, and Ben loses 5 of his. How many has he left?",
        9,
    ),
    (
        "A train leaves at 9 and arrives at 14 after 2 stops of half an hour. How many hours does it move?",
        4,
    ),
];

#[test]
#[ignore = "needs S1_TUI_MODELS"]
fn a_cut_model_answers_instead_of_reasoning_on() {
    for model in MODELS {
        let home = Home::new();
        let line = |(question, answer): &(&str, u32)| {
            serde_json::json!({"question": question, "answer": format!("#### {answer}")})
                .to_string()
        };
        let lines: Vec<String> = PROBLEMS.iter().map(line).collect();
        std::fs::write(home.path("p.jsonl"), lines.join("\n")).unwrap();
        let path = models().join(model).display().to_string();
        let sweep = [
            "sweep",
            "--model",
            &path,
            "--problems",
            "p.jsonl",
            "--budgets",
            "0,48",
        ];
        let run = |args: &[&str]| {
            let output = home.command().args(args).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{said}");
            String::from_utf8(output.stdout).unwrap()
        };
        let table = run(&[&sweep[..], &["--name", "r", "--context", "1024"]].concat());
        assert!(!table.contains("answers are longer"), "{model}: {table}");
        let samples = run(&["export", "r"]);
        let samples: Vec<Value> = samples
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        for budget in [0, 48] {
            let of = || samples.iter().filter(|s| s["budget"] == budget);
            assert_eq!(of().count(), PROBLEMS.len(), "{model}");
            let long = of().filter(|s| s["answer_tokens"][0].as_u64().unwrap() > 60);
            assert!(long.count() <= 1, "{model} at {budget}: {table}");
            let unread = of().filter(|s| s["extracted_answers"][0].is_null());
            assert!(unread.count() <= 1, "{model} at {budget}");
        }
    }
}
