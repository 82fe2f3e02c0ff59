//! Work of a library on a stranger's file, where the library may panic: that becomes an error, and
//! nothing is printed of it.
//!
//! Not here: panics of this program, which are bugs to be reported.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Does the work; `None` if it panicked. What the work had in hand must not be used again then.
pub fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    INSIDE.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    INSIDE.set(false);
    done.ok()
}

/// Whether a panic on this thread is one that is contained: a panic hook has nothing to say of it.
pub fn is_contained() -> bool {
    INSIDE.get()
}
