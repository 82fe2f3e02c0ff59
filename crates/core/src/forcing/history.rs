//! Following a trace: taking in what was written, and going back.

use super::Machine;
use crate::loops::Loop;
use crate::trace::{Origin, POLICY_WAITS, Phase, Reason, Token, wait_positions};

/// How many of the last thinking tokens are kept to find delimiters that arrive in pieces.
const RECENT: usize = 64;

impl Machine {
    /// Takes in a token that was appended. Returns a loop the first time one is found.
    pub fn push(&mut self, token: &Token) -> Option<Loop> {
        self.len += 1;
        if token.reason != Some(Reason::Kept) {
            self.ignored = None;
        }
        if token.is_delimiter() {
            self.phase = Phase::Answer;
            self.forced =
                token.origin == Origin::Forced && token.reason != Some(Reason::NaturalEnd);
            self.cut = false;
            self.cut_at_sentence = None;
            self.watch.close();
            return None;
        }
        if token.phase == Phase::Answer {
            match token.reason {
                Some(Reason::FinalAnswer) => self.begun.get_or_insert_default().push(&token.text),
                _ => {
                    self.answer += 1;
                    self.answered |= !token.text.trim().is_empty();
                    // Only a box that was opened for the model ends its answer.
                    let open = self.begun.as_mut().filter(|b| b.are_opened());
                    if let Some(braces) = open {
                        braces.push(&token.text);
                    }
                }
            }
            return None;
        }
        self.thinking += 1;
        if matches!(token.reason, Some(Reason::Wait | Reason::UserWait)) {
            self.after_wait = Some(self.len);
        }
        self.hear(token.reason);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((token.id, token.text.to_string()));
        self.watch_out(token);
        let before = self.loops.found();
        self.loops.push(token.id);
        self.loops.found().filter(|_| before.is_none())
    }

    /// Goes back to the trace `tokens`, a prefix of what was pushed, because the user wants so.
    /// Wishes that were not yet fulfilled are gone with what came after.
    pub fn rewind(&mut self, tokens: &[Token]) {
        let mut waits = std::mem::take(&mut self.waits);
        waits.retain(|&at| at < tokens.len());
        *self = Machine {
            waits,
            ..self.follow(tokens)
        };
    }

    /// Goes back to `tokens` because the last few turned out to be pieces of a delimiter (see
    /// [`Edit::drop`](super::Edit::drop)). Wishes stay, and so does what was decided at this position.
    pub fn take_back(&mut self, tokens: &[Token]) {
        let fresh = self.follow(tokens);
        *self = Machine {
            waits: std::mem::take(&mut self.waits),
            after_wait: fresh.after_wait.max(self.after_wait),
            ignored: self.ignored,
            ban: self.ban.clone(),
            pending_waits: self.pending_waits,
            cut: self.cut,
            cut_at_sentence: self.cut_at_sentence,
            ..fresh
        };
    }

    /// The same rules, having followed `tokens` and nothing else.
    fn follow(&self, tokens: &[Token]) -> Machine {
        let mut fresh = Machine {
            boxed: self.boxed,
            watch: self.watch.until(tokens.len()),
            ..Machine::new(
                self.policy.clone(),
                self.delimiters.clone(),
                self.texts.clone(),
                self.room,
            )
        };
        for token in tokens {
            fresh.push(token);
        }
        fresh
    }

    /// A machine for a trace read from a file: what can be told from the tokens alone.
    pub fn resume(&mut self, tokens: &[Token]) {
        self.rewind(tokens);
        self.waits = wait_positions(tokens, POLICY_WAITS);
    }
}
