//! Branches: making them at the cursor, choosing an alternative, switching.

use super::live::{Live, LiveBranch};
use super::{App, Focus};
use crate::tui::action::Action;
use crate::tui::sanitize::{clean_line, fit};
use crate::tui::widgets::bars::bar;
use crate::tui::widgets::list::{List, ListRow};
use crate::tui::widgets::trace::glyph::{label, quoted};
use crate::tui::widgets::trace::grade_sign;
use s1_core::protocol::{Ask, Command, LaneState};
use s1_core::trace::Token;
use s1_core::tree::BranchId;

/// The tokens that the model considered at a position; the likeliest other one is selected.
fn alternatives(at: usize, token: &Token) -> List<u32> {
    let rows = token.top.iter().map(|a| {
        let p = f64::from(a.logprob).exp();
        let mark = if a.id == token.id { "  (chosen)" } else { "" };
        let row = ListRow::new(
            format!("{}{mark}", quoted(&a.text, 32)),
            format!("{:<16}  {p:.3}", bar(p, 16)),
        );
        (a.id, row)
    });
    List::new(
        format!("Alternatives to {} (token {at})", quoted(&token.text, 24)),
        rows,
    )
    .select(|id| *id != token.id)
}

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
        // With nothing behind the cursor there is nothing to write again.
        let ended_before_cursor = at == end;
        if self.fork(at).is_none() {
            return;
        }
        let name = self
            .live
            .as_ref()
            .map(|l| l.branch().name.clone())
            .unwrap_or_default();
        let live = self.live.as_ref();
        let greedy = live.is_some_and(|live| live.branch().drawn.0.is_greedy());
        if go {
            self.run();
            if greedy && !ended_before_cursor {
                let (other, settings) =
                    (self.key(Action::Alternatives), self.key(Action::Settings));
                self.tell(format!(
                    "{name} is greedy, so it writes the same again; {other} takes another token, {settings} sets a temperature."
                ));
            }
        } else {
            self.tell(format!(
                "{name} begins here, paused. The other branch stays as it was."
            ));
        }
    }

    pub(super) fn open_alternatives(&mut self) {
        let Some(live) = self.live.as_ref() else {
            // Enter on an empty trace goes to the question.
            self.focus = Focus::Question;
            return;
        };
        let Some((at, token)) = live.focus() else {
            return self.refuse("There is no token yet.");
        };
        let token = live.asked(at).unwrap_or(token);
        if token.top.is_empty() {
            return self.refuse("No alternatives were recorded at this place.");
        }
        let list = alternatives(at, token);
        self.ask_over(list, move |app, id| app.choose(at, id));
    }

    /// Puts another token at a place, in a branch of its own.
    fn choose(&mut self, at: usize, id: u32) {
        let Some(live) = self.live.as_ref() else {
            return;
        };
        let stands = live.lane().tokens.get(at).map(|t| t.id);
        if stands == Some(id) {
            return self.tell("That is the token already there.");
        }
        let was_paused = live.is_paused();
        let Some(branch) = self.fork(at) else { return };
        if let Some(lane) = self.live.as_ref().map(|l| l.lane_id(branch)) {
            self.send(Command::Ask(lane, Ask::Choose(id)));
        }
        if !was_paused {
            self.run();
        }
    }

    pub(super) fn open_branches(&mut self) {
        let Some(live) = self.live.as_ref() else {
            return self.refuse("There are no branches yet. Ask a question first.");
        };
        let list = List::new("Branches", branch_rows(live)).select(|id| *id == live.active);
        self.ask_over(list, App::switch);
    }

    /// Shows another branch. What runs goes on.
    fn switch(&mut self, id: BranchId) {
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

/// One row per branch, as a tree.
fn branch_rows(live: &Live) -> Vec<(BranchId, ListRow)> {
    let order = live.walk();
    let mut rows = Vec::with_capacity(order.len());
    for (i, &(depth, id)) in order.iter().enumerate() {
        let branch = &live.branches[id];
        let mut stem = String::new();
        for level in 1..depth.min(24) {
            // A line goes on where the branch at this level has a sister further down.
            stem.push_str(if has_sister(&order[i..], level) {
                "│  "
            } else {
                "   "
            });
        }
        if depth > 0 {
            stem.push_str(if has_sister(&order[i..], depth) {
                "├─ "
            } else {
                "╰─ "
            });
        }
        let tokens = &branch.lane.tokens;
        let at = branch.fork.map_or(0, |f| f.at.min(tokens.len()));
        let own = &tokens[at..];
        let words: String = own.iter().take(12).map(|t| t.text.as_str()).collect();
        let words = fit(label(words.trim()).trim_end(), 28).into_owned();
        let from = branch
            .fork
            .map_or(String::new(), |f| format!("from {}", f.at));
        let answer = answer(branch);
        let row = ListRow::new(
            format!("{stem}{}  {words}", branch.name),
            format!("{answer}  {from:>10}  {:>5} tokens", own.len()),
        );
        rows.push((id, row));
    }
    rows
}

/// What has become of a branch: its answer, or what it is doing.
fn answer(branch: &LiveBranch) -> String {
    match (&branch.verdict, branch.state()) {
        (Some(verdict), _) => {
            let sign = grade_sign(verdict.correct);
            format!("▸ {}{sign}", fit(&clean_line(&verdict.answer), 16))
        }
        (None, Some(LaneState::Running | LaneState::Prefill)) => "writing".into(),
        (None, Some(LaneState::Paused)) => "paused".into(),
        _ => String::new(),
    }
}

/// Whether a later branch stands at `level`, before the tree goes back above it.
fn has_sister(rest: &[(usize, BranchId)], level: usize) -> bool {
    rest.iter()
        .skip(1)
        .map(|(depth, _)| *depth)
        .find(|&d| d <= level)
        == Some(level)
}
