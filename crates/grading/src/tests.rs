//! What a user loses when one of these fails: right answers marked wrong, wrong ones marked
//! right, or a program that hangs on a model's nonsense.

mod conventions;
mod equality;
mod extraction;
mod readme;
mod robustness;
