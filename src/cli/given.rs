//! Flags made from tables of parameters, and what was given of them.

use std::ffi::{OsStr, OsString};
use std::marker::PhantomData;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::Error;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint};

use s1_core::param::{Setting, Shape};

/// Parameters that are given together, as flags below one heading.
pub trait FlagGroup: 'static {
    /// What they are parameters of.
    type Whole: 'static;
    /// Heading in the help.
    const HEADING: &'static str;
    /// The parameters.
    fn settings() -> Vec<&'static dyn Setting<Self::Whole>>;
}

/// What was given of a group's flags: applied over whatever the values are without them.
#[derive(Debug)]
pub struct GivenFlags<G> {
    /// Positions in [`FlagGroup::settings`], and the values.
    values: Vec<(usize, OsString)>,
    group: PhantomData<G>,
}

impl<G: FlagGroup> GivenFlags<G> {
    /// Whether a parameter was given.
    pub fn has(&self, key: &str) -> bool {
        let settings = G::settings();
        let mut given = self.values.iter();
        given.any(|(at, _)| settings[*at].info().key == key)
    }
}

/// Flags that were given, of whichever group.
pub trait Apply<C> {
    /// Sets what was given. The values were checked when they were read.
    ///
    /// # Errors
    /// If a value is not allowed.
    fn apply(&self, whole: &mut C) -> anyhow::Result<()>;
}

impl<G: FlagGroup> Apply<G::Whole> for GivenFlags<G> {
    fn apply(&self, whole: &mut G::Whole) -> anyhow::Result<()> {
        let settings = G::settings();
        let mut given = self.values.iter();
        given.try_for_each(|(at, value)| settings[*at].set_os(whole, value))
    }
}

impl<G: FlagGroup> Args for GivenFlags<G> {
    fn augment_args(command: Command) -> Command {
        let settings = G::settings();
        let all = settings.into_iter().flat_map(flags);
        command.args(all.map(|flag| flag.help_heading(G::HEADING)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<G: FlagGroup> FromArgMatches for GivenFlags<G> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut given = GivenFlags {
            values: Vec::new(),
            group: PhantomData,
        };
        given.update_from_arg_matches(matches)?;
        Ok(given)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for (at, setting) in G::settings().into_iter().enumerate() {
            let info = setting.info();
            if let Some(values) = matches.get_many::<OsString>(info.key) {
                let values: Vec<&OsStr> = values.map(OsString::as_os_str).collect();
                self.values.push((at, values.join(OsStr::new("; "))));
            }
            if let Some(shortcut) = info.shortcut.filter(|s| matches.get_flag(s.flag)) {
                self.values.push((at, shortcut.sets.into()));
            }
        }
        Ok(())
    }
}

/// The flag of a parameter, and the one without a value.
fn flags<C: 'static>(setting: &'static dyn Setting<C>) -> Vec<Arg> {
    let info = setting.info();
    let Some((name, aliases)) = info.flags.split_first() else {
        return Vec::new();
    };
    let mut flag = Arg::new(info.key)
        .long(name)
        .visible_aliases(aliases.iter().copied())
        .value_name(info.value)
        .help(help(setting))
        .value_parser(Checked(setting))
        .allow_negative_numbers(true);
    if info.repeats {
        flag = flag.action(ArgAction::Append);
    }
    if let Some(letter) = info.letter {
        flag = flag.short(letter);
    }
    flag = match setting.shape() {
        Shape::Switch => flag
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        Shape::Path | Shape::Paths => flag.value_hint(ValueHint::AnyPath),
        Shape::AnyText => flag.allow_hyphen_values(true),
        Shape::Value | Shape::Choice(_) => flag,
    };
    let shortcut = info.shortcut.map(|shortcut| {
        Arg::new(shortcut.flag)
            .long(shortcut.flag)
            .action(ArgAction::SetTrue)
            .conflicts_with(info.key)
            .help(shortcut.help.trim_end_matches('.'))
    });
    std::iter::once(flag).chain(shortcut).collect()
}

/// As clap writes the help of a flag: one sentence without its point, and the default.
fn help<C>(setting: &dyn Setting<C>) -> String {
    let hint = setting.info().hint();
    let hint = hint.trim_end_matches('.');
    match setting.default_text().as_str() {
        "" => hint.to_owned(),
        default => format!("{hint} [default: {default}]"),
    }
}

/// Reads the value of a flag: text that the parameter allows, or any path.
struct Checked<C: 'static>(&'static dyn Setting<C>);

impl<C> Clone for Checked<C> {
    fn clone(&self) -> Self {
        Checked(self.0)
    }
}

impl<C: 'static> TypedValueParser for Checked<C> {
    type Value = OsString;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<OsString, Error> {
        if self.0.shape() == Shape::Path && value.to_str().is_none() {
            return Ok(value.to_owned());
        }
        let setting = self.0;
        let read = move |text: &str| setting.check(text).map(|()| OsString::from(text));
        read.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        match self.0.shape() {
            Shape::Choice(words) => {
                let value = |(word, help): &(&'static str, &'static str)| {
                    PossibleValue::new(*word).help(help.trim_end_matches('.'))
                };
                Some(Box::new(words.iter().map(value)))
            }
            _ => None,
        }
    }
}
