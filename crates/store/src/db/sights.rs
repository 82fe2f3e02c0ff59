//! What rules for early exits saw in stored traces, so that it is computed once.
//!
//! Not here: what is measured, and what follows from it.

use anyhow::{Context, Result};
use rusqlite::{OptionalExtension, params};

use super::Db;
use s1_core::exit::Sight;

impl Db {
    /// What was seen in a trace by a measurement, in the order of the text; `None` if it was not made.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn sights(&self, trace: i64, measure: &str) -> Result<Option<Vec<Sight>>> {
        self.read(|db| {
            let sql = "SELECT sights FROM sights WHERE trace = ? AND measure = ?";
            let mut query = db.prepare(sql)?;
            let text: Option<String> = query
                .query_row(params![trace, measure], |r| r.get(0))
                .optional()?;
            let read = |text: String| serde_json::from_str(&text);
            let sights = text.map(read).transpose();
            sights.context("what was seen in a trace is damaged")
        })
    }

    /// Keeps what was seen in a trace, by measurement; what was there is replaced.
    ///
    /// # Errors
    /// If there is no such trace, or the database cannot be written; it then has what it had.
    pub fn save_sights(&self, trace: i64, seen: &[(String, Vec<Sight>)]) -> Result<()> {
        self.write(|db| {
            for (measure, sights) in seen {
                db.execute(
                    "INSERT OR REPLACE INTO sights (trace, measure, sights) VALUES (?, ?, ?)",
                    params![trace, measure, serde_json::to_string(sights)?],
                )?;
            }
            Ok(())
        })
    }
}
