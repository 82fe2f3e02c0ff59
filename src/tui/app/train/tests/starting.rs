//! The form of a new training, and its start.

use super::*;
use crate::tui::widgets::model_picker::FoundModels;
use s1_engine::catalog::need::ModelNeed;

#[test]
fn where_there_is_no_training_the_form_is_there_and_one_press_starts_the_bundled_one() {
    let mut app = ready();
    press(&mut app, "esc 4");
    assert_eq!(app.drain().1, [Effect::job(ReadTrainings(None))]);
    app.on_trainings(Ok(TrainingsSnapshot::default()));
    assert!(app.train.shows_form());
    let config = app.train.form.config();
    assert_eq!(app.drain().1, [Effect::job(PlanTraining(config.clone()))]);
    press(&mut app, "enter");
    assert_eq!(
        app.drain().1,
        [Effect::job(StartTraining {
            config,
            name: "base-1".into(),
            resume: false
        })]
    );
    press(&mut app, "enter");
    assert_eq!(app.drain().1, [], "never two by one key held down");
    app.on_training_started("base-1", Ok(()));
    assert!(!app.train.planning);
    assert_eq!(
        app.drain().1,
        [Effect::job(ReadTrainings(Some(("base-1".into(), (0, 0)))))]
    );
}

#[test]
fn a_start_that_fails_says_why_and_leaves_the_form() {
    let mut app = planning();
    press(&mut app, "enter");
    app.on_training_started("base-1", Err("cannot open s1K.jsonl".into()));
    assert_eq!(said(&app), "cannot open s1K.jsonl");
    assert!(app.train.shows_form() && app.train.starting.is_none());
    app.on_trainings(Ok(TrainingsSnapshot::default()));
    app.train.planned.shown = Some(Err("this run needs 9 GiB; use --lora-rank".into()));
    app.drain();
    press(&mut app, "enter");
    assert_eq!(app.drain().1, [], "what cannot fit is not started");
    assert!(said(&app).contains("--lora-rank"));
}

#[test]
fn a_change_of_the_form_is_worked_out_again_one_at_a_time() {
    let mut app = planning();
    press(&mut app, "down down down down enter");
    for _ in 0..9 {
        app.on_key(crossterm::event::KeyCode::Backspace.into());
    }
    app.on_paste("half");
    press(&mut app, "enter");
    assert!(app.overlay.is_some(), "refused, and the line stays");
    for _ in 0..9 {
        app.on_key(crossterm::event::KeyCode::Backspace.into());
    }
    app.on_paste("16");
    press(&mut app, "enter");
    let config = app.train.form.config();
    assert_eq!(config.lora_rank, Some(16));
    assert_eq!(app.drain().1, [Effect::job(PlanTraining(config))]);
    assert!(!app.plan_is_current());
    // A second change while the first is being worked out waits for it.
    let epochs = form::FormField("epochs");
    app.set_field(epochs, "2").unwrap();
    assert_eq!(app.drain().1, []);
    app.on_training_planned(Ok(preview()));
    let config = app.train.form.config();
    assert_eq!(app.drain().1, [Effect::job(PlanTraining(config))]);
    app.on_training_planned(Ok(preview()));
    assert!(app.plan_is_current());
    assert_eq!(app.drain().1, []);
}

/// The models of the program alone, what they need looked at.
fn bundled() -> FoundModels {
    let known = |entry| (entry, Some(ModelNeed::default()));
    FoundModels {
        here: s1_engine::catalog::bundled().map(known).collect(),
        ..FoundModels::default()
    }
}

#[test]
fn the_base_is_chosen_among_the_models_and_brings_its_defaults() {
    let mut app = planning();
    press(&mut app, "down enter");
    assert_eq!(app.drain().1, [Effect::job(FindModels)]);
    app.on_models(Ok(bundled()));
    press(&mut app, "enter");
    assert_eq!(
        app.train.form.text(form::FormField::BASE),
        "bundled:reasoner"
    );
    assert_eq!(app.train.form.text(form::FormField("epochs")), "5");
    assert_eq!(
        app.model_path,
        Some("bundled:reasoner".into()),
        "the explorer keeps its own"
    );
    // Left without a choice, the next picker is the explorer's again.
    press(&mut app, "enter esc m");
    app.on_models(Ok(bundled()));
    press(&mut app, "enter");
    assert_eq!(app.model_path, Some("bundled:reasoner".into()));
}
