//! The question on screen: its tree of branches, and what the engine last said about each.
//!
//! Engine events change it, and nothing else about it knows the engine. Not here: which keys
//! change it, and how it is drawn.

use std::collections::VecDeque;
use std::path::PathBuf;

use crate::tui::sanitize::clean;
use crate::tui::widgets::trace::Verdict;
use crate::tui::widgets::trace::view::View;
use s1_core::protocol::{Event, LaneId, LaneState, Request, Speed, Until};
use s1_core::trace::{ALL_WAITS, Phase, Reason, Token, phase_text, wait_positions};
use s1_core::tree::{Branch, BranchId, Tree};
use s1_store::session::{Document, ModelCard};

mod grade;

use grade::grade_probe;

/// What is known about one branch beyond its tokens.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// What the engine is doing with it; `None` if the engine does not know it (a session that
    /// was opened, or made with another model).
    pub state: Option<LaneState>,
    /// Waits asked for and not used yet.
    pub pending_waits: usize,
    /// Thinking budget in force.
    pub budget: Option<usize>,
    /// Speed so far.
    pub speed: Speed,
    /// Tokens in its context.
    pub context: usize,
    /// Prompt tokens read, and in all, while they are being read.
    pub prefill: Option<(usize, usize)>,
    /// A repeating loop: its length in tokens and how often it came.
    pub repeats: Option<(usize, usize)>,
    /// It runs one step, and stops by itself.
    pub stepping: bool,
    /// Steps asked for while it was on one.
    pub steps: VecDeque<Until>,
    /// Where the reader is.
    pub view: View,
    /// Tokens before this one are as they were when the view was last updated.
    pub unchanged: usize,
    /// The final answer, once the branch has ended.
    pub verdict: Option<Verdict>,
}

/// What an event means for the rest of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not for this session.
    None,
    /// Something to draw.
    Seen,
    /// Text or probes that a session file should hold.
    Text,
    /// A branch was paused or has ended: a good moment to save.
    Rest,
}

/// One question, all its branches.
#[derive(Clone, Debug)]
pub struct Live {
    /// What was asked.
    pub request: Request,
    /// The rendered prompt.
    pub prompt_ids: Vec<u32>,
    /// What they stand for; empty until a model has read it.
    pub prompt_text: String,
    /// The model it was asked of.
    pub model: ModelCard,
    /// The branches.
    pub tree: Tree,
    /// What is known about each, by [`BranchId`].
    pub lanes: Vec<Lane>,
    /// The branch on screen.
    pub active: BranchId,
    /// Lane of the first branch. Every session has its own range, so that late events of the
    /// session before cannot be taken for this one's.
    pub base: LaneId,
    /// Which of this run's sessions it is; names the file it is kept in.
    pub number: usize,
    /// Counts changes worth saving.
    pub revision: u64,
    /// The last revision that is known to be in a file.
    pub saved: u64,
    /// Where the user saved or opened it.
    pub path: Option<PathBuf>,
    /// The next independent sample's index.
    pub next_sample: u64,
    /// The reference was changed after asking: the engine's grades are not the ones wanted.
    regrade: bool,
}

impl Live {
    /// A question about to be asked.
    pub fn new(request: Request, model: ModelCard, base: LaneId, number: usize) -> Live {
        let next_sample = request.sample + 1;
        Live {
            request,
            prompt_ids: Vec::new(),
            prompt_text: String::new(),
            model,
            tree: Tree::new(),
            lanes: vec![Lane::default()],
            active: 0,
            base,
            number,
            revision: 0,
            saved: 0,
            path: None,
            next_sample,
            regrade: false,
        }
    }

    /// A session that was stored, in a file of its own or not. No engine knows its branches.
    pub fn opened(document: Document, path: Option<PathBuf>, base: LaneId, number: usize) -> Live {
        let mut live = Live::new(document.request, document.model, base, number);
        live.prompt_ids = document.prompt_ids;
        live.lanes = document
            .tree
            .branches()
            .iter()
            .map(|_| Lane::default())
            .collect();
        live.tree = document.tree;
        live.active = document.active;
        live.path = path;
        for id in 0..live.lanes.len() {
            live.judge(id);
        }
        if let (Some(branch), Some(lane)) =
            (live.tree.get(live.active), live.lanes.get_mut(live.active))
        {
            lane.view.put(&branch.tokens, document.cursor);
        }
        live
    }

    /// The session as a document.
    pub fn document(&self) -> Document {
        let mut document = Document::new(
            self.model.clone(),
            self.request.clone(),
            self.prompt_ids.clone(),
            self.tree.clone(),
        );
        document.active = self.active;
        document.cursor = self.lane().view.cursor();
        document
    }

    /// The branch on screen.
    pub fn branch(&self) -> &Branch {
        &self.tree.branches()[self.active]
    }

    /// What is known about the branch on screen.
    pub fn lane(&self) -> &Lane {
        &self.lanes[self.active]
    }

    /// The same, to change.
    pub fn lane_mut(&mut self) -> &mut Lane {
        &mut self.lanes[self.active]
    }

    /// The engine's name for a branch.
    pub fn lane_id(&self, branch: BranchId) -> LaneId {
        self.base + branch
    }

    /// Moves the cursor of the branch on screen.
    pub fn with_view(&mut self, change: impl FnOnce(&mut View, &[Token])) {
        if let (Some(branch), Some(lane)) =
            (self.tree.get(self.active), self.lanes.get_mut(self.active))
        {
            change(&mut lane.view, &branch.tokens);
        }
    }

    /// Text of the branch on screen, safe for a clipboard: the answer alone, or thought and answer.
    pub fn text(&self, answer_only: bool) -> String {
        let tokens = &self.branch().tokens;
        let answer = phase_text(tokens, Phase::Answer);
        let thought = phase_text(tokens, Phase::Thinking);
        let text = match (answer_only, answer.trim().is_empty()) {
            (true, _) => answer,
            (false, true) => thought,
            (false, false) => format!("{}\n\n{}", thought.trim_end(), answer.trim_start()),
        };
        clean(text.trim()).into_owned()
    }

    /// Whether the engine is writing, or reading the prompt of, the branch on screen.
    pub fn is_busy(&self) -> bool {
        matches!(
            self.lane().state,
            Some(LaneState::Running | LaneState::Prefill)
        )
    }

    /// Whether the branch on screen waits for the user.
    pub fn is_paused(&self) -> bool {
        self.lane().state == Some(LaneState::Paused)
    }

    /// Whether the thought of the branch on screen is over.
    pub fn thought_is_over(&self) -> bool {
        !self.request.policy.think
            || self
                .branch()
                .tokens
                .last()
                .is_some_and(|t| t.phase == Phase::Answer)
    }

    /// Number of tokens that stand before the end of the thought.
    pub fn thought_end(&self) -> usize {
        let tokens = &self.branch().tokens;
        tokens
            .iter()
            .position(|t| t.phase == Phase::Answer)
            .unwrap_or(tokens.len())
    }

    /// Number of tokens that stand before the answer, the delimiter included.
    pub fn answer_start(&self) -> Option<usize> {
        let tokens = &self.branch().tokens;
        tokens
            .iter()
            .position(|t| t.phase == Phase::Answer && !t.is_delimiter())
    }

    /// Waits that stand in the branch on screen.
    pub fn waits(&self) -> usize {
        wait_positions(&self.branch().tokens, ALL_WAITS).len()
    }

    /// Makes a branch of the first `at` tokens of the branch on screen, and shows it.
    pub fn fork(&mut self, at: usize) -> Option<BranchId> {
        let id = self.tree.fork(self.active, at)?;
        let from = self.lane();
        let lane = Lane {
            budget: from.budget,
            speed: from.speed,
            context: self.prompt_ids.len() + at,
            ..Lane::default()
        };
        self.lanes.push(lane);
        self.active = id;
        self.revision += 1;
        Some(id)
    }

    /// A branch that has come to the end of a step with another one waiting: the step to run now.
    pub fn next_step(&mut self) -> Option<(LaneId, Until)> {
        let rests = |lane: &&mut Lane| lane.state == Some(LaneState::Paused);
        let lanes = self.lanes.iter_mut().enumerate();
        lanes
            .filter(|(_, lane)| rests(lane))
            .find_map(|(id, lane)| {
                let until = lane.steps.pop_front()?;
                lane.state = Some(LaneState::Running);
                lane.stepping = true;
                Some((self.base + id, until))
            })
    }

    /// Takes an engine event in.
    pub fn apply(&mut self, event: Event) -> Change {
        let of = |lane: LaneId| lane.checked_sub(self.base);
        match event {
            Event::Prompt { lane, ids, text } if of(lane).is_some_and(|b| b < self.lanes.len()) => {
                self.prompt_ids = ids;
                self.prompt_text = text;
                Change::Text
            }
            Event::Tokens {
                lane,
                drop,
                relabel,
                tokens,
            } => match of(lane) {
                Some(id) => self.write(id, drop, relabel, tokens),
                None => Change::None,
            },
            Event::Probe(lane, mut probe) => {
                if self.regrade {
                    grade_probe(self.request.reference.as_deref(), &mut probe);
                }
                let Some(branch) = of(lane).and_then(|id| self.tree.get_mut(id)) else {
                    return Change::None;
                };
                if probe.at > branch.tokens.len() {
                    return Change::None;
                }
                // In the order of the text, one per place: a probe asked for twice replaces.
                let at = branch.probes.partition_point(|p| p.at < probe.at);
                match branch.probes.get_mut(at).filter(|p| p.at == probe.at) {
                    Some(old) => *old = probe,
                    None => branch.probes.insert(at, probe),
                }
                self.revision += 1;
                Change::Text
            }
            Event::State(lane, state) => match of(lane) {
                Some(id) => self.set_state(id, state),
                None => Change::None,
            },
            Event::Prefill { lane, done, total } => {
                self.note(of(lane), |l| l.prefill = Some((done, total)))
            }
            Event::PendingWaits(lane, n) => self.note(of(lane), |l| l.pending_waits = n),
            Event::Budget(lane, n) => self.note(of(lane), |l| l.budget = Some(n)),
            Event::Loop {
                lane,
                period,
                repeats,
            } => self.note(of(lane), |l| l.repeats = Some((period, repeats))),
            Event::Speed(lane, speed) => self.note(of(lane), |l| l.speed = speed),
            Event::Context(lane, n) => self.note(of(lane), |l| l.context = n),
            _ => Change::None,
        }
    }

    fn note(&mut self, id: Option<BranchId>, set: impl FnOnce(&mut Lane)) -> Change {
        match id.and_then(|id| self.lanes.get_mut(id)) {
            Some(lane) => {
                set(lane);
                Change::Seen
            }
            None => Change::None,
        }
    }

    fn write(&mut self, id: BranchId, drop: usize, relabel: usize, tokens: Vec<Token>) -> Change {
        let (Some(branch), Some(lane)) = (self.tree.get_mut(id), self.lanes.get_mut(id)) else {
            return Change::None;
        };
        let kept = branch.tokens.len().saturating_sub(drop);
        branch.tokens.truncate(kept);
        branch.probes.retain(|p| p.at <= kept);
        let relabelled = kept.saturating_sub(relabel);
        for token in &mut branch.tokens[relabelled..] {
            token.phase = Phase::Answer;
            token.reason = Some(Reason::NaturalEnd);
        }
        lane.unchanged = lane.unchanged.min(relabelled);
        branch.tokens.extend(tokens);
        self.revision += 1;
        Change::Text
    }

    fn set_state(&mut self, id: BranchId, state: LaneState) -> Change {
        let Some(lane) = self.lanes.get_mut(id) else {
            return Change::None;
        };
        lane.state = Some(state);
        if state != LaneState::Prefill {
            lane.prefill = None;
        }
        if matches!(state, LaneState::Stopped(_)) {
            lane.steps.clear();
        }
        match state {
            LaneState::Stopped(reason) => {
                if let Some(branch) = self.tree.get_mut(id) {
                    branch.stop = Some(reason);
                }
                self.revision += 1;
                self.judge(id);
                Change::Rest
            }
            LaneState::Paused => Change::Rest,
            LaneState::Running | LaneState::Prefill => Change::Seen,
        }
    }

    /// Forgets what the engine knew: another model is loaded, or none.
    pub fn forget_lanes(&mut self) {
        for lane in &mut self.lanes {
            lane.state = None;
            lane.pending_waits = 0;
            lane.prefill = None;
        }
    }
}
