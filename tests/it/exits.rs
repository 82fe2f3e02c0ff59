//! Early exits, live and afterwards. What would be lost: a figure about a rule that is not what the
//! rule does.

use std::path::Path;

use crate::common::{MODEL, models};
use s1_core::exit::Exit;
use s1_core::forcing::Policy;
use s1_engine::LoadOptions;
use s1_lab::problems::{ProblemOptions, ProblemSet};
use s1_lab::replay::measure::{self, Rule};
use s1_lab::replay::{Replay, Thought};
use s1_lab::sweep::{self, Control, Plan};
use s1_store::Db;
use s1_store::run::{Budget, PointSpec, Run};

/// The natural thoughts of a model on problems, under a rule.
fn plan(model: &Path, source: &str, limit: usize, exit: Exit, db: &Path) -> Plan {
    let options = ProblemOptions {
        limit: Some(limit),
        ..ProblemOptions::default()
    };
    let problems = ProblemSet::load(source, &options).unwrap();
    Plan {
        load: LoadOptions {
            path: model.to_path_buf(),
            context: Some(1024),
            ..LoadOptions::default()
        },
        prompt: problems.prompt.clone(),
        problems,
        source: source.into(),
        options,
        policy: Policy {
            exit,
            answer_max: 64,
            ..Policy::default()
        },
        sampling: Default::default(),
        samples: 1,
        points: vec![PointSpec {
            budget: Budget::Natural,
            waits: 0,
        }],
        lanes: 4,
        threads: None,
        name: exit.to_string(),
        resume: false,
        db: db.to_path_buf(),
    }
}

fn run(plan: &Plan) -> Run {
    let control = Control::default();
    assert!(sweep::run(plan, &control, &mut |_| {}).unwrap());
    let db = Db::open_to_read(&plan.db).unwrap().unwrap();
    db.run(&plan.name).unwrap()
}

/// Looks at natural thoughts for all rules, runs each rule live at one of its thresholds at which it
/// leaves some of them, and compares the two.
fn live_as_afterwards(model: &Path, source: &str, limit: usize) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("exits.db");
    let natural = plan(model, source, limit, Exit::Off, &db);
    let made = run(&natural);
    let (thoughts, exits) = {
        let db = Db::open(&db).unwrap();
        let control = Control::default();
        let rules = Rule::all(&made);
        let looked = measure::look(
            &db,
            &made,
            &rules,
            natural.load.clone(),
            &control,
            &mut |_| {},
        );
        looked.unwrap().unwrap()
    };
    assert_eq!(thoughts.len(), limit);
    let replay = Replay::of(&thoughts, &exits);
    assert!(replay.oracle.correct >= replay.natural.correct);
    let mut compared = 0;
    for (name, _) in &replay.rules {
        // Neither all nor none, where there is such a threshold.
        let left = |exit: &Exit| {
            thoughts
                .iter()
                .filter(|t| t.left_at(*exit).is_some())
                .count()
        };
        let own = exits.iter().filter(|e| e.name() == name);
        let Some(exit) = own.max_by_key(|e| left(e).min(limit - left(e))) else {
            continue;
        };
        let live = run(&plan(model, source, limit, *exit, &db));
        for (row, thought) in live.rows.iter().zip(&thoughts) {
            let sample = &row.samples[0];
            let stop = thought.under(*exit).unwrap();
            assert_eq!(row.id, thought.id);
            let of = |t: &Thought| format!("{exit} on {}: {} tokens", t.id, t.thinking);
            assert_eq!(sample.thinking, stop.at, "{}", of(thought));
            assert_eq!(sample.looking, stop.looking, "{}", of(thought));
            assert_eq!(sample.forced, thought.left_at(*exit).is_some());
            compared += usize::from(sample.forced);
        }
    }
    compared
}

#[test]
fn a_rule_stops_live_where_it_stops_afterwards() {
    let compared = live_as_afterwards(MODEL.as_ref(), "bundled:held-out", 20);
    assert!(compared >= 20, "only {compared} thoughts were left early");
}

#[test]
#[ignore = "needs the models in S1_TUI_MODELS"]
fn a_rule_stops_live_where_it_stops_afterwards_on_a_real_model() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set.jsonl");
    let line = |i: usize| {
        format!(
            "{{\"question\": \"Tom has {} apples and buys {} bags of {i}. How many apples has he?\", \"answer\": \"#### {}\"}}\n",
            i + 3,
            i + 1,
            i + 3 + (i + 1) * i
        )
    };
    std::fs::write(&set, (2..7).map(line).collect::<String>()).unwrap();
    let model = models().join("smollm2-135m-instruct-q4_1.gguf");
    let compared = live_as_afterwards(&model, &set.display().to_string(), 5);
    assert!(compared >= 5, "only {compared} thoughts were left early");
}
