//! The value of a scalar [`Node`] where its variables have given values: exactly where possible,
//! in complex floating point where not.

use super::budget::WorkBudget;
use super::exact::Exact;
use super::node::{Constant, Node};
use num_bigint::BigInt;
use num_complex::Complex64;
use num_rational::BigRational;
use num_traits::{Num, Signed, ToPrimitive};
use std::collections::BTreeMap;

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
        _ => None,
    }
}

fn exact_call(function: &str, arguments: &[Node], at: EvalContext<'_>) -> Option<Exact> {
    let value = exact(arguments.first()?, at)?;
    if matches!(function, "factorial" | "binomial") {
        at.budget.spend(200)?;
    }
    match function {
        "abs" => Exact::rational(value.as_rational()?.abs()),
        "floor" => Exact::rational(value.as_rational()?.floor()),
        "ceil" => Exact::rational(value.as_rational()?.ceil()),
        "factorial" => falling(value.as_integer()?, value.as_integer()?),
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
        Node::Power(base, exponent) => Some(float_power(float(base, at)?, float(exponent, at)?)),
        Node::Root(radicand, index) => {
            let (radicand, index) = (float(radicand, at)?, float(index, at)?);
            // Odd roots of negative numbers are the real ones, as at school.
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
        "factorial" | "binomial" => exact_call(function, arguments, at)?
            .as_rational()?
            .to_f64()?
            .into(),
        _ => return None,
    })
}
