//! Getting to know a server: what it is, which model it has, and how that model is spoken to.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::chat::{self, Tags};
use super::dialect::{Dialect, ReplyReader};
use super::http::{RequestFault, ServerClient, ServerTimeouts};
use super::words::{ServerWords, VOCABULARY};
use crate::dialogue;
use crate::{Form, LoadOptions, families};
use s1_core::delimiters::{Delimiters, TokenLookup as _};
use s1_core::protocol::{ModelInfo, Request, SERVER};
use s1_data::sanitize::clean_line;
use s1_model::gguf::Gguf;
use s1_model::template::{ChatTemplate, TemplateArgs};
use s1_model::tokenizer::Tokenizer;

/// Requests at once to a server that does not say how many places it has.
const PLACES: usize = 32;
/// Requests at once to one that only chats: most of those write a few replies at once and keep the
/// others waiting, in silence.
const CHATS: usize = 4;
/// The context of a server that does not say how long its own is, in tokens.
const CONTEXT: usize = 32_768;
/// The family of a server that only chats: it marks its thinking itself, or by the usual tags.
const FAMILY: &str = "generic";
/// Of a name that a server gives, so many characters are shown.
const NAME: usize = 60;

/// One model, behind one or several addresses.
pub(super) struct Remote {
    pub dialect: Dialect,
    /// Those who answered; never empty.
    pub clients: Vec<ServerClient>,
    /// Which of its models, where it has to be said.
    pub model: Option<String>,
    pub words: ServerWords,
    form: Form,
    pub delimiters: Arc<Delimiters>,
    /// Ids whose probability counts as "would end its thinking".
    pub think_ends: Vec<u32>,
    pub context: usize,
    /// Requests that are under way at once at most.
    pub places: usize,
    pub info: ModelInfo,
    /// The user's values for the template's switches, for a server that has the template.
    pub switches: TemplateArgs,
    /// How thinking is marked in what a server that only chats writes.
    tags: Tags,
}

/// What one address says of itself.
struct Card {
    dialect: Dialect,
    /// What it is, and which version.
    version: String,
    model: String,
    /// Whether the model has to be named in requests.
    named: bool,
    /// Where it does not say, a usual one is assumed.
    context: Option<usize>,
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
pub(super) fn clients(
    options: &LoadOptions,
    patience: ServerTimeouts,
) -> Result<Vec<ServerClient>> {
    let variable = options.server.key_variable.as_deref();
    let all = super::address::addresses(&options.path)?.into_iter();
    all.map(|base| Ok(ServerClient::new(base, variable, patience)?))
        .collect()
}

/// Connects to a model's servers. Of several, those that do not answer are left out, which the
/// warnings say.
///
/// # Errors
/// If none answers, if they have different models, or if the model cannot be steered.
pub(super) fn connect(clients: Vec<ServerClient>, options: &LoadOptions) -> Result<Remote> {
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
            Err(error)
                if error
                    .downcast_ref::<RequestFault>()
                    .is_some_and(|f| f.passing) =>
            {
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
        _ if card.dialect == Dialect::Chat => ServerWords::of_pieces(),
        Some(file) => {
            let own = tokenizer(file)?;
            if card.dialect == Dialect::Completions {
                compare(client, &card.model, &own, file)?;
            }
            ServerWords::own(own)
        }
        None if card.dialect == Dialect::Llama => {
            ServerWords::of_servers(answered.clone(), card.vocabulary, &card.bos, &card.eos)?
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
    let form = match card.dialect {
        // Every text is one of its tokens, so that they tell no family; and it is never opened here.
        Dialect::Chat => LoadOptions {
            family: options.family.clone().or(Some(FAMILY.into())),
            think_open: Some(String::new()),
            ..options.clone()
        },
        Dialect::Llama | Dialect::Completions => options.clone(),
    };
    let form = Form::of(template, &source, &words, &form, &card.model)?;
    let delimiters = form.delimiters.clone();
    let tags = tags(options, &delimiters);
    let context = match (options.context, card.context) {
        (Some(n), Some(most)) if n > most => bail!(
            "a context of {n} tokens is more than the {most} that the server has; give --context a smaller number",
        ),
        (Some(n), _) | (None, Some(n)) => n,
        (None, None) => {
            warnings.push(format!(
                "the server does not say how long its context is; {CONTEXT} tokens are assumed (--context says otherwise)"
            ));
            CONTEXT
        }
    };
    warnings.extend(form.template.warning().map(str::to_owned));
    if card.dialect == Dialect::Chat {
        warnings.push(format!(
            "this server only chats: what it writes can be watched, compared and swept by its own budgets, and not steered, as it takes no token ids; {}",
            chat::INSTEAD
        ));
    }
    let info = ModelInfo {
        name: card.model.clone(),
        architecture: match card.dialect {
            Dialect::Llama => "llama.cpp server".into(),
            Dialect::Completions => "completions server".into(),
            Dialect::Chat => "chat server".into(),
        },
        version: card.version.clone(),
        chats: card.dialect == Dialect::Chat,
        parameters: card.parameters,
        quantization: card.quantization.clone(),
        device: SERVER.into(),
        threads: 0,
        context,
        family: delimiters.spec.family.clone(),
        template: match card.dialect {
            Dialect::Chat => "the server's".into(),
            Dialect::Llama | Dialect::Completions => form.template.kind().name().into(),
        },
        switches: match card.dialect {
            // Its template is its own, and what that reads is not known here.
            Dialect::Chat => Vec::new(),
            Dialect::Llama | Dialect::Completions => form.template.switches(),
        },
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
        switches: options.template_args.clone(),
        tags,
    })
}

/// The tags around a thought: the user's, or those of the family.
fn tags(options: &LoadOptions, delimiters: &Delimiters) -> Tags {
    let family = families().get(&delimiters.spec.family);
    let open = family.map(|family| family.open_tag.clone());
    let own = options
        .think_open
        .as_ref()
        .map(|open| open.trim().to_owned());
    Tags {
        open: own.or(open.ok()).unwrap_or_default(),
        end: delimiters.spec.end_tag.clone(),
    }
}

impl Card {
    /// What holds for two servers of one model.
    fn and(self, other: Card, client: &ServerClient) -> Result<Card> {
        if (self.dialect, self.vocabulary) != (other.dialect, other.vocabulary)
            || self.template != other.template
            || self.model != other.model
            || self.version != other.version
        {
            bail!(
                "the server at {} has {} ({}), the others have {} ({}); give addresses of one model and one version",
                client.base,
                other.model,
                other.version,
                self.model,
                self.version
            );
        }
        Ok(Card {
            context: match (self.context, other.context) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            },
            places: self.places + other.places,
            ..self
        })
    }
}

/// What a server is, by what it answers.
fn card(client: &ServerClient, wanted: Option<&str>) -> Result<Card> {
    let props = match client.get("/props") {
        Err(fault) if fault.passing => return Err(fault.into()),
        props => props.unwrap_or_default(),
    };
    match props.get("total_slots") {
        Some(_) if !client.chats => llama(client, &props),
        _ => completions(client, &props, wanted),
    }
}

/// What the software of a server is called, as far as it says so.
fn version(client: &ServerClient, props: &Value) -> String {
    if let Some(build) = props.get("build_info").and_then(Value::as_str) {
        return shown(&format!("llama.cpp {build}"));
    }
    for (path, name) in [("/version", "vLLM"), ("/api/version", "Ollama")] {
        let answer = client.get(path).unwrap_or_default();
        if let Some(version) = answer.get("version").and_then(Value::as_str) {
            return shown(&format!("{name} {version}"));
        }
    }
    String::new()
}

fn llama(client: &ServerClient, props: &Value) -> Result<Card> {
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
        version: version(client, props),
        model: shown(&file.unwrap_or_else(|| text("model_alias").to_owned())),
        named: false,
        context: Some(context as usize),
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

/// A server of several models: one that continues token ids, or one that only chats.
fn completions(client: &ServerClient, props: &Value, wanted: Option<&str>) -> Result<Card> {
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
    // Those that continue token ids say how long their context is.
    let length = model.get("max_model_len").and_then(Value::as_u64);
    let chats = client.chats || length.is_none();
    let other = props.pointer("/default_generation_settings/n_ctx");
    let other = other.and_then(Value::as_u64);
    Ok(Card {
        dialect: match chats {
            true => Dialect::Chat,
            false => Dialect::Completions,
        },
        version: version(client, props),
        model: name(model).unwrap_or_default(),
        named: true,
        context: length.or(other).map(|n| n as usize),
        places: if chats { CHATS } else { PLACES },
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

/// Whether a server reads ids as the vocabulary that the user names does, where it can be asked.
fn compare(client: &ServerClient, model: &str, own: &Tokenizer, file: &Path) -> Result<()> {
    const SAMPLE: &str = "The 3 quick foxes said: wait, let me think about 17 * 23 = 391 again.";
    let ids = own.encode_plain(SAMPLE)?;
    let asked = json!({"model": model, "tokens": ids});
    let answer = match client.post("/detokenize", &asked) {
        // Not all can be asked, and one that does not know an id refuses it.
        Err(fault) if fault.passing => return Err(fault.into()),
        Err(fault) if fault.missing => return Ok(()),
        answer => answer.unwrap_or_default(),
    };
    let read = answer.get("prompt").and_then(Value::as_str);
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    if read.map(bare) != Some(bare(SAMPLE)) {
        bail!(
            "{} is not the vocabulary of {}: the server at {} reads its ids as {:?}; name the right one with --tokenizer",
            file.display(),
            shown(model),
            client.base,
            shown(read.unwrap_or("none of its own"))
        );
    }
    Ok(())
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
    /// Whether the server only chats.
    pub fn chats(&self) -> bool {
        self.dialect == Dialect::Chat
    }

    /// What reads an answer to a request.
    pub fn reader(&self, request: &Request) -> ReplyReader {
        let vocabulary = self.words.vocabulary;
        match self.dialect {
            Dialect::Llama => ReplyReader::Llama { vocabulary },
            Dialect::Completions => ReplyReader::Completions { vocabulary },
            Dialect::Chat => {
                ReplyReader::Chat(chat::ChatReader::new(self.tags.clone(), &request.policy))
            }
        }
    }

    /// The prompt of a request as token ids, thinking opened (or skipped) as the policy says.
    pub fn prompt(&self, request: &Request) -> Result<Vec<u32>> {
        if self.chats() {
            if let Some(why) = chat::refusal(request) {
                bail!("{why}");
            }
            return Ok(self.words.asking(chat::body(self, request).to_string()));
        }
        let text = match request.raw {
            true => request.question.clone(),
            false => {
                let messages = dialogue::messages(request);
                let think = request.policy.think;
                let failed = Cell::new(None);
                let guard = |text: &str, kept: &[&str]| {
                    let spec = &self.delimiters.spec;
                    let guarded = self
                        .words
                        .guard(text, kept, [&spec.open_tag, &spec.end_tag]);
                    guarded.unwrap_or_else(|error| {
                        failed.set(Some(error));
                        String::new()
                    })
                };
                let text = self
                    .form
                    .prompt(&messages, think, &request.template_args, &guard)?;
                if let Some(error) = failed.into_inner() {
                    return Err(error);
                }
                text
            }
        };
        let ids = self.words.encode_prompt(&text)?;
        if ids.is_empty() {
            bail!("the prompt is empty; write a question");
        }
        Ok(ids)
    }
}
