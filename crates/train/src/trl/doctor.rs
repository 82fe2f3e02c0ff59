//! What an installation of TRL has, what it lacks, and the command that installs that.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use s1_core::format::size;
use s1_core::training::TrainConfig;
use s1_data::sanitize::clean_line;
use serde::Deserialize;

use super::command::{UV, interpreter, more_packages, shown};
use super::files::{DEEPSPEED, DRIVER, REQUIREMENTS_TEXT, write_driver};
use super::process;
use super::report::MARK;

/// What is there.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Installation {
    pub python: String,
    packages: BTreeMap<String, Option<String>>,
    devices: Vec<Device>,
    bf16: bool,
    /// Why torch cannot be used.
    fault: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Device {
    name: String,
    memory: u64,
}

/// A line of what is said of an installation, and whether it is as it has to be.
#[derive(Clone, Debug, PartialEq)]
pub struct DoctorLine {
    pub fine: bool,
    pub text: String,
}

/// Packages that were tried, with their versions.
fn tried() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = REQUIREMENTS_TEXT.lines();
    lines.filter_map(|line| line.trim().split_once("=="))
}

/// Asks the interpreter of the settings.
///
/// # Errors
/// If it cannot be run.
pub fn look(config: &TrainConfig) -> Result<Installation> {
    // Nobody else's: what is in it is run.
    let folder = tempfile::Builder::new().prefix("s1-tui-doctor-").tempdir();
    let folder = folder.context("cannot make a temporary folder")?;
    ask(config, folder.path())
}

fn ask(config: &TrainConfig, folder: &Path) -> Result<Installation> {
    write_driver(folder)?;
    let mut words = interpreter(config, folder);
    words.extend([folder.join(DRIVER).into_os_string(), "--doctor".into()]);
    let mut command = process::command(&words)?;
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| process::unstarted(&words, &error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.lines().find_map(|line| {
        let (_, json) = line.split_once(MARK)?;
        serde_json::from_str(json).ok()
    });
    let Some(found) = found else {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        bail!(
            "{} says nothing of itself: {}",
            shown(&words[..1]),
            clean_line(last.unwrap_or("it printed nothing"))
        );
    };
    Ok(found)
}

/// The command that installs what the driver needs.
pub fn install(config: &TrainConfig) -> String {
    let packages = tried().map(|(name, version)| format!("{name}=={version}"));
    let more = more_packages(config).into_iter().map(str::to_owned);
    let packages: Vec<String> = packages.chain(more).collect();
    match config.python.as_deref() {
        // It installs what it is told to run with.
        Some(UV) => format!(
            "uv run --no-project --with {} python --version",
            packages.join(" --with ")
        ),
        python => format!(
            "{} -m pip install {}",
            python.unwrap_or("python3"),
            packages.join(" ")
        ),
    }
}

impl Installation {
    /// What there is to say of it, for these settings.
    pub fn findings(&self, config: &TrainConfig) -> Vec<DoctorLine> {
        let finding = |fine: bool, text: String| DoctorLine {
            fine,
            text: clean_line(&text).into_owned(),
        };
        let mut all = vec![finding(true, format!("Python {}", self.python))];
        for (name, wanted) in tried() {
            all.push(match self.version(name) {
                None => finding(false, format!("{name} is missing")),
                Some(version) if version.split('+').next() == Some(wanted) => {
                    finding(true, format!("{name} {version}"))
                }
                Some(version) => finding(true, format!("{name} {version} (tried with {wanted})")),
            });
        }
        let needed = more_packages(config);
        let more = [
            ("bitsandbytes", "--load-in-4bit"),
            (DEEPSPEED, "DeepSpeed's --sharding"),
        ];
        for (name, for_what) in more {
            let needed = needed.contains(&name);
            match self.version(name) {
                Some(version) => all.push(finding(true, format!("{name} {version}"))),
                None => all.push(finding(
                    !needed,
                    format!("{name} is missing: only {for_what} needs it"),
                )),
            }
        }
        if let Some(fault) = &self.fault {
            all.push(finding(false, format!("torch cannot be used: {fault}")));
        }
        for device in &self.devices {
            let memory = size(device.memory);
            all.push(finding(true, format!("{}, {memory}", device.name)));
        }
        let computes = match (self.devices.is_empty(), self.bf16) {
            (true, _) => "no GPU: it computes on the CPU, in float32",
            (false, true) => "it computes in bfloat16",
            (false, false) => "the GPU has no bfloat16: it computes in float32",
        };
        all.push(finding(true, computes.to_owned()));
        if needed.contains(&DEEPSPEED) && self.devices.is_empty() {
            all.push(finding(
                false,
                "DeepSpeed's --sharding needs a GPU; on a CPU give FSDP's settings, or none"
                    .to_owned(),
            ));
        }
        all
    }

    fn version(&self, package: &str) -> Option<&str> {
        self.packages.get(package)?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation(trl: Option<&str>) -> Installation {
        let mut packages: BTreeMap<String, Option<String>> = tried()
            .map(|(name, version)| (name.to_owned(), Some(version.to_owned())))
            .collect();
        packages.insert("trl".into(), trl.map(str::to_owned));
        Installation {
            python: "3.11.7".into(),
            packages,
            devices: Vec::new(),
            bf16: false,
            fault: None,
        }
    }

    #[test]
    fn what_is_missing_is_named_with_the_command_that_installs_it() {
        let config = TrainConfig {
            python: Some("/v/bin/python".into()),
            ..TrainConfig::default()
        };
        let bad = |installation: &Installation, config: &TrainConfig| -> Vec<String> {
            let all = installation.findings(config).into_iter();
            all.filter(|f| !f.fine).map(|f| f.text).collect()
        };
        assert_eq!(bad(&installation(Some("9.9.9")), &config), [""; 0]);
        assert_eq!(bad(&installation(None), &config), ["trl is missing"]);
        let four = TrainConfig {
            load_in_4bit: true,
            ..config.clone()
        };
        assert_eq!(
            bad(&installation(Some("9.9.9")), &four),
            ["bitsandbytes is missing: only --load-in-4bit needs it"]
        );
        assert!(install(&config).starts_with("/v/bin/python -m pip install torch=="));
        assert!(install(&four).ends_with(" bitsandbytes"));
        let by_uv = TrainConfig {
            python: Some(UV.into()),
            ..four
        };
        let by_uv = install(&by_uv);
        assert!(by_uv.starts_with("uv run --no-project --with torch=="));
        assert!(by_uv.ends_with(" --with bitsandbytes python --version"));
    }
}
