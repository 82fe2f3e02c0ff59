//! One file fetched into the cache. What has arrived is kept, and the next attempt continues from there;
//! what is not what the hub announced never gets its name.
//!
//! Not here: requests (`client`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use s1_core::format;

use super::cache::Repo;
use super::choice::{self, ChosenFiles};
use super::client::{Client, Identity};
use super::content;
use super::download::{DownloadMeter, TICK};
use super::names::FileName;

/// Attempts in a row that bring nothing, once something has come.
const ATTEMPTS: u32 = 3;
/// How often it is looked whether another download of the same file has ended.
const LOOKS: u32 = 50;
/// A file that brings fewer bytes in [`HubTimeouts::slow`](super::client::HubTimeouts) is given up.
pub(super) const SLOWEST: u64 = 6_000;

/// Fetches a file, or what is meant where none is named: a file with the other parts of it, or the
/// files of a folder, of which it gives the folder.
pub(super) fn file(
    client: &Client,
    repo: &Repo,
    file: Option<FileName>,
    meter: &DownloadMeter,
) -> Result<PathBuf> {
    let (what, name) = (repo.kind.name(), &repo.name);
    let place = || format!("cannot fetch the {what} {name} from the hub");
    let choice = match file {
        Some(file) => ChosenFiles::of(file)?,
        None => {
            let choice = match client.files(repo, meter) {
                Ok(files) => choice::choose(repo, files.into_iter())?,
                // Without a network, what was fetched earlier is as good.
                Err(error) => choice::choose(repo, repo.cached_files().into_iter())
                    .map_err(|_| with_advice(error))
                    .with_context(place)?,
            };
            meter.change(|download| choice.note.clone_into(&mut download.note))?;
            choice
        }
    };
    choice.paths(|file| {
        meter.change(|download| file.as_str().clone_into(&mut download.what))?;
        if let Some(path) = repo.get(file, meter)? {
            return Ok(path);
        }
        if repo.has(file) {
            let why = "damaged in the cache, fetched again";
            meter.change(|download| why.clone_into(&mut download.note))?;
        }
        let fetched = fetch(client, repo, file, meter);
        fetched
            .map_err(with_advice)
            .with_context(|| format!("{}: {file}", place()))
    })
}

fn fetch(client: &Client, repo: &Repo, file: &FileName, meter: &DownloadMeter) -> Result<PathBuf> {
    let known = client.identity(repo, file, meter)?;
    let blob = repo.blob(&known.content);
    if let Some(blobs) = blob.parent() {
        fs::create_dir_all(blobs).map_err(unwritable(blobs))?;
    }
    if !(blob.exists() && content::is_whole(&blob, &known.content, meter)?) {
        let lock = blob.with_extension("lock");
        let lock = File::create(&lock).map_err(unwritable(&lock))?;
        let free = (0..LOOKS).any(|_| {
            let free = lock.try_lock().is_ok();
            if !free && meter.look().is_ok() {
                std::thread::sleep(TICK);
            }
            free
        });
        if !free {
            bail!("another process is downloading it; try again when that has finished");
        }
        let source = FetchedFile {
            client,
            repo,
            file,
            known: &known,
            part: blob.with_extension("part"),
            meter,
        };
        source.persist()?;
        source.check()?;
        fs::rename(&source.part, &blob).map_err(unwritable(&blob))?;
        content::remember(&blob).map_err(unwritable(&blob))?;
    }
    repo.publish(&known.content, &known.commit, file)
}

/// A file that is being fetched.
struct FetchedFile<'a> {
    client: &'a Client,
    repo: &'a Repo,
    file: &'a FileName,
    known: &'a Identity,
    /// Where it is until it is whole.
    part: PathBuf,
    meter: &'a DownloadMeter,
}

impl FetchedFile<'_> {
    /// How much of it is here, in bytes.
    fn here(&self) -> u64 {
        fs::metadata(&self.part).map_or(0, |m| m.len())
    }

    /// Fetches until the file is complete; resumes when the connection breaks.
    fn persist(&self) -> Result<()> {
        let mut idle = ATTEMPTS;
        loop {
            let before = self.here();
            let Err(error) = self.append() else {
                return Ok(());
            };
            let broke = error.is::<ureq::Error>() || error.is::<io::Error>();
            idle = if self.here() > before { 0 } else { idle + 1 };
            if !broke || idle >= ATTEMPTS || self.meter.look().is_err() {
                return Err(error);
            }
            let why = format!("the connection broke ({error}), resumed");
            self.meter
                .pause(Duration::from_secs(u64::from(idle)), why)?;
        }
    }

    /// Fetches what is missing, once.
    fn append(&self) -> Result<()> {
        let (known, meter, patience) = (self.known, self.meter, self.client.patience);
        let mut out = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.part)
            .map_err(unwritable(&self.part))?;
        let here = out.metadata()?.len();
        // All is here when the program was killed before the check.
        if here > 0 && known.size == Some(here) {
            return Ok(());
        }
        let (repo, commit) = (self.repo, &known.commit);
        let mut piece = self.client.piece(repo, commit, self.file, here, meter)?;
        let total = match (known.size, piece.total) {
            (Some(known), Some(sent)) if known != sent => {
                bail!("the hub announced {known} bytes and sends a file of {sent}; try again later")
            }
            (Some(total), _) | (None, Some(total)) => total,
            (None, None) => bail!("the hub does not say how long the file is"),
        };
        out.set_len(piece.start)?;
        room_for(total - piece.start.min(total), &self.part)?;
        meter.change(|download| (download.done, download.total) = (piece.start, total))?;
        let (mut at, mut buffer) = (piece.start, vec![0; 64 << 10]);
        let (mut since, mut then) = (Instant::now(), at);
        while at < total {
            let read = piece.bytes.read(&mut buffer)?;
            if read == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            at += read as u64;
            if at > total {
                break;
            }
            out.write_all(&buffer[..read])
                .map_err(unwritable(&self.part))?;
            meter.change(|download| download.done = at)?;
            if since.elapsed() > patience.slow {
                if at - then < SLOWEST {
                    let (came, time) = (at - then, format::duration(patience.slow.as_secs_f64()));
                    bail!("only {came} bytes came in {time}; the next attempt continues from here");
                }
                (since, then) = (Instant::now(), at);
            }
        }
        if at > total {
            out.set_len(0)?;
            bail!("the hub sends more than the {total} bytes it announced");
        }
        out.sync_all().map_err(unwritable(&self.part))
    }

    /// Holds what has come against its name, and takes it away where it is something else.
    fn check(&self) -> Result<()> {
        let (known, meter) = (&self.known.content, self.meter);
        let checking = "checking what came".to_owned();
        let said = meter.change(|download| std::mem::replace(&mut download.note, checking))?;
        let found = content::of_file(&self.part, known, |_| meter.look())?;
        meter.change(|download| download.note = said)?;
        if found != *known {
            fs::remove_file(&self.part)?;
            bail!(
                "what came is not what the hub announced (its hash is {}, not {}), and was not \
                 kept; try again",
                found.as_str(),
                known.as_str()
            );
        }
        Ok(())
    }
}

/// Refuses a download that the disk has no room for.
fn room_for(bytes: u64, part: &Path) -> Result<()> {
    let folder = part.parent().unwrap_or(part);
    // Where that cannot be asked, writing says it.
    match fs4::available_space(folder) {
        Ok(free) if free < bytes => bail!(
            "{} more are needed and {} are free in {}; make room, or set HF_HOME to a folder on \
                 another disk",
            format::size(bytes),
            format::size(free),
            folder.display()
        ),
        _ => Ok(()),
    }
}

impl DownloadMeter {
    /// Waits, and says why meanwhile. Errors if nobody waits for it any more.
    pub(super) fn pause(&self, time: Duration, why: String) -> Result<()> {
        let end = Instant::now() + time;
        let said = self.change(|download| std::mem::replace(&mut download.note, why))?;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return self.change(|download| download.note = said);
            }
            std::thread::sleep(left.min(TICK));
            self.look()?;
        }
    }
}

/// A fault of this machine's disk, in words: asking the hub again does not mend it.
fn unwritable(path: &Path) -> impl Fn(io::Error) -> anyhow::Error {
    move |why| {
        anyhow!(
            "cannot write {}: {why}; make room, or set HF_HOME to a folder on another disk",
            path.display()
        )
    }
}

/// Errors of the connection in words that say what to try.
fn with_advice(error: anyhow::Error) -> anyhow::Error {
    // The body's reader has them inside the system's errors.
    let error = match error.downcast::<io::Error>() {
        Ok(error) => anyhow!(ureq::Error::from(error)),
        Err(error) => error,
    };
    match error.downcast::<ureq::Error>() {
        Ok(ureq::Error::Timeout(_)) => anyhow!(
            "the hub does not answer in time; check the network and HF_ENDPOINT, or try again later"
        ),
        Ok(why) => anyhow!(
            "{why}; check the name and the network (what is private or gated needs HF_TOKEN)"
        ),
        Err(error) => error,
    }
}
