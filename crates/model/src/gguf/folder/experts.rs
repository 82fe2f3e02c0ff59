//! The experts of gpt-oss as its folder has them: all of a layer in one tensor, gate and up in turns. As
//! they are published they are in MXFP4, blocks and scales apart; as floats they have their inputs first.
//!
//! Not here: how such bytes are put in order ([`crate::gguf::stored`]).

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use candle_core::quantized::GgmlDType;
use safetensors::tensor::{Dtype, TensorInfo as Header};

use super::float;
use crate::gguf::indexed::Indexed;
use crate::gguf::stored::{BLOCK, ExpertScales, INDICES, Order, Stored, Turns};
use crate::gguf::views::MAX_ENTRIES;
use crate::gguf::{TensorInfo, TensorType};

/// Linear layers of an expert, with what GGUF calls each of those that lie in it in turns.
const LINEARS: [(&str, &[&str]); 2] = [
    ("gate_up_proj", &["ffn_gate", "ffn_up"]),
    ("down_proj", &["ffn_down"]),
];

/// The tensors of experts that were found in the files, by their names there.
#[derive(Default)]
pub(super) struct ExpertTensors(HashMap<String, FoundTensor>);

/// A tensor, where it lies.
struct FoundTensor {
    dtype: Dtype,
    shape: Vec<usize>,
    part: usize,
    offset: usize,
    bytes: usize,
}

/// The layer and the linear layer that a name is of, and what of it: `blocks`, `scales`, `bias`, or
/// nothing for its weights in floats.
fn parts_of(name: &str) -> Option<(usize, usize, &str)> {
    let inner = name.strip_prefix("model.").unwrap_or(name);
    let (layer, rest) = inner.strip_prefix("layers.")?.split_once('.')?;
    let rest = rest.strip_prefix("mlp.experts.")?;
    let mut linears = LINEARS.iter().enumerate();
    let (linear, what) = linears.find_map(|(index, (linear, _))| {
        let what = rest.strip_prefix(linear)?;
        Some((index, what))
    })?;
    let what = match what {
        "" => "",
        what => what.strip_prefix('_')?,
    };
    let known = ["", "blocks", "scales", "bias"].contains(&what);
    known.then_some((layer.parse().ok()?, linear, what))
}

impl ExpertTensors {
    /// Keeps a tensor of experts of file `part`, whose data begin at `data`; whether it is one.
    ///
    /// # Errors
    /// If it occurs in two files.
    pub(super) fn take(
        &mut self,
        name: &str,
        header: &Header,
        part: usize,
        data: usize,
    ) -> Result<bool> {
        if parts_of(name).is_none() {
            return Ok(false);
        }
        let (start, end) = header.data_offsets;
        let found = FoundTensor {
            dtype: header.dtype,
            shape: header.shape.clone(),
            part,
            offset: data + start,
            bytes: end - start,
        };
        if self.0.insert(name.to_owned(), found).is_some() {
            bail!("the tensor {name} occurs in two files");
        }
        Ok(true)
    }

    /// Enters every expert's layers under GGUF's names.
    ///
    /// # Errors
    /// If a tensor has a shape or a type that is not that of experts, or lacks its scales.
    pub(super) fn enter(&self, tensors: &mut HashMap<String, TensorInfo>) -> Result<()> {
        for (name, found) in &self.0 {
            let Some((layer, linear, what)) = parts_of(name) else {
                continue;
            };
            let (_, ours) = LINEARS[linear];
            let one = match what {
                "scales" => continue,
                "blocks" => self.packed(name, found, ours.len()),
                "bias" => found.bias(name, ours.len()),
                _ => found.floats(name, ours.len()),
            };
            let (experts, one) = one?;
            if tensors.len() + experts * ours.len() > MAX_ENTRIES {
                bail!("the tensor {name} has more experts than any model");
            }
            let kind = if what == "bias" { "bias" } else { "weight" };
            for expert in 0..experts {
                for (first, ours) in ours.iter().enumerate() {
                    let name = format!("blk.{layer}.{ours}.{expert}.{kind}");
                    if tensors.insert(name.clone(), one(expert, first)).is_some() {
                        bail!("it has two tensors for {name}");
                    }
                }
            }
        }
        Ok(())
    }

    /// Blocks `[experts, rows, blocks, 16]` with their scales `[experts, rows, blocks]`.
    fn packed<'a>(
        &'a self,
        name: &str,
        blocks: &'a FoundTensor,
        step: usize,
    ) -> Result<Entries<'a>> {
        let of_scales = name.replace("_blocks", "_scales");
        let scales = self.0.get(&of_scales);
        let scales = scales.with_context(|| format!("{name} has no {of_scales} with it"))?;
        let bytes = [blocks, scales].iter().all(|t| t.dtype == Dtype::U8);
        let ([experts, all, columns, INDICES], true) = (&blocks.shape[..], bytes) else {
            bail!(
                "the tensor {name} is {:?} of the shape {:?}, which is not MXFP4",
                blocks.dtype,
                blocks.shape
            );
        };
        let (experts, all, columns) = (*experts, *all, *columns);
        if scales.shape != [experts, all, columns] {
            bail!(
                "the tensor {of_scales} has the shape {:?}, which does not fit that of {name}",
                scales.shape
            );
        }
        let rows = rows(name, blocks, experts, all, step)?;
        let (lying, of_scales) = (blocks.bytes / experts, scales.bytes / experts);
        let entry = move |expert: usize, first: usize| TensorInfo {
            kind: TensorType::Indexed(Indexed::Mxfp4),
            shape: vec![rows, columns * BLOCK],
            part: blocks.part,
            offset: blocks.offset + expert * lying,
            bytes: rows * columns * Indexed::Mxfp4.type_size(),
            stored: Some(Stored {
                bytes: lying,
                order: Order::Mxfp4(
                    Turns { first, step },
                    ExpertScales {
                        part: scales.part,
                        offset: scales.offset + expert * of_scales,
                        bytes: of_scales,
                    },
                ),
            }),
        };
        Ok((experts, Box::new(entry)))
    }
}

/// The number of experts, and the entry of one by its number and by whose turn it is.
type Entries<'a> = (usize, Box<dyn Fn(usize, usize) -> TensorInfo + 'a>);

impl FoundTensor {
    /// Weights `[experts, inputs, outputs]`.
    fn floats<'a>(&'a self, name: &str, step: usize) -> Result<Entries<'a>> {
        let kind = float(self.dtype, name)?;
        let [experts, columns, all] = self.shape[..] else {
            bail!("the tensor {name} has the shape {:?}", self.shape);
        };
        let rows = rows(name, self, experts, all, step)?;
        let turns = move |first| Order::Columns(Turns { first, step }, kind.type_size());
        Ok(self.each(experts, kind, vec![rows, columns], step, turns))
    }

    /// Biases `[experts, outputs]`.
    fn bias<'a>(&'a self, name: &str, step: usize) -> Result<Entries<'a>> {
        let kind = float(self.dtype, name)?;
        let [experts, all] = self.shape[..] else {
            bail!("the tensor {name} has the shape {:?}", self.shape);
        };
        let rows = rows(name, self, experts, all, step)?;
        let turns = move |first| Order::Rows(Turns { first, step });
        Ok(self.each(experts, kind, vec![rows], step, turns))
    }

    fn each<'a>(
        &'a self,
        experts: usize,
        kind: GgmlDType,
        shape: Vec<usize>,
        step: usize,
        order: impl Fn(usize) -> Order + 'a,
    ) -> Entries<'a> {
        let lying = self.bytes / experts;
        let entry = move |expert: usize, first: usize| TensorInfo {
            kind: TensorType::Candle(kind),
            shape: shape.clone(),
            part: self.part,
            offset: self.offset + expert * lying,
            bytes: lying / step,
            stored: Some(Stored {
                bytes: lying,
                order: order(first),
            }),
        };
        (experts, Box::new(entry))
    }
}

/// The rows of each of the layers that take turns.
fn rows(name: &str, found: &FoundTensor, experts: usize, all: usize, step: usize) -> Result<usize> {
    if found.shape.contains(&0) || experts == 0 || !all.is_multiple_of(step) {
        bail!("the tensor {name} has the shape {:?}", found.shape);
    }
    Ok(all / step)
}
