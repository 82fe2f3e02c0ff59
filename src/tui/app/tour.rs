//! The first minute: a question whose natural answer is wrong and which a Wait repairs, written at
//! reading speed; the same question with more Waits side by side; the curve of all such questions; and
//! one that a Wait harms.
//!
//! One line says what to press next. The key it names goes on; any other ends the tour, and does what
//! it always does. It begins by itself once, and never again.

use super::{App, Effect, Focus, Model};
use crate::tui::action::Action;
use crate::tui::screen::Screen;
use s1_core::protocol::Request;
use s1_data::assets;
use s1_lab::lanes::{Comparison, Preset};
use s1_lab::report::Report;
use s1_store::run::{Budget, PointSpec};
use s1_store::shipped;

/// Where in the tour somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TourStage {
    /// The model is not there yet.
    Loading,
    /// The first question, as the model answers it by itself.
    Natural,
    /// The same after a Wait.
    Waited,
    /// No Wait, one, two and four side by side.
    Lanes,
    /// All problems.
    Curve,
    /// A question whose natural answer is right.
    Other,
    /// The same after a Wait.
    Harmed,
}

impl TourStage {
    /// The action that goes on, and to where.
    fn next(self) -> Option<(Action, TourStage)> {
        Some(match self {
            TourStage::Natural => (Action::Wait, TourStage::Waited),
            TourStage::Waited => (Action::ShowCompare, TourStage::Lanes),
            TourStage::Lanes => (Action::ShowPlots, TourStage::Curve),
            TourStage::Curve => (Action::ShowExplore, TourStage::Other),
            TourStage::Other => (Action::Wait, TourStage::Harmed),
            TourStage::Loading | TourStage::Harmed => return None,
        })
    }
}

impl App {
    /// Begins the tour anew, with the model it is for.
    pub(super) fn start_tour(&mut self) {
        if self.unkept.is_some() && self.has_unsaved() {
            return self.refuse("This session could not be saved; save it elsewhere first.");
        }
        self.overlay = None;
        self.tour = Some(TourStage::Loading);
        let named = self.model_path.as_deref() == Some(assets::REASONER.as_ref());
        match &self.model {
            Model::Ready(_) if named => self.on_tour_model(),
            Model::Loading(_) if named => {}
            _ => self.load(assets::REASONER.into()),
        }
    }

    /// The model is ready: if the tour waits for it, the first question is asked.
    pub(super) fn on_tour_model(&mut self) {
        if self.tour == Some(TourStage::Loading) {
            self.wish(Effect::Toured);
            self.ask_on_tour(shipped::REPAIRED);
            self.tour = Some(TourStage::Natural);
        }
    }

    /// Asks with the settings the tour was made with, whatever the user's are.
    fn ask_on_tour(&mut self, (question, answer): (&str, &str)) {
        self.screen = Screen::Explore;
        self.question.set(question);
        self.request.reference = Some(answer.to_owned());
        self.referred = Some(question.to_owned());
        self.put_question(tour_request((question, answer)));
    }

    /// Takes a key in; `false` where it is to do what it always does.
    pub(super) fn tour_key(&mut self, action: Option<Action>) -> bool {
        use Action as A;
        let Some(stage) = self.tour else {
            return false;
        };
        if let Some(A::PaceUp | A::PaceDown) = action {
            return false;
        }
        let Some((wanted, next)) = stage.next().filter(|(wanted, _)| action == Some(*wanted))
        else {
            self.tour = None;
            return false;
        };
        self.act(wanted);
        match next {
            TourStage::Lanes => {
                let preset = Preset::Waits;
                self.compare.plan = preset.strategies();
                self.compare.preset = Some(preset);
                self.put_comparison(tour_request(shipped::REPAIRED));
            }
            TourStage::Other => self.ask_on_tour(shipped::HARMED),
            _ => {}
        }
        self.focus = Focus::Trace;
        self.tour = Some(next);
        true
    }

    /// What the tour says now.
    pub fn tour_line(&self) -> Option<String> {
        let stage = self.tour?;
        let key = |action| self.key(action);
        let verdict = (self.live.as_ref()).and_then(|live| live.branch().verdict.as_ref());
        let right = verdict.map(|verdict| verdict.correct == Some(true));
        let line = match (stage, right) {
            (TourStage::Loading, _) => "The tour begins as soon as its model is ready.".into(),
            (TourStage::Natural | TourStage::Other, None) => {
                let pace = match self.pace() {
                    Some(pace) => format!("{pace} tokens per second"),
                    None => "full speed".into(),
                };
                let (slower, faster) = (key(Action::PaceDown), key(Action::PaceUp));
                format!("It thinks, at {pace}: {slower} slower, {faster} faster.")
            }
            (TourStage::Natural, Some(right)) => {
                let (wait, answer) = (key(Action::Wait), shipped::REPAIRED.1);
                let found = match right {
                    true => "It is right".to_owned(),
                    false => format!("It is wrong: {answer} is right"),
                };
                format!("{found}. Press {wait} to force a Wait: now it has to check.")
            }
            (TourStage::Waited, None) => "“Wait” stands where it would have ended.".into(),
            (TourStage::Waited, Some(right)) => {
                let found = if right { "Repaired." } else { "Not repaired." };
                let compare = key(Action::ShowCompare);
                format!("{found} Press {compare}: no Wait, 1, 2 and 4 Waits side by side.")
            }
            (TourStage::Lanes, _) => {
                let run = self.compare.run.as_ref();
                let plots = key(Action::ShowPlots);
                match run.is_some_and(Comparison::is_busy) {
                    true => "All four are computed at once.".into(),
                    false => format!("That was one question. Press {plots} for all 240."),
                }
            }
            (TourStage::Curve, _) => {
                let explore = key(Action::ShowExplore);
                format!(
                    "{}Press {explore} for one that a Wait harms.",
                    curve().unwrap_or_default()
                )
            }
            (TourStage::Other, Some(right)) => {
                let found = if right {
                    "This time it is right"
                } else {
                    "It is wrong"
                };
                format!(
                    "{found}. Press {}: what does a Wait do here?",
                    key(Action::Wait)
                )
            }
            (TourStage::Harmed, None) => "It checks what was right …".into(),
            (TourStage::Harmed, Some(right)) => {
                let found = if right {
                    "It stays right."
                } else {
                    "Taken back."
                };
                let (edit, tour) = (key(Action::EditQuestion), key(Action::Tour));
                let balance = balance().unwrap_or_default();
                format!("{found} {balance}{edit} asks your own question, {tour} shows this again.")
            }
        };
        Some(line)
    }
}

/// A question with its answer, greedy and without a budget.
fn tour_request((question, answer): (&str, &str)) -> Request {
    Request {
        question: question.to_owned(),
        reference: Some(answer.to_owned()),
        ..Request::default()
    }
}

/// What thinking buys over all problems.
fn curve() -> Option<String> {
    let report = Report::of(shipped::runs().last()?);
    let at = |budget, waits| {
        let spec = PointSpec { budget, waits };
        let point = report.points.iter().find(|point| point.spec == spec)?;
        Some((point.accuracy * 100.0).round())
    };
    let none = at(Budget::Tokens(0), 0)?;
    let (natural, waited) = (at(Budget::Natural, 0)?, at(Budget::Natural, 1)?);
    Some(format!(
        "Without thinking {none}% are right, with it {natural}%, after a Wait {waited}%. "
    ))
}

/// How many answers a Wait repairs, and how many it harms.
fn balance() -> Option<String> {
    let report = Report::of(shipped::runs().last()?);
    let first = |budget, from| (report.flips.iter()).find(|f| f.budget == budget && f.from == from);
    let flips = first(Budget::Natural, 0)?;
    let (won, lost) = (flips.gained, flips.lost);
    Some(format!(
        "Of {} answers a Wait repairs {won} and harms {lost}. ",
        flips.n
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::app::testing::{drawn, options, press, text};
    use crate::tui::app::{Options, testing};
    use s1_core::protocol::{Command, Event, LaneState};
    use s1_core::trace::{Phase, StopReason, Token};

    fn touring() -> App {
        let mut app = App::new(Options {
            tour: true,
            pace: None,
            ..options()
        });
        app.on_event(Event::Loaded(Box::new(testing::info())));
        app
    }

    /// The branch on screen answers.
    fn answer(app: &mut App, answer: &str) {
        let lane = testing::lane(app);
        let tokens = vec![
            Token::new(1, "so", Phase::Thinking),
            Token {
                reason: Some(s1_core::trace::Reason::NaturalEnd),
                ..Token::new(2, "</think>", Phase::Answer)
            },
            Token::new(3, answer, Phase::Answer),
        ];
        app.on_event(Event::Tokens(lane, tokens.into()));
        let stopped = LaneState::Stopped(StopReason::EndOfTurn);
        app.on_event(Event::State(lane, stopped));
    }

    fn line(app: &App) -> String {
        app.tour_line().unwrap_or_default()
    }

    /// A user would lose: the point of the program in the first minute.
    #[test]
    fn the_tour_goes_on_by_the_keys_it_names_and_marks_itself_seen() {
        let mut app = touring();
        let (commands, effects) = app.drain();
        assert!(
            matches!(commands[0], Command::Start { run: false, .. }),
            "at a pace"
        );
        assert_eq!(effects, [Effect::Toured]);
        assert!(
            line(&app).contains("at 20 tokens per second"),
            "{}",
            line(&app)
        );
        assert!(text(&drawn(&mut app, 80, 24)).contains("< slower, > faster"));
        press(&mut app, ">");
        assert!(line(&app).contains("at 40 tokens"), "the pace ends nothing");
        answer(&mut app, "1717");
        assert!(
            line(&app).starts_with("It is wrong: 1817 is right. Press w"),
            "{}",
            line(&app)
        );
        press(&mut app, "w");
        answer(&mut app, "1817");
        assert!(
            line(&app).starts_with("Repaired. Press 2"),
            "{}",
            line(&app)
        );
        press(&mut app, "2");
        assert_eq!((app.screen, app.compare.plan.len()), (Screen::Compare, 4));
        let run = app.compare.run.as_ref().unwrap();
        assert_eq!(run.request.reference.as_deref(), Some("1817"));
        press(&mut app, "3");
        assert_eq!(app.screen, Screen::Plots);
        assert!(line(&app).contains("Press 1"), "{}", line(&app));
        press(&mut app, "1");
        let asked = app.live.as_ref().unwrap().request.clone();
        assert_eq!(asked.question, shipped::HARMED.0);
        answer(&mut app, shipped::HARMED.1);
        assert!(
            line(&app).starts_with("This time it is right"),
            "{}",
            line(&app)
        );
        press(&mut app, "w");
        answer(&mut app, "0");
        assert!(
            line(&app).starts_with("Taken back. Of 240 answers"),
            "{}",
            line(&app)
        );
    }

    #[test]
    fn any_other_key_ends_it_and_does_what_it_always_does() {
        let mut app = touring();
        press(&mut app, "o");
        assert!(app.tour.is_none() && app.overlay.is_some());
        let mut app = App::new(options());
        app.on_event(Event::Loaded(Box::new(testing::info())));
        assert!(app.tour.is_none(), "it does not come by itself again");
        app.on_key(crossterm::event::KeyCode::F(2).into());
        assert_eq!(app.tour, Some(TourStage::Natural));
    }
}
