//! What to curate and how, and what a curation reports while it runs.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::method::CurationMethod;
use super::result::{Stage, StageKind};
use crate::sweep;
use s1_engine::{LoadOptions, is_server};
use s1_store::run::Budget;

/// Most clusters that are sensible: s1 has 50 domains.
const MAX_DOMAINS: usize = 1000;

/// What to curate, and how.
#[derive(Clone, Debug)]
pub struct CurationPlan {
    /// The pool: JSON lines, or a bundled set by its name.
    pub pool: PathBuf,
    /// Items to keep.
    pub keep: usize,
    /// Seed of every random choice.
    pub seed: u64,
    /// How the kept ones are chosen.
    pub method: CurationMethod,
    /// Look at this many items only, drawn by the seed.
    pub pool_limit: Option<usize>,
    /// Leave broken lines out, instead of refusing the file.
    pub skip_broken: bool,
    /// Evaluation sets (files, or names as [`ProblemSet::load`](crate::problems::ProblemSet::load) takes them) that must not leak.
    pub against: Vec<String>,
    /// Words in a row that make an overlap.
    pub ngram: usize,
    /// What this model answers right is dropped.
    pub small: Option<LoadOptions>,
    /// What this model answers right is dropped, too.
    pub large: Option<LoadOptions>,
    /// Thinking tokens that the models may use; none at all for [`Budget::Tokens`]`(0)`.
    pub thinking: Budget,
    /// Tokens that an answer may have.
    pub answer_max: usize,
    /// Most questions that are asked at once.
    pub lanes: usize,
    /// The field that names a question's domain, if it is not to be recognised.
    pub domain_field: Option<String>,
    /// Clusters, where no field names the domain; at most one for ten items.
    pub domains: usize,
    /// The model whose embeddings (and tokens) are used, in place of the large or small one.
    pub embed: Option<PathBuf>,
    /// The database of runs, for the models' answers.
    pub db: PathBuf,
}

impl CurationPlan {
    /// s1's own way with a pool: no model, no evaluation set, 50 domains, overlaps of 8 words.
    pub fn new(pool: PathBuf, keep: usize, db: PathBuf) -> CurationPlan {
        CurationPlan {
            pool,
            keep,
            seed: 0,
            method: CurationMethod::S1,
            pool_limit: None,
            skip_broken: false,
            against: Vec::new(),
            ngram: 8,
            small: None,
            large: None,
            thinking: Budget::Tokens(512),
            answer_max: 128,
            lanes: 8,
            domain_field: None,
            domains: 50,
            embed: None,
            db,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.keep == 0 {
            bail!("--keep must be at least 1");
        }
        if self.ngram == 0 {
            bail!("--ngram must be at least 1: every question shares 0 words");
        }
        if !(1..=MAX_DOMAINS).contains(&self.domains) {
            bail!(
                "--domains must be from 1 to {MAX_DOMAINS}, but is {}",
                self.domains
            );
        }
        if self.pool_limit.is_some_and(|limit| limit < self.keep) {
            bail!("--pool-limit must not be smaller than --keep {}", self.keep);
        }
        if self.answer_max == 0 || self.lanes == 0 {
            bail!("--answer-max and --lanes must be at least 1");
        }
        Ok(())
    }

    /// The model whose tokens and embeddings are used: a file, as servers lend none.
    pub(super) fn embedding_model(&self) -> Option<&Path> {
        let asked = [&self.large, &self.small].into_iter().flatten();
        let mut files = asked
            .map(|load| &*load.path)
            .filter(|path| !is_server(path));
        self.embed.as_deref().or(files.next())
    }
}

/// What a curation reports while it runs.
#[derive(Clone, Debug)]
pub enum CurationProgress {
    /// A stage begins.
    Began(StageKind),
    /// A model is asked.
    Solving {
        stage: StageKind,
        progress: sweep::Progress,
    },
    /// A stage is done.
    Stage(Stage),
    /// Something the user should know. One sentence.
    Notice(String),
}
