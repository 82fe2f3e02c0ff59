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
//! The ablations of s1 ([`CurationMethod`]) leave stages out. Every stage tells how many items came in and
//! went out and why, every item why it went. The kept lines are the pool's own, byte by byte, in
//! its order. Not here: tables and files' names (the command), and training on the result.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::problems::{ProblemOptions, ProblemSet};
use crate::sweep::Control;
use s1_core::rng::Rng;
use s1_data::records;
use s1_engine::tokenizer_for;
use s1_model::gguf::Gguf;

mod cluster;
mod difficulty;
mod domains;
mod draw;
mod embed;
mod item;
mod method;
mod overlap;
mod pipeline;
mod plan;
mod pool;
mod quality;
mod report;
mod result;
#[cfg(test)]
mod tests;
mod text;

use domains::Domains;
use draw::DrawCandidate;
pub use method::CurationMethod;
use pipeline::FilterPipeline;
pub use plan::{CurationPlan, CurationProgress};
use pool::{CurationPool, PoolReader};
pub use report::{CurationReport, StageSummary, reasons_of};
use result::Decision;
pub use result::{CurationOutcome, DecisionReason, Domain, ItemDecision, Stage, StageKind};

/// Characters of a question that are kept with its reason.
const QUESTION: usize = 200;
/// Streams of random numbers of one seed, so that one stage does not depend on another's draws.
const LIMIT_STREAM: u64 = 0x6c69_6d69_7400;
const DRAW_STREAM: u64 = 0x6472_6177_0000;

/// Curates. Returns `None` if it was cancelled: nothing is lost then, and the same plan continues
/// with what the models have answered.
///
/// # Errors
/// If the plan is invalid, a file or model cannot be used, or fewer items are left than are to be
/// kept; one sentence that says what to do.
pub fn run(
    plan: &CurationPlan,
    control: &Control,
    tell: &mut dyn FnMut(CurationProgress),
) -> Result<Option<CurationOutcome>> {
    plan.check()?;
    let mut pipeline = FilterPipeline::default();
    pipeline.begin(StageKind::Pool, tell);
    let tokenizer = match plan.embedding_model() {
        Some(path) => Some(tokenizer_for(&Gguf::open(path)?, path, None)?),
        None => None,
    };
    let reader = PoolReader {
        tokenizer: tokenizer.as_ref(),
        domain_field: plan.domain_field.as_deref(),
        skip_broken: plan.skip_broken,
    };
    records::require_file(&plan.pool)?;
    let pool = reader.read(&plan.pool)?;
    pipeline.fill(pool.items.len());
    pipeline.end(StageKind::Pool, limited(plan, &pool), None, tell);

    pipeline.begin(StageKind::Quality, tell);
    let decisions = quality::filter(&pool.items, &pipeline.open());
    pipeline.end(StageKind::Quality, decisions, None, tell);

    if !plan.against.is_empty() {
        pipeline.begin(StageKind::Decontamination, tell);
        let (decisions, note) = leaks(plan, &pool, &pipeline.open())?;
        pipeline.end(StageKind::Decontamination, decisions, Some(note), tell);
    }

    let models = [
        (StageKind::Small, &plan.small, DecisionReason::SolvedBySmall),
        (StageKind::Large, &plan.large, DecisionReason::SolvedByLarge),
    ];
    for (stage, load, reason) in models {
        let Some(load) = load.as_ref().filter(|_| plan.method.uses_models()) else {
            continue;
        };
        pipeline.begin(stage, tell);
        let set = difficulty::problems(plan, &pool);
        let open = pipeline.open();
        let Some(solved) = difficulty::solved(plan, load, stage, set, &open, control, tell)? else {
            return Ok(None);
        };
        let decision = |i| solved.contains(&i).then(|| Decision::new(reason, None));
        let decisions = (0..pool.items.len()).map(decision).collect();
        pipeline.end(
            stage,
            decisions,
            Some(load.path.display().to_string()),
            tell,
        );
    }
    if control.is_cancelled() {
        return Ok(None);
    }

    let left = pipeline.left();
    let mut domains = Domains::none(pool.items.len());
    if plan.method.uses_domains() {
        pipeline.begin(StageKind::Diversity, tell);
        domains = domains::of(plan, &pool, &left)?;
        let note = format!("{} domains by {}", domains.names.len(), domains.by);
        let nothing = vec![None; pool.items.len()];
        pipeline.end(StageKind::Diversity, nothing, Some(note), tell);
    }

    if left.len() < plan.keep {
        bail!(
            "{} items are left, fewer than the {} to be kept; give --keep {} or a larger pool",
            left.len(),
            plan.keep,
            left.len()
        );
    }
    pipeline.begin(StageKind::Draw, tell);
    let kept = chosen(plan, &pool, &left, &domains);
    let decision = |i| match kept.contains(&i) {
        true => DecisionReason::Drawn,
        false => DecisionReason::NotDrawn,
    };
    let decisions = (0..pool.items.len()).map(|i| Some(Decision::new(decision(i), None)));
    let note = format!("method {}, seed {}", plan.method.name(), plan.seed);
    pipeline.end(StageKind::Draw, decisions.collect(), Some(note), tell);
    let unit = match tokenizer {
        Some(_) => "tokens",
        None => "words",
    };
    assemble(plan, pipeline, &pool, &domains, unit).map(Some)
}

/// Drops broken lines and, where there is a limit, all but as many items.
fn limited(plan: &CurationPlan, pool: &CurationPool) -> Vec<Option<Decision>> {
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
            Some(why) => Some(Decision::new(DecisionReason::Broken, Some(why.clone()))),
            None if chosen.contains(&i) => None,
            None => Some(Decision::new(DecisionReason::NotSampled, None)),
        })
        .collect()
}

/// Drops what shares a run of words with an evaluation set; and how many problems those hold.
fn leaks(
    plan: &CurationPlan,
    pool: &CurationPool,
    open: &[bool],
) -> Result<(Vec<Option<Decision>>, String)> {
    let mut index = overlap::Index::new(plan.ngram);
    let mut problems = 0;
    for source in &plan.against {
        let set = ProblemSet::load(source, &ProblemOptions::default())?;
        problems += set.problems.len();
        for problem in set.problems {
            index.add(format!("{} {}", set.name, problem.id), &problem.question);
        }
    }
    let decision = |(item, open): (&item::PoolItem, &bool)| {
        let (name, run) = index.find(&item.question).filter(|_| *open)?;
        let detail = format!("{name}: {run}");
        Some(Decision::new(DecisionReason::Overlap, Some(detail)))
    };
    let decisions = pool.items.iter().zip(open).map(decision).collect();
    let note = format!("{} words in a row, against {problems} problems", plan.ngram);
    Ok((decisions, note))
}

/// The items that are kept, by the method.
fn chosen(
    plan: &CurationPlan,
    pool: &CurationPool,
    left: &[usize],
    domains: &Domains,
) -> BTreeSet<usize> {
    let candidates: Vec<DrawCandidate> = left
        .iter()
        .map(|&i| DrawCandidate {
            domain: domains.of[i].unwrap_or(0),
            length: pool.items[i].length,
        })
        .collect();
    let rng = &mut Rng::new(plan.seed ^ DRAW_STREAM);
    let drawn = match plan.method {
        CurationMethod::S1 => draw::by_domain(&candidates, plan.keep, true, rng),
        CurationMethod::Diverse => draw::by_domain(&candidates, plan.keep, false, rng),
        CurationMethod::Random => draw::uniform(candidates.len(), plan.keep, rng),
        CurationMethod::Longest => draw::longest(&candidates, plan.keep),
    };
    drawn.into_iter().map(|at| left[at]).collect()
}

/// Puts the result together; reads the kept lines of the pool again.
fn assemble(
    plan: &CurationPlan,
    pipeline: FilterPipeline,
    pool: &CurationPool,
    domains: &Domains,
    unit: &'static str,
) -> Result<CurationOutcome> {
    let mut items = Vec::new();
    for (i, (item, decision)) in pool.items.iter().zip(pipeline.decisions).enumerate() {
        let Some((stage, decision)) = decision else {
            continue;
        };
        let domain = domains.of[i].map(|d| &domains.names[d]);
        items.push(ItemDecision {
            line: item.line,
            id: item.id.clone(),
            stage,
            kept: decision.reason == DecisionReason::Drawn,
            reason: decision.reason,
            detail: decision.detail,
            domain: domain.or(item.domain.as_ref()).cloned(),
            length: item.length,
            question: beginning(&item.question),
        });
    }
    let mut wanted = items.iter().filter(|i| i.kept).map(|i| i.line).peekable();
    let mut lines = Vec::new();
    let mut pool = records::lines(&plan.pool)?;
    while let Some((number, bytes)) = pool.next_line()? {
        if wanted.next_if_eq(&number).is_some() {
            lines.push(bytes?.to_vec());
        }
    }
    if wanted.peek().is_some() {
        bail!("{} changed while it was curated", plan.pool.display());
    }
    Ok(CurationOutcome {
        stages: pipeline.stages,
        domains: match domains.names.is_empty() {
            true => Vec::new(),
            false => report::domains(&items),
        },
        domains_by: domains.by.clone(),
        items,
        lines,
        method: plan.method,
        seed: plan.seed,
        unit,
    })
}

/// The beginning of a question, on one line.
fn beginning(question: &str) -> String {
    let words = question.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(QUESTION).collect()
}
