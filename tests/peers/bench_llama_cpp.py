#!/usr/bin/env python3
"""llama.cpp's speed on a GGUF file, to be compared with `s1-tui bench` on the same machine.

    pip install --no-binary llama-cpp-python llama-cpp-python==0.3.36 numpy    # built for this machine
    python3 tests/peers/bench_llama_cpp.py MODEL.gguf [--prompt 256] [--new 64] [--threads 2] [--times 3]

Prints the tokens a second of the prompt and of the text after it, greedy: the best of several times,
as `s1-tui bench` counts.
"""

import argparse
import time

import llama_cpp
import numpy


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--times", type=int, default=3)
    args = parser.parse_args()
    model = llama_cpp.Llama(
        model_path=args.model,
        n_ctx=args.prompt + args.new + 8,
        n_threads=args.threads,
        n_threads_batch=args.threads,
        n_batch=512,
        verbose=False,
    )
    vocabulary = model.n_vocab()
    reading, writing = [], []
    for _ in range(args.times):
        model.reset()
        ids = [100 + (i * 37) % 5000 for i in range(args.prompt)]
        start = time.perf_counter()
        model.eval(ids)
        reading.append(args.prompt / (time.perf_counter() - start))
        start = time.perf_counter()
        for _ in range(args.new):
            logits = model._ctx.get_logits_ith(-1)
            model.eval([int(numpy.ctypeslib.as_array(logits, shape=(vocabulary,)).argmax())])
        writing.append(args.new / (time.perf_counter() - start))
    print(f"prompt {max(reading):.0f} tokens/s, text {max(writing):.0f} tokens/s")


if __name__ == "__main__":
    main()
