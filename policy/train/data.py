"""Episodes that dreamvla-sim --expert wrote (README.md has the format), as batches."""

import json
import struct
from pathlib import Path

import numpy as np
import torch

from network import AHEAD, CHUNK, DIM, GRID, MERGE, PICTURES, SIDE, STATE

KINDS = {"U8": np.uint8, "F32": np.float32, "I64": np.int64}
BINS = 255                                      # centres of linspace(-1, 1, 256)
STEP_M, TURN_RAD = 0.03, 0.2                    # the expert's longest steps
ACTION_LOW = np.array([-STEP_M] * 3 + [-TURN_RAD] * 3 + [0], np.float32)
ACTION_HIGH = np.array([STEP_M] * 3 + [TURN_RAD] * 3 + [1], np.float32)
AHEAD_RANGE = np.array([0.15] * 3 + [0.6] * 3, np.float32)     # m, rad: how far the given actions may lead; beyond it is cut off
COLOURS = 4
THINGS = 2 * COLOURS                            # blocks, and pads
TASKS = "pick", "put"
WRIST = 1                                       # the picture that turns with the hand
TURN = 5                                        # of an action's values
CELLS = GRID // MERGE                           # merged patches along a side of a picture
TILTED, TILTED_RAD, TILTED_M = 0.4, 0.1, 0.15   # share of the pictures drawn from those that show a block that near and turned against the fingers
CARRIED = 0.5                                   # share of the pictures of put in which the block is on its way to the pad
HELD_OUT = 0.03                                 # of the episodes are never trained on
STATISTICS = 20_000                             # samples that the state's range is taken from


def read_shard(path):
    """Every tensor of a safetensors file; the pictures mapped, not read."""
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        head = json.loads(f.read(n))
    raw = np.memmap(path, np.uint8, "r", 8 + n)
    part = {name: raw[p["data_offsets"][0]:p["data_offsets"][1]].view(KINDS[p["dtype"]]).reshape(p["shape"])
            for name, p in head.items() if name != "__metadata__"}
    for name, want in (("picture", (PICTURES, SIDE, SIDE, 3)), ("action", (COLOURS, CHUNK, DIM)), ("astray", (COLOURS, CHUNK, DIM))):
        if name not in part or part[name].shape[1:] != want:
            raise SystemExit(f"{path}: {name}: found {part[name].shape[1:] if name in part else 'none'}, want {want}: made by another version?")
    return {name: v if name == "picture" else unled(v) if name == "state" else np.array(v) for name, v in part.items()}


def unled(raw):
    """The state [n, STATE] where nothing is given: files have it so, or end before that; those that a policy wrote have what was given then."""
    return np.pad(raw[:, :STATE - AHEAD], ((0, 0), (0, AHEAD)))


def to_bins(action):
    """[..., DIM] to the bin of each value, 0 the lowest."""
    x = 2 * (action - ACTION_LOW) / (ACTION_HIGH - ACTION_LOW) - 1
    return np.clip((x + 1) / 2 * BINS, 0, BINS - 1).astype(np.int64)


def from_bins(i):
    return ((i + 0.5) / BINS) * (ACTION_HIGH - ACTION_LOW) + ACTION_LOW


def held_out(episode):
    """The same episodes whatever else lies there: by a hash of their seeds (the finaliser of MurmurHash3)."""
    x = episode.astype(np.uint64)
    x = (x ^ (x >> np.uint64(33))) * np.uint64(0xff51afd7ed558ccd)
    return ((x ^ (x >> np.uint64(33))) % np.uint64(1000)) < 1000 * HELD_OUT


def turned(shard):
    """[n, COLOURS]: how a block's sides are turned against the fingers, rad, what a chunk of the expert's turns, for it goes all of it within one;
    and whether it can be known: seen by the wrist camera, and no other block to be put down first."""
    held = shard["held"][:, None]
    return shard["action"][..., TURN].sum(-1), (shard["spot"][:, :, WRIST, 0] >= 0) & ((held < 0) | (held == np.arange(COLOURS)))


def tilted(shard):
    """[n]: a block is near, and turned."""
    angle, known = turned(shard)
    near = np.linalg.norm(shard["block"] - shard["state"][:, None, :3], axis=-1) < TILTED_M
    return (known & near & (np.abs(angle) > TILTED_RAD)).any(1)


def carried(shard):
    """[n]: the block that the episode drives for is in the hand, and is to go to one of two pads."""
    return (shard["held"] == shard["colour"]) if "second_action" in shard else np.zeros(len(shard["held"]), bool)


def marks(spot, thing, things):
    """Where things are seen, as merged patches: spot [P, K, PICTURES, 2] of K things whose numbers are thing [P, K]. Which patches show them,
    [P, M, things] 0 or 1, and where within those, [P, M, things, 2]."""
    shown = np.zeros((len(spot), PICTURES, CELLS, CELLS, things), np.float32)
    within = np.zeros((*shown.shape, 2), np.float32)
    p, k, picture = np.nonzero(spot[..., 0] >= 0)
    at = spot[p, k, picture] * CELLS
    cell = np.minimum(at.astype(np.int64), CELLS - 1)
    shown[p, picture, cell[:, 1], cell[:, 0], thing[p, k]] = 1
    within[p, picture, cell[:, 1], cell[:, 0], thing[p, k]] = at - cell - 0.5
    return shown.reshape(len(spot), -1, things), within.reshape(len(spot), -1, things, 2)


class Episodes:
    """Files may still be written: `look` takes in those that are new. Rows are (file, sample) [n, 2], of the episodes of each task by itself."""

    def __init__(self, directories, state=None):
        """state: low, high and mean of an earlier run, which its policy has got used to."""
        self.directories, self.paths, self.shards = directories, set(), []
        self.train, self.tilted, self.carried, self.test = ({task: np.zeros((0, 2), np.int64) for task in TASKS} for _ in range(4))
        if not self.look():
            raise SystemExit(f"{', '.join(map(str, directories))}: no episodes_*.safetensors: dreamvla-sim --expert writes them")
        self.statistics = state or self.measure()

    def look(self):
        new = sorted({p for d in self.directories for p in Path(d).glob("episodes_*.safetensors")} - self.paths)
        for path in new:
            shard = read_shard(path)
            task = "put" if "pad" in shard else "pick"
            rows = np.stack((np.full(len(shard["episode"]), len(self.shards)), np.arange(len(shard["episode"]))), 1)
            out = held_out(shard["episode"])
            self.shards.append(shard)
            for kept, which in ((self.train, ~out), (self.tilted, ~out & tilted(shard)), (self.carried, ~out & carried(shard)), (self.test, out)):
                kept[task] = np.concatenate((kept[task], rows[which]))
        self.paths.update(new)
        return len(new)

    def count(self, rows):
        return ", ".join(f"{len(rows[task])} to {task}" for task in TASKS if len(rows[task]))

    def tasks(self):
        return [task for task in TASKS if len(self.train[task])]

    def draw(self, random, n):
        """Rows to train on, all of one task, each task as often as it has samples. The expert turns the hand early and fast, so of what tells
        the turn all but a few of its pictures show nothing: those few more often. So with a block in the hand: of four colours only one is."""
        size = np.array([len(self.train[task]) for task in TASKS])
        task = TASKS[random.choice(len(TASKS), p=size / size.sum())]
        n_carried = random.binomial(n, CARRIED) if len(self.carried[task]) else 0
        n_tilted = random.binomial(n - n_carried, TILTED) if len(self.tilted[task]) else 0
        some = (self.carried[task], n_carried), (self.tilted[task], n_tilted), (self.train[task], n - n_carried - n_tilted)
        return np.concatenate([rows[random.integers(len(rows), size=k)] for rows, k in some if k])

    def judged(self, task, n):
        """Rows of episodes that were never trained on, evenly spread; of others where none is."""
        rows = self.test[task] if len(self.test[task]) else self.train[task]
        return rows[np.linspace(0, len(rows) - 1, min(len(rows), n)).astype(int)]

    def measure(self):
        """Of the whole state: where the given actions lead is not in the files, and has a range of its own."""
        state = np.concatenate([s["state"] for s in self.shards])[:STATISTICS, :STATE - AHEAD]
        low, high = np.quantile(state, 0.01, 0).astype(np.float32), np.quantile(state, 0.99, 0).astype(np.float32)
        return dict(low=np.append(low, -AHEAD_RANGE), high=np.append(high, AHEAD_RANGE), mean=np.append(state.mean(0), 0 * AHEAD_RANGE))

    def normalised(self, raw):
        """As policy/statistics.c does it."""
        low, high = self.statistics["low"], self.statistics["high"]
        return np.clip(2 * (raw - low) / (high - low + 1e-8) - 1, -1, 1).astype(np.float32)

    def take(self, rows, name):
        return np.stack([self.shards[i][name][k] for i, k in rows])

    def named(self, rows, random, colours):
        """[n, colours]: the one that the episode was driving for, and others at random."""
        driven = self.take(rows, "colour")
        if random is None:
            return driven[:, None]
        shift = np.argsort(random.random((len(rows), COLOURS - 1)), 1)[:, :colours - 1] + 1
        return np.concatenate((driven[:, None], (driven[:, None] + shift) % COLOURS), 1)

    def batch(self, rows, random=None, colours=1, both=False):
        """Pictures [P], and what belongs to each of the named colours [P, C]; rows of one task. Ways are from the hand as it is in the picture, m;
        in the state nothing is given yet. `pad` [P, C] is there only where one is named. both: where a block is carried, the second sentence is of
        the same one, and of the other pad. All in torch."""
        colour, p = self.named(rows, random, colours), np.arange(len(rows))[:, None]
        second = np.zeros(colour.shape, bool)
        if both and colours > 1 and self.has("second_action", rows):
            second[:, 1] = self.take(rows, "held") == colour[:, 0]
            colour[:, 1] = np.where(second[:, 1], colour[:, 0], colour[:, 1])
        state = self.take(rows, "state")
        values = dict(picture=self.take(rows, "picture"), state=self.normalised(state), colour=colour, **self.wanted(rows, colour, second),
                      way=self.take(rows, "block")[p, colour] - state[:, None, :3], **self.turned(rows), **self.seen(rows, colour, second))
        values["side"], values["side_seen"] = values["sides"][p, colour], values["sides_seen"][p, colour]
        if self.has("pad", rows):
            values["pad"] = self.take(rows, "pad")[p, second * 1]
            values["pad_way"] = self.take(rows, "pad_at")[p, second * 1] - state[:, None, :3]
        return {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in values.items()}

    def wanted(self, rows, colour, second):
        """What the expert would do: bins, astray [P, C, CHUNK, DIM] and given [P, C]."""
        p, found = np.arange(len(rows))[:, None], {}
        for name in "action", "astray", "given":
            found[name] = self.take(rows, name)[p, colour]
            if second.any():
                found[name][second] = self.take(rows, "second_" + name)[second.any(1)]
        return dict(bins=to_bins(found["action"]), astray=to_bins(found["astray"]), given=found["given"])

    def has(self, name, rows):
        return all(name in self.shards[i] for i in {i for i, _ in rows})

    def seen(self, rows, colour, second):
        """What each merged patch shows: shown [P, M, THINGS] 0 or 1, where within it [P, M, THINGS, 2], blocks before pads, each by their colours;
        and of that the named block and the named pad: shows [P, C, M, 2]."""
        spot, thing = self.take(rows, "spot"), np.arange(COLOURS)[None].repeat(len(rows), 0)
        if self.has("pad", rows):
            pad = self.take(rows, "pad")
            spot, thing = np.concatenate((spot, self.take(rows, "pad_spot")), 1), np.concatenate((thing, COLOURS + pad), 1)
        shown, within = marks(spot, thing, THINGS)
        block = np.take_along_axis(shown, colour[:, None, :], 2).swapaxes(1, 2)
        goal = np.zeros_like(block)
        if self.has("pad", rows):
            goal = np.take_along_axis(shown, COLOURS + pad[np.arange(len(rows))[:, None], second * 1][:, None, :], 2).swapaxes(1, 2)
        return dict(shown=shown, within=within, shows=np.stack((block, goal), -1))

    def turned(self, rows):
        """Of every block: sides [P, COLOURS, 2], cosine and sine of four times the angle, as a square looks the same after a quarter; and
        whether it can be known."""
        angle, known = turned({name: self.take(rows, name) for name in ("action", "held", "spot")})
        return dict(sides=np.stack((np.cos(4 * angle), np.sin(4 * angle)), -1).astype(np.float32), sides_seen=known.astype(np.float32))
