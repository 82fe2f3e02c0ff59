//! What is kept when a program is stopped: by a key, a kill, a full disk, a lack of memory.
//!
//! If these fail, a user loses work, or keeps something that is not what they asked for.

mod killed;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use s1_core::trace::Token;
use s1_store::Db;
use s1_store::run::{Row, Sample};
use serde_json::Value;

#[cfg(unix)]
use crate::common::limited;
use crate::common::{Home, MODEL, tokens_stored};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

/// The last line of a refusal.
fn refusal(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said.lines().last().unwrap_or_default().to_owned()
}

/// What the user compares.
fn table(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let object = found.as_object_mut().unwrap();
    object.remove("wall_s");
    object.remove("run");
    found
}

/// Everything that is stored of a run's rows, scores included; only the numbers of traces are its
/// own.
fn stored(home: &Home, name: &str) -> Vec<(Row, Vec<Vec<Token>>)> {
    let db = Db::open(&home.path("s.db")).unwrap();
    assert_eq!(db.open_rows(name).unwrap(), Vec::<usize>::new());
    let rows = db.run(name).unwrap().rows.into_iter();
    rows.map(|mut row| {
        let samples = row.samples.iter_mut();
        let trace = |sample: &mut Sample| db.trace(std::mem::take(&mut sample.trace)).unwrap();
        let traces = samples.map(trace).collect();
        (row, traces)
    })
    .collect()
}

/// Long thoughts: no problem is finished within a sitting.
const LONG: &str = "--problems bundled:held-out --limit 3 --lanes 2 --budgets 200,800 --waits 9 --min-thinking 700 --context 1000 --temp 0.7 --samples 2 --answer-max 16 --model bundled:reasoner";

#[test]
fn an_interrupt_keeps_what_is_written_of_unfinished_problems() {
    let home = Home::new();
    let args: Vec<&str> = LONG.split(' ').collect();
    let mut command = home.command();
    command
        .args(["sweep", "--db", "s.db", "--name", "a"])
        .args(&args);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let db = home.path("s.db");
    let begun = |db: &Path| {
        let db = Db::open_to_read(db).ok().flatten()?;
        db.open_rows("a").ok().filter(|rows| !rows.is_empty())
    };
    let since = Instant::now();
    while begun(&db).is_none() {
        assert!(since.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    let id = child.id().to_string();
    done(Command::new("kill").args(["-TERM", &id]));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = text(&output.stderr);
    assert!(said.contains("and inside "), "{said}");
    assert!(begun(&db).is_some());
}

/// A user would lose: the difference between "not asked" and "not solved".
#[test]
#[cfg(unix)]
fn what_fails_for_lack_of_memory_is_not_done_and_the_exit_code_says_so() {
    let home = Home::new();
    let args = "sweep --model bundled:reasoner --problems bundled:held-out --limit 3 --budgets 0 --answer-max 8 --db s.db --json --name";
    let mut missing = 0;
    for limit in (150..900).step_by(50) {
        let name = format!("r{limit}");
        let words: Vec<&str> = args.split(' ').chain([name.as_str()]).collect();
        let output = limited(&home, &format!("-v {limit}000"), &words)
            .output()
            .unwrap();
        let said = text(&output.stderr);
        if output.status.success() {
            assert_eq!(table(&output)["points"][0]["n"], 3, "{said}");
            if missing > 0 {
                break;
            }
            continue;
        }
        if !said.contains("are missing") {
            continue;
        }
        missing += 1;
        assert_eq!(output.status.code(), Some(1), "{said}");
        let mut again = home.command();
        again.args(["sweep", "--resume", &name, "--db", "s.db", "--json"]);
        assert_eq!(table(&done(&mut again))["points"][0]["n"], 3);
    }
    assert!(
        missing > 0,
        "no limit was one that the threads of the chat template feel"
    );
}

/// A user would lose: a set that was drawn as if the model had solved nothing.
#[test]
#[cfg(unix)]
fn a_curation_without_memory_for_its_model_keeps_nothing() {
    let home = Home::new();
    let args = "curate --pool bundled:traces --pool-limit 30 --keep 2 --small bundled:base --thinking 64 --out kept.jsonl --db";
    let mut missing = 0;
    for limit in (150..900).step_by(50) {
        let db = format!("{limit}.db");
        let words: Vec<&str> = args.split(' ').chain([db.as_str()]).collect();
        let output = limited(&home, &format!("-v {limit}000"), &words)
            .output()
            .unwrap();
        let said = text(&output.stderr);
        if output.status.success() {
            break;
        }
        assert!(!home.path("kept.jsonl").exists(), "{said}");
        if !said.contains("are missing") {
            continue;
        }
        missing += 1;
        // With memory it goes on, and asks what it could not.
        let words: Vec<&str> = args.split(' ').chain([db.as_str()]).collect();
        done(home.command().args(words));
        std::fs::remove_file(home.path("kept.jsonl")).unwrap();
    }
    assert!(
        missing > 0,
        "no limit was one that the threads of the chat template feel"
    );
}

#[test]
fn a_database_in_memory_is_refused() {
    let home = Home::new();
    let mut command = home.command();
    command.args(["sweep", "--model", MODEL, "--problems", "bundled:held-out"]);
    command.args(["--limit", "1", "--db", ":memory:"]);
    let said = refusal(&mut command);
    assert!(
        said.contains("a database in memory keeps nothing"),
        "{said}"
    );
    assert!(!home.path(":memory:").exists());
}

fn train(home: &Home, out: &str, more: &[&str]) -> Command {
    let mut command = home.command();
    command.args("train --model bundled:base --data bundled:traces --batch 2".split(' '));
    command.args("--block-size 64 --threads 1 --lr 1e-3 --db t.db --gguf none".split(' '));
    command.args(["--out", out]).args(more).stdin(Stdio::null());
    command
}

fn weights(home: &Home, out: &str) -> Vec<u8> {
    std::fs::read(home.path(out).join("model.safetensors")).unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn of_a_damaged_checkpoint_the_one_before_is_taken_with_a_sentence() {
    let home = Home::new();
    let more = ["--max-steps", "6", "--save-every", "2"];
    done(&mut train(&home, "whole", &more));
    let expected = weights(&home, "whole");
    let mut stopped = train(&home, "a", &more);
    done(&mut stopped);
    for newest in ["step-0000006", "step-0000004"] {
        let path = home
            .path("a/checkpoints")
            .join(newest)
            .with_extension("safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        // Values, not the header.
        let at = bytes.len() - 200_000;
        bytes[at..at + 1000].fill(0);
        std::fs::write(&path, bytes).unwrap();
    }
    let output = done(train(&home, "a", &more).arg("--resume"));
    let said = text(&output.stderr);
    assert!(
        said.contains("its checksum does not agree; an earlier checkpoint is taken"),
        "{said}"
    );
    assert!(weights(&home, "a") == expected);
}

#[test]
fn another_base_is_refused_though_it_looks_alike() {
    let home = Home::new();
    let base = s1_data::assets::open_path(Path::new("bundled:base")).unwrap();
    let mut bytes = Vec::new();
    std::io::copy(&mut { base }, &mut bytes).unwrap();
    std::fs::write(home.path("base.gguf"), &bytes).unwrap();
    let own = [
        "--model",
        "base.gguf",
        "--lora-rank",
        "4",
        "--max-steps",
        "2",
    ];
    let with = |more: &[&str]| {
        let mut command = home.command();
        command.args("train --data bundled:traces --batch 2 --block-size 64".split(' '));
        command
            .args("--threads 1 --db t.db --out a".split(' '))
            .args(more);
        command
    };
    done(&mut with(&own));
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    std::fs::write(home.path("base.gguf"), &bytes).unwrap();
    let said = refusal(with(&own).arg("--resume"));
    assert!(said.contains("the base model is another one"), "{said}");
}

#[test]
fn weights_that_are_no_numbers_are_neither_kept_nor_exported() {
    let home = Home::new();
    // Decay times rate is a factor of -1e6 for each step: after a few, nothing is left that is a number.
    let more = "--lr 1000 --weight-decay 1000 --warmup 0 --max-steps 20 --save-every 1";
    let more: Vec<&str> = more.split(' ').collect();
    let mut command = home.command();
    command.args("train --model bundled:base --data bundled:traces --batch 2".split(' '));
    command
        .args("--block-size 64 --threads 1 --db t.db --out a".split(' '))
        .args(&more);
    let said = refusal(&mut command);
    assert!(said.contains("try a lower --lr"), "{said}");
    assert!(said.contains("the last good checkpoint is"), "{said}");
    assert!(!home.path("a/model.safetensors").exists());
    for checkpoint in s1_train::checkpoints(&home.path("a")) {
        let bytes = std::fs::read(&checkpoint.path).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let values = tensors.tensor("values").unwrap();
        let (values, _) = values.data().as_chunks::<4>();
        assert!(values.iter().all(|b| f32::from_le_bytes(*b).is_finite()));
    }
}

#[test]
fn a_training_has_checkpoints_by_the_clock() {
    let home = Home::new();
    let more = ["--max-steps", "100000", "--save-seconds", "1"];
    let mut child = train(&home, "a", &more)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let since = Instant::now();
    while s1_train::checkpoints(&home.path("a")).is_empty() {
        assert!(since.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(s1_train::checkpoints(&home.path("a"))[0].step > 0);
}

#[test]
#[cfg(unix)]
fn at_a_limit_on_file_sizes_it_ends_with_a_sentence_and_leaves_no_half_file() {
    let home = Home::new();
    let args = "train --model bundled:base --data bundled:traces --batch 2 --block-size 64 --threads 1 --db t.db --out a --max-steps 3 --save-every 1 --gguf none";
    let args: Vec<&str> = args.split(' ').collect();
    let said = refusal(&mut limited(&home, "-f 2000", &args));
    assert!(said.contains("cannot write"), "{said}");
    assert_eq!(files(&home.path("a/checkpoints")), Vec::<String>::new());
}

#[test]
fn a_training_under_way_stays_on_the_list() {
    let home = Home::new();
    let more = ["--max-steps", "100000", "--name", "mine"];
    let mut child = train(&home, "a", &more)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let trainings = |flag: &str| {
        let mut command = home.command();
        command.args(["trainings", "mine", flag, "--db", "t.db"]);
        command
    };
    let since = Instant::now();
    while !home.path("t.db").exists() || !trainings("--save").output().unwrap().status.success() {
        assert!(since.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = refusal(&mut trainings("--remove"));
    assert!(said.contains("end it first"), "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
    done(&mut trainings("--remove"));
}

/// A sweep that a full disk ends; every file may have so many blocks.
#[test]
#[cfg(unix)]
fn a_sweep_that_finds_no_room_keeps_what_it_has_and_goes_on_when_there_is_some() {
    let home = Home::new();
    let args: Vec<&str> = LONG.split(' ').collect();
    let mut whole = home.command();
    whole
        .args(["sweep", "--json", "--db", "s.db", "--name", "whole"])
        .args(&args);
    let expected = table(&done(&mut whole));
    let more: Vec<&str> = ["sweep", "--db", "s.db", "--name", "full"]
        .into_iter()
        .chain(args)
        .collect();
    let database = home.path("s.db");
    let blocks = std::fs::metadata(&database).unwrap().len() / 512 + 100;
    let said = refusal(&mut limited(&home, &format!("-f {blocks}"), &more));
    assert!(said.contains("s.db"), "{said}");
    let kept = tokens_stored(&database, "full");
    assert!(kept > 0, "{said}");
    let mut again = home.command();
    again.args(["sweep", "--resume", "full", "--db", "s.db", "--json"]);
    assert_eq!(table(&done(&mut again)), expected);
    assert!(stored(&home, "full") == stored(&home, "whole"));
}

#[test]
#[cfg(unix)]
fn a_training_that_finds_no_room_goes_on_from_its_last_checkpoint() {
    let home = Home::new();
    let more = ["--max-steps", "6", "--save-every", "2"];
    done(&mut train(&home, "whole", &more));
    done(&mut train(
        &home,
        "a",
        &["--max-steps", "6", "--save-every", "2"],
    ));
    for late in ["checkpoints/step-0000006.safetensors", "model.safetensors"] {
        std::fs::remove_file(home.path("a").join(late)).unwrap();
    }
    let own = train(&home, "a", &more);
    let words: Vec<&str> = own.get_args().map(|word| word.to_str().unwrap()).collect();
    let words: Vec<&str> = words.into_iter().chain(["--resume"]).collect();
    let said = refusal(&mut limited(&home, "-f 2000", &words));
    assert!(said.contains("cannot write"), "{said}");
    let left = files(&home.path("a/checkpoints"));
    assert!(
        !left.is_empty() && left.iter().all(|name| !name.contains("tmp")),
        "{left:?}"
    );
    done(train(&home, "a", &more).arg("--resume"));
    assert!(weights(&home, "a") == weights(&home, "whole"));
}

/// A user would lose: all that was answered of hundreds of held-out problems.
#[test]
fn an_evaluation_that_is_killed_goes_on_where_it_was() {
    let home = Home::new();
    let more = "--max-steps 1 --eval-problems bundled:held-out --eval-limit 40 --json";
    let more: Vec<&str> = more.split(' ').collect();
    let counted = |output: &Output| -> Value {
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        let events = said.lines().map(|line| serde_json::from_str(line).unwrap());
        let mut events = events.filter(|event: &Value| event["event"] == "accuracy");
        events.next().unwrap()
    };
    let expected = counted(&done(&mut train(&home, "whole", &more)));
    let stored = || tokens_stored(&home.path("a/now.db"), "evaluation");
    let (mut kills, mut most) = (0, 0);
    let last = loop {
        let resume = (kills > 0).then_some("--resume");
        let mut command = train(&home, "a", &more);
        command.args(resume).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let since = Instant::now();
        let over = loop {
            if child.try_wait().unwrap().is_some() {
                break true;
            }
            if stored() > most + 300 {
                break false;
            }
            assert!(
                since.elapsed() < Duration::from_secs(120),
                "it does not advance"
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        if over {
            break output;
        }
        (kills, most) = (kills + 1, stored());
    };
    assert!(kills >= 3, "{kills}");
    assert_eq!(counted(&last), expected);
    for out in ["a", "whole"] {
        let left = files(&home.path(out));
        assert!(
            !left.iter().any(|name| name.starts_with("now.")),
            "{left:?}"
        );
    }
}
