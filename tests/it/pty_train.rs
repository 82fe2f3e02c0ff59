//! A training from the train screen, in a pseudo-terminal, as a person does it.
//!
//! If this fails, a user cannot launch a training, cannot pause or stop it, or loses it when the
//! program is left.

use crate::common::{Home, MODEL, MODEL_NAME, Pty};

const ENTER: &str = "\r";
const DOWN: &str = "\x1b[B";
const HOME: &str = "\x1b[H";
const BACKSPACE: &str = "\x7f";

/// Alt-4: the digit alone would go into the question box.
const TAB_4: &str = "\x1b4";

/// Rows of the form.
const BATCH: usize = 7;
const BLOCK: usize = 8;
const ADVANCED: usize = 10;
const STEPS: usize = 17;
const SAVE_EVERY: usize = 24;
const HELD_OUT: usize = 26;
const SAMPLE_EVERY: usize = 31;

fn choose(pty: &Pty, row: usize) {
    pty.keys(HOME).keys(&DOWN.repeat(row)).keys(ENTER);
}

/// Chooses a row of the form, and types its value.
fn field(pty: &Pty, row: usize, value: &str) {
    choose(pty, row);
    pty.wait_for("Enter OK");
    pty.keys(&BACKSPACE.repeat(60)).keys(value).keys(ENTER);
    pty.wait_until(value, |s| !s.contains("Enter OK"));
}

/// Steps done, as the screen says.
fn steps(screen: &str) -> Option<usize> {
    let (_, rest) = screen.split_once("  step ")?;
    let (done, _) = rest.split_once('/')?;
    done.replace([',', ' '], "").parse().ok()
}

fn wait_for_step(pty: &Pty, least: usize) {
    pty.wait_until(&format!("step {least}"), |s| {
        s.contains("▸ running") && steps(s).is_some_and(|n| n >= least)
    });
}

#[test]
fn a_training_is_launched_paused_stopped_and_found_again_by_the_next_program() {
    let home = Home::new();
    let args = ["--model", MODEL];
    let mut pty = Pty::start(&home, &args, 40, 120);
    pty.wait_for(MODEL_NAME).keys(TAB_4);
    pty.wait_for("Start base-1");
    field(&pty, BATCH, "1");
    field(&pty, BLOCK, "128");
    choose(&pty, ADVANCED);
    pty.wait_for("Steps at most");
    field(&pty, STEPS, "4000");
    field(&pty, SAVE_EVERY, "5");
    field(&pty, HELD_OUT, "off");
    field(&pty, SAMPLE_EVERY, "20");
    // What it will take, and an example whose loss is seen.
    pty.wait_for("--max-steps 4000").wait_for("4,000 steps");
    pty.wait_for("▌ ");
    choose(&pty, 0);

    pty.wait_for("▸ running").wait_for("smoothed");
    wait_for_step(&pty, 3);
    pty.wait_for("How many r in raspberry?");
    pty.keys("-").wait_for("×0.5");
    pty.keys(" ").wait_for("‖ paused");
    let paused = steps(&pty.text()).unwrap();
    // Another screen and back: it is still there.
    pty.keys("1").wait_for("Question").keys(TAB_4);
    pty.wait_for("‖ paused");
    assert_eq!(steps(&pty.text()), Some(paused), "a paused training holds");
    pty.keys(" ");
    wait_for_step(&pty, paused + 2);
    pty.keys("t").wait_for("■ stopped");
    let stopped = steps(&pty.text()).unwrap();
    pty.keys("q");
    assert_eq!(pty.end(), 0);
    assert!(pty.is_restored());

    // The next program finds it, and goes on with it.
    let mut pty = Pty::start(&home, &args, 40, 120);
    pty.wait_for(MODEL_NAME).keys(TAB_4);
    pty.wait_for("base-1").wait_for("■ stopped");
    assert_eq!(steps(&pty.text()), Some(stopped));
    pty.keys("R");
    wait_for_step(&pty, stopped + 2);
    pty.keys("q");
    assert_eq!(pty.end(), 0, "one leaves while it is at work");

    let mut pty = Pty::start(&home, &args, 24, 80);
    pty.wait_for(MODEL_NAME).keys(TAB_4);
    wait_for_step(&pty, stopped + 3);
    pty.keys("K").wait_for("Kill the training base-1?");
    pty.keys("y").wait_for("✗ killed");
    pty.keys("q");
    assert_eq!(pty.end(), 0);
}
