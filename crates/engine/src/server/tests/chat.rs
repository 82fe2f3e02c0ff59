//! The engine on a server that only chats: what can be watched, and what is said of the rest.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::mock::{answer, listen};
use super::{Bench, request, start};
use s1_core::forcing::{OnLoop, Policy};
use s1_core::protocol::{Ask, Command, Event, LaneState, Request, Until};
use s1_core::trace::{Origin, Phase, Reason, StopReason};

/// Thinking pieces of the mock, where nothing bounds them.
const NATURAL: usize = 20;

/// What it does with a request.
#[derive(Clone, Copy)]
enum Turn {
    /// Keeps to the budget.
    Fine,
    /// Thinks on as if there were none.
    PassesOver,
    /// Three pieces, and the end of the connection.
    Few,
    /// Its own limit comes before the end of its answer.
    Short,
    Status(u16, &'static str),
}

/// Ollama, as far as it matters.
struct Chat {
    address: String,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Chat {
    fn new(turn: impl Fn(usize) -> Turn + Send + Sync + 'static) -> Chat {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, requests) = (asked.clone(), AtomicUsize::new(0));
        let address = listen(move |stream, path, body| match path {
            "/v1/models" => answer(&stream, 200, "", &json!({"data": [{"id": "toy:1b"}]})),
            "/api/version" => answer(&stream, 200, "", &json!({"version": "0.12.3"})),
            "/v1/chat/completions" => {
                seen.lock().unwrap().push(body.clone());
                reply(
                    stream,
                    &body,
                    turn(requests.fetch_add(1, Ordering::Relaxed)),
                )
            }
            _ => answer(&stream, 404, "", &json!({"error": "not found"})),
        });
        Chat { address, asked }
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

fn reply(mut stream: TcpStream, body: &Value, turn: Turn) -> std::io::Result<()> {
    if let Turn::Status(code, head) = turn {
        return answer(
            &stream,
            code,
            head,
            &json!({"error": {"message": "out of luck"}}),
        );
    }
    stream.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n",
    )?;
    let mut send = |delta: Value, finish: Option<&str>| {
        let event = json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
        stream.write_all(format!("data: {event}\n\n").as_bytes())
    };
    let most = body["thinking_budget_tokens"].as_u64();
    let most = most.map_or(NATURAL, |n| (n as usize).min(NATURAL));
    let most = match (turn, body["reasoning_effort"].as_str()) {
        (Turn::PassesOver, _) => NATURAL,
        (_, Some("none")) => 0,
        _ => most,
    };
    send(json!({"role": "assistant", "content": null}), None)?;
    for n in 0..most {
        if n == 3 && matches!(turn, Turn::Few) {
            return Ok(());
        }
        send(json!({"reasoning": format!(" t{n}")}), None)?;
    }
    send(json!({"content": "It is"}), None)?;
    if let Turn::Short = turn {
        return send(json!({}), Some("length"));
    }
    send(json!({"content": " 42."}), None)?;
    send(json!({}), Some("stop"))
}

/// A question with as much thinking as this, and an answer of any length.
fn asked(max_thinking: Option<usize>) -> Request {
    Request {
        policy: Policy {
            max_thinking,
            answer_max: 100,
            on_loop: OnLoop::Answer,
            ..Policy::default()
        },
        ..request(0)
    }
}

fn text(bench: &Bench, lane: usize) -> String {
    let tokens = bench.lanes[lane].tokens.iter();
    tokens.map(|token| token.text.as_str()).collect()
}

fn until_answered(bench: &mut Bench, lane: usize) {
    bench.until_state(lane, LaneState::Stopped(StopReason::EndOfTurn));
}

#[test]
fn a_thought_and_its_answer_are_watched_and_it_is_said_what_cannot_be_done() {
    let chat = Chat::new(|_| Turn::Fine);
    let mut bench = Bench::loaded(&chat.address);
    let info = bench.info.clone();
    assert_eq!(
        (&*info.architecture, &*info.version, &*info.name),
        ("chat server", "Ollama 0.12.3", "toy:1b")
    );
    let warnings = info.warnings.join("\n");
    assert!(warnings.contains("32768 tokens are assumed"), "{warnings}");
    assert!(warnings.contains("only chats"), "{warnings}");
    start(&bench, 0, asked(None));
    until_answered(&mut bench, 0);
    let tokens = &bench.lanes[0].tokens;
    assert_eq!(tokens.thinking(), NATURAL);
    assert!(text(&bench, 0).ends_with(" t19</think>It is 42."));
    let end = &tokens[NATURAL];
    assert_eq!(
        (end.phase, end.reason),
        (Phase::Answer, Some(Reason::NaturalEnd))
    );
    let body = &chat.asked()[0];
    assert_eq!(body["messages"][0], json!({"role": "user", "content": "?"}));
    assert_eq!(body["model"], "toy:1b");
    assert!(body.get("thinking_budget_tokens").is_none());
    assert_eq!(body["chat_template_kwargs"]["enable_thinking"], true);
}

#[test]
fn it_is_held_and_gone_on_with_as_it_arrives_and_each_other_key_says_why_not() {
    let chat = Chat::new(|_| Turn::Fine);
    let mut bench = Bench::loaded(&chat.address);
    bench.send(Command::Start {
        lane: 0,
        request: asked(None),
        run: false,
    });
    bench.send(Command::Run(0, Until::Tokens(5)));
    bench.until_state(0, LaneState::Running);
    bench.until_state(0, LaneState::Paused);
    assert_eq!(text(&bench, 0), " t0 t1 t2 t3 t4");
    let keys = [
        Command::Ask(0, Ask::Wait),
        Command::Ask(0, Ask::WaitAtEnd),
        Command::Ask(0, Ask::Cut),
        Command::Ask(0, Ask::WrapUp),
        Command::Ask(0, Ask::Inject("so".into())),
        Command::Ask(0, Ask::Choose(1)),
        Command::Probe(0, None),
        Command::ProbeEvery(0, Some(4)),
        Command::Budget(0, Some(4)),
        Command::Fork {
            from: 0,
            to: 1,
            at: 2,
        },
    ];
    for key in keys {
        let before = bench.notices.len();
        bench.send(key.clone());
        bench.until(|b, _| b.notices.len() > before);
        let why = bench.notices.last().unwrap();
        assert!(why.contains("takes no token ids"), "{key:?}: {why}");
    }
    bench.send(Command::Run(0, Until::End));
    until_answered(&mut bench, 0);
    assert!(text(&bench, 0).ends_with(" t19</think>It is 42."));
    assert_eq!(chat.asked().len(), 1, "one request, held and gone on with");
}

#[test]
fn budgets_are_the_servers_own_and_none_is_believed() {
    let chat = Chat::new(|_| Turn::Fine);
    let mut bench = Bench::loaded(&chat.address);
    let budgets = [Some(0), Some(6), None];
    let lanes = budgets.map(asked).into_iter().enumerate().collect();
    bench.send(Command::StartRow(lanes));
    bench.until(|_, e| matches!(e, Event::Finished { .. }));
    let thought: Vec<usize> = (0..3).map(|l| bench.lanes[l].tokens.thinking()).collect();
    assert_eq!(thought, [0, 6, NATURAL]);
    let end = &bench.lanes[1].tokens[6];
    assert_eq!(
        (end.origin, end.reason),
        (Origin::Forced, Some(Reason::Budget)),
        "the server has ended it at the budget"
    );
    assert!((0..3).all(|lane| text(&bench, lane).ends_with("</think>It is 42.")));
    assert!(bench.notices.is_empty(), "{:?}", bench.notices);

    let deaf = Chat::new(|_| Turn::PassesOver);
    let mut bench = Bench::loaded(&deaf.address);
    start(&bench, 0, asked(Some(6)));
    bench.until_state(0, LaneState::Paused);
    assert!(bench.notices[0].contains("passes over the thinking budget"));
    assert_eq!(bench.lanes[0].tokens.thinking(), 6);
    let none = Request {
        policy: Policy {
            think: false,
            ..Policy::default()
        },
        ..request(0)
    };
    start(&bench, 1, none);
    bench.until_state(1, LaneState::Paused);
    let why = bench.notices.last().unwrap();
    assert!(why.contains("asked for none"), "{why}");
}

#[test]
fn rules_that_it_cannot_follow_are_refused_at_the_start() {
    let chat = Chat::new(|_| Turn::Fine);
    let mut bench = Bench::loaded(&chat.address);
    let waits = Request {
        policy: Policy {
            waits: 1,
            ..Policy::default()
        },
        ..request(0)
    };
    let probes = Request {
        probe_every: Some(8),
        ..asked(None)
    };
    let raw = Request {
        raw: true,
        ..asked(None)
    };
    for (request, what) in [(waits, "waits"), (probes, "probes"), (raw, "template")] {
        let before = bench.notices.len();
        start(&bench, 0, request);
        bench.until(|b, _| b.notices.len() > before);
        let why = bench.notices.last().unwrap();
        assert!(why.contains(what) && why.contains("no token ids"), "{why}");
    }
    assert!(chat.asked().is_empty());
}

#[test]
fn what_breaks_keeps_its_text_and_is_asked_again_when_it_is_told_to() {
    for (turn, words) in [
        (Turn::Few, "closed the connection in the middle"),
        (Turn::Status(500, ""), "has failed (500): out of luck"),
        (Turn::Status(429, "Retry-After: 0\r\n"), "is busy (429)"),
    ] {
        let chat = Chat::new(move |n| match n {
            0..=2 => turn,
            _ => Turn::Fine,
        });
        let mut bench = Bench::loaded(&chat.address);
        start(&bench, 0, asked(None));
        let mut tries = 0;
        while bench.lanes[0].state != Some(LaneState::Stopped(StopReason::EndOfTurn)) {
            tries += 1;
            assert!(tries < 6);
            bench.until(|_, e| {
                matches!(
                    e,
                    Event::State(_, LaneState::Paused | LaneState::Stopped(_))
                )
            });
            if bench.lanes[0].state == Some(LaneState::Paused) {
                if let Turn::Few = turn {
                    assert_eq!(text(&bench, 0), " t0 t1 t2", "what is written stays");
                }
                bench.send(Command::Run(0, Until::End));
            }
        }
        assert!(bench.notices[0].contains(words), "{:?}", bench.notices);
        assert_eq!(bench.lanes[0].tokens.thinking(), NATURAL);
    }
    // Of many rows nobody looks at one: it is asked again by itself.
    let chat = Chat::new(|n| match n {
        0 => Turn::Few,
        _ => Turn::Fine,
    });
    let mut bench = Bench::loaded(&chat.address);
    bench.send(Command::StartRow(vec![(0, asked(None))]));
    bench.until(|_, e| matches!(e, Event::Finished { .. }));
    assert!(text(&bench, 0).ends_with(" t19</think>It is 42."));
    assert!(bench.notices.is_empty(), "{:?}", bench.notices);
}

#[test]
fn the_servers_own_limit_is_the_end() {
    let chat = Chat::new(|_| Turn::Short);
    let mut bench = Bench::loaded(&chat.address);
    start(&bench, 0, asked(None));
    bench.until_state(0, LaneState::Stopped(StopReason::ContextFull));
    assert!(text(&bench, 0).ends_with("</think>It is"));
    assert_eq!(chat.asked().len(), 1);
}

#[test]
fn an_address_of_a_chat_is_used_as_one_whatever_the_server_can_do_else() {
    let chat = Chat::new(|_| Turn::Fine);
    let address = format!("{}/v1/chat/completions", chat.address);
    let bench = Bench::loaded(&address);
    assert_eq!(bench.info.architecture, "chat server");
}
