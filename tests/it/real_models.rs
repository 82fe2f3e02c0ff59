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
        let forced = &out["forced"].as_array().unwrap()[0];
        assert_eq!(forced["position"], 5);
        assert_eq!(forced["text"], "</think>\n\n");
        assert!(out["answer_tokens"].as_u64().unwrap() > 4, "{model}");
        assert!(
            !out["text"].as_str().unwrap().contains('\u{fffd}'),
            "{model}"
        );
    }
}
