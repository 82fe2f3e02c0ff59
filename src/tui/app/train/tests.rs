//! The train screen without terminal, database and processes: what it shows of a training, and its
//! orders.
//!
//! Not here: the form (`starting`), and sweeps before and after (`sweeps`).

mod starting;
mod sweeps;

use std::path::Path;

use super::*;
use crate::tui::app::jobs::files::FindModels;
use crate::tui::app::jobs::runs::ReadRun;
use crate::tui::app::jobs::sweep::StartSweep;
use crate::tui::app::jobs::trainings::*;
use crate::tui::app::testing::{press, ready};
use crate::tui::app::{App, Effect, plots};
use crate::tui::screen::Screen;
use s1_core::training::{Quantization, TrainConfig, TrainEvent, TrainOrder, TrainPlan};
use s1_plot::fixtures::run;
use s1_store::run::Budget;
use s1_store::training::TrainingState;
use s1_train::{ExamplePiece, Product};

/// A loss as a small model's: it falls, and jitters.
pub fn step(step: usize) -> TrainStep {
    let jitter = ((step * 7919) % 100) as f64 / 400.0;
    TrainStep {
        step,
        steps: 315,
        epoch: 1,
        loss: 0.2 + 1.9 / (1.0 + step as f64 / 25.0) + jitter,
        lr: 1e-3 * (1.0 - step as f64 / 400.0),
        grad_norm: 0.4 + jitter,
        tok_s: 5200.0 + 100.0 * jitter,
        eta_s: 315usize.saturating_sub(step) as f64 * 0.5,
        memory: 0,
    }
}

pub fn events() -> Vec<RecordedEvent> {
    let accuracy = |step, correct| TrainEvent::Accuracy {
        step,
        n: 40,
        correct,
        thinking: 41.5,
    };
    let sample = |step, thinking: &str, answer: &str| TrainEvent::Sample {
        step,
        question: "How many r in raspberry?".into(),
        thinking: thinking.into(),
        answer: answer.into(),
    };
    let happened = [
        accuracy(0, 5),
        sample(25, "", "2"),
        TrainEvent::Saved {
            step: 50,
            path: "/data/trainings/base-1/checkpoints/step-0000050.safetensors".into(),
        },
        accuracy(50, 12),
        accuracy(100, 23),
        sample(
            200,
            " r1 a1 s1 p1 b1 e1 r2 r3 y3: 3\nWait, y0 r1 r2 e2 b2 p2 s2 a2 r3: 3 same",
            "3",
        ),
        accuracy(200, 30),
    ];
    let numbered = (1..).zip(happened);
    numbered
        .map(|(id, event)| RecordedEvent { id, event })
        .collect()
}

pub fn training(name: &str, state: TrainingState, step: usize) -> Training {
    let form = TrainForm::default();
    Training {
        name: name.into(),
        created_at: 1,
        config: TrainConfig {
            out: format!("/data/trainings/{name}").into(),
            ..form.config()
        },
        state,
        step,
        steps: 315,
        rate: 1.0,
        fault: None,
    }
}

/// An answer to the reading that the app waits for.
fn answer(app: &mut App, list: Vec<Training>, upto: usize) {
    let name = app.train.current.clone();
    let after = app.train.watched.after();
    let news = name.map(|name| TrainingUpdate {
        name,
        after,
        steps: (after.0 + 1..=upto).map(step).collect(),
        events: events()
            .into_iter()
            .filter(|e| e.id > after.1 && e.event.step() <= upto)
            .collect(),
        checkpoints: [50, 100]
            .into_iter()
            .rev()
            .filter(|s| *s <= upto)
            .map(|step| CheckpointFile {
                step,
                path: format!("/data/step-{step}").into(),
                bytes: 13_600_000,
            })
            .collect(),
    });
    app.on_trainings(Ok(TrainingsSnapshot { list, news }));
}

/// The screen of a training of 315 steps that is in a state after `upto` of them.
pub fn watching(state: TrainingState, upto: usize) -> App {
    let mut app = ready();
    app.act(Action::ShowTrain);
    let list = || vec![training("base-1", state, upto)];
    answer(&mut app, list(), upto);
    app.look_at_trainings();
    answer(&mut app, list(), upto);
    app.drain();
    app
}

pub fn preview() -> Preview {
    let piece = |text: &str, loss| ExamplePiece {
        text: text.into(),
        loss,
    };
    Preview {
        plan: TrainPlan {
            examples: 1000,
            records: 1000,
            turns: 1000,
            thoughts: 950,
            tokens: 102_431,
            targets: 64_102,
            longest: 311,
            cut: 12,
            broken: 0,
            left_out: Vec::new(),
            warnings: Vec::new(),
            parameters: 1_140_000,
            steps: 315,
            total_tokens: 819_448,
            seconds: 154.0,
            memory: 310 << 20,
            ..TrainPlan::default()
        },
        examples: vec![
            vec![
                piece(
                    "<|im_start|>user\nWhat is 347*86?<|im_end|>\n<|im_start|>assistant\n",
                    false,
                ),
                piece("<|im_start|>think\n", false),
                piece(
                    "347*80=27760 347*6=2082\n27760+2082=29842<|im_start|>answer\n29842<|im_end|>",
                    true,
                ),
            ],
            vec![piece("What is 2+2?\n", false), piece("4", true)],
        ],
        model: "Nano base".into(),
    }
}

/// The form as it opens where there is no training yet.
pub fn planning() -> App {
    let mut app = ready();
    app.act(Action::ShowTrain);
    app.on_trainings(Ok(TrainingsSnapshot::default()));
    app.on_training_planned(Ok(preview()));
    app.drain();
    app
}

fn said(app: &App) -> &str {
    app.notice.as_ref().map_or("", |n| &n.text)
}

#[test]
fn steps_are_read_once_and_the_axis_is_the_whole_training() {
    let app = watching(TrainingState::Running, 214);
    assert_eq!(app.train.watched.steps.len(), 214);
    assert_eq!(app.train.watched.after(), (214, 7));
    assert_eq!(app.train.watched.loss.x.to, Some(315.0));
    assert_eq!(app.train.watched.held_out.series[0].points.len(), 4);
    assert_eq!(app.train.sample(), (Some(1), 2));
}

#[test]
fn readings_never_overlap_and_are_rare_while_another_screen_is_shown() {
    let mut app = watching(TrainingState::Running, 60);
    app.look_at_trainings();
    app.look_at_trainings();
    assert_eq!(
        app.drain().1,
        [Effect::job(ReadTrainings(Some(("base-1".into(), (60, 4)))))]
    );
    answer(
        &mut app,
        vec![training("base-1", TrainingState::Running, 61)],
        61,
    );
    app.screen = Screen::Explore;
    for _ in 0..8 {
        app.look_at_trainings();
    }
    assert_eq!(app.drain().1.len(), 1);
    answer(
        &mut app,
        vec![training("base-1", TrainingState::Finished, 315)],
        315,
    );
    assert!(
        said(&app).contains("base-1 is done"),
        "one hears of it anywhere"
    );
    for _ in 0..40 {
        app.look_at_trainings();
    }
    assert_eq!(app.drain().1, [], "nothing is at work any more");
}

#[test]
fn orders_reach_the_training_that_is_watched() {
    let mut app = watching(TrainingState::Running, 60);
    let order = |order| Effect::job(OrderTraining("base-1".into(), order));
    press(&mut app, "space - - + w t");
    assert_eq!(
        app.drain().1,
        [
            order(TrainOrder::Pause),
            order(TrainOrder::Rate(0.5)),
            order(TrainOrder::Rate(0.25)),
            order(TrainOrder::Rate(0.5)),
            order(TrainOrder::Save),
            order(TrainOrder::Stop),
        ]
    );
    press(&mut app, "K n");
    assert_eq!(app.drain().1, []);
    press(&mut app, "K y");
    assert_eq!(app.drain().1, [order(TrainOrder::Kill)]);
    let mut app = watching(TrainingState::Paused, 60);
    press(&mut app, "space");
    assert_eq!(app.drain().1, [order(TrainOrder::Resume)]);
    app.on_ordered(Err("cannot write the database".into()));
    assert_eq!(said(&app), "cannot write the database");
}

#[test]
fn a_training_that_has_ended_takes_no_orders() {
    for key in ["space", "t", "K", "w", "-", "+", "R"] {
        let mut app = watching(TrainingState::Finished, 315);
        press(&mut app, key);
        assert_eq!(app.drain().1, [], "{key}");
        assert!(said(&app).contains("is finished"), "{key}: {}", said(&app));
        assert_eq!(app.train.current().unwrap().rate, 1.0);
    }
}

#[test]
fn an_interrupted_training_says_so_and_is_taken_up_again() {
    let mut app = watching(TrainingState::Running, 120);
    let mut gone = training("base-1", TrainingState::Running, 120);
    gone.state = TrainingState::Interrupted;
    answer(&mut app, vec![gone.clone()], 120);
    assert!(said(&app).contains("was interrupted; R"), "{}", said(&app));
    assert_eq!(app.train.current().unwrap().state.name(), "interrupted");
    press(&mut app, "space");
    assert_eq!(app.drain().1, [], "nobody would hear an order");
    press(&mut app, "R");
    assert_eq!(
        app.drain().1,
        [Effect::job(StartTraining {
            config: gone.config,
            name: "base-1".into(),
            resume: true
        })]
    );
    // It goes on from step 100: what came after is computed, and read, again.
    app.on_training_started("base-1", Ok(()));
    assert_eq!(app.train.watched.after(), (0, 0));
    answer(
        &mut app,
        vec![training("base-1", TrainingState::Running, 101)],
        101,
    );
    assert_eq!(app.train.watched.steps.len(), 101);
}

#[test]
fn one_taken_up_from_elsewhere_is_read_anew() {
    let mut app = watching(TrainingState::Stopped, 120);
    app.look_at_trainings();
    answer(
        &mut app,
        vec![training("base-1", TrainingState::Running, 101)],
        120,
    );
    assert!(app.train.watched.steps.is_empty());
    app.look_at_trainings();
    answer(
        &mut app,
        vec![training("base-1", TrainingState::Running, 102)],
        102,
    );
    assert_eq!(app.train.watched.steps.len(), 102);
}

#[test]
fn another_training_is_chosen_from_the_list() {
    let mut app = watching(TrainingState::Running, 60);
    let both = || {
        vec![
            training("base-2", TrainingState::Running, 0),
            training("base-1", TrainingState::Finished, 315),
        ]
    };
    answer(&mut app, both(), 60);
    assert_eq!(
        app.train.current.as_deref(),
        Some("base-1"),
        "it stays where it is"
    );
    app.train.focus(TrainPane::List);
    app.drain();
    press(&mut app, "home enter");
    assert_eq!(app.train.current.as_deref(), Some("base-2"));
    assert!(app.train.watched.steps.is_empty());
    assert_eq!(app.train.form.text(form::FormField::NAME), "base-3");
    press(&mut app, "n");
    assert!(app.train.shows_form());
    press(&mut app, "esc");
    assert!(!app.train.shows_form());
}

#[test]
fn earlier_answers_are_walked_through_and_the_newest_is_followed() {
    let mut app = watching(TrainingState::Running, 214);
    app.train.focus(TrainPane::Sample);
    press(&mut app, "left");
    assert_eq!(app.train.sample(), (Some(0), 2));
    press(&mut app, "left right");
    assert_eq!(app.train.sample(), (Some(1), 2));
    assert_eq!(app.train.sample, None);
}

#[test]
fn a_checkpoint_opens_in_the_explorer_or_as_a_lane() {
    let mut app = watching(TrainingState::Running, 120);
    app.train.focus(TrainPane::Checkpoints);
    press(&mut app, "down enter");
    let opened = |step, purpose| {
        Effect::job(OpenTrained {
            training: Box::new(training("base-1", TrainingState::Running, 120)),
            step,
            purpose,
        })
    };
    assert_eq!(app.drain().1, [opened(Some(50), Purpose::Explore)]);
    let of = training("base-1", TrainingState::Running, 120);
    app.on_trained(&of, Purpose::Explore, Ok("/x".into()));
    assert_eq!(app.screen, Screen::Explore);
    assert_eq!(app.drain().1, [Effect::LoadModel("/x".into())]);
    app.screen = Screen::Train;
    app.train.focus(TrainPane::Loss);
    press(&mut app, "L");
    assert_eq!(
        app.drain().1,
        [opened(Some(100), Purpose::Lane)],
        "the newest"
    );
    app.on_trained(&of, Purpose::Lane, Ok("/x.gguf".into()));
    assert_eq!(app.screen, Screen::Compare);
    assert!(format!("{:?}", app.compare.plan.last()).contains("/x.gguf"));
    let mut app = watching(TrainingState::Running, 20);
    press(&mut app, "O");
    assert!(said(&app).contains("no checkpoint yet"));
}

#[test]
fn only_what_a_training_can_give_is_offered_for_export() {
    let mut app = watching(TrainingState::Finished, 315);
    press(&mut app, "e enter");
    let product = |app: &mut App| {
        let effects = app.drain().1;
        let asked: &ExportTrained = effects[0].as_job().unwrap();
        (asked.step, asked.product)
    };
    assert_eq!(product(&mut app), (None, Product::Gguf(Quantization::Q8_0)));
    press(&mut app, "e end enter");
    assert_eq!(product(&mut app), (None, Product::SafeTensors));
    let mut tuned = training("base-1", TrainingState::Finished, 315);
    tuned.config.lora_rank = Some(8);
    app.on_trainings(Ok(TrainingsSnapshot {
        list: vec![tuned],
        news: None,
    }));
    press(&mut app, "e end enter");
    assert_eq!(product(&mut app), (None, Product::Adapter));
    app.on_written(Ok("/data/x".into()));
    assert_eq!(said(&app), "Written to /data/x");
}

#[test]
fn how_the_data_were_chosen_is_one_key_away_and_the_same_key_leaves() {
    let mut app = watching(TrainingState::Finished, 315);
    let asked = |app: &mut App| {
        let effects = app.drain().1;
        effects[0].as_job::<ReadCuration>().unwrap().0.clone()
    };
    let watched = app.train.current().unwrap().config.data.clone();
    press(&mut app, "v");
    assert_eq!(asked(&mut app), Path::new(&watched));
    app.on_curation(Err("x.jsonl has no record of its curation".into()));
    assert_eq!(said(&app), "x.jsonl has no record of its curation");
    app.on_curation(Ok(Box::default()));
    assert!(app.overlay.is_some());
    press(&mut app, "v");
    assert!(app.overlay.is_none());
    // In the form it is the form's data.
    press(&mut app, "n");
    app.train
        .form
        .set(form::FormField("data"), "/d/kept.jsonl")
        .unwrap();
    app.drain();
    press(&mut app, "v");
    assert_eq!(asked(&mut app), Path::new("/d/kept.jsonl"));
}

#[test]
fn no_key_does_harm_whatever_is_on_the_screen() {
    let keys = "tab enter space t . w - + c O L e esc y left right up down pgup pgdn home end R n \
                down enter esc";
    let mut unread = ready();
    unread.act(Action::ShowTrain);
    let mut broken = ready();
    broken.act(Action::ShowTrain);
    broken.on_trainings(Err("cannot read the database".into()));
    let apps = [
        unread,
        broken,
        planning(),
        watching(TrainingState::Preparing, 0),
        watching(TrainingState::Running, 214),
        watching(TrainingState::Failed, 3),
    ];
    for mut app in apps {
        for _ in 0..TrainPane::ALL.len() * 2 {
            press(&mut app, keys);
            app.overlay = None;
            app.screen = Screen::Train;
        }
    }
}
