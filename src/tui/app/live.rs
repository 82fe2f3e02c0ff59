//! The question on screen: its tree of branches, and what the engine last said about each.
//!
//! Engine events change it, and nothing else about it knows the engine. Not here: which keys
//! change it, and how it is drawn.

use std::path::PathBuf;

use crate::tui::sanitize::clean;
use crate::tui::screen::Screen;
use crate::tui::widgets::trace::GradedAnswer;
use crate::tui::widgets::trace::view::View;
use s1_core::protocol::{Command, Event, LaneId, LaneState, Request};
use s1_core::sampling::Sampling;
use s1_core::trace::{Phase, StopReason, Token, phase_text};
use s1_core::tree::{self, Branch, BranchId, Fork, Tree};
use s1_core::view::{Change, LaneView};
use s1_store::session::{Document, ModelCard, SessionAnswer};

mod grade;

/// One branch: what the engine has said of it, and what the screen keeps with it.
#[derive(Clone, Debug, Default)]
pub struct LiveBranch {
    /// Short name for the tree.
    pub name: String,
    /// Where it left its parent; `None` for the first branch.
    pub fork: Option<Fork>,
    /// What the engine has said.
    pub lane: LaneView,
    /// The engine was told of it: not so for a session that was opened, or made with another model.
    pub sent: bool,
    /// The engine was told to run it. Counts only while it has not said anything of it yet: a key
    /// may come before that.
    pub told_to_run: bool,
    /// It is written at a pace, some tokens at a time: where it rests between two beats it is not
    /// paused.
    pub paced: bool,
    /// It was told to go by steps last: whatever the engine is at, it then rests.
    pub stepping: bool,
    /// How its tokens are drawn, and as which sample.
    pub drawn: (Sampling, u64),
    /// That holds for its answer alone: a branch that leaves it inside the thought draws as the
    /// question says.
    pub rerolled: bool,
    pub view: View,
    /// The final answer, once the branch has ended.
    pub verdict: Option<GradedAnswer>,
}

impl LiveBranch {
    /// What the engine is doing with it, as a reader sees it.
    pub fn state(&self) -> Option<LaneState> {
        match self.lane.state {
            Some(LaneState::Paused) if self.paced => Some(LaneState::Running),
            state => state,
        }
    }

    /// Whether the engine is writing it, or reading its prompt.
    pub fn is_busy(&self) -> bool {
        match self.state() {
            Some(state) => matches!(state, LaneState::Prefill | LaneState::Running),
            None => self.sent && self.told_to_run,
        }
    }

    fn opened(branch: Branch) -> LiveBranch {
        LiveBranch {
            name: branch.name,
            fork: branch.fork,
            lane: LaneView {
                tokens: branch.tokens.into(),
                probes: branch.probes,
                stop: branch.stop,
                ..LaneView::default()
            },
            ..LiveBranch::default()
        }
    }

    fn stored(&self) -> Branch {
        Branch {
            name: self.name.clone(),
            fork: self.fork,
            tokens: self.lane.tokens.to_vec(),
            probes: self.lane.probes.clone(),
            stop: self.lane.stop,
        }
    }
}

/// Whether the model was asked at a token: what was scored has an entropy above 0, however sure it
/// was.
fn is_scored(token: &Token) -> bool {
    token.entropy != 0.0 || token.logprob != 0.0 || !token.top.is_empty()
}

/// One question, all its branches.
#[derive(Clone, Debug, Default)]
pub struct Live {
    pub request: Request,
    /// The rendered prompt.
    pub prompt_ids: Vec<u32>,
    /// What they stand for; empty until a model has read it.
    pub prompt_text: String,
    /// The model it was asked of.
    pub model: ModelCard,
    /// The branches, by [`BranchId`].
    pub branches: Vec<LiveBranch>,
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
    /// The file that holds it, its own or the user's.
    pub kept: Option<PathBuf>,
    /// Where the user saved or opened it.
    pub path: Option<PathBuf>,
    /// The screen it was opened from.
    pub from: Option<Screen>,
    /// Where a range to copy begins.
    pub mark: Option<usize>,
    /// The next independent sample's index.
    pub next_sample: u64,
    /// The reference was changed after asking: the engine's grades are not the ones wanted.
    regrade: bool,
}

impl Live {
    /// A question about to be asked.
    pub fn new(request: Request, model: ModelCard, base: LaneId, number: usize) -> Live {
        let next_sample = request.sample + 1;
        let main = LiveBranch {
            name: "main".into(),
            drawn: (request.sampling.clone(), request.sample),
            ..LiveBranch::default()
        };
        Live {
            request,
            model,
            branches: vec![main],
            base,
            number,
            next_sample,
            ..Live::default()
        }
    }

    /// A session that was stored, in a file of its own or not. No engine knows its branches.
    pub fn opened(document: Document, path: Option<PathBuf>, base: LaneId, number: usize) -> Live {
        let mut live = Live::new(document.request, document.model, base, number);
        live.prompt_ids = document.prompt_ids;
        let branches = document.tree.branches().iter().cloned();
        live.branches = branches.map(LiveBranch::opened).collect();
        for branch in &mut live.branches {
            branch.drawn = (live.request.sampling.clone(), live.request.sample);
        }
        live.active = document.active;
        live.path = path;
        for id in 0..live.branches.len() {
            live.judge(id);
        }
        live.with_view(|view, tokens| view.put(tokens, document.cursor));
        live
    }

    /// The session as a document.
    pub fn document(&self) -> Document {
        let mut document = Document::new(
            self.model.clone(),
            self.request.clone(),
            self.prompt_ids.clone(),
            Tree::of(self.branches.iter().map(LiveBranch::stored).collect()),
        );
        document.answer = self.branch().verdict.as_ref().map(|verdict| SessionAnswer {
            text: Some(verdict.answer.clone()),
            correct: verdict.correct,
        });
        document.active = self.active;
        document.cursor = self.branch().view.cursor();
        document
    }

    /// The branch on screen.
    pub fn branch(&self) -> &LiveBranch {
        &self.branches[self.active]
    }

    /// The branch on screen, to change what the screen keeps with it.
    pub fn branch_mut(&mut self) -> &mut LiveBranch {
        &mut self.branches[self.active]
    }

    /// What the engine has said of the branch on screen.
    pub fn lane(&self) -> &LaneView {
        &self.branch().lane
    }

    /// The token that is looked at, and its place.
    pub fn focus(&self) -> Option<(usize, &Token)> {
        let tokens = &self.lane().tokens;
        let at = self.branch().view.focus(tokens)?;
        Some((at, tokens.get(at)?))
    }

    /// The engine's name for a branch.
    pub fn lane_id(&self, branch: BranchId) -> LaneId {
        self.base + branch
    }

    /// The engine's name for the branch on screen.
    pub fn shown_lane(&self) -> LaneId {
        self.lane_id(self.active)
    }

    /// What makes the branch on screen known to the engine, as it stands.
    pub fn restore(&self) -> Command {
        let (sampling, sample) = self.branch().drawn.clone();
        Command::Restore {
            lane: self.shown_lane(),
            request: Request {
                sampling,
                sample,
                ..self.request.clone()
            },
            tokens: self.lane().tokens.to_vec(),
        }
    }

    /// Moves the cursor of the branch on screen.
    pub fn with_view(&mut self, change: impl FnOnce(&mut View, &[Token])) {
        let branch = self.branch_mut();
        change(&mut branch.view, &branch.lane.tokens);
    }

    /// Text of the branch on screen, safe for a clipboard: the answer alone, or thought and answer.
    pub fn text(&self, answer_only: bool) -> String {
        let tokens = &self.lane().tokens;
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
        self.branch().is_busy()
    }

    /// Whether the branch on screen waits for the user.
    pub fn is_paused(&self) -> bool {
        self.branch().state() == Some(LaneState::Paused)
    }

    /// Whether the branch on screen has ended for good: one that the user has stopped may go on.
    pub fn has_ended(&self) -> bool {
        let stop = self.lane().stop;
        stop.is_some_and(|stop| stop != StopReason::User) && !self.is_busy()
    }

    /// Whether the branch on screen was stopped by the user.
    pub fn is_stopped(&self) -> bool {
        self.lane().stop == Some(StopReason::User) && !self.is_busy()
    }

    /// The token of the branch on screen at a place, with what the model thought there: where it was
    /// not asked (a Wait that was written over its end, say), what it had written there before.
    pub fn asked(&self, at: usize) -> Option<&Token> {
        let mut id = self.active;
        loop {
            let branch = self.branches.get(id)?;
            let token = branch.lane.tokens.get(at)?;
            if is_scored(token) {
                return Some(token);
            }
            // The texts before it are the same there.
            id = branch.fork.filter(|fork| fork.at >= at)?.parent;
        }
    }

    /// Whether the thought of the branch on screen is over.
    pub fn thought_is_over(&self) -> bool {
        !self.request.policy.think
            || self
                .lane()
                .tokens
                .last()
                .is_some_and(|t| t.phase == Phase::Answer)
    }

    /// Number of tokens that stand before the end of the thought.
    pub fn thought_end(&self) -> usize {
        let tokens = &self.lane().tokens;
        tokens
            .iter()
            .position(|t| t.phase == Phase::Answer)
            .unwrap_or(tokens.len())
    }

    /// Number of tokens that stand before the answer, the delimiter included.
    pub fn answer_start(&self) -> Option<usize> {
        let tokens = &self.lane().tokens;
        tokens
            .iter()
            .position(|t| t.phase == Phase::Answer && !t.is_delimiter())
    }

    /// Waits that stand in the branch on screen.
    pub fn waits(&self) -> usize {
        self.lane().tokens.waits()
    }

    /// Makes a branch of the first `at` tokens of the branch on screen (of all where it has fewer),
    /// and shows it.
    pub fn fork(&mut self, at: usize) -> BranchId {
        let from = self.lane();
        let at = at.min(from.tokens.len());
        let lane = LaneView {
            context: self.prompt_ids.len() + at,
            ..from.fork(at)
        };
        let id = self.branches.len();
        // It hangs below the branch that its last token was written on, whichever is on screen.
        let mut owner = self.active;
        while let Some(fork) = self.branches[owner].fork.filter(|fork| fork.at >= at) {
            owner = fork.parent;
        }
        let parent = self.branch();
        let in_thought = self.answer_start().is_none_or(|start| at < start);
        let (drawn, rerolled) = match parent.rerolled && in_thought {
            true => ((self.request.sampling.clone(), self.request.sample), false),
            false => (parent.drawn.clone(), parent.rerolled),
        };
        self.branches.push(LiveBranch {
            name: format!("b{id}"),
            drawn,
            rerolled,
            fork: Some(Fork { parent: owner, at }),
            lane,
            ..LiveBranch::default()
        });
        self.active = id;
        self.revision += 1;
        id
    }

    /// The branches in the order in which their tree is drawn, each with its depth.
    pub fn walk(&self) -> Vec<(usize, BranchId)> {
        let forks: Vec<Option<Fork>> = self.branches.iter().map(|b| b.fork).collect();
        tree::walk(&forks)
    }

    /// Takes an engine event in.
    pub fn apply(&mut self, event: &Event) -> Change {
        let id = event.lane().and_then(|lane| lane.checked_sub(self.base));
        let Some((id, branch)) = id.and_then(|id| Some((id, self.branches.get_mut(id)?))) else {
            return Change::None;
        };
        if let Event::Prompt { ids, text, .. } = event {
            self.prompt_ids.clone_from(ids);
            self.prompt_text.clone_from(text);
        }
        let change = branch.lane.apply(event);
        match change {
            Change::Text(from) => {
                branch.view.text_changed(from);
                self.revision += 1;
            }
            Change::Probes => {
                if self.regrade {
                    self.grade_probes(id);
                }
                self.revision += 1;
            }
            Change::Refused => (branch.sent, branch.paced) = (false, false),
            Change::State(LaneState::Stopped(_)) => {
                branch.paced = false;
                self.revision += 1;
                self.judge(id);
            }
            // What was stopped goes on.
            Change::State(LaneState::Running | LaneState::Prefill) => {
                branch.lane.stop = None;
                branch.verdict = None;
            }
            _ => {}
        }
        change
    }

    /// Forgets what the engine knew: another model is loaded, or none.
    pub fn forget_lanes(&mut self) {
        for branch in &mut self.branches {
            branch.lane.forget_engine();
            (branch.sent, branch.paced) = (false, false);
        }
    }
}
