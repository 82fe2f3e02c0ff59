//! From values to places on an axis, and the ticks between.
//!
//! A place is 0 at the beginning of the axis and 1 at its end.

use super::{Axis, Scale, Unit};

/// Where the axis proper begins when zero has a separate place before a logarithmic one.
const ZERO_ROOM: f64 = 0.08;

/// What a logarithmic axis can cover; what is smaller counts as zero.
const LOG_LIMITS: (f64, f64) = (1e-300, 1e300);

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    scale: Scale,
    unit: Unit,
    /// The smallest value (on a logarithmic axis the smallest above zero).
    pub low: f64,
    /// The largest value.
    pub high: f64,
    /// A logarithmic axis that has a place for zero.
    zero: bool,
}

impl Range {
    /// A range with everything in it. Ends that the axis leaves open are chosen so that they rarely
    /// move while data comes in: at whole ticks, and at zero where zero is not far.
    pub fn fit(axis: &Axis, values: impl Iterator<Item = f64>) -> Range {
        let (mut min, mut max, mut positive) = (f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY);
        for value in values.filter(|v| v.is_finite()) {
            min = min.min(value);
            max = max.max(value);
            if value >= LOG_LIMITS.0 {
                positive = positive.min(value);
            }
        }
        let mut range = Range {
            scale: axis.scale,
            unit: axis.unit,
            low: 0.0,
            high: 1.0,
            zero: false,
        };
        match axis.scale {
            Scale::Linear => {
                if min > max {
                    (min, max) = (0.0, 1.0);
                }
                // Zero belongs to the axis unless it is far below everything.
                let low = if min >= 0.0 && (min <= 0.5 * max || axis.unit == Unit::Percent) {
                    0.0
                } else {
                    min
                };
                let step = nice_step((max - low).max(max.abs() * 1e-9) / 5.0);
                range.low = axis.from.unwrap_or((low / step).floor() * step);
                range.high = axis.to.unwrap_or((max / step - 1e-9).ceil() * step);
                if axis.unit == Unit::Percent && axis.to.is_none() {
                    range.high = range.high.min(1.0);
                }
            }
            Scale::Log => {
                let low = axis.from.filter(|v| *v > 0.0).unwrap_or(positive);
                let high = axis.to.filter(|v| *v > 0.0).unwrap_or(max);
                range.zero = min < LOG_LIMITS.0 || axis.from.is_some_and(|v| v <= 0.0);
                (range.low, range.high) = if low.is_finite() && high > low {
                    let pad = (high / low).powf(0.02);
                    (low / pad, high * pad)
                } else if low.is_finite() && low > 0.0 {
                    (low / 2.0, low * 2.0)
                } else {
                    (1.0, 10.0)
                };
                range.low = range.low.clamp(LOG_LIMITS.0, LOG_LIMITS.1 / 2.0);
                range.high = range.high.min(LOG_LIMITS.1);
            }
        }
        range.widened()
    }

    /// No axis of length zero.
    fn widened(mut self) -> Range {
        if !(self.high > self.low && (self.high - self.low).is_finite()) {
            self.high = match self.scale {
                Scale::Linear => self.low + self.low.abs().max(1.0),
                Scale::Log => self.low * 2.0,
            };
        }
        self
    }

    /// The part between two values; as it is where that would be nothing.
    pub fn zoom(self, (low, high): (f64, f64)) -> Range {
        let mut part = self;
        if self.scale == Scale::Log {
            part.zero = self.zero && low <= 0.0;
            part.low = if low >= LOG_LIMITS.0 { low } else { self.low };
        } else {
            part.low = low;
        }
        part.high = high;
        let size = part.high - part.low;
        if size.is_finite() && size > part.high.abs() * 1e-9 {
            part
        } else {
            self
        }
    }

    /// The position of a value; NaN for what has none (zero on a logarithmic axis
    /// without a place for it).
    pub fn place(self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log if value > 0.0 => {
                let t = (value / self.low).ln() / (self.high / self.low).ln();
                if self.zero {
                    ZERO_ROOM + (1.0 - ZERO_ROOM) * t
                } else {
                    t
                }
            }
            Scale::Log if self.zero => 0.0,
            Scale::Log => f64::NAN,
        }
    }

    /// The value at a place: the inverse of [`Range::place`].
    pub fn value(self, place: f64) -> f64 {
        match self.scale {
            Scale::Linear => self.low + place * (self.high - self.low),
            Scale::Log if self.zero && place < ZERO_ROOM / 2.0 => 0.0,
            Scale::Log => {
                let t = if self.zero {
                    (place - ZERO_ROOM) / (1.0 - ZERO_ROOM)
                } else {
                    place
                };
                self.low * (self.high / self.low).powf(t)
            }
        }
    }

    /// Whether zero has a separate place before the axis proper.
    pub fn has_zero_apart(self) -> bool {
        self.zero
    }

    /// At most about `most` round values, ascending, with their labels.
    pub fn ticks(self, most: usize) -> Vec<(f64, String)> {
        let most = most.max(1);
        let inside = |v: f64| (-1e-9..=1.0 + 1e-9).contains(&self.place(v));
        let mut ticks = Vec::new();
        if self.zero {
            ticks.push((0.0, self.unit.tick(0.0, 1.0)));
        }
        if self.scale == Scale::Log {
            let values = log_values(self.low, self.high, most.saturating_sub(ticks.len()));
            if values.len() >= 2 {
                ticks.extend(values.into_iter().map(|v| (v, self.unit.tick(v, v))));
                return ticks;
            }
        }
        let step = nice_step((self.high - self.low) / most as f64);
        let round = multiples(step, self.low, self.high).filter(|v| inside(*v));
        ticks.extend(round.map(|v| (v, self.unit.tick(v, step))));
        ticks
    }

    /// As many ticks as fit next to each other: `room` is the length of the axis, `size` says how
    /// much of it a label takes (its share of the gap to the next included).
    pub fn ticks_that_fit(self, room: f64, size: impl Fn(&str) -> f64) -> Vec<(f64, String)> {
        for most in (1..=12).rev() {
            let ticks = self.ticks(most);
            let mut end = f64::NEG_INFINITY;
            let apart = ticks.iter().all(|(value, label)| {
                let (middle, half) = (self.place(*value) * room, size(label) / 2.0);
                let free = middle - half >= end;
                end = middle + half;
                free
            });
            if apart && ticks.len() <= most + 1 {
                return ticks;
            }
        }
        Vec::new()
    }
}

/// The smallest of 1, 2, 5 × 10ⁿ that is not below `rough`.
fn nice_step(rough: f64) -> f64 {
    if !(rough.is_finite() && rough > 0.0) {
        return 1.0;
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|m| m * power >= rough * (1.0 - 1e-9))
        .unwrap_or(10.0)
        * power;
    if step.is_finite() && step > 0.0 {
        step
    } else {
        1.0
    }
}

fn multiples(step: f64, low: f64, high: f64) -> impl Iterator<Item = f64> {
    let first = (low / step - 1e-6).ceil();
    // No axis has more ticks than this.
    let count = ((high / step + 1e-6).floor() - first).clamp(-1.0, 100.0) as i64;
    (0..=count).map(move |i| {
        let value = (first + i as f64) * step;
        if value.abs() < step * 1e-6 {
            0.0
        } else {
            value
        }
    })
}

/// Round values on a logarithmic axis: as dense as `most` allows, of 1-2-5, 1-3, powers of ten, and
/// every second, third, … of them.
fn log_values(low: f64, high: f64, most: usize) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let within = |v: &f64| *v >= low * (1.0 - 1e-9) && *v <= high * (1.0 + 1e-9);
    let all = |mantissas: &[f64], every: i32| -> Vec<f64> {
        (first..=last)
            .filter(|p| p.rem_euclid(every) == 0)
            .flat_map(|p| mantissas.iter().map(move |m| m * 10f64.powi(p)))
            .filter(within)
            .collect()
    };
    [&[1.0, 2.0, 5.0][..], &[1.0, 3.0], &[1.0]]
        .into_iter()
        .map(|m| all(m, 1))
        .chain((2..100).map(|every| all(&[1.0], every)))
        .find(|values| values.len() <= most)
        .unwrap_or_default()
}

impl Unit {
    /// A label at a tick, as exact as the step asks for: `40%`, `16k`, `0.25`.
    pub fn tick(self, value: f64, step: f64) -> String {
        let decimals = |step: f64| (-step.abs().log10().floor()).clamp(0.0, 9.0) as usize;
        match self {
            Unit::Percent => format!("{:.*}%", decimals(step * 100.0 + 1e-9), value * 100.0),
            // One kind of label along the axis: 0, 2k, 10k.
            Unit::Number if value != 0.0 && value.abs().max(step * 10.0) >= 1e4 => {
                let (size, suffix) = match value.abs().max(step) {
                    v if v >= 1e15 => return format!("{value:.0e}"),
                    v if v >= 1e9 => (1e9, "G"),
                    v if v >= 1e6 => (1e6, "M"),
                    _ => (1e3, "k"),
                };
                let text = format!("{:.*}", decimals(step / size * (1.0 + 1e-9)), value / size);
                format!("{text}{suffix}")
            }
            Unit::Number => format!("{:.*}", decimals(step * (1.0 + 1e-9)), value),
        }
    }

    /// A value as exact as a reader wants it: `79.0 %`, `64`, `0.2119`.
    pub fn exact(self, value: f64) -> String {
        match self {
            _ if !value.is_finite() => "–".into(),
            Unit::Percent => format!("{:.1}%", value * 100.0),
            Unit::Number if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.0}"),
            Unit::Number => match value.abs() {
                v if v >= 10.0 => format!("{value:.1}"),
                v if v >= 1e-3 => format!("{value:.*}", (3.0 - v.log10().floor()) as usize),
                _ => format!("{value:.2e}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(scale: Scale, unit: Unit) -> Axis {
        Axis {
            scale,
            unit,
            ..Axis::default()
        }
    }

    fn labels(range: Range, most: usize) -> Vec<String> {
        range.ticks(most).into_iter().map(|(_, l)| l).collect()
    }

    #[test]
    fn ticks_are_round_numbers_and_ends_are_ticks() {
        let fit =
            |unit, values: &[f64]| Range::fit(&axis(Scale::Linear, unit), values.iter().copied());
        let range = fit(Unit::Number, &[0.0, 131.0]);
        assert_eq!((range.low, range.high), (0.0, 150.0));
        assert_eq!(labels(range, 3), ["0", "50", "100", "150"]);
        assert_eq!(
            labels(fit(Unit::Percent, &[0.02, 0.79]), 5),
            ["0%", "20%", "40%", "60%", "80%"]
        );
        assert_eq!(
            labels(fit(Unit::Percent, &[0.02, 0.84]), 2),
            ["0%", "50%", "100%"]
        );
        assert_eq!(
            labels(fit(Unit::Percent, &[0.0, 0.012]), 4),
            ["0.0%", "0.5%", "1.0%", "1.5%"]
        );
        assert_eq!(
            labels(fit(Unit::Number, &[0.0, 16_000.0]), 4),
            ["0", "5k", "10k", "15k", "20k"]
        );
        assert_eq!(labels(fit(Unit::Number, &[0.21, 2.1]), 3), ["0", "1", "2"]);
    }

    #[test]
    fn a_logarithmic_axis_has_a_place_for_zero_tokens() {
        let range = Range::fit(
            &axis(Scale::Log, Unit::Number),
            [0.0, 16.0, 1024.0].into_iter(),
        );
        assert!(range.has_zero_apart());
        assert_eq!(range.place(0.0), 0.0);
        assert!(range.place(16.0) > ZERO_ROOM);
        assert_eq!(
            labels(range, 9),
            ["0", "20", "50", "100", "200", "500", "1k"]
        );
        assert_eq!(labels(range, 4), ["0", "100", "1k"]);
        for place in [0.1, 0.3, 0.99] {
            assert!((range.place(range.value(place)) - place).abs() < 1e-9);
        }
        assert_eq!(range.value(0.0), 0.0);
    }

    #[test]
    fn values_from_hostile_data_never_hang_or_panic() {
        let wild = [
            0.0,
            -1.0,
            1e308,
            -1e308,
            5e-324,
            f64::NAN,
            f64::INFINITY,
            1.0,
            1e-300,
        ];
        for scale in [Scale::Linear, Scale::Log] {
            for unit in [Unit::Number, Unit::Percent] {
                for a in wild {
                    for b in wild {
                        let range = Range::fit(&axis(scale, unit), [a, b].into_iter());
                        for most in [0, 1, 5, 40] {
                            let ticks = range.ticks(most);
                            assert!(ticks.len() <= 102, "{a} {b}: {}", ticks.len());
                        }
                        let _ = range.ticks_that_fit(60.0, |l| l.len() as f64 + 1.0);
                        let _ = range.zoom((a, b)).ticks(5);
                    }
                }
            }
        }
    }

    #[test]
    fn labels_that_are_drawn_never_touch() {
        for scale in [Scale::Linear, Scale::Log] {
            for high in [0.3, 7.0, 131.0, 16_384.0, 3e7] {
                for room in 1..120 {
                    let range = Range::fit(
                        &axis(scale, Unit::Number),
                        [0.0, high / 40.0, high].into_iter(),
                    );
                    let ticks = range.ticks_that_fit(f64::from(room), |l| l.len() as f64 + 1.0);
                    for pair in ticks.windows(2) {
                        let gap =
                            (range.place(pair[1].0) - range.place(pair[0].0)) * f64::from(room);
                        let need = (pair[0].1.len() + pair[1].1.len()) as f64 / 2.0 + 1.0;
                        assert!(gap >= need - 1e-9, "{pair:?} at {room}");
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_are_written_as_a_reader_wants_them() {
        assert_eq!(Unit::Percent.exact(0.79), "79.0%");
        assert_eq!(Unit::Number.exact(64.0), "64");
        assert_eq!(Unit::Number.exact(58.26), "58.3");
        assert_eq!(Unit::Number.exact(0.211_94), "0.2119");
        assert_eq!(Unit::Number.exact(1234.56), "1234.6");
        assert_eq!(Unit::Number.exact(1.1e-5), "1.10e-5");
        assert_eq!(Unit::Number.tick(2_500_000.0, 500_000.0), "2.5M");
        assert_eq!(Unit::Number.tick(0.25, 0.05), "0.25");
    }
}
