//! Settings of the next question; budget, sampling and probes also of the thought on screen.

use super::overlay::Question;
use super::{App, Tone, params};
use crate::tui::widgets::list::{List, ListRow};
use s1_core::forcing::POLICY;
use s1_core::param::{Setting, settings};
use s1_core::protocol::{Command, REQUEST, Request};
use s1_core::sampling::SAMPLING;

/// Everything that can be set, in the order of the list.
fn offered() -> impl Iterator<Item = &'static dyn Setting<Request>> {
    settings(POLICY)
        .chain(settings(SAMPLING))
        .chain(settings(REQUEST))
}

fn find(key: &str) -> Option<&'static dyn Setting<Request>> {
    offered().find(|setting| setting.info().key == key)
}

/// Which setting is changed, by its key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ChangedSetting;

impl Question<&'static str> for ChangedSetting {
    fn answered(&self, app: &mut App, key: &'static str) -> Result<(), String> {
        let Some(setting) = find(key) else {
            return Ok(());
        };
        if params::turn(setting, &mut app.request) {
            app.apply_live(key);
            app.show_settings(key);
        } else {
            let line = params::line(setting, &app.request);
            app.ask_over(SettingValue(key), line);
        }
        Ok(())
    }
}

/// The value of the setting with this key.
#[derive(Debug, PartialEq, Eq)]
struct SettingValue(&'static str);

impl Question<String> for SettingValue {
    fn answered(&self, app: &mut App, text: String) -> Result<(), String> {
        app.set(self.0, &text)?;
        app.show_settings(self.0);
        Ok(())
    }

    fn cancelled(&self, app: &mut App) {
        app.show_settings(self.0);
    }
}

/// Wait texts worth trying: the paper's choice, and those it was compared with.
const WAIT_TEXTS: [&str; 4] = ["Wait", "Hmm", "Alternatively", "Let me double-check"];

/// Which wait text is used; `None` asks for one of the user's own.
#[derive(Debug, PartialEq, Eq)]
struct WaitText;

impl Question<Option<String>> for WaitText {
    fn answered(&self, app: &mut App, text: Option<String>) -> Result<(), String> {
        match text {
            Some(text) => {
                app.set_wait_text(&text);
                app.say_wait_text();
            }
            None => {
                if let Some(setting) = find("wait_text") {
                    app.ask_over(WaitText, params::line(setting, &app.request));
                }
            }
        }
        Ok(())
    }
}

impl Question<String> for WaitText {
    fn answered(&self, app: &mut App, text: String) -> Result<(), String> {
        app.set("wait_text", &text)?;
        app.say_wait_text();
        Ok(())
    }
}

impl App {
    pub(super) fn open_settings(&mut self) {
        self.show_settings("");
    }

    /// The list, at the setting with this key.
    fn show_settings(&mut self, key: &str) {
        let rows = offered().map(|s| (s.info().key, params::row(s, &self.request)));
        let list = List::new("Settings of the next question", rows).select(|own| *own == key);
        self.ask_over(ChangedSetting, list);
    }

    /// Sets a setting from what was typed; says what is wrong with it.
    fn set(&mut self, key: &'static str, text: &str) -> Result<(), String> {
        if let Some(setting) = find(key) {
            params::set(setting, &mut self.request, text)?;
            self.apply_live(key);
        }
        Ok(())
    }

    /// Budget, wait text, sampling and probes act on the thought on screen at once.
    fn apply_live(&mut self, key: &str) {
        if key == "wait_text" {
            let text = self.request.policy.wait_text.clone();
            return self.set_wait_text(&text);
        }
        let Some(live) = self.live.as_ref().filter(|l| l.branch().sent) else {
            return;
        };
        let lane = live.lane_id(live.active);
        let command = match key {
            "max_thinking" => Command::Budget(lane, self.request.policy.max_thinking),
            "probe_every" => Command::ProbeEvery(lane, self.request.probe_every),
            _ if SAMPLING.iter().any(|param| param.info.key == key) => {
                Command::Sampling(lane, self.request.sampling.clone(), live.request.sample)
            }
            _ => return,
        };
        self.send(command);
    }

    pub(super) fn open_wait_texts(&mut self) {
        let now = &self.request.policy.wait_text;
        let own = Some(now.as_str()).filter(|now| !WAIT_TEXTS.contains(now));
        let rows = own.into_iter().chain(WAIT_TEXTS).map(|text| {
            let mark = if text == now { "in use" } else { "" };
            (Some(text.to_owned()), ListRow::new(text, mark))
        });
        let other = (None, ListRow::new("something else …", ""));
        let list =
            List::new("Wait text", rows.chain([other])).select(|text| text.as_deref() == Some(now));
        self.ask_over(WaitText, list);
    }

    fn say_wait_text(&mut self) {
        let text = &self.request.policy.wait_text;
        let sentence = format!("The wait text is “{text}”.");
        self.say(Tone::Info, sentence);
    }
}
