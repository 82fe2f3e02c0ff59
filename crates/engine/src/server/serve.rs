//! A server that is started for the user: found, begun on a free port of this machine, waited for, and
//! ended with the engine that uses it.
//!
//! Not here: what is said to it once it answers (the rest of [`super`]).

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::sync::mpsc;

use super::address::Address;
use super::http::{ServerClient, ServerTimeouts};
use crate::LoadOptions;
use s1_core::protocol::Event;
use s1_data::sanitize::clean_line;

/// Between two looks at whether it answers.
const LOOK: Duration = Duration::from_millis(100);
/// Between asking it to end and ending it.
const GRACE: Duration = Duration::from_secs(5);
/// Texts that it writes at once, where nobody says otherwise.
const PLACES: usize = 4;
/// The context of each, where nobody says otherwise.
const CONTEXT: usize = 8192;
/// Lines of its log that are shown where it has failed.
const LAST: usize = 3;

/// A program that is known by name.
struct Known {
    name: &'static str,
    /// How it is called.
    command: &'static str,
    /// A variable that it reads, with a value for where the user gives none.
    variable: Option<(&'static str, &'static str)>,
    /// How one gets it.
    advice: &'static str,
}

const KNOWN: [Known; 2] = [
    Known {
        name: "llama-server",
        command: "llama-server -m {model} --host 127.0.0.1 --port {port} -c {whole_context} -np {places}",
        // In MiB, of the prompts that it keeps beside those of its places; by itself it keeps 8 GiB, beside
        // what else this machine has in memory. A flag, which goes before it, would end one that does not
        // know it yet.
        variable: Some(("LLAMA_ARG_CACHE_RAM", "1024")),
        advice: "brew install llama.cpp, or a release of https://github.com/ggml-org/llama.cpp",
    },
    Known {
        name: "vllm",
        command: "vllm serve {model} --host 127.0.0.1 --port {port} --max-model-len {context}",
        variable: None,
        advice: "pip install vllm, in an environment that is active here",
    },
];

/// A server about to be started.
#[derive(Debug)]
pub(super) struct LaunchPlan {
    program: String,
    arguments: Vec<String>,
    /// What it is told beside its arguments.
    variable: Option<(&'static str, &'static str)>,
    /// How one gets the program.
    advice: Option<&'static str>,
    pub address: String,
    log: PathBuf,
}

impl LaunchPlan {
    /// What a word of the user's comes to: the name of a known program, or a command in which
    /// `{model}`, `{port}`, `{context}`, `{whole_context}` and `{places}` stand for what they say. What
    /// follows a known name is added to its command, such as `llama-server -ngl 99`.
    ///
    /// # Errors
    /// If there is no model, or the command has no place for the port.
    pub fn new(word: &str, options: &LoadOptions) -> Result<LaunchPlan> {
        if options.path.as_os_str().is_empty() || super::is_server(&options.path) {
            bail!("--serve starts a server for a model of yours; name it with --model");
        }
        let model = options.path.display().to_string();
        let mut words = word.split_whitespace();
        let name = words.next().unwrap_or_default();
        let known = KNOWN.iter().find(|known| known.name == name);
        let command = match known {
            Some(known) => {
                let more: Vec<&str> = words.collect();
                format!("{} {}", known.command, more.join(" "))
            }
            None => word.to_owned(),
        };
        if !command.contains("{port}") {
            bail!(
                "{name:?} is no server that is known here (llama-server, vllm), and the command has no {{port}}; write it like \"my-server {{model}} --port {{port}}\""
            );
        }
        let port = free_port().context("this machine has no free port")?;
        let places = options.server.concurrency.unwrap_or(PLACES);
        let context = options.context.unwrap_or(CONTEXT);
        let mut filled = command.split_whitespace().map(|part| {
            part.replace("{model}", &model)
                .replace("{port}", &port.to_string())
                .replace("{whole_context}", &(context * places).to_string())
                .replace("{context}", &context.to_string())
                .replace("{places}", &places.to_string())
        });
        let program = filled.next().unwrap_or_default();
        let arguments = filled.collect();
        Ok(LaunchPlan {
            program,
            arguments,
            variable: known
                .and_then(|known| known.variable)
                .filter(|(name, _)| std::env::var_os(name).is_none()),
            advice: known.map(|known| known.advice),
            address: format!("http://127.0.0.1:{port}"),
            log: std::env::temp_dir()
                .join(format!("s1-tui-server-{}-{port}.log", std::process::id())),
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null());
        command.envs(self.variable);
        command
    }

    /// Starts it, and waits until it answers; `None` if it is cancelled meanwhile.
    ///
    /// # Errors
    /// If the program is not there, or ends before it answers. The sentence has its last words.
    pub fn start(
        self,
        events: &mpsc::Sender<Event>,
        cancelled: &AtomicBool,
    ) -> Result<Option<Served>> {
        let log =
            own_file(&self.log).with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut command = self.command();
        command.stdout(log.try_clone()?).stderr(log);
        alone(&mut command);
        let child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                let advice = self.advice.map(|a| format!("; one gets it by {a}"));
                anyhow::anyhow!(
                    "there is no program {:?} here{}",
                    self.program,
                    advice.unwrap_or_default()
                )
            }
            _ => anyhow::Error::new(error).context(format!("cannot start {:?}", self.program)),
        })?;
        let mut served = Served { child, log: None };
        let client = ServerClient::new(
            Address::plain(&*self.address),
            None,
            ServerTimeouts::default(),
        );
        let client = client.map_err(|fault| anyhow::anyhow!("{fault}"))?;
        let mut told = String::new();
        while client.get("/health").is_err() {
            if cancelled.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if let Some(status) = served.child.try_wait()? {
                bail!(
                    "{} has ended ({status}) before it answered: {}; all it said is in {}",
                    self.program,
                    last_words(&self.log, LAST),
                    self.log.display()
                );
            }
            let words = last_words(&self.log, 1);
            if words != told {
                told.clone_from(&words);
                // A full channel only costs a line of what is shown.
                let _ = events.try_send(Event::Log(words));
            }
            std::thread::sleep(LOOK);
        }
        // What it says from here on is of no use once it has ended.
        served.log = Some(self.log);
        Ok(Some(served))
    }
}

/// A new file that nobody else reads. The folder may be everybody's: what is there already, a link to
/// somewhere else perhaps, is not written to.
fn own_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A port that nobody listens at. Another program may take it before the server does; the server then
/// ends, and says so.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The last lines of a file that are not blank, in one.
fn last_words(path: &Path, lines: usize) -> String {
    let Ok(file) = File::open(path) else {
        return String::new();
    };
    let mut last = std::collections::VecDeque::new();
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let text = String::from_utf8_lossy(&line);
        if !text.trim().is_empty() {
            last.push_back(clean_line(text.trim()).into_owned());
            if last.len() > lines {
                last.pop_front();
            }
        }
        line.clear();
    }
    let last: Vec<String> = last.into();
    last.join(" / ")
}

/// A server of our own. It ends where this is dropped.
#[derive(Debug)]
pub(super) struct Served {
    child: Child,
    /// Its log, once it has answered: it goes with it.
    log: Option<PathBuf>,
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(log) = self.log.take() {
            // One that cannot be removed is left to the system.
            let _ = std::fs::remove_file(log);
        }
        ask_to_end(&self.child);
        let until = Instant::now() + GRACE;
        while Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK / 4);
        }
        // It may have ended by itself meanwhile.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keys of the terminal are not for it, and it does not outlive this program, however that ends.
#[cfg(unix)]
fn alone(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
    #[cfg(target_os = "linux")]
    // SAFETY: between fork and exec, one call that only sets an attribute of the new process.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        });
    }
}

#[cfg(not(unix))]
fn alone(_command: &mut Command) {}

#[cfg(unix)]
#[allow(unsafe_code)]
fn ask_to_end(child: &Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        // SAFETY: a signal to a group of processes that this program has made.
        unsafe { libc::kill(-group, libc::SIGTERM) };
    }
}

#[cfg(not(unix))]
fn ask_to_end(_child: &Child) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(model: &str) -> LoadOptions {
        LoadOptions {
            path: model.into(),
            ..LoadOptions::default()
        }
    }

    #[test]
    fn a_known_name_becomes_a_command_and_takes_flags() {
        let mut options = options("my model.gguf");
        options.context = Some(2048);
        let plan = LaunchPlan::new("llama-server -ngl 99", &options).unwrap();
        assert_eq!(plan.program, "llama-server");
        let port = plan.address.rsplit(':').next().unwrap();
        let expected =
            format!("-m|my model.gguf|--host|127.0.0.1|--port|{port}|-c|8192|-np|4|-ngl|99");
        assert_eq!(plan.arguments.join("|"), expected);
        let plan = LaunchPlan::new("vllm", &options).unwrap();
        assert_eq!(plan.arguments[..2], ["serve", "my model.gguf"]);
    }

    /// A user would lose: gigabytes of memory to the prompts that llama.cpp's server keeps.
    #[test]
    fn what_llama_cpp_keeps_is_bounded_without_a_flag_that_an_older_one_refuses() {
        let plan = |word| LaunchPlan::new(word, &options("m.gguf")).unwrap();
        let plans = (plan("llama-server"), plan("vllm"));
        let told = |plan: &LaunchPlan| {
            let command = plan.command();
            let names = command.get_envs().map(|(name, _)| name.to_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(told(&plans.0), ["LLAMA_ARG_CACHE_RAM"]);
        assert!(told(&plans.1).is_empty());
        let arguments = plans.0.arguments.join(" ");
        assert!(!arguments.contains("cache-ram"), "{arguments}");
    }

    #[test]
    fn what_cannot_be_started_is_said() {
        let why = |word: &str, model: &str| {
            let plan = LaunchPlan::new(word, &options(model));
            let started = plan.and_then(|plan| {
                let (events, _kept) = mpsc::channel(8);
                plan.start(&events, &AtomicBool::new(false))
            });
            format!("{:#}", started.unwrap_err())
        };
        assert!(why("llama-server", "").contains("--model"));
        assert!(why("ollama", "m.gguf").contains("{port}"));
        let missing = why("no-such-server {port}", "m.gguf");
        assert!(missing.contains("there is no program"), "{missing}");
        let ended = why("cat /no/such/file/{port}", "m.gguf");
        assert!(ended.contains("No such file"), "{ended}");
        assert!(ended.contains(".log"), "{ended}");
    }
}
