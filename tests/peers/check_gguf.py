"""Holds a GGUF file written here against llama.cpp.

usage: check_gguf.py S1_TUI GGUF IDS

IDS are token ids with commas between. Needs llama-cpp-python and numpy. Prints how often the most
probable token agrees, and the largest and the mean difference of the log-probabilities of IDS.
"""
import json
import subprocess
import sys

import numpy as np
from llama_cpp import Llama

program, gguf, ids = sys.argv[1:4]
ids = [int(i) for i in ids.split(",")]
model = Llama(gguf, logits_all=True, n_ctx=max(512, len(ids)), verbose=False)
model.eval(ids)
rows = np.array(model.scores[: len(ids)], dtype=np.float64)
rows -= rows.max(1, keepdims=True)
rows -= np.log(np.exp(rows).sum(1, keepdims=True))
command = [program, "score", "--model", gguf, "--ids", ",".join(map(str, ids)), "--json"]
scored = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["positions"]
differences = [abs(rows[i, p["next"]] - p["logprob"]) for i, p in enumerate(scored)]
agree = sum(int(rows[i].argmax()) == p["top5"][0][0] for i, p in enumerate(scored))
mean = sum(differences) / len(differences)
print(f"top-1 {agree}/{len(scored)}, largest {max(differences):.2e}, mean {mean:.2e}")
