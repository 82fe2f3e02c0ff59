//! The model picker: the files found on this machine, the server in use and some models of the hub to
//! begin with, narrowed by typing; or the path of any other file, the address of a server, or the name of
//! a model of the hub.
//!
//! Not here: looking for files ([`s1_engine::catalog`]), loading one and deleting one.

use std::path::{Path, PathBuf};

use ratatui::text::Line;

use super::finder::{ColumnHead, Entry, Finder, FinderSpec, place_of_columns};
use super::list::ListRow;
use crate::config::expand_home;
use crate::tui::theme::Theme;
use s1_core::format;
use s1_data::hub;
use s1_engine::catalog::need::{ModelNeed, Room, fits, fits_word, memory_sentence};
use s1_engine::catalog::{CatalogEntry, ModelSource};
use s1_engine::is_server;
use s1_engine::suggestions::Suggestion;
use s1_model::gguf::folder;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelChoice {
    Load(PathBuf),
    Rename(PathBuf),
    Delete(PathBuf),
}

impl ModelChoice {
    fn path(&self) -> &Path {
        let (ModelChoice::Load(path) | ModelChoice::Rename(path) | ModelChoice::Delete(path)) =
            self;
        path
    }

    /// The same model, for something else.
    fn but(&self, what: fn(PathBuf) -> ModelChoice) -> ModelChoice {
        what(self.path().to_owned())
    }
}

/// The models there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundModels {
    /// Those on this machine, with what each needs once that was looked at.
    pub here: Vec<(CatalogEntry, Option<ModelNeed>)>,
    /// Some to begin with, to be fetched.
    pub suggested: Vec<Suggestion>,
    /// The context in tokens that memory is said for.
    pub context: usize,
    /// Where a model that is to be fetched would be computed.
    pub room: Room,
}

/// A choice among models.
pub type ModelPicker = Finder<ModelChoice>;

static PICKER: FinderSpec<ModelChoice> = FinderSpec {
    title: "Choose a model",
    sign: "›",
    placeholder: "type to find, or write a path (Tab completes), hf:OWNER/NAME, http://…",
    accept: "load",
    others: &[
        ('r', "rename", |choice| choice.but(ModelChoice::Rename)),
        ('d', "delete", |choice| choice.but(ModelChoice::Delete)),
    ],
    columns: &[
        ColumnHead::left("model"),
        ColumnHead::right("size"),
        ColumnHead::right("memory"),
        ColumnHead::left("fits"),
        ColumnHead::left("licence"),
        ColumnHead::left("where"),
    ],
    gap: 1,
    place: |area, entries| place_of_columns(area, entries, 116),
    typed,
    check: |choice| check(choice.path()),
    takes_typed: "Enter loads this path",
    nothing,
};

impl ModelPicker {
    /// A picker while files are being looked for.
    pub fn looking() -> ModelPicker {
        Finder::searching(&PICKER)
    }

    /// Shows the models that were found, and the server that was used; the one in use is marked.
    pub fn show(&mut self, found: FoundModels, server: Option<&Path>, current: Option<&Path>) {
        let server = server.map(|address| {
            let mark = if current == Some(address) { "✓ " } else { "" };
            let cells = [
                &*format!("{mark}{}", address.display()),
                "–",
                "–",
                "–",
                "",
                "a server",
            ];
            Entry {
                text: format!("{} server", address.display()),
                cells: cells.map(str::to_owned).to_vec(),
                about: "a server that computes".into(),
                fault: None,
                value: ModelChoice::Load(address.to_path_buf()),
                row: ListRow::default(),
                name: "",
            }
        });
        let (context, room) = (found.context, found.room);
        let here = |(e, need): (CatalogEntry, Option<ModelNeed>)| {
            let in_use = current == Some(&e.path);
            let known = need.clone().unwrap_or_default();
            let unknown = match (&need, &known.fault) {
                (None, _) => "…",
                (Some(_), Some(_)) => "–",
                (Some(_), None) => "?",
            };
            let memory = known.memory.map_or(unknown.into(), format::size);
            let fits = match known.memory {
                None => unknown,
                memory => fits_word(fits(memory, known.room.free)),
            };
            let place = match e.source {
                ModelSource::Bundled => "in the program".to_owned(),
                ModelSource::Hub => e.origin.clone(),
                ModelSource::Ollama | ModelSource::LmStudio => e.source.name().to_owned(),
                _ => format!("{}/", e.origin.trim_end_matches('/')),
            };
            let said = known.memory.map(|memory| {
                memory_sentence(memory, known.context.unwrap_or(context), known.room)
            });
            Entry {
                text: format!("{} {}", e.name, e.origin),
                cells: vec![
                    format!("{}{}", if in_use { "✓ " } else { "" }, e.name),
                    format::size(e.bytes),
                    memory,
                    fits.to_owned(),
                    known.licence.unwrap_or_default(),
                    place,
                ],
                about: [said, Some(e.path.display().to_string())]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(" · "),
                fault: known.fault,
                value: ModelChoice::Load(e.path),
                row: ListRow::default(),
                name: "",
            }
        };
        let to_get = |one: Suggestion| {
            let memory = one.memory(context);
            let name = format!("hf:{}", one.get);
            Entry {
                text: format!("{} {name} hub", one.name),
                cells: vec![
                    one.name.clone(),
                    format::size(one.bytes),
                    format::size(memory),
                    fits_word(fits(Some(memory), room.free)).to_owned(),
                    one.licence,
                    "to be fetched".to_owned(),
                ],
                about: format!(
                    "{} · {} · {name}",
                    one.about,
                    memory_sentence(memory, context, room)
                ),
                fault: None,
                value: ModelChoice::Load(PathBuf::from(name)),
                row: ListRow::default(),
                name: "",
            }
        };
        let suggested = found.suggested.into_iter().map(to_get);
        let here = found.here.into_iter().map(here);
        self.set_entries(server.into_iter().chain(here).chain(suggested).collect());
    }
}

/// Reads text that looks like a path, the address of a server, or a name of the hub.
fn typed(text: &str) -> Option<ModelChoice> {
    let text = text.trim().trim_matches(['"', '\'']);
    if is_server(Path::new(text)) {
        return Some(ModelChoice::Load(text.into()));
    }
    let gguf = |extension: &std::ffi::OsStr| extension.eq_ignore_ascii_case("gguf");
    let is_path = text.starts_with(['/', '~', '.'])
        || text.contains(std::path::MAIN_SEPARATOR)
        || Path::new(text).extension().is_some_and(gguf);
    is_path.then(|| ModelChoice::Load(expand_home(text.trim_start_matches("file://"))))
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
    use crate::tui::widgets::overlay::DrawContext;
    use crate::tui::widgets::overlay::testing::{picture, survives_every_size};
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    fn entries() -> Vec<(CatalogEntry, Option<ModelNeed>)> {
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
        .map(|(name, origin, bytes, source)| {
            let entry = CatalogEntry {
                path: PathBuf::from(format!("/models/{name}.gguf")),
                name: name.into(),
                origin: origin.into(),
                bytes,
                source,
            };
            let known = ModelNeed {
                licence: (source == ModelSource::Hub).then(|| "apache-2.0".into()),
                context: Some(8192),
                memory: Some(2 * bytes),
                room: ROOM,
                ..ModelNeed::default()
            };
            let broken = ModelNeed {
                fault: Some("the architecture mamba is not computed here".into()),
                ..ModelNeed::default()
            };
            let need = match name.starts_with("gemma") {
                true => broken,
                false => known,
            };
            (entry, Some(need))
        })
        .collect()
    }

    fn found(current: Option<PathBuf>) -> ModelPicker {
        let mut picker = ModelPicker::looking();
        picker.show(all(entries()), None, current.as_deref());
        picker
    }

    const ROOM: Room = Room {
        free: Some(2_000_000_000),
        on_gpu: false,
    };

    /// With a machine of two gigabytes, and one to fetch.
    fn all(here: Vec<(CatalogEntry, Option<ModelNeed>)>) -> FoundModels {
        let mut suggested = s1_engine::suggestions::all().unwrap();
        suggested.truncate(1);
        FoundModels {
            here,
            suggested,
            context: 8192,
            room: ROOM,
        }
    }

    fn nobody() -> ModelPicker {
        let mut picker = ModelPicker::looking();
        picker.show(all(Vec::new()), None, None);
        picker
    }

    fn load(path: impl Into<PathBuf>) -> Reply<ModelChoice> {
        Reply::Done(ModelChoice::Load(path.into()))
    }

    fn press(picker: &mut ModelPicker, code: KeyCode) -> Reply<ModelChoice> {
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
        let second = load("/models/SmolLM2-135M-Instruct-Q4_1.gguf");
        assert_eq!(press(&mut picker, KeyCode::Enter), second);
        typed(&mut picker, "s1");
        let best = load("/models/s1.1-1.5B-Q4_K_M.gguf");
        assert_eq!(press(&mut picker, KeyCode::Enter), best);
        typed(&mut picker, "xyzzy");
        assert_eq!(press(&mut picker, KeyCode::Enter), Reply::Open);
        assert_eq!(press(&mut picker, KeyCode::Esc), Reply::Cancelled);
    }

    /// A user would lose: why a model that is listed cannot be used, without waiting for it to fail.
    #[test]
    fn what_cannot_be_used_says_why_and_the_selected_one_can_be_deleted() {
        let mut picker = found(None);
        typed(&mut picker, "gemma");
        assert_eq!(press(&mut picker, KeyCode::Enter), Reply::Open);
        assert!(picker.error.as_ref().unwrap().contains("mamba"));
        let delete = KeyEvent::new(KeyCode::Char('d'), KeyModifiers::CONTROL);
        let path = PathBuf::from("/models/gemma-3-1b-it-Q4_0.gguf");
        let asked = Reply::Done(ModelChoice::Delete(path.clone()));
        assert_eq!(picker.key(delete, &Keymap::default()), asked);
        let rename = KeyEvent::new(KeyCode::Char('r'), KeyModifiers::CONTROL);
        let asked = Reply::Done(ModelChoice::Rename(path));
        assert_eq!(picker.key(rename, &Keymap::default()), asked);
    }

    /// A user would lose: the way back to the server, once a file is loaded.
    #[test]
    fn the_server_that_was_used_is_the_first_of_the_list() {
        let mut picker = ModelPicker::looking();
        let server = Path::new("http://127.0.0.1:8080");
        picker.show(all(entries()), Some(server), None);
        assert_eq!(press(&mut picker, KeyCode::Enter), load(server));
    }

    #[test]
    fn a_typed_path_is_loaded_or_refused_in_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("m.gguf");
        std::fs::write(&file, "GGUF").unwrap();
        let mut picker = nobody();
        picker.paste(&format!("'{}'\n", file.display()));
        assert_eq!(press(&mut picker, KeyCode::Enter), load(file));

        let mut picker = nobody();
        picker.paste("hf:owner/name:m.gguf");
        let of_the_hub = load("hf:owner/name:m.gguf");
        assert_eq!(press(&mut picker, KeyCode::Enter), of_the_hub);

        let mut picker = nobody();
        picker.paste("http://127.0.0.1:8080,http://127.0.0.1:8081");
        let servers = load("http://127.0.0.1:8080,http://127.0.0.1:8081");
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
            picker.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
        insta::assert_snapshot!("picker_80x24", shown);
        let shown = picture(120, 20, |buf, area| {
            picker.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
        insta::assert_snapshot!("picker_120x20", shown);
        let shown = picture(80, 24, |buf, area| {
            nobody().draw(&mut DrawContext::new(buf, area, &keymap, &theme));
        });
        insta::assert_snapshot!("picker_empty", shown);
        let mut picker = nobody();
        typed(&mut picker, "~nobody/x.gguf");
        press(&mut picker, KeyCode::Enter);
        let shown = picture(80, 24, |buf, area| {
            picker.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
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
                picker.draw(&mut DrawContext::new(buf, area, &keymap, &theme));
            });
        }
    }
}
