//! Which budget should one use? Three answers from one run, each with what it rests on.
//!
//! The knee of the curve; the best of accuracy minus λ times tokens, for a price λ that the user names;
//! and the cheapest way that, on one half of the problems, adds at most ε to the error, with the error
//! it adds on the other half. A way is a budget, or an early exit at a threshold.
//!
//! Not here: how a way was evaluated ([`crate::report`], [`crate::replay`]).

use std::collections::BTreeMap;

use s1_core::exit::Exit;
use s1_store::run::{Budget, Run};

use crate::replay::{Line, Stop, Thought};

/// The name of the natural end.
const NATURAL: &str = "natural";

/// One way to end thoughts, evaluated on a run's problems.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Way {
    /// `128`, `natural`, `deer:0.9`.
    pub name: String,
    /// The settings that choose it: a piece of `config.toml`.
    pub settings: String,
    /// Mean tokens, those included that looking takes.
    pub tokens: f64,
    /// Share of right answers for each graded problem, by its id.
    pub right: BTreeMap<String, f64>,
}

impl Way {
    /// Mean share of right answers; 0 without problems.
    pub fn accuracy(&self) -> f64 {
        self.right.values().sum::<f64>() / self.right.len().max(1) as f64
    }
}

/// The budgets of a run, without waits; cheapest first.
pub fn budgets(run: &Run) -> Vec<Way> {
    let points = run.settings.points.iter().enumerate();
    let points = points.filter(|(_, point)| point.waits == 0);
    let mut ways: Vec<Way> = points
        .map(|(at, point)| {
            let (mut tokens, mut samples) = (0usize, 0usize);
            let mut right = BTreeMap::new();
            for row in &run.rows {
                let own = row.at(at);
                tokens += own.iter().map(|s| s.thinking + s.looking).sum::<usize>();
                samples += own.len();
                let graded: Vec<bool> = own.iter().filter_map(|s| s.correct).collect();
                if !graded.is_empty() {
                    let won = graded.iter().filter(|right| **right).count();
                    right.insert(row.id.clone(), won as f64 / graded.len() as f64);
                }
            }
            let settings = match point.budget {
                Budget::Tokens(n) => format!("[thinking]\nmax_thinking = {n}\n"),
                Budget::Natural => "[thinking]\nmax_thinking = \"auto\"\n".into(),
            };
            Way {
                name: point.budget.to_string(),
                settings,
                tokens: tokens as f64 / samples.max(1) as f64,
                right,
            }
        })
        .collect();
    sort(&mut ways);
    ways
}

/// Early exits at these thresholds, evaluated on thoughts; and the natural end. Cheapest first.
pub fn exits(thoughts: &[Thought], exits: &[Exit]) -> Vec<Way> {
    let way = |name: String, settings: String, stop: &dyn Fn(&Thought) -> Option<Stop>| {
        let mut shares: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for thought in thoughts {
            if let Some(right) = stop(thought).and_then(|s| s.answered.correct) {
                let share = shares.entry(thought.id.clone()).or_default();
                share.0 += usize::from(right);
                share.1 += 1;
            }
        }
        let right = shares.into_iter();
        Way {
            settings,
            tokens: Line::of(name.as_str(), thoughts, stop).tokens(),
            right: right
                .map(|(id, (won, n))| (id, won as f64 / n as f64))
                .collect(),
            name,
        }
    };
    let natural = way(
        NATURAL.into(),
        "[thinking]\nmax_thinking = \"auto\"\n".into(),
        &|t| Some(t.natural()),
    );
    let rules = exits.iter().map(|&exit| {
        let settings = format!("[thinking]\nexit = \"{exit}\"\n");
        way(exit.to_string(), settings, &|t| t.under(exit))
    });
    let mut ways: Vec<Way> = rules.chain([natural]).collect();
    sort(&mut ways);
    ways
}

fn sort(ways: &mut [Way]) {
    ways.sort_by(|a, b| a.tokens.total_cmp(&b.tokens));
}

/// What a run advises.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// Where the curve bends: beyond it, tokens buy less than on average.
    pub knee: Option<Way>,
    /// The best of accuracy − λ · tokens.
    pub best: Option<Way>,
    /// The cheapest whose added error was at most ε on one half.
    pub safe: Option<Safe>,
    /// What all are compared with: the natural end, or where there is none the dearest way.
    pub against: Option<Way>,
    pub lambda: f64,
    pub epsilon: f64,
}

/// A way that was chosen on one half of the problems, and its error on the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Safe {
    pub way: Way,
    /// Problems on which it was chosen, and on which it was checked.
    pub chosen_on: usize,
    pub checked_on: usize,
    /// Error that it adds there, as a share; with a 95 % interval.
    pub added: f64,
    pub low: f64,
    pub high: f64,
}

impl Advice {
    /// What these ways, cheapest first, advise: λ in accuracy (0 to 1) per 1,000 tokens, ε as a share.
    pub fn of(ways: &[Way], lambda: f64, epsilon: f64) -> Advice {
        let graded: Vec<&Way> = ways.iter().filter(|w| !w.right.is_empty()).collect();
        let utility = |w: &Way| w.accuracy() - lambda * w.tokens / 1000.0;
        // Among equals the cheaper one.
        let best = graded.iter().rev();
        let best = best.max_by(|a, b| utility(a).total_cmp(&utility(b)));
        let natural = graded.iter().find(|w| w.name == NATURAL);
        let against = natural.or(graded.last()).copied();
        Advice {
            knee: knee(&graded),
            best: best.map(|w| (*w).clone()),
            safe: against.and_then(|against| safe(&graded, against, epsilon)),
            against: against.cloned(),
            lambda,
            epsilon,
        }
    }

    /// The advice in one sentence; `None` where there is nothing to choose.
    pub fn sentence(&self) -> Option<String> {
        let Safe {
            way,
            chosen_on,
            checked_on,
            added,
            low,
            high,
        } = self.safe.as_ref()?;
        let against = self.against.as_ref()?;
        if way.name == against.name {
            return Some(format!(
                "Keep {}: on {chosen_on} problems everything cheaper adds more than {:.1} in 100 to the error.",
                way.name,
                100.0 * self.epsilon
            ));
        }
        let saved = 100.0 * (1.0 - way.tokens / against.tokens.max(1e-9));
        let sign = |x: f64| format!("{:+.1}", 100.0 * x);
        Some(format!(
            "Use {}: chosen on {chosen_on} problems so that at most {:.1} more in 100 are wrong than with {}; on the other {checked_on} it is {} in 100 (95%: {} to {}), for {saved:.0}% fewer tokens.",
            way.name,
            100.0 * self.epsilon,
            against.name,
            sign(*added),
            sign(*low),
            sign(*high),
        ))
    }
}

/// The point that lies highest above the line from the cheapest to the dearest, both axes scaled to
/// 1: the knee of Satopää et al., "Finding a kneedle in a haystack", 2011. `None` for a curve that
/// does not rise or has no points between.
fn knee(ways: &[&Way]) -> Option<Way> {
    let (first, last) = (ways.first()?, ways.last()?);
    let (width, height) = (
        last.tokens - first.tokens,
        last.accuracy() - first.accuracy(),
    );
    if width <= 0.0 || height <= 0.0 {
        return None;
    }
    let above =
        |w: &Way| (w.accuracy() - first.accuracy()) / height - (w.tokens - first.tokens) / width;
    let inner = ways.iter().filter(|w| above(w) > 1e-9);
    let knee = inner.rev().max_by(|a, b| above(a).total_cmp(&above(b)));
    knee.map(|w| (*w).clone())
}

/// Every other problem, by its id, is of the half that chooses.
fn safe(ways: &[&Way], against: &Way, epsilon: f64) -> Option<Safe> {
    let half = |first: bool| {
        let ids = against.right.keys().enumerate();
        let own = ids.filter(move |(i, _)| i.is_multiple_of(2) == first);
        own.map(|(_, id)| id.as_str()).collect::<Vec<&str>>()
    };
    let (choose, check) = (half(true), half(false));
    let added = |way: &Way, ids: &[&str]| {
        let pairs = ids
            .iter()
            .filter_map(|id| Some(against.right.get(*id)? - way.right.get(*id)?));
        pairs.collect::<Vec<f64>>()
    };
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len().max(1) as f64;
    if check.is_empty() {
        return None;
    }
    let way = ways.iter().find(|way| {
        let pairs = added(way, &choose);
        !pairs.is_empty() && mean(&pairs) <= epsilon + 1e-12
    })?;
    let pairs = added(way, &check);
    let centre = mean(&pairs);
    let spread = pairs.iter().map(|x| (x - centre).powi(2)).sum::<f64>();
    let n = pairs.len() as f64;
    let error = (spread / (n - 1.0).max(1.0) / n.max(1.0)).sqrt();
    Some(Safe {
        way: (*way).clone(),
        chosen_on: added(way, &choose).len(),
        checked_on: pairs.len(),
        added: centre,
        low: centre - 1.96 * error,
        high: centre + 1.96 * error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A way whose first problems are right.
    fn way(name: &str, tokens: f64, right: usize) -> Way {
        let share = |i: usize| (format!("{i:02}"), if i < right { 1.0 } else { 0.0 });
        Way {
            name: name.into(),
            settings: String::new(),
            tokens,
            right: (0..20).map(share).collect(),
        }
    }

    #[test]
    fn the_knee_is_where_tokens_stop_paying() {
        let ways = [
            way("0", 0.0, 4),
            way("100", 100.0, 16),
            way("200", 200.0, 17),
            way("natural", 400.0, 18),
        ];
        let advice = Advice::of(&ways, 0.0, 0.0);
        assert_eq!(advice.knee.as_ref().unwrap().name, "100");
        // Without a price the best is the most accurate; with one of half a point per 100 tokens
        // (0.9 − 0.2 against 0.8 − 0.05) it is the cheap one.
        assert_eq!(advice.best.as_ref().unwrap().name, "natural");
        let dear = Advice::of(&ways, 0.5, 0.0);
        assert_eq!(dear.best.unwrap().name, "100");
        let falling = [way("0", 0.0, 9), way("natural", 9.0, 3)];
        assert_eq!(Advice::of(&falling, 0.0, 0.0).knee, None);
        let empty = Advice::of(&[], 0.0, 0.0);
        assert_eq!(empty.sentence(), None);
        assert_eq!(empty.best, None);
    }

    #[test]
    fn what_is_chosen_on_one_half_is_checked_on_the_other() {
        let ways = [
            way("0", 0.0, 4),
            way("100", 100.0, 16),
            way("natural", 400.0, 18),
        ];
        // Of the even problems 8 of 9 right ones are right at 100: 1 of 10 more are wrong.
        let advice = Advice::of(&ways, 0.0, 0.1);
        let safe = advice.safe.as_ref().unwrap();
        assert_eq!(
            (safe.way.name.as_str(), safe.chosen_on, safe.checked_on),
            ("100", 10, 10)
        );
        assert!((safe.added - 0.1).abs() < 1e-12);
        // One of ten: deviation 0.316, error 0.1.
        assert!((safe.high - 0.296).abs() < 1e-9 && (safe.low + 0.096).abs() < 1e-9);
        assert_eq!(
            advice.sentence().unwrap(),
            "Use 100: chosen on 10 problems so that at most 10.0 more in 100 are wrong than with natural; on the other 10 it is +10.0 in 100 (95%: -9.6 to +29.6), for 75% fewer tokens."
        );
        let strict = Advice::of(&ways, 0.0, 0.05);
        assert_eq!(strict.safe.as_ref().unwrap().way.name, "natural");
        assert_eq!(
            strict.sentence().unwrap(),
            "Keep natural: on 10 problems everything cheaper adds more than 5.0 in 100 to the error."
        );
    }
}
