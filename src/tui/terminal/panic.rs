//! The panic hook: the terminal is restored first, then the message is printed.

use std::io::Write;
use std::panic::PanicHookInfo;
use std::sync::{Mutex, Once, OnceLock};
use std::thread::{self, ThreadId};

/// The thread that owns the screen.
static SCREEN: OnceLock<ThreadId> = OnceLock::new();

/// What the first panic on another thread said.
static ELSEWHERE: Mutex<Option<String>> = Mutex::new(None);

/// Installs the hook, once; the calling thread is the one that owns the screen.
pub fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = SCREEN.set(thread::current().id());
        std::panic::set_hook(Box::new(|info| {
            let message = message(info);
            if SCREEN.get() == Some(&thread::current().id()) {
                super::restore();
                print(&message);
            } else if super::is_entered() {
                // The screen lives on: printing now would spoil it, restoring would leave it
                // drawing on the user's shell. Whoever waits for that thread hears of it.
                if let Ok(mut first) = ELSEWHERE.lock() {
                    first.get_or_insert(message);
                }
            } else {
                print(&message);
            }
        }));
    });
}

/// What a panic on another thread said, once; to be printed after the terminal is restored.
pub fn panic_elsewhere() -> Option<String> {
    ELSEWHERE.lock().ok()?.take()
}

fn message(info: &PanicHookInfo) -> String {
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
        "s1-tui has met a bug and stopped: {what} (thread {name}, {place}). Please report this \
         sentence.{trace}"
    )
}

/// As `eprintln!`, which would panic if standard error is closed.
fn print(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}
