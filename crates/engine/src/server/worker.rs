//! The engine's thread: takes commands and what servers have written, one after the other, and lets the
//! rules of each lane decide what is made of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::connect::{self, Remote};
use super::http::ServerClient;
use super::places::Replicas;
use super::sequence::Sequence;
use super::stream::{StreamKey, StreamMessage};
use crate::LoadOptions;
use crate::lanes::Lanes as _;
use crate::outlet::{Disconnected, Outlet};
use s1_core::protocol::{Command, Event, LaneId};

mod commands;
mod lanes;
mod probes;
mod rows;
mod streams;

/// Messages of servers that may wait: one that is ahead of this is held back.
const MESSAGES: usize = 1024;

pub(super) struct Worker<'a> {
    remote: Remote,
    places: Replicas,
    inbox: mpsc::UnboundedReceiver<Command>,
    messages: mpsc::Receiver<StreamMessage>,
    /// For the threads of the streams.
    mouth: mpsc::Sender<StreamMessage>,
    /// What waits for commands and messages at once.
    waiter: Runtime,
    events: Outlet,
    cancelled: &'a AtomicBool,
    /// What is written, by the id of its first lane.
    sequences: BTreeMap<LaneId, Sequence>,
    /// Tokens that servers have read and written for each row.
    rows: BTreeMap<LaneId, usize>,
    /// Rows that have not begun.
    later: rows::Later,
    /// Most sequences of rows that are written at once; 0 holds all of them still.
    limit: usize,
    next_key: StreamKey,
}

/// Connects, and serves until told to stop, or until nobody listens.
pub(super) fn run(
    clients: Result<Vec<ServerClient>>,
    options: &LoadOptions,
    inbox: mpsc::UnboundedReceiver<Command>,
    events: mpsc::Sender<Event>,
    cancelled: &AtomicBool,
) {
    // A full channel only costs a step of the progress bar.
    let _ = events.try_send(Event::Loading(0.0));
    let ready = clients.and_then(|clients| {
        let remote = connect::connect(clients, options)?;
        Ok((remote, Builder::new_current_thread().enable_time().build()?))
    });
    let (mut remote, waiter) = match ready {
        Ok(ready) => ready,
        Err(error) => {
            let _ = events.blocking_send(Event::Failed(format!("{error:#}")));
            return;
        }
    };
    let info = Box::new(remote.info.clone());
    if events.blocking_send(Event::Loaded(info)).is_err() {
        return;
    }
    let (mouth, messages) = mpsc::channel(MESSAGES);
    let worker = Worker {
        places: Replicas::new(std::mem::take(&mut remote.clients)),
        remote,
        inbox,
        messages,
        mouth,
        waiter,
        events: Outlet(events),
        cancelled,
        sequences: BTreeMap::new(),
        rows: BTreeMap::new(),
        later: rows::Later::default(),
        limit: usize::MAX,
        next_key: 0,
    };
    // Ending because nobody listens is the ordinary way to end.
    let _: Result<(), Disconnected> = worker.serve();
}

/// What has come.
enum Incoming {
    Command(Box<Command>),
    Message(StreamMessage),
}

impl Worker<'_> {
    fn serve(mut self) -> Result<(), Disconnected> {
        loop {
            let mut came = self.wait()?;
            while let Some(one) = came {
                if self.cancelled.load(Ordering::Relaxed) {
                    return Err(Disconnected);
                }
                match one {
                    Incoming::Command(command) => self.handle(*command)?,
                    Incoming::Message(message) => self.take_in(message)?,
                }
                came = self.at_hand();
            }
            self.step()?;
        }
    }

    /// Waits until something has come, or until it is time to try something again.
    fn wait(&mut self) -> Result<Option<Incoming>, Disconnected> {
        let again = self
            .sequences
            .values()
            .filter_map(|s| s.trouble.until)
            .chain(self.later.until())
            .min();
        let pause = again.map_or(Duration::MAX, |t| {
            t.saturating_duration_since(Instant::now())
        });
        let (inbox, messages) = (&mut self.inbox, &mut self.messages);
        self.waiter.block_on(async {
            tokio::select! {
                biased;
                command = inbox.recv() => command.map(|c| Some(Incoming::Command(c.into()))).ok_or(Disconnected),
                message = messages.recv() => Ok(message.map(Incoming::Message)),
                () = tokio::time::sleep(pause), if again.is_some() => Ok(None),
            }
        })
    }

    /// What has come already; commands first.
    fn at_hand(&mut self) -> Option<Incoming> {
        let command = self.inbox.try_recv().ok();
        let command = command.map(|command| Incoming::Command(command.into()));
        command.or_else(|| self.messages.try_recv().ok().map(Incoming::Message))
    }

    /// Takes every sequence as far as it goes with what has come.
    fn step(&mut self) -> Result<(), Disconnected> {
        if self.limit == 0 {
            for sequence in self.sequences.values_mut() {
                sequence.rest();
                sequence.put_off_probe();
            }
            return Ok(());
        }
        self.begin_rows()?;
        loop {
            self.admit();
            let mut next = 0;
            while let Some(id) = self.sequences.range(next..).next().map(|(&id, _)| id) {
                self.advance(id)?;
                next = id + 1;
            }
            self.end_rows()?;
            if !self.can_admit() {
                break;
            }
        }
        self.tell_computed()
    }
}
