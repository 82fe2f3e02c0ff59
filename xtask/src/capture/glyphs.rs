//! Characters that are drawn, not written: borders, bars and the dots of charts have to meet at the
//! edges of their cells, whatever font the reader has.
//!
//! Not here: colours, and where a cell is.

use std::fmt::Write as _;

/// A cell, in the units of a picture.
pub const WIDTH: usize = 10;
/// Its height.
pub const HEIGHT: usize = 20;

/// What a character is made of.
pub enum CharacterShape {
    /// Lines: the data of a path that is stroked.
    Lines(String),
    /// Surfaces: the data of a path that is filled.
    Surfaces(String),
}

/// Where a line of a border goes from the middle of its cell: left, right, up, down.
const BORDERS: [(char, [bool; 4]); 15] = [
    ('─', [true, true, false, false]),
    ('━', [true, true, false, false]),
    ('│', [false, false, true, true]),
    ('├', [false, true, true, true]),
    ('┤', [true, false, true, true]),
    ('┬', [true, true, false, true]),
    ('┴', [true, true, true, false]),
    ('┼', [true, true, true, true]),
    ('╵', [false, false, true, false]),
    ('╷', [false, false, false, true]),
    ('╴', [true, false, false, false]),
    ('╶', [false, true, false, false]),
    ('┌', [false, true, false, true]),
    ('┐', [true, false, false, true]),
    ('└', [false, true, true, false]),
];

/// The dots of a braille character, from its lowest bit: column and row.
const DOTS: [(usize, usize); 8] = [
    (0, 0),
    (0, 1),
    (0, 2),
    (1, 0),
    (1, 1),
    (1, 2),
    (0, 3),
    (1, 3),
];

/// Quarters of a cell that are full, from `▖` on: upper left, upper right, lower left, lower right.
const QUARTERS: [[bool; 4]; 10] = [
    [false, false, true, false],
    [false, false, false, true],
    [true, false, false, false],
    [true, false, true, true],
    [true, false, false, true],
    [true, true, true, false],
    [true, true, false, true],
    [false, true, false, false],
    [false, true, true, false],
    [false, true, true, true],
];

/// The glyph of a character that stands `count` times in a row, its first cell at `(x, y)`; `None` for
/// one that is written.
pub fn glyph(c: char, count: usize, (x, y): (usize, usize)) -> Option<CharacterShape> {
    let (middle, right) = (y + HEIGHT / 2, x + count * WIDTH);
    let rect = |x: f32, y: f32, w: f32, h: f32| format!("M{x} {y}h{w}v{h}h-{w}z");
    let (fx, fy) = (x as f32, y as f32);
    let (w, h) = (WIDTH as f32, HEIGHT as f32);
    // What goes from cell to cell is one line.
    if let '─' | '━' = c {
        return Some(CharacterShape::Lines(format!("M{x} {middle}H{right}")));
    }
    if c == '█' {
        return Some(CharacterShape::Surfaces(rect(fx, fy, w * count as f32, h)));
    }
    let each = |one: &dyn Fn(usize) -> String| (0..count).map(|i| one(x + i * WIDTH)).collect();
    let lines = |one: &dyn Fn(usize) -> String| Some(CharacterShape::Lines(each(one)));
    let surfaces = |one: &dyn Fn(f32) -> String| {
        Some(CharacterShape::Surfaces(each(&|x: usize| one(x as f32))))
    };
    if let Some((_, arms)) = BORDERS.iter().find(|(border, _)| *border == c) {
        return lines(&|x| {
            let (mut path, centre) = (String::new(), x + WIDTH / 2);
            let ends = [
                (x, middle),
                (x + WIDTH, middle),
                (centre, y),
                (centre, y + HEIGHT),
            ];
            for ((x, y), _) in ends.iter().zip(arms).filter(|(_, there)| **there) {
                let _ = write!(path, "M{centre} {middle}L{x} {y}");
            }
            path
        });
    }
    let corner = |from: (usize, usize), to: (usize, usize)| {
        move |x: usize| {
            let centre = x + WIDTH / 2;
            let (x1, y1) = (x + from.0, y + from.1);
            let (x2, y2) = (x + to.0, y + to.1);
            format!("M{x1} {y1}Q{centre} {middle} {x2} {y2}")
        }
    };
    let (across, down) = (WIDTH / 2, HEIGHT / 2);
    match c {
        '╭' => lines(&corner((WIDTH, down), (across, HEIGHT))),
        '╮' => lines(&corner((0, down), (across, HEIGHT))),
        '╰' => lines(&corner((across, 0), (WIDTH, down))),
        '╯' => lines(&corner((across, 0), (0, down))),
        '╱' => lines(&|x| format!("M{x} {}L{} {y}", y + HEIGHT, x + WIDTH)),
        '╌' => lines(&|x| format!("M{} {middle}h3M{} {middle}h3", x + 1, x + 6)),
        '┈' => lines(&|x| {
            format!(
                "M{} {middle}h1M{} {middle}h1M{} {middle}h1",
                x + 1,
                x + 4,
                x + 8
            )
        }),
        '┆' => lines(&|x| format!("M{0} {1}v4M{0} {2}v4", x + across, y + 3, y + 13)),
        '┊' => lines(&|x| {
            let ys = [2, 7, 12, 17].map(|d| y + d);
            ys.map(|y| format!("M{} {y}v2", x + across)).concat()
        }),
        '▀' => surfaces(&|x| rect(x, fy, w, h / 2.0)),
        // One to seven eighths, from below.
        '▁'..='▇' => {
            let eighths = (c as u32 - '▁' as u32 + 1) as f32;
            surfaces(&|x| rect(x, fy + h - h * eighths / 8.0, w, h * eighths / 8.0))
        }
        // Seven to one eighths, from the left.
        '▉'..='▏' => {
            let eighths = ('▏' as u32 - c as u32 + 1) as f32;
            surfaces(&|x| rect(x, fy, w * eighths / 8.0, h))
        }
        '▐' => surfaces(&|x| rect(x + w / 2.0, fy, w / 2.0, h)),
        '▖'..='▟' => {
            let full = QUARTERS[c as usize - '▖' as usize];
            surfaces(&|x| {
                let of = |i: usize| {
                    let (column, row) = ((i % 2) as f32, (i / 2) as f32);
                    rect(x + column * w / 2.0, fy + row * h / 2.0, w / 2.0, h / 2.0)
                };
                (0..4).filter(|i| full[*i]).map(of).collect()
            })
        }
        '░' | '▒' | '▓' => {
            let step = match c {
                '░' => 5,
                '▒' => 4,
                _ => 3,
            };
            surfaces(&|x| {
                let places = (0..HEIGHT).step_by(step).flat_map(|dy| {
                    let shift = if (dy / step).is_multiple_of(2) {
                        0
                    } else {
                        step / 2
                    };
                    (shift..WIDTH)
                        .step_by(step)
                        .map(move |dx| (dx as f32, dy as f32))
                });
                places
                    .map(|(dx, dy)| rect(x + dx, fy + dy, 1.5, 1.5))
                    .collect()
            })
        }
        '\u{2800}'..='\u{28ff}' => {
            let bits = c as u32 - 0x2800;
            surfaces(&|x| {
                let lit = (0..8).filter(|i| bits & (1 << i) != 0).map(|i| DOTS[i]);
                let dot = |(column, row): (usize, usize)| {
                    rect(
                        x + 1.5 + 5.0 * column as f32,
                        fy + 1.5 + 5.0 * row as f32,
                        2.0,
                        2.0,
                    )
                };
                lit.map(dot).collect()
            })
        }
        _ => None,
    }
}
