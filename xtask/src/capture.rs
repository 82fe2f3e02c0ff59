//! `cargo xtask capture`: the pictures of the README and the guides, from runs of the program in a
//! pseudo-terminal.
//!
//! Not here: what they show ([`scenes`]), and how a screen is drawn ([`picture`]).

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use s1_pty::{CommandBuilder, Screen, Terminal};

use picture::{PALETTES, Shot};
use scenes::{SCENES, Scene, Step};

mod glyphs;
mod picture;
mod scenes;

/// What to picture.
#[derive(Debug, clap::Args)]
pub struct CaptureArgs {
    /// Pictures by their names; all of them without any.
    names: Vec<String>,
    /// The program to picture.
    #[arg(long, value_name = "FILE", default_value = "target/release/s1-tui")]
    program: PathBuf,
    /// The folder to write to.
    #[arg(long, value_name = "FOLDER", default_value = "docs/pictures")]
    out: PathBuf,
}

/// Something that never appears is given up after this.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often a moving picture looks.
const EVERY: Duration = Duration::from_millis(200);
/// The screen is taken when it has been still for this long.
const CALM: Duration = Duration::from_millis(400);

/// Runs the command.
pub fn run(args: &CaptureArgs) -> Result<ExitCode> {
    let program = args.program.canonicalize().with_context(|| {
        let name = args.program.display();
        format!(
            "there is no {name}; build it (cargo build --release), or name another with --program"
        )
    })?;
    if let Some(name) = args
        .names
        .iter()
        .find(|name| SCENES.iter().all(|s| s.name != **name))
    {
        let names: Vec<&str> = SCENES.iter().map(|scene| scene.name).collect();
        bail!("there is no picture {name}; there are {}", names.join(", "));
    }
    std::fs::create_dir_all(&args.out)?;
    for scene in SCENES {
        if !args.names.is_empty() && args.names.iter().all(|name| name != scene.name) {
            continue;
        }
        if let Some(variable) = scene.needs.filter(|name| std::env::var_os(name).is_none()) {
            println!("{}: left out, as {variable} is not set", scene.name);
            continue;
        }
        let (frames, taken) = play(scene, &program).with_context(|| scene.name)?;
        for palette in &PALETTES {
            let own = match (&frames[..], scene.moves) {
                ([.., last], false) => picture::still(&last.screen, palette),
                (frames, _) => picture::film(frames, palette),
            };
            let others = taken.iter();
            let others = others.map(|(name, screen)| (*name, picture::still(screen, palette)));
            for (name, svg) in others.chain([(scene.name, own)]) {
                let path = args.out.join(format!("{name}-{}.svg", palette.name));
                std::fs::write(&path, &svg)
                    .with_context(|| format!("cannot write {}", path.display()))?;
                println!("{} ({} KB)", path.display(), svg.len() / 1000);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The program of a scene, at home in a folder of its own.
fn start(scene: &Scene, program: &Path, home: &Path) -> Result<Terminal> {
    let (first, arguments) = scene
        .command
        .split_first()
        .context("a scene has a command")?;
    let mut command = match *first {
        "s1-tui" => CommandBuilder::new(program),
        other => CommandBuilder::new(other),
    };
    command.args(arguments);
    command.cwd(home);
    let mut path = program.parent().unwrap_or(program).as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    command.env_clear();
    command.env("PATH", path);
    command.env("HOME", home);
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    command.env("PS1", "$ ");
    if let Some(name) = scene.needs {
        command.env(name, std::env::var_os(name).unwrap_or_default());
    }
    if let Some(pace) = scene.pace {
        command.env("S1_TUI_PACE", pace);
    }
    if scene.toured {
        let data = home.join(".local/share/s1-tui");
        std::fs::create_dir_all(&data)?;
        std::fs::write(data.join("toured"), "")?;
    }
    Ok(Terminal::start(command, scene.rows, scene.cols))
}

/// The stills that a scene takes on its way, by their names.
type Taken = Vec<(&'static str, Screen)>;

/// Plays a scene; its still is the last frame.
fn play(scene: &Scene, program: &Path) -> Result<(Vec<Shot>, Taken)> {
    // Its name is seen on some pictures: it is the same every time.
    let mut named = tempfile::Builder::new();
    let home = named.prefix("home").rand_bytes(0).tempdir();
    let home = home.or_else(|_| tempfile::tempdir())?;
    let terminal = start(scene, program, home.path())?;
    let start = Instant::now();
    let mut key = "";
    let mut frames: Vec<Shot> = Vec::new();
    let mut taken = Vec::new();
    let mut look = |key: &'static str| {
        let screen = terminal.screen();
        let changed = frames.last().is_none_or(|last| {
            last.key != key || last.screen.contents_formatted() != screen.contents_formatted()
        });
        // Nothing has been drawn yet.
        let blank = frames.is_empty() && screen.contents().trim().is_empty();
        if changed && !blank {
            let at = start.elapsed();
            frames.push(Shot { at, screen, key });
        }
    };
    for step in scene.steps {
        let begun = Instant::now();
        let is_done = || match step {
            Step::See(text) => terminal.text().contains(text),
            Step::Press(..) | Step::Take(_) => true,
            Step::Rest(time) => begun.elapsed() >= *time,
        };
        match step {
            Step::Press(keys, name) => {
                terminal.send(keys);
                key = name;
                // An Escape and what comes at once behind it would be one key.
                std::thread::sleep(EVERY);
                look(key);
            }
            Step::Take(name) => taken.push((*name, calm(&terminal))),
            Step::See(_) | Step::Rest(_) => {}
        }
        while !is_done() {
            if begun.elapsed() > PATIENCE {
                bail!("this is not what was waited for:\n{}", terminal.text());
            }
            if terminal.has_ended() {
                bail!("the program has ended:\n{}", terminal.text());
            }
            std::thread::sleep(EVERY);
            look(key);
        }
    }
    let screen = calm(&terminal);
    frames.push(Shot {
        at: start.elapsed(),
        screen,
        key,
    });
    let first = frames.first().context("nothing was drawn")?.at;
    frames.iter_mut().for_each(|frame| frame.at -= first);
    Ok((frames, taken))
}

/// The screen once nothing changes on it.
fn calm(terminal: &Terminal) -> Screen {
    let mut written = terminal.written();
    loop {
        std::thread::sleep(CALM);
        if std::mem::replace(&mut written, terminal.written()) == written {
            return terminal.screen();
        }
    }
}
