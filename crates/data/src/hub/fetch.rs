//! One file fetched into the cache: on a separate thread, so that the caller can stop waiting even
//! while nothing arrives. What has arrived is kept, and the next attempt continues from there.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::cache::Repo;
use super::client::Client;
use super::download::{Download, open, tell};
use super::{check_relative_path, only_file};

/// Between two looks at how far a download is.
const TICK: Duration = Duration::from_millis(100);
/// Attempts in a row that bring nothing, once something has come.
const ATTEMPTS: u32 = 3;
/// How often it is looked whether another download of the same file has ended.
const LOOKS: u32 = 50;

/// Fetches a file, or the one that is meant where none is named.
pub(super) fn file(
    client: &Client,
    repo: &Repo,
    file: Option<String>,
    meter: &DownloadMeter,
) -> Result<PathBuf> {
    let (what, name) = (repo.kind.name(), &repo.name);
    let place = || format!("cannot fetch the {what} {name} from the hub");
    let file = match file {
        Some(file) => file,
        None => match client.files(repo) {
            Ok(files) => only_file(repo, files.into_iter())?,
            // Without a network, what was fetched earlier is as good.
            Err(error) => only_file(repo, repo.cached_files().into_iter())
                .map_err(|_| with_advice(error))
                .with_context(place)?,
        },
    };
    // The hub's own list is not trusted either.
    check_relative_path(&file)?;
    if let Some(path) = repo.get(&file) {
        return Ok(path);
    }
    meter.change(|download| download.what.clone_from(&file))?;
    let fetched = fetch(client, repo, &file, meter);
    fetched
        .map_err(with_advice)
        .with_context(|| format!("{}: {file}", place()))
}

fn fetch(client: &Client, repo: &Repo, file: &str, meter: &DownloadMeter) -> Result<PathBuf> {
    let url = client.url(repo, file);
    let known = client.identity(&url)?;
    for name in [&known.etag, &known.commit] {
        check_relative_path(name)
            .map_err(|_| anyhow!("the hub's name for it, {name:?}, is not a valid file name"))?;
    }
    let blob = repo.blob(&known.etag)?;
    if !blob.exists() {
        let lock = File::create(blob.with_extension("lock"))?;
        let free = (0..LOOKS).any(|_| {
            let free = lock.try_lock().is_ok();
            if !free && !meter.is_stopped() {
                std::thread::sleep(TICK);
            }
            free
        });
        if !free {
            bail!("another process is downloading it; try again when that has finished");
        }
        let part = blob.with_extension("part");
        persist(client, &url, &part, meter)?;
        fs::rename(&part, &blob)?;
    }
    repo.publish(&known.etag, &known.commit, file)
}

/// Fetches until the file is complete; resumes when the connection breaks.
fn persist(client: &Client, url: &str, part: &Path, meter: &DownloadMeter) -> Result<()> {
    let mut idle = ATTEMPTS;
    loop {
        let before = fs::metadata(part).map_or(0, |m| m.len());
        let Err(error) = append(client, url, part, meter) else {
            return Ok(());
        };
        let broke = error.is::<ureq::Error>() || error.is::<std::io::Error>();
        let now = fs::metadata(part).map_or(0, |m| m.len());
        idle = if now > before { 0 } else { idle + 1 };
        if !broke || idle >= ATTEMPTS || meter.is_stopped() {
            return Err(error);
        }
        std::thread::sleep(Duration::from_secs(u64::from(idle)));
    }
}

/// Fetches what is missing, once.
fn append(client: &Client, url: &str, part: &Path, meter: &DownloadMeter) -> Result<()> {
    let mut out = OpenOptions::new().append(true).create(true).open(part)?;
    let mut piece = client.piece(url, out.metadata()?.len())?;
    out.set_len(piece.start)?;
    meter.change(|download| (download.done, download.total) = (piece.start, piece.total))?;
    let (mut at, mut buffer) = (piece.start, vec![0; 64 << 10]);
    while at < piece.total {
        let read = piece.bytes.read(&mut buffer)?;
        if read == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        at += read as u64;
        if at > piece.total {
            break;
        }
        out.write_all(&buffer[..read])?;
        meter.change(|download| download.done = at)?;
    }
    if at > piece.total {
        out.set_len(0)?;
        bail!(
            "the hub sends more than the {} bytes it announced",
            piece.total
        );
    }
    Ok(())
}

/// Errors of the connection in words that say what to try.
fn with_advice(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<ureq::Error>() {
        Ok(why) => anyhow!(
            "{why}; check the name and the network (what is private or gated needs HF_TOKEN)"
        ),
        Err(error) => error,
    }
}

/// What a download and its caller share.
#[derive(Debug, Default)]
struct Shared {
    download: Download,
    stopped: bool,
}

/// The download's own side of what is shared.
#[derive(Clone, Debug)]
pub(super) struct DownloadMeter(Arc<Mutex<Shared>>);

impl DownloadMeter {
    fn is_stopped(&self) -> bool {
        open(&self.0).stopped
    }

    /// Says how far the download is. Errors if nobody waits for it any more.
    fn change(&self, change: impl FnOnce(&mut Download)) -> Result<()> {
        let mut shared = open(&self.0);
        if shared.stopped {
            bail!("the download was cancelled");
        }
        change(&mut shared.download);
        Ok(())
    }
}

/// Does `work` in a thread of its own and waits for it, as long as `go_on` says so: it is asked
/// several times a second.
///
/// # Errors
/// Those of the work, and if it is not to go on.
pub(super) fn watched(
    what: &str,
    work: impl FnOnce(&DownloadMeter) -> Result<PathBuf> + Send + 'static,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<PathBuf> {
    let meter = DownloadMeter(Arc::default());
    meter.change(|download| what.clone_into(&mut download.what))?;
    let theirs = meter.clone();
    let (finished, outcome) = channel();
    std::thread::Builder::new()
        .name("download".into())
        .spawn(move || {
            let result = work(&theirs);
            // Nobody waits any more if it was stopped.
            let _ = finished.send(result);
        })
        .context("cannot start a thread for the download")?;
    let _end = End;
    loop {
        match outcome.recv_timeout(TICK) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) => {
                let download = open(&meter.0).download.clone();
                if !go_on() {
                    open(&meter.0).stopped = true;
                    bail!(
                        "fetching {} was cancelled; the next attempt continues from here",
                        download.what
                    );
                }
                tell(Some(&download));
            }
            Err(RecvTimeoutError::Disconnected) => bail!("the download of {what} broke off"),
        }
    }
}

/// Tells that a download has ended, however it did.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        tell(None);
    }
}
