//! Session files: one question with everything that was ever written on it.
//!
//! A session is one JSON document (`docs/session-format.md`). Writing is atomic: a reader finds
//! the old file or the new one, never half of one. Reading trusts nothing: size, shape, numbers
//! and references are checked before anything is used.
//!
//! Not here: when to save, and where.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use s1_core::protocol::{ModelInfo, Request};
use s1_core::tree::{BranchId, Tree};
use s1_data::files::{self, FileAccess};

/// What the field `format` says.
pub const FORMAT: &str = "s1-tui-session";
/// The version written, and the newest one that can be read.
pub const VERSION: u32 = 1;
/// No session is larger than this.
const MAX_BYTES: u64 = 256 * 1024 * 1024;
/// No session has more branches than this.
const MAX_BRANCHES: usize = 10_000;
/// How the names of session files end.
pub const EXTENSION: &str = ".s1.json";

/// The model a session was made with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCard {
    pub name: String,
    /// Architecture, as the model file names it.
    pub architecture: String,
    pub parameters: u64,
    /// The most common weight type.
    pub quantization: String,
    pub family: String,
}

impl ModelCard {
    /// The part of a model's description that a session keeps.
    pub fn of(info: &ModelInfo) -> ModelCard {
        ModelCard {
            name: info.name.clone(),
            architecture: info.architecture.clone(),
            parameters: info.parameters,
            quantization: info.quantization.clone(),
            family: info.family.clone(),
        }
    }

    /// Whether token ids mean the same to both: quantization may differ, the rest may not.
    pub fn shares_tokens_with(&self, other: &ModelCard) -> bool {
        self.name == other.name
            && self.architecture == other.architecture
            && self.parameters == other.parameters
    }
}

/// An answer, and whether it is right where that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionAnswer {
    pub text: Option<String>,
    pub correct: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Always [`FORMAT`].
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// When it was saved, in seconds since 1970 (UTC).
    pub saved_at: u64,
    /// Version of the program that saved it.
    pub program_version: String,
    pub model: ModelCard,
    /// What the branch on screen has answered; for lists, which read no further than the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<SessionAnswer>,
    /// What was asked, and the rules in force.
    pub request: Request,
    /// Token ids of the rendered prompt.
    pub prompt_ids: Vec<u32>,
    pub tree: Tree,
    /// The branch on screen.
    pub active: BranchId,
    /// The token under the cursor, if it had left the end.
    pub cursor: Option<usize>,
}

impl Document {
    /// A document of the current format, saved now.
    pub fn new(model: ModelCard, request: Request, prompt_ids: Vec<u32>, tree: Tree) -> Document {
        Document {
            format: FORMAT.into(),
            version: VERSION,
            saved_at: files::now(),
            program_version: env!("CARGO_PKG_VERSION").into(),
            model,
            answer: None,
            request,
            prompt_ids,
            tree,
            active: 0,
            cursor: None,
        }
    }

    /// Writes it to `path` atomically, readable by its owner alone. Missing folders are made.
    ///
    /// # Errors
    /// If the folder cannot be written; the file that was there before is untouched then.
    pub fn write(mut self, path: &Path) -> Result<()> {
        self.make_finite();
        let folder = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        files::replace(path, FileAccess::Private, |out| {
            serde_json::to_writer(&mut *out, &self)?;
            Ok(out.write_all(b"\n")?)
        })
    }

    /// Reads and checks a session.
    ///
    /// # Errors
    /// If it cannot be read or is not a sound session; one sentence that says why.
    pub fn read(path: &Path) -> Result<Document> {
        let read = || -> Result<Document> {
            let file = File::open(path)?;
            if file.metadata()?.is_dir() {
                bail!("it is a folder");
            }
            let mut bytes = Vec::new();
            file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > MAX_BYTES {
                bail!("it is larger than {} MiB", MAX_BYTES >> 20);
            }
            Document::parse(&bytes)
        };
        read().with_context(|| format!("cannot open the session {}", path.display()))
    }

    /// Reads and checks the text of a session.
    ///
    /// # Errors
    /// As [`Document::read`].
    pub fn parse(bytes: &[u8]) -> Result<Document> {
        /// Looked at first, so that another file and a newer version get their own sentence.
        #[derive(Deserialize)]
        struct SessionHead {
            format: Option<String>,
            version: Option<u32>,
        }
        let head: SessionHead = serde_json::from_slice(bytes).context("not a session file")?;
        if head.format.as_deref() != Some(FORMAT) {
            bail!("not a session of this program");
        }
        match head.version {
            Some(VERSION) => {}
            Some(v) if v > VERSION => {
                bail!(
                    "it has version {v} and this program reads up to {VERSION}; use a newer s1-tui"
                )
            }
            _ => bail!("it names no version that this program knows"),
        }
        let document: Document = serde_json::from_slice(bytes).context("it is damaged")?;
        document.check().context("it is damaged")?;
        Ok(document)
    }

    fn check(&self) -> Result<()> {
        if !self.tree.is_sound() {
            bail!("its branches do not form a tree");
        }
        if self.tree.branches().len() > MAX_BRANCHES {
            bail!("it has more than {MAX_BRANCHES} branches");
        }
        let Some(active) = self.tree.get(self.active) else {
            bail!("it shows branch {}, which does not exist", self.active);
        };
        if self.cursor.is_some_and(|c| c >= active.tokens.len()) {
            bail!("its cursor is behind the last token");
        }
        for branch in self.tree.branches() {
            let finite = branch.tokens.iter().all(|t| {
                let numbers = [t.logprob, t.entropy, t.p_end];
                numbers
                    .into_iter()
                    .chain(t.top.iter().map(|a| a.logprob))
                    .all(f32::is_finite)
            });
            if !finite {
                bail!("branch {} holds a value that is not a number", branch.name);
            }
            if branch.probes.iter().any(|p| p.at > branch.tokens.len()) {
                bail!("branch {} has a probe behind its last token", branch.name);
            }
        }
        if !self.request.sampling.temperature.is_finite() {
            bail!("its temperature is not a number");
        }
        Ok(())
    }

    /// JSON has no infinity; an impossible token is written as a very improbable one.
    fn make_finite(&mut self) {
        let fix = |x: &mut f32, otherwise: f32| {
            if !x.is_finite() {
                *x = otherwise;
            }
        };
        for id in 0..self.tree.branches().len() {
            let Some(branch) = self.tree.get_mut(id) else {
                continue;
            };
            for token in &mut branch.tokens {
                fix(&mut token.logprob, f32::MIN);
                fix(&mut token.entropy, 0.0);
                fix(&mut token.p_end, 0.0);
                if token.top.iter().any(|a| !a.logprob.is_finite()) {
                    for alternative in token.top.make_mut() {
                        fix(&mut alternative.logprob, f32::MIN);
                    }
                }
            }
        }
    }
}

/// A session file in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    pub path: PathBuf,
    /// When it was last written.
    pub modified: SystemTime,
    /// Size in bytes.
    pub bytes: u64,
    /// The question, and the name of the model it was asked; empty where the file is none of ours.
    pub question: String,
    pub model: String,
    /// What it was answered, and whether that is right, where the file says so.
    pub answer: Option<String>,
    pub correct: Option<bool>,
}

/// What stands before the traces in a session file, however long those are.
const HEAD: u64 = 64 * 1024;

/// What a list says of a session.
#[derive(Default)]
struct Head {
    question: String,
    model: String,
    answer: SessionAnswer,
}

/// What the head of a session file says; empty where it is not found there.
fn peek(path: &Path) -> Head {
    /// The fields up to the question, in the order in which they are written.
    #[derive(Default)]
    struct Fields(std::cell::RefCell<Head>);

    impl<'de> serde::de::Visitor<'de> for &Fields {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("a session")
        }

        fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
            while let Some(key) = map.next_key::<String>()? {
                let mut head = self.0.borrow_mut();
                match key.as_str() {
                    "model" => head.model = map.next_value::<ModelCard>()?.name,
                    "answer" => head.answer = map.next_value()?,
                    "request" => {
                        head.question = map.next_value::<Request>()?.question;
                        break;
                    }
                    _ => drop(map.next_value::<serde::de::IgnoredAny>()?),
                }
            }
            Ok(())
        }
    }

    let read = || -> Result<Head> {
        let mut bytes = Vec::new();
        File::open(path)?.take(HEAD).read_to_end(&mut bytes)?;
        let fields = Fields::default();
        // What follows the question was not read: that is no fault.
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let _ = serde::Deserializer::deserialize_map(&mut json, &fields);
        Ok(fields.0.into_inner())
    };
    read().unwrap_or_default()
}

/// The session files of a folder, newest first; none if there is no such folder.
pub fn list(folder: &Path) -> Vec<Saved> {
    let mut saved: Vec<Saved> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().ends_with(EXTENSION))
        .filter_map(|e| {
            let meta = e.metadata().ok().filter(fs::Metadata::is_file)?;
            let modified = meta.modified().unwrap_or(UNIX_EPOCH);
            let head = peek(&e.path());
            Some(Saved {
                path: e.path(),
                modified,
                bytes: meta.len(),
                question: head.question,
                model: head.model,
                answer: head.answer.text,
                correct: head.answer.correct,
            })
        })
        .collect();
    saved.sort_by(|a, b| {
        b.modified
            .cmp(&a.modified)
            .then_with(|| a.path.cmp(&b.path))
    });
    saved
}

#[cfg(test)]
mod tests;
