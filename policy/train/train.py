#!/usr/bin/env python3
"""Trains the demo policy on episodes of dreamvla-sim --expert; README.md has the commands. Goes on where it stopped.

    train.py --data DIR [--data DIR ...] --out DIR [--samples 1000000] [--minutes M]
"""

import argparse
import csv
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from data import BINS, Episodes, from_bins
from network import CHUNK, DIM, N, DreamVla, parameters
from vocabulary import Vocabulary

SOFT_BINS = 3.0             # the labels' Gaussian: a neighbouring bin is nearly right
FULL, PREFIX = 0.6, 0.8     # shares of the samples: all masked, up to here; else the first actions are given, from PREFIX on; random between
WARM_UP, CONSTANT = 0.01, 0.6   # of all samples: the rate rises, then stays, then goes to zero
PLACE_WEIGHT, SPOT_WEIGHT = 0.5, 1.0


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--data", type=Path, action="append", required=True, help="folder of episodes; may be given several times")
    p.add_argument("--out", type=Path, required=True, help="where last.pt, loss.csv and curve.svg go")
    p.add_argument("--samples", type=int, default=1_000_000, help="how many to train on in all (default 1000000)")
    p.add_argument("--minutes", type=float, default=math.inf, help="stop after so long, to go on another time")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--rate", type=float, default=1e-3)
    p.add_argument("--threads", type=int, default=0, help="0: as many as there are processors")
    p.add_argument("--device", default="cpu", help="cpu or cuda")
    p.add_argument("--seed", type=int, default=1)
    return p.parse_args()


def rate_at(share):
    if share < WARM_UP:
        return share / WARM_UP
    return 1.0 if share < CONSTANT else 0.5 * (1 + math.cos(math.pi * min(1, (share - CONSTANT) / (1 - CONSTANT))))


def bf16_pays(device):
    """Processors without bfloat16 products emulate them, several times slower than float32: one of each tells."""
    if device != "cpu":
        return True
    took = {}
    for kind in (torch.float32, torch.bfloat16):
        a = torch.ones(768, 768, dtype=kind)
        a @ a
        began = time.process_time()
        for _ in range(5):
            a @ a
        took[kind] = time.process_time() - began
    return took[torch.bfloat16] < took[torch.float32]


class Labels:
    """From bins to token ids and soft distributions. Token i of the vocabulary's end means bin `length - i - 1`."""

    def __init__(self, vocabulary, device):
        self.length, self.mask_id = len(vocabulary), vocabulary.added["<|mask|>"]
        self.suffix = torch.tensor(vocabulary.suffix(), device=device)
        i = torch.arange(BINS, device=device)
        soft = torch.exp(-0.5 * ((i[:, None] - i[None]) / SOFT_BINS) ** 2)
        self.soft = torch.zeros(BINS, self.length, device=device)
        self.soft[:, self.length - 1 - i] = soft / soft.sum(1, keepdim=True)

    def tokens(self, bins):
        return torch.cat((self.length - 1 - bins.reshape(len(bins), N), self.suffix.expand(len(bins), -1)), 1)

    def targets(self, bins):
        """[B, N + 2, vocabulary]; the gripper has two values and no neighbours worth the name."""
        soft = self.soft[bins]
        hard = F.one_hot(self.length - 1 - bins[..., DIM - 1], self.length).to(soft.dtype)
        soft = torch.cat((soft[..., :DIM - 1, :], hard[..., None, :]), -2).reshape(len(bins), N, -1)
        return torch.cat((soft, F.one_hot(self.suffix, self.length).to(soft.dtype).expand(len(bins), -1, -1)), 1)


def draw_mask(b, length, generator):
    """True where a token is to be found: all of them, or a random share, or what comes after the first actions."""
    kind = torch.rand(b, 1, generator=generator)
    random = torch.rand(b, length, generator=generator) < torch.rand(b, 1, generator=generator)
    given = DIM * torch.randint(1, CHUNK, (b, 1), generator=generator)
    after = torch.arange(length) >= given
    mask = torch.where(kind < FULL, torch.ones_like(random), torch.where(kind < PREFIX, random, after))
    mask[:, 0] |= ~mask.any(1)
    return mask


def loss_of(model, labels, batch, mask):
    tokens = torch.where(mask, labels.mask_id, labels.tokens(batch["bins"]))
    hidden, seen = model(batch["picture"], batch["state"], batch["colour"], tokens)
    logits = model.lm_head(hidden[mask]).float()
    action = -(labels.targets(batch["bins"])[mask] * F.log_softmax(logits, -1)).sum(-1).mean()
    spot = F.binary_cross_entropy_with_logits(model.spot(seen)[..., 0].float(), batch["shows"])
    place = F.mse_loss(model.place(hidden[:, 0]).float(), batch["block"])
    return action + SPOT_WEIGHT * spot + PLACE_WEIGHT * place, dict(action=action, spot=spot, place=place)


@torch.no_grad()
def judge(model, labels, episodes, device, batches=8):
    """On worlds never trained on, everything masked, one step: the first action's correlation with the expert's, the gripper."""
    model.eval()
    rows = episodes.test[np.linspace(0, len(episodes.test) - 1, min(len(episodes.test), 64 * batches)).astype(int)]
    found, wanted, place = [], [], []
    for part in np.array_split(rows, max(1, len(rows) // 64)):
        batch = {k: v.to(device) for k, v in episodes.batch(part).items()}
        tokens = torch.full((len(part), N + 2), labels.mask_id, device=device)
        hidden, _ = model(batch["picture"], batch["state"], batch["colour"], tokens)
        best = model.lm_head(hidden[:, :N]).argmax(-1).reshape(-1, CHUNK, DIM)
        found.append((labels.length - 1 - best).clamp(0, BINS - 1).cpu().numpy())
        wanted.append(batch["bins"].cpu().numpy())
        place.append(((model.place(hidden[:, 0]) - batch["block"]) * 200).norm(dim=-1).cpu().numpy())
    model.train()
    found, wanted = from_bins(np.concatenate(found)), from_bins(np.concatenate(wanted))
    first = [np.corrcoef(found[:, 0, i], wanted[:, 0, i])[0, 1] if found[:, 0, i].std() > 0 else 0.0 for i in (0, 1, 2, 5)]
    right = float(((found[..., -1] > 0.5) == (wanted[..., -1] > 0.5)).mean())
    return dict(zip(("dx", "dy", "dz", "turn"), map(float, first)), gripper=right, place_mm=float(np.concatenate(place).mean()))


def draw_curve(path, rows):
    """The loss on paper: log scale, one line."""
    points = [(float(r["samples"]), float(r["action"])) for r in rows]
    if len(points) < 2:
        return
    low, high = math.log(min(v for _, v in points)), math.log(max(v for _, v in points))
    line = " ".join(f"{40 + 740 * x / points[-1][0]:.1f},{20 + 340 * (high - math.log(v)) / max(high - low, 1e-9):.1f}" for x, v in points)
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="800" height="400" font-family="sans-serif" font-size="12">'
                    f'<rect width="800" height="400" fill="white"/><polyline points="{line}" fill="none" stroke="#2060c0"/>'
                    f'<text x="40" y="390">loss of the actions, {math.exp(high):.2f} to {math.exp(low):.2f} (log), {points[-1][0]:.0f} samples</text></svg>')


class Run:
    def __init__(self, a):
        self.a, self.vocabulary = a, Vocabulary()
        torch.manual_seed(a.seed)
        self.model = DreamVla(self.vocabulary).to(a.device)
        decayed = [p for p in self.model.parameters() if p.dim() > 1]
        others = [p for p in self.model.parameters() if p.dim() <= 1]
        self.optimiser = torch.optim.AdamW([dict(params=decayed, weight_decay=0.01), dict(params=others, weight_decay=0)], lr=a.rate,
                                           betas=(0.9, 0.98))
        self.labels = Labels(self.vocabulary, a.device)
        self.bf16 = bf16_pays(a.device)
        self.samples, self.rows = 0, []
        a.out.mkdir(parents=True, exist_ok=True)
        self.file = a.out / "last.pt"
        if self.file.exists():
            self.load()
        self.episodes = Episodes(a.data)

    def load(self):
        was = torch.load(self.file, map_location=self.a.device, weights_only=False)
        self.model.load_state_dict(was["model"])
        self.optimiser.load_state_dict(was["optimiser"])
        self.samples, self.rows = was["samples"], was["rows"]
        print(f"goes on after {self.samples} samples")

    def save(self):
        e = self.episodes
        new = self.file.with_suffix(".new")
        torch.save(dict(model=self.model.state_dict(), optimiser=self.optimiser.state_dict(), samples=self.samples, rows=self.rows,
                        state=dict(low=e.state_low, high=e.state_high, mean=e.state_mean)), new)
        new.replace(self.file)      # whole or not at all
        with open(self.a.out / "loss.csv", "w", newline="") as f:
            writer = csv.DictWriter(f, self.rows[0].keys())
            writer.writeheader()
            writer.writerows(self.rows)
        draw_curve(self.a.out / "curve.svg", self.rows)

    def step(self, generator, random):
        a, share = self.a, self.samples / self.a.samples
        for group in self.optimiser.param_groups:
            group["lr"] = a.rate * rate_at(share + a.batch / a.samples)
        rows = self.episodes.train[random.integers(len(self.episodes.train), size=a.batch)]
        batch = {k: v.to(a.device) for k, v in self.episodes.batch(rows).items()}
        mask = draw_mask(a.batch, N + 2, generator).to(a.device)
        with torch.autocast(a.device, torch.bfloat16, enabled=self.bf16):
            loss, parts = loss_of(self.model, self.labels, batch, mask)
        if not math.isfinite(loss.item()):
            sys.exit(f"train: the loss is {loss.item()} after {self.samples} samples: a lower --rate, from the last.pt that was kept?")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.samples += a.batch
        return {k: v.item() for k, v in parts.items()}

    def report(self, parts, speed):
        mean = {k: float(np.mean([p[k] for p in parts])) for k in parts[0]}
        row = dict(samples=self.samples, **mean, **judge(self.model, self.labels, self.episodes, self.a.device), per_second=speed)
        self.rows.append(row)
        print(" ".join(f"{k} {v:.4g}" for k, v in row.items()), flush=True)

    def go(self):
        a, began, parts = self.a, time.monotonic(), []
        print(f"{parameters(self.model) / 1e6:.2f} M parameters, {'bfloat16' if self.bf16 else 'float32'}; "
              f"{len(self.episodes.train)} samples to train on, {len(self.episodes.test)} held out")
        generator = torch.Generator().manual_seed(a.seed + self.samples)
        random = np.random.default_rng((a.seed, self.samples))
        every = max(20 * a.batch, min(20_000, a.samples // 50))
        told, told_at = self.samples, began
        while self.samples < a.samples and time.monotonic() - began < 60 * a.minutes:
            parts.append(self.step(generator, random))
            if self.samples - told >= every or self.samples >= a.samples:
                now = time.monotonic()
                self.report(parts, (self.samples - told) / (now - told_at))
                self.save()
                told, told_at, parts = self.samples, time.monotonic(), []
        if parts:
            self.report(parts, (self.samples - told) / (time.monotonic() - told_at))
            self.save()


def main():
    a = arguments()
    if a.threads > 0:
        torch.set_num_threads(a.threads)
    Run(a).go()


if __name__ == "__main__":
    main()
