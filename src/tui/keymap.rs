//! Keys to actions: the embedded `assets/keymap.toml`, and the user's rows on top.
//!
//! Every action can be bound anew in every context. A row `{ on = "w", run = "wait" }` binds one
//! key (or a list of keys); `run = "none"` takes a key away. The keys of [`Context::Program`] hold
//! on every screen that does not use them otherwise. Not here: what an action does.

mod key;

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use crossterm::event::KeyEvent;
use serde::Deserialize;
use strsim::levenshtein;
use strum::{IntoStaticStr, VariantArray};
use toml::Spanned;

use super::action::Action;
use crate::config::Dirs;
use crate::config::file::{line_of, read_optional, syntax_error};

pub use key::Key;

const DEFAULTS: &str = include_str!("../../assets/keymap.toml");

/// More rows than keys and actions could ever need: a larger file is a mistake.
const MAX_ROWS: usize = 2000;

/// Where a key is pressed; the same key may mean different things.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Deserialize,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Context {
    /// Every screen, beneath its own keys.
    Program,
    /// The explorer with the trace focused.
    Explore,
    /// The comparison with its lanes focused.
    Compare,
    Plots,
    Train,
    /// The question box or another text field.
    Editor,
    /// A list: picker, palette, alternatives, branches.
    List,
}

impl Context {
    pub const ALL: &'static [Context] = Context::VARIANTS;

    /// The name used in keymap files.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether the keys of [`Context::Program`] hold here too.
    fn is_screen(self) -> bool {
        !matches!(self, Context::Program | Context::Editor | Context::List)
    }
}

/// One key, and what it does: `None` for a key that was taken away, which then also hides the key
/// of the whole program.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Binding {
    context: Context,
    key: Key,
    action: Option<Action>,
}

/// Keys to actions.
#[derive(Clone, Debug, PartialEq)]
pub struct Keymap {
    /// Holds a key at most once per context; the user's rows come first.
    bindings: Vec<Binding>,
}

impl Default for Keymap {
    /// The embedded keymap.
    fn default() -> Keymap {
        let mut keymap = Keymap {
            bindings: Vec::new(),
        };
        // The embedded file is read by the tests below.
        let read = keymap.apply("keymap.toml", DEFAULTS);
        debug_assert!(read.is_ok());
        keymap
    }
}

/// A keymap file as TOML.
type KeymapFile = BTreeMap<Context, Vec<Spanned<KeyBinding>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyBinding {
    on: KeyOrKeys,
    run: String,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "on must be a key or a list of keys, e.g. \"w\" or [\"w\", \"ctrl-w\"]"
)]
enum KeyOrKeys {
    One(String),
    Many(Vec<String>),
}

impl Keymap {
    /// The embedded keymap with the rows of the user's `keymap.toml`, if there is one, on top.
    ///
    /// # Errors
    /// If that file has a mistake; the sentence names file, line and what to write.
    pub fn load(dirs: &Dirs) -> Result<Keymap> {
        let path = dirs.config.join("keymap.toml");
        let mut keymap = Keymap::default();
        if let Some(text) = read_optional(&path)? {
            keymap.apply(&path.display().to_string(), &text)?;
        }
        Ok(keymap)
    }

    /// Puts the rows of a keymap file before those that are there; `file` is what errors call it.
    fn apply(&mut self, file: &str, text: &str) -> Result<()> {
        let parsed: KeymapFile = toml::from_str(text).map_err(|e| syntax_error(file, text, &e))?;
        let mut rows: Vec<(Context, Key, Option<Action>)> = Vec::new();
        for (context, list) in parsed {
            for row in list {
                let line = line_of(text, row.span().start);
                let KeyBinding { on, run } = row.into_inner();
                let action = match run.as_str() {
                    "none" => None,
                    name => Some(action(name).map_err(|e| anyhow!("{file}, line {line}: {e}"))?),
                };
                let keys = match on {
                    KeyOrKeys::One(key) => vec![key],
                    KeyOrKeys::Many(keys) => keys,
                };
                for written in keys {
                    let Some(key) = Key::parse(&written) else {
                        bail!(
                            "{file}, line {line}: unknown key {written:?}; write {}",
                            key::SYNTAX
                        );
                    };
                    if rows.iter().any(|&(c, k, _)| (c, k) == (context, key)) {
                        bail!(
                            "{file}, line {line}: {written:?} is bound twice in one context; \
                             keep one of the rows"
                        );
                    }
                    if rows.len() >= MAX_ROWS {
                        bail!("{file} has more than {MAX_ROWS} keys; remove some");
                    }
                    rows.push((context, key, action));
                }
            }
        }
        self.bindings
            .retain(|b| !rows.iter().any(|&(c, k, _)| (c, k) == (b.context, b.key)));
        let new = rows.into_iter().map(|(context, key, action)| Binding {
            context,
            key,
            action,
        });
        self.bindings.splice(0..0, new);
        let mut screens = Context::ALL.iter().filter(|c| c.is_screen());
        if !screens.all(|&c| self.key_for(c, Action::Quit).is_some()) {
            bail!("{file} leaves no key to quit; add {{ on = \"q\", run = \"quit\" }} to program");
        }
        Ok(())
    }

    /// What a key is bound to in a context, the whole program's keys beneath a screen's own.
    fn binding(&self, context: Context, key: Key) -> Option<&Binding> {
        let bound = |context| {
            let mut bindings = self.bindings.iter();
            bindings.find(|b| b.context == context && b.key == key)
        };
        let beneath = || bound(Context::Program).filter(|_| context.is_screen());
        bound(context).or_else(beneath)
    }

    /// The action bound to a key in a context; `None` for the release of a key.
    pub fn action(&self, context: Context, key: KeyEvent) -> Option<Action> {
        self.binding(context, Key::of(key)?)?.action
    }

    /// How a user types an action in a context, e.g. `w`, `Ctrl-s`; the first binding.
    pub fn key_for(&self, context: Context, action: Action) -> Option<String> {
        self.keys_for(context, action).into_iter().next()
    }

    /// Every way to type an action in a context, the first binding first.
    pub fn keys_for(&self, context: Context, action: Action) -> Vec<String> {
        let own = self.bindings.iter().filter(|b| b.context == context);
        let beneath = self.bindings.iter().filter(|b| {
            context.is_screen()
                && b.context == Context::Program
                && self.binding(context, b.key) == Some(b)
        });
        own.chain(beneath)
            .filter(|b| b.action == Some(action))
            .map(|b| b.key.label())
            .collect()
    }
}

/// The action of a name; the error offers the name that looks most like it.
fn action(name: &str) -> Result<Action> {
    let mut all = Action::ALL.iter();
    if let Some(action) = all.find(|a| a.name() == name) {
        return Ok(*action);
    }
    // No action's name is that long; the cost of comparing stays bounded.
    let start: String = name.chars().take(64).collect();
    let distances = Action::ALL
        .iter()
        .map(|a| (levenshtein(a.name(), &start), a));
    match distances.min_by_key(|(distance, _)| *distance) {
        Some((distance, nearest)) if distance <= 1 + name.len() / 3 => bail!(
            "there is no action {name:?}; did you mean {:?}? The help lists all of them",
            nearest.name()
        ),
        _ => bail!(
            "there is no action {name:?}; the actions are none, {}",
            Action::ALL
                .iter()
                .map(|a| a.name())
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

#[cfg(test)]
mod tests;
