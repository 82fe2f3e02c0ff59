//! What the whole-program tests share: folders of their own, the bundled reasoner to ask, and the
//! program in a pseudo-terminal.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portable_pty::{Child, MasterPty, PtySize, native_pty_system};
use s1_model::fixture::tiny_gguf;
use s1_pty::{Cell, Color, CommandBuilder, MouseProtocolMode, Terminal};
use s1_store::Db;

/// The program under test: this build's, or the one named by `S1_TUI_BIN` (a release build).
pub fn binary() -> PathBuf {
    std::env::var_os("S1_TUI_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_s1-tui").into(), PathBuf::from)
}

/// The model that is asked, unless a test is about another: small, and really thinking.
pub const MODEL: &str = "bundled:reasoner";

/// What the screen calls it once it is loaded.
pub const MODEL_NAME: &str = "Nano reasoner";

/// What would give the program another model, another look, another hub or another cache of it.
const FOREIGN: [&str; 7] = [
    "S1_TUI_MODEL",
    "NO_COLOR",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "HF_TOKEN",
];

/// A home of its own.
pub struct Home {
    pub folder: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Home {
        let folder = tempfile::tempdir().unwrap();
        Home { folder }
    }

    /// A model file in this home: random weights, another architecture.
    pub fn tiny(&self) -> String {
        let path = self.path("tiny.gguf");
        std::fs::write(&path, tiny_gguf("qwen3", 7)).unwrap();
        path.display().to_string()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Environment that keeps the program inside this home.
    pub fn env(&self) -> Vec<(String, String)> {
        let at = |name: &str| self.path(name).display().to_string();
        [
            ("HOME", at("")),
            ("XDG_CONFIG_HOME", at("config")),
            ("XDG_DATA_HOME", at("data")),
            ("XDG_CACHE_HOME", at("cache")),
            ("XDG_STATE_HOME", at("state")),
            // Tests do not read along.
            ("S1_TUI_PACE", "0".to_owned()),
        ]
        .map(|(k, v)| (k.to_string(), v))
        .to_vec()
    }

    /// Somebody has seen the tour here.
    pub fn has_toured(&self) {
        let data = self.path("data/s1-tui");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(data.join("toured"), "").unwrap();
    }

    pub fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(binary());
        for name in FOREIGN {
            command.env_remove(name);
        }
        command.envs(self.env()).current_dir(self.folder.path());
        // What is wrong is said in one sentence all the same.
        command.env("RUST_BACKTRACE", "1");
        command
    }

    /// Saved sessions, autosaves included.
    pub fn sessions(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.path("data")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_string_lossy().ends_with(".s1.json") {
                    found.push(path);
                }
            }
        }
        found
    }
}

/// Runs a command through a shell that has set a limit first.
#[cfg(unix)]
pub fn limited(home: &Home, limit: &str, args: &[&str]) -> std::process::Command {
    let own = home.command();
    let mut command = std::process::Command::new("sh");
    command
        .arg("-c")
        .arg(format!("ulimit {limit}; exec \"$0\" \"$@\""));
    command.arg(own.get_program()).args(args);
    for (key, value) in own.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    command
        .current_dir(home.folder.path())
        .stdin(std::process::Stdio::null());
    command
}

/// Tokens that were computed for what is stored of a run; none while its database is just being made
/// or removed.
pub fn tokens_stored(db: &Path, run: &str) -> usize {
    let read = || -> Option<usize> {
        let db = Db::open_to_read(db).ok()??;
        let mut stored = 0;
        for problem in db.open_rows(run).ok()? {
            let row = db.open_row(run, problem).ok()?;
            stored += row.map_or(0, |row| row.computed);
        }
        let rows = db.run(run).ok()?.rows;
        Some(stored + rows.iter().map(|row| row.computed).sum::<usize>())
    };
    read().unwrap_or(0)
}

/// One program in a terminal at a time: keys must arrive before the model has thought to its end,
/// whatever else the machine has to do.
static TERMINAL: Mutex<()> = Mutex::new(());

/// The program in a pseudo-terminal, and the screen a person would see.
pub struct Pty {
    terminal: Terminal,
    /// Held until the program has ended.
    turn: Option<MutexGuard<'static, ()>>,
}

impl Pty {
    pub fn start(home: &Home, args: &[&str], rows: u16, cols: u16) -> Pty {
        Pty::start_with(home, args, rows, cols, &[])
    }

    pub fn start_with(
        home: &Home,
        args: &[&str],
        rows: u16,
        cols: u16,
        env: &[(&str, &str)],
    ) -> Pty {
        let turn = TERMINAL.lock().unwrap_or_else(PoisonError::into_inner);
        let mut command = CommandBuilder::new(binary());
        command.args(args);
        command.cwd(home.folder.path());
        for name in FOREIGN {
            command.env_remove(name);
        }
        for (key, value) in home.env() {
            command.env(key, value);
        }
        command.env("TERM", "xterm-256color");
        for (key, value) in env {
            command.env(key, value);
        }
        Pty {
            terminal: Terminal::start(command, rows, cols),
            turn: Some(turn),
        }
    }

    /// Whether the program has asked the terminal something, which never answers here.
    pub fn has_asked(&self) -> bool {
        self.terminal.has_asked()
    }

    pub fn keys(&self, keys: &str) -> &Pty {
        self.terminal.send(keys);
        self
    }

    pub fn text(&self) -> String {
        self.terminal.text()
    }

    /// Waits until the screen shows `text`; panics with the screen if it never does.
    pub fn wait_for(&self, text: &str) -> &Pty {
        self.wait_until(text, |screen| screen.contains(text))
    }

    pub fn wait_until(&self, what: &str, done: impl Fn(&str) -> bool) -> &Pty {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !done(&self.text()) {
            assert!(
                Instant::now() < deadline,
                "never saw {what:?}; the screen is\n{}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }

    /// Another size, and what the program draws at it.
    pub fn resize(&self, rows: u16, cols: u16) -> &Pty {
        let before = self.terminal.written();
        self.terminal.resize(rows, cols);
        let wanted = format!("something drawn at {rows} × {cols}");
        self.wait_until(&wanted, |_| self.terminal.written() > before)
    }

    pub fn signal(&self, name: &str) {
        let pid = self.terminal.process_id().to_string();
        let status = std::process::Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits for the end and for what was written last; returns the exit code.
    pub fn end(&mut self) -> u32 {
        self.wait_until("the program's end", |_| self.terminal.has_ended());
        let code = self.terminal.wait();
        self.turn = None;
        code
    }

    fn any_cell(&self, is: impl Fn(&Cell) -> bool) -> bool {
        let screen = self.terminal.screen();
        let (rows, cols) = screen.size();
        let mut places = (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col)));
        places.any(|(row, col)| screen.cell(row, col).is_some_and(&is))
    }

    /// Whether any cell on the screen has a colour of its own.
    pub fn has_colours(&self) -> bool {
        let plain = Color::Default;
        self.any_cell(|cell| cell.fgcolor() != plain || cell.bgcolor() != plain)
    }

    pub fn has_background(&self, red: u8, green: u8, blue: u8) -> bool {
        self.any_cell(|cell| cell.bgcolor() == Color::Rgb(red, green, blue))
    }

    /// Whether the terminal is as a shell needs it.
    pub fn is_restored(&self) -> bool {
        let screen = self.terminal.screen();
        !screen.alternate_screen()
            && !screen.hide_cursor()
            && !screen.bracketed_paste()
            && screen.mouse_protocol_mode() == MouseProtocolMode::None
    }
}

/// The program in a terminal that has stopped to take output, while there is much of it.
pub struct Stalled {
    child: Box<dyn Child + Send + Sync>,
    /// Held open: a pseudo-terminal without a master is gone.
    _master: Box<dyn MasterPty + Send>,
    _turn: MutexGuard<'static, ()>,
}

impl Stalled {
    pub fn start(home: &Home) -> Stalled {
        let turn = TERMINAL.lock().unwrap_or_else(PoisonError::into_inner);
        let size = PtySize {
            rows: 60,
            cols: 200,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(binary());
        command.args(["--model", MODEL]);
        command.cwd(home.folder.path());
        for (key, value) in home.env() {
            command.env(key, value);
        }
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let mut writer = pair.master.take_writer().unwrap();
        // It has begun to draw; from here on nobody reads.
        let mut bytes = [0; 4096];
        assert!(reader.read(&mut bytes).unwrap() > 0);
        std::thread::sleep(Duration::from_millis(500));
        // Every Ctrl-L draws every cell: more than a pseudo-terminal holds.
        for _ in 0..60 {
            writer.write_all(b"\x1b\x0c").unwrap();
            std::thread::sleep(Duration::from_millis(40));
        }
        Stalled {
            child,
            _master: pair.master,
            _turn: turn,
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.process_id().unwrap().to_string();
        let mut kill = std::process::Command::new("kill");
        assert!(
            kill.args([&format!("-{name}"), &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// The exit code, if it has ended soon.
    pub fn end(&mut self) -> Option<u32> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(4) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status.exit_code());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        None
    }
}

/// The folder that a variable names, for tests that are ignored without it.
pub fn folder(variable: &str) -> PathBuf {
    let folder = std::env::var_os(variable);
    folder.map_or_else(|| panic!("{variable} is not set"), PathBuf::from)
}

/// The folder of the real models, for tests that are ignored without it.
pub fn models() -> PathBuf {
    folder("S1_TUI_MODELS")
}

/// The folder of what other programs say about models, for tests that are ignored without it.
pub fn golden() -> PathBuf {
    folder("S1_TUI_GOLDEN")
}
