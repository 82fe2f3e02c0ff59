"""Holds the trainer TRL against the native one, and against interruptions.

usage: check_trl.py S1_TUI PYTHON BASE_GGUF OUT_FOLDER [full|packed|lora|interrupted ...]

S1_TUI is the program, PYTHON an interpreter with TRL (`s1-tui train --trainer trl --doctor`), BASE_GGUF a
model of some 100 M parameters for LoRA, such as SmolLM2-135M.

full, packed, lora: 20 steps over the same batches with both trainers, without dropout: the bundled base in full
by one process, by two and by two with FSDP; packed, by two; LoRA on BASE_GGUF by two, whose random beginning is not
the same. Prints the loss of the first step and the largest difference.
interrupted: LoRA on BASE_GGUF by two processes in the background, paused, resumed, stopped and killed five
times at moments drawn from a seed; its steps have to be those of a run that nobody disturbed.

Exits with 1 if a first loss differs by more than 1e-3, or an interruption leaves a trace.
"""
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

program, python, model, out, *wanted = sys.argv[1:]
OUT = Path(out).absolute()
OUT.mkdir(parents=True, exist_ok=True)
TRACES = Path(__file__).resolve().parents[2] / "assets/nano/traces.jsonl"
DB = OUT / "check.db"
TWO = ["--launcher", "torchrun --nproc_per_node 2"]
failures = []


def data():
    path = OUT / "data.jsonl"
    with open(TRACES) as file:
        path.write_text("".join(line for line, _ in zip(file, range(80))))
    return path


def command(name, trainer, more):
    words = [program, "train", "--trainer", trainer, "--data", str(data()), "--out", str(OUT / name), "--name", name]
    words += ["--db", str(DB), "--max-steps", "20", "--batch", "4", "--threads", "2", *more]
    return words + (["--python", python] if trainer == "trl" else [])


def run(name, trainer, more):
    """The steps of a run, and its seconds."""
    subprocess.run(["rm", "-rf", OUT / name], check=True)
    began = time.time()
    done = subprocess.run([*command(name, trainer, more), "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{name}: {done.stderr}")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return [e for e in events if e["event"] == "step"], time.time() - began


def compare(name, settings, ways):
    native, seconds = run(f"{name}-native", "native", settings)
    print(f"{name}: native {seconds:.0f} s, loss {native[0]['loss']:.6f} to {native[-1]['loss']:.6f}")
    for way, more in ways.items():
        trl, seconds = run(f"{name}-{way}", "trl", [*settings, *more])
        differences = [abs(a["loss"] - b["loss"]) for a, b in zip(native, trl)]
        norms = [abs(a["grad_norm"] - b["grad_norm"]) / a["grad_norm"] for a, b in zip(native, trl)]
        rates = max(abs(a["lr"] - b["lr"]) for a, b in zip(native, trl))
        memory = trl[-1]["memory"] >> 20
        print(
            f"  {way}: {seconds:.0f} s, first loss {trl[0]['loss']:.6f} (differs by {differences[0]:.1e}), "
            f"largest difference {max(differences):.1e}, of the norm {max(norms):.1e}, of the rate {rates:.0e}, {memory} MiB",
            flush=True,
        )
        if differences[0] > 1e-3:
            failures.append(f"{name}-{way}: the first loss differs by {differences[0]}")
    return native


FULL = ["--model", "bundled:base", "--lr", "1e-3", "--gguf", "none"]
LORA = ["--model", model, "--lora-rank", "8", "--lr", "2e-4"]


def full():
    fsdp = OUT / "fsdp.json"
    fsdp.write_text(json.dumps({"transformer_layer_cls_to_wrap": ["LlamaDecoderLayer"], "state_dict_type": "FULL_STATE_DICT"}))
    ways = {"one": [], "two": TWO, "fsdp": [*TWO, "--sharding", str(fsdp)]}
    compare("full", [*FULL, "--block-size", "1024"], ways)


def packed():
    compare("packed", [*FULL, "--pack", "--block-size", "512"], {"two": TWO})


def lora():
    compare("lora", LORA, {"two": TWO})


def order(name, flag):
    subprocess.run([program, "trainings", name, flag, "--db", str(DB)], check=True)


def state(name):
    listed = subprocess.run([program, "trainings", "--json", "--db", str(DB)], capture_output=True, text=True)
    for line in listed.stdout.splitlines():
        training = json.loads(line)
        if training["training"] == name:
            return training
    return {"state": "none", "step": 0}


def until(name, *states, seconds=400):
    end = time.time() + seconds
    while state(name)["state"] not in states:
        if time.time() > end:
            sys.exit(f"{name} does not become {states}: {state(name)}")
        time.sleep(0.2)


def processes(name):
    """Everything that works in the folder of a run."""
    found = subprocess.run(["pgrep", "-f", f"{OUT / name}/|--name={name}"], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def losses(name):
    import sqlite3

    sql = "SELECT s.step, s.loss FROM training_steps s JOIN trainings t ON t.id = s.training WHERE t.name = ? ORDER BY 1"
    return list(sqlite3.connect(DB).execute(sql, [name]))


def interrupted():
    settings = [*LORA, *TWO, "--save-every", "2"]
    whole, seconds = run("whole", "trl", settings)
    print(f"undisturbed: {seconds:.0f} s")
    subprocess.run(["rm", "-rf", OUT / "again"], check=True)
    words = command("again", "trl", settings)
    began = time.time()
    subprocess.run([*words, "--detach"], check=True)
    until("again", "running")
    order("again", "--pause")
    until("again", "paused")
    print(f"paused after step {state('again')['step']}", flush=True)
    order("again", "--resume")
    until("again", "running")
    order("again", "--stop")
    until("again", "stopped")
    print(f"stopped after step {state('again')['step']}", flush=True)
    chance = random.Random(1)
    for _ in range(5):
        subprocess.run([*words, "--detach", "--resume"], check=True)
        until("again", "running", "finished")
        time.sleep(chance.uniform(0, seconds / 4))
        found = subprocess.run(["pgrep", "-f", "--", "--name=again"], capture_output=True, text=True).stdout.split()
        for pid in found:
            os.kill(int(pid), signal.SIGKILL)
        killed = time.time()
        # One that has only begun notices when it has loaded its libraries.
        while (left := processes("again")) and time.time() < killed + 30:
            time.sleep(0.2)
        ended = time.time() - killed
        print(f"killed at step {state('again')['step']}, {state('again')['state']}; all processes gone after {ended:.1f} s", flush=True)
        if left:
            failures.append(f"processes are left: {left}")
        if state("again")["state"] == "finished":
            break
    if state("again")["state"] != "finished":
        subprocess.run([*words, "--resume"], check=True, capture_output=True)
    found, expected = losses("again"), [(step["step"], step["loss"]) for step in whole]
    largest = max(abs(a[1] - b[1]) for a, b in zip(found, expected))
    same = [a[0] for a in found] == [b[0] for b in expected]
    print(f"disturbed: {time.time() - began:.0f} s; {len(found)} steps, largest difference of the loss {largest:.1e}")
    if not same or largest > 1e-5:
        failures.append(f"the steps are {found}, undisturbed {expected}")


for part in [full, packed, lora, interrupted]:
    if not wanted or part.__name__ in wanted:
        part()
print("\n".join(failures) or "as it should be")
sys.exit(1 if failures else 0)
