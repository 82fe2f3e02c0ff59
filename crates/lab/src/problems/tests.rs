//! What a user would lose: a set that is read wrongly gives a curve of nothing.

use std::io::Write;

use super::*;

fn read(text: &str, options: &ProblemOptions) -> Result<ProblemSet> {
    let mut file = tempfile::Builder::new()
        .suffix(".jsonl")
        .tempfile()
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
    ProblemSet::load(&file.path().display().to_string(), options)
}

fn one(text: &str) -> (&'static str, Problem) {
    let set = read(text, &ProblemOptions::default()).unwrap();
    (set.layout, set.problems[0].clone())
}

#[test]
fn the_usual_sets_are_recognised_by_their_fields() {
    for (line, layout, question, reference) in [
        (
            r#"{"question": "How many?", "answer": "4+5=<<4+5=9>>9\n#### 9"}"#,
            "gsm8k",
            "How many?",
            "9",
        ),
        (
            r#"{"problem": "Half?", "solution": "so \\boxed{\\frac12}", "answer": "\\frac12", "unique_id": "test/1"}"#,
            "math",
            "Half?",
            "\\frac12",
        ),
        (
            r#"{"ID": "2024-I-1", "Problem": "Walk?", "Solution": "long", "Answer": 204}"#,
            "math",
            "Walk?",
            "204",
        ),
        (
            r#"{"problem": "Half?", "solution": "so \\boxed{3}"}"#,
            "math",
            "Half?",
            "3",
        ),
        (
            r#"{"question": "Why?", "solution": "we get \\boxed{128}", "cot_type": "math", "thinking_trajectories": ["…"]}"#,
            "s1k",
            "Why?",
            "128",
        ),
        (
            r#"{"ID": "chal-1", "Body": "Tom has 3.", "Question": "And now?", "Answer": 5.0, "Type": "Addition"}"#,
            "svamp",
            "Tom has 3. And now?",
            "5.0",
        ),
        (
            r#"{"body": "Tom has 3.", "question": "And now?", "answer": "9 (apples)"}"#,
            "svamp",
            "Tom has 3. And now?",
            "9",
        ),
        (
            r#"{"question": "1+1?", "answer": "2"}"#,
            "plain",
            "1+1?",
            "2",
        ),
        (
            r#"{"question": "Which?", "choices": ["x", "y", "z"], "answer": 1}"#,
            "choice",
            "Which?\n\nA) x\nB) y\nC) z",
            "B",
        ),
        (
            r#"{"question": "Which?", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"}"#,
            "choice",
            "Which?\n\nA) x\nB) y",
            "B",
        ),
        (
            r#"{"question": "Which?", "options": {"A": "x", "B": "y"}, "answer": "A"}"#,
            "choice",
            "Which?\n\nA) x\nB) y",
            "A",
        ),
    ] {
        let (found, problem) = one(line);
        assert_eq!(found, layout, "{line}");
        assert_eq!(problem.question, question, "{line}");
        assert_eq!(problem.reference.as_deref(), Some(reference), "{line}");
    }
}

#[test]
fn the_right_option_of_gpqa_stands_at_a_fixed_place_of_its_own() {
    let line = |n: usize| {
        format!(
            r#"{{"Question": "Which {n}?", "Correct Answer": "right", "Incorrect Answer 1": "a", "Incorrect Answer 2": "b", "Incorrect Answer 3": "c"}}"#
        )
    };
    let mut letters = BTreeSet::new();
    for n in 0..20 {
        let (layout, problem) = one(&line(n));
        assert_eq!(layout, "gpqa");
        let letter = problem.reference.clone().unwrap();
        assert!(problem.question.contains(&format!("\n{letter}) right")));
        assert_eq!(one(&line(n)).1, problem, "the same every time");
        letters.insert(letter);
    }
    assert_eq!(letters.len(), 4, "every place occurs");
}

#[test]
fn other_fields_are_named_by_flag_and_missing_ones_listed() {
    let text = r#"{"ask": "1+1?", "gold": "2", "nr": 7}"#;
    let error = format!("{:#}", read(text, &ProblemOptions::default()).unwrap_err());
    assert!(error.contains("--question-field"), "{error}");
    assert!(error.contains("ask, gold, nr"), "{error}");
    let mut options = ProblemOptions {
        question_field: Some("ask".into()),
        answer_field: Some("gold".into()),
        id_field: Some("nr".into()),
        ..ProblemOptions::default()
    };
    let set = read(text, &options).unwrap();
    assert_eq!(set.problems[0].id, "7");
    assert_eq!(set.problems[0].reference.as_deref(), Some("2"));
    options.answer_field = Some("silver".into());
    let error = format!("{:#}", read(text, &options).unwrap_err());
    assert!(error.contains("no field \"silver\""), "{error}");
}

#[test]
fn a_broken_line_is_named_and_refused_or_left_out() {
    let text = "{\"question\": \"a?\", \"answer\": \"1\"}\n\n{\"question\": oops\n{\"answer\": \"3\"}\n[]\n{\"question\": \"b?\", \"answer\": \"2\"}\n";
    let error = read(text, &ProblemOptions::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("line 3: it is not JSON"), "{error}");
    assert!(error.contains("--skip-broken"), "{error}");
    let options = ProblemOptions {
        skip_broken: true,
        ..ProblemOptions::default()
    };
    let set = read(text, &options).unwrap();
    let questions: Vec<&str> = set.problems.iter().map(|p| p.question.as_str()).collect();
    assert_eq!(questions, ["a?", "b?"]);
    assert_eq!(set.skipped, 3);
    assert!(set.warnings[1].contains("line 4: it has no \"question\""));
    assert!(set.warnings[2].contains("line 5: it is a JSON array"));
    // Without the skipping, a broken line behind the limit does not matter.
    let limit = ProblemOptions {
        limit: Some(1),
        ..ProblemOptions::default()
    };
    assert_eq!(read(text, &limit).unwrap().problems.len(), 1);
}

#[test]
fn missing_answers_and_doubled_ids_are_said() {
    let text = "{\"id\": 1, \"question\": \"a?\", \"answer\": \"1\"}\n{\"id\": 1, \"question\": \"b?\", \"answer\": \"\"}\n";
    let set = read(text, &ProblemOptions::default()).unwrap();
    assert_eq!(set.problems[1].reference, None);
    assert_eq!(set.problems[1].id, "1#2");
    let all = set.warnings.join(" ");
    assert!(all.contains("1 of 2 problems share an id"), "{all}");
    assert!(all.contains("1 of 2 problems have no reference"), "{all}");
}

#[test]
fn what_is_no_problem_set_gets_a_sentence() {
    for (text, says) in [
        ("", "holds no problems"),
        ("\n \n", "holds no problems"),
        ("[1]", "it is not a JSON object"),
        ("PAR1 and nothing more", "Parquet"),
    ] {
        let error = format!("{:#}", read(text, &ProblemOptions::default()).unwrap_err());
        assert!(error.contains(says), "{text:?}: {error}");
    }
    let error = ProblemSet::load("/nowhere.jsonl", &ProblemOptions::default()).unwrap_err();
    assert!(error.to_string().contains("/nowhere.jsonl"));
}

#[test]
fn parquet_holds_the_same_problems() {
    let columns: [&[&str]; 2] = [&["1+1?", "2+2?"], &["#### 2", "#### 4"]];
    let file = s1_data::fixtures::parquet_file(["question", "answer"], columns);
    let path = file.path().display().to_string();
    let set = ProblemSet::load(&path, &ProblemOptions::default()).unwrap();
    assert_eq!(set.layout, "gsm8k");
    assert_eq!(set.problems[1].question, "2+2?");
    assert_eq!(set.problems[1].reference.as_deref(), Some("4"));
}
