//! The methods of choosing: s1's own, and the ablations of its paper.

use serde::Serialize;
use strum::IntoStaticStr;

/// How the kept items are chosen from those that are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum CurationMethod {
    /// Quality, difficulty, diversity; within a domain, longer traces are preferred.
    #[default]
    S1,
    /// Of what passes the quality filter, any.
    Random,
    /// Of what passes the quality filter, those with the longest traces.
    Longest,
    /// Of what passes the quality filter, a domain at random and any item within it.
    Diverse,
}

impl CurationMethod {
    /// Its name, as the command takes it.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether what a model solves already is dropped.
    pub fn uses_models(self) -> bool {
        self == CurationMethod::S1
    }

    /// Whether it draws by domains.
    pub fn uses_domains(self) -> bool {
        matches!(self, CurationMethod::S1 | CurationMethod::Diverse)
    }
}
