//! Anything at all, at any size: the program must survive it, and the screen must stay clean.

use super::*;
use crate::tui::app::train::{TrainingUpdate, TrainingsSnapshot};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use s1_core::loops::Loop;
use s1_core::rng::Rng;
use s1_core::tree::Probe;
use std::time::{Duration, Instant};

struct Dice(Rng);
impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0.below(n)
    }
    fn text(&mut self) -> String {
        const BITS: [&str; 24] = [
            "a",
            " the",
            "\n",
            "\n\n",
            "\t",
            "\r",
            "\x1b[2J",
            "\x07",
            "\u{9b}31m",
            "漢字",
            "🦀",
            "👩\u{200d}💻",
            "\u{202e}",
            "\u{301}",
            "\u{200d}",
            "\u{fe0f}",
            "🇩🇪",
            "क्षि",
            "ﷺ",
            " ",
            "supercalifragilistic",
            ".",
            "",
            "\u{0}",
        ];
        match self.roll(4) {
            0 => {
                let bytes: Vec<u8> = (0..self.roll(24)).map(|_| self.roll(256) as u8).collect();
                String::from_utf8_lossy(&bytes).into_owned()
            }
            1 => (0..self.roll(5))
                .filter_map(|_| char::from_u32(self.roll(0x11_0000) as u32))
                .collect(),
            _ => (0..self.roll(4))
                .map(|_| BITS[self.roll(BITS.len())])
                .collect(),
        }
    }
    fn token(&mut self, answer: bool) -> Token {
        let reasons = [
            Reason::Wait,
            Reason::UserWait,
            Reason::Injected,
            Reason::Chosen,
            Reason::Kept,
            Reason::Cut,
            Reason::NaturalEnd,
            Reason::Loop,
            Reason::Exit,
            Reason::Budget,
            Reason::FinalAnswer,
        ];
        let numbers = [
            0.0,
            -0.1,
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            1e30,
            0.5,
        ];
        let text = self.text();
        let mut token = token(self.roll(99), &text, Origin::Sampled, Phase::Thinking, None);
        token.reason = (self.roll(6) == 0).then(|| reasons[self.roll(reasons.len())]);
        token.origin = [Origin::Sampled, Origin::Forced, Origin::User][self.roll(3)];
        if answer {
            token.phase = Phase::Answer;
        }
        token.entropy = numbers[self.roll(numbers.len())];
        token.p_end = numbers[self.roll(numbers.len())];
        let considered = self.roll(6);
        token.top = token.top.iter().take(considered).cloned().collect();
        token
    }
    /// Trainings as a damaged database, or another program, may tell of them.
    fn look(&mut self, app: &App) -> TrainingsSnapshot {
        use s1_core::training::{TrainConfig, TrainEvent, TrainStep};
        use s1_store::training::{RecordedEvent, Training, TrainingState};
        let numbers = [0.0, 1.5, -1.0, f64::NAN, f64::INFINITY, 1e300];
        let number = |dice: &mut Dice| numbers[dice.roll(numbers.len())];
        let states = [
            TrainingState::Preparing,
            TrainingState::Running,
            TrainingState::Paused,
            TrainingState::Finished,
            TrainingState::Failed,
            TrainingState::Interrupted,
        ];
        let list = (0..self.roll(3))
            .map(|i| Training {
                name: if i == 0 { "a".into() } else { self.text() },
                config: TrainConfig {
                    model: Some(self.text().into()),
                    data: self.text().into(),
                    out: self.text().into(),
                    sample: Some(self.text()),
                    ..TrainConfig::default()
                },
                state: states[self.roll(states.len())],
                step: self.roll(40),
                steps: [0, 7, 40, usize::MAX][self.roll(4)],
                rate: number(self),
                fault: (self.roll(3) == 0).then(|| self.text()),
                ..Training::default()
            })
            .collect();
        let after = app.train.watched.after();
        let first = after.0 + 1;
        let steps = (first..first + self.roll(30)).map(|step| TrainStep {
            step,
            steps: self.roll(40),
            epoch: 1,
            loss: number(self),
            lr: number(self),
            grad_norm: number(self),
            tok_s: number(self),
            eta_s: number(self),
            memory: 0,
        });
        let steps = steps.collect();
        let events = (1..=self.roll(4) as i64).map(|i| RecordedEvent {
            id: after.1 + i,
            event: match self.roll(4) {
                0 => TrainEvent::Eval {
                    step: self.roll(40),
                    loss: number(self),
                },
                1 => TrainEvent::Accuracy {
                    step: self.roll(40),
                    n: self.roll(3),
                    correct: self.roll(5),
                    thinking: number(self),
                },
                2 => TrainEvent::Message {
                    step: self.roll(40),
                    text: self.text(),
                },
                _ => TrainEvent::Sample {
                    step: self.roll(40),
                    question: self.text(),
                    thinking: self.text(),
                    answer: self.text(),
                },
            },
        });
        let events = events.collect();
        let news = app.train.current.clone().map(|name| TrainingUpdate {
            name,
            after,
            steps,
            events,
            checkpoints: Vec::new(),
        });
        TrainingsSnapshot { list, news }
    }
    fn key(&mut self) -> KeyEvent {
        let named = [
            KeyCode::Enter,
            KeyCode::Esc,
            KeyCode::Left,
            KeyCode::Right,
            KeyCode::Up,
            KeyCode::Down,
            KeyCode::Home,
            KeyCode::End,
            KeyCode::PageUp,
            KeyCode::PageDown,
            KeyCode::Tab,
            KeyCode::Backspace,
            KeyCode::Delete,
        ];
        let keys = "wWxXsSiRru+-pPHvbt[]yYoT?:e()q1234 ~/漢cKnOL.";
        let code = match self.roll(3) {
            0 => named[self.roll(named.len())],
            _ => KeyCode::Char(keys.chars().nth(self.roll(keys.chars().count())).unwrap()),
        };
        let modifiers = [KeyModifiers::NONE, KeyModifiers::CONTROL, KeyModifiers::ALT];
        KeyEvent::new(
            code,
            if self.roll(5) == 0 {
                modifiers[self.roll(3)]
            } else {
                KeyModifiers::NONE
            },
        )
    }
    fn event(&mut self, app: &App) -> Event {
        let live = app.live.as_ref();
        let lanes = live.map_or(1, |l| l.branches.len() + 1);
        let lane = live.map_or(0, |l| l.base) + self.roll(lanes);
        let states = [
            LaneState::Prefill,
            LaneState::Running,
            LaneState::Paused,
            LaneState::Stopped(StopReason::EndOfTurn),
            LaneState::Stopped(StopReason::User),
        ];
        match self.roll(12) {
            0 => Event::State(lane, states[self.roll(states.len())]),
            1 => {
                let at = self.roll(60);
                let answer = (self.roll(3) > 0).then(|| self.text());
                Event::Probe(
                    lane,
                    Probe {
                        at,
                        answer,
                        text: self.text(),
                        correct: None,
                        confidence: None,
                        entropy: None,
                    },
                )
            }
            2 => Event::Budget(lane, [0, 5, 256, usize::MAX][self.roll(4)]),
            3 => Event::PendingWaits(lane, self.roll(3)),
            4 => Event::Notice(lane, self.text()),
            5 => Event::Prefill {
                lane,
                done: self.roll(9),
                total: self.roll(9),
            },
            6 => {
                let (period, repeats) = (self.roll(9), self.roll(9));
                Event::Loop(lane, Loop { period, repeats })
            }
            _ => {
                let answer = self.roll(6) == 0;
                let tokens = (0..self.roll(6)).map(|_| self.token(answer)).collect();
                let drop = if self.roll(9) == 0 { self.roll(8) } else { 0 };
                let relabel = if self.roll(19) == 0 { self.roll(4) } else { 0 };
                let delta = Delta {
                    drop,
                    relabel,
                    tokens,
                };
                Event::Tokens(lane, delta)
            }
        }
    }
}

fn is_clean(buf: &Buffer) -> bool {
    buf.content().iter().all(|cell| {
        let bad = |c: char| {
            c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        !cell.symbol().chars().any(bad)
    })
}

/// One life of the program under random keys, events and sizes.
fn live_through(seed: u64) {
    let mut dice = Dice(Rng::new(seed));
    let mut app = ready();
    let question = dice.text();
    app.question.set(&question);
    for _ in 0..60 {
        match dice.roll(12) {
            0..4 => app.on_key(dice.key()),
            4..9 => {
                let event = dice.event(&app);
                app.on_event(event);
            }
            9 if dice.roll(2) == 0 => {
                let text = dice.text();
                app.on_paste(&text);
            }
            9 => {
                let look = dice.look(&app);
                app.on_trainings(Ok(look));
                app.screen = Screen::Train;
            }
            10 => app.on_mouse(MouseEvent {
                kind: [
                    MouseEventKind::ScrollUp,
                    MouseEventKind::ScrollDown,
                    MouseEventKind::Down(MouseButton::Left),
                ][dice.roll(3)],
                column: dice.roll(130) as u16,
                row: dice.roll(50) as u16,
                modifiers: KeyModifiers::NONE,
            }),
            _ => {
                let text = dice.text();
                app.question.set(&text);
                app.ask();
            }
        }
        let size = [(1, 1), (7, 3), (20, 9), (40, 12), (80, 24), (120, 40)][dice.roll(6)];
        let buf = drawn(&mut app, size.0, size.1);
        assert!(
            is_clean(&buf),
            "seed {seed}: control characters on the screen"
        );
        if dice.roll(4) == 0 {
            app.drain();
        }
    }
}

/// Runs longer with `S1_TUI_FUZZ_SECONDS`; a failure names its seed.
#[test]
fn nothing_breaks_it() {
    let seconds = std::env::var("S1_TUI_FUZZ_SECONDS")
        .ok()
        .and_then(|s| s.parse::<u64>().ok());
    let (start, mut seed) = (Instant::now(), 1);
    let from = seconds.map_or(0, |_| std::process::id() as u64 * 1_000_000);
    while seed <= 150 || seconds.is_some_and(|s| start.elapsed() < Duration::from_secs(s)) {
        let lived = std::panic::catch_unwind(|| live_through(from + seed));
        assert!(lived.is_ok(), "seed {}", from + seed);
        seed += 1;
    }
}

/// Every size a terminal can have, in every state.
#[test]
fn every_size_survives() {
    let states: [fn(&mut App); 4] = [
        |_| {},
        midway,
        answered,
        |app| {
            answered(app);
            press(app, "home ) enter");
        },
    ];
    for state in states {
        let mut app = ready();
        state(&mut app);
        for width in (1..=40).chain([59, 60, 79, 80, 99, 100, 101, 120, 200, 250]) {
            for height in (1..=14).chain([23, 24, 40, 80]) {
                assert!(is_clean(&drawn(&mut app, width, height)));
            }
        }
    }
}

/// Bytes for a terminal, read back by an emulator.
#[derive(Clone, Default)]
struct Bytes(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

impl std::io::Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Frame after frame, a terminal must show what was drawn: nothing left over, nothing shifted.
#[test]
fn a_terminal_shows_what_was_drawn() {
    use ratatui::backend::CrosstermBackend;
    use ratatui::{Terminal, TerminalOptions, Viewport};
    for seed in 1..40 {
        let mut dice = Dice(Rng::new(seed * 7919));
        let (width, height) = [(80, 24), (120, 32), (37, 11)][dice.roll(3)];
        let bytes = Bytes::default();
        let options = TerminalOptions {
            viewport: Viewport::Fixed(ratatui::layout::Rect::new(0, 0, width, height)),
        };
        let mut terminal =
            Terminal::with_options(CrosstermBackend::new(bytes.clone()), options).unwrap();
        let mut screen = vt100::Parser::new(height, width, 0);
        let mut app = ready();
        app.question.set("How many?");
        app.ask();
        // Rows in which a cluster has stood: an emulator that takes it apart is off by a cell
        // there, and keeps the piece too many until something is written over it.
        let mut apart = vec![false; usize::from(height)];
        for step in 0..30 {
            match dice.roll(4) {
                0 => app.on_key(dice.key()),
                _ => {
                    let event = dice.event(&app);
                    app.on_event(event);
                }
            }
            terminal
                .draw(|frame| {
                    crate::tui::screens::prepare(&mut app, frame.area());
                    crate::tui::screens::draw(&app, frame);
                })
                .unwrap();
            screen.process(&bytes.0.take());
            let drawn = drawn(&mut app, width, height);
            for y in 0..height {
                let row = &mut apart[usize::from(y)];
                *row |= (0..width).any(|x| drawn[(x, y)].symbol().chars().count() > 1);
                if *row {
                    continue;
                }
                for x in 0..width {
                    let cell = screen.screen().cell(y, x).unwrap();
                    let (shown, wanted) = (cell.contents(), drawn[(x, y)].symbol());
                    let same = shown.trim() == wanted.trim() || cell.is_wide_continuation();
                    assert!(
                        same,
                        "seed {seed} step {step}: {shown:?} for {wanted:?} at {x},{y}\n{}",
                        screen.screen().contents()
                    );
                }
            }
        }
    }
}
