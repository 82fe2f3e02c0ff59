//! What a training is for: the model it made, opened, exported, and compared with what it was.

use std::path::{Path, PathBuf};

use crate::tui::app::App;
use crate::tui::app::compare::ChosenLane;
use crate::tui::app::jobs::trainings::{ExportTrained, OpenTrained};
use crate::tui::app::plots::pair::Before;
use crate::tui::app::plots::sweep::small;
use crate::tui::screen::Screen;
use crate::tui::widgets::list::{List, ListRow};
use s1_core::training::Quantization;
use s1_data::assets;
use s1_lab::sweep::SweepConfig;
use s1_store::run::Budget;
use s1_store::training::{Training, TrainingState};
use s1_train::Product;

use super::TrainPane;

/// What a trained model is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Explore,
    /// A lane of the comparison.
    Lane,
    /// The sweep before and after.
    Sweep,
}

/// What can be written, with what it is for.
const PRODUCTS: [(&str, &str, Product); 5] = [
    (
        "GGUF, Q8_0",
        "for this program and llama.cpp",
        Product::Gguf(Quantization::Q8_0),
    ),
    ("GGUF, F16", "", Product::Gguf(Quantization::F16)),
    (
        "GGUF, Q4_0",
        "the smallest",
        Product::Gguf(Quantization::Q4_0),
    ),
    (
        "safetensors",
        "a folder for Hugging Face, an adapter merged",
        Product::SafeTensors,
    ),
    (
        "adapter",
        "a folder for PEFT, used with its base",
        Product::Adapter,
    ),
];

impl App {
    /// The training that is watched, and the checkpoint that is meant: the selected one where the
    /// checkpoints have the keys, otherwise the result, or the newest checkpoint where there is no
    /// result yet.
    fn target_checkpoint(&mut self) -> Option<(Box<Training>, Option<usize>)> {
        let current = self.watched_training()?;
        let checkpoints = &self.train.watched.checkpoints;
        let selected = checkpoints.get(self.train.checkpoint);
        let step = if self.train.pane == TrainPane::Checkpoints {
            selected.map(|c| c.step)
        } else if current.state == TrainingState::Finished {
            None
        } else {
            checkpoints.first().map(|c| c.step)
        };
        if step.is_none() && current.state != TrainingState::Finished {
            self.refuse("It has no checkpoint yet; w writes one after this step.");
            return None;
        }
        Some((Box::new(current), step))
    }

    /// Opens what the training made.
    pub(super) fn open_trained(&mut self, purpose: Purpose) {
        let Some((training, step)) = self.target_checkpoint() else {
            return;
        };
        self.tell("Fetching the trained model …");
        let job = OpenTrained {
            training: training.clone(),
            step,
            purpose,
        };
        self.start(job, move |app, found| {
            app.on_trained(&training, purpose, found);
        });
    }

    /// Hears where the trained model is: a GGUF file, or an adapter's folder.
    pub fn on_trained(
        &mut self,
        training: &Training,
        purpose: Purpose,
        found: Result<PathBuf, String>,
    ) {
        let Some(model) = self.taken(found) else {
            return;
        };
        self.notice = None;
        match purpose {
            Purpose::Explore => {
                self.screen = Screen::Explore;
                self.load(model);
            }
            Purpose::Lane => {
                self.screen = Screen::Compare;
                self.set_lane_model(ChosenLane::New, model);
            }
            Purpose::Sweep => self.open_before_after(before(training, model)),
        }
    }

    /// Sweeps the model before and after: the same problems, the same points.
    pub(super) fn compare_before_after(&mut self) {
        if self.plots.sweep.is_some() {
            return self.refuse("A sweep is under way; let it end, or cancel it on the plots.");
        }
        self.open_trained(Purpose::Sweep);
    }

    pub(super) fn open_export(&mut self) {
        let Some((training, step)) = self.target_checkpoint() else {
            return;
        };
        let of = step.map_or("the result".into(), |step| format!("step {step}"));
        let title = format!("Write {of} of {} as", training.name);
        let list = List::new(title, products(&training));
        self.ask_over(list, move |app, product| {
            app.tell("Writing …");
            let training = training.clone();
            let job = ExportTrained {
                training,
                step,
                product,
            };
            app.start(job, App::on_written);
        });
    }

    /// Hears what became of something that was to be written.
    pub fn on_written(&mut self, written: Result<PathBuf, String>) {
        if let Some(path) = self.taken(written) {
            self.tell(format!("Written to {}", path.display()));
        }
    }
}

/// The products that a training can give.
fn products(training: &Training) -> impl Iterator<Item = (Product, ListRow)> {
    let adapter = training.config.lora_rank.is_some();
    PRODUCTS
        .into_iter()
        .filter(move |(_, _, p)| adapter || *p != Product::Adapter)
        .map(|(name, about, product)| (product, ListRow::new(name, about)))
}

/// The sweep before and after a training, with the budgets of a small model.
fn before(training: &Training, tuned: PathBuf) -> Before {
    let base = training.config.base();
    let bundled = base == Path::new(assets::BASE);
    Before {
        name: training.name.clone(),
        base: base.to_path_buf(),
        tuned,
        plan: SweepConfig {
            problems: bundled.then(|| assets::HELD_OUT.into()),
            budgets: [0, 32, 64, 96]
                .map(Budget::Tokens)
                .into_iter()
                .chain([Budget::Natural])
                .collect(),
            waits: vec![0],
            limit: Some(100),
            ..small()
        },
    }
}
