//! Tensors that hold the weights of several layers at once, entered in the directory by these
//! layers: Phi-3's queries, keys and values, and its gate and up; the experts of a mixture; what Gemma 3n
//! has for each of its streams. Whole
//! rows of them follow one another, so nothing is copied.
//!
//! Not here: what the layers compute.

use std::collections::HashMap;

use anyhow::{Result, bail};

use super::TensorInfo;

/// More entries than all experts of any model have.
pub(super) const MAX_ENTRIES: usize = 1 << 17;

/// Enters the layers of experts by their numbers: `ffn_up_exps` as `ffn_up.0`, `ffn_up.1`, …
pub(super) fn split_experts(tensors: &mut HashMap<String, TensorInfo>) -> Result<()> {
    // The layer that weighs the shared expert has one row, which files leave out of its shape.
    for (_, info) in tensors
        .iter_mut()
        .filter(|(name, _)| name.ends_with(".ffn_gate_inp_shexp.weight"))
    {
        if let [columns] = info.shape[..] {
            info.shape = vec![1, columns];
        }
    }
    let names: Vec<String> = tensors
        .keys()
        .filter(|name| name.contains("_exps."))
        .cloned()
        .collect();
    for name in names {
        if let Some((part, kind)) = name.split_once("_exps.") {
            split_whole(tensors, &name, part, kind)?;
        }
    }
    Ok(())
}

/// Enters what Gemma 3n has for each of its residual streams by their numbers: `altup_proj` as
/// `altup_proj.0`, `altup_proj.1`, …
pub(super) fn split_streams(tensors: &mut HashMap<String, TensorInfo>) -> Result<()> {
    for part in ["altup_proj", "altup_unembd_proj"] {
        split_whole(tensors, &format!("{part}.weight"), part, "weight")?;
    }
    Ok(())
}

/// Enters the layers that a tensor holds as `part.0.kind`, `part.1.kind`, …
fn split_whole(
    tensors: &mut HashMap<String, TensorInfo>,
    name: &str,
    part: &str,
    kind: &str,
) -> Result<()> {
    let Some(whole) = tensors.get(name).cloned() else {
        return Ok(());
    };
    let [count, shape @ ..] = &whole.shape[..] else {
        return Ok(());
    };
    if shape.is_empty() || *count == 0 || tensors.len() + count > MAX_ENTRIES {
        bail!("the tensor {name} does not hold several layers");
    }
    let bytes = whole.bytes / count;
    for index in 0..*count {
        let view = TensorInfo {
            shape: shape.to_vec(),
            offset: whole.offset + index * bytes,
            bytes,
            ..whole.clone()
        };
        tensors.insert(format!("{part}.{index}.{kind}"), view);
    }
    tensors.remove(name);
    Ok(())
}

/// Splits what Phi-3 stores together. `heads` and `kv_heads` are those of the model.
pub(super) fn split(
    tensors: &mut HashMap<String, TensorInfo>,
    heads: usize,
    kv_heads: usize,
) -> Result<()> {
    let together: Vec<String> = tensors
        .keys()
        .filter(|name| name.contains(".attn_qkv.") || name.contains(".ffn_up."))
        .cloned()
        .collect();
    for name in together {
        let Some((layer, rest)) = name.split_once(".attn_qkv.") else {
            let Some((layer, rest)) = name.split_once(".ffn_up.") else {
                continue;
            };
            let parts = [("ffn_gate", 1), ("ffn_up", 1)];
            replace(tensors, &name, layer, rest, &parts)?;
            continue;
        };
        let parts = [
            ("attn_q", heads),
            ("attn_k", kv_heads),
            ("attn_v", kv_heads),
        ];
        replace(tensors, &name, layer, rest, &parts)?;
    }
    Ok(())
}

/// Enters the parts of a tensor, each with a share of its rows.
fn replace(
    tensors: &mut HashMap<String, TensorInfo>,
    name: &str,
    layer: &str,
    rest: &str,
    parts: &[(&str, usize)],
) -> Result<()> {
    let Some(info) = tensors.remove(name) else {
        return Ok(());
    };
    let shares: usize = parts.iter().map(|(_, share)| share).sum();
    let rows = info.shape.first().copied().unwrap_or(0);
    if shares == 0 || !rows.is_multiple_of(shares) {
        bail!("the {rows} rows of tensor {name} do not divide into {shares} equal shares");
    }
    let (share_rows, share_bytes) = (rows / shares, info.bytes / shares);
    let mut offset = info.offset;
    for (part, share) in parts {
        let mut shape = info.shape.clone();
        shape[0] = share * share_rows;
        let view = TensorInfo {
            shape,
            offset,
            bytes: share * share_bytes,
            ..info.clone()
        };
        offset += view.bytes;
        tensors.insert(format!("{layer}.{part}.{rest}"), view);
    }
    Ok(())
}
