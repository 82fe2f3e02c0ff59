//! The terminal itself: entered once, restored whatever happens.
//!
//! [`Terminal::enter`] switches to raw mode and the alternate screen; dropping the value, a panic,
//! and [`restore`] give the terminal back, each any number of times. A panic on another thread is told
//! then, and before on the screen ([`panic_elsewhere`]). Signals arrive through [`Signals`] as values,
//! so that leaving is always the same clean path.
//!
//! Not here: what is drawn, and when ([`super::frame`]).

mod marks;
mod output;
mod panic;
mod signals;

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(unix)]
use std::time::Duration;

use anyhow::{Context, Result, bail};
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
    KeyboardEnhancementFlags, PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};

use output::Output;

pub use panic::panic_elsewhere;
pub use signals::{Signal, Signals, end_if_stalled};

/// Whether the terminal is ours now. Whoever turns it off restores; everyone else does nothing.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Time for the process to stop in, counted while it runs.
#[cfg(unix)]
const STOPPING: Duration = Duration::from_millis(100);

/// Whether keyboard flags were pushed and must be popped.
static KEYBOARD: AtomicBool = AtomicBool::new(false);

/// The terminal while it shows the program.
pub struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<Output>>,
    mouse: bool,
    /// Whether it is asked to tell, say, shift-enter from enter.
    keyboard: bool,
    /// Whether its font lacks the program's signs.
    plain_marks: bool,
}

impl Terminal {
    /// Takes the terminal over: raw mode, alternate screen, bracketed paste, the mouse if wanted,
    /// and precise keys where the terminal knows them; others pass the wish over. From here on a panic restores it first.
    ///
    /// # Errors
    /// If input or output is no terminal, or it refuses; it is restored then.
    pub fn enter(mouse: bool) -> Result<Terminal> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            bail!("the screen needs a terminal for input and output; in a pipe, use `s1-tui run`");
        }
        panic::install_hook();
        enable_raw_mode().context("cannot put the terminal into raw mode")?;
        ENTERED.store(true, Ordering::SeqCst);
        let keyboard = knows_sequences();
        let entered = switch_on(mouse, keyboard).and_then(|()| {
            Ok(Terminal {
                inner: ratatui::Terminal::new(CrosstermBackend::new(Output::default()))?,
                mouse,
                keyboard,
                plain_marks: marks::are_wanted(std::env::var("TERM").ok().as_deref()),
            })
        });
        entered.map_err(|e| {
            restore();
            anyhow::Error::new(e).context("cannot set the terminal up")
        })
    }

    /// Draws one frame.
    ///
    /// # Errors
    /// If the terminal is gone or closed: leave at once, without another attempt to draw.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame)) -> io::Result<()> {
        let plain_marks = self.plain_marks;
        let drawn = self.inner.draw(|frame| {
            render(frame);
            if plain_marks {
                marks::replace(frame.buffer_mut());
            }
        });
        drawn.map(drop)
    }

    /// Forgets what is on screen, so that the next frame draws every cell again.
    ///
    /// # Errors
    /// As [`Terminal::draw`].
    pub fn redraw(&mut self) -> io::Result<()> {
        // Not `clear`, which asks the terminal where its cursor is and waits for an answer that
        // whoever reads the keys would take.
        let size = self.inner.size()?;
        self.inner.resize(Rect::from((Position::ORIGIN, size)))
    }

    /// Sends bytes to the terminal between two frames, e.g. OSC 52 for the clipboard.
    ///
    /// # Errors
    /// As [`Terminal::draw`].
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let output = self.inner.backend_mut();
        output.write_all(bytes)?;
        Write::flush(output)
    }

    /// Takes the mouse, or gives it back to the terminal.
    ///
    /// # Errors
    /// As [`Terminal::draw`].
    pub fn mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        match on {
            true => execute!(io::stdout(), EnableMouseCapture),
            false => execute!(io::stdout(), DisableMouseCapture),
        }
    }

    /// Stops the program as Ctrl-Z does: restores the terminal, stops the process group, and takes
    /// the terminal over again when the shell brings the program back. Does nothing where there is
    /// no job control.
    ///
    /// # Errors
    /// As [`Terminal::draw`].
    pub fn suspend(&mut self) -> io::Result<()> {
        restore();
        #[cfg(unix)]
        // The whole group, as the terminal's own Ctrl-Z does: a wrapper that waits for this
        // process (cargo, a script) must stop with it, or the shell would wait for ever.
        {
            rustix::process::kill_current_process_group(rustix::process::Signal::TSTP)?;
            // The signal may be handled by another thread. Until then this one must not touch the
            // terminal, which belongs to the shell now.
            std::thread::sleep(STOPPING);
        }
        self.take_back()
    }

    /// Takes the terminal over again after somebody else had it (SIGCONT).
    ///
    /// # Errors
    /// As [`Terminal::draw`].
    pub fn take_back(&mut self) -> io::Result<()> {
        // A shell may have changed the modes behind our back: leave ours first, so that entering
        // does more than remember.
        restore();
        enable_raw_mode()?;
        ENTERED.store(true, Ordering::SeqCst);
        switch_on(self.mouse, self.keyboard)?;
        self.redraw()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
        panic::print_elsewhere();
    }
}

/// Whether the terminal is ours now.
fn is_entered() -> bool {
    ENTERED.load(Ordering::SeqCst)
}

/// Whether the terminal passes over sequences that it does not know, as these two may not. It is not
/// asked what it knows: one that does not answer would be waited for, before a blank screen.
fn knows_sequences() -> bool {
    !matches!(std::env::var("TERM").as_deref(), Ok("dumb" | "linux"))
}

fn switch_on(mouse: bool, keyboard: bool) -> io::Result<()> {
    let mut out = io::stdout();
    execute!(
        out,
        EnterAlternateScreen,
        EnableBracketedPaste,
        cursor::Hide
    )?;
    if mouse {
        execute!(out, EnableMouseCapture)?;
    }
    if keyboard {
        KEYBOARD.store(true, Ordering::SeqCst);
        let flags = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES;
        execute!(out, PushKeyboardEnhancementFlags(flags))?;
    }
    Ok(())
}

/// Gives the terminal back as it was. May be called at any time, from any thread, any number of
/// times; only the first call after entering does something. Errors are passed over: a terminal
/// that is gone needs no restoring.
pub fn restore() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    if KEYBOARD.swap(false, Ordering::SeqCst) {
        let _ = execute!(out, PopKeyboardEnhancementFlags);
    }
    let _ = execute!(
        out,
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
}

/// Ends the program where the terminal takes no output, which the thread that draws waits for: the
/// modes are given back, which needs none.
fn end_stalled(code: u8) -> ! {
    let _ = disable_raw_mode();
    std::process::exit(i32::from(code))
}

#[cfg(test)]
pub(super) mod tests;
