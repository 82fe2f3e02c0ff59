//! One sequence: a course, and the stream that continues it.
//!
//! The server writes ahead. What it has drawn waits in `drawn` until it is judged; the first of it
//! belongs behind the last token of the trace. As soon as something else is written there, the rest is
//! worth nothing: it is left, the stream is closed, and another continues from the new tokens.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::chat;
use super::connect::Remote;
use super::dialect::Drawn;
use super::scores;
use super::stream::{Stream, StreamKey};
use crate::course::{self, Course, TAIL};
use crate::group::{self, Member, Move};
use crate::outlet::{Disconnected, Outlet};
use crate::probe::{Begun, Given};
use crate::steer::Steered;
use s1_core::exit::Look;
use s1_core::forcing::{CutAt, Edit, Next, Texts};
use s1_core::loops::Loop;
use s1_core::protocol::{LaneId, LaneState, Request};
use s1_core::sampling::Sampling;
use s1_core::trace::{Delta, Origin, Phase, Reason, Token, Trace};
use s1_model::tokenizer::StreamDecoder;

/// How tokens were asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Drawing {
    pub sampling: Sampling,
    pub sample: u64,
    /// Ids that could not be chosen.
    pub mask: Vec<u32>,
}

impl Drawing {
    /// Whether a token drawn in this way is one drawn in another, too, which masks at least as much:
    /// one that is not masked there has its probability among those that are not.
    fn serves(&self, sampling: &Sampling, sample: u64, mask: &[u32]) -> bool {
        let of = |sampling: &Sampling, sample| match sampling.is_greedy() {
            // The seed of what is certain does not matter.
            true => (
                Sampling {
                    seed: 0,
                    ..sampling.clone()
                },
                0,
            ),
            false => (sampling.clone(), sample),
        };
        of(&self.sampling, self.sample) == of(sampling, sample)
            && self.mask.iter().all(|id| mask.contains(id))
    }
}

/// What a request beside the thought is for.
pub(super) enum RequestPurpose {
    /// A probe; whether the user asked for it.
    Probe(bool),
    /// A rule for early exits looks, for one of the members.
    Look(Look, usize),
    /// Somebody asked to look.
    Asked(Look),
}

/// A request beside the thought, under way.
pub(super) struct Probing {
    pub stream: Stream,
    /// After how many tokens of the trace.
    pub at: usize,
    pub purpose: RequestPurpose,
    /// Most tokens that were asked for: some servers write on.
    pub most: usize,
    pub begun: Begun,
    pub decoder: StreamDecoder,
    pub given: Given,
}

/// How often it went wrong in a row, and when it is tried again.
#[derive(Default)]
pub(super) struct Trouble {
    pub times: u32,
    pub until: Option<Instant>,
}

pub(super) struct Sequence {
    course: Course,
    pub stream: Option<Stream>,
    /// What the server has written and nobody has judged.
    pub drawn: VecDeque<Drawn>,
    /// How it was drawn.
    pub drawing: Drawing,
    /// The server that has its beginning in memory.
    pub place: Option<usize>,
    pub probing: Option<Probing>,
    /// The row it belongs to, by the id of the row's first lane.
    pub row: Option<LaneId>,
    /// Whether it waits for its turn.
    pub waiting: bool,
    /// The one that it parted from: once that one has stopped, a server has its beginning at hand.
    pub source: Option<LaneId>,
    /// How many tokens of prompt and trace a server has been asked to read or has written.
    pub counted: usize,
    pub trouble: Trouble,
    /// When something came last.
    pub heard: Instant,
    /// Whether its server only chats: what it writes cannot be gone on with once its stream is closed.
    pub chats: bool,
    /// Whether its last stream came to its end.
    pub ended: bool,
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
    /// A sequence of which nothing is written. Errors, as one sentence, where the prompt leaves the
    /// context no room to think and answer.
    pub fn new(remote: &Remote, id: LaneId, mut request: Request) -> Result<Sequence> {
        let prompt = remote.prompt(&request)?;
        if remote.chats() {
            request.policy = chat::rules(&request.policy);
        }
        let policy = &request.policy;
        if matches!(policy.cut_at, CutAt::Ramp { .. }) {
            bail!(
                "a server draws its tokens by itself, so that their end cannot be made likely step by step; cut at something else than a ramp"
            );
        }
        let texts = Texts::of(policy, |text| remote.words.encode_plain(text))?;
        let (len, context) = (prompt.len(), remote.context);
        let member = course::member(id, request, len, context, &remote.delimiters, texts)?;
        let course = Course::of(vec![member], prompt, Trace::default());
        Ok(Sequence::of(course, remote.chats()))
    }

    fn of(course: Course, chats: bool) -> Sequence {
        Sequence {
            course,
            stream: None,
            drawn: VecDeque::new(),
            drawing: Drawing::default(),
            place: None,
            probing: None,
            row: None,
            waiting: false,
            source: None,
            counted: 0,
            trouble: Trouble::default(),
            heard: Instant::now(),
            chats,
            ended: false,
        }
    }

    /// The sequence with tokens that were written earlier.
    pub fn with_tokens(self, remote: &Remote, tokens: Vec<Token>) -> Sequence {
        let Course {
            members, prompt, ..
        } = self.course;
        let mut sequence = Sequence::of(Course::of(members, prompt, tokens.into()), self.chats);
        sequence.counted = sequence.len();
        sequence.decode_tail(remote);
        sequence
    }

    /// Parts members from the others (`ids`, not all of them), with what is drawn already.
    pub fn part(&mut self, ids: &[LaneId]) -> Sequence {
        let all = std::mem::take(&mut self.members).into_iter();
        let (members, others) = all.partition(|member: &Member| ids.contains(&member.id));
        self.members = others;
        Sequence {
            drawn: self.drawn.clone(),
            drawing: self.drawing.clone(),
            place: self.place,
            row: self.row,
            source: Some(self.id()),
            counted: self.counted,
            ..Sequence::of(self.course.parted(members), self.chats)
        }
    }

    /// Whether it has something to do without being told.
    pub fn is_busy(&self) -> bool {
        let goes_on = matches!(self.state, LaneState::Prefill | LaneState::Running);
        !self.waiting
            && (goes_on
                || self.probe_wanted.is_some()
                || self.probing.is_some()
                || self.asked.next().is_some())
    }

    /// Whether a stream is its own.
    pub fn listens_to(&self, key: StreamKey) -> bool {
        let probe = self.probing.as_ref().map(|p| p.stream.key);
        self.stream.as_ref().map(|s| s.key) == Some(key) || probe == Some(key)
    }

    /// Gives up what is under way and what was drawn.
    pub fn leave(&mut self) {
        self.stream = None;
        self.drawn.clear();
        self.counted = self.counted.min(self.len());
    }

    /// Has the server write no more for now. One that only chats could not go on: what it writes meanwhile
    /// waits.
    pub fn rest(&mut self) {
        if !self.chats || self.has_stopped() {
            self.stream = None;
        }
    }

    /// Whether it has some of a reply, which is gone when it is asked for again.
    pub fn has_reply(&self) -> bool {
        self.chats && !(self.tokens.is_empty() && self.drawn.is_empty())
    }

    /// Gives up all that is written: the reply of a server that only chats is asked for again.
    pub fn begin_anew(&mut self, remote: &Remote) {
        let all = self.tokens.len();
        self.leave();
        self.shorten(remote, all);
        self.dropped += all;
        self.ended = false;
        for member in &mut self.course.members {
            member.machine.rewind(&[]);
        }
    }

    /// Gives up a probe under way; one that the user asked for is made again later.
    pub fn put_off_probe(&mut self) {
        if let Some(probing) = self.probing.take()
            && let RequestPurpose::Probe(true) = probing.purpose
        {
            self.probe_wanted.get_or_insert(probing.at);
        }
    }

    /// Puts it, and so every lane it is computed for, into a state.
    pub fn set_state(&mut self, events: &Outlet, state: LaneState) -> Result<(), Disconnected> {
        self.state = state;
        if self.has_stopped() {
            self.waiting = false;
            self.steps.clear();
        }
        if !self.writes() {
            // What was drawn is kept: the next step takes it.
            self.rest();
            self.trouble = Trouble::default();
        }
        events.emit_state(self)
    }

    /// What each member does next.
    pub fn next_moves(&mut self, remote: &Remote) -> Vec<(Move, Vec<LaneId>)> {
        let mut members = std::mem::take(&mut self.members);
        let full = self.len() >= remote.context;
        let next = RemoteProposer {
            remote,
            sequence: self,
        };
        let mut moves = group::next_moves(&mut members, full, &next);
        self.members = members;
        if self.chats {
            moves
                .iter_mut()
                .for_each(|(own, _)| self.only_watch(remote, own));
        }
        moves
    }

    /// Where nothing can be written: what becomes of a move that would.
    fn only_watch(&self, remote: &Remote, own: &mut Move) {
        if let Move::Write(edit) = own {
            let next = chat::instead(edit.clone(), self.drawn.front(), &remote.delimiters.end_ids);
            *own = match next {
                Ok(Some(edit)) => Move::Write(edit),
                Ok(None) => Move::Draw,
                Err(why) => Move::Fail(why),
            };
        }
    }

    /// How its first member draws its next token, if it does.
    pub fn wanted(&self) -> Option<Drawing> {
        let Next::Sample { mask } = self.machine().next() else {
            return None;
        };
        let request = &self.members[0].request;
        Some(Drawing {
            sampling: request.sampling.clone(),
            sample: request.sample,
            mask,
        })
    }

    /// Whether what is under way is of use to its first member.
    pub fn is_served(&self, wanted: &Drawing) -> bool {
        self.drawing
            .serves(&wanted.sampling, wanted.sample, &wanted.mask)
    }

    /// Most tokens that are of use: none of its members writes more without something being written
    /// in between.
    pub fn most(&self, context: usize) -> usize {
        let answered = self.tokens.iter();
        let answered = answered.filter(|t| t.phase == Phase::Answer && t.origin == Origin::Sampled);
        let answered = answered.count();
        let left = |member: &Member| {
            let machine = &member.machine;
            match machine.phase() {
                Phase::Thinking => machine.budget().saturating_sub(machine.thinking()),
                Phase::Answer => machine.policy().answer_max.saturating_sub(answered),
            }
        };
        let left = self.members.iter().map(left).max().unwrap_or(0);
        left.min(context.saturating_sub(self.len())).max(1)
    }

    /// Appends a token. Its scores are those of what was drawn at its place, if something was.
    pub fn append(
        &mut self,
        remote: &Remote,
        id: u32,
        origin: Origin,
        phase: Phase,
        reason: Option<Reason>,
    ) -> Option<Loop> {
        let (text, decoder) = self.text_of(&remote.words.bytes(id));
        self.text = decoder;
        let mut token = Token {
            origin,
            reason,
            ..Token::new(id, text, phase)
        };
        let drawn = self.drawn.pop_front();
        if let Some(drawn) = &drawn {
            scores::fill(remote, drawn, self.machine().phase(), &mut token);
        }
        if drawn.is_none_or(|drawn| drawn.token.id != id) {
            self.leave();
        }
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
    pub fn edit(&mut self, remote: &Remote, edit: Edit) -> Result<()> {
        // Asked for first: where the server does not answer, nothing has happened.
        let kept = remote.words.encode_plain(&edit.keep)?;
        if self.len() - edit.drop.min(self.tokens.len()) + kept.len() + edit.ids.len()
            > remote.context
        {
            bail!("the context is full; start again with a larger --context");
        }
        if edit.takes_back() {
            self.shorten(remote, edit.drop);
            self.take_back();
            self.dropped += edit.drop;
        }
        let (forced, reason) = (Origin::Forced, Some(Reason::Kept));
        for id in kept {
            self.append(remote, id, forced, Phase::Thinking, reason);
        }
        for id in edit.ids {
            self.append(remote, id, edit.origin, edit.phase, Some(edit.reason));
        }
        Ok(())
    }

    fn shorten(&mut self, remote: &Remote, drop: usize) {
        if drop == 0 {
            return;
        }
        self.leave();
        self.tokens.apply(&Delta {
            drop,
            ..Delta::default()
        });
        self.counted = self.counted.min(self.len());
        self.decode_tail(remote);
    }

    /// Brings the decoder of the text to the end of the trace.
    fn decode_tail(&mut self, remote: &Remote) {
        let tail = self.tokens.len().saturating_sub(TAIL);
        let mut text = StreamDecoder::new();
        for token in &self.tokens[tail..] {
            let bytes = remote.words.bytes(token.id);
            match bytes.is_empty() {
                // From a session: what it completed is all that is known of it.
                true => text.push(token.text.as_bytes()),
                false => text.push(&bytes),
            };
        }
        self.text = text;
    }

    /// Takes note of what came, and how long it took.
    pub fn heard(&mut self, tokens: usize) {
        let took = self.heard.elapsed();
        self.heard = Instant::now();
        if !self.chats {
            // A reply that breaks begins anew: only its end is a success.
            self.trouble = Trouble::default();
        }
        let prompt = self.prompt.len();
        let clock = &mut self.course.clock;
        if clock.first_token.is_none() {
            clock.token();
            clock.prefill = (prompt, took);
        } else {
            clock.decode.0 += tokens;
            clock.decode.1 += took.min(Duration::from_secs(60));
        }
    }
}

/// A sequence with the server that continues it.
pub(super) struct Continued<'a> {
    pub remote: &'a Remote,
    pub sequence: &'a mut Sequence,
}

impl Steered for Continued<'_> {
    fn course(&self) -> &Course {
        self.sequence
    }

    fn course_mut(&mut self) -> &mut Course {
        self.sequence
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.remote.words.encode_plain(text)
    }

    fn vocabulary(&self) -> usize {
        self.remote.words.vocabulary
    }

    fn is_ready(&self) -> bool {
        !self.sequence.drawn.is_empty()
    }

    fn is_read(&self) -> bool {
        // The server reads what was written with its next request.
        true
    }

    fn append(&mut self, id: u32, origin: Origin, phase: Phase, reason: Option<Reason>) {
        self.sequence.append(self.remote, id, origin, phase, reason);
    }

    fn edit(&mut self, edit: Edit) -> Result<()> {
        self.sequence.edit(self.remote, edit)
    }

    fn set_state(&mut self, events: &Outlet, state: LaneState) -> Result<(), Disconnected> {
        self.sequence.set_state(events, state)
    }
}

/// What a sequence's server has drawn, for those whom it serves.
struct RemoteProposer<'a> {
    remote: &'a Remote,
    sequence: &'a Sequence,
}

impl group::Proposer for RemoteProposer<'_> {
    fn draw(
        &self,
        sampling: &Sampling,
        sample: u64,
        mask: &[u32],
        // No sequence here asks for it.
        _raised: f32,
    ) -> Result<Option<u32>> {
        let drawn = self.sequence.drawn.front().map(|drawn| drawn.token.id);
        let serves = self.sequence.drawing.serves(sampling, sample, mask);
        // What a server that only chats has written stands.
        let ruled_out = |id: &u32| !self.sequence.chats && mask.contains(id);
        Ok(drawn.filter(|id| serves && !ruled_out(id)))
    }

    fn end_is_among(&self, best: usize) -> bool {
        let considered = self.sequence.drawn.front().map(|drawn| &drawn.top[..]);
        let mut best = considered.unwrap_or_default().iter().take(best);
        best.any(|token| self.remote.delimiters.ends().any(|end| end == token.id))
    }

    fn text_of(&self, id: u32) -> String {
        self.sequence.text_of(&self.remote.words.bytes(id)).0
    }
}
