//! A sweep over two real servers of one model, of which one dies on the way. What would be lost: a
//! night's work, with one machine of several.
//!
//! `S1_TUI_TEST_SERVER` and `S1_TUI_TEST_REPLICA` are their addresses (llama.cpp's, with metrics), and
//! `S1_TUI_TEST_REPLICA_PID` is the process of the second, which this test kills.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::common::Home;
use serde_json::Value;

const PROBLEMS: usize = 12;
const BUDGETS: [usize; 3] = [0, 32, 64];

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// Tokens that a server has written since it was started.
fn written(address: &str) -> f64 {
    let host = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let of = |line: &str| {
        let value = line.strip_prefix("llamacpp:tokens_predicted_total ")?;
        value.trim().parse().ok()
    };
    answer
        .lines()
        .find_map(of)
        .unwrap_or_else(|| panic!("{answer}"))
}

#[test]
#[ignore = "needs two servers of llama.cpp, one of which is killed"]
fn a_sweep_goes_on_where_one_of_two_servers_dies() {
    let home = Home::new();
    let replica = variable("S1_TUI_TEST_REPLICA");
    let servers = format!("{},{replica}", variable("S1_TUI_TEST_SERVER"));
    let budgets = BUDGETS.map(|budget| budget.to_string()).join(",");
    let limit = PROBLEMS.to_string();
    let before = written(&replica);
    let mut sweep = home.command();
    sweep
        .args([
            "sweep", "--server", &servers, "--name", "both", "--db", "s.db",
        ])
        .args(["--problems", "bundled:held-out", "--limit", &limit])
        .args(["--budgets", &budgets, "--answer-max", "24", "--cut-loops"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let child = sweep.spawn().unwrap();

    // In the middle of what it does for this sweep.
    let deadline = Instant::now() + Duration::from_secs(60);
    while written(&replica) < before + 20.0 {
        assert!(
            Instant::now() < deadline,
            "the second server has no part in it"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let killed = Command::new("kill")
        .args(["-KILL", &variable("S1_TUI_TEST_REPLICA_PID")])
        .status();
    assert!(killed.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    let export = home
        .command()
        .args(["export", "both", "--db", "s.db"])
        .output()
        .unwrap();
    assert!(export.status.success());
    let lines = String::from_utf8(export.stdout).unwrap();
    let answers: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let places: BTreeSet<String> = answers
        .iter()
        .map(|answer| format!("{} {}", answer["doc_id"], answer["budget"]))
        .collect();
    let all = PROBLEMS * BUDGETS.len();
    assert_eq!((answers.len(), places.len()), (all, all), "{said}");
}
