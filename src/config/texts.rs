//! Texts worth trying: for a wait, and before the end of a thought. Data, so that anyone can add
//! their own. What they do is in the policy.

use anyhow::Result;
use serde::Deserialize;

use super::dirs::Dirs;
use super::file::{read_optional, syntax_error};

const BUNDLED: &str = include_str!("../../assets/texts.toml");

/// Texts to choose from, the user's own first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextChoices {
    /// What replaces an attempt to end the thinking.
    pub wait: Vec<String>,
    /// The message before the end of thinking.
    pub ending: Vec<String>,
}

impl TextChoices {
    /// Those of the program, without the user's.
    pub fn bundled() -> TextChoices {
        toml::from_str(BUNDLED).unwrap_or_default()
    }

    /// Those of the user's `texts.toml`, if there is one, and those of the program.
    ///
    /// # Errors
    /// If that file has a mistake; the sentence names file and line.
    pub fn load(dirs: &Dirs) -> Result<TextChoices> {
        let path = dirs.config.join("texts.toml");
        let mut texts = match read_optional(&path)? {
            Some(text) => toml::from_str(&text)
                .map_err(|e| syntax_error(&path.display().to_string(), &text, &e))?,
            None => TextChoices::default(),
        };
        let bundled = TextChoices::bundled();
        let lists = [
            (&mut texts.wait, bundled.wait),
            (&mut texts.ending, bundled.ending),
        ];
        for (own, bundled) in lists {
            own.retain(|text| !text.is_empty());
            for text in bundled {
                if !own.contains(&text) {
                    own.push(text);
                }
            }
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use s1_core::forcing::Policy;

    #[test]
    fn the_users_own_come_first_and_a_mistake_is_a_sentence() {
        let bundled = TextChoices::bundled();
        let usual = Policy::default();
        assert_eq!(bundled.wait[0], usual.wait_text);
        assert_eq!(bundled.ending[0], usual.ending_text);
        let folder = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(folder.path());
        assert_eq!(TextChoices::load(&dirs).unwrap(), bundled);
        std::fs::create_dir_all(&dirs.config).unwrap();
        let path = dirs.config.join("texts.toml");
        std::fs::write(&path, "wait = [\"Hold on\", \"Hmm\", \"\"]").unwrap();
        let texts = TextChoices::load(&dirs).unwrap();
        assert_eq!(texts.wait[..3], ["Hold on", "Hmm", "Wait"]);
        assert_eq!(texts.wait.len(), bundled.wait.len() + 1);
        assert_eq!(texts.ending, bundled.ending);
        std::fs::write(&path, "wait = 3").unwrap();
        let error = TextChoices::load(&dirs).unwrap_err().to_string();
        assert!(error.contains("texts.toml, line 1: "), "{error}");
    }
}
