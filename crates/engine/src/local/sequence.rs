//! One sequence: a prompt, the tokens after it, the cache that remembers both, and the lanes it is
//! computed for.
//!
//! The invariant that everything here keeps: `cache.len() + pending.len()` is the number of
//! tokens in prompt and trace, and `logits` is present exactly if nothing is pending.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::loaded::Loaded;
use super::lookup::Lookup;
use crate::group::{self, Member, Move};
use s1_core::forcing::{self, Edit, Machine};
use s1_core::loops::Loop;
use s1_core::protocol::{LaneId, LaneState, Request, Speed, Until};
use s1_core::sampling::Sampling;
use s1_core::sentence::ends_sentence;
use s1_core::trace::{Delta, Origin, Phase, Reason, Token, Trace};
use s1_model::cache::Cache;
use s1_model::sampler;
use s1_model::tokenizer::StreamDecoder;

/// Tokens kept free for an answer when only the context bounds the thinking (the reserve of the
/// reference evaluation's `auto` budget).
const ANSWER_RESERVE: usize = 100;
/// Steps that may wait for the one under way: a key held down must not run on for long.
const MAX_STEPS: usize = 8;

pub(super) struct Sequence {
    /// The lanes that share it; the first is the others' host. Never empty.
    pub members: Vec<Member>,
    pub prompt: Vec<u32>,
    pub tokens: Trace,
    pub state: LaneState,
    pub until: Until,
    /// Steps asked for while it was on one.
    pub steps: VecDeque<Until>,
    /// The batch it belongs to, by the id of the batch's first lane.
    pub batch: Option<LaneId>,
    /// How many of its tokens, from the first one of the prompt on, were computed in an earlier
    /// sitting: they are read back, and not counted again.
    pub counted: usize,
    /// Whether it waits for its turn to compute.
    pub waiting: bool,
    /// While it waits without a cache: the sequence whose cache holds its beginning, and how many
    /// tokens of it. That many and `pending` make up its length.
    pub source: Option<(LaneId, usize)>,
    /// `None` after the cache was given up to save memory.
    pub cache: Option<Cache>,
    /// Tokens of prompt and trace that the cache does not hold yet.
    pub pending: Vec<u32>,
    /// Logits after the last token.
    pub logits: Option<Vec<f32>>,
    /// Logits of what may come next.
    pub lookup: Lookup,
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

/// Times of one sequence.
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

    fn speed(&self) -> Speed {
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

impl Sequence {
    /// A sequence whose prompt is still to be read. Errors, as one sentence, where the prompt
    /// leaves the context no room to think and answer.
    pub fn new(model: &Loaded, id: LaneId, request: Request) -> Result<Sequence> {
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
        let machine = Machine::new(request.policy.clone(), model.delimiters.clone(), wait, room)
            .boxed(request.asks_for_box())
            .message(model.tokenizer.encode_plain(&request.policy.ending_text)?);
        let member = Member {
            id,
            request,
            machine,
        };
        Ok(Sequence::of(vec![member], prompt, Trace::default()))
    }

    fn of(members: Vec<Member>, prompt: Vec<u32>, tokens: Trace) -> Sequence {
        let trace = tokens.iter().map(|t| t.id);
        Sequence {
            members,
            pending: prompt.iter().copied().chain(trace).collect(),
            prompt,
            announced: tokens.len(),
            tokens,
            state: LaneState::Prefill,
            until: Until::End,
            steps: VecDeque::new(),
            batch: None,
            counted: 0,
            waiting: false,
            source: None,
            cache: None,
            logits: None,
            lookup: Lookup::default(),
            unscored: 0,
            dropped: 0,
            text: StreamDecoder::new(),
            probed_at: 0,
            probe_wanted: None,
            clock: Clock::new(),
            used: 0,
        }
    }

    /// The sequence with tokens that were written earlier, still to be read.
    pub fn with_tokens(self, model: &Loaded, tokens: Vec<Token>) -> Sequence {
        let mut sequence = Sequence::of(self.members, self.prompt, tokens.into());
        sequence.counted = sequence.len();
        sequence.decode_tail(model);
        sequence
    }

    /// Parts members from the others (`ids`, not all of them), with a copy of what
    /// has been computed; while all places are taken, they wait without one. Where there is no
    /// memory for a copy, everything is computed again, and the error says so.
    pub fn part(
        &mut self,
        model: &Loaded,
        ids: &[LaneId],
        full: bool,
    ) -> (Sequence, Option<anyhow::Error>) {
        let host = self.id();
        let all = std::mem::take(&mut self.members).into_iter();
        let (members, others) = all.partition(|member: &Member| ids.contains(&member.id));
        self.members = others;
        let mut parted = Sequence {
            state: self.state,
            until: self.until,
            batch: self.batch,
            counted: self.counted,
            announced: self.announced,
            unscored: self.unscored,
            dropped: self.dropped,
            text: self.text.clone(),
            clock: self.clock.clone(),
            used: self.used,
            ..Sequence::of(members, self.prompt.clone(), self.tokens.clone())
        };
        let ended = matches!(self.state, LaneState::Stopped(_));
        let cache = self.cache.as_ref().filter(|_| !ended);
        let mut failed = None;
        match cache {
            None => return (parted, None),
            // One that has to wait for its turn needs no memory before.
            Some(cache) if full => {
                parted.source = Some((host, cache.len()));
                parted.waiting = true;
            }
            Some(cache) => match cache.fork(cache.len(), model.context) {
                Ok(copy) => parted.cache = Some(copy),
                Err(error) => failed = Some(error),
            },
        }
        if failed.is_none() {
            parted.pending = self.pending.clone();
            parted.logits = self.logits.clone();
        }
        (parted, failed)
    }

    /// The id it goes by: its first member's.
    pub fn id(&self) -> LaneId {
        self.members[0].id
    }

    /// The rules of its first member. Members agree in everything that was written.
    pub fn machine(&self) -> &Machine {
        &self.members[0].machine
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

    /// Tokens that were told of and are not computed (and counted) yet: the last one, of a sequence
    /// that drew it and waits for its turn.
    pub fn ahead(&self) -> usize {
        let told = self.announced == self.tokens.len() && self.announced > 0 && self.dropped == 0;
        let drawn = told && self.pending.len() == 1 && self.len() > self.counted;
        usize::from(drawn && !self.has_stopped())
    }

    /// How fast it is.
    pub fn speed(&self) -> Speed {
        Speed {
            drafted: self.lookup.drafted,
            taken: self.lookup.taken,
            ..self.clock.speed()
        }
    }

    /// Whether it has yet to read what was computed in an earlier sitting.
    pub fn is_reading_back(&self) -> bool {
        self.len() - self.pending.len() < self.counted.min(self.len())
    }

    /// Whether a next token can be chosen.
    pub fn is_ready(&self) -> bool {
        self.logits.is_some()
    }

    pub fn has_stopped(&self) -> bool {
        matches!(self.state, LaneState::Stopped(_))
    }

    /// Whether it has something to do without being told.
    pub fn is_busy(&self) -> bool {
        !self.waiting
            && (matches!(self.state, LaneState::Prefill | LaneState::Running)
                || self.probe_wanted.is_some())
    }

    /// Whether it writes, or will once it has read what it has to.
    pub fn writes(&self) -> bool {
        match self.state {
            LaneState::Running => true,
            LaneState::Prefill => self.until != Until::Tokens(0),
            LaneState::Paused | LaneState::Stopped(_) => false,
        }
    }

    /// What each member does next.
    pub fn next_moves(&mut self, model: &Loaded) -> Vec<(Move, Vec<LaneId>)> {
        let mut members = std::mem::take(&mut self.members);
        let full = self.len() >= model.context;
        let next = NextToken {
            model,
            sequence: self,
        };
        let moves = group::next_moves(&mut members, full, &next);
        self.members = members;
        moves
    }

    /// The text `id` would add, and the decoder's state after it.
    fn text_of(&self, model: &Loaded, id: u32) -> (String, StreamDecoder) {
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
    ) -> Option<Loop> {
        let (text, decoder) = self.text_of(model, id);
        self.text = decoder;
        let mut token = Token {
            origin,
            reason,
            ..Token::new(id, text, phase)
        };
        match self.logits.take() {
            Some(logits) => {
                super::scores::fill(model, &logits, self.machine().phase(), &mut token);
                model.decoder.recycle([logits]);
            }
            None => self.unscored += 1,
        }
        self.pending.push(id);
        let found = self.members.iter_mut().map(|m| m.machine.push(&token));
        let found = found.fold(None, Option::or);
        self.tokens.apply(&vec![token].into());
        found
    }

    /// The last `n` tokens are pieces of the end of thinking that is about to be completed.
    pub fn relabel(&mut self, n: usize) {
        self.tokens.apply(&Delta {
            relabel: n,
            ..Delta::default()
        });
        self.take_back();
    }

    /// Carries out an edit. The taken back tokens are counted in `dropped`.
    pub fn edit(&mut self, model: &Loaded, edit: Edit) -> Result<()> {
        if edit.takes_back() {
            self.shorten(model, edit.drop);
            self.take_back();
            self.dropped += edit.drop;
        }
        let (forced, kept) = (Origin::Forced, Some(Reason::Kept));
        for id in model.tokenizer.encode_plain(&edit.keep)? {
            self.append(model, id, forced, Phase::Thinking, kept);
        }
        for id in edit.ids {
            self.append(model, id, edit.origin, edit.phase, Some(edit.reason));
        }
        Ok(())
    }

    fn take_back(&mut self) {
        for member in &mut self.members {
            member.machine.take_back(&self.tokens);
        }
    }

    /// Takes tokens off the end of the trace, leaving the machines alone. The last token left is
    /// computed once more, for its logits.
    fn shorten(&mut self, model: &Loaded, drop: usize) {
        if drop == 0 && self.logits.is_some() {
            return;
        }
        self.tokens.apply(&Delta {
            drop,
            ..Delta::default()
        });
        self.unscored = self.unscored.min(self.tokens.len());
        self.logits = None;
        let ids = self.token_ids();
        let most = ids.len().saturating_sub(1);
        let held = match (&mut self.cache, &mut self.source) {
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
        self.counted = self.counted.min(held);
        self.pending = ids[held..].to_vec();
        self.decode_tail(model);
    }

    /// Brings the decoder of the text to the end of the trace.
    fn decode_tail(&mut self, model: &Loaded) {
        self.text = StreamDecoder::new();
        // A character has at most four bytes: the last few tokens tell what is still incomplete.
        let tail = self.tokens.len().saturating_sub(8);
        for token in &self.tokens[tail..] {
            self.text.push(model.tokenizer.token_bytes(token.id));
        }
    }

    /// What was written and has its scores by now, if nobody has been told of it.
    pub fn news(&mut self) -> Option<Delta> {
        if !self.pending.is_empty() {
            return None;
        }
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
        let from = self.tokens.len().saturating_sub(8);
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

    /// The tokens that the next forward pass is to compute beyond the pending one, whose logits are
    /// then used if they are what comes.
    pub fn draft(&mut self) -> Vec<u32> {
        let ready = self.pending.len() == 1 && self.unscored == 0;
        let runs = self.state == LaneState::Running && self.until == Until::End;
        let Some(cache) = self.cache.as_ref().filter(|_| ready && runs) else {
            return Vec::new();
        };
        let room = cache.capacity().saturating_sub(self.len());
        self.lookup.draft(&self.token_ids(), room)
    }

    /// Takes the pending token's logits from an earlier draft, if it was in it.
    pub fn take_drafted(&mut self) -> bool {
        let (&[token], Some(cache)) = (&self.pending[..], &mut self.cache) else {
            self.lookup.drop_rows();
            return false;
        };
        let place = self.prompt.len() + self.tokens.len();
        let Some(row) = self.lookup.take(place, token) else {
            return false;
        };
        if self.unscored > 0 || !cache.restore(1) {
            self.lookup.drop_rows();
            return false;
        }
        self.pending.clear();
        self.logits = Some(row);
        true
    }

    /// Gives up the cache; everything has to be computed again to go on.
    pub fn give_up_cache(&mut self) {
        self.lookup.drop_rows();
        self.cache = None;
        self.source = None;
        self.logits = None;
        self.pending = self.token_ids();
    }
}

/// Where a sequence's next token is drawn.
struct NextToken<'a> {
    model: &'a Loaded,
    sequence: &'a Sequence,
}

impl group::Proposer for NextToken<'_> {
    fn draw(&self, sampling: &Sampling, sample: u64, mask: &[u32], raised: f32) -> Result<u32> {
        let history = if sampling.repetition_penalty == 1.0 {
            Vec::new()
        } else {
            self.sequence.token_ids()
        };
        let mut logits = Cow::Borrowed(self.sequence.logits.as_deref().unwrap_or_default());
        if raised > 0.0 {
            forcing::raise(logits.to_mut(), self.model.delimiters.ends(), raised);
        }
        let vocab = self.model.tokenizer.vocab_size();
        let position = self.sequence.tokens.len() as u64;
        sampler::sample(&logits, vocab, mask, &history, sampling, position, sample)
    }

    fn end_is_among(&self, best: usize) -> bool {
        let logits = self.sequence.logits.as_deref().unwrap_or_default();
        forcing::among_best(logits, self.model.delimiters.ends(), best)
    }

    fn text_of(&self, id: u32) -> String {
        self.sequence.text_of(self.model, id).0
    }
}
