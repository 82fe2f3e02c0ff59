//! The model picker: the files found on this machine and the server in use, narrowed by typing; or the
//! path of any other file, the address of a server, or the name of a model of the hub.
//!
//! Not here: looking for files ([`s1_engine::catalog`]) and loading one.

use std::path::{Path, PathBuf};

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::finder::{Entry, Finder, Finding};
use super::list::ListRow;
use super::overlay::centered;
use crate::config::expand_home;
use crate::tui::theme::Theme;
use s1_core::format;
use s1_data::hub;
use s1_engine::catalog::CatalogEntry;
use s1_engine::is_server;
use s1_model::gguf::folder;

/// Models to begin with, and what there is to fetch of each.
const SUGGESTED: [(&str, &str); 3] = [
    ("hf:Qwen/Qwen3-0.6B-GGUF", "639 MB"),
    ("hf:Qwen/Qwen3-1.7B-GGUF", "1.8 GB"),
    ("hf:Qwen/Qwen3-4B-GGUF:Qwen3-4B-Q4_K_M.gguf", "2.5 GB"),
];

/// A choice among models.
pub type ModelPicker = Finder<PathBuf>;

static PICKER: Finding<PathBuf> = Finding {
    title: "Choose a model",
    sign: "›",
    placeholder: "type to find, or write a path (Tab completes), hf:OWNER/NAME, http://…",
    accept: "load",
    others: &[],
    gap: 1,
    place,
    typed,
    check: |path| check(path),
    takes_typed: "Enter loads this path",
    nothing,
};

impl ModelPicker {
    /// A picker while files are being looked for.
    pub fn looking() -> ModelPicker {
        Finder::searching(&PICKER)
    }

    /// Shows the files that were found, and the server that was used; the model in use is marked.
    pub fn show(
        &mut self,
        found: Vec<CatalogEntry>,
        server: Option<&Path>,
        current: Option<&Path>,
    ) {
        let server = server.map(|address| {
            let here = if current == Some(address) { " ✓" } else { "" };
            let name = format!("{:>7}  {}{here}", "server", address.display());
            Entry {
                text: format!("{} server", address.display()),
                row: ListRow::new(name, "a server that computes"),
                value: address.to_path_buf(),
                name: "",
            }
        });
        let entry = |e: CatalogEntry| {
            let here = if current == Some(&e.path) { " ✓" } else { "" };
            let name = format!("{:>7}  {}{here}", format::size(e.bytes), e.name);
            Entry {
                text: format!("{} {}", e.name, e.origin),
                row: ListRow::new(name, e.origin),
                value: e.path,
                name: "",
            }
        };
        let suggested = SUGGESTED.map(|(name, size)| Entry {
            text: format!("{name} hub"),
            row: ListRow::new(format!("{size:>7}  {name}"), "to be fetched from the hub"),
            value: PathBuf::from(name),
            name: "",
        });
        let found = found.into_iter().map(entry);
        self.set_entries(server.into_iter().chain(found).chain(suggested).collect());
    }
}

fn place(area: Rect, entries: usize) -> Rect {
    let most = area.height.saturating_sub(2).max(1);
    let rows = u16::try_from(entries).unwrap_or(u16::MAX);
    let height = rows.saturating_add(5).clamp(11, most.max(11)).min(most);
    centered(area, 110, height)
}

/// Reads text that looks like a path, the address of a server, or a name of the hub.
fn typed(text: &str) -> Option<PathBuf> {
    let text = text.trim().trim_matches(['"', '\'']);
    if is_server(Path::new(text)) {
        return Some(text.into());
    }
    let gguf = |extension: &std::ffi::OsStr| extension.eq_ignore_ascii_case("gguf");
    let is_path = text.starts_with(['/', '~', '.'])
        || text.contains(std::path::MAIN_SEPARATOR)
        || Path::new(text).extension().is_some_and(gguf);
    is_path.then(|| expand_home(text.trim_start_matches("file://")))
}

fn check(path: &Path) -> Result<(), String> {
    let shown = path.display();
    // Whether the hub has it, or the server answers, is found out where it is loaded.
    if path.is_file() || is_server(path) || hub::is_hub(path) || folder::is_model(path) {
        Ok(())
    } else if path.is_dir() {
        Err(format!(
            "{shown} is a folder; write the path of a .gguf file in it"
        ))
    } else {
        Err(format!("there is no file {shown}"))
    }
}

fn nothing(entries: Option<usize>, theme: &Theme) -> Vec<Line<'static>> {
    match entries {
        None => vec![Line::styled("looking for GGUF files …", theme.dim)],
        Some(_) => vec![Line::styled(
            "no model matches; a path or a server's address works, too",
            theme.dim,
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::keymap::Keymap;
    use crate::tui::widgets::modal::{Modal, Reply};
    use crate::tui::widgets::overlay::Canvas;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
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
        let mut picker = ModelPicker::looking();
        picker.show(entries(), None, current.as_deref());
        picker
    }

    fn nobody() -> ModelPicker {
        let mut picker = ModelPicker::looking();
        picker.show(Vec::new(), None, None);
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

    /// A user would lose: the way back to the server, once a file is loaded.
    #[test]
    fn the_server_that_was_used_is_the_first_of_the_list() {
        let mut picker = ModelPicker::looking();
        let server = Path::new("http://127.0.0.1:8080");
        picker.show(entries(), Some(server), None);
        assert_eq!(
            press(&mut picker, KeyCode::Enter),
            Reply::Done(server.into())
        );
    }

    #[test]
    fn a_typed_path_is_loaded_or_refused_in_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("m.gguf");
        std::fs::write(&file, "GGUF").unwrap();
        let mut picker = nobody();
        picker.paste(&format!("'{}'\n", file.display()));
        assert_eq!(press(&mut picker, KeyCode::Enter), Reply::Done(file));

        let mut picker = nobody();
        picker.paste("hf:owner/name:m.gguf");
        let of_the_hub = Reply::Done("hf:owner/name:m.gguf".into());
        assert_eq!(press(&mut picker, KeyCode::Enter), of_the_hub);

        let mut picker = nobody();
        picker.paste("http://127.0.0.1:8080,http://127.0.0.1:8081");
        let servers = Reply::Done("http://127.0.0.1:8080,http://127.0.0.1:8081".into());
        assert_eq!(press(&mut picker, KeyCode::Enter), servers);

        let mut picker = nobody();
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
            picker.draw(&mut Canvas::new(buf, area, &keymap, &theme));
        });
        insta::assert_snapshot!("picker_80x24", shown);
        let shown = picture(80, 24, |buf, area| {
            nobody().draw(&mut Canvas::new(buf, area, &keymap, &theme));
        });
        insta::assert_snapshot!("picker_empty", shown);
        let mut picker = nobody();
        typed(&mut picker, "~nobody/x.gguf");
        press(&mut picker, KeyCode::Enter);
        let shown = picture(80, 24, |buf, area| {
            picker.draw(&mut Canvas::new(buf, area, &keymap, &theme));
        });
        insta::assert_snapshot!("picker_error", shown);
    }

    #[test]
    fn every_size_draws() {
        let (keymap, theme) = (Keymap::default(), Theme::monochrome());
        let mut failed = found(None);
        failed.error = Some("a sentence".into());
        for picker in [nobody(), found(None), failed] {
            survives_every_size(|buf, area| {
                picker.draw(&mut Canvas::new(buf, area, &keymap, &theme));
            });
        }
    }
}
