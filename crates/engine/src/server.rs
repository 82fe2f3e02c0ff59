//! The engine of a server: a thread that follows what a server writes, token by token, and steers it.
//!
//! The server continues token ids and does nothing else. Whatever is decided is decided here, by the
//! same rules as everywhere: a text that is edited closes its stream, and the next one continues from
//! the new tokens, which the server has in memory but for the last few.
//!
//! One thread decides (`worker`); each request that is under way has a thread that reads (`stream`).
//! The requests are `ureq`'s, which downloads use, too: it says when a server has been silent for too
//! long, and ends a read that hangs from another thread, so that no runtime is needed to wait for
//! many servers at once.
//!
//! Not here: what computes on this machine ([`super::local`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use ureq::Agent;

use super::{Engine, Events, LoadOptions};
use crate::outlet;
use http::{ServerClient, ServerTimeouts};
use s1_core::protocol::{Command, Event};

mod address;
mod capabilities;
mod chat;
mod connect;
mod dialect;
mod http;
mod options;
mod places;
mod scores;
mod sequence;
mod serve;
mod sse;
mod stream;
mod withheld;
mod words;
mod worker;

#[cfg(test)]
mod tests;

pub use address::is_server;
pub use capabilities::{Examination, Finding, examine};
pub use options::{SERVER, ServerOptions};

/// Events that may wait to be read; a reader that falls behind slows the server down.
const EVENTS: usize = 1024;

/// Reads what a server might send, in every form, to the first event that makes no sense.
#[cfg(feature = "fixtures")]
pub fn read_events(bytes: &[u8], vocabulary: usize) {
    use dialect::ReplyReader;
    let tags = chat::Tags {
        open: "<think>".into(),
        end: "</think>".into(),
    };
    let chat = chat::ChatReader::new(tags, &s1_core::forcing::Policy::default());
    for mut reader in [
        ReplyReader::Llama { vocabulary },
        ReplyReader::Completions { vocabulary },
        ReplyReader::Chat(chat),
    ] {
        let mut events = sse::EventReader::new(bytes);
        while let Ok(sse::NextEvent::Event(event)) = events.next() {
            if reader.read(&event).is_err() {
                break;
            }
        }
    }
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Server {
    commands: mpsc::UnboundedSender<Command>,
    cancelled: Arc<AtomicBool>,
    /// What ends a question to a server that hangs.
    agents: Vec<Agent>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Starts a thread that connects to a server and then serves commands.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn spawn(options: LoadOptions) -> anyhow::Result<(Server, Events)> {
        Server::patient(options, ServerTimeouts::default())
    }

    /// As [`Server::spawn`], with so much patience.
    fn patient(options: LoadOptions, patience: ServerTimeouts) -> anyhow::Result<(Server, Events)> {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (events, outbox) = mpsc::channel(EVENTS);
        let cancelled = Arc::new(AtomicBool::new(false));
        let plan = options.server.serve.clone();
        let plan = plan
            .map(|word| serve::LaunchPlan::new(&word, &options))
            .transpose()?;
        let options = match &plan {
            Some(plan) => served(options, plan),
            None => options,
        };
        let clients = connect::clients(&options, patience);
        let agents = clients.iter().flatten().map(ServerClient::agent).collect();
        let stop = cancelled.clone();
        let thread = std::thread::Builder::new()
            .name("server".into())
            .spawn(move || {
                outlet::reporting_panics(&events.clone(), || {
                    let _own = match plan.map(|plan| plan.start(&events, &stop)).transpose() {
                        Ok(own) => own.flatten(),
                        Err(error) => {
                            let _ = events.blocking_send(Event::Failed(format!("{error:#}")));
                            return;
                        }
                    };
                    worker::run(clients, &options, inbox, events, &stop);
                });
            })?;
        let engine = Server {
            commands,
            cancelled,
            agents,
            thread: Some(thread),
        };
        Ok((engine, outbox))
    }
}

/// How a server of our own is used: at its address, with the tokenizer beside its model, if there is one.
fn served(options: LoadOptions, plan: &serve::LaunchPlan) -> LoadOptions {
    let beside = options.path.join("tokenizer.json");
    let tokenizer = options.server.tokenizer.clone();
    LoadOptions {
        server: ServerOptions {
            tokenizer: tokenizer.or_else(|| beside.is_file().then_some(beside)),
            ..options.server.clone()
        },
        path: plan.address.clone().into(),
        ..options
    }
}

impl Engine for Server {
    fn send(&self, command: Command) -> bool {
        self.commands.send(command).is_ok()
    }

    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        // If the thread is gone already there is nobody left to tell.
        let _ = self.commands.send(Command::Shutdown);
        for agent in &self.agents {
            agent.clone().shutdown();
        }
    }

    fn shutdown(mut self: Box<Self>) {
        self.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic in the thread has been reported as an event.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.cancel();
    }
}
