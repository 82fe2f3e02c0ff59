//! One lane: a prompt, the tokens after it, and the cache that remembers both.
//!
//! The invariant that everything here keeps: `cache.len() + pending.len()` is the number of
//! tokens in prompt and trace, and `logits` is present exactly if nothing is pending. A lane that
//! rides on another has neither cache nor logits nor anything pending.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::loaded::Loaded;
use s1_core::forcing::{Edit, Machine};
use s1_core::protocol::{LaneId, LaneState, Request, Speed, Until};
use s1_core::trace::{Origin, Phase, Reason, Token};
use s1_model::cache::Cache;
use s1_model::tokenizer::StreamDecoder;

/// Tokens kept free for an answer when only the context bounds the thinking (the reserve of the
/// reference evaluation's `auto` budget).
const ANSWER_RESERVE: usize = 100;

pub(super) struct Lane {
    pub request: Request,
    pub machine: Machine,
    pub prompt: Vec<u32>,
    pub tokens: Vec<Token>,
    pub state: LaneState,
    pub until: Until,
    /// The lane this one rides on: computed there, as long as both agree.
    pub host: Option<LaneId>,
    /// The row it belongs to, by the id of the row's first lane.
    pub row: Option<LaneId>,
    /// Whether it waits for its turn to compute.
    pub waiting: bool,
    /// While it waits without a cache: the lane whose cache holds its beginning, and how many
    /// tokens of it. That many and `pending` make up its length.
    pub donor: Option<(LaneId, usize)>,
    /// `None` after the cache was given up to save memory.
    pub cache: Option<Cache>,
    /// Tokens of prompt and trace that the cache does not hold yet.
    pub pending: Vec<u32>,
    /// Logits after the last token.
    pub logits: Option<Vec<f32>>,
    /// How many of the last tokens still lack their scores, because the forward pass that gives
    /// them comes after they were written.
    pub unscored: usize,
    /// How many tokens have been told of.
    pub announced: usize,
    /// Tokens taken off the end that nobody has been told of yet.
    pub dropped: usize,
    pub text: StreamDecoder,
    /// Thinking tokens at the last probe.
    pub probed_at: usize,
    /// A probe the user asked for: at this many tokens.
    pub probe_wanted: Option<usize>,
    pub clock: Clock,
    /// For giving up the cache that was used least recently.
    pub used: u64,
}

/// Times of one lane.
#[derive(Clone, Debug)]
pub(super) struct Clock {
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
        }
    }
}

impl Lane {
    /// A lane whose prompt is still to be read. Errors, as one sentence, where the prompt leaves
    /// the context no room to think and answer.
    pub fn new(model: &Loaded, request: Request) -> Result<Lane> {
        let prompt = model.prompt(&request)?;
        let reserve = request.policy.answer_max.min(ANSWER_RESERVE);
        let close = model.delimiters.longest_close();
        let Some(room) = model
            .context
            .checked_sub(prompt.len() + close + reserve.max(1))
        else {
            anyhow::bail!(
                "the prompt has {} tokens and the context holds {}, which leaves no room to think and answer; shorten the question or raise --context",
                prompt.len(),
                model.context
            );
        };
        let wait = model.tokenizer.encode_plain(&request.policy.wait_text)?;
        let machine = Machine::new(request.policy.clone(), model.delimiters.clone(), wait, room);
        Ok(Lane {
            machine,
            pending: prompt.clone(),
            prompt,
            request,
            tokens: Vec::new(),
            state: LaneState::Prefill,
            until: Until::End,
            host: None,
            row: None,
            waiting: false,
            donor: None,
            cache: None,
            logits: None,
            unscored: 0,
            announced: 0,
            dropped: 0,
            text: StreamDecoder::new(),
            probed_at: 0,
            probe_wanted: None,
            clock: Clock::new(),
            used: 0,
        })
    }

    /// Prompt and trace as ids.
    pub fn ids(&self) -> Vec<u32> {
        let trace = self.tokens.iter().map(|t| t.id);
        self.prompt.iter().copied().chain(trace).collect()
    }

    /// Tokens in prompt and trace.
    pub fn len(&self) -> usize {
        self.prompt.len() + self.tokens.len()
    }

    /// Whether a next token can be chosen.
    pub fn is_ready(&self) -> bool {
        self.logits.is_some()
    }

    /// The text `id` would add, and the decoder's state after it.
    pub fn text_of(&self, model: &Loaded, id: u32) -> (String, StreamDecoder) {
        let mut decoder = self.text.clone();
        let text = decoder.push(model.tokenizer.token_bytes(id));
        (text, decoder)
    }

    /// Appends a token. Its scores are filled in here if the logits are at hand, else after the
    /// forward pass that is now due.
    pub fn append(
        &mut self,
        model: &Loaded,
        id: u32,
        origin: Origin,
        phase: Phase,
        reason: Option<Reason>,
    ) -> Option<s1_core::loops::Loop> {
        let (text, decoder) = self.text_of(model, id);
        self.text = decoder;
        let mut token = Token {
            id,
            text,
            origin,
            phase,
            reason,
            logprob: 0.0,
            entropy: 0.0,
            p_end: 0.0,
            top: Vec::new(),
        };
        match self.logits.take() {
            Some(logits) => super::scores::fill(model, &logits, self.machine.phase(), &mut token),
            None => self.unscored += 1,
        }
        self.pending.push(id);
        let found = self.machine.push(&token);
        self.tokens.push(token);
        found
    }

    /// Carries out an edit. The taken back tokens are counted in `dropped`.
    pub fn edit(&mut self, model: &Loaded, edit: Edit) -> Result<()> {
        if edit.takes_back() {
            self.shorten(model, self.tokens.len().saturating_sub(edit.drop));
            self.machine.take_back(&self.tokens);
            self.dropped += edit.drop;
        }
        let keep = model.tokenizer.encode_plain(&edit.keep)?;
        for id in keep {
            self.append(
                model,
                id,
                Origin::Forced,
                Phase::Thinking,
                Some(Reason::Kept),
            );
        }
        for id in edit.ids {
            self.append(model, id, edit.origin, edit.phase, Some(edit.reason));
        }
        Ok(())
    }

    /// Goes back to the first `len` tokens of the trace, leaving the machine alone. The last
    /// token is computed once more, for its logits.
    pub fn shorten(&mut self, model: &Loaded, len: usize) {
        if len == self.tokens.len() && self.logits.is_some() {
            return;
        }
        self.tokens.truncate(len);
        self.unscored = self.unscored.min(len);
        self.logits = None;
        let ids = self.ids();
        let most = ids.len().saturating_sub(1);
        let held = match (&mut self.cache, &mut self.donor) {
            (Some(cache), _) => {
                cache.truncate(most);
                cache.len()
            }
            (None, Some((_, held))) => {
                *held = most.min(*held);
                *held
            }
            (None, None) => 0,
        };
        self.pending = ids[held..].to_vec();
        self.text = StreamDecoder::new();
        // A character has at most four bytes: the last few tokens tell what is still incomplete.
        let tail = ids.len().saturating_sub(8).max(self.prompt.len());
        for &id in &ids[tail..] {
            self.text.push(model.tokenizer.token_bytes(id));
        }
    }

    /// Gives up the cache; everything has to be computed again to go on.
    pub fn give_up_cache(&mut self) {
        self.cache = None;
        self.donor = None;
        self.logits = None;
        self.pending = self.ids();
    }
}
