//! What an assistant says, parted into thought and answer, however a data set marks the two.
//!
//! Not here: which field has them.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

/// One piece of a thought.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ThoughtPiece {
    pub text: String,
    #[serde(default = "yes")]
    pub loss: bool,
}

fn yes() -> bool {
    true
}

/// What an assistant says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spoken {
    /// In pieces; none where nothing is thought.
    pub thought: Vec<ThoughtPiece>,
    pub content: String,
}

/// How data sets write a thought into a text: what opens it, and what closes it.
const MARKS: [(&str, &str); 4] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|im_start|>think\n", "<|im_start|>answer\n"),
];
/// What may stand around an answer behind a thought.
const ANSWER: (&str, &str) = ("<|begin_of_solution|>", "<|end_of_solution|>");

/// A thought as one text.
fn whole(text: &str) -> Vec<ThoughtPiece> {
    let text = text.trim().to_owned();
    let piece = (!text.is_empty()).then_some(ThoughtPiece { text, loss: true });
    piece.into_iter().collect()
}

fn joined(pieces: &[ThoughtPiece]) -> String {
    pieces.iter().map(|piece| piece.text.as_str()).collect()
}

/// Whether two thoughts have the same words.
pub fn same(a: &[ThoughtPiece], b: &[ThoughtPiece]) -> bool {
    joined(a).trim() == joined(b).trim()
}

/// A field that has a thought: a text, several texts, or pieces of which some carry no loss.
///
/// # Errors
/// If it is something else.
pub fn of_value(value: &Value) -> Result<Vec<ThoughtPiece>> {
    match value {
        Value::String(text) => Ok(whole(text)),
        // As s1 joins them.
        Value::Array(items) if items.iter().all(|item| item.is_string() || item.is_null()) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            Ok(whole(&texts.join("\n")))
        }
        other => {
            let pieces: Vec<ThoughtPiece> = serde_json::from_value(other.clone())
                .context("it is neither a text nor a list of {\"text\": …, \"loss\": …}")?;
            Ok(pieces.into_iter().filter(|p| !p.text.is_empty()).collect())
        }
    }
}

/// The content of a turn: a text, or parts of one.
///
/// # Errors
/// If a part is not text.
pub fn of_content(content: &Value) -> Result<Spoken> {
    let parts = match content {
        Value::String(text) => {
            return Ok(Spoken {
                thought: Vec::new(),
                content: text.clone(),
            });
        }
        Value::Array(parts) => parts,
        _ => bail!("its content is not a text"),
    };
    let (mut thought, mut text) = (String::new(), String::new());
    for part in parts {
        let said = |names: &[&str]| names.iter().find_map(|name| part.get(name)?.as_str());
        let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
        match (kind, part) {
            (_, Value::String(words)) => text.push_str(words),
            ("text" | "input_text" | "output_text", _) => {
                text.push_str(
                    said(&["text", "content"]).context("a part of its content has no text")?,
                );
            }
            ("thinking" | "reasoning", _) => {
                let words = said(&["thinking", "reasoning", "text", "content"]);
                thought.push_str(words.context("a part of its content has no thought")?);
            }
            (kind, _) => {
                bail!("a part of its content is an {kind:?}, and only text is learned here")
            }
        }
    }
    Ok(Spoken {
        thought: whole(&thought),
        content: text,
    })
}

/// Thought and answer of an assistant's turn, where either may be written with marks around it.
///
/// # Errors
/// If there are two thoughts, or one without an end.
pub fn spoken(thought: Vec<ThoughtPiece>, content: &str) -> Result<Spoken> {
    let inside = parted(content)?;
    let (marked, content) = match inside {
        Some((thought, answer)) => (whole(&thought), answer),
        None => (Vec::new(), content.trim().to_owned()),
    };
    let thought = unmarked(thought, &content)?;
    let thought = match (thought.is_empty(), marked.is_empty()) {
        (_, true) => thought,
        (true, false) => marked,
        (false, false) if same(&thought, &marked) => thought,
        (false, false) => bail!("it has a thought of its own, and its answer begins with another"),
    };
    Ok(Spoken { thought, content })
}

/// A thought without the marks that are written anew.
fn unmarked(thought: Vec<ThoughtPiece>, answer: &str) -> Result<Vec<ThoughtPiece>> {
    let [one] = &thought[..] else {
        return Ok(thought);
    };
    let Some((inside, rest)) = parted(&one.text)? else {
        return Ok(thought);
    };
    ensure!(
        one.loss && (rest.is_empty() || rest == answer),
        "its thought goes on behind its end with something other than the answer"
    );
    Ok(whole(&inside))
}

/// A text that has a thought in front, as thought and rest.
fn parted(text: &str) -> Result<Option<(String, String)>> {
    let text = text.trim();
    for (open, close) in MARKS {
        let (is_open, inside) = match text.strip_prefix(open) {
            Some(inside) => (true, inside),
            // The template opened it.
            None => (false, text),
        };
        let Some((thought, rest)) = inside.split_once(close.trim_end()) else {
            ensure!(
                !is_open,
                "a thought begins with {:?} and has no end",
                open.trim_end()
            );
            continue;
        };
        if !is_open && thought.contains(open) {
            continue;
        }
        let rest = rest.trim();
        let bare = rest
            .strip_prefix(ANSWER.0)
            .map(|rest| rest.strip_suffix(ANSWER.1).unwrap_or(rest).trim());
        return Ok(Some((
            thought.trim().to_owned(),
            bare.unwrap_or(rest).to_owned(),
        )));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(thought: &str, content: &str) -> Result<(String, String)> {
        let spoken = spoken(whole(thought), content)?;
        Ok((joined(&spoken.thought), spoken.content))
    }

    #[test]
    fn marks_are_read_and_not_doubled() {
        let both = |thought: &str, content: &str| said(thought, content).unwrap();
        let expected = ("T".to_owned(), "A".to_owned());
        for (thought, content) in [
            ("T", "A"),
            ("", "<think>\nT\n</think>\n\nA"),
            ("", "T</think>A"),
            ("<think>T</think>", "A"),
            ("<think>\nT\n</think>\n\nA", "A"),
            ("T", "<think>T</think>A"),
            ("", "<thinking>T</thinking>A"),
            ("", "<|im_start|>think\nT\n<|im_start|>answer\nA"),
        ] {
            assert_eq!(both(thought, content), expected, "{thought:?} {content:?}");
        }
        // In the midst of an answer it is a word.
        let word = "write <think> first";
        assert_eq!(both("", word), (String::new(), word.to_owned()));
        assert_eq!(
            both("", "<think>\n\n</think>\n\nA"),
            (String::new(), "A".to_owned())
        );
    }

    #[test]
    fn two_thoughts_and_a_thought_without_an_end_are_refused() {
        for (thought, content) in [
            ("T", "<think>U</think>A"),
            ("", "<think>T and no end"),
            ("<think>T</think> B", "A"),
        ] {
            assert!(said(thought, content).is_err(), "{thought:?} {content:?}");
        }
    }
}
