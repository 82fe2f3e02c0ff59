"""Holds an adapter trained here against PEFT.

usage: check_adapter.py S1_TUI BASE_FOLDER BASE_GGUF ADAPTER_FOLDER IDS

BASE_FOLDER and BASE_GGUF are the same weights, as `s1-tui train --full … --gguf f32` leaves them
in its --out; IDS are token ids with commas between. Needs torch, transformers and peft.
Prints the largest and the mean difference of the log-probabilities of IDS.
"""
import json
import subprocess
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

program, folder, gguf, adapter, ids = sys.argv[1:6]
ids = [int(i) for i in ids.split(",")]


def theirs(model):
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double()
    rows = torch.log_softmax(logits, -1)
    return [rows[i, after].item() for i, after in enumerate(ids[1:])]


def ours(*more):
    command = [program, "score", "--model", gguf, "--ids", ",".join(map(str, ids)), "--json", *more]
    out = subprocess.run(command, capture_output=True, check=True).stdout
    return [p["logprob"] for p in json.loads(out)["positions"]]


def compare(what, a, b):
    differences = [abs(x - y) for x, y in zip(a, b)]
    print(f"{what}: largest {max(differences):.2e}, mean {sum(differences) / len(a):.2e}")


base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
alone = theirs(base)
compare("base", alone, ours())
adapted = theirs(PeftModel.from_pretrained(base, adapter))
compare("base with adapter", adapted, ours("--adapter", adapter))
compare("what the adapter changes", alone, adapted)
