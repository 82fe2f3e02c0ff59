//! What an adapter's settings say: which layers it adds to, with what rank, and how much.
//!
//! They mean here what they mean to PEFT. What PEFT computes in another way, or would leave out, is
//! refused by its name: an adapter that is almost right is worse than none. Not here: the weights.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{CONFIG, WEIGHTS};

/// The highest rank that is accepted.
pub(super) const MAX_RANK: usize = 4096;
/// Most memory of a compiled pattern, in bytes.
const MAX_PATTERN: usize = 1 << 20;
/// Layers that PEFT adds to where the settings name none, for all architectures of this program.
const DEFAULT_TARGETS: [&str; 2] = ["q_proj", "v_proj"];

/// The part of PEFT's settings that changes what is computed, and what PEFT itself wants to read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeftConfig {
    /// `LORA`, or `ADALORA`; the former when written here.
    pub peft_type: String,
    /// Always `CAUSAL_LM` when written here.
    #[serde(default)]
    pub task_type: Option<String>,
    /// The model that was trained.
    #[serde(default)]
    pub base_model_name_or_path: Option<String>,
    pub r: usize,
    /// The addition is scaled by alpha / r.
    pub lora_alpha: f32,
    /// Dropout while training.
    #[serde(default)]
    pub lora_dropout: f32,
    /// `none`: biases are not trained.
    #[serde(default = "no_bias")]
    pub bias: String,
    /// Layers with an addition: a list of names, or a pattern.
    #[serde(default)]
    pub target_modules: Value,
    /// Whether the scale is alpha / √r instead.
    #[serde(default)]
    pub use_rslora: bool,
    /// Whether the lengths of the rows are trained apart.
    #[serde(default)]
    pub use_dora: bool,
    /// Whether A and B are stored transposed, which is not supported.
    #[serde(default)]
    pub fan_in_fan_out: bool,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

fn no_bias() -> String {
    "none".into()
}

/// Settings that change what is computed in a way that is not known here, with what they are.
const UNSUPPORTED: [(&str, &str); 10] = [
    (
        "alora_invocation_tokens",
        "an activated LoRA (aLoRA), which works from certain tokens on",
    ),
    ("use_qalora", "a QALoRA"),
    ("use_bdlora", "a block-diagonal LoRA"),
    ("lora_bias", "a LoRA with biases of its own"),
    ("layer_replication", "a LoRA that repeats layers"),
    ("trainable_token_indices", "an adapter with trained tokens"),
    ("target_parameters", "a LoRA on bare parameters"),
    ("arrow_config", "a router over adapters (Arrow)"),
    ("kasa_config", "a KaSA"),
    ("monteclora_config", "a MonteCLoRA"),
];
/// The type of adapters whose ranks adapt as they are trained.
const ADAPTIVE: &str = "ADALORA";
/// Ways to begin that leave the base as it is: what was trained is in A and B alone.
const HARMLESS_BEGINNINGS: [&str; 3] = ["gaussian", "orthogonal", "eva"];

impl PeftConfig {
    /// Reads the settings in an adapter's folder.
    ///
    /// # Errors
    /// If the file is missing, or does not hold a LoRA adapter's settings.
    pub fn read(folder: &Path) -> Result<PeftConfig> {
        let path = folder.join(CONFIG);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!(
                "cannot read {}; an adapter is a folder with {CONFIG} and {WEIGHTS}",
                path.display()
            )
        })?;
        Self::parse(&text).with_context(|| format!("{} cannot be used", path.display()))
    }

    fn parse(text: &str) -> Result<PeftConfig> {
        let settings: Value =
            serde_json::from_str(text).context("it is not an adapter's settings")?;
        let kind = settings.get("peft_type").and_then(Value::as_str);
        let kind = kind.context("it is not an adapter's settings: it has no peft_type")?;
        if !["LORA", ADAPTIVE].contains(&kind) {
            bail!(
                "the adapter is of type {kind:?}; only LoRA adapters (types \"LORA\" and {ADAPTIVE:?}) can be used"
            );
        }
        let first = settings.get("init_r").cloned().filter(|_| kind == ADAPTIVE);
        let mut settings = settings;
        if let Some(first) = first {
            // Its `r` is that of an ordinary LoRA, and not looked at.
            settings["r"] = first;
        }
        serde_json::from_value(settings).context("it is not a LoRA adapter's settings")
    }

    /// What the settings mean for each layer.
    ///
    /// # Errors
    /// If they ask for what is not supported, or make no sense.
    pub(super) fn rules(&self) -> Result<LayerRules> {
        self.check()?;
        let rank = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
        let alpha = |value: &Value| value.as_f64().map(|n| n as f32);
        let indexes = match self.more.get("layers_to_transform") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(all)) => all.iter().filter_map(rank).collect(),
            Some(one) => rank(one).into_iter().collect(),
        };
        let targets = match &self.target_modules {
            Value::Null => Names::List(DEFAULT_TARGETS.map(String::from).to_vec()),
            Value::String(all) if all == "all-linear" => Names::All,
            named => Names::of(named, "target_modules")?,
        };
        let excluded = match self.more.get("exclude_modules") {
            None | Some(Value::Null) => Names::List(Vec::new()),
            Some(named) => Names::of(named, "exclude_modules")?,
        };
        Ok(LayerRules {
            rank: Some(self.r),
            ranks: self.patterns("rank_pattern", rank)?,
            alpha: self.lora_alpha,
            alphas: self.patterns("alpha_pattern", alpha)?,
            root: self.use_rslora,
            targets,
            excluded,
            indexes,
            saved: match self.more.get("modules_to_save") {
                None | Some(Value::Null) => Vec::new(),
                Some(named) => serde_json::from_value(named.clone())
                    .context("its modules_to_save is not a list of names")?,
            },
            biases: self.bias != "none",
            dora: self.use_dora,
            adaptive: self.peft_type == ADAPTIVE,
        })
    }

    fn check(&self) -> Result<()> {
        ensure!(
            !self.fan_in_fan_out,
            "it has transposed weights (fan_in_fan_out), which are not supported"
        );
        ensure!(
            ["none", "lora_only", "all"].contains(&&*self.bias),
            "its bias is {:?}, which is not supported",
            self.bias
        );
        ensure!(
            (1..=MAX_RANK).contains(&self.r) && self.lora_alpha.is_finite(),
            "it has rank {} and alpha {}; a rank of 1 to {MAX_RANK} and a finite alpha are expected",
            self.r,
            self.lora_alpha
        );
        let is_set = |value: &Value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::Array(items) => !items.is_empty(),
            Value::Object(items) => !items.is_empty(),
            _ => true,
        };
        for (key, what) in UNSUPPORTED {
            if self.more.get(key).is_some_and(is_set) {
                bail!("it is {what} ({key}), which is not supported");
            }
        }
        if let Some(Value::String(beginning)) = self.more.get("init_lora_weights") {
            let beginning = beginning.to_lowercase();
            ensure!(
                HARMLESS_BEGINNINGS.contains(&&*beginning),
                "its weights began as {beginning:?} (init_lora_weights), which changes the base model, too; save it as an ordinary LoRA (PEFT: path_initial_model_for_weight_conversion)"
            );
        }
        Ok(())
    }

    /// The values that hold for the layers whose names match.
    fn patterns<T>(
        &self,
        key: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<(Regex, T)>> {
        let found = match self.more.get(key) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(found) => found.as_object(),
        };
        let found = found.with_context(|| format!("its {key} is not an object"))?;
        let pair = |(name, value): (&String, &Value)| {
            let value = read(value).with_context(|| format!("its {key} has {name}: {value}"))?;
            // PEFT's own: the whole name, or what follows a dot.
            Ok((pattern(&format!("^(.*\\.)?({name})$"), key)?, value))
        };
        found.iter().map(pair).collect()
    }
}

fn pattern(text: &str, key: &str) -> Result<Regex> {
    let built = RegexBuilder::new(text).size_limit(MAX_PATTERN).build();
    built.with_context(|| format!("its {key} has a pattern that cannot be read here"))
}

/// Names of layers, as settings give them.
#[derive(Clone, Debug)]
enum Names {
    All,
    /// The whole name, or what follows a dot.
    List(Vec<String>),
    Pattern(Regex),
}

impl Names {
    fn of(named: &Value, key: &str) -> Result<Names> {
        if let Value::String(text) = named {
            return Ok(Names::Pattern(pattern(&format!("^(?:{text})$"), key)?));
        }
        let names = named.as_array().into_iter().flatten();
        let names = names.map(|name| name.as_str().map(str::to_owned));
        let names = names.collect::<Option<Vec<String>>>();
        let names = names.filter(|_| named.is_array());
        names
            .map(Names::List)
            .with_context(|| format!("its {key} are neither names nor a pattern"))
    }

    fn have(&self, layer: &str) -> bool {
        let is = |name: &String| {
            let before = layer.strip_suffix(name.as_str());
            before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        match self {
            Names::All => true,
            Names::List(names) => names.iter().any(is),
            Names::Pattern(pattern) => pattern.is_match(layer),
        }
    }
}

/// What an adapter's settings mean for each layer. Layers go by their names in PEFT, such as
/// `model.layers.0.self_attn.q_proj`.
#[derive(Clone, Debug)]
pub(super) struct LayerRules {
    /// `None`: as the weights say.
    rank: Option<usize>,
    ranks: Vec<(Regex, usize)>,
    alpha: f32,
    alphas: Vec<(Regex, f32)>,
    /// Whether alpha is divided by √rank instead of the rank.
    root: bool,
    targets: Names,
    excluded: Names,
    /// Numbers of the layers that are meant; empty for all.
    indexes: Vec<usize>,
    /// Modules that are there whole.
    saved: Vec<String>,
    biases: bool,
    /// Whether the rows' lengths were trained apart.
    dora: bool,
    /// Whether it is an AdaLoRA.
    adaptive: bool,
}

impl LayerRules {
    /// One scale for all layers, whatever their rank.
    pub fn of_scale(scale: f32) -> LayerRules {
        LayerRules {
            rank: None,
            ranks: Vec::new(),
            alpha: scale,
            alphas: Vec::new(),
            root: false,
            targets: Names::All,
            excluded: Names::List(Vec::new()),
            indexes: Vec::new(),
            saved: Vec::new(),
            biases: false,
            dora: false,
            adaptive: false,
        }
    }

    /// Whether a module was trained whole: its name ends with one of those, in the midst of a word, too.
    pub fn saves(&self, layer: &str) -> bool {
        self.saved.iter().any(|name| layer.ends_with(name.as_str()))
    }

    pub fn trains_biases(&self) -> bool {
        self.biases
    }

    pub fn is_dora(&self) -> bool {
        self.dora
    }

    pub fn is_adaptive(&self) -> bool {
        self.adaptive
    }

    /// The factor on the addition to a layer whose weights have this rank.
    ///
    /// # Errors
    /// If the settings give the layer another rank, or leave it out.
    pub fn scale(&self, layer: &str, rank: usize) -> Result<f32> {
        let Some(usual) = self.rank else {
            return Ok(self.alpha);
        };
        let number = layer.split('.').find_map(|part| part.parse().ok());
        let meant = self.targets.have(layer)
            && !self.excluded.have(layer)
            && (self.indexes.is_empty() || number.is_some_and(|n| self.indexes.contains(&n)));
        ensure!(
            meant,
            "it has weights for {layer}, which its settings leave out (target_modules, exclude_modules, layers_to_transform)"
        );
        let ranks = self.ranks.iter().find(|(name, _)| name.is_match(layer));
        let said = ranks.map_or(usual, |(_, rank)| *rank);
        ensure!(
            said == rank,
            "its settings give {layer} rank {said}, and its weights have rank {rank}"
        );
        let alphas = self.alphas.iter().find(|(name, _)| name.is_match(layer));
        let alpha = alphas.map_or(self.alpha, |(_, alpha)| *alpha);
        ensure!(
            alpha.is_finite(),
            "its settings give {layer} an alpha that is not a number"
        );
        let rank = rank as f32;
        if self.adaptive {
            // As PEFT has it, guarded against a division by zero.
            let alpha = if alpha > 0.0 { alpha } else { rank };
            return Ok(alpha / (rank + 1e-5));
        }
        Ok(alpha / if self.root { rank.sqrt() } else { rank })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const Q: &str = "model.layers.0.self_attn.q_proj";
    const K1: &str = "model.layers.1.self_attn.k_proj";

    fn config(more: Value) -> Result<PeftConfig> {
        let mut all = json!({
            "peft_type": "LORA", "r": 8, "lora_alpha": 16,
            "target_modules": ["q_proj", "k_proj"],
        });
        for (key, value) in more.as_object().unwrap() {
            all[key] = value.clone();
        }
        PeftConfig::parse(&all.to_string())
    }

    fn rules(more: Value) -> Result<LayerRules> {
        config(more)?.rules()
    }

    fn says<T: std::fmt::Debug>(outcome: Result<T>) -> String {
        format!("{:#}", outcome.unwrap_err())
    }

    /// A user would lose: the adapter's effect, or get one several times too large, unnoticed.
    #[test]
    fn each_layer_has_the_rank_and_the_alpha_of_the_first_pattern_that_is_its_name() {
        let of = |more: Value| {
            let rules = rules(more).unwrap();
            [(Q, 8), (Q, 4), (K1, 8), (K1, 2)].map(|(layer, r)| rules.scale(layer, r).ok())
        };
        assert_eq!(of(json!({})), [Some(2.0), None, Some(2.0), None]);
        assert_eq!(
            of(json!({"rank_pattern": {"q_proj": 4, "layers.0.self_attn.q_proj": 8}})),
            [None, Some(4.0), Some(2.0), None]
        );
        assert_eq!(
            of(json!({"rank_pattern": {"k_pro": 4, "layers.[1-3].*": 2}})),
            [Some(2.0), None, None, Some(8.0)]
        );
        assert_eq!(
            of(json!({"alpha_pattern": {"model.layers.1.self_attn.k_proj": 4.0}})),
            [Some(2.0), None, Some(0.5), None]
        );
        let both = json!({"rank_pattern": {"q_proj": 4}, "alpha_pattern": {"q_proj": 6}, "use_rslora": true});
        assert_eq!(of(both), [None, Some(3.0), Some(16.0 / 8f32.sqrt()), None]);
    }

    #[test]
    fn weights_that_the_settings_leave_out_are_refused() {
        for (more, q, k) in [
            (json!({}), true, true),
            (json!({"target_modules": ["q_proj"]}), true, false),
            (json!({"target_modules": ["proj"]}), false, false),
            (json!({"target_modules": "all-linear"}), true, true),
            (
                json!({"target_modules": ".*\\.layers\\.1\\..*"}),
                false,
                true,
            ),
            (json!({"target_modules": "q_proj"}), false, false),
            (json!({"target_modules": null}), true, false),
            (
                json!({"exclude_modules": ["self_attn.q_proj"]}),
                false,
                true,
            ),
            (json!({"layers_to_transform": [1, 2]}), false, true),
            (json!({"layers_to_transform": 0}), true, false),
            (json!({"layers_to_transform": []}), true, true),
        ] {
            let rules = rules(more.clone()).unwrap();
            let found = [Q, K1].map(|layer| rules.scale(layer, 8).is_ok());
            assert_eq!(found, [q, k], "{more}");
        }
    }

    #[test]
    fn what_computes_otherwise_is_refused_by_its_name() {
        for (more, word) in [
            (json!({"alora_invocation_tokens": [1, 2]}), "aLoRA"),
            (
                json!({"init_lora_weights": "pissa_niter_4"}),
                "\"pissa_niter_4\"",
            ),
            (json!({"init_lora_weights": "olora"}), "\"olora\""),
            (json!({"use_qalora": true}), "QALoRA"),
            (json!({"fan_in_fan_out": true}), "transposed"),
            (json!({"bias": "some"}), "bias"),
            (json!({"trainable_token_indices": [1]}), "trained tokens"),
            (
                json!({"peft_type": "ADALORA", "init_r": 8, "rank_pattern": {"q_proj": [true]}}),
                "rank_pattern",
            ),
            (json!({"r": 0}), "rank 0"),
            (json!({"rank_pattern": {"(?=q)": 4}}), "rank_pattern"),
            (json!({"rank_pattern": {"q_proj": -4}}), "q_proj: -4"),
            (json!({"target_modules": 7}), "target_modules"),
            (json!({"peft_type": "IA3", "r": null}), "\"IA3\""),
            (json!({"peft_type": "PREFIX_TUNING"}), "\"PREFIX_TUNING\""),
            (json!({"peft_type": "LOHA"}), "\"LOHA\""),
            (json!({"peft_type": null}), "no peft_type"),
        ] {
            let said = says(rules(more.clone()));
            assert!(said.contains(word), "{more}: {said}");
        }
        for more in [
            json!({"alora_invocation_tokens": null, "use_qalora": false, "modules_to_save": []}),
            json!({"init_lora_weights": true}),
            json!({"init_lora_weights": "gaussian"}),
            json!({"runtime_config": {"x": 1}, "loftq_config": {}}),
        ] {
            assert!(rules(more.clone()).is_ok(), "{more}");
        }
    }

    #[test]
    fn settings_are_written_as_they_were_read() {
        let read = config(json!({"rank_pattern": {"q_proj": 4}})).unwrap();
        let text = serde_json::to_string(&read).unwrap();
        assert_eq!(PeftConfig::parse(&text).unwrap(), read);
    }
}
