//! Choosing lanes: the presets, and what a single lane does.

use std::path::PathBuf;

use super::{App, MAX_LANES};
use crate::tui::app::overlay::Question;
use crate::tui::widgets::list::{List, ListRow};
use crate::tui::widgets::prompt_line::PromptLine;
use s1_lab::lanes::{Limit, MAX_SAMPLES, Preset, Source, Strategy};

/// Which lane is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A new one, behind the others.
    New,
    /// One that there is.
    At(usize),
}

/// What a strategy needs to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A number of tokens.
    Budget,
    /// A number of waits.
    Waits,
    /// A wait text.
    Word,
    /// A number of samples, and perhaps a temperature.
    Vote,
}

impl Kind {
    /// The line it is typed into.
    fn line(self) -> PromptLine {
        let (title, note, text) = match self {
            Kind::Budget => ("Budget", "Tokens of thinking at most, e.g. 64.", ""),
            Kind::Waits => (
                "Waits",
                "How many attempts to end are replaced by the wait text.",
                "1",
            ),
            Kind::Word => (
                "Wait text",
                "It replaces the model's first attempt to end.",
                "Hmm",
            ),
            Kind::Vote => (
                "Majority of",
                "Samples, and the temperature they are drawn at, e.g. 5 at 0.8",
                "5 at 0.8",
            ),
        };
        PromptLine::new(title, note, text)
    }
}

/// What can be chosen for a lane: at once, or after a figure or a word; the last is a model.
const CHOICES: [(&str, &str, Choice); 10] = [
    ("Natural end", "as long as it wants", Choice::Free),
    ("No thinking", "it answers at once", Choice::NoThinking),
    (
        "Budget …",
        "cut after so many tokens",
        Choice::Tell(Kind::Budget),
    ),
    ("¼ of the natural length", "", Choice::Share(1, 4)),
    ("½ of the natural length", "", Choice::Share(1, 2)),
    (
        "2 × the natural length",
        "made to think on",
        Choice::Share(2, 1),
    ),
    (
        "Wait × …",
        "so many ends replaced",
        Choice::Tell(Kind::Waits),
    ),
    (
        "Another wait text …",
        "instead of Wait",
        Choice::Tell(Kind::Word),
    ),
    (
        "Majority of …",
        "several samples vote",
        Choice::Tell(Kind::Vote),
    ),
    ("Another model …", "to its natural end", Choice::Model),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Free,
    NoThinking,
    Share(usize, usize),
    Tell(Kind),
    Model,
}

/// Which preset is taken.
#[derive(Debug, PartialEq, Eq)]
struct LanesToCompare;

impl Question<Preset> for LanesToCompare {
    fn answered(&self, app: &mut App, preset: Preset) -> Result<(), String> {
        app.compare.preset = Some(preset);
        app.compare.plan = preset.strategies();
        app.plan_changed();
        Ok(())
    }
}

/// What the lane at a place does.
impl Question<Choice> for Place {
    fn answered(&self, app: &mut App, choice: Choice) -> Result<(), String> {
        app.choose_strategy(*self, choice);
        Ok(())
    }
}

/// Which model the lane at a place asks.
impl Question<PathBuf> for Place {
    fn answered(&self, app: &mut App, model: PathBuf) -> Result<(), String> {
        app.set_lane_model(*self, model);
        Ok(())
    }
}

/// The figure or the word that a lane's strategy needs.
#[derive(Debug, PartialEq, Eq)]
struct Told(Place, Kind);

impl Question<String> for Told {
    fn answered(&self, app: &mut App, text: String) -> Result<(), String> {
        app.set_strategy(self.0, self.1, &text)
    }
}

impl App {
    pub(super) fn open_presets(&mut self) {
        let rows = Preset::ALL.map(|p| (p, ListRow::new(p.name(), p.about())));
        let list = List::new("Lanes to compare", rows).select(|p| Some(*p) == self.compare.preset);
        self.ask_over(LanesToCompare, list);
    }

    pub(super) fn open_strategies(&mut self, place: Place) {
        let rows = CHOICES.map(|(left, right, choice)| (choice, ListRow::new(left, right)));
        let title = match place {
            Place::New => "A lane more",
            Place::At(_) => "What this lane does",
        };
        self.ask_over(place, List::new(title, rows));
    }

    fn choose_strategy(&mut self, place: Place, choice: Choice) {
        match choice {
            Choice::Free => self.put_lane(place, Strategy::natural()),
            Choice::NoThinking => self.put_lane(place, Strategy::no_thinking()),
            Choice::Share(n, d) => self.put_lane(place, Strategy::limited(Limit::Natural(n, d))),
            Choice::Tell(kind) => self.ask_over(Told(place, kind), kind.line()),
            Choice::Model => self.ask_for_model(place),
        }
    }

    /// Takes a typed figure or word; says what is wrong with it.
    fn set_strategy(&mut self, place: Place, kind: Kind, text: &str) -> Result<(), String> {
        /// More tokens than any context has.
        const MOST: usize = 1 << 24;
        let number = |text: &str, least: usize, most: usize| match text.trim().parse() {
            Ok(n) if (least..=most).contains(&n) => Ok(n),
            _ => Err(format!("Write a whole number from {least} to {most}.")),
        };
        let strategy = match kind {
            Kind::Budget => Strategy::limited(Limit::Tokens(number(text, 0, MOST)?)),
            Kind::Waits => Strategy::waiting(number(text, 1, 1000)?, None),
            Kind::Word if text.trim().is_empty() => return Err("Write some text.".into()),
            Kind::Word => Strategy::waiting(1, Some(text)),
            Kind::Vote => {
                let (samples, hot) = match text.split_once("at") {
                    Some((samples, hot)) => (samples, Some(hot)),
                    None => (text, None),
                };
                let hot = match hot.map(|t| t.trim().parse::<f32>()) {
                    None => None,
                    Some(Ok(t)) if t > 0.0 && t <= 5.0 => Some(t),
                    Some(_) => return Err("Write a temperature above 0, up to 5.".into()),
                };
                Strategy::vote(number(samples, 2, MAX_SAMPLES)?, hot, Limit::Free)
            }
        };
        self.put_lane(place, strategy);
        Ok(())
    }

    /// A lane by another model, to its natural end; the strategy of a lane that there is stays.
    pub(in crate::tui::app) fn set_lane_model(&mut self, place: Place, path: PathBuf) {
        let old = match place {
            Place::At(at) => self.compare.plan.get(at).cloned(),
            Place::New => None,
        };
        let strategy = old.unwrap_or_else(Strategy::natural);
        self.put_lane(place, strategy.by(Source::Model(path)));
    }

    fn put_lane(&mut self, place: Place, strategy: Strategy) {
        let plan = &mut self.compare.plan;
        match place {
            Place::At(at) if at < plan.len() => plan[at] = strategy,
            _ if plan.len() < MAX_LANES => {
                plan.push(strategy);
                self.compare.selected = self.compare.plan.len() - 1;
            }
            _ => return,
        }
        self.compare.preset = None;
        self.plan_changed();
    }
}
