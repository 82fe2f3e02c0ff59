//! (being written)
use ratatui::style::Style;
/// Styles by meaning. One accent per meaning; every meaning also has a sign of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Theme {
    /// Name, as in `themes/NAME.toml`.
    pub name: String,
    /// Ordinary text; the answer.
    pub text: Style,
    /// Secondary text: labels, hints.
    pub dim: Style,
    /// Borders of panels.
    pub border: Style,
    /// Border and title of the panel that has the keys.
    pub focus: Style,
    /// Panel titles, the program's name.
    pub title: Style,
    /// The current tab; keys in the footer.
    pub key: Style,
    /// The model's own thinking.
    pub thinking: Style,
    /// The answer.
    pub answer: Style,
    /// Forced tokens (⟲ Wait, ✂ cut).
    pub forced: Style,
    /// Words and choices of the user.
    pub user: Style,
    /// The token cursor.
    pub cursor: Style,
    /// A selected row in a list.
    pub selected: Style,
    /// Right answers, good news.
    pub good: Style,
    /// Wrong answers, errors.
    pub bad: Style,
    /// Warnings.
    pub warn: Style,
    /// Filled part of gauges and bars.
    pub gauge: Style,
    /// Sparklines.
    pub spark: Style,
    /// Heat scale from cold to hot, for entropy and P(end).
    pub heat: Vec<Style>,
}
