//! Branches: making them at the cursor, choosing an alternative, switching.

use super::overlay::Overlay;
use super::{App, Tone};
use s1_core::protocol::{Ask, Command, LaneState, Until};
use s1_core::tree::BranchId;

impl App {
    /// Makes a branch at the cursor; `go` runs it at once.
    pub(super) fn branch(&mut self, go: bool) {
        let Some(live) = self.live.as_ref() else {
            return self.refuse("Ask a question first.");
        };
        let end = live.lane().tokens.len();
        let at = live.branch().view.cursor().unwrap_or(end);
        let ended = live.lane().stop.is_some();
        if at == end && ended {
            return self.refuse(
                "This branch has ended. Move the cursor to where it should go another way.",
            );
        }
        let Some(id) = self.fork(at) else { return };
        let name = self
            .live
            .as_ref()
            .map(|l| l.branch().name.clone())
            .unwrap_or_default();
        if go {
            self.run_branch(id);
        } else {
            self.say(
                Tone::Info,
                format!("{name} begins here, paused. The other branch stays as it was."),
            );
        }
    }

    fn run_branch(&mut self, id: BranchId) {
        if let Some(live) = self.live.as_mut() {
            let lane = live.lane_id(id);
            live.branch_mut().lane.state = Some(LaneState::Running);
            self.send(Command::Run(lane, Until::End));
        }
    }

    pub(super) fn open_alternatives(&mut self) {
        let Some(live) = self.live.as_ref() else {
            return self.ask_from_trace();
        };
        let at = live.branch().view.focus(&live.lane().tokens);
        let Some((at, token)) = at.and_then(|at| Some((at, live.lane().tokens.get(at)?))) else {
            return self.refuse("There is no token yet.");
        };
        if token.top.is_empty() {
            return self
                .refuse("The model was not asked at this place, so there are no alternatives.");
        }
        self.overlay = Some(Overlay::alternatives(at, token));
    }

    /// Enter on an empty trace goes to the question.
    fn ask_from_trace(&mut self) {
        self.edit_question();
    }

    /// Puts another token at a place, in a branch of its own.
    pub(super) fn choose(&mut self, at: usize, id: u32) {
        let Some(live) = self.live.as_ref() else {
            return;
        };
        let stands = live.lane().tokens.get(at).map(|t| t.id);
        if stands == Some(id) {
            return self.say(Tone::Info, "That is what stands there.");
        }
        let was_paused = live.is_paused();
        let Some(branch) = self.fork(at) else { return };
        if let Some(lane) = self.live.as_ref().map(|l| l.lane_id(branch)) {
            self.send(Command::Ask(lane, Ask::Choose(id)));
        }
        if !was_paused {
            self.run_branch(branch);
        }
    }

    pub(super) fn open_branches(&mut self) {
        match self.live.as_ref() {
            Some(live) => self.overlay = Some(Overlay::branches(live)),
            None => self.refuse("There are no branches yet. Ask a question first."),
        }
    }

    /// Shows another branch. What runs goes on.
    pub(super) fn switch(&mut self, id: BranchId) {
        if let Some(live) = self.live.as_mut().filter(|l| id < l.branches.len()) {
            live.active = id;
        }
    }

    pub(super) fn switch_by(&mut self, step: isize) {
        let Some(live) = self.live.as_mut() else {
            return;
        };
        let order: Vec<BranchId> = live.walk().into_iter().map(|(_, id)| id).collect();
        if order.len() < 2 {
            return self.refuse("There is one branch. b makes another at the cursor.");
        }
        let here = order.iter().position(|&id| id == live.active).unwrap_or(0);
        let next = (here as isize + step).rem_euclid(order.len() as isize) as usize;
        live.active = order[next];
    }
}
