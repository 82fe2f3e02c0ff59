//! One training as it is watched: its steps and events so far, and the figures they make.

use super::curve::{smooth, span, thin};
use s1_core::training::{TrainEvent, TrainStep};
use s1_lab::stats::wilson;
use s1_plot::{Axis, Dash, DataPoint, Figure, Marker, Scale, Series, Unit};
use s1_store::training::RecordedEvent;
use s1_train::CheckpointFile;

/// Colours of the lines; the first is drawn dimmed.
pub const RAW: usize = 0;
const SMOOTH: usize = 1;
const HELD_OUT: usize = 2;

/// What was read of a training.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watched {
    /// Its steps, in order.
    pub steps: Vec<TrainStep>,
    /// What else happened, in order.
    pub events: Vec<RecordedEvent>,
    /// Its checkpoints, the newest first.
    pub checkpoints: Vec<CheckpointFile>,
    /// Loss, raw and smoothed, and the loss on held-out data.
    pub loss: Figure,
    pub held_out: Figure,
    pub rate: Figure,
    /// Norm of the gradient.
    pub gradient: Figure,
    /// Tokens a second.
    pub speed: Figure,
    /// The loss on a linear axis: on the usual, logarithmic one it is seen to its end.
    linear: bool,
    total: usize,
}

/// An answer to the sample question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleAnswer<'a> {
    pub step: usize,
    pub question: &'a str,
    pub thinking: &'a str,
    pub answer: &'a str,
}

impl Watched {
    /// What is here already: the last step and the last event.
    pub fn after(&self) -> (usize, i64) {
        let step = self.steps.last().map_or(0, |s| s.step);
        let event = self.events.last().map_or(0, |e| e.id);
        (step, event)
    }

    /// Takes later steps and events in. `total` is the number of steps in all.
    pub fn add(&mut self, steps: Vec<TrainStep>, events: Vec<RecordedEvent>, total: usize) {
        let (step, event) = self.after();
        let news = !steps.is_empty() || !events.is_empty() || total != self.total;
        self.steps
            .extend(steps.into_iter().filter(|s| s.step > step));
        self.events
            .extend(events.into_iter().filter(|e| e.id > event));
        self.total = total;
        if news {
            self.draw();
        }
    }

    /// A logarithmic or a linear axis of the loss.
    pub fn turn_axis(&mut self) {
        self.linear = !self.linear;
        self.draw();
    }

    /// The answers to the sample question, the oldest first.
    pub fn samples(&self) -> Vec<SampleAnswer<'_>> {
        self.events.iter().filter_map(sample).collect()
    }

    /// The smoothed loss so far.
    pub fn smoothed(&self) -> Option<f64> {
        let series = self.loss.series.iter().find(|s| s.color == SMOOTH)?;
        series.points.last().map(|p| p.y)
    }

    /// Seconds of computing so far, pauses left out, about: at every step the time to go was the
    /// mean of a step times the steps to go.
    pub fn seconds(&self) -> f64 {
        let mut mean = 0.0;
        let mut sum = 0.0;
        for s in &self.steps {
            let left = self.total.saturating_sub(s.step);
            if left > 0 && s.eta_s.is_finite() {
                mean = s.eta_s / left as f64;
            }
            sum += mean;
        }
        sum
    }

    fn line(&self, of: impl Fn(&TrainStep) -> f64) -> Vec<(usize, f64)> {
        self.steps.iter().map(|s| (s.step, of(s))).collect()
    }

    fn draw(&mut self) {
        let steps = self.total.max(self.after().0).max(1);
        let axis = |label: &str, to| Axis {
            label: label.into(),
            from: Some(0.0),
            to,
            ..Axis::default()
        };
        let blank = |title: &str, y: Axis| Figure {
            title: title.into(),
            x: axis("steps", Some(steps as f64)),
            y,
            ..Figure::default()
        };
        let single = |title: &str, values: &[(usize, f64)]| Figure {
            series: vec![line(title, thin(values, steps), SMOOTH)],
            ..blank(title, axis("", None))
        };
        let raw = self.line(|s| s.loss);
        let held_out = self.events.iter().filter_map(|e| match e.event {
            TrainEvent::Eval { step, loss } => Some(DataPoint::new(step as f64, loss)),
            _ => None,
        });
        let held_out: Vec<DataPoint> = held_out.collect();
        let losses = raw.iter().map(|(_, loss)| *loss);
        let losses = losses.chain(held_out.iter().map(|p| p.y));
        let (from, to) = rungs(losses).filter(|_| !self.linear).unzip();
        let ends = Axis {
            from,
            to,
            scale: if from.is_some() {
                Scale::Log
            } else {
                Scale::Linear
            },
            ..Axis::default()
        };
        let mut loss = blank("loss", ends);
        loss.series = vec![
            line("each step", thin(&raw, steps), RAW),
            line("smoothed", thin(&smooth(&raw, span(steps)), steps), SMOOTH),
        ];
        if !held_out.is_empty() {
            loss.series.push(dots("held-out", held_out));
        }
        self.loss = loss;
        let right = self.events.iter().filter_map(|e| match e.event {
            TrainEvent::Accuracy {
                step, n, correct, ..
            } if n > 0 => Some(DataPoint {
                interval: Some(wilson(correct, n)),
                detail: format!("{correct}/{n}"),
                ..DataPoint::new(step as f64, correct as f64 / n as f64)
            }),
            _ => None,
        });
        let right: Vec<DataPoint> = right.collect();
        self.held_out = blank(
            "held-out problems",
            Axis {
                unit: Unit::Percent,
                ..axis("", Some(1.0))
            },
        );
        if let Some(last) = right.last() {
            self.held_out.caption = format!("{} at step {}", last.detail, last.x);
            self.held_out.series = vec![dots("right", right)];
        }
        self.rate = single("learning rate", &self.line(|s| s.lr));
        self.gradient = single("gradient norm", &self.line(|s| s.grad_norm));
        self.speed = single("tokens/s", &self.line(|s| s.tok_s));
    }
}

/// The ends of a logarithmic axis for some values: the rungs 1, 2, 5, 10, 20 … around them, so that
/// the axis moves only when a value passes one. `None` where no value is above zero.
fn rungs(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    for value in values.filter(|v| v.is_finite() && *v > 1e-12) {
        least = least.min(value);
        most = most.max(value);
    }
    if least > most {
        return None;
    }
    let decade = |value: f64| 10_f64.powf(value.log10().floor());
    let steps = |value| [1.0, 2.0, 5.0, 10.0].map(|rung| rung * decade(value));
    let below = steps(least).into_iter().rfind(|rung| *rung <= least);
    let above = steps(most).into_iter().find(|rung| *rung >= most);
    let (below, above) = (below.unwrap_or(least), above.unwrap_or(most));
    Some((below, if above > below { above } else { 2.0 * below }))
}

fn sample(recorded: &RecordedEvent) -> Option<SampleAnswer<'_>> {
    match &recorded.event {
        TrainEvent::Sample {
            step,
            question,
            thinking,
            answer,
        } => Some(SampleAnswer {
            step: *step,
            question,
            thinking,
            answer,
        }),
        _ => None,
    }
}

fn line(name: &str, points: Vec<DataPoint>, color: usize) -> Series {
    Series {
        name: name.into(),
        points,
        color,
        ..Series::default()
    }
}

/// Evaluations now and then. Dots alone would be lost where there are more than columns.
fn dots(name: &str, points: Vec<DataPoint>) -> Series {
    Series {
        marker: Marker::Diamond,
        dash: Dash::Dotted,
        ..line(name, points, HELD_OUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: usize) -> TrainStep {
        TrainStep {
            step,
            steps: 10,
            epoch: 1,
            loss: 2.0 / step as f64,
            lr: 1e-3,
            grad_norm: 0.5,
            tok_s: 5000.0,
            eta_s: (10 - step.min(10)) as f64 * 3.0,
            memory: 0,
        }
    }

    fn recorded(id: i64, event: TrainEvent) -> RecordedEvent {
        RecordedEvent { id, event }
    }

    #[test]
    fn it_grows_by_what_is_new_and_knows_what_it_has() {
        let mut watched = Watched::default();
        assert_eq!(watched.after(), (0, 0));
        let right = TrainEvent::Accuracy {
            step: 4,
            n: 40,
            correct: 30,
            thinking: 41.0,
        };
        watched.add(
            (1..=4).map(step).collect(),
            vec![recorded(7, right.clone())],
            10,
        );
        assert_eq!(watched.after(), (4, 7));
        // The same again, as two readings that overlap would bring it.
        watched.add((3..=5).map(step).collect(), vec![recorded(7, right)], 10);
        assert_eq!(watched.steps.len(), 5);
        assert_eq!(watched.events.len(), 1);
        assert_eq!(watched.loss.series[0].points.len(), 5);
        assert_eq!(
            watched.loss.x.to,
            Some(10.0),
            "the axis is the whole training"
        );
        assert_eq!(watched.held_out.caption, "30/40 at step 4");
        assert_eq!(watched.held_out.series[0].points[0].y, 0.75);
        assert_eq!(watched.seconds(), 15.0);
    }

    #[test]
    fn the_axis_of_the_loss_moves_only_where_a_rung_is_passed() {
        let near = |(a, b): (f64, f64), (c, d): (f64, f64)| {
            (a / c - 1.0).abs() < 1e-9 && (b / d - 1.0).abs() < 1e-9
        };
        let ends = |values: &[f64]| rungs(values.iter().copied()).unwrap();
        assert!(near(ends(&[3.1, 0.9]), (0.5, 5.0)));
        assert!(near(ends(&[3.1, 0.51, f64::NAN, 0.0]), (0.5, 5.0)));
        assert!(near(ends(&[3.1, 0.49]), (0.2, 5.0)));
        assert!(near(ends(&[1.0]), (1.0, 2.0)));
        assert_eq!(rungs([f64::NAN, 0.0, -1.0].into_iter()), None);
        // Without a value above zero the axis is linear, and nothing is lost.
        let mut watched = Watched::default();
        let nothing = TrainStep {
            loss: f64::NAN,
            ..step(1)
        };
        watched.add(vec![nothing], vec![], 10);
        assert_eq!(watched.loss.y.scale, Scale::Linear);
        watched.add(vec![step(2)], vec![], 10);
        assert_eq!(watched.loss.y.scale, Scale::Log);
        watched.turn_axis();
        assert_eq!(watched.loss.y.scale, Scale::Linear);
    }

    #[test]
    fn held_out_loss_stands_beside_the_loss_and_samples_are_found() {
        let mut watched = Watched::default();
        let sample = TrainEvent::Sample {
            step: 1,
            question: "q".into(),
            thinking: "t".into(),
            answer: "a".into(),
        };
        let events = vec![
            recorded(1, TrainEvent::Eval { step: 1, loss: 1.5 }),
            recorded(2, sample),
            recorded(
                3,
                TrainEvent::Written {
                    step: 2,
                    path: "/x.gguf".into(),
                },
            ),
        ];
        watched.add(vec![step(1), step(2)], events, 2);
        assert_eq!(watched.loss.series[2].name, "held-out");
        let samples = watched.samples();
        assert_eq!((samples[0].step, samples[0].answer), (1, "a"));
        assert!(watched.held_out.series.is_empty());
    }
}
