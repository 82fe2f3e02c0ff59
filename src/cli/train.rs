//! `s1-tui train`: supervised fine-tuning, headless.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::args::DbArgs;
use s1_core::format;
use s1_data::sanitize::clean_line;
use s1_lab::training::{
    self,
    watched::{self, Job, Told},
};
use s1_store::training::What;
use s1_train::arguments::Arguments;
use s1_train::control::{Control, Event, Step};
use s1_train::plan::Plan;
use s1_train::run::{Outcome, Run};

/// Exit code of a training that was told to end at once: that of a killed process.
const KILLED: i32 = 137;

/// What to train, and how the command behaves.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  s1-tui train --model bundled:base --data bundled:traces --out reasoner --pack --block-size 1024 --batch 2 --epochs 6 --lr 1e-3\n  s1-tui train --model m.gguf --data s1k.jsonl --out tuned --lora-rank 16 --detach\n  s1-tui train --resume --model m.gguf --data s1k.jsonl --out tuned --lora-rank 16"
)]
pub struct Args {
    #[command(flatten)]
    arguments: Arguments,
    /// Name of the training in the list [default: the folder's, numbered if it is taken].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Go on from the newest checkpoint in --out.
    #[arg(long)]
    resume: bool,
    /// Start it in the background and return: it goes on when this terminal is closed. The train
    /// screen and s1-tui trainings find it again.
    #[arg(long)]
    detach: bool,
    /// Say what the run will take, and do not start it.
    #[arg(long, conflicts_with = "detach")]
    plan: bool,
    /// Print events as JSON lines.
    #[arg(long, conflicts_with = "detach")]
    json: bool,
    #[command(flatten)]
    db: DbArgs,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let db = args.db.path()?;
    if args.detach {
        return detach(&args, &db);
    }
    if args.plan {
        let run = Run::prepare(args.arguments.settings()?, args.resume)?;
        tell_plan(&run, args.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let control = Arc::new(Control::default());
    stop_on_signals(&control)?;
    let mut progress = Progress::new(args.json);
    let job = Job {
        arguments: args.arguments,
        name: args.name,
        db,
        resume: args.resume,
    };
    let mut steps = (0, 0);
    let kill = || std::process::exit(KILLED);
    let outcome = watched::train(job, &control, kill, &mut |run, told| {
        steps = (run.done(), run.steps());
        progress.tell(run, &told);
    })?;
    progress.finish()?;
    if outcome == Outcome::Stopped {
        let (done, all) = steps;
        eprintln!("stopped after step {done} of {all}; --resume goes on from there");
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts the training in the background.
fn detach(args: &Args, db: &Path) -> Result<ExitCode> {
    let words = args.arguments.words();
    let name = training::start(&words, args.name.as_deref(), db, args.resume)?;
    eprintln!(
        "training {} goes on in the background; s1-tui trainings shows how far it is",
        clean_line(&name)
    );
    Ok(ExitCode::SUCCESS)
}

fn tell_plan(run: &Run, json: bool) -> Result<()> {
    for broken in run.data().broken.iter().take(10) {
        eprintln!("left out: {}", clean_line(broken));
    }
    if json {
        let plan = serde_json::json!({"event": "plan", "plan": run.plan(), "done": run.done()});
        writeln!(io::stdout(), "{plan}")?;
    } else {
        eprint!("{}", describe(run.plan(), run.done()));
    }
    Ok(())
}

/// The first interrupt ends the run after its step, with a checkpoint; the second ends the
/// program.
fn stop_on_signals(control: &Arc<Control>) -> Result<()> {
    let control = Arc::clone(control);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot listen for signals")?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            runtime.block_on(async {
                if interrupted().await.is_ok() {
                    eprintln!("\nstopping after this step (again: at once)");
                    control.stop();
                    if interrupted().await.is_ok() {
                        std::process::exit(130);
                    }
                }
            });
        })
        .context("cannot listen for signals")?;
    Ok(())
}

#[cfg(unix)]
async fn interrupted() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn interrupted() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// The plan in words.
fn describe(plan: &Plan, done: usize) -> String {
    let share = |n: usize| 100.0 * n as f64 / plan.examples.max(1) as f64;
    let mut text = format!(
        "{} examples, {} tokens ({} carry loss), the longest {}\n",
        plan.examples, plan.tokens, plan.targets, plan.longest
    );
    text += &format!(
        "cut by the block size: {} ({:.1} %){}\n",
        plan.cut,
        share(plan.cut),
        match plan.broken {
            0 => String::new(),
            n => format!("; left out as unusable: {n} lines"),
        }
    );
    text += &format!(
        "{} parameters to train, {} steps over about {} tokens\n",
        plan.parameters, plan.steps, plan.total_tokens
    );
    text += &format!(
        "about {} and {} of memory\n",
        format::duration(plan.seconds),
        format::size(plan.memory)
    );
    if done > 0 {
        text += &format!("{done} steps are done already\n");
    }
    text
}

/// Tells of a run: JSON lines, a line that is written over on a terminal, or a line now and then.
struct Progress {
    json: bool,
    terminal: bool,
    /// An error in writing to standard output; the run goes on without it.
    failed: Option<io::Error>,
    smooth: Option<f64>,
    open: bool,
}

impl Progress {
    fn new(json: bool) -> Self {
        Self {
            json,
            terminal: io::stderr().is_terminal(),
            failed: None,
            smooth: None,
            open: false,
        }
    }

    fn tell(&mut self, run: &Run, told: &Told) {
        if self.json {
            if let Err(error) = json(run, told) {
                self.failed.get_or_insert(error);
            }
            return;
        }
        match told {
            Told::Ready => {
                if let Err(error) = tell_plan(run, false) {
                    self.line(&format!("{error:#}"));
                }
            }
            Told::Run(Event::Step(step)) => self.bar(step),
            Told::Run(Event::Eval { step, loss }) => {
                self.line(&format!("step {step}: held-out loss {loss:.4}"));
            }
            Told::Run(Event::Saved { step, path }) => {
                self.line(&format!("step {step}: saved {}", path.display()));
            }
            Told::Run(Event::Paused { step }) => self.line(&format!("step {step}: paused")),
            Told::Run(Event::Resumed { step }) => self.line(&format!("step {step}: goes on")),
            Told::Note(step, what) => self.line(&note(*step, what)),
        }
    }

    fn bar(&mut self, step: &Step) {
        // The mean of about the last twenty steps.
        let smooth = self
            .smooth
            .map_or(step.loss, |s| 0.95 * s + 0.05 * step.loss);
        self.smooth = Some(smooth);
        let filled = 20 * step.step / step.steps.max(1);
        let bar: String = (0..20)
            .map(|i| if i < filled { '█' } else { '░' })
            .collect();
        let text = format!(
            "{bar} {}/{}  loss {smooth:.4}  grad {:.2}  lr {:.1e}  {:.0} tok/s  ETA {}",
            step.step,
            step.steps,
            step.grad_norm,
            step.lr,
            step.tok_s,
            format::duration(step.eta_s)
        );
        if self.terminal {
            eprint!("\r\x1b[K{text}");
            self.open = true;
        } else if step.step == step.steps || step.step.is_multiple_of((step.steps / 50).max(1)) {
            eprintln!("{text}");
        }
    }

    fn line(&mut self, text: &str) {
        if std::mem::take(&mut self.open) {
            eprintln!();
        }
        eprintln!("{text}");
    }

    fn finish(mut self) -> Result<()> {
        if std::mem::take(&mut self.open) {
            eprintln!();
        }
        match self.failed {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}

/// Prints one event as a line.
fn json(run: &Run, told: &Told) -> io::Result<()> {
    let line = match told {
        Told::Ready => return tell_plan(run, true).map_err(io::Error::other),
        // The fields are at the top level, as a log wants them.
        Told::Run(Event::Step(step)) => serde_json::to_string(step),
        Told::Run(other) => serde_json::to_string(other),
        Told::Note(_, What::Written { path }) => {
            serde_json::to_string(&serde_json::json!({"event": "written", "path": path}))
        }
        Told::Note(step, what) => {
            let mut value = serde_json::to_value(what)?;
            if let Some(fields) = value.as_object_mut() {
                let event = fields.remove("what").unwrap_or_default();
                fields.insert("event".into(), event);
                fields.insert("step".into(), (*step).into());
            }
            serde_json::to_string(&value)
        }
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{}", line?)
}

/// What came of a training, in one line.
pub fn note(step: usize, what: &What) -> String {
    let text = match what {
        What::Loss { loss } => format!("held-out loss {loss:.4}"),
        What::Accuracy {
            n,
            correct,
            thinking,
        } => format!(
            "{correct} of {n} held-out problems right ({:.1} %), {thinking:.0} thinking tokens",
            100.0 * *correct as f64 / (*n).max(1) as f64
        ),
        What::Sample {
            question,
            thinking,
            answer,
        } => format!("{question} ▏ {thinking} ▸ {answer}"),
        What::Saved { path } => format!("saved {}", path.display()),
        What::Written { path } => format!("wrote {}", path.display()),
        What::Said { text } => text.clone(),
    };
    clean_line(&format!("step {step}: {text}")).into_owned()
}
