//! What happens in a training, and what it can be told.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::format::{duration, grouped, size};

/// What happens, in order. Written as one JSON object: a line of `s1-tui train --json`, a record in
/// the database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum TrainEvent {
    /// Base and data are read; the steps begin, or continue after `done` of them.
    Plan {
        plan: TrainPlan,
        /// Steps that are done already.
        done: usize,
    },
    /// A step is done.
    Step(TrainStep),
    /// The loss on held-out data.
    Eval {
        step: usize,
        /// Mean loss.
        loss: f64,
    },
    /// Held-out problems, answered at natural length.
    Accuracy {
        step: usize,
        n: usize,
        correct: usize,
        /// Mean thinking tokens.
        thinking: f64,
    },
    /// The sample question, answered.
    Sample {
        step: usize,
        question: String,
        thinking: String,
        answer: String,
    },
    /// A checkpoint is about to be written. A record of the training has to hold what came before it:
    /// resumed from the checkpoint, none of that comes again.
    Saving { step: usize },
    /// A checkpoint is on the disk.
    Saved { step: usize, path: PathBuf },
    /// It is paused until it is resumed.
    Paused { step: usize },
    /// It continues after a pause.
    Resumed { step: usize },
    /// All steps are done; the results are being written.
    Writing { step: usize },
    /// A result is on the disk.
    Written { step: usize, path: PathBuf },
    /// A message for the log. One sentence.
    #[serde(rename = "said")]
    Message { step: usize, text: String },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainStep {
    /// Steps done, this one included.
    pub step: usize,
    pub steps: usize,
    /// Pass over the data, from 1; 0 where an older version did not record it.
    pub epoch: usize,
    /// Mean loss of the step's targets, before the update.
    pub loss: f64,
    pub lr: f64,
    /// Norm of the gradient, before clipping.
    pub grad_norm: f64,
    /// Tokens a second.
    pub tok_s: f64,
    /// Seconds to go.
    pub eta_s: f64,
    /// The most bytes of memory that the trainer has used so far; 0 where it does not say.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub memory: u64,
}

fn is_none(n: &usize) -> bool {
    *n == 0
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What a training will take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainPlan {
    /// The file that is trained on, where the data are a dataset of the hub, which may have several.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Examples that are trained on.
    pub examples: usize,
    /// Records they were made of: a conversation can become several examples. 0 where an older
    /// version did not count them, as the next two.
    #[serde(default)]
    pub records: usize,
    /// Turns that carry loss.
    #[serde(default)]
    pub turns: usize,
    /// Those of them with a thought.
    #[serde(default)]
    pub thoughts: usize,
    pub tokens: usize,
    /// Tokens of these that carry loss.
    pub targets: usize,
    /// Tokens of the longest example, before the cut.
    pub longest: usize,
    /// Examples that the block size cuts.
    pub cut: usize,
    /// Thoughts that are cut as a budget would.
    #[serde(default, skip_serializing_if = "is_none")]
    pub shortened: usize,
    /// Lines left out because they could not be used.
    pub broken: usize,
    /// Why the first of them could not, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// What the user should know of the base: parts of its file that are replaced by others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Parameters that are trained.
    pub parameters: usize,
    pub steps: usize,
    /// Tokens in all steps together, about.
    pub total_tokens: usize,
    /// Estimated seconds; 0 where nothing can be said before the first step.
    pub seconds: f64,
    /// Estimated bytes of memory.
    pub memory: u64,
    /// The first example as the model sees it, where it was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rendering: Vec<ExamplePiece>,
}

/// A piece of an example as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExamplePiece {
    pub text: String,
    /// Whether the model learns to write it.
    pub loss: bool,
}

impl TrainPlan {
    /// What it comes to, in words: the data, what the block size cuts of them, the run, and what is
    /// left out, if anything is.
    pub fn facts(&self) -> [Vec<String>; 5] {
        let share = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        let data = vec![
            format!(
                "{} examples, the longest {} tokens",
                grouped(self.examples),
                grouped(self.longest)
            ),
            format!(
                "{} tokens, {:.0} % carry loss",
                grouped(self.tokens),
                share(self.targets, self.tokens)
            ),
        ];
        let turns = vec![
            format!(
                "{} turns of {} records carry loss",
                grouped(self.turns),
                grouped(self.records)
            ),
            match self.shortened {
                0 => format!("{} of them with a thought", grouped(self.thoughts)),
                cut => format!(
                    "{} of them with a thought, {} cut",
                    grouped(self.thoughts),
                    grouped(cut)
                ),
            },
        ];
        let cut = format!(
            "✂ cut by the block size: {} = {:.1} %",
            grouped(self.cut),
            share(self.cut, self.examples)
        );
        let steps = format!("{} steps", grouped(self.steps));
        let run = vec![
            match self.seconds {
                0.0 => steps,
                seconds => format!("{steps}, about {}", duration(seconds)),
            },
            format!(
                "{}, {} parameters",
                size(self.memory),
                grouped(self.parameters)
            ),
        ];
        let broken = match self.broken {
            0 => Vec::new(),
            lines => vec![format!(
                "! {} lines are left out as unusable",
                grouped(lines)
            )],
        };
        [data, turns, vec![cut], run, broken]
    }
}

/// What a training can be told while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainOrder {
    /// Hold after the step; a checkpoint is written.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Finish the step, write a checkpoint, and end.
    Stop,
    /// End at once; what came after the last checkpoint is computed again by a resumed run.
    Kill,
    /// Write a checkpoint after the step.
    Save,
    /// Multiply the scheduled learning rate from the next step on.
    Rate(f64),
}

impl TrainEvent {
    /// Steps done when it happened.
    pub fn step(&self) -> usize {
        match self {
            TrainEvent::Plan { done, .. } => *done,
            TrainEvent::Step(TrainStep { step, .. })
            | TrainEvent::Eval { step, .. }
            | TrainEvent::Accuracy { step, .. }
            | TrainEvent::Sample { step, .. }
            | TrainEvent::Saving { step }
            | TrainEvent::Saved { step, .. }
            | TrainEvent::Paused { step }
            | TrainEvent::Resumed { step }
            | TrainEvent::Writing { step }
            | TrainEvent::Written { step, .. }
            | TrainEvent::Message { step, .. } => *step,
        }
    }

    /// What happened, for a log; the text may hold line breaks.
    pub fn sentence(&self) -> String {
        match self {
            TrainEvent::Plan { plan, done } => format!("{done} of {} steps are done", plan.steps),
            TrainEvent::Step(step) => format!("loss {:.4}", step.loss),
            TrainEvent::Eval { loss, .. } => format!("held-out loss {loss:.4}"),
            TrainEvent::Accuracy {
                n,
                correct,
                thinking,
                ..
            } => format!(
                "{correct} of {n} held-out problems right ({:.1} %), {thinking:.0} thinking tokens",
                100.0 * *correct as f64 / (*n).max(1) as f64
            ),
            TrainEvent::Sample {
                question,
                thinking,
                answer,
                ..
            } => format!("{question} ▏ {thinking} ▸ {answer}"),
            TrainEvent::Saving { .. } => "writing a checkpoint".into(),
            TrainEvent::Saved { path, .. } => format!("saved {}", path.display()),
            TrainEvent::Paused { .. } => "paused".into(),
            TrainEvent::Resumed { .. } => "resumed".into(),
            TrainEvent::Writing { .. } => "writing the model".into(),
            TrainEvent::Written { path, .. } => format!("wrote {}", path.display()),
            TrainEvent::Message { text, .. } => text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_object_with_its_step_at_the_top() {
        let step = TrainStep {
            step: 3,
            steps: 9,
            epoch: 1,
            loss: 1.5,
            ..TrainStep::default()
        };
        for (event, line) in [
            (
                TrainEvent::Step(step),
                r#"{"event":"step","step":3,"steps":9,"epoch":1,"loss":1.5,"lr":0.0,"grad_norm":0.0,"tok_s":0.0,"eta_s":0.0}"#,
            ),
            (
                TrainEvent::Eval { step: 4, loss: 2.0 },
                r#"{"event":"eval","step":4,"loss":2.0}"#,
            ),
            (
                TrainEvent::Message {
                    step: 4,
                    text: "so far".into(),
                },
                r#"{"event":"said","step":4,"text":"so far"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), line);
            assert_eq!(serde_json::from_str::<TrainEvent>(line).unwrap(), event);
        }
    }
}
