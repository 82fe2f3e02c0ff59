//! Choosing lanes: the presets, and what a single lane does.

use std::path::PathBuf;

use super::{App, MAX_LANES};
use crate::tui::app::params;
use crate::tui::widgets::list::{List, ListRow};
use crate::tui::widgets::prompt_line::PromptLine;
use s1_core::forcing::{POLICY, Policy};
use s1_core::param::{Setting, settings};
use s1_core::sampling::{SAMPLING, Sampling};
use s1_lab::lanes::{Limit, MAX_SAMPLES, Preset, Source, Strategy};

/// Which lane is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenLane {
    /// A new one, behind the others.
    New,
    At(usize),
}

/// Stands for the parameters of a vote among the keys.
const VOTE: &str = "vote";

/// What can be chosen for a lane: at once, or after a figure or a word; the last is a model.
const CHOICES: [(&str, &str, Choice); 10] = [
    ("Natural end", "as long as it wants", Choice::Free),
    ("No thinking", "it answers at once", Choice::NoThinking),
    (
        "Budget …",
        "cut after so many tokens",
        Choice::Tell("max_thinking"),
    ),
    ("¼ of the natural length", "", Choice::Share(1, 4)),
    ("½ of the natural length", "", Choice::Share(1, 2)),
    (
        "2 × the natural length",
        "made to think on",
        Choice::Share(2, 1),
    ),
    ("Wait × …", "so many ends replaced", Choice::Tell("waits")),
    (
        "Another wait text …",
        "instead of Wait",
        Choice::Tell("wait_text"),
    ),
    ("Majority of …", "several samples vote", Choice::Tell(VOTE)),
    ("Another model …", "to its natural end", Choice::Model),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Free,
    NoThinking,
    Share(usize, usize),
    /// After the parameter with this key.
    Tell(&'static str),
    Model,
}

impl App {
    pub(super) fn open_presets(&mut self) {
        let rows = Preset::ALL.map(|p| (p, ListRow::new(p.name(), p.about())));
        let list = List::new("Lanes to compare", rows).select(|p| Some(*p) == self.compare.preset);
        self.ask_over(list, |app, preset| {
            app.compare.preset = Some(preset);
            app.compare.plan = preset.strategies();
            app.plan_changed();
        });
    }

    pub(super) fn open_strategies(&mut self, place: ChosenLane) {
        let rows = CHOICES.map(|(left, right, choice)| (choice, ListRow::new(left, right)));
        let title = match place {
            ChosenLane::New => "Add a lane",
            ChosenLane::At(_) => "What this lane does",
        };
        let now = match place {
            ChosenLane::At(at) => self.compare.plan.get(at).map(chosen),
            ChosenLane::New => None,
        };
        let list = List::new(title, rows).select(|choice| Some(*choice) == now);
        self.ask_over(list, move |app, choice| app.choose_strategy(place, choice));
    }

    fn choose_strategy(&mut self, place: ChosenLane, choice: Choice) {
        match choice {
            Choice::Free => self.put_lane(place, Strategy::natural()),
            Choice::NoThinking => self.put_lane(place, Strategy::no_thinking()),
            Choice::Share(n, d) => self.put_lane(place, Strategy::limited(Limit::Natural(n, d))),
            Choice::Tell(key) => self.ask_over(line(key), move |app, text| {
                app.set_strategy(place, key, &text)
            }),
            Choice::Model => {
                self.ask_for_model(move |app, path| app.set_lane_model(place, path));
            }
        }
    }

    /// Takes a typed figure or word; says what is wrong with it.
    fn set_strategy(&mut self, place: ChosenLane, key: &str, text: &str) -> Result<(), String> {
        let strategy = match find(key) {
            Some(setting) => {
                let mut policy = Policy::default();
                params::set(setting, &mut policy, text)?;
                strategy(key, policy)
            }
            None => vote(text)?,
        };
        self.put_lane(place, strategy);
        Ok(())
    }

    /// A lane by another model, to its natural end; the strategy of a lane that there is stays.
    pub(in crate::tui::app) fn set_lane_model(&mut self, place: ChosenLane, path: PathBuf) {
        let old = match place {
            ChosenLane::At(at) => self.compare.plan.get(at).cloned(),
            ChosenLane::New => None,
        };
        let strategy = old.unwrap_or_else(Strategy::natural);
        self.put_lane(place, strategy.by(Source::Model(path)));
    }

    fn put_lane(&mut self, place: ChosenLane, strategy: Strategy) {
        let plan = &mut self.compare.plan;
        match place {
            ChosenLane::At(at) if at < plan.len() => plan[at] = strategy,
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

/// What was chosen for a lane that there is.
fn chosen(strategy: &Strategy) -> Choice {
    match strategy {
        Strategy { think: false, .. } => Choice::NoThinking,
        Strategy { samples: 2.., .. } => Choice::Tell(VOTE),
        Strategy {
            source: Source::Model(_),
            ..
        } => Choice::Model,
        Strategy {
            wait_text: Some(_), ..
        } => Choice::Tell("wait_text"),
        Strategy { waits: 1.., .. } => Choice::Tell("waits"),
        Strategy { limit, .. } => match *limit {
            Limit::Free => Choice::Free,
            Limit::Tokens(_) => Choice::Tell("max_thinking"),
            Limit::Natural(n, d) => Choice::Share(n, d),
        },
    }
}

fn find(key: &str) -> Option<&'static dyn Setting<Policy>> {
    settings(POLICY).find(|setting: &&dyn Setting<Policy>| setting.info().key == key)
}

/// What a lane does of which one parameter was told.
fn strategy(key: &str, policy: Policy) -> Strategy {
    match (key, policy.max_thinking) {
        ("waits", _) => Strategy::waiting(policy.waits, None),
        ("wait_text", _) => Strategy::waiting(1, Some(&policy.wait_text)),
        (_, Some(tokens)) => Strategy::limited(Limit::Tokens(tokens)),
        (_, None) => Strategy::natural(),
    }
}

/// A number of samples, and perhaps the temperature at which they are drawn: `5 at 0.8`.
fn vote(text: &str) -> Result<Strategy, String> {
    let (samples, temperature) = match text.split_once("at") {
        Some((samples, temperature)) => (samples, Some(temperature)),
        None => (text, None),
    };
    let count = samples.trim().parse().ok();
    let count = count.filter(|n| (2..=MAX_SAMPLES).contains(n));
    let count = count.ok_or_else(|| {
        format!("Samples must be a whole number from 2 to {MAX_SAMPLES}, but is {samples:?}.")
    })?;
    let mut sampling = Sampling::default();
    if let Some(text) = temperature {
        let row = SAMPLING
            .iter()
            .find(|param| param.info.key == "temperature");
        if let Some(row) = row {
            params::set(row, &mut sampling, text)?;
        }
        if sampling.is_greedy() {
            return Err("Samples at temperature 0 are all the same; raise it.".into());
        }
    }
    let hot = temperature.map(|_| sampling.temperature);
    Ok(Strategy::vote(count, hot, Limit::Free))
}

/// The line it is typed into.
fn line(key: &str) -> PromptLine {
    match find(key) {
        Some(setting) => {
            let usual = Policy {
                waits: 1,
                wait_text: "Hmm".into(),
                ..Policy::default()
            };
            params::line(setting, &usual)
        }
        None => PromptLine::new(
            "Majority of",
            "Samples, and the temperature they are drawn at, e.g. 5 at 0.8",
            "5 at 0.8",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vote_takes_every_temperature_that_a_draw_takes() {
        let vote = |text| vote(text).map(|s| (s.samples, s.temperature));
        assert_eq!(vote("5 at 100"), Ok((5, Some(100.0))));
        assert_eq!(vote("3"), Ok((3, Some(0.8))));
        for (text, part) in [
            ("1", "from 2 to"),
            ("many", "from 2 to"),
            (
                "5 at 101",
                "Temperature must be a number from 0 (greedy) to 100",
            ),
            ("5 at 0", "all the same"),
        ] {
            let error = vote(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
