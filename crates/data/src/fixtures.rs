//! Files and sites made up for tests: this crate's and others' (feature `fixtures`).
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot make its file or site has failed"
)]

pub mod site;
#[cfg(feature = "parquet")]
mod table;

#[cfg(feature = "parquet")]
pub use table::parquet_file;
