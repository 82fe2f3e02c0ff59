//! What keys do to the engine and to the screen's state, without either.

use super::*;
use crate::tui::widgets::prompt_line::PromptLine;
use s1_core::protocol::{Ask, Event, LaneState, Until};
use s1_core::sampling::Sampling;
use s1_core::trace::{Delta, Origin, Phase, Reason, StopReason, Token};

mod branches;
mod sessions;
mod steer;
pub(crate) mod testing;
mod what_if;
mod wild;

use testing::*;

/// Commands since the last call, with lanes counted from the session's first; those that are
/// forgotten are of an earlier session.
fn sent(app: &mut App) -> Vec<Command> {
    let base = app.live.as_ref().map_or(0, |l| l.base);
    let (mut commands, _) = app.drain();
    for command in &mut commands {
        match command {
            Command::Fork { from, to, .. } => (*from, *to) = (*from - base, *to - base),
            Command::Start { lane, .. }
            | Command::Restore { lane, .. }
            | Command::Ask(lane, _)
            | Command::Run(lane, _)
            | Command::Step(lane, _)
            | Command::PauseOrRun(lane)
            | Command::Pause(lane)
            | Command::Stop(lane)
            | Command::WaitText(lane, _)
            | Command::Budget(lane, _)
            | Command::Policy(lane, _)
            | Command::Sampling(lane, ..)
            | Command::Probe(lane, _)
            | Command::Look(lane, _)
            | Command::ProbeEvery(lane, _) => *lane -= base,
            Command::StartTogether(_)
            | Command::StartRow(_)
            | Command::ResumeRow { .. }
            | Command::Limit(_)
            | Command::Forget(_)
            | Command::Shutdown => {}
        }
    }
    commands
}

/// The question on screen is asked.
fn start(app: &App) -> Command {
    let request = app.live.as_ref().unwrap().request.clone();
    Command::Start {
        lane: 0,
        request,
        run: true,
    }
}

/// A branch on screen goes to the engine as far as its first `n` tokens.
fn restore(app: &App, branch: usize, n: usize) -> Command {
    let live = app.live.as_ref().unwrap();
    Command::Restore {
        lane: branch,
        request: live.request.clone(),
        tokens: live.branches[branch].lane.tokens[..n].to_vec(),
    }
}

fn fork(from: usize, to: usize, at: usize) -> Command {
    Command::Fork { from, to, at }
}

fn run(lane: usize) -> Command {
    Command::Run(lane, Until::End)
}

/// The lane draws at this temperature, as another sample.
fn sampling(app: &App, lane: usize, temperature: f32, sample: u64) -> Command {
    let sampling = Sampling {
        temperature,
        ..app.request.sampling.clone()
    };
    Command::Sampling(lane, sampling, sample)
}

fn paused(app: &mut App) {
    let lane = lane(app);
    app.on_event(Event::State(lane, LaneState::Paused));
    app.drain();
}

fn tokens(app: &App) -> &[Token] {
    &app.live.as_ref().unwrap().lane().tokens
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
    assert_eq!(sent(&mut app), [start(&app)]);
    assert_eq!(app.live.as_ref().unwrap().request.question, "How many?");
    assert_eq!(app.focus, Focus::Trace);
    press(&mut app, "e enter");
    assert_eq!(
        sent(&mut app),
        [Command::Forget(0..ask::LANES), start(&app)],
        "the same question again"
    );
}

/// A user would lose: a right answer to their own question, to a red mark.
#[test]
fn a_reference_belongs_to_the_question_it_was_given_with() {
    let mut given = options();
    given.request.question = "How many r?".into();
    let mut app = App::new(given);
    app.on_event(Event::Loaded(Box::new(info())));
    assert_eq!(app.reference(), Some("3"));
    app.question.set("My own?");
    assert_eq!(
        app.reference(),
        None,
        "it goes as soon as the text is another"
    );
    press(&mut app, "enter");
    assert_eq!(app.live.as_ref().unwrap().request.reference, None);
    press(&mut app, "e");
    app.question.set("How many r?");
    press(&mut app, "enter");
    let asked = &app.live.as_ref().unwrap().request;
    assert_eq!(
        asked.reference.as_deref(),
        Some("3"),
        "it is still that question's"
    );
}

/// A user would lose: keys that are shown and do nothing. A key that is bound to nothing says so.
#[test]
fn every_key_of_a_footer_is_bound_where_it_is_shown() {
    let states: [fn(&mut App); 6] = [
        |_| {},
        |app| press(app, "esc"),
        midway,
        answered,
        |app| {
            midway(app);
            paused(app);
        },
        |app| press(app, "esc 2"),
    ];
    for state in states {
        let mut app = ready();
        state(&mut app);
        for action in app.footer() {
            let key = app.keymap.key_for(app.context(), action);
            assert!(key.is_some(), "{} in {:?}", action.name(), app.context());
        }
    }
    let mut app = ready();
    midway(&mut app);
    press(&mut app, "ф");
    assert_eq!(said(&app), "ф does nothing here; ? shows the keys that do.");
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
    assert_eq!(sent(&mut app), [start(&app)]);
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
fn escape_and_a_key_right_after_it_are_two_keys() {
    let mut app = ready();
    midway(&mut app);
    app.on_key(crossterm::event::KeyEvent::new(
        crossterm::event::KeyCode::Char('w'),
        crossterm::event::KeyModifiers::ALT,
    ));
    assert_eq!(
        sent(&mut app),
        [Command::Stop(0), Command::Ask(0, Ask::Wait)]
    );
}

#[test]
fn settings_act_on_the_thought_on_screen() {
    let mut app = ready();
    midway(&mut app);
    press(
        &mut app,
        "o down down down down down down down down down down down down down down down down enter ctrl-u",
    );
    app.on_paste("700");
    press(&mut app, "enter");
    let line = app.component::<PromptLine>().expect("the line stays open");
    assert_eq!(
        line.error.as_deref(),
        Some("Temperature must be a number from 0 (greedy) to 100, but is \"700\".")
    );
    press(&mut app, "ctrl-u");
    app.on_paste("0.7");
    press(&mut app, "enter");
    assert_eq!(sent(&mut app), [sampling(&app, 0, 0.7, 0)]);
    let shown = text(&drawn(&mut app, 80, 24));
    assert!(shown.contains("Settings (for the next"), "back to the list");
    press(&mut app, "esc W down enter");
    assert_eq!(sent(&mut app), [Command::WaitText(0, "Hmm".into())]);
}

/// A user would lose: sight of what the model was really given.
#[test]
fn the_whole_prompt_can_be_read() {
    let mut app = ready();
    press(&mut app, "esc v");
    assert!(app.overlay.is_none(), "there is none yet");
    ask(&mut app, "Is it 3?\u{1b}[2J");
    press(&mut app, "v");
    let shown = text(&drawn(&mut app, 80, 24));
    for part in [
        "Prompt, 38 tokens",
        "<|im_start|>user",
        "Is it 3?␛[2J",
        "<think>",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    press(&mut app, "v");
    assert!(app.overlay.is_none());
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
    app.on_event(Event::Tokens(
        lane,
        Delta {
            drop: 2,
            relabel: 0,
            tokens: new,
        },
    ));
    assert_eq!(tokens(&app).len(), n - 1);
    app.on_event(Event::Tokens(
        lane,
        Delta {
            drop: 0,
            relabel: 1,
            tokens: vec![],
        },
    ));
    let last = tokens(&app).last().unwrap();
    assert!(last.is_delimiter() && last.phase == Phase::Answer);
    // More than there is must not hurt.
    app.on_event(Event::Tokens(
        lane,
        Delta {
            drop: 10_000,
            relabel: 10_000,
            tokens: vec![],
        },
    ));
    assert!(tokens(&app).is_empty());
}

#[test]
fn late_events_of_the_question_before_change_nothing() {
    let mut app = ready();
    midway(&mut app);
    let old = lane(&app);
    ask(&mut app, "Another?");
    app.on_event(Event::Tokens(
        old,
        vec![token(0, "old", Origin::Sampled, Phase::Thinking, None)].into(),
    ));
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
    use jobs::files::CopyText;
    let (_, effects) = app.drain();
    assert_eq!(effects, [Effect::job(CopyText("3".into()))]);
    press(&mut app, "Y");
    let (_, effects) = app.drain();
    let Some(CopyText(text)) = effects[0].as_job() else {
        panic!("{effects:?}")
    };
    // Where no program has taken it, it goes to the terminal, which is all that is said of it.
    app.on_copied(text.clone(), Ok(None));
    assert_eq!(app.drain().1, [Effect::Copy(text.clone())]);
    assert!(said(&app).starts_with("Sent ") && said(&app).contains("not known"));
    app.on_copied(text.clone(), Ok(Some("tmux's buffer")));
    assert!(said(&app).ends_with(" characters to tmux's buffer."));
    assert!(
        text.starts_with("r: r1 a1 s1") && !text.contains('\x1b') && !text.contains("</think>")
    );
    app.on_copied("x".repeat(200_000), Ok(None));
    assert!(app.drain().1.is_empty());
    assert!(said(&app).contains("save the session instead"));
}

#[test]
fn the_answer_is_read_and_graded_again_when_the_reference_changes() {
    let mut app = ready();
    answered(&mut app);
    let verdict = |app: &App| app.live.as_ref().unwrap().branch().verdict.clone().unwrap();
    assert_eq!(
        (verdict(&app).answer.as_str(), verdict(&app).correct),
        ("3", Some(true))
    );
    press(&mut app, "R ctrl-u 4 enter");
    assert_eq!(verdict(&app).correct, Some(false));
    let probes = &app.live.as_ref().unwrap().lane().probes;
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
    let shown = text(&drawn(&mut app, 80, 24));
    assert!(shown.contains("Choose a model"), "{shown}");
    let (_, effects) = app.drain();
    assert_eq!(effects, [Effect::job(jobs::files::FindModels)]);
}

/// A user would lose: the mouse, on the keys at the bottom of every screen.
#[test]
fn a_click_on_the_footer_does_what_stands_there() {
    use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
    let mut app = ready();
    midway(&mut app);
    app.drain();
    let shown = text(&drawn(&mut app, 80, 24));
    let footer = shown.lines().last().unwrap();
    let column = footer.find("x cut").unwrap();
    app.on_mouse(MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column: column as u16 + 3,
        row: 23,
        modifiers: crossterm::event::KeyModifiers::NONE,
    });
    assert_eq!(sent(&mut app), [Command::Ask(0, Ask::Cut)]);
}

/// A user would lose: the end of a question that is longer than its box.
#[test]
fn a_long_question_is_read_whole_outside_the_editor() {
    let mut app = ready();
    let words: Vec<String> = (1..200).map(|n| format!("word{n}")).collect();
    ask(&mut app, &words.join(" "));
    let shown = text(&drawn(&mut app, 80, 24));
    assert!(
        shown.contains("E reads all") && !shown.contains("word199"),
        "{shown}"
    );
    press(&mut app, "E");
    let first = text(&drawn(&mut app, 80, 24));
    assert!(first.contains("word1 word2"), "{first}");
    press(&mut app, "end");
    let last = text(&drawn(&mut app, 80, 24));
    assert!(last.contains("word199"), "{last}");
    press(&mut app, "E");
    assert!(app.overlay.is_none(), "the same key closes it");
}

/// A user would lose: `m`, which the text field takes for a letter.
#[test]
fn a_key_that_a_text_field_keeps_away_is_told_with_the_way_to_it() {
    let mut app = App::new(Options {
        model: None,
        ..options()
    });
    let shown = text(&drawn(&mut app, 80, 24));
    assert!(shown.contains("Esc m chooses one of the models"), "{shown}");
    press(&mut app, "esc");
    let shown = text(&drawn(&mut app, 80, 24));
    assert!(
        shown.contains("m chooses one") && !shown.contains("Esc m"),
        "{shown}"
    );
}

/// A user would lose: the colours that they have just chosen.
#[test]
fn the_theme_that_was_chosen_is_kept() {
    let mut app = ready();
    press(&mut app, "esc T");
    let name = app.theme().name.clone();
    assert_eq!(app.drain().1, [Effect::KeepTheme(name.clone())]);
    assert_eq!(
        said(&app),
        format!("Theme: {name}, for the next start, too.")
    );
}

/// A user would lose: the switches of a template, which only a flag set before.
#[test]
fn the_switches_of_the_template_stand_in_the_settings() {
    let mut app = ready();
    app.on_event(Event::Loaded(Box::new(ModelInfo {
        switches: vec!["enable_thinking".into(), "reasoning_effort".into()],
        ..info()
    })));
    press(&mut app, "esc o end");
    let shown = text(&drawn(&mut app, 80, 24));
    assert!(shown.contains("Template: reasoning_effort"), "{shown}");
    press(&mut app, "enter");
    app.on_paste("high; x=1");
    press(&mut app, "enter");
    assert!(
        app.component::<PromptLine>().unwrap().error.is_some(),
        "one value, not two"
    );
    press(&mut app, "ctrl-u");
    app.on_paste("high");
    press(&mut app, "enter up enter");
    app.on_paste("false");
    press(&mut app, "enter");
    assert_eq!(
        app.request.template_args,
        "enable_thinking=false; reasoning_effort=high"
    );
    let shown = text(&drawn(&mut app, 80, 24));
    assert!(shown.contains("false"), "{shown}");
    press(&mut app, "enter ctrl-u enter");
    assert_eq!(app.request.template_args, "reasoning_effort=high");
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
