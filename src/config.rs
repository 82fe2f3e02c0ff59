//! Settings: defaults < file < environment < flags.
//!
//! [`Config::load`] reads the first three layers; the command line puts its flags on top. All of
//! them set parameters of the same tables ([`settings`]), so that they cannot differ.
//!
//! Not here: keys ([`crate::tui::keymap`]) and colours ([`crate::tui::theme`]).

mod dirs;
pub mod file;
pub mod settings;
mod texts;

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use toml::de::{DeTable, DeValue};

use s1_core::forcing::Policy;
use s1_core::has;
use s1_core::param::Shape;
use s1_core::protocol::Request;
use s1_core::sampling::Sampling;
use s1_engine::LoadOptions;

pub use dirs::{Dirs, expand_home};
pub use settings::set;
pub use texts::TextChoices;

/// Everything that can be set. `None` leaves the choice to the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The model, and how it is loaded. No path opens the picker.
    pub load: LoadOptions,
    /// Folders searched for models, besides the program's own and the Hugging Face cache.
    pub model_folders: Vec<PathBuf>,
    /// Threads for computing on the CPU.
    pub threads: Option<usize>,
    /// What every request begins with.
    pub request: Request,
    /// The theme by its name; `None` is the one chosen last.
    pub theme: Option<String>,
    /// Whether the mouse places the cursor (off: the terminal selects text).
    pub mouse: bool,
    /// Continuations that the what-if map draws at each place.
    pub what_if: usize,
    /// Tokens per second at which the explorer lets a thought be written: `None` is reading speed for
    /// the bundled models and no limit for others, 0 is no limit.
    pub pace: Option<usize>,
    /// What an hour of this machine costs, in dollars: for the cost of a training.
    pub price_per_hour: f64,
    /// The Python of trainings by TRL, where they name none.
    pub python: Option<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            load: LoadOptions::default(),
            model_folders: Vec::new(),
            threads: None,
            request: Request::default(),
            theme: None,
            mouse: true,
            what_if: 4,
            pace: None,
            price_per_hour: 0.0,
            python: None,
        }
    }
}

has!(Config {
    LoadOptions: load,
    Request: request,
    Policy: request.policy,
    Sampling: request.sampling,
});

impl Config {
    /// The settings of the file and the environment over the defaults. `named` is the file of
    /// `--config`; without it `config.toml` in the configuration folder is read if it exists.
    /// `env` reads one environment variable.
    ///
    /// # Errors
    /// If the file cannot be read or holds a mistake, or a variable has a value that is not
    /// allowed; the sentence names the file and line (or the variable), the key and what is
    /// allowed.
    pub fn load(
        dirs: &Dirs,
        named: Option<&Path>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Config> {
        let path = named.map_or_else(|| dirs.config.join("config.toml"), Path::to_path_buf);
        let mut config = Config::default();
        match file::read_optional(&path)? {
            Some(text) => config.apply_file(&path.display().to_string(), &text)?,
            None if named.is_some() => bail!("there is no settings file {}", path.display()),
            None => {}
        }
        config.apply_env(env)?;
        Ok(config)
    }

    /// The model, where one is named.
    pub fn model(&self) -> Option<&Path> {
        Some(self.load.path.as_path()).filter(|path| !path.as_os_str().is_empty())
    }

    fn apply_file(&mut self, file: &str, text: &str) -> Result<()> {
        let root = DeTable::parse(text).map_err(|e| file::syntax_error(file, text, &e))?;
        for (name, value) in root.get_ref() {
            let section = name.as_ref();
            match value.as_ref() {
                DeValue::Table(table) if settings::SECTIONS.contains(&section.as_ref()) => {
                    for (name, value) in table {
                        let key = format!("{section}.{}", name.as_ref());
                        let at = file::line_of(text, name.span().start);
                        let set = self.apply_value(&key, value.as_ref());
                        set.map_err(|e| anyhow!("{file}, line {at}: {e}"))?;
                    }
                }
                value => {
                    let at = file::line_of(text, name.span().start);
                    let set = self.apply_value(section, value);
                    set.map_err(|e| anyhow!("{file}, line {at}: {e}"))?;
                }
            }
        }
        Ok(())
    }

    fn apply_value(&mut self, key: &str, value: &DeValue) -> Result<()> {
        let Some(setting) = settings::find(key) else {
            bail!("there is no setting {key}; {}", settings::known(key));
        };
        let text = match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Array(items) if setting.shape() == Shape::Paths => {
                let items: Option<Vec<&str>> = items.iter().map(|i| i.as_ref().as_str()).collect();
                let joined = items.and_then(|i| std::env::join_paths(i).ok()?.into_string().ok());
                joined.ok_or_else(|| anyhow!("{key} must be {}", setting.allowed()))?
            }
            _ => bail!("{key} must be {}", setting.allowed()),
        };
        set(setting, self, &text).map_err(|e| anyhow!("{key} {e}"))
    }

    fn apply_env(&mut self, env: impl Fn(&str) -> Option<String>) -> Result<()> {
        for (_, setting) in settings::all() {
            let name = setting.info().variable();
            if let Some(text) = env(&name).filter(|text| !text.is_empty()) {
                set(setting, self, &text).map_err(|e| anyhow!("{name} {e}"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
