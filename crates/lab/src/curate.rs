//! Curation: which few of many training lines are worth training on (s1's 59K → 1K).
//!
//! | stage | drops |
//! |---|---|
//! | `pool` | broken lines; with a limit, all but as many drawn by the seed |
//! | `quality` | missing parts, API errors, faults of form, duplicates (`quality`) |
//! | `decontamination` | questions that share a run of words with an evaluation set (`overlap`) |
//! | `small`, `large` | what a model answers right already (`difficulty`) |
//! | `diversity` | nothing: it gives every question a domain (`embed`, `cluster`) |
//! | `draw` | all but those that are kept (`draw`) |
//!
//! The ablations of s1 ([`Method`]) leave stages out. Every stage tells how many items came in and
//! went out and why, every item why it went. The kept lines are the pool's own, byte by byte, in
//! its order. Not here: tables and files' names (the command), and training on the result.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::Serialize;

use crate::problems::{Options, ProblemSet};
use crate::sweep::{self, Control};
use s1_core::rng::Rng;
use s1_engine::{LoadOptions, tokenizer_for};
use s1_model::gguf::Gguf;
use s1_model::tokenizer::Tokenizer;
use s1_store::run::Budget;

mod chosen;
mod cluster;
mod difficulty;
mod domains;
mod draw;
mod embed;
mod overlap;
mod pool;
mod quality;
mod result;
mod sieve;
#[cfg(test)]
mod tests;
mod text;

pub use chosen::{Chosen, Passage, reasons_of};
use domains::Domains;
use draw::Candidate;
use pool::{Pool, Reader};
pub use result::{Domain, Fate, Judged, Outcome, Reason, Stage, StageKind};
use sieve::Sieve;

/// Most clusters that are sensible: s1 has 50 domains.
const MAX_DOMAINS: usize = 1000;
/// Streams of random numbers of one seed, so that one stage does not depend on another's draws.
const LIMIT_STREAM: u64 = 0x6c69_6d69_7400;
const DRAW_STREAM: u64 = 0x6472_6177_0000;

/// Which items are kept of those that are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Quality, difficulty, diversity; within a domain, longer traces are preferred.
    #[default]
    S1,
    /// Of what passes the quality filter, any.
    Random,
    /// Of what passes the quality filter, those with the longest traces.
    Longest,
    /// Of what passes the quality filter, a domain at random and any item within it.
    Diverse,
}

impl Method {
    /// All of them, s1's own first.
    pub const ALL: [Method; 4] = [Method::S1, Method::Random, Method::Longest, Method::Diverse];

    /// Its name, as the command takes it.
    pub fn name(self) -> &'static str {
        match self {
            Method::S1 => "s1",
            Method::Random => "random",
            Method::Longest => "longest",
            Method::Diverse => "diverse",
        }
    }

    /// Whether what a model solves already is dropped.
    pub fn uses_models(self) -> bool {
        self == Method::S1
    }

    /// Whether it draws by domains.
    pub fn uses_domains(self) -> bool {
        matches!(self, Method::S1 | Method::Diverse)
    }
}

/// What to curate, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The pool: JSON lines, or a bundled set by its name.
    pub pool: PathBuf,
    /// Items to keep.
    pub keep: usize,
    /// Seed of every random choice.
    pub seed: u64,
    /// How the kept ones are chosen.
    pub method: Method,
    /// Look at this many items only, drawn by the seed.
    pub pool_limit: Option<usize>,
    /// Leave broken lines out, instead of refusing the file.
    pub skip_broken: bool,
    /// Evaluation sets (files, or names as [`ProblemSet::load`] takes them) that must not leak.
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

impl Plan {
    /// s1's own way with a pool: no model, no evaluation set, 50 domains, overlaps of 8 words.
    pub fn new(pool: PathBuf, keep: usize, db: PathBuf) -> Plan {
        Plan {
            pool,
            keep,
            seed: 0,
            method: Method::S1,
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

    fn check(&self) -> Result<()> {
        if self.keep == 0 {
            bail!("to keep 0 items keeps nothing; give --keep 1 or more");
        }
        if self.ngram == 0 {
            bail!("an overlap of 0 words is in every question; give --ngram 1 or more");
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

    /// The model that lends its tokens and embeddings.
    fn lender(&self) -> Option<&Path> {
        let asked = self.large.as_ref().or(self.small.as_ref());
        self.embed.as_deref().or(asked.map(|load| &*load.path))
    }
}

/// What a curation tells of while it goes on.
#[derive(Clone, Debug)]
pub enum Progress {
    /// A stage begins.
    Began(StageKind),
    /// A model is asked.
    Solving {
        /// Which of the two.
        stage: StageKind,
        /// How far it is.
        progress: sweep::Progress,
    },
    /// A stage is done.
    Stage(Stage),
    /// Something the user should know. One sentence.
    Notice(String),
}

/// Curates. Returns `None` if it was cancelled: nothing is lost then, and the same plan goes on
/// with what the models have answered.
///
/// # Errors
/// If the plan makes no sense, a file or model cannot be used, or fewer items are left than are to
/// be kept; one sentence that says what to do.
pub fn run(
    plan: &Plan,
    control: &Control,
    tell: &mut dyn FnMut(Progress),
) -> Result<Option<Outcome>> {
    plan.check()?;
    let mut sieve = Sieve::default();
    sieve.begin(StageKind::Pool, tell);
    let tokenizer = plan.lender().map(tokenizer_of).transpose()?;
    let reader = Reader {
        tokenizer: tokenizer.as_ref(),
        domain_field: plan.domain_field.as_deref(),
        skip_broken: plan.skip_broken,
    };
    let pool = reader.read(&plan.pool)?;
    sieve.fill(pool.items.len());
    sieve.end(StageKind::Pool, limited(plan, &pool), None, tell);

    sieve.begin(StageKind::Quality, tell);
    let fates = quality::judge(&pool.items, &sieve.open());
    sieve.end(StageKind::Quality, fates, None, tell);

    if !plan.against.is_empty() {
        sieve.begin(StageKind::Decontamination, tell);
        let (fates, note) = leaks(plan, &pool, &sieve.open())?;
        sieve.end(StageKind::Decontamination, fates, Some(note), tell);
    }

    let models = [
        (StageKind::Small, &plan.small, Reason::SolvedBySmall),
        (StageKind::Large, &plan.large, Reason::SolvedByLarge),
    ];
    for (stage, load, reason) in models {
        let Some(load) = load.as_ref().filter(|_| plan.method.uses_models()) else {
            continue;
        };
        sieve.begin(stage, tell);
        let set = difficulty::problems(plan, &pool);
        let open = sieve.open();
        let Some(solved) = difficulty::solved(plan, load, stage, set, &open, control, tell)? else {
            return Ok(None);
        };
        let fate =
            |i: usize| (open[i] && solved.contains(&i)).then(|| Fate::new(stage, reason, None));
        let fates = (0..pool.items.len()).map(fate).collect();
        sieve.end(stage, fates, Some(load.path.display().to_string()), tell);
    }
    if control.is_cancelled() {
        return Ok(None);
    }

    let left = sieve.left();
    let mut domains = Domains::none(pool.items.len());
    if plan.method.uses_domains() {
        sieve.begin(StageKind::Diversity, tell);
        domains = domains::of(plan, &pool, &left)?;
        let note = format!("{} domains by {}", domains.names.len(), domains.by);
        let nothing = vec![None; pool.items.len()];
        sieve.end(StageKind::Diversity, nothing, Some(note), tell);
    }

    if left.len() < plan.keep {
        bail!(
            "{} items are left, fewer than the {} to be kept; give --keep {} or a larger pool",
            left.len(),
            plan.keep,
            left.len()
        );
    }
    sieve.begin(StageKind::Draw, tell);
    let kept = chosen(plan, &pool, &left, &domains);
    let fate = |i: &usize| {
        let reason = match kept.contains(i) {
            true => Reason::Drawn,
            false => Reason::NotDrawn,
        };
        (*i, Fate::new(StageKind::Draw, reason, None))
    };
    let mut fates = vec![None; pool.items.len()];
    for (i, fate) in left.iter().map(fate) {
        fates[i] = Some(fate);
    }
    let note = format!("method {}, seed {}", plan.method.name(), plan.seed);
    sieve.end(StageKind::Draw, fates, Some(note), tell);
    let unit = match tokenizer {
        Some(_) => "tokens",
        None => "words",
    };
    result::outcome(plan, sieve, &pool, &domains, unit).map(Some)
}

fn tokenizer_of(path: &Path) -> Result<Tokenizer> {
    tokenizer_for(&Gguf::open(path)?, path)
}

/// Drops broken lines and, where there is a limit, all but as many items.
fn limited(plan: &Plan, pool: &Pool) -> Vec<Option<Fate>> {
    let items = pool.items.iter().enumerate();
    let whole: Vec<usize> = items
        .filter(|(_, i)| i.broken.is_none())
        .map(|(i, _)| i)
        .collect();
    let limit = plan.pool_limit.unwrap_or(whole.len());
    let chosen = draw::uniform(whole.len(), limit, &mut Rng::new(plan.seed ^ LIMIT_STREAM));
    let chosen: BTreeSet<usize> = chosen.into_iter().map(|at| whole[at]).collect();
    let items = pool.items.iter().enumerate();
    items
        .map(|(i, item)| match &item.broken {
            Some(why) => Some(Fate::new(
                StageKind::Pool,
                Reason::Broken,
                Some(why.clone()),
            )),
            None if chosen.contains(&i) => None,
            None => Some(Fate::new(StageKind::Pool, Reason::NotSampled, None)),
        })
        .collect()
}

/// Drops what shares a run of words with an evaluation set; and how many problems those hold.
fn leaks(plan: &Plan, pool: &Pool, open: &[bool]) -> Result<(Vec<Option<Fate>>, String)> {
    let mut index = overlap::Index::new(plan.ngram);
    let mut problems = 0;
    for source in &plan.against {
        let set = ProblemSet::load(source, &Options::default())?;
        problems += set.problems.len();
        for problem in set.problems {
            index.add(format!("{} {}", set.name, problem.id), &problem.question);
        }
    }
    let fate = |(item, open): (&pool::Item, &bool)| {
        let (name, run) = index.find(&item.question).filter(|_| *open)?;
        let detail = format!("{name}: {run}");
        Some(Fate::new(
            StageKind::Decontamination,
            Reason::Overlap,
            Some(detail),
        ))
    };
    let fates = pool.items.iter().zip(open).map(fate).collect();
    let note = format!("{} words in a row, against {problems} problems", plan.ngram);
    Ok((fates, note))
}

/// The items that are kept, by the method.
fn chosen(plan: &Plan, pool: &Pool, left: &[usize], domains: &Domains) -> BTreeSet<usize> {
    let candidates: Vec<Candidate> = left
        .iter()
        .map(|&i| Candidate {
            domain: domains.of[i].unwrap_or(0),
            length: pool.items[i].length,
        })
        .collect();
    let rng = &mut Rng::new(plan.seed ^ DRAW_STREAM);
    let drawn = match plan.method {
        Method::S1 => draw::by_domain(&candidates, plan.keep, true, rng),
        Method::Diverse => draw::by_domain(&candidates, plan.keep, false, rng),
        Method::Random => draw::uniform(candidates.len(), plan.keep, rng),
        Method::Longest => draw::longest(&candidates, plan.keep),
    };
    drawn.into_iter().map(|at| left[at]).collect()
}
