//! The trace view: tokens as wrapped lines, with who wrote what, a cursor, and a place that stays
//! put while text streams in.
//!
//! Three parts: [`glyph`] makes hostile text safe, [`layout`] makes lines, [`view`] scrolls and
//! moves the cursor, and [`paint`] draws. None of them knows the application.

pub mod glyph;
pub mod layout;
pub mod paint;
pub mod view;
