//! Lanes of one question that are computed once for as long as they agree.
//!
//! Lanes with the same prompt form a group: one trace, and for each lane rules of its own. At every
//! position each is asked what it would do, and as long as that is the same, one token serves all.
//! The first time they differ (a budget reached, a wait that one of them is due, another draw) the
//! group is parted; those that still agree with each other stay together. So lanes that differ only
//! in budget, waits, wait text or seed never compute the same token twice, whatever their rules are.
//!
//! Not here: how a token is computed, and what a parted group takes along.

use s1_core::forcing::{Edit, ForcingDecision, Lean, Machine, Next};
use s1_core::protocol::{LaneId, Request};
use s1_core::sampling::Sampling;
use s1_core::trace::{Phase, Reason, StopReason};

/// One lane of a group: what it was asked, and its rules. The first one is the others' host.
#[derive(Clone, Debug)]
pub struct Member {
    pub id: LaneId,
    pub request: Request,
    /// Its rules, having followed the trace of the group.
    pub machine: Machine,
}

/// What a lane does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Move {
    /// It appends the token it has drawn.
    Accept {
        id: u32,
        /// The phase it belongs to.
        phase: Phase,
        /// Why, if it is more than plain sampling.
        reason: Option<Reason>,
        /// How many tokens before it turn out to belong to the same delimiter.
        relabel: usize,
    },
    /// It writes this instead of a token, or before it draws one.
    Write(Edit),
    Stop(StopReason),
    /// A token has to be drawn for it: what was drawn for others is not for it.
    Draw,
    /// It cannot draw a token. One sentence.
    Fail(String),
}

impl From<(u32, ForcingDecision)> for Move {
    fn from((id, decision): (u32, ForcingDecision)) -> Move {
        match decision {
            ForcingDecision::Accept {
                phase,
                reason,
                relabel,
            } => Move::Accept {
                id,
                phase,
                reason,
                relabel,
            },
            ForcingDecision::Edit(edit) => Move::Write(edit),
            ForcingDecision::Stop(reason) => Move::Stop(reason),
        }
    }
}

/// How to draw, which of several samples it is, what cannot be drawn, and how much the end of
/// thinking is raised.
type Draw = (Sampling, u64, Vec<u32>, f32);

/// What gives a group its next tokens.
pub trait Proposer {
    /// Draws the next token; the ids in `mask` cannot be chosen, and the end of thinking is raised by
    /// a share of what it lacks ([`forcing::raise`](s1_core::forcing::raise)); 0 for not at all. `None` if that
    /// cannot be done now.
    ///
    /// # Errors
    /// If this way of drawing makes no sense.
    fn draw(
        &self,
        sampling: &Sampling,
        sample: u64,
        mask: &[u32],
        raised: f32,
    ) -> anyhow::Result<Option<u32>>;

    /// Whether an end of thinking is among the `best` most probable tokens.
    fn end_is_among(&self, best: usize) -> bool;

    /// The text a token would add.
    fn text_of(&self, id: u32) -> String;
}

/// What each member does next, parted by what it is: the first part is the host's. Where the context is full, what would draw a token ends.
pub fn next_moves(
    members: &mut [Member],
    full: bool,
    proposer: &impl Proposer,
) -> Vec<(Move, Vec<LaneId>)> {
    let mut parts: Vec<(Move, Vec<LaneId>)> = Vec::new();
    // Most draw alike: a draw usually serves the next member, too.
    let mut drawn: Option<(Draw, u32)> = None;
    for member in members {
        let next = match member.machine.next() {
            Next::Edit(edit) => Move::Write(edit),
            Next::Stop(reason) => Move::Stop(reason),
            Next::Sample { .. } if full => Move::Stop(StopReason::ContextFull),
            Next::Sample { mask } => {
                let raised = match member.machine.lean() {
                    Lean::Best(best) if proposer.end_is_among(best) => {
                        add(&mut parts, Move::Write(member.machine.end_now()), member.id);
                        continue;
                    }
                    Lean::Raise(share) => share,
                    Lean::Best(_) | Lean::None => 0.0,
                };
                let sampling = member.request.sampling.clone();
                let draw = (sampling, member.request.sample, mask, raised);
                let token = match drawn.take() {
                    Some((other, token)) if other == draw => Ok(Some(token)),
                    _ => proposer.draw(&draw.0, draw.1, &draw.2, draw.3),
                };
                match token {
                    Ok(None) => Move::Draw,
                    Ok(Some(token)) => {
                        drawn = Some((draw, token));
                        let text = proposer.text_of(token);
                        (token, member.machine.decide(token, &text)).into()
                    }
                    Err(error) => Move::Fail(format!("{error:#}")),
                }
            }
        };
        add(&mut parts, next, member.id);
    }
    parts
}

/// Puts a lane with those that do the same.
fn add(parts: &mut Vec<(Move, Vec<LaneId>)>, next: Move, id: LaneId) {
    match parts.iter_mut().find(|(other, _)| *other == next) {
        Some((_, part)) => part.push(id),
        None => parts.push((next, vec![id])),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use s1_core::delimiters::{Delimiters, Spec, TokenLookup};
    use s1_core::family::Families;
    use s1_core::forcing::Policy;

    const END: u32 = 1002;

    /// Letters, and the delimiters.
    struct Letters;

    impl TokenLookup for Letters {
        fn encode(&self, text: &str) -> Vec<u32> {
            text.chars().map(u32::from).collect()
        }
        fn token(&self, text: &str) -> Option<u32> {
            let known = ["<think>", "</think>", "<|im_end|>"];
            let at = known.iter().position(|t| *t == text)?;
            Some([1001, END, 1004][at])
        }
        fn turn_ends(&self) -> Vec<u32> {
            vec![1004]
        }
    }

    /// Draws the end of thinking; with seed 1, an `a`.
    struct Ends;

    impl Proposer for Ends {
        fn draw(
            &self,
            sampling: &Sampling,
            _: u64,
            _: &[u32],
            _: f32,
        ) -> anyhow::Result<Option<u32>> {
            match sampling.seed {
                2 => anyhow::bail!("the temperature is negative"),
                1 => Ok(Some('a'.into())),
                _ => Ok(Some(END)),
            }
        }

        fn end_is_among(&self, best: usize) -> bool {
            best > 1
        }

        fn text_of(&self, id: u32) -> String {
            let letter = char::from_u32(id).map(String::from);
            letter.filter(|_| id < 1000).unwrap_or_default()
        }
    }

    fn member(id: LaneId, budget: usize, waits: usize, seed: u64) -> Member {
        let policy = Policy {
            max_thinking: Some(budget),
            waits,
            ..Policy::default()
        };
        let qwen3 = Families::bundled().get("qwen3").unwrap();
        let delimiters = Delimiters::resolve(Spec::of(qwen3), &Letters).unwrap();
        let wait = Letters.encode("Wait").into();
        let sampling = Sampling {
            seed,
            ..Sampling::default()
        };
        Member {
            id,
            machine: Machine::new(policy.clone(), Arc::new(delimiters), wait, 1000),
            request: Request {
                question: String::new(),
                system: String::new(),
                raw: false,
                policy,
                sampling,
                sample: 0,
                reference: None,
                probe_every: None,
                probe_text: String::new(),
                template_args: String::new(),
            },
        }
    }

    #[test]
    fn lanes_are_parted_by_what_they_do_next_and_by_nothing_else() {
        let mut members = [
            member(10, 100, 0, 0),
            member(11, 100, 1, 0),
            member(12, 50, 0, 0),
            member(13, 0, 0, 0),
            member(14, 90, 2, 0),
            member(15, 100, 0, 1),
            member(16, 100, 0, 2),
        ];
        let parts = next_moves(&mut members, false, &Ends);
        let ids: Vec<&[LaneId]> = parts.iter().map(|(_, part)| &part[..]).collect();
        // An end, with whatever budget; a wait in its place; a budget of 0; another draw; none.
        assert_eq!(ids, [&[10, 12][..], &[11, 14], &[13], &[15], &[16]]);
        assert!(
            matches!(parts[0].0, Move::Accept { id: END, .. }),
            "{parts:?}"
        );
        let reason = |i: usize| match &parts[i].0 {
            Move::Write(edit) => Some(edit.reason),
            _ => None,
        };
        assert_eq!(reason(1), Some(Reason::Wait));
        assert_eq!(reason(2), Some(Reason::Budget));
        assert_eq!(parts[4].0, Move::Fail("the temperature is negative".into()));
        // A full context ends what would draw, and nothing that is written anyway.
        let parts = next_moves(&mut members, true, &Ends);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].0, Move::Stop(StopReason::ContextFull));
    }
}
