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

#[test]
fn answers_are_found_where_the_first_record_has_none_and_where_there_are_several() {
    let set = read(
        "{\"question\":\"Q1?\",\"answer\":null}\n{\"question\":\"Q2?\",\"answer\":\"3\"}",
        &ProblemOptions::default(),
    )
    .unwrap();
    let references: Vec<Option<&str>> = set
        .problems
        .iter()
        .map(|p| p.reference.as_deref())
        .collect();
    assert_eq!(references, [None, Some("3")]);
    assert!(set.warnings[0].starts_with("1 of 2 problems have no reference"));
    let several = r#"{"question":"Find all x.","solution":["x=4 or 5."],"final_answer":["4","5"]}"#;
    assert_eq!(one(several).1.reference.as_deref(), Some("4, 5"));
}

#[test]
fn options_are_named_by_letter_text_or_index_and_keep_one_letter() {
    for (line, reference, listed) in [
        (
            r#"{"question":"How many?","choices":["2","3","4","0"],"answer":"4"}"#,
            "C",
            "D) 0",
        ),
        (
            r#"{"question":"How many?","choices":["2","3","4","0"],"answer":3}"#,
            "D",
            "D) 0",
        ),
        (
            r#"{"question":"Q?","options":["A)31","B)32","C)33"],"correct":"B"}"#,
            "B",
            "C) 33",
        ),
        (
            r#"{"question":"Q?","options":{"A":"x","B":"y","C":null},"answer":"B"}"#,
            "B",
            "B) y",
        ),
    ] {
        let (layout, problem) = one(line);
        assert_eq!(
            (layout, problem.reference.as_deref()),
            ("choice", Some(reference)),
            "{line}"
        );
        assert!(problem.question.ends_with(listed), "{}", problem.question);
    }
}

#[test]
fn questions_may_be_messages_and_tables_may_be_text() {
    let dapo = r#"{"prompt":[{"role":"system","content":"S"},{"role":"user","content":"Q?"}],"reward_model":{"ground_truth":"34"}}"#;
    let (_, problem) = one(dapo);
    assert_eq!(
        (problem.question.as_str(), problem.reference.as_deref()),
        ("Q?", Some("34"))
    );
    let bench = r#"{"turns":["Q?"],"ground_truth":"5"}"#;
    assert_eq!(one(bench).1.reference.as_deref(), Some("5"));
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    file.write_all(b"Question,Correct Answer,Incorrect Answer 1\nWhich?,this,that\n")
        .unwrap();
    let set = ProblemSet::load(
        &file.path().display().to_string(),
        &ProblemOptions::default(),
    );
    let set = set.unwrap();
    assert_eq!(set.layout, "gpqa");
    assert!(set.problems[0].question.contains(") this"));
}
