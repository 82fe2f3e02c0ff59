//! The tensors of an adapter, module by module: what is added to a layer as it computes, and what takes the
//! place of a tensor of the model, because it was trained whole or cannot be added (DoRA's magnitudes, an
//! embedding, an output).
//!
//! Not here: what the settings say ([`super::settings`]).

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use safetensors::tensor::{SafeTensors, TensorView};

use super::settings::{LayerRules, MAX_RANK};
use super::{PeftAdapter, WholeTensor, floats};
use crate::config::ModelConfig;
use crate::gguf::Gguf;
use crate::names::{self, Direction};
use crate::weights::LowRankFactors;
use crate::weights::rows::WeightRows;

const EMBEDDING: &str = "token_embd.weight";
const OUTPUT: &str = "output.weight";

/// What an adapter has of one module of the model.
#[derive(Default)]
struct Module<'a> {
    /// The factors; of an embedding they lie the other way round.
    a: Option<TensorView<'a>>,
    b: Option<TensorView<'a>>,
    of_embedding: bool,
    /// AdaLoRA's weights of the directions.
    e: Option<TensorView<'a>>,
    /// DoRA's lengths of the rows.
    magnitude: Option<TensorView<'a>>,
    /// The weight itself, and whether it is the one below an addition.
    weight: Option<(TensorView<'a>, bool)>,
    bias: Option<TensorView<'a>>,
}

/// Reads all modules.
pub(super) fn read(tensors: &SafeTensors, gguf: &Gguf, rules: &LayerRules) -> Result<PeftAdapter> {
    let Some([vocab, _]) = gguf.tensor(EMBEDDING).map(|t| &t.shape[..]) else {
        bail!("the model has no embedding");
    };
    let reader = ModuleReader {
        gguf,
        config: ModelConfig::read(gguf, *vocab)?,
        rules,
    };
    let mut modules: BTreeMap<String, Module> = BTreeMap::new();
    for name in tensors.names() {
        let tensor = tensors.tensor(name)?;
        let Some((layer, part)) = split(name) else {
            bail!("the adapter trains {name}, which is not supported");
        };
        let module = modules.entry(layer.to_owned()).or_default();
        let place = match part {
            "lora_A" | "lora_embedding_A" => &mut module.a,
            "lora_B" | "lora_embedding_B" => &mut module.b,
            "lora_E" => &mut module.e,
            "lora_magnitude_vector" => &mut module.magnitude,
            "bias" => &mut module.bias,
            _ => {
                module.weight = Some((tensor, part == "base_layer"));
                continue;
            }
        };
        module.of_embedding |= part.starts_with("lora_embedding");
        *place = Some(tensor);
    }
    let mut adapter = PeftAdapter::default();
    for (layer, module) in &modules {
        reader.read(layer, module, &mut adapter)?;
    }
    if adapter.layers.is_empty() && adapter.whole.is_empty() {
        bail!("the adapter is empty");
    }
    // What was one tensor are two now: the output is not what was trained of the embedding.
    let is_tied = gguf.tensor(OUTPUT).is_none();
    if is_tied && adapter.whole.contains_key(EMBEDDING) && !adapter.whole.contains_key(OUTPUT) {
        let rows = WeightRows::open(gguf, EMBEDDING)?;
        let untied = WholeTensor {
            shape: vec![rows.rows, rows.columns],
            values: rows.to_vec(),
        };
        adapter.whole.insert(OUTPUT.to_owned(), untied);
    }
    Ok(adapter)
}

/// A name as module and part: `base_model.model.LAYER.lora_A.weight` (older files have `.default` in
/// between), `base_model.model.LAYER.weight` for what was trained whole.
fn split(name: &str) -> Option<(&str, &str)> {
    let name = name.strip_prefix("base_model.model.")?;
    if let Some(layer) = name.strip_suffix(".bias") {
        return Some((layer.strip_suffix(".base_layer").unwrap_or(layer), "bias"));
    }
    let bare = name.strip_suffix(".weight").unwrap_or(name);
    let bare = bare.strip_suffix(".default").unwrap_or(bare);
    let (layer, part) = bare.rsplit_once('.').unwrap_or(("", bare));
    let is_part = matches!(
        part,
        "lora_A"
            | "lora_B"
            | "lora_E"
            | "lora_embedding_A"
            | "lora_embedding_B"
            | "lora_magnitude_vector"
            | "base_layer"
    );
    match is_part {
        true => Some((layer, part)),
        false => Some((name.strip_suffix(".weight")?, "weight")),
    }
}

struct ModuleReader<'a> {
    gguf: &'a Gguf,
    config: ModelConfig,
    rules: &'a LayerRules,
}

impl ModuleReader<'_> {
    fn read(&self, layer: &str, module: &Module, adapter: &mut PeftAdapter) -> Result<()> {
        if let Some(bias) = &module.bias {
            ensure!(
                self.rules.trains_biases(),
                "it has a bias of {layer}, which its settings leave out (bias)"
            );
            let name = self.name_of(layer, "bias")?;
            let whole = self.whole(layer, &name, bias)?;
            adapter.whole.insert(name, whole);
        }
        let own = match &module.weight {
            Some((tensor, below)) => {
                ensure!(
                    *below || self.rules.saves(layer),
                    "it has {layer} whole, which its settings leave out (modules_to_save)"
                );
                Some(self.whole(layer, &self.name_of(layer, "weight")?, tensor)?)
            }
            None => None,
        };
        let (a, b) = match (&module.a, &module.b) {
            (None, None) => {
                if let Some(own) = own {
                    adapter.whole.insert(self.name_of(layer, "weight")?, own);
                }
                ensure!(
                    module.magnitude.is_none() && module.e.is_none(),
                    "{layer} has neither A nor B"
                );
                return Ok(());
            }
            (Some(_), None) => bail!("{layer} has an A without a B"),
            (None, Some(_)) => bail!("{layer} has a B without an A"),
            (Some(a), Some(b)) => (a, b),
        };
        ensure!(
            self.rules.is_dora() == module.magnitude.is_some(),
            "{layer} and its settings do not agree whether it is a DoRA (use_dora)"
        );
        ensure!(
            self.rules.is_adaptive() == module.e.is_some(),
            "{layer} and its settings do not agree whether it is an AdaLoRA"
        );
        let name = match names::linear_of(layer) {
            Some(prefix) => format!("{prefix}.weight"),
            None => match self.name_of(layer, "weight") {
                Ok(name) if name == EMBEDDING || name == OUTPUT => name,
                _ => bail!("the adapter has {layer}, which is not a linear layer"),
            },
        };
        let factors = self.factors(layer, &name, module, a, b)?;
        let plain = names::linear_of(layer).is_some();
        if let (true, None, None, Some(prefix)) =
            (plain, &own, &module.magnitude, name.strip_suffix(".weight"))
        {
            adapter.layers.insert(prefix.to_owned(), factors);
            return Ok(());
        }
        let magnitude = match &module.magnitude {
            Some(_) if module.of_embedding => {
                bail!("it has a DoRA of {layer}, which is an embedding; that is not supported")
            }
            Some(magnitude) => Some(self.magnitude(layer, &name, magnitude)?),
            None => None,
        };
        let whole = self.merged(&name, own, &factors, magnitude)?;
        adapter.whole.insert(name, whole);
        Ok(())
    }

    /// GGUF's name of a module's tensor, which the model has to have.
    fn name_of(&self, layer: &str, kind: &str) -> Result<String> {
        let theirs = format!("{layer}.{kind}");
        let name = names::from_hugging_face(&theirs, &self.config.architecture);
        let name = name.filter(|name| self.shape_of(name).is_some());
        name.with_context(|| format!("the adapter has {theirs}, which the model does not have"))
    }

    /// The shape of a tensor; an output that is tied has that of the embedding.
    fn shape_of(&self, name: &str) -> Option<&[usize]> {
        let own = self.gguf.tensor(name);
        let tied = || (name == OUTPUT).then(|| self.gguf.tensor(EMBEDDING))?;
        own.or_else(tied).map(|info| &info.shape[..])
    }

    /// A tensor that takes the place of the model's.
    fn whole(&self, layer: &str, name: &str, tensor: &TensorView) -> Result<WholeTensor> {
        let shape = self.shape_of(name).unwrap_or_default();
        ensure!(
            tensor.shape() == shape,
            "{layer} has a tensor of shape {:?}; the model's is {shape:?}",
            tensor.shape()
        );
        let width = if shape.len() > 1 { shape[1] } else { 1 };
        let mut values = self.in_order(name, floats(tensor)?, width);
        if self.config.architecture == "gemma3" && name.ends_with("norm.weight") {
            // GGUF's norms have the 1 that Gemma adds already in them.
            values.iter_mut().for_each(|v| *v += 1.0);
        }
        Ok(WholeTensor {
            shape: shape.to_vec(),
            values,
        })
    }

    /// Rows as GGUF has them.
    fn in_order(&self, name: &str, values: Vec<f32>, width: usize) -> Vec<f32> {
        let (heads, kv_heads) = (self.config.heads, self.config.kv_heads);
        let architecture = &self.config.architecture;
        match names::reordered_heads(name, architecture, heads, kv_heads) {
            Some(heads) => names::reorder(&values, width, heads, Direction::ToGguf),
            None => values,
        }
    }

    fn factors(
        &self,
        layer: &str,
        name: &str,
        module: &Module,
        a: &TensorView,
        b: &TensorView,
    ) -> Result<LowRankFactors> {
        let Some(&[out, input]) = self.shape_of(name) else {
            bail!("the adapter has {layer}, which the model does not have");
        };
        let rank = a.shape().first().copied().unwrap_or(0);
        let (expected_a, expected_b) = match module.of_embedding {
            true => ([rank, out], [input, rank]),
            false => ([rank, input], [out, rank]),
        };
        if !(1..=MAX_RANK).contains(&rank) || a.shape() != expected_a || b.shape() != expected_b {
            bail!(
                "{layer} has factors of shapes {:?} and {:?}; the model's layer is {out} × {input}",
                a.shape(),
                b.shape()
            );
        }
        let (mut a, mut b) = (floats(a)?, floats(b)?);
        if module.of_embedding {
            // A row of the embedding is a column of A, spread out by B.
            (a, b) = (transposed(&b, rank), transposed(&a, out));
        }
        if let Some(e) = &module.e {
            ensure!(
                e.shape() == [rank, 1],
                "{layer} has weights of directions of shape {:?}, and rank {rank}",
                e.shape()
            );
            for (row, weight) in a.chunks_mut(input).zip(floats(e)?) {
                row.iter_mut().for_each(|v| *v *= weight);
            }
        }
        Ok(LowRankFactors {
            rank,
            scale: self.rules.scale(layer, rank)?,
            a,
            b: self.in_order(name, b, rank),
        })
    }

    fn magnitude(&self, layer: &str, name: &str, magnitude: &TensorView) -> Result<Vec<f32>> {
        let values = floats(magnitude)?;
        let out = self.shape_of(name).map_or(0, |shape| shape[0]);
        ensure!(
            values.len() == out,
            "{layer} has {} magnitudes, and {out} rows",
            values.len()
        );
        Ok(self.in_order(name, values, 1))
    }

    /// A weight with an addition in it, and its rows at the lengths that were trained.
    fn merged(
        &self,
        name: &str,
        own: Option<WholeTensor>,
        low: &LowRankFactors,
        magnitude: Option<Vec<f32>>,
    ) -> Result<WholeTensor> {
        let shape = self.shape_of(name).unwrap_or_default().to_vec();
        let mut values = match own {
            Some(own) => own.values,
            None => {
                let base = self.gguf.tensor(name).map_or(EMBEDDING, |_| name);
                WeightRows::open(self.gguf, base)?.to_vec()
            }
        };
        let columns = shape.last().copied().unwrap_or(1).max(1);
        let rows = values.chunks_mut(columns).zip(low.b.chunks(low.rank));
        for (index, (row, b)) in rows.enumerate() {
            for (b, a) in b.iter().zip(low.a.chunks(columns)) {
                let factor = low.scale * b;
                row.iter_mut().zip(a).for_each(|(w, a)| *w += factor * a);
            }
            if let Some(magnitude) = &magnitude {
                let square: f64 = row.iter().map(|w| f64::from(*w) * f64::from(*w)).sum();
                let factor = magnitude[index] / square.sqrt() as f32;
                row.iter_mut().for_each(|w| *w *= factor);
            }
        }
        Ok(WholeTensor { shape, values })
    }
}

/// A matrix of rows of so many columns, the other way round.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let rows = values.len() / columns.max(1);
    let cells = (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c]));
    cells.collect()
}
