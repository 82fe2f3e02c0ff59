//! Flags that several commands share, and what they override.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::given::{FlagGroup, GivenFlags};
use crate::config::settings::{COMPUTING, EXPLORER};
use crate::config::{Config, Dirs};
use s1_core::forcing::POLICY;
use s1_core::param::{Setting, settings};
use s1_core::protocol::REQUEST;
use s1_core::sampling::SAMPLING;
use s1_core::training::{TRAIN, TrainConfig};
use s1_engine::{MODEL, SERVER};
use s1_lab::sweep::{SWEEP, SweepConfig};
use s1_store::Db;

/// What can be said of a model that judges a pool.
const JUDGED_BY: [&str; 6] = [
    "context",
    "threads",
    "server_model",
    "api_key_env",
    "tokenizer",
    "concurrency",
];

macro_rules! flag_groups {
    ($($(#[$doc:meta])* $name:ident, $whole:ty, $heading:literal, $settings:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl FlagGroup for $name {
            type Whole = $whole;
            const HEADING: &'static str = $heading;
            fn settings() -> Vec<&'static dyn Setting<$whole>> {
                $settings.collect()
            }
        }
    )*};
}

flag_groups! {
    /// Which model, and how it is used.
    ModelFlags, Config, "Model", settings(MODEL)
        .chain(settings(SERVER))
        .chain(settings(COMPUTING));
    /// How the models that judge a pool are used.
    JudgeFlags, Config, "Difficulty", settings(MODEL)
        .chain(settings(SERVER))
        .chain(settings(COMPUTING))
        .filter(|s| JUDGED_BY.contains(&s.info().key));
    ThinkFlags, Config, "Thinking", settings(POLICY);
    /// Budget forcing at points that set budget and waits.
    PointFlags, Config, "Thinking", settings(POLICY)
        .filter(|s| !["max_thinking", "waits", "think"].contains(&s.info().key));
    SampleFlags, Config, "Sampling", settings(SAMPLING);
    /// What a sweep is started with.
    SweepFlags, SweepConfig, "Sweep", settings(SWEEP);
    /// What to train, and how.
    TrainFlags, TrainConfig, "Training", settings(TRAIN);
    /// The system prompt alone.
    SystemFlag, Config, "Prompt", settings(REQUEST).filter(|s| s.info().key == "system");
    /// What the explorer alone can be told.
    ExplorerFlags, Config, "Explorer", settings(REQUEST).chain(settings(EXPLORER));
}

/// Where settings come from.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Settings file, instead of config.toml in the configuration folder.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// A count from `least` to `most`, where no table has it.
pub fn number(least: u64, most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..=most)
}

/// Where runs are kept.
#[derive(Debug, Args)]
pub struct DbArgs {
    /// Database of runs, instead of runs.db in the data folder.
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
}

impl DbArgs {
    /// The database's path. Errors where the system names no home folder.
    pub fn path(&self) -> anyhow::Result<PathBuf> {
        match &self.db {
            Some(path) => Ok(path.clone()),
            None => Ok(Dirs::of_user()?.data.join(s1_store::db::FILE)),
        }
    }

    /// The database, to read. Errors where there is none yet.
    pub fn open(&self) -> anyhow::Result<Db> {
        let path = self.path()?;
        Db::open_to_read(&path)?.with_context(|| {
            format!(
                "there are no runs yet in {}; s1-tui sweep makes one",
                path.display()
            )
        })
    }
}

/// The explorer's own flags.
#[derive(Debug, Args)]
pub struct TuiArgs {
    #[command(flatten)]
    pub model: GivenFlags<ModelFlags>,
    #[command(flatten)]
    pub think: GivenFlags<ThinkFlags>,
    #[command(flatten)]
    pub sample: GivenFlags<SampleFlags>,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// A question to have ready in the question box.
    #[arg(short, long, value_name = "TEXT")]
    pub question: Option<String>,
    /// Reference answer, to grade probes and answers.
    #[arg(long, value_name = "TEXT")]
    pub reference: Option<String>,
    /// Open a saved session.
    #[arg(long, value_name = "FILE")]
    pub session: Option<PathBuf>,
    #[command(flatten)]
    pub explorer: GivenFlags<ExplorerFlags>,
}
