//! What outlives the program: session files, and the database of runs and trainings.
//!
//! | file | subject |
//! |---|---|
//! | [`session`] | one question with all its branches, as a JSON file |
//! | [`run`] | a sweep over a problem set as plain data: settings, points, rows, samples |
//! | [`shipped`] | runs that the program carries with it |
//! | [`training`] | a training as plain data: its settings, how far it is, whether it is alive |
//! | [`db`] | the SQLite database of runs and trainings |
//! | `schema` | its tables, and how older ones become newer ones |
//! | `blob` | traces as compact bytes |
//!
//! Not here: settings, models, and anything that computes statistics.

mod blob;
pub mod db;
pub mod run;
mod schema;
pub mod session;
pub mod shipped;
pub mod training;

pub use db::Db;
