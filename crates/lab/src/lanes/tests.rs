use super::*;
use s1_core::trace::{Reason, StopReason};

fn request() -> Request {
    Request {
        question: "How many r in raspberry?".into(),
        system: String::new(),
        raw: false,
        policy: Policy::default(),
        sampling: Default::default(),
        sample: 0,
        reference: Some("3".into()),
        probe_every: Some(16),
        probe_text: String::new(),
        template_args: String::new(),
    }
}

fn token(id: u32, text: &str, phase: Phase) -> Token {
    Token::new(id, text, phase)
}

fn model() -> ModelInfo {
    ModelInfo::default()
}

fn say(run: &mut Comparison, origin: usize, lane: LaneId, tokens: Vec<Token>) {
    run.apply(origin, &Event::Tokens(lane, tokens.into()));
}

fn thoughts(n: usize) -> Vec<Token> {
    let one = |i| token(i as u32, "x", Phase::Thinking);
    (0..n).map(one).collect()
}

fn close() -> Token {
    Token {
        reason: Some(Reason::NaturalEnd),
        ..token(9999, "</think>", Phase::Answer)
    }
}

#[test]
fn without_a_natural_lane_a_hidden_one_measures_and_is_counted() {
    let half = Strategy::limited(Limit::Natural(1, 2));
    let mut run = Comparison::new(request(), &[half], 0);
    run.ready(0, model());
    let [(0, Command::StartTogether(lanes))] = &run.drain()[..] else {
        panic!("one lane starts");
    };
    assert_eq!(run.lanes().count(), 1, "it is not shown");
    let (scout, asked) = &lanes[0];
    assert_eq!(asked.policy.max_thinking, None);
    assert_eq!(asked.probe_every, None, "probes would cost tokens");
    let scout = *scout;
    say(&mut run, 0, scout, thoughts(10));
    assert!(run.drain().is_empty());
    say(&mut run, 0, scout, vec![close()]);
    let commands = run.drain();
    assert_eq!(
        commands[0].1,
        Command::Fork {
            from: scout,
            to: 0,
            at: 5
        }
    );
    assert_eq!((run.computed(), run.shown()), (12, 5));
}

#[test]
fn the_majority_answers_and_no_answer_is_no_vote() {
    let vote = Strategy::vote(5, Some(0.7), Limit::Free);
    let mut run = Comparison::new(request(), &[vote], 64);
    run.ready(0, model());
    let [(0, Command::StartTogether(lanes))] = &run.drain()[..] else {
        panic!("five samples start");
    };
    assert_eq!(
        lanes.iter().map(|(_, r)| r.sample).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
    assert!(lanes.iter().all(|(_, r)| r.sampling.temperature == 0.7));
    for (sample, text) in ["no idea", "2", "nothing", "3", "3.0"].iter().enumerate() {
        let lane = 64 + sample;
        say(
            &mut run,
            0,
            lane,
            vec![close(), token(1, text, Phase::Answer)],
        );
        run.apply(
            0,
            &Event::State(lane, LaneState::Stopped(StopReason::EndOfTurn)),
        );
    }
    let ballot = run.lanes().next().unwrap().ballot().unwrap();
    assert_eq!(ballot.answer.text.as_deref(), Some("3"));
    assert_eq!((ballot.votes, ballot.of), (2, 5));
    assert_eq!(ballot.answer.correct, Some(true));
    run.grade_again(Some("2".into()));
    let ballot = run.lanes().next().unwrap().ballot().unwrap();
    assert_eq!(ballot.answer.correct, Some(false));
}

#[test]
fn lanes_of_two_models_are_compared_by_their_text() {
    let other = Strategy::natural().by(Source::Model("b.gguf".into()));
    let mut run = Comparison::new(request(), &[Strategy::natural(), other], 0);
    let word = |id, text| token(id, text, Phase::Thinking);
    say(&mut run, 0, 0, vec![word(1, "The "), word(2, "answer")]);
    say(&mut run, 1, MAX_SAMPLES, vec![word(7, "The answ")]);
    assert_eq!(run.departs(1), None, "the same so far");
    say(&mut run, 1, MAX_SAMPLES, vec![word(8, "ous")]);
    assert_eq!(run.departs(1), Some(1));
    assert_eq!(run.departs(0), None);
    // What one source says of another's lane is not believed.
    say(&mut run, 0, MAX_SAMPLES, vec![word(8, "?")]);
    assert_eq!(run.lanes().nth(1).unwrap().run().lane.tokens.len(), 2);
}

#[test]
fn pausing_and_stopping_reach_each_group_once() {
    let budget = |n| Strategy::limited(Limit::Tokens(n));
    let share = Strategy::limited(Limit::Natural(1, 2));
    let plan = [budget(8), budget(16), Strategy::natural(), share];
    let mut run = Comparison::new(request(), &plan, 0);
    run.ready(0, model());
    run.drain();
    let id = |i: usize| i * MAX_SAMPLES;
    for i in 1..3 {
        let (lane, host) = (id(i), Some(id(0)));
        run.apply(0, &Event::Rides { lane, host });
    }
    for i in 0..3 {
        run.apply(0, &Event::State(id(i), LaneState::Running));
    }
    run.pause_or_resume();
    assert_eq!(run.drain(), [(0, Command::Pause(0))]);
    for i in 0..3 {
        run.apply(0, &Event::State(id(i), LaneState::Paused));
    }
    assert!(run.is_paused());
    run.pause_or_resume();
    assert_eq!(run.drain(), [(0, Command::Run(0, Until::End))]);
    run.stop();
    assert_eq!(run.drain(), [(0, Command::Stop(0))]);
    let waiting = run.lanes().nth(3).unwrap();
    assert!(waiting.run().lane.has_ended(), "it never begins");
}

#[test]
fn a_source_that_fails_says_so_in_its_lanes_alone() {
    let other = Strategy::natural().by(Source::Model("b.gguf".into()));
    let mut run = Comparison::new(request(), &[Strategy::natural(), other], 0);
    run.ready(0, model());
    run.fail(1, "there is no such file");
    let refused = |run: &Comparison, i| run.lanes().nth(i).unwrap().run().lane.refused.clone();
    assert_eq!(refused(&run, 0), None);
    assert_eq!(refused(&run, 1).as_deref(), Some("there is no such file"));
}

/// A user would lose: the minutes that the lanes of a large model have taken.
#[test]
fn lanes_are_added_changed_and_removed_without_touching_the_others() {
    let (natural, wait) = (Strategy::natural(), Strategy::waiting(1, None));
    let half = Strategy::limited(Limit::Natural(1, 2));
    let mut run = Comparison::new(request(), std::slice::from_ref(&natural), 0);
    run.ready(0, model());
    run.drain();
    say(&mut run, 0, 0, thoughts(10));
    let mut plan = vec![natural.clone(), wait];
    assert_eq!(run.arrange(&plan), Some(vec![Some(0), None]));
    let [(0, Command::StartTogether(lanes))] = &run.drain()[..] else {
        panic!("only the new one starts");
    };
    assert_eq!((lanes.len(), lanes[0].0), (1, MAX_SAMPLES));
    // Half of a length that is not known yet.
    plan.push(half);
    run.arrange(&plan);
    assert!(run.drain().is_empty());
    say(&mut run, 0, 0, vec![close()]);
    let fork = Command::Fork {
        from: 0,
        to: 2 * MAX_SAMPLES,
        at: 5,
    };
    assert_eq!(run.drain()[0].1, fork);
    let labels =
        |run: &Comparison| -> Vec<String> { run.lanes().map(|l| l.strategy.label(None)).collect() };
    // The one in the middle becomes another: the others are neither asked again nor moved.
    plan[1] = Strategy::limited(Limit::Tokens(4));
    let before = run.computed();
    assert_eq!(run.arrange(&plan), Some(vec![Some(0), None, Some(2)]));
    let forget = Command::Forget(MAX_SAMPLES..2 * MAX_SAMPLES);
    let commands = run.drain();
    assert_eq!(commands[0], (0, forget));
    let [_, (0, Command::StartTogether(lanes))] = &commands[..] else {
        panic!("only the new one starts: {commands:?}");
    };
    assert_eq!((lanes.len(), lanes[0].0), (1, 3 * MAX_SAMPLES));
    assert_eq!(labels(&run), ["natural", "budget 4", "½ natural"]);
    assert_eq!(run.computed(), before);
    let tokens = Event::Tokens(2 * MAX_SAMPLES, thoughts(1).into());
    assert_eq!(run.apply(0, &tokens), Some((2, 5)), "its place on screen");
    let late = Event::Tokens(MAX_SAMPLES, thoughts(1).into());
    assert_eq!(
        run.apply(0, &late),
        None,
        "of what is gone nothing is heard"
    );
    // The natural lane comes back with what it has written, as nothing else can know the length.
    plan.remove(0);
    run.arrange(&plan);
    plan.push(natural);
    run.arrange(&plan);
    assert!(run.drain().is_empty());
    assert_eq!(labels(&run), ["budget 4", "½ natural", "natural"]);
    assert_eq!(run.lanes().nth(2).unwrap().run().lane.tokens.len(), 11);
}

/// A user would lose: the lanes of one model when a lane by another joins them.
#[test]
fn another_model_joins_and_a_stopped_lane_is_computed_again() {
    let natural = Strategy::natural();
    let mut run = Comparison::new(request(), std::slice::from_ref(&natural), 0);
    run.ready(0, model());
    run.drain();
    let other = Strategy::natural().by(Source::Model("other.gguf".into()));
    run.arrange(&[natural.clone(), other.clone()]);
    assert!(run.drain().is_empty());
    run.ready(1, model());
    assert!(matches!(&run.drain()[..], [(1, Command::StartTogether(lanes))] if lanes.len() == 1));
    run.fail(1, "gone");
    run.arrange(&[
        natural.clone(),
        other.clone(),
        Strategy { waits: 1, ..other },
    ]);
    let last = run.lanes().nth(2).unwrap();
    assert_eq!(last.run().lane.refused.as_deref(), Some("gone"));
    run.stop();
    run.arrange(&[]);
    run.drain();
    run.arrange(&[natural]);
    assert!(matches!(&run.drain()[..], [(0, Command::StartTogether(_))]));
}
