//! The settings of the program: the tables of its parts and the few rows of its own, and what each
//! is called in a settings file.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Config, expand_home};
use s1_core::forcing::POLICY;
use s1_core::param;
use s1_core::param::{Param, Setting, Shape, settings};
use s1_core::protocol::REQUEST;
use s1_core::sampling::SAMPLING;
use s1_engine::{MODEL, SERVER};

/// Tables of the settings file; every other key is above them.
pub const SECTIONS: [&str; 2] = ["thinking", "sampling"];

pub const COMPUTING: &[Param<Config>] = &[param!(Config.threads, Int, 1, 1024)
    .named("Threads", "N")
    .help("Threads for computing on the CPU; auto is all cores.")
    .none("auto")];

/// The parameters of the explorer.
pub const EXPLORER: &[Param<Config>] = &[
    param!(Config.model_folders, Paths)
        .named("Model folders", "DIRS")
        .help("More folders to look for models in."),
    param!(Config.theme, Text)
        .named("Theme", "NAME")
        .help("Colours by name: default, light, dark, high-contrast, color-blind, or a theme of your own; auto is the one chosen last on the screen.")
        .none("auto")
        .allowed("the name of a theme"),
    param!(Config.mouse, Switch)
        .named("Mouse", "BOOL")
        .help("Whether a click places the token cursor; otherwise the terminal selects text."),
    param!(Config.what_if, Int, 0, 32)
        .named("What-if samples", "N")
        .help("Continuations that the what-if map draws at each sentence end."),
    param!(Config.pace, Int, 0, 10_000)
        .named("Pace", "N")
        .help("Tokens per second at which the explorer lets a thought be written; auto is reading speed for the bundled models and no limit for others.")
        .none("auto")
        .meaning("0", "no limit")
        .unit("tokens per second"),
    param!(Config.price_per_hour, Float, 0.0, 1e6)
        .named("Price per hour", "DOLLARS")
        .help("What an hour of this machine costs in dollars, for the cost of a training.")
        .unit("dollars"),
    param!(Config.python, Text)
        .named("Python", "PROGRAM")
        .help("The Python that has TRL, for trainings by it, or uv, which brings what is needed along; auto is python3.")
        .none("auto"),
];

/// Every setting, and the table of the settings file in which it is.
pub fn all() -> impl Iterator<Item = (Option<&'static str>, &'static dyn Setting<Config>)> {
    let top = settings(MODEL)
        .chain(settings(SERVER))
        .chain(settings(COMPUTING))
        .chain(settings(REQUEST))
        .chain(settings(EXPLORER))
        // An adapter goes with the model that is named with it.
        .filter(|s| s.info().key != "adapter");
    let [thinking, sampling] = SECTIONS;
    top.map(|s| (None, s))
        .chain(settings(POLICY).map(move |s| (Some(thinking), s)))
        .chain(settings(SAMPLING).map(move |s| (Some(sampling), s)))
}

/// A setting by its full name: `theme`, `thinking.waits`.
pub fn find(name: &str) -> Option<&'static dyn Setting<Config>> {
    let (section, key) = match name.split_once('.') {
        Some((section, key)) => (Some(section), key),
        None => (None, name),
    };
    let mut all = all();
    let found = all.find(|(own, setting)| *own == section && setting.info().key == key);
    found.map(|(_, setting)| setting)
}

/// What to write instead of a key that is none, for an error message.
pub fn known(name: &str) -> String {
    let section = name.split_once('.').map(|(section, _)| section);
    let elsewhere = all().find(|(_, setting)| setting.info().key == name);
    if let Some((Some(section), _)) = elsewhere {
        return format!("write {name} below [{section}]");
    }
    let names = all().filter(|(own, _)| *own == section);
    let names: Vec<&str> = names.map(|(_, setting)| setting.info().key).collect();
    let names = names.join(", ");
    match section {
        Some(section) => format!("those of [{section}] are {names}"),
        None => format!("the settings are {names}, [{}]", SECTIONS.join("], [")),
    }
}

/// Sets a parameter from what a file, a variable or a form says: a `~` that no shell has seen is the
/// home folder.
///
/// # Errors
/// As [`Setting::set`].
pub fn set<C>(setting: &dyn Setting<C>, whole: &mut C, text: &str) -> Result<()> {
    let home = |path: &Path| path.to_str().map_or_else(|| path.into(), expand_home);
    let joined = match setting.shape() {
        Shape::Path => return setting.set_os(whole, expand_home(text).as_os_str()),
        Shape::Paths => std::env::join_paths(std::env::split_paths(text).map(|p| home(&p))),
        _ => return setting.set(whole, text),
    };
    setting.set_os(
        whole,
        &joined.unwrap_or_else(|_| PathBuf::from(text).into()),
    )
}
