//! What the bundled reasoner writes when it is asked and steered by these keys, recorded.
//!
//! Screens are tested on the model's own words and figures, and still look the same on every
//! machine: a figure that another processor rounds otherwise is not in the picture. A test holds
//! the recordings against the model; `S1_TUI_RECORD=1 cargo test --lib recording` makes them anew.

use std::sync::OnceLock;

use super::*;
use s1_core::protocol::Until;
use s1_store::run::Run;
use s1_store::session::{Document, ModelCard};

/// What is asked: its answer comes out right.
pub const QUESTION: &str = "How many r in raspberry?";
/// Tokens of the thought when it stands in the middle of its check; it is cut there.
pub const MIDWAY: usize = 28;

/// Tokens before its second line.
pub const SECOND: usize = 12;

/// What four lanes are asked: wrong at once, and repaired by the first wait.
pub const COMPARED: &str = "Calculate 263+392+455.";
pub const TOTAL: &str = "1110";
/// How often each of the lanes is made to wait.
pub const WAITS: [usize; 4] = [0, 1, 2, 4];

/// The text of a recording.
macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../../../../../tests/fixtures/recordings/", $name))
    };
}

fn parsed(text: &str) -> Document {
    Document::parse(text.as_bytes()).unwrap()
}

/// The explorer's session: [`QUESTION`], answered and steered.
pub fn explored() -> &'static Document {
    static DOCUMENT: OnceLock<Document> = OnceLock::new();
    DOCUMENT.get_or_init(|| parsed(recorded!("explored.s1.json")))
}

/// One branch for each of [`WAITS`]: [`COMPARED`], with as many waits.
pub fn compared() -> &'static Document {
    static DOCUMENT: OnceLock<Document> = OnceLock::new();
    DOCUMENT.get_or_init(|| parsed(recorded!("compared.s1.json")))
}

/// A sweep over the first held-out problems, by the `reasoner` or the `base`.
pub fn swept(name: &str) -> Run {
    let text = match name {
        "reasoner" => recorded!("reasoner.run.json"),
        _ => recorded!("base.run.json"),
    };
    serde_json::from_str(text).unwrap()
}

/// A thought of hundreds of tokens, under way: the longest of the lanes.
pub fn long(app: &mut App) {
    ask(app, COMPARED);
    let lane = lane(app);
    let tokens = compared().tree.branches()[WAITS.len() - 1].tokens.iter();
    let thought = tokens.take_while(|t| t.phase == Phase::Thinking);
    app.on_event(Event::Tokens(
        lane,
        thought.cloned().collect::<Vec<_>>().into(),
    ));
    app.drain();
}

/// Steers the answered thought as a user would; `go_on` lets the branch on screen go on by so
/// many tokens.
pub fn steer(app: &mut App, mut go_on: impl FnMut(&mut App, usize)) {
    let mut go_on = |app: &mut App, tokens| {
        app.on_event(Event::State(lane(app), LaneState::Running));
        go_on(app, tokens);
    };
    press(app, "w");
    go_on(app, 20);
    let lane = lane(app);
    app.on_event(Event::State(lane, LaneState::Paused));
    press(app, "i");
    app.on_paste("so it is 4");
    press(app, "enter");
    go_on(app, 12);
    press(app, "space [ home ) enter down enter");
    go_on(app, 12);
    press(app, "] home ) ) right right u");
    go_on(app, 3);
}

/// The steered session, as it was recorded.
pub fn steered(app: &mut App) {
    answered(app);
    steer(app, |app, n| {
        let stands = app.live.as_ref().unwrap().lane().tokens.len();
        play(app, stands + n);
    });
    app.drain();
}

mod model {
    use super::*;
    use s1_core::forcing::OnLoop;
    use s1_core::tree::{Branch, Fork, Probe, Tree};
    use s1_core::view::LaneViews;
    use s1_engine::{Engine, Events, LoadOptions};
    use s1_lab::problems::ProblemSet;
    use s1_lab::sweep::{self, Plan};
    use s1_store::Db;
    use s1_store::run::{Budget, PointSpec, Row};
    use std::path::{Path, PathBuf};

    /// The bundled reasoner, which goes on only when it is told to.
    struct Reasoner {
        engine: Box<dyn Engine>,
        events: Events,
        info: ModelInfo,
    }

    impl Reasoner {
        fn load() -> Reasoner {
            let (engine, mut events) = s1_engine::start(LoadOptions {
                path: s1_data::assets::REASONER.into(),
                ..LoadOptions::default()
            })
            .unwrap();
            let info = loop {
                match events.blocking_recv().unwrap() {
                    Event::Loaded(info) => break *info,
                    Event::Failed(why) => panic!("{why}"),
                    _ => {}
                }
            };
            Reasoner {
                engine,
                events,
                info,
            }
        }

        /// Passes on what the keys have ordered, running and pausing excepted.
        fn relay(&self, app: &mut App) {
            for command in app.drain().0 {
                let command = match command {
                    Command::Start { lane, request, .. } => Command::Start {
                        lane,
                        request,
                        run: false,
                    },
                    Command::Run(..) | Command::Pause(..) | Command::PauseOrRun(..) => continue,
                    other => other,
                };
                self.engine.send(command);
            }
        }

        /// Lets the branch on screen go on by so many tokens, or to its end.
        fn go_on(&mut self, app: &mut App, tokens: usize) {
            let stands = |app: &App| app.live.as_ref().unwrap().lane().tokens.len();
            let (on, to) = (lane(app), stands(app).saturating_add(tokens));
            self.relay(app);
            self.engine.send(Command::Run(on, Until::Tokens(tokens)));
            loop {
                match self.events.blocking_recv().unwrap() {
                    Event::Refused { why, .. } | Event::Notice(_, why) => panic!("{why}"),
                    Event::State(lane, LaneState::Stopped(_)) if lane == on => return,
                    Event::State(lane, LaneState::Paused) if lane == on && stands(app) >= to => {
                        return;
                    }
                    event @ (Event::Prompt { .. } | Event::Tokens(..) | Event::Probe(..)) => {
                        app.on_event(event);
                    }
                    _ => {}
                }
            }
        }
    }

    fn explored_now() -> Document {
        let mut reasoner = Reasoner::load();
        let mut app = App::new(options());
        app.on_event(Event::Loaded(Box::new(reasoner.info.clone())));
        ask(&mut app, QUESTION);
        reasoner.go_on(&mut app, MIDWAY);
        press(&mut app, "x");
        reasoner.go_on(&mut app, usize::MAX);
        let lane = lane(&app);
        app.on_event(Event::State(
            lane,
            LaneState::Stopped(StopReason::EndOfTurn),
        ));
        steer(&mut app, |app, tokens| reasoner.go_on(app, tokens));
        app.live.as_ref().unwrap().document()
    }

    fn compared_now() -> Document {
        let mut reasoner = Reasoner::load();
        let mut request = options().request;
        request.question = COMPARED.into();
        request.probe_every = None;
        request.reference = None;
        let lanes = WAITS.iter().enumerate().map(|(lane, &waits)| {
            let mut request = request.clone();
            request.policy.max_thinking = None;
            request.policy.waits = waits;
            (lane, request)
        });
        reasoner
            .engine
            .send(Command::StartTogether(lanes.collect()));
        let (mut lanes, mut ended) = (LaneViews::default(), 0);
        while ended < WAITS.len() {
            let event = reasoner.events.blocking_recv().unwrap();
            lanes.apply(&event);
            match event {
                Event::Refused { why, .. } | Event::Notice(_, why) => panic!("{why}"),
                Event::State(_, LaneState::Stopped(_)) => ended += 1,
                _ => {}
            }
        }
        let first = lanes.get(0).unwrap();
        let branch = |lane: usize| {
            let own = &lanes.get(lane).unwrap().tokens;
            let same = first.tokens.iter().zip(&**own).take_while(|(a, b)| a == b);
            let fork = Fork {
                parent: 0,
                at: same.count(),
            };
            let own = own.iter().cloned().map(|token| Token {
                // Not seen beside other lanes, and most of the file.
                top: Default::default(),
                ..token
            });
            Branch {
                name: if lane == 0 {
                    "main".into()
                } else {
                    format!("b{lane}")
                },
                fork: (lane > 0).then_some(fork),
                tokens: own.collect(),
                probes: vec![],
                stop: None,
            }
        };
        let tree = Tree::of((0..WAITS.len()).map(branch).collect());
        let prompt = first.prompt.clone();
        let card = ModelCard::of(&reasoner.info);
        Document::new(card, request, prompt, tree)
    }

    fn swept_now(name: &str, problems: usize) -> Run {
        let folder = tempfile::tempdir().unwrap();
        let source = s1_data::assets::HELD_OUT.to_owned();
        let options = s1_lab::problems::ProblemOptions {
            limit: Some(problems),
            ..Default::default()
        };
        let problems = ProblemSet::load(&source, &options).unwrap();
        let budgets = [0, 16, 32, 48, 64].map(Budget::Tokens);
        let spec = |budget, waits| PointSpec { budget, waits };
        let mut points: Vec<PointSpec> = budgets.map(|budget| spec(budget, 0)).to_vec();
        points.extend([0, 1, 2].map(|waits| spec(Budget::Natural, waits)));
        let plan = Plan {
            load: LoadOptions {
                path: format!("bundled:{name}").into(),
                ..LoadOptions::default()
            },
            prompt: problems.prompt.clone(),
            problems,
            source,
            options,
            policy: Policy {
                on_loop: OnLoop::Answer,
                ..Policy::default()
            },
            sampling: Default::default(),
            samples: 1,
            points,
            lanes: 8,
            threads: None,
            name: name.into(),
            resume: false,
            db: folder.path().join("runs.db"),
        };
        assert!(sweep::run(&plan, &sweep::Control::default(), &mut |_| {}).unwrap());
        Db::open(&plan.db).unwrap().run(name).unwrap()
    }

    fn recording() -> bool {
        std::env::var_os("S1_TUI_RECORD").is_some()
    }

    fn file(name: &str) -> PathBuf {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings");
        here.join(name)
    }

    /// Holds a recording against the model, or makes it anew.
    fn compare(name: &str, now: Document, then: impl FnOnce() -> &'static Document) {
        if recording() {
            now.write(&file(&format!("{name}.s1.json"))).unwrap();
            return;
        }
        let then = then();
        assert_eq!(
            (&now.model, &now.prompt_ids),
            (&then.model, &then.prompt_ids)
        );
        let branches = |d: &Document| d.tree.branches().to_vec();
        assert_eq!(branches(&now).len(), branches(then).len());
        for (now, then) in branches(&now).iter().zip(&branches(then)) {
            let face = |b: &Branch| {
                let of = |t: &Token| (t.id, t.text.clone(), t.origin, t.phase, t.reason);
                (b.fork, b.tokens.iter().map(of).collect::<Vec<_>>())
            };
            assert_eq!(face(now), face(then));
            // How sure it was depends on the machine's instructions in the last digits.
            let answered = |b: &Branch| {
                let of = |p: &Probe| (p.at, p.answer.clone(), p.text.clone(), p.correct);
                b.probes.iter().map(of).collect::<Vec<_>>()
            };
            assert_eq!(answered(now), answered(then));
            for (now, then) in now.probes.iter().zip(&then.probes) {
                let sure = |p: &Probe| [p.confidence, p.entropy].map(Option::unwrap_or_default);
                for (now, then) in sure(now).iter().zip(sure(then)) {
                    assert!((now - then).abs() < 0.05, "{now:?} {then:?}");
                }
            }
            for (now, then) in now.tokens.iter().zip(&then.tokens) {
                assert!(
                    (now.logprob - then.logprob).abs() < 0.05,
                    "{now:?} {then:?}"
                );
                assert!(
                    (now.entropy - then.entropy).abs() < 0.05,
                    "{now:?} {then:?}"
                );
            }
        }
    }

    /// A user would lose: pictures of what the program really does.
    #[test]
    fn the_recordings_are_what_the_bundled_reasoner_writes() {
        compare("explored", explored_now(), explored);
        compare("compared", compared_now(), compared);
        if recording() {
            for name in ["reasoner", "base"] {
                let run = serde_json::to_string(&swept_now(name, 60)).unwrap();
                std::fs::write(file(&format!("{name}.run.json")), run).unwrap();
            }
            return;
        }
        let rows = |run: Run| {
            let mut rows: Vec<Row> = run.rows.into_iter().take(4).collect();
            // Numbers of the database, given in the order in which lanes end.
            let samples = rows.iter_mut().flat_map(|row| &mut row.samples);
            samples.for_each(|sample| sample.trace = 0);
            rows
        };
        assert_eq!(rows(swept_now("reasoner", 4)), rows(swept("reasoner")));
    }
}
