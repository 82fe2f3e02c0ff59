//! The whole program in a pseudo-terminal, as a person uses it.

use s1_store::session::Document;

use crate::common::{Home, MODEL, MODEL_NAME, Pty, Stalled};

const ENTER: &str = "\r";

/// The explorer with a question ready. Made to wait again and again, the model thinks long enough
/// to be steered.
fn explorer(home: &Home, rows: u16, cols: u16) -> Pty {
    explorer_at(home, rows, cols, &[])
}

/// The same with more environment.
fn explorer_at(home: &Home, rows: u16, cols: u16, env: &[(&str, &str)]) -> Pty {
    let question = ["--question", "What is 337 times 93?"];
    // Where the thought is cut depends on the machine's speed, and so does what it answers then: it
    // may think on. So that the cut stays on the screen, it gets little room.
    let limits = [
        "--max-thinking",
        "600",
        "--waits",
        "99",
        "--answer-max",
        "8",
    ];
    let args = [&["--model", MODEL], &question[..], &limits[..]].concat();
    let pty = Pty::start_with(home, &args, rows, cols, env);
    pty.wait_for("What is 337 times 93?").wait_for(MODEL_NAME);
    pty
}

/// What the screen says once the model has answered.
const ENDED: &str = "Answer ▸";

/// Asks, pauses at once, and steps three tokens further into the thought.
fn pause_in_thought(pty: &Pty) {
    pty.keys(ENTER).keys(" ").wait_for("paused");
    // On a busy machine the pause may come some tokens late.
    let screen = pty.text();
    let before = screen.split(" / 600").next().unwrap_or_default();
    let count = before.rsplit(' ').next().unwrap_or_default();
    let paused_at: usize = count.parse().unwrap_or(0);
    pty.keys("sss")
        .wait_for(&format!(" {} / 600", paused_at + 3));
}

#[test]
fn ask_wait_cut_branch_quit() {
    let home = Home::new();
    let mut pty = explorer(&home, 32, 120);
    pause_in_thought(&pty);
    pty.keys("w").wait_for("⟲ Wait");
    pty.keys("x").wait_for("✂ cut").wait_for(ENDED);
    pty.keys("\x1b[H").keys("b").wait_for("2 branches");
    pty.keys("q");
    assert_eq!(pty.end(), 0);
    assert!(pty.is_restored());
    let sessions = home.sessions();
    assert_eq!(sessions.len(), 1, "what was done is kept: {sessions:?}");
}

/// A user would lose: seconds before a blank screen where a terminal does not answer, and the signs that
/// say what happened, where its font lacks them.
#[test]
fn no_terminal_is_asked_anything_and_the_console_gets_marks_that_it_has() {
    for (term, right, corner) in [("xterm-256color", '✓', '╭'), ("linux", '+', '┌')] {
        let home = Home::new();
        let asked = [
            "--question",
            "What is 337 times 93?",
            "--reference",
            "31341",
        ];
        let args = [&["--model", MODEL], &asked[..]].concat();
        let mut pty = Pty::start_with(&home, &args, 24, 80, &[("TERM", term)]);
        pty.wait_for("What is 337 times 93?").wait_for(MODEL_NAME);
        assert!(pty.text().contains(corner), "{}", pty.text());
        pty.keys(ENTER).wait_for(&format!("31341 {right}"));
        pty.keys("q");
        assert_eq!(pty.end(), 0);
        assert!(!pty.has_asked(), "{term}");
    }
}

/// A user would lose: the rest of a thought that they stopped to read.
#[test]
fn what_esc_has_stopped_goes_on() {
    let home = Home::new();
    // At a pace: without one a release build is done before the next key.
    let mut pty = explorer_at(&home, 24, 80, &[("S1_TUI_PACE", "20")]);
    pause_in_thought(&pty);
    pty.keys(" ").wait_for("thinking ▸");
    pty.keys("\x1b").wait_for("■ stopped");
    pty.keys("s").wait_for("paused");
    pty.keys("\x1b");
    pty.keys(" ").wait_for("thinking ▸");
    pty.keys("x").wait_for(ENDED);
    pty.keys("q");
    assert_eq!(pty.end(), 0);
    let said = pty.text();
    assert!(
        said.contains("The session is kept: s1-tui --session "),
        "{said}"
    );
}

/// A user would lose: the second line of a paste, which would be commands, and the theme they chose.
#[test]
fn lines_that_a_terminal_does_not_mark_as_pasted_are_text() {
    let home = Home::new();
    let mut pty = explorer(&home, 24, 80);
    pty.keys("\x15")
        .keys("How many r are there\rin raspberry? wxq");
    pty.wait_for("in raspberry? wxq")
        .wait_for("How many r are there");
    // An escape that something follows at once would be Alt with it.
    let left = |screen: &str| !screen.contains("Alt-Enter new line");
    pty.keys("\x1b").wait_until("the question left", left);
    pty.keys("T")
        .wait_for("Theme: light, for the next start, too.");
    pty.keys("q");
    assert_eq!(pty.end(), 0);
    let mut pty = explorer(&home, 24, 80);
    pty.keys("\x1b").wait_until("the question left", left);
    pty.keys("T").wait_for("Theme: default");
    pty.keys("q");
    assert_eq!(pty.end(), 0);
}

#[test]
fn it_can_be_resized_to_nothing_and_back_while_it_thinks() {
    let home = Home::new();
    let mut pty = explorer(&home, 24, 80);
    pty.keys(ENTER).wait_for("600");
    for (rows, cols) in [(1, 1), (2, 200), (50, 3), (10, 20), (50, 200)] {
        pty.resize(rows, cols);
    }
    pty.wait_for("600");
    pty.keys("\x1b").keys("q");
    pty.keys("y");
    assert_eq!(pty.end(), 0);
    assert!(pty.is_restored());
}

#[test]
fn a_signal_leaves_the_terminal_and_the_work_in_order() {
    for (name, code) in [("TERM", 143), ("HUP", 129), ("INT", 130), ("QUIT", 131)] {
        let home = Home::new();
        let mut pty = explorer(&home, 24, 80);
        pause_in_thought(&pty);
        pty.signal(name);
        assert_eq!(pty.end(), code, "{name}");
        assert!(pty.is_restored(), "{name}");
        assert_eq!(home.sessions().len(), 1, "{name}");
    }
}

/// A user would lose: the shell, to a program that waits for a terminal that takes no output.
#[test]
fn a_terminal_that_takes_no_output_does_not_hold_the_program() {
    let home = Home::new();
    let mut stalled = Stalled::start(&home);
    stalled.signal("TERM");
    assert_eq!(stalled.end(), Some(143));
}

#[test]
fn a_kill_loses_nothing_that_was_finished() {
    let home = Home::new();
    let mut pty = explorer(&home, 24, 80);
    pty.keys(ENTER).wait_for("600");
    pty.keys("x").wait_for(ENDED);
    // The end is written down at once, on another thread.
    pty.wait_until("the session's end in its file", |_| {
        let sessions = home.sessions();
        let mut saved = sessions.iter().filter_map(|file| Document::read(file).ok());
        saved
            .next_back()
            .is_some_and(|d| d.tree.branches()[0].stop.is_some())
    });
    pty.signal("KILL");
    pty.end();
    let sessions = home.sessions();
    assert_eq!(sessions.len(), 1);

    // It opens again, without a model.
    let file = sessions[0].display().to_string();
    let mut pty = Pty::start(&home, &["--session", &file], 24, 80);
    // Cut, or at its budget, if that was sooner than the key.
    pty.wait_for("✂ ");
    pty.keys("q");
    assert_eq!(pty.end(), 0);
}

#[test]
fn without_a_model_it_opens_the_bundled_reasoner_on_its_question() {
    let home = Home::new();
    home.tiny();
    home.has_toured();
    let mut pty = Pty::start(&home, &[], 32, 120);
    pty.wait_for("What is 912 + 289 + 616?")
        .wait_for(MODEL_NAME);
    pty.keys(ENTER).wait_for("Answer ▸ 1717 ✗");

    // Other models, those in the current folder and the bundled ones, are a key away.
    pty.keys("m").wait_for("bundled:base").wait_for("tiny");
    pty.keys("\x03");
    assert_eq!(pty.end(), 0);
}

#[test]
fn a_broken_model_is_said_on_the_screen() {
    let home = Home::new();
    std::fs::write(home.path("broken.gguf"), b"GGUFnonsense").unwrap();
    let mut pty = Pty::start(&home, &["--model", "broken.gguf"], 24, 80);
    pty.wait_for("broken.gguf");
    pty.keys("\x03");
    assert_eq!(pty.end(), 0);
    assert!(pty.is_restored());
}

#[test]
fn colours_are_left_out_when_asked() {
    let home = Home::new();
    let args = ["--model", MODEL, "--question", "What is 337 times 93?"];
    let mut pty = Pty::start_with(&home, &args, 24, 80, &[("NO_COLOR", "1")]);
    pty.wait_for(MODEL_NAME).keys(ENTER).wait_for(ENDED);
    assert!(!pty.has_colours());
    pty.keys("q");
    assert_eq!(pty.end(), 0);
}

#[test]
fn lanes_are_compared_and_one_is_opened() {
    let home = Home::new();
    let args = ["--model", MODEL, "--question", "What is 337 times 93?"];
    let mut pty = Pty::start(&home, &args, 32, 120);
    pty.wait_for(MODEL_NAME);
    // Alt-2, as the question box has the digits.
    pty.keys("\x1b2").wait_for("¼ natural");
    pty.keys(ENTER).wait_for("¼ natural · 18");
    pty.wait_until("all lanes answered", |screen| {
        screen.matches("Answer ▸").count() == 4
    });
    pty.wait_for("% shared");
    pty.keys("\t").wait_for("≠ ◂ 18");
    pty.keys(ENTER).wait_for("✂ budget used up at 36");
    pty.keys("w").wait_for("⟲ Wait");
    pty.keys("2").wait_for("% shared");
    pty.keys("q");
    assert_eq!(pty.end(), 0);
    assert!(pty.is_restored());
}

#[test]
fn a_thought_is_wrapped_up_with_a_message() {
    let home = Home::new();
    let mut pty = explorer(&home, 32, 120);
    pause_in_thought(&pty);
    pty.keys("C").wait_for("Considering the limited time");
    // The end is the next thing that is written.
    pty.keys("s").wait_for("✂ cut");
    pty.keys("q").keys("y");
    assert_eq!(pty.end(), 0);
}

#[test]
fn the_map_of_a_thought_is_made_beside_it_and_a_cell_becomes_a_branch() {
    let home = Home::new();
    let question = ["--question", "How many r in raspberry?", "--reference", "3"];
    let args = [&["--model", MODEL], &question[..]].concat();
    let mut pty = Pty::start(&home, &args, 32, 120);
    pty.wait_for(MODEL_NAME).keys(ENTER).wait_for(ENDED);
    pty.keys("M").wait_for("turns at");
    pty.wait_until("the whole map", |screen| {
        screen.contains("again") && !screen.contains("what if ─ ")
    });
    pty.keys("\x1b[H\x1b[A\x1b[A").wait_for("cut here:");
    pty.keys(ENTER).wait_for("2 branches");
    // It can be looked at again from the branch it is of, and left.
    pty.keys("[M").wait_for("turns at").keys("M");
    pty.wait_until("the map closed", |screen| !screen.contains("turns at"));
    pty.keys("q");
    assert_eq!(pty.end(), 0);
    assert!(pty.is_restored());
}
