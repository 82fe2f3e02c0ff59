//! Sparklines: one row of values along a trace.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::theme::Theme;

const LEVELS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// How many values share one column. A power of two: while a trace grows, columns keep their
/// place and their height, and once in a doubling pairs of them merge.
pub fn bucket(values: usize, width: usize) -> usize {
    values.div_ceil(width.max(1)).max(1).next_power_of_two()
}

/// The largest value of each bucket; what is no number counts as 0.
pub fn buckets(mut values: impl ExactSizeIterator<Item = f32>, width: usize) -> Vec<f32> {
    let size = bucket(values.len(), width);
    let finite = |value: f32| if value.is_finite() { value } else { 0.0 };
    let mut out = Vec::with_capacity(width);
    while let Some(first) = values.next() {
        let rest = values.by_ref().take(size - 1);
        out.push(rest.map(finite).fold(finite(first), f32::max));
    }
    out
}

/// Draws values between 0 and `full`, as high as the area; `cursor` is the index of the value to
/// mark.
pub fn draw(
    values: impl ExactSizeIterator<Item = f32>,
    full: f32,
    cursor: Option<usize>,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let area = area.intersection(buf.area);
    if area.is_empty() {
        return;
    }
    let marked = cursor.map(|c| c / bucket(values.len(), usize::from(area.width)));
    let columns = buckets(values, usize::from(area.width));
    for (column, (x, value)) in (area.left()..area.right()).zip(columns).enumerate() {
        let steps = f32::from(area.height) * LEVELS.len() as f32;
        // The lowest step always shows: a value was there.
        let level = (value / full * steps).clamp(1.0, steps) as usize;
        let here = marked == Some(column);
        for (below, y) in (area.top()..area.bottom()).rev().enumerate() {
            let part = level.saturating_sub(below * LEVELS.len()).min(LEVELS.len());
            let (symbol, style) = match part.checked_sub(1).and_then(|i| LEVELS.get(i)) {
                // A thread above the bar, or the bar itself where there is no room above.
                None if here => ("┊", theme.text),
                None => (" ", theme.text),
                Some(bar) if here && area.height == 1 => (*bar, theme.spark.patch(theme.cursor)),
                Some(bar) if here => (*bar, theme.text),
                Some(bar) => (*bar, theme.spark),
            };
            if let Some(cell) = buf.cell_mut((x, y)) {
                cell.set_symbol(symbol).set_style(style);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_never_averaged_away() {
        let values = (0..4000).map(|i| if i == 1234 { 0.9 } else { 0.1 });
        let columns = buckets(values, 30);
        assert_eq!(columns.len(), 4000usize.div_ceil(256));
        assert_eq!(columns.iter().filter(|&&v| v == 0.9).count(), 1);
        assert_eq!(columns[1234 / 256], 0.9);
    }

    #[test]
    fn columns_stay_put_while_the_trace_grows() {
        let value = |i: usize| (i * 7 % 13) as f32;
        for n in 65..128 {
            let now = buckets((0..n).map(value), 32);
            let next = buckets((0..n + 1).map(value), 32);
            let whole = n / 4;
            assert_eq!(now[..whole], next[..whole], "at {n}");
        }
    }

    #[test]
    fn no_values_no_width_and_no_numbers_are_fine() {
        assert!(buckets(std::iter::empty(), 10).is_empty());
        assert_eq!(buckets([f32::NAN, f32::INFINITY].into_iter(), 0), [0.0]);
    }
}
