#!/usr/bin/env python3
"""Writes one small data set as Parquet in many ways, and has s1-tui plan a training on each.

usage: check_parquet.py S1_TUI   (needs pyarrow)

Prints a line per way: what was read, or the sentence with which it was refused. Ends with 1 if a way was
read wrongly.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

QUESTIONS = [f"What is {i} plus {i}?" for i in range(6)]
THOUGHTS = [f"It is {i} + {i}." for i in range(6)]
ANSWERS = [str(2 * i) for i in range(6)]
PLAIN = {"question": QUESTIONS, "thinking": THOUGHTS, "answer": ANSWERS}


def table(**columns):
    return pa.table({**PLAIN, **columns})


def messages(null=False):
    rows = []
    for q, t, a in zip(QUESTIONS, THOUGHTS, ANSWERS):
        turns = [
            {"role": "user", "content": q, "reasoning": None},
            {"role": "assistant", "content": a, "reasoning": t},
        ]
        rows.append(turns + ([None] if null else []))
    return pa.table({"messages": rows})


def ways():
    for codec in ["none", "snappy", "gzip", "brotli", "lz4", "zstd"]:
        yield codec, table(), {"compression": codec}
    yield "dictionary off", table(), {"use_dictionary": False}
    yield "version 1.0", table(), {"version": "1.0"}
    yield "data pages 2.0", table(), {"data_page_version": "2.0"}
    yield "several row groups", table(), {"row_group_size": 2}
    yield "large strings", pa.table({k: pa.array(v, pa.large_string()) for k, v in PLAIN.items()}), {}
    yield "binary", pa.table({k: pa.array([x.encode() for x in v], pa.binary()) for k, v in PLAIN.items()}), {}
    yield "dictionary type", pa.table({k: pa.array(v).dictionary_encode() for k, v in PLAIN.items()}), {}
    yield "numbers as answers", table(answer=pa.array([2 * i for i in range(6)], pa.int64())), {}
    yield "null thoughts", table(thinking=pa.array([None, *THOUGHTS[1:]])), {}
    yield "column of nulls", table(thinking=pa.nulls(6)), {}
    yield "list of thoughts", table(thinking_trajectories=[[t] for t in THOUGHTS]).drop(["thinking"]), {}
    yield "messages", messages(), {}
    yield "null in a list", messages(null=True), {}
    yield "struct column besides", table(meta=[{"a": i, "b": None} for i in range(6)]), {}
    yield "timestamps and decimals besides", table(
        when=pa.array([0] * 6, pa.timestamp("us")),
        price=pa.array([None] * 6, pa.decimal128(10, 2)),
    ), {}


def main():
    program = sys.argv[1]
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, data, options in ways():
            path = Path(folder) / "data.parquet"
            pq.write_table(data, path, **options)
            command = [program, "train", "--model", "bundled:base", "--data", str(path), "--out", folder + "/out", "--plan", "--json"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode == 0:
                plan = json.loads(done.stdout)["plan"]
                examples = plan["examples"]
                read = f"{examples} examples"
                if examples != 6:
                    wrong += 1
                    read += "  WRONG"
            else:
                read = "refused: " + done.stderr.strip()
                if "panicked" in done.stderr:
                    wrong += 1
            print(f"{name:34} {read}")
    sys.exit(wrong > 0)


main()
