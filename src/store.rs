//! What outlives the program: session files, and the database of runs.
//!
//! | file | subject |
//! |---|---|
//! | [`session`] | one question with all its branches, as a JSON file |
//! | [`run`] | a sweep over a problem set as plain data: settings, points, rows, samples |
//! | [`db`] | the SQLite database of runs |
//! | `schema` | its tables, and how older ones become newer ones |
//! | `blob` | traces as compact bytes |
//!
//! Not here: settings ([`crate::config`]), models, and anything that computes statistics.

mod blob;
pub mod db;
pub mod run;
mod schema;
pub mod session;

pub use db::Db;
