//! Styles by meaning, read from TOML.
//!
//! A theme maps roles ("forced", "answer", "gauge") to styles; widgets name roles, never colours.
//! Five themes are built in; a user's own go into the `themes` folder beside the settings. Where
//! `NO_COLOR` is set, [`Theme::monochrome`] says everything with bold, dim, reverse and underline.
//!
//! Not here: where a role is used (widgets), and signs such as ⟲ and ✂, which stay visible under
//! every theme.

mod color;
mod parse;

use anyhow::{Result, bail};
use ratatui::style::{Color, Modifier, Style};

use crate::config::Dirs;
use crate::config::file::read_optional;

/// Name and text of each built-in theme.
const BUILTIN: &[(&str, &str)] = &[
    ("default", include_str!("../../themes/default.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("dark", include_str!("../../themes/dark.toml")),
    (
        "high-contrast",
        include_str!("../../themes/high-contrast.toml"),
    ),
    ("color-blind", include_str!("../../themes/color-blind.toml")),
];

macro_rules! roles {
    ($($(#[doc = $doc:literal])* $role:ident,)*) => {
        /// Styles by meaning. One accent per meaning; every meaning also has a sign of its own.
        ///
        /// A theme that paints a background does so in [`Theme::text`] alone: fill the screen (and
        /// every overlay) with `text` first, then patch the other styles on top.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Theme {
            /// Name, as in `themes/NAME.toml`.
            pub name: String,
            $($(#[doc = $doc])* pub $role: Style,)*
            /// Heat scale from cold to hot, for entropy and P(end); never empty.
            pub heat: Vec<Style>,
            /// Lines of a chart, one after the other; never empty. Markers and dashes tell them
            /// apart, too.
            pub series: Vec<Style>,
        }

        impl Theme {
            /// Names of the roles, as theme files write them; the lists `heat` and `series` come on
            /// top.
            pub const ROLES: &'static [&'static str] = &[$(stringify!($role),)*];

            /// What each of them is for, in the same order.
            pub const MEANINGS: &'static [&'static str] = &[$(concat!($($doc),*),)*];

            fn blank(name: &str) -> Theme {
                Theme {
                    name: name.into(),
                    $($role: Style::new(),)*
                    heat: vec![Style::new()],
                    series: vec![Style::new()],
                }
            }

            fn role_mut(&mut self, role: &str) -> Option<&mut Style> {
                match role {
                    $(stringify!($role) => Some(&mut self.$role),)*
                    _ => None,
                }
            }
        }
    };
}

roles! {
    /// Ordinary text; the answer. Its background is the background of the whole screen.
    text,
    /// Secondary text: labels, hints.
    dim,
    /// Borders of panels.
    border,
    /// Border and title of the panel that has the keys.
    focus,
    /// Panel titles, the program's name.
    title,
    /// The current tab; keys in the footer.
    key,
    /// The model's own thinking.
    thinking,
    /// The answer.
    answer,
    /// Forced tokens (⟲ Wait, ✂ cut).
    forced,
    /// Words and choices of the user.
    user,
    /// The token cursor.
    cursor,
    /// A selected row in a list.
    selected,
    /// Right answers, good news.
    good,
    /// Wrong answers, errors.
    bad,
    /// Warnings.
    warn,
    /// Filled part of gauges and bars.
    gauge,
    /// Sparklines.
    spark,
}

impl Default for Theme {
    /// The built-in `default`: the terminal's own colours.
    fn default() -> Theme {
        Theme::builtin("default").unwrap_or_else(Theme::monochrome)
    }
}

impl Theme {
    /// Names of the built-in themes, in the order in which the theme key walks through them.
    pub fn builtin_names() -> Vec<&'static str> {
        BUILTIN.iter().map(|(name, _)| *name).collect()
    }

    /// Names of all themes: the built-in ones, then the user's own in alphabetical order.
    pub fn names(dirs: &Dirs) -> Vec<String> {
        let mut own: Vec<String> = std::fs::read_dir(dirs.themes())
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "toml"))
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .filter(|name| !BUILTIN.iter().any(|(builtin, _)| builtin == name))
            .collect();
        own.sort();
        let builtin = Theme::builtin_names().into_iter().map(String::from);
        builtin.chain(own).collect()
    }

    /// The theme called `name`: the user's `themes/NAME.toml` if there is one, else a built-in one.
    ///
    /// # Errors
    /// If there is no such theme, or its file has a mistake; the sentence names file, role and
    /// what is allowed.
    pub fn load(name: &str, dirs: &Dirs) -> Result<Theme> {
        let plain = !name.is_empty() && !name.contains(['/', '\\', '\0']) && name != "..";
        if plain {
            let path = dirs.themes().join(format!("{name}.toml"));
            if let Some(text) = read_optional(&path)? {
                return parse::theme(name, &path.display().to_string(), &text);
            }
            if let Some(theme) = Theme::builtin(name) {
                return Ok(theme);
            }
        }
        bail!(
            "there is no theme {name:?}; choose one of {}, or write {}",
            Theme::names(dirs).join(", "),
            dirs.themes().join("NAME.toml").display()
        )
    }

    /// A built-in theme.
    pub fn builtin(name: &str) -> Option<Theme> {
        let (name, text) = BUILTIN.iter().find(|(builtin, _)| *builtin == name)?;
        // The embedded files are parsed by the tests below.
        parse::theme(name, name, text).ok()
    }

    /// No colour at all: what `NO_COLOR` asks for.
    pub fn monochrome() -> Theme {
        let style = |modifier| Style::new().add_modifier(modifier);
        Theme {
            dim: style(Modifier::DIM),
            border: style(Modifier::DIM),
            focus: style(Modifier::BOLD),
            title: style(Modifier::BOLD),
            key: style(Modifier::BOLD),
            answer: style(Modifier::BOLD),
            forced: style(Modifier::BOLD | Modifier::ITALIC),
            user: style(Modifier::UNDERLINED),
            cursor: style(Modifier::REVERSED),
            selected: style(Modifier::REVERSED),
            good: style(Modifier::BOLD),
            bad: style(Modifier::BOLD | Modifier::UNDERLINED),
            warn: style(Modifier::BOLD),
            heat: vec![
                style(Modifier::DIM),
                Style::new(),
                style(Modifier::BOLD),
                style(Modifier::BOLD | Modifier::UNDERLINED),
                style(Modifier::REVERSED),
            ],
            ..Theme::blank("monochrome")
        }
    }

    /// The style of right and wrong, and the one where neither is known.
    pub fn graded(&self, correct: Option<bool>, unknown: Style) -> Style {
        match correct {
            Some(true) => self.good,
            Some(false) => self.bad,
            None => unknown,
        }
    }

    /// The style for a value between 0 (cold) and 1 (hot); values outside are clamped, a value
    /// that is no number is cold.
    pub fn heat_at(&self, value: f32) -> Style {
        let last = self.heat.len().saturating_sub(1);
        // A float cast saturates, and turns NaN into 0.
        let step = (value.clamp(0.0, 1.0) * self.heat.len() as f32) as usize;
        self.heat.get(step.min(last)).copied().unwrap_or_default()
    }

    /// The same theme for terminals that know 256 colours but not 16 million: every `#rrggbb`
    /// becomes the nearest of the 240 fixed ones.
    pub fn in_256_colors(mut self) -> Theme {
        let nearest = |style: &mut Style| {
            for color in [&mut style.fg, &mut style.bg] {
                if let Some(Color::Rgb(r, g, b)) = *color {
                    *color = Some(Color::Indexed(color::nearest_of_256(r, g, b)));
                }
            }
        };
        for role in Theme::ROLES {
            if let Some(style) = self.role_mut(role) {
                nearest(style);
            }
        }
        self.heat.iter_mut().for_each(nearest);
        self.series.iter_mut().for_each(nearest);
        self
    }

    /// The theme fit for this terminal: [`Theme::monochrome`] where `NO_COLOR` is set (and not
    /// empty), 256 colours where `COLORTERM` promises no more. `env` reads one variable.
    pub fn fit(self, env: impl Fn(&str) -> Option<String>) -> Theme {
        if env("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            return Theme::monochrome();
        }
        let deep = env("COLORTERM").is_some_and(|v| v.contains("truecolor") || v.contains("24bit"));
        if deep { self } else { self.in_256_colors() }
    }
}

#[cfg(test)]
mod tests;
