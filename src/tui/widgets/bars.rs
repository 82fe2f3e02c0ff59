//! Horizontal bars and gauges, as text.

pub use s1_core::format::grouped;

/// A bar of `width` columns for a fraction between 0 and 1, in eighths of a column.
pub fn bar(fraction: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (fraction.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let mut out = "█".repeat((eighths / 8).min(width));
    // Something small is still something.
    let rest = if eighths == 0 && fraction > 0.0 {
        1
    } else {
        eighths % 8
    };
    if eighths / 8 < width {
        out.push_str(EIGHTHS.get(rest).copied().unwrap_or(""));
    }
    out
}

/// The filled and the empty part of a gauge of `width` columns.
pub fn gauge(done: usize, total: usize, width: usize) -> (String, String) {
    let filled = match total {
        0 => 0,
        _ => (done.min(total) as f64 / total as f64 * width as f64).floor() as usize,
    };
    let filled = if done > 0 && width > 0 {
        filled.max(1)
    } else {
        filled
    };
    ("█".repeat(filled), "░".repeat(width.saturating_sub(filled)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_the_length_of_their_fraction() {
        assert_eq!(bar(0.0, 8), "");
        assert_eq!(bar(0.001, 8), "▏", "a small probability still shows");
        assert_eq!(bar(0.5, 3), "█▌");
        assert_eq!(bar(1.0, 4), "████");
        assert_eq!(bar(7.0, 2), "██");
        assert_eq!(bar(f64::NAN, 2), "");
        assert_eq!(gauge(61, 256, 16), ("███".into(), "░".repeat(13)));
        assert_eq!(gauge(1, 5000, 4).0, "█");
        assert_eq!(gauge(9, 0, 3), ("█".into(), "░░".into()));
        assert_eq!(gauge(256, 256, 4), ("████".into(), String::new()));
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(2140), "2,140");
        assert_eq!(grouped(1234567), "1,234,567");
    }
}
