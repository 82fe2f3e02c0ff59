//! Sparklines: values along a trace, in one row or several.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::theme::Theme;

pub const LEVELS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// What a column shows of the values that share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// The largest: of what is rare, the one place where it happens.
    Peak,
    /// The mean: of what is often high, where it is higher.
    Mean,
}

/// How values are spread over columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    values: usize,
    width: usize,
    /// How many values share one column; 0 is as many as it takes to use the whole width.
    size: usize,
}

impl Columns {
    /// Columns of a trace that still grows: a power of two of values share one, so that columns keep
    /// their place and their height, and once in a doubling pairs of them merge.
    pub fn growing(values: usize, width: usize) -> Columns {
        let size = values.div_ceil(width.max(1)).max(1).next_power_of_two();
        Columns {
            values,
            width,
            size,
        }
    }

    /// Columns of a trace that stands: its values have the whole width.
    pub fn settled(values: usize, width: usize) -> Columns {
        let size = usize::from(values <= width);
        Columns {
            values,
            width,
            size,
        }
    }

    /// The column of a value.
    pub fn of(&self, value: usize) -> usize {
        match self.size {
            0 => value * self.width / self.values.max(1),
            size => value / size,
        }
    }

    /// The first value of a column.
    pub fn first(&self, column: usize) -> usize {
        match self.size {
            0 => (column * self.values).div_ceil(self.width.max(1)),
            size => column * size,
        }
    }

    /// What each column shows; what is no number counts as 0.
    pub fn shares(&self, values: impl Iterator<Item = f32>, share: Share) -> Vec<f32> {
        let mut out: Vec<(f32, usize)> = Vec::with_capacity(self.width);
        for (at, value) in values.take(self.values).enumerate() {
            let value = if value.is_finite() { value } else { 0.0 };
            let column = self.of(at);
            if column >= out.len() {
                out.resize(column + 1, (0.0, 0));
            }
            let (sum, count) = &mut out[column];
            *count += 1;
            match share {
                Share::Peak => *sum = sum.max(value),
                Share::Mean => *sum += value,
            }
        }
        let shown = |(sum, count): (f32, usize)| match share {
            Share::Peak => sum,
            Share::Mean => sum / count.max(1) as f32,
        };
        out.into_iter().map(shown).collect()
    }
}

/// A row of values to draw.
#[derive(Clone, Copy, Debug)]
pub struct Spark {
    pub columns: Columns,
    pub share: Share,
    /// The value that is as high as the area.
    pub full: f32,
    /// The index of the value to mark.
    pub cursor: Option<usize>,
}

impl Spark {
    /// Draws values between 0 and the full one.
    pub fn draw(
        &self,
        values: impl Iterator<Item = f32>,
        theme: &Theme,
        area: Rect,
        buf: &mut Buffer,
    ) {
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return;
        }
        let marked = self.cursor.map(|cursor| self.columns.of(cursor));
        let shown = self.columns.shares(values, self.share);
        for (column, (x, value)) in (area.left()..area.right()).zip(shown).enumerate() {
            let steps = f32::from(area.height) * LEVELS.len() as f32;
            // The lowest step always shows: a value was there.
            let level = (value / self.full * steps).clamp(1.0, steps) as usize;
            let here = marked == Some(column);
            for (below, y) in (area.top()..area.bottom()).rev().enumerate() {
                let part = level.saturating_sub(below * LEVELS.len()).min(LEVELS.len());
                let (symbol, style) = match part.checked_sub(1).and_then(|i| LEVELS.get(i)) {
                    // A thread above the bar, or the bar itself where there is no room above.
                    None if here => ("┊", theme.text),
                    None => (" ", theme.text),
                    Some(bar) if here && area.height == 1 => {
                        (*bar, theme.spark.patch(theme.cursor))
                    }
                    Some(bar) if here => (*bar, theme.text),
                    Some(bar) => (*bar, theme.spark),
                };
                if let Some(cell) = buf.cell_mut((x, y)) {
                    cell.set_symbol(symbol).set_style(style);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_never_averaged_away_and_a_mean_is_no_solid_block() {
        let values = || (0..4000).map(|i| if i == 1234 { 0.9 } else { 0.1 });
        let columns = Columns::growing(4000, 30);
        let peaks = columns.shares(values(), Share::Peak);
        assert_eq!(peaks.len(), 4000usize.div_ceil(256));
        assert_eq!(peaks.iter().filter(|&&v| v == 0.9).count(), 1);
        assert_eq!(peaks[1234 / 256], 0.9);
        let means = columns.shares(values(), Share::Mean);
        assert!(means.iter().all(|mean| *mean < 0.11));
    }

    #[test]
    fn columns_stay_put_while_the_trace_grows() {
        let value = |i: usize| (i * 7 % 13) as f32;
        for n in 65..128 {
            let shares = |n| Columns::growing(n, 32).shares((0..n).map(value), Share::Peak);
            let (now, next) = (shares(n), shares(n + 1));
            let whole = n / 4;
            assert_eq!(now[..whole], next[..whole], "at {n}");
        }
    }

    /// A user would lose: the end of a finished thought, where an empty third looks as if it were
    /// still to come.
    #[test]
    fn a_trace_that_stands_has_the_whole_width() {
        for (values, width) in [(6144, 26), (27, 26), (20_000, 100), (100, 26)] {
            let columns = Columns::settled(values, width);
            let shares = columns.shares((0..values).map(|_| 0.5), Share::Mean);
            assert_eq!(shares.len(), width);
            assert!(shares.iter().all(|share| (share - 0.5).abs() < 1e-4));
            for column in 0..width {
                let first = columns.first(column);
                assert_eq!(columns.of(first), column);
                assert!(first == 0 || columns.of(first - 1) < column);
            }
        }
        let few = Columns::settled(5, 26);
        assert_eq!(few.shares((0..5).map(|_| 1.0), Share::Mean).len(), 5);
    }

    #[test]
    fn no_values_no_width_and_no_numbers_are_fine() {
        let none = Columns::growing(0, 10);
        assert!(none.shares(std::iter::empty(), Share::Peak).is_empty());
        let columns = Columns::growing(2, 0);
        let shares = columns.shares([f32::NAN, f32::INFINITY].into_iter(), Share::Peak);
        assert_eq!(shares, [0.0]);
        assert!(
            Columns::settled(0, 0)
                .shares(std::iter::empty(), Share::Mean)
                .is_empty()
        );
    }
}
