//! `s1-tui plot`: stored runs as a picture or a table, the same figure as on the screen.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use super::args::DbArgs;
use s1_lab::report::Report;
use s1_plot::Scale;
use s1_plot::curves::{self, Counted};
use s1_plot::terminal::{ChartView, Ink, text};
use s1_store::run::Run;

/// What `plot` takes.
#[derive(Debug, Args)]
pub struct PlotArgs {
    /// The runs, by name; several are drawn over one another.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,
    /// The file to write; its name ends in .svg, .png or .csv. Without it the figure is drawn here.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What is drawn.
    #[arg(long, value_enum, default_value_t = FigureKind::Accuracy)]
    figure: FigureKind,
    /// Also the lines that the screen hides at first: the same number of waits at every budget.
    #[arg(long)]
    all: bool,
    /// What the axis of tokens counts (of the accuracy).
    #[arg(long, value_enum, default_value_t = Tokens::Thinking)]
    x: Tokens,
    /// A logarithmic axis of tokens.
    #[arg(long)]
    log: bool,
    /// The title, in place of what the figure is called.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Draw with ASCII characters only (without --out).
    #[arg(long)]
    ascii: bool,
    #[command(flatten)]
    db: DbArgs,
}

/// Figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FigureKind {
    /// Accuracy against average tokens.
    Accuracy,
    /// The distribution of the lengths of thoughts.
    Lengths,
}

/// Tokens that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tokens {
    /// Thinking tokens.
    Thinking,
    /// All generated tokens, those of the answers included.
    All,
}

/// Draws. Errors where a run does not exist or holds nothing, or the file cannot be written.
pub fn run(args: &PlotArgs) -> Result<()> {
    let db = args.db.open()?;
    let runs = args.runs.iter().map(|name| db.run(name));
    let runs: Vec<Run> = runs.collect::<Result<_>>()?;
    if let Some(empty) = runs.iter().find(|run| run.rows.is_empty()) {
        bail!("the run {:?} has no problem done yet", empty.name);
    }
    let reports: Vec<Report> = runs.iter().map(Report::of).collect();
    let both: Vec<(&Run, &Report)> = runs.iter().zip(&reports).collect();
    let scale = if args.log { Scale::Log } else { Scale::Linear };
    let mut figure = match args.figure {
        FigureKind::Accuracy => {
            let counted = match args.x {
                Tokens::Thinking => Counted::Thinking,
                Tokens::All => Counted::All,
            };
            curves::accuracy(&both, scale, counted).figure
        }
        FigureKind::Lengths => curves::lengths(&both, scale).figure,
    };
    if args.figure == FigureKind::Accuracy && figure.series.is_empty() {
        bail!(
            "the problems of {} have no reference answers, so there is no accuracy to draw; try --figure lengths",
            args.runs.join(", ")
        );
    }
    if args.all {
        figure.series.iter_mut().for_each(|s| s.hidden = false);
    }
    if let Some(title) = &args.title {
        figure.title.clone_from(title);
    }
    match &args.out {
        Some(out) => s1_plot::write(&figure, out)?,
        None => {
            let mut view = ChartView::default();
            if args.ascii {
                view.ink = Ink::Ascii;
            }
            let columns = columns();
            let drawn = text(&figure, &view, columns, (columns / 4).clamp(12, 30));
            io::stdout()
                .write_all(drawn.as_bytes())
                .context("cannot write the figure to standard output")?;
        }
    }
    Ok(())
}

/// The width of the terminal; 80 where there is none.
fn columns() -> u16 {
    use std::io::IsTerminal;
    let size = io::stdout()
        .is_terminal()
        .then(|| crossterm::terminal::size().ok());
    size.flatten()
        .map_or(80, |(columns, _)| columns.clamp(20, 160))
}
