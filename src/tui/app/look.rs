//! Looking: the cursor, and the mouse.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::{App, Focus};
use crate::tui::action::Action;
use crate::tui::keymap::Context;
use crate::tui::screen::{self, Screen};
use crate::tui::widgets::footer;
use crate::tui::widgets::reader::Text;
use crate::tui::widgets::spark::Columns;
use crate::tui::widgets::trace::view::{Motion, Towards};

/// Lines per notch of the wheel.
pub(super) const WHEEL: isize = 3;

impl App {
    pub(super) fn go(&mut self, action: Action) {
        let motion = match action {
            Action::Left => Motion::Token(Towards::Back),
            Action::Right => Motion::Token(Towards::On),
            Action::WordLeft => Motion::Word(Towards::Back),
            Action::WordRight => Motion::Word(Towards::On),
            Action::SentenceLeft => Motion::Sentence(Towards::Back),
            Action::SentenceRight => Motion::Sentence(Towards::On),
            Action::Up => Motion::Line(Towards::Back),
            Action::Down => Motion::Line(Towards::On),
            Action::PageUp => Motion::Page(Towards::Back),
            Action::PageDown => Motion::Page(Towards::On),
            Action::Home => Motion::Start,
            _ => Motion::End,
        };
        match self.live.as_mut() {
            Some(live) => live.with_view(|view, tokens| view.go(tokens, motion)),
            None => self.refuse("There is no thought to move over yet."),
        }
    }

    /// Opens the prompt of the question on screen to be read.
    pub(super) fn show_prompt(&mut self) {
        let text = self.live.as_ref().map_or("", |live| &live.prompt_text);
        if text.is_empty() {
            return self.tell("The prompt can be read once a model has been asked.");
        }
        let tokens = self.live.as_ref().map_or(0, |live| live.prompt_ids.len());
        let title = format!("Prompt, {tokens} tokens");
        let opener = (Context::Explore, Action::ShowPrompt);
        self.read_over(Text::new(title, text, opener));
    }

    /// Takes a mouse event in.
    pub fn on_mouse(&mut self, mouse: MouseEvent) {
        let at = Position::new(mouse.column, mouse.row);
        if let Some(mut overlay) = self.overlay.take() {
            let open = match mouse.kind {
                MouseEventKind::Down(MouseButton::Left) => overlay.click(at, self),
                MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
                    overlay.wheel(mouse.kind == MouseEventKind::ScrollDown);
                    true
                }
                _ => true,
            };
            // What an answer does may have put another overlay there.
            if open && self.overlay.is_none() {
                self.overlay = Some(overlay);
            }
            return;
        }
        if let MouseEventKind::Down(MouseButton::Left) = mouse.kind
            && let Some(screen) = screen::tab_at(self.layout.header, at)
        {
            return self.act_by_mouse(screen.action());
        }
        if let MouseEventKind::Down(MouseButton::Left) = mouse.kind
            && let Some(action) = self.footer_at(at)
        {
            return self.act_by_mouse(action);
        }
        match self.screen {
            Screen::Explore => self.explore_mouse(mouse, at),
            Screen::Compare => self.compare_mouse(mouse, at),
            Screen::Plots => self.plots_mouse(mouse, at),
            Screen::Train => self.train_mouse(mouse, at),
        }
    }

    /// What the footer shows now, each with what it does in a word.
    pub fn footer_words(&self) -> Vec<(Action, &'static str)> {
        let actions = self.footer().into_iter();
        actions.map(|action| (action, self.word(action))).collect()
    }

    /// What stands at a place of the footer.
    fn footer_at(&self, at: Position) -> Option<Action> {
        let footer = self.layout.footer;
        let column = at.x.checked_sub(footer.x).filter(|_| footer.contains(at))?;
        footer::action_at(
            &self.footer_words(),
            self.context(),
            &self.keymap,
            usize::from(footer.width),
            usize::from(column),
        )
    }

    /// Does what was clicked, as its key would.
    fn act_by_mouse(&mut self, action: Action) {
        self.notice = None;
        if !self.tour_key(Some(action)) {
            self.act(action);
        }
    }

    fn explore_mouse(&mut self, mouse: MouseEvent, at: Position) {
        let trace = self.places.trace;
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) | MouseEventKind::Drag(MouseButton::Left)
                if self.places.strip.contains(at) =>
            {
                self.click_strip(at);
            }
            MouseEventKind::ScrollUp if trace.contains(at) => self.scroll(-WHEEL),
            MouseEventKind::ScrollDown if trace.contains(at) => self.scroll(WHEEL),
            MouseEventKind::Down(MouseButton::Left) if trace.contains(at) => {
                self.notice = None;
                self.click(at, trace);
            }
            _ => self.click_question(mouse, at),
        }
    }

    /// A click into the question box gives it the keys.
    pub(super) fn click_question(&mut self, mouse: MouseEvent, at: Position) {
        let click = mouse.kind == MouseEventKind::Down(MouseButton::Left);
        if click && self.places.question.contains(at) {
            self.notice = None;
            self.focus = Focus::Question;
        }
    }

    /// Columns that the scale beside the strip takes, with a gap.
    pub const STRIP_SCALE: u16 = 13;

    /// How the tokens of a trace are spread over the strip.
    pub fn strip_columns(tokens: usize, strip: Rect) -> Columns {
        let width = strip.width.saturating_sub(App::STRIP_SCALE);
        Columns::settled(tokens, usize::from(width))
    }

    /// Goes to the place of the trace that a column of the strip stands for.
    fn click_strip(&mut self, at: Position) {
        let strip = self.places.strip;
        let Some(live) = self.live.as_mut() else {
            return;
        };
        let tokens = live.lane().tokens.len();
        let token = App::strip_columns(tokens, strip).first(usize::from(at.x - strip.x));
        if token < tokens {
            self.focus = Focus::Trace;
            live.with_view(|view, tokens| {
                view.put(tokens, Some(token));
                view.look_at(tokens, token);
            });
        }
    }

    fn scroll(&mut self, lines: isize) {
        if let Some(live) = self.live.as_mut() {
            live.with_view(|view, _| view.scroll(lines));
        }
    }

    fn click(&mut self, at: Position, trace: Rect) {
        let Some(live) = self.live.as_mut() else {
            return;
        };
        self.focus = Focus::Trace;
        let (x, y) = (usize::from(at.x - trace.x), usize::from(at.y - trace.y));
        live.with_view(|view, tokens| {
            if let Some(token) = view.token_at(tokens, x, y) {
                view.put(tokens, Some(token));
            }
        });
    }
}
