//! A problem set at several budgets and waits.
//!
//! Each problem is a row; its points are started together on one engine, which computes every
//! prefix once, several rows at a time. A finished row is written to the database in one piece, and
//! what is written of the others every second (`under_way`), so a sweep can be killed at any moment
//! and continued. It runs in the thread it is called in,
//! tells of its progress through a callback, and is paused and cancelled through a [`Control`];
//! screens call it in a thread of their own.
//!
//! Not here: what a row is ([`super::row`]), and the figures ([`super::report`]).

mod config;
mod under_way;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::sync::mpsc::error::TryRecvError;

use crate::problems::{ProblemOptions, ProblemSet};
use crate::row;
use s1_core::forcing::Policy;
use s1_core::protocol::{Command, Event, LaneId, LaneState, ModelInfo};
use s1_core::sampling::Sampling;
use s1_core::view::{LaneView, LaneViews};
use s1_data::assets;
use s1_engine::{Engine, Events, LoadOptions, is_server};
use s1_model::adapter::WEIGHTS;
use s1_store::Db;
use s1_store::run::{
    Budget, ModelRecord, PointSpec, ProblemRecord, PromptTemplate, Row, Run, RunSettings, Sources,
};
use s1_store::session::ModelCard;

pub use config::{SWEEP, SweepConfig};
use under_way::UnderWay;

/// How often a paused sweep checks whether it was resumed.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Between two reports of the speed.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// Lanes that are offered to a server at once where nobody says how many.
const REQUESTS: usize = 32;
/// Most answers per problem.
const MAX_MEMBERS: usize = 10_000;

#[derive(Clone, Debug)]
pub struct Plan {
    pub load: LoadOptions,
    /// The problem set, as it was read.
    pub problems: ProblemSet,
    /// Where it was read from, as the user named it.
    pub source: String,
    pub options: ProblemOptions,
    /// How a problem becomes a prompt.
    pub prompt: PromptTemplate,
    /// Budget forcing; budget and waits are those of each point.
    pub policy: Policy,
    pub sampling: Sampling,
    /// Answers per problem and point.
    pub samples: usize,
    pub points: Vec<PointSpec>,
    /// Most lanes that compute at once.
    pub lanes: usize,
    /// Threads that compute; `None` is as many as in all of the program.
    pub threads: Option<usize>,
    /// Name of the run.
    pub name: String,
    /// Go on with the run of this name, which must have the same settings.
    pub resume: bool,
    pub db: PathBuf,
}

/// Pauses and cancels a sweep from another thread.
#[derive(Clone, Debug, Default)]
pub struct Control {
    paused: Arc<AtomicBool>,
    cancelled: Arc<AtomicBool>,
}

impl Control {
    /// Pauses it before its next token, or resumes it.
    pub fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    /// Whether it is to pause.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Ends it soon; what is written stays.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether it is to end.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Two that say the same.
impl PartialEq for Control {
    fn eq(&self, other: &Control) -> bool {
        let state = |c: &Control| (c.is_paused(), c.is_cancelled());
        state(self) == state(other)
    }
}

/// What a sweep tells of.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The model is loaded this far, 0 to 1.
    Loading(f32),
    /// The run exists in the database.
    Started {
        /// The run, with the rows that were done before.
        run: Box<Run>,
        model: Box<ModelInfo>,
        /// Rows that were done before.
        done: usize,
        total: usize,
    },
    /// A row is in the database.
    Row {
        /// The row, as it is there.
        row: Box<Row>,
        /// Rows that are done.
        done: usize,
        total: usize,
    },
    /// Speed so far.
    Speed {
        /// Tokens written per second, all lanes together.
        tokens_per_s: f64,
        /// Time left, once a row is done.
        left: Option<Duration>,
    },
    /// It has paused, or was resumed.
    Paused(bool),
    /// Something the user should know. One sentence.
    Notice(String),
}

/// The model that made a run, used as it was; the rest as here.
pub fn model_of(run: &Run, here: &LoadOptions) -> LoadOptions {
    let model = run.settings.model.clone();
    LoadOptions {
        path: run.sources.model.clone().into(),
        context: Some(model.context),
        family: Some(model.card.family),
        think_open: model.think_open,
        think_end: model.think_end,
        think_close: model.think_close,
        adapter: run.sources.adapter.clone().map(Into::into),
        device: model.device.parse().unwrap_or(here.device),
        ..here.clone()
    }
}

/// Runs a sweep. Returns whether it is complete; it is not if it was cancelled.
///
/// # Errors
/// If the plan is invalid, the model cannot be used, the run to continue has other settings
/// (the sentence names the difference), or the database cannot be written. What is in the database
/// stays.
pub fn run(plan: &Plan, control: &Control, tell: &mut dyn FnMut(Progress)) -> Result<bool> {
    run_some(plan, &|_| true, control, tell)
}

/// As [`run`], for those problems of the set (by their index) that are `wanted`: the run can be
/// continued for others later.
///
/// # Errors
/// As [`run`].
pub fn run_some(
    plan: &Plan,
    wanted: &dyn Fn(usize) -> bool,
    control: &Control,
    tell: &mut dyn FnMut(Progress),
) -> Result<bool> {
    check(plan)?;
    let load = match plan.load.resolved(&mut || !control.is_cancelled()) {
        Err(_) if control.is_cancelled() => return Ok(false),
        load => load?,
    };
    let plan = &Plan {
        lanes: match is_server(&load.path) {
            // It says itself how many it takes.
            true => load.server.concurrency.unwrap_or(REQUESTS).max(plan.lanes),
            false => plan.lanes,
        },
        load,
        ..plan.clone()
    };
    let mut db = Db::open(&plan.db)?;
    if !plan.resume && db.has_run(&plan.name)? {
        bail!(
            "run {0:?} already exists; continue it with --resume {0}, or give another --name",
            plan.name
        );
    }
    let (engine, mut events) = s1_engine::start(plan.load.clone())?;
    if let Some(threads) = plan.threads {
        engine.set_threads(threads);
    }
    let settings = settings(plan, &db)?;
    let Some(info) = loaded(&mut events, control, tell)? else {
        return Ok(false);
    };
    let settings = with_model(settings, plan, &info)?;
    let run = if plan.resume {
        let earlier = db.run(&plan.name)?;
        if let Some(difference) = earlier.settings.difference(&settings) {
            bail!(
                "run {:?} cannot be continued with other settings: {difference}; start a new run",
                plan.name
            );
        }
        earlier
    } else {
        db.create_run(&plan.name, &settings, &sources(plan))?;
        db.run(&plan.name)?
    };
    let done: BTreeSet<usize> = run.rows.iter().map(|row| row.problem).collect();
    let chosen: Vec<usize> = (0..plan.problems.problems.len())
        .filter(|&i| wanted(i))
        .collect();
    let total = chosen.len();
    let queue: Vec<usize> = chosen.into_iter().filter(|i| !done.contains(i)).collect();
    let done = total - queue.len();
    tell(Progress::Started {
        run: Box::new(run),
        model: Box::new(info),
        done,
        total,
    });
    let mut sweep = Sweep {
        plan,
        settings,
        db,
        engine,
        queue: queue.into_iter().rev().collect(),
        flying: BTreeMap::new(),
        lanes: LaneViews::default(),
        under_way: UnderWay::default(),
        failed: BTreeMap::new(),
        limit: 0,
        next: 0,
        total,
        done,
        finished: 0,
        tokens: 0,
        started: Instant::now(),
        paused_for: Duration::ZERO,
        committed: Duration::ZERO,
        reported: Instant::now(),
        last_notice: String::new(),
        noticed: BTreeSet::new(),
    };
    let outcome = sweep.work(&mut events, control, tell);
    // The channel is closed first: an engine that waits to be heard must not wait for ever.
    drop(events);
    sweep.engine.shutdown();
    outcome
}

fn check(plan: &Plan) -> Result<()> {
    if plan.points.is_empty() {
        bail!("there is no point to compute; give --budgets and --waits");
    }
    if plan.samples == 0 || plan.lanes == 0 {
        bail!("--samples and --lanes must be at least 1");
    }
    if plan.samples.saturating_mul(plan.points.len()) > MAX_MEMBERS {
        bail!(
            "these make more than {MAX_MEMBERS} answers per problem; give fewer points or samples"
        );
    }
    if plan.samples > 1 && plan.sampling.is_greedy() {
        bail!("at temperature 0 all samples are the same; give a temperature, such as --temp 0.7");
    }
    Ok(())
}

/// Where the files of the run are.
fn sources(plan: &Plan) -> Sources {
    Sources {
        model: absolute(&plan.load.path),
        adapter: plan.load.adapter.as_deref().map(absolute),
        problems: match plan.source.starts_with("hf:") {
            true => plan.source.clone(),
            false => absolute(Path::new(&plan.source)),
        },
    }
}

fn absolute(path: &Path) -> String {
    if assets::open_path(path).is_some() || is_server(path) {
        return path.display().to_string();
    }
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    path.display().to_string()
}

/// The settings but for what only the loaded model knows.
fn settings(plan: &Plan, db: &Db) -> Result<RunSettings> {
    Ok(RunSettings {
        model: ModelRecord {
            sha256: match is_server(&plan.load.path) {
                // What it has is told by its name, its size and its type.
                true => String::new(),
                false => db.file_hash(&plan.load.path)?,
            },
            adapter_sha256: match &plan.load.adapter {
                Some(folder) => Some(db.file_hash(&folder.join(WEIGHTS))?),
                None => None,
            },
            think_open: plan.load.think_open.clone(),
            think_end: plan.load.think_end.clone(),
            think_close: plan.load.think_close.clone(),
            ..ModelRecord::default()
        },
        problems: ProblemRecord {
            name: plan.problems.name.clone(),
            sha256: db.file_hash(&plan.problems.path)?,
            layout: plan.problems.layout.into(),
            count: plan.problems.problems.len(),
            skipped: plan.problems.skipped,
            question_field: plan.options.question_field.clone(),
            answer_field: plan.options.answer_field.clone(),
            id_field: plan.options.id_field.clone(),
            prompt: plan.prompt.clone(),
        },
        policy: Policy {
            max_thinking: None,
            waits: 0,
            ..plan.policy.clone()
        },
        sampling: plan.sampling.clone(),
        samples: plan.samples,
        points: plan.points.clone(),
        program_version: env!("CARGO_PKG_VERSION").into(),
    })
}

fn with_model(mut settings: RunSettings, plan: &Plan, info: &ModelInfo) -> Result<RunSettings> {
    for point in &plan.points {
        if let Budget::Tokens(budget) = point.budget
            && budget >= info.context
        {
            bail!(
                "a budget of {budget} tokens does not fit the context of {}; give a smaller one, or a larger --context",
                info.context
            );
        }
    }
    let mut policies = plan.points.iter().map(|&point| settings.policy_of(point));
    if info.chats
        && let Some(what) = policies.find_map(|policy| policy.steers())
    {
        bail!(
            "{} only chats: it takes no token ids, so {what} cannot be had from it; sweep it by budgets alone",
            plan.load.path.display()
        );
    }
    settings.model.card = ModelCard::of(info);
    // Which of several GPUs it was does not matter.
    let device = info.device.split(':').next().unwrap_or_default();
    settings.model.device = device.to_owned();
    settings.model.server.clone_from(&info.version);
    settings.model.context = info.context;
    settings.model.template = info.template.clone();
    Ok(settings)
}

/// Waits for the model; `None` if the sweep was cancelled meanwhile.
fn loaded(
    events: &mut Events,
    control: &Control,
    tell: &mut dyn FnMut(Progress),
) -> Result<Option<ModelInfo>> {
    loop {
        if control.is_cancelled() {
            return Ok(None);
        }
        match events.blocking_recv() {
            None => bail!("the engine ended while it loaded the model"),
            Some(Event::Failed(why)) => bail!("{why}"),
            Some(Event::Loading(part)) => tell(Progress::Loading(part)),
            Some(Event::Loaded(info)) => {
                for warning in &info.warnings {
                    tell(Progress::Notice(warning.clone()));
                }
                return Ok(Some(*info));
            }
            Some(_) => {}
        }
    }
}

struct Sweep<'a> {
    plan: &'a Plan,
    settings: RunSettings,
    db: Db,
    engine: Box<dyn Engine>,
    /// Problems to do, the next one last.
    queue: Vec<usize>,
    /// Rows under way: the problem, by the id of its first lane.
    flying: BTreeMap<LaneId, usize>,
    lanes: LaneViews,
    under_way: UnderWay,
    /// Rows that lack a lane for a reason that passes: the reason, by the row's first lane.
    failed: BTreeMap<LaneId, String>,
    /// Lanes that may compute.
    limit: usize,
    /// First lane of the next row.
    next: LaneId,
    done: usize,
    /// Rows to be done in all.
    total: usize,
    /// Rows done in this sitting.
    finished: usize,
    /// Tokens computed in this sitting for rows that are done.
    tokens: usize,
    started: Instant,
    paused_for: Duration,
    /// How much of the time spent is in the database.
    committed: Duration,
    reported: Instant,
    last_notice: String,
    /// Points (and samples) of which a notice was passed on.
    noticed: BTreeSet<LaneId>,
}

impl Sweep<'_> {
    fn members(&self) -> usize {
        self.settings.points.len() * self.settings.samples
    }

    /// The first lane of the row that a lane belongs to.
    fn row_of(&self, lane: LaneId) -> LaneId {
        lane - lane % self.members()
    }

    /// Time spent computing.
    fn spent(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.paused_for)
    }

    fn work(
        &mut self,
        events: &mut Events,
        control: &Control,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<bool> {
        self.limit();
        self.refill(tell)?;
        while !self.flying.is_empty() {
            let cancelled = control.is_cancelled();
            if control.is_paused() && !cancelled {
                self.pause(events, control, tell)?;
                continue;
            }
            let Some(event) = events.blocking_recv() else {
                bail!("the engine ended in the middle of the sweep");
            };
            let step_over = matches!(event, Event::Computed(_));
            self.take(event, tell)?;
            if step_over {
                self.save(cancelled)?;
                if cancelled {
                    return Ok(false);
                }
            }
            self.limit();
            self.report(tell);
        }
        let Some(why) = self.failed.values().next() else {
            return Ok(true);
        };
        bail!(
            "{} of {} problems are missing, and are asked when the run {:?} is continued: {why}",
            self.failed.len(),
            self.total,
            self.plan.name
        );
    }

    /// Keeps the engine supplied: as many rows as lanes, and as many again in line.
    fn refill(&mut self, tell: &mut dyn FnMut(Progress)) -> Result<()> {
        while self.flying.len() < 2 * self.plan.lanes {
            let Some(index) = self.queue.pop() else {
                break;
            };
            let problem = &self.plan.problems.problems[index];
            let lanes = row::requests(&self.settings, problem, self.next);
            self.flying.insert(self.next, index);
            self.next += self.members();
            let command = match self.earlier(index, lanes.len(), tell)? {
                Some(row) => self.resume(lanes, row),
                None => Command::StartRow(lanes),
            };
            self.engine.send(command);
        }
        Ok(())
    }

    fn pause(
        &mut self,
        events: &mut Events,
        control: &Control,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<()> {
        let since = Instant::now();
        self.engine.send(Command::Limit(0));
        tell(Progress::Paused(true));
        while control.is_paused() && !control.is_cancelled() {
            match events.try_recv() {
                Ok(event) => {
                    let step_over = matches!(event, Event::Computed(_));
                    self.take(event, tell)?;
                    if step_over {
                        self.save(true)?;
                    }
                }
                Err(TryRecvError::Empty) => std::thread::sleep(POLL_INTERVAL),
                Err(TryRecvError::Disconnected) => bail!("the engine ended during the pause"),
            }
        }
        self.paused_for += since.elapsed();
        self.limit = 0;
        self.limit();
        tell(Progress::Paused(false));
        Ok(())
    }

    fn take(&mut self, event: Event, tell: &mut dyn FnMut(Progress)) -> Result<()> {
        self.lanes.apply(&event);
        if let Event::Tokens(lane, _) | Event::State(lane, LaneState::Stopped(_)) = event {
            self.under_way.changed.insert(self.row_of(lane));
        }
        match event {
            Event::Failed(why) => bail!("{why}"),
            Event::Computed(rows) => self.under_way.computed = rows,
            Event::State(_, LaneState::Paused) => {
                bail!("the model cannot continue: {}", self.last_notice)
            }
            Event::Refused {
                lane,
                why,
                passing: true,
            } => {
                self.failed.insert(self.row_of(lane), why);
            }
            Event::Refused { lane, why, .. } => {
                let first = self.row_of(lane);
                if lane == first
                    && let Some(&index) = self.flying.get(&first)
                {
                    let id = &self.plan.problems.problems[index].id;
                    tell(Progress::Notice(format!("problem {id} is left out: {why}")));
                }
            }
            Event::Notice(lane, why) => {
                self.last_notice.clone_from(&why);
                // What concerns a point concerns it in every row; once is enough.
                if self.noticed.insert(lane % self.members()) {
                    tell(Progress::Notice(why));
                }
            }
            Event::Finished { row, computed } => self.commit(self.row_of(row), computed, tell)?,
            _ => {}
        }
        Ok(())
    }

    /// Writes a finished row, forgets it, and sends the next one off.
    fn commit(
        &mut self,
        first: LaneId,
        computed: usize,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<()> {
        if self.failed.contains_key(&first) {
            self.save(true)?;
            self.flying.remove(&first);
            (first..first + self.members()).for_each(|id| drop(self.lanes.take(id)));
            return self.refill(tell);
        }
        let Some(index) = self.flying.remove(&first) else {
            return Ok(());
        };
        self.refill(tell)?;
        let lanes =
            (first..first + self.members()).map(|id| self.lanes.take(id).unwrap_or_default());
        let lanes: Vec<LaneView> = lanes.collect();
        self.tokens += lanes.iter().map(|lane| lane.computed).sum::<usize>();
        let problem = &self.plan.problems.problems[index];
        let new = row::finish(&self.settings, (index, problem), &lanes, computed);
        let spent = self.spent();
        let spent_on = spent.saturating_sub(self.committed);
        let written = Instant::now();
        let row = self.db.add_row(&self.plan.name, &new, spent_on)?;
        tracing::debug!(
            problem = index,
            computed,
            us = written.elapsed().as_micros(),
            "row committed"
        );
        self.committed = spent;
        self.done += 1;
        self.finished += 1;
        tell(Progress::Row {
            row: Box::new(row),
            done: self.done,
            total: self.total,
        });
        Ok(())
    }

    fn report(&mut self, tell: &mut dyn FnMut(Progress)) {
        if self.reported.elapsed() < REPORT_EVERY {
            return;
        }
        self.reported = Instant::now();
        let spent = self.spent();
        let open = self.total - self.done;
        tell(Progress::Speed {
            tokens_per_s: (self.tokens + self.lanes.computed()) as f64
                / spent.as_secs_f64().max(1e-9),
            left: (self.finished > 0).then(|| spent.mul_f64(open as f64 / self.finished as f64)),
        });
    }
}
