//! The fields of the form: the parameters of a training, and what only the form asks for.

use super::is_plain;
use crate::tui::app::params;
use s1_core::field;
use s1_core::has;
use s1_core::param::{Access, Param, Setting, Shape, settings};
use s1_core::training::{TRAIN, TrainConfig};

/// What the form sets.
#[derive(Clone, Debug, Default)]
pub struct FormValues {
    /// The training's name.
    pub name: String,
    /// What an hour of this machine costs, in dollars.
    pub price: f64,
    pub config: TrainConfig,
}

has!(FormValues {
    TrainConfig: config,
});

/// What only the form asks for.
const OWN: &[Param<FormValues>] = &[
    Param::new(
        "name",
        &[],
        Access::Notation(|values| values.name.clone(), read_name),
    )
    .named("Name", "")
    .help("Letters, digits, and - _ . between them.")
    .allowed("letters and digits, with - _ . between them"),
    Param::new(
        "price",
        &[],
        Access::Float(0.0, 1e6, field!(FormValues.price)),
    )
    .named("Price per hour", "")
    .help("Of this machine, for the cost line; 0: it is your own. s1 itself took 7 H100 hours.")
    .unit("dollars"),
];

fn read_name(values: &mut FormValues, text: &str) -> Option<()> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let edges = edge(text.chars().next()) && edge(text.chars().last());
    let fits = edges && text.chars().all(is_plain) && text.len() <= 80;
    fits.then(|| values.name = text.to_owned())
}

/// The parameters that the form begins with, by keys.
const FIRST: [&str; 9] = [
    "model",
    "data",
    "trainer",
    "lora_rank",
    "epochs",
    "lr",
    "batch",
    "block_size",
    "threads",
];

/// What is shown where TRL trains.
const OF_TRL: [&str; 5] = ["python", "launcher", "dtype", "load_in_4bit", "sharding"];

/// What only the command line offers.
const COMMAND_ONLY: [&str; 5] = [
    "from_scratch",
    "lora_alpha",
    "lora_dropout",
    "skip_broken",
    "gguf",
];

/// Something that can be set before a training: the parameter with this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FormField(pub &'static str);

impl FormField {
    /// The training's name.
    pub const NAME: FormField = FormField("name");
    pub const PRICE: FormField = FormField("price");
    /// The model that learns.
    pub const BASE: FormField = FormField("model");
    /// Every weight, or the rank of an addition.
    pub const WEIGHTS: FormField = FormField("lora_rank");

    /// The fields that matter most.
    pub fn first() -> impl Iterator<Item = FormField> {
        FIRST.into_iter().map(FormField)
    }

    /// The fields that TRL has besides.
    pub fn of_trl() -> impl Iterator<Item = FormField> {
        OF_TRL.into_iter().map(FormField)
    }

    /// The fields that rarely matter, in the order of the table.
    pub fn advanced() -> impl Iterator<Item = FormField> {
        let keys = TRAIN.iter().map(|param| param.info.key);
        let elsewhere = |key: &&str| FIRST.contains(key) || OF_TRL.contains(key);
        let left = keys.filter(move |key| !elsewhere(key) && !COMMAND_ONLY.contains(key));
        let name = std::iter::once(FormField::NAME);
        name.chain(left.map(FormField)).chain([FormField::PRICE])
    }

    pub(super) fn setting(self) -> &'static dyn Setting<FormValues> {
        let mut all = settings(TRAIN).chain(settings(OWN));
        let found = all.find(|setting: &&dyn Setting<FormValues>| setting.info().key == self.0);
        found.unwrap_or(&OWN[0])
    }

    pub fn name(self) -> &'static str {
        self.setting().info().label
    }

    /// What it does, in one line.
    pub fn note(self) -> &'static str {
        self.setting().info().help
    }

    /// Whether it is on or off and nothing else.
    pub fn is_switch(self) -> bool {
        self.setting().shape() == Shape::Switch
    }

    /// Whether it has but a few values, one after the other.
    pub fn is_turned(self) -> bool {
        matches!(self.setting().shape(), Shape::Switch | Shape::Choice(_))
    }

    /// Whether it is a file or a folder.
    pub fn is_path(self) -> bool {
        matches!(self.setting().shape(), Shape::Path | Shape::Paths)
    }

    /// A value as the form shows it.
    pub fn shown(self, text: &str) -> String {
        match (self.0, text) {
            ("block_size", "off") => "the model's context".into(),
            ("max_steps", "off") => "after the epochs".into(),
            (_, "true") if self.is_switch() => "on".into(),
            (_, "false") if self.is_switch() => "off".into(),
            _ => text.to_owned(),
        }
    }
}

/// What was typed, in the notation of the parameter. Says what is wrong.
pub(super) fn read(field: FormField, text: &str) -> Result<String, String> {
    // As the screens name it: "LoRA 16".
    let rank = text.to_lowercase();
    let typed = match field {
        FormField::WEIGHTS => rank.trim_start_matches("lora").trim(),
        _ => text,
    };
    let mut values = FormValues::default();
    params::set(field.setting(), &mut values, typed)?;
    Ok(field.setting().text(&values))
}
