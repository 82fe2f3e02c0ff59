//! A finished curation, read back from the file of its reasons: what a view of it shows.
//!
//! Not here: how it is made ([`super::run`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use strum::VariantArray;

use super::result::{DecisionReason, Domain, ItemDecision, StageKind};
use s1_data::records;

/// Most items that are read: as many as a pool may have.
const MAX_ITEMS: usize = 2_000_000;
/// Most characters of a text that are kept.
const MAX_TEXT: usize = 400;
/// How the name of a file of reasons ends.
const ENDING: &str = "reasons.jsonl";

/// What became of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurationReport {
    /// The file of reasons.
    pub path: PathBuf,
    /// The stages that say something, in their order; the draw is the last.
    pub stages: Vec<StageSummary>,
    /// The domains, the largest first.
    pub domains: Vec<Domain>,
    /// Every item of the pool.
    pub items: Vec<ItemDecision>,
}

/// A stage, and the items that end there: it drops them, or it is the draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageSummary {
    pub stage: StageKind,
    /// Items that came in.
    pub input: usize,
    /// Items that passed; for the draw, those that are kept.
    pub output: usize,
    /// How many went, by the reason.
    pub reasons: BTreeMap<DecisionReason, usize>,
    /// Those that end here, as indices into [`CurationReport::items`].
    pub items: Vec<usize>,
}

/// The file of reasons for curated data: in the same folder, unless `data` is one itself.
pub fn reasons_of(data: &Path) -> PathBuf {
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(ENDING) {
        data.to_path_buf()
    } else {
        data.with_extension(ENDING)
    }
}

impl CurationReport {
    /// Reads how data were chosen.
    ///
    /// # Errors
    /// If the data has no file of reasons, or a line of it is damaged.
    pub fn read(data: &Path) -> Result<CurationReport> {
        let path = reasons_of(data);
        if !path.is_file() {
            bail!(
                "{} has no record of its curation ({} is missing); s1-tui curate writes one",
                data.display(),
                path.display()
            );
        }
        let mut items: Vec<ItemDecision> = Vec::new();
        let mut lines = records::lines(&path)?;
        let place = || path.display().to_string();
        while let Some((number, bytes)) = lines.next_line().with_context(place)? {
            if items.len() == MAX_ITEMS {
                bail!("{} has more than {MAX_ITEMS} lines", path.display());
            }
            let item: ItemDecision = serde_json::from_slice(bytes?).with_context(|| {
                format!(
                    "{}, line {number}: it is not a line that s1-tui curate wrote",
                    path.display()
                )
            })?;
            items.push(clipped(item));
        }
        if items.is_empty() {
            bail!("{} is empty", path.display());
        }
        Ok(CurationReport {
            stages: summaries(&items),
            domains: domains(&items),
            path,
            items,
        })
    }
}

/// An item with no more text than a curation writes, as the file may come from elsewhere.
fn clipped(mut item: ItemDecision) -> ItemDecision {
    let texts = [Some(&mut item.id), Some(&mut item.question)];
    let more = [item.detail.as_mut(), item.domain.as_mut()];
    for text in texts.into_iter().chain(more).flatten() {
        if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
            text.truncate(end);
            text.shrink_to_fit();
        }
    }
    item
}

fn summaries(items: &[ItemDecision]) -> Vec<StageSummary> {
    use StageKind as S;
    let mut left = items.len();
    let mut stages = Vec::new();
    let has_domains = items
        .iter()
        .any(|i| i.stage == S::Draw && i.domain.is_some());
    for &stage in S::VARIANTS {
        let ends: Vec<usize> = (0..items.len())
            .filter(|&i| items[i].stage == stage)
            .collect();
        // Those that drop nothing were perhaps not asked for; these always are.
        let certain = matches!(stage, S::Quality | S::Draw) || stage == S::Diversity && has_domains;
        if ends.is_empty() && !certain {
            continue;
        }
        let mut reasons = BTreeMap::new();
        let mut dropped = 0;
        for item in ends.iter().map(|&i| &items[i]).filter(|i| !i.kept) {
            *reasons.entry(item.reason).or_insert(0) += 1;
            dropped += 1;
        }
        stages.push(StageSummary {
            stage,
            input: left,
            output: left - dropped,
            reasons,
            items: ends,
        });
        left -= dropped;
    }
    stages
}

/// The domains of what could be drawn.
pub(super) fn domains(items: &[ItemDecision]) -> Vec<Domain> {
    let mut tally: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for item in items.iter().filter(|i| i.stage == StageKind::Draw) {
        if let Some(domain) = &item.domain {
            let (pool, kept) = tally.entry(domain).or_default();
            *pool += 1;
            *kept += usize::from(item.kept);
        }
    }
    let named = tally.into_iter().map(|(name, (pool, kept))| Domain {
        domain: name.to_owned(),
        pool,
        kept,
    });
    let mut all: Vec<Domain> = named.collect();
    all.sort_by(|a, b| b.pool.cmp(&a.pool).then_with(|| a.domain.cmp(&b.domain)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"{"line":1,"id":"1","stage":"quality","kept":false,"reason":"duplicate","detail":"line 9","domain":null,"length":5,"question":"Q1?"}
{"line":2,"id":"2","stage":"draw","kept":true,"reason":"drawn","detail":null,"domain":"algebra","length":90,"question":"Q2?"}
{"line":3,"id":"3","stage":"draw","kept":false,"reason":"not_drawn","detail":null,"domain":"algebra","length":40,"question":"Q3?"}
{"line":4,"id":"4","stage":"small","kept":false,"reason":"solved_by_small","detail":null,"domain":null,"length":20}
"#;

    #[test]
    fn every_stage_says_how_many_came_in_and_went_on() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("kept.jsonl");
        std::fs::write(folder.path().join("kept.reasons.jsonl"), LINES).unwrap();
        let chosen = CurationReport::read(&data).unwrap();
        let flow: Vec<_> = chosen
            .stages
            .iter()
            .map(|s| (s.stage.name(), s.input, s.output, s.items.clone()))
            .collect();
        assert_eq!(
            flow,
            [
                ("quality", 4, 3, vec![0]),
                ("small", 3, 2, vec![3]),
                ("diversity", 2, 2, vec![]),
                ("draw", 2, 1, vec![1, 2]),
            ]
        );
        assert_eq!(chosen.stages[0].reasons[&DecisionReason::Duplicate], 1);
        assert_eq!((chosen.domains[0].pool, chosen.domains[0].kept), (2, 1));
        assert_eq!(chosen.items[3].question, "", "an older file has none");
        // The file itself may be named, too.
        let again = CurationReport::read(&folder.path().join("kept.reasons.jsonl")).unwrap();
        assert_eq!(again, chosen);
    }

    #[test]
    fn what_was_not_curated_is_said_and_a_strange_line_named() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("plain.jsonl");
        let error = CurationReport::read(&data).unwrap_err().to_string();
        assert!(error.contains("no record of its curation"), "{error}");
        std::fs::write(reasons_of(&data), "{}\n").unwrap();
        let error = CurationReport::read(&data).unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}
