//! Numbers as people write them: thousands in groups, repeating decimals, powers of ten.

use super::{Lexeme, Lexer, Number};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::pow;

/// The largest power of ten a literal such as `1e300` may carry.
const MAX_EXPONENT: u32 = 1000;

/// Marks over the digits that repeat.
const REPEATS: [&str; 3] = ["\\overline", "\\bar", "\\dot"];

impl Lexer {
    /// Whether a decimal point here has decimals behind it.
    pub(super) fn begins_decimals(&self) -> bool {
        let repeats = |mark: &&str| self.looking_at(&format!(".{mark}"));
        self.peek(0) == Some('.')
            && (self.peek(1).is_some_and(|c| c.is_ascii_digit()) || REPEATS.iter().any(repeats))
    }

    pub(super) fn number(&mut self) -> Option<()> {
        let mut whole = self.digits();
        let mut fraction = String::new();
        let mut point = false;
        if (1..=3).contains(&whole.len()) && !whole.starts_with('0') {
            if let Some((groups, decimals)) = self.foreign_groups(&whole) {
                whole = groups;
                point = !decimals.is_empty();
                fraction = decimals;
            } else {
                while let Some(length) = self.thousands_separator() {
                    self.at += length;
                    whole.push_str(&self.digits());
                }
            }
        }
        if !point && self.begins_decimals() {
            point = true;
            self.at += 1;
            fraction = self.digits();
            if let Some(period) = self.period(&fraction) {
                let value = repeating(&whole, &fraction, &period)?;
                self.push(Lexeme::Number(Number::of(value)));
                return Some(());
            }
        }
        let exponent = self.exponent()?;
        let digits = format!("{whole}{fraction}");
        let mut value = BigRational::from_integer(BigInt::parse_bytes(digits.as_bytes(), 10)?);
        value /= pow(BigInt::from(10), fraction.len());
        if let Some((negative, size)) = exponent {
            let scale = pow(BigInt::from(10), size);
            if negative {
                value /= scale;
            } else {
                value *= scale;
            }
        }
        let plain = !point && exponent.is_none();
        self.push(Lexeme::Number(Number {
            value,
            digits: if plain { whole } else { String::new() },
            decimals: exponent.map_or(fraction.len(), |_| 0),
        }));
        Some(())
    }

    /// The length of a thousands separator here, if three digits and no fourth follow it.
    fn thousands_separator(&mut self) -> Option<usize> {
        let rest = self.chars.get(self.at..)?;
        let written = [
            &['{', ',', '}'][..],
            &['{', ',', ' ', '}'],
            &[' ', '{', ',', ' ', '}'],
            &[',', '\\', '!'],
            &['\\', ','],
            &['\\', ';'],
            &['\\', ' '],
            &['\''],
            &['_'],
        ]
        .into_iter()
        .find(|s| rest.starts_with(s));
        let mut length = written.map_or(1, <[char]>::len);
        let bare_comma = written.is_none() && rest.first() == Some(&',');
        if let Some(written) = written {
            if written.contains(&'!') && rest.get(length) == Some(&' ') {
                length += 1;
            }
        } else if bare_comma {
            if self.brackets > 0 {
                return None;
            }
        } else if !matches!(rest.first(), Some(' ' | '\u{a0}' | '\u{2009}' | '\u{202f}')) {
            return None;
        }
        if digits_of(rest.get(length..)?) != 3 {
            return None;
        }
        if bare_comma {
            self.out.ambiguous_comma = true;
            return self.group.then_some(length);
        }
        Some(length)
    }

    /// Groups as other countries write them, behind a first group of one to three digits: `1.234.567`,
    /// `1.234,5` and `12,34,567`. Gives the digits before and behind the decimal point, and steps
    /// over them. A single group after a point is a decimal: `1.234`.
    fn foreign_groups(&mut self, first: &str) -> Option<(String, String)> {
        let rest = self.chars.get(self.at..)?;
        let group = |at: usize, sign: char, size: usize| {
            rest.get(at) == Some(&sign) && digits_of(rest.get(at + 1..).unwrap_or_default()) == size
        };
        let (mut at, mut groups) = (0, 0);
        while group(at, '.', 3) {
            at += 4;
            groups += 1;
        }
        let behind = digits_of(rest.get(at + 1..).unwrap_or_default());
        let comma = groups > 0 && rest.get(at) == Some(&',') && (1..=2).contains(&behind);
        if groups > 1 || comma {
            let end = if comma { at + 1 + behind } else { at };
            let whole: String = rest.iter().take(at).filter(|c| **c != '.').collect();
            let decimals: String = if comma {
                rest.iter().take(end).skip(at + 1).collect()
            } else {
                String::new()
            };
            self.at += end;
            return Some((format!("{first}{whole}"), decimals));
        }
        let (mut at, mut groups) = (0, 0);
        while group(at, ',', 2) {
            at += 3;
            groups += 1;
        }
        if groups == 0 || first.len() > 2 || !group(at, ',', 3) || self.brackets > 0 {
            return None;
        }
        let whole: String = rest.iter().take(at + 4).filter(|c| **c != ',').collect();
        self.out.ambiguous_comma = true;
        if !self.group {
            return None;
        }
        self.at += at + 4;
        Some((format!("{first}{whole}"), String::new()))
    }

    /// The digits that repeat for ever behind `fraction`, if a mark says so: `0.1\overline{6}`,
    /// `0.\dot{3}`, or dots behind digits that have begun to repeat: `0.333…`.
    fn period(&mut self, fraction: &str) -> Option<String> {
        for mark in REPEATS {
            if !self.looking_at(mark) {
                continue;
            }
            self.at += mark.len();
            let argument = self.braced();
            let period = if argument.is_empty() {
                self.digits().chars().take(1).collect()
            } else {
                argument
            };
            let fits = !period.is_empty() && period.chars().all(|c| c.is_ascii_digit());
            return fits.then_some(period);
        }
        let dots = ["...", "…", "\\ldots", "\\dots", "\\cdots"];
        let mark = dots.into_iter().find(|mark| self.looking_at(mark))?;
        let digits: Vec<char> = fraction.chars().collect();
        let length = (1..=digits.len() / 2).find(|length| {
            let shown = if *length == 1 { 2 } else { 2 * length };
            let tail = digits.len().saturating_sub(shown);
            digits[tail..]
                .iter()
                .zip(digits.get(tail + length..).unwrap_or_default())
                .all(|(a, b)| a == b)
        })?;
        self.step_over(mark);
        Some(digits[digits.len() - length..].iter().collect())
    }

    /// `e-5` directly after a number: (negative, size). `None` when the size is beyond reason.
    fn exponent(&mut self) -> Option<Option<(bool, usize)>> {
        if !matches!(self.peek(0), Some('e' | 'E')) {
            return Some(None);
        }
        let signed = matches!(self.peek(1), Some('+' | '-'));
        let first = self.peek(1 + usize::from(signed));
        if !first.is_some_and(|c| c.is_ascii_digit()) {
            return Some(None);
        }
        let negative = self.peek(1) == Some('-');
        self.at += 1 + usize::from(signed);
        let size: u32 = self.digits().parse().ok()?;
        (size <= MAX_EXPONENT).then_some(Some((negative, size as usize)))
    }
}

/// How many digits `rest` begins with.
fn digits_of(rest: &[char]) -> usize {
    rest.iter().take_while(|c| c.is_ascii_digit()).count()
}

/// The value of `whole.fraction` followed by `period` for ever.
fn repeating(whole: &str, fraction: &str, period: &str) -> Option<BigRational> {
    let parse = |digits: String| match digits.as_str() {
        "" => Some(BigInt::from(0)),
        digits => BigInt::parse_bytes(digits.as_bytes(), 10),
    };
    let head = format!("{whole}{fraction}");
    let top = parse(format!("{head}{period}"))? - parse(head)?;
    let ten = BigInt::from(10);
    let bottom = pow(ten.clone(), fraction.len()) * (pow(ten, period.len()) - 1);
    Some(BigRational::new(top, bottom))
}
