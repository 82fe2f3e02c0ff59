//! The hub's cache on disk, laid out as its own tools do: in `models--OWNER--NAME`, `blobs` has the
//! files by what the hub calls their content, `snapshots/COMMIT` links with their names, `refs/main`
//! the newest commit that is here. Where these are, `hf-hub` knows.
//!
//! Not here: requests (`client`: those of `hf-hub` send the user's token wherever they are
//! redirected), and what is fetched (`fetch`).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use hf_hub::{Cache, CacheRepo, RepoType};

use super::download::DownloadMeter;
use super::names::{Commit, Content, FileName};
use super::{RepoKind, content};
use crate::files;

/// One repository and its folder in the cache.
#[derive(Debug)]
pub(super) struct Repo {
    pub(super) kind: RepoKind,
    /// `owner/name`.
    pub(super) name: String,
    folder: PathBuf,
    layout: CacheRepo,
}

impl Repo {
    pub(super) fn new(cache: &Path, kind: RepoKind, name: &str) -> Repo {
        let of = match kind {
            RepoKind::Model => RepoType::Model,
            RepoKind::Dataset(_) => RepoType::Dataset,
        };
        let repo = hf_hub::Repo::new(name.to_owned(), of);
        Repo {
            kind,
            name: name.to_owned(),
            folder: cache.join(repo.folder_name()),
            layout: Cache::new(cache.to_path_buf()).repo(repo),
        }
    }

    /// The folder of a commit.
    fn snapshot(&self, commit: &Commit) -> PathBuf {
        self.layout.pointer_path(commit.as_str())
    }

    /// The folder of the newest commit that is here.
    fn newest(&self) -> Option<PathBuf> {
        let commit = files::read_text_file(&self.folder.join("refs/main"), 1024).ok()?;
        Some(self.snapshot(&Commit::new(commit.trim())?))
    }

    /// Where a file is, whole or not.
    fn path(&self, file: &FileName) -> Option<PathBuf> {
        Some(self.newest()?.join(file)).filter(|path| path.exists())
    }

    /// Whether a file is here, whole or not.
    pub(super) fn has(&self, file: &FileName) -> bool {
        self.path(file).is_some()
    }

    /// A file that is here and is what it is called.
    ///
    /// # Errors
    /// If nobody waits for it any more, or it cannot be read.
    pub(super) fn get(&self, file: &FileName, meter: &DownloadMeter) -> Result<Option<PathBuf>> {
        let Some(path) = self.path(file) else {
            return Ok(None);
        };
        // Where there are no links, there is no name to hold it against.
        let named = |link: &PathBuf| Content::of_etag(link.file_name()?.to_str()?);
        let whole = match fs::read_link(&path).ok().as_ref().and_then(named) {
            Some(content) => content::is_whole(&self.blob(&content), &content, meter)?,
            None => true,
        };
        Ok(whole.then_some(path))
    }

    /// Where a content is, or goes when it is whole.
    pub(super) fn blob(&self, content: &Content) -> PathBuf {
        self.folder.join("blobs").join(content.as_str())
    }

    /// The files that are here, by their names in the repository.
    pub(super) fn cached_files(&self) -> Vec<String> {
        let Some(snapshot) = self.newest() else {
            return Vec::new();
        };
        let (mut folders, mut files) = (vec![snapshot.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                // Its folders are the repository's own: only files are links there.
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                } else if let Ok(name) = path.strip_prefix(&snapshot) {
                    files.extend(name.to_str().map(str::to_owned));
                }
            }
        }
        files.sort();
        files
    }
}

/// What is written while a file is fetched.
#[cfg(feature = "hub")]
impl Repo {
    /// Gives a content that is here its name in a commit.
    pub(super) fn publish(
        &self,
        content: &Content,
        commit: &Commit,
        file: &FileName,
    ) -> Result<PathBuf> {
        let path = self.snapshot(commit).join(file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        if !path.exists() {
            // A link to a content that was taken away is in the way of the new one.
            if path.is_symlink() {
                fs::remove_file(&path)?;
            }
            let up = Path::new(file.as_str()).components().map(|_| "..");
            let target: PathBuf = up.chain(["..", "blobs", content.as_str()]).collect();
            #[cfg(unix)]
            std::os::unix::fs::symlink(target, &path)?;
            // Links need a right that few users have there.
            #[cfg(windows)]
            if std::os::windows::fs::symlink_file(target, &path).is_err() {
                fs::rename(self.blob(content), &path)?;
            }
        }
        let newest = self.folder.join("refs/main");
        fs::create_dir_all(self.folder.join("refs"))?;
        files::replace(&newest, files::FileAccess::Usual, |out| {
            Ok(out.write_all(commit.as_str().as_bytes())?)
        })?;
        Ok(path)
    }
}
