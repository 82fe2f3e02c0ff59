//! Where files live: the XDG folders, and the home folder behind `~`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use etcetera::BaseStrategy;

/// The program's own folders. They need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    /// Settings, keymap and themes: `$XDG_CONFIG_HOME/s1-tui`.
    pub config: PathBuf,
    /// Sessions and models: `$XDG_DATA_HOME/s1-tui`.
    pub data: PathBuf,
    /// The log: `$XDG_STATE_HOME/s1-tui`, or the folder of data where the system has none.
    pub state: PathBuf,
}

impl Dirs {
    /// The folders of the current user.
    ///
    /// # Errors
    /// If the system names no home folder.
    pub fn of_user() -> Result<Dirs> {
        let base = etcetera::choose_base_strategy()
            .context("cannot find your home folder; set the environment variable HOME")?;
        Ok(Dirs {
            config: base.config_dir().join("s1-tui"),
            data: base.data_dir().join("s1-tui"),
            state: base
                .state_dir()
                .unwrap_or_else(|| base.data_dir())
                .join("s1-tui"),
        })
    }

    /// Both folders below one.
    #[cfg(test)]
    pub fn below(root: &std::path::Path) -> Dirs {
        Dirs {
            config: root.join("config"),
            data: root.join("data"),
            state: root.join("state"),
        }
    }

    /// Folder of the user's themes, one TOML file each.
    pub fn themes(&self) -> PathBuf {
        self.config.join("themes")
    }

    /// Folder of models that belong to this program.
    pub fn models(&self) -> PathBuf {
        self.data.join("models")
    }
}

/// Replaces a leading `~` by the home folder, as a shell would have done.
pub fn expand_home(path: &str) -> PathBuf {
    let rest = match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '\\']) => rest,
        _ => return PathBuf::from(path),
    };
    match etcetera::home_dir() {
        Ok(home) => home.join(rest.trim_start_matches(['/', '\\'])),
        Err(_) => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_folder_and_nothing_else_is_touched() {
        let home = etcetera::home_dir().unwrap();
        assert_eq!(expand_home("~"), home);
        assert_eq!(expand_home("~/m/a.gguf"), home.join("m/a.gguf"));
        assert_eq!(expand_home("~other/a"), PathBuf::from("~other/a"));
        assert_eq!(expand_home("a~b"), PathBuf::from("a~b"));
    }
}
