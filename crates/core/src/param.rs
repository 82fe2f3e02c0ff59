//! Parameters as rows of a table: one row says how a value is called, explained, read, limited and
//! written, and every door of the program (settings file, environment, flag, form, reference page)
//! is made from it. What one door accepts every door accepts, and each refuses with the same words.
//!
//! Not here: the tables themselves (each is written next to the type whose fields it describes) and
//! the doors.

use std::ffi::OsStr;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, anyhow};

/// The lower limit of numbers that must be above 0: the least that both float types can hold.
pub const ABOVE_ZERO: f64 = f32::MIN_POSITIVE as f64;

/// A word that is accepted, and what it means in one sentence.
pub type Word = (&'static str, &'static str);

/// One parameter of a `T`.
pub struct Param<T: 'static> {
    /// How it is called and explained.
    pub info: ParamInfo,
    /// What it accepts, and where the value goes.
    pub access: Access<T>,
}

/// How a parameter is called and explained.
#[derive(Clone, Copy, Debug)]
pub struct ParamInfo {
    /// Name in settings files; the environment variable is made of it.
    pub key: &'static str,
    pub label: &'static str,
    /// What it does, in one sentence.
    pub help: &'static str,
    /// Names of its flag, without dashes.
    pub flags: &'static [&'static str],
    /// The flag as one letter.
    pub letter: Option<char>,
    /// What the help of the flag calls the value.
    pub value: &'static str,
    /// A second flag, without a value.
    pub shortcut: Option<Shortcut>,
    /// Whether the flag may be given several times: the values, with semicolons between them, are one.
    pub repeats: bool,
    /// The word that means no value.
    pub none: Option<&'static str>,
    meaning: Option<Word>,
    unit: &'static str,
    allowed: &'static str,
}

/// A flag without a value that sets a parameter to one of its values.
#[derive(Clone, Copy, Debug)]
pub struct Shortcut {
    /// Its name, without dashes.
    pub flag: &'static str,
    /// What it sets the parameter to.
    pub sets: &'static str,
    /// What it does, in one sentence.
    pub help: &'static str,
}

/// The place of a `V` in a `T`; [`field!`](crate::field) makes one.
pub struct Lens<T: 'static, V: 'static> {
    pub get: fn(&T) -> V,
    pub set: fn(&mut T, V),
}

/// What a parameter accepts, and where the value goes.
pub enum Access<T: 'static> {
    /// A whole number within limits.
    Int(u64, u64, Lens<T, Option<u64>>),
    /// A number within limits.
    Float(f64, f64, Lens<T, Option<f64>>),
    /// True or false.
    Switch(Lens<T, bool>),
    /// One of a few words.
    Choice(&'static [Word], Lens<T, String>),
    /// Text that is not empty.
    Text(Lens<T, Option<String>>),
    /// Text that may be empty.
    AnyText(Lens<T, Option<String>>),
    /// A file or a folder.
    Path(Lens<T, Option<PathBuf>>),
    Paths(Lens<T, Vec<PathBuf>>),
    /// What has a notation of its own: reads it, `None` if it is not allowed, and writes it.
    Notation(fn(&T) -> String, fn(&mut T, &str) -> Option<()>),
}

/// What kind of value a parameter has, for the doors that treat some of them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One value, written as text.
    Value,
    /// Text that may be anything.
    AnyText,
    Switch,
    Choice(&'static [Word]),
    Path,
    Paths,
}

/// A field that holds a value of one of the kinds that parameters have. `None` means no value, which
/// only optional fields take.
pub trait Slot<V> {
    fn value(&self) -> V;
    fn put(&mut self, value: V);
}

macro_rules! slots {
    ($($field:ty, $value:ty, $get:expr, $put:expr;)*) => {$(
        impl Slot<Option<$value>> for $field {
            fn value(&self) -> Option<$value> {
                Some($get(self))
            }
            fn put(&mut self, value: Option<$value>) {
                if let Some(value) = value {
                    *self = $put(value);
                }
            }
        }
        impl Slot<Option<$value>> for Option<$field> {
            fn value(&self) -> Option<$value> {
                self.as_ref().map($get)
            }
            fn put(&mut self, value: Option<$value>) {
                *self = value.map($put);
            }
        }
    )*};
}

slots! {
    u64, u64, |n: &u64| *n, |n| n;
    u32, u64, |n: &u32| u64::from(*n), |n| u32::try_from(n).unwrap_or(u32::MAX);
    usize, u64, |n: &usize| *n as u64, |n| usize::try_from(n).unwrap_or(usize::MAX);
    f64, f64, |x: &f64| *x, |x| x;
    // Through text: 0.1 of one type is 0.1 of the other.
    f32, f64, |x: &f32| x.to_string().parse().unwrap_or(f64::NAN), |x| x as f32;
    String, String, String::clone, |text| text;
    PathBuf, PathBuf, PathBuf::clone, |path| path;
}

impl Slot<bool> for bool {
    fn value(&self) -> bool {
        *self
    }
    fn put(&mut self, value: bool) {
        *self = value;
    }
}

impl Slot<Vec<PathBuf>> for Vec<PathBuf> {
    fn value(&self) -> Vec<PathBuf> {
        self.clone()
    }
    fn put(&mut self, value: Vec<PathBuf>) {
        *self = value;
    }
}

/// The [`Lens`](crate::param::Lens) of a field: `field!(Sampling.temperature)`.
#[macro_export]
macro_rules! field {
    ($whole:ident . $($field:ident).+) => {
        $crate::param::Lens {
            get: |whole: &$whole| $crate::param::Slot::value(&whole.$($field).+),
            set: |whole: &mut $whole, value| $crate::param::Slot::put(&mut whole.$($field).+, value),
        }
    };
}

/// A [`Param`](crate::param::Param) that is called as its field: `param!(Sampling.top_k, Int, 0, 9)`,
/// with the kind of [`Access`](crate::param::Access) and its limits. `param!("model", access)` is one
/// that is called otherwise, or has no field of its own. The flag is the same with dashes.
#[macro_export]
macro_rules! param {
    ($whole:ident . $field:ident, Parsed) => {
        $crate::param!(
            @ stringify!($field),
            $crate::param::Access::Notation(
                |whole: &$whole| whole.$field.to_string(),
                |whole: &mut $whole, text| {
                    whole.$field = text.parse().ok()?;
                    Some(())
                },
            )
        )
    };
    ($whole:ident . $field:ident, $kind:ident $(, $limit:expr)*) => {
        $crate::param!(
            @ stringify!($field),
            $crate::param::Access::$kind($($limit,)* $crate::field!($whole.$field))
        )
    };
    ($key:literal, $access:expr) => {
        $crate::param!(@ $key, $access)
    };
    (@ $key:expr, $access:expr) => {{
        const KEY: &str = $key;
        const FLAG: [u8; KEY.len()] = $crate::param::dashed(KEY);
        const FLAGS: &[&str] = match std::str::from_utf8(&FLAG) {
            Ok(flag) => &[flag],
            Err(_) => &[KEY],
        };
        $crate::param::Param::new(KEY, FLAGS, $access)
    }};
}

/// A key as a flag: `max_steps` is `max-steps`.
pub const fn dashed<const N: usize>(key: &str) -> [u8; N] {
    let mut flag = [b'-'; N];
    let mut at = 0;
    while at < N {
        if key.as_bytes()[at] != b'_' {
            flag[at] = key.as_bytes()[at];
        }
        at += 1;
    }
    flag
}

impl<T> Param<T> {
    /// What [`param!`](crate::param!) makes: not explained yet.
    pub const fn new(
        key: &'static str,
        flags: &'static [&'static str],
        access: Access<T>,
    ) -> Param<T> {
        let info = ParamInfo {
            key,
            label: "",
            help: "",
            flags,
            letter: None,
            value: "",
            shortcut: None,
            repeats: false,
            none: None,
            meaning: None,
            unit: "",
            allowed: "",
        };
        Param { info, access }
    }

    /// With what forms call it, and what the help of the flag calls its value.
    pub const fn named(mut self, label: &'static str, value: &'static str) -> Param<T> {
        self.info.label = label;
        self.info.value = value;
        self
    }

    /// With what it does, in one sentence.
    pub const fn help(mut self, help: &'static str) -> Param<T> {
        self.info.help = help;
        self
    }

    /// With other names of its flag than its key, without dashes.
    pub const fn flags(mut self, flags: &'static [&'static str]) -> Param<T> {
        self.info.flags = flags;
        self
    }

    /// With a letter for the flag.
    pub const fn letter(mut self, letter: char) -> Param<T> {
        self.info.letter = Some(letter);
        self
    }

    /// With a second flag that has no value.
    pub const fn shortcut(
        mut self,
        flag: &'static str,
        sets: &'static str,
        help: &'static str,
    ) -> Param<T> {
        self.info.shortcut = Some(Shortcut { flag, sets, help });
        self
    }

    /// With a flag that may be given several times.
    pub const fn repeats(mut self) -> Param<T> {
        self.info.repeats = true;
        self
    }

    /// With a word that stands for no value.
    pub const fn none(mut self, word: &'static str) -> Param<T> {
        self.info.none = Some(word);
        self
    }

    /// With a value that means something special: `("0", "greedy")`.
    pub const fn meaning(mut self, value: &'static str, meaning: &'static str) -> Param<T> {
        self.info.meaning = Some((value, meaning));
        self
    }

    /// With what the number counts.
    pub const fn unit(mut self, unit: &'static str) -> Param<T> {
        self.info.unit = unit;
        self
    }

    /// With words for what is allowed, to follow "must be"; where the kind of value does not say it.
    pub const fn allowed(mut self, allowed: &'static str) -> Param<T> {
        self.info.allowed = allowed;
        self
    }
}

impl ParamInfo {
    /// The environment variable of the parameter.
    pub fn variable(&self) -> String {
        format!("S1_TUI_{}", self.key.to_uppercase())
    }

    /// What it does and what a special value means, in one sentence.
    pub fn hint(&self) -> String {
        match self.meaning {
            Some((value, meaning)) => {
                format!("{}; {value} is {meaning}.", self.help.trim_end_matches('.'))
            }
            None => self.help.to_owned(),
        }
    }

    /// A limit, with what it means.
    fn limit(&self, limit: impl Display) -> String {
        let limit = limit.to_string();
        match self.meaning {
            Some((value, meaning)) if value == limit => format!("{limit} ({meaning})"),
            _ => limit,
        }
    }

    fn is_none(&self, text: &str, zero_is_a_value: bool) -> bool {
        let zero = text == "0" && self.none == Some("off") && !zero_is_a_value;
        self.none.is_some_and(|word| text == word) || zero
    }
}

/// A parameter of a `C`, or of a part of it.
pub trait Setting<C>: Sync {
    /// How it is called and explained.
    fn info(&self) -> &ParamInfo;
    /// What kind of value it has.
    fn shape(&self) -> Shape;
    /// What it allows, to follow "must be".
    fn allowed(&self) -> String;
    /// The value, as [`Setting::set`] reads it.
    fn text(&self, whole: &C) -> String;
    /// Sets it from text.
    ///
    /// # Errors
    /// If it does not allow the value. What it says follows the name of the parameter: "must be …,
    /// but is …".
    fn set(&self, whole: &mut C, text: &str) -> Result<()>;
    /// Sets it from an argument of the command line, which may be a path that is not UTF-8.
    ///
    /// # Errors
    /// As [`Setting::set`].
    fn set_os(&self, whole: &mut C, text: &OsStr) -> Result<()>;
    fn default_text(&self) -> String;
    /// Whether a text is allowed.
    ///
    /// # Errors
    /// As [`Setting::set`].
    fn check(&self, text: &str) -> Result<()>;
}

/// That a whole has a part whose parameters are its own, too.
pub trait Has<T> {
    fn part(&self) -> &T;
    /// The part, to change it.
    fn part_mut(&mut self) -> &mut T;
}

/// That a whole has parts: `has!(Config { Request: request, Policy: request.policy })`.
#[macro_export]
macro_rules! has {
    ($whole:ty { $($part:ty: $($field:ident).+),+ $(,)? }) => {$(
        impl $crate::param::Has<$part> for $whole {
            fn part(&self) -> &$part {
                &self.$($field).+
            }
            fn part_mut(&mut self) -> &mut $part {
                &mut self.$($field).+
            }
        }
    )+};
}

impl<T> Has<T> for T {
    fn part(&self) -> &T {
        self
    }
    fn part_mut(&mut self) -> &mut T {
        self
    }
}

/// The rows of a table as settings of a whole that has what they describe.
pub fn settings<C: Has<T> + 'static, T: Default>(
    table: &'static [Param<T>],
) -> impl Iterator<Item = &'static dyn Setting<C>> {
    table.iter().map(|param| param as &dyn Setting<C>)
}

/// Whether every parameter has a value that it allows.
///
/// # Errors
/// If one has not; the sentence names it and what it allows.
pub fn validate<T: Default>(table: &'static [Param<T>], value: &T) -> Result<()> {
    settings(table).try_for_each(|setting: &dyn Setting<T>| {
        let allowed = setting.check(&setting.text(value));
        allowed.map_err(|e| anyhow!("{} {e}", setting.info().key))
    })
}

impl<C: Has<T>, T: Default> Setting<C> for Param<T> {
    fn info(&self) -> &ParamInfo {
        &self.info
    }

    fn shape(&self) -> Shape {
        match &self.access {
            Access::Switch(_) => Shape::Switch,
            Access::Choice(words, _) => Shape::Choice(words),
            Access::AnyText(_) => Shape::AnyText,
            Access::Path(_) => Shape::Path,
            Access::Paths(_) => Shape::Paths,
            _ => Shape::Value,
        }
    }

    fn allowed(&self) -> String {
        let or = match self.info.none {
            Some(word) => format!(", or {word:?}"),
            None => String::new(),
        };
        format!("{}{or}", self.access.allowed(&self.info))
    }

    fn text(&self, whole: &C) -> String {
        let text = self.access.text(whole.part());
        text.unwrap_or_else(|| self.info.none.unwrap_or_default().to_owned())
    }

    fn set(&self, whole: &mut C, text: &str) -> Result<()> {
        let set = self.access.set(&self.info, whole.part_mut(), text);
        let allowed = || <Self as Setting<C>>::allowed(self);
        set.ok_or_else(|| anyhow!("must be {}, but is {text:?}", allowed()))
    }

    fn set_os(&self, whole: &mut C, text: &OsStr) -> Result<()> {
        match (&self.access, text.to_str()) {
            (_, Some(text)) => self.set(whole, text),
            (Access::Path(lens), None) => {
                (lens.set)(whole.part_mut(), Some(Path::new(text).into()));
                Ok(())
            }
            (_, None) => self.set(whole, &text.to_string_lossy()),
        }
    }

    fn default_text(&self) -> String {
        <Self as Setting<T>>::text(self, &T::default())
    }

    fn check(&self, text: &str) -> Result<()> {
        <Self as Setting<T>>::set(self, &mut T::default(), text)
    }
}

impl<T> Access<T> {
    fn allowed(&self, info: &ParamInfo) -> String {
        if !info.allowed.is_empty() {
            return info.allowed.to_owned();
        }
        let what = |number: &str| match info.unit {
            "" => number.to_owned(),
            unit => format!("a number of {unit}"),
        };
        match self {
            Access::Int(least, u64::MAX, _) => {
                format!("{} from {} on", what("a whole number"), info.limit(least))
            }
            Access::Int(least, most, _) => range(info, &what("a whole number"), least, most),
            Access::Float(least, most, _) if *least == ABOVE_ZERO => {
                format!(
                    "{} above 0 and at most {}",
                    what("a number"),
                    info.limit(most)
                )
            }
            Access::Float(least, most, _) => range(info, &what("a number"), least, most),
            Access::Switch(_) => "true or false".to_owned(),
            Access::Choice(words, _) => {
                let words: Vec<String> =
                    words.iter().map(|(word, _)| format!("{word:?}")).collect();
                match words.split_last() {
                    Some((last, [])) => last.clone(),
                    Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
                    None => String::new(),
                }
            }
            Access::Text(_) => "text that is not empty".to_owned(),
            Access::AnyText(_) | Access::Notation(..) => "text".to_owned(),
            Access::Path(_) => "a path".to_owned(),
            Access::Paths(_) => "a list of folders".to_owned(),
        }
    }

    fn text(&self, of: &T) -> Option<String> {
        match self {
            Access::Int(_, _, lens) => (lens.get)(of).map(|n| n.to_string()),
            Access::Float(_, _, lens) => (lens.get)(of).map(float_text),
            Access::Switch(lens) => Some((lens.get)(of).to_string()),
            Access::Choice(_, lens) => Some((lens.get)(of)),
            Access::Text(lens) | Access::AnyText(lens) => (lens.get)(of),
            Access::Path(lens) => (lens.get)(of).map(|path| path.display().to_string()),
            Access::Paths(lens) => {
                let joined = std::env::join_paths((lens.get)(of));
                joined
                    .map(|paths| paths.to_string_lossy().into_owned())
                    .ok()
            }
            Access::Notation(get, _) => Some(get(of)),
        }
    }

    /// `None` if the text is not allowed; nothing is changed then.
    fn set(&self, info: &ParamInfo, of: &mut T, text: &str) -> Option<()> {
        let trimmed = text.trim();
        match self {
            Access::Int(least, most, lens) => {
                (lens.set)(of, number(info, trimmed, least, most, *least == 0)?);
            }
            Access::Float(least, most, lens) => {
                (lens.set)(of, number(info, trimmed, least, most, *least <= 0.0)?);
            }
            Access::Switch(lens) => (lens.set)(of, trimmed.parse().ok()?),
            Access::Choice(words, lens) => {
                let (word, _) = words.iter().find(|(word, _)| *word == trimmed)?;
                (lens.set)(of, (*word).to_owned());
            }
            Access::Text(lens) | Access::AnyText(lens) if info.is_none(text, false) => {
                (lens.set)(of, None);
            }
            Access::Text(_) if text.is_empty() => return None,
            Access::Text(lens) | Access::AnyText(lens) => (lens.set)(of, Some(text.to_owned())),
            Access::Path(lens) if info.is_none(trimmed, false) => (lens.set)(of, None),
            Access::Path(_) if trimmed.is_empty() => return None,
            Access::Path(lens) => (lens.set)(of, Some(text.into())),
            Access::Paths(lens) => {
                let paths = std::env::split_paths(text);
                (lens.set)(of, paths.filter(|p| !p.as_os_str().is_empty()).collect());
            }
            Access::Notation(_, set) => set(of, trimmed)?,
        }
        Some(())
    }
}

/// A number within limits, or no value where that is written so; `None` if it is neither.
fn number<N: FromStr + PartialOrd>(
    info: &ParamInfo,
    text: &str,
    least: &N,
    most: &N,
    zero_is_a_value: bool,
) -> Option<Option<N>> {
    if info.is_none(text, zero_is_a_value) {
        return Some(None);
    }
    let number = text.parse().ok();
    Some(Some(number.filter(|n| (least..=most).contains(&n))?))
}

fn range(info: &ParamInfo, what: &str, least: impl Display, most: impl Display) -> String {
    let (least, most) = (info.limit(least), info.limit(most));
    let also = match info.meaning {
        // What a limit means was said with it.
        Some((value, meaning)) if !(least.contains('(') || most.contains('(')) => {
            format!(" ({value} is {meaning})")
        }
        _ => String::new(),
    };
    format!("{what} from {least} to {most}{also}")
}

/// Without more zeros than a reader can count.
fn float_text(x: f64) -> String {
    if x != 0.0 && x.abs() < 1e-3 {
        format!("{x:e}")
    } else {
        x.to_string()
    }
}

#[cfg(test)]
mod tests;
