//! Servers that only chat: Ollama, LM Studio, and whatever else has OpenAI's chat completions alone.
//!
//! Such a server is given a conversation and writes a reply. It takes no token ids, so nothing continues
//! from a text that was edited: there are no waits, cuts, words of one's own, branches and probes, and
//! each of these says so. What is left is to watch, and the server's own budgets: the bound on the
//! thinking goes along with the request, and a thought that goes on beyond it is held with a sentence.
//!
//! The pieces of text that arrive stand for tokens. Where the server gives log-probabilities they are
//! its tokens; else they are what it sends at once, which is one token in most. A piece has an id of
//! its own here, by its text.

use serde_json::{Value, json};

use super::connect::Remote;
use super::dialect::{self, Considered, Drawn, Said, StreamEnd, TOP, logprob, parsed};
use crate::dialogue;
use s1_core::forcing::{Edit, OnLoop, Policy, Priming};
use s1_core::protocol::{Ask, Command, Request};
use s1_core::trace::{Phase, Reason};

/// The end of a reply, as a piece of its own.
pub(super) const TURN: &str = "<|end of the reply|>";
/// No reply is longer, in bytes.
const LONGEST: usize = 8 << 20;
/// What all refusals end in.
pub(super) const INSTEAD: &str = "llama.cpp's server, vLLM and SGLang can be steered";

/// How thinking is marked in a reply, where the server leaves it there.
#[derive(Clone, Debug)]
pub(super) struct Tags {
    pub open: String,
    pub end: String,
}

/// Why a server that only chats cannot be asked this; `None` if it can.
pub(super) fn refusal(request: &Request) -> Option<String> {
    let what = match (request.raw, request.probe_every) {
        (true, _) => "a prompt without the chat template",
        (false, Some(_)) => "probes",
        (false, None) => request.policy.steers()?,
    };
    Some(format!(
        "this server only chats: it takes no token ids, so {what} cannot be had from it; {INSTEAD}"
    ))
}

/// Why a command can do nothing on a server that only chats; `None` if it can.
pub(super) fn cannot(command: &Command) -> Option<String> {
    let what = match command {
        // Named one by one, so that a new one is not let through.
        Command::Ask(_, ask) => match ask {
            Ask::Wait | Ask::WaitAtEnd => "no wait can be written into its thought",
            Ask::Cut | Ask::CutAtSentence(_) | Ask::WrapUp => "its thought cannot be cut",
            Ask::Inject(_) => "no words can be written into its thought",
            Ask::Choose(_) => "no other token can be chosen",
        },
        Command::Probe(..) | Command::ProbeEvery(_, Some(_)) => "its answer cannot be probed",
        Command::Look(..) => "it cannot be asked about a place in its thought",
        Command::Budget(..) | Command::Policy(..) | Command::Sampling(..) => {
            "this holds when it is started again"
        }
        _ => return None,
    };
    Some(format!(
        "this server only chats: it takes no token ids, so {what}; {INSTEAD}"
    ))
}

/// Why a text of it cannot be branched.
pub(super) fn no_branch() -> String {
    format!(
        "this server only chats: it takes no token ids, so no branch can go on from a place in its text; {INSTEAD}"
    )
}

/// The rules that are followed here: those of the request that only watch.
pub(super) fn rules(policy: &Policy) -> Policy {
    Policy {
        final_answer: Priming::Off,
        on_loop: OnLoop::Report,
        ..policy.clone()
    }
}

/// What becomes of something that the rules want to write behind the `thinking` tokens so far: nothing
/// can be written, but the end of a thought that the server itself ends at the budget is that end.
pub(super) fn instead(
    edit: Edit,
    next: Option<&Drawn>,
    end: &[u32],
) -> Result<Option<Edit>, String> {
    let Some(next) = next else {
        return Ok(None);
    };
    if edit.phase == Phase::Answer && end.contains(&next.token.id) {
        return Ok(Some(Edit {
            drop: 0,
            keep: String::new(),
            ids: vec![next.token.id],
            ..edit
        }));
    }
    Err(match edit.reason {
        Reason::Budget => format!(
            "this server passes over the thinking budget: the thought goes on beyond it, and cannot be cut, as a server that only chats takes no token ids; ask without a budget, or {INSTEAD}"
        ),
        _ => format!("nothing can be written into the text of a server that only chats; {INSTEAD}"),
    })
}

/// What is asked for a request. Names for the same thing stand beside each other: servers pass over
/// those that are not theirs.
pub(super) fn body(remote: &Remote, request: &Request) -> Value {
    let (policy, sampling) = (&request.policy, &request.sampling);
    let seed = dialect::seed(sampling.seed, request.sample, 0);
    let messages = dialogue::messages(request);
    let messages = messages
        .iter()
        .map(|m| json!({"role": m.role, "content": m.content}));
    let thinks = thinks(policy);
    let mut switches = json!({"enable_thinking": thinks, "thinking": thinks});
    let mut body = json!({
        "messages": messages.collect::<Value>(),
        "stream": true,
        "logprobs": true,
        "top_logprobs": TOP,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repeat_penalty": sampling.repetition_penalty,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "seed": seed,
    });
    if let Some(model) = &remote.model {
        body["model"] = model.as_str().into();
    }
    if !thinks {
        body["reasoning_effort"] = "none".into();
    } else if let Some(most) = policy.max_thinking {
        body["thinking_budget_tokens"] = most.into();
        body["thinking_token_budget"] = most.into();
    }
    for (name, value) in &remote.switches.0 {
        if name == "reasoning_effort" && thinks {
            body[name] = value.clone();
        }
        switches[name] = value.clone();
    }
    body["chat_template_kwargs"] = switches;
    body
}

/// Whether it is to think at all.
pub(super) fn thinks(policy: &Policy) -> bool {
    policy.think && policy.max_thinking != Some(0)
}

/// Reads the events of one reply.
pub(super) struct ChatReader {
    tags: Tags,
    /// Whether the rules expect a thought and its end, and whether one was asked for.
    ends: bool,
    thinks: bool,
    at: At,
    /// What may be the beginning of a tag.
    held: String,
    read: usize,
}

/// Where in a reply.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Start,
    /// In a thought that the server keeps apart.
    Apart,
    /// In a thought between tags.
    Tagged,
    Answer,
}

impl ChatReader {
    pub fn new(tags: Tags, policy: &Policy) -> ChatReader {
        ChatReader {
            tags,
            ends: policy.think,
            thinks: thinks(policy),
            at: At::Start,
            held: String::new(),
            read: 0,
        }
    }

    /// # Errors
    /// If the event makes no sense, in a few words.
    pub fn read(&mut self, event: &str) -> Result<Said, String> {
        let mut drawn = Vec::new();
        let json = match event {
            "[DONE]" => Value::Null,
            event => parsed(event)?,
        };
        let choice = json.pointer("/choices/0");
        let Some(choice) = choice.filter(|_| event != "[DONE]") else {
            let ending = (event == "[DONE]").then_some(StreamEnd::Turn);
            // Without a choice it tells of the use.
            self.end(ending, &mut drawn)?;
            return Ok(Said {
                drawn,
                ending,
                written: None,
            });
        };
        let text = |name: &str| {
            let text = choice.pointer(&format!("/delta/{name}"));
            text.and_then(Value::as_str).filter(|text| !text.is_empty())
        };
        let tokens = choice.pointer("/logprobs/content");
        let tokens: Vec<Drawn> = tokens
            .and_then(Value::as_array)
            .and_then(|tokens| tokens.iter().map(token).collect())
            .unwrap_or_default();
        if let Some(thought) = text("reasoning_content").or(text("reasoning")) {
            self.count(thought)?;
            if self.at == At::Start {
                self.at = At::Apart;
            }
            self.push(thought, &tokens, &mut drawn)?;
        }
        if let Some(text) = text("content") {
            self.count(text)?;
            self.held.push_str(text);
            self.content(&tokens, &mut drawn)?;
        }
        let ending = match choice.get("finish_reason").and_then(Value::as_str) {
            None => None,
            Some("length") => Some(StreamEnd::Limit),
            Some(_) => Some(StreamEnd::Turn),
        };
        self.end(ending, &mut drawn)?;
        Ok(Said {
            drawn,
            ending,
            written: None,
        })
    }

    fn count(&mut self, text: &str) -> Result<(), String> {
        self.read += text.len();
        match self.read > LONGEST {
            true => Err("a reply of more than 8 MiB".into()),
            false => Ok(()),
        }
    }

    /// Takes what is held as far as it is clear what it is.
    fn content(&mut self, tokens: &[Drawn], drawn: &mut Vec<Drawn>) -> Result<(), String> {
        loop {
            let held = std::mem::take(&mut self.held);
            match self.at {
                At::Start => {
                    let text = held.trim_start();
                    let open = self.tags.open.as_str();
                    if !open.is_empty() && text.starts_with(open) {
                        self.at = At::Tagged;
                        self.held = text[open.len()..].to_owned();
                    } else if open.starts_with(text) {
                        self.held = held;
                        return Ok(());
                    } else {
                        self.close(drawn);
                        self.held = held;
                    }
                }
                At::Apart => {
                    self.close(drawn);
                    self.held = held;
                }
                At::Tagged => match held.find(&self.tags.end) {
                    Some(at) => {
                        self.push(&held[..at], tokens, drawn)?;
                        self.close(drawn);
                        self.held = held[at + self.tags.end.len()..].to_owned();
                    }
                    None => {
                        let from = begun(&held, &self.tags.end);
                        self.push(&held[..from], tokens, drawn)?;
                        self.held = held[from..].to_owned();
                        return Ok(());
                    }
                },
                At::Answer => return self.push(&held, tokens, drawn),
            }
        }
    }

    /// What is left at the end.
    fn end(&mut self, ending: Option<StreamEnd>, drawn: &mut Vec<Drawn>) -> Result<(), String> {
        if ending.is_none() {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        if self.at == At::Start && !held.trim().is_empty() {
            self.close(drawn);
        }
        self.push(&held, &[], drawn)?;
        if self.at != At::Answer && ending == Some(StreamEnd::Turn) {
            self.close(drawn);
        }
        Ok(())
    }

    /// The end of the thought.
    fn close(&mut self, drawn: &mut Vec<Drawn>) {
        self.at = At::Answer;
        if self.ends {
            drawn.push(unscored(self.tags.end.as_bytes()));
        }
    }

    /// A text: as the tokens that it consists of, if they are known, else in one piece.
    fn push(&self, text: &str, tokens: &[Drawn], drawn: &mut Vec<Drawn>) -> Result<(), String> {
        if self.at != At::Answer && !self.thinks {
            return match text.trim().is_empty() {
                // Some write a thought of nothing then.
                true => Ok(()),
                false => Err("a thought, where it was asked for none".into()),
            };
        }
        let bytes = tokens.iter().filter_map(|t| t.token.bytes.as_deref());
        match text {
            "" => {}
            text if bytes.flatten().eq(text.as_bytes()) => drawn.extend_from_slice(tokens),
            text => drawn.push(unscored(text.as_bytes())),
        }
        Ok(())
    }
}

/// Where the text may go on to be `tag`; its end if nowhere.
fn begun(text: &str, tag: &str) -> usize {
    let from = text.len().saturating_sub(tag.len());
    let mut places = (from..text.len()).filter(|&i| text.is_char_boundary(i));
    places
        .find(|&i| tag.starts_with(&text[i..]))
        .unwrap_or(text.len())
}

fn unscored(bytes: &[u8]) -> Drawn {
    Drawn {
        token: Considered {
            id: 0,
            bytes: Some(bytes.to_vec()),
            logprob: 0.0,
        },
        top: Vec::new(),
    }
}

/// A token with its log-probability and alternatives. Its id is that of its text, which is given later.
fn token(json: &Value) -> Option<Drawn> {
    let considered = |json: &Value| {
        let byte = |b: &Value| u8::try_from(b.as_u64()?).ok();
        let bytes = match json.get("bytes").and_then(Value::as_array) {
            Some(bytes) => bytes.iter().map(byte).collect::<Option<_>>()?,
            None => json.get("token")?.as_str()?.as_bytes().to_vec(),
        };
        Some(Considered {
            id: 0,
            bytes: Some(bytes),
            logprob: logprob(json.get("logprob")),
        })
    };
    let top = json.get("top_logprobs").and_then(Value::as_array);
    let top = top.into_iter().flatten().take(TOP).map(considered);
    Some(Drawn {
        token: considered(json)?,
        top: top.collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(policy: &Policy) -> ChatReader {
        let tags = Tags {
            open: "<think>".into(),
            end: "</think>".into(),
        };
        ChatReader::new(tags, policy)
    }

    fn texts(reader: &mut ChatReader, deltas: &[Value]) -> Result<Vec<String>, String> {
        let mut texts = Vec::new();
        for delta in deltas {
            let event = json!({"choices": [{"delta": delta}]}).to_string();
            for drawn in reader.read(&event)?.drawn {
                let bytes = drawn.token.bytes.unwrap_or_default();
                texts.push(String::from_utf8(bytes).unwrap());
            }
        }
        Ok(texts)
    }

    #[test]
    fn a_thought_is_told_from_the_answer_however_a_server_marks_it() {
        let policy = Policy::default();
        for name in ["reasoning_content", "reasoning"] {
            let deltas = [
                json!({"role": "assistant", "content": null}),
                json!({name: "a"}),
                json!({name: "b"}),
                json!({"content": "c"}),
            ];
            let all = texts(&mut reader(&policy), &deltas).unwrap();
            assert_eq!(all, ["a", "b", "</think>", "c"]);
        }
        let tagged = ["\n<thi", "nk>a", " < b", "</th", "ink>", "c"].map(|t| json!({"content": t}));
        let all = texts(&mut reader(&policy), &tagged).unwrap();
        assert_eq!(all, ["a", " < b", "</think>", "c"]);
        let none = [json!({"content": "At once."})];
        let all = texts(&mut reader(&policy), &none).unwrap();
        assert_eq!(all, ["</think>", "At once."]);
    }

    #[test]
    fn a_thought_that_was_not_asked_for_is_said_and_an_empty_one_is_not() {
        let policy = Policy {
            think: false,
            ..Policy::default()
        };
        let empty = ["<think>\n\n</think>\n\n", "7"].map(|t| json!({"content": t}));
        let all = texts(&mut reader(&policy), &empty).unwrap();
        assert_eq!(all, ["\n\n", "7"]);
        let thought = [json!({"reasoning": "So"})];
        let why = texts(&mut reader(&policy), &thought).unwrap_err();
        assert!(why.contains("asked for none"), "{why}");
    }

    #[test]
    fn tokens_are_taken_where_they_make_up_the_text_and_the_text_where_they_do_not() {
        let mut reader = reader(&Policy::default());
        let tokens = json!([
            {"token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": [{"token": "x", "bytes": [120], "logprob": -1.0}]},
            {"token": "b", "bytes": null, "logprob": -0.25, "top_logprobs": []},
        ]);
        let event = |text: &str| {
            json!({"choices": [{"delta": {"reasoning": text}, "logprobs": {"content": tokens}}]})
                .to_string()
        };
        let said = reader.read(&event("ab")).unwrap();
        let scored: Vec<f32> = said.drawn.iter().map(|d| d.token.logprob).collect();
        assert_eq!(scored, [-0.5, -0.25]);
        assert_eq!(said.drawn[0].top[0].bytes.as_deref(), Some(&b"x"[..]));
        let said = reader.read(&event("other")).unwrap();
        assert_eq!(said.drawn.len(), 1);
        assert!(said.drawn[0].top.is_empty());
    }

    #[test]
    fn a_reply_ends_as_the_server_says() {
        let end = |reason: &str| {
            let mut reader = reader(&Policy::default());
            let event = json!({"choices": [{"delta": {"reasoning": "a"}}]}).to_string();
            reader.read(&event).unwrap();
            let event = json!({"choices": [{"delta": {}, "finish_reason": reason}]}).to_string();
            let said = reader.read(&event).unwrap();
            (said.drawn.len(), said.ending)
        };
        assert_eq!(
            end("stop"),
            (1, Some(StreamEnd::Turn)),
            "the thought ends, too"
        );
        assert_eq!(end("length"), (0, Some(StreamEnd::Limit)));
        let why = reader(&Policy::default()).read("{\"error\": \"busy\"}");
        assert!(why.unwrap_err().contains("busy"));
    }
}
