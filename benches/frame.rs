//! What a frame of the explorer costs: `cargo bench --bench frame`.
//!
//! Everything the program does for a frame is in the time: laying out, drawing every widget, and
//! finding the cells that changed. Not in it: the terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use s1_core::forcing::Policy;
use s1_core::protocol::{Event, LaneState, ModelInfo, Request};
use s1_core::trace::{Alternative, Origin, Phase, Reason, Token};
use s1_tui::tui::action::Action;
use s1_tui::tui::app::{App, Options};
use s1_tui::tui::keymap::Keymap;
use s1_tui::tui::screens;
use s1_tui::tui::theme::Theme;

/// Thoughts of an ordinary and of a great length.
const LENGTHS: [usize; 2] = [4_000, 20_000];

fn token(i: usize) -> Token {
    const WORDS: [&str; 16] = [
        "So", " the", " number", " of", " r", " in", " “rasp", "berry", "” is", " 3", ".", " Is",
        " that", " right", "?\n", " 漢字",
    ];
    let waits = i % 500 == 499;
    let top = (0..8)
        .map(|k| Alternative {
            id: k,
            text: " else".into(),
            logprob: -(k as f32),
        })
        .collect();
    Token {
        id: i as u32,
        text: if waits {
            "\nWait".into()
        } else {
            WORDS[i * 7 % 16].into()
        },
        origin: if waits {
            Origin::Forced
        } else {
            Origin::Sampled
        },
        phase: Phase::Thinking,
        reason: waits.then_some(Reason::Wait),
        logprob: -0.1,
        entropy: (i % 17) as f32 / 6.0,
        p_end: (i % 31) as f32 / 40.0,
        top,
    }
}

fn app() -> App {
    let mut app = App::new(Options {
        request: Request {
            question: "How many r in raspberry?".into(),
            system: String::new(),
            raw: false,
            policy: Policy {
                max_thinking: Some(8192),
                ..Policy::default()
            },
            sampling: Default::default(),
            sample: 0,
            reference: None,
            probe_every: None,
            probe_text: String::new(),
            template_args: String::new(),
        },
        keymap: Keymap::default(),
        texts: s1_tui::config::TextChoices::bundled(),
        themes: vec![Theme::default()],
        theme_set: false,
        history: vec![],
        model: Some("model.gguf".into()),
        place: Default::default(),
        continuations: 4,
        pace: Some(0),
        tour: false,
        mouse: true,
    });
    app.on_event(Event::Loaded(Box::new(ModelInfo {
        context: 8192,
        ..ModelInfo::default()
    })));
    app.act(Action::Submit);
    app.on_event(Event::State(0, LaneState::Running));
    app
}

fn write(app: &mut App, from: usize, n: usize) {
    let tokens: Vec<Token> = (from..from + n).map(token).collect();
    app.on_event(Event::Tokens(0, tokens.into()));
}

fn frame(app: &mut App, terminal: &mut Terminal<TestBackend>) -> Duration {
    let start = Instant::now();
    let drawn = terminal.draw(|frame| {
        screens::prepare(app, frame.area());
        screens::draw(app, frame);
    });
    drawn.map(|_| start.elapsed()).unwrap_or(Duration::MAX)
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
    println!(
        "{what:<44} median {:6.3} ms   p99 {:6.3} ms   worst {:6.3} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

fn main() {
    let sizes = [(120, 40), (200, 50)];
    for (tokens, (width, height)) in LENGTHS.iter().flat_map(|n| sizes.map(|size| (*n, size))) {
        println!("{tokens} tokens at {width}×{height}");
        let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));

        let times = (0..50).map(|_| {
            let mut app = app();
            write(&mut app, 0, tokens);
            frame(&mut app, &mut terminal)
        });
        report("lay everything out and draw everything", times.collect());

        let mut long = app();
        write(&mut long, 0, tokens);
        frame(&mut long, &mut terminal);
        let times = (0..500).map(|i| {
            let start = Instant::now();
            write(&mut long, tokens + i * 4, 4);
            let taken = start.elapsed();
            taken + frame(&mut long, &mut terminal)
        });
        report("four more tokens, and draw", times.collect());

        long.act(Action::PageUp);
        let times = (0..300).map(|i| {
            long.act(if i % 40 < 20 {
                Action::PageUp
            } else {
                Action::PageDown
            });
            frame(&mut long, &mut terminal)
        });
        report("turn a page, and draw", times.collect());

        long.act(Action::Search);
        for letter in "raspberry".chars() {
            long.on_key(KeyEvent::from(KeyCode::Char(letter)));
        }
        long.on_key(KeyEvent::from(KeyCode::Enter));
        for (what, action) in [
            ("the next match of a search, and draw", Action::SearchNext),
            ("to the Wait before, and draw", Action::MarkLeft),
        ] {
            let times = (0..300).map(|_| {
                let start = Instant::now();
                long.act(action);
                let taken = start.elapsed();
                taken + frame(&mut long, &mut terminal)
            });
            report(what, times.collect());
        }

        let times = (0..100).map(|i| {
            terminal.backend_mut().resize(width - i % 2, height);
            frame(&mut long, &mut terminal)
        });
        report("another width: lay out again, and draw", times.collect());
    }
}
