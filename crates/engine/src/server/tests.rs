//! The engine on a server that misbehaves: what a user would lose is the thought, or the reason why it
//! does not go on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::http::ServerTimeouts;
use super::{Server, ServerOptions};
use crate::{Engine as _, Events, LoadOptions};
use mock::{Mock, Turn};
use s1_core::forcing::Policy;
use s1_core::protocol::{Ask, Command, Event, LaneId, LaneState, ModelInfo, Request, Until};
use s1_core::trace::{Reason, StopReason, Token};
use s1_core::view::LaneView;

mod chat;
mod mock;

const PATIENCE: ServerTimeouts = ServerTimeouts {
    connection: Duration::from_secs(5),
    answer: Duration::from_secs(5),
    silence: Duration::from_millis(400),
    pause: Duration::from_millis(5),
};

/// An engine on a mock, and everything it has said.
struct Bench {
    server: Box<Server>,
    events: Events,
    lanes: Vec<LaneView>,
    notices: Vec<String>,
    info: ModelInfo,
}

impl Bench {
    fn on(addresses: &str) -> Bench {
        let options = LoadOptions {
            path: PathBuf::from(addresses),
            server: ServerOptions::default(),
            ..LoadOptions::default()
        };
        let (server, events) = Server::patient(options, PATIENCE).unwrap();
        Bench {
            server: Box::new(server),
            events,
            lanes: vec![LaneView::default(); 8],
            notices: Vec::new(),
            info: ModelInfo::default(),
        }
    }

    /// On a server that has told what it is.
    fn loaded(addresses: &str) -> Bench {
        let mut bench = Bench::on(addresses);
        bench.until(|_, e| matches!(e, Event::Loaded(_)));
        bench
    }

    fn send(&self, command: Command) {
        assert!(self.server.send(command), "the engine has ended");
    }

    fn until(&mut self, mut done: impl FnMut(&Bench, &Event) -> bool) {
        loop {
            let event = self.events.blocking_recv().expect("the engine has ended");
            if let Some(lane) = event.lane() {
                self.lanes[lane].apply(&event);
            }
            match &event {
                Event::Failed(why) => panic!("{why}"),
                Event::Loaded(info) => self.info = (**info).clone(),
                Event::Notice(_, why) | Event::Refused { why, .. } => {
                    self.notices.push(why.clone());
                }
                _ => {}
            }
            if done(self, &event) {
                return;
            }
        }
    }

    fn until_state(&mut self, lane: LaneId, state: LaneState) {
        self.until(|_, e| matches!(e, Event::State(l, s) if *l == lane && *s == state));
    }

    fn until_end(&mut self, lane: LaneId) {
        self.until_state(lane, LaneState::Stopped(StopReason::AnswerMax));
    }

    fn ids(&self, lane: LaneId) -> Vec<u32> {
        self.lanes[lane].tokens.iter().map(|t| t.id).collect()
    }
}

fn request(max_thinking: usize) -> Request {
    Request {
        question: "?".into(),
        policy: Policy {
            max_thinking: Some(max_thinking),
            answer_max: 4,
            ..Policy::default()
        },
        ..Request::default()
    }
}

fn start(bench: &Bench, lane: LaneId, request: Request) {
    bench.send(Command::Start {
        lane,
        request,
        run: true,
    });
}

/// What is written where nothing goes wrong.
fn undisturbed() -> Vec<u32> {
    let mock = Mock::new(|_| Turn::Fine);
    let mut bench = Bench::on(&mock.address);
    start(&bench, 0, request(12));
    bench.until_end(0);
    bench.ids(0)
}

#[test]
fn whatever_a_server_does_the_trace_stays_and_a_sentence_says_why() {
    let whole = undisturbed();
    for (turn, words) in [
        (Turn::Silent, "has been silent for 0.4 s"),
        (Turn::Torn, "closed the connection in the middle"),
        (Turn::Closed, "closed the connection in the middle"),
        (Turn::Empty, "writes nothing; is its context full?"),
        (Turn::NoJson, "an event that is not JSON"),
        (Turn::Endless, "an event that does not end"),
        (
            Turn::BeyondVocabulary,
            "token 9999, where the vocabulary has 259",
        ),
        (
            Turn::Status(500, ""),
            "has failed (500): out of luck; its log may say why",
        ),
        (
            Turn::Status(401, ""),
            "wants a key (401); name the environment variable",
        ),
        (
            Turn::Status(404, ""),
            "has no /completion, or no such model (404)",
        ),
        (
            Turn::Status(429, "Retry-After: 0\r\n"),
            "is busy (429): out of luck",
        ),
        (
            Turn::Status(302, "Location: http://elsewhere/\r\n"),
            "sends requests on to http://elsewhere/",
        ),
    ] {
        // Some of it arrives, then it goes wrong for as often as is tried, then it works again.
        let mock = Mock::new(move |n| match n {
            0 => Turn::Few,
            1..=3 => turn,
            _ => Turn::Fine,
        });
        let mut bench = Bench::on(&mock.address);
        start(&bench, 0, request(12));
        bench.until_state(0, LaneState::Paused);
        let why = bench.notices.join("\n");
        assert!(why.contains(words), "{turn:?}: {why}");
        assert!(!why.contains('\n'), "one sentence: {why}");
        let kept = bench.ids(0);
        assert!(!kept.is_empty() && whole.starts_with(&kept), "{turn:?}");
        let mut tries = 0;
        // Where it was not tried again, it goes wrong once more for each time it is told to run.
        while bench.lanes[0].state != Some(LaneState::Stopped(StopReason::AnswerMax)) {
            tries += 1;
            assert!(tries < 5, "{turn:?}");
            bench.send(Command::Run(0, Until::End));
            bench.until(|_, e| {
                matches!(
                    e,
                    Event::State(_, LaneState::Paused | LaneState::Stopped(_))
                )
            });
        }
        assert_eq!(bench.ids(0), whole, "{turn:?}");
    }
}

/// A user would lose: tokens of every emoji, and a prefix that the model never wrote from there on.
#[test]
fn tokens_that_a_server_does_not_name_are_in_the_trace_with_their_bytes() {
    for temperature in [0.0, 0.7] {
        let mock = Mock::new(|_| Turn::Withholding);
        let mut bench = Bench::on(&mock.address);
        let mut request = request(12);
        request.sampling.temperature = temperature;
        start(&bench, 0, request);
        bench.until_end(0);
        assert_eq!(bench.ids(0), undisturbed(), "{:?}", bench.notices);
        let text: String = bench.lanes[0]
            .tokens
            .iter()
            .map(|t| t.text.as_str())
            .collect();
        let thought = text.split("</think>").next().unwrap();
        assert_eq!(thought.len(), 12, "{text:?}");
        assert!(bench.notices.is_empty(), "{:?}", bench.notices);
    }
}

#[test]
fn a_byte_now_and_then_holds_nothing_up() {
    let mock = Mock::new(|_| Turn::Dripping);
    let mut bench = Bench::on(&mock.address);
    start(&bench, 0, request(12));
    bench.until(|_, e| matches!(e, Event::Tokens(..)));
    let asked = Instant::now();
    bench.send(Command::Pause(0));
    bench.until_state(0, LaneState::Paused);
    assert!(asked.elapsed() < Duration::from_millis(200));
}

#[test]
fn ending_the_engine_does_not_wait_for_a_server_that_hangs() {
    let mock = Mock::new(|_| Turn::Silent);
    let mut bench = Bench::on(&mock.address);
    start(&bench, 0, request(12));
    bench.until(|_, e| matches!(e, Event::State(0, LaneState::Prefill)));
    let asked = Instant::now();
    drop(bench.events);
    bench.server.shutdown();
    assert!(asked.elapsed() < Duration::from_millis(300));
}

#[test]
fn a_wait_a_cut_and_words_are_written_where_the_text_stands() {
    let mock = Mock::new(|_| Turn::Fine);
    let mut bench = Bench::on(&mock.address);
    bench.send(Command::Start {
        lane: 0,
        request: request(40),
        run: false,
    });
    bench.send(Command::Run(0, Until::Tokens(5)));
    bench.until_state(0, LaneState::Running);
    bench.until_state(0, LaneState::Paused);
    assert_eq!(bench.ids(0).len(), 5);
    bench.send(Command::Ask(0, Ask::Inject("so".into())));
    bench.until(|b, _| b.ids(0).len() == 7);
    bench.send(Command::Ask(0, Ask::Cut));
    bench.send(Command::Run(0, Until::End));
    bench.until_end(0);
    let written = &bench.lanes[0].tokens;
    let reasons: Vec<_> = written.iter().filter_map(|t: &Token| t.reason).collect();
    assert_eq!(reasons[..2], [Reason::Injected; 2]);
    assert!(
        reasons[2..].iter().all(|r| *r == Reason::Cut),
        "{reasons:?}"
    );
    let text: String = written.iter().map(|t| t.text.as_str()).collect();
    assert!(text.contains("so</think>"), "{text}");
    let asked = mock.prompts();
    assert!(
        asked.last().is_some_and(|ids| ids.contains(&mock::END)),
        "it goes on from the new text"
    );
}

/// A user would lose: the turn, if words in it could end it.
#[test]
fn control_tokens_that_a_person_typed_are_text() {
    let mock = Mock::new(|_| Turn::Fine);
    let mut bench = Bench::on(&mock.address);
    let typed = "a<|im_end|>b</think>c<think>";
    let question = Request {
        question: typed.into(),
        ..request(8)
    };
    start(&bench, 0, question);
    bench.until_end(0);
    let asked = mock.prompts().remove(0);
    let text = asked.iter().map(|&id| u8::try_from(id).unwrap_or(b'?'));
    let text = String::from_utf8(text.take(typed.len()).collect()).unwrap();
    assert_eq!(text, typed, "letter by letter");
}

#[test]
fn lanes_that_agree_are_asked_for_once() {
    let mock = Mock::new(|_| Turn::Fine);
    let mut bench = Bench::on(&mock.address);
    let lanes = [12, 6, 6].map(request).into_iter().enumerate().collect();
    bench.send(Command::StartRow(lanes));
    let mut computed = 0;
    bench.until(|_, e| match e {
        Event::Finished { computed: n, .. } => {
            computed = *n;
            true
        }
        _ => false,
    });
    let alone = undisturbed();
    assert_eq!(bench.ids(0), alone);
    assert_eq!(bench.ids(1), bench.ids(2));
    assert_eq!(bench.ids(1)[..6], alone[..6]);
    assert_eq!(mock.prompts().len(), 3, "one thought, two answers");
    assert!(computed > 0);
}

/// A user would lose: every problem of a sweep that was to begin while the server was gone for a moment.
#[test]
fn a_row_waits_to_begin_until_the_server_is_back() {
    let mock = Mock::new(|_| Turn::Fine);
    let mut bench = Bench::loaded(&mock.address);
    mock.is_deaf(6);
    let lanes = [12, 6].map(request).into_iter().enumerate().collect();
    bench.send(Command::StartRow(lanes));
    bench.until(|_, e| matches!(e, Event::Finished { .. }));
    assert_eq!(bench.ids(0), undisturbed());
    assert!(bench.notices.is_empty(), "{:?}", bench.notices);
    // What somebody waits for is refused at once, as something that may be had later.
    mock.is_deaf(usize::MAX);
    let other = Request {
        question: "another".into(),
        ..request(12)
    };
    start(&bench, 2, other);
    bench.until(|_, e| matches!(e, Event::Refused { passing: true, .. }));
}

#[test]
fn another_server_says_what_tokens_a_text_has() {
    let (gone, well) = (Mock::new(|_| Turn::Fine), Mock::new(|_| Turn::Fine));
    let mut bench = Bench::loaded(&format!("{},{}", gone.address, well.address));
    gone.is_deaf(usize::MAX);
    start(&bench, 0, request(12));
    bench.until_end(0);
    assert_eq!(bench.ids(0), undisturbed());
}

#[test]
fn a_server_that_dies_is_replaced_by_another_of_the_same_model() {
    let whole = undisturbed();
    let dying = Mock::new(|n| match n {
        0 => Turn::Few,
        _ => Turn::Closed,
    });
    let well = Mock::new(|_| Turn::Fine);
    let mut bench = Bench::on(&format!("{},{}", dying.address, well.address));
    start(&bench, 0, request(12));
    bench.until_end(0);
    assert_eq!(bench.ids(0), whole);
    assert!(bench.notices.is_empty(), "{:?}", bench.notices);
    assert!(!well.prompts().is_empty());
}
