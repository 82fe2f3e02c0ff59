//! The trace view: tokens as wrapped lines, with who wrote what, a cursor, and a place that stays
//! put while text streams in.
//!
//! Three parts: [`glyph`] makes hostile text safe, [`layout`] makes lines, [`view`] scrolls and
//! moves the cursor, and [`paint`] draws. None of them knows the application.

pub mod glyph;
pub mod layout;
pub mod paint;
pub mod view;

use s1_core::trace::Token;

/// What the colours of the trace mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heat {
    #[default]
    Off,
    /// How unsure the model was.
    Entropy,
    /// How near it was to ending.
    PEnd,
}

impl Heat {
    /// The next of the three.
    pub fn next(self) -> Heat {
        match self {
            Heat::Off => Heat::Entropy,
            Heat::Entropy => Heat::PEnd,
            Heat::PEnd => Heat::Off,
        }
    }

    /// What it is called on screen.
    pub fn name(self) -> &'static str {
        match self {
            Heat::Off => "off",
            Heat::Entropy => "entropy",
            Heat::PEnd => "P(end)",
        }
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

impl GradedAnswer {
    /// Lines it takes below the trace.
    pub const LINES: usize = 2;
}
