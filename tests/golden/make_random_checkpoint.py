#!/usr/bin/env python3
"""Writes a checkpoint of random weights in the published file formats; as large as Dream-VLA-7B unless told otherwise.

    tests/golden/make_random_checkpoint.py DIR [--layers 28] [--hidden 3584] [--seed 0] ... (--help lists all sizes)

For speed, memory and loading at full size (16.6 GB, written at the speed of the disk); nothing it answers means anything.
Needs Python 3 and numpy. DIR must not exist. The tokenizer is made up, with the real one's number of tokens and ids;
--vocabulary DIR takes real files. Logits of tokens that are no actions are kept small, so that the chunk is not rejected.
"""

import argparse
import collections
import io
import json
import math
import os
import pickle
import shutil
import struct
import sys
import time
import types
import zipfile

import numpy as np

POOL_VALUES = 15_485_863   # a prime, so that rows of a matrix never repeat in step with it
POOL_VALUES_SMALL = 104_729  # the same for checkpoints below SMALL_BYTES, which are written in a moment then
SMALL_BYTES = 100_000_000
ALIGN_BYTES = 64           # of the tensors in a file
SPECIAL = ("<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|> <|quad_start|> "
           "<|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|> <tool_call> </tool_call> "
           "<|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|> <|beginoftext|> <|mask|>").split()
ACTION_BINS = 256
UNUSED_ROWS = 141          # rows of the 7B model's vocabulary behind its last token
ACTION_DIM, STATE_DIM = 7, 8
VOCABULARY_FILES = ("vocab.json", "merges.txt", "added_tokens.json", "tokenizer_config.json")

# name, shape and the deviation of its values; a mean of 1 for the weights of norms
Tensor = collections.namedtuple("Tensor", "name shape deviation mean", defaults=(0.0,))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory")
    for name, value in (("layers", 28), ("hidden", 3584), ("heads", 28), ("kv-heads", 4), ("mlp", 18944), ("rows", 152064),
                        ("blocks", 32), ("width", 1280), ("vision-heads", 16), ("seed", 0)):
        parser.add_argument("--" + name, type=int, default=value, help=f"default {value}" + (", rows of the vocabulary" * (name == "rows")))
    parser.add_argument("--shard-bytes", type=int, default=5_000_000_000, help="most bytes of a file (default 5e9)")
    parser.add_argument("--vocabulary", metavar="DIR", help="folder with vocab.json, merges.txt and added_tokens.json")
    return parser.parse_args()


def linear(name, rows, columns, bias):
    yield Tensor(name + ".weight", (rows, columns), 1 / math.sqrt(columns))
    if bias:
        yield Tensor(name + ".bias", (rows,), 0.1)


def norm(name, size, bias):
    yield Tensor(name + ".weight", (size,), 0.1, 1.0)
    if bias:
        yield Tensor(name + ".bias", (size,), 0.1)


def vision_tensors(o):
    width, merged = o.width, 4 * o.width
    yield Tensor("visual.patch_embed.proj.weight", (width, 3, 2, 14, 14), 1 / math.sqrt(1176))
    for i in range(o.blocks):
        block = f"visual.blocks.{i}."
        yield from norm(block + "norm1", width, True)
        yield from linear(block + "attn.qkv", 3 * width, width, True)
        yield from linear(block + "attn.proj", width, width, True)
        yield from norm(block + "norm2", width, True)
        yield from linear(block + "mlp.fc1", merged, width, True)
        yield from linear(block + "mlp.fc2", width, merged, True)
    yield from norm("visual.merger.ln_q", width, True)
    yield from linear("visual.merger.mlp.0", merged, merged, True)
    yield from linear("visual.merger.mlp.2", o.hidden, merged, True)
    yield from linear("projector.linear_1", o.hidden, o.hidden, True)
    yield from linear("projector.linear_2", o.hidden, o.hidden, True)


def decoder_tensors(o):
    key_values = o.hidden // o.heads * o.kv_heads
    yield Tensor("model.embed_tokens.weight", (o.rows, o.hidden), 1.0)
    for i in range(o.layers):
        layer = f"model.layers.{i}."
        yield from norm(layer + "input_layernorm", o.hidden, False)
        yield from linear(layer + "self_attn.q_proj", o.hidden, o.hidden, True)
        yield from linear(layer + "self_attn.k_proj", key_values, o.hidden, True)
        yield from linear(layer + "self_attn.v_proj", key_values, o.hidden, True)
        yield from linear(layer + "self_attn.o_proj", o.hidden, o.hidden, False)
        yield from norm(layer + "post_attention_layernorm", o.hidden, False)
        yield from linear(layer + "mlp.gate_proj", o.mlp, o.hidden, False)
        yield from linear(layer + "mlp.up_proj", o.mlp, o.hidden, False)
        yield from linear(layer + "mlp.down_proj", o.hidden, o.mlp, False)
    yield from norm("model.norm", o.hidden, False)
    yield from linear("lm_head", o.rows, o.hidden, False)


def to_bf16(values):
    """float32 -> bfloat16 bits, to nearest even."""
    bits = values.view(np.uint32)
    return ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16).astype("<u2")


class Random:
    """bfloat16 values of any deviation at the speed of a copy: pieces of one pool per deviation, each from a place of its own."""

    def __init__(self, seed, pool_values):
        self.generator = np.random.default_rng(seed)
        self.normal = self.generator.standard_normal(pool_values, dtype=np.float32)
        self.pools = {}

    def pieces(self, tensor):
        key = tensor.deviation, tensor.mean
        if key not in self.pools:
            self.pools[key] = to_bf16(self.normal * np.float32(tensor.deviation) + np.float32(tensor.mean))
        left = math.prod(tensor.shape)
        while left:
            first = int(self.generator.integers(len(self.normal)))
            piece = self.pools[key][first:first + left]
            left -= len(piece)
            yield piece

    def bf16(self, tensor):
        return np.concatenate(list(self.pieces(tensor)))


def bytes_of(tensors):
    return sum(2 * math.prod(tensor.shape) for tensor in tensors)


def cut_shards(tensors, most_bytes):
    shards = [[]]
    for tensor in tensors:
        if shards[-1] and bytes_of(shards[-1] + [tensor]) > most_bytes:
            shards.append([])
        shards[-1].append(tensor)
    return shards


def safetensors_header(tensors):
    entries, at = {}, 0
    for tensor in tensors:
        end = at + bytes_of([tensor])
        entries[tensor.name] = {"dtype": "BF16", "shape": tensor.shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % ALIGN_BYTES)
    return struct.pack("<Q", len(text)) + text


def write_tensor(file, tensor, random, action_rows):
    if tensor.name != "lm_head.weight":
        for piece in random.pieces(tensor):
            file.write(piece)
        return
    rows, columns = tensor.shape
    for first, end, factor in ((0, action_rows[0], 1 / 32), (*action_rows, 1.0), (action_rows[1], rows, 1 / 32)):
        part = tensor._replace(shape=(end - first, columns), deviation=tensor.deviation * factor)
        for piece in random.pieces(part):
            file.write(piece)


def write_weights(folder, shards, random, action_rows):
    index, done, started = {}, 0, time.monotonic()
    total = sum(bytes_of(tensors) for tensors in shards)
    for number, tensors in enumerate(shards, 1):
        name = "model.safetensors" if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        with open(os.path.join(folder, name), "wb") as file:
            file.write(safetensors_header(tensors))
            for tensor in tensors:
                write_tensor(file, tensor, random, action_rows)
                index[tensor.name] = name
        done += bytes_of(tensors)
        print(f"{name}: {done / 1e9:.2f} of {total / 1e9:.2f} GB, {time.monotonic() - started:.0f} s", file=sys.stderr)
    if len(shards) > 1:
        write_json(folder, "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": index})


def write_json(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)


def byte_characters():
    """GPT-2's printable stand-ins for the 256 bytes."""
    itself = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    others = (byte for byte in range(256) if byte not in itself)
    return [chr(byte) for byte in itself] + [chr(0x100 + i) for i, _ in enumerate(others)]


def write_tokenizer(folder, o):
    """Returns { text: id } of the added tokens."""
    if o.vocabulary:
        for name in VOCABULARY_FILES:
            if os.path.exists(os.path.join(o.vocabulary, name)):
                shutil.copy(os.path.join(o.vocabulary, name), folder)
        with open(os.path.join(folder, "added_tokens.json"), encoding="utf-8") as file:
            return json.load(file)
    merges = ["t h", "th e", "\u0120 the", "i n", "o n", "a c", "ac t"]
    base = byte_characters() + [merge.replace(" ", "") for merge in merges]
    n_base = o.rows - UNUSED_ROWS - ACTION_BINS - len(SPECIAL)
    if n_base < len(base):
        sys.exit(f"--rows {o.rows} leaves {n_base} tokens for text, want {len(base)} or more")
    base += [f"unused{i}" for i in range(n_base - len(base))]
    added = {text: n_base + i for i, text in enumerate(SPECIAL + [f"<|action_{i}|>" for i in range(ACTION_BINS)])}
    write_json(folder, "vocab.json", {text: i for i, text in enumerate(base)})
    write_json(folder, "added_tokens.json", added)
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n" + "\n".join(merges) + "\n")
    return added


def write_configuration(folder, o, added):
    write_json(folder, "config.json", {
        "architectures": ["DreamVLAForActionPrediction"], "model_type": "dream-vla", "hidden_size": o.hidden, "intermediate_size": o.mlp,
        "num_hidden_layers": o.layers, "num_attention_heads": o.heads, "num_key_value_heads": o.kv_heads, "hidden_act": "silu",
        "rms_norm_eps": 1e-6, "rope_theta": 1e6, "vocab_size": o.rows, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "full_attn_mask": True, "projector_hidden_act": "gelu", "image_token_id": added["<|image_pad|>"],
        "video_token_id": added["<|video_pad|>"], "vision_start_token_id": added["<|vision_start|>"],
        "vision_end_token_id": added["<|vision_end|>"], "mask_token_id": added["<|mask|>"], "pad_token_id": added["<|endoftext|>"],
        "vision_config": {"depth": o.blocks, "embed_dim": o.width, "num_heads": o.vision_heads, "hidden_size": o.hidden, "mlp_ratio": 4,
                          "hidden_act": "quick_gelu", "in_chans": 3, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2},
        "n_action_bins": ACTION_BINS})
    write_json(folder, "preprocessor_config.json", {
        "min_pixels": 50176, "max_pixels": 12845056, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]})
    action, state = [1.0] * ACTION_DIM, [1.0] * STATE_DIM
    write_json(folder, "dataset_statistics.json", {"random": {
        "action": {"q01": [-v for v in action], "q99": action, "mask": [True] * (ACTION_DIM - 1) + [False]},
        "proprio": {"q01": [-v for v in state], "q99": state}}})


class StateDictionaryPickler(pickle.Pickler):
    """What torch.save writes into data.pkl, without torch: storages are persistent ids, tensors calls of torch's own functions."""

    class Tensor:
        def __init__(self, key, shape, kind):
            self.key, self.shape, self.kind = key, shape, kind

        def __reduce__(self):
            strides = [math.prod(self.shape[i + 1:]) for i in range(len(self.shape))]
            return sys.modules["torch._utils"]._rebuild_tensor_v2, (self.kind(self), 0, self.shape, tuple(strides), False,
                                                                    collections.OrderedDict())

    class Storage:
        def __init__(self, tensor):
            self.tensor = tensor

    def persistent_id(self, found):
        if not isinstance(found, self.Storage):
            return None
        return "storage", sys.modules["torch"].BFloat16Storage, found.tensor.key, "cpu", math.prod(found.tensor.shape)


def add_torch_names():
    """Stand-ins under the names that the pickle must bear."""
    torch, utilities = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.BFloat16Storage = type("BFloat16Storage", (), {"__module__": "torch"})
    utilities._rebuild_tensor_v2 = type("_rebuild_tensor_v2", (), {"__module__": "torch._utils"})
    torch._utils = utilities
    sys.modules.update({"torch": torch, "torch._utils": utilities})


def write_pt(path, tensors, random):
    stem = os.path.basename(path)[:-len(".pt")]
    pickled = io.BytesIO()
    pickler = StateDictionaryPickler(pickled, protocol=2)
    pickler.dump(collections.OrderedDict((t.name, pickler.Tensor(str(i), t.shape, pickler.Storage)) for i, t in enumerate(tensors)))
    members = [("data.pkl", pickled.getvalue())] + [(f"data/{i}", random.bf16(t).tobytes()) for i, t in enumerate(tensors)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members + [("version", b"3\n")]:
            entry = zipfile.ZipInfo(f"{stem}/{name}")
            start = archive.start_dir + 30 + len(entry.filename) + 4
            padding = -start % ALIGN_BYTES
            entry.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
            archive.writestr(entry, data)


def main():
    o = parse_arguments()
    os.makedirs(o.directory)
    added = write_tokenizer(o.directory, o)
    write_configuration(o.directory, o, added)
    shards = cut_shards([*vision_tensors(o), *decoder_tensors(o)], o.shard_bytes)
    small = sum(bytes_of(tensors) for tensors in shards) < SMALL_BYTES
    random = Random(o.seed, POOL_VALUES_SMALL if small else POOL_VALUES)
    add_torch_names()
    write_pt(os.path.join(o.directory, "proprio_projector--0_checkpoint.pt"),
             [*linear("module.fc1", o.hidden, STATE_DIM, True), *linear("module.fc2", o.hidden, o.hidden, True)], random)
    actions = [added[f"<|action_{i}|>"] for i in range(ACTION_BINS)]
    write_weights(o.directory, shards, random, (min(actions), max(actions) + 1))


if __name__ == "__main__":
    main()
