//! The picker of problem sets: the bundled one, those of earlier runs, files of the current folder, and
//! some of the hub to begin with; or the path of any other.
//!
//! Not here: looking for them, and reading one.

use std::path::{Path, PathBuf};

use ratatui::text::Line;

use super::finder::{ColumnHead, Entry, Finder, FinderSpec, place_of_columns};
use super::list::ListRow;
use crate::config::expand_home;
use crate::tui::theme::Theme;
use s1_core::format;
use s1_data::{assets, records};

/// A set to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemSetEntry {
    pub path: PathBuf,
    /// How many problems it has, where a run has counted them.
    pub problems: Option<usize>,
    /// Size in bytes, of a file.
    pub bytes: Option<u64>,
    /// Where it comes from, in a few words.
    pub origin: String,
    /// What there is to say of it.
    pub about: String,
}

impl ProblemSetEntry {
    /// The problems that the program carries with it.
    pub fn bundled() -> ProblemSetEntry {
        let bytes = assets::open(assets::HELD_OUT).unwrap_or_default();
        ProblemSetEntry {
            path: PathBuf::from(assets::HELD_OUT),
            problems: Some(
                bytes
                    .split(|byte| *byte == b'\n')
                    .filter(|l| !l.is_empty())
                    .count(),
            ),
            bytes: Some(bytes.len() as u64),
            origin: "in the program".into(),
            about: "what the bundled models were made for: counting letters, products, primes"
                .into(),
        }
    }

    /// The one in use, of which nothing else is known.
    pub fn in_use(path: &Path) -> ProblemSetEntry {
        ProblemSetEntry {
            path: path.to_owned(),
            problems: None,
            bytes: None,
            origin: "in use".into(),
            about: path.display().to_string(),
        }
    }

    /// Why it cannot be used now.
    fn fault(&self) -> Option<String> {
        check(&self.path).err()
    }
}

/// Sets of the hub to begin with: name, problems, and what they are.
const SUGGESTED: [(&str, usize, &str); 4] = [
    (
        "hf:openai/gsm8k",
        1319,
        "grade-school mathematics in words; the test split",
    ),
    (
        "hf:HuggingFaceH4/MATH-500",
        500,
        "competition mathematics; one of the three sets of s1",
    ),
    (
        "hf:Maxwell-Jia/AIME_2024",
        30,
        "the AIME of 2024; one of the three sets of s1",
    ),
    (
        "hf:Idavidrein/gpqa",
        198,
        "graduate-level science, by choice; asks for an account of the hub",
    ),
];

/// A choice among problem sets.
pub type ProblemPicker = Finder<PathBuf>;

static PICKER: FinderSpec<PathBuf> = FinderSpec {
    title: "Problems",
    sign: "›",
    placeholder: "type to find, or write a path (Tab completes) or hf:OWNER/NAME",
    accept: "choose",
    others: &[],
    columns: &[
        ColumnHead::left("problems"),
        ColumnHead::right("n"),
        ColumnHead::right("size"),
        ColumnHead::left("where"),
    ],
    gap: 1,
    place: |area, entries| place_of_columns(area, entries, 110),
    typed,
    check: |path| check(path),
    takes_typed: "Enter takes this file",
    nothing: |entries, theme| vec![nothing(entries, theme)],
};

impl ProblemPicker {
    /// A picker of these, at the one in use.
    pub fn of(sets: Vec<ProblemSetEntry>, now: Option<&Path>) -> ProblemPicker {
        let known = |path: &str| sets.iter().any(|set| set.path == Path::new(path));
        let hub = SUGGESTED.iter().filter(|(name, ..)| !known(name));
        let hub: Vec<ProblemSetEntry> = hub
            .map(|&(name, problems, about)| ProblemSetEntry {
                path: PathBuf::from(name),
                problems: Some(problems),
                bytes: None,
                origin: "to be fetched".into(),
                about: about.into(),
            })
            .collect();
        let entry = |set: ProblemSetEntry| {
            let path = set.path.display().to_string();
            let in_use = if now == Some(&set.path) { "✓ " } else { "" };
            let number = |n: usize| format::grouped(n);
            Entry {
                text: format!("{path} {} {}", set.origin, set.about),
                cells: vec![
                    format!("{in_use}{path}"),
                    set.problems.map_or("–".into(), number),
                    set.bytes.map_or("–".into(), format::size),
                    set.origin.clone(),
                ],
                fault: set.fault(),
                about: set.about,
                value: set.path,
                row: ListRow::default(),
                name: "",
            }
        };
        let mut picker = Finder::searching(&PICKER);
        picker.set_entries(sets.into_iter().chain(hub).map(entry).collect());
        picker.select(|path| Some(path.as_path()) == now);
        picker
    }
}

/// Reads text that looks like a path, or a name of the hub or of the program.
fn typed(text: &str) -> Option<PathBuf> {
    let text = text.trim().trim_matches(['"', '\'']);
    let ends = [".jsonl", ".json", ".csv", ".tsv", ".parquet", ".gz"];
    let is_path = text.starts_with(['/', '~', '.'])
        || text.starts_with(assets::PREFIX)
        || text.contains(std::path::MAIN_SEPARATOR)
        || ends.iter().any(|end| text.ends_with(end));
    is_path.then(|| expand_home(text.trim_start_matches("file://")))
}

/// Says what is wrong with a path; whether the hub has a set is found out where it is read.
pub fn check(path: &Path) -> Result<(), String> {
    let shown = path.display();
    if records::is_elsewhere(path) || path.is_file() {
        Ok(())
    } else if path.is_dir() {
        Err(format!(
            "{shown} is a folder; write the path of a file in it"
        ))
    } else {
        Err(format!("there is no file {shown}"))
    }
}

fn nothing(entries: Option<usize>, theme: &Theme) -> Line<'static> {
    match entries {
        None => Line::styled("looking for problem sets …", theme.dim),
        Some(_) => Line::styled("no set matches; a path works, too", theme.dim),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::keymap::Keymap;
    use crate::tui::widgets::modal::{Modal, Reply};
    use crate::tui::widgets::overlay::DrawContext;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};
    use crossterm::event::{KeyCode, KeyEvent};

    fn picker() -> ProblemPicker {
        let own = ProblemSetEntry {
            path: "/data/gone.jsonl".into(),
            problems: Some(1000),
            bytes: None,
            origin: "used 2 days ago".into(),
            about: "of the run gone-1".into(),
        };
        ProblemPicker::of(
            vec![ProblemSetEntry::bundled(), own],
            Some(assets::HELD_OUT.as_ref()),
        )
    }

    /// A user would lose: the set of the last run, and why it is not there any more.
    #[test]
    fn sets_are_found_by_what_they_are_and_say_why_they_cannot_be_used() {
        let keymap = Keymap::default();
        let press = |picker: &mut ProblemPicker, keys: &str| {
            for letter in keys.chars() {
                picker.key(KeyEvent::from(KeyCode::Char(letter)), &keymap);
            }
            picker.key(KeyEvent::from(KeyCode::Enter), &keymap)
        };
        assert_eq!(
            press(&mut picker(), ""),
            Reply::Done(assets::HELD_OUT.into())
        );
        assert_eq!(
            press(&mut picker(), "grade"),
            Reply::Done("hf:openai/gsm8k".into())
        );
        let mut gone = picker();
        assert_eq!(press(&mut gone, "gone"), Reply::Open);
        assert_eq!(
            gone.error.as_deref(),
            Some("there is no file /data/gone.jsonl")
        );
        assert_eq!(press(&mut picker(), "no.jsonl"), Reply::Open);
    }

    #[test]
    fn pictures() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let shown = picture(80, 14, |buf, area| {
            picker().draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
        insta::assert_snapshot!("problem_picker", shown);
        survives_every_size(|buf, area| {
            picker().draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
    }
}
