//! What the pictures show: who is started, what is pressed, what has to be seen.
//!
//! Not here: how a screen becomes a picture.

use std::time::Duration;

/// One thing that is done in a scene.
pub enum Step {
    /// Waits until the screen shows this.
    See(&'static str),
    /// Presses keys; a moving picture shows their name.
    Press(&'static str, &'static str),
    /// Takes a still of this name on the way.
    Take(&'static str),
    /// Leaves time to read.
    Rest(Duration),
}

/// One picture.
pub struct Scene {
    /// The name of its files.
    pub name: &'static str,
    pub rows: u16,
    pub cols: u16,
    /// Whether it moves.
    pub moves: bool,
    /// The program and its arguments; `s1-tui` stands for the program that is pictured.
    pub command: &'static [&'static str],
    /// Whether somebody has seen the tour already.
    pub toured: bool,
    /// Tokens a second, where the default is not meant; 0 for as fast as the model can.
    pub pace: Option<&'static str>,
    /// A variable without which there is no such picture.
    pub needs: Option<&'static str>,
    pub steps: &'static [Step],
}

const fn rest(milliseconds: u64) -> Step {
    Step::Rest(Duration::from_millis(milliseconds))
}

use Step::{Press, See, Take};

/// Leaves the question, so that keys are keys.
const LEAVE: Step = Press("\x1b", "");
const ENTER: &str = "\r";
const RIGHT: &str = "\x1b[C";
const DOWN: &str = "\x1b[B";

const STILL: Scene = Scene {
    name: "",
    rows: 30,
    cols: 110,
    moves: false,
    command: &["s1-tui"],
    toured: true,
    pace: Some("0"),
    needs: None,
    steps: &[],
};

/// A shell in which commands are typed.
const SHELL: Scene = Scene {
    command: &["sh"],
    rows: 24,
    ..STILL
};

/// The first question of the tour, as it is asked by hand.
const ASKED: &[&str] = &["s1-tui", "--question", "What is 912 + 289 + 616?"];

/// All of them.
pub const SCENES: &[Scene] = &[
    Scene {
        name: "tour",
        rows: 26,
        cols: 96,
        moves: true,
        toured: false,
        pace: Some("40"),
        steps: &[
            See("It is wrong"),
            rest(2000),
            Press("w", "w"),
            See("Repaired"),
            rest(2500),
            Press("2", "2"),
            See("That was one question"),
            rest(3000),
            Press("3", "3"),
            See("Press 1"),
            rest(3500),
        ],
        ..STILL
    },
    Scene {
        name: "explore",
        command: ASKED,
        steps: &[
            See("Nano reasoner"),
            Press(ENTER, ""),
            See("Answer ▸ 1717"),
            Press("R", ""),
            See("Reference answer"),
            Press("1817\r", ""),
            See("1717 ✗"),
            Press("w", ""),
            See("1817 ✓"),
            Press("a", ""),
            See("The answer changes"),
            Press("{", ""),
            See("At the cursor"),
        ],
        ..STILL
    },
    Scene {
        name: "what-if",
        command: ASKED,
        steps: &[
            See("Nano reasoner"),
            Press(ENTER, ""),
            See("Answer ▸ 1717"),
            Press("R", ""),
            See("Reference answer"),
            Press("1817\r", ""),
            See("1717 ✗"),
            Press("w", ""),
            See("1817 ✓"),
            Press("M", ""),
            See("turns at"),
            Press(RIGHT, ""),
        ],
        ..STILL
    },
    Scene {
        name: "compare",
        command: ASKED,
        steps: &[
            See("Nano reasoner"),
            Press(ENTER, ""),
            See("Answer ▸ 1717"),
            Press("R", ""),
            See("Reference answer"),
            Press("1817\r", ""),
            See("1717 ✗"),
            Press("2", ""),
            See("budgets ▾"),
            Press("p", ""),
            See("Lanes to compare"),
            Press(DOWN, ""),
            Press(DOWN, ""),
            Press(ENTER, ""),
            See("waits ▾"),
            Press("A", ""),
            See("computed"),
            Press(RIGHT, ""),
            Press("n", ""),
        ],
        ..STILL
    },
    Scene {
        name: "plots",
        rows: 32,
        steps: &[
            See("Nano reasoner"),
            LEAVE,
            Press("3", ""),
            See("shipped-reasoner"),
        ],
        ..STILL
    },
    // A training of some minutes, and two sweeps.
    Scene {
        name: "trained",
        rows: 40,
        cols: 120,
        steps: &[
            See("Nano reasoner"),
            LEAVE,
            Press("4", ""),
            See("carries loss"),
            Take("plan"),
            Press(ENTER, ""),
            See("✓ finished"),
            Take("train"),
            Press("c", ""),
            See("Before and after"),
            Press(ENTER, ""),
            See("in one plot"),
        ],
        ..STILL
    },
    Scene {
        name: "budget",
        rows: 20,
        cols: 132,
        steps: &[
            See("$"),
            Press(
                "s1-tui sweep --model bundled:reasoner --problems bundled:held-out --budgets 0,64,natural --name r 2> log\r",
                "",
            ),
            See("computed"),
            Press("s1-tui budget r\r", ""),
            See("max_thinking"),
        ],
        ..SHELL
    },
    Scene {
        name: "run",
        rows: 21,
        cols: 88,
        steps: &[
            See("$"),
            Press(
                "s1-tui run --model bundled:reasoner --prompt \"What is 912 + 289 + 616?\" --waits 1\r",
                "",
            ),
            See("\n1817\n$"),
        ],
        ..SHELL
    },
    Scene {
        name: "curate",
        rows: 24,
        steps: &[
            See("$"),
            Press(
                "s1-tui curate --pool bundled:traces --keep 500 --small bundled:base \\\r  --against bundled:held-out --out half.jsonl 2> log; grep -v / log\r",
                "",
            ),
            See("kept 500"),
        ],
        ..SHELL
    },
    Scene {
        name: "models",
        rows: 12,
        cols: 140,
        steps: &[
            See("$"),
            Press("s1-tui models --get\r", ""),
            See("s1-tui pull"),
        ],
        ..SHELL
    },
    Scene {
        name: "server",
        rows: 20,
        needs: Some("S1_TUI_LLAMA_SERVER"),
        steps: &[
            See("$"),
            Press("s1-tui server $S1_TUI_LLAMA_SERVER\r", ""),
            See("\n$"),
        ],
        ..SHELL
    },
];
