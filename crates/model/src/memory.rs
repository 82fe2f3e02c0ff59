//! How much memory there is, so that what cannot fit is refused in one sentence instead of ending
//! in an allocation failure or in endless paging.

use anyhow::{Result, bail};
use s1_core::format;

/// Refuses if `needed` bytes exceed what the system says is available. Where it does not say
/// (no `/proc/meminfo`), nothing is refused.
pub fn require(needed: u64, what: &str, advice: &str) -> Result<()> {
    require_within(needed, available(), what, advice)
}

fn require_within(needed: u64, available: Option<u64>, what: &str, advice: &str) -> Result<()> {
    match available {
        Some(available) if needed > available => bail!(
            "{what} needs {} of memory and {} are available: {advice}",
            format::size(needed),
            format::size(available)
        ),
        _ => Ok(()),
    }
}

/// Bytes that new allocations can use without swapping.
pub fn available() -> Option<u64> {
    parse_kib(
        &std::fs::read_to_string("/proc/meminfo").ok()?,
        "MemAvailable:",
    )
}

/// The most memory, in bytes, that this process has held at once.
pub fn peak() -> Option<u64> {
    parse_kib(
        &std::fs::read_to_string("/proc/self/status").ok()?,
        "VmHWM:",
    )
}

/// The number of bytes on the line of a `/proc` file that begins with a key.
fn parse_kib(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(key))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_in_one_sentence() {
        let error = require_within(3 << 30, Some(2 << 30), "the model", "use a smaller one");
        assert_eq!(
            error.unwrap_err().to_string(),
            "the model needs 3.2 GB of memory and 2.1 GB are available: use a smaller one"
        );
        assert!(require_within(2 << 30, Some(2 << 30), "", "").is_ok());
        assert!(
            require_within(u64::MAX, None, "", "").is_ok(),
            "unknown memory refuses nothing"
        );
    }

    #[test]
    fn meminfo_is_read() {
        let text = "MemTotal:       24689764 kB\nMemFree: 1 kB\nMemAvailable:   22000000 kB\n";
        let available = |text| parse_kib(text, "MemAvailable:");
        assert_eq!(available(text), Some(22_000_000 * 1024));
        assert_eq!(available("MemAvailable: many kB"), None);
    }
}
