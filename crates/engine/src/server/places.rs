//! Which of several servers of one model is asked: the one that has the text's beginning in memory, or
//! else the one with the fewest requests; none that has just failed while there is another.

use std::time::{Duration, Instant};

use super::http::ServerClient;

pub(super) struct Replicas {
    all: Vec<Replica>,
}

struct Replica {
    client: ServerClient,
    /// Until when it is left alone.
    down: Option<Instant>,
    failures: u32,
}

/// The longest time that a server is left alone, and the longest that one may ask for.
const LONGEST: Duration = Duration::from_secs(30);
const LONGEST_ASKED: Duration = Duration::from_secs(120);

/// How long a server is left alone that has failed so often before.
pub(super) fn pause(client: &ServerClient, failures: u32) -> Duration {
    let pause = client.patience.pause * 2u32.saturating_pow(failures.min(16));
    pause.min(LONGEST)
}

impl Replicas {
    pub fn new(clients: Vec<ServerClient>) -> Replicas {
        let place = |client| Replica {
            client,
            down: None,
            failures: 0,
        };
        Replicas {
            all: clients.into_iter().map(place).collect(),
        }
    }

    pub fn client(&self, place: usize) -> &ServerClient {
        &self.all[place].client
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// The server for a request; `requests` is how many each has.
    pub fn choose(&self, home: Option<usize>, requests: impl Fn(usize) -> usize) -> usize {
        let now = Instant::now();
        let wait = |i: usize| {
            self.all[i]
                .down
                .map_or(Duration::ZERO, |t| t.saturating_duration_since(now))
        };
        let rank = |&i: &usize| (wait(i), home != Some(i), requests(i));
        (0..self.all.len()).min_by_key(rank).unwrap_or(0)
    }

    /// Takes note of an answer.
    pub fn works(&mut self, place: usize) {
        self.all[place].down = None;
        self.all[place].failures = 0;
    }

    /// Takes note of a failure. Returns when a request may be made again, of whichever server.
    pub fn failed(&mut self, place: usize, asked: Option<Duration>) -> Instant {
        let now = Instant::now();
        let it = &mut self.all[place];
        let pause = pause(&it.client, it.failures);
        let pause = asked.map_or(pause, |asked| asked.min(LONGEST_ASKED));
        it.failures += 1;
        it.down = Some(now + pause);
        let ready = self.all.iter().map(|place| place.down.unwrap_or(now));
        ready.min().unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::address::Address;
    use crate::server::http::ServerTimeouts;

    #[test]
    fn requests_stay_at_home_and_leave_it_when_it_fails() {
        let client = |name: &str| {
            ServerClient::new(Address::plain(name), None, ServerTimeouts::default()).unwrap()
        };
        let mut places = Replicas::new(vec![client("http://a"), client("http://b")]);
        let load = |i: usize| [3, 1][i];
        assert_eq!(places.choose(None, load), 1, "the one with less to do");
        assert_eq!(places.choose(Some(0), load), 0);
        let again = places.failed(0, None);
        assert!(
            again <= Instant::now(),
            "the other one can be asked at once"
        );
        assert_eq!(places.choose(Some(0), load), 1);
        let again = places.failed(1, Some(Duration::from_secs(60)));
        assert!(again > Instant::now());
        assert_eq!(
            places.choose(Some(1), load),
            0,
            "the one that is back first"
        );
        places.works(1);
        assert_eq!(places.choose(Some(0), load), 1);
    }
}
