//! Settings of the next question; budget and sampling also of the thought on screen.

use super::overlay::Question;
use super::{App, Tone};
use crate::tui::widgets::list::{List, ListRow};
use crate::tui::widgets::prompt_line::PromptLine;
use s1_core::protocol::Command;

/// Something that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Upper bound on thinking tokens.
    Budget,
    /// Attempts to end that are replaced by the wait text.
    Waits,
    /// The wait text.
    WaitText,
    /// Temperature.
    Temperature,
    /// Nucleus sampling.
    TopP,
    /// Seed.
    Seed,
    /// Upper bound on answer tokens.
    AnswerMax,
    /// Probes.
    ProbeEvery,
}

impl Setting {
    /// All of them, in the order of the list.
    pub const ALL: [Setting; 8] = [
        Setting::Budget,
        Setting::Waits,
        Setting::WaitText,
        Setting::Temperature,
        Setting::TopP,
        Setting::Seed,
        Setting::AnswerMax,
        Setting::ProbeEvery,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Setting::Budget => "Thinking budget",
            Setting::Waits => "Waits",
            Setting::WaitText => "Wait text",
            Setting::Temperature => "Temperature",
            Setting::TopP => "Top-p",
            Setting::Seed => "Seed",
            Setting::AnswerMax => "Longest answer",
            Setting::ProbeEvery => "Probe every",
        }
    }

    /// What may be typed.
    pub fn note(self) -> &'static str {
        match self {
            Setting::Budget => "Tokens of thinking at most; empty: as many as the context allows.",
            Setting::Waits => "How many attempts to end the thinking are replaced, e.g. 2.",
            Setting::WaitText => "It replaces the model's attempts to end its thinking.",
            Setting::Temperature => "0 always takes the most likely token; 0.6 to 1 varies.",
            Setting::TopP => {
                "Draw from the most likely tokens that sum up to this, e.g. 0.95; 1 is all."
            }
            Setting::Seed => "A whole number; the same seed gives the same trace again.",
            Setting::AnswerMax => "Tokens of the answer at most.",
            Setting::ProbeEvery => "Tokens of thinking between two probes; empty: only when asked.",
        }
    }
}

/// Which setting is changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ChangedSetting;

impl Question<Setting> for ChangedSetting {
    fn answered(&self, app: &mut App, setting: Setting) -> Result<(), String> {
        let line = PromptLine::new(setting.name(), setting.note(), &app.setting(setting));
        app.ask_over(setting, line);
        Ok(())
    }
}

/// Its value.
impl Question<String> for Setting {
    fn answered(&self, app: &mut App, text: String) -> Result<(), String> {
        app.set(*self, &text)?;
        app.show_settings(*self);
        Ok(())
    }

    fn cancelled(&self, app: &mut App) {
        app.show_settings(*self);
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
            Some(text) => app.choose_wait_text(&text),
            None => {
                let note = Setting::WaitText.note();
                let line = PromptLine::new("Wait text", note, &app.request.policy.wait_text);
                app.ask_over(WaitText, line);
            }
        }
        Ok(())
    }
}

impl Question<String> for WaitText {
    fn answered(&self, app: &mut App, text: String) -> Result<(), String> {
        if text.is_empty() {
            return Err("Write some text.".into());
        }
        app.choose_wait_text(&text);
        Ok(())
    }
}

impl App {
    pub(super) fn open_settings(&mut self) {
        self.show_settings(Setting::Budget);
    }

    /// The list, at one of them.
    fn show_settings(&mut self, at: Setting) {
        let rows = Setting::ALL.map(|s| {
            let value = self.setting(s);
            let open = value.is_empty();
            (
                s,
                ListRow::new(s.name(), if open { empty_value(s).into() } else { value }),
            )
        });
        let list = List::new("Settings of the next question", rows).select(|s| *s == at);
        self.ask_over(ChangedSetting, list);
    }

    /// A setting as text; empty where it is off.
    pub fn setting(&self, setting: Setting) -> String {
        let Self { request, .. } = self;
        let number = |n: Option<usize>| n.map_or(String::new(), |n| n.to_string());
        match setting {
            Setting::Budget => number(request.policy.max_thinking),
            Setting::Waits => request.policy.waits.to_string(),
            Setting::WaitText => request.policy.wait_text.clone(),
            Setting::Temperature => request.sampling.temperature.to_string(),
            Setting::TopP => request.sampling.top_p.to_string(),
            Setting::Seed => request.sampling.seed.to_string(),
            Setting::AnswerMax => request.policy.answer_max.to_string(),
            Setting::ProbeEvery => number(request.probe_every),
        }
    }

    /// Sets a setting from what was typed; says what is wrong with it.
    fn set(&mut self, setting: Setting, text: &str) -> Result<(), String> {
        /// More tokens than any context has.
        const MOST: usize = 1 << 24;
        let trimmed = text.trim();
        let whole = |least: usize| match trimmed.parse::<usize>() {
            Ok(n) if (least..=MOST).contains(&n) => Ok(n),
            _ => Err(format!("Write a whole number from {least}.")),
        };
        let optional = |least| {
            if trimmed.is_empty() {
                Ok(None)
            } else {
                whole(least).map(Some)
            }
        };
        match setting {
            Setting::Budget => self.request.policy.max_thinking = optional(0)?,
            Setting::Waits => self.request.policy.waits = whole(0)?,
            Setting::WaitText if text.is_empty() => return Err("Write some text.".into()),
            Setting::WaitText => self.set_wait_text(text),
            Setting::AnswerMax => self.request.policy.answer_max = whole(1)?,
            Setting::ProbeEvery => self.request.probe_every = optional(1)?,
            Setting::Temperature | Setting::TopP | Setting::Seed => {
                let mut sampling = self.request.sampling.clone();
                match setting {
                    Setting::Temperature => {
                        sampling.temperature = number(trimmed, 0.0, 5.0, "from 0 to 5")?;
                    }
                    Setting::TopP => {
                        sampling.top_p = number(trimmed, 0.001, 1.0, "above 0, up to 1")?;
                    }
                    _ => {
                        sampling.seed = trimmed
                            .parse()
                            .map_err(|_| "Write a whole number from 0.".to_owned())?;
                    }
                }
                self.request.sampling = sampling;
            }
        }
        self.apply_live(setting);
        Ok(())
    }

    /// Budget, sampling and probes act on the thought on screen at once.
    fn apply_live(&mut self, setting: Setting) {
        let Some(live) = self.live.as_ref().filter(|l| l.lane().state.is_some()) else {
            return;
        };
        let lane = live.lane_id(live.active);
        let command = match setting {
            Setting::Budget => Command::Budget(lane, self.request.policy.max_thinking),
            Setting::Temperature | Setting::TopP | Setting::Seed => {
                Command::Sampling(lane, self.request.sampling.clone(), live.request.sample)
            }
            Setting::ProbeEvery => Command::ProbeEvery(lane, self.request.probe_every),
            Setting::Waits | Setting::WaitText | Setting::AnswerMax => return,
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

    fn choose_wait_text(&mut self, text: &str) {
        self.set_wait_text(text);
        self.say(Tone::Info, format!("The wait text is “{text}”."));
    }
}

fn empty_value(setting: Setting) -> &'static str {
    match setting {
        Setting::Budget => "as the context allows",
        Setting::ProbeEvery => "off",
        _ => "",
    }
}

fn number(text: &str, least: f32, most: f32, range: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(n) if (least..=most).contains(&n) => Ok(n),
        _ => Err(format!("Write a number {range}.")),
    }
}
