//! One continuation under way: a thread that reads what a server writes.
//!
//! Dropping a [`Stream`] closes the connection, which ends the request on the server, too, and the
//! thread with it, wherever it is.

use serde_json::Value;
use tokio::sync::mpsc;
use ureq::Agent;

use super::dialect::{ReplyReader, Said, StreamEnd};
use super::http::{RequestFault, ServerClient};
use super::sse::{EventReader, NextEvent};
use super::withheld;

/// Tells streams apart; never used twice.
pub(super) type StreamKey = u64;

/// What a stream has brought.
#[derive(Debug)]
pub(super) struct StreamMessage {
    pub key: StreamKey,
    pub said: Result<Said, RequestFault>,
}

pub(super) struct Stream {
    pub key: StreamKey,
    /// Which server.
    pub place: usize,
    agent: Option<Agent>,
}

impl Stream {
    /// Asks a server for a continuation. Its events come as messages.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub fn open(
        (key, place): (StreamKey, usize),
        client: &ServerClient,
        (path, mut reader): (&'static str, ReplyReader),
        request: Value,
        messages: mpsc::Sender<StreamMessage>,
    ) -> Result<Stream, RequestFault> {
        let agent = client.streaming();
        let (own, client) = (agent.clone(), client.clone());
        let read = move || {
            continuation(&client, &own, (path, &mut reader), &request, |said| {
                let more = said.as_ref().is_ok_and(|said| said.ending.is_none());
                messages.blocking_send(StreamMessage { key, said }).is_ok() && more
            });
        };
        let thread = std::thread::Builder::new().name("request".into());
        thread.spawn(read).map_err(|error| {
            RequestFault::passing(format!("there is no thread for another request: {error}"))
        })?;
        Ok(Stream {
            key,
            place,
            agent: Some(agent),
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.shutdown();
        }
    }
}

/// Reads a continuation to its end, or for as long as `tell` wants more.
pub(super) fn continuation(
    client: &ServerClient,
    agent: &Agent,
    (path, reader): (&str, &mut ReplyReader),
    request: &Value,
    mut tell: impl FnMut(Result<Said, RequestFault>) -> bool,
) {
    match client.open(agent, path, request) {
        Err(fault) => drop(tell(Err(fault))),
        Ok(input) => {
            let mut events = EventReader::new(input);
            let mut named: Vec<u32> = Vec::new();
            loop {
                match next(&mut events, client, reader) {
                    Ok(said) if withheld::between(&said, named.len()) > 0 => {
                        drop(events);
                        tell(withheld::ask(
                            client,
                            request,
                            (&named, said),
                            reader.vocabulary(),
                        ));
                        return;
                    }
                    // Asked for again it would be the same, without end.
                    Ok(said)
                        if said.ending == Some(StreamEnd::Limit)
                            && said.drawn.is_empty()
                            && named.is_empty() =>
                    {
                        let base = &client.base;
                        tell(Err(RequestFault::passing(format!(
                            "the server at {base} writes nothing; is its context full?"
                        ))));
                        return;
                    }
                    Ok(said) => {
                        named.extend(said.drawn.iter().map(|drawn| drawn.token.id));
                        if !tell(Ok(said)) {
                            return;
                        }
                    }
                    Err(fault) => {
                        tell(Err(fault));
                        return;
                    }
                }
            }
        }
    }
}

/// What comes next, or why nothing does.
fn next(
    events: &mut EventReader<impl std::io::BufRead>,
    client: &ServerClient,
    reader: &mut ReplyReader,
) -> Result<Said, RequestFault> {
    let base = &client.base;
    let next = events
        .next()
        .map_err(|error| client.broken(&error.into()))?;
    let sends = |what: &str| {
        RequestFault::passing(format!(
            "the server at {base} sends {what}; it may not be of a kind that is known here"
        ))
    };
    match next {
        NextEvent::Event(event) => reader
            .read(&event)
            .map_err(|what| sends(s1_data::sanitize::clean_line(&what).as_ref())),
        NextEvent::End | NextEvent::Torn => Err(RequestFault::passing(format!(
            "the server at {base} closed the connection in the middle; was it ended?"
        ))),
        NextEvent::TooLong => Err(sends("an event that does not end")),
    }
}
