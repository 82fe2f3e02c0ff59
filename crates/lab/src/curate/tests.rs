use std::io::Write;
use std::path::PathBuf;

use super::*;
use s1_data::assets;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        path
    }

    fn plan(&self, pool: &str, keep: usize) -> CurationPlan {
        let pool = self.file("pool.jsonl", pool);
        CurationPlan::new(pool, keep, self.folder.path().join("runs.db"))
    }
}

fn curated(plan: &CurationPlan) -> Result<CurationOutcome> {
    let outcome = run(plan, &Control::default(), &mut |_| {})?;
    Ok(outcome.unwrap())
}

/// Stage, in, out and reasons.
type Count = (StageKind, usize, usize, Vec<(DecisionReason, usize)>);

fn counts(outcome: &CurationOutcome) -> Vec<Count> {
    let stages = outcome.stages.iter();
    stages
        .map(|s| {
            (
                s.stage,
                s.input,
                s.output,
                s.reasons.clone().into_iter().collect(),
            )
        })
        .collect()
}

/// Ten lines: two of them twins, one without an answer, one that leaks, six to be drawn.
fn pool() -> String {
    let mut text =
        String::from("{\"question\": \"Zero?\",  \"answer\": \"0\", \"subject\":\"a\"}\r\n\n");
    for (question, answer, subject) in [
        ("Zero", "0", "a"),
        ("What?", "", "a"),
        ("Tell me the seventh word of this very long line", "7", "a"),
        ("One?", "one", "a"),
        ("Two?", "one two", "a"),
        ("Three?", "one two three", "a"),
        ("Four?", "one two three four", "b"),
        ("Five?", "5", "b"),
    ] {
        let line = serde_json::json!({"question": question, "answer": answer, "subject": subject});
        text += &format!("{line}\n");
    }
    text
}

#[test]
fn every_stage_accounts_for_every_item() {
    let place = Place::new();
    let mut plan = place.plan(&pool(), 3);
    let leak = "{\"question\":\"the seventh word of this very long line\",\"answer\":\"1\"}";
    plan.against = vec![place.file("eval.jsonl", leak).display().to_string()];
    let outcome = curated(&plan).unwrap();
    assert_eq!(
        counts(&outcome),
        [
            (StageKind::Pool, 9, 9, vec![]),
            (
                StageKind::Quality,
                9,
                7,
                vec![
                    (DecisionReason::MissingAnswer, 1),
                    (DecisionReason::NearDuplicate, 1)
                ]
            ),
            (
                StageKind::Decontamination,
                7,
                6,
                vec![(DecisionReason::Overlap, 1)]
            ),
            (StageKind::Diversity, 6, 6, vec![]),
            (StageKind::Draw, 6, 3, vec![(DecisionReason::NotDrawn, 3)]),
        ]
    );
    assert_eq!(outcome.domains_by, "the field subject");
    let pools: Vec<(&str, usize)> = outcome
        .domains
        .iter()
        .map(|d| (&*d.domain, d.pool))
        .collect();
    assert_eq!(pools, [("a", 4), ("b", 2)]);
    assert_eq!(outcome.domains.iter().map(|d| d.kept).sum::<usize>(), 3);
    assert_eq!(outcome.items.len(), 9);
    assert_eq!(outcome.items.iter().filter(|i| i.kept).count(), 3);
    let leaked = outcome
        .items
        .iter()
        .find(|i| i.reason == DecisionReason::Overlap);
    let leaked = leaked.unwrap();
    assert_eq!(leaked.line, 5);
    assert_eq!(
        leaked.detail.as_deref(),
        Some("eval 1: the seventh word of this very long line")
    );
    assert_eq!(
        (outcome.items[1].line, outcome.items[1].stage),
        (3, StageKind::Quality)
    );
    assert_eq!(outcome.items[1].detail.as_deref(), Some("of line 1"));
    assert_eq!(outcome.unit, "words");
}

#[test]
fn kept_lines_are_the_pool_s_own_bytes_in_its_order() {
    let place = Place::new();
    let mut plan = place.plan(&pool(), 7);
    plan.method = CurationMethod::Random;
    let outcome = curated(&plan).unwrap();
    let first = "{\"question\": \"Zero?\",  \"answer\": \"0\", \"subject\":\"a\"}";
    assert_eq!(String::from_utf8_lossy(&outcome.lines[0]), first);
    let pool = pool();
    let (out, why) = (place.folder.path().join("o"), place.folder.path().join("r"));
    outcome.save(&out, &why).unwrap();
    let lines: Vec<&str> = pool.lines().filter(|l| !l.is_empty()).collect();
    let kept = [&lines[..1], &lines[3..]].concat().join("\n") + "\n";
    assert_eq!(std::fs::read_to_string(&out).unwrap(), kept);
    let why = std::fs::read_to_string(&why).unwrap();
    assert_eq!(
        why.lines().nth(1).unwrap(),
        r#"{"line":3,"id":"3","stage":"quality","kept":false,"reason":"near_duplicate","detail":"of line 1","domain":"a","length":1,"question":"Zero"}"#
    );
    let left: Vec<_> = std::fs::read_dir(place.folder.path()).unwrap().collect();
    assert_eq!(left.len(), 3, "nothing half-written stays");
}

#[test]
fn the_ablations_choose_what_they_are_called() {
    let place = Place::new();
    let lines = |method, seed| {
        let mut plan = place.plan(&pool(), 2);
        (plan.method, plan.seed) = (method, seed);
        let outcome = curated(&plan).unwrap();
        let kept = outcome.items.into_iter().filter(|i| i.kept);
        (kept.map(|i| i.line).collect::<Vec<_>>(), outcome.stages)
    };
    let (longest, stages) = lines(CurationMethod::Longest, 1);
    assert_eq!(longest, [8, 9], "three and four words");
    let kinds: Vec<StageKind> = stages.iter().map(|s| s.stage).collect();
    assert_eq!(
        kinds,
        [StageKind::Pool, StageKind::Quality, StageKind::Draw]
    );
    for method in [
        CurationMethod::S1,
        CurationMethod::Random,
        CurationMethod::Diverse,
    ] {
        let of_seed: Vec<_> = (0..8).map(|seed| lines(method, seed).0).collect();
        assert_eq!(of_seed[0], lines(method, 0).0, "{method:?}");
        assert!(of_seed.iter().any(|l| *l != of_seed[0]), "{method:?}");
    }
}

#[test]
fn what_makes_no_sense_is_one_sentence() {
    let place = Place::new();
    let error = |change: &dyn Fn(&mut CurationPlan)| {
        let mut plan = place.plan(&pool(), 3);
        change(&mut plan);
        let error = curated(&plan).unwrap_err();
        format!("{error:#}")
    };
    assert_eq!(
        error(&|plan| plan.keep = 8),
        "7 items are left, fewer than the 8 to be kept; give --keep 7 or a larger pool"
    );
    assert!(error(&|plan| plan.keep = 0).contains("--keep must be at least 1"));
    assert!(error(&|plan| plan.pool_limit = Some(2)).contains("--pool-limit"));
    assert!(error(&|plan| plan.domains = 0).contains("--domains must be from 1 to 1000"));
    assert!(error(&|plan| plan.pool = "/nowhere.jsonl".into()).starts_with("cannot open /nowhere"));
    let folder = place.folder.path().to_path_buf();
    assert!(error(&|plan| plan.pool = folder.clone()).contains("is a folder"));
}

#[test]
fn without_a_field_and_a_model_words_make_the_domains() {
    let place = Place::new();
    let line = |i: usize| {
        let about = ["trains", "cakes"][i % 2];
        format!("{{\"question\":\"How many {about} has number {i}?\",\"answer\":\"{i}\"}}\n")
    };
    let mut plan = place.plan(&(0..40).map(line).collect::<String>(), 10);
    plan.domains = 2;
    let outcome = curated(&plan).unwrap();
    assert!(outcome.domains_by.starts_with("clusters of words"));
    let pools: Vec<(&str, usize)> = outcome
        .domains
        .iter()
        .map(|d| (&*d.domain, d.pool))
        .collect();
    assert_eq!(pools, [("01 trains", 20), ("02 cakes", 20)]);
    plan.embed = Some(assets::BASE.into());
    let outcome = curated(&plan).unwrap();
    assert_eq!(
        outcome.domains_by,
        "clusters of the embeddings of bundled:base"
    );
    assert_eq!((outcome.domains.len(), outcome.unit), (2, "tokens"));
}

#[test]
fn a_limit_looks_at_as_many_items_by_the_seed() {
    let place = Place::new();
    let mut plan = place.plan(&pool(), 2);
    plan.pool_limit = Some(6);
    let outcome = curated(&plan).unwrap();
    let first = &outcome.stages[0];
    assert_eq!((first.input, first.output), (9, 6));
    assert_eq!(first.reasons[&DecisionReason::NotSampled], 3);
}
