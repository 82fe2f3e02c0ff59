//! Text that was pasted where the terminal does not say so: keys that come faster than anybody types,
//! with a line break between them. Taken as keys, what follows the break would be commands.
//!
//! Not here: pastes that the terminal marks, which are events of their own, and reading the keys.

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Fewer characters before a line break may have been typed ahead of a slow connection.
const LEAST: usize = 8;

/// What a key types: a character, a line break, a tab.
fn typed(event: &Input) -> Option<char> {
    let Input::Key(KeyEvent {
        code,
        modifiers,
        kind,
        ..
    }) = event
    else {
        return None;
    };
    let plain = modifiers.difference(KeyModifiers::SHIFT).is_empty();
    match (code, kind) {
        (_, KeyEventKind::Release) => None,
        (KeyCode::Char(letter), _) if plain => Some(*letter),
        (KeyCode::Enter, _) if plain => Some('\n'),
        (KeyCode::Tab, _) if plain => Some('\t'),
        // What a terminal sends for the other kind of line break.
        (KeyCode::Char('j'), _) if *modifiers == KeyModifiers::CONTROL => Some('\n'),
        _ => None,
    }
}

/// Whether keys that came together may go on after a line break at their end.
pub fn may_go_on(events: &[Input]) -> bool {
    let end = events.last().and_then(typed);
    let before = events.iter().rev().skip(1).map_while(typed);
    end == Some('\n') && before.count() >= LEAST
}

/// Events that came together, with the text among them that was pasted as one paste.
pub fn joined(events: Vec<Input>) -> Vec<Input> {
    let mut out = Vec::new();
    let mut run = Vec::new();
    for event in events {
        match typed(&event) {
            Some(_) => run.push(event),
            None => {
                flush(&mut run, &mut out);
                out.push(event);
            }
        }
    }
    flush(&mut run, &mut out);
    out
}

/// Keys one after the other: as a paste, where a line ends in their midst. A break at their end is a
/// key of its own: a script that types a line and enters it means that.
fn flush(run: &mut Vec<Input>, out: &mut Vec<Input>) {
    let text: String = run.iter().filter_map(typed).collect();
    let body = text.trim_end_matches('\n');
    let is_pasted = body
        .find('\n')
        .is_some_and(|at| body[..at].chars().count() >= LEAST);
    if !is_pasted {
        return out.append(run);
    }
    out.push(Input::Paste(body.to_owned()));
    out.extend(run.drain(..).skip(body.chars().count()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<Input> {
        let key = |letter| match letter {
            '\n' => KeyCode::Enter,
            letter => KeyCode::Char(letter),
        };
        let event = |letter| Input::Key(KeyEvent::from(key(letter)));
        text.chars().map(event).collect()
    }

    /// A user would lose: the second line of a question, which would be commands.
    #[test]
    fn lines_that_come_together_are_one_paste() {
        let paste = Input::Paste("How many r\nin raspberry?".into());
        let together = joined(keys("How many r\nin raspberry?"));
        assert_eq!(together, std::slice::from_ref(&paste));
        let mut entered = vec![paste];
        entered.extend(keys("\n"));
        assert_eq!(joined(keys("How many r\nin raspberry?\n")), entered);
        assert!(may_go_on(&keys("How many r\n")) && !may_go_on(&keys("ok\n")));
    }

    #[test]
    fn what_is_typed_stays_keys() {
        for text in ["How many r in raspberry?\n", "wxq", "ok\nw", "\n\n\njjjj"] {
            assert_eq!(joined(keys(text)), keys(text), "{text:?}");
        }
        let mut events = keys("How many r\n");
        events.push(Input::Key(KeyEvent::from(KeyCode::Up)));
        events.extend(keys("in"));
        assert_eq!(joined(events.clone()), events, "another key is between");
    }
}
