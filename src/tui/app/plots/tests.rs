//! The plots screen without terminal and database.

use super::*;
use crate::tui::app::jobs::files::SaveFigure;
use crate::tui::app::jobs::runs::{FindRuns, ReadRows, ReadRun, ReadTrace};
use crate::tui::app::jobs::sweep::StartSweep;
use crate::tui::app::testing::{press, ready, swept};
use crate::tui::app::{App, Effect};
use crate::tui::screen::Screen;
use s1_core::tree::Tree;
use s1_store::run::{Row, Run, RunSummary};
use s1_store::session::Document;

pub fn summary(run: &Run) -> RunSummary {
    let samples = || run.rows.iter().flat_map(|r| &r.samples);
    RunSummary {
        name: run.name.clone(),
        created_at: run.created_at,
        settings: run.settings.clone(),
        rows: run.rows.len(),
        graded: samples().filter(|s| s.correct.is_some()).count(),
        correct: samples().filter(|s| s.correct == Some(true)).count(),
    }
}

/// The plots screen with two runs in the database, the newer one shown.
pub fn plots() -> App {
    let (mut tuned, base) = (swept("reasoner"), swept("base"));
    tuned.created_at = base.created_at + 60;
    let mut app = ready();
    app.show_plots();
    assert_eq!(app.drain().1, [Effect::job(FindRuns)]);
    app.on_runs(Ok(vec![summary(&tuned), summary(&base)]));
    assert_eq!(app.drain().1, [Effect::job(ReadRun("reasoner".into()))]);
    app.on_run("reasoner", Ok(tuned));
    app
}

/// Lays the second run over the first.
pub fn both(app: &mut App) {
    app.plots.focus(PlotPane::Runs);
    press(app, "down space");
    assert_eq!(app.drain().1, [Effect::job(ReadRun("base".into()))]);
    app.on_run("base", Ok(swept("base")));
    app.plots.focus(PlotPane::Curve);
}

#[test]
fn the_newest_run_is_shown_by_itself_and_others_are_laid_over_it() {
    let mut app = plots();
    assert_eq!(app.plots.shown.len(), 1);
    both(&mut app);
    assert_eq!(app.plots.shown_as("base"), Some(1));
    assert_eq!(app.plots.accuracy.curves.figure.series.len(), 4);
    app.plots.focus(PlotPane::Runs);
    press(&mut app, "space");
    assert_eq!(
        app.plots.shown_as("base"),
        None,
        "the same key takes it away"
    );
    press(&mut app, "down enter");
    assert_eq!(
        app.plots.shown_as("reasoner"),
        None,
        "Enter shows a run alone"
    );
}

/// A user would lose: the paper's figure, instead of an empty screen, before the first sweep.
#[test]
fn where_no_run_is_the_shipped_ones_are_shown_and_a_new_sweep_takes_their_place() {
    use s1_store::shipped;
    let mut app = ready();
    app.show_plots();
    app.drain();
    app.on_runs(Ok(shipped::summaries()));
    let names = ["shipped-base", "shipped-reasoner"];
    let read = names.map(|name| Effect::job(ReadRun(name.into())));
    assert_eq!(app.drain().1, read);
    for run in shipped::runs() {
        app.on_run(&run.name, Ok(run.clone()));
    }
    assert_eq!(app.plots.shown.len(), 2);
    assert!(!app.plots.pairs.is_empty() && app.plots.accuracy.curves.figure.series.len() == 4);
    // A cell has no stored text: the model that wrote it writes it again.
    press(&mut app, "tab ] down enter");
    let live = app.live.as_ref().map(|live| live.request.question.clone());
    assert_eq!(
        (app.screen, live.is_none()),
        (Screen::Plots, true),
        "of the base, which is not loaded"
    );
    press(&mut app, "] enter");
    let asked = app.live.as_ref().unwrap().request.clone();
    assert_eq!(app.screen, Screen::Explore);
    assert_eq!(asked.policy.max_thinking, Some(0));
    // A sweep of one's own is shown without them.
    let own = swept("reasoner");
    app.plots.keep_like(&own);
    assert!(app.plots.shown.is_empty());
}

#[test]
fn a_cell_opens_its_stored_trace_in_the_explorer() {
    let mut app = plots();
    press(&mut app, "tab");
    assert_eq!(app.plots.pane, PlotPane::Items);
    press(&mut app, "down down right right enter");
    let (_, effects) = app.drain();
    let asked: Option<&ReadTrace> = effects[0].as_job();
    let ReadTrace { run, row, sample } = asked.unwrap();
    assert_eq!((run.name.as_str(), *row, *sample), ("reasoner", 2, 2));
    let request = run.request(&run.rows[2], &run.rows[2].samples[2]);
    let document = Document::new(
        run.settings.model.card.clone(),
        request,
        vec![1],
        Tree::new(),
    );
    let asked = run.rows[2].question.clone();
    app.on_trace(Ok(document));
    assert_eq!(app.screen, Screen::Explore);
    assert_eq!(app.live.as_ref().unwrap().request.question, asked);
    assert_eq!(
        app.live.as_ref().unwrap().path,
        None,
        "it is not a file to save into"
    );
}

/// A user would lose: the place in the matrix that a stored trace was opened from.
#[test]
fn a_stored_trace_goes_back_to_its_cell() {
    let mut app = plots();
    press(&mut app, "tab");
    let run = app.plots.current().unwrap().run.clone();
    let request = run.request(&run.rows[2], &run.rows[2].samples[2]);
    let card = run.settings.model.card.clone();
    app.on_trace(Ok(Document::new(card, request, vec![1], Tree::new())));
    assert_eq!(app.screen, Screen::Explore);
    press(&mut app, "esc");
    assert_eq!(
        (app.screen, app.plots.pane),
        (Screen::Plots, PlotPane::Items)
    );
}

/// A user would lose: one run among hundreds, and a way to name it.
#[test]
fn a_run_is_found_renamed_and_deleted() {
    use crate::tui::app::jobs::runs::{DeleteRun, RenameRun};
    use crate::tui::widgets::finder::Finder;
    use crate::tui::widgets::prompt_line::PromptLine;
    use crate::tui::widgets::run_picker::RunChoice;
    let mut app = plots();
    press(&mut app, "/ b a s e ctrl-r");
    assert!(app.component::<PromptLine>().is_some());
    app.on_paste("reasoner");
    press(&mut app, "enter");
    let line = app.component::<PromptLine>().unwrap();
    assert!(line.error.as_ref().unwrap().contains("already"));
    press(&mut app, "ctrl-u");
    app.on_paste("before");
    press(&mut app, "enter");
    let (from, to) = ("base".to_owned(), "before".to_owned());
    assert_eq!(app.drain().1, [Effect::job(RenameRun { from, to })]);
    press(&mut app, "/ b a s e ctrl-d y");
    assert_eq!(app.drain().1, [Effect::job(DeleteRun("base".into()))]);
    // Leaving the question comes back to the list.
    press(&mut app, "/ ctrl-d n");
    assert!(app.component::<Finder<RunChoice>>().is_some());
    press(&mut app, "esc / b a s e enter");
    assert_eq!(app.drain().1, [Effect::job(ReadRun("base".into()))]);
    assert!(app.plots.shown.is_empty(), "it alone");
}

/// A user would lose: a shipped run, or one that a sweep is writing.
#[test]
fn what_cannot_be_changed_says_why() {
    use crate::tui::widgets::finder::Finder;
    use crate::tui::widgets::run_picker::RunChoice;
    let mut app = ready();
    app.show_plots();
    app.on_runs(Ok(s1_store::shipped::summaries()));
    app.drain();
    press(&mut app, "/ ctrl-d");
    let picker = app.component::<Finder<RunChoice>>().expect("it stays");
    let error = picker.error().unwrap();
    assert!(error.contains("came with the program"), "{error}");
    assert_eq!(app.drain().1, []);
}

/// A user would lose: columns and rows that a small terminal has no room for.
#[test]
fn every_column_and_row_of_a_table_can_be_reached_at_80_columns() {
    use crate::tui::app::testing::{drawn, text};
    let mut app = plots();
    both(&mut app);
    for (pane, heads) in [
        (
            PlotPane::Pairs,
            &["won", "p", "neither", "think + answer", "answers"][..],
        ),
        (
            PlotPane::Answers,
            &["samples", "answered", "reasoned", "twice"],
        ),
        (PlotPane::Waits, &["won", "lost", "changed", "Wait used"]),
        (
            PlotPane::Runs,
            &["done", "model", "problems", "right", "begun"],
        ),
    ] {
        app.plots.focus(pane);
        let mut seen = Vec::new();
        for _ in 0..9 {
            seen.push(text(&drawn(&mut app, 80, 24)));
            press(&mut app, "right");
        }
        for head in heads {
            let is_seen = |shown: &String| {
                shown.contains(&format!("{head} ")) || shown.contains(&format!("{head}\n"))
            };
            assert!(
                seen.iter().any(is_seen),
                "{pane:?} {head}\n{}",
                seen.concat()
            );
        }
        press(&mut app, "end");
        let shown = text(&drawn(&mut app, 80, 24));
        let last = app.plots.rows_of(pane) - 1;
        assert_eq!(app.plots.table(pane).row, last, "{shown}");
    }
}

/// A user would lose: the set that a sweep was made on before, and the one in this folder.
#[test]
fn the_problems_of_a_sweep_are_chosen_among_those_there_are() {
    use crate::tui::app::jobs::files::FindProblems;
    use crate::tui::widgets::problem_picker::ProblemSetEntry;
    let mut app = plots();
    app.drain();
    press(&mut app, "n down enter");
    assert_eq!(app.drain().1, [Effect::job(FindProblems)]);
    app.on_problems(Ok(vec![ProblemSetEntry::bundled()]));
    press(&mut app, "g s m 8 k enter");
    let chosen = app.plots.plan.problems.clone().unwrap();
    assert_eq!(chosen, std::path::Path::new("hf:openai/gsm8k"));
    assert!(app.overlay.is_some(), "back in the form");
}

#[test]
fn the_crosshair_stays_on_its_point_while_the_run_grows() {
    let mut app = plots();
    press(&mut app, "left left");
    let (series, point) = app.plots.accuracy.view.cursor.unwrap();
    let source = app.plots.accuracy.curves.source(series, point).unwrap();
    let mut grown = swept("reasoner");
    grown.rows.truncate(30);
    app.on_run("reasoner", Ok(grown));
    let (series, point) = app.plots.accuracy.view.cursor.unwrap();
    assert_eq!(
        app.plots.accuracy.curves.source(series, point),
        Some(source)
    );
    press(&mut app, "enter");
    assert_eq!(
        app.plots.pane,
        PlotPane::Items,
        "from the point to its problems"
    );
    assert_eq!(app.plots.cell.1, source.point);
}

#[test]
fn every_point_is_compared_with_the_chosen_one() {
    let mut app = plots();
    both(&mut app);
    assert_eq!(
        app.plots.pairs.len(),
        15,
        "all points of both runs but the anchor"
    );
    press(&mut app, "right f");
    assert_eq!(app.plots.pane, PlotPane::Pairs);
    let anchor = app.plots.anchor().unwrap();
    assert_eq!(app.plots.name_of(anchor), "reasoner · natural");
    assert!(app.plots.pairs.iter().all(|p| p.point != anchor));
    let named = |p: &&PointPair| app.plots.name_of(p.point) == "base · natural";
    let base = app.plots.pairs.iter().find(named).unwrap();
    assert!(
        base.paired.p() < 0.001,
        "the tuned run solves most that the base does not"
    );
    assert!(base.paired.only_first.len() > 5 * base.paired.only_second.len());
    press(&mut app, "end enter");
    assert_eq!(app.plots.pane, PlotPane::Items);
    let shown = app.plots.current().unwrap();
    let id = &shown.report.items[app.plots.cell.0].id;
    assert_eq!(*id, base_lost(&app), "the first problem that is lost");
}

fn base_lost(app: &App) -> String {
    app.plots
        .pairs
        .last()
        .unwrap()
        .paired
        .only_first
        .first()
        .unwrap()
        .0
        .clone()
}

#[test]
fn lines_are_hidden_and_shown_from_a_list_and_stay_so() {
    let mut app = plots();
    both(&mut app);
    press(&mut app, "g down enter esc");
    assert!(app.plots.accuracy.curves.figure.series[1].hidden);
    app.on_run("base", Ok(swept("base")));
    assert!(
        app.plots.accuracy.curves.figure.series[1].hidden,
        "after the run was read anew"
    );
    press(&mut app, "g down enter esc");
    assert!(!app.plots.accuracy.curves.figure.series[1].hidden);
}

#[test]
fn figures_are_written_where_the_user_says() {
    let mut app = plots();
    press(&mut app, "ctrl-s");
    for _ in 0..9 {
        app.on_key(crossterm::event::KeyCode::Backspace.into());
    }
    app.on_paste("a.pdf");
    press(&mut app, "enter");
    assert!(
        app.overlay.is_some(),
        "another format is refused, and the prompt stays"
    );
    for _ in 0..3 {
        app.on_key(crossterm::event::KeyCode::Backspace.into());
    }
    app.on_paste("png");
    press(&mut app, "enter");
    let (_, effects) = app.drain();
    let asked: Option<&SaveFigure> = effects[0].as_job();
    let SaveFigure { figure, path } = asked.unwrap();
    assert_eq!(path, std::path::Path::new("a.png"));
    assert_eq!(figure.title, "accuracy against thinking tokens");
}

#[test]
fn a_run_that_is_gone_leaves_the_screen_and_of_one_that_grew_the_new_rows_are_read() {
    let mut app = plots();
    both(&mut app);
    let mut grown = summary(&swept("base"));
    grown.rows = 130;
    app.on_runs(Ok(vec![grown.clone()]));
    assert_eq!(app.plots.shown_as("reasoner"), None);
    let known = swept("base").rows.iter().map(|r| r.problem).collect();
    let name = "base".into();
    assert_eq!(
        app.drain().1,
        [Effect::job(ReadRows { name, known })],
        "what is known is not read again"
    );
    app.on_runs(Ok(vec![grown.clone()]));
    assert_eq!(app.drain().1, [], "one reading at a time");
    let next = Row {
        problem: 129,
        id: "next".into(),
        ..swept("base").rows[0].clone()
    };
    app.on_rows("base", Ok(vec![swept("base").rows[3].clone(), next]));
    let items = &app.plots.shown[0].report.items;
    assert_eq!((items.len(), items[60].id.as_str()), (61, "next"));
    grown.created_at += 1;
    app.on_runs(Ok(vec![grown]));
    assert_eq!(
        app.drain().1,
        [Effect::job(ReadRun("base".into()))],
        "another run of the same name"
    );
    app.on_runs(Err("cannot read the database".into()));
    assert_eq!(app.plots.shown.len(), 1, "what is on the screen stays");
    app.on_runs(Ok(vec![]));
    assert!(app.plots.shown.is_empty());
}

#[test]
fn runs_are_looked_for_while_they_are_looked_at_and_never_twice_at_once() {
    let mut app = plots();
    app.look_for_runs();
    app.look_for_runs();
    assert_eq!(app.drain().1, [Effect::job(FindRuns)]);
    app.on_runs(Ok(vec![]));
    app.screen = Screen::Explore;
    app.look_for_runs();
    assert_eq!(app.drain().1, []);
}

#[test]
fn no_key_does_harm_whatever_is_on_the_screen() {
    let keys = "tab enter space + - 0 L a g esc f ] left right up down pgup pgdn home end";
    let mut empty = ready();
    empty.show_plots();
    let mut nothing = ready();
    nothing.show_plots();
    nothing.on_runs(Ok(vec![]));
    let mut rowless = plots();
    let mut run = swept("reasoner");
    run.rows.clear();
    rowless.on_run("reasoner", Ok(run));
    let mut two = plots();
    both(&mut two);
    for mut app in [empty, nothing, rowless, two] {
        for _ in 0..PlotPane::ALL.len() * 3 {
            press(&mut app, keys);
            app.overlay = None;
            app.screen = Screen::Plots;
        }
    }
}

#[test]
fn what_grows_row_by_row_is_what_is_read_at_once() {
    let mut read = plots();
    both(&mut read);
    let mut grown = plots();
    both(&mut grown);
    for (at, name) in ["reasoner", "base"].into_iter().enumerate() {
        let mut empty = (*read.plots.shown[at].run).clone();
        let rows = std::mem::take(&mut empty.rows);
        grown.on_run(name, Ok(empty));
        for i in 0..rows.len() {
            let row = &rows[i * 7 % rows.len()];
            grown.on_rows(name, Ok(vec![row.clone(), row.clone()]));
        }
    }
    assert_eq!(grown.plots.pairs, read.plots.pairs);
    // As text: what breaks an outline is no number, and equals nothing.
    let drawn = |app: &App| {
        format!(
            "{:?} {:?}",
            app.plots.accuracy.curves, app.plots.lengths.curves
        )
    };
    assert!(drawn(&grown) == drawn(&read));
    for (a, b) in grown.plots.shown.iter().zip(&read.plots.shown) {
        assert_eq!((&a.run, &a.report), (&b.run, &b.report));
        assert_eq!((&a.problems, a.id_width), (&b.problems, b.id_width));
    }
}

/// Rows compared while a sweep of n problems grows over another run of the same problems.
fn compared(n: usize) -> usize {
    use s1_lab::sweep::Progress;
    use s1_plot::fixtures::run;
    let mut app = ready();
    app.show_plots();
    app.on_run("other", Ok(run("other", n, 60, 1)));
    app.plots.sweep = Some(Default::default());
    let mut grown = run("grown", n, 20, 1);
    let rows = std::mem::take(&mut grown.rows);
    app.on_sweep(Progress::Started {
        run: Box::new(grown),
        model: Box::default(),
        done: 0,
        total: n,
    });
    app.drain();
    COMPARED.set(0);
    for (done, row) in (1..).zip(rows) {
        app.on_sweep(Progress::Row {
            row: Box::new(row),
            done,
            total: n,
        });
    }
    assert_eq!(app.drain().1, [], "nothing is read again");
    assert_eq!(app.plots.pairs[0].paired.n(), n);
    COMPARED.get()
}

#[test]
fn a_row_costs_as_much_in_a_long_run_as_in_a_short_one() {
    assert_eq!(compared(50), 50);
    assert_eq!(compared(200), 200);
}

/// Types a field of the form.
fn field(app: &mut App, row: usize, text: &str) {
    app.overlay = None;
    press(app, "n");
    for _ in 0..row {
        press(app, "down");
    }
    press(app, "enter");
    for _ in 0..40 {
        app.on_key(crossterm::event::KeyCode::Backspace.into());
    }
    app.on_paste(text);
    press(app, "enter");
}

#[test]
fn a_sweep_is_planned_started_watched_paused_and_cancelled() {
    use s1_lab::sweep::Progress;

    let mut app = ready();
    app.show_plots();
    app.on_runs(Ok(vec![]));
    app.drain();
    app.plots.plan.problems = Some("/no/such.jsonl".into());
    press(&mut app, "n end enter");
    let said = app.notice.as_ref().unwrap().text.clone();
    assert!(
        said.starts_with("There is no file /no/such.jsonl"),
        "{said}"
    );
    press(&mut app, "enter");
    app.on_problems(Ok(vec![
        crate::tui::widgets::problem_picker::ProblemSetEntry::bundled(),
    ]));
    press(&mut app, "enter");
    assert!(app.overlay.is_some(), "what is not there is not taken");
    press(&mut app, "down enter");
    let chosen = app.plots.plan.problems.as_deref();
    assert_eq!(
        chosen,
        Some("bundled:held-out".as_ref()),
        "the bundled ones are offered"
    );
    app.drain();
    field(&mut app, 2, "0,16,natural");
    field(&mut app, 3, "0,1");
    press(&mut app, "end enter");
    let (_, effects) = app.drain();
    let launch: &StartSweep = effects[0].as_job().unwrap();
    assert_eq!(launch.model, std::path::Path::new("bundled:reasoner"));
    assert_eq!(launch.plan.points().len(), 6);
    app.on_sweep(Progress::Loading(0.5));
    let run = Run {
        name: "p-1".into(),
        rows: Vec::new(),
        ..swept("reasoner")
    };
    app.on_sweep(Progress::Started {
        run: Box::new(run.clone()),
        model: Box::new(crate::tui::app::testing::info()),
        done: 0,
        total: 40,
    });
    assert_eq!(app.drain().1, [Effect::job(FindRuns)]);
    app.on_runs(Ok(vec![summary(&run)]));
    for (done, row) in (1..).zip(swept("reasoner").rows.into_iter().take(2)) {
        let row = Box::new(row);
        app.on_sweep(Progress::Row {
            row,
            done,
            total: 40,
        });
    }
    assert_eq!(app.drain().1, [], "a finished row needs no reading");
    assert_eq!(app.plots.shown[0].report.points[0].n, 2);
    assert_eq!(app.plots.list.as_ref().unwrap()[0].rows, 2);
    press(&mut app, "n");
    assert!(app.overlay.is_none(), "one sweep at a time");
    press(&mut app, "p");
    let control = launch.control.clone();
    assert!(control.is_paused());
    press(&mut app, "p");
    assert!(!control.is_paused() && !control.is_cancelled());
    press(&mut app, "x");
    assert!(control.is_cancelled());
    app.on_sweep_ended(Ok(()));
    assert!(app.plots.sweep.is_none());
    assert!(
        app.notice
            .as_ref()
            .unwrap()
            .text
            .contains("goes on with p-1")
    );
    assert_eq!(
        app.plots.shown_as("p-1"),
        Some(0),
        "what is done stays on the screen"
    );
}
