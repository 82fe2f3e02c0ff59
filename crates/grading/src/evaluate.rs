//! The value of a scalar [`Node`] where its variables have given values: exactly where possible,
//! in complex floating point where not.

use super::budget::WorkBudget;
use super::exact::Exact;
use super::node::{Constant, Node};
use num_bigint::BigInt;
use num_complex::Complex64;
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{Num, Signed, ToPrimitive};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The largest integer whose factorial is multiplied out.
const MAX_FACTORIAL: i64 = 400;

/// Where an expression is evaluated.
#[derive(Debug, Clone, Copy)]
pub struct EvalContext<'a> {
    /// The value of each variable.
    pub variables: &'a BTreeMap<String, BigRational>,
    /// Which sign `±` stands for.
    pub plus: bool,
    /// The work left.
    pub budget: &'a WorkBudget,
}

/// The exact value of `node`, where it has one within reach.
pub fn exact(node: &Node, at: EvalContext<'_>) -> Option<Exact> {
    at.budget.spend(1)?;
    match node {
        Node::Number(number) => Exact::rational(number.value.clone()),
        Node::Based(digits, base) => {
            let value = BigInt::from_str_radix(digits, *base).ok()?;
            Exact::rational(BigRational::from_integer(value))
        }
        Node::Constant(Constant::Pi) => Some(Exact::pi()),
        Node::Constant(Constant::I) => Some(Exact::i()),
        Node::Constant(Constant::E | Constant::Infinity) => None,
        Node::Variable(name) => Exact::rational(at.variables.get(name)?.clone()),
        Node::Negative(inner) => Some(exact(inner, at)?.negative()),
        Node::PlusMinus(upper, inner) => {
            let value = exact(inner, at)?;
            Some(if *upper == at.plus {
                value
            } else {
                value.negative()
            })
        }
        Node::Sum(terms) => terms.iter().try_fold(Exact::zero(), |sum, term| {
            sum.plus(&exact(term, at)?, at.budget)
        }),
        Node::Product(factors) => factors.iter().try_fold(Exact::one(), |product, factor| {
            product.times(&exact(factor, at)?, at.budget)
        }),
        Node::Quotient(top, bottom) => {
            exact(top, at)?.times(&exact(bottom, at)?.inverse(at.budget)?, at.budget)
        }
        Node::Power(base, exponent) => exact(base, at)?.power(&exact(exponent, at)?, at.budget),
        Node::Root(radicand, index) => {
            let index = exact(index, at)?.as_integer()?;
            exact(radicand, at)?.root(u32::try_from(index).ok()?, at.budget)
        }
        Node::Percent(inner) => {
            let hundredth = Exact::rational(BigRational::new(1.into(), 100.into()))?;
            exact(inner, at)?.times(&hundredth, at.budget)
        }
        Node::Unit(inner, unit) if unit == "degree" => {
            let half_turn = Exact::rational(BigRational::new(1.into(), 180.into()))?;
            exact(inner, at)?
                .times(&half_turn, at.budget)?
                .times(&Exact::pi(), at.budget)
        }
        Node::Unit(inner, _) => exact(inner, at),
        Node::Call(function, arguments) => exact_call(function, arguments, at),
        Node::Apply(name, arguments) => unknown_function(name, arguments, at),
        _ => None,
    }
}

/// A function of which only the name is known takes some fixed value at every argument: `f(x+1)` is
/// then neither `f(x)+1` nor a product.
fn unknown_function(name: &str, arguments: &[Node], at: EvalContext<'_>) -> Option<Exact> {
    let mut state = DefaultHasher::new();
    name.hash(&mut state);
    for argument in arguments {
        exact(argument, at)?.hash(&mut state);
    }
    let hash = state.finish();
    let value = BigInt::from(hash % 9_973 + 11);
    let bottom = BigInt::from((hash >> 32) % 7 + 2);
    Exact::rational(BigRational::new(value, bottom))
}

fn exact_call(function: &str, arguments: &[Node], at: EvalContext<'_>) -> Option<Exact> {
    if let ("abs", [Node::Matrix(rows)]) = (function, arguments) {
        return determinant(rows, at);
    }
    let value = exact(arguments.first()?, at)?;
    if matches!(function, "factorial" | "double factorial" | "binomial") {
        at.budget.spend(200)?;
    }
    let rationals = || -> Option<Vec<BigRational>> {
        let value = |node| exact(node, at)?.as_rational();
        arguments.iter().map(value).collect()
    };
    match function {
        "abs" => Exact::rational(value.as_rational()?.abs()),
        "floor" => Exact::rational(value.as_rational()?.floor()),
        "ceil" => Exact::rational(value.as_rational()?.ceil()),
        "factorial" => falling(value.as_integer()?, value.as_integer()?),
        "double factorial" => {
            let n = value
                .as_integer()
                .filter(|n| (0..=MAX_FACTORIAL).contains(n))?;
            let product: BigInt = (1..=n).rev().step_by(2).map(BigInt::from).product();
            Exact::rational(BigRational::from_integer(product))
        }
        "max" => Exact::rational(rationals()?.into_iter().max()?),
        "min" => Exact::rational(rationals()?.into_iter().min()?),
        "mod" => {
            let (x, modulus) = (
                value.as_rational()?,
                exact(arguments.get(1)?, at)?.as_rational()?,
            );
            let whole = x.is_integer() && modulus.is_integer() && modulus.is_positive();
            let quotient = whole.then(|| (&x / &modulus).floor())?;
            Exact::rational(x - quotient * modulus)
        }
        "gcd" | "lcm" => {
            let whole = |value: BigRational| value.is_integer().then(|| value.to_integer());
            let values: Vec<BigInt> = rationals()?.into_iter().map(whole).collect::<Option<_>>()?;
            let combine: fn(&BigInt, &BigInt) -> BigInt = match function {
                "gcd" => Integer::gcd,
                _ => Integer::lcm,
            };
            let combined = values.into_iter().reduce(|a, b| combine(&a, &b))?;
            Exact::rational(BigRational::from_integer(combined))
        }
        "binomial" => {
            let (n, k) = (
                value.as_integer()?,
                exact(arguments.get(1)?, at)?.as_integer()?,
            );
            falling(n, k)?.times(&falling(k, k)?.inverse(at.budget)?, at.budget)
        }
        _ => None,
    }
}

/// The determinant of a small square matrix, by its first row.
fn determinant(rows: &[Vec<Node>], at: EvalContext<'_>) -> Option<Exact> {
    if rows.is_empty() || rows.len() > 4 || rows.iter().any(|row| row.len() != rows.len()) {
        return None;
    }
    let value = |row: &Vec<Node>| row.iter().map(|entry| exact(entry, at)).collect();
    let entries: Vec<Vec<Exact>> = rows.iter().map(value).collect::<Option<_>>()?;
    minor(&entries, &(0..rows.len()).collect::<Vec<_>>(), at)
}

/// The determinant of the last rows, as many as there are `columns`, in these columns.
fn minor(entries: &[Vec<Exact>], columns: &[usize], at: EvalContext<'_>) -> Option<Exact> {
    let Some(row) = entries
        .len()
        .checked_sub(columns.len())
        .and_then(|row| entries.get(row))
    else {
        return Some(Exact::one());
    };
    let mut sum = Exact::zero();
    for (index, column) in columns.iter().enumerate() {
        let others: Vec<usize> = columns.iter().copied().filter(|c| c != column).collect();
        let term = row
            .get(*column)?
            .times(&minor(entries, &others, at)?, at.budget)?;
        let signed = if index % 2 == 0 {
            term
        } else {
            term.negative()
        };
        sum = sum.plus(&signed, at.budget)?;
    }
    Some(sum)
}

/// n·(n−1)·…, `count` factors.
fn falling(n: i64, count: i64) -> Option<Exact> {
    if !(0..=MAX_FACTORIAL).contains(&n) || !(0..=n).contains(&count) {
        return None;
    }
    let product: BigInt = (n - count + 1..=n).map(BigInt::from).product();
    Exact::rational(BigRational::from_integer(product))
}

/// The value of `node` in floating point; `None` where it has none or is not finite.
pub fn float(node: &Node, at: EvalContext<'_>) -> Option<Complex64> {
    let value = float_unchecked(node, at)?;
    (value.re.is_finite() && value.im.is_finite()).then_some(value)
}

fn float_unchecked(node: &Node, at: EvalContext<'_>) -> Option<Complex64> {
    at.budget.spend(1)?;
    match node {
        Node::Number(number) => Some(number.value.to_f64()?.into()),
        Node::Based(..) => Some(exact(node, at)?.as_rational()?.to_f64()?.into()),
        Node::Constant(Constant::Pi) => Some(std::f64::consts::PI.into()),
        Node::Constant(Constant::E) => Some(std::f64::consts::E.into()),
        Node::Constant(Constant::I) => Some(Complex64::i()),
        Node::Constant(Constant::Infinity) => None,
        Node::Variable(name) => Some(at.variables.get(name)?.to_f64()?.into()),
        Node::Negative(inner) => Some(-float(inner, at)?),
        Node::PlusMinus(upper, inner) => {
            let value = float(inner, at)?;
            Some(if *upper == at.plus { value } else { -value })
        }
        Node::Sum(terms) => terms
            .iter()
            .try_fold(Complex64::ZERO, |sum, term| Some(sum + float(term, at)?)),
        Node::Product(factors) => factors.iter().try_fold(Complex64::ONE, |product, factor| {
            Some(product * float(factor, at)?)
        }),
        Node::Quotient(top, bottom) => Some(float(top, at)? / float(bottom, at)?),
        Node::Power(base, exponent) => {
            let value = float(base, at)?;
            if value.im == 0.0
                && value.re < 0.0
                && let Some(power) = exact(exponent, at).and_then(|power| power.as_rational())
                && !power.is_integer()
                && power.denom().is_odd()
            {
                // Odd roots of negative numbers are the real ones, as at school.
                let size = (-value.re).powf(power.to_f64()?);
                return Some(if power.numer().is_odd() { -size } else { size }.into());
            }
            Some(float_power(value, float(exponent, at)?))
        }
        Node::Root(radicand, index) => {
            let (radicand, index) = (float(radicand, at)?, float(index, at)?);
            if radicand.im == 0.0 && radicand.re < 0.0 && index.re.rem_euclid(2.0) == 1.0 {
                return Some((-(-radicand.re).powf(index.re.recip())).into());
            }
            if index == Complex64::new(2.0, 0.0) {
                Some(radicand.sqrt())
            } else {
                Some(radicand.powc(index.inv()))
            }
        }
        Node::Percent(inner) => Some(float(inner, at)? / 100.0),
        Node::Unit(inner, unit) if unit == "degree" => {
            Some(float(inner, at)? * std::f64::consts::PI / 180.0)
        }
        Node::Unit(inner, _) => float(inner, at),
        Node::Call(function, arguments) => float_call(function, arguments, at),
        Node::Apply(..) => Some(exact(node, at)?.as_rational()?.to_f64()?.into()),
        _ => None,
    }
}

fn float_power(base: Complex64, exponent: Complex64) -> Complex64 {
    if exponent.im == 0.0 && exponent.re.fract() == 0.0 && exponent.re.abs() <= 64.0 {
        // The bound above makes the cast exact; whole powers of reals stay real.
        return base.powi(exponent.re as i32);
    }
    if base.im == 0.0 && base.re >= 0.0 && exponent.im == 0.0 {
        return base.re.powf(exponent.re).into();
    }
    base.powc(exponent)
}

fn float_call(function: &str, arguments: &[Node], at: EvalContext<'_>) -> Option<Complex64> {
    let x = float(arguments.first()?, at)?;
    let real = (x.im == 0.0).then_some(x.re);
    Some(match function {
        "sin" => x.sin(),
        "cos" => x.cos(),
        "tan" => x.tan(),
        "cot" => x.tan().inv(),
        "sec" => x.cos().inv(),
        "csc" => x.sin().inv(),
        "arcsin" => x.asin(),
        "arccos" => x.acos(),
        "arctan" => x.atan(),
        "sinh" => x.sinh(),
        "cosh" => x.cosh(),
        "tanh" => x.tanh(),
        "ln" => x.ln(),
        "log" => match arguments.get(1) {
            Some(base) => x.ln() / float(base, at)?.ln(),
            None => x.ln() / std::f64::consts::LN_10,
        },
        "exp" => x.exp(),
        "abs" => x.norm().into(),
        "floor" => real?.floor().into(),
        "ceil" => real?.ceil().into(),
        "factorial" | "double factorial" | "binomial" | "gcd" | "lcm" | "mod" | "max" | "min" => {
            exact_call(function, arguments, at)?
                .as_rational()?
                .to_f64()?
                .into()
        }
        _ => return None,
    })
}
