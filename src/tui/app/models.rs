//! Models: chosen and loaded, renamed and deleted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::plain_name;
use super::jobs::files::{DeleteModel, DescribeModels, FindModels, RenameModel};
use super::overlay::AnswerOutcome;
use super::{App, Effect};
use crate::tui::widgets::confirm::Confirm;
use crate::tui::widgets::model_picker::{FoundModels, ModelChoice, ModelPicker};
use crate::tui::widgets::prompt_line::PromptLine;
use s1_core::format;
use s1_data::hub;
use s1_engine::{catalog, is_server};

/// What is done with a model that was chosen.
type ModelAnswer = Arc<dyn Fn(&mut App, PathBuf) -> Result<(), String> + Send + Sync>;

impl App {
    /// Ends the engine and starts one with another model; what the old one wrote stays.
    pub fn load(&mut self, path: PathBuf) {
        self.on_model_change(true);
        self.model_path = Some(path.clone());
        if is_server(&path) {
            self.server = Some(path.clone());
        }
        self.wish(Effect::LoadModel(path));
    }

    /// Opens the picker of models for what one is needed for, while files are still being looked for.
    pub(super) fn ask_for_model<O: AnswerOutcome + 'static>(
        &mut self,
        answered: impl Fn(&mut App, PathBuf) -> O + Send + Sync + 'static,
    ) {
        self.pick_model(Arc::new(move |app: &mut App, path: PathBuf| {
            answered(app, path).outcome()
        }));
    }

    fn pick_model(&mut self, answered: ModelAnswer) {
        let act = Arc::clone(&answered);
        self.ask_over(ModelPicker::looking(), move |app, choice| match choice {
            ModelChoice::Load(path) => act(app, path),
            ModelChoice::Rename(path) => app.ask_to_rename_model(path, Arc::clone(&answered)),
            ModelChoice::Delete(path) => app.ask_to_delete_model(path, Arc::clone(&answered)),
        });
        self.start(FindModels, App::on_models);
    }

    /// Whether a model's files may be touched; if not, why not.
    fn is_free(&self, model: &Path) -> Result<(), String> {
        if self.model_path.as_deref() == Some(model) {
            return Err("This model is in use; load another one first.".into());
        }
        if hub::is_hub(model) || is_server(model) {
            return Err("This model is not on this machine.".into());
        }
        Ok(())
    }

    /// Gives a model another name; the picker comes back.
    fn ask_to_rename_model(&mut self, path: PathBuf, then: ModelAnswer) -> Result<(), String> {
        self.is_free(&path)?;
        let note = "Its new name; it stays in its folder.";
        let line = PromptLine::new("Rename the model", note, &catalog::called(&path));
        let back = Arc::clone(&then);
        let rename = move |app: &mut App, name: String| -> Result<(), String> {
            let (model, name) = (path.clone(), plain_name(&name)?.to_owned());
            let then = Arc::clone(&then);
            app.start(RenameModel { model, name }, move |app, renamed| {
                app.pick_model(then);
                app.taken(renamed);
            });
            Ok(())
        };
        self.ask_or(line, rename, move |app| app.pick_model(Arc::clone(&back)));
        Ok(())
    }

    /// Deletes a model's files, if the user means it; the picker comes back.
    fn ask_to_delete_model(&mut self, path: PathBuf, then: ModelAnswer) -> Result<(), String> {
        self.is_free(&path)?;
        let detail = format!("{} is removed from the disk.", path.display());
        let confirm = Confirm::new("Delete this model?", &detail);
        let back = Arc::clone(&then);
        let delete = move |app: &mut App, ()| {
            let then = Arc::clone(&then);
            app.start(DeleteModel(path.clone()), move |app, deleted| {
                app.pick_model(then);
                if let Some(freed) = app.taken(deleted) {
                    app.tell(format!("{} are free now.", format::size(freed)));
                }
            });
        };
        self.ask_or(confirm, delete, move |app| {
            app.pick_model(Arc::clone(&back))
        });
        Ok(())
    }

    /// Opens the picker for the model in use.
    pub fn open_models(&mut self) {
        self.ask_for_model(App::load);
    }

    /// Shows the models that were found, and has it looked at what each needs.
    pub fn on_models(&mut self, found: Result<FoundModels, String>) {
        let (current, server) = (self.model_path.clone(), self.server.clone());
        let Some(found) = self.taken(found) else {
            return;
        };
        let Some(picker) = self.component::<ModelPicker>() else {
            return;
        };
        let known = found.here.iter().all(|(_, need)| need.is_some());
        picker.show(found.clone(), server.as_deref(), current.as_deref());
        if !known {
            self.start(DescribeModels(found), App::on_models);
        }
    }
}
