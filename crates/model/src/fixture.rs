//! Tiny models written in memory: random weights, real structure.
//!
//! Tests, those of other crates too (feature `fixtures`), run the whole program on them without any file on disk. The models speak nonsense; what they are good for is that
//! every path through reader, tokenizer, decoder and engine exists in small.
//!
//! Not here: anything that the program itself uses.

use half::f16;
use s1_core::rng::Rng;

pub use super::gguf::write::GgufWriter;
use super::tokenizer::byte_to_char;

const HIDDEN: usize = 64;
const FFN: usize = 96;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
/// More rows than there are tokens, as real models have.
const EMBEDDING_ROWS: usize = 272;

/// Tokens after the 256 bytes, with ids from 256 on.
pub const SPECIAL_TOKENS: [&str; 5] = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<think>",
    "</think>",
];

/// ChatML, as bare as a template can be.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + \
     message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}\
     {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// Residual streams of the tiny Gemma 3n, and the width of what a token says to each layer.
const STREAMS: usize = 3;
const SAID: usize = 16;

/// A tiny model of an architecture (`llama`, `qwen2`, `qwen3`, `gemma3`, `gemma3n`) with a byte-level
/// vocabulary, the ChatML template and random weights: llama in F32 with untied output, qwen2 in
/// Q8_0 with biases, qwen3 in F16, gemma3 in F32 with windows of 8 tokens and soft caps, gemma3n likewise, its
/// last three layers without keys and values of their own.
pub fn tiny_gguf(arch: &str, seed: u64) -> Vec<u8> {
    tiny_gguf_of(arch, seed, CHATML, &SPECIAL_TOKENS)
}

/// The same with another template and other tokens behind the bytes, of which the third ends a turn.
pub fn tiny_gguf_of(arch: &str, seed: u64, template: &str, specials: &[&str]) -> Vec<u8> {
    // Seven layers reach Gemma's first layer without a window and one beyond it.
    // Of Gemma 3n's ten both kinds see another's keys and values.
    let layers = match arch {
        "gemma3" => 7,
        "gemma3n" => 10,
        _ => 2,
    };
    build(arch, seed, template, specials, layers)
}

/// [`tiny_gguf`] with so many layers.
pub fn tiny_gguf_layers(arch: &str, seed: u64, layers: u32) -> Vec<u8> {
    build(arch, seed, CHATML, &SPECIAL_TOKENS, layers)
}

fn build(arch: &str, seed: u64, template: &str, specials: &[&str], layers: u32) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let mut w = GgufWriter::new();
    let gemma3n = arch == "gemma3n";
    let gemma = arch == "gemma3" || gemma3n;
    let head_dim = if gemma { 24 } else { HIDDEN / HEADS };
    let key = |name: &str| format!("{arch}.{name}");

    w.string("general.architecture", arch);
    w.string("general.name", &format!("tiny {arch}"));
    w.u32(&key("context_length"), 2048);
    w.u32(&key("embedding_length"), HIDDEN as u32);
    w.u32(&key("block_count"), layers);
    w.u32(&key("feed_forward_length"), FFN as u32);
    w.u32(&key("attention.head_count"), HEADS as u32);
    w.u32(&key("attention.head_count_kv"), KV_HEADS as u32);
    w.u32(&key("attention.key_length"), head_dim as u32);
    w.u32(&key("attention.value_length"), head_dim as u32);
    w.f32(&key("attention.layer_norm_rms_epsilon"), 1e-6);
    w.f32(&key("rope.freq_base"), 10_000.0);
    if gemma {
        w.u32(&key("attention.sliding_window"), 8);
        w.f32(&key("attn_logit_softcapping"), 20.0);
        w.f32(&key("final_logit_softcapping"), 30.0);
    }
    if gemma3n {
        w.u32(&key("altup.num_inputs"), STREAMS as u32);
        w.u32(&key("embedding_length_per_layer_input"), SAID as u32);
        w.u32(&key("attention.shared_kv_layers"), 3.min(layers - 1));
        let mut sparsity = vec![f32::NEG_INFINITY; layers as usize];
        sparsity[0] = 0.5;
        w.f32s(&key("activation_sparsity_scale"), &sparsity);
    }
    vocabulary(&mut w, template, specials);

    let mut matrix = |w: &mut GgufWriter, name: &str, rows: usize, columns: usize| {
        let bound = (3.0 / columns as f32).sqrt();
        let values: Vec<f32> = (0..rows * columns)
            .map(|_| rng.signed_unit() * bound)
            .collect();
        let (code, data) = match arch {
            "qwen2" => (8, q8_0(&values)),
            "qwen3" => (
                1,
                values
                    .iter()
                    .flat_map(|&v| f16::from_f32(v).to_le_bytes())
                    .collect(),
            ),
            _ => (0, f32_bytes(&values)),
        };
        w.tensor(name, &[rows, columns], code, data);
    };
    let mut noise = Rng::new(seed.wrapping_add(1));
    let mut vector = |w: &mut GgufWriter, name: &str, len: usize, centre: f32| {
        let values: Vec<f32> = (0..len)
            .map(|_| centre + 0.2 * noise.signed_unit())
            .collect();
        w.tensor(name, &[len], 0, f32_bytes(&values));
    };
    matrix(&mut w, "token_embd.weight", EMBEDDING_ROWS, HIDDEN);
    vector(&mut w, "output_norm.weight", HIDDEN, 1.0);
    if gemma3n {
        let said = layers as usize * SAID;
        // Fewer tokens than there are rows say something.
        matrix(
            &mut w,
            "per_layer_token_embd.weight",
            EMBEDDING_ROWS - 20,
            said,
        );
        matrix(&mut w, "per_layer_model_proj.weight", said, HIDDEN);
        vector(&mut w, "per_layer_proj_norm.weight", SAID, 1.0);
        for part in ["altup_proj", "altup_unembd_proj"] {
            for stream in 0..STREAMS - 1 {
                matrix(&mut w, &format!("{part}.{stream}.weight"), HIDDEN, HIDDEN);
            }
        }
    }
    if arch == "llama" {
        matrix(&mut w, "output.weight", EMBEDDING_ROWS, HIDDEN);
        vector(&mut w, "rope_freqs.weight", head_dim / 2, 2.0);
    }
    for layer in 0..layers {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let (q, kv) = (HEADS * head_dim, KV_HEADS * head_dim);
        vector(&mut w, &name("attn_norm.weight"), HIDDEN, 1.0);
        vector(&mut w, &name("ffn_norm.weight"), HIDDEN, 1.0);
        matrix(&mut w, &name("attn_q.weight"), q, HIDDEN);
        matrix(&mut w, &name("attn_k.weight"), kv, HIDDEN);
        matrix(&mut w, &name("attn_v.weight"), kv, HIDDEN);
        matrix(&mut w, &name("attn_output.weight"), HIDDEN, q);
        matrix(&mut w, &name("ffn_gate.weight"), FFN, HIDDEN);
        matrix(&mut w, &name("ffn_up.weight"), FFN, HIDDEN);
        matrix(&mut w, &name("ffn_down.weight"), HIDDEN, FFN);
        if arch == "qwen2" {
            vector(&mut w, &name("attn_q.bias"), q, 0.0);
            vector(&mut w, &name("attn_k.bias"), kv, 0.0);
            vector(&mut w, &name("attn_v.bias"), kv, 0.0);
        }
        if gemma || arch == "qwen3" {
            vector(&mut w, &name("attn_q_norm.weight"), head_dim, 1.0);
            vector(&mut w, &name("attn_k_norm.weight"), head_dim, 1.0);
        }
        if gemma {
            vector(&mut w, &name("post_attention_norm.weight"), HIDDEN, 1.0);
            vector(&mut w, &name("post_ffw_norm.weight"), HIDDEN, 1.0);
        }
        if gemma3n {
            for part in [
                "altup_router_norm",
                "altup_correct_scale",
                "laurel_post_norm",
                "post_norm",
            ] {
                vector(&mut w, &name(&format!("{part}.weight")), HIDDEN, 1.0);
            }
            matrix(&mut w, &name("altup_router.weight"), STREAMS, HIDDEN);
            matrix(
                &mut w,
                &name("altup_predict_coef.weight"),
                STREAMS * STREAMS,
                STREAMS,
            );
            matrix(&mut w, &name("altup_correct_coef.weight"), STREAMS, STREAMS);
            matrix(&mut w, &name("laurel_l.weight"), 8, HIDDEN);
            matrix(&mut w, &name("laurel_r.weight"), HIDDEN, 8);
            matrix(&mut w, &name("inp_gate.weight"), SAID, HIDDEN);
            matrix(&mut w, &name("proj.weight"), HIDDEN, SAID);
        }
    }
    w.finish()
}

/// A byte-level vocabulary without merges: every byte is a token, then [`SPECIAL_TOKENS`].
fn vocabulary(w: &mut GgufWriter, template: &str, specials: &[&str]) {
    let bytes = (0..=255u8).map(|b| byte_to_char(b).to_string());
    let tokens: Vec<String> = bytes
        .chain(specials.iter().map(ToString::to_string))
        .collect();
    // 1 is a normal token, 3 a control token.
    let types: Vec<i32> = (0..tokens.len())
        .map(|id| if id < 256 { 1 } else { 3 })
        .collect();
    w.string("tokenizer.ggml.model", "gpt2");
    w.string("tokenizer.ggml.pre", "gpt-2");
    w.strings("tokenizer.ggml.tokens", &tokens);
    w.i32s("tokenizer.ggml.token_type", &types);
    w.strings::<&str>("tokenizer.ggml.merges", &[]);
    w.u32("tokenizer.ggml.bos_token_id", 256);
    w.u32("tokenizer.ggml.eos_token_id", 258);
    w.bool("tokenizer.ggml.add_bos_token", false);
    w.string("tokenizer.chat_template", template);
}

fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Blocks of 32: an f16 scale and 32 signed bytes.
fn q8_0(values: &[f32]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in values.chunks(32) {
        let max = block.iter().fold(0f32, |m, v| m.max(v.abs()));
        let scale = f16::from_f32(max / 127.0);
        out.extend(scale.to_le_bytes());
        let inverse = if max > 0.0 { 1.0 / scale.to_f32() } else { 0.0 };
        out.extend(
            block
                .iter()
                .map(|v| (v * inverse).round().clamp(-127.0, 127.0) as i8 as u8),
        );
    }
    out
}
