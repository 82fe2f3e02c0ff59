//! The command that runs the driver: an interpreter, perhaps behind a launcher. Pure.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, bail};
use s1_core::training::TrainConfig;

use super::files::{self, DEEPSPEED, DRIVER, REQUIREMENTS};

/// The interpreter where nobody names one.
const PYTHON: &str = "python3";
/// Makes an environment with what is needed, and runs in it.
pub const UV: &str = "uv";

/// What the settings need besides what every run does.
pub fn more_packages(config: &TrainConfig) -> Vec<&'static str> {
    // Settings that cannot be read are refused elsewhere.
    let sharding = files::sharding(config).ok().flatten();
    let by_deepspeed = sharding.is_some_and(|sharding| sharding.is_deepspeed());
    let wanted = [
        ("bitsandbytes", config.load_in_4bit),
        (DEEPSPEED, by_deepspeed),
    ];
    let wanted = wanted.into_iter().filter(|(_, wanted)| *wanted);
    wanted.map(|(name, _)| name).collect()
}

/// How many processes the launcher is asked for in all, as far as one word says so.
pub fn asked_processes(config: &TrainConfig) -> Option<usize> {
    let launcher = config.launcher.as_deref()?;
    let mut words = launcher
        .split(|c: char| c.is_whitespace() || c == '=')
        .skip_while(|word| *word != "--num_processes");
    words.nth(1)?.parse().ok()
}

/// What begins every command: the interpreter, or what brings one.
pub fn interpreter(config: &TrainConfig, folder: &Path) -> Vec<OsString> {
    match config.python.as_deref() {
        Some(UV) => {
            let requirements = folder.join(REQUIREMENTS).into_os_string();
            let mut words: Vec<OsString> = [UV, "run", "--no-project", "--with-requirements"]
                .map(OsString::from)
                .into();
            words.push(requirements);
            for package in more_packages(config) {
                words.extend(["--with", package].map(OsString::from));
            }
            words.push("python".into());
            words
        }
        python => vec![python.unwrap_or(PYTHON).into()],
    }
}

/// The command that trains in a folder.
///
/// # Errors
/// If the launcher has quotes, which are not read here.
pub fn training(config: &TrainConfig, folder: &Path) -> Result<Vec<OsString>> {
    let mut words = interpreter(config, folder);
    let launcher = config.launcher.as_deref().unwrap_or_default();
    if launcher.contains(['"', '\'', '\\']) {
        bail!("--launcher is split at blanks, and has quotes; put what needs them into a script");
    }
    let driver = folder.join(DRIVER).into_os_string();
    let mut given = launcher.split_whitespace();
    let (first, rest): (_, Vec<&str>) = (given.next(), given.collect());
    // Both run as modules of the interpreter that was chosen, not of another that is found first.
    let module = match (first, rest.first()) {
        (Some("torchrun"), _) => Some(("torch.distributed.run", &rest[..])),
        (Some("accelerate"), Some(&"launch")) => Some(("accelerate.commands.launch", &rest[1..])),
        _ => None,
    };
    match (module, first) {
        (Some((module, rest)), _) => {
            words.extend(["-m", module].map(OsString::from));
            words.extend(rest.iter().map(OsString::from));
        }
        (None, Some(first)) => {
            let before = std::iter::once(first).chain(rest).map(OsString::from);
            words.splice(0..0, before);
        }
        (None, None) => {}
    }
    words.push(driver);
    Ok(words)
}

/// A command as a shell reads it.
pub fn shown(words: &[OsString]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@".contains(c);
    let words = words.iter().map(|word| {
        let word = word.to_string_lossy();
        match !word.is_empty() && word.chars().all(plain) {
            true => word.into_owned(),
            false => format!("'{}'", word.replace('\'', r"'\''")),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(python: Option<&str>, launcher: Option<&str>) -> String {
        let config = TrainConfig {
            python: python.map(str::to_owned),
            launcher: launcher.map(str::to_owned),
            ..TrainConfig::default()
        };
        shown(&training(&config, Path::new("/o/trl")).unwrap())
    }

    #[test]
    fn launchers_run_in_the_interpreter_that_was_chosen() {
        for (python, launcher, expected) in [
            (None, None, "python3 /o/trl/driver.py"),
            (
                Some("/v/bin/python"),
                None,
                "/v/bin/python /o/trl/driver.py",
            ),
            (
                Some("/v/bin/python"),
                Some("torchrun --nproc_per_node 2"),
                "/v/bin/python -m torch.distributed.run --nproc_per_node 2 /o/trl/driver.py",
            ),
            (
                None,
                Some("accelerate launch --config_file f.yaml"),
                "python3 -m accelerate.commands.launch --config_file f.yaml /o/trl/driver.py",
            ),
            (
                Some("uv"),
                Some("torchrun --nnodes 2"),
                "uv run --no-project --with-requirements /o/trl/requirements.txt python -m \
                 torch.distributed.run --nnodes 2 /o/trl/driver.py",
            ),
            (
                None,
                Some("srun -N 2"),
                "srun -N 2 python3 /o/trl/driver.py",
            ),
        ] {
            assert_eq!(command(python, launcher), expected);
        }
    }

    /// A user would lose: QLoRA by uv, which brought everything but what four bits need.
    #[test]
    fn uv_brings_what_the_settings_need() {
        let folder = tempfile::tempdir().unwrap();
        let sharding = folder.path().join("ds.json");
        std::fs::write(&sharding, r#"{"zero_optimization": {"stage": 2}}"#).unwrap();
        let config = TrainConfig {
            python: Some("uv".into()),
            load_in_4bit: true,
            sharding: Some(sharding),
            ..TrainConfig::default()
        };
        let words = shown(&training(&config, Path::new("/o")).unwrap());
        assert_eq!(
            words,
            "uv run --no-project --with-requirements /o/requirements.txt --with bitsandbytes \
             --with deepspeed python /o/driver.py"
        );
    }

    #[test]
    fn the_number_of_processes_that_accelerate_is_asked_for_is_read() {
        let asked = |launcher: &str| {
            asked_processes(&TrainConfig {
                launcher: Some(launcher.into()),
                ..TrainConfig::default()
            })
        };
        assert_eq!(asked("accelerate launch --cpu --num_processes 2"), Some(2));
        assert_eq!(asked("accelerate launch --num_processes=8 --x"), Some(8));
        assert_eq!(asked("accelerate launch --config_file f.yaml"), None);
        assert_eq!(asked("torchrun --nproc_per_node 2"), None);
    }

    #[test]
    fn quotes_are_refused_rather_than_misread() {
        let config = TrainConfig {
            launcher: Some("sh -c 'x y'".into()),
            ..TrainConfig::default()
        };
        assert!(training(&config, Path::new("/o")).is_err());
    }
}
