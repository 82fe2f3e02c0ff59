//! Sweeps that are killed again and again: that they advance, what that costs, and that they end as
//! one that nobody disturbed.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use super::{LONG, done, stored, table};
use crate::common::{Home, models, tokens_stored};

/// One run of a sweep that is killed again and again.
struct Sitting {
    /// From 1.
    number: usize,
    since: Duration,
    computed: Computed,
    /// Tokens that it has added to what is stored.
    added: usize,
}

/// Tokens that a model has computed: unlike a time, it is the same on every machine, whatever else
/// that has to do.
#[derive(Clone, Copy, Debug, Default)]
struct Computed {
    /// One after another.
    written: usize,
    /// Many at once, which costs less.
    read: usize,
}

impl std::ops::AddAssign for Computed {
    fn add_assign(&mut self, more: Computed) {
        self.written += more.written;
        self.read += more.read;
    }
}

/// What has been computed for a home, as its log has it.
#[derive(Default)]
struct Log {
    /// Bytes that were read of it.
    read: usize,
}

impl Log {
    /// What has been computed since the last call.
    fn computed(&mut self, home: &Home) -> Computed {
        let log = std::fs::read_to_string(home.path("state/s1-tui/log.txt")).unwrap_or_default();
        let new = log.get(self.read..).unwrap_or_default();
        // What a kill cuts off has no end of its line.
        let whole = new.rfind('\n').map_or(0, |end| end + 1);
        self.read += whole;
        let mut all = Computed::default();
        for step in new[..whole].lines().filter(|line| line.contains(" step ")) {
            let number = |name: &str| -> usize {
                let (_, rest) = step.split_once(name).unwrap();
                rest.split(' ').next().unwrap().parse().unwrap()
            };
            let (sequences, tokens) = (number(" sequences="), number(" tokens="));
            all.written += tokens.min(sequences);
            all.read += tokens.saturating_sub(sequences);
        }
        all
    }
}

/// A sweep that is killed again and again, each time when `enough` says so: the output of the
/// sitting that ends it, how many it took, and the tokens that they computed together.
fn killed_when(
    home: &Home,
    args: &[&str],
    name: &str,
    enough: impl Fn(&Sitting) -> bool,
) -> (Output, usize, Computed) {
    let mut log = Log::default();
    log.computed(home);
    let mut all = Computed::default();
    for number in 1..200 {
        let stored = || tokens_stored(&home.path("s.db"), name);
        let before = stored();
        let known = home
            .command()
            .args(["runs", name, "--db", "s.db"])
            .output()
            .unwrap();
        let mut command = home.command();
        command.env("S1_TUI_LOG", "s1_engine=trace");
        command.args(["sweep", "--json", "--db", "s.db"]);
        match known.status.success() {
            true => command.args(["--resume", name]),
            false => command.args(args).args(["--name", name]),
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let since = Instant::now();
        let mut computed = Computed::default();
        let over = loop {
            let over = child.try_wait().unwrap().is_some();
            computed += log.computed(home);
            let sitting = Sitting {
                number,
                since: since.elapsed(),
                computed,
                added: stored() - before,
            };
            if over || enough(&sitting) {
                break over;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        all += computed;
        all += log.computed(home);
        if over {
            return (output, number, all);
        }
    }
    panic!("it never ends");
}

#[test]
fn a_sweep_that_is_killed_sooner_than_a_problem_takes_advances_and_ends_the_same() {
    let home = Home::new();
    let args: Vec<&str> = LONG.split(' ').collect();
    let mut whole = home.command();
    whole
        .args(["sweep", "--json", "--db", "s.db", "--name", "whole"])
        .args(&args);
    let expected = table(&done(&mut whole));
    // A problem has more than 800 tokens: none is finished in one sitting.
    let (last, sittings, _) = killed_when(&home, &args, "killed", |sitting| {
        assert!(
            sitting.since < Duration::from_secs(120),
            "it does not advance"
        );
        sitting.added > 20 + sitting.number * 137 % 330
    });
    assert!(sittings > 5, "{sittings}");
    assert_eq!(table(&last), expected);
    assert!(stored(&home, "killed") == stored(&home, "whole"));
}

/// A user would lose: the time of a sweep whose sittings are shorter than its problems take. Sixteen of
/// a real model, killed each time a quarter of the whole is computed.
#[test]
#[ignore = "needs S1_TUI_MODELS"]
fn a_real_model_that_is_killed_again_and_again_computes_at_most_half_as_much_again() {
    let home = Home::new();
    let model = models().join("smollm2-135m-instruct-q4_1.gguf");
    let model = model.display().to_string();
    let args = format!(
        "--problems bundled:held-out --limit 16 --budgets 0,32,natural --answer-max 64 --context 512 --model {model}"
    );
    let args: Vec<&str> = args.split(' ').collect();
    let (whole, _, alone) = killed_when(&home, &args, "whole", |_| false);
    let share = alone.written / 4;
    let enough = |sitting: &Sitting| sitting.computed.written >= share;
    let (last, sittings, all) = killed_when(&home, &args, "killed", enough);
    eprintln!("alone {alone:?}, killed {all:?} in {sittings} sittings");
    assert!(sittings > 3, "{sittings}");
    assert_eq!(table(&last), table(&whole));
    assert!(stored(&home, "killed") == stored(&home, "whole"));
    assert!(all.written <= alone.written * 3 / 2, "{all:?}");
    // The beginnings of what was under way.
    assert!(all.read <= alone.read + sittings * 256, "{all:?}");
}
