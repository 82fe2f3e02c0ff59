//! A program without terminal, engine or clock, and a thought of the bundled reasoner, recorded:
//! what the tests of screens and keys share.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::*;
use crate::tui::screens;
use s1_core::forcing::Policy;
use s1_core::protocol::{Event, LaneState, Speed};
use s1_core::trace::{Alternative, Origin, Phase, Reason, StopReason, Token};

mod recording;

pub use recording::{COMPARED, QUESTION, SECOND, TOTAL, compared, long, steered, swept};

/// The bundled reasoner, as the engine describes it.
pub fn info() -> ModelInfo {
    let card = &recording::explored().model;
    ModelInfo {
        name: card.name.clone(),
        architecture: card.architecture.clone(),
        version: String::new(),
        chats: false,
        parameters: card.parameters,
        quantization: card.quantization.clone(),
        device: "cpu".into(),
        threads: 2,
        context: 1024,
        family: card.family.clone(),
        template: "file".into(),
        switches: vec![],
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
                waits: 1,
                ..Policy::default()
            },
            sampling: Default::default(),
            sample: 0,
            reference: Some("3".into()),
            probe_every: Some(6),
            probe_text: String::new(),
            template_args: String::new(),
        },
        keymap: Keymap::default(),
        texts: TextChoices::bundled(),
        themes: Theme::builtin_names()
            .into_iter()
            .filter_map(Theme::builtin)
            .collect(),
        theme_set: false,
        history: vec![],
        model: Some("bundled:reasoner".into()),
        place: train::form::FormDefaults {
            folder: "/data/trainings".into(),
            cores: 8,
            price: 0.0,
            python: None,
        },
        continuations: 2,
        pace: Some(0),
        tour: false,
        mouse: true,
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
    live.shown_lane()
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
        top: top.into(),
    }
}

/// Streams words as tokens of the lane on screen.
pub fn stream(app: &mut App, text: &str, origin: Origin, phase: Phase, reason: Option<Reason>) {
    let start = app.live.as_ref().unwrap().lane().tokens.len();
    // As tokenizers do it, a space belongs to the word behind it.
    let starts = text.match_indices(' ').map(|(i, _)| i).filter(|&i| i > 0);
    let cuts: Vec<usize> = [0].into_iter().chain(starts).chain([text.len()]).collect();
    let tokens: Vec<Token> = cuts
        .windows(2)
        .enumerate()
        .map(|(i, cut)| token(start + i, &text[cut[0]..cut[1]], origin, phase, reason))
        .collect();
    let lane = lane(app);
    app.on_event(Event::Tokens(lane, tokens.into()));
}

pub fn think(app: &mut App, text: &str) {
    stream(app, text, Origin::Sampled, Phase::Thinking, None);
}

/// Lets the branch on screen go on as it was recorded, to this many tokens or its end.
pub fn play(app: &mut App, to: usize) {
    let live = app.live.as_ref().unwrap();
    let recorded = &recording::explored().tree.branches()[live.active];
    let from = live.lane().tokens.len();
    let to = to.min(recorded.tokens.len());
    let lane = lane(app);
    let told = |app: &mut App, from: usize, to: usize| {
        app.on_event(Event::Tokens(
            lane,
            recorded.tokens[from..to].to_vec().into(),
        ));
    };
    let mut at = from;
    for probe in recorded.probes.iter().filter(|p| p.at > from && p.at <= to) {
        told(app, at, probe.at);
        at = probe.at;
        app.on_event(Event::Probe(lane, probe.clone()));
    }
    told(app, at, to);
}

/// The thought up to the middle of its check.
pub fn midway(app: &mut App) {
    ask(app, QUESTION);
    play(app, recording::MIDWAY);
    let lane = lane(app);
    let speed = Speed {
        prefill_tok_s: 900.0,
        decode_tok_s: 2140.0,
        time_to_first_token_ms: 21.0,
        ..Speed::default()
    };
    app.on_event(Event::Speed(lane, speed));
    app.on_event(Event::Context(
        lane,
        38 + app.live.as_ref().unwrap().lane().tokens.len(),
    ));
    app.drain();
}

/// The same thought, cut off, and its answer.
pub fn answered(app: &mut App) {
    midway(app);
    press(app, "x");
    play(app, usize::MAX);
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

/// The colour in which a text is drawn, where it is first seen.
pub fn colour(buf: &Buffer, wanted: &str) -> Option<Color> {
    let first = |cells: &[Cell]| {
        let mut rest = wanted;
        for cell in cells {
            match rest.strip_prefix(cell.symbol()) {
                Some("") => return true,
                Some(more) => rest = more,
                None => return false,
            }
        }
        false
    };
    let width = usize::from(buf.area.width);
    let rows = buf.content().chunks(width);
    let starts = rows.flat_map(|row| (0..row.len()).map(|x| &row[x..]));
    let found = starts.into_iter().find(|cells| first(cells));
    Some(found.unwrap_or_else(|| panic!("no {wanted:?} in\n{}", text(buf)))[0].fg)
}
