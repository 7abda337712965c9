#!/usr/bin/env python3
"""Holds single layers of an inference against the same layers in NumPy, for checkpoints too large for a golden answer.

    dreamvla-infer --model DIR ... --precision fp32 --dump FILE
    tests/golden/check_layer.py DIR FILE [--layer I] [--block I] [--rows 8]

Takes a layer's input from the dump, computes --rows of its output rows in float64 from the checkpoint's weights (mapped, not loaded),
and compares them with the dump: the decoder's layer I and the vision encoder's block I (default: the last ones), relative error at
most 2e-5 as for golden data in fp32. Needs Python 3 and numpy.
"""

import argparse
import json
import os
import struct
import sys

import numpy as np

BUDGET = 2e-5
KINDS = {"F32": "<f4", "I64": "<i8", "U8": "u1", "BF16": "<u2"}
WEIGHT_ROWS = 1024  # of a matrix, in float64 at a time


def map_tensors(path):
    data = np.memmap(path, np.uint8, "r")
    size, = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(bytes(data[8:8 + size])).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            tensors[name] = data[8 + size + first:8 + size + last].view(KINDS[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def map_checkpoint(folder):
    names = sorted(name for name in os.listdir(folder) if name.endswith(".safetensors"))
    return {name: tensor for file in names for name, tensor in map_tensors(os.path.join(folder, file)).items()}


def wide(tensor):
    """BF16 bits, or numbers -> float64."""
    return (tensor.astype(np.uint32) << 16).view(np.float32).astype(np.float64) if tensor.dtype == np.uint16 else tensor.astype(np.float64)


class Layer:
    def __init__(self, weights, prefix):
        self.weights, self.prefix = weights, prefix

    def vector(self, name):
        return wide(self.weights[self.prefix + name])

    def linear(self, x, name):
        matrix = self.weights[self.prefix + name + ".weight"]
        parts = [x @ wide(matrix[first:first + WEIGHT_ROWS]).T for first in range(0, len(matrix), WEIGHT_ROWS)]
        bias = self.prefix + name + ".bias"
        return np.concatenate(parts, axis=1) + (wide(self.weights[bias]) if bias in self.weights else 0.0)


def rotate(x, angles):
    """x [rows][heads][size], angles [rows][size / 2]; rotate-half form."""
    half = x.shape[2] // 2
    low, high = x[:, :, :half], x[:, :, half:]
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
    return np.concatenate([low * cosine - high * sine, high * cosine + low * sine], axis=2)


def attend(q, k, v):
    """q [rows][heads][size], k and v [length][kv heads][size] -> [rows][heads * size]."""
    group = q.shape[1] // k.shape[1]
    heads = []
    for head in range(q.shape[1]):
        score = q[:, head] @ k[:, head // group].T / np.sqrt(q.shape[2])
        weight = np.exp(score - score.max(axis=1, keepdims=True))
        heads.append(weight / weight.sum(axis=1, keepdims=True) @ v[:, head // group])
    return np.concatenate(heads, axis=1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def decoder_layer(weights, config, x, number, rows):
    layer = Layer(weights, f"model.layers.{number}.")
    heads, kv_heads, size = config["num_attention_heads"], config["num_key_value_heads"], config["hidden_size"] // config["num_attention_heads"]

    def norm(value, name):
        return value / np.sqrt((value ** 2).mean(axis=1, keepdims=True) + config["rms_norm_eps"]) * layer.vector(name + ".weight")

    positions = 1 + np.arange(len(x))
    angles = positions[:, None] * config["rope_theta"] ** (-2.0 * np.arange(size // 2) / size)
    normed = norm(x, "input_layernorm")
    q = rotate(layer.linear(normed[rows], "self_attn.q_proj").reshape(len(rows), heads, size), angles[rows])
    k = rotate(layer.linear(normed, "self_attn.k_proj").reshape(len(x), kv_heads, size), angles)
    v = layer.linear(normed, "self_attn.v_proj").reshape(len(x), kv_heads, size)
    x = x[rows] + layer.linear(attend(q, k, v), "self_attn.o_proj")
    normed = norm(x, "post_attention_layernorm")
    gate = layer.linear(normed, "mlp.gate_proj")
    return x + layer.linear(gate * sigmoid(gate) * layer.linear(normed, "mlp.up_proj"), "mlp.down_proj")


def patch_angles(rows, columns, merge, size):
    """[patches][size / 2] in merged order: row times the frequencies, then column times them."""
    frequency = 10000.0 ** (-2.0 * np.arange(size // 4) / (size // 2))
    places = [(top + y, left + x) for top in range(0, rows, merge) for left in range(0, columns, merge) for y in range(merge)
              for x in range(merge)]
    return np.array([np.concatenate([row * frequency, column * frequency]) for row, column in places])


def vision_block(weights, config, x, number, rows, grid):
    """x: the patches of the first picture."""
    block = Layer(weights, f"visual.blocks.{number}.")
    heads, size = config["num_heads"], config["embed_dim"] // config["num_heads"]

    def norm(value, name):
        centred = value - value.mean(axis=1, keepdims=True)
        return centred / np.sqrt((centred ** 2).mean(axis=1, keepdims=True) + 1e-6) * block.vector(name + ".weight") + block.vector(name + ".bias")

    q, k, v = block.linear(norm(x, "norm1"), "attn.qkv").reshape(len(x), 3, heads, size).swapaxes(0, 1)
    angles = patch_angles(*grid, config["spatial_merge_size"], size)
    x = x[rows] + block.linear(attend(rotate(q, angles)[rows], rotate(k, angles), v), "attn.proj")
    hidden = block.linear(norm(x, "norm2"), "mlp.fc1")
    return x + block.linear(hidden * sigmoid(1.702 * hidden), "mlp.fc2")


def compare(name, found, wanted):
    error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
    print(f"{name}: relative error {error:.1e} of {BUDGET:.0e}, {len(wanted)} rows, norm {np.linalg.norm(wanted):.3g}")
    return error <= BUDGET


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("dump")
    parser.add_argument("--layer", type=int)
    parser.add_argument("--block", type=int)
    parser.add_argument("--rows", type=int, default=8)
    o = parser.parse_args()
    with open(os.path.join(o.checkpoint, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    weights, dump = map_checkpoint(o.checkpoint), map_tensors(o.dump)
    layer = config["num_hidden_layers"] - 1 if o.layer is None else o.layer
    block = config["vision_config"]["depth"] - 1 if o.block is None else o.block
    grid = [int(n) for n in dump["grids"][0]]
    patches = grid[0] * grid[1]

    def pick(count):
        return np.linspace(0, count - 1, min(o.rows, count)).astype(int)

    x = wide(dump[f"decoder.layer.{layer - 1}" if layer else "decoder.input"])
    rows = pick(len(x))
    good = compare(f"decoder.layer.{layer}", wide(dump[f"decoder.layer.{layer}"])[rows], decoder_layer(weights, config, x, layer, rows))
    x = wide(dump[f"vision.block.{block - 1}" if block else "vision.patch_embed"])[:patches]
    rows = pick(patches)
    good &= compare(f"vision.block.{block}", wide(dump[f"vision.block.{block}"])[rows],
                    vision_block(weights, config["vision_config"], x, block, rows, grid))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
