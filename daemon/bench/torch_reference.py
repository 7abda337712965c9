#!/usr/bin/env python3
"""The network of Dream-VLA in PyTorch, with random weights: what users of transformers have, timed as `dreamvla-bench gpu` times ours.

Vision encoder and decoder layers are transformers' own (Qwen2-VL, Qwen2), in bfloat16, with PyTorch's scaled_dot_product_attention (the pictures as
a batch, as they are of one size); between them a projector of two linear layers. One chunk: pictures' patches in host memory -> vision -> projector -> decoder over the whole
sequence, every position seeing every other -> logits of the action positions -> best tokens in host memory. Twice: as Python runs it
(eager), and through torch.compile. One line of JSON for each row on standard output, progress on standard error.

Runs with transformers 4.51 and 5.17; those between have not been tried. `dreamvla-bench gpu --torch PYTHON` calls it; by itself: torch_reference.py --config FOLDER [--seconds S].
"""
import argparse
import json
import math
import pathlib
import sys
import time

import torch
import torch.nn.functional as F
from transformers import Qwen2Config
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.qwen2.modeling_qwen2 import Qwen2Model
from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig
from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VisionTransformerPretrainedModel, apply_rotary_pos_emb_vision

WARM = 3
ROUNDS_MIN = 5
SUFFIX = 2  # tokens behind the actions


def attend_all(module, query, key, value, attention_mask, scaling=None, **_):
    """Attention in which every position sees every other; transformers' own takes a missing mask for a causal one."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    out = F.scaled_dot_product_attention(query, key, value, scale=scaling)
    return out.transpose(1, 2).contiguous(), None


class PictureAttention(torch.nn.Module):
    """transformers' vision attention, each picture for itself. Its own is told where pictures end by a tensor or a list, as the version has it,
    and asks the GPU for the tensor's numbers at each block."""

    def __init__(self, original):
        super().__init__()
        self.qkv, self.proj, self.heads = original.qkv, original.proj, original.num_heads

    def forward(self, hidden_states, cu_seqlens, position_embeddings, **_):
        pictures, (n, width) = cu_seqlens, hidden_states.shape  # a block hands on whatever it is given by this name
        query, key, value = self.qkv(hidden_states).reshape(n, 3, self.heads, -1).unbind(1)
        query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
        query, key, value = (x.reshape(pictures, n // pictures, self.heads, -1).transpose(1, 2) for x in (query, key, value))
        out = F.scaled_dot_product_attention(query, key, value)
        return self.proj(out.transpose(1, 2).reshape(n, width))


def picture_angles(side, merge, head, theta=10000.0):
    """[side * side][head]: half of a head turns with the row, half with the column, block of merged patches by block."""
    rows, columns = (x.reshape(side // merge, merge, side // merge, merge).transpose(1, 2).flatten()
                     for x in torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"))
    frequency = theta ** (-torch.arange(0, head // 2, 2, dtype=torch.float32) / (head // 2))
    angles = torch.cat((rows[:, None] * frequency, columns[:, None] * frequency), dim=-1)
    return torch.cat((angles, angles), dim=-1)


class DreamVLA(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        vision = config["vision_config"]
        self.visual = Qwen2VisionTransformerPretrainedModel._from_config(Qwen2VLVisionConfig(
            depth=vision["depth"], embed_dim=vision["embed_dim"], hidden_size=vision["hidden_size"], mlp_ratio=vision["mlp_ratio"],
            num_heads=vision["num_heads"], in_channels=vision["in_chans"], patch_size=vision["patch_size"],
            spatial_merge_size=vision["spatial_merge_size"], temporal_patch_size=vision["temporal_patch_size"]),
            attn_implementation="sdpa")
        for block in self.visual.blocks:
            block.attn = PictureAttention(block.attn)
        self.head, self.merge = vision["embed_dim"] // vision["num_heads"], vision["spatial_merge_size"]
        keys = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "vocab_size",
                "rope_theta", "rms_norm_eps")
        self.model = Qwen2Model._from_config(Qwen2Config(**{key: config[key] for key in keys}, use_cache=False), attn_implementation="sdpa")
        self.model.config._attn_implementation = "attend_all"
        hidden = config["hidden_size"]
        self.linear_1, self.linear_2 = torch.nn.Linear(hidden, hidden), torch.nn.Linear(hidden, hidden)
        self.lm_head = torch.nn.Linear(hidden, config["vocab_size"], bias=False)

    def prepare(self, pictures, side, device):
        """Once for pictures of a size."""
        angles = picture_angles(side, self.merge, self.head).repeat(pictures, 1).to(device)
        self.angles, self.pictures = (angles.cos(), angles.sin()), pictures

    def encode(self, patches):
        """What Qwen2VisionTransformerPretrainedModel.forward does, but for what prepare has done."""
        x = self.visual.patch_embed(patches)
        for block in self.visual.blocks:
            x = block(x, cu_seqlens=self.pictures, position_embeddings=self.angles)
        return self.visual.merger(x)

    def forward(self, patches, text, tokens):
        """patches [n][values], text [ids] -> ids [tokens]. Which of text and pictures comes first has no effect on time."""
        vision = self.linear_2(F.gelu(self.linear_1(self.encode(patches))))
        actions = vision.new_zeros(tokens + SUFFIX, vision.shape[1])
        x = torch.cat((self.model.embed_tokens(text), vision, actions))[None]
        angles = self.model.rotary_emb(x, torch.arange(1, x.shape[1] + 1, device=x.device)[None])
        for layer in self.model.layers:
            x = layer(x, attention_mask=None, position_embeddings=angles)
            x = x[0] if isinstance(x, tuple) else x
        hidden = self.model.norm(x)[0, -tokens - SUFFIX - 1:-SUFFIX - 1]
        return self.lm_head(hidden).argmax(-1)


def time_chunks(model, inputs, seconds, device):
    """Durations of one chunk each, sorted. The patches start, and the ids end, in host memory."""
    patches, text, tokens = inputs
    durations = []
    start = time.monotonic()
    while len(durations) < WARM + ROUNDS_MIN or (time.monotonic() - start < seconds and len(durations) < 4096):
        before = time.monotonic()
        model(patches.to(device, non_blocking=True), text, tokens).cpu()
        durations.append(time.monotonic() - before)
        if len(durations) == WARM:
            start = time.monotonic()
    return sorted(durations[WARM:])


def print_row(name, pictures, durations, parameters, device):
    n = len(durations)
    memory = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    print(json.dumps({"name": name, "pictures": pictures, "rounds": n, "median_s": durations[n // 2],
                      "p99_s": durations[math.ceil(0.99 * n) - 1], "memory_bytes": memory, "parameters": parameters}), flush=True)


def make_inputs(config, arguments, pictures, device):
    vision = config["vision_config"]
    side = arguments.picture_side // vision["patch_size"]
    values = vision["in_chans"] * vision["temporal_patch_size"] * vision["patch_size"] ** 2
    patches = torch.randn(pictures * side * side, values, dtype=torch.bfloat16, device="cpu")
    text = torch.arange(arguments.text - 4 + 2 * pictures, device=device) * 7 % config["vocab_size"]
    return side, (patches.pin_memory() if device == "cuda" else patches, text, arguments.tokens)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--config", type=pathlib.Path, required=True, help="folder with the config.json of a checkpoint")
    parser.add_argument("--seconds", type=float, default=2, help="how long to measure each row (2)")
    parser.add_argument("--picture-side", type=int, default=224, help="pixels (224)")
    parser.add_argument("--tokens", type=int, default=56, help="actions of a chunk (56)")
    parser.add_argument("--text", type=int, default=40, help="tokens of the prompt with two pictures, but for theirs (40)")
    return parser.parse_args()


@torch.inference_mode()
def main():
    arguments = parse()
    config = json.loads((arguments.config / "config.json").read_text())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ALL_ATTENTION_FUNCTIONS["attend_all"] = attend_all
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = DreamVLA(config).eval()
    parameters = sum(p.numel() for p in model.parameters())
    for name, run in (("eager", model), ("compiled", torch.compile(model, dynamic=False))):
        for pictures in (1, 2):
            print(f"PyTorch {torch.__version__} on {device}, {name}, {pictures} pictures", file=sys.stderr)
            side, inputs = make_inputs(config, arguments, pictures, device)
            model.prepare(pictures, side, device)
            print_row(name, pictures, time_chunks(run, inputs, arguments.seconds, device), parameters, device)


if __name__ == "__main__":
    main()
