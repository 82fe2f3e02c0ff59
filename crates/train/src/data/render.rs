//! A lesson as the model sees it: documents of tokens that say which of them carry loss.
//!
//! Every learned turn follows the very text that the model is asked with ([`Dialogue::prompt`]): the
//! turns before it as the template writes what is over, the thought opened where there is one and
//! skipped where there is none. Where that is not how the document began (templates drop earlier
//! thoughts, say), a new document begins, so that each turn is learned once, as it will be asked for.
//!
//! Not here: what a record means (`lesson`).

use std::ops::Range;

use anyhow::{Result, ensure};

use super::lesson::{Lesson, Turn};
use super::thought::ThoughtPiece;
use super::{Example, ThoughtCut};
use s1_engine::dialogue::Dialogue;
use s1_model::template::Message;

/// More learned turns than any conversation has: each may become a document with all before it.
const MOST_TURNS: usize = 256;
/// Between what s1 asked and what it learned, in texts that are rendered already.
const S1_ANSWERS: &str = "<|im_start|>assistant\n";
const S1_ASKS: &str = "<|im_start|>user";

/// A document, and what is in it.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    pub example: Example,
    /// Turns that carry loss.
    pub turns: usize,
    /// Those of them with a thought.
    pub thoughts: usize,
    /// Those of them whose thought was cut.
    pub shortened: usize,
}

/// The documents of a lesson.
///
/// # Errors
/// If the template refuses it, or a thought or an answer has a mark inside that would end it.
pub fn render(
    lesson: &Lesson,
    dialogue: &Dialogue,
    cut: Option<ThoughtCut>,
) -> Result<Vec<Rendered>> {
    match lesson {
        Lesson::Conversation(turns) => conversation(turns, dialogue, cut),
        Lesson::Text(whole) => Ok(vec![text(whole, dialogue)?]),
    }
}

/// A text, all of which carries loss; of a conversation that is rendered already, what s1 learns of
/// it: the assistant's turns.
fn text(text: &str, dialogue: &Dialogue) -> Result<Rendered> {
    let mut rendered = Rendered {
        turns: 1,
        ..Rendered::default()
    };
    let is_token = |mark: &str| dialogue.tokenizer.id(mark).is_some();
    let mut asked = Vec::new();
    if text.contains(S1_ANSWERS) && is_token("<|im_start|>") {
        let mut at = 0;
        while let Some(answer) = text[at..].find(S1_ANSWERS) {
            let answer = at + answer + S1_ANSWERS.len();
            asked.push(at..answer);
            let next = text[answer..].find(S1_ASKS);
            at = next.map_or(text.len(), |next| answer + next);
        }
        // A question that nobody answers.
        asked.push(at..text.len());
    }
    let example = &mut rendered.example;
    let ids = dialogue.tokenizer.encode_prompt(text)?;
    example.push_silencing(&ids, text, &asked, dialogue);
    let end = dialogue.turn_end;
    let blank = |id: &u32| {
        let bytes = dialogue.tokenizer.token_bytes(*id);
        bytes.iter().all(u8::is_ascii_whitespace)
    };
    // It may bring its own.
    if ids.iter().rev().find(|id| !blank(id)).copied() != end {
        example.end(dialogue);
    }
    Ok(rendered)
}

fn conversation(
    turns: &[Turn],
    dialogue: &Dialogue,
    cut: Option<ThoughtCut>,
) -> Result<Vec<Rendered>> {
    let learned = turns.iter().filter(|turn| turn.learned).count();
    ensure!(
        learned <= MOST_TURNS,
        "it has {learned} turns to be learned, more than {MOST_TURNS}; split it"
    );
    let said: Vec<Message> = turns
        .iter()
        .map(|t| Message::new(&*t.role, &*t.content))
        .collect();
    let mut documents: Vec<Rendered> = Vec::new();
    let mut written = String::new();
    for (index, turn) in turns.iter().enumerate().filter(|(_, turn)| turn.learned) {
        let prompt = dialogue.prompt(&said[..index], !turn.thought.is_empty())?;
        let fresh = prompt
            .strip_prefix(&written)
            .filter(|_| !written.is_empty());
        let ids = match fresh {
            Some(fresh) => dialogue.tokenizer.encode(fresh, false)?,
            None => {
                documents.push(Rendered::default());
                dialogue.tokenizer.encode_prompt(&prompt)?
            }
        };
        let Some(document) = documents.last_mut() else {
            continue;
        };
        document.example.push(&ids, false);
        let Pushed { text: own, was_cut } = document.example.push_turn(turn, dialogue, cut)?;
        document.turns += 1;
        document.shortened += usize::from(was_cut);
        document.thoughts += usize::from(!turn.thought.is_empty());
        let end = dialogue
            .turn_end
            .map_or(&[][..], |id| dialogue.tokenizer.token_bytes(id));
        written = format!("{prompt}{own}{}", String::from_utf8_lossy(end));
    }
    Ok(documents)
}

/// A turn that was added to an example.
struct Pushed {
    /// What was added, without the end of the turn.
    text: String,
    /// Its thought was cut.
    was_cut: bool,
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

    /// Thought and answer of a turn as the model will write them, with its end.
    fn push_turn(
        &mut self,
        turn: &Turn,
        dialogue: &Dialogue,
        cut: Option<ThoughtCut>,
    ) -> Result<Pushed> {
        let spec = &dialogue.delimiters.spec;
        let answer = turn.content.trim();
        let thought: String = turn.thought.iter().map(|p| p.text.as_str()).collect();
        for mark in [&spec.open_tag, &spec.end_tag] {
            let is_inside = |text: &str| !mark.is_empty() && text.contains(mark.as_str());
            ensure!(
                !is_inside(&thought),
                "its thought has {mark:?} inside, which begins or ends a thought of this model"
            );
        }
        let mut text = String::new();
        let mut was_cut = false;
        if !thought.is_empty() {
            let mut silent = silent_ranges(&turn.thought);
            text = thought;
            if spec.newline_first && !text.starts_with('\n') {
                // Such a turn is opened without the newline; the model writes it.
                text.insert(0, '\n');
                for range in &mut silent {
                    *range = range.start + 1..range.end + 1;
                }
            }
            if !text.ends_with('\n') {
                text.push('\n');
            }
            // A thought is text: a mark in it that a vocabulary knows stays that text.
            let typed = dialogue.tokenizer.guard(&text, &[]);
            let ids = dialogue.tokenizer.encode(&typed, false)?;
            let start = self.ids.len();
            self.push_silencing(&ids, &text, &silent, dialogue);
            text = typed.into_owned();
            let cut = cut.filter(|cut| cut.at < ids.len());
            if let Some(cut) = cut {
                self.ids.truncate(start + cut.at);
                self.mask.truncate(start + cut.at);
                text = dialogue.tokenizer.decode(&ids[..cut.at]);
                was_cut = true;
            }
            let close = match &spec.natural_close {
                Some(close) if cut.is_none() => format!("{close}\n"),
                _ => spec.forced_close.clone(),
            };
            let learned = cut.is_none_or(|cut| cut.learned);
            self.push(&dialogue.tokenizer.encode(&close, false)?, learned);
            text.push_str(&close);
        }
        let mark = spec.answer_mark.as_str();
        let marked = !mark.is_empty() && turn.attempt && !answer.contains(mark);
        let answer = if marked {
            format!("{mark} {answer}")
        } else {
            answer.to_owned()
        };
        let answer = dialogue.tokenizer.guard(&answer, &[]);
        self.push(&dialogue.tokenizer.encode(&answer, false)?, true);
        self.end(dialogue);
        text.push_str(&answer);
        Ok(Pushed { text, was_cut })
    }

    /// The tokens of a text of which some bytes carry no loss: a token carries loss if none of its
    /// bytes is silent.
    fn push_silencing(
        &mut self,
        ids: &[u32],
        text: &str,
        silent: &[Range<usize>],
        dialogue: &Dialogue,
    ) {
        let bytes = |id: u32| dialogue.tokenizer.token_bytes(id).len();
        // SentencePiece may put a space in front, others a token that begins every text.
        let all: usize = ids.iter().map(|&id| bytes(id)).sum();
        let extra = all.saturating_sub(text.len());
        let (mut at, mut next) = (0usize, 0);
        for &id in ids {
            let start = at.saturating_sub(extra);
            at += bytes(id);
            let end = at.saturating_sub(extra);
            // In order, and apart: each is left behind once.
            while silent.get(next).is_some_and(|s| s.end <= start) {
                next += 1;
            }
            let is_silent = silent
                .get(next)
                .is_some_and(|s| s.start < end && start < s.end);
            self.push(&[id], !is_silent);
        }
    }
}

/// Byte ranges of the thought that carry no loss.
fn silent_ranges(pieces: &[ThoughtPiece]) -> Vec<Range<usize>> {
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
