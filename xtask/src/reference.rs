//! The reference pages, from the tables that the program itself reads: settings, commands, keys, themes,
//! families of models, fields of data.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use s1_core::family::Families;
use s1_core::param::Setting;
use s1_data::records::fields;
use s1_tui::config::settings::{self, SECTIONS};
use s1_tui::tui::action::Action;
use s1_tui::tui::keymap::{Context, Keymap};
use s1_tui::tui::theme::Theme;

const MADE: &str = "<!-- Made by `cargo xtask docs`; change the tables, not this page. -->\n";
/// Columns of the help texts.
const COLUMNS: usize = 100;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference")
}

/// Which pages to write.
#[derive(Debug, clap::Args)]
pub struct DocsArgs {
    /// Write nothing; fail if a page is not what would be written.
    #[arg(long)]
    check: bool,
}

/// Writes the pages, or looks whether they are as they would be written.
///
/// # Errors
/// If a file cannot be written, or is not what it should be.
pub fn run(args: &DocsArgs) -> Result<ExitCode> {
    if args.check {
        let stale = stale();
        if !stale.is_empty() {
            bail!(
                "{} in docs/reference: run cargo xtask docs",
                stale.join(", ")
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    std::fs::create_dir_all(folder())?;
    for (name, text) in pages() {
        let path = folder().join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with the pages that are there.
fn stale() -> Vec<String> {
    let is = |name: &str| std::fs::read_to_string(folder().join(name)).unwrap_or_default();
    let changed = pages().into_iter().filter(|(name, text)| is(name) != *text);
    changed
        .map(|(name, _)| format!("{name} is stale"))
        .collect()
}

fn pages() -> [(&'static str, String); 6] {
    [
        ("config.md", config()),
        ("cli.md", cli()),
        ("keys.md", keys()),
        ("themes.md", themes()),
        ("families.md", families()),
        ("fields.md", record_fields()),
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

fn themes() -> String {
    let names = Theme::builtin_names().join("`, `");
    let mut page = format!(
        "{MADE}
# Themes

There are `{names}`; `T` goes through them, and the setting `theme` names one. A file
`themes/NAME.toml` in the configuration folder is one more, or takes the place of the one of its name.

Each line of it gives a role a style: a colour (`\"cyan\"`, `\"#5aa9e6\"`, a number from 0 to 255), or a
table of `fg`, `bg`, `bold`, `dim`, `italic`, `underline` and `reverse`. Roles that are left out look
as in `default`. The lists `heat` (from cold to hot) and `series` (the lines of charts) have as many
styles as you like. [themes/dark.toml](../../themes/dark.toml) is an example.

| role | what it is for |
|---|---|
"
    );
    for (role, meaning) in Theme::ROLES.iter().zip(Theme::MEANINGS) {
        let _ = writeln!(page, "| `{role}` | {} |", meaning.trim());
    }
    page
}

fn families() -> String {
    let mut page = format!(
        "{MADE}
# Families of models

How a model opens and ends its thinking, by family, as in
[assets/families.toml](../../assets/families.toml); [models.md](../models.md#families) says how one is
recognised and how to add your own. `--family NAME` chooses one.

| family | models | opens | ends |
|---|---|---|---|
"
    );
    let mark = |text: &str| match text.trim() {
        "" => String::new(),
        text => escaped(&format!("`{text}`")),
    };
    for family in Families::bundled().iter() {
        let (open, end) = (mark(&family.open), mark(&family.end_tag));
        let _ = writeln!(
            page,
            "| `{}` | {} | {open} | {end} |",
            family.name,
            escaped(&family.about)
        );
    }
    page
}

fn record_fields() -> String {
    let mut page = format!(
        "{MADE}
# Fields of data

The names under which the fields of a record are found, in problem sets, training data and pools of a
curation. Upper and lower case are the same, and the first that is there counts. A set with other names:
`--question-field`, `--answer-field`, `--id-field`.

| what it is | names |
|---|---|
"
    );
    let rows: [(&str, &[&str]); 7] = [
        ("the question", &fields::QUESTIONS),
        ("the thought", &fields::TRACES),
        (
            "what a model is to say after its thought",
            &fields::RESPONSES,
        ),
        (
            "the same where there may be a short and a long form",
            &fields::SOLUTIONS,
        ),
        ("a right answer to compare with", &fields::REFERENCES),
        ("the name of a record", &fields::IDS),
        ("its subject, by which a curation draws", &fields::DOMAINS),
    ];
    for (what, names) in rows {
        let _ = writeln!(page, "| {what} | `{}` |", names.join("` `"));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader would lose: the page that says what the program does today.
    #[test]
    fn the_committed_pages_are_those_of_this_program() {
        assert_eq!(stale(), Vec::<String>::new(), "run cargo xtask docs");
    }
}
