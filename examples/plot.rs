//! Draws a stored run: `cargo run --example plot -- runs.db NAME curve.svg`.

use std::env;
use std::path::Path;

use anyhow::Context;
use s1_lab::report::Report;
use s1_plot::Scale;
use s1_plot::curves::{self, Counted};
use s1_store::Db;

fn main() -> anyhow::Result<()> {
    let mut args = env::args().skip(1);
    let mut next = || args.next().context("plot DATABASE RUN FILE.svg");
    let (database, name, out) = (next()?, next()?, next()?);
    let db = Db::open_to_read(Path::new(&database))?.context("there is no such database")?;
    let run = db.run(&name)?;
    let report = Report::of(&run);
    let curves = curves::accuracy(&[(&run, &report)], Scale::Linear, Counted::Thinking);
    s1_plot::write(&curves.figure, Path::new(&out))
}
