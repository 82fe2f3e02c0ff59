//! Signals as values: an end by signal is a quit like any other, so that sessions are saved and
//! the terminal is restored on the same path.

use std::io;
use std::time::Duration;

/// Time to leave in, after a signal. What is then not done waits for a terminal that takes no output.
#[cfg(unix)]
const LEAVING: Duration = Duration::from_millis(1500);

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Leave at once, without asking; the number of the signal.
    Quit(u8),
    /// The program was stopped and runs again: take the terminal back and draw.
    Continue,
}

impl Signal {
    /// The exit code of a program that ended by this signal: 128 + its number, as shells count.
    pub fn exit_code(self) -> Option<u8> {
        match self {
            Signal::Quit(number) => Some(128u8.saturating_add(number)),
            Signal::Continue => None,
        }
    }
}

/// Waits for SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGCONT. While it exists, none of the first four
/// ends the program by itself. Needs a running tokio runtime.
#[cfg(unix)]
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    cont: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Starts to listen.
    ///
    /// # Errors
    /// If the system refuses a handler.
    pub fn listen() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        let cont = rustix::process::Signal::CONT.as_raw();
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            cont: signal(SignalKind::from_raw(cont))?,
        })
    }

    /// The next signal. Safe to cancel.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::Quit(1),
            _ = self.interrupt.recv() => Signal::Quit(2),
            _ = self.quit.recv() => Signal::Quit(3),
            _ = self.terminate.recv() => Signal::Quit(15),
            _ = self.cont.recv() => Signal::Continue,
        }
    }
}

/// Sees to it, on a thread of its own, that the program ends soon after a signal that ends it, also
/// where the thread that draws waits for a terminal.
///
/// # Errors
/// If the system refuses a handler or a thread.
#[cfg(unix)]
pub fn end_if_stalled() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    let watch = move || {
        let code = runtime.block_on(async {
            loop {
                if let Some(code) = signals.next().await.exit_code() {
                    return code;
                }
            }
        });
        // Usually the program has ended before this.
        std::thread::sleep(LEAVING);
        super::end_stalled(code)
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(watch)
        .map(drop)
}

/// There are no such signals on this system.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn end_if_stalled() -> io::Result<()> {
    Ok(())
}

/// Waits for Ctrl-C, the only signal of this system.
#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Starts to listen.
    ///
    /// # Errors
    /// Never on this system.
    pub fn listen() -> io::Result<Signals> {
        Ok(Signals)
    }

    /// The next signal. Safe to cancel.
    pub async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Quit(2),
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_a_shell_expects() {
        assert_eq!(Signal::Quit(15).exit_code(), Some(143));
        assert_eq!(Signal::Quit(1).exit_code(), Some(129));
        assert_eq!(Signal::Continue.exit_code(), None);
    }
}
