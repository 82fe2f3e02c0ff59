//! The SQLite database of runs and trainings.
//!
//! Several programs may have it open: readers never wait (write-ahead log), writers wait for each
//! other. Every write is one transaction, so a program that is killed leaves whole rows, and of
//! those under way one moment; a full disk leaves what was there.
//!
//! Not here: what a run and a training mean ([`super::run`], [`super::training`]) and the tables (`schema`).

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};

use super::run::{NewRow, Row, Run, RunSettings, RunSummary, Sample, Sources};
use super::session::Document;
use super::{blob, schema};
use s1_core::trace::Token;
use s1_core::tree::Tree;

mod files;
mod open_rows;
mod sights;
mod trainings;

/// Name of the database in the data folder.
pub const FILE: &str = "runs.db";
/// How long a writer waits for another one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);
/// No chain of shared prefixes is longer than this; a longer one is damage.
const MAX_CHAIN: usize = 10_000;

/// An open database.
#[derive(Debug)]
pub struct Db {
    connection: Connection,
    path: PathBuf,
}

impl Db {
    /// Opens a database to read and write; makes it, with its folder, if there is none, and brings
    /// an older one up to date.
    ///
    /// # Errors
    /// If the file cannot be written or is not a database of this program. It is then unchanged.
    pub fn open(path: &Path) -> Result<Db> {
        must_be_a_file(path)?;
        let open = || -> Result<Connection> {
            if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
                fs::create_dir_all(folder)?;
            }
            // Questions and answers are the user's own, as in session files.
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(path)?;
            let mut connection = Connection::open(path)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            schema::check(&connection)?;
            // Two programs that switch an empty file over at once: one has to ask again.
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            schema::migrate(&mut connection)?;
            Ok(connection)
        };
        let connection = open().map_err(|e| sentence(e, path))?;
        Ok(Db {
            connection,
            path: path.to_path_buf(),
        })
    }

    /// Opens a database to read only; `None` if there is none yet, or another program is just
    /// making it. An older one is brought up to date first.
    ///
    /// # Errors
    /// If the file cannot be read or is not a database of this program, or is an older one that
    /// cannot be written.
    pub fn open_to_read(path: &Path) -> Result<Option<Db>> {
        must_be_a_file(path)?;
        if !path.exists() {
            return Ok(None);
        }
        let (db, version) = Self::open_as_it_is(path)?;
        match version {
            0 => Ok(None),
            schema::VERSION => Ok(Some(db)),
            _ => {
                drop((db, Self::open(path)?));
                Ok(Some(Self::open_as_it_is(path)?.0))
            }
        }
    }

    /// Opens a file to read only, with its version.
    fn open_as_it_is(path: &Path) -> Result<(Db, usize)> {
        let open = |uri: bool| -> Result<(Connection, usize)> {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = if uri {
                // On a read-only file system the log cannot be set up; the file is then as it is.
                let escaped = path.to_string_lossy().replace('%', "%25");
                let escaped = escaped.replace('?', "%3f").replace('#', "%23");
                let uri = format!("file:{escaped}?immutable=1");
                Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?
            } else {
                Connection::open_with_flags(path, flags)?
            };
            connection.busy_timeout(BUSY_TIMEOUT)?;
            let version = schema::check(&connection)?;
            Ok((connection, version))
        };
        let cannot_open = |e: &anyhow::Error| {
            let code = e
                .downcast_ref::<rusqlite::Error>()
                .and_then(rusqlite::Error::sqlite_error_code);
            matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
        };
        let (connection, version) = open(false)
            .or_else(|e| if cannot_open(&e) { open(true) } else { Err(e) })
            .map_err(|e| sentence(e, path))?;
        let path = path.to_path_buf();
        Ok((Db { connection, path }, version))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads in one transaction: what is written meanwhile is included entirely or not at all.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let view = self.connection.unchecked_transaction();
        let outcome = view.map_err(Into::into).and_then(|view| read(&view));
        outcome.map_err(|e| sentence(e, &self.path))
    }

    /// Writes in one transaction, all or nothing.
    fn write<T>(&self, write: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let immediate = TransactionBehavior::Immediate;
        let transaction = Transaction::new_unchecked(&self.connection, immediate);
        let outcome = transaction.map_err(Into::into).and_then(|transaction| {
            let written = write(&transaction)?;
            transaction.commit()?;
            Ok(written)
        });
        outcome.map_err(|e| sentence(e, &self.path))
    }

    /// The number of what has a name in a table.
    fn number_of(&self, table: &str, name: &str) -> Result<Option<i64>> {
        self.read(|db| {
            let sql = format!("SELECT id FROM {table} WHERE name = ?");
            Ok(db.query_row(&sql, [name], |r| r.get(0)).optional()?)
        })
    }

    /// All runs, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn runs(&self) -> Result<Vec<RunSummary>> {
        self.read(|db| {
            let mut query = db.prepare(
                "SELECT name, created_at, settings,
                    (SELECT count(*) FROM rows WHERE run = runs.id),
                    (SELECT count(correct) FROM samples WHERE run = runs.id),
                    (SELECT ifnull(sum(correct), 0) FROM samples WHERE run = runs.id)
                 FROM runs ORDER BY created_at DESC, id DESC",
            )?;
            let runs = query.query_and_then([], |r| {
                Ok(RunSummary {
                    name: r.get(0)?,
                    created_at: r.get(1)?,
                    settings: settings(r.get_ref(2)?.as_str()?)?,
                    rows: r.get(3)?,
                    graded: r.get(4)?,
                    correct: r.get(5)?,
                })
            })?;
            runs.collect()
        })
    }

    /// A run with everything but its traces.
    ///
    /// # Errors
    /// If there is no such run (the sentence names those there are), or it cannot be read.
    pub fn run(&self, name: &str) -> Result<Run> {
        let id = self.id_of(name)?;
        self.read(|db| {
            let mut query = db.prepare(
                "SELECT created_at, settings, wall_ms, model, problems, adapter FROM runs
                 WHERE id = ?",
            )?;
            query.query_one([id], |r| Ok(run(db, id, name, r)))?
        })
    }

    /// The rows of a run whose problems are not among the `known` ones, which are in order.
    ///
    /// # Errors
    /// As [`Db::run`].
    pub fn rows_beyond(&self, name: &str, known: &[usize]) -> Result<Vec<Row>> {
        let id = self.id_of(name)?;
        self.read(|db| {
            let sql = "SELECT count(*) FROM points WHERE run = ?";
            let points = db.query_row(sql, [id], |r| r.get(0))?;
            read_rows(db, id, points, &mut |problem| {
                known.binary_search(&problem).is_err()
            })
        })
    }

    fn id_of(&self, name: &str) -> Result<i64> {
        if let Some(id) = self.number_of("runs", name)? {
            return Ok(id);
        }
        let names: Vec<String> = self.runs()?.into_iter().map(|r| r.name).take(8).collect();
        if names.is_empty() {
            bail!(
                "there is no run {name:?}: {} holds no runs yet; s1-tui sweep makes one",
                self.path.display()
            );
        }
        bail!(
            "there is no run {name:?}; there are: {} (s1-tui runs lists all)",
            names.join(", ")
        )
    }

    /// Whether a run has this name.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn has_run(&self, name: &str) -> Result<bool> {
        Ok(self.number_of("runs", name)?.is_some())
    }

    /// The problems of a run whose rows are done.
    ///
    /// # Errors
    /// As [`Db::run`].
    pub fn done(&self, name: &str) -> Result<Vec<usize>> {
        let id = self.id_of(name)?;
        self.read(|db| {
            let mut query =
                db.prepare("SELECT problem FROM rows WHERE run = ? ORDER BY problem")?;
            query.query_and_then([id], |r| Ok(r.get(0)?))?.collect()
        })
    }

    /// A stored trace, by [`Sample::trace`]. Its tokens have no alternatives.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn trace(&self, trace: i64) -> Result<Vec<Token>> {
        self.read(|db| {
            // From the trace back to the one it began with, then forward again.
            let mut pieces: Vec<(usize, Vec<u8>)> = Vec::new();
            let mut next = Some(trace);
            while let Some(id) = next {
                if pieces.len() > MAX_CHAIN {
                    bail!("a stored trace is damaged");
                }
                let sql = "SELECT parent, shared, tokens FROM traces WHERE id = ?";
                let (parent, shared, bytes) = db
                    .query_row(sql, [id], |r| r.try_into())
                    .optional()?
                    .context("a stored trace is missing")?;
                pieces.push((shared, bytes));
                next = parent;
            }
            let mut tokens = Vec::new();
            for (shared, bytes) in pieces.into_iter().rev() {
                tokens.truncate(shared);
                tokens.extend(blob::read_tokens(&bytes)?);
            }
            Ok(tokens)
        })
    }

    /// Token ids of a row's rendered prompt.
    ///
    /// # Errors
    /// If there is no such run or row, or it cannot be read.
    pub fn prompt(&self, name: &str, problem: usize) -> Result<Vec<u32>> {
        let id = self.id_of(name)?;
        self.read(|db| {
            let sql = "SELECT prompt FROM rows WHERE run = ? AND problem = ?";
            let bytes: Vec<u8> = db
                .query_row(sql, params![id, problem], |r| r.get(0))
                .optional()?
                .with_context(|| format!("run {name:?} has no row for problem {problem}"))?;
            blob::read_ids(&bytes)
        })
    }

    /// A stored sample as a session, to be opened in the explorer.
    ///
    /// # Errors
    /// If its trace cannot be read.
    pub fn document(&self, run: &Run, row: &Row, sample: &Sample) -> Result<Document> {
        let tokens = self.trace(sample.trace)?;
        let prompt = self.prompt(&run.name, row.problem)?;
        let mut tree = Tree::new();
        if let Some(main) = tree.get_mut(0) {
            main.tokens = tokens;
            main.stop = Some(sample.stop);
        }
        let card = run.settings.model.card.clone();
        Ok(Document::new(card, run.request(row, sample), prompt, tree))
    }

    /// Starts a run.
    ///
    /// # Errors
    /// If the name is taken, or the database cannot be written.
    pub fn create_run(
        &mut self,
        name: &str,
        settings: &RunSettings,
        sources: &Sources,
    ) -> Result<()> {
        if self.has_run(name)? {
            bail!(
                "run {name:?} already exists; continue it with --resume {name}, or give another --name"
            );
        }
        self.write(|db| {
            db.execute(
                "INSERT INTO runs (name, created_at, settings, model, problems, adapter)
                 VALUES (?, ?, ?, ?, ?, ?)",
                params![
                    name,
                    s1_data::files::now(),
                    serde_json::to_string(settings)?,
                    sources.model,
                    sources.problems,
                    sources.adapter
                ],
            )?;
            let run = db.last_insert_rowid();
            for (i, point) in settings.points.iter().enumerate() {
                db.execute(
                    "INSERT INTO points (run, point, budget, waits) VALUES (?, ?, ?, ?)",
                    params![run, i, point.budget.max_thinking(), point.waits],
                )?;
            }
            Ok(())
        })
    }

    /// Writes a row in one transaction. A row that is there already stays as it is: another
    /// program was faster, with the same result. `spent` is added to the run's time. Returns the row
    /// as it is in the database.
    ///
    /// # Errors
    /// If there is no such run, or the database cannot be written; nothing of the row is then.
    pub fn add_row(&mut self, name: &str, new: &NewRow, spent: Duration) -> Result<Row> {
        let run = self.id_of(name)?;
        let NewRow {
            row,
            prompt,
            traces,
        } = new;
        self.write(|db| {
            db.execute(
                "UPDATE runs SET wall_ms = wall_ms + ? WHERE id = ?",
                params![spent.as_millis() as i64, run],
            )?;
            let inserted = db.execute(
                "INSERT OR IGNORE INTO rows
                    (run, problem, id, question, reference, prompt, prompt_tokens, computed,
                     pointwise, floor)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    run,
                    row.problem,
                    row.id,
                    row.question,
                    row.reference,
                    blob::ids(prompt),
                    prompt.len(),
                    row.computed,
                    row.pointwise,
                    row.floor
                ],
            )?;
            let stored = if inserted > 0 {
                write_samples(db, run, row, traces)?
            } else {
                let mut of_problem = |problem| problem == row.problem;
                let mut found = read_rows(db, run, usize::MAX, &mut of_problem)?;
                found.pop().context("a row is missing")?
            };
            open_rows::remove(db, run, row.problem)?;
            Ok(stored)
        })
    }

    /// Gives a run another name.
    ///
    /// # Errors
    /// If there is no such run, another one has that name, or the database cannot be written.
    pub fn rename_run(&mut self, name: &str, to: &str) -> Result<()> {
        let run = self.id_of(name)?;
        if to.trim().is_empty() || to.chars().any(char::is_control) {
            bail!("a run's name is a line of text, and not empty");
        }
        if name != to && self.has_run(to)? {
            bail!("there is a run {to:?} already; choose another name");
        }
        self.write(|db| {
            db.execute("UPDATE runs SET name = ? WHERE id = ?", (to, run))?;
            Ok(())
        })
    }

    /// The problem sets that runs were made on, the one used last first: where each was, how many
    /// problems were asked of it, when, and by which run.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn problem_sets(&self) -> Result<Vec<UsedProblems>> {
        let mut used: Vec<UsedProblems> = self.read(|db| {
            let mut query = db.prepare(
                "SELECT problems, settings, created_at, name FROM runs
                 ORDER BY created_at DESC, id DESC",
            )?;
            let sets = query.query_and_then([], |r| {
                Ok(UsedProblems {
                    path: r.get(0)?,
                    problems: settings(r.get_ref(1)?.as_str()?)?.problems.count,
                    used_at: r.get(2)?,
                    run: r.get(3)?,
                })
            })?;
            sets.collect()
        })?;
        let mut seen = std::collections::HashSet::new();
        used.retain(|set| seen.insert(set.path.clone()));
        Ok(used)
    }

    /// Removes a run with everything that belongs to it.
    ///
    /// # Errors
    /// If there is no such run, or the database cannot be written.
    pub fn remove_run(&mut self, name: &str) -> Result<()> {
        let run = self.id_of(name)?;
        self.write(|db| {
            db.execute("DELETE FROM runs WHERE id = ?", [run])?;
            Ok(())
        })
    }
}

/// A problem set that a run was made on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedProblems {
    /// Where it was.
    pub path: String,
    /// How many problems were asked.
    pub problems: usize,
    /// When, in seconds since 1970 (UTC).
    pub used_at: u64,
    pub run: String,
}

/// A run from its line in the table of runs.
fn run(db: &Connection, id: i64, name: &str, r: &rusqlite::Row) -> Result<Run> {
    let settings = settings(r.get_ref(1)?.as_str()?)?;
    Ok(Run {
        name: name.to_string(),
        created_at: r.get(0)?,
        rows: read_rows(db, id, settings.points.len(), &mut |_| true)?,
        settings,
        sources: Sources {
            model: r.get(3)?,
            problems: r.get(4)?,
            adapter: r.get(5)?,
        },
        wall: Duration::from_millis(r.get(2)?),
    })
}

/// The wanted rows of a run of so many points, in the order of the problem set.
fn read_rows(
    db: &Connection,
    run: i64,
    points: usize,
    wanted: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<Row>> {
    let mut query = db.prepare(
        "SELECT problem, id, question, reference, computed, pointwise, floor, prompt_tokens
         FROM rows WHERE run = ? ORDER BY problem",
    )?;
    let mut samples = db.prepare(
        "SELECT point, sample, trace, thinking, answer_tokens, waits_used, forced, answer, correct,
                stop, leaked, second_end, looking
         FROM samples WHERE run = ? AND problem = ? ORDER BY point, sample",
    )?;
    let mut found = query.query([run])?;
    let mut rows = Vec::new();
    while let Some(r) = found.next()? {
        let problem = r.get(0)?;
        if !wanted(problem) {
            continue;
        }
        let samples = samples.query_and_then(params![run, problem], |r| sample(r, points))?;
        rows.push(Row {
            problem,
            id: r.get(1)?,
            question: r.get(2)?,
            reference: r.get(3)?,
            computed: r.get(4)?,
            pointwise: r.get(5)?,
            floor: r.get(6)?,
            prompt_tokens: r.get(7)?,
            samples: samples.collect::<Result<_>>()?,
        });
    }
    Ok(rows)
}

/// A sample of a run of so many points.
fn sample(r: &rusqlite::Row, points: usize) -> Result<Sample> {
    let point = r.get(0)?;
    if point >= points {
        bail!("it has samples of a point that the run does not have; it is damaged");
    }
    Ok(Sample {
        point,
        sample: r.get(1)?,
        trace: r.get(2)?,
        thinking: r.get(3)?,
        answer_tokens: r.get(4)?,
        waits_used: r.get(5)?,
        forced: r.get(6)?,
        answer: r.get(7)?,
        correct: r.get(8)?,
        stop: serde_json::from_value(r.get::<_, String>(9)?.into())?,
        leaked: r.get(10)?,
        second_end: r.get(11)?,
        looking: r.get(12)?,
    })
}

/// Writes the traces and samples of a row; returns it with the numbers the traces were given.
fn write_samples(db: &Connection, run: i64, row: &Row, traces: &[Vec<Token>]) -> Result<Row> {
    let mut ids: Vec<i64> = Vec::with_capacity(traces.len());
    for (i, trace) in traces.iter().enumerate() {
        let shared = |other: &[Token]| trace.iter().zip(other).take_while(|(a, b)| a == b).count();
        // The longest beginning that an earlier trace has, too, is stored once.
        let parent = traces[..i]
            .iter()
            .enumerate()
            .map(|(j, other)| (shared(other), j))
            .max_by_key(|&(n, j)| (n, std::cmp::Reverse(j)))
            .filter(|&(n, _)| n > 0);
        let from = parent.map_or(0, |(n, _)| n);
        db.execute(
            "INSERT INTO traces (run, problem, parent, shared, tokens) VALUES (?, ?, ?, ?, ?)",
            params![
                run,
                row.problem,
                parent.map(|(_, j)| ids[j]),
                from,
                blob::tokens(&trace[from..])
            ],
        )?;
        ids.push(db.last_insert_rowid());
    }
    let mut stored = row.clone();
    for s in &mut stored.samples {
        let trace = usize::try_from(s.trace).ok().and_then(|i| ids.get(i));
        s.trace = *trace.context("a sample has no trace")?;
        db.execute(
            "INSERT INTO samples (run, problem, point, sample, trace, thinking, answer_tokens,
                                  waits_used, forced, answer, correct, stop, leaked,
                                  second_end, looking)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                run,
                row.problem,
                s.point,
                s.sample,
                s.trace,
                s.thinking,
                s.answer_tokens,
                s.waits_used,
                s.forced,
                s.answer,
                s.correct,
                s.stop.name(),
                s.leaked,
                s.second_end,
                s.looking
            ],
        )?;
    }
    Ok(stored)
}

fn settings(text: &str) -> Result<RunSettings> {
    serde_json::from_str(text).context("the settings of a run are damaged")
}

/// What SQLite takes for a database in memory would be gone before it is read.
fn must_be_a_file(path: &Path) -> Result<()> {
    if path.to_string_lossy().starts_with(":memory:") {
        bail!("a database in memory keeps nothing; name a file with --db");
    }
    Ok(())
}

/// What SQLite and the system say, in words that help.
fn sentence(error: anyhow::Error, path: &Path) -> anyhow::Error {
    let path = path.display();
    let code = error
        .downcast_ref::<rusqlite::Error>()
        .and_then(rusqlite::Error::sqlite_error_code);
    match code {
        None => error.context(format!("cannot use the database {path}")),
        Some(ErrorCode::DiskFull) => anyhow!(
            "the disk is full: {path} keeps what it had; make room, then continue with --resume"
        ),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => anyhow!(
            "the database {path} cannot be written: it or its folder is read-only; name another file with --db"
        ),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => anyhow!(
            "the database {path} is damaged or not a database, and was left unchanged; move it away, or name another file with --db"
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => anyhow!(
            "another program has been writing to the database {path} for {} seconds; try again later",
            BUSY_TIMEOUT.as_secs()
        ),
        Some(ErrorCode::SystemIoFailure) => anyhow!(
            "the database {path} cannot be written or read ({error:#}): the disk may be full or at a limit on file sizes; it keeps what it had"
        ),
        Some(_) => error.context(format!("cannot use the database {path}")),
    }
}

#[cfg(test)]
mod tests;
