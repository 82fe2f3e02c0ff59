//! Rows under way: what is written of them, so that a sweep that is killed goes on where it was.
//!
//! Not here: finished rows, and when one is saved.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Db, blob};
use crate::run::{OpenLane, OpenRow};
use s1_core::trace::{StopReason, Token};

impl Db {
    /// Replaces what is known of rows under way, in one transaction. What is finished is left out,
    /// and rows that are not given stay as they are. `spent` is added to the run's time.
    ///
    /// # Errors
    /// If there is no such run, or the database cannot be written; it has what it had then.
    pub fn save_open(&self, name: &str, rows: &[OpenRow<'_>], spent: Duration) -> Result<()> {
        let run = self.id_of(name)?;
        self.write(|db| {
            db.execute(
                "UPDATE runs SET wall_ms = wall_ms + ? WHERE id = ?",
                params![spent.as_millis() as i64, run],
            )?;
            for row in rows {
                let done = "SELECT 1 FROM rows WHERE run = ? AND problem = ?";
                if db.prepare(done)?.exists(params![run, row.problem])? {
                    continue;
                }
                remove(db, run, row.problem)?;
                write(db, run, row)?;
            }
            Ok(())
        })
    }

    /// What is known of a problem's row under way; `None` if nothing is.
    ///
    /// # Errors
    /// If there is no such run, or what is there cannot be read.
    pub fn open_row(&self, name: &str, problem: usize) -> Result<Option<OpenRow<'static>>> {
        let run = self.id_of(name)?;
        self.read(|db| {
            let sql = "SELECT computed FROM open_rows WHERE run = ? AND problem = ?";
            let mut query = db.prepare(sql)?;
            let computed = query.query_row(params![run, problem], |r| r.get(0));
            match computed.optional()? {
                Some(computed) => read(db, run, problem, computed).map(Some),
                None => Ok(None),
            }
        })
    }

    /// The problems of a run whose rows are under way.
    ///
    /// # Errors
    /// If there is no such run, or the database cannot be read.
    pub fn open_rows(&self, name: &str) -> Result<Vec<usize>> {
        let run = self.id_of(name)?;
        self.read(|db| {
            let sql = "SELECT problem FROM open_rows WHERE run = ? ORDER BY problem";
            let mut query = db.prepare(sql)?;
            query.query_and_then([run], |r| Ok(r.get(0)?))?.collect()
        })
    }
}

/// A row is no longer under way.
pub(super) fn remove(db: &Connection, run: i64, problem: usize) -> Result<()> {
    for table in ["open_lanes", "open_rows"] {
        let sql = format!("DELETE FROM {table} WHERE run = ? AND problem = ?");
        db.prepare(&sql)?.execute(params![run, problem])?;
    }
    Ok(())
}

fn write(db: &Connection, run: i64, row: &OpenRow<'_>) -> Result<()> {
    db.execute(
        "INSERT INTO open_rows (run, problem, computed) VALUES (?, ?, ?)",
        params![run, row.problem, row.computed],
    )?;
    let mut insert = db.prepare(
        "INSERT INTO open_lanes (run, problem, place, lane, shared, tokens, stop)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut order: Vec<usize> = (0..row.lanes.len()).collect();
    let ids = |lane: usize| row.lanes[lane].tokens.iter().map(|t| t.id);
    order.sort_by(|&a, &b| ids(a).cmp(ids(b)));
    let mut before: &[Token] = &[];
    for (place, lane) in order.into_iter().enumerate() {
        let OpenLane { tokens, stop } = &row.lanes[lane];
        let pairs = tokens.iter().zip(before);
        let shared = pairs.take_while(|(a, b)| a == b).count();
        insert.execute(params![
            run,
            row.problem,
            place,
            lane,
            shared,
            blob::tokens(&tokens[shared..]),
            stop.map(StopReason::name),
        ])?;
        before = tokens;
    }
    Ok(())
}

fn read(db: &Connection, run: i64, problem: usize, computed: usize) -> Result<OpenRow<'static>> {
    const DAMAGED: &str = "a row under way is damaged";
    let mut query = db.prepare(
        "SELECT lane, shared, tokens, stop FROM open_lanes
         WHERE run = ? AND problem = ? ORDER BY place",
    )?;
    let mut found = query.query(params![run, problem])?;
    let mut lanes: BTreeMap<usize, OpenLane> = BTreeMap::new();
    let mut before: Vec<Token> = Vec::new();
    while let Some(r) = found.next()? {
        let shared = before.get(..r.get(1)?);
        let mut tokens = shared.context(DAMAGED)?.to_vec();
        tokens.extend(blob::read_tokens(&r.get::<_, Vec<u8>>(2)?)?);
        before.clone_from(&tokens);
        let stop: Option<String> = r.get(3)?;
        let stop = stop.map(|stop| serde_json::from_value(stop.into()));
        let stop = stop.transpose()?;
        let tokens = tokens.into();
        lanes.insert(r.get(0)?, OpenLane { tokens, stop });
    }
    let in_order = lanes.keys().enumerate().all(|(i, &lane)| i == lane);
    if !in_order {
        bail!(DAMAGED);
    }
    Ok(OpenRow {
        problem,
        computed,
        lanes: lanes.into_values().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{PointSpec, RunSettings, Sources};
    use s1_core::trace::Phase;

    fn token(id: u32) -> Token {
        Token {
            logprob: -1.0,
            entropy: 0.5,
            ..Token::new(id, "x", Phase::Thinking)
        }
    }

    fn row(problem: usize, lengths: &[u32], stop: Option<StopReason>) -> OpenRow<'static> {
        let lanes = lengths.iter().map(|&n| OpenLane {
            tokens: (0..n).map(token).collect::<Vec<_>>().into(),
            stop,
        });
        OpenRow {
            problem,
            computed: 7,
            lanes: lanes.collect(),
        }
    }

    /// A user would lose: what was written of a problem, in the seconds before a kill.
    #[test]
    fn the_last_moment_of_each_row_under_way_is_kept_until_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let mut db = Db::open(&folder.path().join("a.db")).unwrap();
        let settings = RunSettings {
            samples: 1,
            points: vec![PointSpec {
                budget: crate::run::Budget::Natural,
                waits: 0,
            }],
            ..RunSettings::default()
        };
        db.create_run("a", &settings, &Sources::default()).unwrap();
        let second = Duration::from_secs(1);
        let rows = [row(0, &[3, 3, 5], None), row(4, &[], None)];
        db.save_open("a", &rows, second).unwrap();
        let later = row(0, &[9, 2, 9, 0], Some(StopReason::EndOfTurn));
        db.save_open("a", std::slice::from_ref(&later), second)
            .unwrap();
        assert_eq!(db.open_row("a", 0).unwrap(), Some(later));
        assert_eq!(db.open_row("a", 4).unwrap(), Some(rows[1].clone()));
        assert_eq!(db.open_row("a", 1).unwrap(), None);
        assert_eq!(db.open_rows("a").unwrap(), [0, 4]);
        assert_eq!(db.run("a").unwrap().wall, 2 * second);

        let finished = crate::run::NewRow {
            row: crate::run::Row {
                problem: 0,
                id: "0".into(),
                question: "?".into(),
                reference: None,
                computed: 9,
                pointwise: 9,
                floor: 9,
                prompt_tokens: 1,
                samples: vec![],
            },
            prompt: vec![1],
            traces: vec![],
        };
        db.add_row("a", &finished, second).unwrap();
        assert_eq!(db.open_rows("a").unwrap(), [4]);
        // Another program that is behind does not bring it back.
        db.save_open("a", &rows, second).unwrap();
        assert_eq!(db.open_rows("a").unwrap(), [4]);
        db.remove_run("a").unwrap();
        let left: i64 = db
            .connection
            .query_row("SELECT count(*) FROM open_rows", [], |r| r.get(0))
            .unwrap();
        assert_eq!(left, 0);
    }
}
