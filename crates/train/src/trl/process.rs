//! The driver's processes: started, heard line by line, told what is ordered, and ended with this one.
//!
//! Not here: what its lines mean for a training.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use s1_data::files::read_end;

use super::LOG;
use super::files::{Orders, write_orders};
use super::report::{self, DriverReport};
use crate::control::{NextMove, TrainControl};

/// Held by the first process of the driver as long as it lives.
const LOCK: &str = "driver.lock";
/// How long an earlier driver has to end, after whoever followed it is gone.
const LOCK_TIMEOUT: Duration = Duration::from_secs(20);
const LOCK_INTERVAL: Duration = Duration::from_millis(50);
/// How often orders are looked for.
const LISTEN_EVERY: Duration = Duration::from_millis(50);
/// Of a log, as much of its end is looked at.
const LOG_END: u64 = 1 << 16;
/// A line that is longer than this is no line of the driver's.
const MAX_LINE: u64 = 1 << 16;

/// Processes of the driver that are under way; dropped, they end.
#[derive(Debug)]
pub struct Processes {
    child: Child,
    reports: Receiver<DriverReport>,
    log: PathBuf,
    /// Length of the log when they began: what is before is of an earlier run.
    log_began: u64,
}

impl Processes {
    /// Runs a command. What it prints besides reports goes to a log in `folder`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(words: &[OsString], folder: &Path) -> Result<Processes> {
        let path = folder.join(LOG);
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("cannot write {}", path.display()))?;
        let log_began = log.metadata().map_or(0, |meta| meta.len());
        let mut command = command(words)?;
        command.stdout(Stdio::piped()).stderr(log.try_clone()?);
        // An interrupt of this terminal is for this program, which passes it on in good order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| unstarted(words, &error))?;
        let (sender, reports) = channel();
        if let Some(out) = child.stdout.take() {
            std::thread::Builder::new()
                .name("driver".into())
                .spawn(move || listen(out, log, &sender))
                .context("cannot listen to the training")?;
        }
        Ok(Processes {
            child,
            reports,
            log: path,
            log_began,
        })
    }

    /// The next report; `None` once all is said.
    pub fn report(&self) -> Option<DriverReport> {
        self.reports.recv().ok()
    }

    /// Waits for the end, and gives what became of them and the end of what they printed.
    pub fn wait(mut self) -> Result<(ExitStatus, String)> {
        let status = self.child.wait().context("cannot watch the training")?;
        let length = self.log.metadata().map_or(0, |meta| meta.len());
        let own = length.saturating_sub(self.log_began).min(LOG_END);
        Ok((status, read_end(&self.log, own).unwrap_or_default()))
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // A launcher's own processes see that it is gone, and end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command without terminal, as the driver is to run.
pub fn command(words: &[OsString]) -> Result<Command> {
    let (program, rest) = words.split_first().context("there is no command")?;
    let mut command = Command::new(program);
    command
        .args(rest)
        .stdin(Stdio::null())
        // The base is on this machine.
        .env("HF_HUB_OFFLINE", "1")
        .env("TOKENIZERS_PARALLELISM", "false")
        .env("PYTHONUNBUFFERED", "1");
    Ok(command)
}

/// Why a command could not be started.
pub fn unstarted(words: &[OsString], error: &io::Error) -> anyhow::Error {
    let program = words.first().map(|word| word.to_string_lossy());
    let program = program.unwrap_or_default();
    match error.kind() {
        io::ErrorKind::NotFound => anyhow::anyhow!(
            "there is no program {program}; give the Python that has TRL with --python, or --python uv"
        ),
        _ => anyhow::anyhow!("{program} cannot be started: {error}"),
    }
}

/// Waits until no driver of an earlier run holds the folder.
pub fn wait_for_earlier(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let path = folder.join(LOCK);
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let file = file.with_context(|| format!("cannot write {}", path.display()))?;
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if since.elapsed() < LOCK_TIMEOUT => {
                std::thread::sleep(LOCK_INTERVAL);
            }
            Err(TryLockError::WouldBlock) => bail!(
                "processes of an earlier run still train in {}; end them first",
                folder.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
    }
}

/// Passes reports on, and everything else to the log, to the end.
fn listen(out: ChildStdout, mut log: File, reports: &Sender<DriverReport>) {
    let mut out = BufReader::new(out);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut out).take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        match report::parse(&text) {
            Some(DriverReport::Alive) => {}
            Some(report) => {
                if let DriverReport::Failed(_) = report {
                    let _ = log.write_all(&line);
                }
                if reports.send(report).is_err() {
                    return;
                }
            }
            // A log that cannot be written does not end a training.
            None => {
                let _ = log.write_all(&line);
            }
        }
    }
}

/// Writes what is ordered into the driver's folder until it is `over`.
pub fn pass_orders(control: &TrainControl, folder: &Path, over: &AtomicBool) {
    let mut written = None;
    let mut saves = 0;
    while !over.load(Ordering::Relaxed) {
        let now = match control.next() {
            NextMove::Go => "go",
            NextMove::Pause => "pause",
            NextMove::Stop => "stop",
            NextMove::Save => {
                control.saved();
                saves += 1;
                "go"
            }
        };
        let rate = control.rate();
        let orders = Orders { now, saves, rate };
        // Tried again where the disk has no room just now.
        if written != Some(orders) && write_orders(folder, &orders).is_ok() {
            written = Some(orders);
        }
        std::thread::sleep(LISTEN_EVERY);
    }
}
