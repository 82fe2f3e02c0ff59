//! How a model is spoken to: its tokenizer, its chat template and its delimiters, resolved
//! together.
//!
//! The engine renders every prompt through this, and so does the trainer, so that a model is
//! trained on exactly what it will be asked. Not here: weights.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};

use super::LoadOptions;
use s1_core::delimiters::{Delimiters, Family, Spec, TokenLookup};
use s1_model::gguf::Gguf;
use s1_model::template::{ChatTemplate, Message};
use s1_model::tokenizer::{self, Tokenizer};

/// A tokenizer as the delimiters ask it.
pub(crate) struct TokenizerLookup<'a>(pub &'a Tokenizer);

impl TokenLookup for TokenizerLookup<'_> {
    fn encode(&self, text: &str) -> Vec<u32> {
        // Only a text of many megabytes can fail here; it then has no tokens.
        self.0.encode(text, false).unwrap_or_default()
    }
    fn token(&self, text: &str) -> Option<u32> {
        self.0.id(text)
    }
    fn turn_ends(&self) -> Vec<u32> {
        self.0.eos_ids().to_vec()
    }
}

/// The tokenizer of a model file: its own vocabulary, or a `tokenizer.json` in the same folder.
///
/// Errors where neither exists.
pub fn tokenizer_for(gguf: &Gguf, path: &Path) -> Result<Tokenizer> {
    if gguf.contains("tokenizer.ggml.tokens") {
        return Tokenizer::from_vocabulary(tokenizer::Vocabulary::from_gguf(gguf));
    }
    let json = path.with_file_name("tokenizer.json");
    if json.is_file() {
        return Tokenizer::from_file(&json);
    }
    bail!(
        "{} has no vocabulary; put its tokenizer.json in the same folder",
        path.display()
    )
}

/// Tokenizer, template and delimiters of one model.
#[derive(Debug)]
pub struct Dialogue {
    /// Text to tokens and back.
    pub tokenizer: Arc<Tokenizer>,
    /// The form of a conversation.
    pub template: ChatTemplate,
    /// How thinking opens and ends.
    pub delimiters: Arc<Delimiters>,
    /// The token with which the assistant ends its turn.
    pub turn_end: Option<u32>,
}

impl Dialogue {
    /// What a model file says, with the overrides of `options`. `name` is the model's, as s1's
    /// models are told by it.
    ///
    /// Errors where the vocabulary or the delimiters cannot be used.
    pub fn of(gguf: &Gguf, options: &LoadOptions, name: &str) -> Result<Dialogue> {
        let tokenizer = tokenizer_for(gguf, &options.path)?;
        let source = gguf.string("tokenizer.chat_template");
        let family = options.family.unwrap_or_else(|| {
            Family::detect(
                &TokenizerLookup(&tokenizer),
                source.unwrap_or_default(),
                name,
            )
        });
        let mut spec = Spec::of(family);
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
        let delimiters =
            Delimiters::resolve(spec, &TokenizerLookup(&tokenizer)).map_err(anyhow::Error::msg)?;
        let literal = |id: Option<u32>| {
            let bytes = id.map(|id| tokenizer.token_bytes(id)).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let template = ChatTemplate::from_source(
            source,
            &literal(tokenizer.bos_id()),
            &literal(tokenizer.eos_ids().first().copied()),
            |token| tokenizer.id(token).is_some(),
        );
        let declared = gguf.u64("tokenizer.ggml.eos_token_id");
        let declared = declared.and_then(|id| u32::try_from(id).ok());
        let turn_end = turn_end(&template, &tokenizer)
            .or_else(|| declared.filter(|id| tokenizer.eos_ids().contains(id)))
            .or(tokenizer.eos_ids().first().copied());
        Ok(Dialogue {
            tokenizer: Arc::new(tokenizer),
            template,
            delimiters: Arc::new(delimiters),
            turn_end,
        })
    }

    /// The text of a prompt: the conversation so far and the beginning of the assistant's turn,
    /// its thinking opened, or skipped.
    ///
    /// Errors where the template refuses the conversation.
    pub fn prompt(&self, messages: &[Message], think: bool) -> Result<String> {
        let mut text = self.template.render(messages, true, Some(think))?;
        let spec = &self.delimiters.spec;
        let added = if think {
            spec.opening(&text)
        } else {
            spec.skipping(&text)
        };
        text.push_str(added);
        Ok(text)
    }
}

/// What the template writes after an assistant's words, if that is a token that ends a turn: a
/// file has several such tokens, and the one it declares is not always the one it was trained on.
fn turn_end(template: &ChatTemplate, tokenizer: &Tokenizer) -> Option<u32> {
    const WORDS: &str = "so it is";
    let turns = [Message::new("user", "?"), Message::new("assistant", WORDS)];
    let text = template.render(&turns, false, None).ok()?;
    let (_, after) = text.rsplit_once(WORDS)?;
    let first = tokenizer.encode(after, false).ok()?.first().copied()?;
    tokenizer.eos_ids().contains(&first).then_some(first)
}
