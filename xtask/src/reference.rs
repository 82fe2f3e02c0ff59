//! The reference pages, from the tables that the program itself reads: settings, commands, keys.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use s1_core::param::Setting;
use s1_tui::config::settings::{self, SECTIONS};
use s1_tui::tui::action::Action;
use s1_tui::tui::keymap::{Context, Keymap};

const MADE: &str = "<!-- Made by `cargo xtask reference`; change the tables, not this page. -->\n";
/// Columns of the help texts.
const COLUMNS: usize = 100;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference")
}

/// Writes the pages.
///
/// # Errors
/// If a file cannot be written.
pub fn write() -> Result<ExitCode> {
    std::fs::create_dir_all(folder())?;
    for (name, text) in pages() {
        let path = folder().join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn pages() -> [(&'static str, String); 3] {
    [
        ("config.md", config()),
        ("cli.md", cli()),
        ("keys.md", keys()),
    ]
}

fn config() -> String {
    let mut page = format!(
        "{MADE}
# Settings

Settings come from defaults, then `config.toml` in the configuration folder, then variables of the
environment, then flags: whatever comes later wins. All of them, and the forms on screen, accept the
same values.
"
    );
    let heads = [(None, "At the top of the file".to_owned())];
    let sections = SECTIONS.map(|name| (Some(name), format!("Below `[{name}]`")));
    for (section, title) in heads.into_iter().chain(sections) {
        page += &format!(
            "\n## {title}\n\n| key | what it does | allowed | default | variable | flag |\n|---|---|---|---|---|---|\n"
        );
        for (_, setting) in settings::all().filter(|(own, _)| *own == section) {
            page += &row(setting);
        }
    }
    page
}

fn row<C>(setting: &dyn Setting<C>) -> String {
    let info = setting.info();
    let default = match setting.default_text() {
        empty if empty.is_empty() => String::new(),
        default => format!("`{default}`"),
    };
    let flag = info
        .flags
        .first()
        .map_or(String::new(), |f| format!("`--{f}`"));
    let cells = [
        format!("`{}`", info.key),
        info.hint(),
        setting.allowed(),
        default,
        format!("`{}`", info.variable()),
        flag,
    ];
    format!("| {} |\n", cells.map(|cell| escaped(&cell)).join(" | "))
}

/// Text in the cell of a table.
fn escaped(text: &str) -> String {
    let text = text.replace('|', "\\|");
    if text.starts_with('`') {
        return text;
    }
    text.replace('<', "&lt;")
}

fn cli() -> String {
    let mut page = format!("{MADE}\n# The command line\n");
    let mut root = s1_tui::cli::command().term_width(COLUMNS);
    root.build();
    let mut commands = vec![root.clone()];
    commands.extend(root.get_subcommands().cloned());
    for mut command in commands {
        if command.get_name() == "help" {
            continue;
        }
        let name = match command.get_name() {
            "s1-tui" => "s1-tui".to_owned(),
            name => format!("s1-tui {name}"),
        };
        let help = command.render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        page += &format!(
            "\n## {name}\n\n```text\n{}\n```\n",
            lines.join("\n").trim_end()
        );
    }
    page
}

fn keys() -> String {
    let keymap = Keymap::default();
    let mut page = format!(
        "{MADE}
# Keys

What `?` shows, for all screens. A `keymap.toml` in the configuration folder changes them: each table
here is one of its lists, and the action is what its `run` names.
"
    );
    for &context in Context::ALL {
        let _ = writeln!(
            page,
            "\n## {}\n\n| key | action | what it does |\n|---|---|---|",
            context.name()
        );
        for &action in Action::ALL {
            let keys = own_keys(&keymap, context, action);
            if !keys.is_empty() {
                let keys = keys
                    .iter()
                    .map(|key| format!("`{}`", key.replace('|', "\\|")));
                let keys: Vec<String> = keys.collect();
                let (name, what) = (action.name(), action.describe());
                let _ = writeln!(page, "| {} | `{name}` | {what} |", keys.join(" "));
            }
        }
    }
    page
}

/// The keys of a context itself: those of the whole program are in a table of their own.
fn own_keys(keymap: &Keymap, context: Context, action: Action) -> Vec<String> {
    let beneath = match context {
        Context::Program => Vec::new(),
        _ => keymap.keys_for(Context::Program, action),
    };
    let mut keys = keymap.keys_for(context, action);
    keys.retain(|key| !beneath.contains(key));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader would lose: the page that says what the program does today.
    #[test]
    fn the_committed_pages_are_those_of_this_program() {
        for (name, text) in pages() {
            let committed = std::fs::read_to_string(folder().join(name)).unwrap_or_default();
            assert!(
                committed == text,
                "docs/reference/{name} is stale; run cargo xtask reference"
            );
        }
    }
}
