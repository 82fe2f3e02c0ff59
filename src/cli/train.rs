//! `s1-tui train`: supervised fine-tuning, headless.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::sanitize::clean_line;
use crate::train::export::Quantization;
use crate::train::network::{Keep, Scope};
use crate::train::optim::Optim;
use crate::train::plan::Plan;
use crate::train::run::{Base, Control, Event, Outcome, Run, Settings, Step};

/// What to train, on what, and how. The defaults are those of s1's own fine-tuning.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The base model: a GGUF file, or bundled:base.
    #[arg(
        short,
        long,
        value_name = "PATH",
        required_unless_present = "from_scratch"
    )]
    model: Option<PathBuf>,
    /// Begin with random weights in the shape and with the vocabulary of this TOML file.
    #[arg(long, value_name = "CONFIG", conflicts_with_all = ["model", "lora_rank"])]
    from_scratch: Option<PathBuf>,
    /// Training data, JSON lines: question/thinking/answer, s1K's fields, messages, or text; or
    /// bundled:traces.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Held-out data of the same form, whose loss is measured every --eval-every steps.
    #[arg(long, value_name = "FILE")]
    eval_data: Option<PathBuf>,
    /// Folder for checkpoints and results.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Train every weight (the default, unless --lora-rank is given).
    #[arg(long, conflicts_with = "lora_rank")]
    full: bool,
    /// Train a low-rank addition of this rank to every linear layer instead.
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=4096))]
    lora_rank: Option<u32>,
    /// The addition is scaled by alpha / rank [default: twice the rank].
    #[arg(long, value_name = "A", requires = "lora_rank")]
    lora_alpha: Option<f32>,
    /// Share of the addition's inputs that are dropped.
    #[arg(long, value_name = "P", default_value_t = 0.0, requires = "lora_rank")]
    lora_dropout: f32,
    /// Passes over the data.
    #[arg(long, value_name = "N", default_value_t = 5)]
    epochs: usize,
    /// Rows in a batch.
    #[arg(long, value_name = "N", default_value_t = 16)]
    batch: usize,
    /// Batches whose gradients are added up before a step.
    #[arg(long, value_name = "N", default_value_t = 1)]
    grad_accum: usize,
    /// Highest learning rate.
    #[arg(long, value_name = "RATE", default_value_t = 1e-5)]
    lr: f64,
    /// Share of the steps over which the learning rate rises.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    warmup: f64,
    /// Decoupled weight decay of matrices.
    #[arg(long, value_name = "D", default_value_t = 1e-4)]
    weight_decay: f32,
    /// Gradients are scaled down to this norm; 0 is off.
    #[arg(long, value_name = "NORM", default_value_t = 1.0)]
    clip: f64,
    /// Longest row in tokens; longer examples are cut [default: the model's context, at most
    /// 32768].
    #[arg(long, value_name = "N")]
    block_size: Option<usize>,
    /// Fill rows with several examples, which do not see each other.
    #[arg(long)]
    pack: bool,
    /// Number of steps, instead of what the epochs come to.
    #[arg(long, value_name = "N")]
    max_steps: Option<usize>,
    /// Seed of the data's order, of new weights and of dropout.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Keep only the layers' inputs and compute the rest twice: less memory, a third more time.
    #[arg(long)]
    checkpointing: bool,
    /// Measure the held-out loss every N steps.
    #[arg(long, value_name = "N", requires = "eval_data")]
    eval_every: Option<usize>,
    /// Write a checkpoint every N steps (one is written at the end in any case).
    #[arg(long, value_name = "N")]
    save_every: Option<usize>,
    /// Go on from the newest checkpoint in --out.
    #[arg(long)]
    resume: bool,
    /// Leave lines of data out that cannot be used, instead of refusing the file.
    #[arg(long)]
    skip_broken: bool,
    /// GGUF files to write at the end (with an adapter: merged) [default: q8_0 unless an adapter
    /// is trained].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "TYPES")]
    gguf: Option<Vec<Type>>,
    /// Threads [default: all cores].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Say what the run will take, and do not start it.
    #[arg(long)]
    plan: bool,
    /// Print events as JSON lines.
    #[arg(long)]
    json: bool,
}

/// Types of a GGUF export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Type {
    /// As trained.
    F32,
    /// Half precision.
    F16,
    /// 8.5 bits a weight.
    #[value(name = "q8_0")]
    Q8,
    /// 4.5 bits a weight.
    #[value(name = "q4_0")]
    Q4,
}

impl From<Type> for Quantization {
    fn from(kind: Type) -> Self {
        match kind {
            Type::F32 => Quantization::F32,
            Type::F16 => Quantization::F16,
            Type::Q8 => Quantization::Q8_0,
            Type::Q4 => Quantization::Q4_0,
        }
    }
}

impl Args {
    fn settings(&self) -> Result<Settings> {
        let base = match (&self.model, &self.from_scratch) {
            (_, Some(config)) => Base::Scratch(config.clone()),
            (Some(model), None) => Base::Model(model.clone()),
            (None, None) => bail!("which model? give it with --model PATH.gguf"),
        };
        let scope = match self.lora_rank {
            None => Scope::Full,
            Some(rank) => Scope::LowRank {
                rank: rank as usize,
                alpha: self.lora_alpha.unwrap_or(2.0 * rank as f32),
                dropout: self.lora_dropout,
            },
        };
        if !(0.0..1.0).contains(&self.lora_dropout) || !(0.0..=1.0).contains(&self.warmup) {
            bail!("--lora-dropout and --warmup are shares: give numbers from 0 to 1");
        }
        if !(self.lr.is_finite() && self.lr > 0.0) {
            bail!("--lr is {}; a learning rate is a positive number", self.lr);
        }
        if self.batch == 0 || self.grad_accum == 0 {
            bail!("a batch of nothing teaches nothing; give --batch and --grad-accum 1 or more");
        }
        let threads = match self.threads {
            Some(0) => bail!("0 threads compute nothing; give --threads 1 or more"),
            Some(n) => n,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let default = match scope {
            Scope::Full => vec![Type::Q8],
            Scope::LowRank { .. } => Vec::new(),
        };
        let gguf = self.gguf.clone().unwrap_or(default);
        Ok(Settings {
            base,
            data: self.data.clone(),
            eval_data: self.eval_data.clone(),
            out: self.out.clone(),
            scope,
            optim: Optim {
                lr: self.lr,
                weight_decay: self.weight_decay,
                clip: self.clip,
                warmup: self.warmup,
                ..Optim::default()
            },
            epochs: self.epochs,
            batch: self.batch,
            accumulation: self.grad_accum,
            block: self.block_size.unwrap_or(32768),
            pack: self.pack,
            max_steps: self.max_steps,
            seed: self.seed,
            threads,
            keep: if self.checkpointing {
                Keep::Inputs
            } else {
                Keep::All
            },
            eval_every: self.eval_every,
            save_every: self.save_every,
            skip_broken: self.skip_broken,
            gguf: gguf.into_iter().map(Into::into).collect(),
        })
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut run = Run::prepare(args.settings()?, args.resume)?;
    for broken in run.data().broken.iter().take(10) {
        eprintln!("left out: {}", clean_line(broken));
    }
    if args.json {
        let plan = serde_json::json!({"event": "plan", "plan": run.plan(), "done": run.done()});
        writeln!(io::stdout(), "{plan}")?;
    } else {
        eprint!("{}", describe(run.plan(), run.done()));
    }
    if args.plan {
        return Ok(ExitCode::SUCCESS);
    }
    let control = Arc::new(Control::default());
    stop_on_signals(&control)?;
    let mut progress = Progress::new(args.json);
    let outcome = run.train(&control, &mut |event| progress.tell(&event))?;
    progress.finish()?;
    if outcome == Outcome::Stopped {
        eprintln!(
            "stopped after step {} of {}; --resume goes on from there",
            run.done(),
            run.steps()
        );
        return Ok(ExitCode::SUCCESS);
    }
    for path in run.export()? {
        if args.json {
            let event = serde_json::json!({"event": "written", "path": path});
            writeln!(io::stdout(), "{event}")?;
        } else {
            eprintln!("wrote {}", path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
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
        "about {} and {} MiB of memory\n",
        duration(plan.seconds),
        plan.memory >> 20
    );
    if done > 0 {
        text += &format!("{done} steps are done already\n");
    }
    text
}

/// `47 s`, `3 min 05 s`, `2 h 10 min`.
pub fn duration(seconds: f64) -> String {
    // Far more seconds than any run takes fit.
    let s = seconds.max(0.0).round() as u64;
    match s {
        0..=99 => format!("{s} s"),
        100..=5999 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s / 60 % 60),
    }
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

    fn tell(&mut self, event: &Event) {
        if self.json {
            let line = match event {
                // The fields are at the top level, as a log wants them.
                Event::Step(step) => serde_json::to_string(step),
                other => serde_json::to_string(other),
            };
            let written = line.map_err(io::Error::from).and_then(|line| {
                let mut out = io::stdout().lock();
                writeln!(out, "{line}")
            });
            if let Err(error) = written {
                self.failed.get_or_insert(error);
            }
            return;
        }
        match event {
            Event::Step(step) => self.bar(step),
            Event::Eval { step, loss } => {
                self.line(&format!("step {step}: held-out loss {loss:.4}"))
            }
            Event::Saved { step, path } => {
                self.line(&format!("step {step}: saved {}", path.display()));
            }
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
            duration(step.eta_s)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_at_a_glance() {
        let shown = [3.4, 99.4, 185.0, 7800.0].map(duration);
        assert_eq!(shown, ["3 s", "99 s", "3 min 05 s", "2 h 10 min"]);
    }
}
