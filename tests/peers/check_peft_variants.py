"""Holds adapters of every kind that PEFT writes against what s1-tui makes of them.

usage: check_peft_variants.py S1_TUI BASE_FOLDER BASE_GGUF OUT_FOLDER [VARIANT...]

BASE_FOLDER and BASE_GGUF are the same weights: as `s1-tui train --full … --gguf f32` leaves them in
its --out, or a GGUF file dequantized to float32. Needs torch, transformers and peft. Each adapter
has random weights and is written to OUT_FOLDER. For each, prints the largest difference of the
log-probabilities of some tokens and what the adapter changes, or the sentence of the refusal; exits
with 1 if one is computed otherwise than PEFT does.

Then, if BASE_FOLDER has a tokenizer.json: modules that were trained whole over the same base with an
output of its own, as larger models have one.
"""
import json
import os
import shutil
import subprocess
import sys

import torch
from peft import AdaLoraConfig, IA3Config, LoHaConfig, LoraConfig, PeftModel, PrefixTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

program, folder, gguf, out, *wanted = sys.argv[1:]
VOCABULARY = json.load(open(os.path.join(folder, "config.json")))["vocab_size"]
# Of a small vocabulary closer to one another.
IDS = list(range(100, 1500, 48)) if VOCABULARY >= 1500 else list(range(100, VOCABULARY, 16))
# As far as the same base differs.
ENOUGH = 0.011
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def base():
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def theirs(model):
    with torch.no_grad():
        logits = model(torch.tensor([IDS])).logits[0].double()
    rows = torch.log_softmax(logits, -1)
    return [rows[i, after].item() for i, after in enumerate(IDS[1:])]


def ours(*more):
    ids = ",".join(map(str, IDS))
    command = [program, "score", "--model", gguf, "--ids", ids, "--json", *more]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return None, done.stderr.strip().splitlines()[-1]
    return [p["logprob"] for p in json.loads(done.stdout)["positions"]], None


def largest(a, b):
    return max(abs(x - y) for x, y in zip(a, b))


def save(name, config, after=None):
    """An adapter with random weights; `after` may change its settings and tensors."""
    path = os.path.join(out, name)
    shutil.rmtree(path, ignore_errors=True)
    torch.manual_seed(7)
    model = get_peft_model(base(), config)
    with torch.no_grad():
        for key, value in model.named_parameters():
            if "lora_" in key or "hada_" in key:
                if getattr(config, "init_lora_weights", True) not in ("pissa", "olora"):
                    value.normal_(0, 0.02)
            elif value.requires_grad:
                value.add_(torch.randn_like(value) * 0.02)
    model.save_pretrained(path)
    if after:
        settings = os.path.join(path, "adapter_config.json")
        weights = os.path.join(path, "adapter_model.safetensors")
        config, tensors = json.load(open(settings)), load_file(weights)
        after(config, tensors)
        json.dump(config, open(settings, "w"))
        save_file(tensors, weights, metadata={"format": "pt"})
    return path


def lora(**settings):
    settings = {"r": 8, "lora_alpha": 16, "target_modules": ALL, **settings}
    return LoraConfig(task_type="CAUSAL_LM", **settings)


def drop(word):
    def after(config, tensors):
        for key in [k for k in tensors if word in k]:
            del tensors[key]

    return after


def setting(key, value):
    def after(config, tensors):
        config[key] = value

    return after


def half(dtype):
    def after(config, tensors):
        for key in tensors:
            tensors[key] = tensors[key].to(dtype)

    return after


def renamed(before, after_that):
    def after(config, tensors):
        for key in list(tensors):
            tensors[key.replace(before, after_that)] = tensors.pop(key)

    return after


VARIANTS = {
    "plain": (lora(), None),
    "default_targets": (lora(target_modules=None), None),
    "all_linear": (lora(target_modules="all-linear"), None),
    "regex": (lora(target_modules=r".*\.layers\.[0-5]\..*\.(q|v)_proj"), None),
    "layers_to_transform": (lora(layers_to_transform=[1, 3]), None),
    "one_layer": (lora(layers_to_transform=2), None),
    "exclude_modules": (lora(exclude_modules=["k_proj"]), None),
    "rslora": (lora(use_rslora=True), None),
    "rank_pattern": (lora(rank_pattern={"q_proj": 4, r"layers\.[0-9]\.mlp.*": 16}), None),
    "alpha_pattern": (lora(alpha_pattern={"v_proj": 64, "model.layers.3.mlp.up_proj": 1}), None),
    "both_patterns": (lora(rank_pattern={"q_proj": 2}, alpha_pattern={"q_proj": 5}), None),
    "patterns_rslora": (lora(rank_pattern={"q_proj": 2}, alpha_pattern={"q_proj": 5}, use_rslora=True), None),
    "rank_256": (lora(r=256), None),
    "alpha_0": (lora(lora_alpha=0), None),
    "gaussian": (lora(init_lora_weights="gaussian"), None),
    "orthogonal": (lora(init_lora_weights="orthogonal"), None),
    "bf16": (lora(), half(torch.bfloat16)),
    "f16": (lora(), half(torch.float16)),
    "f64": (lora(), half(torch.float64)),
    "f8": (lora(), half(torch.float8_e4m3fn)),
    "fan_in_fan_out": (lora(fan_in_fan_out=True), None),
    "layers_pattern": (lora(layers_to_transform=[1], layers_pattern="layers"), None),
    "whole_names": (lora(target_modules=["model.layers.0.self_attn.q_proj", "layers.2.mlp.up_proj"]), None),
    "rank_of_a_whole_name": (lora(rank_pattern={r"model\.layers\.2\.self_attn\.q_proj": 4}), None),
    "rank_pattern_anchored": (lora(rank_pattern={r"^model\.layers\.[0-4]\..*v_proj": 3}, lora_alpha=3), None),
    "another_base": (lora(), setting("base_model_name_or_path", "someone/else-GGUF")),
    "names_with_default": (lora(), renamed(".weight", ".default.weight")),
    "half_of_the_layers": (lora(), drop("layers.1")),
    "pissa": (lora(init_lora_weights="pissa"), None),
    "olora": (lora(init_lora_weights="olora"), None),
    "alora": (lora(alora_invocation_tokens=[IDS[5], IDS[6]]), None),
    "r_of_the_settings": (lora(), setting("r", 16)),
    "fewer_targets": (lora(), setting("target_modules", ["q_proj"])),
    "b_without_a": (lora(), drop("layers.3.self_attn.q_proj.lora_A")),
    "a_without_b": (lora(), drop("layers.3.self_attn.q_proj.lora_B")),
    "dora": (lora(use_dora=True), None),
    "bias": (lora(bias="lora_only"), None),
    "bias_all": (lora(bias="all"), None),
    "lora_bias": (lora(lora_bias=True), None),
    "modules_to_save": (lora(modules_to_save=["lm_head"]), None),
    "save_embedding": (lora(modules_to_save=["embed_tokens"]), None),
    "save_norm": (lora(modules_to_save=["norm"]), None),
    "parameters": (lora(target_modules=[], target_parameters=["q_proj.weight"]), None),
    "layer_replication": (lora(layer_replication=[(0, 4), (2, 6)]), None),
    "another_prefix": (lora(), renamed("base_model.model.", "transformer.")),
    "embedding": (lora(target_modules=["embed_tokens", "q_proj"]), None),
    "lm_head": (lora(target_modules=["lm_head", "q_proj"]), None),
    "tokens": (lora(trainable_token_indices=IDS[:2]), None),
    "ia3": (IA3Config(task_type="CAUSAL_LM", target_modules=["k_proj"], feedforward_modules=[]), None),
    "loha": (LoHaConfig(task_type="CAUSAL_LM", target_modules=["q_proj"]), None),
    "prefix": (PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4), None),
    "adalora": (AdaLoraConfig(task_type="CAUSAL_LM", target_modules=ALL, total_step=10), None),
}

NORMS = ["norm", "input_layernorm", "post_attention_layernorm"]
UNTIED = {
    "whole_head": (lora(modules_to_save=["lm_head"]), None),
    "whole_norms": (lora(modules_to_save=NORMS), None),
    "whole_head_and_norms": (lora(modules_to_save=["lm_head", *NORMS]), None),
    "whole_embedding": (lora(modules_to_save=["embed_tokens"]), None),
    "whole_embedding_and_head": (lora(modules_to_save=["embed_tokens", "lm_head"]), None),
    "whole_linear": (lora(target_modules=["q_proj"], modules_to_save=["down_proj", "v_proj"]), None),
    "head_by_lora": (lora(target_modules=["lm_head", "q_proj"]), None),
}


def untie():
    """The base with an output of its own."""
    path = os.path.join(out, "untied")
    shutil.rmtree(path, ignore_errors=True)
    model = base()
    torch.manual_seed(8)
    head = model.lm_head.weight.detach().clone()
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(head + torch.randn_like(head) * head.std() * 0.3)
    model.save_pretrained(path)
    for name in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]:
        if os.path.exists(os.path.join(folder, name)):
            shutil.copy(os.path.join(folder, name), path)
    return path


def check(name, config, after):
    """Prints what becomes of an adapter; whether that is wrong."""
    try:
        path = save(name, config, after)
    except Exception as error:  # PEFT itself does not make it.
        print(f"{name}: not made ({type(error).__name__}: {str(error)[:80]})")
        return False
    found, refusal = ours("--adapter", path)
    if refusal:
        print(f"{name}: refused: {refusal}")
        return False
    try:
        expected = theirs(PeftModel.from_pretrained(base(), path))
    except Exception as error:
        print(f"{name}: WRONG: computed, and PEFT refuses ({str(error)[:80]})")
        return True
    difference = largest(expected, found)
    bad = difference > ENOUGH
    print(f"{name}: {'WRONG' if bad else 'same'}, {difference:.4f} of {largest(expected, alone):.3f}")
    return bad


def check_all(variants):
    print(f"base: {largest(alone, ours()[0]):.4f}", flush=True)
    chosen = {name: variant for name, variant in variants.items() if not wanted or name in wanted}
    return sum(check(name, *variant) for name, variant in chosen.items())


os.makedirs(out, exist_ok=True)
alone = theirs(base())
wrong = check_all(VARIANTS)
if os.path.exists(os.path.join(folder, "tokenizer.json")):
    folder = gguf = untie()
    alone = theirs(base())
    print("with an output of its own")
    wrong += check_all(UNTIED)
sys.exit(1 if wrong else 0)
