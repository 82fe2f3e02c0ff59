//! The first minute, in a pseudo-terminal, as a newcomer meets it.

use crate::common::{Home, MODEL_NAME, Pty};

const F2: &str = "\x1bOQ";

/// A pace at which the test is short and the thought is still seen to be written.
const PACE: [(&str, &str); 1] = [("S1_TUI_PACE", "160")];

#[test]
fn one_key_repairs_the_first_answer_and_the_tour_never_comes_back_by_itself() {
    let home = Home::new();
    let mut pty = Pty::start_with(&home, &[], 24, 80, &PACE);
    pty.wait_for("What is 912 + 289 + 616?")
        .wait_for("It thinks, at 160 tokens per second");
    pty.wait_for("Answer ▸ 1717 ✗")
        .wait_for("It is wrong: 1817 is right. Press w");
    pty.keys("w").wait_for("⟲ Wait").wait_for("Answer ▸ 1817 ✓");
    pty.wait_for("Repaired. Press 2")
        .keys("2")
        .wait_for("That was one question. Press 3");
    let lanes = pty.text();
    assert_eq!(lanes.matches("Answer ▸").count(), 4, "{lanes}");
    pty.keys("3").wait_for("accuracy against thinking tokens");
    pty.wait_for("shipped-reasoner").wait_for("Press 1");
    pty.keys("1").wait_for("This time it is right");
    pty.keys("w").wait_for("Taken back.");
    pty.keys("q");
    assert_eq!(pty.end(), 0);
    assert!(pty.is_restored());

    // Never again by itself, but by its key; any other key ends it.
    let mut pty = Pty::start_with(&home, &[], 24, 80, &PACE);
    pty.wait_for(MODEL_NAME)
        .wait_for("Ask something, watch it think");
    pty.keys(F2).wait_for("It thinks, at 160 tokens per second");
    pty.keys("t").wait_for("Branches");
    let shown = pty.text();
    assert!(!shown.contains("It thinks, at"), "{shown}");
    pty.keys("\x03");
    assert_eq!(pty.end(), 0);
}

/// A thought is seen to be written, steered while it is, and held where a key says.
#[test]
fn a_thought_at_reading_speed_is_steered_while_it_is_written() {
    let home = Home::new();
    home.has_toured();
    let args = ["--question", "What is 337 times 93?"];
    let mut pty = Pty::start_with(&home, &args, 24, 80, &[("S1_TUI_PACE", "20")]);
    pty.wait_for(MODEL_NAME).keys("\r").wait_for("thinking ▸");
    pty.keys(" ").wait_for("paused");
    pty.keys(" ").wait_for("thinking ▸");
    pty.keys("w").wait_for("⟲ 1 pending");
    pty.keys(">").wait_for("40 tokens per second");
    pty.keys(">>>>").wait_for("as fast as the model can");
    // The rest is written between two pictures of the screen: the Wait is looked for, as a person would.
    pty.wait_for("■ ended its thinking").wait_for("Answer ▸");
    pty.keys("{{").wait_for("⟲ Wait");
    pty.keys("q");
    assert_eq!(pty.end(), 0);
}
