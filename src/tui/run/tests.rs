//! What becomes of a part of the program that has met a bug. The test binary runs again inside a
//! pseudo-terminal, as a child that is the program with one job that panics.

#![cfg(unix)]

use super::super::app::jobs::{Job, Tell};
use super::super::app::testing::options;
use super::super::terminal::tests::{ENDING, LEAVE, Run};
use super::*;

#[derive(Debug, PartialEq)]
struct Broken;

impl Job for Broken {
    type Output = ();

    fn run(self, _: &JobContext, _: Tell) -> Result<()> {
        panic!("a bug in a job");
    }
}

/// The child; as a test of its own it does nothing.
#[test]
fn child() {
    if std::env::var_os(ENDING).is_none() {
        return;
    }
    println!("pid:{}:listens.", std::process::id());
    let home = tempfile::tempdir().unwrap();
    let setup = Setup {
        app: Options {
            model: None,
            mouse: false,
            ..options()
        },
        dirs: Dirs::below(home.path()),
        models: catalog::ModelFolders::default(),
        load: LoadOptions::default(),
        session: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let code = runtime.unwrap().block_on(async {
        let program = EventLoop::start(setup).unwrap();
        program.spawn(AnyJob::new(Broken, |app, outcome| {
            let told = outcome.unwrap_err();
            assert!(
                told.contains("a bug of s1-tui"),
                "whoever waited is answered"
            );
            app.overlay = None;
        }));
        program.run().await
    });
    std::process::exit(i32::from(code.unwrap()));
}

#[test]
fn a_bug_in_a_job_is_shown_and_told_again_when_the_terminal_is_given_back() {
    let mut run = Run::of("tui::run::tests::child", "a bug in a job");
    run.until_shown("a part of s1-tui has met a bug and stopped: a bug in a job");
    run.kill("-TERM");
    let (code, seen) = run.restored();
    assert_eq!(code, 143, "{seen}");
    let (_, after) = seen.split_once(LEAVE).unwrap();
    let expected = "a part of s1-tui has met a bug and stopped: a bug in a job (thread ";
    assert!(after.contains(expected), "{after:?}");
    assert_eq!(after.matches("a bug in a job").count(), 1, "{after:?}");
    assert!(after.contains("Please report this sentence."), "{after:?}");
}
