//! The texts of a policy in the tokens of a model.

use super::Policy;
use crate::exit;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// What replaces an attempt to end the thinking.
    pub wait: Vec<u32>,
    /// The message before the end.
    pub message: Vec<u32>,
    /// What cannot be chosen in a thought.
    pub banned: Vec<u32>,
}

impl Texts {
    /// The texts of a policy; `encode` gives the tokens of a text.
    ///
    /// # Errors
    /// Those of `encode`.
    pub fn of<E>(
        policy: &Policy,
        encode: impl Fn(&str) -> Result<Vec<u32>, E>,
    ) -> Result<Texts, E> {
        let mut banned = Vec::new();
        let words = policy.nowait.then(|| &exit::words().nowait);
        for word in words.into_iter().flatten() {
            let first = word.chars().next().map(|c| c.to_uppercase().to_string());
            let rest = word.chars().skip(1).collect::<String>();
            let capital = first.unwrap_or_default() + &rest;
            for written in [word, &capital, &word.to_uppercase()] {
                for text in [written.clone(), format!(" {written}")] {
                    // A word of several tokens has pieces that other words have, too.
                    match encode(&text)?[..] {
                        [id] if !banned.contains(&id) => banned.push(id),
                        _ => {}
                    }
                }
            }
        }
        Ok(Texts {
            wait: encode(&policy.wait_text)?,
            message: encode(&policy.ending_text)?,
            banned,
        })
    }
}

/// A wait text alone.
impl From<Vec<u32>> for Texts {
    fn from(wait: Vec<u32>) -> Texts {
        Texts {
            wait,
            ..Texts::default()
        }
    }
}
