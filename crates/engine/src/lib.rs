//! Commands in, events out: what computes the lanes of a model.
//!
//! An [`Engine`] is an interface; whoever drives one does not know where it computes. The engine
//! of this machine (`local`) is one thread that owns one model; the other one (`server`) follows
//! what a server writes. What every implementation needs is shared: the state machine and the trace
//! ([`s1_core`]), lanes that are computed once for as long as they agree ([`group`]), what a text
//! under way is (`course`) and how it is steered (`steer`), and the reading of probes ([`probe`]).
//!
//! Not here: anything that draws, and the rules of budget forcing.

use std::fmt::Debug;

use tokio::sync::mpsc;

use s1_core::protocol::{Command, Event};

pub mod catalog;
mod course;
pub mod dialogue;
mod families;
#[cfg(feature = "fixtures")]
pub mod fixture;
mod form;
pub mod group;
mod lanes;
mod local;
mod outlet;
pub mod probe;
mod server;
mod steer;
pub mod suggestions;

pub use dialogue::tokenizer_for;
pub use families::{families, use_families};
pub use form::{Form, Guard};
pub use local::{LoadOptions, MODEL, context_of, model_name};
pub use server::{Examination, Finding, SERVER, ServerOptions, examine, is_server};

/// What comes out of an engine. It closes when the engine has ended; one that is full makes the
/// engine wait.
pub type Events = mpsc::Receiver<Event>;

/// The way to an engine, wherever it computes. Dropping it ends the engine.
pub trait Engine: Debug + Send {
    /// Sends a command. Returns false if the engine has ended.
    fn send(&self, command: Command) -> bool;

    /// Makes the engine end soon, whatever it is doing (loading included).
    fn cancel(&self);

    /// Ends the engine and waits until its memory is free.
    fn shutdown(self: Box<Self>);

    /// Sets the number of threads it computes with, where it computes on this machine's
    /// processor: engines and a training that share the machine get as many as they should have.
    fn set_threads(&self, _threads: usize) {}
}

/// Starts the engine for a model, or for a server that has one. What happens, the loading included,
/// comes out as events.
///
/// # Errors
/// If it cannot be started. What is wrong with the model itself is an event.
pub fn start(options: LoadOptions) -> anyhow::Result<(Box<dyn Engine>, Events)> {
    if is_server(&options.path) || options.server.serve.is_some() {
        let (engine, events) = server::Server::spawn(options)?;
        return Ok((Box::new(engine), events));
    }
    let (engine, events) = local::Local::spawn(options)?;
    Ok((Box::new(engine), events))
}
