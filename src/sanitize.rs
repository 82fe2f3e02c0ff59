//! (to be merged)
/// Text without control characters other than line breaks.
pub fn text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '�' } else { c }).collect()
}
/// The same, on one line.
pub fn line(t: &str) -> String {
    text(t).replace('\n', " ")
}
