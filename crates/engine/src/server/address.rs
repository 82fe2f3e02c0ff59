//! Where servers are: one address, or several of the same model, separated by commas.
//!
//! An address stands where a model's path does: in the settings, in a list of models, in a run.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use ureq::http::Uri;

/// Whether a model's path is the address of a server.
pub fn is_server(model: &Path) -> bool {
    let text = model.to_str().unwrap_or_default();
    text.starts_with("http://") || text.starts_with("https://")
}

/// What an address ends in that is to be used as a chat alone.
const CHAT: &str = "/chat/completions";

/// An address, without the slash at its end and without the version, which belongs to what is put
/// behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub base: String,
    /// Whether it is to be used as a chat alone, whatever else the server can do.
    pub chats: bool,
}

impl Address {
    /// One that nothing is said of.
    pub fn plain(base: impl Into<String>) -> Address {
        Address {
            base: base.into(),
            chats: false,
        }
    }
}

/// The addresses in a model's path.
///
/// # Errors
/// If one of them cannot be the address of a server.
pub(super) fn addresses(model: &Path) -> Result<Vec<Address>> {
    let text = model.to_string_lossy();
    text.split(',').map(|text| address(text.trim())).collect()
}

/// The path that addresses are as a model; `None` if they cannot be some.
pub(super) fn path(text: &str) -> Option<PathBuf> {
    let path = PathBuf::from(text.trim());
    addresses(&path).is_ok().then_some(path)
}

fn address(text: &str) -> Result<Address> {
    let known = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    let Some(uri) = text.parse().ok().filter(known) else {
        bail!("{text:?} is no address of a server; write it as http://127.0.0.1:8080");
    };
    let authority = uri.authority().map_or("", |a| a.as_str());
    if authority.contains('@') {
        bail!(
            "a server's address must not hold a password; name the environment variable of its key with --api-key-env"
        );
    }
    if authority.is_empty() || uri.query().is_some() {
        bail!("{text:?} is no address of a server; write it as http://127.0.0.1:8080");
    }
    let path = uri.path().trim_end_matches('/');
    let chat = path.strip_suffix(CHAT);
    let path = chat.unwrap_or(path);
    let path = path.strip_suffix("/v1").unwrap_or(path);
    let scheme = uri.scheme_str().unwrap_or_default();
    Ok(Address {
        base: format!("{scheme}://{authority}{path}"),
        chats: chat.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them_and_a_password_is_refused() {
        let read = |text: &str| addresses(Path::new(text)).map_err(|e| e.to_string());
        let address = |base: &str, chats| Address {
            base: base.into(),
            chats,
        };
        assert_eq!(
            read("http://a:1, https://b/x/v1/,http://c/v1/chat/completions").unwrap(),
            [
                address("http://a:1", false),
                address("https://b/x", false),
                address("http://c", true)
            ]
        );
        for wrong in ["ftp://a", "http://", "http://a/?key=b", "a:1"] {
            assert!(read(wrong).unwrap_err().contains("no address"), "{wrong}");
        }
        assert!(
            read("http://me:secret@a")
                .unwrap_err()
                .contains("--api-key-env")
        );
        assert!(is_server(Path::new("http://a:1")) && !is_server(Path::new("/a/b.gguf")));
    }
}
