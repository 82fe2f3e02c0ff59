//! Every setting: its key, what it allows, and where the value goes.
//!
//! Values are read from text, whether they come from a file, a variable or a flag, so that all
//! three allow the same.

use std::ops::RangeInclusive;
use std::str::FromStr;

use anyhow::{Result, bail};

use super::{Config, expand_home};
use s1_core::delimiters::Family;
use s1_core::forcing::{CutAt, OnLoop};

/// Tables of the settings file; every other key stands at its top.
pub const SECTIONS: [&str; 2] = ["thinking", "sampling"];

/// Window of `cut_at = "sentence"`, in tokens.
const SENTENCE_WINDOW: usize = 64;

/// One setting.
pub struct Setting {
    /// Full name: `theme`, `thinking.waits`.
    pub key: &'static str,
    /// What it allows, to follow "must be".
    pub allowed: &'static str,
    /// Whether a file may give a list of texts.
    pub list: bool,
    /// Reads the text into its place; `None` if it is not allowed.
    set: fn(&mut Config, &str) -> Option<()>,
}

impl Setting {
    /// The environment variable of the setting, `S1_TUI_` and the last part of its name.
    pub fn variable(&self) -> String {
        let name = self.key.rsplit('.').next().unwrap_or(self.key);
        format!("S1_TUI_{}", name.to_uppercase())
    }

    /// Sets it from text. The error starts with "must be".
    pub fn set_text(&self, config: &mut Config, text: &str) -> Result<()> {
        match (self.set)(config, text) {
            Some(()) => Ok(()),
            None => bail!("must be {}, but is {text:?}", self.allowed),
        }
    }
}

/// A setting by its full name.
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// What to write instead of a key that is none, for an error message.
pub fn known(key: &str) -> String {
    let last = |key: &'static str| key.rsplit('.').next().unwrap_or(key);
    if let Some(setting) = SETTINGS.iter().find(|s| s.key != key && last(s.key) == key)
        && let Some((section, name)) = setting.key.split_once('.')
    {
        return format!("write {name} below [{section}]");
    }
    let section = key.split_once('.').map(|(section, _)| section);
    let names = SETTINGS
        .iter()
        .filter_map(|s| match (section, s.key.split_once('.')) {
            (None, None) => Some(s.key),
            (Some(section), Some((own, name))) if section == own => Some(name),
            _ => None,
        });
    let names = names.collect::<Vec<_>>().join(", ");
    match section {
        Some(section) => format!("those of [{section}] are {names}"),
        None => format!("the settings are {names}, [{}]", SECTIONS.join("], [")),
    }
}

const fn one(
    key: &'static str,
    allowed: &'static str,
    set: fn(&mut Config, &str) -> Option<()>,
) -> Setting {
    Setting {
        key,
        allowed,
        list: false,
        set,
    }
}

/// All settings, in the order of the commented file in `assets/config.toml`.
pub const SETTINGS: &[Setting] = &[
    one("model", "the path of a GGUF file", |c, v| {
        put(&mut c.model, some(v)?.map(|v| expand_home(&v)))
    }),
    Setting {
        key: "model_folders",
        allowed: "a list of folders",
        list: true,
        set: |c, v| {
            let folders = std::env::split_paths(v).filter(|p| !p.as_os_str().is_empty());
            let folders = folders.map(|p| p.to_str().map_or_else(|| p.clone(), expand_home));
            put(&mut c.model_folders, folders.collect())
        },
    },
    one(
        "context",
        "a number of tokens from 16 to 10000000, or \"auto\"",
        |c, v| put(&mut c.context, auto(v, 16..=10_000_000)?),
    ),
    one(
        "device",
        "\"auto\", \"cpu\", \"cuda\", \"cuda:N\" or \"metal\"",
        |c, v| put(&mut c.device, v.parse().ok()?),
    ),
    one("threads", "a number from 1 to 1024, or \"auto\"", |c, v| {
        put(&mut c.threads, auto(v, 1..=1024)?)
    }),
    one(
        "family",
        "\"auto\", \"s1\", \"qwen3\", \"r1\" or \"generic\"",
        |c, v| {
            let family = Family::ALL.into_iter().find(|f| f.name() == v);
            put(
                &mut c.family,
                if v == "auto" { None } else { Some(family?) },
            )
        },
    ),
    one(
        "think_open",
        "text, or \"auto\" for the family's",
        |c, v| put(&mut c.think_open, some(v)?),
    ),
    one("think_end", "text, or \"auto\" for the family's", |c, v| {
        put(&mut c.think_end, some(v)?)
    }),
    one(
        "think_close",
        "text, or \"auto\" for the family's",
        |c, v| put(&mut c.think_close, some(v)?),
    ),
    one("system", "text", |c, v| put(&mut c.system, v.into())),
    one("theme", "the name of a theme", |c, v| {
        put(&mut c.theme, some(v)??)
    }),
    one("mouse", "true or false", |c, v| {
        put(&mut c.mouse, v.parse().ok()?)
    }),
    one(
        "probe_every",
        "a number of tokens from 1 to 1000000, or \"off\"",
        |c, v| put(&mut c.probe_every, off(v, 1..=1_000_000)?),
    ),
    one("price_per_hour", "dollars from 0 to 1000000", |c, v| {
        put(&mut c.price_per_hour, number(v, 0.0..=1e6)?)
    }),
    one("thinking.think", "true or false", |c, v| {
        put(&mut c.policy.think, v.parse().ok()?)
    }),
    one(
        "thinking.max_thinking",
        "a number of tokens from 0 to 10000000, or \"auto\"",
        |c, v| put(&mut c.policy.max_thinking, auto(v, 0..=10_000_000)?),
    ),
    one("thinking.waits", "a number from 0 to 1000", |c, v| {
        put(&mut c.policy.waits, number(v, 0..=1000)?)
    }),
    one("thinking.wait_text", "text that is not empty", |c, v| {
        (!v.is_empty()).then(|| c.policy.wait_text = v.into())
    }),
    one(
        "thinking.min_thinking",
        "a number of tokens from 0 to 10000000",
        |c, v| put(&mut c.policy.min_thinking, number(v, 0..=10_000_000)?),
    ),
    one(
        "thinking.cut_at",
        "\"token\", \"sentence\", or \"sentence:N\" with a window of N tokens",
        |c, v| put(&mut c.policy.cut_at, cut_at(v)?),
    ),
    one(
        "thinking.answer_max",
        "a number of tokens from 1 to 1000000",
        |c, v| put(&mut c.policy.answer_max, number(v, 1..=1_000_000)?),
    ),
    one("thinking.on_loop", "\"report\" or \"answer\"", |c, v| {
        let on_loop = match v {
            "report" => OnLoop::Report,
            "answer" => OnLoop::Answer,
            _ => return None,
        };
        put(&mut c.policy.on_loop, on_loop)
    }),
    one(
        "sampling.temperature",
        "a number from 0 (greedy) to 100",
        |c, v| put(&mut c.sampling.temperature, number(v, 0.0..=100.0)?),
    ),
    one(
        "sampling.top_k",
        "a number from 0 (off) to 1000000",
        |c, v| put(&mut c.sampling.top_k, number(v, 0..=1_000_000)?),
    ),
    one(
        "sampling.top_p",
        "a number above 0 and at most 1 (off)",
        |c, v| put(&mut c.sampling.top_p, number(v, f32::MIN_POSITIVE..=1.0)?),
    ),
    one("sampling.min_p", "a number from 0 (off) to 1", |c, v| {
        put(&mut c.sampling.min_p, number(v, 0.0..=1.0)?)
    }),
    one(
        "sampling.repetition_penalty",
        "a number from 0.01 to 100 (1 is off)",
        |c, v| put(&mut c.sampling.repetition_penalty, number(v, 0.01..=100.0)?),
    ),
    one(
        "sampling.repetition_window",
        "a number of tokens from 0 to 1000000",
        |c, v| put(&mut c.sampling.repetition_window, number(v, 0..=1_000_000)?),
    ),
    one("sampling.seed", "a whole number from 0 on", |c, v| {
        put(&mut c.sampling.seed, v.parse().ok()?)
    }),
];

fn put<T>(place: &mut T, value: T) -> Option<()> {
    *place = value;
    Some(())
}

fn number<T: FromStr + PartialOrd>(text: &str, range: RangeInclusive<T>) -> Option<T> {
    text.trim()
        .parse()
        .ok()
        .filter(|value| range.contains(value))
}

fn auto(text: &str, range: RangeInclusive<usize>) -> Option<Option<usize>> {
    if text == "auto" {
        Some(None)
    } else {
        number(text, range).map(Some)
    }
}

fn off(text: &str, range: RangeInclusive<usize>) -> Option<Option<usize>> {
    if matches!(text, "off" | "0") {
        Some(None)
    } else {
        number(text, range).map(Some)
    }
}

/// Text that is not empty; `auto` is none of one's own.
fn some(text: &str) -> Option<Option<String>> {
    match text {
        "" => None,
        "auto" => Some(None),
        text => Some(Some(text.into())),
    }
}

fn cut_at(text: &str) -> Option<CutAt> {
    Some(match text.split_once(':') {
        None if text == "token" => CutAt::Token,
        None if text == "sentence" => CutAt::Sentence {
            window: SENTENCE_WINDOW,
        },
        Some(("sentence", window)) => CutAt::Sentence {
            window: number(window, 1..=1_000_000)?,
        },
        _ => return None,
    })
}
