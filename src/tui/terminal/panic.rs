//! The panic hook. On the thread that owns the screen, the terminal is restored first, then the message
//! is printed. On another one the screen goes on: it shows the message ([`panic_elsewhere`]), which is
//! printed once the terminal is given back.
//!
//! Not here: what becomes of the work that the other thread did.

use std::io::Write;
use std::panic::PanicHookInfo;
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::thread::{self, ThreadId};

use s1_data::contained::is_contained;

/// The thread that owns the screen.
static SCREEN: OnceLock<ThreadId> = OnceLock::new();

/// What the first panic on another thread said, and whether the screen has shown it.
static ELSEWHERE: Mutex<Option<(String, bool)>> = Mutex::new(None);

/// Installs the hook, once; the calling thread is the one that owns the screen.
pub fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = SCREEN.set(thread::current().id());
        std::panic::set_hook(Box::new(|info| {
            if is_contained() {
                return;
            }
            if SCREEN.get() == Some(&thread::current().id()) {
                super::restore();
                print(&message("s1-tui", info));
                return;
            }
            let message = message("a part of s1-tui", info);
            if super::is_entered() {
                // The screen lives on: printing now would spoil it, restoring would leave it
                // drawing on the user's shell.
                elsewhere().get_or_insert((message, false));
            } else {
                print(&message);
            }
        }));
    });
}

/// What a panic on another thread said, once.
pub fn panic_elsewhere() -> Option<String> {
    match elsewhere().as_mut() {
        Some((message, shown)) if !*shown => {
            *shown = true;
            Some(message.clone())
        }
        _ => None,
    }
}

/// Prints what a panic on another thread said; the terminal is given back.
pub(super) fn print_elsewhere() {
    if let Some((message, _)) = elsewhere().take() {
        print(&message);
    }
}

/// What it holds is whole after every change.
fn elsewhere() -> MutexGuard<'static, Option<(String, bool)>> {
    ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn message(who: &str, info: &PanicHookInfo) -> String {
    let payload = info.payload();
    let what = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current();
    let name = thread.name().unwrap_or("unnamed");
    // Not `capture`: that asks for the backtraces of errors, which are switched off.
    let trace = match std::env::var("RUST_BACKTRACE") {
        Ok(wish) if wish != "0" => format!("\n{}", std::backtrace::Backtrace::force_capture()),
        _ => String::new(),
    };
    format!(
        "{who} has met a bug and stopped: {what} (thread {name}, {place}). Please report this \
         sentence.{trace}"
    )
}

/// As `eprintln!`, which would panic if standard error is closed.
fn print(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}
