//! Text of models, files and users, made safe to show, and its width in cells.
//!
//! What a terminal would obey instead of show (control characters, escape sequences, bidirectional
//! overrides) becomes a visible stand-in; what terminals disagree about (joined emoji, variation
//! selectors, piles of accents) is written in a form they agree on. Pure. Not here: wrapping.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A tab at any position: a stream of tokens has no columns.
const TAB: &str = "    ";

/// More accents on one letter than any script uses; the rest of the pile is left out.
const MAX_MARKS: usize = 8;

/// Text that is safe to show. Newlines stay; `\r\n` becomes `\n`; everything else below U+0020,
/// U+007F to U+009F, and invisible format characters become visible.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text
        .bytes()
        .all(|b| b == b'\n' || (0x20..0x7f).contains(&b))
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut marks = 0;
    let mut chars = text.chars().peekable();
    // The last character that was not left out.
    let mut before = ' ';
    // Whether the last character that takes room is a letter; its accents do not change that.
    let mut letter = false;
    while let Some(c) = chars.next() {
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        if marks == 0 || is_hidden(c) && c != '\u{200c}' && c != '\u{200d}' {
            letter = c.is_alphabetic();
        }
        match c {
            '\n' => out.push('\n'),
            '\t' => out.push_str(TAB),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\0'..='\x1f' => out.extend(char::from_u32(0x2400 + u32::from(c))),
            '\x7f' => out.push('␡'),
            // A piece of a character. Some terminals drop the usual sign for it, without a gap.
            '\u{fffd}' => out.push('▯'),
            // Joins emoji to one picture on some terminals only; joins letters on all.
            '\u{200d}' if is_wide(before) || chars.peek().is_some_and(|&c| is_wide(c)) => continue,
            // It joins nothing to what says nothing: what follows that may be an emoji.
            '\u{200c}' | '\u{200d}' if chars.peek().is_some_and(|&c| joins_or_selects(c)) => {
                continue;
            }
            '\u{200c}' | '\u{200d}' if letter && marks <= MAX_MARKS => out.push(c),
            // Asks for a wide or a narrow picture; terminals differ in whether they listen.
            '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => continue,
            c if is_hidden(c) => out.push_str(&format!("<U+{:04X}>", u32::from(c))),
            _ if marks > MAX_MARKS => continue,
            c => out.push(c),
        }
        before = c;
    }
    Cow::Owned(out)
}

/// As [`clean`], for a place that has one line: a newline becomes `␤`.
pub fn clean_line(text: &str) -> Cow<'_, str> {
    let clean = clean(text);
    if clean.contains('\n') {
        Cow::Owned(clean.replace('\n', "␤"))
    } else {
        clean
    }
}

fn is_wide(c: char) -> bool {
    // The variation selector comes between a picture and its joiner: ❤️‍🔥.
    c.width() == Some(2) || ('\u{2600}'..='\u{27bf}').contains(&c)
}

/// A joiner or a variation selector.
fn joins_or_selects(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Characters that change the text around them, or hide, without being seen.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'         // C1 controls
        | '\u{ad}'                  // soft hyphen
        | '\u{34f}'                 // grapheme joiner
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' // bidi
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // Hangul fillers
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' // Khmer and Mongolian invisibles
        | '\u{200b}'..='\u{200d}'   // zero-width space and stray joiners
        | '\u{2028}' | '\u{2029}'   // line and paragraph separators
        | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' // invisible operators
        | '\u{feff}' | '\u{fff0}'..='\u{fffb}' // byte order mark, annotations
        | '\u{13430}'..='\u{1343f}' // hieroglyph format controls
        | '\u{1bca0}'..='\u{1bca3}' // shorthand format controls
        | '\u{1d173}'..='\u{1d17a}' // musical format controls
        | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}' // tags
    )
}

/// Grapheme clusters with their width in cells, as the screen buffer counts them.
pub fn graphemes(text: &str) -> impl Iterator<Item = (&str, usize)> {
    text.graphemes(true).map(|g| (g, g.width()))
}

/// Width in cells.
pub fn width(text: &str) -> usize {
    graphemes(text).map(|(_, width)| width).sum()
}

/// The text if it fits into `max` cells, else its beginning and `…`. Never splits a cluster.
pub fn fit(text: &str, max: usize) -> Cow<'_, str> {
    cut(text, max, false)
}

/// As [`fit`], but keeps the end: for paths, whose last part says most.
pub fn fit_end(text: &str, max: usize) -> Cow<'_, str> {
    cut(text, max, true)
}

/// A name in at most `max` columns: its middle goes first, as its beginning says whose it is and its
/// end which of several.
pub fn fit_middle(text: &str, max: usize) -> Cow<'_, str> {
    if width(text) <= max {
        return Cow::Borrowed(text);
    }
    let end = max / 3;
    let tail = fit_end(text, end + 1);
    let tail = tail.trim_start_matches('…');
    Cow::Owned(format!("{}{tail}", fit(text, max - end)))
}

fn cut(text: &str, max: usize, keep_end: bool) -> Cow<'_, str> {
    if width(text) <= max {
        return Cow::Borrowed(text);
    }
    let Some(room) = max.checked_sub(1) else {
        return Cow::Borrowed("");
    };
    let mut clusters: Vec<(&str, usize)> = graphemes(text).collect();
    if keep_end {
        clusters.reverse();
    }
    let mut used = 0;
    let mut kept: Vec<&str> = Vec::new();
    for (cluster, width) in clusters {
        used += width;
        if used > room {
            break;
        }
        kept.push(cluster);
    }
    kept.push("…");
    if keep_end {
        kept.reverse();
    }
    Cow::Owned(kept.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use s1_core::rng::Rng;

    fn random_text(rng: &mut Rng) -> String {
        let length = rng.bits() % 40;
        (0..length)
            .filter_map(|_| {
                let range = match rng.bits() % 6 {
                    0 => 0x00..0x20,
                    1 => 0x7f..0xa0,
                    2 => 0x2000..0x2070,
                    3 => 0x300..0x370,
                    4 => 0x1f300..0x1fa00,
                    _ => 0..0x11_0000,
                };
                let at = rng.bits() % (range.end - range.start) + range.start;
                char::from_u32(u32::try_from(at).unwrap())
            })
            .collect()
    }

    #[test]
    fn no_text_reaches_the_terminal_as_a_command() {
        let mut rng = Rng::new(0x5eed);
        for _ in 0..20_000 {
            let text = random_text(&mut rng);
            let safe = clean(&text);
            for c in safe.chars() {
                assert!(c == '\n' || c >= ' ', "{text:?} gave {c:?}");
                assert!(!('\x7f'..='\u{9f}').contains(&c), "{text:?} gave {c:?}");
                assert!(
                    !is_hidden(c) || "\u{200c}\u{200d}".contains(c),
                    "{text:?} gave {c:?}"
                );
            }
            assert_eq!(clean(&safe), safe, "cleaning twice changes nothing");
            assert!(!clean_line(&text).contains('\n'));
        }
    }

    #[test]
    fn every_cleaned_text_is_as_wide_as_the_screen_draws_it() {
        use ratatui::buffer::Buffer;
        use ratatui::layout::Rect;
        use ratatui::style::Style;
        let mut rng = Rng::new(0xfeed);
        for _ in 0..5_000 {
            let text = random_text(&mut rng);
            let safe = clean_line(&text);
            let mut buffer = Buffer::empty(Rect::new(0, 0, 500, 1));
            let (end, _) = buffer.set_stringn(0, 0, &safe, 500, Style::new());
            assert_eq!(usize::from(end), width(&safe), "{text:?}");
        }
    }

    #[test]
    fn stand_ins_say_what_was_there() {
        for (text, shown) in [
            ("plain\nlines", "plain\nlines"),
            ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
            ("\x1b]0;title\x07", "␛]0;title␇"),
            ("a\tb", "a    b"),
            ("dos\r\nlines", "dos\nlines"),
            ("over\rwrite", "over␍write"),
            ("\x7f", "␡"),
            ("\u{fffd}", "▯"),
            ("\u{9b}31m", "<U+009B>31m"),
            ("a\u{202e}b", "a<U+202E>b"),
            ("\u{feff}x", "<U+FEFF>x"),
            ("a\u{200b}b", "a<U+200B>b"),
            ("日本語 ñ é", "日本語 ñ é"),
            ("👩‍👩‍👧", "👩👩👧"),
            ("❤️‍🔥", "❤🔥"),
            ("e\u{301}\u{200d}\u{200d}❤", "e\u{301}❤"),
            ("\u{e}\u{200d}倍\u{200d}\u{200d}x", "␎倍x"),
            ("क्\u{200d}ष", "क्\u{200d}ष"),
            ("می\u{200c}خواهم", "می\u{200c}خواهم"),
        ] {
            assert_eq!(clean(text), shown, "{text:?}");
        }
        let pile = format!("a{}b", "\u{301}".repeat(500));
        assert_eq!(clean(&pile).chars().count(), 2 + MAX_MARKS);
        assert_eq!(clean_line("a\nb"), "a␤b");
    }

    #[test]
    fn cutting_keeps_to_the_width_and_never_splits_a_character() {
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab…");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(fit_end("/a/b/model.gguf", 11), "…model.gguf");
        assert_eq!(fit_end("日本語", 4), "…語");
        let mut rng = Rng::new(0xbeef);
        for _ in 0..3_000 {
            let text = clean_line(&random_text(&mut rng)).into_owned();
            for max in 0..12 {
                assert!(width(&fit(&text, max)) <= max, "{text:?} at {max}");
                assert!(width(&fit_end(&text, max)) <= max, "{text:?} at {max}");
            }
        }
    }
}
