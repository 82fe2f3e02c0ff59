//! Each test runs this test binary again inside a pseudo-terminal, as a child that enters, draws
//! and ends in one way; the parent looks at what the terminal was left with.

#![cfg(unix)]

use std::io::Read;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::*;

/// Says to a child how it is to end.
pub const ENDING: &str = "S1_TUI_TEST_ENDING";

/// What leaves the alternate screen.
pub const LEAVE: &str = "\x1b[?1049l";

pub struct Run {
    /// Held open: a pseudo-terminal without a master is gone.
    _master: Box<dyn MasterPty + Send>,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl Run {
    fn start(ending: &str) -> Run {
        Run::of("tui::terminal::tests::child", ending)
    }

    /// Starts a test as a child below a shell, which says at the end how it ended, and in which modes
    /// it left the terminal.
    pub fn of(test: &str, ending: &str) -> Run {
        let size = PtySize {
            rows: 24,
            cols: 80,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pty = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new("sh");
        let child = if ending == "suspended" {
            "set -m; \"$0\" \"$@\"; stty -a; echo stopped.; fg"
        } else {
            "\"$0\" \"$@\""
        };
        command.args([
            "-c",
            &format!("{child}; echo \"code $?.\"; stty -a; echo over."),
        ]);
        command.arg(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
        command.env(ENDING, ending);
        command.env("TERM", "dumb");
        command.env("RUST_BACKTRACE", "0");
        drop(pty.slave.spawn_command(command).unwrap());
        drop(pty.slave);
        let mut reader = pty.master.try_clone_reader().unwrap();
        let (send, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if send.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Run {
            _master: pty.master,
            output,
            seen: String::new(),
        }
    }

    /// Reads until the screen shows a text.
    pub fn until_shown(&mut self, text: &str) -> &mut Run {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut screen = vt100::Parser::new(24, 80, 0);
        screen.process(self.seen.as_bytes());
        while !screen.screen().contents().contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => {
                    screen.process(&bytes);
                    self.seen.push_str(&String::from_utf8_lossy(&bytes));
                }
                Err(_) => panic!("{text:?} never came:\n{}", screen.screen().contents()),
            }
        }
        self
    }

    /// Reads until a text has come.
    fn until(&mut self, text: &str) -> &mut Run {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.seen.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("{text:?} never came; the terminal got {:?}", self.seen),
            }
        }
        self
    }

    /// Sends a signal to the child, which has written its process id.
    pub fn kill(&mut self, signal: &str) {
        self.until(":listens.");
        let (before, _) = self.seen.split_once(":listens.").unwrap();
        let (_, pid) = before.rsplit_once("pid:").unwrap();
        let status = std::process::Command::new("kill")
            .args([signal, pid])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for the end, checks that the terminal is as it was before, and gives the exit code and
    /// everything that was written.
    pub fn restored(mut self) -> (u8, String) {
        self.until("over.");
        let mut screen = vt100::Parser::new(24, 80, 0);
        screen.process(self.seen.as_bytes());
        let screen = screen.screen();
        assert!(!screen.alternate_screen(), "left on the alternate screen");
        assert!(!screen.hide_cursor(), "left without a cursor");
        assert!(!screen.bracketed_paste(), "left with bracketed paste");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        let modes: Vec<&str> = self.seen.split_whitespace().collect();
        assert!(
            modes.contains(&"icanon") && modes.contains(&"echo"),
            "left in raw mode"
        );
        let (_, code) = self.seen.rsplit_once("code ").unwrap();
        let (code, _) = code.split_once('.').unwrap();
        (code.parse().unwrap(), self.seen)
    }
}

/// The child; as a test of its own it does nothing.
#[test]
fn child() {
    let Ok(ending) = std::env::var(ENDING) else {
        return;
    };
    let mut terminal = Terminal::enter(true).unwrap();
    terminal
        .draw(|frame| frame.render_widget("drawn", frame.area()))
        .unwrap();
    match ending.as_str() {
        "drop" => drop(terminal),
        "panic" => panic!("a bug in the screen"),
        "panic while drawing" => {
            terminal.draw(|_| panic!("a bug in a widget")).unwrap();
        }
        "panic elsewhere" => {
            let thread = std::thread::spawn(|| panic!("a bug in the engine"));
            assert!(thread.join().is_err());
            terminal
                .draw(|frame| frame.render_widget("goes on", frame.area()))
                .unwrap();
            drop(terminal);
        }
        "signal" => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let signal = runtime.unwrap().block_on(async {
                let mut signals = Signals::listen().unwrap();
                let pid = format!("pid:{}:listens.", std::process::id());
                terminal
                    .draw(|frame| frame.render_widget(pid.as_str(), frame.area()))
                    .unwrap();
                signals.next().await
            });
            drop(terminal);
            std::process::exit(i32::from(signal.exit_code().unwrap()));
        }
        "suspended" => {
            terminal.suspend().unwrap();
            terminal
                .draw(|frame| frame.render_widget("is back", frame.area()))
                .unwrap();
            drop(terminal);
        }
        "stopped and continued" => {
            terminal
                .draw(|frame| frame.render_widget("before", frame.area()))
                .unwrap();
            terminal.take_back().unwrap();
            terminal
                .draw(|frame| frame.render_widget("again", frame.area()))
                .unwrap();
            drop(terminal);
        }
        other => panic!("no such ending: {other}"),
    }
}

#[test]
fn leaving_restores_the_terminal() {
    let (code, seen) = Run::start("drop").restored();
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("drawn"));
    assert_eq!(
        seen.matches(LEAVE).count(),
        1,
        "restored once, though dropped and left"
    );
}

#[test]
fn suspending_gives_the_shell_a_clean_terminal_and_comes_back() {
    let (code, seen) = Run::start("suspended").restored();
    assert_eq!(code, 0, "{seen}");
    let (shell, after) = seen.split_once("stopped.").unwrap();
    let (_, shell) = shell.split_once(LEAVE).unwrap();
    let modes: Vec<&str> = shell.split_whitespace().collect();
    assert!(
        modes.contains(&"icanon") && modes.contains(&"echo"),
        "{shell:?}"
    );
    assert!(
        after.contains("\x1b[?1049h") && after.contains("is"),
        "{after:?}"
    );
}

#[test]
fn a_program_that_was_stopped_draws_everything_again() {
    let (code, seen) = Run::start("stopped and continued").restored();
    assert_eq!(code, 0, "{seen}");
    let (_, after) = seen.split_once(LEAVE).unwrap();
    assert!(
        after.contains("\x1b[?1049h") && after.contains("again"),
        "{after:?}"
    );
}

#[test]
fn a_panic_restores_the_terminal_and_then_says_what_happened() {
    for (ending, message) in [
        (
            "panic",
            "s1-tui has met a bug and stopped: a bug in the screen",
        ),
        (
            "panic while drawing",
            "s1-tui has met a bug and stopped: a bug in a widget",
        ),
    ] {
        let (code, seen) = Run::start(ending).restored();
        assert_ne!(code, 0);
        let (_, after) = seen.split_once(LEAVE).unwrap();
        assert!(after.contains(message), "{after:?}");
    }
}

#[test]
fn a_panic_on_another_thread_leaves_the_screen_alone_and_is_told_at_the_end() {
    let (_, seen) = Run::start("panic elsewhere").restored();
    let (before, after) = seen.split_once(LEAVE).unwrap();
    assert!(!before.contains("a bug in the engine"));
    assert!(after.contains("a bug in the engine"), "{after:?}");
}

#[test]
fn term_hup_and_int_restore_the_terminal_with_the_exit_code_of_a_shell() {
    for (signal, code) in [("-TERM", 143), ("-HUP", 129), ("-INT", 130)] {
        let mut run = Run::start("signal");
        run.kill(signal);
        assert_eq!(run.restored().0, code, "{signal}");
    }
}
