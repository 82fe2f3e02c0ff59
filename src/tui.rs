//! The screens: an application state that engine events and keys change, and draw functions that
//! only read it.
//!
//! Not here: models and tensors (the screens speak to [`s1_engine`] alone).

pub mod action;
pub mod app;
pub mod frame;
pub mod keymap;
pub mod run;
pub mod screens;
pub mod terminal;
pub mod theme;
pub mod widgets;

pub use s1_data::sanitize;
