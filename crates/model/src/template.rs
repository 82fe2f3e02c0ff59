//! A conversation as the text a model was trained to read.
//!
//! Model files carry a Jinja template for this. It is code from a stranger: it runs without
//! access to anything, on a budget of work, and its errors become one sentence. Where a file has
//! no template, the marks in its vocabulary tell which convention it follows. Not here: tokens,
//! and what the assistant's text means.

mod functions;
mod json;
mod python;
mod source;

use anyhow::{Context, Result, anyhow, bail};
use chrono::NaiveDateTime;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, Value, context};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

pub use s1_core::template_args::TemplateArgs;

/// Templates of real models stay below 32 KiB.
const MAX_SOURCE_BYTES: usize = 256 << 10;
/// The longest conversation a render may produce.
const MAX_OUTPUT_BYTES: usize = 1 << 20;
/// One unit pays for one instruction or 64 bytes, so this bounds the time (well under a second)
/// and the memory (some 20 MiB) of a render.
const FUEL: u64 = 300_000;
/// Lists nested as deep as the fuel allows are printed and freed by recursion, which needs far
/// more than an ordinary stack. Untouched pages of it cost nothing.
const STACK: usize = 256 << 20;

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks: `system`, `user` or `assistant`.
    pub role: String,
    pub content: String,
}

impl Message {
    /// A message from its two parts.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
        }
    }
}

/// Where the form of a conversation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateKind {
    /// The model file's own template.
    File,
    /// ChatML turns: `<|im_start|>user`.
    ChatMl,
    /// Gemma's turns: `<start_of_turn>user`.
    Gemma,
    /// Llama 3's headers: `<|start_header_id|>user`.
    Llama3,
    /// No marks at all: the texts, each followed by a line break.
    Plain,
}

impl TemplateKind {
    /// A short name for the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "the model's own",
            Self::ChatMl => "ChatML",
            Self::Gemma => "Gemma",
            Self::Llama3 => "Llama 3",
            Self::Plain => "plain text",
        }
    }

    /// The convention whose mark a vocabulary has. `has_token` answers for a token's text.
    fn by_vocabulary(has_token: impl Fn(&str) -> bool) -> Self {
        let marks = [
            ("<|im_start|>", Self::ChatMl),
            ("<start_of_turn>", Self::Gemma),
            ("<|start_header_id|>", Self::Llama3),
        ];
        marks
            .into_iter()
            .find(|(mark, _)| has_token(mark))
            .map_or(Self::Plain, |(_, kind)| kind)
    }

    /// The convention as a template; `File` has none.
    fn source(self) -> &'static str {
        match self {
            Self::ChatMl => include_str!("template/chatml.jinja"),
            Self::Gemma => include_str!("template/gemma.jinja"),
            Self::Llama3 => include_str!("template/llama3.jinja"),
            Self::Plain | Self::File => include_str!("template/plain.jinja"),
        }
    }
}

/// The form of a model's conversations.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
    kind: TemplateKind,
    warning: Option<String>,
}

impl ChatTemplate {
    /// Takes the template of a model file, or the convention of its vocabulary where the file
    /// has none or one that cannot be read ([`Self::warning`] says so then).
    ///
    /// `bos` and `eos` are the texts of those tokens, for the template to write. `has_token`
    /// answers whether the vocabulary has a token with this text.
    pub fn from_source(
        jinja: Option<&str>,
        bos: &str,
        eos: &str,
        has_token: impl Fn(&str) -> bool,
    ) -> Self {
        let mut environment = functions::environment();
        let mut warning = None;
        let mut kind = TemplateKind::by_vocabulary(has_token);
        if let Some(source) = jinja.filter(|source| !source.trim().is_empty()) {
            match add(&mut environment, source) {
                Ok(()) => kind = TemplateKind::File,
                Err(error) => {
                    warning = Some(format!("{error}; the form is {} instead", kind.name()));
                }
            }
        }
        if kind != TemplateKind::File
            && let Err(error) = add(&mut environment, kind.source())
        {
            warning = Some(error.to_string());
        }
        Self {
            environment,
            bos: bos.to_owned(),
            eos: eos.to_owned(),
            kind,
            warning,
        }
    }

    /// Where the form comes from.
    pub fn kind(&self) -> TemplateKind {
        self.kind
    }

    /// One sentence if the file's template had to be left aside.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Makes the template's clock stand still at a date, so that a prompt can be had again.
    pub fn set_date(&mut self, date: NaiveDateTime) {
        functions::set_date(&mut self.environment, Some(date));
    }

    /// The names that the template reads and does not set: those of a conversation, and its switches.
    pub fn reads(&self) -> BTreeSet<String> {
        let template = self.environment.get_template(NAME).ok();
        let names = template.map(|template| template.undeclared_variables(false));
        names.unwrap_or_default().into_iter().collect()
    }

    /// The switches of the template that a user may set, in order.
    pub fn switches(&self) -> Vec<String> {
        const GIVEN: &str = "messages add_generation_prompt bos_token eos_token tools documents \
             raise_exception namespace strftime_now range dict loop joiner cycler caller varargs";
        let given = |name: &String| GIVEN.split_whitespace().any(|given| given == name);
        self.reads()
            .into_iter()
            .filter(|name| !given(name))
            .collect()
    }

    /// The text of a conversation. `add_generation_prompt` ends it with the beginning of the
    /// assistant's turn.
    ///
    /// Errors: the template refuses the conversation, takes too much work, or makes more than
    /// 1 MiB of text.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        args: &TemplateArgs,
    ) -> Result<String> {
        let said: usize = messages
            .iter()
            .map(|message| message.content.len() + message.role.len())
            .sum();
        if said > MAX_OUTPUT_BYTES {
            bail!("the conversation is longer than 1 MiB; shorten it");
        }
        let template = self
            .environment
            .get_template(NAME)
            .map_err(|error| failed(&error))?;
        let values = context! {
            messages => Serde(messages),
            add_generation_prompt => add_generation_prompt,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
            tools => Value::from(()),
            documents => Value::from(()),
        };
        let values = context! { ..Value::from(Serde(&args.0)), ..values };
        let text = std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().name("chat template".to_owned());
            let render = || template.render(values).map_err(|error| failed(&error));
            let thread = builder.stack_size(STACK).spawn_scoped(scope, render);
            let thread = thread.context(
                "there is no memory for the thread of the chat template; end other programs, or raise the limit (ulimit -v)",
            )?;
            let died = |_| anyhow!("the model's chat template broke the template engine");
            thread.join().map_err(died)?
        })?;
        if text.len() > MAX_OUTPUT_BYTES {
            bail!("the model's chat template makes more than 1 MiB of text from this conversation");
        }
        Ok(text)
    }
}

/// The name of the one template in the environment.
const NAME: &str = "chat";

/// Reads a template into the environment.
fn add(environment: &mut Environment<'static>, source: &str) -> Result<()> {
    if source.len() > MAX_SOURCE_BYTES {
        bail!(
            "the model's chat template has {} KiB, more than the {} KiB allowed",
            source.len() >> 10,
            MAX_SOURCE_BYTES >> 10
        );
    }
    let added = environment.add_template_owned(NAME, source::plain(source));
    added.map_err(|error| {
        anyhow!(
            "the model's chat template cannot be read (line {}): {}",
            error.line().unwrap_or(1),
            detail(&error)
        )
    })
}

/// A failed render as one sentence.
fn failed(error: &minijinja::Error) -> anyhow::Error {
    if let Some(refusal) = functions::refusal(error) {
        return anyhow!(
            "the model's chat template refuses this conversation: {}",
            clean(&refusal)
        );
    }
    if error.kind() == ErrorKind::OutOfFuel {
        return anyhow!("the model's chat template takes too long on this conversation");
    }
    anyhow!(
        "the model's chat template failed in line {}: {}",
        error.line().unwrap_or(1),
        detail(error)
    )
}

/// What went wrong, in the engine's words.
fn detail(error: &minijinja::Error) -> String {
    clean(
        &error
            .detail()
            .map_or_else(|| error.kind().to_string(), str::to_owned),
    )
}

/// Text from a template made fit for a line on the screen.
fn clean(text: &str) -> String {
    text.split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests;
