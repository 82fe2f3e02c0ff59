//! The hub's site over HTTP: which files a repository has, what one is called, and its bytes from a
//! place on.

use std::io::Read;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::config::RedirectAuthHeaders;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::cache::Repo;

/// No list of files is longer, in bytes.
const LONGEST_LIST: u64 = 32 << 20;
/// Redirections inside the site that are followed.
const HOPS: usize = 5;

/// The site, asked as one user.
pub(super) struct Client {
    site: String,
    token: Option<String>,
    /// Follows redirections; the token stays with the host that it is for.
    agent: Agent,
    /// Follows none.
    direct: Agent,
}

/// What the hub calls a file of the newest commit.
pub(super) struct Identity {
    pub(super) etag: String,
    pub(super) commit: String,
}

/// The bytes of a file from a place on.
pub(super) struct BodyPart {
    /// Where they begin: at 0 where the site cannot begin elsewhere.
    pub(super) start: u64,
    /// The length of the whole file.
    pub(super) total: u64,
    pub(super) bytes: Box<dyn Read>,
}

impl Client {
    pub(super) fn new(site: &str, token: Option<&str>) -> Client {
        let agent = |redirects| {
            let config = Agent::config_builder()
                .max_redirects(redirects)
                .redirect_auth_headers(RedirectAuthHeaders::SameHost)
                .user_agent(concat!("s1-tui/", env!("CARGO_PKG_VERSION")));
            config.build().into()
        };
        Client {
            site: site.to_owned(),
            token: token.map(str::to_owned),
            agent: agent(10),
            direct: agent(0),
        }
    }

    fn get(&self, agent: &Agent, url: &str, range: &str) -> Result<Response<Body>, ureq::Error> {
        let mut request = agent.get(url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if !range.is_empty() {
            request = request.header("Range", format!("bytes={range}"));
        }
        request.call()
    }

    /// The names of a repository's files.
    pub(super) fn files(&self, repo: &Repo) -> Result<Vec<String>> {
        let (kind, name) = (repo.kind.plural(), &repo.name);
        let url = format!("{}/api/{kind}/{name}/revision/main", self.site);
        let mut answer = self.get(&self.agent, &url, "")?;
        let list = answer.body_mut().with_config().limit(LONGEST_LIST);
        let list: Value = serde_json::from_slice(&list.read_to_vec()?)
            .context("unexpected list of files from the hub")?;
        let files = list["siblings"].as_array().map_or(&[][..], Vec::as_slice);
        let name = |file: &Value| file["rfilename"].as_str().map(str::to_owned);
        Ok(files.iter().filter_map(name).collect())
    }

    pub(super) fn url(&self, repo: &Repo, file: &str) -> String {
        let folder = match repo.kind {
            super::RepoKind::Model => "",
            super::RepoKind::Dataset => "datasets/",
        };
        format!("{}/{folder}{}/resolve/main/{file}", self.site, repo.name)
    }

    /// What a file is called.
    pub(super) fn identity(&self, url: &str) -> Result<Identity> {
        let mut url = url.to_owned();
        for _ in 0..HOPS {
            let answer = self.get(&self.direct, &url, "0-0")?;
            let header = |name: &str| answer.headers().get(name)?.to_str().ok();
            match header("location") {
                // A file that was moved; its bytes may be at another host, which does not know
                // what the hub calls it.
                Some(place) if place.starts_with('/') => url = format!("{}{place}", origin(&url)),
                _ => {
                    let etag = header("x-linked-etag").or(header("etag"));
                    let commit = header("x-repo-commit");
                    let (Some(etag), Some(commit)) = (etag, commit) else {
                        bail!("the hub does not say which version of the file it has");
                    };
                    return Ok(Identity {
                        etag: etag.replace('"', ""),
                        commit: commit.to_owned(),
                    });
                }
            }
        }
        bail!("the hub redirects without an end")
    }

    /// The bytes of a file from `start` on.
    pub(super) fn piece(&self, url: &str, start: u64) -> Result<BodyPart> {
        let answer = match self.get(&self.agent, url, &format!("{start}-")) {
            // Nothing is behind the place: what is here is not the beginning of this file.
            Err(ureq::Error::StatusCode(416)) if start > 0 => return self.piece(url, 0),
            answer => answer?,
        };
        let length = answer.body().content_length();
        let range = answer.headers().get("content-range");
        let total = range.and_then(|range| range.to_str().ok()?.rsplit('/').next()?.parse().ok());
        let partial = answer.status() == StatusCode::PARTIAL_CONTENT;
        let total = if partial { total } else { length };
        Ok(BodyPart {
            start: if partial { start } else { 0 },
            total: total.context("the hub does not say how long the file is")?,
            bytes: Box::new(answer.into_body().into_reader()),
        })
    }
}

/// Scheme and host of an address.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moved_inside_the_site_is_looked_for_at_its_host() {
        assert_eq!(origin("https://hf.co/a/b"), "https://hf.co");
        assert_eq!(origin("http://localhost:80"), "http://localhost:80");
    }
}
