#!/usr/bin/env python3
"""Writes what train.py has learned as a Dream-VLA checkpoint, and checks that dreamvla-infer computes the same from it.

    export.py --from OUT/last.pt --to DIR [--infer build/release/dreamvla-infer] [--oracle DIR-of-dreamvla.py] --data EPISODES

The check takes samples of the episodes: the hidden states behind the actions, and the actions, from PyTorch in float32, from dreamvla-infer
and, where one is at hand, from the oracle (another program's reading of the same checkpoint) are to be the same.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

import checkpoint
import network
from data import ACTION_HIGH, ACTION_LOW, BINS, Episodes, from_bins
from vocabulary import QUESTION, SYSTEM, Vocabulary, instruction

HIDDEN_OFF = 2e-3           # of the largest hidden state: float32 in another order of sums


def config(v):
    d, e, a = network.DECODER, network.VISION, v.added
    return dict(architectures=["DreamVLAForActionPrediction"], model_type="dream-vla", hidden_size=d["hidden"], intermediate_size=d["mlp"],
                num_hidden_layers=d["layers"], num_attention_heads=d["heads"], num_key_value_heads=d["groups"], hidden_act="silu",
                rms_norm_eps=1e-6, rope_theta=network.THETA, rope_scaling=None, vocab_size=len(v), tie_word_embeddings=False,
                torch_dtype="bfloat16", full_attn_mask=True, projector_hidden_act="gelu", image_token_id=a["<|image_pad|>"],
                video_token_id=a["<|video_pad|>"], vision_start_token_id=a["<|vision_start|>"], vision_end_token_id=a["<|vision_end|>"],
                mask_token_id=a["<|mask|>"], pad_token_id=a["<|endoftext|>"], n_action_bins=BINS + 1,
                vision_config=dict(depth=e["depth"], embed_dim=e["width"], num_heads=e["heads"], hidden_size=d["hidden"], mlp_ratio=e["mlp"],
                                   hidden_act="quick_gelu", in_chans=3, patch_size=network.PATCH, spatial_merge_size=network.MERGE,
                                   spatial_patch_size=network.PATCH, temporal_patch_size=2))


def statistics(state):
    def row(low, high, **more):
        low, high = np.asarray(low, float).tolist(), np.asarray(high, float).tolist()
        return dict(q01=low, q99=high, min=low, max=high, **more)

    return {checkpoint.KEY: dict(action=row(ACTION_LOW, ACTION_HIGH, mask=[True] * network.DIM),
                      proprio=row(state["low"], state["high"], mean=np.asarray(state["mean"], float).tolist()))}


def write(model, vocabulary, state, to):
    to.mkdir(parents=True, exist_ok=True)
    vocabulary.write(to)
    save_file(checkpoint.tensors(model), to / "model.safetensors")
    (to / "config.json").write_text(json.dumps(config(vocabulary), indent=1))
    pixels = network.SIDE ** 2
    (to / "preprocessor_config.json").write_text(json.dumps(
        dict(min_pixels=pixels, max_pixels=pixels, patch_size=network.PATCH, temporal_patch_size=2, merge_size=network.MERGE,
             image_mean=network.MEAN, image_std=network.STD, image_processor_type="Qwen2VLImageProcessor"), indent=1))
    (to / "dataset_statistics.json").write_text(json.dumps(statistics(state), indent=1))
    torch.save(checkpoint.projector(model), to / checkpoint.PROJECTOR)


def rounded(model):
    """The weights as the checkpoint has them."""
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.to(torch.bfloat16))
        w = model.visual.patch_embed.weight     # halved, rounded, doubled: the same
        w.copy_((w / 2).to(torch.bfloat16) * 2)
    return model.eval()


@torch.no_grad()
def answer(model, vocabulary, batch):
    tokens = torch.full((1, network.N + 2), vocabulary.added["<|mask|>"])
    hidden, _ = model(model.see(batch["picture"]), batch["state"], model.sentences(batch["colour"], batch.get("pad")), tokens)
    best = model.lm_head(hidden[0, :network.N]).argmax(-1).numpy()
    return hidden[0].numpy(), from_bins(np.clip(len(vocabulary) - 1 - best, 0, BINS - 1).reshape(network.CHUNK, network.DIM))


def run(program, to, sample, sentence, state, folder):
    arguments = ["--model", to, "--decoder", "discrete_diffusion", "--action-chunk", network.CHUNK, "--resize", "none", "--center-crop", "none",
                 "--dump", Path(folder) / "dump.safetensors", "--state", ",".join(f"{v:.9g}" for v in state),
                 "--instruction", sentence, "--precision", "fp32", "--json"]
    for i, picture in enumerate(sample):
        path = Path(folder) / f"{i}.ppm"
        path.write_bytes(b"P6\n%d %d\n255\n" % (picture.shape[1], picture.shape[0]) + picture.tobytes())
        arguments += ["--image", path]
    done = subprocess.run([*map(str, program), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{program[-1]}: {done.stderr.strip()[-2000:]}")
    hidden = load_file(Path(folder) / "dump.safetensors")["decoder.norm"].numpy()[-network.N - 3:-1]   # each predicts the next token
    return hidden, np.array(json.loads(done.stdout)["actions"]).reshape(network.CHUNK, network.DIM)


def check_tokens(infer, vocabulary, to):
    texts = [SYSTEM, QUESTION.format(instruction(2)), QUESTION.format(instruction(1, 3)), "assistant\n", "Put 12 green boxes, it's late!"]
    done = subprocess.run([str(infer), "--model", str(to), "--tokenize"], input=json.dumps(texts), capture_output=True, text=True, check=True)
    if json.loads(done.stdout) != [vocabulary.encode(t) for t in texts]:
        sys.exit(f"export: {infer} splits text into other tokens: {done.stdout}")


def state_of(episodes, row):
    return episodes.take([row], "state")[0]


def check(a, model, vocabulary, state):
    episodes = Episodes(a.data, state)
    bin_width = (ACTION_HIGH - ACTION_LOW) / BINS
    others = [("dreamvla-infer", [a.infer])] + ([("oracle", [sys.executable, a.oracle / "infer.py"])] if a.oracle else [])
    check_tokens(a.infer, vocabulary, a.to)
    for row in np.concatenate([episodes.judged(task, a.check) for task in episodes.tasks()]):
        batch, shard = episodes.batch([row]), episodes.shards[row[0]]
        sentence = instruction(int(batch["colour"]), int(batch["pad"]) if "pad" in batch else None)
        ours, our_actions = answer(model, vocabulary, batch)
        for name, program in others:
            with tempfile.TemporaryDirectory() as folder:
                theirs, their_actions = run(program, a.to, shard["picture"][row[1]], sentence, state_of(episodes, row), folder)
            off = np.abs(theirs - ours).max() / np.abs(ours).max()
            others_bins = int((np.abs(their_actions - our_actions) > bin_width / 2).sum())   # of two bins as likely as each other
            print(f"sample {row[1]} of file {row[0]}: {name}: hidden states off by {off:.1e}, {others_bins} of {network.N} actions in another bin")
            if not off < HIDDEN_OFF or others_bins > network.N // 20:
                sys.exit(f"export: {name} says something else")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--from", dest="source", type=Path, required=True)
    p.add_argument("--to", type=Path, required=True)
    p.add_argument("--data", type=Path, action="append", required=True, help="episodes to check it with")
    p.add_argument("--infer", type=Path, default=Path("build/release/dreamvla-infer"))
    p.add_argument("--oracle", type=Path, help="folder of the oracle's infer.py, where one is at hand")
    p.add_argument("--check", type=int, default=5, help="samples to check (default 5)")
    a = p.parse_args()
    vocabulary = Vocabulary()
    model = network.DreamVla(vocabulary)
    was = torch.load(a.source, map_location="cpu", weights_only=False)
    model.load_state_dict(was["average"])
    write(model, vocabulary, was["state"], a.to)
    check(a, rounded(model), vocabulary, was["state"])
    print(f"{a.to}: {sum(f.stat().st_size for f in a.to.iterdir()) / 1e6:.1f} MB after {was['samples']} samples")


if __name__ == "__main__":
    main()
