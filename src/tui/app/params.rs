//! Parameters on the screen: as a row of a list, as a line to type, and what the line says when it
//! cannot be taken.
//!
//! Not here: which parameters a screen offers.

use crate::config;
use crate::tui::widgets::list::ListRow;
use crate::tui::widgets::prompt_line::PromptLine;
use s1_core::param::{Setting, Shape};

/// A parameter and its value.
pub fn row<C>(setting: &dyn Setting<C>, whole: &C) -> ListRow {
    let text = setting.text(whole);
    let shown = match (setting.shape(), text.as_str()) {
        (Shape::Switch, "true") => "on".into(),
        (Shape::Switch, _) => "off".into(),
        _ => text,
    };
    ListRow::new(setting.info().label, shown)
}

/// A line for its value; empty where it has none.
pub fn line<C>(setting: &dyn Setting<C>, whole: &C) -> PromptLine {
    let info = setting.info();
    let text = setting.text(whole);
    let now = if info.none == Some(&text) { "" } else { &text };
    let line = PromptLine::new(info.label, &info.hint(), now);
    match setting.shape() {
        Shape::Path | Shape::Paths => line.of_path(),
        _ => line,
    }
}

/// Sets it from what was typed; nothing typed is no value, where there may be none.
///
/// # Errors
/// If it does not allow that; one sentence.
pub fn set<C>(setting: &dyn Setting<C>, whole: &mut C, text: &str) -> Result<(), String> {
    let info = setting.info();
    let typed = match (text.trim(), info.none) {
        ("", Some(none)) => none,
        (trimmed, _) if setting.shape() == Shape::Path => trimmed,
        _ => text,
    };
    config::set(setting, whole, typed).map_err(|e| format!("{} {e}.", info.label))
}

/// Sets what has but a few values to the next one; `false` for all others.
pub fn turn<C>(setting: &dyn Setting<C>, whole: &mut C) -> bool {
    let words: Vec<&str> = match setting.shape() {
        Shape::Switch => vec!["true", "false"],
        Shape::Choice(words) => words.iter().map(|(word, _)| *word).collect(),
        _ => return false,
    };
    let now = setting.text(whole);
    let at = words.iter().position(|word| *word == now);
    let next = words.iter().cycle().nth(at.map_or(0, |at| at + 1));
    next.is_some_and(|next| setting.set(whole, next).is_ok())
}
