//! The form of a new training: its fields, their defaults, and the settings they make.
//!
//! A field that was not touched has its default, which may depend on the base: the bundled base
//! comes with the recipe that makes the bundled reasoner of it, every other one with s1's. Not
//! here: the keys, and whether the run fits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod field;

use crate::tui::app::params;
pub use field::FormField;
use field::{FormValues, read};
use s1_core::training::{self, TrainConfig, TrainerKind};
use s1_data::assets;

/// A row of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormRow {
    Start,
    Field(FormField),
    /// Shows or hides the fields that rarely matter.
    Advanced,
}

/// The question to watch: the one the bundled reasoner opens with.
const SAMPLE: &str = assets::FIRST_QUESTION.0;

/// What the defaults depend on besides the form itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FormDefaults {
    /// The folder in which trainings have theirs.
    pub folder: PathBuf,
    /// Cores of this machine.
    pub cores: usize,
    /// What an hour of it costs, in dollars.
    pub price: f64,
    /// The Python of TRL.
    pub python: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainForm {
    /// What the defaults depend on.
    pub place: FormDefaults,
    /// Names that are taken.
    pub taken: Vec<String>,
    /// The fields that rarely matter are shown.
    pub advanced: bool,
    /// The selected row.
    pub selected: usize,
    own: BTreeMap<FormField, String>,
}

impl TrainForm {
    /// A form in which everything has its default.
    pub fn new(place: FormDefaults) -> TrainForm {
        TrainForm {
            place,
            ..TrainForm::default()
        }
    }

    /// The rows, from the top.
    pub fn rows(&self) -> Vec<FormRow> {
        let mut rows = vec![FormRow::Start];
        rows.extend(FormField::first().map(FormRow::Field));
        if self.values().config.trainer == TrainerKind::Trl {
            rows.extend(FormField::of_trl().map(FormRow::Field));
        }
        rows.push(FormRow::Advanced);
        if self.advanced {
            rows.extend(FormField::advanced().map(FormRow::Field));
        }
        rows
    }

    /// The selected row.
    pub fn row(&self) -> FormRow {
        let rows = self.rows();
        rows.get(self.selected).copied().unwrap_or(FormRow::Start)
    }

    pub fn text(&self, field: FormField) -> String {
        let own = self.own.get(&field).cloned();
        own.unwrap_or_else(|| field.setting().text(&self.defaults()))
    }

    /// Whether a field was changed.
    pub fn is_own(&self, field: FormField) -> bool {
        self.own.contains_key(&field)
    }

    /// What everything is that was not changed.
    fn defaults(&self) -> FormValues {
        let own = self.own.get(&FormField::NAME).cloned();
        let name = own.unwrap_or_else(|| self.free_name());
        FormValues {
            config: self.recipe(&name),
            name,
            price: self.place.price,
        }
    }

    /// The defaults that go with the base.
    fn recipe(&self, name: &str) -> TrainConfig {
        let lora = self
            .own
            .get(&FormField::WEIGHTS)
            .is_some_and(|w| w != "full");
        let every_recipe = TrainConfig {
            model: Some(self.base().into()),
            data: assets::TRACES.into(),
            out: self.place.folder.join(name),
            threads: Some((self.place.cores / 2).max(1)),
            save_every: Some(100),
            eval_every: Some(50),
            sample: Some(SAMPLE.into()),
            sample_every: Some(25),
            python: self.place.python.clone(),
            // LoRA weights start at zero and tolerate a higher learning rate.
            lr: if lora { 2e-4 } else { 1e-5 },
            ..TrainConfig::default()
        };
        if self.base() != assets::BASE {
            return every_recipe;
        }
        TrainConfig {
            epochs: 6,
            lr: if lora { 3e-3 } else { 1e-3 },
            batch: 2,
            block_size: Some(1024),
            pack: true,
            save_every: Some(50),
            eval_problems: Some(assets::HELD_OUT.into()),
            ..every_recipe
        }
    }

    /// What everything is.
    pub fn values(&self) -> FormValues {
        let mut values = self.defaults();
        for (field, text) in &self.own {
            // What was typed was checked then.
            let _ = field.setting().set(&mut values, text);
        }
        let config = &mut values.config;
        if config.eval_problems.is_none() && config.eval_data.is_none() {
            config.eval_every = None;
        }
        if config.sample.is_none() {
            config.sample_every = None;
        }
        if config.trainer == TrainerKind::Native {
            // They stay in the form, for when TRL trains again.
            let usual = TrainConfig::default();
            config.python = usual.python;
            config.launcher = usual.launcher;
            config.dtype = usual.dtype;
            config.load_in_4bit = usual.load_in_4bit;
            config.sharding = usual.sharding;
        }
        values
    }

    /// The settings of the training.
    pub fn config(&self) -> TrainConfig {
        self.values().config
    }

    fn base(&self) -> &str {
        let own = self.own.get(&FormField::BASE);
        own.map_or(assets::BASE, String::as_str)
    }

    /// A name from the base's that nobody has: `base-1`.
    fn free_name(&self) -> String {
        let base = self.base();
        let base = base.strip_prefix(assets::PREFIX).unwrap_or(base);
        let stem = Path::new(base).file_stem().map(|s| s.to_string_lossy());
        let mut stem: String = stem
            .unwrap_or_default()
            .chars()
            .map(|c| if is_plain(c) { c } else { '-' })
            .take(40)
            .collect();
        stem = stem.trim_matches(['-', '.']).to_lowercase();
        if stem.is_empty() {
            stem = "training".into();
        }
        let names = (1..).map(|n: usize| format!("{stem}-{n}"));
        let free = |name: &String| !self.taken.contains(name);
        names.into_iter().find(free).unwrap_or(stem)
    }

    /// Sets a field from what was typed; nothing typed is its default again. Says what is wrong.
    pub fn set(&mut self, field: FormField, text: &str) -> Result<(), String> {
        let text = text.trim();
        if text.is_empty() {
            self.own.remove(&field);
            return Ok(());
        }
        let value = read(field, text)?;
        if field == FormField::NAME && self.taken.contains(&value) {
            return Err(format!(
                "There is a training {value} already; write another name."
            ));
        }
        self.put(field, value);
        Ok(())
    }

    /// Sets what has but a few values to the next one.
    pub fn turn(&mut self, field: FormField) {
        let mut values = self.values();
        if params::turn(field.setting(), &mut values) {
            self.put(field, field.setting().text(&values));
        }
    }

    /// Remembers a value, unless it is the default: that follows the base.
    fn put(&mut self, field: FormField, value: String) {
        self.own.remove(&field);
        if self.text(field) != value {
            self.own.insert(field, value);
        }
    }

    /// What goes back to its default for the next training.
    pub fn started(&mut self) {
        self.own.remove(&FormField::NAME);
        self.own.remove(&FormField("out"));
    }

    /// The command line that does the same.
    pub fn command(&self) -> String {
        let FormValues { name, config, .. } = self.values();
        training::command_line(&config, &name)
    }
}

/// Whether a character may be in a name.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> TrainForm {
        TrainForm {
            place: FormDefaults {
                folder: "/data/trainings".into(),
                cores: 8,
                price: 0.0,
                python: None,
            },
            ..TrainForm::default()
        }
    }

    fn set(form: &mut TrainForm, field: FormField, text: &str) {
        form.set(field, text).unwrap();
    }

    #[test]
    fn untouched_it_is_the_recipe_of_the_bundled_reasoner() {
        assert_eq!(
            form().command(),
            "s1-tui train --model bundled:base --data bundled:traces \
             --out /data/trainings/base-1 --epochs 6 --lr 0.001 --batch 2 --block-size 1024 \
             --threads 4 --pack --save-every 50 --eval-problems bundled:held-out --eval-every 50 \
             --sample 'How many r in raspberry?' --sample-every 25 --name base-1"
        );
        form().config().check().unwrap();
    }

    #[test]
    fn another_base_brings_the_settings_of_the_paper_and_its_own_name() {
        let mut form = form();
        set(&mut form, FormField::BASE, "/models/Qwen2.5 0.5B.gguf");
        set(&mut form, FormField("data"), "/data/s1K.jsonl");
        set(&mut form, FormField("sample"), "off");
        assert_eq!(
            form.command(),
            "s1-tui train --model '/models/Qwen2.5 0.5B.gguf' --data /data/s1K.jsonl \
             --out /data/trainings/qwen2.5-0.5b-1 --threads 4 --save-every 100 \
             --name qwen2.5-0.5b-1"
        );
        assert_eq!((form.config().epochs, form.config().lr), (5, 1e-5));
        form.taken = vec!["qwen2.5-0.5b-1".into()];
        assert_eq!(form.text(FormField::NAME), "qwen2.5-0.5b-2");
    }

    #[test]
    fn every_setting_reaches_the_command() {
        let mut form = form();
        for (field, text) in [
            (FormField("data"), "lines.jsonl"),
            (FormField::WEIGHTS, "lora 16"),
            (FormField("epochs"), "2"),
            (FormField("lr"), "5e-4"),
            (FormField("batch"), "8"),
            (FormField("block_size"), "off"),
            (FormField("threads"), "3"),
            (FormField::NAME, "mine"),
            (FormField("out"), "/elsewhere"),
            (FormField("max_steps"), "12"),
            (FormField("warmup"), "0.1"),
            (FormField("weight_decay"), "0"),
            (FormField("clip"), "0.5"),
            (FormField("grad_accum"), "2"),
            (FormField("seed"), "7"),
            (FormField("save_every"), "off"),
            (FormField("save_seconds"), "off"),
            (FormField("eval_problems"), "off"),
            (FormField("eval_data"), "held.jsonl"),
            (FormField("eval_every"), "6"),
            (FormField("sample"), "Is it's?"),
            (FormField("sample_every"), "4"),
            (FormField::PRICE, "2.5"),
        ] {
            set(&mut form, field, text);
        }
        form.turn(FormField("pack"));
        form.turn(FormField("checkpointing"));
        assert_eq!(
            form.command(),
            "s1-tui train --model bundled:base --data lines.jsonl --out /elsewhere --lora-rank 16 \
             --epochs 2 --lr 5e-4 --batch 8 --threads 3 --max-steps 12 --warmup 0.1 \
             --weight-decay 0 --clip 0.5 --grad-accum 2 --checkpointing --seed 7 \
             --save-seconds off --eval-data held.jsonl --eval-every 6 --sample 'Is it'\\''s?' --sample-every 4 \
             --name mine"
        );
        assert_eq!(form.values().price, 2.5);
    }

    #[test]
    fn what_was_not_touched_follows_the_base_and_what_was_stays() {
        let mut form = form();
        set(&mut form, FormField("epochs"), "3");
        set(&mut form, FormField("batch"), "2");
        set(&mut form, FormField::BASE, "/m.gguf");
        assert_eq!(form.text(FormField("epochs")), "3");
        assert_eq!(
            form.text(FormField("batch")),
            "16",
            "2 was the recipe's own"
        );
        set(&mut form, FormField("epochs"), "");
        assert_eq!(
            form.text(FormField("epochs")),
            "5",
            "nothing typed is the default"
        );
        set(&mut form, FormField::WEIGHTS, "8");
        assert_eq!(form.text(FormField("lr")), "2e-4");
        form.started();
        assert_eq!(
            form.text(FormField::WEIGHTS),
            "8",
            "for the next training, too"
        );
    }

    #[test]
    fn nonsense_is_refused_and_changes_nothing() {
        let mut form = form();
        form.taken = vec!["mine".into()];
        for (field, text) in [
            (FormField::WEIGHTS, "0"),
            (FormField::WEIGHTS, "half"),
            (FormField("epochs"), "0"),
            (FormField("lr"), "0"),
            (FormField("lr"), "NaN"),
            (FormField("lr"), "off"),
            (FormField("batch"), "-1"),
            (FormField("block_size"), "7"),
            (FormField("threads"), "many"),
            (FormField("warmup"), "1.1"),
            (FormField("clip"), "-1"),
            (FormField::PRICE, "inf"),
            (FormField::NAME, "../up"),
            (FormField::NAME, "a b"),
            (FormField::NAME, ".hidden"),
            (FormField::NAME, "mine"),
            (FormField("pack"), "maybe"),
        ] {
            let before = form.clone();
            assert!(form.set(field, text).is_err(), "{field:?} {text:?}");
            assert_eq!(form, before);
        }
    }

    #[test]
    fn every_field_has_a_row_once() {
        let mut form = form();
        assert_eq!(form.rows().len(), 11);
        assert_eq!(form.row(), FormRow::Start, "one press starts");
        form.advanced = true;
        let rows = form.rows();
        assert_eq!(rows.len(), 36);
        form.turn(FormField("trainer"));
        let rows = form.rows();
        assert_eq!(rows.len(), 41, "TRL has settings of its own");
        for (i, row) in rows.iter().enumerate() {
            assert!(!rows[..i].contains(row), "{row:?}");
        }
    }

    #[test]
    fn what_trl_alone_has_is_kept_for_it_and_not_given_to_the_other() {
        let mut form = form();
        form.turn(FormField("trainer"));
        set(
            &mut form,
            FormField("launcher"),
            "torchrun --nproc_per_node 2",
        );
        form.turn(FormField("dtype"));
        let with = form.command();
        assert!(
            with.contains("--trainer trl")
                && with.contains("--launcher 'torchrun --nproc_per_node 2' --dtype float32"),
            "{with}"
        );
        form.turn(FormField("trainer"));
        let without = form.command();
        assert!(
            !without.contains("--launcher") && !without.contains("--dtype"),
            "{without}"
        );
        form.config().check().unwrap();
        form.turn(FormField("trainer"));
        assert_eq!(form.command(), with);
    }
}
