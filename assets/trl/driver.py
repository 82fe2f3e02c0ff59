"""Trains a model with TRL from the files in this file's folder, which s1-tui writes.

    job.json        the settings
    examples.jsonl  an example a line: {"input_ids": [...], "labels": [...]}; a label of -100 carries no loss
    held-out.jsonl  likewise, to measure the loss on
    steps.jsonl     a step a line: {"epoch": 1, "rate": 0.5, "rows": [[0], [3, 1]]}; the rate is a factor on
                    the learning rate, a row is one example or several that are blind to each other
    orders.json     what to do now: {"now": "go" | "pause" | "stop", "saves": 0, "rate": 1.0}

Any number of processes may run it, under torchrun or `accelerate launch`: the rows of a step are spread over
them, and the loss is that of all tokens of the step together. The first process prints what happens, a JSON
object a line behind the word "s1-tui". `driver.py --doctor` says what is installed.

Tokens, loss, order and learning rate come from the files as they are: nothing is tokenized, shuffled or
scheduled here.
"""

import errno
import importlib.metadata
import json
import math
import os
import re
import sys
import threading
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
MARK = "s1-tui "
RANK = int(os.environ.get("RANK", "0"))
WORLD = int(os.environ.get("WORLD_SIZE", "1"))
LOCAL_WORLD = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
NO_LOSS = -100
# What a gradient may be at most where it is not to be clipped; its norm is wanted all the same.
UNCLIPPED = 1e30
PACKAGES = ["torch", "transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes", "deepspeed"]


def tell(event, **more):
    """Prints what happened, in one write: lines of several processes do not mix."""
    line = MARK + json.dumps({"event": event, **more}) + "\n"
    os.write(sys.stdout.fileno(), line.encode())


def records(name):
    with open(HERE / name, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def watch():
    """Ends this process when the one that started it is gone: nobody would follow it or could end it."""
    parent = os.getppid()

    def look():
        while True:
            time.sleep(0.5)
            if os.getppid() != parent:
                os._exit(3)
            if RANK == 0:
                try:
                    tell("alive")
                except OSError:
                    os._exit(3)

    threading.Thread(target=look, daemon=True).start()


def lock():
    """Two runs in one folder would write over each other. Held until this process ends; one that is about to
    end, because nobody follows it any more, is waited for."""
    try:
        import fcntl
    except ImportError:  # Not on Windows.
        return None
    file = open(HERE / "driver.lock", "w")
    for _ in range(100):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            time.sleep(0.1)
    raise RuntimeError("another process is training in this folder")


def agreed(value):
    """What the first process says, in all of them."""
    if WORLD == 1:
        return value
    import torch.distributed as dist

    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


class Collator:
    """Rows as a batch: padded on the right, or packed with positions that begin anew in every example."""

    def __init__(self, examples, packed):
        self.packed = packed
        self.examples = []
        for example in examples:
            # Nothing comes before the first token, or what does belongs to another example.
            labels = [NO_LOSS, *example["labels"][1:]]
            self.examples.append((example["input_ids"], labels))

    def __call__(self, items):
        import torch

        rows = [row for item in items for row in item["rows"]]
        ids, labels, positions = [], [], []
        for row in rows:
            parts = [self.examples[index] for index in row]
            ids.append([i for part, _ in parts for i in part])
            labels.append([i for _, part in parts for i in part])
            positions.append([i for part, _ in parts for i in range(len(part))])
        if not rows:
            # A step may have fewer rows than there are processes, which compute in step nevertheless.
            first = self.examples[0][0][:2]
            ids, labels, positions = [first], [[NO_LOSS] * len(first)], [list(range(len(first)))]
        width = max(map(len, ids))
        seen = [[1] * len(row) + [0] * (width - len(row)) for row in ids]
        for row, label, position in zip(ids, labels, positions):
            padding = width - len(row)
            row.extend([0] * padding)
            label.extend([NO_LOSS] * padding)
            position.extend(range(padding))
        batch = {"input_ids": ids, "labels": labels}
        # Without a mask, where positions begin anew is where attention does.
        batch.update({"position_ids": positions} if self.packed else {"attention_mask": seen})
        return {name: torch.tensor(value) for name, value in batch.items()}


def dealt(steps, batch, accumulation):
    """The rows of every batch of every process, in the order in which the trainer deals them out."""
    for step in steps:
        for i in range(accumulation):
            rows = step["rows"][i * batch : (i + 1) * batch]
            for rank in range(WORLD):
                yield {"rows": rows[rank::WORLD]}


def settings(job, steps, bf16):
    """The settings of the trainer. What the data or the callback settle is switched off."""
    import torch
    from trl import SFTConfig

    sharding = {}
    if job["sharding"]:
        path = str(HERE / job["sharding"]["file"])
        sharding = {"deepspeed": path} if job["sharding"]["kind"] == "deepspeed" else {"fsdp": True, "fsdp_config": path}
    optimizer = job["optimizer"]
    return SFTConfig(
        output_dir=job["checkpoints"],
        max_steps=steps,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=job["accumulation"],
        gradient_checkpointing=job["checkpointing"],
        bf16=bf16,
        fp16=False,
        use_cpu=not torch.cuda.is_available(),
        learning_rate=optimizer["lr"],
        lr_scheduler_type="constant",
        adam_beta1=optimizer["beta1"],
        adam_beta2=optimizer["beta2"],
        adam_epsilon=optimizer["eps"],
        weight_decay=optimizer["weight_decay"],
        max_grad_norm=optimizer["clip"] or UNCLIPPED,
        seed=job["seed"] % 2**32,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        packing=False,
        completion_only_loss=False,
        average_tokens_across_devices=True,
        ddp_find_unused_parameters=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        **sharding,
    )


def base(job, bf16):
    """The base, in float32 where all of it is trained: steps can be smaller than bfloat16 can add."""
    import torch
    from transformers import AutoModelForCausalLM

    dtype = torch.bfloat16 if bf16 and job["lora"] else torch.float32
    more = {}
    if job["load_in_4bit"]:
        import bitsandbytes  # noqa: F401  (its absence is told by name)
        from transformers import BitsAndBytesConfig

        more["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16 if bf16 else torch.float32,
        )
        if torch.cuda.is_available():
            more["device_map"] = {"": int(os.environ.get("LOCAL_RANK", "0"))}
    model = AutoModelForCausalLM.from_pretrained(HERE / job["model"], dtype=dtype, local_files_only=True, **more)
    if job["load_in_4bit"]:
        from peft import prepare_model_for_kbit_training

        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=job["checkpointing"])
    return model


def adapter(job):
    if not job["lora"]:
        return None
    from peft import LoraConfig

    lora = job["lora"]
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=lora["rank"],
        lora_alpha=lora["alpha"],
        lora_dropout=lora["dropout"],
        target_modules=lora["targets"],
    )


def memory():
    """The most memory that this process has used, in bytes: of its GPU if it has one."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def follower(job, steps, held_out):
    """What follows the orders, sets the learning rate, and tells what happens."""
    import torch
    from transformers import TrainerCallback

    class Follower(TrainerCallback):
        trainer = None

        def __init__(self):
            self.rate = job["rate"]
            self.saves = 0
            self.now = "go"
            self.saved_at = time.monotonic()
            self.saving_took = 0.0
            self.began = 0.0
            self.snapshot = None

        def orders(self):
            """What is asked for, the same in every process."""
            try:
                with open(HERE / "orders.json", encoding="utf-8") as file:
                    found = json.load(file)
            except FileNotFoundError:
                found = {"now": "go", "saves": 0, "rate": self.rate}
            since = time.monotonic() - self.saved_at
            every = job["save_seconds"]
            # Checkpoints by the clock take at most one part in twenty of the time.
            found["due"] = every is not None and since >= max(every, 20 * self.saving_took)
            return agreed(found if RANK == 0 else None)

        def on_train_begin(self, args, state, control, model=None, **more):
            first = self.orders()
            self.saves, self.rate = first["saves"], first["rate"]
            self.saved_at = time.monotonic()
            if RANK == 0:
                device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
                tell(
                    "ready",
                    step=state.global_step,
                    processes=WORLD,
                    device=device,
                    dtype="bfloat16" if args.bf16 else "float32",
                    trained=self.trainer.get_num_trainable_parameters(),
                )

        def on_step_begin(self, args, state, control, optimizer=None, **more):
            self.began = time.monotonic()
            for group in optimizer.param_groups:
                group["lr"] = job["optimizer"]["lr"] * steps[state.global_step]["rate"] * self.rate

        def on_step_end(self, args, state, control, **more):
            step = state.global_step
            orders = self.orders()
            last = step == len(steps)
            due = orders["due"] or orders["saves"] > self.saves or orders["now"] != "go"
            every = job["save_every"]
            control.should_save = due or last or (every is not None and step % every == 0)
            control.should_training_stop |= orders["now"] == "stop"
            self.took = time.monotonic() - self.began
            self.lr = job["optimizer"]["lr"] * steps[step - 1]["rate"] * self.rate
            self.saves, self.rate, self.now = orders["saves"], orders["rate"], orders["now"]
            self.snapshot = None
            if step in job["snapshots"]:
                folder = HERE / f"now-{step}"
                # Those of an earlier step may still be in use: they are not piled up.
                if agreed(not any(HERE.glob("now-*"))) or last:
                    self.trainer.save_model(str(folder))
                    self.snapshot = folder.name

        def on_log(self, args, state, control, logs=None, **more):
            if not logs or "loss" not in logs:
                return
            step, loss, norm = state.global_step, logs["loss"], logs.get("grad_norm", 0.0)
            if not (math.isfinite(loss) and math.isfinite(norm)):
                examples = sorted(i + 1 for row in steps[step - 1]["rows"] for i in row)
                raise FloatingPointError(
                    f"the loss of step {step} is not a number (loss {loss}, gradient {norm}), "
                    f"in the batch of examples {examples[:16]}"
                )
            if RANK == 0:
                tell(
                    "step",
                    step=step,
                    loss=loss,
                    lr=self.lr,
                    grad_norm=norm,
                    seconds=self.took,
                    memory=memory(),
                    weights=self.snapshot,
                )
            every = job["eval_every"]
            if held_out and (step == len(steps) or (every is not None and step % every == 0)):
                self.measure(step)
            self.saving = time.monotonic()

        def measure(self, step):
            """The mean loss of all tokens that are held out, each process with its share of them."""
            total = torch.tensor(sum(label != NO_LOSS for e in held_out.examples for label in e[1]))
            rows = [[i] for i in range(len(held_out.examples))]
            batch = job["batch"]
            trainer = self.trainer
            trainer.model.eval()
            mine = torch.zeros((), device=trainer.args.device)
            for i in range(0, len(rows), batch):
                inputs = trainer._prepare_inputs(held_out([{"rows": rows[i : i + batch][RANK::WORLD]}]))
                with torch.no_grad(), trainer.compute_loss_context_manager():
                    count = total.to(trainer.args.device)
                    mine += trainer.compute_loss(trainer.model_wrapped, inputs, num_items_in_batch=count)
            trainer._metrics["eval"].clear()
            trainer.model.train()
            # The trainer multiplies by the number of processes, whose mean this is.
            loss = trainer.accelerator.gather(mine.unsqueeze(0)).mean().item()
            if RANK == 0:
                tell("eval", step=step, loss=loss)

        def on_save(self, args, state, control, **more):
            step = state.global_step
            folder = Path(args.output_dir) / f"checkpoint-{step}"
            if RANK == 0:
                for path in folder.iterdir():
                    with open(path, "rb") as file:
                        os.fsync(file.fileno())
            self.saving_took = time.monotonic() - self.saving
            self.saved_at = time.monotonic()
            if RANK == 0:
                tell("saved", step=step, path=str(folder))
            if self.now == "pause" and not control.should_training_stop:
                self.hold(step, control)

        def hold(self, step, control):
            if RANK == 0:
                tell("paused", step=step)
            while self.now == "pause":
                time.sleep(0.2)
                if not HERE.is_dir():
                    raise RuntimeError(f"{HERE} is gone; the training ends")
                orders = self.orders()
                self.now, self.rate, self.saves = orders["now"], orders["rate"], orders["saves"]
            if self.now == "stop":
                control.should_training_stop = True
            elif RANK == 0:
                tell("resumed", step=step)
            self.saved_at = time.monotonic()

    return Follower()


def train(job):
    held = lock() if RANK == 0 else None
    import torch
    from datasets import Dataset
    from tokenizers import Tokenizer, models
    from torch.utils.data import SequentialSampler
    from transformers import PreTrainedTokenizerFast, PrinterCallback
    from transformers.utils import logging
    from trl import SFTTrainer

    # Nobody watches the log as it grows.
    logging.disable_progress_bar()
    if job["threads"]:
        torch.set_num_threads(max(1, job["threads"] // LOCAL_WORLD))
    if job["batch"] < WORLD:
        raise ValueError(
            f"a batch of {job['batch']} rows cannot be spread over {WORLD} processes; give --batch {WORLD} or more"
        )
    if job["sharding"] and job["sharding"]["kind"] == "deepspeed" and not torch.cuda.is_available():
        raise ValueError("DeepSpeed's settings need a GPU; on a CPU give those of FSDP with --sharding, or none")
    wanted = job["dtype"]
    able = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    bf16 = wanted == "bfloat16" or (wanted is None and able)

    class InOrder(SFTTrainer):
        def _get_train_sampler(self, dataset=None):
            return SequentialSampler(self.train_dataset if dataset is None else dataset)

        def create_model_card(self, *args, **more):
            """The model is described by what made it, not by a page for a hub."""

    steps = records("steps.jsonl")
    collator = Collator(records("examples.jsonl"), job["pack"])
    held_out = Collator(records("held-out.jsonl"), False) if job["held_out"] else None
    follow = follower(job, steps, held_out)
    trainer = InOrder(
        model=base(job, bf16),
        args=settings(job, len(steps), bf16),
        train_dataset=Dataset.from_list(list(dealt(steps, job["batch"], job["accumulation"]))),
        data_collator=collator,
        # The trainer wants one; the examples are tokens already.
        processing_class=PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE())),
        peft_config=adapter(job),
        callbacks=[follow],
    )
    # What it knows of tokens would be written over the model's own settings.
    trainer.processing_class = None
    trainer.remove_callback(PrinterCallback)
    follow.trainer = trainer
    trainer.train(resume_from_checkpoint=job["resume"])
    step = trainer.state.global_step
    if step == len(steps):
        trainer.save_model(str(HERE / "result"))
    trainer.accelerator.wait_for_everyone()
    if RANK == 0:
        tell("done" if step == len(steps) else "stopped", step=step)
    if WORLD > 1:
        torch.distributed.destroy_process_group()
    del held


def reason(error):
    """What kind of fault it is, and what it says in one line."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    if isinstance(error, ImportError):
        # Either a name, or a sentence of transformers' with the name and a version in quotes.
        missing = error.name or text
        named = re.search(r"'([\w.-]+)[^']*' distribution was not found", missing)
        return "missing", named[1] if named else missing
    if name == "OutOfMemoryError" or "can't allocate memory" in text or isinstance(error, MemoryError):
        return "memory", text
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in text:
        return "disk", text
    if isinstance(error, (FloatingPointError, ValueError)):
        return "other", text
    return "other", f"{name}: {text}"


def doctor():
    """Says what is here, as JSON."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    devices, bf16 = [], False
    try:
        import torch

        for index in range(torch.cuda.device_count()):
            of = torch.cuda.get_device_properties(index)
            devices.append({"name": of.name, "memory": of.total_memory})
        bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    except Exception as error:  # A broken installation is what a doctor is for.
        traceback.print_exc()
        tell("doctor", python=sys.version.split()[0], packages=versions, devices=[], bf16=False, fault=reason(error)[1])
        return
    tell("doctor", python=sys.version.split()[0], packages=versions, devices=devices, bf16=bf16, fault=None)


def main():
    if "--doctor" in sys.argv:
        return doctor()
    with open(HERE / "job.json", encoding="utf-8") as file:
        job = json.load(file)
    if job["watched"]:
        watch()
    try:
        train(job)
    except BaseException as error:
        traceback.print_exc()
        kind, text = reason(error)
        tell("failed", kind=kind, text=text[:2000], rank=RANK)
        sys.stderr.flush()
        # Threads of a library, or the other processes, may keep an ordinary end waiting for ever.
        os._exit(1)


if __name__ == "__main__":
    main()
