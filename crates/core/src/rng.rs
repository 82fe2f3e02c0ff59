//! Seeded random numbers, the same on every machine and for ever.
//!
//! SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), as a
//! stream ([`Rng`]) and as functions of a position ([`mix`], [`uniform`]). Traces, trainings and the
//! bundled data can be made again from their seeds only because nothing outside this file decides
//! the numbers. Not for cryptography.

/// The step of the stream: 2^64 divided by the golden ratio.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finalizer: every bit of the input decides every bit of the output.
fn finalize(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The number at `index` of the stream of `seed`, without the ones before it.
pub fn mix(seed: u64, index: u64) -> u64 {
    finalize(seed.wrapping_add(index.wrapping_add(1).wrapping_mul(STEP)))
}

/// A number in `[0, 1)` made of the upper 24 bits.
pub fn unit(bits: u64) -> f32 {
    (bits >> 40) as f32 / (1u64 << 24) as f32
}

/// A number in `[0, 1)`, of 53 bits, that depends on nothing but its three arguments: the draw of a
/// token depends only on the seed, on which of several samples it belongs to, and on its position.
pub fn uniform(seed: u64, sample: u64, position: u64) -> f64 {
    let mixed = [seed, sample, position]
        .into_iter()
        .fold(0, |state: u64, part| {
            finalize((state ^ part).wrapping_add(STEP))
        });
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        finalize(self.0)
    }

    /// A number below `n`, or 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.bits().checked_rem(n as u64).unwrap_or(0) as usize
    }

    /// A number from -1 to 1.
    pub fn signed_unit(&mut self) -> f32 {
        2.0 * unit(self.bits()) - 1.0
    }

    /// A whole number from `low` to `high`, both included; `low` where the range is empty.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        let span = high.saturating_sub(low).saturating_add(1).max(1);
        low + (self.bits() % span.unsigned_abs()) as i64
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: i64) -> bool {
        self.range(0, 99) < percent
    }

    /// One of the items; the list must not be empty.
    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.range(0, items.len() as i64 - 1) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_published_stream() {
        let mut rng = Rng::new(1234567);
        let bits: Vec<u64> = (0..3).map(|_| rng.bits()).collect();
        assert_eq!(
            bits,
            [
                6457827717110365317,
                3203168211198807973,
                9817491932198370423
            ]
        );
        let at = |index| mix(1234567, index);
        assert_eq!([at(0), at(1), at(2)][..], bits[..]);
    }

    #[test]
    fn ranges_include_both_ends_and_nothing_else() {
        let mut rng = Rng::new(1);
        let mut seen: Vec<i64> = (0..200).map(|_| rng.range(3, 5)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [3, 4, 5]);
        assert_eq!(rng.range(7, 2), 7);
    }
}
