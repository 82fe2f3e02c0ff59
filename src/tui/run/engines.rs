//! The engines of the loop: the one in use, and others for a comparison.
//!
//! Starting and ending one may take a while and is done on a thread of its own, which then passes
//! its events on to the inbox; where that is full, it waits, the engine's own channel fills, and the
//! engine waits too: however slow the terminal, memory does not grow.

use std::collections::BTreeMap;

use tokio::sync::mpsc::Sender;

use super::LoopMessage;
use s1_core::protocol::{Command, Event};
use s1_engine::{Engine, Events, LoadOptions};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EngineSlot {
    Main,
    /// Another one, by its number.
    Other(usize),
}

/// What comes from an engine.
pub enum EngineMessage {
    /// It was started.
    Started(Box<dyn Engine>),
    /// It says something.
    Event(Event),
}

/// An engine that is wanted; `None` until it has started.
struct WantedEngine {
    serial: u64,
    engine: Option<Box<dyn Engine>>,
}

pub struct Engines {
    slots: BTreeMap<EngineSlot, WantedEngine>,
    /// Counts those started: what an earlier one of the same slot still says is passed over.
    started: u64,
    inbox: Sender<LoopMessage>,
}

impl Engines {
    /// None yet; what they say goes to the inbox.
    pub fn new(inbox: Sender<LoopMessage>) -> Engines {
        Engines {
            slots: BTreeMap::new(),
            started: 0,
            inbox,
        }
    }

    /// Starts an engine, after the end of the one that has its place.
    pub fn start(&mut self, slot: EngineSlot, options: LoadOptions) {
        self.started += 1;
        let serial = self.started;
        let wanted = WantedEngine {
            serial,
            engine: None,
        };
        let old = self.slots.insert(slot, wanted).and_then(|w| w.engine);
        let inbox = self.inbox.clone();
        std::thread::spawn(move || {
            // The old model's memory is free before the new one's is taken.
            if let Some(old) = old {
                old.shutdown();
            }
            let wrap = |message| LoopMessage::Engine(slot, serial, message);
            match s1_engine::start(options) {
                Ok((engine, events)) => {
                    // An engine that nobody waits for any more ends where this is dropped.
                    let started = wrap(EngineMessage::Started(engine));
                    let _ = inbox.blocking_send(started);
                    forward(events, &inbox, |event| wrap(EngineMessage::Event(event)));
                }
                Err(error) => {
                    let failed = Event::Failed(format!("{error:#}"));
                    let _ = inbox.blocking_send(wrap(EngineMessage::Event(failed)));
                }
            }
        });
    }

    /// Ends an engine, or its loading.
    pub fn end(&mut self, slot: EngineSlot) {
        self.slots.remove(&slot);
    }

    /// Sends a command to an engine, if it is there.
    pub fn send(&self, slot: EngineSlot, command: Command) {
        let wanted = self.slots.get(&slot);
        if let Some(engine) = wanted.and_then(|w| w.engine.as_ref()) {
            engine.send(command);
        }
    }

    /// Takes a message of an engine in; what the application should know of it.
    pub fn take(&mut self, slot: EngineSlot, serial: u64, message: EngineMessage) -> Option<Event> {
        // One that is not wanted any more: dropping it ends it.
        let wanted = self.slots.get_mut(&slot).filter(|w| w.serial == serial)?;
        match message {
            EngineMessage::Event(event) => Some(event),
            EngineMessage::Started(engine) => {
                wanted.engine = Some(engine);
                None
            }
        }
    }
}

/// Passes events on until either end is gone.
fn forward<T>(mut events: Events, inbox: &Sender<T>, wrap: impl Fn(Event) -> T) {
    while let Some(event) = events.blocking_recv() {
        if inbox.blocking_send(wrap(event)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc::channel;

    use super::*;

    /// A user would lose: a machine whose memory fills while the terminal is slow.
    #[test]
    fn an_inbox_that_is_not_read_holds_the_engine_back_and_one_that_is_gone_lets_it_end() {
        let (engine, events) = channel(4);
        let (inbox, mut read) = channel(2);
        let thread = std::thread::spawn(move || forward(events, &inbox, |event| event));
        let mut sent = 0;
        while engine.try_send(Event::Loading(sent as f32)).is_ok() || sent < 7 {
            sent += 1;
            std::thread::sleep(Duration::from_millis(2));
            assert!(sent < 100, "nothing holds it back");
        }
        // In order, once they are read.
        for i in 0..3 {
            assert!(matches!(read.blocking_recv(), Some(Event::Loading(n)) if n == i as f32));
        }
        drop(read);
        thread.join().unwrap();
        assert!(engine.is_closed(), "the engine hears that nobody listens");
    }
}
