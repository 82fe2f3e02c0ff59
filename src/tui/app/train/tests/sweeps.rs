//! The sweep before a training and the one after it.

use super::*;

/// The sweep that was started, by its model and the beginning of its name.
fn launched(app: &mut App) -> StartSweep {
    let effects = app.drain().1;
    let mut sweeps = effects.iter().filter_map(Effect::as_job::<StartSweep>);
    sweeps.next().unwrap().clone()
}

fn swept(app: &mut App, run: s1_store::run::Run) {
    app.on_sweep(s1_lab::sweep::Progress::Started {
        run: Box::new(run),
        model: Box::new(crate::tui::app::testing::info()),
        done: 0,
        total: 100,
    });
    app.on_sweep_ended(Ok(()));
}

#[test]
fn before_and_after_are_swept_one_after_the_other_and_end_in_one_plot() {
    let mut app = watching(TrainingState::Finished, 315);
    let own = app.plots.plan.clone();
    press(&mut app, "c");
    let training = training("base-1", TrainingState::Finished, 315);
    let effects = app.drain().1;
    let opened: &OpenTrained = effects[0].as_job().unwrap();
    assert_eq!((opened.step, opened.purpose), (None, Purpose::Sweep));
    app.on_trained(&training, Purpose::Sweep, Ok("/tuned.gguf".into()));
    press(&mut app, "enter");
    assert_eq!(app.screen, Screen::Plots, "one watches them there");
    let first = launched(&mut app);
    assert_eq!(first.model, Path::new("bundled:base"));
    assert_eq!(first.prefix.as_deref(), Some("base-1-before"));
    assert_eq!(first.plan.problems, Some("bundled:held-out".into()));
    assert_eq!(first.plan.points().len(), 5);
    assert_eq!(first.plan.limit, Some(100));
    assert_eq!(app.plots.plan, own, "single sweeps keep their own");
    swept(&mut app, run("base-1-before-x", 100, 60, 1));
    let second = launched(&mut app);
    assert_eq!(second.model, Path::new("/tuned.gguf"));
    assert_eq!(second.prefix.as_deref(), Some("base-1-after"));
    // One of them taken away comes back, by itself and in its place.
    app.plots.focus(plots::PlotPane::Runs);
    app.on_runs(Ok(vec![plots::tests::summary(&run(
        "base-1-before-x",
        100,
        60,
        1,
    ))]));
    press(&mut app, "space");
    swept(&mut app, run("base-1-after-x", 100, 20, 1));
    let name = "base-1-before-x";
    assert!(app.drain().1.contains(&Effect::job(ReadRun(name.into()))));
    app.on_run(name, Ok(run(name, 100, 60, 1)));
    let names: Vec<&str> = app
        .plots
        .shown
        .iter()
        .map(|s| s.run.name.as_str())
        .collect();
    assert_eq!(names, ["base-1-before-x", "base-1-after-x"]);
    assert_eq!(app.plots.pane, plots::PlotPane::Pairs);
    let anchor = app.plots.anchor().unwrap();
    let spec = app.plots.shown[0].report.points[anchor.point].spec;
    assert_eq!(
        (anchor.run, spec.budget, spec.waits),
        (0, Budget::Natural, 0)
    );
}

#[test]
fn a_first_sweep_that_is_cancelled_brings_no_second() {
    let mut app = watching(TrainingState::Finished, 315);
    let training = training("base-1", TrainingState::Finished, 315);
    app.on_trained(&training, Purpose::Sweep, Ok("/tuned.gguf".into()));
    press(&mut app, "enter");
    launched(&mut app);
    press(&mut app, "x");
    swept(&mut app, run("base-1-before-x", 100, 60, 1));
    assert!(app.plots.sweep.is_none() && app.plots.both.is_none());
    assert!(said(&app).contains("goes on with base-1-before-x"));
    // The form of a single sweep is itself again, also where the other was left.
    app.on_trained(&training, Purpose::Sweep, Ok("/tuned.gguf".into()));
    press(&mut app, "esc n");
    assert_eq!(app.plots.before, None);
    assert_eq!(app.plots.plan, plots::sweep::small());
}
