//! How durations, sizes and times are written for people: one way each, on every screen and in
//! every message.
//!
//! Not here: what is written for programs (JSON has plain numbers).

/// A duration: `47 s`, `3:05 min`, `2:10 h`; at most nine columns below 1,000 hours. What is not a
/// number counts as 0.
pub fn duration(seconds: f64) -> String {
    // A cast from a float saturates and turns NaN into 0.
    match seconds.round() as u64 {
        s @ 0..100 => format!("{s} s"),
        s @ 100..6000 => format!("{}:{:02} min", s / 60, s % 60),
        s => format!("{}:{:02} h", s / 3600, s / 60 % 60),
    }
}

/// How long ago something was, given in seconds: `just now`, `5 min ago`, `3 days ago`.
pub fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => "just now".into(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        86_400..172_800 => "1 day ago".into(),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// A size in decimal units, as the hub and file managers count: `4 kB`, `98 MB`, `1.8 GB`.
pub fn size(bytes: u64) -> String {
    let value = bytes as f64;
    match bytes {
        0..1_000_000 => format!("{:.0} kB", (value / 1e3).ceil()),
        1_000_000..1_000_000_000 => format!("{:.0} MB", value / 1e6),
        _ => format!("{:.1} GB", value / 1e9),
    }
}

/// A whole number in groups of three: `2,140`.
pub fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A point in time, given in seconds since 1970, as it goes into names of files:
/// `20250131-235959` (UTC).
pub fn timestamp(seconds: u64) -> String {
    let [year, month, day, h, m, s] = civil(seconds);
    format!("{year:04}{month:02}{day:02}-{h:02}{m:02}{s:02}")
}

/// A point in time, given in seconds since 1970, as people read it: `2025-01-31 23:59` (UTC).
pub fn date(seconds: u64) -> String {
    let [year, month, day, h, m, _] = civil(seconds);
    format!("{year:04}-{month:02}-{day:02} {h:02}:{m:02}")
}

/// Year, month, day, hour, minute and second of a point in time (UTC).
fn civil(seconds: u64) -> [u64; 6] {
    // After Howard Hinnant's `civil_from_days`.
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    [year, month, day, rest / 3600, rest / 60 % 60, rest % 60]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_at_a_glance_and_never_grow() {
        let shown = [3.4, 99.4, 185.0, 7800.0, f64::NAN, -1.0].map(duration);
        assert_eq!(shown, ["3 s", "99 s", "3:05 min", "2:10 h", "0 s", "0 s"]);
        let shown = [59, 60, 7200, 90_000, 200_000].map(ago);
        let expected = [
            "just now",
            "1 min ago",
            "2 h ago",
            "1 day ago",
            "2 days ago",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn sizes_read_as_on_the_hub() {
        let shown = [0, 999, 98_000_000, 1_834_426_016].map(size);
        assert_eq!(shown, ["0 kB", "1 kB", "98 MB", "1.8 GB"]);
    }

    #[test]
    fn timestamps_know_leap_years() {
        assert_eq!(timestamp(0), "19700101-000000");
        assert_eq!(timestamp(951_782_399), "20000228-235959");
        assert_eq!(timestamp(1_709_208_000), "20240229-120000");
    }
}
