//! What takes memory: files from strangers, which take no more than they justify, and long thoughts.
//! A process of its own, as the allocator counts what all of it holds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod gguf;
mod measure;
mod template;
mod trace;
