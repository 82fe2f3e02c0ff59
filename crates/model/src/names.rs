//! Tensor names and row orders of GGUF and of Hugging Face, and the way between them.
//!
//! Converters to GGUF rename every tensor, and for Llama and what was made of it reorder the rows of
//! queries and keys, so that a rotated pair is adjacent. Code that reads or writes Hugging Face's files next to a
//! GGUF model comes through here. Not here: reading or writing the files.

/// GGUF's and Hugging Face's names of a block's parts. The two norms around the feed-forward
/// network are named otherwise in Gemma 3, which has four.
const PARTS: [(&str, &str); 9] = [
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// What of a block is called otherwise, or is there only, in an architecture: its norms, and what
/// Phi-3 stores together.
fn own_parts(architecture: &str) -> &'static [(&'static str, &'static str)] {
    match architecture {
        "qwen2moe" | "qwen3moe" => &[
            ("attn_norm", "input_layernorm"),
            ("ffn_norm", "post_attention_layernorm"),
            ("ffn_gate_inp", "mlp.gate"),
            ("ffn_gate_shexp", "mlp.shared_expert.gate_proj"),
            ("ffn_up_shexp", "mlp.shared_expert.up_proj"),
            ("ffn_down_shexp", "mlp.shared_expert.down_proj"),
            ("ffn_gate_inp_shexp", "mlp.shared_expert_gate"),
        ],
        "gpt-oss" => &[
            ("attn_norm", "input_layernorm"),
            ("post_attention_norm", "post_attention_layernorm"),
            ("attn_sinks", "self_attn.sinks"),
            ("ffn_gate_inp", "mlp.router"),
        ],
        "phi3" => &[
            ("attn_norm", "input_layernorm"),
            ("ffn_norm", "post_attention_layernorm"),
            ("attn_qkv", "self_attn.qkv_proj"),
            ("ffn_up", "mlp.gate_up_proj"),
        ],
        "gemma3" => &[
            ("attn_norm", "input_layernorm"),
            ("post_attention_norm", "post_attention_layernorm"),
            ("ffn_norm", "pre_feedforward_layernorm"),
            ("post_ffw_norm", "post_feedforward_layernorm"),
        ],
        "gemma3n" => &[
            ("attn_norm", "input_layernorm"),
            ("post_attention_norm", "post_attention_layernorm"),
            ("ffn_norm", "pre_feedforward_layernorm"),
            ("post_ffw_norm", "post_feedforward_layernorm"),
            ("inp_gate", "per_layer_input_gate"),
            ("proj", "per_layer_projection"),
            ("post_norm", "post_per_layer_input_norm"),
            ("altup_correct_coef", "altup.correction_coefs"),
            ("altup_correct_scale", "altup.correct_output_scale"),
            ("altup_predict_coef", "altup.prediction_coefs"),
            ("altup_router", "altup.modality_router"),
            ("altup_router_norm", "altup.router_norm"),
            ("laurel_l", "laurel.linear_left"),
            ("laurel_r", "laurel.linear_right"),
            ("laurel_post_norm", "laurel.post_laurel_norm"),
        ],
        _ => &[
            ("attn_norm", "input_layernorm"),
            ("ffn_norm", "post_attention_layernorm"),
        ],
    }
}

/// Parts that are no layers of PyTorch's: their names do not end with a kind.
const UNKINDED: [&str; 2] = ["self_attn.sinks", "altup.correct_output_scale"];

/// What of Gemma 3n belongs to no block: GGUF's and Hugging Face's names. Behind the last two stands
/// which residual stream each is for.
const AROUND: [(&str, &str); 5] = [
    ("per_layer_token_embd", "embed_tokens_per_layer"),
    ("per_layer_model_proj", "per_layer_model_projection"),
    ("per_layer_proj_norm", "per_layer_projection_norm"),
    ("altup_proj", "altup_projections"),
    ("altup_unembd_proj", "altup_unembed_projections"),
];

/// The name of a part that belongs to no block under the other's, and its stream if it is one's.
fn around<'a>(
    name: &str,
    from: impl Fn(&(&'a str, &'a str)) -> &'a str,
    to: impl Fn(&(&'a str, &'a str)) -> &'a str,
) -> Option<String> {
    let part = name.strip_suffix(".weight")?;
    let (part, stream) = match part.split_once('.') {
        Some((part, stream)) => (part, Some(stream.parse::<usize>().ok()?)),
        None => (part, None),
    };
    let index = AROUND.iter().position(|names| from(names) == part)?;
    let other = to(&AROUND[index]);
    Some(match stream {
        Some(stream) if index >= 3 => format!("{other}.{stream}.weight"),
        None if index < 3 => format!("{other}.weight"),
        _ => return None,
    })
}

/// Hugging Face's name of a GGUF tensor; `None` for one that it has no name for.
pub fn hugging_face(name: &str, architecture: &str) -> Option<String> {
    match name {
        "token_embd.weight" => return Some("model.embed_tokens.weight".into()),
        "output_norm.weight" => return Some("model.norm.weight".into()),
        "output.weight" => return Some("lm_head.weight".into()),
        _ => {}
    }
    if let Some(theirs) = around(name, |names| names.0, |names| names.1) {
        return Some(format!("model.{theirs}"));
    }
    let (layer, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    let (part, kind) = rest.rsplit_once('.')?;
    let mut parts = own_parts(architecture).iter().chain(&PARTS);
    let (_, theirs) = parts.find(|(ours, _)| *ours == part)?;
    Some(match UNKINDED.contains(theirs) {
        true => format!("model.layers.{layer}.{theirs}"),
        false => format!("model.layers.{layer}.{theirs}.{kind}"),
    })
}

/// GGUF's name of a Hugging Face tensor; `None` for one that nothing is computed from: the parts
/// that see pictures and hear sounds, and tables that follow from the settings. A name that is not known stays as
/// it is.
pub fn from_hugging_face(name: &str, architecture: &str) -> Option<String> {
    const SENSES: [&str; 6] = [
        "vision_tower.",
        "vision_model.",
        "multi_modal_projector.",
        "audio_tower.",
        "embed_vision.",
        "embed_audio.",
    ];
    let plain = name.strip_prefix("model.").unwrap_or(name);
    let unused = SENSES.iter().any(|prefix| plain.starts_with(prefix))
        || name.ends_with("rotary_emb.inv_freq");
    if unused {
        return None;
    }
    // Beside such a part, the language model has its own name in front.
    let inner = plain.strip_prefix("language_model.").unwrap_or(plain);
    let inner = inner.strip_prefix("model.").unwrap_or(inner);
    let whole = match inner {
        "embed_tokens.weight" => Some("token_embd.weight"),
        "norm.weight" => Some("output_norm.weight"),
        "lm_head.weight" => Some("output.weight"),
        _ => None,
    };
    let in_block = || {
        let (layer, rest) = inner.strip_prefix("layers.")?.split_once('.')?;
        let layer: usize = layer.parse().ok()?;
        let (part, kind) = match UNKINDED.contains(&rest) {
            true => (rest, "weight"),
            false => rest.rsplit_once('.')?,
        };
        if let Some((expert, linear)) = part
            .strip_prefix("mlp.experts.")
            .and_then(|rest| rest.split_once('.'))
        {
            let (expert, theirs): (usize, _) = (expert.parse().ok()?, format!("mlp.{linear}"));
            let (ours, _) = PARTS.iter().find(|(_, name)| *name == theirs)?;
            return Some(format!("blk.{layer}.{ours}.{expert}.{kind}"));
        }
        let mut parts = own_parts(architecture).iter().chain(&PARTS);
        let (ours, _) = parts.find(|(_, theirs)| *theirs == part)?;
        Some(format!("blk.{layer}.{ours}.{kind}"))
    };
    let around = || around(inner, |names| names.1, |names| names.0);
    let known = whole.map(str::to_owned).or_else(around).or_else(in_block);
    Some(known.unwrap_or_else(|| name.to_owned()))
}

/// Whether the decoder uses a tensor of a model with this many layers. What it does not know, the
/// file's model may need: a scale, a sink, a second expert.
pub fn is_used(name: &str, architecture: &str, layers: usize) -> bool {
    const WHOLE: [&str; 6] = [
        "token_embd.weight",
        "output_norm.weight",
        "output.weight",
        // Divisors of the rotary embedding.
        "rope_freqs.weight",
        "rope_factors_short.weight",
        "rope_factors_long.weight",
    ];
    let in_block = || {
        let (layer, rest) = name.strip_prefix("blk.")?.split_once('.')?;
        let (part, kind) = rest.rsplit_once('.')?;
        // Of a mixture of experts, `ffn_up.17`.
        let part = match part.split_once('.') {
            Some((part, expert)) => expert.parse::<usize>().ok().map(|_| part)?,
            None => part,
        };
        let norm = part.ends_with("norm");
        let known = PARTS
            .iter()
            .chain(own_parts(architecture))
            .any(|(ours, _)| *ours == part)
            || ["post_attention_norm", "post_ffw_norm"].contains(&part);
        let kind = kind == "weight" || kind == "bias" && !norm;
        Some(layer.parse::<usize>().ok()? < layers && known && kind)
    };
    let around = || architecture == "gemma3n" && around(name, |n| n.0, |n| n.1).is_some();
    WHOLE.contains(&name) || around() || in_block().unwrap_or(false)
}

/// GGUF's prefix (`blk.0.attn_q`) of Hugging Face's linear layer
/// (`model.layers.0.self_attn.q_proj`); `None` for anything else.
pub fn linear_of(hugging_face: &str) -> Option<String> {
    let (layer, part) = hugging_face
        .strip_prefix("model.layers.")?
        .split_once('.')?;
    let layer: usize = layer.parse().ok()?;
    let linear = |(ours, _): &&(&str, &str)| !ours.ends_with("norm");
    let (ours, _) = PARTS
        .iter()
        .filter(linear)
        .find(|(_, theirs)| *theirs == part)?;
    Some(format!("blk.{layer}.{ours}"))
}

/// The number of heads whose rows GGUF has in another order than Hugging Face, if this tensor or
/// prefix is one of those.
pub fn reordered_heads(
    name: &str,
    architecture: &str,
    heads: usize,
    kv_heads: usize,
) -> Option<usize> {
    if !matches!(architecture, "llama" | "smollm3" | "granite" | "mistral3") {
        return None;
    }
    let part = name.strip_prefix("blk.")?.split('.').nth(1)?;
    match part {
        "attn_q" => Some(heads),
        "attn_k" => Some(kv_heads),
        _ => None,
    }
}

/// Which way rows are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From GGUF's order to Hugging Face's.
    ToHuggingFace,
    /// The other way.
    ToGguf,
}

/// Rows of `width` elements put into the other order: within a head of `2n` rows, Hugging Face's
/// rows `i` and `n + i` are GGUF's `2i` and `2i + 1`.
pub fn reorder<T: Copy>(values: &[T], width: usize, heads: usize, direction: Direction) -> Vec<T> {
    let rows = values.len() / width.max(1);
    let pairs = rows / heads.max(1) / 2;
    let mut out = Vec::with_capacity(values.len());
    for head in 0..heads {
        for row in 0..2 * pairs {
            let from = match direction {
                // Row `row` of Hugging Face's head, looked up in GGUF's order.
                Direction::ToHuggingFace => 2 * (row % pairs) + row / pairs,
                Direction::ToGguf => row / 2 + pairs * (row % 2),
            };
            let at = (head * 2 * pairs + from) * width;
            out.extend_from_slice(&values[at..at + width]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_converters() {
        let hf = |name| hugging_face(name, "llama").unwrap();
        assert_eq!(
            hf("blk.3.attn_output.weight"),
            "model.layers.3.self_attn.o_proj.weight"
        );
        assert_eq!(
            hf("blk.0.ffn_norm.weight"),
            "model.layers.0.post_attention_layernorm.weight"
        );
        assert_eq!(
            hugging_face("blk.0.ffn_norm.weight", "gemma3").unwrap(),
            "model.layers.0.pre_feedforward_layernorm.weight"
        );
        assert_eq!(hugging_face("rope_freqs.weight", "llama"), None);
        assert_eq!(
            linear_of("model.layers.12.mlp.down_proj").unwrap(),
            "blk.12.ffn_down"
        );
        assert_eq!(linear_of("model.layers.0.self_attn.q_norm"), None);
        assert_eq!(linear_of("model.layers.x.mlp.up_proj"), None);
    }

    #[test]
    fn a_tensor_that_nothing_reads_is_told_from_those_that_are_used() {
        for name in [
            "token_embd.weight",
            "blk.1.attn_q.weight",
            "blk.0.attn_k.bias",
            "blk.0.ffn_norm.weight",
            "rope_freqs.weight",
        ] {
            assert!(is_used(name, "llama", 2), "{name}");
        }
        for name in [
            "output_norm.bias",
            "output.bias",
            "blk.0.attn_norm.bias",
            "blk.0.attn_q.scale",
            "blk.0.attn_sinks.weight",
            "blk.2.attn_q.weight",
            "blk.x.attn_q.weight",
        ] {
            assert!(!is_used(name, "llama", 2), "{name}");
        }
    }

    #[test]
    fn only_llama_s_queries_and_keys_are_reordered_and_back() {
        assert_eq!(
            reordered_heads("blk.0.attn_q.weight", "llama", 4, 2),
            Some(4)
        );
        assert_eq!(reordered_heads("blk.0.attn_k", "llama", 4, 2), Some(2));
        assert_eq!(reordered_heads("blk.0.attn_v.weight", "llama", 4, 2), None);
        assert_eq!(reordered_heads("blk.0.attn_q.weight", "qwen2", 4, 2), None);
        // Two heads of four rows, one column.
        let theirs = [0., 1., 2., 3., 10., 11., 12., 13.];
        let ours = reorder(&theirs, 1, 2, Direction::ToGguf);
        assert_eq!(ours, [0., 2., 1., 3., 10., 12., 11., 13.]);
        assert_eq!(reorder(&ours, 1, 2, Direction::ToHuggingFace), theirs);
    }
}
