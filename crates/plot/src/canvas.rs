//! Lines in character cells: braille dots, quarter blocks, or plain ASCII.

use super::Dash;

/// What lines are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ink {
    /// 2 × 4 dots in a cell.
    #[default]
    Braille,
    /// 2 × 2 quarter blocks in a cell, for fonts without braille.
    Block,
    /// `'`, `-`, `.`: three heights in a cell, for terminals that know nothing else.
    Ascii,
}

impl Ink {
    /// Columns and rows of dots in a cell.
    pub fn dots(self) -> (usize, usize) {
        match self {
            Ink::Braille => (2, 4),
            Ink::Block => (2, 2),
            Ink::Ascii => (1, 3),
        }
    }

    /// The next one, for a key that walks through them.
    pub fn next(self) -> Ink {
        match self {
            Ink::Braille => Ink::Block,
            Ink::Block => Ink::Ascii,
            Ink::Ascii => Ink::Braille,
        }
    }
}

/// Dots, and whose they are. A cell belongs to the last line drawn through it, with its sign and
/// its colour: a smoothed line can be seen on the noise that it smooths.
pub struct Canvas {
    ink: Ink,
    columns: usize,
    rows: usize,
    cells: Vec<(u8, usize)>,
}

impl Canvas {
    /// An empty one of a size in cells.
    pub fn new(ink: Ink, columns: u16, rows: u16) -> Canvas {
        let (columns, rows) = (usize::from(columns), usize::from(rows));
        Canvas {
            ink,
            columns,
            rows,
            cells: vec![(0, 0); columns * rows],
        }
    }

    /// Width and height in dots.
    pub fn size(&self) -> (usize, usize) {
        let (x, y) = self.ink.dots();
        (self.columns * x, self.rows * y)
    }

    /// The dot column or row for a place between 0 and 1.
    pub fn dot(place: f64, dots: usize) -> i64 {
        (place * dots.saturating_sub(1) as f64).round() as i64
    }

    fn set(&mut self, x: i64, y: i64, owner: usize) {
        let (w, h) = self.ink.dots();
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
            return;
        };
        if x >= self.columns * w || y >= self.rows * h {
            return;
        }
        if let Some(cell) = self.cells.get_mut(y / h * self.columns + x / w) {
            let before = if cell.1 == owner { cell.0 } else { 0 };
            *cell = (before | 1 << (y % h * w + x % w), owner);
        }
    }

    /// A line from place to place (0 to 1, from the lower left); parts outside are cut off. `walked`
    /// carries the pattern of a broken line on to the next piece.
    pub fn line(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        dash: Dash,
        walked: &mut usize,
        owner: usize,
    ) {
        let Some((from, to)) = clip(from, to) else {
            return;
        };
        let (width, height) = self.size();
        let at = |(x, y): (f64, f64)| (Canvas::dot(x, width), Canvas::dot(1.0 - y, height));
        let ((x0, y0), (x1, y1)) = (at(from), at(to));
        let steps = (x1 - x0).abs().max((y1 - y0).abs());
        for step in 0..=steps {
            let along = |a: i64, b: i64| match steps {
                0 => a,
                _ => a + ((b - a) as f64 * step as f64 / steps as f64).round() as i64,
            };
            let shown = match dash {
                Dash::Solid => true,
                Dash::Dashed => *walked % 8 < 5,
                Dash::Dotted => (*walked).is_multiple_of(3),
                Dash::None => false,
            };
            if shown {
                self.set(along(x0, x1), along(y0, y1), owner);
            }
            // The end of this piece is the beginning of the next.
            *walked += usize::from(step < steps);
        }
    }

    /// The cells that have something in them: column, row, sign, owner.
    pub fn cells(&self) -> impl Iterator<Item = (u16, u16, char, usize)> {
        self.cells
            .iter()
            .enumerate()
            .filter(|(_, (mask, _))| *mask != 0)
            .map(|(i, &(mask, owner))| {
                let (column, row) = (i % self.columns.max(1), i / self.columns.max(1));
                (column as u16, row as u16, self.ink.sign(mask), owner)
            })
    }
}

impl Ink {
    /// The sign for a mask of dots, row by row from the upper left.
    fn sign(self, mask: u8) -> char {
        match self {
            Ink::Braille => {
                // Unicode counts the upper three rows column by column, then the fourth.
                const BITS: [u8; 8] = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80];
                let dots = (0..8)
                    .filter(|i| mask & 1 << i != 0)
                    .fold(0, |sum, i| sum | u32::from(*BITS.get(i).unwrap_or(&0)));
                char::from_u32(0x2800 + dots).unwrap_or(' ')
            }
            Ink::Block => [
                ' ', '▘', '▝', '▀', '▖', '▌', '▞', '▛', '▗', '▚', '▐', '▜', '▄', '▙', '▟', '█',
            ]
            .get(usize::from(mask & 15))
            .copied()
            .unwrap_or(' '),
            Ink::Ascii => [' ', '\'', '-', '"', '.', ':', ':', '|']
                .get(usize::from(mask & 7))
                .copied()
                .unwrap_or(' '),
        }
    }
}

/// The part of a line inside the unit square (Liang and Barsky, 1984).
fn clip(from: (f64, f64), to: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    if ![from.0, from.1, dx, dy].iter().all(|v| v.is_finite()) {
        return None;
    }
    let (mut enter, mut leave) = (0f64, 1f64);
    for (delta, room) in [
        (-dx, from.0),
        (dx, 1.0 - from.0),
        (-dy, from.1),
        (dy, 1.0 - from.1),
    ] {
        if delta == 0.0 {
            // Parallel to this edge. The tolerance keeps a line that lies on it.
            if room < -1e-9 {
                return None;
            }
        } else if delta < 0.0 {
            enter = enter.max(room / delta);
        } else {
            leave = leave.min(room / delta);
        }
    }
    let at = |t: f64| (from.0 + t * dx, from.1 + t * dy);
    (enter <= leave + 1e-9).then(|| (at(enter), at(leave)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(ink: Ink, size: (u16, u16), lines: &[[(f64, f64); 2]], dash: Dash) -> String {
        let mut canvas = Canvas::new(ink, size.0, size.1);
        for [from, to] in lines {
            canvas.line(*from, *to, dash, &mut 0, 0);
        }
        let mut rows = vec![vec![' '; size.0.into()]; size.1.into()];
        for (x, y, sign, _) in canvas.cells() {
            rows[usize::from(y)][usize::from(x)] = sign;
        }
        let rows: Vec<String> = rows.into_iter().map(|r| r.into_iter().collect()).collect();
        rows.join("\n")
    }

    #[test]
    fn lines_in_every_ink() {
        let rising = [[(0.0, 0.0), (1.0, 1.0)]];
        assert_eq!(
            drawn(Ink::Braille, (4, 2), &rising, Dash::Solid),
            "  ⡠⠊\n⡠⠊  "
        );
        assert_eq!(
            drawn(Ink::Block, (4, 4), &rising, Dash::Solid),
            "   ▞\n  ▞ \n ▞  \n▞   "
        );
        assert_eq!(
            drawn(Ink::Ascii, (6, 2), &rising, Dash::Solid),
            "   .-'\n.-'   "
        );
        let level = [[(0.0, 0.5), (1.0, 0.5)]];
        assert_eq!(drawn(Ink::Ascii, (9, 1), &level, Dash::Dashed), "-----   -");
        assert_eq!(drawn(Ink::Ascii, (9, 1), &level, Dash::Dotted), "-  -  -  ");
        assert_eq!(drawn(Ink::Ascii, (3, 1), &level, Dash::None), "   ");
    }

    #[test]
    fn a_cell_belongs_to_the_last_line_through_it() {
        let mut canvas = Canvas::new(Ink::Braille, 1, 1);
        canvas.line((0.0, 0.0), (0.0, 1.0), Dash::Solid, &mut 0, 0);
        canvas.line((0.0, 1.0), (1.0, 1.0), Dash::Solid, &mut 0, 1);
        assert_eq!(canvas.cells().next(), Some((0, 0, '⠉', 1)));
    }

    #[test]
    fn what_lies_outside_is_cut_off_exactly() {
        let across = [[(-1.0, -1.0), (2.0, 2.0)]];
        let inside = [[(0.0, 0.0), (1.0, 1.0)]];
        let picture = |l: &[_]| drawn(Ink::Braille, (9, 5), l, Dash::Solid);
        assert_eq!(picture(&across), picture(&inside));
        for far in [(f64::NAN, 0.0), (f64::INFINITY, 0.0), (-5.0, 0.5)] {
            let beyond = [[far, (-1.0, 0.5)]];
            assert_eq!(picture(&beyond).trim(), "");
        }
        assert_ne!(picture(&[[(1e300, 0.5), (0.5, 0.5)]]).trim(), "");
    }
}
