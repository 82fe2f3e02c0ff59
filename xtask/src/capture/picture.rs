//! Screens as SVG: one as a still, several one after the other as a moving picture, dark or light.
//!
//! A moving picture is its first screen and, for each later one, what changed: patches that lie over
//! one another and appear in turn.
//!
//! Not here: where screens come from.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use s1_pty::{Cell, Color, Screen};

use super::glyphs::{CharacterShape, HEIGHT, WIDTH, glyph};

/// Room around the screen.
const MARGIN: usize = 16;
/// Room above it, in which the last key is shown.
const HEAD: usize = 36;
/// How long the last screen of a moving picture is seen before the first one comes back.
const REST: Duration = Duration::from_secs(4);
/// Cells that are painted again rather than beginning another patch.
const GAP: usize = 4;

/// A screen, when it came, and the key that had been pressed before.
#[derive(Clone)]
pub struct Shot {
    pub at: Duration,
    pub screen: Screen,
    pub key: &'static str,
}

/// What a terminal draws with: background, text, and its 16 colours.
pub struct Palette {
    pub name: &'static str,
    back: &'static str,
    edge: &'static str,
    text: &'static str,
    colours: [&'static str; 16],
}

/// A dark terminal, and a light one.
pub const PALETTES: [Palette; 2] = [
    Palette {
        name: "dark",
        back: "#14171c",
        edge: "#30363f",
        text: "#d5dae1",
        colours: [
            "#3b424d", "#f2777a", "#8fc379", "#e2bf73", "#6cb2f0", "#cf8fe0", "#5cc4cc", "#d5dae1",
            "#6b7482", "#ff9496", "#a9d994", "#f0d28f", "#8fc7fa", "#e0aaf0", "#80dbe2", "#ffffff",
        ],
    },
    Palette {
        name: "light",
        back: "#fbfbf9",
        edge: "#d3d6da",
        text: "#2b3038",
        colours: [
            "#2b3038", "#b9232b", "#2c7a2e", "#8a6100", "#1c5fb0", "#8b2fa8", "#0e7280", "#8d949e",
            "#5d6570", "#d23b43", "#3b9440", "#a87a10", "#2f7bd6", "#a64cc4", "#1e93a3", "#14171c",
        ],
    },
];

impl Palette {
    fn of(&self, colour: Color) -> Option<String> {
        match colour {
            Color::Default => None,
            Color::Idx(n @ 0..16) => Some(self.colours[usize::from(n)].to_owned()),
            Color::Idx(n @ 16..232) => {
                let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
                let n = n - 16;
                let (r, g, b) = (level(n / 36), level(n / 6 % 6), level(n % 6));
                Some(format!("#{r:02x}{g:02x}{b:02x}"))
            }
            Color::Idx(n) => {
                let grey = 8 + 10 * (n - 232);
                Some(format!("#{grey:02x}{grey:02x}{grey:02x}"))
            }
            Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
        }
    }
}

/// How a cell looks, in this palette.
#[derive(Clone, PartialEq)]
struct CellStyle {
    fore: String,
    back: Option<String>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
}

impl CellStyle {
    fn of(cell: &Cell, palette: &Palette) -> CellStyle {
        let (mut fore, mut back) = (palette.of(cell.fgcolor()), palette.of(cell.bgcolor()));
        if cell.inverse() {
            let text = fore.unwrap_or_else(|| palette.text.to_owned());
            fore = Some(back.unwrap_or_else(|| palette.back.to_owned()));
            back = Some(text);
        }
        CellStyle {
            fore: fore.unwrap_or_else(|| palette.text.to_owned()),
            back,
            bold: cell.bold(),
            dim: cell.dim(),
            italic: cell.italic(),
            underline: cell.underline(),
        }
    }

    /// The attributes of an element that looks so.
    fn attributes(&self, palette: &Palette) -> String {
        let mut all = String::new();
        if self.fore != palette.text {
            let _ = write!(all, " color=\"{}\"", self.fore);
        }
        for (there, class) in [
            (self.bold, "b"),
            (self.dim, "d"),
            (self.italic, "i"),
            (self.underline, "u"),
        ] {
            if there {
                let more = if all.contains("class") {
                    " "
                } else {
                    " class=\""
                };
                all += more;
                all += class;
            }
        }
        if all.contains("class") {
            all.push('"');
        }
        all
    }
}

/// A still.
pub fn still(screen: &Screen, palette: &Palette) -> String {
    let (rows, cols) = size(screen);
    let top = MARGIN;
    let mut body = String::new();
    for row in 0..rows {
        body += &cells(screen, row, 0..cols, top, palette);
    }
    document((rows, cols), top, palette, "", &body)
}

/// A moving picture, without end.
///
/// # Panics
/// If there is no frame.
pub fn film(frames: &[Shot], palette: &Palette) -> String {
    let (first, last) = (&frames[0], &frames[frames.len() - 1]);
    let (rows, cols) = size(&first.screen);
    let whole = (last.at + REST).as_secs_f32();
    let (mut body, mut style) = (String::new(), String::new());
    for row in 0..rows {
        body += &cells(&first.screen, row, 0..cols, HEAD, palette);
    }
    let _ = write!(
        style,
        ".k{{visibility:hidden;animation:{whole:.1}s step-end infinite}}\
         @media(prefers-reduced-motion:reduce){{.k{{animation:none;visibility:visible}}}}"
    );
    for (i, pair) in frames.windows(2).enumerate() {
        let (before, now) = (&pair[0], &pair[1]);
        let mut patches = String::new();
        for row in 0..rows {
            for range in changed(&before.screen, &now.screen, row, cols) {
                let (x, y) = (MARGIN + range.start * WIDTH, HEAD + row * HEIGHT);
                let _ = write!(
                    patches,
                    "<path fill=\"{}\" d=\"M{x} {y}h{}v{HEIGHT}H{x}z\"/>",
                    palette.back,
                    range.len() * WIDTH
                );
                patches += &cells(&now.screen, row, range, HEAD, palette);
            }
        }
        if before.key != now.key {
            patches += &key(now.key, cols, palette);
        }
        if patches.is_empty() {
            continue;
        }
        let share = 100.0 * now.at.as_secs_f32() / whole;
        let _ = write!(
            style,
            "@keyframes k{i}{{0%{{visibility:hidden}}{share:.2}%,to{{visibility:visible}}}}"
        );
        let _ = writeln!(
            body,
            "<g class=\"k\" style=\"animation-name:k{i}\">{patches}</g>"
        );
    }
    document((rows, cols), HEAD, palette, &style, &body)
}

fn size(screen: &Screen) -> (usize, usize) {
    let (rows, cols) = screen.size();
    (rows.into(), cols.into())
}

fn cell(screen: &Screen, row: usize, col: usize) -> Option<&Cell> {
    screen.cell(u16::try_from(row).ok()?, u16::try_from(col).ok()?)
}

/// The ranges of a row that differ.
fn changed(before: &Screen, now: &Screen, row: usize, cols: usize) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for col in (0..cols).filter(|&col| cell(before, row, col) != cell(now, row, col)) {
        match ranges.last_mut() {
            Some(range) if col < range.end + GAP => range.end = col + 1,
            _ => ranges.push(col..col + 1),
        }
    }
    ranges
}

/// The key that was pressed, above the screen.
fn key(name: &str, cols: usize, palette: &Palette) -> String {
    let right = MARGIN + cols * WIDTH;
    let mut all = format!(
        "<path fill=\"{}\" d=\"M{} 6h{}v24H{0}z\"/>",
        palette.back,
        right - 200,
        200
    );
    if !name.is_empty() {
        let width = WIDTH * name.chars().count() + 16;
        let _ = write!(
            all,
            "<rect x=\"{}\" y=\"7\" width=\"{width}\" height=\"22\" rx=\"4\" fill=\"none\" \
             stroke=\"{}\"/><text class=\"b\" x=\"{}\" y=\"23\">{}</text>",
            right - width,
            palette.colours[6],
            right - width + 8,
            escaped(name)
        );
    }
    all
}

/// Cells of a row that stand side by side.
fn cells(
    screen: &Screen,
    row: usize,
    range: Range<usize>,
    top: usize,
    palette: &Palette,
) -> String {
    let y = top + row * HEIGHT;
    let at = |col: usize| MARGIN + col * WIDTH;
    let looks: Vec<(usize, char, String, CellStyle)> = range
        .filter_map(|col| {
            let cell = cell(screen, row, col)?;
            if cell.is_wide_continuation() {
                return None;
            }
            let text = match cell.contents() {
                "" => " ".to_owned(),
                text => text.to_owned(),
            };
            let first = text.chars().next()?;
            Some((col, first, text, CellStyle::of(cell, palette)))
        })
        .collect();
    let mut all = String::new();
    for same in looks.chunk_by(|a, b| a.3 == b.3) {
        let look = &same[0].3;
        let attributes = look.attributes(palette);
        if let Some(back) = &look.back {
            let (x, width) = (at(same[0].0), same.len() * WIDTH);
            let _ = write!(
                all,
                "<path fill=\"{back}\" d=\"M{x} {y}h{width}v{HEIGHT}H{x}z\"/>"
            );
        }
        let (mut lines, mut surfaces) = (String::new(), String::new());
        let mut words: Vec<Vec<(usize, &str)>> = vec![Vec::new()];
        for equal in same.chunk_by(|a, b| a.2 == b.2) {
            let (col, c, text, _) = &equal[0];
            match glyph(*c, equal.len(), (at(*col), y)) {
                Some(CharacterShape::Lines(path)) => lines += &path,
                Some(CharacterShape::Surfaces(path)) => surfaces += &path,
                // A gap of two ends a run of text; one blank is part of it.
                None if text == " "
                    && (equal.len() > 1 || words.last().is_some_and(Vec::is_empty)) =>
                {
                    words.push(Vec::new());
                    continue;
                }
                None => {
                    let word = words.iter_mut().last();
                    word.into_iter()
                        .for_each(|word| word.extend(equal.iter().map(|c| (c.0, &*c.2))));
                    continue;
                }
            }
            words.push(Vec::new());
        }
        if !lines.is_empty() {
            let _ = write!(all, "<path{} d=\"{lines}\"/>", with_class(&attributes, "l"));
        }
        if !surfaces.is_empty() {
            let _ = write!(all, "<path{attributes} d=\"{surfaces}\"/>");
        }
        for word in words {
            all += &written(&word, y, &attributes, &at);
        }
    }
    all
}

fn with_class(attributes: &str, class: &str) -> String {
    match attributes.split_once("class=\"") {
        Some((before, after)) => format!("{before}class=\"{class} {after}"),
        None => format!("{attributes} class=\"{class}\""),
    }
}

/// Text whose characters stand where their cells are, whatever font it is in.
fn written(
    word: &[(usize, &str)],
    y: usize,
    attributes: &str,
    at: &dyn Fn(usize) -> usize,
) -> String {
    let end = word.iter().rposition(|(_, text)| *text != " ");
    let Some(word) = end.map(|end| &word[..=end]) else {
        return String::new();
    };
    let text: String = word.iter().map(|(_, text)| *text).collect();
    let (x, y) = (at(word[0].0), y + 15);
    let place = match text.is_ascii() {
        true if word.len() > 1 => format!("x=\"{x}\" textLength=\"{}\"", word.len() * WIDTH),
        true => format!("x=\"{x}\""),
        // One place for each: the font may have none of these characters.
        false => {
            let places = word.iter().flat_map(|(col, text)| {
                let place = at(*col).to_string();
                text.chars().map(move |_| place.clone())
            });
            format!("x=\"{}\"", places.collect::<Vec<_>>().join(" "))
        }
    };
    format!(
        "<text{attributes} {place} y=\"{y}\">{}</text>",
        escaped(&text)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn document(
    (rows, cols): (usize, usize),
    top: usize,
    palette: &Palette,
    style: &str,
    body: &str,
) -> String {
    let (width, height) = (2 * MARGIN + cols * WIDTH, top + MARGIN + rows * HEIGHT);
    let Palette {
        back, edge, text, ..
    } = palette;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" color=\"{text}\" fill=\"currentColor\" font-size=\"16.6\" \
         font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\">\n\
         <style>.b{{font-weight:bold}}.d{{opacity:.62}}.i{{font-style:italic}}.u{{text-decoration:underline}}\
         .l{{fill:none;stroke:currentColor;stroke-width:1.3}}{style}</style>\n\
         <rect x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"9\" fill=\"{back}\" stroke=\"{edge}\"/>\n\
         {body}</svg>\n",
        width - 1,
        height - 1,
    )
}

#[cfg(all(test, unix))]
mod tests {
    use s1_pty::{CommandBuilder, Terminal};

    use super::*;

    fn screen(text: &str) -> Screen {
        let mut command = CommandBuilder::new("printf");
        command.arg(text);
        let mut terminal = Terminal::start(command, 3, 20);
        terminal.wait();
        while !terminal.has_ended() {
            std::thread::yield_now();
        }
        terminal.screen()
    }

    /// A reader would lose: what the program says, in the colours and at the places of its cells.
    #[test]
    fn a_still_has_the_text_the_colours_and_the_borders_of_the_screen() {
        let [dark, light] = &PALETTES;
        let screen = screen("a<b \\033[31m│1 é\\033[0m ▂");
        let svg = still(&screen, dark);
        assert!(
            svg.contains("textLength=\"30\" y=\"31\">a&lt;b</text>"),
            "{svg}"
        );
        let border = "<path color=\"#f2777a\" class=\"l\" d=\"M61 26L61 16M61 26L61 36\"/>";
        assert!(svg.contains(border), "{svg}");
        assert!(svg.contains("x=\"66 76 86\" y=\"31\">1 é</text>"), "{svg}");
        assert!(svg.contains("d=\"M106 31h10v5h-10z\""), "{svg}");
        assert!(still(&screen, light).contains(light.colours[1]));
    }

    #[test]
    fn a_moving_picture_repeats_only_what_has_changed() {
        let frame = |at, text| Shot {
            at: Duration::from_secs(at),
            screen: screen(text),
            key: "",
        };
        let svg = film(
            &[frame(0, "one two three"), frame(4, "one TWO three")],
            &PALETTES[0],
        );
        assert_eq!(svg.matches("TWO").count(), 1);
        assert_eq!(svg.matches("three").count(), 1);
        assert!(svg.contains("animation:8.0s"), "{svg}");
        assert!(svg.contains("50.00%,to{visibility:visible}"), "{svg}");
    }
}
