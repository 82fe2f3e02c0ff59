//! What lies over the screen: lists, prompts, questions. Each knows what its answer is for.

use std::path::PathBuf;

use super::compare::{Kind, Place};
use super::live::{Live, LiveBranch};
use super::settings::Setting;
use crate::tui::sanitize::{clean_line, fit};
use crate::tui::widgets::bars::bar;
use crate::tui::widgets::confirm::Confirm;
use crate::tui::widgets::curation::Curation;
use crate::tui::widgets::help::Help;
use crate::tui::widgets::list::{List, Row};
use crate::tui::widgets::model_picker::Picker;
use crate::tui::widgets::palette::Palette;
use crate::tui::widgets::prompt_line::PromptLine;
use crate::tui::widgets::reader::Reader;
use s1_core::format;
use s1_core::protocol::LaneState;
use s1_core::trace::Token;
use s1_core::tree::BranchId;
use s1_store::session::{EXTENSION, Saved};

/// Something over the screen that has the keys.
#[derive(Clone, Debug)]
pub enum Overlay {
    /// Every key.
    Help(Help),
    /// Actions by name.
    Palette(Palette),
    /// A choice among rows.
    Pick(Pick, List),
    /// A line to type.
    Line(Ask, PromptLine),
    /// Yes or no.
    Sure(Sure, Confirm),
    /// Models on this machine.
    Models(Picker),
    /// A text to read.
    Read(Reader),
    /// How data were chosen.
    Curation(Curation),
}

/// What is chosen in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// A token in place of the one at a position.
    Alternative {
        /// The position.
        at: usize,
        /// Token ids, by row.
        ids: Vec<u32>,
    },
    /// A branch to show, by row.
    Branch(Vec<BranchId>),
    /// A wait text, by row; the row after the last asks for another.
    WaitText(Vec<String>),
    /// A session to open, by row; the row after the last asks for a path.
    Session(Vec<PathBuf>),
    /// A setting to change.
    Setting,
    /// A set of lanes.
    Preset,
    /// What a lane does.
    Strategy(Place),
    /// A line of the curve to show or to hide.
    Line,
    /// A row of the form of a new sweep.
    Sweep,
    /// What to write of a training.
    Export,
}

/// What a typed line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Words for the thought; whether it goes on afterwards.
    Inject {
        /// It ran when the prompt was opened.
        resume: bool,
    },
    /// The reference answer.
    Reference,
    /// The name of a session file.
    Save,
    /// The path of a session file.
    Open,
    /// A wait text.
    WaitText,
    /// The value of a setting.
    Setting(Setting),
    /// A figure or a word that a lane's strategy needs.
    Strategy(Place, Kind),
    /// The file of a figure.
    Figure,
    /// A field of a new sweep.
    Sweep(super::plots::sweep::Field),
    /// A field of a new training.
    Train(super::train::form::Field),
}

/// What a yes is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sure {
    /// Leaving although something would be lost.
    Quit,
    /// Asking although the session on screen could not be kept.
    Ask,
    /// Ending a training at once.
    KillTraining,
}

/// Wait texts worth trying: the paper's choice, and those it was compared with.
const WAIT_TEXTS: [&str; 4] = ["Wait", "Hmm", "Alternatively", "Let me double-check"];

impl Overlay {
    /// Words to inject.
    pub fn inject(resume: bool) -> Overlay {
        let note = "They become part of the thought, marked ✎, before its next token.";
        Overlay::Line(
            Ask::Inject { resume },
            PromptLine::new("Words for the thought", note, ""),
        )
    }

    /// The reference answer.
    pub fn reference(now: &str) -> Overlay {
        let note = "Grades every probe and the answer with ✓ or ✗. Empty: no grades.";
        Overlay::Line(
            Ask::Reference,
            PromptLine::new("Reference answer", note, now),
        )
    }

    /// A name to save under.
    pub fn save(now: &str) -> Overlay {
        let note = "A name, or a path such as ~/notes/raspberry.s1.json";
        Overlay::Line(Ask::Save, PromptLine::new("Save the session as", note, now))
    }

    /// A path to open.
    pub fn open_path() -> Overlay {
        let note = "The path of a saved session.";
        Overlay::Line(Ask::Open, PromptLine::new("Open a session", note, ""))
    }

    /// A wait text of one's own.
    pub fn wait_text(now: &str) -> Overlay {
        let note = "It replaces the model's attempts to end its thinking.";
        Overlay::Line(Ask::WaitText, PromptLine::new("Wait text", note, now))
    }

    /// The value of a setting.
    pub fn setting(setting: Setting, now: &str) -> Overlay {
        Overlay::Line(
            Ask::Setting(setting),
            PromptLine::new(setting.name(), setting.note(), now),
        )
    }

    /// Leaving although the session is not kept.
    pub fn quit(why: Option<&str>) -> Overlay {
        let why = why.unwrap_or("The session is still being saved.");
        Overlay::Sure(
            Sure::Quit,
            Confirm::new("Leave and lose this session?", why),
        )
    }

    /// Asking although the session is not kept.
    pub fn ask_anyway(why: &str) -> Overlay {
        Overlay::Sure(
            Sure::Ask,
            Confirm::new("Ask anew and lose this session?", why),
        )
    }

    /// The tokens the model considered at a position.
    pub fn alternatives(at: usize, token: &Token) -> Overlay {
        let rows = token.top.iter().map(|a| {
            let p = f64::from(a.logprob).exp();
            let mark = if a.id == token.id { "  (stands)" } else { "" };
            Row::new(
                format!("{}{mark}", quoted(&a.text, 32)),
                format!("{:<16}  {p:.3}", bar(p, 16)),
            )
        });
        let other = token.top.iter().position(|a| a.id != token.id).unwrap_or(0);
        let title = format!("Instead of {} at {at}", quoted(&token.text, 24));
        Overlay::Pick(
            Pick::Alternative {
                at,
                ids: token.top.iter().map(|a| a.id).collect(),
            },
            List::new(
                &title,
                "The model considered nothing else.",
                rows.collect(),
                other,
            ),
        )
    }

    /// The tree of branches.
    pub fn branches(live: &Live) -> Overlay {
        let rows = branch_rows(live);
        let ids: Vec<BranchId> = rows.iter().map(|(id, _)| *id).collect();
        let here = ids.iter().position(|&id| id == live.active).unwrap_or(0);
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        Overlay::Pick(Pick::Branch(ids), List::new("Branches", "", rows, here))
    }

    /// Wait texts.
    pub fn wait_texts(now: &str) -> Overlay {
        let mut texts: Vec<String> = WAIT_TEXTS.map(String::from).to_vec();
        if !texts.iter().any(|t| t == now) {
            texts.insert(0, now.to_owned());
        }
        let here = texts.iter().position(|t| t == now).unwrap_or(0);
        let mut rows: Vec<Row> = texts
            .iter()
            .map(|t| Row::new(t.clone(), if t == now { "in use" } else { "" }))
            .collect();
        rows.push(Row::new("something else …", ""));
        Overlay::Pick(
            Pick::WaitText(texts),
            List::new("Wait text", "", rows, here),
        )
    }

    /// Saved sessions.
    pub fn sessions(saved: Vec<Saved>) -> Overlay {
        let mut rows: Vec<Row> = saved
            .iter()
            .map(|s| {
                let name = s.path.file_name().map(|n| n.to_string_lossy().into_owned());
                let name = name.unwrap_or_default();
                let name = name.strip_suffix(EXTENSION).unwrap_or(&name).to_owned();
                let age = s.modified.elapsed().map_or(0, |age| age.as_secs());
                let (age, size) = (format::ago(age), format::size(s.bytes));
                Row::new(name, format!("{age} · {size}"))
            })
            .collect();
        rows.push(Row::new("another file …", ""));
        let paths = saved.into_iter().map(|s| s.path).collect();
        Overlay::Pick(
            Pick::Session(paths),
            List::new("Open a session", "", rows, 0),
        )
    }
}

/// A token's text on one line: safe, with line breaks as a sign that every font has.
pub fn label(text: &str) -> String {
    clean_line(&text.replace('\n', "⏎")).into_owned()
}

/// A token's text between quotation marks, safe and short.
pub fn quoted(text: &str, columns: usize) -> String {
    let safe = label(text);
    let inner = safe
        .strip_prefix(' ')
        .filter(|t| !t.is_empty())
        .unwrap_or(&safe);
    format!("“{}”", fit(inner, columns))
}

/// One row per branch, as a tree.
fn branch_rows(live: &Live) -> Vec<(BranchId, Row)> {
    let order = live.walk();
    let mut rows = Vec::with_capacity(order.len());
    for (i, &(depth, id)) in order.iter().enumerate() {
        let branch = &live.branches[id];
        let mut stem = String::new();
        for level in 1..depth.min(24) {
            // A line goes on where the branch at this level has a sister further down.
            stem.push_str(if has_sister(&order[i..], level) {
                "│  "
            } else {
                "   "
            });
        }
        if depth > 0 {
            stem.push_str(if has_sister(&order[i..], depth) {
                "├─ "
            } else {
                "╰─ "
            });
        }
        let tokens = &branch.lane.tokens;
        let at = branch.fork.map_or(0, |f| f.at.min(tokens.len()));
        let own = &tokens[at..];
        let words: String = own.iter().take(12).map(|t| t.text.as_str()).collect();
        let words = fit(label(words.trim()).trim_end(), 28).into_owned();
        let from = branch
            .fork
            .map_or(String::new(), |f| format!("from {}", f.at));
        let answer = answer(branch);
        let row = Row::new(
            format!("{stem}{}  {words}", branch.name),
            format!("{answer}  {from:>10}  {:>5} tokens", own.len()),
        );
        rows.push((id, row));
    }
    rows
}

/// What has become of a branch: its answer, or what it is doing.
fn answer(branch: &LiveBranch) -> String {
    match (&branch.verdict, branch.lane.state) {
        (Some(verdict), _) => {
            let sign = match verdict.correct {
                Some(true) => " ✓",
                Some(false) => " ✗",
                None => "",
            };
            format!("▸ {}{sign}", fit(&clean_line(&verdict.answer), 16))
        }
        (None, Some(LaneState::Running | LaneState::Prefill)) => "writing".into(),
        (None, Some(LaneState::Paused)) => "paused".into(),
        _ => String::new(),
    }
}

/// Whether a later branch stands at `level`, before the tree goes back above it.
fn has_sister(rest: &[(usize, BranchId)], level: usize) -> bool {
    rest.iter()
        .skip(1)
        .map(|(depth, _)| *depth)
        .find(|&d| d <= level)
        == Some(level)
}
