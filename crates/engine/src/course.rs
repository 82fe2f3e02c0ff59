//! A text under way, and the lanes it is written for: what is the same whoever computes it.
//!
//! Not here: how the next token is come by, and what is remembered to go on from ([`super::local`],
//! [`super::server`]).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::group::Member;
use s1_core::delimiters::Delimiters;
use s1_core::exit::{Look, Sight};
use s1_core::forcing::{Machine, Texts};
use s1_core::protocol::{LaneId, LaneState, Request, Speed, Until};
use s1_core::sentence::ends_sentence;
use s1_core::trace::{Delta, Phase, Token, Trace};
use s1_model::tokenizer::StreamDecoder;

/// Tokens kept free for an answer when only the context bounds the thinking (the reserve of the
/// reference evaluation's `auto` budget).
const ANSWER_RESERVE: usize = 100;
/// Steps that may wait for the one under way: a key held down must not run on for long.
const MAX_STEPS: usize = 8;
/// A character has at most four bytes: the last few tokens tell what is still incomplete.
pub(crate) const TAIL: usize = 8;

pub(crate) struct Course {
    /// The lanes that share it; the first is the others' host. Never empty.
    pub members: Vec<Member>,
    pub prompt: Vec<u32>,
    pub tokens: Trace,
    pub state: LaneState,
    pub until: Until,
    /// Steps asked for while it was on one.
    pub steps: VecDeque<Until>,
    /// How many tokens have been told of.
    pub announced: usize,
    /// Tokens taken off the end that nobody has been told of yet.
    pub dropped: usize,
    pub text: StreamDecoder,
    /// Thinking tokens at the last probe.
    pub probed_at: usize,
    /// A probe the user asked for: at this many tokens.
    pub probe_wanted: Option<usize>,
    pub asked: Asked,
    pub clock: Clock,
}

/// Looks that somebody asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub looks: Vec<Look>,
    /// What was seen so far, in their order.
    pub sights: Vec<Sight>,
}

impl Asked {
    /// Those that are left.
    pub fn left(&self) -> &[Look] {
        self.looks.get(self.sights.len()..).unwrap_or_default()
    }

    /// The next of them.
    pub fn next(&self) -> Option<&Look> {
        self.left().first()
    }

    /// Takes one in; once it was the last, all of them.
    pub fn see(&mut self, sight: Sight) -> Option<Vec<Sight>> {
        self.sights.push(sight);
        let all = self.next().is_none();
        all.then(|| std::mem::take(self).sights)
    }
}

/// Times of one course.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    started: Instant,
    pub first_token: Option<Duration>,
    pub prefill: (usize, Duration),
    pub decode: (usize, Duration),
}

impl Clock {
    pub fn new() -> Clock {
        Clock {
            started: Instant::now(),
            first_token: None,
            prefill: (0, Duration::ZERO),
            decode: (0, Duration::ZERO),
        }
    }

    pub fn token(&mut self) {
        let started = self.started;
        self.first_token.get_or_insert_with(|| started.elapsed());
    }

    pub fn speed(&self) -> Speed {
        let rate = |(n, t): (usize, Duration)| {
            let seconds = t.as_secs_f64();
            if seconds > 0.0 {
                n as f64 / seconds
            } else {
                0.0
            }
        };
        Speed {
            prefill_tok_s: rate(self.prefill),
            decode_tok_s: rate(self.decode),
            time_to_first_token_ms: self.first_token.map_or(0.0, |t| t.as_secs_f64() * 1e3),
            ..Speed::default()
        }
    }
}

/// A lane with nothing written yet, of a prompt of so many tokens; `texts` are those of its policy.
///
/// # Errors
/// Where the prompt leaves the context no room to think and answer.
pub(crate) fn member(
    id: LaneId,
    request: Request,
    prompt: usize,
    context: usize,
    delimiters: &Arc<Delimiters>,
    texts: Texts,
) -> Result<Member> {
    let reserve = request.policy.answer_max.min(ANSWER_RESERVE);
    let close = delimiters.longest_close();
    let Some(room) = context.checked_sub(prompt + close + reserve.max(1)) else {
        bail!(
            "the prompt has {prompt} tokens and the context holds {context}, which leaves no room to think and answer; shorten the question or raise --context"
        );
    };
    let machine = Machine::new(request.policy.clone(), delimiters.clone(), texts, room)
        .boxed(request.asks_for_box());
    Ok(Member {
        id,
        request,
        machine,
    })
}

impl Course {
    pub fn of(members: Vec<Member>, prompt: Vec<u32>, tokens: Trace) -> Course {
        Course {
            members,
            prompt,
            announced: tokens.len(),
            dropped: 0,
            tokens,
            state: LaneState::Prefill,
            until: Until::End,
            steps: VecDeque::new(),
            text: StreamDecoder::new(),
            probed_at: 0,
            probe_wanted: None,
            asked: Asked::default(),
            clock: Clock::new(),
        }
    }

    /// The same for other members, who part from it here.
    pub fn parted(&self, members: Vec<Member>) -> Course {
        Course {
            state: self.state,
            until: self.until,
            announced: self.announced,
            dropped: self.dropped,
            text: self.text.clone(),
            clock: self.clock.clone(),
            ..Course::of(members, self.prompt.clone(), self.tokens.clone())
        }
    }

    /// The id it goes by: its first member's.
    pub fn id(&self) -> LaneId {
        self.members[0].id
    }

    /// The rules of its first member. Members agree in everything that was written.
    pub fn machine(&self) -> &Machine {
        &self.members[0].machine
    }

    /// Where it is to be looked at before anything is chosen, and for which member.
    pub fn look(&self) -> Option<(Look, usize)> {
        let mut members = self.members.iter().enumerate();
        members.find_map(|(i, member)| Some((member.machine.look()?, i)))
    }

    /// Takes in what was seen for a member, for all who would have seen the same; returns whose
    /// lanes they are.
    pub fn see(&mut self, (look, member): (&Look, usize), sight: &Sight) -> Vec<LaneId> {
        let of = |member: &Member| {
            let policy = member.machine.policy();
            let drawn = (member.request.sampling.seed, member.request.sample);
            (policy.ending, policy.final_answer, drawn)
        };
        let same = of(&self.members[member]);
        let members = self.members.iter_mut();
        let members = members.filter(|m| of(m) == same && m.machine.look().as_ref() == Some(look));
        members
            .map(|member| {
                member.machine.see(sight.clone());
                member.id
            })
            .collect()
    }

    /// The ids of all members.
    pub fn ids(&self) -> Vec<LaneId> {
        self.members.iter().map(|member| member.id).collect()
    }

    /// Prompt and trace as token ids.
    pub fn token_ids(&self) -> Vec<u32> {
        let trace = self.tokens.iter().map(|t| t.id);
        self.prompt.iter().copied().chain(trace).collect()
    }

    /// Tokens in prompt and trace.
    pub fn len(&self) -> usize {
        self.prompt.len() + self.tokens.len()
    }

    pub fn has_stopped(&self) -> bool {
        matches!(self.state, LaneState::Stopped(_))
    }

    /// Whether it writes, or will once it has read what it has to.
    pub fn writes(&self) -> bool {
        match self.state {
            LaneState::Running => true,
            LaneState::Prefill => self.until != Until::Tokens(0),
            LaneState::Paused | LaneState::Stopped(_) => false,
        }
    }

    /// The text that `bytes` would add, and the decoder's state after it.
    pub fn text_of(&self, bytes: &[u8]) -> (String, StreamDecoder) {
        let mut decoder = self.text.clone();
        let text = decoder.push(bytes);
        (text, decoder)
    }

    /// Has the rules of all members follow the trace, from which something was taken back.
    pub fn take_back(&mut self) {
        for member in &mut self.members {
            member.machine.take_back(&self.tokens);
        }
    }

    /// What was written, if nobody has been told of it.
    pub fn news(&mut self) -> Option<Delta> {
        let drop = std::mem::take(&mut self.dropped);
        let from = self.announced.saturating_sub(drop).min(self.tokens.len());
        self.announced = self.tokens.len();
        let tokens = self.tokens[from..].to_vec();
        (drop > 0 || !tokens.is_empty()).then_some(Delta {
            drop,
            relabel: 0,
            tokens,
        })
    }

    /// The state after a token: is it where it was told to run to?
    pub fn advance(&mut self) -> LaneState {
        let reached = match (self.state, self.until) {
            (LaneState::Prefill, Until::Tokens(0)) => return LaneState::Paused,
            (LaneState::Prefill, _) => return LaneState::Running,
            (LaneState::Running, Until::Tokens(n)) => {
                self.until = Until::Tokens(n.saturating_sub(1));
                n <= 1
            }
            (LaneState::Running, Until::Sentence) => self.is_at_sentence_end(),
            _ => false,
        };
        if !reached {
            return self.state;
        }
        match self.steps.pop_front() {
            Some(next) => {
                self.until = next;
                self.state
            }
            None => LaneState::Paused,
        }
    }

    /// Whether a sentence has ended here, or the thinking.
    fn is_at_sentence_end(&self) -> bool {
        let from = self.tokens.len().saturating_sub(TAIL);
        let tail: String = self.tokens[from..]
            .iter()
            .map(|t| t.text.as_str())
            .collect();
        let ended = self.machine().phase() == Phase::Answer
            && self.tokens.last().is_some_and(Token::is_delimiter);
        ended || ends_sentence(&tail)
    }

    /// Another step for one that is on a step already.
    pub fn queue(&mut self, step: Until) {
        if self.steps.len() < MAX_STEPS {
            self.steps.push_back(step);
        }
    }
}
