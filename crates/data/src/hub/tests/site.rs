//! Sites for tests: they answer as they are told and keep what they were asked.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What a site was asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub path: String,
    /// Of `Range`: the first byte, and the last if it is named.
    pub range: Option<(usize, Option<usize>)>,
    /// Whether it came with the user's token.
    pub has_token: bool,
}

impl Request {
    fn read(stream: &TcpStream) -> io::Result<Request> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
        let mut request = Request {
            path: first.split(' ').nth(1).unwrap_or_default().to_owned(),
            ..Request::default()
        };
        for line in lines {
            let line = line?.to_lowercase();
            request.has_token |= line.starts_with("authorization: ");
            if let Some(range) = line.strip_prefix("range: bytes=") {
                let (start, end) = range.split_once('-').unwrap();
                request.range = Some((start.parse().unwrap(), end.parse().ok()));
            }
            if line.is_empty() {
                break;
            }
        }
        Ok(request)
    }

    /// Whether it asks for the list of files.
    pub fn is_list(&self) -> bool {
        self.path.starts_with("/api/")
    }

    /// Whether it asks what a file is called.
    pub fn is_identity(&self) -> bool {
        !self.is_list() && self.range == Some((0, Some(0)))
    }

    /// Whether it asks for a file's bytes.
    pub fn is_body(&self) -> bool {
        !self.is_list() && !self.is_identity()
    }
}

/// An answer, and how it is sent.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The length of the body that is announced, if not its own.
    pub length: Option<usize>,
    /// Before each byte of the head.
    pub drip_head: Duration,
    /// Before each byte of the body.
    pub drip: Duration,
    /// How long the connection stays open afterwards.
    pub stall: Duration,
}

impl Reply {
    pub fn new(status: &'static str, body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: body.into(),
            length: None,
            drip_head: Duration::ZERO,
            drip: Duration::ZERO,
            stall: Duration::ZERO,
        }
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Reply {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_string()));
        self
    }

    pub fn redirect(to: impl ToString) -> Reply {
        Reply::new("302 Found", "").with("location", to)
    }

    pub fn page() -> Reply {
        let page = "<!doctype html><title>Sign in</title>";
        Reply::new("200 OK", page).with("content-type", "text/html; charset=utf-8")
    }

    /// Sends no more than `bytes` of the body.
    pub fn cut(mut self, bytes: usize) -> Reply {
        self.length.get_or_insert(self.body.len());
        self.body.truncate(bytes);
        self
    }

    fn send(&self, stream: &mut TcpStream) -> io::Result<()> {
        let length = self.length.unwrap_or(self.body.len());
        let mut head = format!("HTTP/1.1 {}\r\nconnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {length}\r\n\r\n");
        for (bytes, drip) in [
            (head.as_bytes(), self.drip_head),
            (&self.body[..], self.drip),
        ] {
            let size = if drip.is_zero() {
                bytes.len().max(1)
            } else {
                1
            };
            for piece in bytes.chunks(size) {
                std::thread::sleep(drip);
                stream.write_all(piece)?;
            }
        }
        std::thread::sleep(self.stall);
        Ok(())
    }
}

/// A file of the repository `a/b`, as an honest hub has it.
#[derive(Clone)]
pub struct Stored {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub etag: String,
}

pub const COMMIT: &str = "c0ffee";

impl Stored {
    /// In large file storage.
    pub fn large(len: usize) -> Stored {
        let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        Stored {
            name: "m.gguf",
            etag: hexadecimal(&Sha256::digest(&bytes)),
            bytes,
        }
    }

    /// In Git itself.
    pub fn small(text: &str) -> Stored {
        let whole = format!("blob {}\0{text}", text.len());
        Stored {
            name: "m.gguf",
            etag: hexadecimal(&Sha1::digest(whole)),
            bytes: text.into(),
        }
    }

    pub fn named(self, name: &'static str) -> Stored {
        Stored { name, ..self }
    }

    pub fn answer(&self, request: &Request) -> Reply {
        if request.is_list() {
            let list = serde_json::json!({ "siblings": [{ "rfilename": self.name }] });
            return Reply::new("200 OK", list.to_string());
        }
        let all = self.bytes.len();
        let (start, end) = request.range.unwrap_or((0, None));
        if start >= all {
            return Reply::new("416 Range Not Satisfiable", "");
        }
        let end = end.map_or(all, |last| (last + 1).min(all));
        Reply::new("206 Partial Content", &self.bytes[start..end])
            .with("etag", format!("\"{}\"", self.etag))
            .with("x-repo-commit", COMMIT)
            .with("content-range", format!("bytes {start}-{}/{all}", end - 1))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A site that is open for as long as the tests run.
pub struct Site {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Site {
    pub fn open(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let site = Site {
            port: listener.local_addr().unwrap().port(),
            requests: Arc::default(),
        };
        let (requests, answer) = (site.requests.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (requests, answer) = (requests.clone(), answer.clone());
                std::thread::spawn(move || -> io::Result<()> {
                    let mut stream = stream?;
                    let request = Request::read(&stream)?;
                    requests.lock().unwrap().push(request.clone());
                    // The client may leave before the end.
                    answer(&request).send(&mut stream)
                });
            }
        });
        site
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The same site, as another host.
    pub fn other_url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Where the parts of files begin that it was asked for.
    pub fn parts(&self) -> Vec<usize> {
        let bodies = self.requests().into_iter().filter(Request::is_body);
        bodies.filter_map(|r| Some(r.range?.0)).collect()
    }
}
