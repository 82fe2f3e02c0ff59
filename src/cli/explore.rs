//! `s1-tui` without a command: the explorer.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};

use super::args::TuiArgs;
use super::settings;
use crate::config::{Dirs, TextChoices};
use crate::tui::app::Options;
use crate::tui::app::train::form::FormDefaults;
use crate::tui::keymap::Keymap;
use crate::tui::run::{self, Setup};
use crate::tui::theme::Theme;
use s1_core::protocol::Request;
use s1_data::assets;
use s1_engine::LoadOptions;
use s1_store::shipped;

/// The theme that was chosen last on the screen, if it can be used.
fn chosen_last(dirs: &Dirs) -> Option<Theme> {
    let name = std::fs::read_to_string(dirs.data.join(run::THEME)).ok()?;
    let name = name.trim();
    // It is part of a path.
    let known = Theme::names(dirs).iter().any(|theme| theme == name);
    Theme::load(name, dirs).ok().filter(|_| known)
}

/// Opens the explorer. Errors where there is no terminal, or where settings, keymap or theme
/// cannot be used.
pub fn run(args: TuiArgs) -> Result<ExitCode> {
    let config = settings::load(
        &args.config,
        &[&args.model, &args.think, &args.sample, &args.explorer],
    )?;
    let dirs = Dirs::of_user()?;
    let env = |name: &str| std::env::var(name).ok();
    let keymap = Keymap::load(&dirs)?;
    let texts = TextChoices::load(&dirs)?;
    let first = match &config.theme {
        Some(name) => Theme::load(name, &dirs)?,
        None => chosen_last(&dirs).unwrap_or_default(),
    };
    let mut themes = vec![first.fit(env)];
    for name in Theme::names(&dirs) {
        if name != themes[0].name {
            // A broken theme that nobody asked for is no reason not to start.
            themes.extend(Theme::load(&name, &dirs).map(|theme| theme.fit(env)));
        }
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        bail!("the explorer needs a terminal; for pipes and scripts there is s1-tui run");
    }
    if env("TERM").as_deref() == Some("dumb") {
        bail!(
            "this terminal cannot place text (TERM=dumb), which the explorer needs; set TERM to what it is, or use s1-tui run"
        );
    }
    // Without any wish the bundled reasoner opens, with a question it is made for.
    let unasked = config.model().is_none() && args.session.is_none();
    let tour = unasked && args.question.is_none() && args.reference.is_none();
    let tour = tour && !dirs.data.join(run::TOURED).exists();
    let (model, first) = if unasked {
        let first = args.question.is_none().then_some(shipped::REPAIRED);
        (Some(assets::REASONER.into()), first)
    } else {
        (config.model().map(Into::into), None)
    };
    let question = args.question.or(first.map(|(question, _)| question.into()));
    let reference = args.reference.or(first.map(|(_, answer)| answer.into()));
    let code = run::run(Setup {
        app: Options {
            request: Request {
                question: question.unwrap_or_default(),
                reference,
                ..config.request
            },
            keymap,
            texts,
            themes,
            theme_set: config.theme.is_some(),
            history: Vec::new(),
            model,
            place: FormDefaults {
                folder: dirs.data.join("trainings"),
                cores: std::thread::available_parallelism().map_or(1, usize::from),
                price: config.price_per_hour,
                python: config.python.clone(),
            },
            continuations: config.what_if,
            pace: config.pace,
            tour,
            mouse: config.mouse,
        },
        models: settings::model_folders(&config.model_folders, &dirs),
        dirs,
        load: LoadOptions {
            path: PathBuf::new(),
            ..config.load
        },
        session: args.session,
    })?;
    Ok(ExitCode::from(code))
}
