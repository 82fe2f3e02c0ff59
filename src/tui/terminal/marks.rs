//! Marks for terminals with one small font, such as the Linux console: what their fonts lack of the
//! program's own signs is drawn with what they have (ASCII, Latin-1, plain boxes and blocks).
//!
//! It is done to the finished frame, cell by cell, so that no screen has to know of it. Not here: letters
//! of any script, which are the text's own and stay.

use ratatui::buffer::Buffer;

/// Whether the terminal is one of these, by the value of `TERM`.
pub fn are_wanted(term: Option<&str>) -> bool {
    let numbered = |name: &str, term: &str| {
        let number = term.strip_prefix(name);
        number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
    };
    term.is_some_and(|term| term == "linux" || numbered("vt", term) || numbered("cons", term))
}

/// Replaces the signs of a frame.
pub fn replace(frame: &mut Buffer) {
    for cell in &mut frame.content {
        let mut signs = cell.symbol().chars();
        if let (Some(sign), None) = (signs.next(), signs.next())
            && let Some(plain) = plain(sign)
        {
            cell.set_char(plain);
        }
    }
}

/// What stands for a sign; `None` for what stays as it is.
fn plain(sign: char) -> Option<char> {
    Some(match sign {
        '✓' => '+',
        '✗' => 'x',
        '⟲' => '@',
        '✂' => '%',
        '✎' => '&',
        '❚' | '‖' | '┆' | '┊' | '╵' => '|',
        '▸' | '▹' | '▷' | '›' | '→' | '⇒' | '≥' => '>',
        '◂' | '←' | '≤' => '<',
        '▴' | '▲' | '↑' => '^',
        '▾' | '↓' => 'v',
        // Those of a chart stay apart from each other.
        '△' => 'A',
        '●' | '∞' => '*',
        '○' => 'o',
        '◆' => '$',
        '◇' => 'S',
        '■' => '#',
        '□' => 'H',
        '…' | '⋯' | '≈' => '~',
        '–' | '−' | '┈' | '╌' => '-',
        '━' => '=',
        '╱' => '/',
        '≠' => '!',
        '“' | '”' | '″' => '"',
        '‘' | '’' | '′' => '\'',
        '⏎' | '␤' => '¶',
        '␣' => '_',
        '␡' | '▯' => '?',
        '╭' => '┌',
        '╮' => '┐',
        '╰' => '└',
        '╯' => '┘',
        // Heights and lengths, to the half or the whole.
        '▁' | '▂' => '_',
        '▃' | '▅' => '▄',
        '▆' | '▇' | '▉' | '▊' | '▋' => '█',
        '▍' | '▎' | '▏' => '▌',
        '▖' | '▗' => '▄',
        '▘' | '▝' => '▀',
        '▙' | '▚' | '▛' | '▜' | '▞' | '▟' => '█',
        // Dots of braille: above, below, or both.
        '\u{2801}'..='\u{28ff}' => {
            let dots = u32::from(sign) - 0x2800;
            match (dots & 0b0001_1011 != 0, dots & 0b1110_0100 != 0) {
                (true, false) => '\'',
                (false, _) => '.',
                (true, true) => ':',
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn a_frame_is_drawn_with_signs_that_the_console_has() {
        let mut frame = Buffer::empty(Rect::new(0, 0, 60, 1));
        let text = "╭▸ 17946 ✗ ⟲ Wait… 16946 ✓ · 日本 é π ⠉⣀⣿";
        frame.set_string(0, 0, text, Style::default());
        replace(&mut frame);
        let shown: String = frame.content.iter().map(|cell| cell.symbol()).collect();
        // A wide letter is followed by an empty cell.
        assert!(
            shown.starts_with("┌> 17946 x @ Wait~ 16946 + · 日 本  é π '.:"),
            "{shown}"
        );
    }

    #[test]
    fn consoles_are_known_by_their_names() {
        for term in ["linux", "vt100", "vt220", "cons25"] {
            assert!(are_wanted(Some(term)), "{term}");
        }
        for term in [
            "xterm-256color",
            "vte-256color",
            "tmux",
            "screen",
            "dumb",
            "",
        ] {
            assert!(!are_wanted(Some(term)), "{term}");
        }
        assert!(!are_wanted(None));
    }

    /// A user would lose, on a console: a sign that a screen draws from now on.
    #[test]
    fn every_sign_of_the_program_has_a_mark() {
        let folders = ["app", "screens", "widgets"];
        for (file, code) in folders.into_iter().flat_map(crate::tui::tests::code) {
            // Letters of mathematics are text, and can be seen raw.
            if file.ends_with("maths.rs") {
                continue;
            }
            for sign in code.chars() {
                let has = sign.is_ascii()
                    || sign.is_alphabetic()
                    || ('\u{a0}'..='\u{ff}').contains(&sign)
                    || "─│┌┐└┘├┤┬┴┼▀▄█▌▐░▒▓。！？".contains(sign);
                assert!(
                    has || plain(sign).is_some(),
                    "{sign:?} in {} has no mark",
                    file.display()
                );
            }
        }
    }
}
