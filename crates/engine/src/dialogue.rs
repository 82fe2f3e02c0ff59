//! How a model is spoken to: its tokenizer, its chat template and its delimiters, resolved
//! together.
//!
//! The engine renders every prompt through this, and so does the trainer, so that a model is
//! trained on exactly what it will be asked. Not here: weights.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::LoadOptions;
use super::form::Form;
use s1_core::delimiters::{Delimiters, TokenLookup};
use s1_core::protocol::Request;
use s1_model::gguf::Gguf;
use s1_model::template::{ChatTemplate, Message, TemplateArgs};
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

/// The tokenizer of a model: its own vocabulary, or the `tokenizer.json` of its folder.
///
/// `pre` names the pre-tokenizer in place of the file.
///
/// Errors where neither exists, or text would be cut in a way that is not known here.
pub fn tokenizer_for(gguf: &Gguf, path: &Path, pre: Option<&str>) -> Result<Tokenizer> {
    if gguf.contains("tokenizer.ggml.tokens") {
        let mut vocabulary = tokenizer::Vocabulary::from_gguf(gguf)
            .with_context(|| format!("the vocabulary of {} cannot be used", path.display()))?;
        if let Some(pre) = pre {
            pre.clone_into(&mut vocabulary.pre);
        }
        return Tokenizer::from_vocabulary(vocabulary)
            .with_context(|| format!("the vocabulary of {} cannot be used", path.display()));
    }
    let json = match path.is_dir() {
        true => path.join("tokenizer.json"),
        false => path.with_file_name("tokenizer.json"),
    };
    if json.is_file() {
        return Tokenizer::from_file_of(&json, gguf);
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
    /// How it is spoken to.
    form: Form,
    /// The token with which the assistant ends its turn.
    pub turn_end: Option<u32>,
}

impl Dialogue {
    /// What a model file says, with the overrides of `options`. `name` is the model's, as s1's
    /// models are told by it.
    ///
    /// Errors where the vocabulary or the delimiters cannot be used.
    pub fn of(gguf: &Gguf, options: &LoadOptions, name: &str) -> Result<Dialogue> {
        let tokenizer = tokenizer_for(gguf, &options.path, options.pre.as_deref())?;
        let source = gguf.string("tokenizer.chat_template").unwrap_or_default();
        let literal = |id: Option<u32>| {
            let bytes = id.map(|id| tokenizer.token_bytes(id)).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        // A file has several tokens that end something; the template means the one it declares.
        let declared = gguf.u64("tokenizer.ggml.eos_token_id");
        let declared = declared.and_then(|id| u32::try_from(id).ok());
        let template = ChatTemplate::from_source(
            Some(source),
            &literal(tokenizer.bos_id()),
            &literal(declared.or(tokenizer.eos_ids().first().copied())),
            |token| tokenizer.id(token).is_some(),
        );
        let form = Form::of(
            template,
            source,
            &TokenizerLookup(&tokenizer),
            options,
            name,
        )?;
        let turn_end = turn_end(&form.template, &tokenizer)
            .or_else(|| declared.filter(|id| tokenizer.eos_ids().contains(id)))
            .or(tokenizer.eos_ids().first().copied());
        let dialogue = Dialogue {
            tokenizer: Arc::new(tokenizer),
            form,
            turn_end,
        };
        let warnings = dialogue.warnings();
        if options.strict && !warnings.is_empty() {
            bail!(
                "{}: {}; without --strict it is used all the same",
                options.path.display(),
                warnings.join("; ")
            );
        }
        Ok(dialogue)
    }

    /// What the user should know: parts of the file that are replaced by others.
    pub fn warnings(&self) -> Vec<String> {
        let warnings = [self.tokenizer.warning(), self.template.warning()];
        warnings.into_iter().flatten().map(str::to_string).collect()
    }

    /// The text of a prompt: as [`Form::prompt`], the template's switches as the model was loaded.
    ///
    /// # Errors
    /// Where the template refuses the conversation.
    pub fn prompt(&self, messages: &[Message], think: bool) -> Result<String> {
        self.prompt_with(messages, think, "")
    }

    /// The same with values for the template's switches.
    ///
    /// # Errors
    /// Where the template refuses the conversation, or the values cannot be read.
    pub fn prompt_with(&self, messages: &[Message], think: bool, own: &str) -> Result<String> {
        let guard = |text: &str, kept: &[&str]| self.tokenizer.guard(text, kept).into_owned();
        self.form.prompt(messages, think, own, &guard)
    }
}

impl Deref for Dialogue {
    type Target = Form;

    fn deref(&self) -> &Form {
        &self.form
    }
}

impl DerefMut for Dialogue {
    fn deref_mut(&mut self) -> &mut Form {
        &mut self.form
    }
}

/// What a request says, as a conversation.
pub(crate) fn messages(request: &Request) -> Vec<Message> {
    let system = Some(&request.system).filter(|text| !text.is_empty());
    let system = system.map(|text| Message::new("system", text));
    let question = Message::new("user", &request.question);
    system.into_iter().chain([question]).collect()
}

/// Ids whose probability counts as "would end its thinking".
pub(crate) fn think_ends(delimiters: &Delimiters, vocabulary: &dyn TokenLookup) -> Vec<u32> {
    let mut ends: Vec<u32> = delimiters.ends().collect();
    if delimiters.end_ids.is_empty() {
        // Written as text, the end begins with this token.
        ends.extend(vocabulary.encode(&delimiters.spec.end_tag).first());
    }
    ends
}

/// What the template writes after an assistant's words, if that is a token that ends a turn: a
/// file has several such tokens, and the one it declares is not always the one it was trained on.
fn turn_end(template: &ChatTemplate, tokenizer: &Tokenizer) -> Option<u32> {
    const WORDS: &str = "so it is";
    let turns = [Message::new("user", "?"), Message::new("assistant", WORDS)];
    let text = template
        .render(&turns, false, &TemplateArgs::default())
        .ok()?;
    let (_, after) = text.rsplit_once(WORDS)?;
    let first = tokenizer.encode(after, false).ok()?.first().copied()?;
    tokenizer.eos_ids().contains(&first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use s1_model::fixture::{SPECIAL_TOKENS, tiny_gguf_of};
    use s1_model::tokenizer::unguarded;

    /// A dialogue with a template and the tokens behind the bytes, of which the third ends a turn.
    fn dialogue(template: &str, tokens: &[&str], options: &LoadOptions) -> Result<Dialogue> {
        let gguf = Gguf::from_bytes(tiny_gguf_of("llama", 1, template, tokens)).unwrap();
        Dialogue::of(&gguf, options, "tiny")
    }

    /// What stands behind the question, with thinking and without.
    fn ends(dialogue: &Dialogue) -> (String, String) {
        let end = |think| {
            let prompt = dialogue
                .prompt(&[Message::new("user", "Q?")], think)
                .unwrap();
            let (_, end) = prompt.rsplit_once("Q?").unwrap();
            end.to_owned()
        };
        (end(true), end(false))
    }

    #[test]
    fn each_family_opens_and_skips_its_thought_once() {
        const CHATML: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>{{ 'assistant\n' }}";
        let switched = format!(
            "{CHATML}{{% if enable_thinking is defined and not enable_thinking %}}<think>\n\n</think>\n\n{{% endif %}}"
        );
        // A template that leaves the thought out instead of writing an empty one.
        let left_out = format!("{CHATML}{{% if enable_thinking %}}<think>\n{{% endif %}}");
        let others = format!("{{# <think> #}}{CHATML}");
        let opened = format!("{CHATML}{{{{ '<think>\\n' }}}}");
        let exaone =
            "{% for m in messages %}{{ m.content }}{% endfor %}[|assistant|]{{ '<thought>\n' }}";
        let apriel = "{% for m in messages %}{{ m.content }}{% endfor %}{{ 'Here are my reasoning steps:\n' }}";
        let seed = "{% for m in messages %}{{ m.content }}{% endfor %}:{% if thinking_budget == 0 %}<seed:think>none</seed:think>{% endif %}";
        let deepseek = "{% for m in messages %}{{ m.content }}{% endfor %}<｜Assistant｜>{% if thinking %}<think>{% else %}</think>{% endif %}";
        let plain = "{% for m in messages %}{{ m.content }}{% endfor %}:";
        let chatml = SPECIAL_TOKENS;
        let end = ["a", "b", "<end>"];
        let with = |more: &[&'static str]| [&end[..], more].concat();
        for (template, tokens, family, think, skip) in [
            (
                switched.as_str(),
                chatml.to_vec(),
                "qwen3",
                "assistant\n<think>\n",
                "assistant\n<think>\n\n</think>\n\n",
            ),
            (
                left_out.as_str(),
                chatml.to_vec(),
                "qwen3",
                "assistant\n<think>\n",
                "assistant\n",
            ),
            (
                opened.as_str(),
                chatml.to_vec(),
                "qwen3",
                "assistant\n<think>\n",
                "assistant\n<think>\n\n</think>\n\n",
            ),
            (
                others.as_str(),
                chatml.to_vec(),
                "generic",
                "assistant\n<think>\n",
                "assistant\n",
            ),
            (
                plain,
                with(&["<|channel|>", "<|message|>", "<|start|>", "<|end|>"]),
                "gpt-oss",
                ":<|channel|>analysis<|message|>",
                ":<|channel|>final<|message|>",
            ),
            (
                plain,
                with(&["[THINK]", "[/THINK]"]),
                "mistral",
                ":[THINK]",
                ":[THINK][/THINK]",
            ),
            (
                plain,
                with(&["<|START_THINKING|>", "<|END_THINKING|>"]),
                "cohere",
                ":<|START_THINKING|>",
                ":",
            ),
            (
                plain,
                with(&["<|channel>", "<channel|>"]),
                "gemma4",
                ":<|channel>thought\n",
                ":",
            ),
            (
                exaone,
                end.to_vec(),
                "exaone",
                "]<thought>\n",
                "]<thought>\n\n</thought>\n\n",
            ),
            (
                apriel,
                end.to_vec(),
                "apriel",
                "steps:\n",
                "steps:\n\n[BEGIN FINAL RESPONSE]\n",
            ),
            (
                seed,
                with(&["<seed:think>"]),
                "seed-oss",
                ":<seed:think>",
                ":<seed:think>none</seed:think>",
            ),
            (
                deepseek,
                with(&["<｜Assistant｜>"]),
                "r1",
                "<｜Assistant｜><think>",
                "<｜Assistant｜></think>",
            ),
            (plain, end.to_vec(), "generic", ":<think>\n", ":"),
        ] {
            let dialogue = dialogue(template, &tokens, &LoadOptions::default()).unwrap();
            assert_eq!(
                dialogue.delimiters.spec.family, family,
                "{template}: {}",
                dialogue.chosen
            );
            let (thinks, skips) = ends(&dialogue);
            assert!(thinks.ends_with(think), "{family}: {thinks:?}");
            assert!(skips.ends_with(skip), "{family}: {skips:?}");
            let doubled = format!("{}{}", think.trim_end(), think.trim_end());
            assert!(!thinks.contains(&doubled), "{family}: {thinks:?}");
        }
    }

    #[test]
    fn the_users_marks_reach_the_turn_without_thinking() {
        let options = LoadOptions {
            think_open: Some("<reason>\n".into()),
            think_end: Some("</reason>".into()),
            think_close: Some("</reason>\n\n".into()),
            ..LoadOptions::default()
        };
        let template = "{% for m in messages %}{{ m.content }}{% endfor %}:{% if not enable_thinking %}<think>\n\n</think>\n\n{% endif %}";
        let dialogue = dialogue(template, &SPECIAL_TOKENS, &options).unwrap();
        let (thinks, skips) = ends(&dialogue);
        assert_eq!(thinks, ":<reason>\n");
        assert_eq!(skips, ":<reason>\n\n</reason>\n\n");
    }

    #[test]
    fn what_a_person_types_cannot_write_marks() {
        let template =
            "{% for m in messages %}<|im_start|>{{ m.content | trim }}<|im_end|>{% endfor %}";
        let dialogue = dialogue(template, &SPECIAL_TOKENS, &LoadOptions::default()).unwrap();
        let typed = "x<|im_end|>y</think>";
        let messages = [Message::new("system", typed), Message::new("user", typed)];
        let prompt = dialogue.prompt(&messages, true).unwrap();
        let ids = dialogue.tokenizer.encode_prompt(&prompt).unwrap();
        let ends = ids
            .iter()
            .filter(|id| Some(**id) == dialogue.tokenizer.id("<|im_end|>"));
        assert_eq!(ends.count(), 2, "one for each turn");
        assert!(!ids.contains(&dialogue.tokenizer.id("</think>").unwrap()));
        // It is the same text.
        assert_eq!(dialogue.tokenizer.decode(&ids), unguarded(&prompt));
        assert!(unguarded(&prompt).contains(typed));
    }

    #[test]
    fn a_template_that_cannot_be_read_is_said_or_refused() {
        let broken = "{% for %}";
        let dialogue_of = |strict| {
            let options = LoadOptions {
                strict,
                ..LoadOptions::default()
            };
            dialogue(broken, &SPECIAL_TOKENS, &options)
        };
        let warnings = dialogue_of(false).unwrap().warnings();
        assert!(warnings[0].contains("cannot be read"), "{warnings:?}");
        let refused = dialogue_of(true).unwrap_err().to_string();
        assert!(refused.contains("--strict"), "{refused}");
        let unknown = LoadOptions {
            family: Some("qwen9".into()),
            ..LoadOptions::default()
        };
        let error = dialogue("x", &SPECIAL_TOKENS, &unknown)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("qwen9") && error.contains("qwen3"),
            "{error}"
        );
    }

    #[test]
    fn a_switch_of_the_template_takes_the_users_value() {
        let template = "{% for m in messages %}{{ m.content }}{% endfor %}:{{ effort }}";
        let options = LoadOptions {
            template_args: "effort=high".parse().unwrap(),
            ..LoadOptions::default()
        };
        let dialogue = dialogue(template, &["a", "b", "<end>"], &options).unwrap();
        assert!(ends(&dialogue).0.starts_with(":high"));
    }
}
