"""Episodes that dreamvla-sim --expert wrote (README.md has the format), as batches."""

import json
import struct
from pathlib import Path

import numpy as np
import torch

from network import CHUNK, DIM, SIDE

KINDS = {"U8": np.uint8, "F32": np.float32, "I64": np.int64}
BINS = 255                                      # centres of linspace(-1, 1, 256)
STEP_M, TURN_RAD = 0.03, 0.2                    # the expert's longest steps
ACTION_LOW = np.array([-STEP_M] * 3 + [-TURN_RAD] * 3 + [0], np.float32)
ACTION_HIGH = np.array([STEP_M] * 3 + [TURN_RAD] * 3 + [1], np.float32)


def read_shard(path):
    """Every tensor of a safetensors file, mapped, not read."""
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        head = json.loads(f.read(n))
    raw = np.memmap(path, np.uint8, "r", 8 + n)
    part = {name: raw[p["data_offsets"][0]:p["data_offsets"][1]].view(KINDS[p["dtype"]]).reshape(p["shape"])
            for name, p in head.items() if name != "__metadata__"}
    want = (2, SIDE, SIDE, 3)
    if part["picture"].shape[1:] != want or part["action"].shape[1:] != (CHUNK, DIM):
        raise SystemExit(f"{path}: pictures {part['picture'].shape[1:]}, actions {part['action'].shape[1:]}: want {want} and {(CHUNK, DIM)}")
    return part


def to_bins(action):
    """[..., DIM] to the bin of each value, 0 the lowest."""
    x = 2 * (action - ACTION_LOW) / (ACTION_HIGH - ACTION_LOW) - 1
    return np.clip((x + 1) / 2 * BINS, 0, BINS - 1).astype(np.int64)


def from_bins(i):
    return ((i + 0.5) / BINS) * (ACTION_HIGH - ACTION_LOW) + ACTION_LOW


class Episodes:
    def __init__(self, directories, held_out=0.03):
        """Some of the files, the same ones each time, are held out: their worlds are never trained on."""
        paths = sorted(p for d in directories for p in Path(d).glob("episodes_*.safetensors"))
        if not paths:
            raise SystemExit(f"{', '.join(map(str, directories))}: no episodes_*.safetensors: dreamvla-sim --expert writes them")
        self.shards = [read_shard(p) for p in paths]
        keep = max(1, round(held_out * len(paths)))
        every = len(paths) // keep if len(paths) > 1 else 0
        out = set(range(0, keep * every, every)) if every else set()
        self.train = self.index(i for i in range(len(paths)) if i not in out)
        self.test = self.index(out) if out else self.train
        state = np.concatenate([s["state"] for s in self.shards])
        self.state_low, self.state_high = np.quantile(state, 0.01, 0).astype(np.float32), np.quantile(state, 0.99, 0).astype(np.float32)
        self.state_mean = state.mean(0)

    def index(self, which):
        return np.array([(i, k) for i in which for k in range(len(self.shards[i]["colour"]))], np.int32)

    def state(self, raw):
        """As policy/statistics.c normalises it."""
        return np.clip(2 * (raw - self.state_low) / (self.state_high - self.state_low + 1e-8) - 1, -1, 1)

    def batch(self, rows):
        def take(name):
            return np.stack([self.shards[i][name][k] for i, k in rows])

        spot = take("spot")
        cell = (spot * 4).astype(np.int64)      # 4 x 4 merged patches
        shows = np.zeros((len(rows), 2, 4, 4), np.float32)
        for b, c in zip(*np.nonzero(spot[..., 0] >= 0)):
            shows[b, c, cell[b, c, 1], cell[b, c, 0]] = 1
        values = dict(picture=take("picture"), state=self.state(take("state")).astype(np.float32), colour=take("colour"),
                      bins=to_bins(take("action")), shows=shows.reshape(len(rows), -1), block=(take("block") - (0.52, 0, 0.1)) / 0.2)
        values["block"] = values["block"].astype(np.float32)
        return {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in values.items()}
