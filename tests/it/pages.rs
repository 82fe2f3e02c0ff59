//! The pages: their links lead somewhere, and the commands on them are commands. What would be lost: the
//! first five minutes of a stranger.

use std::fs;
use std::path::{Path, PathBuf};

/// The pages, from the root of the repository.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: Vec<PathBuf> = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ]
    .map(|name| root.join(name))
    .into();
    let docs = fs::read_dir(root.join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().path());
    found.extend(docs.filter(|path| path.extension().is_some_and(|e| e == "md")));
    found.sort();
    found
}

/// How a heading is linked to.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn links_lead_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', ' ']).next().unwrap();
            if target.contains("://") || target.starts_with("mailto:") || target.is_empty() {
                continue;
            }
            let (file, part) = target.split_once('#').unwrap_or((target, ""));
            let place = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            assert!(place.exists(), "{}: {target}", page.display());
            if !part.is_empty() {
                let there = fs::read_to_string(&place).unwrap();
                let mut headings = there.lines().filter(|line| line.starts_with('#'));
                assert!(
                    headings.any(|heading| anchor(heading) == part),
                    "{}: {target}",
                    page.display()
                );
            }
        }
    }
}

#[test]
fn pictures_are_there_and_are_small() {
    let mut seen = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for mark in ["src=\"", "srcset=\""] {
            for (at, _) in text.match_indices(mark) {
                let target = text[at + mark.len()..].split('"').next().unwrap();
                let place = page.parent().unwrap().join(target);
                let bytes = place.metadata().map_or(0, |file| file.len());
                assert!(
                    (1..250_000).contains(&bytes),
                    "{}: {target} has {bytes} bytes",
                    page.display()
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen}");
}

/// Somebody new would lose: the way to what the map names.
#[test]
fn the_map_of_the_code_names_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let mut seen = 0;
    for word in text.split('`').skip(1).step_by(2) {
        let is_path = word.ends_with('/') || word.ends_with(".rs") || word.ends_with(".toml");
        // `foo` is any name; `kernels/pack.rs` is beside what was named before.
        if !is_path || word.starts_with("foo") || word.contains(' ') {
            continue;
        }
        let (first, rest) = word.split_once('/').unwrap_or((word, ""));
        let places = [
            root.join(word),
            root.join("src/tui").join(word),
            root.join("crates").join(first).join("src").join(rest),
            root.join("crates/model/src").join(word),
        ];
        assert!(places.iter().any(|place| place.exists()), "{word}");
        seen += 1;
    }
    assert!(seen > 20, "only {seen}");
}

/// A line as a shell cuts it into words; quotes are taken off.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut open) = (Vec::new(), String::new(), None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => (quote, open) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            (_, c) => word.push(c),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    words
}

#[test]
fn commands_on_the_pages_are_commands() {
    let mut tried = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap().replace("\\\n", " ");
        let mut fenced = false;
        for line in text.lines() {
            fenced ^= line.starts_with("```");
            if !fenced && !line.starts_with("    ") {
                continue;
            }
            let line = line.trim();
            // Nor the first row of a picture of the screen.
            if !line.starts_with("s1-tui ") || line.starts_with("s1-tui  ") {
                continue;
            }
            let line = line.split(" #").next().unwrap();
            for command in line.split("; ") {
                let command = command.split(['<', '>', '|']).next().unwrap();
                // "…" stands for what the reader knows.
                if command.contains('…') && !command.contains("\"…\"")
                    || !command.contains("s1-tui")
                {
                    continue;
                }
                let parsed = s1_tui::cli::command().try_get_matches_from(words(command));
                if let Err(error) = parsed {
                    assert!(
                        !error.use_stderr(),
                        "{}: {command}: {error}",
                        page.display()
                    );
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 20, "only {tried}");
}
