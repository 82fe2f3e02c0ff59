//! Which domain a question belongs to: a field of the data, else the cluster of its vector.

use anyhow::Result;

use super::plan::CurationPlan;
use super::pool::CurationPool;
use super::{cluster, embed};

/// Name of the domain of items whose field is empty.
const UNNAMED: &str = "(none)";
/// The number of items per cluster: smaller groups are not domains.
const MEMBERS: usize = 10;

/// The domains of a pool.
#[derive(Clone, Debug)]
pub(super) struct Domains {
    pub names: Vec<String>,
    /// The domain of each item; `None` for those that were not asked about.
    pub of: Vec<Option<usize>>,
    pub by: String,
}

impl Domains {
    /// No domains, for a pool of so many items.
    pub(super) fn none(items: usize) -> Domains {
        Domains {
            names: Vec::new(),
            of: vec![None; items],
            by: "nothing".into(),
        }
    }
}

/// The domains of the items at `left`. Errors where the model that lends its embeddings cannot be
/// used.
pub(super) fn of(plan: &CurationPlan, pool: &CurationPool, left: &[usize]) -> Result<Domains> {
    if let Some(field) = &pool.domain_field {
        let found = by_field(field, pool, left);
        // A field that says the same of all tells nothing, unless the user wants it so.
        if plan.domain_field.is_some() || found.names.len() > 1 {
            return Ok(found);
        }
    }
    let questions: Vec<&str> = left.iter().map(|&i| &*pool.items[i].question).collect();
    let (vectors, by) = match plan.embedding_model() {
        Some(path) => {
            let vectors = embed::by_model(path, &questions)?;
            (
                vectors,
                format!("clusters of the embeddings of {}", path.display()),
            )
        }
        None => (
            embed::by_words(&questions),
            "clusters of words (no model was given for embeddings: --embed)".into(),
        ),
    };
    let most = left.len().div_ceil(MEMBERS);
    let clusters = cluster::clusters(&vectors, plan.domains.min(most), plan.seed);
    let names = cluster::names(&questions, &clusters);
    let mut of = vec![None; pool.items.len()];
    for (&i, cluster) in left.iter().zip(clusters) {
        of[i] = Some(cluster);
    }
    Ok(Domains { names, of, by })
}

/// Domains in the order of their names, so that the file's order decides nothing.
fn by_field(field: &str, pool: &CurationPool, left: &[usize]) -> Domains {
    let name = |i: usize| pool.items[i].domain.as_deref().unwrap_or(UNNAMED);
    let mut names: Vec<&str> = left.iter().map(|&i| name(i)).collect();
    names.sort_unstable();
    names.dedup();
    let mut of = vec![None; pool.items.len()];
    for &i in left {
        of[i] = names.binary_search(&name(i)).ok();
    }
    Domains {
        names: names.into_iter().map(str::to_owned).collect(),
        of,
        by: format!("the field {field}"),
    }
}
