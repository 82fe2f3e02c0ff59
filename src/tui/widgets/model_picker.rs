//! The model picker: the files found on this machine, narrowed by typing; or the path of any other,
//! or the name of one of the hub.
//!
//! Not here: looking for files ([`s1_engine::catalog`]) and loading one.

use std::path::{Path, PathBuf};

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::config::expand_home;
use crate::tui::action::Action;
use crate::tui::keymap::{Context, Keymap};
use crate::tui::theme::Theme;
use crate::tui::widgets::input::Input;
use crate::tui::widgets::list::{ListRow, Selection, hint};
use crate::tui::widgets::modal::{Modal, Reply};
use crate::tui::widgets::overlay::{boxed, centered, put};
use crate::tui::widgets::palette::{score, types};
use s1_core::format;
use s1_data::hub;
use s1_engine::catalog::CatalogEntry;

/// How to get a first model, in one line.
pub const GET_ONE: &str = "hf download Qwen/Qwen3-0.6B-GGUF Qwen3-0.6B-Q8_0.gguf";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelPicker {
    entries: Vec<CatalogEntry>,
    /// What is typed: letters that narrow the list, or a path.
    input: Input,
    selection: Selection,
    /// Whether files are still being looked for.
    searching: bool,
    /// The model in use, marked in the list.
    current: Option<PathBuf>,
    /// Why the last choice did not work, in one sentence; shown until the next key.
    error: Option<String>,
}

impl ModelPicker {
    /// A picker while files are being looked for; the model in use will be marked.
    pub fn searching(current: Option<PathBuf>) -> ModelPicker {
        ModelPicker {
            searching: true,
            current,
            ..ModelPicker::default()
        }
    }

    /// Replaces the files, once they have been looked for.
    pub fn set_entries(&mut self, entries: Vec<CatalogEntry>) {
        self.entries = entries;
        self.searching = false;
    }

    /// The files that match what is typed, best first.
    fn matches(&self) -> Vec<&CatalogEntry> {
        let query = self.input.text();
        let mut scored: Vec<(i32, &CatalogEntry)> = self
            .entries
            .iter()
            .filter_map(|e| Some((score(query, &format!("{} {}", e.name, e.origin))?, e)))
            .collect();
        scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        scored.into_iter().map(|(_, entry)| entry).collect()
    }

    /// The path that is typed, if it looks like one.
    fn typed_path(&self) -> Option<PathBuf> {
        let text = self.input.text().trim().trim_matches(['"', '\'']);
        let path = text.starts_with(['/', '~', '.'])
            || text.contains(std::path::MAIN_SEPARATOR)
            || Path::new(text)
                .extension()
                .is_some_and(|e| e.eq_ignore_ascii_case("gguf"));
        (path && !text.is_empty()).then(|| expand_home(text.trim_start_matches("file://")))
    }

    fn accept(&mut self) -> Reply<PathBuf> {
        if let Some(path) = self.typed_path() {
            // Whether the hub has it is found out where it is loaded.
            if path.is_file() || hub::is_hub(&path) {
                return Reply::Done(path);
            }
            self.error = Some(if path.is_dir() {
                format!(
                    "{} is a folder; write the path of a .gguf file in it",
                    path.display()
                )
            } else {
                format!("there is no file {}", path.display())
            });
            return Reply::Open;
        }
        let matches = self.matches();
        let chosen = self
            .selection
            .get(matches.len())
            .and_then(|i| matches.get(i));
        chosen.map_or(Reply::Open, |entry| Reply::Done(entry.path.clone()))
    }

    fn draw_input(&self, buf: &mut Buffer, area: Rect, theme: &Theme) -> Option<Position> {
        let line = Rect {
            x: area.x.saturating_add(2),
            width: area.width.saturating_sub(2),
            ..area
        };
        put(buf, area, area.x, area.y, area.width, "›", theme.key);
        let cursor = self.input.draw(buf, line, theme);
        if self.input.text().is_empty() {
            let x = line.x.saturating_add(2);
            put(
                buf,
                line,
                x,
                line.y,
                line.width,
                "type to find, or write a path",
                theme.dim,
            );
        }
        cursor
    }

    fn draw_list(&self, buf: &mut Buffer, area: Rect, theme: &Theme) {
        let matches = self.matches();
        if self.typed_path().is_some() {
            put(
                buf,
                area,
                area.x,
                area.y,
                area.width,
                "Enter loads this path",
                theme.dim,
            );
        } else if matches.is_empty() {
            self.draw_empty(buf, area, theme);
        } else {
            let name = |e: &CatalogEntry| {
                let here = self.current.as_ref() == Some(&e.path);
                format!(
                    "{:>7}  {}{}",
                    format::size(e.bytes),
                    e.name,
                    if here { " ✓" } else { "" }
                )
            };
            let rows: Vec<ListRow> = matches
                .iter()
                .map(|e| ListRow::new(name(e), e.origin.clone()))
                .collect();
            self.selection.draw(buf, area, rows.iter(), theme);
        }
    }

    fn draw_empty(&self, buf: &mut Buffer, area: Rect, theme: &Theme) {
        let lines: &[(&str, ratatui::style::Style)] = if self.searching {
            &[("looking for GGUF files …", theme.dim)]
        } else if !self.entries.is_empty() {
            &[("no model matches; a path works, too", theme.dim)]
        } else {
            &[
                ("No GGUF file was found. Get one:", theme.text),
                ("", theme.text),
                (GET_ONE, theme.key),
                ("", theme.text),
                (
                    "Or write the path of one above, or start with s1-tui --model PATH.gguf",
                    theme.dim,
                ),
            ]
        };
        for ((text, style), row) in lines.iter().zip(area.rows()) {
            put(buf, row, row.x, row.y, row.width, text, *style);
        }
    }
}

impl Modal for ModelPicker {
    type Output = PathBuf;

    fn key(&mut self, key: KeyEvent, keymap: &Keymap) -> Reply<PathBuf> {
        let action = if types(key) {
            None
        } else {
            keymap.action(Context::List, key)
        };
        let count = self.matches().len();
        match action {
            Some(Action::Accept) => return self.accept(),
            Some(Action::Cancel) => return Reply::Cancelled,
            Some(action @ (Action::Quit | Action::Redraw | Action::Suspend)) => {
                return Reply::Other(action);
            }
            Some(action) if self.selection.step(action, count) => self.error = None,
            _ => {
                if self.input.handle(key) {
                    self.error = None;
                    self.selection = Selection::default();
                }
            }
        }
        Reply::Open
    }

    /// Inserts pasted text, e.g. a file dragged onto the terminal.
    fn paste(&mut self, text: &str) {
        self.error = None;
        self.selection = Selection::default();
        self.input.insert(text.trim_end());
    }

    fn show_error(&mut self, sentence: &str) -> bool {
        self.error = Some(sentence.to_owned());
        true
    }

    fn draw(
        &self,
        buf: &mut Buffer,
        area: Rect,
        keymap: &Keymap,
        theme: &Theme,
    ) -> Option<Position> {
        let area = area.intersection(buf.area);
        let most = area.height.saturating_sub(2).max(1);
        let rows = u16::try_from(self.entries.len()).unwrap_or(u16::MAX);
        let place = centered(
            area,
            110,
            rows.saturating_add(5).clamp(11, most.max(11)).min(most),
        );
        let hint = hint(
            keymap,
            &[(Action::Accept, "load"), (Action::Cancel, "back")],
        );
        let inner = boxed(buf, place, "Choose a model", &hint, theme);
        let cursor = self.draw_input(buf, inner, theme);
        let body = Rect {
            y: inner.y.saturating_add(2),
            height: inner.height.saturating_sub(2),
            ..inner
        };
        if let Some(error) = &self.error {
            let last = Rect {
                y: body.bottom().saturating_sub(1),
                height: body.height.min(1),
                ..body
            };
            put(
                buf,
                last,
                last.x,
                last.y,
                last.width,
                &format!("✗ {error}"),
                theme.bad,
            );
            self.draw_list(
                buf,
                Rect {
                    height: body.height.saturating_sub(2),
                    ..body
                },
                theme,
            );
        } else {
            self.draw_list(buf, body, theme);
        }
        cursor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};
    use crossterm::event::{KeyCode, KeyModifiers};
    use s1_engine::catalog::ModelSource;

    fn entries() -> Vec<CatalogEntry> {
        [
            (
                "Qwen3-0.6B-Q8_0",
                "Qwen/Qwen3-0.6B-GGUF",
                639_446_688,
                ModelSource::Hub,
            ),
            (
                "SmolLM2-135M-Instruct-Q4_1",
                "/home/ada/models",
                98_314_272,
                ModelSource::Folder,
            ),
            (
                "s1.1-1.5B-Q4_K_M",
                "/home/ada/models/s1",
                1_117_320_736,
                ModelSource::Folder,
            ),
            (
                "gemma-3-1b-it-Q4_0",
                "google/gemma-3-1b-it-qat-q4_0-gguf",
                1_002_000_000,
                ModelSource::Hub,
            ),
        ]
        .into_iter()
        .map(|(name, origin, bytes, source)| CatalogEntry {
            path: PathBuf::from(format!("/models/{name}.gguf")),
            name: name.into(),
            origin: origin.into(),
            bytes,
            source,
        })
        .collect()
    }

    fn found(current: Option<PathBuf>) -> ModelPicker {
        let mut picker = ModelPicker::searching(current);
        picker.set_entries(entries());
        picker
    }

    fn press(picker: &mut ModelPicker, code: KeyCode) -> Reply<PathBuf> {
        picker.key(KeyEvent::new(code, KeyModifiers::NONE), &Keymap::default())
    }

    fn typed(picker: &mut ModelPicker, text: &str) {
        for c in text.chars() {
            press(picker, KeyCode::Char(c));
        }
    }

    #[test]
    fn typing_narrows_and_enter_loads() {
        let mut picker = found(None);
        press(&mut picker, KeyCode::Down);
        let second = Reply::Done("/models/SmolLM2-135M-Instruct-Q4_1.gguf".into());
        assert_eq!(press(&mut picker, KeyCode::Enter), second);
        typed(&mut picker, "s1");
        let best = Reply::Done("/models/s1.1-1.5B-Q4_K_M.gguf".into());
        assert_eq!(press(&mut picker, KeyCode::Enter), best);
        typed(&mut picker, "xyzzy");
        assert_eq!(press(&mut picker, KeyCode::Enter), Reply::Open);
        assert_eq!(press(&mut picker, KeyCode::Esc), Reply::Cancelled);
    }

    #[test]
    fn a_typed_path_is_loaded_or_refused_in_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("m.gguf");
        std::fs::write(&file, "GGUF").unwrap();
        let mut picker = ModelPicker::default();
        picker.paste(&format!("'{}'\n", file.display()));
        assert_eq!(press(&mut picker, KeyCode::Enter), Reply::Done(file));

        let mut picker = ModelPicker::default();
        picker.paste("hf:owner/name:m.gguf");
        let of_the_hub = Reply::Done("hf:owner/name:m.gguf".into());
        assert_eq!(press(&mut picker, KeyCode::Enter), of_the_hub);

        let mut picker = ModelPicker::default();
        picker.paste(&dir.path().display().to_string());
        assert_eq!(press(&mut picker, KeyCode::Enter), Reply::Open);
        assert!(
            picker
                .error
                .as_ref()
                .unwrap()
                .contains("is a folder; write the path")
        );
        typed(&mut picker, "x");
        assert_eq!(picker.error, None);
        press(&mut picker, KeyCode::Enter);
        assert!(
            picker
                .error
                .as_ref()
                .unwrap()
                .starts_with("there is no file ")
        );
    }

    #[test]
    fn pictures() {
        let (keymap, theme) = (Keymap::default(), Theme::default());
        let mut picker = found(Some("/models/Qwen3-0.6B-Q8_0.gguf".into()));
        press(&mut picker, KeyCode::Down);
        let shown = picture(80, 24, |buf, area| {
            picker.draw(buf, area, &keymap, &theme);
        });
        insta::assert_snapshot!("picker_80x24", shown);
        let shown = picture(80, 24, |buf, area| {
            ModelPicker::default().draw(buf, area, &keymap, &theme);
        });
        insta::assert_snapshot!("picker_empty", shown);
        let mut picker = ModelPicker::default();
        typed(&mut picker, "~nobody/x.gguf");
        press(&mut picker, KeyCode::Enter);
        let shown = picture(80, 24, |buf, area| {
            picker.draw(buf, area, &keymap, &theme);
        });
        insta::assert_snapshot!("picker_error", shown);
    }

    #[test]
    fn every_size_draws() {
        let (keymap, theme) = (Keymap::default(), Theme::monochrome());
        let mut failed = found(None);
        failed.error = Some("a sentence".into());
        for picker in [ModelPicker::default(), found(None), failed] {
            survives_every_size(|buf, area| {
                picker.draw(buf, area, &keymap, &theme);
            });
        }
    }
}
