//! Steering keys and the commands they become.

use super::*;
use s1_core::forcing::Ending;

#[test]
fn wait_is_for_the_engine_to_understand_and_its_pending_ones_are_shown() {
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "w");
    assert_eq!(sent(&mut app), [Command::Ask(0, Ask::Wait)]);
    let lane = lane(&app);
    app.on_event(Event::PendingWaits(lane, 1));
    assert!(text(&drawn(&mut app, 120, 40)).contains("1 pending"));
    assert!(text(&drawn(&mut app, 80, 24)).contains("⟲ 1 pending"));
}

#[test]
fn wait_on_a_paused_thought_leaves_it_paused() {
    let mut app = ready();
    midway(&mut app);
    paused(&mut app);
    press(&mut app, "w");
    let wait = Command::Ask(0, Ask::Wait);
    assert_eq!(sent(&mut app), [wait], "and nothing runs it");
}

/// A user would lose: the end that the model wanted, since between two beats the thought rests.
#[test]
fn wait_at_a_pace_is_for_the_next_end() {
    let mut app = ready();
    midway(&mut app);
    app.live.as_mut().unwrap().branch_mut().paced = true;
    paused(&mut app);
    press(&mut app, "w");
    assert_eq!(sent(&mut app), [Command::Ask(0, Ask::WaitAtEnd)]);
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
        [fork(0, 1, end), Command::Ask(1, Ask::Wait), run(1)]
    );
    let live = app.live.as_ref().unwrap();
    assert_eq!(
        live.branches[0].lane.tokens.to_vec(),
        all,
        "nothing is lost"
    );
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
            fork(0, 1, end),
            Command::Budget(1, Some(more)),
            Command::Ask(1, Ask::Wait),
            run(1)
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
            Command::Pause(0),
            fork(0, 1, end),
            Command::Ask(1, Ask::Wait),
            run(1)
        ]
    );
}

#[test]
fn a_stopped_thought_can_be_thought_on() {
    let mut app = ready();
    midway(&mut app);
    let lane = lane(&app);
    press(&mut app, "esc");
    assert_eq!(sent(&mut app), [Command::Stop(0)]);
    app.on_event(Event::State(lane, LaneState::Stopped(StopReason::User)));
    app.drain();
    press(&mut app, "w");
    let n = tokens(&app).len();
    assert_eq!(
        sent(&mut app),
        [fork(0, 1, n), Command::Ask(1, Ask::Wait), run(1)]
    );
}

#[test]
fn cutting_acts_at_once_and_a_paused_thought_answers() {
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "x");
    assert_eq!(sent(&mut app), [Command::Ask(0, Ask::Cut)]);
    press(&mut app, "X");
    assert_eq!(sent(&mut app), [Command::Ask(0, Ask::CutAtSentence(64))]);
    paused(&mut app);
    press(&mut app, "x");
    assert_eq!(sent(&mut app), [Command::Ask(0, Ask::Cut), run(0)]);
}

/// A user would lose: an end that the model comes to by itself.
#[test]
fn a_thought_is_wrapped_up_in_words_and_its_ending_is_that_of_the_settings() {
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "C");
    assert_eq!(sent(&mut app), [Command::Ask(0, Ask::WrapUp)]);
    // Down to the ending, and on to the next way.
    press(&mut app, "o down down down down down down enter");
    let [Command::Policy(0, policy)] = &sent(&mut app)[..] else {
        panic!("it acts on the thought on screen");
    };
    assert_eq!(policy.ending, Ending::Bare);
    press(
        &mut app,
        "esc o down down down down down down down enter down enter",
    );
    let [Command::Policy(0, policy)] = &sent(&mut app)[..] else {
        panic!("so does the text");
    };
    assert_eq!(policy.ending_text, app.texts.ending[1]);
    assert_eq!(policy.ending, Ending::Bare);
}

#[test]
fn an_ended_thought_is_cut_where_the_cursor_stands() {
    let mut app = ready();
    answered(&mut app);
    press(&mut app, "x");
    assert!(sent(&mut app).is_empty());
    assert!(said(&app).starts_with("The thought is over."));
    press(&mut app, "home ) x");
    assert_eq!(
        sent(&mut app),
        [fork(0, 1, SECOND), Command::Ask(1, Ask::Cut), run(1)]
    );
}

#[test]
fn pause_resume_and_steps() {
    let mut app = ready();
    midway(&mut app);
    let toggle = Command::PauseOrRun(0);
    press(&mut app, "space space");
    assert_eq!(sent(&mut app), [toggle.clone(), toggle.clone()]);
    assert!(
        app.live.as_ref().unwrap().is_busy(),
        "what it does is what the engine says"
    );
    paused(&mut app);
    press(&mut app, "s s S space");
    let step = |until| Command::Step(0, until);
    let [one, two, sentence] = [Until::Tokens(1), Until::Tokens(1), Until::Sentence].map(step);
    assert_eq!(
        sent(&mut app),
        [one, two, sentence, toggle],
        "every key is a step"
    );
}

/// A user would lose: the pause, or the end, of a question that was asked by mistake.
#[test]
fn keys_right_after_the_question_are_not_lost() {
    let mut app = ready();
    app.question.set(QUESTION);
    press(&mut app, "enter space esc");
    let asked = start(&app);
    assert_eq!(
        sent(&mut app),
        [asked, Command::PauseOrRun(0), Command::Stop(0)]
    );
}

#[test]
fn words_are_injected_with_the_thought_held_still() {
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "i");
    assert_eq!(sent(&mut app), [Command::Pause(0)]);
    app.on_paste("So it is 3.");
    press(&mut app, "enter");
    assert_eq!(
        sent(&mut app),
        [Command::Ask(0, Ask::Inject(" So it is 3.".into())), run(0)]
    );
    press(&mut app, "i esc");
    assert_eq!(
        sent(&mut app),
        [Command::Pause(0), run(0)],
        "left without words, it goes on"
    );
    paused(&mut app);
    press(&mut app, "i");
    app.on_paste("Hm");
    press(&mut app, "enter");
    assert_eq!(
        sent(&mut app),
        [Command::Ask(0, Ask::Inject(" Hm".into()))],
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
        [
            fork(0, 1, SECOND),
            Command::Ask(1, Ask::Inject("No.".into())),
            run(1)
        ]
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
        [fork(0, 1, at), sampling(&app, 1, 0.8, 1), run(1)]
    );
    press(&mut app, "[ r");
    let commands = sent(&mut app);
    assert_eq!(
        commands[1],
        sampling(&app, 2, 0.8, 2),
        "every re-roll is another sample"
    );
}

/// A user would lose: greedy, for everything that comes after one answer that was drawn.
#[test]
fn a_re_roll_draws_its_answer_alone() {
    let mut app = ready();
    answered(&mut app);
    press(&mut app, "r");
    app.drain();
    let shown = text(&drawn(&mut app, 120, 40));
    assert!(shown.contains("answer T 0.8 · seed 0.1"), "{shown}");
    press(&mut app, "home ) u");
    assert_eq!(
        sent(&mut app),
        [
            Command::Pause(1),
            fork(1, 2, SECOND),
            sampling(&app, 2, 0.0, 0),
            run(2)
        ]
    );
    let live = app.live.as_ref().unwrap();
    let owner = live.branch().fork.map(|fork| fork.parent);
    assert_eq!(owner, Some(0), "it hangs where its last token was written");
    assert!(text(&drawn(&mut app, 120, 40)).contains("T 0 (greedy)"));
    assert!(
        said(&app).contains("writes the same again"),
        "{}",
        said(&app)
    );
}

/// A user would lose: what the model wanted where it was made to go on.
#[test]
fn a_forced_wait_says_what_the_model_wanted() {
    let mut app = ready();
    answered(&mut app);
    let end = app.live.as_ref().unwrap().thought_end();
    let mut delimiter = tokens(&app)[end].clone();
    delimiter.p_end = 0.98;
    let lane0 = lane(&app);
    let n = tokens(&app).len();
    let rest = Delta {
        drop: n - end,
        relabel: 0,
        tokens: vec![delimiter],
    };
    app.on_event(Event::Tokens(lane0, rest));
    press(&mut app, "w");
    let wait = Token {
        origin: Origin::Forced,
        reason: Some(Reason::UserWait),
        ..Token::new(7, " Wait", Phase::Thinking)
    };
    let lane1 = lane(&app);
    app.on_event(Event::Tokens(lane1, vec![wait].into()));
    let shown = text(&drawn(&mut app, 120, 40));
    assert!(
        shown.contains("forced; it wanted to end (p 0.98)"),
        "{shown}"
    );
}

#[test]
fn the_budget_moves_live_and_for_the_next_question() {
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "+");
    assert_eq!(sent(&mut app), [Command::Budget(0, Some(320))]);
    let lane = lane(&app);
    app.on_event(Event::Budget(lane, 320));
    press(&mut app, "-");
    assert_eq!(sent(&mut app), [Command::Budget(0, Some(256))]);
    assert_eq!(app.request.policy.max_thinking, Some(256));
}

#[test]
fn a_probe_asks_about_the_place_of_the_cursor() {
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "p");
    assert_eq!(sent(&mut app), [Command::Probe(0, None)]);
    press(&mut app, "home ) p");
    assert_eq!(sent(&mut app), [Command::Probe(0, Some(SECOND))]);
    press(&mut app, "P");
    assert_eq!(sent(&mut app), [Command::ProbeEvery(0, None)]);
}

/// A user would lose: the pace, where they go on before a step has ended.
#[test]
fn a_step_that_is_still_under_way_does_not_lose_the_pace() {
    let mut app = ready();
    midway(&mut app);
    paused(&mut app);
    app.pace = Some(20);
    press(&mut app, "s");
    assert_eq!(sent(&mut app), [Command::Step(0, Until::Tokens(1))]);
    let lane = lane(&app);
    app.on_event(Event::State(lane, LaneState::Running));
    press(&mut app, "space");
    assert_eq!(sent(&mut app), [Command::Run(0, Until::Tokens(1))]);
}
