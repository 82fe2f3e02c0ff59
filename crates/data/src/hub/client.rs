//! The hub's site over HTTP: which files a repository has, what one is called, and its bytes from a
//! place on. The user's token goes to the site that it is for and nowhere else, and a site that is
//! busy is asked again, a few times.
//!
//! Not here: what is kept of the answers.

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s1_core::format;
use serde_json::Value;
use ureq::http::uri::Scheme;
use ureq::http::{HeaderValue, Response, StatusCode, Uri};
use ureq::{Agent, Body};

use super::cache::Repo;
use super::download::DownloadMeter;
use super::names::{Commit, Content, FileName};
use super::{RepoKind, home, variable};
use crate::files;

/// The hub's own site.
const SITE: &str = "https://huggingface.co";
/// No list of files is longer, in bytes.
const LONGEST_LIST: u64 = 32 << 20;
/// Redirections that are followed.
const REDIRECTS: usize = 10;
/// What stays as it is in an address.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// Where the hub is, as whom it is asked, and how patiently.
#[derive(Clone)]
pub(super) struct HubAccess {
    pub(super) site: String,
    pub(super) token: Option<String>,
    pub(super) patience: HubTimeouts,
}

/// How long a site is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct HubTimeouts {
    /// For a connection, and for an answer.
    pub(super) answer: Duration,
    /// For the next byte.
    pub(super) silence: Duration,
    /// In which a file has to bring [`SLOWEST`](super::fetch::SLOWEST) bytes.
    pub(super) slow: Duration,
    /// Before a busy site is asked again; doubled each time.
    pub(super) pause: Duration,
    /// How often a busy site is asked again.
    pub(super) again: u32,
    /// The longest time that a site may ask to wait.
    pub(super) longest_pause: Duration,
}

impl Default for HubTimeouts {
    fn default() -> HubTimeouts {
        HubTimeouts {
            answer: Duration::from_secs(30),
            silence: Duration::from_secs(30),
            slow: Duration::from_secs(60),
            pause: Duration::from_secs(1),
            again: 5,
            longest_pause: Duration::from_secs(300),
        }
    }
}

impl HubAccess {
    pub(super) fn from_env(env: &impl Fn(&str) -> Option<String>) -> HubAccess {
        let kept = || {
            let token = files::read_text_file(&home(env)?.join("token"), 1024).ok()?;
            Some(token.trim().to_owned()).filter(|token| !token.is_empty())
        };
        HubAccess {
            site: variable(env, "HF_ENDPOINT").unwrap_or_else(|| SITE.into()),
            token: variable(env, "HF_TOKEN").or_else(kept),
            patience: HubTimeouts::default(),
        }
    }
}

/// The site, asked as one user.
pub(super) struct Client {
    /// Without a slash at its end.
    site: String,
    home: Uri,
    /// What is said in `Authorization`.
    token: Option<HeaderValue>,
    /// Follows no redirections: each needs a look at where it leads.
    agent: Agent,
    pub(super) patience: HubTimeouts,
}

/// What the hub calls a file of the newest commit.
pub(super) struct Identity {
    pub(super) content: Content,
    pub(super) commit: Commit,
    /// Its length in bytes, where the hub says it.
    pub(super) size: Option<u64>,
}

/// The bytes of a file from a place on.
pub(super) struct BodyPart {
    /// Where they begin: at 0 where the site cannot begin elsewhere.
    pub(super) start: u64,
    /// The length of the whole file, where the site says it.
    pub(super) total: Option<u64>,
    pub(super) bytes: Box<dyn Read>,
}

impl Client {
    /// # Errors
    /// If the address or the token cannot be one.
    pub(super) fn new(access: &HubAccess) -> Result<Client> {
        let site = access.site.trim_end_matches('/');
        let home = address(site)
            .with_context(|| format!("HF_ENDPOINT is not a site's address: {site:?}"))?;
        let token = access.token.as_deref().map(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| anyhow!("the hub's token (HF_TOKEN) has characters that none has"))?;
            value.set_sensitive(true);
            Ok::<_, anyhow::Error>(value)
        });
        let patience = access.patience;
        let config = Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_resolve(Some(patience.answer))
            .timeout_connect(Some(patience.answer))
            .timeout_recv_response(Some(patience.answer))
            .timeout_per_read(Some(patience.silence))
            .timeout_per_write(Some(patience.silence))
            .user_agent(concat!("s1-tui/", env!("CARGO_PKG_VERSION")));
        Ok(Client {
            site: site.to_owned(),
            home,
            token: token.transpose()?,
            agent: config.build().into(),
            patience,
        })
    }

    /// The names of a repository's files.
    pub(super) fn files(&self, repo: &Repo, meter: &DownloadMeter) -> Result<Vec<String>> {
        let kind = match repo.kind {
            RepoKind::Model => "models",
            RepoKind::Dataset(_) => "datasets",
        };
        let name = encoded(&repo.name);
        let url = format!("{}/api/{kind}/{name}/revision/main", self.site);
        let answer = self.ask(&url, None, meter, |_| false)?;
        // However slowly they come: no more is read than a list has, and not for longer than a
        // slow file is waited for.
        let end = std::time::Instant::now() + self.patience.slow;
        let (mut list, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
        let mut body = answer.into_body().into_reader().take(LONGEST_LIST);
        loop {
            match body.read(&mut buffer)? {
                0 => break,
                read => list.extend_from_slice(&buffer[..read]),
            }
            if std::time::Instant::now() > end {
                bail!("the hub's list of files comes too slowly; try again later");
            }
            meter.look()?;
        }
        let list: Value =
            serde_json::from_slice(&list).context("unexpected list of files from the hub")?;
        let files = list["siblings"].as_array().map_or(&[][..], Vec::as_slice);
        let name = |file: &Value| file["rfilename"].as_str().map(str::to_owned);
        Ok(files.iter().filter_map(name).collect())
    }

    /// The address of a file in a version.
    fn url(&self, repo: &Repo, version: &str, file: &FileName) -> String {
        let folder = match repo.kind {
            RepoKind::Model => "",
            RepoKind::Dataset(_) => "datasets/",
        };
        let (site, name, file) = (&self.site, encoded(&repo.name), encoded(file.as_str()));
        format!("{site}/{folder}{name}/resolve/{version}/{file}")
    }

    /// What a file is called.
    pub(super) fn identity(
        &self,
        repo: &Repo,
        file: &FileName,
        meter: &DownloadMeter,
    ) -> Result<Identity> {
        let url = self.url(repo, "main", file);
        // The bytes may be at another host, which does not know what the hub calls them. Inside the
        // site it is asked on: only the last answer is sure to have it all.
        let known = |answer: &Response<Body>| {
            let has = |name| header(answer, name).is_some();
            let away = header(answer, "location").is_some_and(|place| place.contains("://"));
            has("x-repo-commit") && (has("x-linked-etag") || has("etag") && away)
        };
        let answer = self.ask(&url, Some("0-0"), meter, known)?;
        let header = |name: &str| header(&answer, name);
        let etag = header("x-linked-etag").or(header("etag"));
        let (Some(etag), Some(commit)) = (etag, header("x-repo-commit")) else {
            bail!("the hub does not say which version of the file it has");
        };
        let named = "the hub's name for";
        let content = Content::of_etag(etag).with_context(|| {
            format!("{named} its content, {etag:?}, is no hash that can be checked")
        })?;
        let commit = Commit::new(commit)
            .with_context(|| format!("{named} its version, {commit:?}, is not a commit"))?;
        let linked = header("x-linked-size").and_then(|size| size.parse().ok());
        let size = linked.or_else(|| range(&answer).map(|(_, total)| total));
        Ok(Identity {
            content,
            commit,
            size,
        })
    }

    /// The bytes of a file in a version, from `start` on.
    pub(super) fn piece(
        &self,
        repo: &Repo,
        commit: &Commit,
        file: &FileName,
        start: u64,
        meter: &DownloadMeter,
    ) -> Result<BodyPart> {
        let url = self.url(repo, commit.as_str(), file);
        let wanted = format!("{start}-");
        let answer = self.ask(&url, Some(&wanted), meter, |_| false)?;
        let (start, total) = match answer.status() {
            // Nothing is behind the place: what is here is not the beginning of this file.
            StatusCode::RANGE_NOT_SATISFIABLE if start > 0 => {
                return self.piece(repo, commit, file, 0, meter);
            }
            StatusCode::PARTIAL_CONTENT => match range(&answer) {
                Some((first, total)) if first == start => (start, Some(total)),
                _ => bail!("the hub does not say which part of the file it sends; try again later"),
            },
            StatusCode::OK => (0, answer.body().content_length()),
            status => bail!("the hub answers {status}; try again later"),
        };
        Ok(BodyPart {
            start,
            total,
            bytes: Box::new(answer.into_body().into_reader()),
        })
    }

    /// Asks, and follows redirections until there is an answer, or `enough` says that one has what
    /// is wanted. The token goes along as long as it stays at the site.
    fn ask(
        &self,
        url: &str,
        range: Option<&str>,
        meter: &DownloadMeter,
        enough: impl Fn(&Response<Body>) -> bool,
    ) -> Result<Response<Body>> {
        let mut url = address(url)?;
        let mut at_home = true;
        for _ in 0..=REDIRECTS {
            at_home &= is_same_site(&url, &self.home);
            let answer = self.ask_until_free(&url, range, at_home, meter)?;
            let status = answer.status();
            match header(&answer, "location") {
                Some(place) if status.is_redirection() && !enough(&answer) => {
                    url = target(&url, place)?;
                }
                _ => return checked(answer),
            }
        }
        bail!("the hub redirects more than {REDIRECTS} times; check HF_ENDPOINT and the network")
    }

    /// Asks, again after a while where the site is busy.
    fn ask_until_free(
        &self,
        url: &Uri,
        range: Option<&str>,
        with_token: bool,
        meter: &DownloadMeter,
    ) -> Result<Response<Body>> {
        let mut asked = 0;
        loop {
            let answer = self.ask_once(url, range, with_token)?;
            let status = answer.status();
            if !is_busy(status) {
                return Ok(answer);
            }
            let wanted = header(&answer, "retry-after").and_then(|wait| wait.trim().parse().ok());
            let pause = match wanted {
                Some(seconds) => Duration::from_secs(seconds),
                None => self.patience.pause * 2_u32.pow(asked),
            };
            let shown = format::duration(pause.as_secs_f64());
            if pause > self.patience.longest_pause {
                bail!("the hub is busy ({status}) and asks to wait {shown}; try again later");
            }
            if asked == self.patience.again {
                bail!(
                    "the hub is busy ({status}), {} times in a row; try again later",
                    asked + 1
                );
            }
            asked += 1;
            meter.pause(
                pause,
                format!("the hub is busy ({status}), asked again in {shown}"),
            )?;
        }
    }

    fn ask_once(
        &self,
        url: &Uri,
        range: Option<&str>,
        with_token: bool,
    ) -> Result<Response<Body>, ureq::Error> {
        let mut request = self.agent.get(url.clone());
        if let Some(token) = self.token.as_ref().filter(|_| with_token) {
            request = request.header("Authorization", token.clone());
        }
        if let Some(range) = range {
            request = request.header("Range", format!("bytes={range}"));
        }
        request.call()
    }
}

/// An answer that is neither a refusal nor a page for people.
fn checked(answer: Response<Body>) -> Result<Response<Body>> {
    let status = answer.status();
    if matches!(status.as_u16(), 401 | 403 | 404) {
        bail!(
            "the hub answers {status}; check the name (what is private or gated needs HF_TOKEN, a \
             token that may read it)"
        );
    }
    if status.is_client_error() && status != StatusCode::RANGE_NOT_SATISFIABLE {
        bail!("the hub answers {status}; check the name and HF_ENDPOINT");
    }
    if status.is_server_error() {
        bail!("the hub answers {status}; try again later");
    }
    if header(&answer, "content-type").is_some_and(|kind| kind.starts_with("text/html")) {
        bail!(
            "the answer is a web page, as of a login; check HF_ENDPOINT, and whether this network \
             asks for one"
        );
    }
    Ok(answer)
}

fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

fn header<'a>(answer: &'a Response<Body>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// Where the part begins that an answer has, and the length of the whole.
fn range(answer: &Response<Body>) -> Option<(u64, u64)> {
    let range = header(answer, "content-range")?.strip_prefix("bytes ")?;
    let (part, total) = range.split_once('/')?;
    let (start, _) = part.split_once('-')?;
    Some((start.parse().ok()?, total.parse().ok()?))
}

/// A path as it is written in an address.
fn encoded(path: &str) -> String {
    utf8_percent_encode(path, PLAIN).to_string()
}

fn address(url: &str) -> Result<Uri> {
    let address: Uri = url
        .parse()
        .with_context(|| format!("{url:?} is no address"))?;
    match (address.scheme_str(), address.host()) {
        (Some("http" | "https"), Some(_)) => Ok(address),
        _ => bail!("{url:?} is not an address of http or https"),
    }
}

/// Whether a token for one address may be sent to the other: scheme, host and port are the same.
fn is_same_site(a: &Uri, b: &Uri) -> bool {
    let port = |uri: &Uri| {
        let usual = if uri.scheme() == Some(&Scheme::HTTPS) {
            443
        } else {
            80
        };
        uri.port_u16().unwrap_or(usual)
    };
    let host = |uri: &Uri| uri.host().map(str::to_lowercase);
    a.scheme() == b.scheme() && host(a) == host(b) && port(a) == port(b)
}

/// Where a redirection leads that was found at an address.
fn target(from: &Uri, place: &str) -> Result<Uri> {
    let (scheme, site) = (from.scheme_str(), from.authority());
    let (scheme, site) = (
        scheme.unwrap_or_default(),
        site.map_or("", |site| site.as_str()),
    );
    let whole = if place.contains("://") {
        place.to_owned()
    } else if place.starts_with("//") {
        format!("{scheme}:{place}")
    } else if place.starts_with('/') {
        format!("{scheme}://{site}{place}")
    } else {
        let folder = from
            .path()
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        format!("{scheme}://{site}{folder}/{place}")
    };
    address(&whole).context("the hub redirects to a place that cannot be asked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_is_read_as_a_browser_does() {
        let from = address("https://hf.co:444/a/b?c").unwrap();
        for (place, expected) in [
            ("/x", "https://hf.co:444/x"),
            ("x?y", "https://hf.co:444/a/x?y"),
            ("//other/x", "https://other/x"),
            ("http://other/x", "http://other/x"),
        ] {
            assert_eq!(target(&from, place).unwrap().to_string(), expected);
        }
        for place in ["file:///etc/passwd", "ftp://hf.co/x", "a b", ""] {
            let there = target(&from, place);
            assert!(there.is_err() || place.is_empty(), "{place}");
        }
    }

    #[test]
    fn only_the_very_site_is_the_same_site() {
        let home = address("https://hf.co").unwrap();
        let same = |url: &str| is_same_site(&address(url).unwrap(), &home);
        assert!(same("https://HF.co:443/x"));
        for other in [
            "http://hf.co/x",
            "https://hf.co:444/x",
            "https://cdn.hf.co/x",
            "https://hf.co@other/x",
            "https://hf.co.other/x",
        ] {
            assert!(!same(other), "{other}");
        }
    }

    #[test]
    fn names_are_written_as_addresses_have_them() {
        assert_eq!(
            encoded("gguf/my model é#1.gguf"),
            "gguf/my%20model%20%C3%A9%231.gguf"
        );
    }
}
