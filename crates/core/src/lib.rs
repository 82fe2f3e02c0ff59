//! The s1 method as pure data and pure functions: delimiters, budget forcing, the trace, the
//! tree of branches.
//!
//! Nothing here knows a tensor, a thread or a clock; token ids and texts come in, decisions go
//! out. Every face of the program (screen, `run`, sweeps) uses this one machine, so a rule of the
//! method is written down, and tested, once.
//!
//! Source of the rules: Muennighoff et al., "s1: Simple test-time scaling", arXiv 2501.19393, and
//! its public evaluation code.

pub mod delimiters;
pub mod exit;
pub mod family;
pub mod forcing;
pub mod format;
pub mod loops;
pub mod param;
pub mod protocol;
pub mod rng;
pub mod sampling;
pub mod sentence;
pub mod template_args;
pub mod trace;
pub mod training;
pub mod tree;
pub mod view;
