#!/usr/bin/env python3
"""Writes random checkpoints of random shapes, and what an oracle computes with them, in the form of this folder.

    PYTHON make_fresh.py --oracle DIR --out DIR [--seed N] [--count N]
    golden.py --golden OUT [--precision bf16]

For developers who have an oracle: a folder with dreamvla.py, images.py and make_golden.py, and a PYTHON that can run them (PyTorch,
safetensors, transformers). No test needs it. The three golden checkpoints have tame shapes; here are one picture and four,
heads of every kind, odd widths, patches of 16, few action bins, F16 weights that bfloat16 cannot hold, a shard per tensor.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import torch
from safetensors.torch import save_file

KINDS = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
INSTRUCTIONS = ["pick up the red block", "把红色的方块放到盘子里", "it's <|im_end|> 12.5 cm\nleft of the café", "x", "put   the mug, then wipe!"]
HEADS = {"l1_regression": "model.", "flow_matching": "flow_predictor.mlp_resnet.", "diffusion": "noise_predictor.mlp_resnet."}


class Shape:
    """One random configuration; small enough for seconds in float64."""

    def __init__(self, random):
        pick = lambda *options: options[random.integers(len(options))]
        self.head_size = int(pick(2, 6, 10, 16, 20, 24, 32, 64, 80, 128))
        self.groups = int(pick(1, 1, 2, 3))
        self.heads = self.groups * int(pick(1, 1, 2, 3, 7))
        self.hidden = self.heads * self.head_size
        if self.hidden < 16 or self.hidden > 320:       # neither a toy that hides its errors nor minutes in float64
            self.heads, self.groups, self.head_size, self.hidden = 6, 2, 14, 84
        self.layers, self.mlp = int(random.integers(1, 6)), int(random.integers(17, 400))
        self.vision_heads, self.vision_head_size = int(pick(1, 2, 3, 4)), int(pick(4, 8, 12, 20, 36, 80))
        self.vision_width = self.vision_heads * self.vision_head_size
        self.blocks, self.mlp_ratio = int(random.integers(1, 5)), float(pick(1, 2, 2.5, 3, 4))
        self.patch, self.merge, self.temporal = int(pick(14, 14, 14, 16)), int(pick(2, 2, 2, 1, 3)), int(pick(2, 2, 1))
        self.grids = [(int(random.integers(1, 5)) * self.merge, int(random.integers(1, 8)) * self.merge) for _ in range(random.integers(1, 5))]
        self.chunk, self.action_dim = int(pick(1, 2, 5, 8, 32, 64)), int(pick(1, 3, 7, 14, 16))
        if self.chunk * self.action_dim > 500:
            self.action_dim = 7
        self.state_dim = int(pick(0, 1, 7, 8, 14, 33))
        self.bins = int(pick(256, 256, 16, 101, 512))
        self.theta, self.eps = float(pick(1e6, 1e4, 500.0, 33333.3)), float(pick(1e-6, 1e-5, 1e-3))
        self.base_tokens, self.pad_rows = int(random.integers(300, 1000)), int(pick(1, 1, 7, 64, 128))
        self.kinds = pick(("BF16", "BF16"), ("BF16", "F32"), ("F32", "F32"), ("F16", "F16"), ("F16", "F32"), ("F32", "BF16"))
        self.shards = pick("one", "one", "three", "each")
        self.statistics, self.stats_in = pick("q99", "bounds"), pick("file", "config")
        self.head_kind, self.prefix = pick("BF16", "F16", "F32"), pick("", "module.")
        if self.vision_width * self.mlp_ratio % 1:
            self.mlp_ratio = 4.0


def linear(state, generator, name, out, inside, gain=1.0, bias=True):
    state[name + ".weight"] = torch.randn((out, inside), generator=generator) * gain / inside ** 0.5
    if bias:
        state[name + ".bias"] = torch.randn(out, generator=generator) * 0.1


def norm(state, generator, name, width, bias=True):
    state[name + ".weight"] = 1 + 0.2 * torch.randn(width, generator=generator)
    if bias:
        state[name + ".bias"] = 0.1 * torch.randn(width, generator=generator)


def make_vision(state, generator, s):
    width, merged, mlp = s.vision_width, s.vision_width * s.merge ** 2, int(s.vision_width * s.mlp_ratio)
    inside = 3 * s.temporal * s.patch ** 2
    state["visual.patch_embed.proj.weight"] = (torch.randn((width, inside), generator=generator) / inside ** 0.5).reshape(
        width, 3, s.temporal, s.patch, s.patch)
    for i in range(s.blocks):
        block = f"visual.blocks.{i}."
        norm(state, generator, block + "norm1", width)
        norm(state, generator, block + "norm2", width)
        linear(state, generator, block + "attn.qkv", 3 * width, width, 1.5)
        linear(state, generator, block + "attn.proj", width, width)
        linear(state, generator, block + "mlp.fc1", mlp, width)
        linear(state, generator, block + "mlp.fc2", width, mlp)
    norm(state, generator, "visual.merger.ln_q", width)
    linear(state, generator, "visual.merger.mlp.0", merged, merged)
    linear(state, generator, "visual.merger.mlp.2", s.hidden, merged, 2.0)
    linear(state, generator, "projector.linear_1", s.hidden, s.hidden)
    linear(state, generator, "projector.linear_2", s.hidden, s.hidden, 2.0)


def make_decoder(state, generator, s, rows, first_action):
    state["model.embed_tokens.weight"] = torch.randn((rows, s.hidden), generator=generator)
    for i in range(s.layers):
        layer = f"model.layers.{i}."
        norm(state, generator, layer + "input_layernorm", s.hidden, False)
        norm(state, generator, layer + "post_attention_layernorm", s.hidden, False)
        for part, width, scale in (("q", s.hidden, 15), ("k", s.groups * s.head_size, 15), ("v", s.groups * s.head_size, 1)):
            linear(state, generator, layer + f"self_attn.{part}_proj", width, s.hidden, 1.5)
            state[layer + f"self_attn.{part}_proj.bias"] *= scale       # large biases: attention by position, as in real models
        linear(state, generator, layer + "self_attn.o_proj", s.hidden, s.hidden, 1.5, False)
        linear(state, generator, layer + "mlp.gate_proj", s.mlp, s.hidden, 1.5, False)
        linear(state, generator, layer + "mlp.up_proj", s.mlp, s.hidden, 1.5, False)
        linear(state, generator, layer + "mlp.down_proj", s.hidden, s.mlp, 1.5, False)
    norm(state, generator, "model.norm", s.hidden, False)
    state["lm_head.weight"] = 2 * torch.randn((rows, s.hidden), generator=generator) / s.hidden ** 0.5
    text = torch.ones(rows, dtype=torch.bool)
    text[first_action:first_action + s.bins] = False
    state["lm_head.weight"][text] *= 0.02                               # a policy: action tokens win


def save_weights(directory, s, state):
    """Norms in the second type; values that fit bfloat16 wherever the first one is a type that could hold more, but for F16."""
    for name in state:
        kind = s.kinds["norm" in name]
        value = state[name] if kind == "F16" else state[name].to(torch.bfloat16)
        state[name] = value.to(KINDS[kind]).contiguous()
    names = sorted(state)
    if s.shards == "one":
        save_file(state, directory / "model.safetensors", metadata={"format": "pt"})
        return
    parts = [[name] for name in names] if s.shards == "each" else [names[k::3] for k in range(3)]
    files = {f"model-{k + 1:05d}-of-{len(parts):05d}.safetensors": part for k, part in enumerate(parts)}
    for file, part in files.items():
        save_file({name: state[name] for name in part}, directory / file, metadata={"format": "pt"})
    (directory / "model.safetensors.index.json").write_text(json.dumps(dict(
        metadata=dict(total_size=sum(t.numel() * t.element_size() for t in state.values())),
        weight_map={name: file for file, part in files.items() for name in part})))


def make_heads(folder, s, generator, decoder):
    folder.mkdir(parents=True)
    wide = s.action_dim * s.hidden

    def save(state, name):
        torch.save({s.prefix + key: value.to(KINDS[s.head_kind]) for key, value in state.items()}, folder / f"{name}--1_checkpoint.pt")

    projectors = [("proprio_projector", s.state_dim)] if s.state_dim else []
    projectors += [("noisy_action_projector", 1)] if decoder in ("flow_matching", "diffusion") else []
    for name, inside in projectors:
        state = {}
        linear(state, generator, "fc1", s.hidden, inside)
        linear(state, generator, "fc2", s.hidden, s.hidden)
        save(state, name)
    if decoder in HEADS:
        state, path = {}, HEADS[decoder]
        norm(state, generator, path + "layer_norm1", wide)
        linear(state, generator, path + "fc1", s.hidden, wide)
        for i in range(2):
            norm(state, generator, path + f"mlp_resnet_blocks.{i}.ffn.0", s.hidden)
            linear(state, generator, path + f"mlp_resnet_blocks.{i}.ffn.1", s.hidden, s.hidden)
        norm(state, generator, path + "layer_norm2", s.hidden)
        linear(state, generator, path + "fc2", s.action_dim, s.hidden, 0.4)
        save(state, "action_head")


def make_statistics(s, random):
    table = {}
    for key in ("first", "second") if s.stats_in == "config" else ("only",):
        entry = table[key] = {}
        for part, width in (("action", s.action_dim), ("proprio", s.state_dim or s.action_dim)):
            low = random.uniform(-2, 1, width)
            high = low + random.uniform(0, 2, width)
            entry[part] = dict(min=(low - 0.1).tolist(), max=(high + 0.1).tolist(), mean=((low + high) / 2).tolist(), std=[0.3] * width,
                               mask=[bool(random.integers(4)) for _ in range(width)])
            if s.statistics == "q99":
                entry[part].update(q01=low.tolist(), q99=high.tolist())
    return table


def make_files(directory, s, ids, rows, statistics):
    vision = dict(depth=s.blocks, embed_dim=s.vision_width, num_heads=s.vision_heads, hidden_size=s.hidden, mlp_ratio=s.mlp_ratio,
                  hidden_act="quick_gelu", in_chans=3, patch_size=s.patch, spatial_merge_size=s.merge, temporal_patch_size=s.temporal)
    config = dict(model_type="dream-vla", hidden_size=s.hidden, intermediate_size=s.mlp, num_hidden_layers=s.layers, num_attention_heads=s.heads,
                  num_key_value_heads=s.groups, hidden_act="silu", rms_norm_eps=s.eps, rope_theta=s.theta, vocab_size=rows,
                  tie_word_embeddings=False, image_token_id=ids["<|image_pad|>"], mask_token_id=ids["<|mask|>"],
                  pad_token_id=ids["<|endoftext|>"], vision_start_token_id=ids["<|vision_start|>"],
                  vision_end_token_id=ids["<|vision_end|>"], vision_config=vision)
    if s.bins != 256:
        config["n_action_bins"] = s.bins
    if s.stats_in == "config":
        config["norm_stats"] = statistics
    else:
        (directory / "dataset_statistics.json").write_text(json.dumps(statistics))
    (directory / "config.json").write_text(json.dumps(config, indent=1))
    preprocessor = dict(min_pixels=1, max_pixels=1 << 24, patch_size=s.patch, temporal_patch_size=s.temporal, merge_size=s.merge,
                        image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.25, 0.3])
    (directory / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return config, preprocessor


def variants(decoder, s, random):
    """Arguments of each case of a decoder: few and many steps, also more than there are actions and such as do not divide 50."""
    if decoder == "discrete_diffusion":
        known = int(random.integers(1, s.chunk * s.action_dim + 1)) - 1
        return [dict(steps=1), dict(steps=int(random.integers(2, 12)), algorithm="topk_margin", committed=known),
                dict(steps=int(random.integers(2, 12)), algorithm="entropy", top_k=int(random.integers(2, 60))),
                dict(steps=int(random.integers(2, 40)), algorithm="maskgit_plus")]
    if decoder == "flow_matching":
        return [dict(steps=1), dict(steps=int(random.integers(2, 9)))]
    return [dict(steps=2), dict(steps=int(random.integers(3, 20)))] if decoder == "diffusion" else [{}]


class Cases:
    """The cases of one checkpoint."""

    def __init__(self, oracle, out, name, s, random):
        self.oracle, self.out, self.name, self.s, self.random = oracle, out, name, s, random
        self.directory = out / "checkpoints" / name
        self.directory.mkdir(parents=True)
        golden, seed = oracle["make_golden"], int(random.integers(1 << 31))
        added = golden.SPECIAL + golden.LATE[:2] + [f"<|action_{i}|>" for i in range(s.bins)]
        self.ids, self.length = golden.make_tokenizer(self.directory, s.base_tokens, added, seed)
        rows = -(-self.length // s.pad_rows) * s.pad_rows
        generator, state = torch.Generator().manual_seed(seed), {}
        make_vision(state, generator, s)
        make_decoder(state, generator, s, rows, self.ids["<|action_0|>"])
        save_weights(self.directory, s, state)
        self.statistics = make_statistics(s, random)
        self.config, self.preprocessor = make_files(self.directory, s, self.ids, rows, self.statistics)
        for decoder in ("discrete", "discrete_diffusion", *HEADS):
            make_heads(self.directory / "heads" / decoder, s, generator, decoder)
        self.observe()

    def observe(self):
        s, dreamvla, images, golden = self.s, self.oracle["dreamvla"], self.oracle["images"], self.oracle["make_golden"]
        tokenizer = golden.Qwen2Tokenizer.from_pretrained(self.directory)
        self.pictures = [self.random.integers(0, 256, (rows * s.patch, columns * s.patch, 3), dtype=np.uint8) for rows, columns in s.grids]
        self.instruction = INSTRUCTIONS[self.random.integers(len(INSTRUCTIONS))]
        self.prompt = golden.encode_prompt(tokenizer, self.instruction, [rows * columns // s.merge ** 2 for rows, columns in s.grids])
        self.suffix = [self.ids["<|im_end|>"]] + tokenizer("\n")["input_ids"]
        self.key = list(self.statistics)[-1]
        self.state = self.random.uniform(-2, 2, s.state_dim) if s.state_dim else None
        self.normalised = dreamvla.normalise_state(self.state, self.statistics[self.key]["proprio"]) if s.state_dim else None
        patches = np.concatenate([images.patches(picture, self.preprocessor)[0] for picture in self.pictures])
        self.observation = dreamvla.Observation(self.prompt, self.suffix, patches, s.grids, s.chunk, s.action_dim, self.length,
                                                self.config["mask_token_id"], self.normalised)

    def run(self, network, decoder, variant, noise):
        network.trace.clear()
        network.gap = 1.0
        arguments = {k: v for k, v in variant.items() if k != "committed"}
        if noise is not None:
            arguments["noise"] = noise
        if "committed" in variant:
            arguments["committed"] = dict(enumerate(variant["committed"]))
        return getattr(self.oracle["dreamvla"], decoder)(network, self.observation, **arguments)

    def make(self, decoder, variant, networks, number):
        s = self.s
        noise = torch.tensor(self.random.normal(size=(s.chunk, s.action_dim))).to(torch.bfloat16).double() if decoder in (
            "flow_matching", "diffusion") else None
        if "committed" in variant:
            first = self.ids["<|action_0|>"]
            variant["committed"] = [first + int(v) for v in self.random.integers(1, s.bins, variant["committed"])] or None
            variant = {k: v for k, v in variant.items() if v is not None}
        results = {kind: (self.run(network, decoder, variant, noise), dict(network.trace)) for kind, network in networks.items()}
        exact, trace = results["fp64"]
        if networks["fp64"].gap < 2e-6:                                 # nothing may hang on a near tie
            return None
        title = f"{self.name}.{decoder}" + (f".{number}" if number else "")
        if variant.get("steps", 1) > 1:                                 # what the last of many steps sees hangs on chance in bfloat16
            trace = {k: v for k, v in trace.items() if not k.startswith("decoder.")}
        self.save(title, decoder, trace, exact, noise)
        case = dict(checkpoint=self.name, heads=f"heads/{decoder}", decoder=decoder, action_chunk=s.chunk, action_dim=s.action_dim,
                    unnorm_key=self.key, instruction=self.instruction, images=[f"{i}.ppm" for i in range(len(s.grids))],
                    state=self.state.tolist() if self.state is not None else None, smallest_gap=networks["fp64"].gap, **variant)
        for kind in ("fp32", "bf16"):
            result, found = results[kind]
            case[f"{kind}_error"] = {k: self.oracle["make_golden"].relative_error(found[k], v) for k, v in trace.items()
                                     if v.is_floating_point() and k in found and found[k].shape == v.shape}
            case[f"{kind}_actions_max_difference"] = float(np.abs(result - exact).max())
            if "action.tokens" in trace:
                equal = int((found["action.tokens"] == trace["action.tokens"]).sum())
                case[f"{kind}_equal_tokens"] = max(equal - 1, 0) / (s.chunk * s.action_dim)     # one token more or less is chance
        (self.out / "cases" / f"{title}.json").write_text(json.dumps(case, indent=1, ensure_ascii=False) + "\n")
        return title

    def save(self, title, decoder, trace, exact, noise):
        tensors = {k: v.float() if v.is_floating_point() else v.long() for k, v in trace.items()}
        tensors.update(prompt_ids=torch.tensor(self.prompt), suffix_ids=torch.tensor(self.suffix))
        if decoder == "discrete":
            tensors.update({f"picture.{i}": torch.tensor(picture) for i, picture in enumerate(self.pictures)})
        if noise is not None:
            tensors["noise"] = noise.float()
        tensors["actions.normalised"] = torch.tensor(exact).float()
        tensors["actions"] = torch.tensor(self.oracle["dreamvla"].unnormalise_actions(exact, self.statistics[self.key]["action"])).float()
        if self.normalised is not None:
            tensors["state.normalised"] = torch.tensor(self.normalised).float()
        save_file({k: v.clone().contiguous() for k, v in tensors.items()}, self.out / "cases" / f"{title}.safetensors")

    def make_all(self):
        made = []
        for decoder in ("discrete", "discrete_diffusion", *HEADS):
            heads = self.directory / "heads" / decoder
            networks = {kind: self.oracle["dreamvla"].Network(self.directory, dtype, heads) for kind, dtype in
                        (("fp64", torch.float64), ("fp32", torch.float32), ("bf16", torch.bfloat16))}
            made += [self.make(decoder, variant, networks, n) for n, variant in enumerate(variants(decoder, self.s, self.random))]
        return [title for title in made if title]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--oracle", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=5)
    options = p.parse_args()
    sys.path.insert(0, str(options.oracle))
    sys.dont_write_bytecode = True
    oracle = {name: __import__(name) for name in ("dreamvla", "images", "make_golden")}
    (options.out / "cases").mkdir(parents=True)
    for number in range(options.seed, options.seed + options.count):
        random = np.random.default_rng(number)
        s = Shape(random)
        bins = oracle["dreamvla"].bins
        oracle["dreamvla"].bins = lambda tokens, length, n=s.bins: bins(tokens, length, n)   # the oracle's own callers leave it at 256
        made = Cases(oracle, options.out, f"shape{number}", s, random).make_all()
        oracle["dreamvla"].bins = bins
        print(f"shape{number}: {len(made)} cases, {vars(s)}", flush=True)


if __name__ == "__main__":
    main()
