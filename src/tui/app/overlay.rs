//! What lies over the screen: a [component](Modal) that has the keys, and the question it answers.
//!
//! # How a question is added
//! In the file of what it is about: a type for the question, its [`Question::answered`], and a call
//! of [`App::ask_over`] with the component that asks it. A list's rows carry the answers they stand
//! for. Nothing else has to know of it; both are plain values, which a test can compare.

use std::any::Any;
use std::convert::Infallible;
use std::fmt::Debug;

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::App;
use crate::tui::keymap::Keymap;
use crate::tui::theme::Theme;
use crate::tui::widgets::modal::{Modal, Reply};

/// Something the user is asked, and what an answer does.
pub trait Question<A>: Debug + 'static {
    /// Acts on the answer.
    ///
    /// # Errors
    /// One sentence on what is wrong with it; the question stays where it can show that.
    fn answered(&self, app: &mut App, answer: A) -> Result<(), String>;

    /// The user left without an answer.
    fn cancelled(&self, _app: &mut App) {}
}

/// Nothing is asked: there is something to read.
#[derive(Debug, PartialEq, Eq)]
pub struct NothingAsked;

impl Question<Infallible> for NothingAsked {
    fn answered(&self, _: &mut App, answer: Infallible) -> Result<(), String> {
        match answer {}
    }
}

/// A question and the component that asks it, whatever their types are.
pub trait Overlay: Debug {
    /// Handles a key; `false` if it is to be closed.
    fn key(&mut self, key: KeyEvent, app: &mut App) -> bool;
    /// Takes pasted text in.
    fn paste(&mut self, text: &str);
    /// Settles what depends on the size of the screen; called before each drawing.
    fn prepare(&mut self, area: Rect, keymap: &Keymap);
    /// Draws over an area; returns where the terminal's cursor stands, if it is to be seen.
    fn draw(
        &self,
        buf: &mut Buffer,
        area: Rect,
        keymap: &Keymap,
        theme: &Theme,
    ) -> Option<Position>;
    fn question(&self) -> &dyn Any;
    fn component(&mut self) -> &mut dyn Any;
}

#[derive(Debug)]
struct Asked<Q, C> {
    question: Q,
    component: C,
}

impl<Q: Question<C::Output>, C: Modal + 'static> Overlay for Asked<Q, C> {
    fn key(&mut self, key: KeyEvent, app: &mut App) -> bool {
        match self.component.key(key, &app.keymap) {
            Reply::Open => true,
            Reply::Done(answer) => match self.question.answered(app, answer) {
                Ok(()) => false,
                Err(sentence) if self.component.show_error(&sentence) => true,
                Err(sentence) => {
                    app.refuse(sentence);
                    false
                }
            },
            Reply::Cancelled => {
                self.question.cancelled(app);
                false
            }
            Reply::Other(action) => {
                app.act(action);
                true
            }
        }
    }

    fn paste(&mut self, text: &str) {
        self.component.paste(text);
    }

    fn prepare(&mut self, area: Rect, keymap: &Keymap) {
        self.component.prepare(area, keymap);
    }

    fn draw(
        &self,
        buf: &mut Buffer,
        area: Rect,
        keymap: &Keymap,
        theme: &Theme,
    ) -> Option<Position> {
        self.component.draw(buf, area, keymap, theme)
    }

    fn question(&self) -> &dyn Any {
        &self.question
    }

    fn component(&mut self) -> &mut dyn Any {
        &mut self.component
    }
}

impl App {
    /// Lays a component over the screen that asks something.
    pub(super) fn ask_over<C: Modal + 'static>(
        &mut self,
        question: impl Question<C::Output>,
        component: C,
    ) {
        self.overlay = Some(Box::new(Asked {
            question,
            component,
        }));
    }

    /// Lays something to read over the screen.
    pub(super) fn read_over(&mut self, component: impl Modal<Output = Infallible> + 'static) {
        self.ask_over(NothingAsked, component);
    }

    /// The component over the screen, if it is of this type.
    pub(super) fn component<C: Modal + 'static>(&mut self) -> Option<&mut C> {
        self.overlay.as_mut()?.component().downcast_mut()
    }

    /// The question that is asked over the screen, if it is of this type.
    #[cfg(test)]
    pub(super) fn asked<Q: 'static>(&self) -> Option<&Q> {
        self.overlay.as_ref()?.question().downcast_ref()
    }
}
