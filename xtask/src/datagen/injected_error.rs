//! Arithmetic that can go wrong on purpose, once.
//!
//! A wrong attempt in a trace looks like a mistake a model makes: one written result is off in
//! one digit, and everything after it follows from that. Which result is changed is chosen at random.

use s1_core::rng::Rng;

/// Passes results through, one of them changed.
#[derive(Debug)]
pub struct InjectedError {
    /// Which result is changed, counted from the start; `None`: all stay right.
    at: Option<usize>,
    seen: usize,
    rng: Rng,
}

impl InjectedError {
    /// Everything comes out right.
    pub fn none() -> InjectedError {
        InjectedError {
            at: None,
            seen: 0,
            rng: Rng::new(0),
        }
    }

    /// One of the first `results` results comes out wrong.
    pub fn one_of(results: usize, rng: &mut Rng) -> InjectedError {
        InjectedError {
            at: Some(rng.range(0, results as i64 - 1) as usize),
            seen: 0,
            rng: Rng::new(rng.bits()),
        }
    }

    /// The result as it is written down.
    pub fn write(&mut self, right: i64) -> i64 {
        let here = self.at == Some(self.seen);
        self.seen += 1;
        if here {
            off_by_a_digit(right, &mut self.rng)
        } else {
            right
        }
    }
}

/// Another number, as long as this one: one digit up or down by one or two.
pub fn off_by_a_digit(right: i64, rng: &mut Rng) -> i64 {
    let length = right.to_string().len();
    loop {
        let place = 10_i64.pow(rng.range(0, length as i64 - 1) as u32);
        let by = rng.range(1, 2) * if rng.chance(50) { 1 } else { -1 };
        let wrong = right + by * place;
        if wrong >= 0 && (wrong.to_string().len() == length || length == 1) {
            return wrong;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_injected_error_changes_one_result_by_one_digit() {
        let mut rng = Rng::new(3);
        for _ in 0..500 {
            let mut error = InjectedError::one_of(4, &mut rng);
            let written: Vec<i64> = [31341, 7, 10, 999].map(|n| error.write(n)).to_vec();
            let changed: Vec<usize> = (0..4)
                .filter(|&i| written[i] != [31341, 7, 10, 999][i])
                .collect();
            assert_eq!(changed.len(), 1, "{written:?}");
            assert!(written.iter().all(|&n| n >= 0), "{written:?}");
        }
        let mut none = InjectedError::none();
        assert_eq!([5, 6].map(|n| none.write(n)), [5, 6]);
    }
}
