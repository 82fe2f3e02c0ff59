use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;

/// A hub with one repository, `a/b`, that has one file, `m.gguf`.
#[derive(Clone)]
struct Site {
    bytes: Vec<u8>,
    /// What it calls the file.
    etag: &'static str,
    /// How long it says the file is.
    announced: usize,
    /// No answer is longer.
    cut: usize,
    /// How long a connection stays open after a cut.
    stall: Duration,
    /// The pieces of the file it was asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    fn new(len: usize) -> Site {
        Site {
            bytes: (0..len).map(|i| (i % 251) as u8).collect(),
            etag: "e7a9",
            announced: len,
            cut: usize::MAX,
            stall: Duration::ZERO,
            asked: Arc::default(),
        }
    }

    /// Opens it, for as long as the tests run.
    fn open(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let site = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let site = site.clone();
                // The client may disconnect before the end of the response.
                std::thread::spawn(move || drop(site.answer(stream.unwrap())));
            }
        });
        format!("http://{address}")
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let first = lines.next().unwrap()?;
        let (mut from, mut to) = (0, self.bytes.len());
        for line in lines {
            let line = line?.to_lowercase();
            if line.is_empty() {
                break;
            }
            let Some(range) = line.strip_prefix("range: bytes=") else {
                continue;
            };
            let (start, end) = range.split_once('-').unwrap();
            from = start.parse().unwrap();
            if end.is_empty() {
                self.asked.lock().unwrap().push(range.to_owned());
            } else {
                to = end.parse::<usize>().unwrap() + 1;
            }
        }
        if first.contains("/api/") {
            let list = r#"{"siblings":[{"rfilename":"m.gguf"}],"sha":"c0ffee"}"#;
            return write!(
                stream,
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{list}",
                list.len()
            );
        }
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nconnection: close\r\netag: \"{}\"\r\nx-repo-commit: c0ffee\r\n\
             content-range: bytes {from}-{}/{}\r\ncontent-length: {}\r\n\r\n",
            self.etag,
            to - 1,
            self.announced,
            to - from
        )?;
        let piece = &self.bytes[from..to];
        stream.write_all(&piece[..piece.len().min(self.cut)])?;
        if piece.len() > self.cut {
            std::thread::sleep(self.stall);
        }
        Ok(())
    }
}

fn hub(folder: &Path, site: String) -> Hub {
    Hub {
        cache: folder.to_path_buf(),
        site,
        token: None,
    }
}

fn fetch(hub: &Hub, id: &str) -> Result<PathBuf> {
    hub.fetch(id, RepoKind::Model, &mut || true)
}

/// The sentence of a download that must fail.
fn refusal(hub: &Hub, id: &str) -> String {
    format!("{:#}", fetch(hub, id).unwrap_err())
}

/// A cache that has a file of `a/b` already.
fn cached(folder: &Path) -> PathBuf {
    let repo = folder.join("models--a--b");
    let file = repo.join("snapshots/c0ffee/gguf/m.gguf");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::create_dir_all(repo.join("refs")).unwrap();
    std::fs::write(&file, "GGUF").unwrap();
    std::fs::write(repo.join("refs/main"), "c0ffee").unwrap();
    file
}

const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn a_download_goes_on_where_the_connection_broke() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site {
        cut: 100_000,
        ..Site::new(250_000)
    };
    let hub = hub(folder.path(), site.open());
    let path = fetch(&hub, "a/b").unwrap();
    assert!(path.starts_with(folder.path()) && path.ends_with("m.gguf"));
    assert_eq!(std::fs::read(&path).unwrap(), site.bytes);
    let asked = ["0-", "100000-", "200000-"];
    assert_eq!(*site.asked.lock().unwrap(), asked);
    // The second time it is here, whether the name says which file or not.
    assert_eq!(fetch(&hub, "a/b").unwrap(), path);
    assert_eq!(fetch(&hub, "a/b:m.gguf").unwrap(), path);
    assert_eq!(*site.asked.lock().unwrap(), asked);
}

#[test]
fn a_download_that_stands_still_can_be_left_and_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site {
        cut: 100_000,
        stall: Duration::from_secs(2),
        ..Site::new(150_000)
    };
    let hub = hub(folder.path(), site.open());
    let (since, mut looks) = (Instant::now(), 0);
    let left = hub.fetch("a/b", RepoKind::Model, &mut || {
        looks += 1;
        looks < 5
    });
    assert!(since.elapsed() < Duration::from_secs(2));
    let sentence = left.unwrap_err().to_string();
    assert_eq!(
        sentence,
        "fetching m.gguf was cancelled; the next attempt continues from here"
    );
    let path = fetch(&hub, "a/b:m.gguf").unwrap();
    assert_eq!(std::fs::read(path).unwrap(), site.bytes);
    assert_eq!(*site.asked.lock().unwrap(), ["0-", "100000-"]);
}

#[test]
fn what_a_download_is_called_leads_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("1/2/3/4");
    let site = Site {
        etag: "../../../../outside",
        ..Site::new(10)
    };
    let sentence = refusal(&hub(&cache, site.open()), "a/b");
    assert!(sentence.contains("not a valid file name"), "{sentence}");
    assert!(!cache.exists() && !folder.path().join("1/outside").exists());
}

#[test]
fn no_more_is_taken_than_was_announced() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site {
        announced: 1_000,
        ..Site::new(1_000_000)
    };
    let sentence = refusal(&hub(folder.path(), site.open()), "a/b");
    assert!(
        sentence.ends_with("m.gguf: the hub sends more than the 1000 bytes it announced"),
        "{sentence}"
    );
}

#[test]
fn without_a_network_what_was_fetched_earlier_serves() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), NOBODY.to_owned());
    let sentence = refusal(&hub, "a/b");
    assert!(
        sentence.starts_with("cannot fetch the model a/b from the hub: "),
        "{sentence}"
    );
    assert!(
        sentence.contains("check the name and the network"),
        "{sentence}"
    );
    let file = cached(folder.path());
    assert_eq!(fetch(&hub, "a/b").unwrap(), file);
    assert_eq!(fetch(&hub, "a/b:gguf/m.gguf").unwrap(), file);
}

#[test]
fn no_file_outside_the_repository_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), NOBODY.to_owned());
    for file in ["../../../secret", "/etc/passwd", "a/../../b.gguf", ""] {
        let sentence = refusal(&hub, &format!("a/b:{file}"));
        assert!(sentence.contains("is not a path inside a"), "{sentence}");
    }
    for name in ["gsm8k", "../b", "a/b/c", "/b"] {
        let sentence = refusal(&hub, name);
        assert!(sentence.contains("write hf:owner/name"), "{sentence}");
    }
    assert!(check_relative_path("gguf/m-q8_0.gguf").is_ok());
}

fn pick(kind: RepoKind, files: &[&str]) -> Result<String> {
    only_file(
        &Repo::new(Path::new(""), kind, "a/b"),
        files.iter().map(ToString::to_string),
    )
}

#[test]
fn the_test_split_is_meant_and_doubt_is_said() {
    let split = ["README.md", "main/train.parquet", "main/test.parquet"];
    assert_eq!(
        pick(RepoKind::Dataset, &split).unwrap(),
        "main/test.parquet"
    );
    let one = ["data.jsonl", "x.py"];
    assert_eq!(pick(RepoKind::Dataset, &one).unwrap(), "data.jsonl");
    let error = pick(RepoKind::Dataset, &["a.jsonl", "b.jsonl"]).unwrap_err();
    assert!(error.to_string().contains("hf:a/b:FILE"), "{error}");
    assert!(pick(RepoKind::Dataset, &["README.md"]).is_err());
}

#[test]
fn of_a_models_quantizations_q8_is_meant() {
    let files = ["m-Q4_K_M.gguf", "m-Q8_0.gguf", "config.json"];
    assert_eq!(pick(RepoKind::Model, &files).unwrap(), "m-Q8_0.gguf");
    assert!(pick(RepoKind::Model, &["model.safetensors"]).is_err());
}

#[test]
fn only_names_of_the_hub_are_looked_for_there() {
    let path = Path::new("models/m.gguf");
    assert_eq!(local(path, RepoKind::Model).unwrap(), path);
    assert!(is_hub(Path::new("hf:a/b")) && !is_hub(path));
}

#[test]
fn the_cache_follows_the_variables_of_hugging_face() {
    let find = |set: &[(&str, &str)]| {
        let value = |name: &str| {
            let found = set.iter().find(|(n, _)| *n == name);
            found.map(|(_, v)| (*v).to_owned())
        };
        cache_folder(value).map(|p| p.display().to_string())
    };
    let all = [
        ("HOME", "/h"),
        ("XDG_CACHE_HOME", "/x"),
        ("HF_HOME", "/f"),
        ("HF_HUB_CACHE", "/c"),
    ];
    assert_eq!(find(&all).as_deref(), Some("/c"));
    assert_eq!(find(&all[..3]).as_deref(), Some("/f/hub"));
    assert_eq!(find(&all[..2]).as_deref(), Some("/x/huggingface/hub"));
    assert_eq!(
        find(&all[..1]).as_deref(),
        Some("/h/.cache/huggingface/hub")
    );
    assert_eq!(find(&[]), None);
    assert_eq!(
        find(&[("HF_HOME", ""), ("HOME", "/h")]).as_deref(),
        Some("/h/.cache/huggingface/hub")
    );
}
