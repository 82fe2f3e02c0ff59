//! Where words go: how wide they are, and next to which places they fit.

/// Advance widths of the printable ASCII characters of Inter Regular, in thousandths of the size.
const REGULAR: [u16; 95] = [
    281, 278, 403, 631, 638, 812, 639, 222, 362, 362, 500, 659, 280, 460, 276, 357, 625, 464, 605,
    636, 642, 608, 624, 571, 616, 624, 276, 280, 659, 659, 659, 507, 936, 676, 651, 727, 719, 598,
    587, 743, 740, 264, 543, 652, 562, 889, 753, 761, 635, 761, 639, 638, 642, 741, 676, 949, 642,
    665, 625, 362, 357, 362, 469, 452, 497, 564, 621, 558, 621, 582, 361, 609, 591, 237, 237, 544,
    237, 869, 585, 597, 609, 609, 372, 523, 364, 581, 557, 812, 540, 557, 541, 362, 327, 362, 659,
];

/// Width of a text at a font size. What the table does not know counts by its cells in a terminal.
pub fn text_width(text: &str, size: f64, strong: bool) -> f64 {
    let thousandths: f64 = text
        .chars()
        .map(|c| {
            let known = (c as usize).checked_sub(32).and_then(|i| REGULAR.get(i));
            let cells = || unicode_width::UnicodeWidthChar::width(c).unwrap_or(0) as f64 * 620.0;
            known.map_or_else(cells, |w| f64::from(*w))
        })
        .sum();
    thousandths / 1000.0 * size * if strong { 1.04 } else { 1.0 }
}

/// A rectangle.
#[derive(Clone, Copy, Debug)]
pub struct Box2 {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Box2 {
    /// A square around a point.
    pub fn around(x: f64, y: f64, reach: f64) -> Box2 {
        Box2 {
            left: x - reach,
            top: y - reach,
            right: x + reach,
            bottom: y + reach,
        }
    }

    fn meets(&self, other: &Box2) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn holds(&self, (x, y): (f64, f64)) -> bool {
        (self.left..self.right).contains(&x) && (self.top..self.bottom).contains(&y)
    }
}

/// Places that are taken.
pub struct Labels {
    area: Box2,
    taken: Vec<Box2>,
    /// Points along the lines; words over them can be read, but elsewhere they are better.
    crossed: Vec<(f64, f64)>,
}

impl Labels {
    /// An area without anything in it.
    pub fn new(left: f64, top: f64, right: f64, bottom: f64) -> Labels {
        Labels {
            area: Box2 {
                left,
                top: top - 10.0,
                right,
                bottom,
            },
            taken: Vec::new(),
            crossed: Vec::new(),
        }
    }

    /// No words here.
    pub fn block(&mut self, place: Box2) {
        self.taken.push(place);
    }

    /// A line runs here.
    pub fn cross(&mut self, from: (f64, f64), to: (f64, f64)) {
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        // Enough to find words on a line, and bounded for a line of any length.
        let steps = (length / 4.0).clamp(1.0, 300.0) as usize;
        if self.crossed.len() < 20_000 {
            self.crossed.extend((0..=steps).map(|i| {
                let t = i as f64 / steps as f64;
                (from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1))
            }));
        }
    }

    /// Finds room for words next to a point and takes it; returns where their baseline begins.
    pub fn place(&mut self, x: f64, y: f64, width: f64, size: f64) -> Option<(f64, f64)> {
        let half = width / 2.0;
        let candidates = [
            (x + 10.0, y - 8.0),
            (x - 10.0 - width, y - 8.0),
            (x - half, y - 11.0),
            (x - half, y + 11.0 + size * 0.8),
            (x + 10.0, y + 8.0 + size * 0.7),
            (x - 10.0 - width, y + 8.0 + size * 0.7),
            (x + 11.0, y + size * 0.35),
            (x - 11.0 - width, y + size * 0.35),
        ];
        let room = |(x, y): (f64, f64)| Box2 {
            left: x - 2.0,
            top: y - size * 0.85,
            right: x + width + 2.0,
            bottom: y + size * 0.25,
        };
        let inside = |place: &Box2| {
            place.left >= self.area.left
                && place.right <= self.area.right
                && place.top >= self.area.top
                && place.bottom <= self.area.bottom
        };
        let best = candidates
            .into_iter()
            .map(|at| (at, room(at)))
            .filter(|(_, place)| inside(place) && !self.taken.iter().any(|t| t.meets(place)))
            .min_by_key(|(_, place)| self.crossed.iter().filter(|p| place.holds(**p)).count())?;
        self.taken.push(best.1);
        Some(best.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_never_stand_on_words_or_signs() {
        let mut labels = Labels::new(0.0, 0.0, 300.0, 200.0);
        labels.block(Box2::around(150.0, 100.0, 6.0));
        let placed: Vec<_> = (0..20)
            .filter_map(|_| labels.place(150.0, 100.0, 60.0, 12.0))
            .collect();
        assert!((3..=8).contains(&placed.len()), "{}", placed.len());
        for (i, a) in labels.taken.iter().enumerate() {
            assert!(labels.taken[i + 1..].iter().all(|b| !a.meets(b)));
        }
    }

    #[test]
    fn words_keep_clear_of_lines_where_they_can() {
        let mut labels = Labels::new(0.0, 0.0, 300.0, 200.0);
        labels.cross((0.0, 90.0), (300.0, 90.0));
        let (_, y) = labels.place(150.0, 100.0, 60.0, 12.0).unwrap();
        assert!(y > 100.0);
    }

    #[test]
    fn widths_are_those_of_the_font() {
        assert!((text_width("100%", 12.0, false) - 12.0 * 2.526).abs() < 1e-9);
        assert_eq!(text_width("", 12.0, true), 0.0);
    }
}
