//! The generator behind the bundled model: problems, worked lines, traces.
//!
//! Everything a training run of the bundled model reads comes from here, and from a seed, so that
//! anyone can make the model again. There are four families of problems whose answers a program
//! can check (products, sums, letters in a word, making a number from three others), each with
//! three different paths to the answer: a check by the first path again would only repeat its
//! mistakes.
//!
//! Pure: no file, no model, no clock. Not here: training, and sets of problems made elsewhere.
//!
//! | file | subject |
//! |---|---|
//! | `product`, `sum`, `letters`, `search` | one family each: wordings and paths |
//! | `task` | the families behind one face; the split into training and held-out problems |
//! | `trace` | whole traces with checks and repairs |
//! | `example` | lines of the data files |
//! | `vocabulary` | the tokenizer and the shape of the model |
//! | `column` | adding, place by place or at once |
//! | `worked_path` | a worked solution: its lines and its result |
//! | `injected_error`, `words` | deliberate mistakes, and words |

mod column;
mod example;
mod injected_error;
mod letters;
mod product;
mod search;
mod sum;
mod task;
mod trace;
mod vocabulary;
mod words;
mod worked_path;

pub use example::{ExampleLine, base, drill, held_out, traces};
pub use task::ProblemKind;
pub use vocabulary::config;
