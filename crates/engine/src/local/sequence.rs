//! One sequence: a course, and the cache that remembers its prompt and its tokens.
//!
//! The invariant that everything here keeps: `cache.len() + pending.len()` is the number of
//! tokens in prompt and trace, and `logits` is present exactly if nothing is pending.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use anyhow::{Result, bail};

use super::loaded::Loaded;
use super::lookup::Lookup;
use crate::course::{self, Course, TAIL};
use crate::group::{self, Member, Move};
use crate::outlet::{Disconnected, Outlet};
use crate::steer::Steered;
use s1_core::forcing::{self, Edit, Texts};
use s1_core::loops::Loop;
use s1_core::protocol::{LaneId, LaneState, Request, Speed, Until};
use s1_core::sampling::Sampling;
use s1_core::trace::{Delta, Origin, Phase, Reason, Token, Trace};
use s1_model::cache::Cache;
use s1_model::logits::PositionLogits;
use s1_model::tokenizer::StreamDecoder;

pub(super) struct Sequence {
    /// Its text, and the lanes it is written for.
    course: Course,
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
    pub logits: Option<PositionLogits>,
    /// Logits of what may come next.
    pub lookup: Lookup,
    /// How many of the last tokens still lack their scores, because the forward pass that gives
    /// them comes after they were written.
    pub unscored: usize,
    /// For giving up the cache that was used least recently.
    pub used: u64,
}

impl Deref for Sequence {
    type Target = Course;

    fn deref(&self) -> &Course {
        &self.course
    }
}

impl DerefMut for Sequence {
    fn deref_mut(&mut self) -> &mut Course {
        &mut self.course
    }
}

impl Sequence {
    /// A sequence whose prompt is still to be read. Errors, as one sentence, where the prompt
    /// leaves the context no room to think and answer.
    pub fn new(model: &Loaded, id: LaneId, request: Request) -> Result<Sequence> {
        let prompt = model.prompt(&request)?;
        let texts = Texts::of(&request.policy, |text| model.tokenizer.encode_plain(text))?;
        let (len, context) = (prompt.len(), model.context);
        let member = course::member(id, request, len, context, &model.delimiters, texts)?;
        Ok(Sequence::of(vec![member], prompt, Trace::default()))
    }

    fn of(members: Vec<Member>, prompt: Vec<u32>, tokens: Trace) -> Sequence {
        let course = Course::of(members, prompt, tokens);
        Sequence {
            pending: course.token_ids(),
            course,
            batch: None,
            counted: 0,
            waiting: false,
            source: None,
            cache: None,
            logits: None,
            lookup: Lookup::default(),
            unscored: 0,
            used: 0,
        }
    }

    /// The sequence with tokens that were written earlier, still to be read.
    pub fn with_tokens(self, model: &Loaded, tokens: Vec<Token>) -> Sequence {
        let mut sequence = Sequence::of(self.course.members, self.course.prompt, tokens.into());
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
        let course = self.course.parted(members);
        let mut parted = Sequence {
            pending: course.token_ids(),
            course,
            batch: self.batch,
            counted: self.counted,
            unscored: self.unscored,
            used: self.used,
            ..Sequence::of(Vec::new(), Vec::new(), Trace::default())
        };
        let ended = self.has_stopped();
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

    /// Whether it has something to do without being told.
    pub fn is_busy(&self) -> bool {
        !self.waiting
            && (matches!(self.state, LaneState::Prefill | LaneState::Running)
                || self.probe_wanted.is_some()
                || self.asked.next().is_some())
    }

    /// Puts it, and so every lane it is computed for, into a state.
    pub fn set_state(&mut self, events: &Outlet, state: LaneState) -> Result<(), Disconnected> {
        self.state = state;
        if self.has_stopped() {
            self.waiting = false;
            self.source = None;
            self.steps.clear();
        }
        events.emit_state(self)
    }

    /// What each member does next.
    pub fn next_moves(&mut self, model: &Loaded) -> Vec<(Move, Vec<LaneId>)> {
        let mut members = std::mem::take(&mut self.members);
        let full = self.len() >= model.context;
        let next = LocalProposer {
            model,
            sequence: self,
        };
        let moves = group::next_moves(&mut members, full, &next);
        self.members = members;
        moves
    }

    /// The text `id` would add, and the decoder's state after it.
    fn text_of(&self, model: &Loaded, id: u32) -> (String, StreamDecoder) {
        self.course.text_of(model.tokenizer.token_bytes(id))
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
        let found = self
            .course
            .members
            .iter_mut()
            .map(|m| m.machine.push(&token));
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
        let tail = self.tokens.len().saturating_sub(TAIL);
        let mut text = StreamDecoder::new();
        for token in &self.tokens[tail..] {
            text.push(model.tokenizer.token_bytes(token.id));
        }
        self.text = text;
    }

    /// What was written and has its scores by now, if nobody has been told of it.
    pub fn news(&mut self) -> Option<Delta> {
        if !self.pending.is_empty() {
            return None;
        }
        self.course.news()
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
        let place = self.len();
        let (&[token], Some(cache)) = (&self.pending[..], &mut self.cache) else {
            self.lookup.drop_rows();
            return false;
        };
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

/// A sequence with the model that computes it.
pub(super) struct Computed<'a> {
    pub model: &'a Loaded,
    pub sequence: &'a mut Sequence,
}

impl Steered for Computed<'_> {
    fn course(&self) -> &Course {
        self.sequence
    }

    fn course_mut(&mut self) -> &mut Course {
        self.sequence
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.model.tokenizer.encode_plain(text)
    }

    fn vocabulary(&self) -> usize {
        self.model.tokenizer.vocab_size()
    }

    fn is_ready(&self) -> bool {
        self.sequence.is_ready()
    }

    fn is_read(&self) -> bool {
        self.sequence.pending.is_empty()
    }

    fn append(&mut self, id: u32, origin: Origin, phase: Phase, reason: Option<Reason>) {
        self.sequence.append(self.model, id, origin, phase, reason);
    }

    fn edit(&mut self, edit: Edit) -> Result<()> {
        self.sequence.edit(self.model, edit)
    }

    fn set_state(&mut self, events: &Outlet, state: LaneState) -> Result<(), Disconnected> {
        self.sequence.set_state(events, state)
    }
}

/// Where a sequence's next token is drawn.
struct LocalProposer<'a> {
    model: &'a Loaded,
    sequence: &'a Sequence,
}

impl group::Proposer for LocalProposer<'_> {
    fn draw(
        &self,
        sampling: &Sampling,
        sample: u64,
        mask: &[u32],
        raised: f32,
    ) -> Result<Option<u32>> {
        let history = if sampling.repetition_penalty == 1.0 {
            Vec::new()
        } else {
            self.sequence.token_ids()
        };
        let Some(logits) = &self.sequence.logits else {
            bail!("a token is drawn before its logits are computed");
        };
        let mut logits = Cow::Borrowed(logits);
        if raised > 0.0 {
            let mut all = logits.whole()?.into_owned();
            forcing::raise(&mut all, self.model.delimiters.ends(), raised);
            logits = Cow::Owned(PositionLogits::Whole(all));
        }
        let vocab = self.model.tokenizer.vocab_size();
        let position = self.sequence.tokens.len() as u64;
        let id = logits.sample(vocab, mask, &history, sampling, position, sample);
        id.map(Some)
    }

    fn end_is_among(&self, best: usize) -> bool {
        let logits = self.sequence.logits.as_ref();
        // The draw that follows says why there are none.
        let Some(Ok(all)) = logits.map(PositionLogits::whole) else {
            return false;
        };
        forcing::among_best(&all, self.model.delimiters.ends(), best)
    }

    fn text_of(&self, id: u32) -> String {
        self.sequence.text_of(self.model, id).0
    }
}
