//! Sessions: kept, saved, opened; and leaving.

use super::*;
use s1_store::session::Document;

fn saves(app: &mut App) -> Vec<(Option<PathBuf>, usize, u64)> {
    let (_, effects) = app.drain();
    effects
        .into_iter()
        .filter_map(|e| match e {
            Effect::Save(save) => Some((
                save.target.path.clone(),
                save.target.number,
                save.target.revision,
            )),
            _ => None,
        })
        .collect()
}

fn kept(app: &mut App, number: usize, revision: u64, ok: bool) {
    let result = if ok {
        Ok("a.s1.json".into())
    } else {
        Err("cannot save: disk full".to_string())
    };
    let save = SaveTarget {
        path: None,
        number,
        revision,
    };
    app.on_saved(&save, result);
}

fn document() -> Document {
    let mut app = ready();
    answered(&mut app);
    press(&mut app, "home");
    app.live.as_ref().unwrap().document()
}

#[test]
fn a_session_is_kept_at_every_end_and_while_it_streams() {
    let mut app = ready();
    midway(&mut app);
    app.keep();
    let first = saves(&mut app);
    assert_eq!((first.len(), first[0].1), (1, 0));
    app.keep();
    assert!(saves(&mut app).is_empty(), "it is being saved already");
    kept(&mut app, 0, first[0].2, true);
    app.keep();
    assert!(saves(&mut app).is_empty(), "nothing has changed");
    think(&mut app, " on");
    let lane = lane(&app);
    app.on_event(Event::State(lane, LaneState::Paused));
    assert_eq!(saves(&mut app).len(), 1);
}

#[test]
fn asking_again_keeps_the_session_before() {
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "e enter");
    assert_eq!(saves(&mut app).iter().map(|s| s.1).collect::<Vec<_>>(), [0]);
    let mut app = ready();
    midway(&mut app);
    app.keep();
    let (_, number, revision) = saves(&mut app)[0].clone();
    kept(&mut app, number, revision, false);
    think(&mut app, " on");
    press(&mut app, "e enter");
    let shown = text(&drawn(&mut app, 80, 24));
    assert!(shown.contains("Ask anew and lose this session?"), "{shown}");
    press(&mut app, "n");
    assert_eq!(app.live.as_ref().unwrap().number, 0);
    press(&mut app, "enter y");
    assert_eq!(app.live.as_ref().unwrap().number, 1);
}

#[test]
fn leaving_asks_only_if_something_would_be_lost() {
    let mut app = ready();
    press(&mut app, "ctrl-c");
    assert_eq!(app.drain().1, [Effect::Quit], "nothing was asked");

    let mut app = ready();
    midway(&mut app);
    press(&mut app, "q");
    let save = saves(&mut app)[0].clone();
    kept(&mut app, save.1, save.2, true);
    assert_eq!(app.drain().1, [Effect::Quit], "saved, so nothing is asked");

    let mut app = ready();
    midway(&mut app);
    press(&mut app, "q");
    let save = saves(&mut app)[0].clone();
    kept(&mut app, save.1, save.2, false);
    assert!(app.drain().1.is_empty());
    let screen = text(&drawn(&mut app, 80, 24));
    assert!(screen.contains("Leave and lose this session?") && screen.contains("disk full"));
    press(&mut app, "n");
    assert!(app.drain().1.is_empty());
    press(&mut app, "q y");
    assert_eq!(app.drain().1, [Effect::Quit]);
}

#[test]
fn a_hangup_saves_and_asks_nothing() {
    let mut app = ready();
    midway(&mut app);
    app.on_hangup();
    let (_, effects) = app.drain();
    assert!(
        matches!(effects.as_slice(), [Effect::Save(_), Effect::Quit]),
        "{effects:?}"
    );
}

#[test]
fn a_session_is_saved_under_a_name() {
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "ctrl-s");
    app.on_paste("berries");
    press(&mut app, "enter");
    assert_eq!(saves(&mut app)[0].0, Some("berries.s1.json".into()));
    let save = SaveTarget {
        path: Some("berries.s1.json".into()),
        number: 0,
        revision: 99,
    };
    app.on_saved(&save, Ok("/data/sessions/berries.s1.json".into()));
    assert_eq!(said(&app), "Saved as /data/sessions/berries.s1.json");
    assert!(!app.has_unsaved());
}

#[test]
fn a_session_replays_without_a_model() {
    let mut app = App::new(Options {
        model: None,
        ..options()
    });
    app.on_opened("a.s1.json".into(), Ok(document()));
    let live = app.live.as_ref().unwrap();
    assert_eq!(
        live.branch().view.cursor(),
        Some(0),
        "the cursor stands where it stood"
    );
    assert_eq!(live.branch().verdict.as_ref().unwrap().correct, Some(true));
    press(&mut app, ") right");
    assert_eq!(
        app.live.as_ref().unwrap().branch().view.cursor(),
        Some(SECOND + 1)
    );
    press(&mut app, "end w");
    assert!(sent(&mut app).is_empty());
    assert_eq!(said(&app), "Choose a model to continue this.");
    assert!(!app.has_unsaved(), "looking changes nothing");
}

#[test]
fn steering_an_opened_session_restores_its_lane() {
    let mut app = ready();
    app.on_opened("a.s1.json".into(), Ok(document()));
    app.drain();
    press(&mut app, ") u");
    assert_eq!(
        sent(&mut app),
        [restore(&app, 1, SECOND), run(1)],
        "only what the branch needs"
    );
    press(&mut app, "[ p");
    let n = tokens(&app).len();
    let end = app.live.as_ref().unwrap().thought_end();
    assert_eq!(
        sent(&mut app),
        [
            restore(&app, 0, n),
            Command::Probe(0, Some(SECOND.min(end)))
        ]
    );
}

#[test]
fn another_models_session_is_for_looking_only() {
    let mut app = ready();
    let mut document = document();
    document.model.name = "another".into();
    app.on_opened("a.s1.json".into(), Ok(document));
    app.drain();
    press(&mut app, "w");
    assert!(sent(&mut app).is_empty());
    assert_eq!(
        said(&app),
        "This was written by another; choose that model to continue it."
    );
}

#[test]
fn a_new_model_leaves_the_session_as_text_that_can_be_gone_on_with() {
    let mut app = ready();
    midway(&mut app);
    app.load("same.gguf".into());
    let (_, effects) = app.drain();
    assert!(
        matches!(effects.as_slice(), [Effect::Save(_), Effect::LoadModel(..)]),
        "{effects:?}"
    );
    app.on_event(Event::Loaded(Box::new(info())));
    press(&mut app, "space");
    let n = tokens(&app).len();
    assert_eq!(
        sent(&mut app),
        [restore(&app, 0, n), Command::PauseOrRun(0)]
    );
}

#[test]
fn a_damaged_session_leaves_the_screen_as_it_was() {
    let mut app = ready();
    midway(&mut app);
    app.on_opened(
        "b.s1.json".into(),
        Err("cannot open the session b.s1.json: it is damaged".into()),
    );
    assert_eq!(app.live.as_ref().unwrap().number, 0);
    assert!(said(&app).contains("it is damaged"));
}
