//! A model ready for lanes: decoder, tokenizer, template and delimiters of one file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use candle_core::Device;

use super::protocol::{ModelInfo, Request};
use crate::model::decoder::Decoder;
use crate::model::gguf::Gguf;
use crate::model::template::{ChatTemplate, Message};
use crate::model::tokenizer::Tokenizer;
use crate::thinking::delimiters::{Delimiters, Family, Spec, Vocabulary};

/// Context length used when nobody asks for another: long thoughts fit, and the cache of a small
/// model stays small.
const DEFAULT_CONTEXT: usize = 8192;

/// What to load, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadOptions {
    /// The GGUF file.
    pub path: PathBuf,
    /// Context length in tokens; `None` is the model's own, at most 8192.
    pub context: Option<usize>,
    /// Delimiter family; `None` detects it.
    pub family: Option<Family>,
    /// Overrides the text that opens thinking.
    pub think_open: Option<String>,
    /// Overrides the text with which the model ends its thinking.
    pub think_end: Option<String>,
    /// Overrides the text appended when the thinking is cut off.
    pub think_close: Option<String>,
}

/// One model, ready to serve lanes.
pub(super) struct Loaded {
    pub decoder: Decoder,
    pub tokenizer: Arc<Tokenizer>,
    pub template: ChatTemplate,
    pub delimiters: Arc<Delimiters>,
    /// Ids whose probability counts as "would end its thinking".
    pub think_ends: Vec<u32>,
    /// Context length in use.
    pub context: usize,
    pub info: ModelInfo,
}

impl Vocabulary for Tokenizer {
    fn encode(&self, text: &str) -> Vec<u32> {
        // Only a text of many megabytes can fail here; it then has no tokens.
        Tokenizer::encode(self, text, false).unwrap_or_default()
    }
    fn token(&self, text: &str) -> Option<u32> {
        self.id(text)
    }
    fn turn_ends(&self) -> Vec<u32> {
        self.eos_ids().to_vec()
    }
}

/// The tokenizer of a model file: its own vocabulary, or a `tokenizer.json` beside it.
///
/// Errors where neither exists.
pub fn tokenizer_for(gguf: &Gguf, path: &Path) -> Result<Tokenizer> {
    if gguf.get("tokenizer.ggml.tokens").is_some() {
        return Tokenizer::from_vocabulary(crate::model::tokenizer::Vocabulary::from_gguf(gguf));
    }
    let beside = path.with_file_name("tokenizer.json");
    if beside.is_file() {
        return Tokenizer::from_file(&beside);
    }
    bail!(
        "{} has no vocabulary; put its tokenizer.json beside it",
        path.display()
    )
}

impl Loaded {
    /// Loads the file. `progress` is told how far it is, 0 to 1, and stops it by returning false.
    pub fn open(options: &LoadOptions, progress: &mut dyn FnMut(f32) -> bool) -> Result<Loaded> {
        let path = &options.path;
        let gguf = Gguf::open(path)?;
        let tokenizer = tokenizer_for(&gguf, path)?;
        let decoder = Decoder::load(&gguf, &Device::Cpu, progress)
            .with_context(|| format!("cannot load {}", path.display()))?;
        Loaded::assemble(options, &gguf, tokenizer, decoder)
    }

    fn assemble(
        options: &LoadOptions,
        gguf: &Gguf,
        tokenizer: Tokenizer,
        decoder: Decoder,
    ) -> Result<Loaded> {
        let config = decoder.config();
        let context = match options.context {
            None => config.context_length.min(DEFAULT_CONTEXT),
            Some(0) => bail!("a context of 0 tokens holds nothing; give --context a larger number"),
            Some(n) if n > config.context_length => bail!(
                "a context of {n} tokens is more than the {} this model was made for; give --context a smaller number",
                config.context_length
            ),
            Some(n) => n,
        };
        let source = gguf.string("tokenizer.chat_template");
        let name = display_name(gguf, &options.path);
        let family = options
            .family
            .unwrap_or_else(|| Family::detect(&tokenizer, source.unwrap_or_default(), &name));
        let mut spec = Spec::of(family);
        if let Some(open) = &options.think_open {
            spec.open_tag = open.trim().to_string();
            spec.open = open.clone();
        }
        if let Some(end) = &options.think_end {
            spec.end_tag = end.clone();
        }
        if let Some(close) = &options.think_close {
            spec.forced_close = close.clone();
        }
        let delimiters = Delimiters::resolve(spec, &tokenizer).map_err(anyhow::Error::msg)?;
        let mut think_ends: Vec<u32> = delimiters.ends().collect();
        if delimiters.end_ids.is_empty() {
            // Written as text, the end begins with this token.
            think_ends.extend(Vocabulary::encode(&tokenizer, &delimiters.spec.end_tag).first());
        }
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
        let warnings = [tokenizer.warning(), template.warning()];
        let warnings = warnings.into_iter().flatten().map(str::to_string).collect();
        let info = ModelInfo {
            name,
            architecture: config.architecture.clone(),
            parameters: gguf.parameters(),
            quantization: quantization(gguf),
            device: "cpu".into(),
            threads: candle_core::utils::get_num_threads(),
            context,
            family: family.name().into(),
            template: template.kind().name().into(),
            warnings,
        };
        Ok(Loaded {
            decoder,
            tokenizer: Arc::new(tokenizer),
            template,
            delimiters: Arc::new(delimiters),
            think_ends,
            context,
            info,
        })
    }

    /// The prompt of a request as token ids, thinking opened (or skipped) as the policy says.
    pub fn prompt(&self, request: &Request) -> Result<Vec<u32>> {
        let mut text = if request.raw {
            request.question.clone()
        } else {
            let mut messages = Vec::new();
            if !request.system.is_empty() {
                messages.push(Message::new("system", &request.system));
            }
            messages.push(Message::new("user", &request.question));
            self.template
                .render(&messages, true, Some(request.policy.think))?
        };
        if !request.raw {
            let spec = &self.delimiters.spec;
            let added = if request.policy.think {
                spec.opening(&text)
            } else {
                spec.skipping(&text)
            };
            text.push_str(added);
        }
        // A template that writes the begin-of-text token itself must not get a second one.
        let begun = self
            .tokenizer
            .bos_id()
            .map(|bos| self.tokenizer.token_bytes(bos))
            .is_some_and(|bos| !bos.is_empty() && text.as_bytes().starts_with(bos));
        let ids = self.tokenizer.encode(&text, !begun)?;
        if ids.is_empty() {
            bail!("the prompt is empty; write a question");
        }
        Ok(ids)
    }
}

fn display_name(gguf: &Gguf, path: &Path) -> String {
    let file = path.file_stem().map(|s| s.to_string_lossy().into_owned());
    let named = gguf.string("general.name").map(str::trim);
    let name = named.filter(|n| !n.is_empty()).map(str::to_string);
    let name = name.or(file).unwrap_or_default();
    name.chars().filter(|c| !c.is_control()).take(60).collect()
}

/// The tensor type most of the weights have.
fn quantization(gguf: &Gguf) -> String {
    let mut bytes: Vec<(String, usize)> = Vec::new();
    for (_, info) in gguf.tensors() {
        let name = format!("{:?}", info.kind.dtype()).to_uppercase();
        match bytes.iter_mut().find(|(n, _)| *n == name) {
            Some((_, sum)) => *sum += info.elements(),
            None => bytes.push((name, info.elements())),
        }
    }
    bytes
        .into_iter()
        .max_by_key(|(_, n)| *n)
        .map(|(name, _)| name)
        .unwrap_or_default()
}
