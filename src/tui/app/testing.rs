//! A program without terminal, engine or clock, and a made-up thought: what the tests of screens
//! and keys share.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::*;
use crate::engine::protocol::{LaneState, Speed};
use crate::thinking::forcing::Policy;
use crate::thinking::trace::{Alternative, Origin, Phase, Reason, StopReason, Token};
use crate::thinking::tree::Probe;
use crate::tui::screens;

pub fn info() -> ModelInfo {
    ModelInfo {
        name: "s1-nano".into(),
        architecture: "qwen3".into(),
        parameters: 1_720_000_000,
        quantization: "Q8_0".into(),
        device: "cpu".into(),
        threads: 2,
        context: 8192,
        family: "qwen3".into(),
        template: "file".into(),
        warnings: vec![],
    }
}

pub fn options() -> Options {
    Options {
        request: Request {
            question: String::new(),
            system: String::new(),
            raw: false,
            policy: Policy {
                max_thinking: Some(256),
                ..Policy::default()
            },
            sampling: Default::default(),
            sample: 0,
            reference: Some("3".into()),
            probe_every: Some(16),
        },
        keymap: Keymap::default(),
        themes: Theme::builtin_names()
            .into_iter()
            .filter_map(Theme::builtin)
            .collect(),
        history: vec![],
        model: Some("s1-nano.gguf".into()),
        place: train::form::Place {
            folder: "/data/trainings".into(),
            cores: 8,
            price: 0.0,
        },
    }
}

/// The program with a model that is ready.
pub fn ready() -> App {
    let mut app = App::new(options());
    app.on_event(Event::Loaded(Box::new(info())));
    app.drain();
    app
}

/// Presses keys written as in the keymap: `w`, `ctrl-s`, `enter`.
pub fn press(app: &mut App, keys: &str) {
    for key in keys.split(' ').filter(|k| !k.is_empty()) {
        let (modifiers, name) = match key.strip_prefix("ctrl-") {
            Some(name) => (KeyModifiers::CONTROL, name),
            None => (KeyModifiers::NONE, key),
        };
        let code = match name {
            "enter" => KeyCode::Enter,
            "esc" => KeyCode::Esc,
            "tab" => KeyCode::Tab,
            "space" => KeyCode::Char(' '),
            "left" => KeyCode::Left,
            "right" => KeyCode::Right,
            "up" => KeyCode::Up,
            "down" => KeyCode::Down,
            "home" => KeyCode::Home,
            "end" => KeyCode::End,
            "pgup" => KeyCode::PageUp,
            "pgdn" => KeyCode::PageDown,
            one => KeyCode::Char(one.chars().next().unwrap()),
        };
        app.on_key(KeyEvent::new(code, modifiers));
    }
}

/// The lane on screen.
pub fn lane(app: &App) -> usize {
    let live = app.live.as_ref().unwrap();
    live.lane_id(live.active)
}

/// Asks, and has the engine begin.
pub fn ask(app: &mut App, question: &str) {
    app.focus = Focus::Question;
    app.question.set(question);
    press(app, "enter");
    let lane = lane(app);
    app.on_event(Event::Prompt {
        lane,
        ids: (0..38).collect(),
        text: format!("<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n<think>\n"),
    });
    app.on_event(Event::Budget(lane, 256));
    app.on_event(Event::State(lane, LaneState::Running));
    app.on_event(Event::Context(lane, 38));
}

/// A token with believable numbers.
pub fn token(i: usize, text: &str, origin: Origin, phase: Phase, reason: Option<Reason>) -> Token {
    let wave = ((i * 37) % 100) as f32 / 100.0;
    let sure = if (i * 7).is_multiple_of(11) {
        0.55
    } else {
        0.97 - wave * 0.05
    };
    let rest = 1.0 - sure;
    let other = ["differs", " three", "Wait", "\n"];
    let mut top = vec![Alternative {
        id: 1000 + i as u32,
        text: text.into(),
        logprob: sure.ln(),
    }];
    for (k, other) in other.iter().enumerate() {
        let p = rest * [0.6, 0.25, 0.1, 0.04][k];
        top.push(Alternative {
            id: k as u32,
            text: (*other).into(),
            logprob: p.ln(),
        });
    }
    Token {
        id: 1000 + i as u32,
        text: text.into(),
        origin,
        phase,
        reason,
        logprob: sure.ln(),
        entropy: if sure < 0.9 { 1.7 } else { 0.05 + wave * 0.3 },
        p_end: if i % 33 == 32 {
            0.86
        } else {
            0.01 + wave * 0.06
        },
        top,
    }
}

/// Streams words as tokens of the lane on screen.
pub fn stream(app: &mut App, text: &str, origin: Origin, phase: Phase, reason: Option<Reason>) {
    let start = app.live.as_ref().unwrap().branch().tokens.len();
    // As tokenizers do it, a space belongs to the word behind it.
    let starts = text.match_indices(' ').map(|(i, _)| i).filter(|&i| i > 0);
    let cuts: Vec<usize> = [0].into_iter().chain(starts).chain([text.len()]).collect();
    let tokens: Vec<Token> = cuts
        .windows(2)
        .enumerate()
        .map(|(i, cut)| token(start + i, &text[cut[0]..cut[1]], origin, phase, reason))
        .collect();
    let lane = lane(app);
    app.on_event(Event::Tokens {
        lane,
        drop: 0,
        relabel: 0,
        tokens,
    });
}

pub fn think(app: &mut App, text: &str) {
    stream(app, text, Origin::Sampled, Phase::Thinking, None);
}

pub fn probe(app: &mut App, answer: &str) {
    let at = app.live.as_ref().unwrap().branch().tokens.len();
    let lane = lane(app);
    let correct = Some(answer == "3");
    let probe = Probe {
        at,
        answer: Some(answer.into()),
        text: answer.into(),
        correct,
    };
    app.on_event(Event::Probe(lane, probe));
}

/// The thought of the sketches, up to the middle of its second half.
pub fn midway(app: &mut App) {
    ask(app, "How many r in raspberry?");
    think(app, "I spell it out and count: r1 a1 s1 p1 b1 e1 r2 r3 y1.");
    probe(app, "1");
    think(app, " The letter r stands at place 1,");
    probe(app, "2");
    think(app, " then at 7 and at 8, which makes three: 3.");
    probe(app, "3");
    stream(
        app,
        "Wait",
        Origin::Forced,
        Phase::Thinking,
        Some(Reason::Wait),
    );
    think(app, ", let me count backwards to be sure.");
    probe(app, "3");
    think(app, " y0 r1 r2 e2 b2 p2 s2 a2 r3: 3 sam");
    probe(app, "3");
    let lane = lane(app);
    let speed = Speed {
        prefill_tok_s: 900.0,
        decode_tok_s: 2140.0,
        time_to_first_token_ms: 21.0,
    };
    app.on_event(Event::Speed(lane, speed));
    app.on_event(Event::Context(
        lane,
        38 + app.live.as_ref().unwrap().branch().tokens.len(),
    ));
    app.drain();
}

/// The same thought, cut off, and its answer.
pub fn answered(app: &mut App) {
    midway(app);
    think(app, "e.");
    stream(
        app,
        "</think>\n\n",
        Origin::Forced,
        Phase::Answer,
        Some(Reason::Cut),
    );
    stream(
        app,
        "There are **3** letters r in raspberry.",
        Origin::Sampled,
        Phase::Answer,
        None,
    );
    let lane = lane(app);
    app.on_event(Event::State(
        lane,
        LaneState::Stopped(StopReason::EndOfTurn),
    ));
    app.drain();
}

/// Settles and draws; the buffer.
pub fn drawn(app: &mut App, width: u16, height: u16) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    screens::prepare(app, area);
    let mut buf = Buffer::empty(area);
    screens::paint(app, area, &mut buf);
    buf
}

/// A buffer as text, one line per row, spaces at the end left out.
pub fn text(buf: &Buffer) -> String {
    let mut out = String::new();
    for y in buf.area.top()..buf.area.bottom() {
        let mut row = String::new();
        let mut x = buf.area.left();
        while x < buf.area.right() {
            let symbol = buf[(x, y)].symbol();
            row.push_str(symbol);
            x += (crate::tui::sanitize::width(symbol) as u16).max(1);
        }
        out.push_str(row.trim_end());
        out.push('\n');
    }
    out
}
