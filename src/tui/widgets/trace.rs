//! The trace view: tokens as wrapped lines, with who wrote what, a cursor, and a place that stays
//! put while text streams in.
//!
//! Its parts: [`maths`] makes formulas readable, [`glyph`] hostile text safe, [`layout`] makes lines, [`view`] scrolls and
//! moves the cursor, and [`paint`] draws. None of them knows the application.

pub mod glyph;
pub mod layout;
pub mod maths;
pub mod paint;
pub mod view;

use strum::{IntoStaticStr, VariantArray};

use super::list::neighbour;
use s1_core::trace::Token;

/// What the colours of the trace mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Heat {
    #[default]
    Off,
    /// How unsure the model was.
    Entropy,
    /// How near it was to ending.
    #[strum(serialize = "P(end)")]
    PEnd,
}

impl Heat {
    /// The next of the three.
    pub fn next(self) -> Heat {
        neighbour(Heat::VARIANTS, self, true)
    }

    /// What it is called on screen.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Where a token stands between cold (0) and hot (1).
    fn of(self, token: &Token) -> f32 {
        match self {
            Heat::Off => 0.0,
            Heat::Entropy => token.entropy / ENTROPY_FULL,
            // The interesting values are small: a root spreads them out.
            Heat::PEnd => token.p_end.max(0.0).sqrt(),
        }
    }
}

/// Entropy, in nats, that counts as hot: e³ ≈ 20 equally likely tokens.
pub const ENTROPY_FULL: f32 = 3.0;

/// How the final answer fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GradedAnswer {
    /// The extracted answer.
    pub answer: String,
    /// Whether it is right, where a reference was given.
    pub correct: Option<bool>,
}

/// ` ✓`, ` ✗`, or nothing where there is no reference.
pub fn grade_sign(correct: Option<bool>) -> &'static str {
    match correct {
        Some(true) => " ✓",
        Some(false) => " ✗",
        None => "",
    }
}

impl GradedAnswer {
    /// Lines it takes below the trace.
    pub const LINES: usize = 2;
}
