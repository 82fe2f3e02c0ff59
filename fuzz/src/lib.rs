//! What the fuzz targets share: inputs to begin with, files where a reader wants a file, and a bound
//! on what an input can make the program ask for.
//!
//! Not here: what an input is read by; that is each target's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::{fs, process};

/// More than any input of these lengths justifies.
const MOST: usize = 512 << 20;

/// Ends the process at a request for memory that no input justifies, so that the input is kept.
struct Bounded;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

fn check(bytes: usize) {
    if bytes > MOST {
        eprintln!("{bytes} bytes were asked for at once");
        process::abort();
    }
}

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The contents of the files of a folder of the repository.
///
/// # Panics
/// If there is no such folder.
pub fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = root().join("..").join(folder);
    let entries = fs::read_dir(folder).expect("the repository has this folder");
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter_map(|path| fs::read(path).ok()).collect()
}

/// Puts inputs to begin with into the corpus of a target, before the fuzzer reads it.
///
/// # Panics
/// If they cannot be written.
pub fn seed(target: &str, inputs: impl IntoIterator<Item = Vec<u8>>) {
    let folder = root().join("corpus").join(target);
    fs::create_dir_all(&folder).expect("the corpus can be made");
    for (i, input) in inputs.into_iter().enumerate() {
        fs::write(folder.join(format!("seed-{i}")), input).expect("the corpus can be written");
    }
}

/// A folder of this process's own, in memory where there is such a place.
///
/// # Panics
/// If it cannot be made.
pub fn scratch() -> PathBuf {
    let shared = Path::new("/dev/shm");
    let place = match shared.is_dir() {
        true => shared.to_owned(),
        false => std::env::temp_dir(),
    };
    let folder = place.join(format!("s1-fuzz-{}", process::id()));
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

/// Writes a file.
///
/// # Panics
/// If it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("the file can be written");
}
