//! Flags over the environment over the settings file over the defaults.

use anyhow::{Context, Result, bail};

use super::args::{ConfigArgs, ModelArgs, SampleArgs, ThinkArgs};
use crate::config::{Config, Dirs};
use s1_engine::LoadOptions;

/// What the flags, and what lies below them, come to. The number of threads takes effect here:
/// this must be called before anything computes.
///
/// Errors where the settings file, a variable or a flag has a value that is not allowed.
pub fn load(
    config: &ConfigArgs,
    model: &ModelArgs,
    think: &ThinkArgs,
    sample: &SampleArgs,
) -> Result<Config> {
    let dirs = Dirs::of_user()?;
    let env = |name: &str| std::env::var(name).ok();
    let mut settings = Config::load(&dirs, config.config.as_deref(), env)?;
    settings.model = model.model.clone().or(settings.model);
    settings.context = model.context.or(settings.context);
    settings.device = model.device.unwrap_or(settings.device);
    settings.threads = model.threads.or(settings.threads);
    settings.family = model.family.map(Into::into).or(settings.family);
    settings.think_open = model.think_open.clone().or(settings.think_open);
    settings.think_end = model.think_end.clone().or(settings.think_end);
    settings.adapter = model.adapter.clone().or(settings.adapter);
    settings.think_close = model.think_close.clone().or(settings.think_close);
    settings.policy = think.over(settings.policy);
    settings.sampling = sample.over(settings.sampling);
    settings.sampling.validate()?;
    set_threads(settings.threads)?;
    Ok(settings)
}

/// How to load the model of these settings. Errors where there is none.
pub fn load_options(settings: &Config) -> Result<LoadOptions> {
    let path = settings
        .model
        .clone()
        .context("which model? give it with --model PATH.gguf")?;
    Ok(LoadOptions {
        path,
        ..how_to_load(settings)
    })
}

/// How to load whatever model is chosen later.
pub fn how_to_load(settings: &Config) -> LoadOptions {
    LoadOptions {
        path: Default::default(),
        context: settings.context,
        family: settings.family,
        think_open: settings.think_open.clone(),
        think_end: settings.think_end.clone(),
        think_close: settings.think_close.clone(),
        adapter: settings.adapter.clone(),
        device: settings.device,
    }
}

/// Sets how many threads compute. Errors for none, or for more than is sensible.
pub fn set_threads(threads: Option<usize>) -> Result<()> {
    let Some(threads) = threads else {
        return Ok(());
    };
    if threads == 0 || threads > 1024 {
        bail!("threads must be a number from 1 to 1024, but is {threads}");
    }
    for name in ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"] {
        // SAFETY: the program has one thread here: this is called while the command line is
        // read, before the engine, the runtime or any thread pool exists. Both libraries read
        // their variable once, when they first compute.
        unsafe { std::env::set_var(name, threads.to_string()) };
    }
    Ok(())
}
