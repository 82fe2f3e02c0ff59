//! The fields of the form: the parameters of a training, and what only the form asks for.

use super::is_plain;
use crate::config::{Config, settings};
use crate::tui::app::params;
use s1_core::param::{Setting, Shape};
use s1_core::training::{TRAIN, TrainConfig};

/// Something that can be set before a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FormField {
    /// The training's name.
    Name,
    Price,
    /// The parameter with this key.
    Param(&'static str),
}

impl FormField {
    /// The model that learns.
    pub const BASE: FormField = FormField::Param("model");
    pub const DATA: FormField = FormField::Param("data");
    /// Every weight, or the rank of an addition.
    pub const WEIGHTS: FormField = FormField::Param("lora_rank");

    pub const FIRST: [FormField; 8] = [
        FormField::BASE,
        FormField::DATA,
        FormField::WEIGHTS,
        FormField::Param("epochs"),
        FormField::Param("lr"),
        FormField::Param("batch"),
        FormField::Param("block_size"),
        FormField::Param("threads"),
    ];

    pub const ADVANCED: [FormField; 20] = [
        FormField::Name,
        FormField::Param("out"),
        FormField::Param("family"),
        FormField::Param("pack"),
        FormField::Param("max_steps"),
        FormField::Param("warmup"),
        FormField::Param("weight_decay"),
        FormField::Param("clip"),
        FormField::Param("grad_accum"),
        FormField::Param("checkpointing"),
        FormField::Param("seed"),
        FormField::Param("save_every"),
        FormField::Param("save_seconds"),
        FormField::Param("eval_problems"),
        FormField::Param("eval_limit"),
        FormField::Param("eval_data"),
        FormField::Param("eval_every"),
        FormField::Param("sample"),
        FormField::Param("sample_every"),
        FormField::Price,
    ];

    /// Its parameter, unless only the form asks for it.
    pub(super) fn setting(self) -> Option<&'static dyn Setting<TrainConfig>> {
        let FormField::Param(key) = self else {
            return None;
        };
        let param = TRAIN.iter().find(|param| param.info.key == key)?;
        Some(param)
    }

    pub fn name(self) -> &'static str {
        match (self, self.setting()) {
            (_, Some(setting)) => setting.info().label,
            (FormField::Price, _) => "Price per hour",
            _ => "Name",
        }
    }

    /// What it does, in one line.
    pub fn note(self) -> &'static str {
        match (self, self.setting()) {
            (_, Some(setting)) => setting.info().help,
            (FormField::Price, _) => {
                "Of this machine, for the cost line; 0: it is your own. s1 itself took 7 H100 hours."
            }
            _ => "Letters, digits, and - _ . between them.",
        }
    }

    /// Whether it is on or off and nothing else.
    pub fn is_switch(self) -> bool {
        self.setting().is_some_and(|s| s.shape() == Shape::Switch)
    }

    /// A value as the form shows it.
    pub fn shown(self, text: &str) -> String {
        match (self, text) {
            (FormField::Param("block_size"), "off") => "the model's context".into(),
            (FormField::Param("max_steps"), "off") => "after the epochs".into(),
            (_, "true") if self.is_switch() => "on".into(),
            (_, "false") if self.is_switch() => "off".into(),
            _ => text.to_owned(),
        }
    }
}

/// What was typed, in the notation of the parameter. Says what is wrong.
pub(super) fn read(field: FormField, text: &str) -> Result<String, String> {
    let Some(setting) = field.setting() else {
        return read_own(field, text);
    };
    // As the screens name it: "LoRA 16".
    let rank = text.to_lowercase();
    let typed = match field {
        FormField::WEIGHTS => rank.trim_start_matches("lora").trim(),
        _ => text,
    };
    let mut config = TrainConfig::default();
    params::set(setting, &mut config, typed)?;
    Ok(setting.text(&config))
}

fn read_own(field: FormField, text: &str) -> Result<String, String> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let price = settings::find("price_per_hour");
    match (field, price) {
        (FormField::Price, Some(price)) => {
            params::set(price, &mut Config::default(), text)?;
            Ok(text.to_owned())
        }
        _ if text.chars().all(is_plain)
            && edge(text.chars().next())
            && edge(text.chars().last())
            && text.len() <= 80 =>
        {
            Ok(text.to_owned())
        }
        _ => Err("Write letters and digits, with - _ . between them.".into()),
    }
}
