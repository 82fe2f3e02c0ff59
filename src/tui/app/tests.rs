//! What keys do to the engine and to the screen's state, without either.

use super::testing::*;
use super::*;
use crate::engine::protocol::{LaneState, Until};
use crate::thinking::trace::{Origin, Phase, Reason, StopReason, Token};

mod sessions;
mod wild;

/// Commands since the last call, as short text with lanes counted from the session's first.
fn sent(app: &mut App) -> Vec<String> {
    let base = app.live.as_ref().map_or(0, |l| l.base);
    let (commands, _) = app.drain();
    let short = |c: &Command| match c {
        Command::Start { lane, run, .. } => format!("start {} {run}", lane - base),
        Command::Fork { from, to, at } => format!("fork {} {} {at}", from - base, to - base),
        Command::Restore { lane, tokens, .. } => {
            format!("restore {} {}", lane - base, tokens.len())
        }
        Command::Ask(lane, ask) => format!("{ask:?} {}", lane - base),
        Command::Run(lane, Until::End) => format!("run {}", lane - base),
        Command::Run(lane, until) => format!("run {} {until:?}", lane - base),
        Command::Pause(lane) => format!("pause {}", lane - base),
        Command::Stop(lane) => format!("stop {}", lane - base),
        Command::WaitText(lane, text) => format!("wait text {} {text}", lane - base),
        Command::Budget(lane, n) => format!("budget {} {n:?}", lane - base),
        Command::Sampling(lane, s, n) => format!("sampling {} {} {n}", lane - base, s.temperature),
        Command::Probe(lane, at) => format!("probe {} {at:?}", lane - base),
        Command::ProbeEvery(lane, n) => format!("probe every {} {n:?}", lane - base),
        Command::Clear => "clear".into(),
        Command::Shutdown => "shutdown".into(),
    };
    commands.iter().map(short).collect()
}

fn paused(app: &mut App) {
    let lane = lane(app);
    app.on_event(Event::State(lane, LaneState::Paused));
    app.drain();
}

fn tokens(app: &App) -> &[Token] {
    &app.live.as_ref().unwrap().branch().tokens
}

fn said(app: &App) -> &str {
    app.notice.as_ref().map_or("", |n| &n.text)
}

#[test]
fn a_question_starts_a_thought() {
    let mut app = ready();
    for c in "How many?".chars() {
        press(
            &mut app,
            &if c == ' ' {
                "space".to_owned()
            } else {
                c.to_string()
            },
        );
    }
    press(&mut app, "enter");
    assert_eq!(sent(&mut app), ["clear", "start 0 true"]);
    assert_eq!(app.live.as_ref().unwrap().request.question, "How many?");
    assert_eq!(app.focus, Focus::Trace);
    press(&mut app, "e enter");
    assert_eq!(
        sent(&mut app),
        ["clear", "start 0 true"],
        "the same question again"
    );
}

#[test]
fn an_empty_question_is_not_asked() {
    let mut app = ready();
    press(&mut app, "space enter");
    assert!(sent(&mut app).is_empty());
    assert_eq!(said(&app), "Write a question first.");
}

#[test]
fn a_question_waits_for_the_model() {
    let mut app = App::new(options());
    app.question.set("How many?");
    press(&mut app, "enter");
    assert!(sent(&mut app).is_empty());
    app.on_event(Event::Loading(0.5));
    app.on_event(Event::Loaded(Box::new(info())));
    assert_eq!(sent(&mut app), ["clear", "start 0 true"]);
}

#[test]
fn loading_can_be_cancelled() {
    let mut app = App::new(options());
    app.question.set("How many?");
    press(&mut app, "enter esc");
    app.on_event(Event::Loaded(Box::new(info())));
    assert!(
        sent(&mut app).is_empty(),
        "the first Esc takes the question back"
    );
    let mut app = App::new(options());
    press(&mut app, "esc");
    let (_, effects) = app.drain();
    assert_eq!(effects, [Effect::CancelLoad]);
}

#[test]
fn wait_replaces_the_next_end_while_it_thinks() {
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "w");
    assert_eq!(sent(&mut app), ["Wait 0"]);
    let lane = lane(&app);
    app.on_event(Event::PendingWaits(lane, 1));
    assert!(text(&drawn(&mut app, 120, 40)).contains("1 pending"));
    assert!(text(&drawn(&mut app, 80, 24)).contains("⟲ 1 pending"));
}

#[test]
fn wait_on_a_paused_thought_is_written_now_and_it_stays_paused() {
    let mut app = ready();
    midway(&mut app);
    paused(&mut app);
    press(&mut app, "w");
    assert_eq!(sent(&mut app), ["WaitNow 0"]);
}

#[test]
fn wait_on_an_ended_thought_thinks_on_in_a_branch() {
    let mut app = ready();
    answered(&mut app);
    let (all, end) = (
        tokens(&app).to_vec(),
        app.live.as_ref().unwrap().thought_end(),
    );
    press(&mut app, "w");
    assert_eq!(
        sent(&mut app),
        [
            format!("fork 0 1 {end}"),
            "WaitNow 1".into(),
            "run 1".into()
        ]
    );
    let live = app.live.as_ref().unwrap();
    assert_eq!(live.tree.get(0).unwrap().tokens, all, "nothing is lost");
    assert_eq!(
        tokens(&app).len(),
        end,
        "the branch ends before the delimiter"
    );
}

#[test]
fn wait_at_a_used_up_budget_makes_room() {
    let mut app = ready();
    answered(&mut app);
    let end = app.live.as_ref().unwrap().thought_end();
    let lane = lane(&app);
    app.on_event(Event::Budget(lane, end));
    press(&mut app, "w");
    let more = end + 128;
    assert_eq!(
        sent(&mut app),
        [
            format!("fork 0 1 {end}"),
            format!("budget 1 Some({more})"),
            "WaitNow 1".into(),
            "run 1".into()
        ]
    );
}

#[test]
fn wait_while_it_answers_leaves_the_answer_paused() {
    let mut app = ready();
    midway(&mut app);
    stream(
        &mut app,
        "</think>",
        Origin::Sampled,
        Phase::Answer,
        Some(Reason::NaturalEnd),
    );
    stream(&mut app, "There are", Origin::Sampled, Phase::Answer, None);
    let end = app.live.as_ref().unwrap().thought_end();
    press(&mut app, "w");
    assert_eq!(
        sent(&mut app),
        [
            "pause 0".to_string(),
            format!("fork 0 1 {end}"),
            "WaitNow 1".into(),
            "run 1".into()
        ]
    );
}

#[test]
fn a_stopped_thought_can_be_thought_on() {
    let mut app = ready();
    midway(&mut app);
    let lane = lane(&app);
    press(&mut app, "esc");
    assert_eq!(sent(&mut app), ["stop 0"]);
    app.on_event(Event::State(lane, LaneState::Stopped(StopReason::User)));
    app.drain();
    press(&mut app, "w");
    let n = tokens(&app).len();
    assert_eq!(
        sent(&mut app),
        [format!("fork 0 1 {n}"), "WaitNow 1".into(), "run 1".into()]
    );
}

#[test]
fn cutting_acts_at_once_and_a_paused_thought_answers() {
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "x");
    assert_eq!(sent(&mut app), ["Cut 0"]);
    press(&mut app, "X");
    assert_eq!(sent(&mut app), ["CutAtSentence(64) 0"]);
    paused(&mut app);
    press(&mut app, "x");
    assert_eq!(sent(&mut app), ["Cut 0", "run 0"]);
}

#[test]
fn an_ended_thought_is_cut_where_the_cursor_stands() {
    let mut app = ready();
    answered(&mut app);
    press(&mut app, "x");
    assert!(sent(&mut app).is_empty());
    assert!(said(&app).starts_with("The thought is over."));
    press(&mut app, "home ) x");
    assert_eq!(sent(&mut app), ["fork 0 1 15", "Cut 1", "run 1"]);
}

#[test]
fn pause_resume_and_steps() {
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "space");
    assert_eq!(sent(&mut app), ["pause 0"]);
    paused(&mut app);
    press(&mut app, "s");
    assert_eq!(sent(&mut app), ["run 0 Tokens(1)"]);
    paused(&mut app);
    press(&mut app, "S");
    assert_eq!(sent(&mut app), ["run 0 Sentence"]);
    paused(&mut app);
    press(&mut app, "space");
    assert_eq!(sent(&mut app), ["run 0"]);
    press(&mut app, "s");
    assert_eq!(
        sent(&mut app),
        ["pause 0"],
        "the first step stops what runs"
    );
}

#[test]
fn steps_typed_fast_are_all_taken() {
    let mut app = ready();
    midway(&mut app);
    paused(&mut app);
    press(&mut app, "s s S");
    assert_eq!(sent(&mut app), ["run 0 Tokens(1)"]);
    let lane = lane(&app);
    app.on_event(Event::State(lane, LaneState::Paused));
    assert_eq!(sent(&mut app), ["run 0 Tokens(1)"]);
    app.on_event(Event::State(lane, LaneState::Paused));
    assert_eq!(sent(&mut app), ["run 0 Sentence"]);
    press(&mut app, "s space");
    assert_eq!(
        sent(&mut app),
        ["pause 0"],
        "a pause takes back the steps that wait"
    );
    app.on_event(Event::State(lane, LaneState::Paused));
    assert!(sent(&mut app).is_empty());
}

#[test]
fn escape_and_a_key_right_after_it_are_two_keys() {
    let mut app = ready();
    midway(&mut app);
    app.on_key(crossterm::event::KeyEvent::new(
        crossterm::event::KeyCode::Char('w'),
        crossterm::event::KeyModifiers::ALT,
    ));
    assert_eq!(sent(&mut app), ["stop 0", "Wait 0"]);
}

#[test]
fn words_are_injected_with_the_thought_held_still() {
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "i");
    assert_eq!(sent(&mut app), ["pause 0"]);
    app.on_paste("So it is 3.");
    press(&mut app, "enter");
    assert_eq!(sent(&mut app), [r#"Inject(" So it is 3.") 0"#, "run 0"]);
    press(&mut app, "i esc");
    assert_eq!(
        sent(&mut app),
        ["pause 0", "run 0"],
        "left without words, it goes on"
    );
    paused(&mut app);
    press(&mut app, "i");
    app.on_paste("Hm");
    press(&mut app, "enter");
    assert_eq!(
        sent(&mut app),
        [r#"Inject(" Hm") 0"#],
        "a paused thought stays paused"
    );
}

#[test]
fn words_for_an_ended_thought_make_a_branch_at_the_cursor() {
    let mut app = ready();
    answered(&mut app);
    press(&mut app, "home ) i");
    app.on_paste("No.");
    press(&mut app, "enter");
    assert_eq!(
        sent(&mut app),
        ["fork 0 1 15", r#"Inject(" No.") 1"#, "run 1"]
    );
}

#[test]
fn a_re_roll_keeps_the_thought_and_draws() {
    let mut app = ready();
    press(&mut app, "esc");
    midway(&mut app);
    press(&mut app, "r");
    assert!(sent(&mut app).is_empty(), "there is no answer yet");
    let mut app = ready();
    answered(&mut app);
    let at = app.live.as_ref().unwrap().answer_start().unwrap();
    press(&mut app, "r");
    assert_eq!(
        sent(&mut app),
        [
            format!("fork 0 1 {at}"),
            "sampling 1 0.8 1".into(),
            "run 1".into()
        ]
    );
    press(&mut app, "[ r");
    let commands = sent(&mut app);
    assert_eq!(
        commands[1], "sampling 2 0.8 2",
        "every re-roll is another sample"
    );
}

#[test]
fn an_alternative_is_taken_in_a_branch() {
    let mut app = ready();
    answered(&mut app);
    press(&mut app, "home ) enter");
    assert!(matches!(app.overlay, Some(Overlay::Pick(..))));
    press(&mut app, "down enter");
    assert_eq!(sent(&mut app), ["fork 0 1 15", "Choose(1) 1", "run 1"]);
    assert_eq!(tokens(&app).len(), 15);
}

#[test]
fn an_alternative_on_a_paused_thought_leaves_it_paused() {
    let mut app = ready();
    midway(&mut app);
    paused(&mut app);
    press(&mut app, "home enter enter");
    assert_eq!(sent(&mut app), ["fork 0 1 0", "Choose(0) 1"]);
    press(&mut app, "[ home enter up enter");
    assert!(sent(&mut app).is_empty());
    assert_eq!(said(&app), "That is what stands there.");
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
    assert_eq!(sent(&mut app), ["fork 0 1 15"]);
    assert_eq!(app.live.as_ref().unwrap().active, 1);
    press(&mut app, "[ u");
    assert_eq!(sent(&mut app), ["fork 0 2 15", "run 2"]);
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
    assert_eq!(
        sent(&mut app),
        ["pause 0".to_string(), format!("fork 0 1 {n}")]
    );
}

#[test]
fn the_budget_moves_live_and_for_the_next_question() {
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "+");
    assert_eq!(sent(&mut app), ["budget 0 Some(320)"]);
    let lane = lane(&app);
    app.on_event(Event::Budget(lane, 320));
    press(&mut app, "-");
    assert_eq!(sent(&mut app), ["budget 0 Some(256)"]);
    assert_eq!(app.request.policy.max_thinking, Some(256));
}

#[test]
fn a_probe_asks_about_the_place_of_the_cursor() {
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "p");
    assert_eq!(sent(&mut app), ["probe 0 None"]);
    press(&mut app, "home ) p");
    assert_eq!(sent(&mut app), ["probe 0 Some(15)"]);
    press(&mut app, "P");
    assert_eq!(sent(&mut app), ["probe every 0 None"]);
}

#[test]
fn settings_act_on_the_thought_on_screen() {
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "o down down down enter");
    app.on_paste("7");
    press(&mut app, "enter");
    let Some(Overlay::Line(_, line)) = &app.overlay else {
        panic!("the line stays open")
    };
    assert_eq!(line.error.as_deref(), Some("Write a number from 0 to 5."));
    press(&mut app, "ctrl-u");
    app.on_paste("0.7");
    press(&mut app, "enter");
    assert_eq!(sent(&mut app), ["sampling 0 0.7 0"]);
    assert!(
        matches!(app.overlay, Some(Overlay::Pick(overlay::Pick::Setting, _))),
        "back to the list"
    );
    press(&mut app, "esc W down enter");
    assert_eq!(sent(&mut app), ["wait text 0 Hmm"]);
}

#[test]
fn a_dropped_delimiter_and_a_late_one_change_what_stands() {
    let mut app = ready();
    midway(&mut app);
    let n = tokens(&app).len();
    let lane = lane(&app);
    let new = vec![token(
        n - 1,
        " Wait",
        Origin::Forced,
        Phase::Thinking,
        Some(Reason::Wait),
    )];
    app.on_event(Event::Tokens {
        lane,
        drop: 2,
        relabel: 0,
        tokens: new,
    });
    assert_eq!(tokens(&app).len(), n - 1);
    app.on_event(Event::Tokens {
        lane,
        drop: 0,
        relabel: 1,
        tokens: vec![],
    });
    let last = tokens(&app).last().unwrap();
    assert!(last.is_delimiter() && last.phase == Phase::Answer);
    // More than there is must not hurt.
    app.on_event(Event::Tokens {
        lane,
        drop: 10_000,
        relabel: 10_000,
        tokens: vec![],
    });
    assert!(tokens(&app).is_empty());
}

#[test]
fn late_events_of_the_question_before_change_nothing() {
    let mut app = ready();
    midway(&mut app);
    let old = lane(&app);
    ask(&mut app, "Another?");
    app.on_event(Event::Tokens {
        lane: old,
        drop: 0,
        relabel: 0,
        tokens: vec![token(0, "old", Origin::Sampled, Phase::Thinking, None)],
    });
    app.on_event(Event::State(old, LaneState::Stopped(StopReason::EndOfTurn)));
    assert!(tokens(&app).is_empty());
    assert!(app.live.as_ref().unwrap().is_busy());
}

#[test]
fn copying_is_bounded_and_clean() {
    let mut app = ready();
    answered(&mut app);
    think(&mut app, " \x1b[31m");
    press(&mut app, "y");
    let (_, effects) = app.drain();
    assert_eq!(
        effects,
        [Effect::Copy(
            "There are **3** letters r in raspberry.".into()
        )]
    );
    press(&mut app, "Y");
    let (_, effects) = app.drain();
    let Some(Effect::Copy(text)) = effects.first() else {
        panic!("{effects:?}")
    };
    assert!(
        text.starts_with("I spell it out") && !text.contains('\x1b') && !text.contains("</think>")
    );
    think(&mut app, &"x".repeat(200_000));
    press(&mut app, "Y");
    assert!(app.drain().1.is_empty());
    assert!(said(&app).contains("save the session instead"));
}

#[test]
fn the_answer_is_read_and_graded_again_when_the_reference_changes() {
    let mut app = ready();
    answered(&mut app);
    let verdict = |app: &App| app.live.as_ref().unwrap().lane().verdict.clone().unwrap();
    assert_eq!(
        (verdict(&app).answer.as_str(), verdict(&app).correct),
        ("3", Some(true))
    );
    press(&mut app, "R ctrl-u 4 enter");
    assert_eq!(verdict(&app).correct, Some(false));
    let probes = &app.live.as_ref().unwrap().branch().probes;
    assert!(probes.iter().all(|p| p.correct == Some(false)));
    press(&mut app, "R ctrl-u enter");
    assert_eq!(verdict(&app).correct, None);
}

#[test]
fn a_model_that_cannot_be_used_says_why() {
    let mut app = App::new(options());
    app.on_event(Event::Failed(
        "broken.gguf is cut off after 12 bytes".into(),
    ));
    assert!(text(&drawn(&mut app, 80, 24)).contains("✗ broken.gguf is cut off after 12 bytes"));
    app.question.set("How many?");
    press(&mut app, "enter");
    assert!(
        matches!(app.overlay, Some(Overlay::Models(_))),
        "a question leads to the models"
    );
    let (_, effects) = app.drain();
    assert_eq!(effects, [Effect::FindModels]);
}

#[test]
fn a_paste_anywhere_reaches_the_question() {
    let mut app = ready();
    midway(&mut app);
    app.question.set("");
    app.on_paste("two\r\nlines\x1b[0m");
    assert_eq!(
        (app.focus, app.question.text().as_str()),
        (Focus::Question, "two\nlines[0m")
    );
}
