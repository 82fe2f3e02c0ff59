use super::*;
use s1_engine::LoadOptions;
use s1_model::fixture::tiny_gguf;
use s1_model::gguf::Gguf;
use s1_model::template::{ChatTemplate, Message};

/// What R1 distills have: the thought is opened by the template, and earlier ones are dropped.
const R1: &str = "{% for m in messages %}{% if m.role == 'user' %}<｜User｜>{{ m.content }}{% elif m.role == 'assistant' %}<｜Assistant｜>{{ m.content.split('</think>')[-1] }}<|im_end|>{% else %}{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}<｜Assistant｜><think>\n{% endif %}";
/// Qwen3's own, without tools.
const QWEN3: &str = "{% for m in messages %}{% set content = m.content %}{% if m.role == 'assistant' and '</think>' in content %}{% set content = content.split('</think>')[-1].lstrip('\n') %}{% endif %}<|im_start|>{{ m.role }}\n{{ content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}";

/// The families whose examples are compared.
#[derive(Clone, Copy, Debug)]
enum Family {
    S1,
    Qwen3,
    R1,
    Generic,
}

impl Family {
    fn name(self) -> &'static str {
        match self {
            Family::S1 => "s1",
            Family::Qwen3 => "qwen3",
            Family::R1 => "r1",
            Family::Generic => "generic",
        }
    }
}

fn dialogue(family: Family) -> Dialogue {
    let options = LoadOptions {
        family: Some(family.name().into()),
        ..LoadOptions::default()
    };
    let gguf = Gguf::from_bytes(tiny_gguf("qwen3", 1)).unwrap();
    let mut dialogue = Dialogue::of(&gguf, &options, "tiny").unwrap();
    let template = |source| ChatTemplate::from_source(Some(source), "", "<|im_end|>", |_| true);
    match family {
        Family::R1 => dialogue.template = template(R1),
        Family::Qwen3 => dialogue.template = template(QWEN3),
        Family::S1 | Family::Generic => {}
    }
    dialogue
}

fn how(block: usize, skip_broken: bool) -> Reading {
    Reading {
        block,
        skip_broken,
        turns: LearnedTurns::All,
        cut: None,
    }
}

fn read_as(family: Family, text: &str, block: usize, skip: bool) -> Result<Dataset> {
    let lines = Lines::new(text.as_bytes());
    parse(lines, &dialogue(family), &how(block, skip))
}

fn read_lines(text: &str, block: usize, skip: bool) -> Result<Dataset> {
    read_as(Family::Qwen3, text, block, skip)
}

/// A document's text, with what carries no loss in brackets.
fn shown(document: &Example, dialogue: &Dialogue) -> String {
    let tokens: Vec<(u32, bool)> = document
        .ids
        .iter()
        .copied()
        .zip(document.mask.clone())
        .collect();
    let runs = tokens.chunk_by(|a, b| a.1 == b.1).map(|run| {
        let bytes = run
            .iter()
            .flat_map(|(id, _)| dialogue.tokenizer.token_bytes(*id));
        let text = String::from_utf8(bytes.copied().collect()).unwrap();
        if run[0].1 { text } else { format!("[{text}]") }
    });
    runs.collect()
}

/// The documents of a record.
fn all(family: Family, line: &str) -> Vec<String> {
    let data = read_as(family, line, 4000, false).unwrap();
    let dialogue = dialogue(family);
    data.documents.iter().map(|d| shown(d, &dialogue)).collect()
}

fn one(family: Family, line: &str) -> String {
    let documents = all(family, line);
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents[0].clone()
}

/// What the model is asked with, without a line of its own for the end of a thought.
fn prompt(family: Family, think: bool) -> String {
    let messages = [Message::new("user", "how?")];
    dialogue(family).prompt(&messages, think).unwrap()
}

const FAMILIES: [Family; 4] = [Family::S1, Family::Qwen3, Family::R1, Family::Generic];

#[test]
fn a_trace_is_rendered_as_it_will_be_generated() {
    for (family, thought, answer) in [
        (Family::Qwen3, "so\n</think>\n\n4<|im_end|>", "4<|im_end|>"),
        (Family::R1, "so\n</think>\n\n4<|im_end|>", "4<|im_end|>"),
        (
            Family::Generic,
            "so\n</think>\n\n4<|im_end|>",
            "4<|im_end|>",
        ),
        (
            Family::S1,
            "\nso\n<|im_start|>answer\n4<|im_end|>",
            "4<|im_end|>",
        ),
    ] {
        for line in [
            r#"{"question":"how?","thinking":"so","answer":"4"}"#,
            r#"{"question":"how?","deepseek_thinking_trajectory":"so","solution":4}"#,
            r#"{"question":"how?","thinking":"<think>\nso\n</think>","answer":"4"}"#,
            r#"{"question":"how?","answer":"<think>so</think>4"}"#,
            r#"{"messages":[{"role":"user","content":"how?"},{"role":"assistant","content":"4","reasoning_content":"so"}]}"#,
            r#"{"messages":[{"role":"user","content":"how?"},{"role":"assistant","content":"<think>\nso\n</think>\n\n4"}]}"#,
            r#"{"conversations":[{"from":"human","value":"how?"},{"from":"gpt","value":"4","thinking":"so"}]}"#,
        ] {
            let expected = format!("[{}]{thought}", prompt(family, true));
            assert_eq!(one(family, line), expected, "{family:?} {line}");
        }
        for line in [
            r#"{"question":"how?","answer":"4"}"#,
            r#"{"messages":[{"role":"user","content":"how?"},{"role":"assistant","content":"4"}]}"#,
            r#"{"instruction":"how?","input":"","output":"4"}"#,
            r#"{"prompt":"how?","completion":"4"}"#,
        ] {
            let expected = format!("[{}]{answer}", prompt(family, false));
            assert_eq!(one(family, line), expected, "{family:?} {line}");
        }
    }
}

#[test]
fn the_prompts_are_those_of_the_families() {
    let ends = [
        (
            Family::S1,
            "assistant\n<|im_start|>think",
            "assistant\n<|im_start|>answer\n",
        ),
        (
            Family::Qwen3,
            "assistant\n<think>\n",
            "assistant\n<think>\n\n</think>\n\n",
        ),
        (
            Family::R1,
            "<｜Assistant｜><think>\n",
            "<｜Assistant｜><think>\n\n</think>\n\n",
        ),
        (Family::Generic, "assistant\n<think>\n", "assistant\n"),
    ];
    for (family, thinking, answering) in ends {
        assert!(prompt(family, true).ends_with(thinking), "{family:?}");
        assert!(prompt(family, false).ends_with(answering), "{family:?}");
    }
}

#[test]
fn s1k_is_learned_as_s1_writes_it() {
    // s1's tokenization.py: trajectories joined by line breaks, `Answer: ` before the attempt; its
    // collator: loss behind `<|im_start|>assistant\n`.
    let line = r#"{"question":"how?","thinking_trajectories":["so","or so"],"attempt":"4","text":"all of it"}"#;
    let prompt = prompt(Family::S1, true);
    assert_eq!(
        one(Family::S1, line),
        format!("[{prompt}]\nso\nor so\n<|im_start|>answer\nAnswer: 4<|im_end|>")
    );
    // Of a text that is rendered already, the same.
    let text = r#"{"text":"<|im_start|>user\nhow?<|im_end|>\n<|im_start|>assistant\n<|im_start|>think\nso\n<|im_start|>answer\nAnswer: 4<|im_end|>\n"}"#;
    assert_eq!(
        one(Family::S1, text),
        "[<|im_start|>user\nhow?<|im_end|>\n<|im_start|>assistant\n]<|im_start|>think\nso\n<|im_start|>answer\nAnswer: 4<|im_end|>\n"
    );
    let turns = r#"{"text":"<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\nd"}"#;
    assert_eq!(
        one(Family::S1, turns),
        "[<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n]b<|im_end|>\n[<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n]d<|im_end|>"
    );
    let bare = r#"{"text":"1+1=2"}"#;
    assert_eq!(one(Family::S1, bare), "1+1=2<|im_end|>");
}

#[test]
fn pieces_without_loss_are_seen_but_not_learned() {
    let line = r#"{"question":"how?","thinking":[{"text":"a"},{"text":"wrong","loss":false},{"text":"b\n"}],"answer":"4"}"#;
    let prompt = prompt(Family::Qwen3, true);
    assert_eq!(
        one(Family::Qwen3, line),
        format!("[{prompt}]a[wrong]b\n</think>\n\n4<|im_end|>")
    );
}

const TURNS: &str = r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"d","reasoning_content":"so"}]}"#;

#[test]
fn every_turn_of_the_assistant_is_learned_once_as_it_is_asked_for() {
    // Where what is over is rendered as it was learned, in one document.
    assert_eq!(
        one(Family::Generic, TURNS),
        "[<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n]b<|im_end|>[\n\
         <|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n<think>\n]so\n</think>\n\nd<|im_end|>"
    );
    // Where it is not, in one for each: nothing is trained behind a text that is never asked.
    assert_eq!(
        all(Family::Qwen3, TURNS),
        [
            "[<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n]b<|im_end|>",
            "[<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n\
             <|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n<think>\n]so\n</think>\n\nd<|im_end|>",
        ]
    );
    assert_eq!(
        all(Family::R1, TURNS),
        [
            "[<｜User｜>a<｜Assistant｜><think>\n\n</think>\n\n]b<|im_end|>",
            "[<｜User｜>a<｜Assistant｜>b<|im_end|><｜User｜>c<｜Assistant｜><think>\n]so\n</think>\n\nd<|im_end|>",
        ]
    );
    let data = read_as(Family::R1, TURNS, 1000, false).unwrap();
    let counts = (
        data.records,
        data.documents.len(),
        data.turns,
        data.thoughts,
    );
    assert_eq!(counts, (1, 2, 2, 1));
    // A turn that is not to be learned is only seen.
    let flagged = TURNS.replace(r#""content":"b""#, r#""content":"b","weight":0"#);
    for family in FAMILIES {
        let document = one(family, &flagged);
        assert_eq!(document.matches('[').count(), 1, "{document}");
        assert!(document.ends_with("d<|im_end|>"), "{document}");
    }
}

/// The documents of a record that is read in another way.
fn read_otherwise(family: Family, line: &str, how: &Reading) -> (Dataset, Vec<String>) {
    let dialogue = dialogue(family);
    let data = parse(Lines::new(line.as_bytes()), &dialogue, how).unwrap();
    let documents = data.documents.iter().map(|d| shown(d, &dialogue)).collect();
    (data, documents)
}

#[test]
fn of_a_conversation_the_last_turn_alone_is_learned_where_that_is_asked() {
    let last = Reading {
        turns: LearnedTurns::Last,
        ..how(1000, false)
    };
    for family in FAMILIES {
        let (data, documents) = read_otherwise(family, TURNS, &last);
        assert_eq!((data.turns, data.thoughts, documents.len()), (1, 1, 1));
        let whole = all(family, TURNS).pop().unwrap();
        let learned = |document: &str| document.rsplit(']').next().unwrap().to_owned();
        assert_eq!(learned(&documents[0]), learned(&whole), "{family:?}");
        assert_eq!(documents[0].matches('[').count(), 1, "{}", documents[0]);
    }
    // A turn's own word goes before: the last that is to be learned is then an earlier one.
    let flagged = TURNS.replace(r#""content":"d""#, r#""content":"d","train":false"#);
    let (_, documents) = read_otherwise(Family::Generic, &flagged, &last);
    assert!(documents[0].ends_with("]b<|im_end|>"), "{documents:?}");
}

/// What carries loss where a thought is cut, per family: the thought up to the budget, the answer behind
/// what closes it, and the close itself only where that is asked.
#[test]
fn a_thought_is_cut_as_a_budget_cuts_it() {
    let line = r#"{"question":"how?","thinking":"one two three four","answer":"4"}"#;
    for family in FAMILIES {
        let dialogue = dialogue(family);
        let close = dialogue.delimiters.spec.forced_close.clone();
        let cut = |at, learned| {
            let cut = Some(ThoughtCut { at, learned });
            let how = Reading {
                cut,
                ..how(1000, false)
            };
            read_otherwise(family, line, &how)
        };
        let whole = one(family, line);
        let (data, documents) = cut(1000, false);
        assert_eq!((&documents[0], data.shortened), (&whole, 0), "{family:?}");
        let (data, documents) = cut(3, false);
        assert_eq!((data.shortened, data.thoughts), (1, 1));
        let prompt = format!("[{}]", prompt(family, true));
        let rest = documents[0].strip_prefix(&prompt).unwrap();
        let (kept, rest) = rest.split_once('[').unwrap();
        assert_eq!(rest, format!("{close}]4<|im_end|>"), "{family:?}");
        assert!(
            whole.strip_prefix(&prompt).unwrap().starts_with(kept) && !kept.is_empty(),
            "{kept:?}"
        );
        let (_, documents) = cut(3, true);
        assert_eq!(documents[0], format!("{prompt}{kept}{close}4<|im_end|>"));
    }
}

/// One line for each format that people have, with what carries loss: the rest is in brackets.
#[test]
fn what_carries_loss_in_every_format() {
    let think = "[<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n<think>\n]T\n</think>\n\nA<|im_end|>";
    let plain = "[<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n]A<|im_end|>";
    let system = "[<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n<think>\n]T\n</think>\n\nA<|im_end|>";
    for (format, line, expected) in [
        (
            "s1K",
            r#"{"question":"Q","thinking_trajectories":["T"],"attempt":"A"}"#,
            think,
        ),
        (
            "s1K-1.1",
            r#"{"question":"Q","deepseek_thinking_trajectory":"T","deepseek_attempt":"A","gemini_attempt":"B"}"#,
            think,
        ),
        (
            "OpenThoughts",
            r#"{"system":"S","conversations":[{"from":"user","value":"Q"},{"from":"assistant","value":"<|begin_of_thought|>\n\nT\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\nA\n\n<|end_of_solution|>"}]}"#,
            system,
        ),
        (
            "OpenR1",
            r#"{"problem":"P","solution":"B","answer":"B","generations":["x"],"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"<think>\nT\n</think>\n\nA"}]}"#,
            think,
        ),
        (
            "ShareGPT",
            r#"{"conversations":[{"from":"system","value":"S"},{"from":"human","value":"Q"},{"from":"gpt","value":"<think>T</think>A"}]}"#,
            system,
        ),
        (
            "Alpaca",
            r#"{"instruction":"Q","input":"","output":"A"}"#,
            plain,
        ),
        (
            "prompt and completion",
            r#"{"prompt":"Q","completion":"A"}"#,
            plain,
        ),
        (
            "prompt and completion as turns",
            r#"{"prompt":[{"role":"user","content":"Q"}],"completion":[{"role":"assistant","content":"<think>T</think>A"}]}"#,
            think,
        ),
        (
            "content as parts",
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"Q"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"T"},{"type":"text","text":"A"}]}]}"#,
            think,
        ),
        (
            "reasoning_content",
            r#"{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"A","reasoning_content":"T"}]}"#,
            think,
        ),
        ("text", r#"{"text":"Q A"}"#, "Q A<|im_end|>"),
    ] {
        assert_eq!(one(Family::Generic, line), expected, "{format}");
        // The same as the only element of a JSON array.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.json");
        std::fs::write(&path, format!("[{line}]")).unwrap();
        let dialogue = dialogue(Family::Generic);
        let data = read(&path, &dialogue, &how(4000, false)).unwrap();
        assert_eq!(shown(&data.documents[0], &dialogue), expected, "{format}");
    }
}

#[test]
fn a_system_prompt_is_seen_wherever_it_stands() {
    for line in [
        r#"{"system":"S","question":"how?","answer":"4"}"#,
        r#"{"system_prompt":"S","messages":[{"role":"user","content":"how?"},{"role":"assistant","content":"4"}]}"#,
        r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":"how?"},{"role":"assistant","content":"4"}]}"#,
    ] {
        assert_eq!(
            one(Family::Generic, line),
            "[<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nhow?<|im_end|>\n<|im_start|>assistant\n]4<|im_end|>"
        );
    }
}

#[test]
fn a_mark_inside_a_thought_is_refused() {
    for (family, thought) in [
        (Family::Qwen3, "so </think> or so <think> so"),
        (Family::S1, "so <|im_start|> so"),
    ] {
        let line = serde_json::json!({ "question": "how?", "thinking": thought, "answer": "4" });
        let error = read_as(family, &line.to_string(), 1000, false).unwrap_err();
        assert!(format!("{error:#}").contains("thought"), "{error:#}");
    }
    // It is a word of the question.
    let line = r#"{"question":"what is <think>?","answer":"a tag"}"#;
    assert!(one(Family::Qwen3, line).contains("what is <think>?"));
}

#[test]
fn bad_lines_are_named_and_can_be_left_out() {
    let long = "x".repeat(17 << 20);
    let text = format!(
        "{{\"question\":\"a\",\"answer\":\"b\"}}\n\n{{\"question\":\"a\"}}\nnonsense\n{long}\n"
    );
    let error = format!("{:#}", read_lines(&text, 1000, false).unwrap_err());
    assert!(
        error.starts_with("line 3 (--skip-broken uses the others): it has no answer"),
        "{error}"
    );
    let data = read_lines(&text, 1000, true).unwrap();
    assert_eq!((data.documents.len(), data.broken.len()), (1, 3));
    assert!(data.broken[0].starts_with("line 3: it has no answer"));
    assert!(data.broken[2].starts_with("line 5: it is longer than 16 MiB"));
    let error = format!("{:#}", read_lines("\n", 1000, false).unwrap_err());
    assert!(error.starts_with("nothing is left to train on"), "{error}");
}

#[test]
fn the_block_size_cuts_and_says_so() {
    let line = r#"{"question":"how?","thinking":"so","answer":"4"}"#;
    let whole = read_lines(line, 1000, false).unwrap();
    let length = whole.documents[0].ids.len();
    assert_eq!((whole.cut, whole.longest), (0, length));
    let cut = read_lines(line, length - 1, false).unwrap();
    assert_eq!((cut.cut, cut.documents[0].ids.len()), (1, length - 1));
    // A block that ends inside the prompt leaves nothing to learn.
    let error = format!("{:#}", read_lines(line, 5, false).unwrap_err());
    assert!(error.contains("1 examples lost all"), "{error}");
}

#[test]
fn the_data_are_told_apart_by_their_bytes_however_they_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.jsonl");
    let bytes = "\u{feff}{\"question\":\"a\",\"answer\":\"b\"}\n\n{\"text\":\"c\"}";
    std::fs::write(&path, bytes).unwrap();
    let data = read(&path, &dialogue(Family::Qwen3), &how(1000, false)).unwrap();
    assert_eq!(data.digest, hex(&Sha256::digest(bytes)));
    assert_eq!(data.records, 2);
}
