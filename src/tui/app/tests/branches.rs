//! Branches.

use super::*;

#[test]
fn an_alternative_is_taken_in_a_branch() {
    let mut app = ready();
    answered(&mut app);
    // The cursor of the list stands on the second; one further down is the third.
    let other = tokens(&app)[SECOND].top[2].id;
    press(&mut app, "home ) enter");
    let shown = text(&drawn(&mut app, 80, 24));
    assert!(shown.contains(&format!("(token {SECOND})")), "{shown}");
    press(&mut app, "down enter");
    assert_eq!(
        sent(&mut app),
        [
            fork(0, 1, SECOND),
            Command::Ask(1, Ask::Choose(other)),
            run(1)
        ]
    );
    assert_eq!(tokens(&app).len(), SECOND);
}

#[test]
fn an_alternative_on_a_paused_thought_leaves_it_paused() {
    let mut app = ready();
    midway(&mut app);
    paused(&mut app);
    let other = tokens(&app)[0].top[1].id;
    press(&mut app, "home enter enter");
    assert_eq!(
        sent(&mut app),
        [fork(0, 1, 0), Command::Ask(1, Ask::Choose(other))]
    );
    press(&mut app, "[ home enter up enter");
    assert!(sent(&mut app).is_empty());
    assert_eq!(said(&app), "That is the token already there.");
}

#[test]
fn branch_and_rewind_start_at_the_cursor() {
    let mut app = ready();
    answered(&mut app);
    press(&mut app, "b");
    assert!(
        sent(&mut app).is_empty(),
        "an ended branch has no other end"
    );
    press(&mut app, "home ) b");
    assert_eq!(sent(&mut app), [fork(0, 1, SECOND)]);
    assert_eq!(app.live.as_ref().unwrap().active, 1);
    press(&mut app, "[ u");
    assert_eq!(sent(&mut app), [fork(0, 2, SECOND), run(2)]);
    press(&mut app, "]");
    assert_eq!(
        app.live.as_ref().unwrap().active,
        0,
        "around the end to the first"
    );
    press(&mut app, "t down down enter");
    assert_eq!(app.live.as_ref().unwrap().active, 2);
}

#[test]
fn a_running_branch_is_paused_where_another_leaves_it() {
    let mut app = ready();
    midway(&mut app);
    let n = tokens(&app).len();
    press(&mut app, "b");
    assert_eq!(sent(&mut app), [Command::Pause(0), fork(0, 1, n)]);
}

#[test]
fn what_is_said_covers_no_figure() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut app = ready();
        midway(&mut app);
        press(&mut app, "b");
        let screen = text(&drawn(&mut app, width, height));
        assert!(screen.contains("b1 begins here") && screen.contains("b1 ▸ 2 branches"));
    }
}
