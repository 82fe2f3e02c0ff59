//! One thread that owns one model and serves lanes: commands in, events out.
//!
//! Not here: anything that draws, and the rules of budget forcing (those are
//! [`s1_core`]). The engine asks the state machine what comes next, and computes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use s1_model::parallel::{self, Pool};

pub mod catalog;
pub mod dialogue;
mod lane;
mod loaded;
mod probe;
mod scores;
mod worker;

pub use dialogue::tokenizer_for;
pub use loaded::{LoadOptions, MODEL};
use s1_core::protocol::{Command, Event};

/// Events that may wait to be read. A reader that falls behind slows the engine down rather than
/// filling the memory.
const EVENTS: usize = 1024;

/// The way to the engine's thread. Dropping it ends the thread.
#[derive(Debug)]
pub struct Engine {
    commands: mpsc::UnboundedSender<Command>,
    cancelled: Arc<AtomicBool>,
    pool: Arc<Pool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Engine {
    /// Starts a thread that loads a model and then serves commands. What happens, the loading
    /// included, comes out of the receiver; it closes when the thread ends.
    ///
    /// Errors if no thread can be started.
    pub fn spawn(options: LoadOptions) -> anyhow::Result<(Engine, mpsc::Receiver<Event>)> {
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
        Ok((
            Engine {
                commands,
                cancelled,
                pool,
                thread: Some(thread),
            },
            outbox,
        ))
    }

    /// Sends a command. Returns false if the engine has ended.
    pub fn send(&self, command: Command) -> bool {
        self.commands.send(command).is_ok()
    }

    /// Threads the engine computes with on the CPU.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Sets the number of threads, from the next loop of the running pass on: engines and a
    /// training run that share a machine get as many as they should have of it.
    pub fn set_threads(&self, threads: usize) {
        self.pool.set_threads(threads);
    }

    /// Makes the engine end soon, whatever it is doing (loading included).
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        // If the thread is gone already there is nobody left to tell.
        let _ = self.commands.send(Command::Shutdown);
    }

    /// Ends the engine and waits until its thread is gone and the model's memory is free.
    pub fn shutdown(mut self) {
        self.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic in the thread has been reported as an event.
            let _ = thread.join();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.cancel();
    }
}
