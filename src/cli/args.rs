//! Flags that several commands share, and what they override.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::given::{FlagGroup, Given};
use crate::config::settings::{COMPUTING, EXPLORER};
use crate::config::{Config, Dirs};
use s1_core::forcing::POLICY;
use s1_core::param::{Setting, settings};
use s1_core::protocol::REQUEST;
use s1_core::sampling::SAMPLING;
use s1_engine::MODEL;
use s1_lab::sweep::{SWEEP, SweepConfig};
use s1_store::Db;

/// Which model, and how it is used.
#[derive(Debug)]
pub struct ModelFlags;

impl FlagGroup for ModelFlags {
    type Whole = Config;
    const HEADING: &'static str = "Model";
    fn settings() -> Vec<&'static dyn Setting<Config>> {
        settings(MODEL).chain(settings(COMPUTING)).collect()
    }
}

/// Budget forcing.
#[derive(Debug)]
pub struct ThinkFlags;

impl FlagGroup for ThinkFlags {
    type Whole = Config;
    const HEADING: &'static str = "Thinking";
    fn settings() -> Vec<&'static dyn Setting<Config>> {
        settings(POLICY).collect()
    }
}

/// Budget forcing at points that set budget and waits.
#[derive(Debug)]
pub struct PointFlags;

impl FlagGroup for PointFlags {
    type Whole = Config;
    const HEADING: &'static str = "Thinking";
    fn settings() -> Vec<&'static dyn Setting<Config>> {
        let of_points = ["max_thinking", "waits", "think"];
        let all = settings(POLICY);
        all.filter(|s| !of_points.contains(&s.info().key)).collect()
    }
}

/// How tokens are drawn.
#[derive(Debug)]
pub struct SampleFlags;

impl FlagGroup for SampleFlags {
    type Whole = Config;
    const HEADING: &'static str = "Sampling";
    fn settings() -> Vec<&'static dyn Setting<Config>> {
        settings(SAMPLING).collect()
    }
}

/// What a sweep is started with.
#[derive(Debug)]
pub struct SweepFlags;

impl FlagGroup for SweepFlags {
    type Whole = SweepConfig;
    const HEADING: &'static str = "Sweep";
    fn settings() -> Vec<&'static dyn Setting<SweepConfig>> {
        settings(SWEEP).collect()
    }
}

/// The system prompt alone.
#[derive(Debug)]
pub struct SystemFlag;

impl FlagGroup for SystemFlag {
    type Whole = Config;
    const HEADING: &'static str = "Prompt";
    fn settings() -> Vec<&'static dyn Setting<Config>> {
        settings(REQUEST)
            .filter(|s| s.info().key == "system")
            .collect()
    }
}

/// What the explorer alone can be told.
#[derive(Debug)]
pub struct ExplorerFlags;

impl FlagGroup for ExplorerFlags {
    type Whole = Config;
    const HEADING: &'static str = "Explorer";
    fn settings() -> Vec<&'static dyn Setting<Config>> {
        settings(REQUEST).chain(settings(EXPLORER)).collect()
    }
}

/// Where settings come from.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArgs {
    /// Settings file, instead of config.toml in the configuration folder.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Where runs are kept.
#[derive(Clone, Debug, Default, Args)]
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
#[derive(Clone, Debug, Default, Args)]
pub struct TuiArgs {
    #[command(flatten)]
    pub model: Given<ModelFlags>,
    #[command(flatten)]
    pub think: Given<ThinkFlags>,
    #[command(flatten)]
    pub sample: Given<SampleFlags>,
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
    pub explorer: Given<ExplorerFlags>,
}
