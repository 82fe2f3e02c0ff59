//! Training data: lines of JSON to documents of tokens that say which of them carry loss.
//!
//! A line is one of
//!
//! * a question with `thinking` (or `thinking_trajectories`, `deepseek_thinking_trajectory`) and
//!   `answer` (or `attempt`, `solution`), as in s1K; `thinking` may be a list of
//!   `{"text": …, "loss": false}` pieces, of which some carry no loss;
//! * a conversation, `messages`, in which every turn of the assistant carries loss;
//! * a bare `text`, all of which carries loss.
//!
//! A question is rendered by [`Dialogue::prompt`], which also renders it when the model is asked.
//! Not here: the order in which documents are seen ([`super::batches`]).

use std::io::BufRead;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use serde_json::Value;

use super::network::Example;
use s1_core::delimiters::Family;
use s1_data::records::fields::{self, QUESTIONS, RESPONSES, TRACES, get};
use s1_data::records::{self, Lines, Record};
use s1_engine::dialogue::Dialogue;
use s1_model::template::Message;

/// What a data file gave.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// One document for each example, none longer than the block.
    pub documents: Vec<Example>,
    /// Examples that the block size cut short.
    pub cut: usize,
    /// Examples that lost everything that carries loss to the cut; they are left out.
    pub emptied: usize,
    /// Lines that were left out because something was wrong with them, with what was.
    pub broken: Vec<String>,
    /// Tokens of the longest example before it was cut.
    pub longest: usize,
}

impl Dataset {
    pub fn tokens(&self) -> usize {
        self.documents.iter().map(|d| d.ids.len()).sum()
    }

    pub fn targets(&self) -> usize {
        self.documents.iter().map(Example::targets).sum()
    }
}

/// One piece of a thought.
#[derive(Debug, Deserialize)]
struct ThoughtPiece {
    text: String,
    #[serde(default = "yes")]
    loss: bool,
}

fn yes() -> bool {
    true
}

/// Reads JSON lines (from any source of [`s1_data::records`]) and cuts every example to `block` tokens.
///
/// `skip_broken` leaves lines out that cannot be used, and remembers them; otherwise the first
/// one is an error that names it. Errors also where nothing is left to train on.
pub fn read(path: &Path, dialogue: &Dialogue, block: usize, skip_broken: bool) -> Result<Dataset> {
    parse(records::lines(path)?, dialogue, block, skip_broken)
        .with_context(|| format!("cannot train on {}", path.display()))
}

/// As [`read`], from anything that has lines.
pub fn parse(
    mut lines: Lines<impl BufRead>,
    dialogue: &Dialogue,
    block: usize,
    skip_broken: bool,
) -> Result<Dataset> {
    let mut data = Dataset::default();
    while let Some((number, line)) = lines.next_line()? {
        match example(line, dialogue) {
            Ok(document) => data.add(document, block),
            Err(error) if skip_broken => data.broken.push(format!("line {number}: {error:#}")),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("line {number} (--skip-broken uses the others)"));
            }
        }
    }
    if data.documents.is_empty() {
        bail!(
            "nothing is left to train on: {} lines were unusable, and {} examples lost all that carries loss to the block size",
            data.broken.len(),
            data.emptied
        );
    }
    Ok(data)
}

impl Dataset {
    fn add(&mut self, mut document: Example, block: usize) {
        self.longest = self.longest.max(document.ids.len());
        if document.ids.len() > block {
            self.cut += 1;
            document.ids.truncate(block);
            document.mask.truncate(block);
        }
        if document.targets() == 0 {
            self.emptied += 1;
        } else {
            self.documents.push(document);
        }
    }
}

fn example(line: &[u8], dialogue: &Dialogue) -> Result<Example> {
    let record = records::record(line)?;
    if let Some(messages) = get(&record, "messages") {
        let messages: Vec<Message> = serde_json::from_value(messages.clone())
            .context("messages is not a list of {role, content}")?;
        return conversation(&messages, dialogue);
    }
    if let Some(text) = get(&record, "text").and_then(Value::as_str) {
        let mut document = Example::default();
        document.push(&dialogue.tokenizer.encode_prompt(text)?, true);
        document.end(dialogue);
        return Ok(document);
    }
    let question =
        fields::text(&record, &QUESTIONS).ok_or_else(|| anyhow!("it has no question"))?;
    let answer = fields::text(&record, &RESPONSES).ok_or_else(|| anyhow!("it has no answer"))?;
    traced(&question, &thinking(&record)?, &answer, dialogue)
}

/// The thought in pieces; none where there is no thought.
fn thinking(record: &Record) -> Result<Vec<ThoughtPiece>> {
    let Some(found) = TRACES.iter().find_map(|name| get(record, name)) else {
        return Ok(Vec::new());
    };
    let pieces: Vec<ThoughtPiece> = match found {
        Value::String(text) => vec![ThoughtPiece {
            text: text.clone(),
            loss: true,
        }],
        // s1K keeps several trajectories and trains on the first.
        Value::Array(items) if items.iter().all(Value::is_string) => items
            .first()
            .and_then(Value::as_str)
            .map(|text| ThoughtPiece {
                text: text.to_owned(),
                loss: true,
            })
            .into_iter()
            .collect(),
        other => serde_json::from_value(other.clone())
            .context("thinking is neither a text nor a list of {text, loss}")?,
    };
    Ok(pieces.into_iter().filter(|p| !p.text.is_empty()).collect())
}

/// Question, thought and answer as the model will see and write them.
fn traced(
    question: &str,
    pieces: &[ThoughtPiece],
    answer: &str,
    dialogue: &Dialogue,
) -> Result<Example> {
    let think = !pieces.is_empty();
    let prompt = dialogue.prompt(&[Message::new("user", question)], think)?;
    let mut document = Example::default();
    document.push(&dialogue.tokenizer.encode_prompt(&prompt)?, false);
    let spec = &dialogue.delimiters.spec;
    if think {
        let mut thought: String = pieces.iter().map(|p| p.text.as_str()).collect();
        let mut silent = silent_ranges(pieces);
        if spec.family == Family::S1 && !thought.starts_with('\n') {
            // s1's turn is opened without the newline; the model writes it.
            thought.insert(0, '\n');
            for range in &mut silent {
                *range = range.start + 1..range.end + 1;
            }
        }
        if !thought.ends_with('\n') {
            thought.push('\n');
        }
        document.push_pieces(&thought, &silent, dialogue)?;
        let close = match &spec.natural_close {
            Some(close) => format!("{close}\n"),
            None => spec.forced_close.clone(),
        };
        document.push(&dialogue.tokenizer.encode(&close, false)?, true);
    }
    document.push(&dialogue.tokenizer.encode(answer.trim(), false)?, true);
    document.end(dialogue);
    Ok(document)
}

/// Byte ranges of the thought that carry no loss.
fn silent_ranges(pieces: &[ThoughtPiece]) -> Vec<std::ops::Range<usize>> {
    let mut at = 0;
    let mut ranges = Vec::new();
    for piece in pieces {
        let end = at + piece.text.len();
        if !piece.loss {
            ranges.push(at..end);
        }
        at = end;
    }
    ranges
}

/// A conversation, with loss on every turn of the assistant.
fn conversation(messages: &[Message], dialogue: &Dialogue) -> Result<Example> {
    let mut document = Example::default();
    let mut written = String::new();
    let mut turns = 0;
    for (index, message) in messages.iter().enumerate() {
        if message.role != "assistant" {
            continue;
        }
        let prompt = dialogue.template.render(&messages[..index], true, None)?;
        // Templates that change earlier turns (dropping their thoughts, say) cannot be laid end
        // to end; then the conversation is trained on from its last such turn on.
        let fresh = match prompt.strip_prefix(&written) {
            Some(fresh) if turns > 0 => dialogue.tokenizer.encode(fresh, false)?,
            _ => {
                document = Example::default();
                dialogue.tokenizer.encode_prompt(&prompt)?
            }
        };
        document.push(&fresh, false);
        document.push(&dialogue.tokenizer.encode(&message.content, false)?, true);
        document.end(dialogue);
        let end = dialogue
            .turn_end
            .map_or(&[][..], |id| dialogue.tokenizer.token_bytes(id));
        written = format!(
            "{prompt}{}{}",
            message.content,
            String::from_utf8_lossy(end)
        );
        turns += 1;
    }
    if turns == 0 {
        bail!("no message is the assistant's");
    }
    Ok(document)
}

impl Example {
    fn push(&mut self, ids: &[u32], loss: bool) {
        self.ids.extend_from_slice(ids);
        self.mask.resize(self.ids.len(), loss);
    }

    /// The end of the turn, which carries loss: a model has to learn to stop.
    fn end(&mut self, dialogue: &Dialogue) {
        if let Some(end) = dialogue.turn_end {
            self.push(&[end], true);
        }
    }

    /// A text of which some bytes carry no loss. It is split into tokens as a whole, as it will
    /// be written; a token carries loss if none of its bytes is silent.
    fn push_pieces(
        &mut self,
        text: &str,
        silent: &[std::ops::Range<usize>],
        dialogue: &Dialogue,
    ) -> Result<()> {
        let ids = dialogue.tokenizer.encode(text, false)?;
        let bytes = |id: u32| dialogue.tokenizer.token_bytes(id).len();
        // SentencePiece may put a space in front.
        let extra = ids
            .iter()
            .map(|&id| bytes(id))
            .sum::<usize>()
            .saturating_sub(text.len());
        let mut at = 0usize;
        for id in ids {
            let start = at.saturating_sub(extra);
            at += bytes(id);
            let end = at.saturating_sub(extra);
            let carries = !silent.iter().any(|s| s.start < end && start < s.end);
            self.push(&[id], carries);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use s1_engine::LoadOptions;
    use s1_model::fixture::tiny_gguf;
    use s1_model::gguf::Gguf;

    fn dialogue() -> Dialogue {
        let gguf = Gguf::from_bytes(tiny_gguf("qwen3", 1)).unwrap();
        Dialogue::of(&gguf, &LoadOptions::default(), "tiny").unwrap()
    }

    fn read_lines(text: &str, block: usize, skip: bool) -> Result<Dataset> {
        parse(Lines::new(text.as_bytes()), &dialogue(), block, skip)
    }

    /// The document's text, with what carries no loss in brackets.
    fn shown(document: &Example) -> String {
        let dialogue = dialogue();
        let mut out = String::new();
        let mut silent = false;
        for (&id, &carries) in document.ids.iter().zip(&document.mask) {
            if silent == carries {
                out.push(if carries { ']' } else { '[' });
                silent = !carries;
            }
            out.push_str(&String::from_utf8_lossy(dialogue.tokenizer.token_bytes(id)));
        }
        out
    }

    const PROMPT: &str = "[<|im_start|>user\nhow?<|im_end|>\n<|im_start|>assistant\n<think>\n";

    #[test]
    fn a_trace_is_rendered_as_it_will_be_generated() {
        for line in [
            r#"{"question":"how?","thinking":"so","answer":"4"}"#,
            r#"{"question":"how?","thinking_trajectories":["so","or so"],"attempt":"4"}"#,
            r#"{"question":"how?","deepseek_thinking_trajectory":"so","solution":4}"#,
        ] {
            let data = read_lines(line, 1000, false).unwrap();
            assert_eq!(
                shown(&data.documents[0]),
                format!("{PROMPT}]so\n</think>\n\n4<|im_end|>"),
                "{line}"
            );
        }
        let data = read_lines(r#"{"question":"how?","answer":"4"}"#, 1000, false).unwrap();
        assert_eq!(
            shown(&data.documents[0]),
            format!("{PROMPT}\n</think>\n\n]4<|im_end|>")
        );
    }

    #[test]
    fn pieces_without_loss_are_seen_but_not_learned() {
        let line = r#"{"question":"how?","thinking":[{"text":"a"},{"text":"wrong","loss":false},{"text":"b\n"}],"answer":"4"}"#;
        let data = read_lines(line, 1000, false).unwrap();
        assert_eq!(
            shown(&data.documents[0]),
            format!("{PROMPT}]a[wrong]b\n</think>\n\n4<|im_end|>")
        );
    }

    #[test]
    fn every_turn_of_the_assistant_carries_loss() {
        let line = r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"d"}]}"#;
        let data = read_lines(line, 1000, false).unwrap();
        assert_eq!(
            shown(&data.documents[0]),
            "[<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n]b<|im_end|>[\n\
             <|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n]d<|im_end|>"
        );
        let bare = read_lines(r#"{"text":"1+1=2"}"#, 1000, false).unwrap();
        assert_eq!(shown(&bare.documents[0]), "1+1=2<|im_end|>");
    }

    #[test]
    fn bad_lines_are_named_and_can_be_left_out() {
        let text = "{\"question\":\"a\",\"answer\":\"b\"}\n\n{\"question\":\"a\"}\nnonsense\n";
        let error = format!("{:#}", read_lines(text, 1000, false).unwrap_err());
        assert_eq!(
            error,
            "line 3 (--skip-broken uses the others): it has no answer"
        );
        let data = read_lines(text, 1000, true).unwrap();
        assert_eq!((data.documents.len(), data.broken.len()), (1, 2));
        assert_eq!(data.broken[0], "line 3: it has no answer");
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
}
