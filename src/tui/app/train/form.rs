//! The form of a new training: its fields, their defaults, and the command line they make.
//!
//! Every value is the text that a person would type. A field that was not touched has its default,
//! which may depend on the base: the bundled base comes with the recipe that makes the bundled
//! reasoner of it, every other one with s1's. Not here: the keys, and whether the run fits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod field;

pub use field::Field;
use field::read;
use s1_data::assets;

/// A row of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// Starts it.
    Start,
    /// A field.
    Field(Field),
    /// Shows or hides the fields that rarely matter.
    Advanced,
}

/// The question to watch: the one the bundled reasoner opens with.
const SAMPLE: &str = assets::FIRST_QUESTION.0;

/// What the defaults depend on besides the form itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// The folder in which trainings have theirs.
    pub folder: PathBuf,
    /// Cores of this machine.
    pub cores: usize,
    /// What an hour of it costs, in dollars.
    pub price: f64,
}

/// The form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Form {
    /// What the defaults depend on.
    pub place: Place,
    /// Names that are taken.
    pub taken: Vec<String>,
    /// The fields that rarely matter are shown.
    pub advanced: bool,
    /// The selected row.
    pub selected: usize,
    own: BTreeMap<Field, String>,
}

impl Form {
    /// A form in which everything has its default.
    pub fn new(place: Place) -> Form {
        Form {
            place,
            ..Form::default()
        }
    }

    /// The rows, from the top.
    pub fn rows(&self) -> Vec<Row> {
        let fields = |fields: &[Field]| fields.iter().copied().map(Row::Field).collect::<Vec<_>>();
        let mut rows = vec![Row::Start];
        rows.extend(fields(&Field::FIRST));
        rows.push(Row::Advanced);
        if self.advanced {
            rows.extend(fields(&Field::ADVANCED));
        }
        rows
    }

    /// The selected row.
    pub fn row(&self) -> Row {
        let rows = self.rows();
        rows.get(self.selected).copied().unwrap_or(Row::Start)
    }

    /// A field as text; empty where it is off or open.
    pub fn text(&self, field: Field) -> String {
        match self.own.get(&field) {
            Some(text) => text.clone(),
            None => self.usual(field),
        }
    }

    /// Whether a field was changed.
    pub fn is_own(&self, field: Field) -> bool {
        self.own.contains_key(&field)
    }

    fn usual(&self, field: Field) -> String {
        let bundled = self.text_of_base() == assets::BASE;
        let of = |recipe: &str, s1: &str| if bundled { recipe } else { s1 }.to_owned();
        match field {
            Field::Base => assets::BASE.into(),
            Field::Data => assets::TRACES.into(),
            Field::Weights => "full".into(),
            Field::Epochs => of("6", "5"),
            Field::Rate => match self.rank() {
                // An addition starts at nothing and bears larger steps.
                Some(_) => of("3e-3", "2e-4"),
                None => of("1e-3", "1e-5"),
            },
            Field::Batch => of("2", "16"),
            Field::Block => of("1024", ""),
            Field::Threads => (self.place.cores / 2).max(1).to_string(),
            Field::Warmup => "0.05".into(),
            Field::Decay => "1e-4".into(),
            Field::Clip => "1".into(),
            Field::Accumulation => "1".into(),
            Field::Pack => of("on", ""),
            Field::Checkpointing | Field::MaxSteps | Field::EvalData => String::new(),
            Field::Seed => "0".into(),
            Field::SaveEvery => of("50", "100"),
            Field::EvalProblems => of(assets::HELD_OUT, ""),
            Field::EvalLimit => "40".into(),
            Field::EvalEvery => "50".into(),
            Field::Sample => SAMPLE.into(),
            Field::SampleEvery => "25".into(),
            Field::Price => self.place.price.to_string(),
            Field::Name => self.free_name(),
            Field::Out => {
                let folder = self.place.folder.join(self.text(Field::Name));
                folder.display().to_string()
            }
        }
    }

    fn text_of_base(&self) -> &str {
        self.own
            .get(&Field::Base)
            .map_or(assets::BASE, String::as_str)
    }

    /// The rank of the addition; `None` where all weights are trained.
    fn rank(&self) -> Option<&str> {
        let own = self.own.get(&Field::Weights)?;
        (own != "full").then_some(own)
    }

    /// A name from the base's that nobody has: `base-1`.
    fn free_name(&self) -> String {
        let base = self.text_of_base();
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
    pub fn set(&mut self, field: Field, text: &str) -> Result<(), String> {
        let text = text.trim();
        if text.is_empty() {
            self.own.remove(&field);
            return Ok(());
        }
        let value = if text == "off" && field.may_be_off() {
            String::new()
        } else {
            read(field, text)?
        };
        if field == Field::Name && self.taken.contains(&value) {
            return Err(format!(
                "There is a training {value} already; write another name."
            ));
        }
        self.own.insert(field, value);
        // What is the default again needs no remembering: it follows the base then.
        if self.own.get(&field) == Some(&self.usual(field)) {
            self.own.remove(&field);
        }
        Ok(())
    }

    /// Turns a switch.
    pub fn turn(&mut self, field: Field) {
        let on = self.text(field).is_empty();
        let value = if on { "on" } else { "" };
        self.own.insert(field, value.into());
        if self.usual(field) == value {
            self.own.remove(&field);
        }
    }

    /// What goes back to its default for the next training.
    pub fn started(&mut self) {
        self.own.remove(&Field::Name);
        self.own.remove(&Field::Out);
    }

    /// The price of an hour.
    pub fn price(&self) -> f64 {
        self.text(Field::Price).parse().unwrap_or(0.0)
    }

    /// The arguments of `s1-tui train`, without the name.
    pub fn arguments(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut flag = |name: &str, value: String| match value.starts_with('-') {
            // It would be taken for a flag.
            true => out.push(format!("{name}={value}")),
            false => out.extend([name.to_owned(), value]),
        };
        let text = |field| self.text(field);
        flag("--model", text(Field::Base));
        flag("--data", text(Field::Data));
        flag("--out", text(Field::Out));
        if let Some(rank) = self.rank() {
            flag("--lora-rank", rank.to_owned());
        }
        for (name, field) in [
            ("--epochs", Field::Epochs),
            ("--lr", Field::Rate),
            ("--batch", Field::Batch),
            ("--block-size", Field::Block),
            ("--threads", Field::Threads),
            ("--max-steps", Field::MaxSteps),
            ("--save-every", Field::SaveEvery),
        ] {
            if !text(field).is_empty() {
                flag(name, text(field));
            }
        }
        // The command has the same defaults.
        for (name, field) in [
            ("--warmup", Field::Warmup),
            ("--weight-decay", Field::Decay),
            ("--clip", Field::Clip),
            ("--grad-accum", Field::Accumulation),
            ("--seed", Field::Seed),
        ] {
            if self.is_own(field) {
                flag(name, text(field));
            }
        }
        let problems = text(Field::EvalProblems);
        if !problems.is_empty() {
            flag("--eval-problems", problems.clone());
            if !text(Field::EvalLimit).is_empty() {
                flag("--eval-limit", text(Field::EvalLimit));
            }
        }
        let held_out = text(Field::EvalData);
        if !held_out.is_empty() {
            flag("--eval-data", held_out.clone());
        }
        if !(problems.is_empty() && held_out.is_empty()) {
            flag("--eval-every", text(Field::EvalEvery));
        }
        let sample = text(Field::Sample);
        if !sample.is_empty() {
            flag("--sample", sample);
            flag("--sample-every", text(Field::SampleEvery));
        }
        for (name, field) in [
            ("--pack", Field::Pack),
            ("--checkpointing", Field::Checkpointing),
        ] {
            if !text(field).is_empty() {
                out.push(name.to_owned());
            }
        }
        out
    }

    /// The command line that does the same.
    pub fn command(&self) -> String {
        let arguments = self.arguments();
        let name = ["--name".to_owned(), self.text(Field::Name)];
        command(arguments.iter().chain(&name))
    }
}

/// `s1-tui train` with arguments, as a shell reads it.
pub fn command<'a>(arguments: impl Iterator<Item = &'a String>) -> String {
    let mut out = String::from("s1-tui train");
    for argument in arguments {
        let plain = |c: char| is_plain(c) || "/:=,+@".contains(c);
        out.push(' ');
        if !argument.is_empty() && argument.chars().all(plain) {
            out.push_str(argument);
        } else {
            out.push_str(&format!("'{}'", argument.replace('\'', r"'\''")));
        }
    }
    out
}

/// Whether a character stands in a name, and in a shell, as it is.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        Form {
            place: Place {
                folder: "/data/trainings".into(),
                cores: 8,
                price: 0.0,
            },
            ..Form::default()
        }
    }

    fn set(form: &mut Form, field: Field, text: &str) {
        form.set(field, text).unwrap();
    }

    #[test]
    fn untouched_it_is_the_recipe_of_the_bundled_reasoner() {
        assert_eq!(
            form().arguments().join(" "),
            "--model bundled:base --data bundled:traces --out /data/trainings/base-1 --epochs 6 \
             --lr 1e-3 --batch 2 --block-size 1024 --threads 4 --save-every 50 \
             --eval-problems bundled:held-out --eval-limit 40 --eval-every 50 \
             --sample How many r in raspberry? --sample-every 25 --pack"
        );
        assert!(form().command().ends_with("--pack --name base-1"));
        assert!(
            form()
                .command()
                .contains("--sample 'How many r in raspberry?'")
        );
    }

    #[test]
    fn another_base_brings_the_settings_of_the_paper_and_its_own_name() {
        let mut form = form();
        set(&mut form, Field::Base, "/models/Qwen2.5 0.5B.gguf");
        set(&mut form, Field::Data, "/data/s1K.jsonl");
        set(&mut form, Field::Sample, "off");
        assert_eq!(
            form.arguments().join(" "),
            "--model /models/Qwen2.5 0.5B.gguf --data /data/s1K.jsonl \
             --out /data/trainings/qwen2.5-0.5b-1 --epochs 5 --lr 1e-5 --batch 16 --threads 4 \
             --save-every 100"
        );
        form.taken = vec!["qwen2.5-0.5b-1".into()];
        assert_eq!(form.text(Field::Name), "qwen2.5-0.5b-2");
    }

    #[test]
    fn every_setting_reaches_the_command() {
        let mut form = form();
        for (field, text) in [
            (Field::Data, "lines.jsonl"),
            (Field::Weights, "lora 16"),
            (Field::Epochs, "2"),
            (Field::Rate, "5e-4"),
            (Field::Batch, "8"),
            (Field::Block, "off"),
            (Field::Threads, "3"),
            (Field::Name, "mine"),
            (Field::Out, "/elsewhere"),
            (Field::MaxSteps, "12"),
            (Field::Warmup, "0.1"),
            (Field::Decay, "0"),
            (Field::Clip, "0.5"),
            (Field::Accumulation, "2"),
            (Field::Seed, "7"),
            (Field::SaveEvery, "off"),
            (Field::EvalProblems, "off"),
            (Field::EvalData, "held.jsonl"),
            (Field::EvalEvery, "6"),
            (Field::Sample, "Is it's?"),
            (Field::SampleEvery, "4"),
            (Field::Price, "2.5"),
        ] {
            set(&mut form, field, text);
        }
        form.turn(Field::Pack);
        form.turn(Field::Checkpointing);
        assert_eq!(
            form.command(),
            "s1-tui train --model bundled:base --data lines.jsonl --out /elsewhere --lora-rank 16 \
             --epochs 2 --lr 5e-4 --batch 8 --threads 3 --max-steps 12 --warmup 0.1 \
             --weight-decay 0 --clip 0.5 --grad-accum 2 --seed 7 --eval-data held.jsonl \
             --eval-every 6 --sample 'Is it'\\''s?' --sample-every 4 --checkpointing --name mine"
        );
        assert_eq!(form.price(), 2.5);
    }

    #[test]
    fn what_was_not_touched_follows_the_base_and_what_was_stays() {
        let mut form = form();
        set(&mut form, Field::Epochs, "3");
        set(&mut form, Field::Batch, "2");
        set(&mut form, Field::Base, "/m.gguf");
        assert_eq!(form.text(Field::Epochs), "3");
        assert_eq!(form.text(Field::Batch), "16", "2 was the recipe's own");
        set(&mut form, Field::Epochs, "");
        assert_eq!(
            form.text(Field::Epochs),
            "5",
            "nothing typed is the default"
        );
        set(&mut form, Field::Weights, "8");
        assert_eq!(form.text(Field::Rate), "2e-4");
        form.started();
        assert_eq!(form.text(Field::Weights), "8", "for the next training, too");
    }

    #[test]
    fn nonsense_is_refused_and_changes_nothing() {
        let mut form = form();
        form.taken = vec!["mine".into()];
        for (field, text) in [
            (Field::Weights, "0"),
            (Field::Weights, "half"),
            (Field::Epochs, "0"),
            (Field::Rate, "0"),
            (Field::Rate, "NaN"),
            (Field::Rate, "off"),
            (Field::Batch, "-1"),
            (Field::Block, "7"),
            (Field::Threads, "many"),
            (Field::Warmup, "1.1"),
            (Field::Clip, "-1"),
            (Field::Price, "inf"),
            (Field::Name, "../up"),
            (Field::Name, "a b"),
            (Field::Name, ".hidden"),
            (Field::Name, "mine"),
            (Field::Pack, "maybe"),
        ] {
            let before = form.clone();
            assert!(form.set(field, text).is_err(), "{field:?} {text:?}");
            assert_eq!(form, before);
        }
    }

    #[test]
    fn every_field_has_a_row_once() {
        let mut form = form();
        assert_eq!(form.rows().len(), 10);
        assert_eq!(form.row(), Row::Start, "one press starts");
        form.advanced = true;
        let rows = form.rows();
        assert_eq!(rows.len(), 28);
        for (i, row) in rows.iter().enumerate() {
            assert!(!rows[..i].contains(row), "{row:?}");
        }
    }
}
