//! Sessions, models and figures: listed, read, written.

use std::path::PathBuf;

use anyhow::Result;

use super::{Job, JobContext, Tell};
use s1_engine::catalog;
use s1_plot::Figure;
use s1_store::session::{self, Document, Saved};

/// Lists the saved sessions.
#[derive(Debug, PartialEq)]
pub struct FindSessions;

impl Job for FindSessions {
    type Output = Vec<Saved>;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        Ok(session::list(&context.sessions))
    }
}

/// Reads a session.
#[derive(Debug, PartialEq)]
pub struct OpenSession(pub PathBuf);

impl Job for OpenSession {
    type Output = Document;

    fn run(self, _: &JobContext, _: Tell) -> Result<Self::Output> {
        Document::read(&self.0)
    }
}

/// Lists the models.
#[derive(Debug, PartialEq)]
pub struct FindModels;

impl Job for FindModels {
    type Output = Vec<catalog::CatalogEntry>;

    fn run(self, context: &JobContext, _: Tell) -> Result<Self::Output> {
        let found = catalog::find(&context.models).into_iter();
        Ok(found.chain(catalog::bundled()).collect())
    }
}

/// Writes a figure to a file; the end of its name says the format.
#[derive(Debug, PartialEq)]
pub struct SaveFigure {
    pub figure: Figure,
    pub path: PathBuf,
}

impl Job for SaveFigure {
    type Output = PathBuf;

    fn run(self, _: &JobContext, _: Tell) -> Result<Self::Output> {
        s1_plot::write(&self.figure, &self.path)?;
        Ok(self.path)
    }
}
