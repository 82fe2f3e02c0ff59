//! The what-if map of the thought on screen: begun, fed with what the engine says, and a branch made of
//! a cell.
//!
//! Not here: what is tried ([`s1_lab::whatif`]), and how it is drawn (`widgets::what_if`).

use super::ask::LANES;
use super::live::{Live, LiveBranch};
use super::{App, Focus};
use crate::tui::widgets::what_if::{Picked, WhatIfMap};
use s1_core::protocol::{Command, Event};
use s1_core::trace::{Phase, Token};
use s1_core::tree::{BranchId, Fork};
use s1_core::view::LaneView;
use s1_lab::whatif::Map;

/// Tokens of a sentence that are shown of it.
const SENTENCE: usize = 24;

/// A map, and of what it is.
#[derive(Clone, Debug)]
pub struct WhatIf {
    map: Map,
    branch: BranchId,
    /// The thought, by the ids of its tokens.
    thought: Vec<u32>,
    /// The ends of the sentences before its places.
    sentences: Vec<String>,
}

fn thought(tokens: &[Token]) -> impl Iterator<Item = &Token> {
    tokens.iter().take_while(|t| t.phase == Phase::Thinking)
}

impl WhatIf {
    /// Whether this is the map of the thought on screen.
    fn is_of(&self, live: &Live) -> bool {
        let ids = thought(&live.lane().tokens).map(|t| t.id);
        self.branch == live.active && ids.eq(self.thought.iter().copied())
    }
}

impl App {
    /// Opens the map of the thought on screen; begins it, if there is none yet.
    pub(super) fn open_what_if(&mut self) {
        let Some(live) = self.live.as_ref() else {
            return self.refuse("Ask a question first.");
        };
        if live.is_busy() && !live.thought_is_over() {
            return self.refuse("The thought is being written. Pause it, then map it.");
        }
        if self.what_if.as_ref().is_none_or(|known| !known.is_of(live)) && !self.begin_what_if() {
            return;
        }
        self.focus = Focus::Trace;
        self.ask_or(WhatIfMap::default(), App::branch_from_map, |_| {});
        self.show_what_if();
    }

    /// Begins a map; `false` where there is nothing to map.
    fn begin_what_if(&mut self) -> bool {
        self.forget_what_if();
        let Some(lane) = self.lane() else {
            return false;
        };
        let Some(live) = self.live.as_ref() else {
            return false;
        };
        let tokens = &live.lane().tokens;
        // In the session's own range, behind its branches.
        let first = live.base + LANES / 2;
        let map = Map::new((lane, first), tokens, &live.request, self.continuations);
        if map.is_empty() {
            self.refuse("The thought has no sentence that has ended: there is nothing to map yet.");
            return false;
        }
        let sentence = |&at: &usize| {
            let from = at.saturating_sub(SENTENCE);
            let words: String = tokens[from..at].iter().map(|t| t.text.as_str()).collect();
            let words = words.trim();
            // The last sentence of these words, without what precedes it.
            let cut = words.trim_end_matches(['.', '!', '?', ' ', '\n']);
            let begin = cut.rfind(['.', '!', '?', '\n']).map_or(0, |i| i + 1);
            words[begin..].trim().to_owned()
        };
        let sentences = map.places().iter().map(sentence).collect();
        let mut what_if = WhatIf {
            branch: live.active,
            thought: thought(tokens).map(|t| t.id).collect(),
            sentences,
            map,
        };
        let commands = what_if.map.begin();
        self.what_if = Some(what_if);
        commands.into_iter().for_each(|command| self.send(command));
        true
    }

    /// Gives the map up.
    pub(super) fn forget_what_if(&mut self) {
        if let Some(mut what_if) = self.what_if.take()
            && what_if.map.done() < what_if.map.len()
        {
            let command: Command = what_if.map.cancel();
            self.send(command);
        }
    }

    /// Takes in an event about a cell; `false` if it is about something else.
    pub(super) fn what_if_event(&mut self, event: &Event) -> bool {
        let Some(what_if) = self.what_if.as_mut() else {
            return false;
        };
        let Some(commands) = what_if.map.apply(event) else {
            return false;
        };
        commands.into_iter().for_each(|command| self.send(command));
        self.show_what_if();
        true
    }

    /// Shows how far the map is, if it is open.
    fn show_what_if(&mut self) {
        let Some(what_if) = self.what_if.take() else {
            return;
        };
        if let Some(view) = self.component::<WhatIfMap>() {
            view.show(&what_if.map, &what_if.sentences);
        }
        self.what_if = Some(what_if);
        self.follow_what_if();
    }

    /// The cursor of the trace stands where the map is looked at.
    pub(in crate::tui) fn follow_what_if(&mut self) {
        let at = self.component::<WhatIfMap>().and_then(|view| view.at());
        if let (Some(at), Some(live)) = (at, self.live.as_mut()) {
            live.with_view(|view, tokens| view.put(tokens, Some(at.saturating_sub(1))));
        }
    }

    /// Whether the map is open.
    pub(in crate::tui) fn shows_what_if(&mut self) -> bool {
        self.component::<WhatIfMap>().is_some()
    }

    /// Makes a branch of what was written in a cell.
    fn branch_from_map(&mut self, picked: Picked) -> Result<(), String> {
        let Some((what_if, live)) = self.what_if.as_ref().zip(self.live.as_mut()) else {
            return Ok(());
        };
        let branch = what_if.map.branch(picked.place, picked.trial);
        let Some((at, tokens, stop)) = branch else {
            return Err("Nothing has come of this yet.".into());
        };
        let id = live.branches.len();
        live.branches.push(LiveBranch {
            name: format!("b{id}"),
            fork: Some(Fork {
                parent: live.active,
                at,
            }),
            lane: LaneView {
                tokens: tokens.into(),
                stop: Some(stop),
                ..LaneView::default()
            },
            ..LiveBranch::default()
        });
        live.active = id;
        live.revision += 1;
        live.judge(id);
        self.tell(format!(
            "b{id} is what came of it. The map stays with the branch it is of."
        ));
        Ok(())
    }
}
