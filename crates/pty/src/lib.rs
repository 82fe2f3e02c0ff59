//! A program in a pseudo-terminal, and the screen that a person would see: for the tests of the whole
//! program, and for the pictures of it.
//!
//! Not here: what a screen should look like.

#![allow(
    clippy::unwrap_used,
    reason = "without a pseudo-terminal there is nothing to test and nothing to picture"
)]

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use portable_pty::{Child, MasterPty, PtySize, native_pty_system};

pub use portable_pty::CommandBuilder;
pub use vt100::{Cell, Color, MouseProtocolMode, Screen};

/// A program, its terminal, and what it has drawn there. Dropping it ends the program.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    writer: Mutex<Box<dyn Write + Send>>,
    screen: Arc<Mutex<vt100::Parser>>,
    /// Bytes that the program has written.
    written: Arc<AtomicUsize>,
    /// Whether it has asked the terminal something.
    asked: Arc<AtomicBool>,
    reader: JoinHandle<()>,
}

/// What a program can ask a terminal: what it is, where its cursor is, which keys it reports.
const QUESTIONS: [&[u8]; 4] = [b"\x1b[c", b"\x1b[0c", b"\x1b[6n", b"\x1b[?u"];

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize {
        rows,
        cols,
        pixel_width: 0,
        pixel_height: 0,
    }
}

impl Terminal {
    /// Starts a program in a terminal of this size.
    pub fn start(command: CommandBuilder, rows: u16, cols: u16) -> Terminal {
        let pair = native_pty_system().openpty(size(rows, cols)).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = Mutex::new(pair.master.take_writer().unwrap());
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, cols, 0)));
        let written = Arc::new(AtomicUsize::new(0));
        let asked = Arc::new(AtomicBool::new(false));
        let (shown, count, question) = (screen.clone(), written.clone(), asked.clone());
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n) = reader.read(&mut bytes) {
                if n == 0 {
                    break;
                }
                shown.lock().unwrap().process(&bytes[..n]);
                count.fetch_add(n, SeqCst);
                let has = |words: &[u8]| bytes[..n].windows(words.len()).any(|w| w == words);
                if QUESTIONS.into_iter().any(has) {
                    question.store(true, SeqCst);
                }
            }
        });
        Terminal {
            child,
            master: pair.master,
            writer,
            screen,
            written,
            asked,
            reader,
        }
    }

    /// Types.
    pub fn send(&self, keys: &str) {
        let mut writer = self.writer.lock().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// The screen as it is now.
    pub fn screen(&self) -> Screen {
        self.screen.lock().unwrap().screen().clone()
    }

    /// Its text.
    pub fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// How many bytes the program has written so far.
    pub fn written(&self) -> usize {
        self.written.load(SeqCst)
    }

    /// Whether the program has asked the terminal something, which this one does not answer.
    pub fn has_asked(&self) -> bool {
        self.asked.load(SeqCst)
    }

    /// Gives the terminal another size.
    pub fn resize(&self, rows: u16, cols: u16) {
        // The emulator panics on a wide character, drawn just before, that is wider than itself, and on a
        // line that goes on below its only row.
        let mut screen = self.screen.lock().unwrap();
        screen.screen_mut().set_size(rows.max(2), cols.max(2));
        drop(screen);
        self.master.resize(size(rows, cols)).unwrap();
    }

    /// The program's process.
    pub fn process_id(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Whether the program has ended and all it wrote has been read.
    pub fn has_ended(&self) -> bool {
        self.reader.is_finished()
    }

    /// Waits for the end of the program; returns its exit code.
    pub fn wait(&mut self) -> u32 {
        self.child.wait().unwrap().exit_code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
