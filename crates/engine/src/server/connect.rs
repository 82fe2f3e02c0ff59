//! Getting to know a server: what it is, which model it has, and how that model is spoken to.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::dialect::Dialect;
use super::http::{Client, Fault, Patience};
use super::words::Words;
use crate::dialogue;
use crate::{Form, LoadOptions};
use s1_core::delimiters::{Delimiters, TokenLookup as _};
use s1_core::protocol::{ModelInfo, Request};
use s1_data::sanitize::clean_line;
use s1_model::gguf::Gguf;
use s1_model::template::ChatTemplate;
use s1_model::tokenizer::Tokenizer;

/// Requests at once to a server that does not say how many places it has.
const PLACES: usize = 32;
/// More than any vocabulary has: where a server does not say how many tokens its own has.
const VOCABULARY: usize = 1 << 22;
/// Of a name that a server gives, so many characters are shown.
const NAME: usize = 60;

/// One model, behind one or several addresses.
pub(super) struct Remote {
    pub dialect: Dialect,
    /// Those who answered; never empty.
    pub clients: Vec<Client>,
    /// Which of its models, where it has to be said.
    pub model: Option<String>,
    pub words: Words,
    form: Form,
    pub delimiters: Arc<Delimiters>,
    /// Ids whose probability counts as "would end its thinking".
    pub think_ends: Vec<u32>,
    pub context: usize,
    /// Requests that are under way at once at most.
    pub places: usize,
    pub info: ModelInfo,
}

/// What one address says of itself.
struct Card {
    dialect: Dialect,
    model: String,
    /// Whether the model has to be named in requests.
    named: bool,
    context: usize,
    places: usize,
    vocabulary: usize,
    parameters: u64,
    quantization: String,
    template: Option<String>,
    bos: String,
    eos: String,
}

/// Clients for the addresses in a model's path.
///
/// # Errors
/// If an address is none, or the key cannot be read.
pub(super) fn clients(options: &LoadOptions, patience: Patience) -> Result<Vec<Client>> {
    let variable = options.server.key_variable.as_deref();
    let all = super::address::addresses(&options.path)?.into_iter();
    all.map(|base| Ok(Client::new(base, variable, patience)?))
        .collect()
}

/// Connects to a model's servers. Of several, those that do not answer are left out, which the
/// warnings say.
///
/// # Errors
/// If none answers, if they have different models, or if the model cannot be steered.
pub(super) fn connect(clients: Vec<Client>, options: &LoadOptions) -> Result<Remote> {
    let mut found: Option<Card> = None;
    let (mut answered, mut warnings) = (Vec::new(), Vec::new());
    let mut first_fault = None;
    for client in clients {
        match card(&client, options.server.model.as_deref()) {
            Ok(card) => {
                found = Some(match found {
                    None => card,
                    Some(before) => before.and(card, &client)?,
                });
                answered.push(client);
            }
            Err(error) if error.downcast_ref::<Fault>().is_some_and(|f| f.passing) => {
                warnings.push(format!("{error:#}"));
                first_fault.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    let (Some(card), Some(client)) = (found, answered.first()) else {
        return Err(first_fault.unwrap_or_else(|| anyhow::anyhow!("no server is named")));
    };
    let words = match &options.server.tokenizer {
        Some(file) => Words::own(tokenizer(file)?),
        None if card.dialect == Dialect::Llama => {
            Words::of_server(client.clone(), card.vocabulary, &card.bos, &card.eos)?
        }
        None => bail!(
            "the server at {} does not hand out its vocabulary; name it with --tokenizer FILE (the model's tokenizer.json or a GGUF file of it)",
            client.base
        ),
    };
    let source = card.template.clone().or_else(|| template_beside(options));
    let template = ChatTemplate::from_source(source.as_deref(), &card.bos, &card.eos, |token| {
        words.token(token).is_some()
    });
    let source = source.unwrap_or_default();
    let form = Form::of(template, &source, &words, options, &card.model)?;
    let delimiters = form.delimiters.clone();
    let context = match options.context {
        Some(n) if n > card.context => bail!(
            "a context of {n} tokens is more than the {} that the server has; give --context a smaller number",
            card.context
        ),
        Some(n) => n,
        None => card.context,
    };
    warnings.extend(form.template.warning().map(str::to_owned));
    let info = ModelInfo {
        name: card.model.clone(),
        architecture: match card.dialect {
            Dialect::Llama => "llama.cpp server".into(),
            Dialect::Completions => "completions server".into(),
        },
        parameters: card.parameters,
        quantization: card.quantization.clone(),
        device: "server".into(),
        threads: 0,
        context,
        family: delimiters.spec.family.clone(),
        template: form.template.kind().name().into(),
        warnings,
    };
    Ok(Remote {
        dialect: card.dialect,
        places: options.server.concurrency.unwrap_or(card.places),
        model: card.named.then_some(card.model),
        think_ends: dialogue::think_ends(&delimiters, &words),
        delimiters,
        clients: answered,
        words,
        form,
        context,
        info,
    })
}

impl Card {
    /// What holds for two servers of one model.
    fn and(self, other: Card, client: &Client) -> Result<Card> {
        if (self.dialect, self.vocabulary) != (other.dialect, other.vocabulary)
            || self.template != other.template
            || self.model != other.model
        {
            bail!(
                "the server at {} has {}, the others have {}; give addresses of one model",
                client.base,
                other.model,
                self.model
            );
        }
        Ok(Card {
            context: self.context.min(other.context),
            places: self.places + other.places,
            ..self
        })
    }
}

/// What a server is, by what it answers.
fn card(client: &Client, wanted: Option<&str>) -> Result<Card> {
    match client.get("/props") {
        Ok(props) if props.get("total_slots").is_some() => llama(client, &props),
        Err(fault) if fault.passing => Err(fault.into()),
        _ => completions(client, wanted),
    }
}

fn llama(client: &Client, props: &Value) -> Result<Card> {
    let text = |key: &str| props.get(key).and_then(Value::as_str).unwrap_or_default();
    let models = client.get("/v1/models")?;
    let meta = models.pointer("/data/0/meta");
    let number = |key: &str| meta.and_then(|m| m.get(key)).and_then(Value::as_u64);
    let context = props.pointer("/default_generation_settings/n_ctx");
    let context = context
        .and_then(Value::as_u64)
        .context("the llama.cpp server does not say how long its context is")?;
    let path = Path::new(text("model_path"));
    let file = path.file_stem().map(|s| s.to_string_lossy().into_owned());
    Ok(Card {
        dialect: Dialect::Llama,
        model: shown(&file.unwrap_or_else(|| text("model_alias").to_owned())),
        named: false,
        context: context as usize,
        places: props
            .get("total_slots")
            .and_then(Value::as_u64)
            .map_or(1, |n| n.clamp(1, 4096) as usize),
        vocabulary: number("n_vocab").map_or(VOCABULARY, |n| (n as usize).min(VOCABULARY)),
        parameters: number("n_params").unwrap_or(0),
        quantization: shown(text("model_ftype")),
        template: Some(text("chat_template").to_owned()).filter(|t| !t.is_empty()),
        bos: text("bos_token").to_owned(),
        eos: text("eos_token").to_owned(),
    })
}

fn completions(client: &Client, wanted: Option<&str>) -> Result<Card> {
    let models = client.get("/v1/models")?;
    let list = models.get("data").and_then(Value::as_array);
    let list = list.filter(|list| !list.is_empty());
    let list = list.with_context(|| format!("the server at {} lists no models", client.base))?;
    let name = |model: &Value| Some(model.get("id")?.as_str()?.to_owned());
    let names: Vec<String> = list.iter().filter_map(name).collect();
    let model = match wanted {
        Some(wanted) => list.iter().find(|m| name(m).as_deref() == Some(wanted)),
        None if list.len() == 1 => list.first(),
        None => None,
    };
    let Some(model) = model else {
        bail!(
            "the server at {} has several models; choose one with --server-model: {}",
            client.base,
            clean_line(&names.join(", "))
        );
    };
    let context = model.get("max_model_len").and_then(Value::as_u64);
    let context = context.with_context(|| {
        format!(
            "the server at {} does not continue token ids (it does not say how long its context is, as vLLM and SGLang do); its thinking cannot be steered",
            client.base
        )
    })?;
    Ok(Card {
        dialect: Dialect::Completions,
        model: name(model).unwrap_or_default(),
        named: true,
        context: context as usize,
        places: PLACES,
        vocabulary: VOCABULARY,
        parameters: 0,
        quantization: String::new(),
        template: None,
        bos: String::new(),
        eos: String::new(),
    })
}

/// A name as a server gives it, fit to be shown.
fn shown(name: &str) -> String {
    clean_line(name).chars().take(NAME).collect()
}

fn is_gguf(file: &Path) -> bool {
    file.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("gguf"))
}

/// A vocabulary that the user names.
fn tokenizer(file: &Path) -> Result<Tokenizer> {
    match is_gguf(file) {
        true => dialogue::tokenizer_for(&Gguf::open(file)?, file, None),
        false => Tokenizer::from_file(file),
    }
}

/// The template that comes with a vocabulary, for servers that do not tell theirs.
fn template_beside(options: &LoadOptions) -> Option<String> {
    let file = options.server.tokenizer.as_ref()?;
    if is_gguf(file) {
        let gguf = Gguf::open(file).ok()?;
        return gguf.string("tokenizer.chat_template").map(str::to_owned);
    }
    let beside = file.with_file_name("chat_template.jinja");
    if let Ok(text) = std::fs::read_to_string(beside) {
        return Some(text);
    }
    let config = std::fs::read_to_string(file.with_file_name("tokenizer_config.json")).ok()?;
    let config: Value = serde_json::from_str(&config).ok()?;
    Some(config.get("chat_template")?.as_str()?.to_owned())
}

impl Remote {
    /// The prompt of a request as token ids, thinking opened (or skipped) as the policy says.
    pub fn prompt(&self, request: &Request) -> Result<Vec<u32>> {
        let text = match request.raw {
            true => request.question.clone(),
            false => {
                let messages = dialogue::messages(request);
                let think = request.policy.think;
                let guard = |text: &str, kept: &[&str]| self.words.guard(text, kept);
                self.form.prompt(&messages, think, &guard)?
            }
        };
        let ids = self.words.encode_prompt(&text)?;
        if ids.is_empty() {
            bail!("the prompt is empty; write a question");
        }
        Ok(ids)
    }
}
