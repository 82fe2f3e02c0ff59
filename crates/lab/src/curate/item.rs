//! What curation knows of one line of the pool.
//!
//! Not here: how it is read ([`super::pool`]), and what is decided about it ([`super::result`]).

use super::result::DecisionReason;

/// One line of the pool.
#[derive(Clone, Debug, Default)]
pub(super) struct PoolItem {
    /// Its number in the file, from 1.
    pub line: usize,
    /// Its own id, else the line's number.
    pub id: String,
    /// The question as it is asked; empty where there is none.
    pub question: String,
    /// The right answer.
    pub reference: Option<String>,
    /// Whether it has a trace.
    pub traced: bool,
    /// Length of the trace, else of the worked answer, in tokens or words.
    pub length: usize,
    /// Its domain, where a field names it.
    pub domain: Option<String>,
    /// What is wrong with its texts.
    pub fault: Option<DecisionReason>,
    /// Why the line cannot be read at all.
    pub broken: Option<String>,
}
