//! `s1-tui train`: supervised fine-tuning, headless.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use super::args::{ConfigArgs, DbArgs, TrainFlags};
use super::given::{Apply, GivenFlags};
use super::say;
use super::settings;
use super::status::StatusLine;
use super::{interrupt, json_line};
use crate::config::file;
use s1_core::format;
use s1_core::training::{
    ExamplePiece, TrainConfig, TrainEvent, TrainOrder, TrainPlan, TrainStep, TrainerKind,
};
use s1_data::files;
use s1_data::sanitize::{clean, clean_line};
use s1_lab::training::{
    self,
    process::{self, TrainJob},
};
use s1_train::trl::doctor::DoctorLine;
use s1_train::trl::{self, TrlTrainer};
use s1_train::{TrainControl, TrainOutcome, Trainer};

/// Exit code of a training that was told to end at once: that of a killed process.
const KILLED: i32 = 137;

/// Lines of an example that a plan shows at its beginning, and at its end.
const SHOWN: usize = 16;
/// Characters of a line, likewise.
const LINE: usize = 120;

/// What to train, and how the command behaves.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  s1-tui train --model bundled:base --data bundled:traces --out reasoner --pack --block-size 1024 --batch 2 --epochs 6 --lr 1e-3\n  s1-tui train --model m.gguf --data s1k.jsonl --out tuned --lora-rank 16 --detach\n  s1-tui train --resume --model m.gguf --data s1k.jsonl --out tuned --lora-rank 16\n  s1-tui train --trainer trl --doctor\n  s1-tui train --trainer trl --launcher \"torchrun --nproc_per_node 8\" --model Qwen2.5-7B --data s1k.jsonl --out tuned --checkpointing"
)]
pub struct TrainArgs {
    /// Settings to begin with, as s1-tui trainings --json prints them ("config"); - is standard
    /// input. Flags go over them.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Name of the training in the list [default: the folder's, numbered if it is taken].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Continue from the newest checkpoint in --out.
    #[arg(long)]
    resume: bool,
    /// Start it in the background and return: it keeps running when this terminal is closed. The train
    /// screen and s1-tui trainings find it again.
    #[arg(long)]
    detach: bool,
    /// Say what the run will take, and do not start it.
    #[arg(long, conflicts_with = "detach")]
    plan: bool,
    /// Print events as JSON lines.
    #[arg(long, conflicts_with = "detach")]
    json: bool,
    /// Look at the Python of --trainer trl: what is missing, and the command that installs it.
    #[arg(long, conflicts_with_all = ["detach", "plan", "print"])]
    doctor: bool,
    /// Write driver, data and command of --trainer trl into a folder, for a job on another machine, and
    /// start nothing.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["detach", "plan", "resume"])]
    print: Option<PathBuf>,
    #[command(flatten)]
    db: DbArgs,
    #[command(flatten)]
    flags: GivenFlags<TrainFlags>,
}

impl TrainArgs {
    fn config(&self) -> Result<TrainConfig> {
        let mut config = match &self.config {
            Some(path) => read_config(path)?,
            None => TrainConfig::default(),
        };
        self.flags.apply(&mut config)?;
        if config.trainer == TrainerKind::Trl && config.python.is_none() {
            config.python = settings::load(&ConfigArgs { config: None }, &[])?.python;
        }
        Ok(config)
    }
}

fn read_config(path: &Path) -> Result<TrainConfig> {
    let (name, text) = match path.to_str() {
        Some("-") => (
            "standard input".into(),
            files::read_text(io::stdin(), file::MAX_BYTES),
        ),
        _ => (
            path.display().to_string(),
            files::read_text_file(path, file::MAX_BYTES),
        ),
    };
    let text = text.with_context(|| format!("cannot read the settings in {name}"))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{name} does not hold the settings of a training"))
}

/// Runs the command.
pub fn run(args: TrainArgs) -> Result<ExitCode> {
    let config = args.config()?;
    if args.doctor {
        return doctor(&config);
    }
    if let Some(folder) = &args.print {
        return print(config, folder);
    }
    let db = args.db.path()?;
    if args.detach {
        let name = training::start(config, args.name.as_deref(), &db, args.resume)?;
        eprintln!(
            "training {} runs in the background; s1-tui trainings shows its progress",
            clean_line(&name)
        );
        return Ok(ExitCode::SUCCESS);
    }
    let mut progress = ProgressPrinter::new(args.json);
    if args.plan {
        let trainer = s1_train::prepare(&config, args.resume)?;
        let (mut plan, done) = (trainer.plan().clone(), trainer.done());
        plan.rendering = trainer.examples(1).pop().unwrap_or_default();
        progress.on_event(&TrainEvent::Plan { plan, done });
        return progress.finish();
    }
    let control = Arc::new(TrainControl::default());
    let stopped = Arc::clone(&control);
    interrupt::on_first(move || {
        eprintln!("\nstopping after this step (again: at once)");
        stopped.order(TrainOrder::Stop);
    })?;
    let job = TrainJob {
        config,
        name: args.name,
        db,
        resume: args.resume,
    };
    let mut steps = (0, 0);
    let kill = || std::process::exit(KILLED);
    let outcome = process::train(job, &control, kill, &mut |event| {
        match event {
            TrainEvent::Plan { plan, done } => steps = (*done, plan.steps),
            event => steps.0 = event.step(),
        }
        progress.on_event(event);
    })?;
    let code = progress.finish()?;
    if outcome == TrainOutcome::Stopped {
        let (done, all) = steps;
        eprintln!("stopped after step {done} of {all}; --resume continues from there");
    }
    Ok(code)
}

/// Says what an installation of TRL has and lacks; fails where it lacks something.
fn doctor(config: &TrainConfig) -> Result<ExitCode> {
    for_trl(config, "--doctor")?;
    let mut out = io::stdout().lock();
    let findings = trl::doctor::look(config)?.findings(config);
    for DoctorLine { fine, text } in &findings {
        writeln!(
            out,
            "{} {text}",
            if *fine { '\u{2713}' } else { '\u{2717}' }
        )?;
    }
    if findings.iter().all(|finding| finding.fine) {
        writeln!(out, "TRL can train here.")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        out,
        "\nTo install what is missing:\n  {}",
        trl::doctor::install(config)
    )?;
    writeln!(out, "or let uv bring it along: --python uv")?;
    Ok(ExitCode::FAILURE)
}

/// Writes a run of TRL to be started elsewhere.
fn print(mut config: TrainConfig, folder: &Path) -> Result<ExitCode> {
    for_trl(&config, "--print")?;
    if config.out.as_os_str().is_empty() {
        config.out = folder.to_path_buf();
    }
    let run = TrlTrainer::prepare(&config, false)?;
    eprint!("{}", describe(run.plan(), 0));
    let command = run.write_into(folder)?;
    eprintln!("written to {}; in there:", folder.display());
    writeln!(io::stdout().lock(), "{command}")?;
    Ok(ExitCode::SUCCESS)
}

fn for_trl(config: &TrainConfig, flag: &str) -> Result<()> {
    ensure!(
        config.trainer == TrainerKind::Trl,
        "{flag} is about TRL; give --trainer trl with it"
    );
    Ok(())
}

/// The plan in words.
fn describe(plan: &TrainPlan, done: usize) -> String {
    let mut text = match &*plan.file {
        "" => String::new(),
        file => format!("trained on {}\n", clean_line(file)),
    };
    let facts = plan.facts();
    for facts in facts.iter().filter(|facts| !facts.is_empty()) {
        text += &(facts.join(" · ") + "\n");
    }
    text += &format!("about {} tokens in all steps\n", plan.total_tokens);
    if done > 0 {
        text += &format!("{done} steps are done already\n");
    }
    if !plan.rendering.is_empty() {
        text += "\nthe first example, \u{258c} before what carries loss:\n";
        text += &rendering(&plan.rendering);
    }
    text
}

/// An example, line by line: what carries loss and what does not, each on lines of its own. Of a long
/// one the middle is left out.
fn rendering(pieces: &[ExamplePiece]) -> String {
    let mut lines = Vec::new();
    for piece in pieces {
        let mark = if piece.loss { '\u{258c}' } else { '\u{2502}' };
        let text = clean(&piece.text);
        lines.extend(
            text.lines()
                .map(|line| format!("{mark} {}", shortened(line))),
        );
    }
    let left_out = lines.len().saturating_sub(2 * SHOWN);
    if left_out > 0 {
        let gap = format!("  … {left_out} lines …");
        lines.splice(SHOWN..SHOWN + left_out, [gap]);
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A line of which the middle is left out where it is long.
fn shortened(line: &str) -> String {
    let n = line.chars().count();
    if n <= 2 * LINE {
        return line.to_owned();
    }
    let first: String = line.chars().take(LINE).collect();
    let last: String = line.chars().skip(n - LINE).collect();
    format!("{first} … {last}")
}

/// Tells of a run: JSON lines, a line that is written over on a terminal, or a line now and then.
struct ProgressPrinter {
    json: bool,
    /// An error in writing to standard output; the run continues without it.
    failed: Option<io::Error>,
    smooth: Option<f64>,
    status: StatusLine,
}

impl ProgressPrinter {
    fn new(json: bool) -> Self {
        Self {
            json,
            failed: None,
            smooth: None,
            status: StatusLine::new(),
        }
    }

    fn on_event(&mut self, event: &TrainEvent) {
        if let TrainEvent::Plan { plan, .. } = event {
            plan.warnings.iter().for_each(|warning| say(warning));
            for broken in &plan.left_out {
                eprintln!("left out: {}", clean_line(broken));
            }
        }
        if self.json {
            if let Err(error) = json_line(&mut io::stdout().lock(), event) {
                self.failed.get_or_insert(error);
            }
            return;
        }
        match event {
            TrainEvent::Plan { plan, done } => eprint!("{}", describe(plan, *done)),
            TrainEvent::Step(step) => self.bar(step),
            TrainEvent::Saving { .. } | TrainEvent::Writing { .. } => {}
            event => {
                self.status.keep();
                eprintln!("{}", log_line(event));
            }
        }
    }

    fn bar(&mut self, step: &TrainStep) {
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
        if self.status.is_live() {
            self.status.show(&text);
        } else if step.step == step.steps || step.step.is_multiple_of((step.steps / 50).max(1)) {
            eprintln!("{text}");
        }
    }

    fn finish(mut self) -> Result<ExitCode> {
        self.status.keep();
        match self.failed {
            Some(error) => Err(error.into()),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

/// An event in one line.
pub fn log_line(event: &TrainEvent) -> String {
    let text = format!("step {}: {}", event.step(), event.sentence());
    clean_line(&text).into_owned()
}
