//! What everything that lies over a screen and has the keys has in common.
//!
//! A component knows how to be edited and drawn, and gives an answer of its own type. Not here: what
//! an answer does, which is the application's.

use std::fmt::Debug;

use crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};

use super::overlay::DrawContext;
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};

/// What a key did to a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<T> {
    /// It stays open.
    Open,
    /// The user gave this.
    Done(T),
    /// The user left without an answer.
    Cancelled,
    /// Another action, for the program as a whole (quit, redraw, suspend).
    Other(Action),
}

/// A component that lies over a screen and has the keys.
pub trait Modal: Debug {
    /// What the user is asked for.
    type Output;

    /// Handles a key.
    fn key(&mut self, key: KeyEvent, keymap: &Keymap) -> Reply<Self::Output>;

    /// Takes pasted text in, where something is typed.
    fn paste(&mut self, _text: &str) {}

    /// A click at a place of the screen.
    fn click(&mut self, _at: Position) -> Reply<Self::Output> {
        Reply::Open
    }

    /// A notch of the wheel.
    fn wheel(&mut self, _down: bool) {}

    /// Shows what was wrong with the last answer; `false` if it has no place for that.
    fn show_error(&mut self, _sentence: &str) -> bool {
        false
    }

    /// Settles what depends on the size of the screen; called before each drawing.
    fn prepare(&mut self, _area: Rect, _keymap: &Keymap) {}

    /// Draws; returns where the terminal's cursor stands, if it is to be seen.
    fn draw(&self, on: &mut DrawContext) -> Option<Position>;
}

/// What a key does to a text that is only read; `close` takes an action of [`Context::List`] and
/// says whether it closes the text. So does the key that opened it: the one of `opener` in its
/// screen.
pub fn read_key<T>(
    key: KeyEvent,
    keymap: &Keymap,
    (context, opener): (Context, Action),
    close: impl FnOnce(Action) -> bool,
) -> Reply<T> {
    if keymap.action(context, key) == Some(opener) {
        return Reply::Cancelled;
    }
    match keymap.action(Context::List, key) {
        Some(action @ (Action::Quit | Action::Redraw | Action::Suspend)) => Reply::Other(action),
        Some(action) if close(action) => Reply::Cancelled,
        _ => Reply::Open,
    }
}
