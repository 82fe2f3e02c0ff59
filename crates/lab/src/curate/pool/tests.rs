use std::io::Write;

use super::*;

fn read_with(text: &str, domain_field: Option<&str>, skip_broken: bool) -> Result<CurationPool> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let reader = PoolReader {
        tokenizer: None,
        domain_field,
        skip_broken,
    };
    reader.read(file.path()).map_err(|error| {
        let file = file.path().display().to_string();
        anyhow::anyhow!("{}", format!("{error:#}").replace(&file, "POOL"))
    })
}

fn one(text: &str) -> (CurationPool, PoolItem) {
    let pool = read_with(text, None, false).unwrap();
    let item = pool.items[0].clone();
    (pool, item)
}

fn error(text: &str) -> String {
    read_with(text, None, false).unwrap_err().to_string()
}

#[test]
fn every_kind_of_line_gives_question_answer_and_length() {
    for (line, layout, reference, traced, length) in [
        (
            r#"{"question":"how?","answer":"Two and two.\n#### 4"}"#,
            "gsm8k",
            "4",
            false,
            4,
        ),
        (
            r#"{"question":"how?","thinking":"a b c d e","answer":"4"}"#,
            "plain",
            "4",
            true,
            5,
        ),
        (
            r#"{"question":"how?","thinking":[{"text":"a b "},{"text":"c","loss":false}],"answer":"4"}"#,
            "plain",
            "4",
            true,
            3,
        ),
        (
            r#"{"solution":"4","question":"how?","thinking_trajectories":["a b","c"],"attempt":"so 4"}"#,
            "s1k",
            "4",
            true,
            2,
        ),
        (
            r#"{"problem":"how?","solution":"It is \\boxed{4} now","answer":"4"}"#,
            "math",
            "4",
            false,
            5,
        ),
        (
            r#"{"messages":[{"role":"user","content":"how?"},{"role":"assistant","content":"<think>a b c</think>\n4"}]}"#,
            "messages",
            "4",
            true,
            3,
        ),
    ] {
        let (pool, item) = one(line);
        assert_eq!(pool.layout, layout, "{line}");
        assert_eq!(item.question, "how?", "{line}");
        assert_eq!(item.reference.as_deref(), Some(reference), "{line}");
        assert_eq!((item.traced, item.length), (traced, length), "{line}");
    }
}

#[test]
fn missing_parts_are_left_empty_and_do_not_end_the_reading() {
    let text =
        "\n{\"answer\":\"4\"}\n{\"question\":\"how?\"}\n{\"question\":\"why?\",\"answer\":\"4\"}";
    let pool = read_with(text, None, false).unwrap();
    let parts: Vec<(usize, &str, bool)> = pool
        .items
        .iter()
        .map(|i| (i.line, &*i.question, i.reference.is_some()))
        .collect();
    assert_eq!(
        parts,
        [(2, "", false), (3, "how?", false), (4, "why?", true)]
    );
}

#[test]
fn bad_files_are_one_sentence() {
    assert_eq!(
        error("{\"question\":\"a\",\"answer\":\"4\"}\n{\"quest\n"),
        "POOL, line 2: it is not JSON (EOF while parsing a string at line 1 column 7); --skip-broken continues with the rest"
    );
    assert_eq!(error("\n\n"), "POOL is empty; there is nothing to curate");
    assert_eq!(
        error("[[{\"question\":\"a\"}]]"),
        "POOL, line 1: it is a JSON array; write one object per line; --skip-broken continues with the rest"
    );
    assert!(error("{\"a\":1}").starts_with("POOL, line 1: no field is recognised as the question"));
    let unnamed = read_with(
        "{\"question\":\"a\",\"answer\":\"4\"}",
        Some("topic"),
        false,
    );
    assert_eq!(
        unnamed.unwrap_err().to_string(),
        "no record of POOL has a field \"topic\" to name its domain"
    );
}

#[test]
fn broken_lines_are_left_out_where_that_is_asked_for() {
    let text = "7\n{\"question\":\"a\",\"answer\":\"4\",\"id\":\"x\"}\n{\"question\":\"b\",\"answer\":\"4\",\"id\":\"x\"}\n";
    let pool = read_with(text, None, true).unwrap();
    let ids: Vec<&str> = pool.items.iter().map(|i| &*i.id).collect();
    assert_eq!(ids, ["1", "x", "x#3"]);
    let why = pool.items[0].broken.as_deref();
    assert_eq!(why, Some("it is not a JSON object"));
}

#[test]
fn the_most_telling_field_names_the_domain() {
    let line = r#"{"question":"a","answer":"4","source_type":"s","subject":"Number  theory"}"#;
    let (pool, item) = one(line);
    assert_eq!(pool.domain_field.as_deref(), Some("subject"));
    assert_eq!(item.domain.as_deref(), Some("Number theory"));
    let pool = read_with(line, Some("source_type"), false).unwrap();
    assert_eq!(pool.items[0].domain.as_deref(), Some("s"));
}
