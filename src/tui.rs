//! The screens: an application state that engine events and keys change, and draw functions that
//! only read it.
//!
//! Not here: models and tensors (the screens speak to [`s1_engine`] alone).

pub mod action;
pub mod app;
pub mod frame;
pub mod keymap;
pub mod run;
pub mod screen;
pub mod screens;
pub mod terminal;
pub mod theme;
pub mod widgets;

pub use s1_data::sanitize;

#[cfg(test)]
pub mod tests {
    use std::path::{Path, PathBuf};

    /// A user would lose: the whole program tested without a terminal. What is drawn may change
    /// without the state, and never the other way round. Tests may draw.
    #[test]
    fn the_application_and_the_widgets_do_not_know_the_screens() {
        for (folder, above) in [
            ("app", &["screens", "run"][..]),
            ("widgets", &["screens", "run", "app"]),
        ] {
            for (file, code) in code(folder) {
                for line in code.lines() {
                    for module in above {
                        let path = format!("tui::{module}");
                        assert!(!line.contains(&path), "{}: {line}", file.display());
                    }
                }
            }
        }
    }

    /// What the files in a folder of the screens say, without comments and tests.
    pub fn code(folder: &str) -> Vec<(PathBuf, String)> {
        let tui = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tui");
        let read = |file: PathBuf| {
            let text = std::fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let code = code.lines().filter(|l| !l.trim_start().starts_with("//"));
            (file, code.collect::<Vec<_>>().join("\n"))
        };
        sources(&tui.join(folder)).into_iter().map(read).collect()
    }

    /// The files in a folder that are not for tests alone.
    fn sources(folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            match (name.as_str(), path.is_dir()) {
                ("tests" | "testing" | "snapshots", _) => {}
                (_, true) => found.extend(sources(&path)),
                _ => found.push(path),
            }
        }
        found
    }
}
