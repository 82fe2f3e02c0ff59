//! Budget forcing: what is appended next, and why.
//!
//! A [`Machine`] follows one trace. Between two tokens it is asked two questions:
//! [`Machine::next`] (sample a token, or write something first, or stop?) and, for a token the
//! model proposes, [`Machine::decide`] (accept it, replace it, or stop?). Whatever is then written
//! is told back through [`Machine::push`]. Nothing else changes it but the user's wishes.
//!
//! The rules are those of the s1 evaluation: an attempt to end the thinking is replaced by the
//! wait text as often as asked; at least one token must follow a wait before the next attempt
//! counts; the budget bounds the whole thinking, forced and typed tokens included; after a forced
//! end the model always gets to answer.

use std::collections::VecDeque;
use std::sync::Arc;

use super::delimiters::{Delimiters, Primer};
use super::loops::LoopDetector;
use super::sentence::ends_sentence;
use super::trace::{Origin, Phase, Reason, StopReason};

mod begun;
mod decision;
mod ending;
mod history;
mod looks;
mod pieces;
mod policy;
#[cfg(test)]
mod tests;
mod texts;

pub use begun::Braces;
pub use decision::{Edit, ForcingDecision, Next};
pub use ending::{Ending, Lean, among_best, raise};
pub use policy::{CutAt, OnLoop, POLICY, Policy, Priming};
pub use texts::Texts;

/// Follows one trace and decides what comes next. Cloning it copies a moment of a thought.
#[derive(Clone, Debug)]
pub struct Machine {
    policy: Policy,
    delimiters: Arc<Delimiters>,
    texts: Texts,
    /// Most thinking tokens the context has room for.
    room: usize,
    /// Whether the question asks for its answer in a box.
    boxed: bool,

    /// Length of the trace.
    len: usize,
    phase: Phase,
    thinking: usize,
    /// Whether the thinking was ended for the model.
    forced: bool,
    /// Tokens of the answer that the model wrote.
    answer: usize,
    /// Whether there is more in it than white space.
    answered: bool,
    /// The answer that was begun for it.
    begun: Option<Braces>,
    /// Where the policy replaced an attempt to end.
    waits: Vec<usize>,
    /// Where the last wait of any kind ended; an attempt to end there does not count.
    after_wait: Option<usize>,
    /// An attempt to end was ignored and nothing replaces it: the next token carries the reason.
    ignored: Option<Reason>,
    /// Ids that cannot be chosen at one position, and that position. Several, as one delimiter can be
    /// written in several ways: with only the last of them banned, a model would go from one to the
    /// other and back for ever.
    ban: (usize, Vec<u32>),
    recent: VecDeque<(u32, String)>,
    loops: LoopDetector,

    pending_waits: usize,
    cut: bool,
    cut_at_sentence: Option<usize>,
    /// The message that the thought ends, if it stands there.
    told: Option<ending::Told>,
    watch: looks::Watch,
}

impl Machine {
    /// A machine for an empty trace.
    ///
    /// `texts` are those of the policy in tokens; `room` is the most thinking tokens that leave the
    /// context enough for the end-of-thinking delimiter and an answer.
    pub fn new(policy: Policy, delimiters: Arc<Delimiters>, texts: Texts, room: usize) -> Machine {
        Machine {
            phase: if policy.think {
                Phase::Thinking
            } else {
                Phase::Answer
            },
            policy,
            delimiters,
            texts,
            room,
            boxed: false,
            len: 0,
            thinking: 0,
            forced: false,
            answer: 0,
            answered: false,
            begun: None,
            waits: Vec::new(),
            after_wait: None,
            ignored: None,
            ban: (0, Vec::new()),
            recent: VecDeque::new(),
            loops: LoopDetector::default(),
            pending_waits: 0,
            cut: false,
            cut_at_sentence: None,
            told: None,
            watch: looks::Watch::default(),
        }
    }

    /// The same for a question that asks for its answer in a box, or does not.
    pub fn boxed(self, boxed: bool) -> Machine {
        Machine { boxed, ..self }
    }

    /// The phase the next token belongs to, unless it ends the thinking.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Thinking tokens so far.
    pub fn thinking(&self) -> usize {
        self.thinking
    }

    /// The bound on thinking tokens: the policy's, or what the context has room for.
    pub fn budget(&self) -> usize {
        self.policy
            .max_thinking
            .unwrap_or(usize::MAX)
            .min(self.room)
    }

    /// The most thinking tokens: the budget, and what an end that waits for its moment may take.
    fn limit(&self) -> usize {
        let over = self.policy.cut_at.overtime();
        self.budget().saturating_add(over).min(self.room)
    }

    /// The rules in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The delimiters in use.
    pub fn delimiters(&self) -> &Delimiters {
        &self.delimiters
    }

    /// Waits the user has asked for that have not been used yet.
    pub fn pending_waits(&self) -> usize {
        self.pending_waits
    }

    /// Sets the bound on thinking tokens. A bound below what is already thought cuts at once.
    pub fn set_budget(&mut self, max_thinking: Option<usize>) {
        self.policy.max_thinking = max_thinking;
    }

    /// Sets every rule but whether to think at all, with its texts in tokens.
    pub fn set_policy(&mut self, policy: Policy, texts: Texts) {
        if self.policy.exit != policy.exit {
            // What was seen for another rule says nothing about this one.
            self.watch.forget();
        }
        let think = self.policy.think;
        self.policy = Policy { think, ..policy };
        self.texts = texts;
    }

    /// Sets the wait text and its tokens.
    pub fn set_wait(&mut self, text: String, ids: Vec<u32>) {
        self.policy.wait_text = text;
        self.texts.wait = ids;
    }

    /// The thinking is cut off before the next token.
    pub fn ask_cut(&mut self) {
        self.cut = true;
    }

    /// The thinking is cut off at the end of the sentence, at most `within` tokens from now.
    pub fn ask_cut_at_sentence(&mut self, within: usize) {
        self.cut_at_sentence = Some(self.thinking.saturating_add(within));
    }

    /// A wait, as the user's wish. While the thought is being written it replaces the next attempt
    /// to end, and nothing is to be done now; while it is held still, the wait text is written at
    /// once. Errors where it cannot be: outside a thought, and for a text that is to be written,
    /// beyond the budget or if it is empty.
    pub fn wait(&mut self, writing: bool) -> Result<Option<Edit>, String> {
        if writing && self.phase == Phase::Thinking {
            self.pending_waits += 1;
            return Ok(None);
        }
        if self.texts.wait.is_empty() && self.phase == Phase::Thinking {
            return Err("the wait text is empty: there is nothing to write here".into());
        }
        let edit = self.insert(self.texts.wait.clone(), Origin::Forced, Reason::UserWait)?;
        Ok(Some(edit))
    }

    /// Typed tokens, now. Errors outside a thought and beyond the budget.
    pub fn inject(&self, ids: Vec<u32>) -> Result<Edit, String> {
        self.insert(ids, Origin::User, Reason::Injected)
    }

    fn insert(&self, ids: Vec<u32>, origin: Origin, reason: Reason) -> Result<Edit, String> {
        if self.phase != Phase::Thinking {
            return Err("the thinking is over here; rewind into it to add words".into());
        }
        let left = self.budget().saturating_sub(self.thinking);
        if ids.len() > left {
            return Err(format!(
                "{} tokens do not fit into the thinking budget ({left} of {} left); raise it first",
                ids.len(),
                self.budget()
            ));
        }
        Ok(Edit {
            drop: 0,
            keep: String::new(),
            ids,
            origin,
            phase: Phase::Thinking,
            reason,
        })
    }

    /// What begins the answer after a forced end.
    pub fn primer(&self) -> Primer {
        let spec = &self.delimiters.spec;
        spec.primer(self.policy.final_answer.wanted(), self.boxed)
    }

    /// What happens before the model is asked for the next token.
    pub fn next(&self) -> Next {
        match self.phase {
            Phase::Answer => self.next_of_answer(),
            Phase::Thinking => match (self.reason_to_cut(), self.message_due()) {
                (Some(Reason::Exit), _) if let Some(back) = self.way_back() => Next::Edit(back),
                (Some(reason), _) => Next::Edit(self.end(reason)),
                (None, Some(message)) => Next::Edit(message),
                (None, None) => {
                    let d = &self.delimiters;
                    let mut mask: Vec<u32> =
                        self.banned().chain(d.open_ids.iter().copied()).collect();
                    if !self.end_counts() {
                        mask.extend(d.ends());
                    }
                    mask.extend(&self.texts.banned);
                    Next::Sample { mask }
                }
            },
        }
    }

    /// The beginning of the answer, where the model needs it and nothing has been answered yet.
    fn begin_answer(&self) -> Option<Edit> {
        let primer = &self.delimiters.forced(self.primer()).primer;
        let due = !self.answered && self.begun.is_none() && !primer.is_empty();
        due.then(|| Edit {
            drop: 0,
            keep: String::new(),
            ids: primer.clone(),
            origin: Origin::Forced,
            phase: Phase::Answer,
            reason: Reason::FinalAnswer,
        })
    }

    fn next_of_answer(&self) -> Next {
        if let Some(edit) = self.begin_answer().filter(|_| self.forced) {
            Next::Edit(edit)
        } else if self.begun.as_ref().is_some_and(Braces::are_closed) {
            Next::Stop(StopReason::BoxClosed)
        } else if self.answer >= self.policy.answer_max {
            Next::Stop(StopReason::AnswerMax)
        } else {
            let mut mask: Vec<u32> = self.banned().collect();
            if self.forced && (self.policy.mask_close || !self.answered) {
                mask.extend(self.delimiters.closed());
            }
            Next::Sample { mask }
        }
    }

    fn banned(&self) -> impl Iterator<Item = u32> + '_ {
        let (at, ids) = &self.ban;
        ids.iter().copied().filter(|_| *at == self.len)
    }

    /// Whether an attempt to end counts here: not before the minimum, and not right after a wait.
    fn end_counts(&self) -> bool {
        self.thinking >= self.policy.min_thinking && self.after_wait != Some(self.len)
    }

    fn loop_ends_it(&self) -> bool {
        self.policy.on_loop == OnLoop::Answer && self.loops.found().is_some()
    }

    fn reason_to_cut(&self) -> Option<Reason> {
        let budget = self.budget();
        let sentence = || ends_sentence(&self.recent_text());
        if let Some(reason) = self.told_to_end() {
            Some(reason)
        } else if self.cut {
            Some(Reason::Cut)
        } else if self
            .cut_at_sentence
            .is_some_and(|limit| self.thinking >= limit || sentence())
        {
            Some(Reason::SentenceCut)
        } else if self.thinking >= self.limit()
            || self.thinking >= budget
                && matches!(self.policy.cut_at, CutAt::NextSentence { .. })
                && (self.thinking == 0 || sentence())
        {
            Some(Reason::Budget)
        } else if let CutAt::Sentence { window } = self.policy.cut_at
            && self.thinking > 0
            && self.thinking.saturating_add(window) >= budget
            && sentence()
        {
            Some(Reason::Budget)
        } else if self.loop_ends_it() {
            Some(Reason::Loop)
        } else if self.watch.is_over() {
            Some(Reason::Exit)
        } else {
            None
        }
    }

    /// The forced end of thinking. Pieces of a delimiter the model had begun are taken back.
    fn close(&self, reason: Reason) -> Edit {
        let (drop, keep) = self.begun_delimiter();
        let kept = keep.chars().next_back();
        let ends_in_newline = match kept {
            Some(last) => last == '\n',
            None => {
                let texts = self.recent.iter().rev().skip(drop);
                texts
                    .map(|(_, t)| t)
                    .find(|t| !t.is_empty())
                    .is_some_and(|t| t.ends_with('\n'))
            }
        };
        Edit {
            drop,
            keep,
            ids: self
                .delimiters
                .forced(self.primer())
                .close(ends_in_newline, self.policy.ending.newline())
                .to_vec(),
            origin: Origin::Forced,
            phase: Phase::Answer,
            reason,
        }
    }

    /// What becomes of `id`, which the model proposes and which would add `text`.
    pub fn decide(&mut self, id: u32, text: &str) -> ForcingDecision {
        let accept = ForcingDecision::Accept {
            phase: self.phase,
            reason: self.ignored,
            relabel: 0,
        };
        let d = &self.delimiters;
        if self.phase == Phase::Answer {
            // A new ChatML turn is the end of this one for models whose delimiters are turns.
            let over =
                d.turn_ids.contains(&id) || (d.natural_close.is_some() && d.end_ids.contains(&id));
            // One that thought and then says nothing is given the beginning of its answer.
            let begin = || self.begin_answer().filter(|_| self.policy.think);
            return match over.then(begin) {
                None => accept,
                Some(Some(edit)) => ForcingDecision::Edit(edit),
                Some(None) => ForcingDecision::Stop(StopReason::EndOfTurn),
            };
        }
        if let Some((drop, keep)) = self.completes(&d.spec.open_tag, text) {
            // The model opens a thought inside the thought: take it back and steer around it.
            let first = self.first_of(drop, id);
            return self.retry(drop, keep, first);
        }
        let (drop, keep) = if d.end_ids.contains(&id) || d.turn_ids.contains(&id) {
            (0, String::new())
        } else if let Some(found) = self.completes(&d.spec.end_tag, text) {
            found
        } else {
            return accept;
        };
        if !self.end_counts_without(drop) {
            let first = self.first_of(drop, id);
            return self.retry(drop, keep, first);
        }
        self.wait_instead(drop, &keep)
            .map_or_else(|| self.end_by_itself(id, drop, keep), ForcingDecision::Edit)
    }

    /// What becomes of `id` when the user picks it: like [`Machine::decide`], but no wait replaces
    /// an end the user wants.
    pub fn choose(&self, id: u32) -> ForcingDecision {
        match self.phase {
            Phase::Answer if self.delimiters.turn_ids.contains(&id) => {
                ForcingDecision::Stop(StopReason::EndOfTurn)
            }
            Phase::Thinking if self.delimiters.ends().any(|end| end == id) => {
                self.end_by_itself(id, 0, String::new())
            }
            phase => ForcingDecision::Accept {
                phase,
                reason: Some(Reason::Chosen),
                relabel: 0,
            },
        }
    }

    /// A wait in place of an attempt to end, if one is due and the budget has room for it and for
    /// at least one token after it.
    fn wait_instead(&mut self, drop: usize, keep: &str) -> Option<Edit> {
        let users = self.pending_waits > 0;
        // A thought that was told to end is not asked to go on but by the user.
        if !users && (self.waits.len() >= self.policy.waits || self.told.is_some()) {
            return None;
        }
        // A text has at most as many tokens as bytes.
        let kept = self.thinking - drop + keep.len();
        if kept + self.texts.wait.len() >= self.budget() {
            return None;
        }
        let at = self.len - drop;
        if users {
            self.pending_waits -= 1;
        } else {
            self.waits.push(at);
        }
        if self.texts.wait.is_empty() {
            // Nothing will be pushed that would tell of this wait.
            self.after_wait = Some(at);
            self.ignored = Some(match users {
                true => Reason::UserEndIgnored,
                false => Reason::EndIgnored,
            });
        }
        Some(Edit {
            drop,
            keep: keep.to_string(),
            ids: self.texts.wait.clone(),
            origin: Origin::Forced,
            phase: Phase::Thinking,
            reason: if users {
                Reason::UserWait
            } else {
                Reason::Wait
            },
        })
    }

    fn end_by_itself(&self, id: u32, drop: usize, keep: String) -> ForcingDecision {
        let d = &self.delimiters;
        let edit = |ids: &[u32], reason| {
            ForcingDecision::Edit(Edit {
                drop,
                keep: keep.clone(),
                ids: ids.to_vec(),
                origin: Origin::Forced,
                phase: Phase::Answer,
                reason,
            })
        };
        if d.turn_ids.contains(&id) {
            match &d.natural_close {
                Some(close) => edit(close, Reason::EndOfTurn),
                None => ForcingDecision::Edit(self.close(Reason::EndOfTurn)),
            }
        } else if let Some(close) = &d.natural_close {
            edit(close, Reason::NaturalEnd)
        } else if !keep.is_empty() {
            // The delimiter began inside a token: write it anew, on a token boundary.
            edit(d.forced(Primer::None).close(true, None), Reason::NaturalEnd)
        } else {
            ForcingDecision::Accept {
                phase: Phase::Answer,
                reason: Some(Reason::NaturalEnd),
                relabel: drop,
            }
        }
    }

    /// Removes the last `drop` tokens and continues from there with a token other than `first`.
    fn retry(&mut self, drop: usize, keep: String, first: u32) -> ForcingDecision {
        if keep.is_empty() {
            let at = self.len - drop;
            if self.ban.0 != at {
                self.ban = (at, Vec::new());
            }
            self.ban.1.push(first);
        }
        ForcingDecision::Edit(Edit {
            drop,
            keep,
            ids: Vec::new(),
            origin: Origin::Forced,
            phase: Phase::Thinking,
            reason: Reason::Kept,
        })
    }

    fn end_counts_without(&self, drop: usize) -> bool {
        self.thinking - drop >= self.policy.min_thinking && self.after_wait != Some(self.len - drop)
    }
}
