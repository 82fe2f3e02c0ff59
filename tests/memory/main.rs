//! Files from strangers: whatever is in one, it takes no more memory than it justifies. A process
//! of its own, as the allocator counts what all of it holds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod gguf;
mod measure;
mod template;
