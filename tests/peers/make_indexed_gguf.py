"""Writes blocks of the types IQ4_NL, IQ4_XS and MXFP4, and what the gguf package says they mean.

usage: make_indexed_gguf.py crates/model/src/gguf/fixtures/indexed.gguf

Needs gguf and numpy. Each tensor NAME of random blocks, its first one all zeros and its second one
all ones but for the scale, has its weights beside it as NAME.f32.
"""
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as Type, GGUFWriter
from gguf.quants import dequantize

BLOCKS = {Type.IQ4_NL: (2, 2), Type.IQ4_XS: (3, 1), Type.MXFP4: (2, 2)}

random = np.random.default_rng(1)
writer = GGUFWriter(sys.argv[1], "llama")
for kind, (rows, per_row) in BLOCKS.items():
    weights, size = GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (rows * per_row, size), dtype=np.uint8)
    blocks[0] = 0
    blocks[1] = 255
    if kind == Type.MXFP4:
        # The second block's is the largest whose weights are finite.
        blocks[1:, 0] = [252, *random.integers(110, 130, len(blocks) - 2)]
    else:
        scales = random.normal(0, 0.02, len(blocks) - 1).astype(np.float16)
        blocks[1:, :2] = scales.view(np.uint8).reshape(-1, 2)
    data = blocks.reshape(rows, per_row * size)
    values = dequantize(data, kind).astype(np.float32)
    assert np.isfinite(values).all() and values.shape == (rows, per_row * weights)
    writer.add_tensor(kind.name, data, raw_dtype=kind)
    writer.add_tensor(f"{kind.name}.f32", values)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
