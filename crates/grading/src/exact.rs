//! Exact numbers: sums of rational multiples of square roots, powers of π and the imaginary unit.
//!
//! `7/3`, `3√13`, `(1+√5)/2`, `288π` and `6−5i` are equal here exactly when they are equal, where
//! floating point could only say "close". Anything else (`∛2`, `e`, `sin 1`) is out of reach and
//! answers `None`, as does anything too large: hostile input must not buy unbounded work.

use super::budget::WorkBudget;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};
use std::collections::BTreeMap;

/// The most bits a numerator or denominator may have.
const MAX_BITS: u64 = 4096;
/// The most terms a sum may have.
const MAX_TERMS: usize = 24;
/// The largest exponent a power is multiplied out for.
const MAX_EXPONENT: u32 = 4096;
/// Square roots of integers up to this are brought to lowest terms: dividing out primes up to
/// 10⁴ leaves at most two prime factors, and then a check for a perfect square is complete.
const MAX_RADICAND: u64 = 1_000_000_000_000;

/// What a rational number is multiplied with in one term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Radical {
    /// The power of π.
    pi: i32,
    /// A square-free positive integer under the root.
    root: u64,
    /// Whether the imaginary unit is a factor.
    imaginary: bool,
}

const UNIT: Radical = Radical {
    pi: 0,
    root: 1,
    imaginary: false,
};

/// An exact number in normal form: no zero coefficients, so equality is structural.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Exact(BTreeMap<Radical, BigRational>);

impl Exact {
    pub fn zero() -> Self {
        Self(BTreeMap::new())
    }

    pub fn rational(value: BigRational) -> Option<Self> {
        Self::term(UNIT, value)
    }

    /// One times a radical.
    fn one_of(radical: Radical) -> Self {
        Self(BTreeMap::from([(radical, BigRational::one())]))
    }

    pub fn one() -> Self {
        Self::one_of(UNIT)
    }

    pub fn pi() -> Self {
        Self::one_of(Radical { pi: 1, ..UNIT })
    }

    pub fn i() -> Self {
        Self::one_of(Radical {
            imaginary: true,
            ..UNIT
        })
    }

    fn term(radical: Radical, value: BigRational) -> Option<Self> {
        let mut sum = Self::zero();
        sum.accumulate(radical, value)?;
        Some(sum)
    }

    /// Adds one term in place.
    fn accumulate(&mut self, radical: Radical, value: BigRational) -> Option<()> {
        let total = match self.0.remove(&radical) {
            Some(old) => old + value,
            None => value,
        };
        if total.numer().bits() > MAX_BITS || total.denom().bits() > MAX_BITS {
            return None;
        }
        if !total.is_zero() {
            self.0.insert(radical, total);
        }
        (self.0.len() <= MAX_TERMS).then_some(())
    }

    /// The value, if it is rational.
    pub fn as_rational(&self) -> Option<BigRational> {
        match self.single() {
            Some((UNIT, value)) => Some(value.clone()),
            None if self.is_zero() => Some(BigRational::zero()),
            _ => None,
        }
    }

    /// The value, if it is an integer that fits.
    pub fn as_integer(&self) -> Option<i64> {
        let value = self.as_rational()?;
        if value.is_integer() {
            value.numer().to_i64()
        } else {
            None
        }
    }

    /// The nearest floating-point number, where it is real.
    pub fn to_f64(&self) -> Option<f64> {
        let term = |(radical, value): (&Radical, &BigRational)| {
            let root = f64::from(u32::try_from(radical.root).ok()?).sqrt();
            let pi = std::f64::consts::PI.powi(radical.pi);
            (!radical.imaginary).then_some(value.to_f64()? * root * pi)
        };
        self.0.iter().map(term).sum()
    }

    pub fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn single(&self) -> Option<(Radical, &BigRational)> {
        match self.0.first_key_value() {
            Some((radical, value)) if self.0.len() == 1 => Some((*radical, value)),
            _ => None,
        }
    }

    /// The cost of one pass over the terms, in units of work.
    fn weight(&self) -> u64 {
        let bits = |value: &BigRational| value.numer().bits() + value.denom().bits();
        self.0.values().map(|value| 1 + bits(value) / 256).sum()
    }

    pub fn negative(&self) -> Self {
        Self(self.0.iter().map(|(k, v)| (*k, -v)).collect())
    }

    pub fn plus(&self, other: &Self, budget: &WorkBudget) -> Option<Self> {
        budget.spend(self.weight() + other.weight())?;
        let mut sum = self.clone();
        for (radical, value) in &other.0 {
            sum.accumulate(*radical, value.clone())?;
        }
        Some(sum)
    }

    pub fn times(&self, other: &Self, budget: &WorkBudget) -> Option<Self> {
        budget.spend(self.weight() * other.weight())?;
        let mut product = Self::zero();
        for (a, x) in &self.0 {
            for (b, y) in &other.0 {
                // √a·√b = g·√(ab/g²) with g the greatest common divisor of square-free a and b.
                let common = gcd(a.root, b.root);
                let root = (a.root / common).checked_mul(b.root / common)?;
                if root > MAX_RADICAND {
                    return None;
                }
                let mut value = x * y * BigRational::from_integer(common.into());
                if a.imaginary && b.imaginary {
                    value = -value;
                }
                let radical = Radical {
                    pi: a.pi.checked_add(b.pi)?,
                    root,
                    imaginary: a.imaginary != b.imaginary,
                };
                product.accumulate(radical, value)?;
            }
        }
        Some(product)
    }

    /// One over this; `None` for zero and for sums with different powers of π.
    pub fn inverse(&self, budget: &WorkBudget) -> Option<Self> {
        let mut numerator = Self::one();
        let mut denominator = self.clone();
        // Multiply top and bottom by a conjugate; each round removes one root (or i) for good.
        for _ in 0..8 {
            if let Some((radical, value)) = denominator.single() {
                // 1/(q·√n·i) = √n·i / (q·n·i²)
                let mut inverse = value * BigRational::from_integer(radical.root.into());
                if radical.imaginary {
                    inverse = -inverse;
                }
                let flipped = Radical {
                    pi: radical.pi.checked_neg()?,
                    ..radical
                };
                return numerator.times(&Self::term(flipped, inverse.recip())?, budget);
            }
            // Factoring the roots is expensive.
            budget.spend(30 * denominator.0.len() as u64)?;
            let conjugate = denominator.conjugate()?;
            numerator = numerator.times(&conjugate, budget)?;
            denominator = denominator.times(&conjugate, budget)?;
        }
        None
    }

    /// This with the sign of i, or of one prime's root, turned; `None` if neither occurs.
    fn conjugate(&self) -> Option<Self> {
        let flip = |turned: &dyn Fn(&Radical) -> bool| {
            Self(
                self.0
                    .iter()
                    .map(|(k, v)| (*k, if turned(k) { -v } else { v.clone() }))
                    .collect(),
            )
        };
        let mixed =
            |has: &dyn Fn(&Radical) -> bool| self.0.keys().any(has) && !self.0.keys().all(has);
        if mixed(&|k| k.imaginary) {
            return Some(flip(&|k| k.imaginary));
        }
        let primes = self.0.keys().flat_map(|k| prime_factors(k.root));
        for prime in primes {
            let divides = move |k: &Radical| k.root.is_multiple_of(prime);
            if mixed(&divides) {
                return Some(flip(&divides));
            }
        }
        None
    }

    /// The power with an exact exponent: integers, and halves of a rational base.
    pub fn power(&self, exponent: &Self, budget: &WorkBudget) -> Option<Self> {
        if let Some(n) = exponent.as_integer() {
            return self.integer_power(n, budget);
        }
        let exponent = exponent.as_rational()?;
        let index = exponent.denom().to_u32()?;
        self.root(index, budget)?
            .integer_power(exponent.numer().to_i64()?, budget)
    }

    fn integer_power(&self, exponent: i64, budget: &WorkBudget) -> Option<Self> {
        let mut left = u32::try_from(exponent.unsigned_abs()).ok()?;
        if self.is_zero() {
            return (exponent > 0).then(Self::zero);
        }
        if left > MAX_EXPONENT && *self != Self::one() {
            return None;
        }
        let mut base = if exponent < 0 {
            self.inverse(budget)?
        } else {
            self.clone()
        };
        let mut result = Self::one();
        while left > 0 {
            if left & 1 == 1 {
                result = result.times(&base, budget)?;
            }
            left >>= 1;
            if left > 0 {
                base = base.times(&base, budget)?;
            }
        }
        Some(result)
    }

    /// The principal root: square roots of rationals, higher roots only where they are rational.
    pub fn root(&self, index: u32, budget: &WorkBudget) -> Option<Self> {
        budget.spend(50 * self.weight())?;
        let value = self.as_rational()?;
        if index == 0 || index > 64 {
            return None;
        }
        let negative = value.is_negative();
        let size = value.abs();
        let (top, bottom) = (size.numer().nth_root(index), size.denom().nth_root(index));
        let root = BigRational::new(top, bottom);
        let exact = num_traits::pow(root.clone(), index as usize) == size;
        if exact && !negative {
            return Self::rational(root);
        }
        if exact && index % 2 == 1 {
            return Self::rational(-root);
        }
        if index != 2 {
            return None;
        }
        // √(p/q) = √(p·q)/q
        let radicand = (size.numer() * size.denom())
            .to_u64()
            .filter(|r| *r <= MAX_RADICAND)?;
        let (outside, inside) = square_free(radicand);
        let value = BigRational::new(BigInt::from(outside), size.denom().clone());
        Self::term(
            Radical {
                pi: 0,
                root: inside,
                imaginary: negative,
            },
            value,
        )
    }

    /// A short way to write it, for reasons: `1/2`, or `None` when it is not a short rational.
    pub fn short(&self) -> Option<String> {
        let text = self.as_rational()?.to_string();
        (text.len() <= 24).then_some(text)
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The primes up to 10⁴ that divide `n`, each with its power, and what is left: 1, a prime, or for
/// large `n` a product of two.
fn factors(mut n: u64) -> (Vec<(u64, u32)>, u64) {
    let mut primes = Vec::new();
    let mut prime = 2;
    while prime <= 10_000 && prime * prime <= n {
        let mut power = 0;
        while n.is_multiple_of(prime) {
            n /= prime;
            power += 1;
        }
        if power > 0 {
            primes.push((prime, power));
        }
        prime += 1;
    }
    (primes, n)
}

/// `n = outside² · inside` with `inside` square-free, for `1 ≤ n ≤` [`MAX_RADICAND`].
fn square_free(n: u64) -> (u64, u64) {
    let (primes, rest) = factors(n);
    let product =
        |share: fn(u32) -> u32| -> u64 { primes.iter().map(|(p, e)| p.pow(share(*e))).product() };
    let (outside, inside) = (product(|e| e / 2), product(|e| e % 2));
    match rest.isqrt() {
        root if root * root == rest => (outside * root, inside),
        _ => (outside, inside * rest),
    }
}

/// The prime factors of a square-free number; a large cofactor counts as one.
fn prime_factors(n: u64) -> Vec<u64> {
    let (primes, rest) = factors(n);
    let primes = primes.into_iter().map(|(prime, _)| prime);
    primes.chain((rest > 1).then_some(rest)).collect()
}
