//! A sweep from the plots screen, in a pseudo-terminal, as a person does it.

use crate::common::{Home, MODEL, MODEL_NAME, Pty};

const ENTER: &str = "\r";
const DOWN: &str = "\x1b[B";
const END: &str = "\x1b[F";
const BACKSPACE: &str = "\x7f";

const PROBLEMS: &str = "bundled:held-out";

/// What the plots open on where no run was made yet.
const SHIPPED: &str = "shipped-reasoner";

/// Chooses a row of the form, and types its value.
fn field(pty: &Pty, row: usize, title: &str, value: &str) {
    pty.keys("\x1b[H");
    for _ in 0..row {
        pty.keys(DOWN);
    }
    pty.keys(ENTER).wait_for("Enter OK");
    pty.keys(&BACKSPACE.repeat(60)).keys(value).keys(ENTER);
    pty.wait_until(title, |s| {
        s.contains("A new sweep") && !s.contains("Enter OK")
    });
}

#[test]
fn a_sweep_is_launched_watched_and_a_cell_opens_its_trace() {
    let home = Home::new();
    let args = ["--model", MODEL];
    let mut pty = Pty::start(&home, &args, 40, 120);
    pty.wait_for(MODEL_NAME).keys("\x1b").keys("3");
    pty.wait_for(SHIPPED).keys("n").wait_for("A new sweep");
    pty.wait_for(PROBLEMS);
    field(&pty, 2, "Thinking budgets", "0,16,48");
    field(&pty, 3, "Waits", "0");
    field(&pty, 4, "Only the first", "6");
    field(&pty, 9, "Name", "first");
    pty.keys(END).keys(ENTER);

    // The curve is there before the sweep is done, and complete afterwards.
    pty.wait_for("accuracy against thinking tokens")
        .wait_for("first (n = ");
    pty.wait_for("The sweep first is done.")
        .wait_for("first (n = 6)");
    pty.keys("\x1b[D").wait_for("/6 = ");

    // From the curve to its problems, and from a cell to its trace.
    pty.keys("\t").wait_for("items ─ first").wait_for("✂");
    pty.keys(DOWN).keys("\x1b[C").keys("\x1b[C").keys(ENTER);
    pty.wait_for("Calculate 288 + 179")
        .wait_for("✂ budget used up at 48");
    pty.keys("3").wait_for("items ─ first");
    pty.keys("q");
    assert_eq!(pty.end(), 0);
    assert!(pty.is_restored());
}

#[test]
fn a_sweep_is_paused_and_cancelled_and_what_is_done_stays() {
    let home = Home::new();
    let args = ["--model", MODEL];
    let mut pty = Pty::start(&home, &args, 24, 80);
    pty.wait_for(MODEL_NAME).keys("\x1b").keys("3");
    pty.wait_for(SHIPPED).keys("n").wait_for("A new sweep");
    field(&pty, 2, "Thinking budgets", "0,natural");
    field(&pty, 3, "Waits", "0");
    field(&pty, 4, "Only the first", "");
    field(&pty, 9, "Name", "long");
    pty.keys(END).keys(ENTER).wait_for("long (n = ");
    pty.keys("p").wait_for("paused");
    pty.keys("p")
        .wait_until("going on", |s| !s.contains("paused"));
    pty.keys("x").wait_for("goes on with long");
    // It goes on from here, and leaving asks once.
    pty.keys("p").wait_for("long goes on.");
    pty.wait_until("its model is loaded", |s| !s.contains("loading the model"));
    pty.keys("q").wait_for("Leave and stop the sweep?");
    pty.keys("n")
        .wait_until("it stays", |s| !s.contains("Leave and stop"));
    pty.keys("q")
        .wait_for("Leave and stop the sweep?")
        .keys("y");
    assert_eq!(pty.end(), 0);
    let said = pty.text();
    assert!(said.contains("s1-tui sweep --resume long"), "{said}");

    // The next program goes on with it, too.
    let mut pty = Pty::start(&home, &args, 24, 80);
    pty.wait_for(MODEL_NAME)
        .keys("\x1b")
        .keys("3")
        .wait_for("long (n = ");
    pty.keys("p").wait_for("long goes on.");
    pty.keys("\x03")
        .wait_for("Leave and stop the sweep?")
        .keys("\x03");
    assert_eq!(pty.end(), 0);
    assert!(pty.is_restored());
}
