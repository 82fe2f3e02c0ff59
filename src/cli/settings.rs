//! Flags over the environment over the settings file over the defaults.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::args::{ConfigArgs, ModelFlags};
use super::given::{Apply, GivenFlags};
use super::say;
use crate::config::{Config, Dirs};
use s1_data::hub;
use s1_engine::catalog::{self, ModelFolders};
use s1_engine::{LoadOptions, is_server, tokenizer_for};
use s1_model::gguf::Gguf;
use s1_model::tokenizer::Tokenizer;

/// What the flags, and what lies below them, come to. The number of threads takes effect here:
/// this must be called before anything computes.
///
/// Errors where the settings file, a variable or a flag has a value that is not allowed.
pub fn load(config: &ConfigArgs, flags: &[&dyn Apply<Config>]) -> Result<Config> {
    let dirs = Dirs::of_user()?;
    let env = |name: &str| std::env::var(name).ok();
    let mut settings = Config::load(&dirs, config.config.as_deref(), env)?;
    for given in flags {
        given.apply(&mut settings)?;
    }
    set_threads(settings.threads);
    Ok(settings)
}

/// How to load the model of these settings. Errors where there is none.
pub fn load_options(settings: &Config) -> Result<LoadOptions> {
    settings
        .model()
        .context("which model? give it with --model PATH.gguf, or a server with --server URL")?;
    Ok(settings.load.clone())
}

/// Model and adapter of flags alone, as files. The number of threads takes effect here. Errors where
/// no model is named, or an adapter's base is not here.
pub fn files(flags: &GivenFlags<ModelFlags>) -> Result<LoadOptions> {
    let mut settings = Config::default();
    flags.apply(&mut settings)?;
    set_threads(settings.threads);
    let load = load_options(&settings)?;
    if is_server(&load.path) {
        bail!("this needs a model's file, which a server does not hand out; give it with --model");
    }
    load.resolved(&mut || true)
}

/// The tokenizer of a model file. What has to be replaced in it is said, or refused where the flags say
/// so.
///
/// # Errors
/// If there is none.
pub fn tokenizer(gguf: &Gguf, files: &LoadOptions) -> Result<Tokenizer> {
    let tokenizer = tokenizer_for(gguf, &files.path, files.pre.as_deref())?;
    match tokenizer.warning() {
        Some(warning) if files.strict => bail!("{}: {warning}", files.path.display()),
        Some(warning) => say(warning),
        None => {}
    }
    Ok(tokenizer)
}

/// Where models are looked for.
pub fn model_folders(folders: &[PathBuf], dirs: &Dirs) -> ModelFolders {
    let env = |name: &str| std::env::var(name).ok();
    ModelFolders {
        given: None,
        folders: folders.to_vec(),
        own: Some(dirs.models()),
        hub: hub::cache_folder(env),
        ollama: catalog::ollama::folder(env),
        lm_studio: catalog::lm_studio(env),
        here: std::env::current_dir().ok(),
    }
}

/// Sets how many threads compute.
pub fn set_threads(threads: Option<usize>) {
    let Some(threads) = threads else {
        return;
    };
    for name in ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"] {
        // SAFETY: the program has one thread here: this is called while the command line is
        // read, before the engine, the runtime or any thread pool exists. Both libraries read
        // their variable once, when they first compute.
        unsafe { std::env::set_var(name, threads.to_string()) };
    }
}
