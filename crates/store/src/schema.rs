//! The tables, and how older ones become newer ones.
//!
//! `PRAGMA user_version` counts the steps a database has taken. A newer program takes the missing
//! ones in one transaction; an older program refuses a newer database.

use anyhow::{Result, bail};
use rusqlite::{Connection, TransactionBehavior};

/// Marks the file as ours (`s1tu`), so that another program's database is not written to.
const APPLICATION: i32 = 0x7331_7475;

/// One step per version; a step that was released never changes.
const STEPS: &[&str] = &[
    "
    CREATE TABLE runs (
        id         INTEGER PRIMARY KEY,
        name       TEXT NOT NULL UNIQUE,
        created_at INTEGER NOT NULL,          -- seconds since 1970, UTC
        settings   TEXT NOT NULL,             -- JSON: store::run::RunSettings
        model      TEXT NOT NULL,             -- where the model was
        adapter    TEXT,                      -- where its adapter was
        problems   TEXT NOT NULL,             -- where the problem set was
        wall_ms    INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE points (
        run     INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        point   INTEGER NOT NULL,             -- index into settings.points
        budget  INTEGER,                      -- NULL: natural
        waits   INTEGER NOT NULL,
        PRIMARY KEY (run, point)
    ) WITHOUT ROWID;
    CREATE TABLE rows (
        run       INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        problem   INTEGER NOT NULL,           -- index in the problem set
        id        TEXT NOT NULL,
        question  TEXT NOT NULL,
        reference TEXT,
        prompt    BLOB NOT NULL,              -- token ids
        prompt_tokens INTEGER NOT NULL,
        computed  INTEGER NOT NULL,
        pointwise INTEGER NOT NULL,
        floor     INTEGER NOT NULL,
        PRIMARY KEY (run, problem)
    );
    CREATE TABLE traces (
        id      INTEGER PRIMARY KEY,
        run     INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        problem INTEGER NOT NULL,
        parent  INTEGER REFERENCES traces(id),-- begins with the first `shared` tokens of this one
        shared  INTEGER NOT NULL,
        tokens  BLOB NOT NULL                 -- the tokens after those
    );
    CREATE INDEX traces_of_row ON traces (run, problem);
    CREATE TABLE samples (
        run      INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        problem  INTEGER NOT NULL,
        point    INTEGER NOT NULL,
        sample   INTEGER NOT NULL,
        trace    INTEGER NOT NULL REFERENCES traces(id) ON DELETE CASCADE,
        thinking INTEGER NOT NULL,            -- tokens
        answer_tokens INTEGER NOT NULL,
        waits_used INTEGER NOT NULL,
        forced   INTEGER NOT NULL,
        answer   TEXT,
        correct  INTEGER,                     -- NULL: no reference
        stop     TEXT NOT NULL,
        PRIMARY KEY (run, problem, point, sample)
    ) WITHOUT ROWID;
    CREATE TABLE file_hashes (                -- so that a large model is read for its hash once
        path     TEXT PRIMARY KEY,
        bytes    INTEGER NOT NULL,
        modified INTEGER NOT NULL,            -- nanoseconds since 1970, UTC
        sha256   TEXT NOT NULL
    ) WITHOUT ROWID;
",
    "
    CREATE TABLE trainings (
        id         INTEGER PRIMARY KEY,
        name       TEXT NOT NULL UNIQUE,
        created_at INTEGER NOT NULL,          -- seconds since 1970, UTC
        folder     TEXT NOT NULL,
        base       TEXT NOT NULL,
        data       TEXT NOT NULL,
        arguments  TEXT NOT NULL,             -- JSON: of `s1-tui train`
        state      TEXT NOT NULL,             -- store::training::State
        step       INTEGER NOT NULL,          -- steps done
        steps      INTEGER NOT NULL,
        rate       REAL,                      -- factor on the learning rate
        fault      TEXT
    );
    CREATE TABLE training_steps (
        training  INTEGER NOT NULL REFERENCES trainings(id) ON DELETE CASCADE,
        step      INTEGER NOT NULL,
        loss      REAL,
        lr        REAL,
        grad_norm REAL,
        tok_s     REAL,
        eta_s     REAL,
        PRIMARY KEY (training, step)
    ) WITHOUT ROWID;
    CREATE TABLE training_notes (
        id       INTEGER PRIMARY KEY AUTOINCREMENT,
        training INTEGER NOT NULL REFERENCES trainings(id) ON DELETE CASCADE,
        step     INTEGER NOT NULL,
        what     TEXT NOT NULL                -- JSON: store::training::What
    );
    CREATE INDEX notes_of_training ON training_notes (training, id);
    CREATE TABLE training_orders (            -- taken and removed by the process
        id       INTEGER PRIMARY KEY AUTOINCREMENT,
        training INTEGER NOT NULL REFERENCES trainings(id) ON DELETE CASCADE,
        what     TEXT NOT NULL                -- JSON: store::training::Order
    );
",
    // What was stored before is read as it is: see `training::legacy`.
    "
    ALTER TABLE trainings RENAME COLUMN arguments TO config;      -- JSON: core::training::TrainConfig
    ALTER TABLE training_steps ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE training_notes RENAME TO training_events;
    ALTER TABLE training_events RENAME COLUMN what TO event;      -- JSON: core::training::TrainEvent
",
    // Rows under way. They are replaced every second or two, and go when the row is finished.
    "
    CREATE TABLE open_rows (
        run      INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        problem  INTEGER NOT NULL,
        computed INTEGER NOT NULL,
        PRIMARY KEY (run, problem)
    ) WITHOUT ROWID;
    CREATE TABLE open_lanes (
        run     INTEGER NOT NULL,
        problem INTEGER NOT NULL,
        place   INTEGER NOT NULL,             -- by their tokens, so that neighbours begin alike
        lane    INTEGER NOT NULL,             -- point * samples + sample
        shared  INTEGER NOT NULL,             -- begins with so many tokens of the place before
        tokens  BLOB NOT NULL,                -- the tokens after those
        stop    TEXT,                         -- NULL: it has not ended
        PRIMARY KEY (run, problem, place),
        FOREIGN KEY (run, problem) REFERENCES open_rows(run, problem) ON DELETE CASCADE
    );
",
    // What a cut did to the answer, and what early exits saw. Of samples stored before, the former is
    // not known.
    "
    ALTER TABLE samples ADD COLUMN leaked INTEGER;                -- NULL: not known
    ALTER TABLE samples ADD COLUMN second_end INTEGER;            -- NULL: not known
    ALTER TABLE samples ADD COLUMN looking INTEGER NOT NULL DEFAULT 0; -- tokens
    CREATE TABLE sights (
        trace   INTEGER NOT NULL REFERENCES traces(id) ON DELETE CASCADE,
        measure TEXT NOT NULL,                -- what was measured, and where
        sights  TEXT NOT NULL,                -- JSON: [core::exit::Sight]
        PRIMARY KEY (trace, measure)
    ) WITHOUT ROWID;
",
    // What a trainer says that it uses.
    "
    ALTER TABLE training_steps ADD COLUMN memory INTEGER NOT NULL DEFAULT 0; -- bytes
",
];

/// The version this program writes.
pub(super) const VERSION: usize = STEPS.len();

/// The version of a database; 0 is an empty one.
///
/// # Errors
/// If it is another program's, or newer than this program.
pub(super) fn check(db: &Connection) -> Result<usize> {
    // One look at all three: between two looks another program may make the database. It ends with
    // this function; inside a transaction there is one already.
    let alone = db.is_autocommit();
    let _look = alone.then(|| db.unchecked_transaction()).transpose()?;
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let version = number("user_version")?;
    let application = number("application_id")?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_master", [], |r| r.get(0))?;
    if application != i64::from(APPLICATION) && (tables > 0 || version > 0) {
        bail!("it belongs to another program; name another file with --db");
    }
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > VERSION {
        bail!(
            "it has version {version} and this program reads up to {VERSION}; use a newer s1-tui"
        );
    }
    Ok(version)
}

/// Takes the steps that are missing. Two programs that open an old database at once are served
/// one after the other.
///
/// # Errors
/// As [`check`]; and if a step cannot be written, in which case none is.
pub(super) fn migrate(db: &mut Connection) -> Result<()> {
    if check(db)? == VERSION {
        return Ok(());
    }
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = check(&transaction)?;
    for step in STEPS.get(from..).unwrap_or_default() {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION as i64)?;
    transaction.commit()?;
    Ok(())
}
