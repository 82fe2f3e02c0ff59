//! What nobody would type on purpose: every number of every command, and files that are not what they
//! are given for. What would be lost: trust. Whatever comes in, it is used, or one sentence says what is
//! wrong with it; nothing panics, and nothing hangs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Home, MODEL};

/// The longest that a refusal may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Values that no number of ours is meant to have, or that are at the edge of what one can be.
const VALUES: [&str; 18] = [
    "0",
    "-1",
    "-0",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "1e-320",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "0.5",
    "1,2",
    "0x10",
    "",
    "٣",
];

/// What is added so that a command has something to do, and little of it. Small numbers that are then
/// overwritten by the value on trial.
fn small(command: &str) -> Option<Vec<&'static str>> {
    let args: &[&str] = match command {
        "run" => &[
            "--model",
            MODEL,
            "--prompt",
            "Hi",
            "--max-thinking",
            "2",
            "--answer-max",
            "2",
            "--context",
            "512",
        ],
        "score" => &["--model", MODEL, "--text", "Hi"],
        "prompt" => &["--model", MODEL, "--prompt", "Hi"],
        "train" => &[
            "--model",
            "bundled:base",
            "--data",
            "data.jsonl",
            "--out",
            "out",
            "--plan",
        ],
        "sweep" => &[
            "--model",
            MODEL,
            "--problems",
            "problems.jsonl",
            "--limit",
            "1",
            "--budgets",
            "0",
            "--answer-max",
            "2",
            "--db",
            "one.db",
            "--context",
            "512",
        ],
        "curate" => &["--pool", "pool.jsonl", "--out", "curated.jsonl"],
        "runs" | "export" | "plot" | "policies" | "budget" => &["none", "--db", "none.db"],
        "grade" => &["--reference", "1", "--answer", "1"],
        _ => return None,
    };
    Some(args.to_vec())
}

/// Flags that take a number, as the help names their values, by command.
fn numeric_flags() -> BTreeMap<String, Vec<String>> {
    let command = s1_tui::cli::command();
    let mut found = BTreeMap::new();
    for sub in command.get_subcommands() {
        let flags = sub.get_arguments().filter(|arg| {
            let names = arg.get_value_names().unwrap_or_default();
            let takes = arg.get_action().takes_values();
            let words = ["FILE", "TEXT", "DIR", "PATH", "NAME", "RUN", "MODEL", "URL"];
            takes && arg.get_long().is_some() && !names.iter().any(|n| words.contains(&n.as_str()))
        });
        let flags = flags.filter_map(|arg| Some(arg.get_long()?.to_owned()));
        found.insert(sub.get_name().to_owned(), flags.collect());
    }
    found
}

/// Runs a command to its end; kills it, and says so, where it takes too long.
fn ended(command: &mut Command, what: &str) -> Output {
    let started = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("{what}: it does not end");
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    child.wait_with_output().unwrap()
}

/// Done, or refused in words.
fn is_orderly(output: &Output, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    assert!(matches!(code, Some(0..=2)), "{what}: {code:?}: {said}");
    assert!(
        !said.contains("panicked") && !said.contains("stack backtrace"),
        "{what}: {said}"
    );
    if code == Some(1) {
        assert!(!said.trim().is_empty(), "{what}: nothing is said");
        assert!(said.lines().count() <= 6, "{what}: {said}");
    }
}

fn home() -> Home {
    let home = Home::new();
    let line = |i: usize| {
        format!(
            "{{\"question\": \"What is {i} plus 1?\", \"thinking\": \"It is {i} + 1.\", \"answer\": \"{}\"}}\n",
            i + 1
        )
    };
    let lines: String = (0..4).map(line).collect();
    for name in ["data.jsonl", "problems.jsonl", "pool.jsonl"] {
        fs::write(home.path(name), &lines).unwrap();
    }
    home
}

#[test]
fn every_number_of_every_command_is_used_or_refused() {
    let home = home();
    let mut tried = 0;
    for (command, flags) in numeric_flags() {
        let Some(args) = small(&command) else {
            continue;
        };
        for flag in flags {
            // A setting that is given twice is an error of its own.
            let own = format!("--{flag}");
            let at = args.iter().position(|arg| *arg == own);
            let rest: Vec<&str> = match at {
                Some(at) => [&args[..at], &args[at + 2..]].concat(),
                None => args.clone(),
            };
            for value in VALUES {
                let mut program = home.command();
                program
                    .arg(&command)
                    .args(&rest)
                    .arg(format!("--{flag}={value}"));
                let what = format!("{command} --{flag}={value}");
                // One that thinks for long is killed: that it works is not what is asked here.
                is_orderly(&ended(program.env("S1_TUI_THREADS", "1"), &what), &what);
                tried += 1;
                let _ = fs::remove_file(home.path("one.db"));
                let _ = fs::remove_file(home.path("curated.jsonl"));
            }
        }
    }
    println!("{tried} values were tried");
    assert!(tried > 1000, "only {tried} were tried");
}

/// Files that are given for data, by name.
fn write_bad_files(folder: &Path) -> Vec<String> {
    let nested = |open: &str, n: usize| open.repeat(n);
    let question = r#"{"question": "1+1?", "answer": "2"}"#;
    let utf16: Vec<u8> = question.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&vec![b'0'; 64 << 20]).unwrap();
    let bomb = gzip.finish().unwrap();
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("empty.jsonl", vec![]),
        ("blank.jsonl", b"\n\n \n".to_vec()),
        ("nul.jsonl", vec![0; 4096]),
        (
            "bom.jsonl",
            [&b"\xef\xbb\xbf"[..], question.as_bytes()].concat(),
        ),
        ("utf16.jsonl", [&[0xff, 0xfe], &utf16[..]].concat()),
        (
            "latin1.jsonl",
            b"{\"question\": \"caf\xe9\", \"answer\": \"2\"}".to_vec(),
        ),
        ("deep.jsonl", nested("[", 200_000).into_bytes()),
        ("deeper.json", nested("{\"a\":", 100_000).into_bytes()),
        (
            "long.jsonl",
            [b"{\"question\": \"", &vec![b'x'; 50 << 20][..], b"\"}"].concat(),
        ),
        ("cut.jsonl", question[..20].into()),
        ("numbers.jsonl", b"1\n2\n3\n".to_vec()),
        ("null.jsonl", b"null\n".to_vec()),
        ("list.jsonl", b"[{\"question\": \"1+1?\"}]\n".to_vec()),
        (
            "types.jsonl",
            b"{\"question\": 7, \"answer\": [true, null]}\n".to_vec(),
        ),
        (
            "big.jsonl",
            b"{\"question\": \"?\", \"answer\": 1e999}\n".to_vec(),
        ),
        (
            "keys.jsonl",
            format!(
                "{{{}}}",
                (0..20_000)
                    .map(|i| format!("\"k{i}\": {i}"))
                    .collect::<Vec<_>>()
                    .join(",")
            )
            .into(),
        ),
        (
            "escape.jsonl",
            b"{\"question\": \"\\u001b[2J\\u0007\", \"answer\": \"2\"}".to_vec(),
        ),
        (
            "surrogate.jsonl",
            b"{\"question\": \"\\ud800\", \"answer\": \"2\"}".to_vec(),
        ),
        ("html.jsonl", b"<!DOCTYPE html><html>Log in</html>".to_vec()),
        ("cut.gz", bomb[..bomb.len() / 2].to_vec()),
        ("bomb.jsonl.gz", bomb),
        ("gzip.jsonl.gz", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
        (
            "zstd.jsonl.zst",
            vec![0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff],
        ),
        (
            "parquet.parquet",
            b"PAR1\x15\x04\x15\xff\xff\xff\xffPAR1".to_vec(),
        ),
        (
            "footer.parquet",
            [
                &b"PAR1"[..],
                &[0xff; 64],
                &[0xff, 0xff, 0xff, 0x7f],
                b"PAR1",
            ]
            .concat(),
        ),
        ("csv.csv", b"question,answer\n\"1+1?,2\n".to_vec()),
        ("csv2.csv", b"question,answer\n1+1?\n1,2,3,4,5\n".to_vec()),
        ("name\nwith newline.jsonl", question.into()),
        ("text.txt", b"What is 1+1?".to_vec()),
    ];
    let mut names = Vec::new();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
        names.push(name.to_owned());
    }
    fs::create_dir(folder.join("folder.jsonl")).unwrap();
    names.extend(["folder.jsonl", "missing.jsonl", "/dev/null"].map(str::to_owned));
    names
}

#[test]
fn files_that_are_no_data_are_refused_with_a_sentence() {
    let home = home();
    for name in write_bad_files(home.folder.path()) {
        for (command, flag) in [
            ("sweep", "--problems"),
            ("train", "--data"),
            ("curate", "--pool"),
        ] {
            let args = small(command).unwrap();
            let at = args.iter().position(|arg| *arg == flag).unwrap();
            let rest = [&args[..at], &args[at + 2..]].concat();
            let mut program = home.command();
            program.arg(command).args(&rest).args([flag, &name]);
            let what = format!("{command} {flag} {name:?}");
            let output = ended(&mut program, &what);
            is_orderly(&output, &what);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                !said.contains('\u{1b}') && !said.contains('\u{7}'),
                "{what}: {said:?}"
            );
            let _ = fs::remove_file(home.path("one.db"));
            let _ = fs::remove_file(home.path("curated.jsonl"));
        }
    }
}

/// Bytes that no model file has: whatever is asked of it, the model is refused by name.
#[test]
fn files_that_are_no_models_are_refused_with_a_sentence() {
    let home = home();
    let whole = s1_model::fixture::tiny_gguf("qwen3", 7);
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("empty.gguf".into(), vec![]),
        ("text.gguf".into(), b"this is no model".to_vec()),
        ("old.gguf".into(), b"GGUF\x01\0\0\0".to_vec()),
    ];
    for part in [8, 24, 100, whole.len() / 2, whole.len() - 1] {
        files.push((format!("cut{part}.gguf"), whole[..part].to_vec()));
    }
    // One byte changed in every part of the header.
    for at in (4..2000).step_by(61) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x80;
        files.push((format!("flip{at}.gguf"), bytes));
    }
    for (name, bytes) in files {
        fs::write(home.path(&name), bytes).unwrap();
        let args = [
            "run",
            "--prompt",
            "Hi",
            "--max-thinking",
            "1",
            "--answer-max",
            "1",
            "--context",
            "64",
            "--model",
            &name,
        ];
        let output = ended(home.command().args(args), &name);
        is_orderly(&output, &name);
    }
}
