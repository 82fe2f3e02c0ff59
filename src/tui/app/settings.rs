//! Settings of the next question; budget, sampling and probes also of the thought on screen.

use super::{App, params};
use crate::tui::widgets::list::{List, ListRow};
use s1_core::forcing::{POLICY, Policy};
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

/// Texts to choose from, the one in use among them; `None` is any other.
fn texts(title: &str, offered: &[String], now: &str) -> List<Option<String>> {
    let own = Some(now).filter(|now| !offered.iter().any(|text| text == now));
    let offered = offered.iter().map(String::as_str);
    let rows = own.into_iter().chain(offered).map(|text| {
        let mark = if text == now { "in use" } else { "" };
        let shown = text.replace('\n', "⏎");
        (Some(text.to_owned()), ListRow::new(&shown, mark))
    });
    let other = (None, ListRow::new("something else …", ""));
    List::new(title, rows.chain([other])).select(|text| text.as_deref() == Some(now))
}

impl App {
    /// The list, at the setting with this key.
    pub(super) fn show_settings(&mut self, key: &str) {
        let rows = offered().map(|s| (s.info().key, params::row(s, &self.request)));
        let list = List::new("Settings (for the next question)", rows).select(|own| *own == key);
        self.ask_over(list, App::change_setting);
    }

    fn change_setting(&mut self, key: &'static str) {
        let Some(setting) = find(key) else { return };
        if key == "ending_text" {
            return self.open_ending_texts();
        }
        if params::turn(setting, &mut self.request) {
            self.apply_live(key);
            return self.show_settings(key);
        }
        let line = params::line(setting, &self.request);
        let set = move |app: &mut App, text: String| {
            app.set(setting, &text)?;
            app.show_settings(key);
            Ok(())
        };
        self.ask_or(line, set, move |app| app.show_settings(key));
    }

    /// Sets a setting from what was typed; says what is wrong with it.
    fn set(&mut self, setting: &dyn Setting<Request>, text: &str) -> Result<(), String> {
        params::set(setting, &mut self.request, text)?;
        self.apply_live(setting.info().key);
        Ok(())
    }

    /// Budget, wait text, sampling and probes act on the thought on screen at once.
    fn apply_live(&mut self, key: &str) {
        if key == "wait_text" {
            let text = self.request.policy.wait_text.clone();
            return self.set_wait_text(&text);
        }
        let Some((live, lane)) = self.sent() else {
            return;
        };
        let command = match key {
            "max_thinking" => Command::Budget(lane, self.request.policy.max_thinking),
            "probe_every" => Command::ProbeEvery(lane, self.request.probe_every),
            "cut_at" | "ending" | "ending_text" | "ending_before" | "mask_close" => {
                let now = live.request.policy.clone();
                let policy = Policy {
                    max_thinking: live.lane().budget.or(now.max_thinking),
                    ..now.ending_as(&self.request.policy)
                };
                if let Some(live) = self.live.as_mut() {
                    live.request.policy = policy.clone();
                }
                Command::Policy(lane, policy)
            }
            _ if SAMPLING.iter().any(|param| param.info.key == key) => {
                let sampling = self.request.sampling.clone();
                let sample = live.request.sample;
                if let Some(live) = self.live.as_mut() {
                    live.request.sampling = sampling.clone();
                    let branch = live.branch_mut();
                    branch.drawn = (sampling.clone(), sample);
                    branch.rerolled = false;
                }
                Command::Sampling(lane, sampling, sample)
            }
            _ => return,
        };
        self.send(command);
    }

    pub(super) fn open_wait_texts(&mut self) {
        let now = &self.request.policy.wait_text;
        let list = texts("Wait text", &self.texts.wait, now);
        self.ask_over(list, |app, text: Option<String>| match text {
            Some(text) => {
                app.set_wait_text(&text);
                app.say_wait_text();
            }
            None => app.ask_for_wait_text(),
        });
    }

    fn open_ending_texts(&mut self) {
        const KEY: &str = "ending_text";
        let now = &self.request.policy.ending_text;
        let list = texts("Ending text", &self.texts.ending, now);
        self.ask_over(list, |app, text: Option<String>| {
            let Some(setting) = find(KEY) else { return };
            match text {
                Some(text) => {
                    app.request.policy.ending_text = text;
                    app.apply_live(KEY);
                    app.show_settings(KEY);
                }
                None => {
                    let line = params::line(setting, &app.request);
                    let set = move |app: &mut App, text: String| {
                        app.set(setting, &text)?;
                        app.show_settings(KEY);
                        Ok(())
                    };
                    app.ask_or(line, set, move |app| app.show_settings(KEY));
                }
            }
        });
    }

    fn ask_for_wait_text(&mut self) {
        let Some(setting) = find("wait_text") else {
            return;
        };
        let line = params::line(setting, &self.request);
        self.ask_over(line, move |app, text: String| {
            app.set(setting, &text)?;
            app.say_wait_text();
            Ok(())
        });
    }

    fn say_wait_text(&mut self) {
        let text = &self.request.policy.wait_text;
        let sentence = format!("The wait text is “{text}”.");
        self.tell(sentence);
    }
}
