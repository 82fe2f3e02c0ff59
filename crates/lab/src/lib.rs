//! What does a thinking budget buy? Problem sets, sweeps over them, and the statistics of what
//! comes out.
//!
//! | file | subject |
//! |---|---|
//! | [`problems`] | problem sets: JSON lines, Parquet, the hub; which fields are what |
//! | [`sweep`] | a problem set at several budgets and waits, every prefix computed once |
//! | [`replay`] | early exits, evaluated afterwards on stored thoughts |
//! | [`advice`] | which budget to use: knee, utility, risk |
//! | [`row`] | one problem at all its points: what became of each |
//! | [`report`] | a stored run as figures: accuracy per point, the item matrix, flips |
//! | [`curate`] | which few of many training lines are worth training on |
//! | [`compare`] | two points or two runs against each other, problem by problem |
//! | [`lanes`] | one question, several strategies side by side |
//! | [`outcome`] | what became of the answers: given, missing, cut short, still reasoning |
//! | [`votes`] | several samples: pass@k, majority@k, equal-token majority |
//! | [`whatif`] | a thought at each of its sentence ends: cut, Wait, drawn anew |
//! | [`stats`] | the formulas |
//! | [`training`] | trainings in the background: started, recorded, asked questions |
//!
//! Not here: the pictures, the screens, and the database ([`s1_store`]).

pub mod advice;
pub mod answer;
pub mod compare;
pub mod curate;
pub mod lanes;
pub mod outcome;
pub mod problems;
pub mod replay;
pub mod report;
pub mod row;
pub mod stats;
pub mod sweep;
pub mod training;
pub mod votes;
pub mod whatif;
