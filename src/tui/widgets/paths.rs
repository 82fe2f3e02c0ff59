//! Completing a path that is being typed, as a shell does.

use std::fs;
use std::path::{MAIN_SEPARATOR, Path};

use super::input::Input;
use crate::config::expand_home;
use crate::tui::sanitize::fit;

/// Of a larger folder only so many names are looked at.
const MOST: usize = 4096;
/// Names that are listed where several go on.
const LISTED: usize = 6;

/// Completes the path in a line as far as one way goes on; a sentence where there are several, or
/// none.
pub fn complete(input: &mut Input) -> Option<String> {
    let typed = input.text().to_owned();
    let (folder, start) = match typed.rsplit_once(MAIN_SEPARATOR) {
        Some((folder, start)) => (format!("{folder}{MAIN_SEPARATOR}"), start),
        None => (String::new(), typed.as_str()),
    };
    let place = match folder.as_str() {
        "" => Path::new(".").to_path_buf(),
        folder => expand_home(folder),
    };
    let Ok(entries) = fs::read_dir(&place) else {
        return Some(format!("there is no folder {}", place.display()));
    };
    let named = entries.flatten().take(MOST).filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        // Hidden ones are for those who ask.
        let wanted = name.starts_with(start) && (start.starts_with('.') || !name.starts_with('.'));
        let end = if entry.path().is_dir() {
            MAIN_SEPARATOR.to_string()
        } else {
            String::new()
        };
        wanted.then(|| name + &end)
    });
    let mut names: Vec<String> = named.collect();
    names.sort();
    let Some(first) = names.first() else {
        return Some(format!(
            "nothing in {} begins with “{start}”",
            place.display()
        ));
    };
    let shared = names.iter().fold(first.clone(), |shared, name| {
        let same = shared.chars().zip(name.chars()).take_while(|(a, b)| a == b);
        same.map(|(a, _)| a).collect()
    });
    if shared.len() > start.len() {
        *input = Input::new(format!("{folder}{shared}"));
        return None;
    }
    let more = names.len().saturating_sub(LISTED);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let listed: Vec<_> = names
        .iter()
        .take(LISTED)
        .map(|name| fit(name, 24))
        .collect();
    (names.len() > 1).then(|| format!("{}{rest}", listed.join("  ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user would lose: the rest of a path that they know the beginning of.
    #[test]
    fn a_path_is_completed_as_far_as_one_way_goes_on() {
        let root = tempfile::tempdir().unwrap();
        for name in [
            "models/a-small.gguf",
            "models/a-large.gguf",
            "models/.hidden",
            "notes",
        ] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let at = |name: &str| format!("{}/{name}", root.path().display());
        let tried = |typed: &str| {
            let mut input = Input::new(at(typed));
            let told = complete(&mut input);
            (input.text().to_owned(), told)
        };
        assert_eq!(tried("mo"), (at("models/"), None));
        let (text, told) = tried("models/");
        assert_eq!((text, told), (at("models/a-"), None));
        let (text, told) = tried("models/a-");
        assert_eq!(text, at("models/a-"));
        assert_eq!(told.unwrap(), "a-large.gguf  a-small.gguf");
        assert_eq!(tried("models/.h").0, at("models/.hidden"));
        assert!(tried("x").1.unwrap().starts_with("nothing in "));
        assert!(
            tried("none/x")
                .1
                .unwrap()
                .starts_with("there is no folder ")
        );
    }
}
