//! (being written)
use super::action::Action;
use crossterm::event::KeyEvent;
/// Where a key is pressed; the same key may mean different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    /// The explorer with the trace focused.
    Explore,
    /// The question box or another text field.
    Editor,
    /// A list: picker, palette, alternatives, branches.
    List,
}
/// Keys to actions.
#[derive(Clone, Debug, Default)]
pub struct Keymap {}
impl Keymap {
    /// The action bound to a key in a context.
    pub fn action(&self, context: Context, key: KeyEvent) -> Option<Action> {
        let _ = (context, key);
        None
    }
    /// How a user types an action in a context, e.g. `w`, `Ctrl-s`; the first binding.
    pub fn key_for(&self, context: Context, action: Action) -> Option<String> {
        let _ = (context, action);
        None
    }
}
