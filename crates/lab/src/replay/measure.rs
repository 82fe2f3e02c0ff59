//! Looking at the natural thoughts of a run, once: what is seen is kept with their traces.
//!
//! Not here: what follows from it ([`super`]).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use super::{Answered, Thought, key, thresholds};
use crate::sweep::Control;
use s1_core::exit::{Exit, Look, LookPlaces, Measure, Seen, Sight, trial_of};
use s1_core::forcing::Policy;
use s1_core::protocol::{Command, Event, LaneId};
use s1_core::trace::{Phase, Token};
use s1_engine::{Engine, Events, LoadOptions};
use s1_model::adapter::WEIGHTS;
use s1_store::Db;
use s1_store::run::{Budget, Row, Run, Sample};

/// Thoughts whose looks are asked for at once.
const AT_ONCE: usize = 8;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReplayProgress {
    /// The model is loaded this far, 0 to 1.
    Loading(f32),
    /// So many of so many thoughts were looked at.
    Looked(usize, usize),
}

/// The thoughts of a run with what these rules see in them, at all thresholds that are given; and a
/// rule alone, without thresholds of its own, at those of [`thresholds`]. What was seen before is taken
/// from the database, and what is new is kept there. `None` if it was cancelled; what was seen stays.
///
/// # Errors
/// If the run has no natural thoughts, or the model that made it cannot be used or is another now; and
/// if the database cannot be read or written.
pub fn look(
    db: &Db,
    run: &Run,
    rules: &[Rule],
    load: LoadOptions,
    control: &Control,
    tell: &mut dyn FnMut(ReplayProgress),
) -> Result<Option<(Vec<Thought>, Vec<Exit>)>> {
    let mut looker = Looker::new(db, run, load, control, tell)?;
    let seen: Vec<Exit> = rules.iter().map(|rule| rule.exit).collect();
    let mut wanted: BTreeMap<String, Exit> = BTreeMap::new();
    // Answers at sentence ends are what the others stand beside.
    let answers = Exit::Consistency { equal: 1 };
    for exit in seen.iter().copied().chain([answers]) {
        wanted.insert(key(exit), exit);
    }
    looker.want(&wanted)?;
    if !looker.run()? {
        return Ok(None);
    }
    let thoughts = looker.thoughts(&wanted, false)?;
    let exits: Vec<Exit> = rules
        .iter()
        .flat_map(|rule| match rule.threshold {
            true => vec![rule.exit],
            false => thresholds(rule.exit, &thoughts),
        })
        .collect();
    // Where a rule leaves a thought that is no sentence end, the answer there is still to be asked for.
    let trial = Measure::Trial(trial_of(""));
    for (i, thought) in thoughts.iter().enumerate() {
        let places: BTreeSet<usize> = exits.iter().filter_map(|&e| thought.left_at(e)).collect();
        let places = places
            .into_iter()
            .filter(|at| !thought.cut.contains_key(at));
        looker.want_more(i, ANSWERS, &trial, places.collect())?;
    }
    if !looker.run()? {
        return Ok(None);
    }
    Ok(Some((looker.thoughts(&wanted, true)?, exits)))
}

/// Under this name stand answers at places that are no sentence ends.
const ANSWERS: &str = "answers";

/// A rule to be evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    pub exit: Exit,
    /// Whether its threshold is given; otherwise it is evaluated at many.
    pub threshold: bool,
}

impl Rule {
    /// A rule as the user names it: alone, with numbers that fit the thoughts of a run; or with its own,
    /// of which the last is the threshold. `None` for what is no rule.
    pub fn read(text: &str, run: &Run) -> Option<Rule> {
        let exit: Exit = text.parse().ok().filter(|exit| *exit != Exit::Off)?;
        let given = text.matches(':').count();
        let numbers = exit.to_string().matches(':').count();
        let fitting = Rule::all(run).into_iter();
        let mut fitting = fitting.filter(|rule| rule.exit.name() == exit.name());
        match given {
            0 => fitting.next(),
            given => Some(Rule {
                exit,
                threshold: given == numbers,
            }),
        }
    }

    /// Every rule, with numbers that fit the thoughts of a run.
    pub fn all(run: &Run) -> Vec<Rule> {
        let mut lengths: Vec<usize> = natural(run).iter().map(|(_, s)| s.thinking).collect();
        lengths.sort_unstable();
        let median = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
        // The papers' numbers are for thoughts of thousands of tokens.
        let every = (median / 8).clamp(4, 64);
        let window = (median / 4).clamp(4, 2048);
        let names = ["consistency", "deer", "eat", "thinkbrake", "close-rank"];
        let named = names.iter().filter_map(|name| name.parse().ok());
        let own = [
            Exit::Dynasor { every, equal: 1 },
            Exit::Deepconf { window, below: 0.0 },
        ];
        let all = named.chain(own);
        all.map(|exit| Rule {
            exit,
            threshold: false,
        })
        .collect()
    }
}

/// The natural samples of a run, with their problems.
fn natural(run: &Run) -> Vec<(&Row, &Sample)> {
    let is_natural = |s: &&Sample| {
        let point = run.settings.points.get(s.point);
        point.is_some_and(|p| p.budget == Budget::Natural && p.waits == 0)
    };
    let rows = run.rows.iter();
    rows.flat_map(|row| row.samples.iter().filter(is_natural).map(move |s| (row, s)))
        .collect()
}

/// What is still to be seen of one trace.
#[derive(Default)]
struct Todo {
    /// By name: what is measured, and after how many tokens.
    measures: Vec<(String, Measure, Vec<usize>)>,
}

struct Looker<'a> {
    db: &'a Db,
    run: &'a Run,
    load: LoadOptions,
    control: &'a Control,
    tell: &'a mut dyn FnMut(ReplayProgress),
    samples: Vec<(&'a Row, &'a Sample)>,
    todo: BTreeMap<usize, Todo>,
    engine: Option<(Box<dyn Engine>, Events)>,
    next: LaneId,
}

impl<'a> Looker<'a> {
    fn new(
        db: &'a Db,
        run: &'a Run,
        load: LoadOptions,
        control: &'a Control,
        tell: &'a mut dyn FnMut(ReplayProgress),
    ) -> Result<Looker<'a>> {
        let samples = natural(run);
        if samples.is_empty() {
            bail!(
                "the run {:?} has no natural thoughts to look at; make one with --budgets natural (others beside it do no harm)",
                run.name
            );
        }
        if run.settings.policy.exit != Exit::Off {
            bail!(
                "the thoughts of run {:?} were ended early by {}; make one without --exit",
                run.name,
                run.settings.policy.exit
            );
        }
        Ok(Looker {
            db,
            run,
            load,
            control,
            tell,
            samples,
            todo: BTreeMap::new(),
            engine: None,
            next: 0,
        })
    }

    /// The thinking of a sample. It is read where it is needed: all of a large run are many.
    fn thinking(&self, i: usize) -> Result<Vec<Token>> {
        let mut tokens = self.db.trace(self.samples[i].1.trace)?;
        let thought = tokens.iter().take_while(|t| t.phase == Phase::Thinking);
        tokens.truncate(thought.count());
        Ok(tokens)
    }

    /// Has every thought looked at for the measurements that were not made of it.
    fn want(&mut self, wanted: &BTreeMap<String, Exit>) -> Result<()> {
        for i in 0..self.samples.len() {
            let trace = self.samples[i].1.trace;
            let mut missing = Vec::new();
            for (name, exit) in wanted {
                if self.db.sights(trace, name)?.is_none() {
                    missing.push((name, exit));
                }
            }
            if missing.is_empty() {
                continue;
            }
            let thought = self.thinking(i)?;
            let measures = missing.into_iter().map(|(name, exit)| {
                let places = LookPlaces::of(exit.looks(), &thought);
                (name.clone(), exit.measure(), places)
            });
            self.todo.entry(i).or_default().measures.extend(measures);
        }
        Ok(())
    }

    /// Has a thought looked at in more places.
    fn want_more(
        &mut self,
        i: usize,
        name: &str,
        measure: &Measure,
        mut places: Vec<usize>,
    ) -> Result<()> {
        let known = self.db.sights(self.samples[i].1.trace, name)?;
        let known = known.unwrap_or_default();
        places.retain(|at| known.iter().all(|s| s.at != *at));
        if !places.is_empty() {
            let todo = self.todo.entry(i).or_default();
            todo.measures.push((name.into(), measure.clone(), places));
        }
        Ok(())
    }

    /// Looks at all that is to be looked at; `false` if it was cancelled.
    fn run(&mut self) -> Result<bool> {
        let mut queue: Vec<(usize, Todo)> = std::mem::take(&mut self.todo).into_iter().collect();
        if queue.is_empty() {
            return Ok(true);
        }
        if self.engine.is_none() && !self.start()? {
            return Ok(false);
        }
        let total = queue.len();
        queue.reverse();
        let mut flying: BTreeMap<LaneId, (usize, Todo)> = BTreeMap::new();
        let mut done = 0;
        (self.tell)(ReplayProgress::Looked(0, total));
        loop {
            while flying.len() < AT_ONCE
                && let Some((i, todo)) = queue.pop()
            {
                let lane = self.next;
                self.next += 1;
                self.ask(lane, i, &todo)?;
                flying.insert(lane, (i, todo));
            }
            if flying.is_empty() {
                return Ok(true);
            }
            if self.control.is_cancelled() {
                return Ok(false);
            }
            let event = self
                .engine
                .as_mut()
                .and_then(|(_, events)| events.blocking_recv());
            match event {
                None => bail!("the engine ended in the middle of looking"),
                Some(Event::Failed(why)) => bail!("{why}"),
                Some(Event::Refused { why, .. } | Event::Notice(_, why)) => {
                    bail!("a thought cannot be looked at: {why}")
                }
                Some(Event::Looked(lane, sights)) => {
                    let Some((i, todo)) = flying.remove(&lane) else {
                        continue;
                    };
                    if let Some((engine, _)) = &self.engine {
                        engine.send(Command::Forget(lane..lane + 1));
                    }
                    self.keep(i, todo, sights)?;
                    done += 1;
                    (self.tell)(ReplayProgress::Looked(done, total));
                }
                Some(_) => {}
            }
        }
    }

    /// Has a lane made of a thought, and looked at.
    fn ask(&self, lane: LaneId, i: usize, todo: &Todo) -> Result<()> {
        let Some((engine, _)) = &self.engine else {
            return Ok(());
        };
        let (row, sample) = self.samples[i];
        let mut request = self.run.request(row, sample);
        request.policy = Policy {
            exit: Exit::Off,
            ..request.policy
        };
        engine.send(Command::Restore {
            lane,
            request,
            tokens: self.thinking(i)?,
        });
        let looks = order(todo).into_iter().map(|(look, _)| look);
        engine.send(Command::Look(lane, looks.collect()));
        Ok(())
    }

    /// Keeps what was seen of a thought.
    fn keep(&self, i: usize, todo: Todo, sights: Vec<Sight>) -> Result<()> {
        let trace = self.samples[i].1.trace;
        let mut seen: Vec<(String, Vec<Sight>)> = Vec::new();
        for (name, ..) in &todo.measures {
            let known = self.db.sights(trace, name)?.unwrap_or_default();
            seen.push((name.clone(), known));
        }
        for ((_, measure), sight) in order(&todo).into_iter().zip(sights) {
            seen[measure].1.push(sight);
        }
        for (_, sights) in &mut seen {
            sights.sort_by_key(|s| s.at);
        }
        self.db.save_sights(trace, &seen)
    }

    /// Starts the model that made the run; `false` if it was cancelled.
    fn start(&mut self) -> Result<bool> {
        let made = &self.run.settings.model;
        if !made.sha256.is_empty() {
            let mut found = vec![(self.load.path.clone(), made.sha256.clone())];
            if let (Some(folder), Some(hash)) = (&self.load.adapter, &made.adapter_sha256) {
                found.push((folder.join(WEIGHTS), hash.clone()));
            }
            for (path, hash) in found {
                if self.db.file_hash(&path)? != hash {
                    bail!(
                        "{} is not the file that run {:?} was made with; what another model sees in its thoughts says nothing",
                        path.display(),
                        self.run.name
                    );
                }
            }
        }
        let (_, events) = self.engine.insert(s1_engine::start(self.load.clone())?);
        loop {
            if self.control.is_cancelled() {
                return Ok(false);
            }
            match events.blocking_recv() {
                None => bail!("the engine ended while it loaded the model"),
                Some(Event::Failed(why)) => bail!("{why}"),
                Some(Event::Loading(part)) => (self.tell)(ReplayProgress::Loading(part)),
                Some(Event::Loaded(_)) => return Ok(true),
                Some(_) => {}
            }
        }
    }

    /// The thoughts with all that is known of them.
    fn thoughts(&self, wanted: &BTreeMap<String, Exit>, all: bool) -> Result<Vec<Thought>> {
        let samples = self.samples.iter();
        samples
            .map(|(row, sample)| {
                let mut seen = BTreeMap::new();
                for name in wanted.keys() {
                    let sights = self.db.sights(sample.trace, name)?;
                    seen.insert(name.clone(), sights.unwrap_or_default());
                }
                let mut answers: Vec<Sight> = Vec::new();
                let ends = key(Exit::Consistency { equal: 1 });
                answers.extend(seen.get(&ends).cloned().unwrap_or_default());
                if all {
                    let more = self.db.sights(sample.trace, ANSWERS)?;
                    answers.extend(more.unwrap_or_default());
                }
                let cut = answers.into_iter().map(|sight| {
                    let answer = match sight.seen {
                        Seen::Trial(tried) => tried.answer,
                        Seen::Scores(_) => None,
                    };
                    (sight.at, graded(answer, row.reference.as_deref()))
                });
                Ok(Thought {
                    id: row.id.clone(),
                    sample: sample.sample,
                    thinking: sample.thinking,
                    end: Answered {
                        answer: sample.answer.clone(),
                        correct: sample.correct,
                    },
                    cut: cut.collect(),
                    seen,
                })
            })
            .collect()
    }
}

/// The looks that are left to do: scores first, which are read in one go, then answers, each in the
/// order of the text; with the index of their measurement.
fn order(todo: &Todo) -> Vec<(Look, usize)> {
    let measures = todo.measures.iter().enumerate();
    let mut looks: Vec<(Look, usize)> = measures
        .flat_map(|(i, (_, measure, places))| {
            let look = move |&at: &usize| {
                let measure = measure.clone();
                (Look { at, measure }, i)
            };
            places.iter().map(look)
        })
        .collect();
    let is_trial = |look: &Look| matches!(look.measure, Measure::Trial(_));
    looks.sort_by_key(|(look, i)| (is_trial(look), look.at, *i));
    looks
}

fn graded(answer: Option<String>, reference: Option<&str>) -> Answered {
    let reference = reference.filter(|r| !r.trim().is_empty());
    // No answer is a wrong one here, as it is in a sweep.
    let correct = reference.map(|r| {
        let right = |a: &String| s1_grading::grade(r, a).verdict.equal;
        answer.as_ref().is_some_and(right)
    });
    Answered { answer, correct }
}

impl Drop for Looker<'_> {
    fn drop(&mut self) {
        if let Some((engine, events)) = self.engine.take() {
            // The channel is closed first: an engine that waits to be heard must not wait for ever.
            drop(events);
            engine.shutdown();
        }
    }
}
