//! How a model is spoken to: the form of a conversation, and how thinking opens and ends in it. The same
//! whether the model is a file or a server's.
//!
//! Not here: where the template comes from, and how its text becomes tokens.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, bail};

use super::LoadOptions;
use super::families;
use s1_core::delimiters::{Delimiters, Spec, TokenLookup, WithoutThinking};
use s1_core::family::{Family, Traits};
use s1_model::template::{ChatTemplate, Message, TemplateArgs};

/// Template and delimiters of one model.
#[derive(Debug)]
pub struct Form {
    /// The form of a conversation.
    pub template: ChatTemplate,
    /// How thinking opens and ends.
    pub delimiters: Arc<Delimiters>,
    /// Why the delimiters are those of their family.
    pub chosen: String,
    /// The user's values for the template's switches.
    args: TemplateArgs,
    /// The values for a turn with thinking, and for one without.
    on: TemplateValues,
    off: TemplateValues,
    /// Whether the user has set how thinking opens or ends.
    own_marks: bool,
    /// Whether the template knows thoughts, or there is none.
    knows: bool,
}

/// Makes a text safe for a place in a template; the marks given stay marks.
pub type Guard<'a> = &'a dyn Fn(&str, &[&str]) -> String;

impl Form {
    /// That of a model with this template (`source` is its text, empty for none) and vocabulary, with
    /// the overrides of `options`. `name` is the model's, as s1's models are told by it.
    ///
    /// # Errors
    /// Where the delimiters cannot be used.
    pub fn of(
        template: ChatTemplate,
        source: &str,
        vocabulary: &dyn TokenLookup,
        options: &LoadOptions,
        name: &str,
    ) -> Result<Form> {
        let (family, chosen) = family(vocabulary, &template, source, options, name)?;
        let mut spec = Spec::of(family);
        let own_marks = set_marks(&mut spec, options);
        let knows = source.is_empty()
            || [&spec.open_tag, &spec.end_tag]
                .iter()
                .any(|tag| !tag.is_empty() && source.contains(tag.as_str()));
        let delimiters = Delimiters::resolve(spec, vocabulary).map_err(anyhow::Error::msg)?;
        Ok(Form {
            template,
            delimiters: Arc::new(delimiters),
            chosen,
            args: options.template_args.clone(),
            on: switches(&family.on, true),
            off: switches(&family.off, false),
            own_marks,
            knows,
        })
    }

    /// The text of a prompt: the conversation so far and the beginning of the assistant's turn,
    /// its thinking opened, or skipped.
    ///
    /// `own` are values for the template's switches, over those the model was loaded with.
    ///
    /// # Errors
    /// Where the template refuses the conversation, or the values cannot be read.
    pub fn prompt(
        &self,
        messages: &[Message],
        think: bool,
        own: &str,
        guard: Guard,
    ) -> Result<String> {
        let Ok(own) = own.parse::<TemplateArgs>() else {
            bail!("the switches of the template must be KEY=VALUE, with semicolons between");
        };
        let spec = &self.delimiters.spec;
        // What was said is text; only an assistant's own thoughts have their marks.
        let said: Vec<Message> = messages
            .iter()
            .map(|message| {
                let kept = [spec.open_tag.as_str(), spec.end_tag.as_str()];
                let kept = match message.role.as_str() {
                    "assistant" => &kept[..],
                    _ => &[],
                };
                Message::new(&*message.role, guard(&message.content, kept))
            })
            .collect();
        let render = |switches| {
            let args = own.over(&self.args.over(switches).0);
            self.template.render(&said, true, &args)
        };
        if think {
            let mut text = render(&self.on)?;
            text.push_str(spec.opening(&text));
            return Ok(text);
        }
        // The template's own way would be with its own marks.
        let (mut text, template) = if self.own_marks {
            (render(&self.on)?, WithoutThinking::Knows)
        } else {
            let text = render(&self.off)?;
            let switched = render(&self.on).is_ok_and(|thinking| thinking != text);
            let template = match (switched, self.knows) {
                (true, _) => WithoutThinking::Switched,
                (false, true) => WithoutThinking::Knows,
                (false, false) => WithoutThinking::Nothing,
            };
            (text, template)
        };
        text.push_str(&spec.skipping(&text, template));
        Ok(text)
    }
}

/// The family of a model, and why it is that one.
fn family(
    vocabulary: &dyn TokenLookup,
    template: &ChatTemplate,
    source: &str,
    options: &LoadOptions,
    name: &str,
) -> Result<(&'static Family, String)> {
    let families = families();
    if let Some(name) = &options.family {
        let family = families.get(name).map_err(anyhow::Error::msg)?;
        return Ok((family, "it was asked for".to_owned()));
    }
    let args = TemplateArgs(switches(&s1_core::family::Switches::new(), true));
    let prompt = template.render(&[Message::new("user", "?")], true, &args);
    let file = options.path.file_stem().unwrap_or_default();
    let traits = Traits {
        vocabulary,
        names: &[name, &file.to_string_lossy()],
        template: source,
        prompt: &prompt.unwrap_or_default(),
    };
    families.detect(&traits).map_err(anyhow::Error::msg)
}

/// The user's own marks in place of the family's; whether there are any.
fn set_marks(spec: &mut Spec, options: &LoadOptions) -> bool {
    if let Some(open) = &options.think_open {
        spec.open_tag = open.trim().to_string();
        spec.open = open.clone();
    }
    if let Some(end) = &options.think_end {
        spec.end_tag = end.clone();
    }
    if let Some(close) = &options.think_close {
        // The user's own words are all that is written, unless a primer is asked for, too.
        spec.forced_close = close.clone();
        spec.needs_primer = false;
    }
    let own = options.think_open.is_some() || options.think_end.is_some();
    if own && !spec.skip.is_empty() {
        spec.skip = format!("{}\n{}", spec.open, spec.forced_close);
    }
    own
}

/// Values by the names that a template reads them under.
type TemplateValues = BTreeMap<String, serde_json::Value>;

/// The template's switches for a turn with or without thinking: those that many templates know, and
/// what the family has besides.
fn switches(family: &s1_core::family::Switches, think: bool) -> TemplateValues {
    let usual = ["enable_thinking", "thinking"].map(|name| (name.to_owned(), think.into()));
    let own = family.iter().filter_map(|(name, value)| {
        let value = serde_json::to_value(value).ok()?;
        Some((name.clone(), value))
    });
    usual.into_iter().chain(own).collect()
}
