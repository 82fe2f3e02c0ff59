//! The engine of this machine: one thread that owns one model.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::{Engine, Events};
use s1_core::protocol::Command;
use s1_model::parallel::{self, Pool};

mod loaded;
mod lookup;
mod probe;
mod scores;
mod sequence;
mod worker;

pub use loaded::{LoadOptions, MODEL, context_of, model_name};

/// Events that may wait to be read. A reader that falls behind slows the engine down rather than
/// filling the memory.
const EVENTS: usize = 1024;

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Local {
    commands: mpsc::UnboundedSender<Command>,
    cancelled: Arc<AtomicBool>,
    pool: Arc<Pool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Local {
    /// Starts a thread that loads a model and then serves commands.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn spawn(options: LoadOptions) -> anyhow::Result<(Local, Events)> {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (events, outbox) = mpsc::channel(EVENTS);
        let cancelled = Arc::new(AtomicBool::new(false));
        let pool = Pool::new(parallel::default_threads());
        let (stop, own) = (cancelled.clone(), pool.clone());
        let thread = std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || {
                own.enter();
                worker::run(options, inbox, events, &stop);
            })?;
        let engine = Local {
            commands,
            cancelled,
            pool,
            thread: Some(thread),
        };
        Ok((engine, outbox))
    }
}

impl Engine for Local {
    fn send(&self, command: Command) -> bool {
        self.commands.send(command).is_ok()
    }

    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        // If the thread is gone already there is nobody left to tell.
        let _ = self.commands.send(Command::Shutdown);
    }

    fn shutdown(mut self: Box<Self>) {
        self.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic in the thread has been reported as an event.
            let _ = thread.join();
        }
    }

    fn set_threads(&self, threads: usize) {
        // Holds from the next loop of the running pass on.
        self.pool.set_threads(threads);
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.cancel();
    }
}
