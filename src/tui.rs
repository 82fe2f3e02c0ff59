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
mod tests {
    use std::path::{Path, PathBuf};

    /// A user would lose: the whole program tested without a terminal. What is drawn may change
    /// without the state, and never the other way round. Tests may draw.
    #[test]
    fn the_application_and_the_widgets_do_not_know_the_screens() {
        let tui = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tui");
        let of = |folder: &str| sources(&tui.join(folder));
        for (files, above) in [
            (of("app"), &["screens", "run"][..]),
            (of("widgets"), &["screens", "run", "app"]),
        ] {
            for file in files {
                let text = std::fs::read_to_string(&file).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                for line in code.lines().filter(|l| !l.trim_start().starts_with("//")) {
                    for module in above {
                        let path = format!("tui::{module}");
                        assert!(!line.contains(&path), "{}: {line}", file.display());
                    }
                }
            }
        }
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
