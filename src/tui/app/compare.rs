//! The comparison screen's share of the keys, and its state: which lanes are wanted, the
//! comparison that runs, and where the reader is in each lane.
//!
//! Not here: what the lanes do ([`s1_lab::lanes`]), and how they are drawn.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::live::Live;
use super::look::WHEEL;
use super::{App, Effect, Focus, Model};
use crate::tui::action::Action;
use crate::tui::sanitize::clean_line;
use crate::tui::screen::Screen;
use crate::tui::widgets::trace::view::View;
use s1_core::protocol::{self, Event, LaneId};
use s1_core::view::LaneView;
use s1_lab::lanes::{Comparison, MAX_LANES, Preset, Source, Strategy};
use s1_store::session::ModelCard;

mod choose;

pub use choose::ChosenLane;

/// Where a lane is on the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LanePlace {
    /// The lane, its border included.
    pub panel: Rect,
    pub text: Rect,
}

/// The state of the comparison screen.
#[derive(Clone, Debug)]
pub struct Compare {
    /// What the next comparison compares.
    pub plan: Vec<Strategy>,
    /// The preset that the plan is, if it is one.
    pub preset: Option<Preset>,
    /// The comparison on screen, once a question was asked.
    pub run: Option<Comparison>,
    /// Where the reader is in each lane.
    pub views: Vec<View>,
    /// The lane that has the keys.
    pub selected: usize,
    /// All lanes scroll together.
    pub linked: bool,
    /// Where the lanes are; set before each drawing.
    pub places: Vec<LanePlace>,
    /// The question waits for the model.
    pub queued: bool,
}

impl Default for Compare {
    fn default() -> Compare {
        let preset = Preset::default();
        Compare {
            plan: preset.strategies(),
            preset: Some(preset),
            run: None,
            views: Vec::new(),
            selected: 0,
            linked: true,
            places: Vec::new(),
            queued: false,
        }
    }
}

impl App {
    /// Does what an action says on the comparison screen; actions of other screens do nothing.
    pub(super) fn compare(&mut self, action: Action) {
        use Action as A;
        let at = self.compare.selected;
        match action {
            A::Submit => self.compare_now(),
            A::Pause => self.with_comparison(Comparison::pause_or_resume),
            A::Stop => self.stop_comparison(),
            A::Wait => self.ask_selected(&protocol::Ask::Wait),
            A::Cut => self.ask_selected(&protocol::Ask::Cut),
            A::WrapUp => self.ask_selected(&protocol::Ask::WrapUp),
            A::OpenLane => self.open_lane(),
            A::LaneNext => self.select_by(1),
            A::LanePrevious => self.select_by(-1),
            A::LinkScroll => {
                self.compare.linked = !self.compare.linked;
                let how = if self.compare.linked {
                    "All lanes scroll together."
                } else {
                    "Each lane scrolls on its own."
                };
                self.tell(how);
            }
            A::ToDeparture => self.show_departure(),
            A::Preset => self.open_presets(),
            A::AddLane if self.compare.plan.len() >= MAX_LANES => {
                self.refuse(format!(
                    "There are {MAX_LANES} lanes already; d removes one."
                ));
            }
            A::AddLane => self.open_strategies(ChosenLane::New),
            A::ChangeLane => self.open_strategies(ChosenLane::At(at)),
            A::RemoveLane => self.remove_lane(),
            A::SampleNext => self.show_sample(1),
            A::SamplePrevious => self.show_sample(-1),
            A::Up => self.scroll_lanes(at, -1),
            A::Down => self.scroll_lanes(at, 1),
            A::PageUp => self.scroll_lanes(at, -self.lane_page()),
            A::PageDown => self.scroll_lanes(at, self.lane_page()),
            A::Home => self.scroll_lanes(at, isize::MIN / 2),
            A::End => self.scroll_lanes(at, isize::MAX / 2),
            _ => {}
        }
    }

    /// The actions worth a place in the footer of the comparison now.
    pub(super) fn compare_footer(&self) -> Vec<Action> {
        use Action as A;
        if self.focus == Focus::Question {
            return vec![A::Submit, A::Newline, A::HistoryBack, A::Cancel];
        }
        let Some(run) = &self.compare.run else {
            return vec![
                A::EditQuestion,
                A::Submit,
                A::Preset,
                A::AddLane,
                A::ChangeLane,
                A::RemoveLane,
                A::EditReference,
                A::Quit,
            ];
        };
        if run.is_busy() || run.is_paused() {
            return vec![
                A::OpenLane,
                A::Pause,
                A::Stop,
                A::Cut,
                A::Wait,
                A::LaneNext,
                A::ToDeparture,
                A::LinkScroll,
                A::Preset,
            ];
        }
        let lane = run.lanes().nth(self.compare.selected);
        let votes = lane.is_some_and(|lane| lane.runs.len() > 1);
        if votes {
            return vec![
                A::SampleNext,
                A::SamplePrevious,
                A::OpenLane,
                A::LaneNext,
                A::Preset,
                A::AddLane,
                A::ChangeLane,
                A::EditQuestion,
            ];
        }
        vec![
            A::OpenLane,
            A::LaneNext,
            A::ToDeparture,
            A::LinkScroll,
            A::Preset,
            A::AddLane,
            A::ChangeLane,
            A::EditQuestion,
            A::EditReference,
        ]
    }

    /// Compares what stands in the question box, or has it wait for the model.
    pub(super) fn compare_now(&mut self) {
        let text = self.question.text();
        if text.trim().is_empty() {
            self.focus = Focus::Question;
            return self.refuse("Write a question first.");
        }
        if self.compare.plan.is_empty() {
            return self.refuse("There is no lane. p chooses a set of lanes, a adds one.");
        }
        let own = self.compare.plan.iter().any(|s| s.source == Source::Own);
        self.compare.queued = own && self.waits_for_model();
        if self.compare.queued {
            return;
        }
        let request = self.request_for(text.clone());
        self.put_comparison(request);
        let history = self.question.remember(&text);
        self.wish(Effect::SaveHistory(history));
    }

    /// Asks every lane of the plan.
    pub(super) fn put_comparison(&mut self, request: protocol::Request) {
        self.forget_comparison();
        let base: LaneId = self.next_lane;
        self.next_lane += super::ask::LANES;
        let run = Comparison::new(request, &self.compare.plan, base);
        self.compare.views = run.lanes().map(|_| View::default()).collect();
        self.compare.selected = self.compare.selected.min(self.compare.plan.len() - 1);
        self.compare.run = Some(run);
        self.start_models(0);
        self.tell_lanes();
        self.focus = Focus::Trace;
    }

    /// Starts the models of the comparison from the `first` on.
    fn start_models(&mut self, first: usize) {
        let Some(run) = self.compare.run.as_mut() else {
            return;
        };
        for origin in first..run.origins().len() {
            match (&run.origins()[origin].source, &self.model) {
                (Source::Own, Model::Ready(info)) => run.ready(origin, (**info).clone()),
                (Source::Own, _) => {}
                (Source::Model(path), _) => {
                    let number = run.ids().start + origin;
                    self.effects.push(Effect::StartOther(number, path.clone()));
                }
            }
        }
    }

    /// Lets the engines forget the comparison on screen.
    fn forget_comparison(&mut self) {
        let Some(mut old) = self.compare.run.take() else {
            return;
        };
        old.forget();
        for (origin, command) in old.drain() {
            if own_origin(&old) == Some(origin) && matches!(self.model, Model::Ready(_)) {
                self.send(command);
            }
        }
        for (origin, known) in old.origins().iter().enumerate() {
            if known.source != Source::Own {
                self.wish(Effect::EndOther(old.ids().start + origin));
            }
        }
    }

    fn with_comparison(&mut self, change: impl FnOnce(&mut Comparison)) {
        match self.compare.run.as_mut() {
            Some(run) => change(run),
            None => return self.refuse("Ask a question first."),
        }
        self.tell_lanes();
    }

    /// Sends what the comparison wants to the engines it is for.
    fn tell_lanes(&mut self) {
        let Some(run) = self.compare.run.as_mut() else {
            return;
        };
        for (origin, command) in run.drain() {
            if own_origin(run) == Some(origin) {
                self.commands.push(command);
            } else {
                let other = run.ids().start + origin;
                let tell = Effect::TellOther(other, Box::new(command));
                self.effects.push(tell);
            }
        }
    }

    /// Takes an event of the model in use, if it is for the comparison.
    pub(super) fn compare_event(&mut self, event: &Event) -> bool {
        let Some(run) = self.compare.run.as_mut() else {
            return false;
        };
        let Some(own) = own_origin(run) else {
            return false;
        };
        if !event.lane().is_some_and(|lane| run.ids().contains(&lane)) {
            return false;
        }
        if let Event::Notice(_, sentence) = event {
            let sentence = clean_line(sentence).into_owned();
            self.refuse(sentence);
            return true;
        }
        self.apply_to_lanes(own, event);
        true
    }

    fn apply_to_lanes(&mut self, origin: usize, event: &Event) {
        let changed = self
            .compare
            .run
            .as_mut()
            .and_then(|run| run.apply(origin, event));
        if let Some((lane, from)) = changed
            && let Some(view) = self.compare.views.get_mut(lane)
        {
            view.text_changed(from);
        }
        self.tell_lanes();
    }

    /// Takes an event of an engine started beside the one in use. Its number is as far behind that
    /// of the comparison's first lane as its source is behind the first.
    pub fn on_other(&mut self, number: usize, event: Event) {
        let Some(run) = self.compare.run.as_mut() else {
            return;
        };
        let Some(origin) = number.checked_sub(run.ids().start) else {
            return;
        };
        match event {
            Event::Loaded(info) => run.ready(origin, *info),
            Event::Failed(sentence) => run.fail(origin, &sentence),
            event => return self.apply_to_lanes(origin, &event),
        }
        self.tell_lanes();
    }

    /// The model in use is gone: lanes that were not done stay as they are.
    pub(super) fn compare_lost(&mut self, why: &str) {
        if let Some(run) = self.compare.run.as_mut()
            && let Some(own) = own_origin(run)
        {
            run.fail(own, why);
        }
    }

    fn stop_comparison(&mut self) {
        if self.compare.queued || matches!(self.model, Model::Loading(_)) {
            self.compare.queued = false;
            return self.stop();
        }
        if self.compare.run.is_some() {
            self.with_comparison(Comparison::stop);
        }
    }

    fn ask_selected(&mut self, ask: &protocol::Ask) {
        let at = self.compare.selected;
        self.with_comparison(|run| run.ask(at, ask));
    }

    fn select_by(&mut self, step: isize) {
        let n = self.compare.plan.len() as isize;
        if n > 0 {
            self.compare.selected = (self.compare.selected as isize + step).rem_euclid(n) as usize;
        }
    }

    /// Opens the selected lane in the explorer, as it stands. What it was opened from goes on.
    fn open_lane(&mut self) {
        let Some(run) = self.compare.run.as_ref() else {
            return self.compare_now();
        };
        let Some(lane) = run.lanes().nth(self.compare.selected) else {
            return;
        };
        let Some(info) = run
            .origins()
            .get(lane.origin)
            .and_then(|o| o.model.as_ref())
        else {
            return self.refuse("This lane has nothing to open yet.");
        };
        let shown = &lane.run().lane;
        if shown.tokens.is_empty() {
            return self.refuse("This lane has nothing to open yet.");
        }
        let limit = shown
            .budget
            .filter(|_| lane.strategy.limit != Default::default());
        let limit = limit.or(run.request.policy.max_thinking);
        let request = lane.request(&run.request, limit, lane.sample);
        let stop = shown.stop;
        let written = LaneView {
            tokens: shown.tokens.clone(),
            stop,
            ..LaneView::default()
        };
        let prompt = shown.prompt.clone();
        let card = ModelCard::of(info);
        self.keep_now();
        self.forget_live();
        self.begin(|base, number| {
            let mut live = Live::new(request, card, base, number);
            live.prompt_ids = prompt;
            live.branch_mut().lane = written;
            live.judge(0);
            live.revision += 1;
            live
        });
        self.screen = Screen::Explore;
        self.focus = Focus::Trace;
        self.opened_from(Screen::Compare);
        if stop.is_none() {
            let (on, back) = (self.key(Action::Pause), self.key(Action::Stop));
            self.tell(format!(
                "Opened where the lane was. {on} continues from here; {back} returns to the lanes."
            ));
        }
    }

    fn lane_page(&self) -> isize {
        let place = self.compare.places.get(self.compare.selected);
        place.map_or(1, |p| isize::from(p.text.height as i16 - 1).max(1))
    }

    /// Scrolls a lane, or all of them where they are linked.
    fn scroll_lanes(&mut self, lane: usize, lines: isize) {
        let compare = &mut self.compare;
        for (i, view) in compare.views.iter_mut().enumerate() {
            if compare.linked || i == lane {
                view.scroll(lines);
            }
        }
    }

    /// Brings the place on screen where the selected lane departs from its left neighbour; in all
    /// lanes, if they are linked.
    fn show_departure(&mut self) {
        let at = self.compare.selected;
        let found = self.compare.run.as_ref().map(|run| run.departs(at));
        let token = match found {
            Some(Some(token)) => token,
            Some(None) if at == 0 => return self.refuse("The first lane has no left neighbour."),
            Some(None) => {
                return self.refuse("This lane does not depart from its left neighbour so far.");
            }
            None => return self.refuse("Ask a question first."),
        };
        let compare = &mut self.compare;
        let Some(run) = &compare.run else { return };
        for (i, (view, lane)) in compare.views.iter_mut().zip(run.lanes()).enumerate() {
            if compare.linked || i == at {
                view.look_at(&lane.run().lane.tokens, token);
            }
        }
    }

    fn show_sample(&mut self, step: isize) {
        let at = self.compare.selected;
        let run = self.compare.run.as_mut();
        if !run.is_some_and(|run| run.show_sample(at, step)) {
            return self.refuse("This lane has one sample; only a vote has several.");
        }
        if let Some(view) = self.compare.views.get_mut(at) {
            *view = View::default();
        }
    }

    /// The plan was changed: a comparison on screen shows its lanes. Those that it has stay as they are.
    fn plan_changed(&mut self) {
        let compare = &mut self.compare;
        let last = compare.plan.len().saturating_sub(1);
        compare.selected = compare.selected.min(last);
        let Some(run) = compare.run.as_mut() else {
            return;
        };
        if compare.plan.is_empty() {
            return self.forget_comparison();
        }
        let models = run.origins().len();
        // What another model has written does not stand beside what the one in use writes.
        let lost = own_origin(run).is_some_and(|own| run.origins()[own].fault.is_some());
        let kept = match lost {
            true => None,
            false => run.arrange(&compare.plan),
        };
        let Some(kept) = kept else {
            let request = run.request.clone();
            return self.put_comparison(request);
        };
        let mut views = std::mem::take(&mut compare.views);
        let view = |place: &Option<usize>| {
            let old = place.and_then(|place| views.get_mut(place));
            old.map(std::mem::take).unwrap_or_default()
        };
        compare.views = kept.iter().map(view).collect();
        self.start_models(models);
        self.tell_lanes();
    }

    fn remove_lane(&mut self) {
        let at = self.compare.selected;
        if at >= self.compare.plan.len() {
            return self.refuse("There is no lane to remove.");
        }
        self.compare.plan.remove(at);
        self.compare.preset = None;
        self.plan_changed();
    }

    pub(super) fn compare_mouse(&mut self, mouse: MouseEvent, at: Position) {
        let places = self.compare.places.iter();
        let lane = places.clone().position(|p| p.panel.contains(at));
        match (mouse.kind, lane) {
            (MouseEventKind::ScrollUp, Some(lane)) => self.scroll_lanes(lane, -WHEEL),
            (MouseEventKind::ScrollDown, Some(lane)) => self.scroll_lanes(lane, WHEEL),
            (MouseEventKind::Down(MouseButton::Left), Some(lane)) => {
                self.notice = None;
                self.focus = Focus::Trace;
                self.compare.selected = lane;
            }
            _ => self.click_question(mouse, at),
        }
    }
}

/// The origin of a comparison that is the model in use.
fn own_origin(run: &Comparison) -> Option<usize> {
    run.origins().iter().position(|o| o.source == Source::Own)
}
