//! What lies over the screen: a [component](Modal) that has the keys, and what an answer does.
//!
//! A question is one call of [`App::ask_over`], in the file of what it is about: the component that
//! asks, and what is done with its answer. A list's rows carry the answers they stand for. Nothing
//! else has to know of it.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;

use crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};

use super::App;
use crate::tui::keymap::Keymap;
use crate::tui::widgets::modal::{Modal, Reply};
use crate::tui::widgets::overlay::DrawContext;
use crate::tui::widgets::reader::{Readable, Reader};

/// What became of an answer: it was taken, or one sentence says what is wrong with it. The question
/// stays where it can show that.
pub trait AnswerOutcome {
    fn outcome(self) -> Result<(), String>;
}

impl AnswerOutcome for () {
    fn outcome(self) -> Result<(), String> {
        Ok(())
    }
}

impl AnswerOutcome for Result<(), String> {
    fn outcome(self) -> Result<(), String> {
        self
    }
}

/// A component and what its answers do, whatever their types are.
pub trait Overlay: fmt::Debug {
    /// Handles a key; `false` if it is to be closed.
    fn key(&mut self, key: KeyEvent, app: &mut App) -> bool;
    /// Handles a click; `false` if it is to be closed.
    fn click(&mut self, at: Position, app: &mut App) -> bool;
    /// Handles a notch of the wheel.
    fn wheel(&mut self, down: bool);
    /// Takes pasted text in.
    fn paste(&mut self, text: &str);
    /// Settles what depends on the size of the screen; called before each drawing.
    fn prepare(&mut self, area: Rect, keymap: &Keymap);
    /// Draws; returns where the terminal's cursor stands, if it is to be seen.
    fn draw(&self, on: &mut DrawContext) -> Option<Position>;
    fn component(&mut self) -> &mut dyn Any;
}

struct OpenQuestion<C: Modal> {
    component: C,
    /// Acts on an answer; `None` is the user leaving without one.
    answered: OnAnswer<C::Output>,
}

type OnAnswer<T> = Box<dyn Fn(&mut App, Option<T>) -> Result<(), String>>;

impl<C: Modal> fmt::Debug for OpenQuestion<C> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.component.fmt(f)
    }
}

impl<C: Modal + 'static> OpenQuestion<C> {
    /// Acts on what was done to the component; `false` if it is to be closed.
    fn take(&mut self, reply: Reply<C::Output>, app: &mut App) -> bool {
        let answer = match reply {
            Reply::Open => return true,
            Reply::Other(action) => {
                app.act(action);
                return true;
            }
            Reply::Done(answer) => Some(answer),
            Reply::Cancelled => None,
        };
        let Err(sentence) = (self.answered)(app, answer) else {
            return false;
        };
        let shown = self.component.show_error(&sentence);
        if !shown {
            app.refuse(sentence);
        }
        shown
    }
}

impl<C: Modal + 'static> Overlay for OpenQuestion<C> {
    fn key(&mut self, key: KeyEvent, app: &mut App) -> bool {
        let reply = self.component.key(key, &app.keymap);
        self.take(reply, app)
    }

    fn click(&mut self, at: Position, app: &mut App) -> bool {
        let reply = self.component.click(at);
        self.take(reply, app)
    }

    fn wheel(&mut self, down: bool) {
        self.component.wheel(down);
    }

    fn paste(&mut self, text: &str) {
        self.component.paste(text);
    }

    fn prepare(&mut self, area: Rect, keymap: &Keymap) {
        self.component.prepare(area, keymap);
    }

    fn draw(&self, on: &mut DrawContext) -> Option<Position> {
        self.component.draw(on)
    }

    fn component(&mut self) -> &mut dyn Any {
        &mut self.component
    }
}

impl App {
    /// Lays a component over the screen that asks something; `answered` acts on the answer.
    pub(super) fn ask_over<C: Modal + 'static, O: AnswerOutcome>(
        &mut self,
        component: C,
        answered: impl Fn(&mut App, C::Output) -> O + 'static,
    ) {
        self.ask_or(component, answered, |_| {});
    }

    /// As [`App::ask_over`]; `cancelled` acts where the user leaves without an answer.
    pub(super) fn ask_or<C: Modal + 'static, O: AnswerOutcome>(
        &mut self,
        component: C,
        answered: impl Fn(&mut App, C::Output) -> O + 'static,
        cancelled: impl Fn(&mut App) + 'static,
    ) {
        self.overlay = Some(Box::new(OpenQuestion {
            component,
            answered: Box::new(move |app, answer| match answer {
                Some(answer) => answered(app, answer).outcome(),
                None => {
                    cancelled(app);
                    Ok(())
                }
            }),
        }));
    }

    /// Lays something to read over the screen.
    pub(super) fn read_over(&mut self, what: impl Readable + 'static) {
        self.look_over(Reader::new(what));
    }

    /// Lays a component over the screen that asks nothing.
    pub(super) fn look_over(&mut self, component: impl Modal<Output = Infallible> + 'static) {
        self.ask_over(component, |_, answer| -> () { match answer {} });
    }

    /// The component over the screen, if it is of this type.
    pub(in crate::tui) fn component<C: Modal + 'static>(&mut self) -> Option<&mut C> {
        self.overlay.as_mut()?.component().downcast_mut()
    }
}
