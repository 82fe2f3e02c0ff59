//! Pictures of the train screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::tui::app::App;
use crate::tui::app::testing::{drawn, press};
use crate::tui::app::train::TrainPane;
use crate::tui::app::train::tests::{planning, watching};
use crate::tui::screens;
use crate::tui::widgets::overlay::testing::picture;
use s1_store::training::TrainingState;

fn shot(app: &mut App, width: u16, height: u16) -> String {
    picture(width, height, |buf, area| {
        screens::prepare(app, area);
        screens::paint(app, area, buf);
    })
}

#[test]
fn pictures_of_the_form() {
    let mut app = planning();
    insta::assert_snapshot!("form_120x40", shot(&mut app, 120, 40));
    let small = shot(&mut app, 80, 24);
    assert!(small.contains("What is"), "an example is seen\n{small}");
    insta::assert_snapshot!("form_80x24", small);
    app.train.form.advanced = true;
    press(&mut app, "down down down down down");
    insta::assert_snapshot!("advanced_120x40", shot(&mut app, 120, 40));
    app.on_training_planned(Err(String::new()));
    app.train.planned.shown = Some(Err(
        "this run needs 9.1 GiB of memory and 3.2 GiB are free; use --checkpointing, a smaller \
         --batch or a smaller --block-size"
            .into(),
    ));
    insta::assert_snapshot!("refused_120x40", shot(&mut app, 120, 40));
}

#[test]
fn pictures_of_a_training_under_way() {
    let mut app = watching(TrainingState::Running, 214);
    insta::assert_snapshot!("running_120x40", shot(&mut app, 120, 40));
    insta::assert_snapshot!("running_80x24", shot(&mut app, 80, 24));
    insta::assert_snapshot!("running_120x36", shot(&mut app, 120, 36));
    insta::assert_snapshot!("running_200x50", shot(&mut app, 200, 50));
    press(&mut app, "right left left");
    app.train.side = TrainPane::Checkpoints;
    insta::assert_snapshot!("crosshair_120x40", shot(&mut app, 120, 40));
}

#[test]
fn pictures_of_one_that_is_done_and_one_that_was_interrupted() {
    let mut app = watching(TrainingState::Finished, 315);
    app.train.focus(TrainPane::List);
    insta::assert_snapshot!("finished_120x40", shot(&mut app, 120, 40));
    if let Some(listed) = app.train.list.iter_mut().flatten().next() {
        listed.state = TrainingState::Interrupted;
    }
    app.train.focus(TrainPane::Log);
    insta::assert_snapshot!("interrupted_120x40", shot(&mut app, 120, 40));
}

/// A user would lose: what a field is for, cut in the middle on a small terminal.
#[test]
fn every_explanation_of_the_form_is_read_whole_at_80_columns() {
    use crate::tui::action::Action;
    let mut app = planning();
    app.train.form.advanced = true;
    let rows = app.train.form.rows();
    for (i, row) in rows.into_iter().enumerate() {
        app.train.form.selected = i;
        let shown = shot(&mut app, 80, 24);
        if let crate::tui::app::train::form::FormRow::Field(field) = row {
            let words = |text: &str| {
                text.split(|c: char| c.is_whitespace() || "│╭╰─".contains(c))
                    .filter(|word| !word.is_empty())
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            let (all, note) = (words(&shown), words(field.note()));
            assert!(
                all.windows(note.len()).any(|w| w == note),
                "{}\n{shown}",
                field.note()
            );
        }
    }
    app.train.form.selected = 0;
    let shown = shot(&mut app, 80, 24);
    assert!(shown.contains("more"), "what is below is told\n{shown}");
    app.act(Action::End);
}

/// A user would lose: the mouse, in the form and on the panels of a training.
#[test]
fn the_mouse_selects_and_opens() {
    use crate::tui::app::train::form::{FormField, FormRow};
    use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
    let click = |app: &mut App, shown: &str, what: &str| {
        let row = shown.lines().position(|line| line.contains(what)).unwrap();
        let line = shown.lines().nth(row).unwrap();
        let column = line[..line.find(what).unwrap()].chars().count();
        app.on_mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: column as u16,
            row: row as u16,
            modifiers: KeyModifiers::NONE,
        });
    };
    let mut app = planning();
    let shown = shot(&mut app, 120, 40);
    click(&mut app, &shown, "Epochs");
    let epochs = FormRow::Field(FormField("epochs"));
    assert_eq!(app.train.form.row(), epochs, "{shown}");
    assert!(app.overlay.is_none());
    let shown = shot(&mut app, 120, 40);
    click(&mut app, &shown, "Epochs");
    assert!(app.overlay.is_some(), "a second click edits it");
    let mut app = watching(TrainingState::Finished, 315);
    let shown = shot(&mut app, 120, 40);
    click(&mut app, &shown, "checkpoints");
    assert_eq!(app.train.pane, TrainPane::Checkpoints, "by its name");
    let shown = shot(&mut app, 120, 40);
    click(&mut app, &shown, "gradient norm ─");
    assert_eq!(app.train.pane, TrainPane::Gradient, "in its place\n{shown}");
}

#[test]
fn a_small_screen_shows_the_panel_that_has_the_keys() {
    let mut app = watching(TrainingState::Running, 214);
    insta::assert_snapshot!("small_40x12", shot(&mut app, 40, 12));
    let mut app = planning();
    insta::assert_snapshot!("small_form_40x12", shot(&mut app, 40, 12));
}

#[test]
fn every_size_draws() {
    let mut form = planning();
    form.train.form.advanced = true;
    let mut fresh = watching(TrainingState::Preparing, 0);
    fresh.train.watched = Default::default();
    let running = watching(TrainingState::Running, 214);
    let mut apps = vec![form, fresh];
    for &pane in TrainPane::ALL {
        let mut app = watching(TrainingState::Running, 214);
        app.train.focus(pane);
        press(&mut app, "left");
        apps.push(app);
    }
    apps.push(running);
    for app in &mut apps {
        for (w, h) in (1..45).flat_map(|w| (1..16).map(move |h| (w * 5, h * 3))) {
            let area = Rect::new(0, 0, w, h);
            screens::prepare(app, area);
            let mut buf = Buffer::empty(area);
            screens::paint(app, area, &mut buf);
        }
        for (w, h) in (1..30).flat_map(|w| (1..20).map(move |h| (w, h))) {
            drawn(app, w, h);
        }
    }
}

#[test]
fn the_loss_mask_is_seen_without_colour() {
    let mut app = planning();
    let buf = drawn(&mut app, 120, 40);
    let mut underlined = String::new();
    for cell in buf.content() {
        if cell.modifier.contains(Modifier::UNDERLINED) {
            underlined.push_str(cell.symbol());
        }
    }
    assert!(underlined.starts_with("347*80=27760"), "{underlined}");
    assert!(
        !underlined.contains("What is"),
        "the question carries no loss"
    );
    let shown = shot(&mut app, 120, 40);
    assert!(shown.contains("▌ 347*80=27760"), "{shown}");
    assert!(!shown.contains("▌ What is"), "{shown}");
}
