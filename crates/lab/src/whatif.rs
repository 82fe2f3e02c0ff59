//! The what-if map: what would have become of a thought at each of its sentence ends?
//!
//! For each place three things: the answer if the thought were cut there, the answer after a Wait
//! written there, and the answers of some continuations drawn anew from there. Each is a lane that
//! begins with the thought up to the place, so that what they share is computed once. The sentence
//! whose resampling moves the answers most is the one that mattered (counterfactual importance; Bogdan
//! et al., "Thought anchors", arXiv 2506.19143).
//!
//! Not here: who computes the lanes, and how the map is drawn.

use s1_core::exit::{LookPlaces, Looks};
use s1_core::protocol::{Ask, Command, Event, LaneId, LaneState, Request, Until};
use s1_core::sampling::Sampling;
use s1_core::trace::{Alternatives, Phase, StopReason, Token};
use s1_core::view::{LaneView, LaneViews};

use crate::answer::FinalAnswer;

/// Most and fewest places of a map: of a long thought every so many sentence ends.
const PLACES: std::ops::RangeInclusive<usize> = 8..=64;
/// Tokens that all cells together may come to, as well as can be foreseen: the longer the thought, the
/// fewer its places.
const TOKENS: usize = 400_000;
/// Lanes that are written at once.
const AT_ONCE: usize = 12;
/// Temperature of what is drawn anew where the thought itself was not drawn.
const TEMPERATURE: f32 = 0.7;
/// A continuation may think so many times as long as the thought did, and so much more.
const ROOM: (usize, usize) = (2, 64);

/// What is tried at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhatIfTrial {
    /// The thought is cut.
    Cut,
    /// A Wait is written.
    Wait,
    /// It goes on, drawn anew; which of several times.
    Again(usize),
}

/// What was tried at a place, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// After so many tokens.
    pub at: usize,
    pub trial: WhatIfTrial,
    pub came: Came,
}

/// What came of a trial.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Came {
    /// Not begun.
    #[default]
    Nothing,
    /// It is being written.
    Writing,
    /// One sentence says why it cannot be.
    Refused(String),
    Answer {
        answer: Option<String>,
        correct: Option<bool>,
        /// How many tokens of the thought it begins with: those before the place, but for pieces of a
        /// delimiter that were taken back.
        shared: usize,
        /// What was written after them ([`Map::branch`] has all of it), without alternatives.
        tokens: Vec<Token>,
        stop: StopReason,
    },
}

/// All trials of a thought.
#[derive(Clone, Debug)]
pub struct Map {
    /// The lane of the thought.
    from: LaneId,
    /// The lane of the first cell; the others follow.
    first: LaneId,
    places: Vec<usize>,
    cells: Vec<Cell>,
    /// Continuations drawn at each place.
    again: usize,
    /// The order in which cells are begun, the next one last.
    queue: Vec<usize>,
    flying: usize,
    lanes: LaneViews,
    reference: Option<String>,
    sampling: Sampling,
    /// Thinking tokens that a continuation may have.
    room: usize,
    /// The thought, whose beginning each cell has.
    thought: Vec<Token>,
}

/// The answers at one place, by value, the most frequent first: how often each was given, and whether
/// it is right.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    pub given: Vec<(String, usize, Option<bool>)>,
    /// Continuations without an answer.
    pub missing: usize,
}

impl Answers {
    /// How many there are.
    pub fn n(&self) -> usize {
        self.missing + self.given.iter().map(|(_, n, _)| n).sum::<usize>()
    }

    /// Share of right ones; `None` where nothing is graded, or nothing has come yet.
    pub fn right(&self) -> Option<f64> {
        let graded = self.given.iter().any(|(_, _, correct)| correct.is_some());
        let right = self.given.iter().filter(|(_, _, c)| *c == Some(true));
        let right: usize = right.map(|(_, n, _)| n).sum();
        (graded && self.n() > 0).then(|| right as f64 / self.n() as f64)
    }

    /// Share of the most frequent answer.
    pub fn agreement(&self) -> f64 {
        let most = self.given.first().map_or(0, |(_, n, _)| *n);
        most as f64 / self.n().max(1) as f64
    }

    /// Half the sum of differences in the shares of each answer: 0 for the same distribution, 1 for
    /// two that have no answer in common.
    pub fn distance(&self, other: &Answers) -> f64 {
        let share = |of: &Answers, answer: &str| {
            let own = of.given.iter().find(|(a, ..)| same(a, answer));
            own.map_or(0.0, |(_, n, _)| *n as f64) / of.n().max(1) as f64
        };
        let missing = |of: &Answers| of.missing as f64 / of.n().max(1) as f64;
        let mine = self.given.iter().map(|(a, ..)| a);
        let theirs = other.given.iter().map(|(a, ..)| a);
        let theirs = theirs.filter(|a| self.given.iter().all(|(b, ..)| !same(a, b)));
        let sum: f64 = mine
            .chain(theirs)
            .map(|answer| (share(self, answer) - share(other, answer)).abs())
            .sum();
        (sum + (missing(self) - missing(other)).abs()) / 2.0
    }
}

fn same(a: &str, b: &str) -> bool {
    a == b || s1_grading::equal(a, b).equal
}

impl Map {
    /// The map of the thought that a lane has written, with so many continuations at each place. Its
    /// cells take the lanes from `first` on, [`Map::len`] of them.
    pub fn new(
        (from, first): (LaneId, LaneId),
        tokens: &[Token],
        request: &Request,
        again: usize,
    ) -> Map {
        let thought = tokens.iter().take_while(|t| t.phase == Phase::Thinking);
        let thought: Vec<Token> = thought.cloned().collect();
        let mut places = LookPlaces::of(Looks::SentenceEnds, &thought);
        let all = places.len();
        let fit = TOKENS / (thought.len() * (2 + again)).max(1);
        let most = fit.clamp(*PLACES.start(), *PLACES.end());
        if all > most {
            places = (1..=most).map(|i| places[all * i / most - 1]).collect();
        }
        let trials = [WhatIfTrial::Cut, WhatIfTrial::Wait].into_iter();
        let trials = trials.chain((0..again).map(WhatIfTrial::Again));
        // One kind after the other, so that a whole strip is there early.
        let cells = trials.flat_map(|trial| {
            let cell = move |&at: &usize| Cell {
                at,
                trial,
                came: Came::Nothing,
            };
            places.iter().map(cell)
        });
        let cells: Vec<Cell> = cells.collect();
        let own = &request.sampling;
        Map {
            from,
            first,
            again,
            queue: (0..cells.len()).rev().collect(),
            flying: 0,
            lanes: LaneViews::default(),
            reference: request.reference.clone(),
            sampling: Sampling {
                temperature: match own.is_greedy() {
                    true => TEMPERATURE,
                    false => own.temperature,
                },
                ..own.clone()
            },
            room: thought.len() * ROOM.0 + ROOM.1,
            places,
            cells,
            thought,
        }
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether the thought has no sentence end.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The places, after so many tokens each.
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// Continuations drawn at each place.
    pub fn again(&self) -> usize {
        self.again
    }

    /// How many cells have come to an end.
    pub fn done(&self) -> usize {
        let open = |cell: &&Cell| matches!(cell.came, Came::Nothing | Came::Writing);
        self.cells.len() - self.cells.iter().filter(open).count()
    }

    /// A cell, by its place and what is tried there.
    pub fn cell(&self, place: usize, trial: WhatIfTrial) -> Option<&Cell> {
        let row = match trial {
            WhatIfTrial::Cut => 0,
            WhatIfTrial::Wait => 1,
            WhatIfTrial::Again(i) => 2 + i,
        };
        self.cells.get(row * self.places.len() + place)
    }

    /// A cell as a branch: where it leaves the thought, all its tokens, and why it ended. `None` where
    /// nothing has come of it yet.
    pub fn branch(
        &self,
        place: usize,
        trial: WhatIfTrial,
    ) -> Option<(usize, Vec<Token>, StopReason)> {
        let Came::Answer {
            shared,
            tokens,
            stop,
            ..
        } = &self.cell(place, trial)?.came
        else {
            return None;
        };
        let begun = self.thought.get(..*shared)?;
        Some((*shared, [begun, tokens].concat(), *stop))
    }

    /// The answers of the continuations drawn at a place, as far as they have come.
    pub fn answers(&self, place: usize) -> Answers {
        let mut answers = Answers::default();
        let drawn = (0..self.again).filter_map(|i| self.cell(place, WhatIfTrial::Again(i)));
        for cell in drawn {
            let Came::Answer {
                answer, correct, ..
            } = &cell.came
            else {
                continue;
            };
            let Some(answer) = answer else {
                answers.missing += 1;
                continue;
            };
            match answers.given.iter_mut().find(|(a, ..)| same(a, answer)) {
                Some((_, n, _)) => *n += 1,
                None => answers.given.push((answer.clone(), 1, *correct)),
            }
        }
        answers.given.sort_by_key(|(_, n, _)| std::cmp::Reverse(*n));
        answers
    }

    /// The place whose sentence moves the answers most, and by how much: from the continuations before
    /// it to those after it. `None` before all of them have come, and where nothing moves.
    pub fn turning_point(&self) -> Option<(usize, f64)> {
        if self.done() < self.cells.len() {
            return None;
        }
        let all: Vec<Answers> = (0..self.places.len()).map(|i| self.answers(i)).collect();
        let moved = all.windows(2).map(|pair| pair[0].distance(&pair[1]));
        let moved = moved.enumerate().filter(|(_, by)| *by > 0.0);
        // Of several the first.
        let most = moved.rev().max_by(|a, b| a.1.total_cmp(&b.1));
        most.map(|(i, by)| (i + 1, by))
    }

    /// Begins as many cells as may be written at once.
    pub fn begin(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        while self.flying < AT_ONCE
            && let Some(i) = self.queue.pop()
        {
            let Cell { at, trial, came } = &mut self.cells[i];
            let (lane, at) = (self.first + i, *at);
            *came = Came::Writing;
            self.flying += 1;
            // The engine tells of what comes after it.
            let begun = LaneView {
                tokens: self.thought[..at].to_vec().into(),
                ..LaneView::default()
            };
            self.lanes.put(lane, begun);
            let from = self.from;
            commands.push(Command::Fork { from, to: lane, at });
            commands.push(Command::Budget(lane, Some(at + self.room)));
            match *trial {
                WhatIfTrial::Cut => commands.push(Command::Ask(lane, Ask::Cut)),
                WhatIfTrial::Wait => commands.push(Command::Ask(lane, Ask::Wait)),
                WhatIfTrial::Again(n) => {
                    let sample = 1 + (at * self.again + n) as u64;
                    commands.push(Command::Sampling(lane, self.sampling.clone(), sample));
                }
            }
            commands.push(Command::Run(lane, Until::End));
        }
        commands
    }

    /// Takes an event in, if it is about a cell: then what is to be done next.
    pub fn apply(&mut self, event: &Event) -> Option<Vec<Command>> {
        let lane = event.lane()?;
        let cell = lane.checked_sub(self.first)?;
        if cell >= self.cells.len() {
            return None;
        }
        if self.cells[cell].came != Came::Writing {
            return Some(Vec::new());
        }
        self.lanes.apply(event);
        let came = match event {
            Event::State(_, LaneState::Stopped(stop)) => {
                let view = self.lanes.take(lane).unwrap_or_default();
                let reference = self.reference.as_deref();
                let FinalAnswer { text, correct } = FinalAnswer::of(&view.tokens, reference);
                let both = view.tokens.iter().zip(&self.thought[..self.cells[cell].at]);
                let same = both.take_while(|(a, b)| (a.id, a.phase) == (b.id, b.phase));
                let shared = same.count();
                let mut tokens = view.tokens[shared..].to_vec();
                for token in &mut tokens {
                    token.top = Alternatives::default();
                }
                Came::Answer {
                    answer: text,
                    correct,
                    shared,
                    tokens,
                    stop: *stop,
                }
            }
            Event::Notice(_, why) | Event::Refused { why, .. } => Came::Refused(why.clone()),
            _ => return Some(Vec::new()),
        };
        self.lanes.take(lane);
        self.cells[cell].came = came;
        self.flying -= 1;
        let mut commands = vec![Command::Forget(lane..lane + 1)];
        commands.extend(self.begin());
        Some(commands)
    }

    /// Gives up what is not there yet.
    pub fn cancel(&mut self) -> Command {
        self.queue.clear();
        self.flying = 0;
        for cell in &mut self.cells {
            if matches!(cell.came, Came::Nothing | Came::Writing) {
                cell.came = Came::Refused("it was given up".into());
            }
        }
        Command::Forget(self.first..self.first + self.cells.len())
    }
}

#[cfg(test)]
mod tests;
