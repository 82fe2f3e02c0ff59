//! What a user would lose: a night's sweep.

use std::fs;
use std::path::Path;

use super::*;
use crate::run::{Budget, PointSpec};
use crate::training::Training;
use s1_core::trace::{Phase, Reason, StopReason};
use s1_core::training::TrainConfig;

fn token(id: u32, phase: Phase, reason: Option<Reason>) -> Token {
    Token {
        reason,
        logprob: -0.5,
        entropy: 1.0,
        ..Token::new(id, format!("t{id} "), phase)
    }
}

fn settings() -> RunSettings {
    let point = |budget, waits| PointSpec { budget, waits };
    RunSettings {
        points: vec![point(Budget::Tokens(2), 0), point(Budget::Natural, 1)],
        samples: 1,
        ..RunSettings::default()
    }
}

fn row(problem: usize) -> NewRow {
    let thought = |n: u32| (0..n).map(|id| token(id, Phase::Thinking, None));
    let answer = token(99, Phase::Answer, Some(Reason::Budget));
    let short: Vec<Token> = thought(2).chain([answer.clone()]).collect();
    let long: Vec<Token> = thought(7).chain([answer]).collect();
    let sample = |point, trace, thinking| Sample {
        point,
        sample: 0,
        trace,
        thinking,
        answer_tokens: 1,
        waits_used: 0,
        forced: true,
        answer: Some("18".into()),
        correct: Some(point == 1),
        stop: StopReason::AnswerMax,
        leaked: Some(point == 0),
        second_end: None,
        looking: 3,
    };
    NewRow {
        row: Row {
            problem,
            id: format!("p{problem}"),
            question: "1+1?".into(),
            reference: Some("2".into()),
            computed: 12,
            pointwise: 17,
            floor: 12,
            prompt_tokens: 3,
            samples: vec![sample(0, 0, 2), sample(1, 1, 7)],
        },
        prompt: vec![1, 2, 3],
        traces: vec![short, long],
    }
}

fn fresh() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/runs.db");
    (folder, path)
}

#[test]
fn a_run_comes_back_as_it_was_written() {
    let (_folder, path) = fresh();
    let mut db = Db::open(&path).unwrap();
    db.create_run("a", &settings(), &Sources::default())
        .unwrap();
    let mut told = Vec::new();
    for problem in [3, 0] {
        let spent = Duration::from_millis(5);
        told.push(db.add_row("a", &row(problem), spent).unwrap());
    }
    drop(db);
    let db = Db::open_to_read(&path).unwrap().unwrap();
    let run = db.run("a").unwrap();
    assert_eq!(run.settings, settings());
    assert_eq!(run.wall, Duration::from_millis(10));
    told.reverse();
    assert_eq!(
        run.rows, told,
        "in the order of the set, as adding them said"
    );
    assert_eq!(db.rows_beyond("a", &[]).unwrap(), told);
    assert_eq!(db.rows_beyond("a", &[0, 1]).unwrap(), told[1..]);
    assert_eq!(db.done("a").unwrap(), [0, 3]);
    let written = row(3);
    let read = &run.rows[1];
    for (sample, (new, trace)) in read
        .samples
        .iter()
        .zip(written.row.samples.iter().zip(&written.traces))
    {
        assert_eq!(&db.trace(sample.trace).unwrap(), trace);
        let expected = Sample {
            trace: sample.trace,
            ..new.clone()
        };
        assert_eq!(sample, &expected);
    }
    let document = db.document(&run, read, &read.samples[1]).unwrap();
    assert_eq!(document.prompt_ids, [1, 2, 3]);
    assert_eq!(document.request.policy.waits, 1);
    assert_eq!(document.tree.get(0).unwrap().tokens, written.traces[1]);
    let summary = &db.runs().unwrap()[0];
    assert_eq!((summary.rows, summary.graded, summary.correct), (2, 4, 2));
}

#[test]
fn a_row_written_twice_counts_once() {
    let (_folder, path) = fresh();
    let mut one = Db::open(&path).unwrap();
    let mut two = Db::open(&path).unwrap();
    one.create_run("a", &settings(), &Sources::default())
        .unwrap();
    let [first, second] =
        [&mut one, &mut two].map(|db| db.add_row("a", &row(0), Duration::ZERO).unwrap());
    assert_eq!(first, second, "the second is told what the first wrote");
    let run = two.run("a").unwrap();
    assert_eq!(run.rows.len(), 1);
    assert_eq!(run.rows[0].samples.len(), 2);
}

#[test]
fn two_programs_that_write_at_once_lose_nothing() {
    let (_folder, path) = fresh();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let path = path.clone();
            std::thread::spawn(move || {
                let mut db = Db::open(&path).unwrap();
                let name = format!("run{writer}");
                db.create_run(&name, &settings(), &Sources::default())
                    .unwrap();
                for problem in 0..10 {
                    db.add_row(&name, &row(problem), Duration::ZERO).unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let db = Db::open(&path).unwrap();
    let runs = db.runs().unwrap();
    assert_eq!(runs.len(), 4);
    assert!(runs.iter().all(|r| r.rows == 10 && r.graded == 20));
    let sound: String = db
        .connection
        .query_row("PRAGMA integrity_check", [], |r| r.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
}

#[test]
fn an_unknown_run_is_answered_with_those_there_are() {
    let (_folder, path) = fresh();
    assert!(Db::open_to_read(&path).unwrap().is_none());
    let mut db = Db::open(&path).unwrap();
    let error = db.run("b").unwrap_err().to_string();
    assert!(error.contains("holds no runs yet"), "{error}");
    db.create_run("a", &settings(), &Sources::default())
        .unwrap();
    let error = db.run("b").unwrap_err().to_string();
    assert!(error.contains("there are: a"), "{error}");
    let error = db
        .create_run("a", &settings(), &Sources::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("--resume a"), "{error}");
    db.remove_run("a").unwrap();
    assert!(db.runs().unwrap().is_empty());
}

/// A user would lose: which of a hundred runs is which.
#[test]
fn a_run_gets_another_name_that_nobody_has() {
    let (_folder, path) = fresh();
    let mut db = Db::open(&path).unwrap();
    for (name, problems) in [("a", "p.jsonl"), ("b", "q.jsonl"), ("c", "p.jsonl")] {
        let sources = Sources {
            problems: problems.into(),
            ..Sources::default()
        };
        db.create_run(name, &settings(), &sources).unwrap();
    }
    let error = db.rename_run("a", "b").unwrap_err().to_string();
    assert!(error.contains("already"), "{error}");
    assert!(db.rename_run("a", " ").is_err() && db.rename_run("a", "x\ny").is_err());
    assert!(db.rename_run("none", "x").is_err());
    db.rename_run("a", "first try").unwrap();
    db.rename_run("b", "b").unwrap();
    let names: Vec<String> = db.runs().unwrap().into_iter().map(|run| run.name).collect();
    assert_eq!(names, ["c", "b", "first try"]);
    assert_eq!(db.run("first try").unwrap().sources.problems, "p.jsonl");
    let sets = db.problem_sets().unwrap();
    let sets: Vec<_> = sets.iter().map(|set| (&*set.path, &*set.run)).collect();
    assert_eq!(
        sets,
        [("p.jsonl", "c"), ("q.jsonl", "b")],
        "the last one first, each once"
    );
}

#[test]
fn what_is_no_database_of_ours_is_left_alone() {
    let (_folder, path) = fresh();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = "these are not the bytes of a database, whatever the name says".repeat(20);
    fs::write(&path, &text).unwrap();
    let error = Db::open(&path).unwrap_err().to_string();
    assert!(error.contains("damaged or not a database"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    fs::remove_file(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE letters (a)").unwrap();
    drop(other);
    let before = fs::read(&path).unwrap();
    let error = format!("{:#}", Db::open(&path).unwrap_err());
    assert!(error.contains("belongs to another program"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_newer_database_is_refused_and_an_older_one_moves_forward() {
    let (_folder, path) = fresh();
    let db = Db::open(&path).unwrap();
    let newer = (schema::VERSION + 1) as i64;
    db.connection
        .pragma_update(None, "user_version", newer)
        .unwrap();
    drop(db);
    for error in [
        Db::open(&path).unwrap_err(),
        Db::open_to_read(&path).unwrap_err(),
    ] {
        let error = format!("{error:#}");
        assert!(error.contains("use a newer s1-tui"), "{error}");
    }
    // An empty file is version 0.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    assert!(Db::open_to_read(&path).unwrap().is_none());
    assert!(Db::open(&path).unwrap().runs().unwrap().is_empty());
    // One of version 1, as the first release that had a database left it.
    let db = Db::open(&path).unwrap();
    for table in ["orders", "events", "steps"] {
        let sql = format!("DROP TABLE training_{table}");
        db.connection.execute(&sql, []).unwrap();
    }
    for table in ["trainings", "open_lanes", "open_rows", "sights"] {
        let sql = format!("DROP TABLE {table}");
        db.connection.execute(&sql, []).unwrap();
    }
    for column in ["leaked", "second_end", "looking"] {
        let sql = format!("ALTER TABLE samples DROP COLUMN {column}");
        db.connection.execute(&sql, []).unwrap();
    }
    db.connection
        .pragma_update(None, "user_version", 1)
        .unwrap();
    drop(db);
    let db = Db::open_to_read(&path).unwrap().unwrap();
    assert!(db.runs().unwrap().is_empty() && db.trainings().unwrap().is_empty());
}

#[test]
fn a_hash_is_computed_again_only_after_a_change() {
    let (folder, path) = fresh();
    let db = Db::open(&path).unwrap();
    let file = folder.path().join("model");
    fs::write(&file, "abc").unwrap();
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(db.file_hash(&file).unwrap(), abc);
    db.connection
        .execute("UPDATE file_hashes SET sha256 = 'kept'", [])
        .unwrap();
    assert_eq!(db.file_hash(&file).unwrap(), "kept");
    fs::write(&file, "abcd").unwrap();
    assert_ne!(db.file_hash(&file).unwrap(), "kept");
}

#[test]
fn a_training_is_named_after_its_folder_and_after_no_other_ones() {
    let (_folder, path) = fresh();
    let mut db = Db::open(&path).unwrap();
    let name = |db: &Db, folder: &str| db.training_name(Path::new(folder)).unwrap();
    assert_eq!(name(&db, "/a/base").as_deref(), Some("base"));
    for (name, folder) in [("base", "/a/base"), ("mine", "/b/base")] {
        db.begin_training(&Training {
            name: name.into(),
            config: TrainConfig {
                out: folder.into(),
                ..TrainConfig::default()
            },
            ..Training::default()
        })
        .unwrap();
    }
    assert_eq!(
        name(&db, "/a/base").as_deref(),
        Some("base"),
        "the database stays usable"
    );
    assert_eq!(
        name(&db, "/b/base").as_deref(),
        Some("mine"),
        "the database stays usable"
    );
    assert_eq!(name(&db, "/c/base").as_deref(), Some("base-2"));
    assert_eq!(name(&db, "/"), None);
}

#[test]
fn a_full_disk_and_a_read_only_file_are_said_and_lose_nothing() {
    let (_folder, path) = fresh();
    let mut db = Db::open(&path).unwrap();
    db.create_run("a", &settings(), &Sources::default())
        .unwrap();
    db.add_row("a", &row(0), Duration::ZERO).unwrap();
    let before = db.run("a").unwrap();

    // SQLite says of its own limit on pages what it says of a full disk.
    let pages: i64 = db
        .connection
        .pragma_query_value(None, "page_count", |r| r.get(0))
        .unwrap();
    let limit = |db: &Db, pages: i64| {
        db.connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .unwrap();
    };
    limit(&db, pages);
    let mut large = row(1);
    large.row.question = "?".repeat(100_000);
    let error = db.add_row("a", &large, Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("disk is full"), "{error}");
    assert_eq!(db.run("a").unwrap(), before);
    limit(&db, 1_000_000);

    db.connection
        .pragma_update(None, "query_only", true)
        .unwrap();
    let error = db.add_row("a", &row(1), Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("is read-only"), "{error}");
    db.connection
        .pragma_update(None, "query_only", false)
        .unwrap();
    db.add_row("a", &large, Duration::ZERO).unwrap();
    assert_eq!(db.run("a").unwrap().rows.len(), 2);
}
