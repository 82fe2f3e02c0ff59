//! Settings of the next question; budget, sampling and probes also of the thought on screen.

use serde_json::Value;

use super::{App, params};
use crate::tui::widgets::list::{List, ListRow};
use crate::tui::widgets::prompt_line::PromptLine;
use s1_core::forcing::{POLICY, Policy};
use s1_core::param::{Setting, settings};
use s1_core::protocol::{Command, REQUEST, Request};
use s1_core::sampling::SAMPLING;
use s1_model::template::TemplateArgs;

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

/// A row of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SettingRow {
    /// The parameter with this key.
    Param(&'static str),
    /// A switch of the model's chat template.
    Switch(String),
}

/// The values that a request has for the switches of a template.
fn args(request: &Request) -> TemplateArgs {
    request.template_args.parse().unwrap_or_default()
}

impl App {
    /// The list, at the setting with this key.
    pub(super) fn show_settings(&mut self, key: &str) {
        let params = offered().map(|s| {
            (
                SettingRow::Param(s.info().key),
                params::row(s, &self.request),
            )
        });
        // Those of the template in use, as far as it reads any.
        let own = args(&self.request).0;
        let switches = self.info().map_or(&[][..], |info| &info.switches);
        let switches = switches.iter().map(|name| {
            let value = own.get(name).map(|value| match value {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            });
            let value = value.unwrap_or_else(|| "as the template has it".into());
            (
                SettingRow::Switch(name.clone()),
                ListRow::new(format!("Template: {name}"), value),
            )
        });
        let rows: Vec<(SettingRow, ListRow)> = params.chain(switches).collect();
        let list = List::new("Settings (for the next question)", rows).select(|row| match row {
            SettingRow::Param(own) => *own == key,
            SettingRow::Switch(name) => name == key,
        });
        self.ask_over(list, |app, row| match row {
            SettingRow::Param(key) => app.change_setting(key),
            SettingRow::Switch(name) => app.ask_for_switch(name),
        });
    }

    /// Asks for the value of a switch of the template.
    fn ask_for_switch(&mut self, name: String) {
        let now = args(&self.request).0.get(&name).map(ToString::to_string);
        let note = "true, false, a number or a text; nothing is as the template has it.";
        let title = format!("Template: {name}");
        let line = PromptLine::new(&title, note, &now.unwrap_or_default());
        let key = name.clone();
        let set = move |app: &mut App, text: String| {
            app.set_switch(&name, text.trim())?;
            app.show_settings(&name);
            Ok(())
        };
        self.ask_or(line, set, move |app| app.show_settings(&key));
    }

    /// Sets a switch of the template for the questions to come; nothing takes its value away.
    fn set_switch(&mut self, name: &str, text: &str) -> Result<(), String> {
        let mut all = args(&self.request);
        all.0.remove(name);
        if !text.is_empty() {
            let one = format!("{name}={text}").parse::<TemplateArgs>();
            let one = one.ok().filter(|one| one.0.len() == 1);
            let one = one.ok_or("A value is one word or number, without a semicolon.")?;
            all.0.extend(one.0);
        }
        self.request.template_args = all.to_string();
        Ok(())
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
