"""Makes tiny models with random weights and what transformers computes with them.

usage: make_tiny_models.py FOLDER [NAME ...]

Each model is a folder NAME with config.json and model.safetensors (F32), its reference NAME.json:
token ids and, for each position, the next token's log-probability and the five most probable ones.
NAME.gguf has the same weights under GGUF's names, as llama.cpp's converter writes them.
gpt-oss-mxfp4 has its experts in MXFP4, as gpt-oss is published; its reference is computed with what transformers
makes of them. smallest-gpt-oss and smallest-gemma3n, which are made only if they are named, are those in
crates/model/src/gguf/fixtures.
The tests look for them where S1_TUI_TINY says. Needs torch, transformers 5 with accelerate, gguf, safetensors and
numpy.
"""
import json
import os
import sys

import gguf
import numpy as np
import torch
import transformers as t
from safetensors.torch import load_file, save_file

VOCAB, TOKENS = 256, 96
BASE = dict(
    vocab_size=VOCAB, hidden_size=64, intermediate_size=96, num_hidden_layers=4,
    num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
    bos_token_id=1, eos_token_id=2, pad_token_id=0, initializer_range=0.08,
)  # fmt: skip
LONG = [1.0 + 0.6 * i for i in range(8)]
SHORT = [1.0 + 0.05 * i for i in range(8)]


def longrope(**more):
    return {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": SHORT,
            "long_factor": LONG, "original_max_position_embeddings": 64, **more}  # fmt: skip


def gpt_oss(**base):
    return t.GptOssConfig(
        **base, head_dim=16, num_local_experts=8, num_experts_per_tok=2, sliding_window=24,
        rope_parameters={
            "rope_type": "yarn", "rope_theta": 150000.0, "factor": 32.0, "beta_fast": 32.0,
            "beta_slow": 1.0, "truncate": False, "original_max_position_embeddings": 64})  # fmt: skip


def gemma3n(kinds, shared, width, streams, **base):
    """Of kinds s is a windowed layer and f one that sees everything; the last ones share keys and values."""
    return t.Gemma3nTextConfig(
        **{**base, "num_hidden_layers": len(kinds)}, head_dim=16, sliding_window=24, final_logit_softcapping=4.0,
        layer_types=[{"s": "sliding_attention", "f": "full_attention"}[kind] for kind in kinds],
        activation_sparsity_pattern=[0.95, 0.3] + [0.0] * (len(kinds) - 2), num_kv_shared_layers=shared,
        vocab_size_per_layer_input=base["vocab_size"] - 16, hidden_size_per_layer_input=width, laurel_rank=8,
        altup_num_inputs=streams,
    )  # fmt: skip


MODELS = {
    "smollm3": lambda: t.SmolLM3Config(**BASE, tie_word_embeddings=True),
    "granite": lambda: t.GraniteConfig(
        **BASE, tie_word_embeddings=True, embedding_multiplier=6.0, attention_multiplier=0.1,
        residual_multiplier=0.3, logits_scaling=0.5),
    # 96 tokens are more than the 64 of the original context: the long factors count.
    "phi3": lambda: t.Phi3Config(
        **BASE, sliding_window=None, original_max_position_embeddings=64,
        rope_parameters=longrope()),
    # With a short context, a window, and rotation of three quarters of each head.
    "phi3-partial": lambda: t.Phi3Config(
        **{**BASE, "max_position_embeddings": 128}, sliding_window=24,
        original_max_position_embeddings=128,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.75}),
    "mistral": lambda: t.MistralConfig(**BASE, sliding_window=24),
    "ministral": lambda: t.MinistralConfig(
        **BASE, head_dim=16, sliding_window=24, layer_types=["full_attention", "sliding_attention"] * 2),
    "ministral3": lambda: t.Ministral3Config(
        **BASE, head_dim=32, rope_parameters={
            "rope_type": "yarn", "rope_theta": 1e6, "factor": 16.0, "beta_fast": 32.0,
            "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.1,
            "original_max_position_embeddings": 32}),
    "yarn": lambda: t.Qwen3Config(
        **BASE, head_dim=32, rope_parameters={
            "rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0,
            "original_max_position_embeddings": 128}),
    "qwen3moe": lambda: t.Qwen3MoeConfig(
        **BASE, head_dim=32, num_experts=8, num_experts_per_tok=3, moe_intermediate_size=48,
        norm_topk_prob=True),
    "qwen2moe": lambda: t.Qwen2MoeConfig(
        **BASE, num_experts=8, num_experts_per_tok=3, moe_intermediate_size=48,
        shared_expert_intermediate_size=64, norm_topk_prob=False),
    "gpt-oss": lambda: gpt_oss(**BASE),
    "gpt-oss-mxfp4": lambda: gpt_oss(**BASE),
    "smallest-gpt-oss": lambda: gpt_oss(**SMALLEST),
    "gemma3n": lambda: gemma3n("ssfsfssf", 3, 16, 4, **BASE),
    "smallest-gemma3n": lambda: gemma3n("sfsf", 2, 8, 3, **{**SMALLEST, "num_attention_heads": 2, "num_key_value_heads": 1}),
}  # fmt: skip
# In the repository: few layers, and no more than a block in a row.
SMALLEST = {**BASE, "vocab_size": 64, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2}
PACKED = ("gpt-oss-mxfp4", "smallest-gpt-oss")
# Saved as bfloat16, for the size of the repository.
HALVED = ("smallest-gemma3n",)
ONLY_BY_NAME = ("smallest-gpt-oss", "smallest-gemma3n")


# GGUF's architecture, and whether the rows of queries and keys are put side by side in pairs.
ARCHITECTURES = {
    "smollm3": ("smollm3", True), "granite": ("granite", True), "phi3": ("phi3", False),
    "ministral3": ("mistral3", True), "qwen3moe": ("qwen3moe", False),
    "qwen2moe": ("qwen2moe", False), "gpt-oss": ("gpt-oss", False), "gemma3n": ("gemma3n", False),
}  # fmt: skip
PARTS = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "self_attn.qkv_proj": "attn_qkv", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "mlp.gate_up_proj": "ffn_up", "mlp.gate": "ffn_gate_inp",
    "mlp.router": "ffn_gate_inp", "mlp.shared_expert.gate_proj": "ffn_gate_shexp",
    "mlp.shared_expert.up_proj": "ffn_up_shexp", "mlp.shared_expert.down_proj": "ffn_down_shexp",
    "mlp.shared_expert_gate": "ffn_gate_inp_shexp",
    "per_layer_input_gate": "inp_gate", "per_layer_projection": "proj",
    "post_per_layer_input_norm": "post_norm", "altup.correction_coefs": "altup_correct_coef",
    "altup.correct_output_scale": "altup_correct_scale", "altup.prediction_coefs": "altup_predict_coef",
    "altup.modality_router": "altup_router", "altup.router_norm": "altup_router_norm",
    "laurel.linear_left": "laurel_l", "laurel.linear_right": "laurel_r",
    "laurel.post_laurel_norm": "laurel_post_norm", "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
# What of Gemma 3n belongs to no block; of the last two there is one for each stream but the first.
AROUND = {
    "embed_tokens_per_layer": "per_layer_token_embd", "per_layer_model_projection": "per_layer_model_proj",
    "per_layer_projection_norm": "per_layer_proj_norm", "altup_projections": "altup_proj",
    "altup_unembed_projections": "altup_unembd_proj",
}  # fmt: skip


def side_by_side(rows, heads):
    """Hugging Face's rows i and n + i of each head as 2i and 2i + 1."""
    shape = rows.shape
    rows = rows.reshape(heads, 2, shape[0] // heads // 2, *shape[1:])
    return rows.swapaxes(1, 2).reshape(shape)


def write_gguf(folder, name, model):
    arch, paired = ARCHITECTURES[name]
    c = model.config
    w = gguf.GGUFWriter(os.path.join(folder, name + ".gguf"), arch)
    head_dim = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    rope = c.rope_parameters
    w.add_name("tiny " + name)
    w.add_vocab_size(c.vocab_size)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_block_count(c.num_hidden_layers)
    w.add_feed_forward_length(c.intermediate_size)  # a list, of Gemma 3n
    w.add_head_count(c.num_attention_heads)
    w.add_head_count_kv(c.num_key_value_heads)
    w.add_key_length(head_dim)
    w.add_value_length(head_dim)
    w.add_rope_dimension_count(head_dim)
    w.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    extra = []
    if arch == "granite":
        w.add_attention_scale(c.attention_multiplier)
        w.add_embedding_scale(c.embedding_multiplier)
        w.add_residual_scale(c.residual_multiplier)
        w.add_logit_scale(c.logits_scaling)
    if arch == "phi3":
        original = c.original_max_position_embeddings
        stretch = c.max_position_embeddings / original
        w.add_rope_scaling_orig_ctx_len(original)
        w.add_rope_scaling_attn_factors(np.sqrt(1 + np.log(stretch) / np.log(original)).item())
        extra = [("rope_factors_long.weight", LONG), ("rope_factors_short.weight", SHORT)]
    if arch in ("mistral3", "gpt-oss"):
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(rope["factor"])
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        w.add_float32(arch + ".rope.scaling.yarn_beta_fast", rope["beta_fast"])
        w.add_float32(arch + ".rope.scaling.yarn_beta_slow", rope["beta_slow"])
    if arch == "mistral3":
        w.add_float32("mistral3.rope.scaling.yarn_log_multiplier", rope["mscale_all_dim"])
        w.add_float32("mistral3.attention.temperature_scale", rope["llama_4_scaling_beta"])
    if arch == "gemma3n":
        w.add_sliding_window(c.sliding_window)
        w.add_sliding_window_pattern([kind == "sliding_attention" for kind in c.layer_types])
        w.add_final_logit_softcapping(c.final_logit_softcapping)
        w.add_altup_active_idx(c.altup_active_idx)
        w.add_altup_num_inputs(c.altup_num_inputs)
        w.add_embedding_length_per_layer_input(c.hidden_size_per_layer_input)
        w.add_shared_kv_layers(c.num_kv_shared_layers)
        shares = torch.tensor(c.activation_sparsity_pattern, dtype=torch.float32)
        w.add_activation_sparsity_scale(torch.distributions.Normal(0, 1).icdf(shares).tolist())
    if arch == "gpt-oss":
        w.add_sliding_window(c.sliding_window)
        w.add_expert_feed_forward_length(c.intermediate_size)
        w.add_expert_count(c.num_local_experts)
    if arch.endswith("moe"):
        w.add_expert_feed_forward_length(c.moe_intermediate_size)
        w.add_expert_count(c.num_experts)
    if arch == "qwen2moe":
        w.add_expert_shared_feed_forward_length(c.shared_expert_intermediate_size)
    if arch == "gpt-oss" or arch.endswith("moe"):
        w.add_expert_used_count(c.num_experts_per_tok)
    # A vocabulary of bytes, for programs that need one.
    tokens = [f"<{i}>" for i in range(c.vocab_size)]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(tokens)
    w.add_token_types([1] * len(tokens))
    w.add_token_merges(["<0> <1>"])

    def add(tensor_name, values):
        w.add_tensor(tensor_name, np.ascontiguousarray(values, dtype=np.float32))

    for tensor_name, values in extra:
        add(tensor_name, np.array(values))
    streams = {}
    for theirs, values in model.state_dict().items():
        values = values.numpy()
        if theirs.startswith("lm_head"):
            if not c.tie_word_embeddings:
                add("output.weight", values)
            continue
        plain = theirs.removeprefix("model.")
        stem = plain.removesuffix(".weight")
        if stem in AROUND:
            if stem == "embed_tokens_per_layer":
                # The converter fills it up to the vocabulary.
                values = np.pad(values, ((0, c.vocab_size - len(values)), (0, 0)))
            add(AROUND[stem] + ".weight", values)
        elif stem.split(".")[0] in AROUND:
            stem, stream = stem.split(".")
            streams.setdefault(stem, {})[int(stream)] = values
        elif plain == "embed_tokens.weight":
            add("token_embd.weight", values)
        elif plain == "norm.weight":
            add("output_norm.weight", values)
        else:
            _, layer, part = plain.split(".", 2)
            in_block(lambda n, v: add(f"blk.{layer}.{n}", v), arch, paired, c, part, values)
    for stem, values in streams.items():
        add(AROUND[stem] + ".weight", np.stack([values[stream] for stream in sorted(values)]))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def in_block(add, arch, paired, c, part, values):
    if part == "self_attn.sinks":
        return add("attn_sinks.weight", values)
    if part == "altup.correct_output_scale":
        part += ".weight"
    if part.startswith("mlp.experts."):
        which = part.removeprefix("mlp.experts.")
        if arch == "gpt-oss":
            # Inputs come first, and gate and up take turns.
            bias = which.endswith("_bias")
            values = values if bias else values.swapaxes(1, 2)
            kind = "bias" if bias else "weight"
            if which.startswith("down"):
                return add("ffn_down_exps." + kind, values)
            add("ffn_gate_exps." + kind, values[:, ::2])
            return add("ffn_up_exps." + kind, values[:, 1::2])
        if which.startswith("down"):
            return add("ffn_down_exps.weight", values)
        gate, up = np.split(values, 2, axis=1)
        add("ffn_gate_exps.weight", gate)
        return add("ffn_up_exps.weight", up)
    stem, kind = part.rsplit(".", 1)
    if stem == "post_attention_layernorm":
        ours = "post_attention_norm" if arch in ("gpt-oss", "gemma3n") else "ffn_norm"
        return add(f"{ours}.{kind}", values)
    heads = {"self_attn.q_proj": c.num_attention_heads, "self_attn.k_proj": c.num_key_value_heads}
    if paired and stem in heads:
        values = side_by_side(values, heads[stem])
    if stem == "mlp.shared_expert_gate":
        values = values[0]
    add(f"{PARTS[stem]}.{kind}", values)


FLOATS = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])


def to_mxfp4(weights):
    """Blocks and scales of the rows of weights [..., inputs]: a power of two for 32 of them, two in a byte."""
    groups = weights.unflatten(-1, (-1, 32))
    exponents = groups.abs().amax(-1).clamp(min=2.0**-100).log2().floor() - 2
    scaled = groups / 2 ** exponents[..., None]
    indices = (scaled.abs()[..., None] - FLOATS).abs().argmin(-1).to(torch.uint8)
    indices += 8 * (scaled < 0).to(torch.uint8)
    blocks = indices[..., ::2] | indices[..., 1::2] << 4
    return blocks, (exponents + 127).to(torch.uint8)


def pack(path):
    """Puts a saved gpt-oss into the form in which it is published, and loads it as transformers does."""
    tensors = load_file(os.path.join(path, "model.safetensors"))
    for name, values in list(tensors.items()):
        if name.endswith("_proj") and ".experts." in name:
            del tensors[name]
            blocks, scales = to_mxfp4(values.swapaxes(1, 2))
            tensors[name + "_blocks"], tensors[name + "_scales"] = blocks.contiguous(), scales
        else:
            tensors[name] = values.bfloat16()
    save_file(tensors, os.path.join(path, "model.safetensors"), metadata={"format": "pt"})
    with open(os.path.join(path, "config.json")) as file:
        config = json.load(file)
    skipped = ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]
    config["quantization_config"] = {"quant_method": "mxfp4", "modules_to_not_convert": skipped}
    with open(os.path.join(path, "config.json"), "w") as file:
        json.dump(config, file, indent=1)
    return t.AutoModelForCausalLM.from_pretrained(
        path, dtype=torch.float32, attn_implementation="eager", quantization_config=t.Mxfp4Config(dequantize=True)
    ).eval()


def make(folder, name):
    torch.manual_seed(sum(map(ord, name)))
    config = MODELS[name]()
    model = t.AutoModelForCausalLM.from_config(
        config, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    with torch.no_grad():
        # Biases, norms and sinks begin as zeros and ones, which would hide them.
        for parameter_name, parameter in model.named_parameters():
            if parameter.dim() == 1 or "bias" in parameter_name or "sinks" in parameter_name:
                parameter += 0.2 * torch.randn_like(parameter)
    if name in HALVED:
        path = os.path.join(folder, name)
        model.bfloat16().save_pretrained(path)
        # Read again: its own scales were rounded as well.
        model = t.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
    else:
        model.save_pretrained(os.path.join(folder, name))
    if name in PACKED:
        model = pack(os.path.join(folder, name))
    with torch.no_grad():
        tokens = TOKENS // 2 if name in ONLY_BY_NAME else TOKENS
        # What a model says to a layer for tokens beyond them is not the same everywhere.
        vocab = getattr(config, "vocab_size_per_layer_input", config.vocab_size)
        ids = torch.randint(3, vocab, (1, tokens))
        rows = model(ids).logits[0].double().log_softmax(-1)
    ids = ids[0].tolist()
    positions = []
    for row, following in zip(rows, ids[1:]):
        best = row.topk(5)
        top = [[int(i), float(p)] for i, p in zip(best.indices, best.values)]
        positions.append({"next": following, "logprob": float(row[following]), "top5": top})
    if name in ARCHITECTURES:
        write_gguf(folder, name, model)
    with open(os.path.join(folder, name + ".json"), "w") as out:
        json.dump({"ids": ids, "positions": positions}, out)
    print(name, sum(p.numel() for p in model.parameters()), "parameters")


folder, *names = sys.argv[1:]
for name in names or [name for name in MODELS if name not in ONLY_BY_NAME]:
    make(folder, name)
