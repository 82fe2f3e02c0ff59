//! Interrupts of commands that run for long: the first asks for an orderly end, the second ends the
//! program.

use std::io;
use std::process::exit;

use anyhow::{Context, Result};

use s1_lab::sweep::Control;

/// Exit code of a program that an interrupt ended.
pub const INTERRUPTED: u8 = 130;

/// Calls `first` at the first interrupt (ctrl-c, or a request to terminate).
///
/// # Errors
/// If the system does not let the program listen.
pub fn on_first(first: impl FnOnce() + Send + 'static) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot listen for signals")?;
    let listen = async {
        if next().await.is_ok() {
            first();
            if next().await.is_ok() {
                exit(i32::from(INTERRUPTED));
            }
        }
    };
    std::thread::Builder::new()
        .name("interrupts".into())
        .spawn(move || runtime.block_on(listen))
        .context("cannot listen for signals")?;
    Ok(())
}

/// What ends a sweep in good order at the first interrupt.
///
/// # Errors
/// As [`on_first`].
pub fn control() -> Result<Control> {
    let control = Control::default();
    let cancelled = control.clone();
    on_first(move || cancelled.cancel())?;
    Ok(control)
}

#[cfg(unix)]
async fn next() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn next() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
