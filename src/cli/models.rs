//! `s1-tui models`: the models on this machine with what each needs, those to begin with, and the end
//! of one. `s1-tui pull`: one of the hub.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Result, bail};
use serde::Serialize;

use super::args::ConfigArgs;
use super::{json_line, settings};
use crate::config::Dirs;
use s1_core::format;
use s1_data::hub::{self, RepoKind};
use s1_data::sanitize::clean_line;
use s1_engine::catalog::need::{ModelNeed, Room, fits, fits_word};
use s1_engine::catalog::{self, CatalogEntry, ModelSource};
use s1_engine::suggestions;
use s1_model::device::Places;

/// What to list, or to remove.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  s1-tui models\n  s1-tui models --get --context 4096\n  s1-tui models --remove Qwen3-0.6B-Q8_0"
)]
pub struct ModelsArgs {
    /// List reasoning models to begin with, to be fetched with s1-tui pull NAME.
    #[arg(long)]
    get: bool,
    /// Remove this model: of the Hugging Face cache, or of the program's own folder.
    #[arg(long, value_name = "NAME|PATH", conflicts_with_all = ["get", "json"])]
    remove: Option<String>,
    /// The context in tokens to say the memory for; the model's own, at most 8192, if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(16..=10_000_000))]
    context: Option<u32>,
    /// Print one JSON object per model.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What to fetch.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  s1-tui pull qwen3-0.6b\n  s1-tui pull Qwen/Qwen3-0.6B-GGUF\n  s1-tui pull HuggingFaceTB/SmolLM2-135M-Instruct\n\nWhat broke off continues where it was; what came is held against the hub's checksum."
)]
pub struct PullArgs {
    /// OWNER/NAME of the hub, OWNER/NAME:FILE, or a name of s1-tui models --get.
    #[arg(value_name = "MODEL")]
    model: String,
}

/// A model that is here.
#[derive(Serialize)]
struct ModelLine<'a> {
    name: &'a str,
    path: &'a Path,
    place: &'static str,
    origin: &'a str,
    bytes: u64,
    architecture: Option<String>,
    licence: Option<String>,
    context: Option<usize>,
    /// Bytes of memory that it needs with this context.
    memory: Option<u64>,
    fits: Option<bool>,
    /// Why it cannot be used.
    fault: Option<String>,
}

/// A model to begin with.
#[derive(Serialize)]
struct SuggestionLine<'a> {
    name: &'a str,
    get: &'a str,
    bytes: u64,
    context: usize,
    memory: u64,
    fits: Option<bool>,
    licence: &'a str,
    about: &'a str,
}

/// The context that memory is said for where nobody asks for another.
const CONTEXT: usize = 8192;

/// Runs the command. Errors where the settings cannot be used, or a model cannot be removed.
pub fn run(args: &ModelsArgs) -> Result<()> {
    let mut out = io::stdout().lock();
    let context = args.context.map(|n| n as usize);
    let config = settings::load(&args.config, &[])?;
    let places = Places::new(config.load.device);
    if args.get {
        let room = Room::of_suggestions(&places);
        return to_get(context.unwrap_or(CONTEXT), room, args.json, &mut out);
    }
    let dirs = Dirs::of_user()?;
    let here = catalog::find(&settings::model_folders(&config.model_folders, &dirs));
    if let Some(name) = &args.remove {
        return remove(&here, name, &mut out);
    }
    let all: Vec<CatalogEntry> = here.into_iter().chain(catalog::bundled()).collect();
    if !args.json {
        writeln!(
            out,
            "{:<34} {:>8} {:>8}  fits  where",
            "model", "size", "memory"
        )?;
    }
    for entry in &all {
        let line = described(entry, context, &places);
        if args.json {
            json_line(&mut out, &line)?;
            continue;
        }
        let memory = line.memory.map_or("?".into(), format::size);
        let fits = fits_word(line.fits);
        let place = match &line.fault {
            Some(fault) => fault.clone(),
            None => match entry.source {
                ModelSource::Hub => format!("hf:{}", entry.origin),
                ModelSource::Bundled | ModelSource::Ollama => entry.origin.clone(),
                _ => entry.path.display().to_string(),
            },
        };
        let (name, size) = (&entry.name, format::size(entry.bytes));
        let line = format!("{name:<34} {size:>8} {memory:>8}  {fits:<4}  {place}");
        writeln!(out, "{}", clean_line(&line))?;
    }
    if !args.json {
        let room = Room::of_suggestions(&places);
        let free = room.free.map_or("an unknown amount".into(), format::size);
        let whose = room.name();
        writeln!(
            out,
            "\n{free} of {whose} are free. More models: s1-tui models --get, s1-tui pull OWNER/NAME"
        )?;
    }
    Ok(())
}

/// What there is to say of a model that is here.
fn described<'a>(
    entry: &'a CatalogEntry,
    context: Option<usize>,
    places: &Places,
) -> ModelLine<'a> {
    let ModelNeed {
        architecture,
        licence,
        context,
        memory,
        room,
        fault,
    } = ModelNeed::of(entry, context, None, places);
    ModelLine {
        name: &entry.name,
        path: &entry.path,
        place: entry.source.name(),
        origin: &entry.origin,
        bytes: entry.bytes,
        architecture,
        licence,
        context,
        memory,
        fits: fits(memory, room.free),
        fault,
    }
}

/// The list of models to begin with.
fn to_get(context: usize, room: Room, json: bool, out: &mut impl Write) -> Result<()> {
    if !json {
        writeln!(
            out,
            "{:<16} {:>8} {:>8}  fits  {:<10}  what it is",
            "model", "size", "memory", "licence"
        )?;
    }
    for one in suggestions::all()? {
        let memory = one.memory(context);
        let fits = fits(Some(memory), room.free);
        if json {
            let line = SuggestionLine {
                name: &one.name,
                get: &one.get,
                bytes: one.bytes,
                context,
                memory,
                fits,
                licence: &one.licence,
                about: &one.about,
            };
            json_line(out, &line)?;
            continue;
        }
        let (size, memory) = (format::size(one.bytes), format::size(memory));
        writeln!(
            out,
            "{:<16} {size:>8} {memory:>8}  {:<4}  {:<10}  {}",
            one.name,
            fits_word(fits),
            one.licence,
            one.about
        )?;
    }
    if !json {
        writeln!(
            out,
            "\nMemory is for a context of {context} tokens. s1-tui pull NAME fetches one; what does not fit here may run on a server: s1-tui --server URL"
        )?;
    }
    Ok(())
}

/// Removes the one model that is called so, or lies there.
fn remove(here: &[CatalogEntry], name: &str, out: &mut impl Write) -> Result<()> {
    let meant = |entry: &&CatalogEntry| entry.name == name || entry.path == Path::new(name);
    let found: Vec<&CatalogEntry> = here.iter().filter(meant).collect();
    let entry = match found[..] {
        [one] => one,
        [] => bail!("there is no model {name:?} here; s1-tui models lists those that are"),
        [..] => {
            let paths = found.iter().map(|entry| entry.path.display().to_string());
            let paths: Vec<String> = paths.collect();
            bail!(
                "several models are called {name:?}; give the path: {}",
                paths.join(", ")
            )
        }
    };
    let freed = catalog::remove(entry)?;
    let path = entry.path.display();
    writeln!(out, "removed {path}: {}", format::size(freed))?;
    Ok(())
}

/// Fetches a model and prints where it is.
///
/// # Errors
/// If the hub does not have it, or it cannot be kept.
pub fn pull(args: &PullArgs) -> Result<()> {
    let name = args.model.strip_prefix("hf:").unwrap_or(&args.model);
    let all = suggestions::all()?;
    let known = all.iter().find(|one| one.name == name);
    if known.is_none() && !name.contains('/') {
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        bail!(
            "{name:?} is neither OWNER/NAME of the hub nor one of the short list ({})",
            names.join(", ")
        );
    }
    let get = known.map_or(name, |one| one.get.as_str());
    let path = hub::local(Path::new(&format!("hf:{get}")), RepoKind::Model)?;
    writeln!(io::stdout(), "{}", clean_line(&path.display().to_string()))?;
    Ok(())
}
