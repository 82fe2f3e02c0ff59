//! Early exits and the budget to use, of the run that the details are about.
//!
//! Not here: what is computed ([`s1_lab::replay`], [`s1_lab::advice`]), and drawing.

use super::{Chart, Shown};
use crate::tui::app::App;
use crate::tui::app::jobs::runs::{LookAtThoughts, Thoughts};
use s1_lab::advice::Advice;
use s1_lab::sweep::Control;
use s1_plot::curves::Curves;

/// Early exits on the thoughts of one run.
#[derive(Clone, Debug)]
pub struct Exits {
    /// Of which run.
    pub run: String,
    /// Cancels looking, while that is under way.
    pub looking: Option<Control>,
    /// How far that is.
    pub progress: String,
    /// The figure, once it is there.
    pub chart: Option<Chart>,
}

/// Steps of the price of tokens, in points of accuracy per 1,000: what `+` and `-` walk along.
pub const PRICES: [f64; 13] = [
    0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0,
];

/// The price at the start: five points per 1,000.
pub const USUAL_PRICE: usize = 6;

/// What the panel says of the budgets of a run.
pub fn advice(shown: &Shown, price: usize) -> Advice {
    let lambda = PRICES[price.min(PRICES.len() - 1)] / 100.0;
    Advice::of(shown.ways(), lambda, 0.02)
}

impl App {
    /// Has the thoughts of the current run looked at; where they were before, that is quick.
    pub(super) fn look_at_thoughts(&mut self) {
        let Some(shown) = self.plots.current() else {
            return self.refuse("Choose a run in the list of runs.");
        };
        let run = shown.run.name.clone();
        if super::act::is_shipped(&shown.run) {
            return self.refuse("This run came with the program, without its traces: a sweep of your own has thoughts to look at.");
        }
        if self
            .plots
            .exits
            .as_ref()
            .is_some_and(|e| e.looking.is_some())
        {
            return self.refuse("Thoughts are being looked at already.");
        }
        let control = Control::default();
        self.plots.exits = Some(Exits {
            run: run.clone(),
            looking: Some(control.clone()),
            progress: "loading the model".into(),
            chart: None,
        });
        self.start(LookAtThoughts { run, control }, App::on_thoughts);
    }

    /// Gives looking up; `false` if it was not under way.
    pub(super) fn cancel_looking(&mut self) -> bool {
        let exits = self.plots.exits.as_ref();
        let looking = exits.and_then(|e| e.looking.as_ref());
        looking.map(Control::cancel).is_some()
    }

    /// Hears how far looking is.
    pub(in crate::tui::app) fn on_looked(&mut self, progress: String) {
        if let Some(exits) = &mut self.plots.exits {
            exits.progress = progress;
        }
    }

    /// Hears what was seen.
    fn on_thoughts(&mut self, seen: Result<Option<Thoughts>, String>) {
        let Some(exits) = &mut self.plots.exits else {
            return;
        };
        exits.looking = None;
        match seen {
            Ok(Some(Thoughts(replay, votes))) => {
                let figure = s1_plot::policies::figure(&exits.run, &replay, &votes);
                exits.chart = Some(Chart {
                    curves: Curves {
                        figure,
                        ..Curves::default()
                    },
                    ..Chart::default()
                });
            }
            Ok(None) => {
                self.plots.exits = None;
                self.tell("Given up; what was seen is kept.");
            }
            Err(sentence) => {
                self.plots.exits = None;
                self.refuse(sentence);
            }
        }
    }

    /// Moves the price of tokens.
    pub(super) fn change_price(&mut self, up: bool) {
        let price = &mut self.plots.price;
        *price = match up {
            true => (*price + 1).min(PRICES.len() - 1),
            false => price.saturating_sub(1),
        };
    }
}
