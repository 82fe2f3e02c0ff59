//! A model ready for lanes: decoder, tokenizer, template and delimiters of one file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::catalog;
use crate::dialogue::{self, Dialogue, TokenizerLookup};
use crate::{ServerOptions, is_server};
use s1_core::delimiters::Delimiters;
use s1_core::param;
use s1_core::param::{Access, Lens, Param};
use s1_core::protocol::{ModelInfo, Request};
use s1_core::training::Quantization;
use s1_data::hub::{self, RepoKind};
use s1_model::adapter::{PeftAdapter, PeftConfig};
use s1_model::cache::CacheType;
use s1_model::decoder::Decoder;
use s1_model::device::DeviceChoice;
use s1_model::gguf::{Gguf, folder};
use s1_model::memory;
use s1_model::parallel;
use s1_model::template::TemplateArgs;
use s1_model::tokenizer::Tokenizer;

/// Context length used when nobody asks for another: long thoughts fit, and the cache of a small
/// model stays small.
const DEFAULT_CONTEXT: usize = 8192;

/// What to load, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadOptions {
    /// The GGUF file; or the folder of a model as Hugging Face has them; or that of an adapter that names its base ([`LoadOptions::resolved`]); or
    /// the addresses of servers ([`is_server`]).
    pub path: PathBuf,
    /// Context length in tokens; `None` is the model's own, at most 8192.
    pub context: Option<usize>,
    /// The family by its name; `None` detects it.
    pub family: Option<String>,
    /// Overrides the text that opens thinking.
    pub think_open: Option<String>,
    /// Overrides the text with which the model ends its thinking.
    pub think_end: Option<String>,
    /// Overrides the text appended when the thinking is cut off.
    pub think_close: Option<String>,
    /// Values for the chat template's own switches.
    pub template_args: TemplateArgs,
    /// The pre-tokenizer by its name, instead of the one that the file names.
    pub pre: Option<String>,
    /// Whether a model is refused whose chat template or tokenizer has to be replaced by another.
    pub strict: bool,
    /// A LoRA adapter's folder, in PEFT's layout.
    pub adapter: Option<PathBuf>,
    pub device: DeviceChoice,
    /// What weights in full or half precision are rounded to while they are loaded.
    pub quantize: Option<Quantization>,
    /// How keys and values are remembered; `None` is as the weights suggest.
    pub cache_type: Option<CacheType>,
    /// Whether several tokens are computed at once where a text repeats itself.
    pub lookup: bool,
    /// How the server is used, where the path is a server's address.
    pub server: ServerOptions,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            path: PathBuf::new(),
            context: None,
            family: None,
            think_open: None,
            think_end: None,
            think_close: None,
            template_args: TemplateArgs::default(),
            pre: None,
            strict: false,
            adapter: None,
            device: DeviceChoice::default(),
            quantize: None,
            cache_type: None,
            lookup: true,
            server: ServerOptions::default(),
        }
    }
}

impl LoadOptions {
    /// With a model of the hub as the file on disk, and an adapter's folder in place of a model
    /// taken apart: its base, and the adapter. A download continues while `go_on` returns true.
    ///
    /// # Errors
    /// If the file cannot be downloaded, or the wait for it is cancelled; if the folder does not hold
    /// an adapter, or its base is not a file on this machine.
    pub fn resolved(&self, go_on: &mut dyn FnMut() -> bool) -> Result<LoadOptions> {
        if is_server(&self.path) {
            return Ok(self.clone());
        }
        let path = hub::local_while(&self.path, RepoKind::Model, go_on)?;
        if self.adapter.is_some() || !path.is_dir() || folder::is_model(&path) {
            return Ok(LoadOptions {
                path,
                ..self.clone()
            });
        }
        let folder = &self.path;
        let config = PeftConfig::read(folder).with_context(|| {
            format!(
                "{} is a folder, and neither a model's nor an adapter's: it has no config.json beside model.safetensors",
                folder.display()
            )
        })?;
        let base = config.base_model_name_or_path.unwrap_or_default();
        let path = hub::local_while(Path::new(&base), RepoKind::Model, go_on)?;
        let here = path.is_file() || folder::is_model(&path);
        if !here && s1_data::assets::open_path(&path).is_none() {
            bail!(
                "the adapter {} belongs to {base:?}, which is not a model here; give its base with --model and the adapter with --adapter",
                folder.display()
            );
        }
        Ok(LoadOptions {
            path,
            adapter: Some(folder.clone()),
            ..self.clone()
        })
    }
}

/// The parameters of [`LoadOptions`].
pub const MODEL: &[Param<LoadOptions>] = &[
    param!(
        "model",
        Access::Path(Lens {
            get: |load: &LoadOptions| Some(load.path.clone()).filter(|p| !p.as_os_str().is_empty()),
            set: |load: &mut LoadOptions, path| load.path = path.unwrap_or_default(),
        })
    )
    .named("Model", "PATH")
    .help("A GGUF file, a folder with config.json and safetensors, a model of the hub (hf:OWNER/NAME[:FILE]), an adapter's folder that names its base, or bundled:reasoner or bundled:base.")
    .none("auto")
    .allowed("the path of a GGUF file or of a model's folder")
    .letter('m'),
    param!(LoadOptions.adapter, Path)
        .named("Adapter", "DIR")
        .help("A LoRA adapter's folder (PEFT's layout) to use with the model.")
        .none("none"),
    param!(LoadOptions.context, Int, 16, 10_000_000)
        .named("Context", "N")
        .help("Context length in tokens; auto is the model's own, at most 8192.")
        .none("auto")
        .unit("tokens"),
    param!(LoadOptions.device, Parsed)
        .named("Device", "auto|cpu|cuda[:N]|metal|candle-cpu")
        .help("Where to compute; a GPU needs a build with --features cuda or metal.")
        .allowed("\"auto\", \"cpu\", \"cuda\", \"cuda:N\" or \"metal\""),
    param!(
        "quantize",
        Access::Choice(
            &[
                ("off", "as the file has them"),
                ("f16", "to half precision"),
                ("q8_0", "to 8.5 bits a weight"),
                ("q4_0", "to 4.5 bits a weight, embedding and output to 8.5"),
            ],
            Lens {
                get: |load: &LoadOptions| load.quantize.map_or("off", Quantization::name).into(),
                set: |load: &mut LoadOptions, name| load.quantize = Quantization::ALL.into_iter().find(|kind| kind.name() == name),
            }
        )
    )
    .named("Quantize", "TYPE")
    .help("Round weights in full or half precision while they are loaded: less memory and faster, a little less exact."),
    param!(
        "cache_type",
        Access::Choice(
            &[
                ("auto", "f16 for rounded weights, else f32"),
                ("f32", "full precision"),
                ("f16", "half precision"),
                ("q8_0", "8.5 bits a number"),
            ],
            Lens {
                get: |load: &LoadOptions| load.cache_type.map_or("auto", CacheType::name).into(),
                set: |load: &mut LoadOptions, name| load.cache_type = CacheType::ALL.into_iter().find(|kind| kind.name() == name),
            }
        )
    )
    .named("Cache type", "TYPE")
    .help("How the keys and values of a context are kept on the CPU: less memory and faster far into a thought, a little less exact."),
    param!(LoadOptions.lookup, Switch)
        .named("Lookup", "true|false")
        .help("Compute several tokens at once where the text repeats itself; what is written is the same."),
    param!(LoadOptions.family, Text)
        .named("Family", "FAMILY")
        .help("How the model marks its thinking: s1, qwen3, r1, generic, or another name of the table of families; auto is the one detected.")
        .none("auto"),
    param!(LoadOptions.think_open, Text)
        .named("Opens thinking", "TEXT")
        .help("Text that opens thinking, appended to the assistant's turn; auto is the family's.")
        .none("auto"),
    param!(LoadOptions.think_end, Text)
        .named("Ends thinking", "TEXT")
        .help("Text with which the model ends its thinking; auto is the family's.")
        .none("auto"),
    param!(LoadOptions.think_close, Text)
        .named("Cuts thinking", "TEXT")
        .help("Text appended when the thinking is cut off; auto is the family's.")
        .none("auto"),
    param!(LoadOptions.template_args, Parsed)
        .named("Template", "KEY=VALUE")
        .help("A value for a switch of the chat template, such as enable_thinking=false or reasoning_effort=high; may be given again.")
        .flags(&["template-arg"])
        .allowed("KEY=VALUE, several of them with semicolons between")
        .repeats(),
    param!(LoadOptions.pre, Text)
        .named("Pre-tokenizer", "NAME")
        .help("How text is cut into words before it is tokenized, by llama.cpp's name; auto is what the file says.")
        .none("auto"),
    param!(LoadOptions.strict, Switch)
        .named("Strict", "true|false")
        .help("Refuse a model whose chat template or tokenizer cannot be used as it is, instead of warning."),
];

/// One model, ready to serve lanes.
pub(super) struct Loaded {
    pub decoder: Decoder,
    pub dialogue: Dialogue,
    pub tokenizer: Arc<Tokenizer>,
    pub delimiters: Arc<Delimiters>,
    /// Ids whose probability counts as "would end its thinking".
    pub think_ends: Vec<u32>,
    /// Context length in use.
    pub context: usize,
    /// Whether drafts are computed where a text repeats itself.
    pub lookup: bool,
    pub info: ModelInfo,
}

impl Loaded {
    /// Loads the file. `progress` is told how far it is, 0 to 1, and stops it by returning false.
    pub fn open(options: &LoadOptions, progress: &mut dyn FnMut(f32) -> bool) -> Result<Loaded> {
        let options = &options.resolved(&mut || progress(0.0))?;
        let path = &options.path;
        let mut gguf = Gguf::open(path)?.rounded(options.quantize);
        let mut adapter = None;
        if let Some(folder) = &options.adapter {
            let read = PeftAdapter::open(folder, &gguf)?;
            gguf = read.onto(gguf);
            adapter = Some(read);
        }
        let place = options.device.for_model(&gguf)?;
        let context = context_of(&gguf, options.context);
        memory::require_model(&gguf, context, options.cache_type, &place)?;
        let mut decoder =
            Decoder::load(&gguf, &place, progress).with_context(|| match place.is_cpu() {
                true => format!("cannot load {}", path.display()),
                // Most likely it is too large for it.
                false => format!(
                    "cannot load {} onto the GPU; try --device cpu",
                    path.display()
                ),
            })?;
        if let Some(adapter) = &adapter {
            decoder.apply_adapter(adapter)?;
        }
        Loaded::assemble(options, &gguf, decoder.with_cache(options.cache_type)?)
    }

    fn assemble(options: &LoadOptions, gguf: &Gguf, decoder: Decoder) -> Result<Loaded> {
        let config = decoder.config().clone();
        let context = match options.context {
            None => config.context_length.min(DEFAULT_CONTEXT),
            Some(0) => bail!("a context of 0 tokens is too small; give --context a larger number"),
            Some(n) if n > config.context_length => bail!(
                "a context of {n} tokens is more than the {} this model was made for; give --context a smaller number",
                config.context_length
            ),
            Some(n) => n,
        };
        let decoder = decoder.for_context(context);
        let mut name = model_name(gguf, &options.path);
        let dialogue = Dialogue::of(gguf, options, &name)?;
        let (tokenizer, delimiters) = (&dialogue.tokenizer, &dialogue.delimiters);
        if let Some(folder) = options.adapter.as_ref().and_then(|f| f.file_name()) {
            name = clean_name(&format!("{name} + {}", folder.to_string_lossy()));
        }
        let think_ends = dialogue::think_ends(delimiters, &TokenizerLookup(tokenizer));
        let named = [&think_ends[..], &delimiters.turn_ids].concat();
        let decoder = decoder.drawn_from(tokenizer.vocab_size(), &named)?;
        let warnings = dialogue.warnings();
        // It rounds what is computed, as the weights' type does.
        let stored = match decoder.chosen_cache() {
            Some(kind) => format!("{}, cache {}", quantization(gguf), kind.name()),
            None => quantization(gguf),
        };
        let info = ModelInfo {
            name,
            architecture: config.architecture.clone(),
            version: String::new(),
            chats: false,
            parameters: gguf.parameters(),
            quantization: stored,
            device: decoder.place().name(),
            threads: parallel::threads(),
            context,
            family: delimiters.spec.family.clone(),
            template: dialogue.template.kind().name().into(),
            switches: dialogue.template.switches(),
            warnings,
        };
        Ok(Loaded {
            decoder,
            tokenizer: Arc::clone(tokenizer),
            delimiters: Arc::clone(delimiters),
            dialogue,
            think_ends,
            context,
            lookup: options.lookup,
            info,
        })
    }

    /// The prompt of a request as token ids, thinking opened (or skipped) as the policy says.
    pub fn prompt(&self, request: &Request) -> Result<Vec<u32>> {
        let text = if request.raw {
            request.question.clone()
        } else {
            let messages = dialogue::messages(request);
            let think = request.policy.think;
            self.dialogue
                .prompt_with(&messages, think, &request.template_args)?
        };
        let ids = self.tokenizer.encode_prompt(&text)?;
        if ids.is_empty() {
            bail!("the prompt is empty; write a question");
        }
        Ok(ids)
    }
}

/// The context that is used where the settings say this of it: `None` is the model's own, up to the
/// usual one.
pub fn context_of(gguf: &Gguf, wanted: Option<usize>) -> usize {
    let own = gguf.u64(&format!("{}.context_length", gguf.architecture()));
    let own = own.and_then(|n| usize::try_from(n).ok());
    let own = own.unwrap_or(DEFAULT_CONTEXT);
    wanted.unwrap_or(DEFAULT_CONTEXT).min(own)
}

/// What a model is called: as its file says, or as the file is called.
pub fn model_name(gguf: &Gguf, path: &Path) -> String {
    let file = catalog::called(path);
    let named = gguf.string("general.name").map(str::trim);
    // The bundled models are one model before and after its traces: their files do not say which.
    if let (Some(named), Some(which)) = (named, s1_data::assets::model(path)) {
        return clean_name(&format!("{named} {which}"));
    }
    match named.filter(|n| !n.is_empty()) {
        // A trained model has its base's name inside.
        Some(named) if !path.is_dir() && path.file_stem().is_some_and(|stem| *stem != *file) => {
            clean_name(&format!("{named} {file}"))
        }
        Some(named) => clean_name(named),
        None => clean_name(&file),
    }
}

/// Short, and without control characters.
fn clean_name(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(60).collect()
}

/// The tensor type most of the weights have.
fn quantization(gguf: &Gguf) -> String {
    let mut elements = HashMap::new();
    for (name, info) in gguf.tensors() {
        *elements.entry(gguf.loaded_type(name, info)).or_insert(0) += info.elements();
    }
    let most = elements.into_iter().max_by_key(|(_, n)| *n);
    most.map(|(kind, _)| format!("{kind:?}").to_uppercase())
        .unwrap_or_default()
}
