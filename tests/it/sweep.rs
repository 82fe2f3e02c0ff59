//! Sweeps as a user and as a library caller see them. What would be lost: a curve that is not the
//! model's, or a night's work.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use crate::common::{Home, MODEL, models};
use s1_core::forcing::Policy;
use s1_core::protocol::{Command, Event, LaneState, Request};
use s1_core::sampling::Sampling;
use s1_core::trace::Token;
use s1_core::view::LaneView;
use s1_engine::{Engine, Events, LoadOptions};
use s1_lab::problems::{ProblemOptions, ProblemSet};
use s1_lab::report::Report;
use s1_lab::row;
use s1_lab::sweep::{self, Control, Plan, Progress};
use s1_store::Db;
use s1_store::run::{Budget, PointSpec, Run};
use serde_json::Value;

const RUN: &str = "r";

/// Problems that the bundled reasoner knows, in the layout of GSM8K.
fn problems(folder: &Path, n: usize) -> PathBuf {
    let path = folder.join("set.jsonl");
    let line = |i: usize| {
        let (a, b) = (100 + i * 37 % 900, 11 + i * 29 % 89);
        format!(
            "{{\"question\": \"What is {a} times {b}?\", \"answer\": \"so\\n#### {}\"}}\n",
            a * b
        )
    };
    std::fs::write(&path, (1..=n).map(line).collect::<String>()).unwrap();
    path
}

fn points(budgets: &[usize], waits: usize) -> Vec<PointSpec> {
    let budgets = budgets.iter().map(|&n| Budget::Tokens(n));
    let budgets: Vec<Budget> = budgets.chain([Budget::Natural]).collect();
    (0..=waits)
        .flat_map(|waits| {
            budgets
                .iter()
                .map(move |&budget| PointSpec { budget, waits })
        })
        .collect()
}

fn plan(model: &Path, folder: &Path, n: usize, lanes: usize) -> Plan {
    let source = problems(folder, n).display().to_string();
    let options = ProblemOptions::default();
    let problems = ProblemSet::load(&source, &options).unwrap();
    Plan {
        load: LoadOptions {
            path: model.to_path_buf(),
            context: Some(320),
            ..LoadOptions::default()
        },
        prompt: problems.prompt.clone(),
        problems,
        source,
        options,
        policy: Policy {
            answer_max: 10,
            ..Policy::default()
        },
        sampling: Sampling::default(),
        samples: 1,
        points: points(&[0, 1, 24, 200], 2),
        lanes,
        threads: None,
        name: RUN.into(),
        resume: false,
        db: folder.join(format!("{lanes}.db")),
    }
}

/// A run and the traces of its samples, in order.
fn swept(plan: &Plan) -> (Run, Vec<Vec<Token>>) {
    let complete = sweep::run(plan, &Control::default(), &mut |_| {}).unwrap();
    assert!(complete);
    let db = Db::open(&plan.db).unwrap();
    let run = db.run(RUN).unwrap();
    let samples = run.rows.iter().flat_map(|row| &row.samples);
    let traces = samples.map(|s| db.trace(s.trace).unwrap()).collect();
    (run, traces)
}

/// Every sample by itself, on an engine that remembers nothing of the others.
fn one_by_one(plan: &Plan, run: &Run) -> Vec<Vec<Token>> {
    let (engine, mut events) = s1_engine::start(plan.load.clone()).unwrap();
    let mut traces = Vec::new();
    for problem in &plan.problems.problems {
        for (_, request) in row::requests(&run.settings, problem, 0) {
            traces.push(alone(&*engine, &mut events, request));
        }
    }
    traces
}

fn alone(engine: &dyn Engine, events: &mut Events, request: Request) -> Vec<Token> {
    engine.send(Command::Start {
        lane: 0,
        request,
        run: true,
    });
    let mut lane = LaneView::default();
    loop {
        let event = events.blocking_recv().unwrap();
        lane.apply(&event);
        match event {
            Event::Failed(why) | Event::Refused { why, .. } => panic!("{why}"),
            Event::State(0, LaneState::Stopped(_)) => break,
            _ => {}
        }
    }
    engine.send(Command::Forget(0..1));
    lane.tokens.to_vec()
}

/// The same tokens for the same reasons. Scores pass through half precision in the database.
fn assert_same(stored: &[Vec<Token>], fresh: &[Vec<Token>], what: &str) {
    assert_eq!(stored.len(), fresh.len());
    for (i, (a, b)) in stored.iter().zip(fresh).enumerate() {
        let say = |t: &[Token]| t.iter().map(|t| (t.id, t.reason)).collect::<Vec<_>>();
        assert_eq!(say(a), say(b), "{what}: sample {i}");
        for (a, b) in a.iter().zip(b) {
            assert_eq!((a.origin, a.phase, &a.text), (b.origin, b.phase, &b.text));
            assert!((a.logprob - b.logprob).abs() < 0.02, "{what}: sample {i}");
            assert!((a.entropy - b.entropy).abs() < 0.02, "{what}: sample {i}");
        }
    }
}

#[test]
fn a_sweep_gives_token_by_token_what_every_point_gives_by_itself() {
    for (what, temperature, samples) in [("greedy", 0.0, 1), ("sampled", 1.5, 2)] {
        for lanes in [1, 5] {
            let folder = tempfile::tempdir().unwrap();
            let mut plan = plan(Path::new(MODEL), folder.path(), 2, lanes);
            plan.sampling.temperature = temperature;
            plan.samples = samples;
            let (run, stored) = swept(&plan);
            assert_same(&stored, &one_by_one(&plan, &run), what);
            let report = Report::of(&run);
            let (computed, floor) = (report.computed, report.floor);
            assert!(floor <= computed, "{what}: {computed} below {floor}");
            assert!(
                computed * 100 <= floor * 102,
                "{what}, {lanes} lanes: {computed} tokens computed, {floor} would do"
            );
            assert!(report.pointwise > 2 * computed, "{what}");
            if temperature > 0.0 {
                let waited = run.rows.iter().flat_map(|r| &r.samples);
                let waited = waited.filter(|s| s.waits_used > 0).count();
                assert!(waited > 0, "no wait took effect: nothing was tested");
            }
        }
    }
}

#[test]
fn the_number_of_lanes_changes_nothing_but_the_time() {
    let runs: Vec<Run> = [1, 3, 16]
        .into_iter()
        .map(|lanes| {
            let folder = tempfile::tempdir().unwrap();
            let mut plan = plan(Path::new(MODEL), folder.path(), 4, lanes);
            plan.sampling.temperature = 1.5;
            plan.samples = 2;
            let mut run = swept(&plan).0;
            run.wall = Duration::ZERO;
            run.created_at = 0;
            run.sources = Default::default();
            for sample in run.rows.iter_mut().flat_map(|r| &mut r.samples) {
                sample.trace = 0;
            }
            run
        })
        .collect();
    for other in &runs[1..] {
        for (a, b) in runs[0].rows.iter().zip(&other.rows) {
            assert_eq!(a, b);
        }
        assert_eq!(&runs[0], other);
    }
}

#[test]
#[ignore = "needs S1_TUI_MODELS"]
fn a_real_model_gives_by_sweep_what_it_gives_by_point() {
    let model = models().join("smollm2-135m-instruct-q4_1.gguf");
    for lanes in [1, 4] {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = plan(&model, folder.path(), 2, lanes);
        plan.points = points(&[0, 16, 48], 2);
        plan.policy.answer_max = 16;
        plan.load.context = Some(224);
        let (run, stored) = swept(&plan);
        assert_same(&stored, &one_by_one(&plan, &run), "SmolLM2");
        let report = Report::of(&run);
        assert!(report.computed * 100 <= report.floor * 102);
    }
}

#[test]
fn a_sweep_pauses_and_is_cancelled_between_two_tokens() {
    let home = Home::new();
    let plan = plan(Path::new(MODEL), home.folder.path(), 400, 2);
    let control = Control::default();
    let (mut rows, mut paused) = (0, false);
    let complete = sweep::run(&plan, &control, &mut |progress| match progress {
        Progress::Row { done, total, .. } => {
            (rows, _) = (done, total);
            if rows == 3 {
                control.pause(true);
            } else if rows > 5 {
                control.cancel();
            }
        }
        Progress::Paused(true) => {
            paused = true;
            let control = control.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(150));
                control.pause(false);
            });
        }
        _ => {}
    })
    .unwrap();
    assert!(!complete && paused);
    assert!((6..400).contains(&rows));
    let run = Db::open(&plan.db).unwrap().run(RUN).unwrap();
    assert_eq!(run.rows.len(), rows, "what was told of is in the database");
}

/// The headless command, with what all tests here share.
fn command(home: &Home, extra: &[&str]) -> std::process::Command {
    let mut command = home.command();
    command
        .args(["sweep", "--lanes", "2", "--json"])
        .args(extra);
    command.stdin(Stdio::null());
    command
}

fn fresh<'a>(model: &'a str, set: &'a str) -> Vec<&'a str> {
    let settings =
        "--budgets 0,8,60,natural --waits 0,1 --samples 2 --temp 1.5 --context 320 --answer-max 8";
    let mut args = vec!["--model", model, "--problems", set];
    args.extend(settings.split(' '));
    args
}

fn run(home: &Home, args: &[&str]) -> Output {
    let mut command = home.command();
    command.args(args).stdin(Stdio::null());
    command.output().unwrap()
}

fn fails(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!error.contains("panicked"), "{error}");
    error.lines().last().unwrap().to_string()
}

/// What the user compares: the table and the counts.
fn figures(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    let mut found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: Vec<&String> = found.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "run",
            "points",
            "tokens_computed",
            "tokens_pointwise",
            "wall_s"
        ]
    );
    let object = found.as_object_mut().unwrap();
    object.remove("wall_s");
    object.remove("run");
    found
}

#[test]
fn killed_at_any_moment_it_goes_on_to_the_same_table() {
    let home = Home::new();
    let set = problems(home.folder.path(), 8).display().to_string();
    let args = fresh(MODEL, &set);
    let whole = command(&home, &args).output().unwrap();
    let expected = figures(&whole);
    assert_eq!(expected["points"].as_array().unwrap().len(), 8);
    assert_eq!(expected["points"][0]["n"], 16);

    // Fixed seed: moments spread over the run, the same in every test run.
    let mut moment = 7u64;
    for attempt in 0..4 {
        let name = format!("killed{attempt}");
        let mut kills = 0;
        let last = loop {
            let exists = run(&home, &["runs", &name]).status.success();
            let mut again = if exists {
                command(&home, &["--resume", &name])
            } else {
                command(&home, &[&args[..], &["--name", &name]].concat())
            };
            if kills == 5 {
                break again.output().unwrap();
            }
            let mut child = again
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            moment = moment
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            std::thread::sleep(Duration::from_millis(20 + (moment >> 33) % 380));
            let _ = child.kill();
            let output = child.wait_with_output().unwrap();
            if output.status.success() {
                break output;
            }
            kills += 1;
        };
        assert_eq!(figures(&last), expected, "after {kills} kills");
        // A run that is complete is complete: nothing is computed again.
        let again = command(&home, &["--resume", &name]).output().unwrap();
        assert_eq!(figures(&again), expected);
    }
}

#[test]
fn a_run_goes_on_with_its_own_settings_only() {
    let home = Home::new();
    let set = problems(home.folder.path(), 3).display().to_string();
    let args = [&fresh(MODEL, &set)[..], &["--name", "a"]].concat();
    figures(&command(&home, &args).output().unwrap());
    for (flags, says) in [
        (
            &["--answer-max", "9"][..],
            "policy.answer_max was 8 and is now 9",
        ),
        (&["--seed", "3"], "sampling.seed was 0 and is now 3"),
        (&["--budgets", "0"], "points was"),
        (&["--limit", "2"], "problems.count was 3 and is now 2"),
        (
            &["--context", "300"],
            "model.context was 320 and is now 300",
        ),
    ] {
        let args = [&["--resume", "a"], flags].concat();
        let error = fails(&command(&home, &args).output().unwrap());
        assert!(error.contains(says), "{flags:?}: {error}");
    }
    let error = fails(&command(&home, &args).output().unwrap());
    assert!(error.contains("--resume a"), "{error}");
    // Another file under the same name is found by its hash.
    std::fs::write(
        &set,
        std::fs::read_to_string(&set)
            .unwrap()
            .replace("What is", "Calculate"),
    )
    .unwrap();
    let error = fails(&command(&home, &["--resume", "a"]).output().unwrap());
    assert!(error.contains("problems.sha256 was"), "{error}");
}

#[test]
fn bad_input_gets_one_sentence() {
    let home = Home::new();
    let set = problems(home.folder.path(), 2).display().to_string();
    let broken = home.path("broken.jsonl").display().to_string();
    let good = std::fs::read_to_string(&set).unwrap();
    std::fs::write(&broken, format!("{good}{{oops\n{good}")).unwrap();
    let junk = home.path("junk.db").display().to_string();
    std::fs::write(&junk, "no database at all ".repeat(100)).unwrap();
    for (args, says) in [
        (vec!["--problems", &broken], "line 3: it is not JSON"),
        (vec!["--problems", "/nowhere.jsonl"], "/nowhere.jsonl"),
        (
            vec!["--problems", &set, "--budgets", "0,320"],
            "does not fit the context of 320",
        ),
        (vec!["--problems", &set, "--samples", "2"], "--temp"),
        (
            vec!["--problems", &set, "--db", &junk],
            "damaged or not a database",
        ),
        (vec!["--resume", "nothing"], "no run"),
    ] {
        let base = ["--model", MODEL, "--context", "320"];
        let args = [&base[..], &args].concat();
        let error = fails(&command(&home, &args).output().unwrap());
        assert!(error.contains(says), "{args:?}: {error}");
    }
    assert_eq!(
        std::fs::read_to_string(&junk).unwrap(),
        "no database at all ".repeat(100)
    );
    for args in [&["runs"][..], &["export", "x"]] {
        let error = fails(&run(&home, &[args, &["--db", &junk]].concat()));
        assert!(error.contains("damaged or not a database"), "{error}");
    }
    // Left out by flag, the broken line costs the others nothing.
    let args = [
        "--model",
        MODEL,
        "--context",
        "320",
        "--problems",
        &broken,
        "--skip-broken",
        "--budgets",
        "0",
        "--answer-max",
        "4",
    ];
    let output = command(&home, &args).output().unwrap();
    assert_eq!(figures(&output)["points"][0]["n"], 4);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("line 3"), "{said}");
}

#[test]
fn a_finished_run_is_listed_shown_exported_and_removed() {
    let home = Home::new();
    let set = problems(home.folder.path(), 3).display().to_string();
    let args = [&fresh(MODEL, &set)[..], &["--name", "mine"]].concat();
    figures(&command(&home, &args).output().unwrap());
    let text = |args: &[&str]| {
        let output = run(&home, args);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let list = text(&["runs"]);
    assert!(
        list.contains("mine") && list.contains("3/3 problems"),
        "{list}"
    );
    let listed: Value = serde_json::from_str(&text(&["runs", "--json"])).unwrap();
    assert_eq!(listed["complete"], true);
    assert_eq!(listed["settings"]["problems"]["layout"], "gsm8k");
    assert_eq!(
        listed["settings"]["model"]["sha256"]
            .as_str()
            .unwrap()
            .len(),
        64
    );
    let table = text(&["runs", "mine"]);
    assert!(
        table.contains("natural") && table.contains("tokens computed"),
        "{table}"
    );

    let export = text(&[
        "export", "mine", "--format", "lm-eval", "--budget", "8", "--waits", "1",
    ]);
    let lines: Vec<Value> = export
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    let first = &lines[0];
    assert_eq!(first["doc_id"], 0);
    assert_eq!(first["target"], "5480");
    assert_eq!(
        first["arguments"]["gen_args_0"]["arg_1"]["max_tokens_thinking"],
        8
    );
    assert_eq!(first["resps"][0].as_array().unwrap().len(), 2);
    assert_eq!(first["filtered_resps"].as_array().unwrap().len(), 2);
    let response = first["filtered_resps"][0].as_str().unwrap();
    assert!(response.starts_with("<|im_start|>think\n"), "{response}");
    assert_eq!(response.matches("\n<|im_start|>answer\n").count(), 1);
    assert!([0, 1].contains(&first["exact_match"].as_u64().unwrap()));
    let error = fails(&run(&home, &["export", "mine", "--budget", "9"]));
    assert!(error.contains("no such point"), "{error}");

    text(&["runs", "--remove", "mine"]);
    assert_eq!(text(&["runs"]), "");
    let error = fails(&run(&home, &["runs", "mine"]));
    assert!(error.contains("no run"), "{error}");
}
