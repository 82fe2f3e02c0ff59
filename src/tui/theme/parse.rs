//! A theme from TOML.
//!
//! Every key is a role. Its value is a colour (the foreground) or a table:
//! `forced = { fg = "#e6a6ff", bold = true }`. `heat` (cold to hot) and `series` (the lines of
//! charts) are lists of such values. A role that is left out looks as in the built-in `default`.

use anyhow::{Result, anyhow, bail};
use ratatui::style::{Color, Modifier, Style};
use toml::Value;

use super::{BUILTIN, Theme};
use crate::config::file::syntax_error;

/// A list with more steps cannot be told apart by eye.
const MAX_STEPS: usize = 32;

const COLORS: &str = "default, black, red, green, yellow, blue, magenta, cyan, gray, darkgray, \
    lightred, lightgreen, lightyellow, lightblue, lightmagenta, lightcyan, white, \"#rrggbb\" or \
    a number from 0 to 255";

const STYLE_KEYS: &str = "fg, bg, bold, dim, italic, underline, reverse";

/// Reads a theme; `file` is what errors call it.
pub fn theme(name: &str, file: &str, text: &str) -> Result<Theme> {
    let mut theme = Theme::blank(name);
    if let Some((base, defaults)) = BUILTIN.first()
        && name != *base
    {
        apply(&mut theme, base, defaults)?;
    }
    apply(&mut theme, file, text)?;
    Ok(theme)
}

fn apply(theme: &mut Theme, file: &str, text: &str) -> Result<()> {
    let table: toml::Table = toml::from_str(text).map_err(|e| syntax_error(file, text, &e))?;
    for (role, value) in &table {
        let read = match (role.as_str(), theme.role_mut(role)) {
            ("heat", _) => list(role, value).map(|steps| theme.heat = steps),
            ("series", _) => list(role, value).map(|steps| theme.series = steps),
            (_, Some(place)) => style(role, value).map(|style| *place = style),
            (_, None) => Err(anyhow!(
                "there is no role {role:?}; the roles are {}, heat, series",
                Theme::ROLES.join(", ")
            )),
        };
        read.map_err(|e| anyhow!("{file}: {e}"))?;
    }
    Ok(())
}

fn list(role: &str, value: &Value) -> Result<Vec<Style>> {
    let order = match role {
        "heat" => ", cold to hot",
        _ => "",
    };
    let steps = value
        .as_array()
        .filter(|steps| (1..=MAX_STEPS).contains(&steps.len()))
        .ok_or_else(|| anyhow!("{role} must be a list of 1 to {MAX_STEPS} colours{order}"))?;
    steps.iter().map(|step| style(role, step)).collect()
}

fn style(role: &str, value: &Value) -> Result<Style> {
    let Some(table) = value.as_table() else {
        return Ok(Style::new().fg(color(role, value)?));
    };
    let mut style = Style::new();
    for (key, value) in table {
        let path = format!("{role}.{key}");
        let modifier = match key.as_str() {
            "fg" => {
                style.fg = Some(color(&path, value)?);
                continue;
            }
            "bg" => {
                style.bg = Some(color(&path, value)?);
                continue;
            }
            "bold" => Modifier::BOLD,
            "dim" => Modifier::DIM,
            "italic" => Modifier::ITALIC,
            "underline" => Modifier::UNDERLINED,
            "reverse" => Modifier::REVERSED,
            _ => bail!("{path} is not part of a style; the parts are {STYLE_KEYS}"),
        };
        match value.as_bool() {
            Some(true) => style = style.add_modifier(modifier),
            Some(false) => style = style.remove_modifier(modifier),
            None => bail!("{path} must be true or false"),
        }
    }
    Ok(style)
}

fn color(path: &str, value: &Value) -> Result<Color> {
    let color = match value {
        Value::Integer(index) => u8::try_from(*index).ok().map(Color::Indexed),
        Value::String(name) if name == "default" => Some(Color::Reset),
        Value::String(name) => name.parse().ok(),
        _ => None,
    };
    color.ok_or_else(|| anyhow!("{path} = {value} is not a colour; write one of {COLORS}"))
}
