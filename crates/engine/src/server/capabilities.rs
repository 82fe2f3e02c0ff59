//! What a server can do, tried rather than believed: servers pass over what they do not know.
//!
//! Not here: doing without what is missing.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

use super::chat;
use super::connect::{self, Remote};
use super::dialect::{Continuation, Drawn};
use super::http::{RequestFault, ServerClient, ServerTimeouts};
use super::stream::continuation;
use crate::LoadOptions;
use s1_core::forcing::Policy;
use s1_core::protocol::{ModelInfo, Request};
use s1_core::sampling::Sampling;

/// A beginning that is read so fast need not be remembered.
const AT_ONCE: Duration = Duration::from_millis(150);
/// The temperature at which even a sure model draws this and that.
const HOT: f32 = 2.0;

/// What was tried, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub what: &'static str,
    pub holds: bool,
    /// What was seen; where it does not hold, what that means.
    pub says: String,
}

/// What was found of one server.
#[derive(Clone, Debug)]
pub struct Examination {
    pub address: String,
    pub model: ModelInfo,
    pub findings: Vec<Finding>,
}

/// Tries what servers can do, each of those that are named.
///
/// # Errors
/// If one cannot be connected to, or breaks while it is tried.
pub fn examine(options: &LoadOptions) -> Result<Vec<Examination>> {
    let clients = connect::clients(options, ServerTimeouts::default())?;
    let examine = |client: ServerClient| {
        let remote = connect::connect(vec![client.clone()], options)?;
        let findings = match remote.chats() {
            true => Chat {
                remote: &remote,
                client: &client,
            }
            .findings()?,
            false => ServerTrial::new(&remote, &client)?.findings()?,
        };
        Ok(Examination {
            address: client.base,
            model: remote.info,
            findings,
        })
    };
    clients.into_iter().map(examine).collect()
}

/// Questions to one server.
struct ServerTrial<'a> {
    remote: &'a Remote,
    client: &'a ServerClient,
    prompt: Vec<u32>,
}

impl ServerTrial<'_> {
    fn new<'a>(remote: &'a Remote, client: &'a ServerClient) -> Result<ServerTrial<'a>> {
        let request = Request {
            question: "Count from one to ten.".into(),
            ..Request::default()
        };
        Ok(ServerTrial {
            prompt: remote.prompt(&request)?,
            remote,
            client,
        })
    }

    fn ask(
        &self,
        prompt: &[u32],
        most: usize,
        (temperature, seed): (f32, u32),
        mask: &[u32],
    ) -> Result<(Vec<Drawn>, Duration), RequestFault> {
        let sampling = Sampling {
            temperature,
            ..Sampling::default()
        };
        let request = self.remote.dialect.request(&Continuation {
            chat: &Value::Null,
            prompt,
            most,
            sampling: &sampling,
            seed,
            mask,
            model: self.remote.model.as_deref(),
        });
        let started = Instant::now();
        let mut reader = self.remote.reader(&Request::default());
        let (mut drawn, mut first) = (Vec::new(), None);
        continuation(
            self.client,
            &self.client.streaming(),
            (self.remote.dialect.path(), &mut reader),
            &request,
            |said| {
                let more = said.as_ref().is_ok_and(|said| said.ending.is_none());
                match said {
                    Ok(said) if !said.drawn.is_empty() => {
                        first.get_or_insert(Ok(started.elapsed()));
                        drawn.extend(said.drawn);
                    }
                    Ok(_) => {}
                    Err(fault) => first = Some(Err(fault)),
                }
                more
            },
        );
        let nothing = || {
            Err(RequestFault::lasting(format!(
                "the server at {} writes nothing",
                self.client.base
            )))
        };
        Ok((drawn, first.unwrap_or_else(nothing)?))
    }

    fn findings(&self) -> Result<Vec<Finding>, RequestFault> {
        let greedy = (0.0, 0);
        let (long, _) = self.ask(&self.prompt, 12, greedy, &[])?;
        let (short, _) = self.ask(&self.prompt, 4, greedy, &[])?;
        let ids = |drawn: &[Drawn]| drawn.iter().map(|d| d.token.id).collect::<Vec<_>>();
        let (long, tops) = (
            ids(&long),
            long.iter().map(|d| d.top.len()).min().unwrap_or(0),
        );
        let short = ids(&short);
        let mut findings = Vec::new();
        let mut found = |what, holds, says: String| findings.push(Finding { what, holds, says });
        found(
            "token ids",
            !long.is_empty(),
            format!("continues {} ids with ids", self.prompt.len()),
        );
        found(
            "length",
            short.len() == 4,
            format!("4 tokens asked for, {} came", short.len()),
        );
        let same = long.starts_with(&short);
        found(
            "greedy repeats",
            same,
            match same {
                true => "the same question, the same text".into(),
                false => "the same question had two texts: runs cannot be repeated exactly".into(),
            },
        );
        found(
            "alternatives",
            tops > 1,
            match tops > 1 {
                true => format!("{tops} for each token; P(end) is known if the end is one of them"),
                false => "none: neither alternatives nor P(end) nor entropy are shown".into(),
            },
        );
        if let Some(&best) = long.first() {
            let (other, _) = self.ask(&self.prompt, 1, greedy, &[best])?;
            let obeyed = ids(&other).first().is_some_and(|&id| id != best);
            found(
                "tokens ruled out",
                obeyed,
                match obeyed {
                    true => "a token that is ruled out does not come".into(),
                    false => {
                        "a token that was ruled out came: --min-thinking may stop a thought".into()
                    }
                },
            );
        }
        let drawn = |seed| {
            self.ask(&self.prompt, 8, (HOT, seed), &[])
                .map(|(d, _)| ids(&d))
        };
        let (one, again, two) = (drawn(11)?, drawn(11)?, drawn(12)?);
        findings.push(seeds(one == again, one != two));
        findings.push(self.memory()?);
        Ok(findings)
    }

    /// Whether a beginning that was read before is read faster.
    fn memory(&self) -> Result<Finding, RequestFault> {
        let room = self.remote.context / 2;
        // Begins like nothing before, and as nothing in an earlier examination.
        let nonce = std::process::id() as usize;
        let of = |i: usize| self.prompt[(i * i + nonce) % self.prompt.len()];
        let long: Vec<u32> = (0..room.min(600)).map(of).collect();
        let (_, cold) = self.ask(&long, 1, (0.0, 0), &[])?;
        let (_, warm) = self.ask(&long, 1, (0.0, 0), &[])?;
        let (fast, holds) = (cold < AT_ONCE, warm * 2 < cold);
        let (cold, warm) = (cold.as_secs_f32(), warm.as_secs_f32());
        let what = match (fast, holds) {
            (_, true) => "",
            (true, _) => ": too fast for a difference",
            (false, false) => ": each edit may read everything again",
        };
        Ok(Finding {
            what: "memory of the beginning",
            holds: holds || fast,
            says: format!(
                "{} tokens read in {cold:.2} s, again in {warm:.2} s{what}",
                long.len()
            ),
        })
    }
}

/// Questions to a server that only chats.
struct Chat<'a> {
    remote: &'a Remote,
    client: &'a ServerClient,
}

/// Thinking pieces after which a reply is long enough to judge it.
const ENOUGH: usize = 64;
/// Two budgets that are tried.
const SHORT: usize = 8;
const LONG: usize = 24;

/// What came of one question.
#[derive(Default)]
struct TrialReply {
    /// Pieces of the thought, and of what follows it.
    thought: Vec<Drawn>,
    answer: Vec<Drawn>,
}

impl Chat<'_> {
    /// The reply, as far as it is of use.
    fn ask(
        &self,
        policy: Policy,
        (temperature, seed): (f32, u64),
    ) -> Result<TrialReply, RequestFault> {
        let request = Request {
            question: "What is 17 times 23? Think about it step by step.".into(),
            sampling: Sampling {
                temperature,
                seed,
                ..Sampling::default()
            },
            policy,
            ..Request::default()
        };
        let end = self.remote.delimiters.spec.end_tag.as_bytes();
        let mut reply = TrialReply::default();
        let mut fault = None;
        let mut over = !request.policy.think;
        let mut reader = self.remote.reader(&request);
        continuation(
            self.client,
            &self.client.streaming(),
            (self.remote.dialect.path(), &mut reader),
            &chat::body(self.remote, &request),
            |said| {
                let said = match said {
                    Ok(said) => said,
                    Err(why) => {
                        fault = Some(why);
                        return false;
                    }
                };
                for drawn in said.drawn {
                    match over {
                        false if drawn.token.bytes.as_deref() == Some(end) => over = true,
                        false => reply.thought.push(drawn),
                        true => reply.answer.push(drawn),
                    }
                }
                said.ending.is_none() && reply.thought.len() < ENOUGH && reply.answer.len() < SHORT
            },
        );
        fault.map_or(Ok(reply), Err)
    }

    fn findings(&self) -> Result<Vec<Finding>, RequestFault> {
        let greedy = (0.0, 0);
        let free = self.ask(Policy::default(), greedy)?;
        let mut findings = Vec::new();
        let mut found = |what, holds, says: String| findings.push(Finding { what, holds, says });
        found(
            "token ids",
            false,
            "none: no waits, cuts, words of yours, branches and probes".into(),
        );
        let thinks = !free.thought.is_empty();
        found(
            "thinking",
            thinks,
            match thinks {
                true => "is told from the answer".into(),
                false => "no thought came: the model has none, or the server leaves it out".into(),
            },
        );
        let thought = |most| {
            let policy = Policy {
                max_thinking: Some(most),
                ..Policy::default()
            };
            self.ask(policy, greedy).map(|reply| reply.thought.len())
        };
        let budget = match (free.thought.len() > LONG, thought(SHORT), thought(LONG)) {
            (false, ..) => (
                false,
                format!(
                    "cannot be told: without one it thinks {} pieces",
                    free.thought.len()
                ),
            ),
            (true, Ok(short), Ok(long)) => (
                short <= SHORT && long <= LONG && long > short,
                format!("{SHORT} and {LONG} tokens allowed, {short} and {long} pieces came"),
            ),
            (true, Err(why), _) | (true, _, Err(why)) => (false, why.to_string()),
        };
        found("budgets", budget.0, budget.1);
        let without = self.ask(
            Policy {
                think: false,
                ..Policy::default()
            },
            greedy,
        );
        found(
            "without thinking",
            without.is_ok(),
            match without {
                Ok(_) => "it answers at once where it is asked to".into(),
                Err(why) => why.to_string(),
            },
        );
        let all = || free.thought.iter().chain(&free.answer);
        let tops = all().map(|drawn| drawn.top.len()).max().unwrap_or(0);
        found(
            "alternatives",
            tops > 1,
            match tops > 1 {
                true => format!("{tops} for each token"),
                false => "none: neither alternatives nor P(end) nor entropy are shown".into(),
            },
        );
        let texts = |reply: &TrialReply| -> Vec<u8> {
            let all = reply.thought.iter().chain(&reply.answer);
            let bytes = all.filter_map(|drawn| drawn.token.bytes.clone());
            bytes.flatten().collect()
        };
        let drawn = |seed| {
            self.ask(Policy::default(), (HOT, seed))
                .map(|reply| texts(&reply))
        };
        let (one, again, two) = (drawn(11)?, drawn(11)?, drawn(12)?);
        findings.push(seeds(one == again, one != two));
        Ok(findings)
    }
}

fn seeds(same: bool, other: bool) -> Finding {
    Finding {
        what: "seeds",
        holds: same && other,
        says: match (same, other) {
            (true, true) => "the same seed draws the same, another one something else".into(),
            (true, false) => "another seed drew the same: samples may not differ".into(),
            (false, _) => "the same seed drew something else: samples cannot be repeated".into(),
        },
    }
}
