//! The hub's cache on disk, laid out as its own tools do ([`hf_hub::Cache`]): `blobs` has the files by
//! what the hub calls their content, `snapshots/COMMIT` links with their names, `refs/main` the
//! newest commit.
//!
//! Not here: requests. The library sends the user's token wherever a redirect points, and cannot be
//! left while nothing arrives; `client` and `fetch` do that part.

use std::fs;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo, RepoType};

use super::RepoKind;
use crate::files;

/// One repository and its folder in the cache.
#[derive(Debug)]
pub(super) struct Repo {
    pub(super) kind: RepoKind,
    /// `owner/name`.
    pub(super) name: String,
    entry: CacheRepo,
    folder: PathBuf,
}

impl Repo {
    pub(super) fn new(cache: &Path, kind: RepoKind, name: &str) -> Repo {
        let of_kind = match kind {
            RepoKind::Model => RepoType::Model,
            RepoKind::Dataset => RepoType::Dataset,
        };
        let repo = hf_hub::Repo::new(name.to_owned(), of_kind);
        Repo {
            kind,
            name: name.to_owned(),
            folder: cache.join(repo.folder_name()),
            entry: Cache::new(cache.to_path_buf()).repo(repo),
        }
    }

    /// The folder of the newest commit that is here.
    fn snapshot(&self) -> Option<PathBuf> {
        let commit = files::read_text_file(&self.folder.join("refs/main"), 1024).ok()?;
        Some(self.entry.pointer_path(commit.trim()))
    }

    /// A file that is here.
    pub(super) fn get(&self, file: &str) -> Option<PathBuf> {
        self.entry.get(file)
    }

    /// The files that are here, by their names in the repository.
    pub(super) fn cached_files(&self) -> Vec<String> {
        let Some(snapshot) = self.snapshot() else {
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
    /// Where a content goes when it is whole. Its folder is made.
    pub(super) fn blob(&self, etag: &str) -> std::io::Result<PathBuf> {
        let blobs = self.folder.join("blobs");
        fs::create_dir_all(&blobs)?;
        Ok(blobs.join(etag))
    }

    /// Gives a content that is here its name in a commit.
    pub(super) fn publish(&self, etag: &str, commit: &str, file: &str) -> anyhow::Result<PathBuf> {
        let path = self.entry.pointer_path(commit).join(file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        if !path.exists() {
            let up = Path::new(file).components().map(|_| "..");
            let content: PathBuf = up.chain(["..", "blobs", etag]).collect();
            #[cfg(unix)]
            std::os::unix::fs::symlink(content, &path)?;
            // Links need a right that few users have there.
            #[cfg(windows)]
            if std::os::windows::fs::symlink_file(content, &path).is_err() {
                fs::rename(self.blob(etag)?, &path)?;
            }
        }
        let newest = self.folder.join("refs/main");
        fs::create_dir_all(self.folder.join("refs"))?;
        files::replace(&newest, files::FileAccess::Usual, |out| {
            Ok(out.write_all(commit.as_bytes())?)
        })?;
        Ok(path)
    }
}
