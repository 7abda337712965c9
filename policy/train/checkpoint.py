"""Names and tensors of a Dream-VLA checkpoint, from network.py's and back."""

import json

import numpy as np
import torch
from safetensors.torch import load_file

import network

KEY = "pick"                # of dataset_statistics.json
PROJECTOR = "proprio_projector--1_checkpoint.pt"
EMBEDDING = "visual.patch_embed.proj.weight"


def name_of(key):
    """None: training only, or a file of its own."""
    if key.startswith((*network.TRAINING_ONLY, "proprio.")):
        return None
    for old, new in (("visual.merge.", "visual.merger.mlp."), ("visual.ln_q.", "visual.merger.ln_q."),
                     ("projector.0.", "projector.linear_1."), ("projector.2.", "projector.linear_2.")):
        if key.startswith(old):
            return new + key[len(old):]
    return key if key.startswith(("visual.", "lm_head.")) else "model." + key


def tensors(model):
    out = {}
    for key, value in model.state_dict().items():
        name = name_of(key)
        if name == "visual.patch_embed.weight":
            w = value.reshape(-1, 3, 1, network.PATCH, network.PATCH) / 2     # half in each time slice
            out[EMBEDDING] = w.expand(-1, -1, 2, -1, -1)
        elif name:
            out[name] = value
    return {k: v.to(torch.bfloat16).contiguous().clone() for k, v in out.items()}


def projector(model):
    return {f"fc{n}.{part}": getattr(model.proprio[i], part).detach().to(torch.bfloat16)
            for n, i in ((1, 0), (2, 2)) for part in ("weight", "bias")}


def read(model, folder):
    """The weights of an exported checkpoint, all but the heads that only training has; returns the state's statistics."""
    have, own = load_file(folder / "model.safetensors"), {}
    for key, value in model.state_dict().items():
        name = name_of(key)
        if name == "visual.patch_embed.weight":
            own[key] = have[EMBEDDING].float().sum(2).reshape(value.shape)
        elif name:
            own[key] = have[name].float()
    for name, value in torch.load(folder / PROJECTOR, map_location="cpu", weights_only=True).items():
        own[f"proprio.{dict(fc1=0, fc2=2)[name[:3]]}{name[3:]}"] = value.float()
    model.load_state_dict(own, strict=False)
    row = json.loads((folder / "dataset_statistics.json").read_text())[KEY]["proprio"]
    return dict(low=np.float32(row["q01"]), high=np.float32(row["q99"]), mean=np.float32(row["mean"]))
