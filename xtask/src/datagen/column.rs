//! Adding two numbers, place by place (`624+494=1000+110+8=1118`) or at once (`624+494=1118`).
//!
//! Place by place a small model hardly ever errs, and a person can follow it; at once, with the
//! carries hidden, it is quick and errs now and then.

use super::injected_error::InjectedError;
use std::fmt::Write;

/// Writes the line place by place, and returns the result that it says.
pub fn add(text: &mut String, left: i64, right: i64, error: &mut InjectedError) -> i64 {
    let places = [10_000, 1000, 100, 10, 1];
    let parts: Vec<String> = places
        .into_iter()
        .filter(|&place| place <= left.max(right).max(1))
        .map(|place| ((left / place % 10 + right / place % 10) * place).to_string())
        .collect();
    let result = error.write(left + right);
    let _ = writeln!(text, "{left}+{right}={}={result}", parts.join("+"));
    result
}

/// Writes the line at once, and returns the result that it says.
pub fn add_at_once(text: &mut String, left: i64, right: i64, error: &mut InjectedError) -> i64 {
    let result = error.write(left + right);
    let _ = writeln!(text, "{left}+{right}={result}");
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_its_own_sum() {
        let mut text = String::new();
        assert_eq!(
            add(&mut text, 30330, 1011, &mut InjectedError::none()),
            31341
        );
        assert_eq!(add(&mut text, 5, 7, &mut InjectedError::none()), 12);
        assert_eq!(text, "30330+1011=30000+1000+300+40+1=31341\n5+7=12=12\n");
    }

    #[test]
    fn at_once_nothing_but_the_result_is_written() {
        let mut text = String::new();
        assert_eq!(
            add_at_once(&mut text, 30330, 1011, &mut InjectedError::none()),
            31341
        );
        assert_eq!(text, "30330+1011=31341\n");
    }
}
