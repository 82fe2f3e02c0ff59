//! Sessions, models and figures: listed, read, written.

use std::path::PathBuf;

use super::{Job, JobContext, sentence};
use crate::tui::app::App;
use s1_engine::catalog;
use s1_plot::Figure;
use s1_store::session::{self, Document, Saved};

/// Lists the saved sessions.
#[derive(Debug, PartialEq)]
pub struct FindSessions;

impl Job for FindSessions {
    type Output = Vec<Saved>;

    fn run(self, context: &JobContext, tell: &mut dyn FnMut(Vec<Saved>)) {
        tell(session::list(&context.sessions));
    }

    fn done(app: &mut App, sessions: Vec<Saved>) {
        app.on_sessions(sessions);
    }
}

/// Reads a session.
#[derive(Debug, PartialEq)]
pub struct OpenSession(pub PathBuf);

impl Job for OpenSession {
    type Output = (PathBuf, Result<Document, String>);

    fn run(self, _: &JobContext, tell: &mut dyn FnMut(Self::Output)) {
        let read = sentence(Document::read(&self.0));
        tell((self.0, read));
    }

    fn done(app: &mut App, (path, read): Self::Output) {
        app.on_opened(path, read);
    }
}

/// Lists the models.
#[derive(Debug, PartialEq)]
pub struct FindModels;

impl Job for FindModels {
    type Output = Vec<catalog::CatalogEntry>;

    fn run(self, context: &JobContext, tell: &mut dyn FnMut(Self::Output)) {
        let found = catalog::find(&context.models).into_iter();
        tell(found.chain(catalog::bundled()).collect());
    }

    fn done(app: &mut App, entries: Self::Output) {
        app.on_models(entries);
    }
}

/// Writes a figure to a file; the end of its name says the format.
#[derive(Debug, PartialEq)]
pub struct SaveFigure {
    pub figure: Figure,
    pub path: PathBuf,
}

impl Job for SaveFigure {
    type Output = Result<PathBuf, String>;

    fn run(self, _: &JobContext, tell: &mut dyn FnMut(Self::Output)) {
        let written = s1_plot::write(&self.figure, &self.path);
        tell(sentence(written.map(|()| self.path)));
    }

    fn done(app: &mut App, written: Self::Output) {
        app.on_figure(written);
    }
}
