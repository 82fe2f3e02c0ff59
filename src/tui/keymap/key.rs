//! One key with its modifiers: how it is written in a keymap, how it is shown, and when two
//! reports of a terminal mean the same key.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Keys that are written and shown by name: code, name in the keymap, name on screen.
const NAMED: &[(KeyCode, &str, &str)] = &[
    (KeyCode::Char(' '), "space", "Space"),
    (KeyCode::Enter, "enter", "Enter"),
    (KeyCode::Esc, "esc", "Esc"),
    (KeyCode::Tab, "tab", "Tab"),
    (KeyCode::Backspace, "backspace", "Backspace"),
    (KeyCode::Delete, "delete", "Del"),
    (KeyCode::Insert, "insert", "Ins"),
    (KeyCode::Left, "left", "←"),
    (KeyCode::Right, "right", "→"),
    (KeyCode::Up, "up", "↑"),
    (KeyCode::Down, "down", "↓"),
    (KeyCode::Home, "home", "Home"),
    (KeyCode::End, "end", "End"),
    (KeyCode::PageUp, "pgup", "PgUp"),
    (KeyCode::PageDown, "pgdn", "PgDn"),
];

/// What a keymap may write, for error messages.
pub const SYNTAX: &str = "a character (w, W, ?, +), a name (space, enter, esc, tab, backspace, \
    delete, insert, left, right, up, down, home, end, pgup, pgdn, f1 to f12), or one of these \
    after ctrl-, alt- or shift-";

/// A key, normalised so that equal presses are equal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Key {
    /// The key behind a terminal event; `None` for the release of a key.
    ///
    /// Terminals report the same press in different ways: `W` comes as `W`, as `shift`+`W`, or as
    /// `shift`+`w`; shift-tab comes as a key of its own.
    pub fn of(event: KeyEvent) -> Option<Key> {
        (event.kind != KeyEventKind::Release).then(|| Key::new(event.code, event.modifiers))
    }

    fn new(code: KeyCode, modifiers: KeyModifiers) -> Key {
        let mut modifiers = modifiers;
        let code = match code {
            KeyCode::BackTab => {
                modifiers |= KeyModifiers::SHIFT;
                KeyCode::Tab
            }
            // Ctrl with a letter: the case says nothing, shift does where it is reported.
            KeyCode::Char(c) if modifiers.contains(KeyModifiers::CONTROL) => {
                KeyCode::Char(c.to_ascii_lowercase())
            }
            KeyCode::Char(c) if c != ' ' && modifiers.contains(KeyModifiers::SHIFT) => {
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::Char(upper(c))
            }
            other => other,
        };
        Key { code, modifiers }
    }

    /// Reads `w`, `W`, `ctrl-s`, `alt-enter`, `shift-tab`, `space`, `f1`, `+`, `-`, …; `None` if it
    /// is no key.
    pub fn parse(text: &str) -> Option<Key> {
        let mut rest = text;
        let mut modifiers = KeyModifiers::NONE;
        loop {
            let (modifier, tail) = match rest.split_once('-') {
                Some((head, tail)) if !head.is_empty() && !tail.is_empty() => (head, tail),
                _ => break,
            };
            modifiers |= match modifier.to_ascii_lowercase().as_str() {
                "ctrl" => KeyModifiers::CONTROL,
                "alt" => KeyModifiers::ALT,
                "shift" => KeyModifiers::SHIFT,
                _ => return None,
            };
            rest = tail;
        }
        let mut chars = rest.chars();
        if let (Some(c), None) = (chars.next(), chars.next()) {
            let printable = !c.is_control() && c != ' ';
            return printable.then(|| Key::new(KeyCode::Char(c), modifiers));
        }
        let name = rest.to_ascii_lowercase();
        let named = NAMED.iter().find(|(_, written, _)| *written == name);
        let code = match named {
            Some((code, ..)) => *code,
            None => {
                let number = name.strip_prefix('f')?.parse().ok()?;
                (1..=12).contains(&number).then_some(KeyCode::F(number))?
            }
        };
        Some(Key::new(code, modifiers))
    }

    /// How the key is shown: `w`, `Ctrl-s`, `Alt-Enter`, `Space`, `←`.
    pub fn label(self) -> String {
        let mut label = String::new();
        for (modifier, name) in [
            (KeyModifiers::CONTROL, "Ctrl-"),
            (KeyModifiers::ALT, "Alt-"),
            (KeyModifiers::SHIFT, "Shift-"),
        ] {
            if self.modifiers.contains(modifier) {
                label.push_str(name);
            }
        }
        match NAMED.iter().find(|(code, ..)| *code == self.code) {
            Some((_, _, shown)) => label.push_str(shown),
            None => label.push_str(&self.code.to_string()),
        }
        label
    }
}

/// The upper case of letters that have one of a single character.
fn upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
        Key::of(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn what_is_written_is_what_the_terminal_sends() {
        let none = KeyModifiers::NONE;
        let (ctrl, alt, shift) = (
            KeyModifiers::CONTROL,
            KeyModifiers::ALT,
            KeyModifiers::SHIFT,
        );
        for (written, code, modifiers, label) in [
            ("w", KeyCode::Char('w'), none, "w"),
            ("W", KeyCode::Char('W'), none, "W"),
            ("W", KeyCode::Char('W'), shift, "W"),
            ("W", KeyCode::Char('w'), shift, "W"),
            ("shift-w", KeyCode::Char('W'), none, "W"),
            ("?", KeyCode::Char('?'), shift, "?"),
            ("+", KeyCode::Char('+'), none, "+"),
            ("-", KeyCode::Char('-'), none, "-"),
            ("ctrl--", KeyCode::Char('-'), ctrl, "Ctrl--"),
            ("ctrl-s", KeyCode::Char('s'), ctrl, "Ctrl-s"),
            ("Ctrl-S", KeyCode::Char('s'), ctrl, "Ctrl-s"),
            ("ctrl-s", KeyCode::Char('S'), ctrl, "Ctrl-s"),
            ("alt-enter", KeyCode::Enter, alt, "Alt-Enter"),
            ("shift-tab", KeyCode::BackTab, none, "Shift-Tab"),
            ("shift-tab", KeyCode::BackTab, shift, "Shift-Tab"),
            ("space", KeyCode::Char(' '), none, "Space"),
            ("left", KeyCode::Left, none, "←"),
            ("ctrl-left", KeyCode::Left, ctrl, "Ctrl-←"),
            ("pgup", KeyCode::PageUp, none, "PgUp"),
            ("esc", KeyCode::Esc, none, "Esc"),
            ("f1", KeyCode::F(1), none, "F1"),
            ("F12", KeyCode::F(12), none, "F12"),
            ("ö", KeyCode::Char('ö'), none, "ö"),
            ("Ö", KeyCode::Char('ö'), shift, "Ö"),
        ] {
            let key = Key::parse(written).unwrap_or_else(|| panic!("{written} is a key"));
            assert_eq!(Some(key), event(code, modifiers), "{written}");
            assert_eq!(key.label(), label);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in [
            "", " ", "ctrl-", "strg-s", "spacebar", "f0", "f13", "ww", "fx", "\u{1b}", "a-b",
        ] {
            assert_eq!(Key::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_release_of_a_key_does_nothing() {
        let mut event = KeyEvent::new(KeyCode::Char('w'), KeyModifiers::NONE);
        event.kind = KeyEventKind::Release;
        assert_eq!(Key::of(event), None);
        event.kind = KeyEventKind::Repeat;
        assert_eq!(Key::of(event), Key::parse("w"));
    }
}
