//! One way to work out an answer, line by line.

/// A worked path: lines of text and the result in the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkedPath {
    /// The lines, each ended.
    pub text: String,
    pub result: String,
}

impl WorkedPath {
    /// A path that ends in a number.
    pub fn new(text: String, result: i64) -> WorkedPath {
        WorkedPath {
            text,
            result: result.to_string(),
        }
    }
}
