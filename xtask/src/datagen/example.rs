//! The lines of the data files: what the base, the reasoner and the measurement read.

use super::injected_error::InjectedError;
use super::task::{ProblemKind, SplitSide, Task, comparison};
use super::trace::{TracePlan, TraceSegment, thought, wait};
use s1_core::rng::Rng;
use serde::Serialize;
use std::collections::HashSet;

/// One line of a data file. Absent fields are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExampleLine {
    pub family: &'static str,
    /// The problem, whatever its wording.
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// What the assistant thinks first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// A line of text outside any conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A thought: text that is learned, or pieces of which some are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Thinking {
    /// All of it is learned.
    Whole(String),
    /// Learned where the piece says so.
    Pieces(Vec<SerialSegment>),
}

/// A [`ThoughtPiece`] as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SerialSegment {
    text: String,
    loss: bool,
}

impl Thinking {
    fn of(segments: Vec<TraceSegment>) -> Thinking {
        match <[TraceSegment; 1]>::try_from(segments) {
            Ok([only]) if only.loss => Thinking::Whole(only.text),
            Ok([only]) => Thinking::Pieces(vec![SerialSegment::of(only)]),
            Err(many) => Thinking::Pieces(many.into_iter().map(SerialSegment::of).collect()),
        }
    }
}

impl SerialSegment {
    fn of(segment: TraceSegment) -> SerialSegment {
        SerialSegment {
            text: segment.text,
            loss: segment.loss,
        }
    }
}

/// How often each family is drawn for the base, in a hundred.
fn base_family(rng: &mut Rng) -> ProblemKind {
    match rng.range(0, 99) {
        0..28 => ProblemKind::Product,
        28..54 => ProblemKind::Sum,
        54..84 => ProblemKind::Letters,
        _ => ProblemKind::Search,
    }
}

/// The `index`-th line of the drill that comes before the base's other data: short lines that
/// need nothing but copying, comparing and adding, which a model that has never done them learns far
/// sooner alone than among long ones.
pub fn drill(seed: u64, index: u64) -> ExampleLine {
    let rng = &mut stream(seed, index);
    let (family, compare) = match rng.range(0, 99) {
        0..42 => (ProblemKind::Letters, false),
        42..54 => (ProblemKind::Product, true),
        54..62 => (ProblemKind::Sum, true),
        62..75 => (ProblemKind::Sum, false),
        _ => (ProblemKind::Search, false),
    };
    let task = Task::draw(family, SplitSide::Train, rng);
    let text = match &task {
        _ if compare => compared(&task, rng),
        Task::Letters(_) if rng.chance(25) => {
            let claim = task.answer();
            let (check, ..) = task.check(&claim, &mut InjectedError::none());
            format!("{}{claim}\n{}{check}", task.given(), wait(&claim))
        }
        // The numbers in the order of each path.
        Task::Sum(s) if rng.chance(40) => s.orders(),
        Task::Sum(s) => s.first(&mut InjectedError::none()).text,
        Task::Letters(_) => task.given() + &task.first(&mut InjectedError::none()).text,
        _ => {
            // One row of the search: the last, with what is found, or one before it.
            let path = task.first(&mut InjectedError::none()).text;
            let lines: Vec<&str> = path.split_inclusive('\n').collect();
            let rows = lines.len() - 2;
            if rows == 1 || rng.chance(50) {
                lines[rows..].concat()
            } else {
                lines[rng.range(1, rows as i64 - 1) as usize].to_owned()
            }
        }
    };
    ExampleLine {
        text: Some(text),
        ..named(&task)
    }
}

/// A first path, after the question or after no more than it has to read.
fn worked(task: &Task, rng: &mut Rng) -> String {
    let path = task.first(&mut InjectedError::none()).text;
    match task {
        _ if rng.chance(40) => format!("{}\n{path}", task.question(rng)),
        Task::Letters(_) => task.given() + &path,
        _ => path,
    }
}

/// Two results compared, the same as often as not.
fn compared(task: &Task, rng: &mut Rng) -> String {
    let (claim, other) = match rng.chance(50) {
        true => (task.result(), task.result()),
        false => task.dispute(rng),
    };
    comparison(&claim, &other)
}

/// The `index`-th example of the base's training data: worked lines outside any conversation
/// (a first path; checks of a claim, one or several; a third path after two that differ; two
/// results compared), and questions that are answered at once. A base knows the skills and does not think. `only`: of one family.
pub fn base(seed: u64, index: u64, only: Option<ProblemKind>) -> ExampleLine {
    let rng = &mut stream(seed, index);
    let drawn = base_family(rng);
    let task = Task::draw(only.unwrap_or(drawn), SplitSide::Train, rng);
    let line = |text: String| ExampleLine {
        text: Some(text),
        ..named(&task)
    };
    match rng.range(0, 99) {
        0..38 => line(worked(&task, rng)),
        38..69 => {
            let (mut text, mut believed) = match rng.chance(25) {
                true => (worked(&task, rng), Some(task.answer())),
                false => (task.given(), None),
            };
            // Several in a row, so that a check far from the problem finds it, too; each of a
            // claim that is as often wrong as right, so that the claim has to be read.
            let checks = match rng.range(0, 99) {
                0..38 => 1,
                38..64 => 2,
                64..82 => 3,
                82..93 => 4,
                _ => 5,
            };
            for _ in 0..checks {
                let claim = match believed.filter(|_| rng.chance(50)) {
                    Some(believed) => believed,
                    None => {
                        let claim = match rng.chance(50) {
                            true => task.answer(),
                            false => task.wrong_claim(rng),
                        };
                        // What is checked is always what is on the line before.
                        text += &format!("{claim}\n");
                        claim
                    }
                };
                let (check, other, same) = task.check(&claim, &mut InjectedError::none());
                text += &(wait(&claim) + &check);
                believed = same.then_some(claim.clone());
                if !same && rng.chance(50) {
                    let (settled, result) =
                        task.tie_break(&claim, &other, &mut InjectedError::none());
                    text += &settled;
                    believed = Some(result);
                }
            }
            line(text)
        }
        69..83 => {
            let (claim, other) = task.dispute(rng);
            let (text, _) = task.tie_break(&claim, &other, &mut InjectedError::none());
            line(task.given() + &comparison(&claim, &other) + &text)
        }
        83..90 => {
            let text = compared(&task, rng);
            line(text)
        }
        _ => ExampleLine {
            question: Some(task.question(rng)),
            answer: Some(task.answer()),
            ..named(&task)
        },
    }
}

/// The `index`-th trace. About one in three checks itself; in about half of these the first
/// path, or the check itself, goes wrong and is repaired.
pub fn traces(seed: u64, index: u64) -> ExampleLine {
    let rng = &mut stream(seed, index);
    loop {
        let family = match rng.range(0, 99) {
            0..34 => ProblemKind::Product,
            34..60 => ProblemKind::Sum,
            60..80 => ProblemKind::Letters,
            _ => ProblemKind::Search,
        };
        let task = Task::draw(family, SplitSide::Train, rng);
        let checks = match rng.range(0, 99) {
            0..68 => 0,
            68..90 => 1,
            90..97 => 2,
            _ => 3,
        };
        let plan = match rng.range(0, 99) {
            _ if checks == 0 => TracePlan::default(),
            0..40 => TracePlan {
                checks,
                wrong_first: true,
                wrong_check: false,
            },
            40..55 => TracePlan {
                checks,
                wrong_first: false,
                wrong_check: true,
            },
            _ => TracePlan {
                checks,
                ..TracePlan::default()
            },
        };
        if let Some((segments, answer)) = thought(&task, plan, rng) {
            return ExampleLine {
                question: Some(task.question(rng)),
                thinking: Some(Thinking::of(segments)),
                answer: Some(answer),
                ..named(&task)
            };
        }
    }
}

/// `count` held-out problems, as many of each family, no problem twice.
pub fn held_out(seed: u64, count: usize) -> Vec<ExampleLine> {
    let mut rng = Rng::new(seed);
    let mut seen = HashSet::new();
    let mut problems = Vec::new();
    for family in ProblemKind::ALL.into_iter().cycle() {
        if problems.len() >= count {
            break;
        }
        // A family has hundreds of held-out problems at least; a draw that finds none in a
        // thousand tries leaves the place to the next family.
        for _ in 0..1000 {
            let task = Task::draw(family, SplitSide::HeldOut, &mut rng);
            if !seen.insert(task.key()) {
                continue;
            }
            problems.push(ExampleLine {
                question: Some(task.question(&mut rng)),
                answer: Some(task.answer()),
                ..named(&task)
            });
            break;
        }
    }
    problems
}

fn named(task: &Task) -> ExampleLine {
    ExampleLine {
        family: task.family().name(),
        id: task.key(),
        ..ExampleLine::default()
    }
}

/// A stream of its own for each example, so that the n-th does not depend on the others.
fn stream(seed: u64, index: u64) -> Rng {
    let mut seeds = Rng::new(seed);
    let base = seeds.bits();
    Rng::new(base ^ index.wrapping_mul(0xD1B5_4A32_D192_ED03))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All text of an example that is not loss-free.
    fn whole(example: &ExampleLine) -> String {
        let thinking = match &example.thinking {
            None => String::new(),
            Some(Thinking::Whole(text)) => text.clone(),
            Some(Thinking::Pieces(pieces)) => pieces.iter().map(|p| p.text.as_str()).collect(),
        };
        format!(
            "{thinking}{}{}",
            example.text.clone().unwrap_or_default(),
            example.answer.clone().unwrap_or_default()
        )
    }

    /// Every `left op right=result` of a text that is wrong.
    fn wrong_equations(text: &str) -> Vec<String> {
        let value = |side: &str| -> Option<i64> {
            if side.is_empty()
                || !side
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b"+*-".contains(&b))
            {
                return None;
            }
            if let Some((left, right)) = side.split_once('-') {
                return Some(left.parse::<i64>().ok()? - right.parse::<i64>().ok()?);
            }
            side.split('+')
                .map(|term| {
                    term.split('*')
                        .map(|n| n.parse::<i64>().ok())
                        .product::<Option<i64>>()
                })
                .sum()
        };
        let mut wrong = Vec::new();
        for line in text.lines() {
            for step in line.split(',') {
                let values: Vec<i64> = step.split('=').filter_map(value).collect();
                if step.contains('=') && values.windows(2).any(|two| two[0] != two[1]) {
                    wrong.push(line.to_owned());
                }
            }
        }
        wrong
    }

    #[test]
    fn nothing_that_is_learned_is_wrong() {
        for index in 0..4000 {
            let example = base(11, index, None);
            let text = example.text.unwrap_or_default();
            assert_eq!(wrong_equations(&text), [""; 0], "{text}");
            let text = drill(13, index).text.unwrap_or_default();
            assert_eq!(wrong_equations(&text), [""; 0], "{text}");
            let example = traces(12, index);
            let learned: String = match example.thinking.unwrap() {
                Thinking::Whole(text) => text,
                Thinking::Pieces(pieces) => pieces
                    .iter()
                    .filter(|piece| piece.loss)
                    .map(|piece| piece.text.as_str())
                    .collect(),
            };
            assert_eq!(wrong_equations(&learned), [""; 0], "{learned}");
        }
    }

    #[test]
    fn fewer_than_half_of_the_traces_check_themselves_and_half_of_these_meet_a_mistake() {
        let (mut checked, mut mistaken) = (0, 0);
        for index in 0..1000 {
            let text = whole(&traces(7, index));
            checked += usize::from(text.contains("Wait"));
            mistaken += usize::from(text.contains("differ"));
        }
        assert!((270..370).contains(&checked), "{checked}");
        assert!((120..220).contains(&mistaken), "{mistaken}");
    }

    #[test]
    fn a_seed_and_an_index_give_one_example() {
        assert_eq!(base(1, 5, None), base(1, 5, None));
        assert_ne!(base(1, 5, None), base(2, 5, None));
        assert_eq!(base(1, 5, Some(ProblemKind::Letters)).family, "letters");
        assert_ne!(traces(1, 5), traces(1, 6));
    }

    #[test]
    fn training_never_meets_a_held_out_problem() {
        let held: HashSet<String> = held_out(3, 400).into_iter().map(|e| e.id).collect();
        assert_eq!(held.len(), 400, "no problem twice");
        for index in 0..20_000 {
            assert!(!held.contains(&base(1, index, None).id));
            assert!(!held.contains(&traces(2, index).id));
            assert!(!held.contains(&drill(4, index).id));
        }
    }

    #[test]
    fn the_word_of_the_documentation_is_held_out() {
        for word in super::super::words::SHOWN {
            let task = Task::Letters(super::super::letters::Letters {
                letter: 'r',
                word: word.into(),
            });
            assert_eq!(task.side(), SplitSide::HeldOut);
        }
    }
}
