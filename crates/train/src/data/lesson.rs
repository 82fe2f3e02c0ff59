//! A record as what it is to teach: a conversation, or a bare text, whatever shape the record has.
//!
//! What cannot be read as it was meant is refused: nothing that a record says is left out without a
//! word. Not here: how a model sees it (`render`), and the text of a thought (`thought`).

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::thought::{self, Spoken, ThoughtPiece};
use s1_data::records::Record;
use s1_data::records::fields::{self, QUESTIONS, RESPONSES, TRACES, filled, get};

/// Lists of turns.
const CONVERSATIONS: [&str; 3] = ["messages", "conversations", "conversation"];
/// What is said to the model before everything else.
const SYSTEMS: [&str; 2] = ["system", "system_prompt"];
/// In a turn: who speaks, and what.
const ROLES: [&str; 2] = ["role", "from"];
const CONTENTS: [&str; 3] = ["content", "value", "text"];
/// In a turn: whether it is learned.
const FLAGS: [&str; 4] = ["train", "training", "loss", "weight"];
/// Responses that belong to a thought of one name.
const PAIRS: [(&str, &str); 3] = [
    ("deepseek_thinking_trajectory", "deepseek_attempt"),
    ("gemini_thinking_trajectory", "gemini_attempt"),
    ("thinking_trajectories", "attempt"),
];
/// Words in the name of a field that has a thought.
const THOUGHTFUL: [&str; 9] = [
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reasoning",
    "cot",
    "rationale",
    "trajectory",
    "trajectories",
];

/// What a record is to teach.
#[derive(Clone, Debug, PartialEq)]
pub enum Lesson {
    Conversation(Vec<Turn>),
    /// All of it carries loss.
    Text(String),
}

/// One turn of a conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: String,
    /// The assistant's thought, in pieces.
    pub thought: Vec<ThoughtPiece>,
    pub content: String,
    /// Whether the model learns to write it.
    pub learned: bool,
    /// It is an attempt at a question of s1's, which s1 itself marks as the answer.
    pub attempt: bool,
}

impl Lesson {
    /// Leaves of what is to be learned the last turn alone.
    pub fn learn_last(&mut self) {
        if let Lesson::Conversation(turns) = self {
            let mut learned = turns.iter_mut().rev().filter(|turn| turn.learned);
            learned.next();
            learned.for_each(|turn| turn.learned = false);
        }
    }
}

impl Turn {
    fn new(role: &str, content: String) -> Turn {
        Turn {
            role: role.to_owned(),
            content,
            ..Turn::default()
        }
    }
}

/// Reads a record.
///
/// # Errors
/// If it has no shape that is known, or says what cannot be learned as it was meant.
pub fn lesson(record: &Record) -> Result<Lesson> {
    let tools = filled(record, &["tools", "functions"]);
    ensure!(
        // Some write the empty list as a text.
        tools.is_none_or(|(_, tools)| tools == "[]"),
        "it has tools, and a model is asked without any here; leave such records out"
    );
    let turns = if let Some((name, value)) = filled(record, &CONVERSATIONS) {
        let mut turns = conversation(value).with_context(|| format!("its {name:?}"))?;
        attach_thought(record, &mut turns)?;
        Some(turns)
    } else if let (Some(Value::Array(_)), Some(completion)) =
        (get(record, "prompt"), get(record, "completion"))
    {
        Some(continued(get(record, "prompt"), completion)?)
    } else {
        questioned(record)?
    };
    let Some(mut turns) = turns else {
        return match filled(record, &["text"]) {
            Some((_, Value::String(text))) => Ok(Lesson::Text(text.clone())),
            _ => Err(shapeless(record)),
        };
    };
    if let Some((name, system)) = filled(record, &SYSTEMS) {
        let Value::String(system) = system else {
            bail!("its {name:?} is not a text");
        };
        match turns.first() {
            Some(first) if first.role == "system" => ensure!(
                first.content == *system,
                "its {name:?} is not what its conversation begins with"
            ),
            _ => turns.insert(0, Turn::new("system", system.clone())),
        }
    }
    ensure!(
        turns.iter().any(|turn| turn.learned),
        "no turn of the assistant is to be learned"
    );
    Ok(Lesson::Conversation(turns))
}

/// A question and its answer, if the record has both.
fn questioned(record: &Record) -> Result<Option<Vec<Turn>>> {
    let instruction = fields::text(record, &["instruction"]);
    let question = match &instruction {
        Some(instruction) => match fields::text(record, &["input"]) {
            Some(input) => Some(format!("{instruction}\n\n{input}")),
            None => Some(instruction.clone()),
        },
        None => fields::text(record, &QUESTIONS),
    };
    let found = filled(record, &TRACES);
    let pair = PAIRS
        .iter()
        .find(|(trace, _)| found.is_some_and(|(name, _)| name == *trace));
    let own = pair.and_then(|(_, attempt)| fields::text(record, &[attempt]));
    let attempt = own.is_some();
    let answer = own.or_else(|| fields::text(record, &RESPONSES));
    let (Some(question), Some(answer)) = (question, answer) else {
        return Ok(None);
    };
    let thought = match found {
        Some((name, value)) => thought::of_value(value).with_context(|| format!("its {name:?}"))?,
        None => Vec::new(),
    };
    if thought.is_empty() {
        refuse_unread_thought(record)?;
    }
    let Spoken { thought, content } = thought::spoken(thought, &answer)?;
    let answered = Turn {
        thought,
        learned: true,
        attempt,
        ..Turn::new("assistant", content)
    };
    Ok(Some(vec![Turn::new("user", question), answered]))
}

/// Refuses a record without a thought that has a text under a name that is no name of thoughts here
/// but looks like one.
fn refuse_unread_thought(record: &Record) -> Result<()> {
    for (name, value) in record {
        let lower = name.to_lowercase();
        let last = lower.rsplit(|c: char| !c.is_alphanumeric()).next();
        let has = |word: &str| THOUGHTFUL.contains(&word);
        let names_one = lower.split(|c: char| !c.is_alphanumeric()).any(has);
        // `cot_type`, `thinking_budget`: about a thought.
        let is_one = names_one && last.is_some_and(|word| has(word) || word == "trace");
        let text = value.as_str().unwrap_or_default();
        if is_one && text.split_whitespace().count() > 1 {
            bail!(
                "its {name:?} may be a thought, but is not read as one; rename it to \"thinking\""
            );
        }
    }
    Ok(())
}

/// The turns of a conversational prompt and of what completes it, which alone is learned.
fn continued(prompt: Option<&Value>, completion: &Value) -> Result<Vec<Turn>> {
    let prompt = prompt.context("it has no prompt")?;
    let mut turns = conversation(prompt).context("its \"prompt\"")?;
    for turn in &mut turns {
        turn.learned = false;
    }
    match completion {
        Value::String(text) => turns.push(said_by_assistant(text, Vec::new())?),
        list => turns.extend(conversation(list).context("its \"completion\"")?),
    }
    Ok(turns)
}

fn said_by_assistant(text: &str, thought: Vec<ThoughtPiece>) -> Result<Turn> {
    let Spoken { thought, content } = thought::spoken(thought, text)?;
    Ok(Turn {
        thought,
        learned: true,
        ..Turn::new("assistant", content)
    })
}

/// A thought beside a conversation belongs to its only answer.
fn attach_thought(record: &Record, turns: &mut [Turn]) -> Result<()> {
    let Some((name, value)) = filled(record, &TRACES) else {
        return Ok(());
    };
    let thought = thought::of_value(value).with_context(|| format!("its {name:?}"))?;
    let mut answers = turns.iter_mut().filter(|turn| turn.role == "assistant");
    match (answers.next(), answers.next()) {
        (Some(only), None) => {
            // The same thought may be in both places.
            let content = std::mem::take(&mut only.content);
            let spoken = match only.thought.is_empty() {
                true => thought::spoken(thought, &content)?,
                false if thought::same(&only.thought, &thought) => Spoken {
                    thought: std::mem::take(&mut only.thought),
                    content,
                },
                false => bail!("its {name:?} is not the thought in its conversation"),
            };
            (only.thought, only.content) = (spoken.thought, spoken.content);
            Ok(())
        }
        _ => bail!(
            "its {name:?} stands beside a conversation of several answers; put each thought into \
             its turn as \"reasoning_content\""
        ),
    }
}

fn conversation(value: &Value) -> Result<Vec<Turn>> {
    let shape = "is not a list of turns such as {\"role\": \"user\", \"content\": \"…\"}";
    let Value::Array(items) = value else {
        bail!("{shape}");
    };
    let turns = items.iter().enumerate().map(|(i, item)| {
        let item = item.as_object().with_context(|| shape.to_owned())?;
        turn(item).with_context(|| format!("turn {}", i + 1))
    });
    turns.collect()
}

fn turn(turn: &Record) -> Result<Turn> {
    let Some((_, Value::String(role))) = filled(turn, &ROLES) else {
        bail!("it does not say who speaks; give it a \"role\"");
    };
    let role = match role.to_lowercase().as_str() {
        "system" | "developer" => "system",
        "user" | "human" | "prompter" => "user",
        "assistant" | "gpt" | "model" | "bot" | "chatgpt" => "assistant",
        "tool" | "function" | "observation" | "ipython" => "tool",
        other => bail!("the role {other:?} is none of system, user, assistant and tool"),
    };
    ensure!(
        filled(turn, &["tool_calls", "function_call"]).is_none(),
        "it calls tools, which is not learned here; leave such conversations out"
    );
    let learned = flag(turn)?;
    let content = CONTENTS.iter().find_map(|name| get(turn, name));
    let Spoken {
        mut thought,
        content,
    } = match content {
        Some(content) => thought::of_content(content)?,
        None => Spoken::default(),
    };
    if role != "assistant" {
        ensure!(
            learned != Some(true),
            "it is flagged to be learned, and only the assistant's turns are"
        );
        return Ok(Turn::new(role, content));
    }
    if let Some((name, value)) = filled(turn, &TRACES) {
        ensure!(
            thought.is_empty(),
            "it has a thought in its content and another as {name:?}"
        );
        thought = thought::of_value(value).with_context(|| format!("its {name:?}"))?;
    }
    let answered = said_by_assistant(&content, thought)?;
    let learned = learned.unwrap_or(true);
    ensure!(
        !learned || !answered.content.is_empty(),
        "the assistant says nothing in it"
    );
    Ok(Turn {
        learned,
        ..answered
    })
}

/// Whether a turn is flagged to be learned, or not to be.
fn flag(turn: &Record) -> Result<Option<bool>> {
    let Some((name, value)) = filled(turn, &FLAGS) else {
        return Ok(None);
    };
    match value {
        Value::Bool(yes) => Ok(Some(*yes)),
        Value::Number(n) if n.as_f64() == Some(0.0) => Ok(Some(false)),
        Value::Number(n) if n.as_f64() == Some(1.0) => Ok(Some(true)),
        other => {
            bail!("its {name:?} is {other}, and a turn is learned (1, true) or not (0, false)")
        }
    }
}

/// Why a record is none of the shapes.
fn shapeless(record: &Record) -> anyhow::Error {
    let has = |name: &str| get(record, name).is_some_and(|value| !fields::is_blank(value));
    if has("chosen") && has("rejected") {
        return anyhow::anyhow!(
            "it is a pair of a chosen and a rejected answer; name the one to be learned \"answer\""
        );
    }
    let asked = has("instruction") || fields::text(record, &QUESTIONS).is_some();
    let what = if asked { "no answer" } else { "no question" };
    let names: Vec<&str> = record.keys().map(String::as_str).take(12).collect();
    anyhow::anyhow!(
        "it has {what}; of its fields ({}) name them question, thinking and answer, or write messages",
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Lesson> {
        lesson(&serde_json::from_str(line).unwrap())
    }

    /// A conversation as `role[thought]content`, `*` before what is learned.
    fn shown(line: &str) -> String {
        let Lesson::Conversation(turns) = read(line).unwrap() else {
            return "text".into();
        };
        let shown = turns.iter().map(|turn| {
            let mark = if turn.learned { "*" } else { "" };
            let thought: String = turn.thought.iter().map(|p| p.text.as_str()).collect();
            let thought = if thought.is_empty() {
                thought
            } else {
                format!("[{thought}]")
            };
            format!("{mark}{}{thought}{}", &turn.role[..1], turn.content)
        });
        shown.collect::<Vec<_>>().join("|")
    }

    fn refusal(line: &str) -> String {
        format!("{:#}", read(line).unwrap_err())
    }

    #[test]
    fn a_thought_is_found_under_every_name_that_people_use() {
        for name in TRACES {
            let line = format!(r#"{{"question":"Q","{name}":"T","answer":"A"}}"#);
            assert_eq!(shown(&line), "uQ|*a[T]A", "{name}");
            let line = format!(
                r#"{{"messages":[{{"role":"user","content":"Q"}},{{"role":"assistant","content":"A","{name}":"T"}}]}}"#
            );
            assert_eq!(shown(&line), "uQ|*a[T]A", "{name}");
            let line = format!(
                r#"{{"{name}":"T","messages":[{{"role":"user","content":"Q"}},{{"role":"assistant","content":"A"}}]}}"#
            );
            assert_eq!(shown(&line), "uQ|*a[T]A", "{name}");
        }
        let unread = refusal(r#"{"question":"Q","my_reasoning":"two plus two","answer":"A"}"#);
        assert!(
            unread.contains("\"my_reasoning\" may be a thought"),
            "{unread}"
        );
        // About a thought, not one.
        let about =
            r#"{"question":"Q","cot_type":"math and more","thinking_budget":5,"answer":"A"}"#;
        assert_eq!(shown(about), "uQ|*aA");
    }

    #[test]
    fn an_empty_field_does_not_hide_the_next_name() {
        for line in [
            r#"{"question":"Q","answer":null,"solution":"A"}"#,
            r#"{"question":" ","problem":"Q","answer":"","attempt":"A"}"#,
            r#"{"messages":null,"question":"Q","answer":"A"}"#,
            r#"{"messages":[],"conversations":null,"question":"Q","answer":"A","thinking":null}"#,
            r#"{"question":"Q","cot":"","thinking_trajectories":[null,""],"answer":"A"}"#,
        ] {
            assert_eq!(shown(line), "uQ|*aA", "{line}");
        }
        let line = r#"{"question":"Q","thinking":null,"reasoning":"T","answer":"A"}"#;
        assert_eq!(shown(line), "uQ|*a[T]A");
    }

    #[test]
    fn the_shapes_of_other_tools_are_read() {
        for (line, expected) in [
            (
                r#"{"instruction":"Do","input":"this","output":"A"}"#,
                "uDo\n\nthis|*aA",
            ),
            (r#"{"instruction":"Do","input":"","output":"A"}"#, "uDo|*aA"),
            (r#"{"prompt":"Q","completion":"A"}"#, "uQ|*aA"),
            (
                r#"{"prompt":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}],"completion":[{"role":"assistant","content":"d"}]}"#,
                "ua|ab|uc|*ad",
            ),
            (
                r#"{"system":"S","conversations":[{"from":"human","value":"Q"},{"from":"gpt","value":"<|begin_of_thought|>\n\nT\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\nA\n\n<|end_of_solution|>"}]}"#,
                "sS|uQ|*a[T]A",
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"Q"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"T"},{"type":"text","text":"A"}]}]}"#,
                "uQ|*a[T]A",
            ),
            (r#"{"system":"S","question":"Q","answer":"A"}"#, "sS|uQ|*aA"),
            (
                r#"{"question":"Q","thinking_trajectories":["T","U"],"attempt":"A","text":"all of it"}"#,
                "uQ|*a[T\nU]A",
            ),
            (
                r#"{"question":"Q","gemini_thinking_trajectory":"G","gemini_attempt":"g","deepseek_thinking_trajectory":"D","deepseek_attempt":"d","solution":"s"}"#,
                "uQ|*a[D]d",
            ),
            (
                r#"{"question":"Q","gemini_thinking_trajectory":"G","gemini_attempt":"g","deepseek_attempt":"d"}"#,
                "uQ|*a[G]g",
            ),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
        assert_eq!(
            read(r#"{"text":"all"}"#).unwrap(),
            Lesson::Text("all".into())
        );
    }

    #[test]
    fn the_flags_of_a_turn_are_honoured() {
        let line = |flag: &str| {
            format!(
                r#"{{"messages":[{{"role":"user","content":"a"}},{{"role":"assistant","content":"b",{flag}}},{{"role":"user","content":"c"}},{{"role":"assistant","content":"d"}}]}}"#
            )
        };
        for flag in [
            r#""weight":0"#,
            r#""train":false"#,
            r#""training":false"#,
            r#""loss":false"#,
        ] {
            assert_eq!(shown(&line(flag)), "ua|ab|uc|*ad", "{flag}");
        }
        assert_eq!(shown(&line(r#""weight":1"#)), "ua|*ab|uc|*ad");
        assert!(refusal(&line(r#""weight":0.5"#)).contains("its \"weight\" is 0.5"));
        let all =
            line(r#""train":false"#).replace(r#""content":"d""#, r#""content":"d","weight":0.0"#);
        assert!(refusal(&all).contains("no turn of the assistant is to be learned"));
    }

    #[test]
    fn what_is_not_read_is_refused_with_what_to_do() {
        for (line, expected) in [
            (
                r#"{"question":"Q"}"#,
                "it has no answer; of its fields (question)",
            ),
            (
                r#"{"a":1,"b":2}"#,
                "it has no question; of its fields (a, b)",
            ),
            (
                r#"{"prompt":"Q","chosen":"A","rejected":"B"}"#,
                "a chosen and a rejected answer",
            ),
            (
                r#"{"messages":"Q"}"#,
                "its \"messages\": is not a list of turns",
            ),
            (
                r#"{"messages":[{"role":"narrator","content":"x"}]}"#,
                "turn 1: the role \"narrator\"",
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#,
                "a part of its content is an \"image_url\"",
            ),
            (
                r#"{"messages":[{"role":"assistant","content":null,"tool_calls":[1]}]}"#,
                "it calls tools",
            ),
            (
                r#"{"tools":[{"name":"f"}],"question":"Q","answer":"A"}"#,
                "it has tools",
            ),
            (
                r#"{"messages":[{"role":"assistant","content":""}]}"#,
                "says nothing",
            ),
            (
                r#"{"reasoning":"T","messages":[{"role":"assistant","content":"a"},{"role":"assistant","content":"b"}]}"#,
                "several answers",
            ),
            (
                r#"{"system":"S","messages":[{"role":"system","content":"R"},{"role":"assistant","content":"a"}]}"#,
                "is not what its conversation begins with",
            ),
        ] {
            let sentence = refusal(line);
            assert!(sentence.contains(expected), "{sentence}");
        }
    }
}
