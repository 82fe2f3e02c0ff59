//! Early exits, evaluated afterwards: one natural thought with what was seen along it answers every
//! threshold of every rule.
//!
//! A rule looks at a thought and says when it is over ([`s1_core::exit`]); what it would have written
//! up to there is the beginning of the natural thought, token for token. So the thoughts of a run are
//! looked at once ([`measure`]) and every rule is then a matter of arithmetic. What a rule costs is
//! counted with it: the tokens that went through the model to look.
//!
//! Not here: the same rules live (the engine), and the pictures.

use std::collections::BTreeMap;

use s1_core::exit::{Exit, Seen, Sight};

use crate::answer::majority;
use crate::stats;

pub mod measure;

/// One natural thought with all that was seen of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thought {
    /// The problem's id, and which of several samples it is.
    pub id: String,
    pub sample: usize,
    /// Its thinking tokens.
    pub thinking: usize,
    /// What was answered at its natural end.
    pub end: Answered,
    /// What each measurement saw ([`key`]), in the order of the text.
    pub seen: BTreeMap<String, Vec<Sight>>,
    /// The answer where the thought is cut, after so many tokens.
    pub cut: BTreeMap<usize, Answered>,
}

/// An answer, with its grade where there is a reference.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answered {
    pub answer: Option<String>,
    pub correct: Option<bool>,
}

/// What a rule sees, by name: rules that differ in their thresholds alone see the same.
pub fn key(exit: Exit) -> String {
    let measure = serde_json::to_string(&exit.measure()).unwrap_or_default();
    format!("{:?} {measure}", exit.looks())
}

/// Where a thought is left, and what that gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// Thinking tokens.
    pub at: usize,
    /// Tokens that went through the model to look.
    pub looking: usize,
    pub answered: Answered,
}

impl Thought {
    /// Where a rule leaves it; `None` where it lets it come to its end.
    pub fn left_at(&self, exit: Exit) -> Option<usize> {
        let sights = self.seen.get(&key(exit))?;
        let over = (1..=sights.len()).find(|&n| exit.says(&sights[..n]))?;
        Some(sights[over - 1].at)
    }

    /// What a rule gives. `None` where the answer at its place is not known.
    pub fn under(&self, exit: Exit) -> Option<Stop> {
        let left = self.left_at(exit);
        let seen = self.seen.get(&key(exit)).map_or(&[][..], Vec::as_slice);
        let looked = seen.iter().filter(|s| left.is_none_or(|at| s.at <= at));
        Some(Stop {
            at: left.unwrap_or(self.thinking),
            looking: looked.map(|s| s.tokens).sum(),
            answered: match left {
                Some(at) => self.cut.get(&at)?.clone(),
                None => self.end.clone(),
            },
        })
    }

    /// What a budget gives that cuts at the last place before it where the answer is known.
    pub fn within(&self, budget: usize) -> Option<Stop> {
        if budget >= self.thinking {
            return Some(self.natural());
        }
        let (&at, answered) = self.cut.range(..=budget).next_back()?;
        Some(Stop {
            at,
            looking: 0,
            answered: answered.clone(),
        })
    }

    /// Its natural end.
    pub fn natural(&self) -> Stop {
        Stop {
            at: self.thinking,
            looking: 0,
            answered: self.end.clone(),
        }
    }

    /// The earliest place at which its answer would be right; its end where there is none.
    pub fn oracle(&self) -> Stop {
        let right = |(_, a): &(&usize, &Answered)| a.correct == Some(true);
        match self.cut.iter().find(right) {
            Some((&at, answered)) => Stop {
                at,
                looking: 0,
                answered: answered.clone(),
            },
            None => self.natural(),
        }
    }

    /// From how many tokens on its answer no longer changes.
    pub fn converged(&self) -> usize {
        let places = self.cut.iter().rev();
        let same = places.take_while(|(_, a)| a.answer == self.end.answer);
        same.last().map_or(self.thinking, |(&at, _)| at)
    }
}

/// All thoughts under one way to end them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// How: a rule with its numbers, a budget, or another name.
    pub name: String,
    /// Graded thoughts.
    pub n: usize,
    pub correct: usize,
    /// Share of right ones; 0 for none.
    pub accuracy: f64,
    /// Wilson's 95 % interval.
    pub low: f64,
    pub high: f64,
    /// Mean thinking tokens.
    pub thinking: f64,
    /// Mean tokens that looking took.
    pub looking: f64,
    /// Thoughts that were left before their end.
    pub early: usize,
    /// Wrong at their end, right here; and the other way round.
    pub won: usize,
    pub lost: usize,
}

impl Line {
    /// Counts the thoughts; those of which something is not known are left out.
    pub fn of(
        name: impl Into<String>,
        thoughts: &[Thought],
        stop: impl Fn(&Thought) -> Option<Stop>,
    ) -> Line {
        let mut line = Line {
            name: name.into(),
            ..Line::default()
        };
        let (mut all, mut thinking, mut looking) = (0usize, 0usize, 0usize);
        for thought in thoughts {
            let Some(stop) = stop(thought) else { continue };
            all += 1;
            thinking += stop.at;
            looking += stop.looking;
            line.early += usize::from(stop.at < thought.thinking);
            let (Some(was), Some(is)) = (thought.end.correct, stop.answered.correct) else {
                continue;
            };
            line.n += 1;
            line.correct += usize::from(is);
            line.won += usize::from(!was && is);
            line.lost += usize::from(was && !is);
        }
        let mean = |sum: usize| sum as f64 / all.max(1) as f64;
        line.accuracy = line.correct as f64 / line.n.max(1) as f64;
        (line.low, line.high) = stats::wilson(line.correct, line.n);
        line.thinking = mean(thinking);
        line.looking = mean(looking);
        line
    }

    /// Mean tokens, looking included.
    pub fn tokens(&self) -> f64 {
        self.thinking + self.looking
    }

    /// A rule's lines, where neighbouring thresholds that give the same are one, named from the first to the
    /// last.
    pub fn merged(lines: &[Line]) -> Vec<Line> {
        let same = |a: &Line, b: &Line| {
            let named = Line {
                name: b.name.clone(),
                ..a.clone()
            };
            named == *b
        };
        let merged = lines.chunk_by(same).filter_map(|alike| {
            let mut line = alike.first()?.clone();
            let last = alike.last().filter(|last| last.name != line.name);
            if let Some((_, threshold)) = last.and_then(|last| last.name.rsplit_once(':')) {
                line.name.push_str(&format!(" … {threshold}"));
            }
            Some(line)
        });
        merged.collect()
    }
}

/// Every rule at every threshold, beside budgets, the natural end, and the best that stopping could
/// do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replay {
    pub natural: Line,
    /// Stopping at the first right answer, as nobody can who does not know it.
    pub oracle: Line,
    /// Cuts at the last sentence end within a budget.
    pub budgets: Vec<Line>,
    /// Each rule with its thresholds, by name.
    pub rules: Vec<(String, Vec<Line>)>,
    /// Along the budgets: from each to the next, answers that became right and that became wrong.
    pub flips: Vec<(usize, usize)>,
    /// For each budget, the share of thoughts whose answer no longer changes from there on.
    pub converged: Vec<f64>,
}

/// Budgets of the curve that the rules stand beside.
const BUDGETS: usize = 10;

impl Replay {
    /// Evaluates rules on thoughts that were looked at for them.
    pub fn of(thoughts: &[Thought], exits: &[Exit]) -> Replay {
        let steps = budgets(thoughts);
        let cut = |&budget: &usize| Line::of(budget.to_string(), thoughts, |t| t.within(budget));
        let mut rules: Vec<(String, Vec<Line>)> = Vec::new();
        for &exit in exits {
            let line = Line::of(exit.to_string(), thoughts, |t| t.under(exit));
            match rules.iter_mut().find(|(name, _)| name == exit.name()) {
                Some((_, lines)) => lines.push(line),
                None => rules.push((exit.name().to_owned(), vec![line])),
            }
        }
        let right = |t: &Thought, budget: usize| t.within(budget)?.answered.correct;
        let flips = steps.windows(2).map(|pair| {
            let both = thoughts
                .iter()
                .filter_map(|t| Some((right(t, pair[0])?, right(t, pair[1])?)));
            both.fold((0, 0), |(won, lost), (was, is)| {
                (
                    won + usize::from(!was && is),
                    lost + usize::from(was && !is),
                )
            })
        });
        let settled = |&budget: &usize| {
            let settled = thoughts.iter().filter(|t| t.converged() <= budget);
            settled.count() as f64 / thoughts.len().max(1) as f64
        };
        Replay {
            natural: Line::of("natural", thoughts, |t| Some(t.natural())),
            oracle: Line::of("first right answer", thoughts, |t| Some(t.oracle())),
            budgets: steps.iter().map(cut).collect(),
            flips: flips.collect(),
            converged: steps.iter().map(settled).collect(),
            rules,
        }
    }
}

/// Budgets from the shortest at which every thought can be cut to the longest thought, so that each
/// step holds as many places.
fn budgets(thoughts: &[Thought]) -> Vec<usize> {
    let first = |t: &Thought| {
        t.cut
            .keys()
            .next()
            .map_or(t.thinking, |&at| at.min(t.thinking))
    };
    let least = thoughts.iter().map(first).max().unwrap_or(0);
    let mut places: Vec<usize> = thoughts
        .iter()
        .flat_map(|t| t.cut.keys().copied().chain([t.thinking]))
        .map(|at| at.max(least))
        .collect();
    places.sort_unstable();
    let Some(last) = places.len().checked_sub(1) else {
        return Vec::new();
    };
    let mut steps: Vec<usize> = (0..BUDGETS)
        .map(|i| places[last * i / (BUDGETS - 1)])
        .collect();
    steps.dedup();
    steps
}

/// The thresholds at which a rule is evaluated where nobody names them; its other numbers stay. One more costs
/// nothing: what the rule sees is the same.
/// DeepConf's are quantiles of the lowest confidence of the thoughts, as its warm-up takes them.
pub fn thresholds(exit: Exit, thoughts: &[Thought]) -> Vec<Exit> {
    let counts = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20];
    match exit {
        Exit::Off => Vec::new(),
        Exit::Consistency { .. } => counts.map(|equal| Exit::Consistency { equal }).into(),
        Exit::Rank { .. } => counts.map(|best| Exit::Rank { best }).into(),
        Exit::Dynasor { every, .. } => counts.map(|equal| Exit::Dynasor { every, equal }).into(),
        Exit::Deer { .. } => [
            0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99,
        ]
        .map(|above| Exit::Deer { above })
        .into(),
        Exit::Eat { alpha, .. } => (0..12)
            .map(|i| Exit::Eat {
                alpha,
                below: 2f32.powi(-i),
            })
            .collect(),
        Exit::Thinkbrake { .. } => [
            -1.0, 0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 4.0, 5.0,
        ]
        .map(|margin| Exit::Thinkbrake { margin })
        .into(),
        Exit::Deepconf { window, .. } => {
            let mut lowest: Vec<f32> = thoughts
                .iter()
                .filter_map(|t| lowest_confidence(t, window))
                .collect();
            lowest.sort_by(f32::total_cmp);
            let at = |q: f64| {
                let last = lowest.len().checked_sub(1)?;
                lowest.get((last as f64 * q).round() as usize).copied()
            };
            let quantiles = [
                0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
            ];
            // A threshold that is written down is the one that was used.
            let round = |x: f32| (x * 100.0).round() / 100.0;
            let thresholds = quantiles.iter().filter_map(|&q| at(q)).map(round);
            let mut all: Vec<Exit> = thresholds
                .map(|below| Exit::Deepconf { window, below })
                .collect();
            all.dedup();
            all
        }
    }
}

/// The lowest mean confidence of a thought's windows of tokens; the mean of all for a shorter one.
pub fn lowest_confidence(thought: &Thought, window: usize) -> Option<f32> {
    let rule = Exit::Deepconf { window, below: 0.0 };
    let scores = thought.seen.get(&key(rule))?;
    let confidences: Vec<f32> = scores
        .iter()
        .filter_map(|sight| match sight.seen {
            Seen::Scores(scores) => Some(scores.confidence),
            Seen::Trial(_) => None,
        })
        .collect();
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len().max(1) as f32;
    let windows = confidences.windows(window.clamp(1, confidences.len().max(1)));
    windows.map(mean).min_by(f32::total_cmp)
}

/// Several short thoughts instead of a long one: the vote of the first `k` samples of each problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Vote {
    pub k: usize,
    /// Problems with a grade and so many samples.
    pub n: usize,
    /// Of which the plain vote is right; the one weighted by each thought's lowest confidence; and
    /// that one, where thoughts below the threshold are left as DeepConf leaves them and have no vote.
    pub plain: usize,
    pub weighted: usize,
    pub stopped: usize,
    /// Mean thinking tokens of all its thoughts together; and where some are left.
    pub tokens: f64,
    pub tokens_stopped: f64,
}

/// The votes for k = 1, 2, …: samples of one problem in their order. `rule` is DeepConf's with the
/// window of its confidence and the threshold of its stop.
pub fn votes(thoughts: &[Thought], rule: Exit) -> Vec<Vote> {
    let Exit::Deepconf { window, .. } = rule else {
        return Vec::new();
    };
    let mut problems: BTreeMap<&str, Vec<&Thought>> = BTreeMap::new();
    for thought in thoughts.iter().filter(|t| t.end.correct.is_some()) {
        problems.entry(&thought.id).or_default().push(thought);
    }
    let most = problems.values().map(Vec::len).max().unwrap_or(0);
    (1..=most)
        .map(|k| {
            let mut vote = Vote {
                k,
                n: 0,
                plain: 0,
                weighted: 0,
                stopped: 0,
                tokens: 0.0,
                tokens_stopped: 0.0,
            };
            for voters in problems.values().filter(|all| all.len() >= k) {
                let voters = &voters[..k];
                vote.n += 1;
                let right = |elected: Option<usize>| {
                    usize::from(elected.is_some_and(|i| voters[i].end.correct == Some(true)))
                };
                let answers: Vec<Option<&str>> =
                    voters.iter().map(|t| t.end.answer.as_deref()).collect();
                let weight = |t: &&Thought| f64::from(lowest_confidence(t, window).unwrap_or(0.0));
                let weights: Vec<f64> = voters.iter().map(weight).collect();
                let kept: Vec<f64> = voters
                    .iter()
                    .zip(&weights)
                    .map(|(t, w)| if t.left_at(rule).is_some() { 0.0 } else { *w })
                    .collect();
                vote.plain += right(majority(&answers).map(|(i, _)| i));
                vote.weighted += right(heaviest(&answers, &weights));
                vote.stopped += right(heaviest(&answers, &kept));
                vote.tokens += voters.iter().map(|t| t.thinking as f64).sum::<f64>();
                let left = |t: &&Thought| t.left_at(rule).unwrap_or(t.thinking) as f64;
                vote.tokens_stopped += voters.iter().map(left).sum::<f64>();
            }
            let problems = vote.n.max(1) as f64;
            vote.tokens /= problems;
            vote.tokens_stopped /= problems;
            vote
        })
        .collect()
}

/// The answer with the most weight, by value: the index of the first that gives it. One without
/// weight has no vote.
fn heaviest(answers: &[Option<&str>], weights: &[f64]) -> Option<usize> {
    let mut candidates: Vec<(usize, &str, f64)> = Vec::new();
    for (i, (answer, weight)) in answers.iter().zip(weights).enumerate() {
        let Some(answer) = answer.filter(|_| *weight > 0.0) else {
            continue;
        };
        let same = |(_, known, _): &&mut (usize, &str, f64)| {
            *known == answer || s1_grading::equal(known, answer).equal
        };
        match candidates.iter_mut().find(same) {
            Some((_, _, sum)) => *sum += weight,
            None => candidates.push((i, answer, *weight)),
        }
    }
    let best = candidates.iter().rev().max_by(|a, b| a.2.total_cmp(&b.2));
    best.map(|(i, ..)| *i)
}

#[cfg(test)]
mod tests;
