//! `s1-tui doctor`: what this machine and this installation are like, to be pasted into a report.
//!
//! It names no keys, no user and no path of the home folder.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::args::DbArgs;
use super::{json_line, settings};
use crate::config::{Config, Dirs};
use crate::log;
use s1_core::format;
use s1_data::sanitize::clean_line;
use s1_engine::catalog;
use s1_model::kernels::InstructionSet;
use s1_model::memory;
use s1_store::Db;

/// Where servers usually are on one's own machine: llama.cpp, vLLM, SGLang, Ollama, LM Studio.
const PORTS: [(u16, &str); 5] = [
    (8080, "llama.cpp"),
    (8000, "vLLM"),
    (30000, "SGLang"),
    (11434, "Ollama"),
    (1234, "LM Studio"),
];
/// How long one is waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// How to print it.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    db: DbArgs,
}

/// Runs the command. What is broken is part of what is printed. Errors where that cannot be written.
pub fn run(args: &DoctorArgs) -> Result<()> {
    let found = findings(args);
    let mut out = io::stdout().lock();
    if args.json {
        let object: serde_json::Map<_, _> = found
            .into_iter()
            .map(|(what, says)| (what.replace(' ', "_"), json!(says)))
            .collect();
        return Ok(json_line(&mut out, &object)?);
    }
    for (what, says) in found {
        writeln!(out, "{what:<18} {}", clean_line(&says))?;
    }
    Ok(())
}

fn findings(args: &DoctorArgs) -> Vec<(&'static str, String)> {
    let dirs = Dirs::of_user();
    let sets = InstructionSet::available()
        .into_iter()
        .map(InstructionSet::name);
    let features = [
        (cfg!(feature = "cuda"), "cuda"),
        (cfg!(feature = "metal"), "metal"),
        (cfg!(feature = "hub"), "hub"),
        (cfg!(feature = "parquet"), "parquet"),
        (cfg!(feature = "png"), "png"),
    ];
    let features = features.iter().filter(|(is, _)| *is).map(|(_, name)| *name);
    let terminal = |name: &str| std::env::var(name).unwrap_or_else(|_| "–".into());
    let mut found = vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("features", joined(features)),
        (
            "machine",
            format!(
                "{} {}, {} cores, {} free memory",
                std::env::consts::OS,
                std::env::consts::ARCH,
                std::thread::available_parallelism().map_or(1, usize::from),
                memory::available().map_or("unknown".into(), format::size)
            ),
        ),
        (
            "instruction sets",
            format!(
                "{} (in use: {})",
                joined(sets),
                InstructionSet::chosen().name()
            ),
        ),
        ("GPU", gpu()),
        (
            "terminal",
            format!(
                "TERM={} COLORTERM={}",
                terminal("TERM"),
                terminal("COLORTERM")
            ),
        ),
    ];
    match dirs {
        Ok(dirs) => of_folders(&dirs, args, &mut found),
        Err(error) => found.push(("folders", format!("{error:#}"))),
    }
    found.push(("servers here", servers()));
    found
}

fn of_folders(dirs: &Dirs, args: &DoctorArgs, found: &mut Vec<(&'static str, String)>) {
    let env = |name: &str| std::env::var(name).ok();
    let config = Config::load(dirs, None, env);
    let own = config
        .as_ref()
        .map(|c| c.model_folders.clone())
        .unwrap_or_default();
    let folders = settings::model_folders(&own, dirs);
    let models = catalog::find(&folders).len();
    found.push((
        "models found",
        format!("{models}, besides the bundled ones"),
    ));
    found.push((
        "settings",
        match &config {
            Ok(_) => "read".into(),
            Err(error) => anonymous(&format!("{error:#}")),
        },
    ));
    found.push(("database", database(args)));
    let log = log::path(dirs);
    found.push((
        "log",
        match log.metadata() {
            Ok(meta) => format!("{} ({})", tilde(&log), format::size(meta.len())),
            Err(_) => format!("none; S1_TUI_LOG=debug writes {}", tilde(&log)),
        },
    ));
}

fn database(args: &DoctorArgs) -> String {
    let look = || -> Result<String> {
        let path = args.db.path()?;
        let Some(db) = Db::open_to_read(&path)? else {
            return Ok("none yet".into());
        };
        let (runs, trainings) = (db.runs()?.len(), db.trainings()?.len());
        let bytes = path.metadata().map_or(0, |m| m.len());
        Ok(format!(
            "{runs} runs, {trainings} trainings, {}",
            format::size(bytes)
        ))
    };
    look().unwrap_or_else(|error| anonymous(&format!("{error:#}")))
}

fn gpu() -> String {
    if !cfg!(any(feature = "cuda", feature = "metal")) {
        return "not built in".into();
    }
    let choice = if cfg!(feature = "cuda") {
        "cuda"
    } else {
        "metal"
    };
    let opened = choice
        .parse()
        .map(|choice: s1_model::device::DeviceChoice| choice.open(0));
    match opened {
        Ok(Ok(place)) => place.name(),
        Ok(Err(error)) => anonymous(&format!("{error:#}")),
        Err(_) => "not built in".into(),
    }
}

/// The servers that answer on this machine's usual ports.
fn servers() -> String {
    let answers = |port: u16| {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        std::net::TcpStream::connect_timeout(&address, PATIENCE).is_ok()
    };
    let found = PORTS.iter().filter(|(port, _)| answers(*port));
    let found: Vec<String> = found
        .map(|(port, name)| format!("{port} ({name}?)"))
        .collect();
    match found.is_empty() {
        true => "none on the usual ports".into(),
        false => found.join(", "),
    }
}

fn joined<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let parts: Vec<&str> = parts.collect();
    match parts.is_empty() {
        true => "none".into(),
        false => parts.join(", "),
    }
}

/// A path without what names the user.
fn tilde(path: &Path) -> String {
    anonymous(&path.display().to_string())
}

/// A text without the home folder's path.
fn anonymous(text: &str) -> String {
    match etcetera::home_dir() {
        Ok(home) if home.components().count() > 1 => text.replace(&home.display().to_string(), "~"),
        _ => text.to_owned(),
    }
}
