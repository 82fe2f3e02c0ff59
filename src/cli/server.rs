//! `s1-tui server`: what a server can do, tried.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Result, bail};
use serde_json::json;

use super::args::{ConfigArgs, ModelFlags};
use super::given::GivenFlags;
use super::{json_line, settings};
use s1_data::sanitize::clean_line;
use s1_engine::{examine, is_server};

/// Which server.
#[derive(Debug, clap::Args)]
pub struct ServerArgs {
    /// The server's address, such as http://127.0.0.1:8080; several are separated by commas.
    #[arg(value_name = "URL,…")]
    address: Option<PathBuf>,
    /// Print one JSON object for each server.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: GivenFlags<ModelFlags>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the command. Errors where a server cannot be reached or steered.
pub fn run(args: &ServerArgs) -> Result<()> {
    let mut load = settings::load(&args.config, &[&args.model])?.load;
    if let Some(address) = &args.address {
        load.path.clone_from(address);
    }
    if !is_server(&load.path) {
        bail!("which server? give its address, such as http://127.0.0.1:8080");
    }
    let mut out = io::stdout().lock();
    for server in examine(&load)? {
        let model = &server.model;
        if args.json {
            let findings = server.findings.iter();
            let findings =
                findings.map(|f| json!({"what": f.what, "holds": f.holds, "says": f.says}));
            let object = json!({
                "address": server.address,
                "kind": model.architecture,
                "model": model.name,
                "context": model.context,
                "family": model.family,
                "template": model.template,
                "findings": findings.collect::<Vec<_>>(),
            });
            json_line(&mut out, &object)?;
            continue;
        }
        writeln!(
            out,
            "{}: {}",
            server.address,
            clean_line(&model.architecture)
        )?;
        writeln!(
            out,
            "  {}, context {}, family {}, template {}",
            clean_line(&model.name),
            model.context,
            model.family,
            clean_line(&model.template),
        )?;
        for warning in &model.warnings {
            writeln!(out, "  note: {}", clean_line(warning))?;
        }
        for finding in &server.findings {
            let holds = if finding.holds { "yes" } else { "no" };
            writeln!(out, "  {:<24} {holds:<4} {}", finding.what, finding.says)?;
        }
    }
    Ok(())
}
