//! Whole traces: a first path, and sometimes checks after "Wait" that confirm or repair it.

use super::injected_error::InjectedError;
use super::task::Task;
use s1_core::rng::Rng;

/// A piece of a thought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSegment {
    pub text: String,
    /// Whether a model is to learn to write it. Wrong attempts are read, not learned.
    pub loss: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TracePlan {
    /// How often the trace checks itself.
    pub checks: usize,
    /// The first path comes out wrong; the first check finds it.
    pub wrong_first: bool,
    /// The first check comes out wrong itself.
    pub wrong_check: bool,
}

/// The thought of a plan. It always ends in the right answer, which is returned with it; `None`
/// where no injected error makes this problem's path go wrong in the way the plan wants.
pub fn thought(task: &Task, plan: TracePlan, rng: &mut Rng) -> Option<(Vec<TraceSegment>, String)> {
    let mut segments = Segments::default();
    let mut claim = if plan.wrong_first {
        let wrong = (0..300).find_map(|_| {
            let path = task.first(&mut task.inject_error(rng));
            (!task.accepts(&path.result) && path.result != "none").then_some(path)
        })?;
        segments.add(&wrong.text, false);
        wrong.result
    } else {
        let path = task.first(&mut InjectedError::none());
        segments.add(&path.text, true);
        path.result
    };
    for check in 0..plan.checks {
        segments.add(&wait(&claim), true);
        let mut error = if plan.wrong_check && check == 0 {
            task.inject_error(rng)
        } else {
            InjectedError::none()
        };
        let (text, other, same) = task.check(&claim, &mut error);
        if same && !task.accepts(&claim) {
            return None;
        }
        let wrong = !same && task.accepts(&claim);
        // Where they differ, the last line says so: it is right about the lines above it.
        let verdict = text.trim_end().rfind('\n').map_or(0, |at| at + 1);
        segments.add(&text[..verdict], !wrong);
        segments.add(&text[verdict..], true);
        if !same {
            let (text, result) = task.tie_break(&claim, &other, &mut InjectedError::none());
            segments.add(&text, true);
            claim = result;
        }
    }
    task.accepts(&claim).then_some((segments.0, claim))
}

/// The line that opens a check.
pub fn wait(claim: &str) -> String {
    format!("Wait, check {claim}:\n")
}

#[derive(Default)]
struct Segments(Vec<TraceSegment>);

impl Segments {
    fn add(&mut self, text: &str, loss: bool) {
        match self.0.last_mut() {
            Some(last) if last.loss == loss => last.text.push_str(text),
            _ => self.0.push(TraceSegment {
                text: text.to_owned(),
                loss,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::letters::Letters;
    use super::super::product::Multiplication;
    use super::*;

    fn joined(segments: &[TraceSegment], loss: bool) -> String {
        let texts = segments.iter().filter(|s| s.loss == loss);
        texts.map(|s| s.text.as_str()).collect()
    }

    #[test]
    fn a_check_confirms_by_another_path() {
        let task = Task::Letters(Letters {
            letter: 'r',
            word: "raspberry".into(),
        });
        let plan = TracePlan {
            checks: 1,
            ..TracePlan::default()
        };
        let (segments, answer) = thought(&task, plan, &mut Rng::new(1)).unwrap();
        assert_eq!(answer, "3");
        assert_eq!(
            joined(&segments, true),
            "r: r1 a1 s1 p1 b1 e1 r2 r3 y3\n3\nWait, check 3:\nr: y0 r1 r2 e2 b2 p2 s2 a2 r3\n3\n3 3 = same\nso 3\n"
        );
        assert_eq!(joined(&segments, false), "");
    }

    #[test]
    fn a_wrong_first_attempt_is_read_but_not_learned_and_gets_repaired() {
        let task = Task::Product(Multiplication { a: 337, b: 93 });
        let plan = TracePlan {
            checks: 1,
            wrong_first: true,
            ..TracePlan::default()
        };
        let (segments, answer) = thought(&task, plan, &mut Rng::new(2)).unwrap();
        assert_eq!(answer, "31341");
        let wrong = joined(&segments, false);
        let claim = wrong.trim_end().rsplit('=').next().unwrap();
        assert!(claim != "31341" && claim.len() == 5, "{wrong}");
        let learned = joined(&segments, true);
        assert!(learned.starts_with(&format!("Wait, check {claim}:\n93*337\n")));
        assert!(learned.contains(" differ\n337*93\n337*50="));
        assert!(learned.ends_with(&format!("\n{claim} 31341 31341 so 31341\n")));
    }
}
