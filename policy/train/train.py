#!/usr/bin/env python3
"""Trains the demo policy on episodes of dreamvla-sim --expert; README.md has the commands. Goes on where it stopped.

    train.py --data DIR [--data DIR ...] --out DIR [--samples 1000000] [--minutes M] [--eyes 20000] [--begin CHECKPOINT] [--finish N]
"""

import argparse
import copy
import csv
import math
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch

import checkpoint
from data import COLOURS, Episodes
from network import DreamVla, parameters
from objective import Labels, draw_mask, eyes_loss, judge, losses
from vocabulary import Vocabulary

WARM_UP = 200               # steps after each start: the rate rises
CONSTANT = 0.6              # share of the whole: then the rate goes to zero
AVERAGED = 0.999            # weight of the earlier steps in the average that is judged and exported
REPORT_S = 180              # between two reports, each with a last.pt
# glibc gives each step's large blocks back to the kernel, which clears them anew; it reads these when a program starts.
MALLOC = dict(MALLOC_MMAP_THRESHOLD_="1073741824", MALLOC_TRIM_THRESHOLD_="1073741824", MALLOC_TOP_PAD_="268435456")


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--data", type=Path, action="append", required=True, help="folder of episodes; may be given several times")
    p.add_argument("--out", type=Path, required=True, help="where last.pt, loss.csv and curve.svg go")
    p.add_argument("--samples", type=int, default=1_000_000, help="sequences (a picture and a colour) in all (default 1000000)")
    p.add_argument("--minutes", type=float, default=math.inf, help="or minutes in all, those before a stop counted: whichever comes first")
    p.add_argument("--eyes", type=int, default=20_000, help="pictures that the vision alone is trained with first (default 20000)")
    p.add_argument("--begin", type=Path, help="exported checkpoint to begin with where there is no last.pt")
    p.add_argument("--finish", type=int, default=0, help="let the rate go to zero within so many more sequences, from last.pt")
    p.add_argument("--batch", type=int, default=16, help="pictures in a step (default 16)")
    p.add_argument("--colours", type=int, default=3, choices=range(1, COLOURS + 1), help="sequences for each picture (default 3)")
    p.add_argument("--rate", type=float, default=1e-3)
    p.add_argument("--threads", type=int, default=0, help="0: as many as there are processors")
    p.add_argument("--device", default="cpu", help="cpu or cuda")
    p.add_argument("--compile", action="store_true", help="let PyTorch compile the network: a minute or two first; needs a C++ compiler")
    p.add_argument("--seed", type=int, default=1)
    return p.parse_args()


def rate_at(share):
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


def optimiser_of(model, rate):
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    return torch.optim.AdamW([dict(params=decayed, weight_decay=0.01), dict(params=others, weight_decay=0)], lr=rate, betas=(0.9, 0.98),
                             fused=True)


class Run:
    def __init__(self, a):
        self.a, self.vocabulary = a, Vocabulary()
        torch.manual_seed(a.seed)
        self.model = DreamVla(self.vocabulary).to(a.device)
        self.average = copy.deepcopy(self.model).requires_grad_(False).eval()
        self.optimiser = optimiser_of(self.model, a.rate)
        self.labels, self.bf16 = Labels(self.vocabulary, a.device), bf16_pays(a.device)
        self.samples, self.looked, self.minutes_before, self.rows, state = 0, 0, 0.0, [], None   # looked: pictures of the vision's own training
        a.out.mkdir(parents=True, exist_ok=True)
        self.file = a.out / "last.pt"
        if self.file.exists():
            state = self.load()
        elif a.begin:
            state = checkpoint.read(self.model, a.begin)
            self.average.load_state_dict(self.model.state_dict())
        self.episodes = Episodes(a.data, state)
        if a.compile:
            self.model.compile()
            self.model.see = torch.compile(self.model.see)
        self.first, self.steps, self.began, self.stopped = self.samples, 0, time.monotonic(), False
        self.random = np.random.default_rng((a.seed, self.samples, self.looked))
        self.generator = torch.Generator().manual_seed(a.seed + self.samples + self.looked)

    def load(self):
        was = torch.load(self.file, map_location=self.a.device, weights_only=False)
        self.model.load_state_dict(was["model"])
        self.average.load_state_dict(was["average"])
        self.optimiser.load_state_dict(was["optimiser"])
        self.samples, self.looked, self.minutes_before, self.rows = was["samples"], was["looked"], was["minutes"], was["rows"]
        print(f"goes on after {self.looked} pictures, {self.samples} samples, {self.minutes_before:.0f} minutes")
        return was["state"]

    def minutes(self):
        return self.minutes_before + (time.monotonic() - self.began) / 60

    def save(self):
        new = self.file.with_suffix(".new")
        torch.save(dict(model=self.model.state_dict(), average=self.average.state_dict(), optimiser=self.optimiser.state_dict(),
                        samples=self.samples, looked=self.looked, minutes=self.minutes(), rows=self.rows, state=self.episodes.statistics), new)
        new.replace(self.file)      # whole or not at all
        if self.rows:
            with open(self.a.out / "loss.csv", "w", newline="") as f:
                writer = csv.DictWriter(f, {name: None for row in self.rows for name in row})   # a task may have come later
                writer.writeheader()
                writer.writerows(self.rows)
            draw_curve(self.a.out / "curve.svg", self.rows)

    def share(self):
        """Of the whole way; 1 at its end."""
        a = self.a
        if a.finish:
            return CONSTANT + (1 - CONSTANT) * (self.samples - self.first) / a.finish
        return max(self.samples / a.samples, self.minutes() / a.minutes)

    def batch(self, colours):
        rows = self.episodes.draw(self.random, self.a.batch)
        return {k: v.to(self.a.device) for k, v in self.episodes.batch(rows, self.random, colours, both=True).items()}

    def looking(self):
        """Of the vision alone: no decoder, cheap."""
        batch = self.batch(1)
        self.looked += self.a.batch
        return eyes_loss(self.model, self.model.see(batch["picture"]), batch)

    def acting(self):
        batch, b = self.batch(self.a.colours), self.a.batch * self.a.colours
        self.samples += b
        drawn = draw_mask(b, batch["given"].flatten().cpu(), self.generator)
        return losses(self.model, self.labels, batch, *(v.to(self.a.device) for v in drawn))

    def step(self, kind):
        self.steps += 1
        for group in self.optimiser.param_groups:
            group["lr"] = self.a.rate * min(1, self.steps / WARM_UP) * rate_at(self.share())
        with torch.autocast(self.a.device, torch.bfloat16, enabled=self.bf16):
            loss, parts = kind()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        taken = (self.looked + self.samples / self.a.colours) / self.a.batch        # steps in all, those before a stop too
        keep = min(AVERAGED, (1 + taken) / (10 + taken))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - keep)
        return {k: v.detach() for k, v in parts.items()}

    def judged(self):
        """Of each task; those of put have its name before theirs."""
        found = {}
        for task in self.episodes.tasks():
            for name, value in judge(self.average, self.labels, self.episodes, task, self.a.device).items():
                found[name if task == "pick" else f"{task}_{name}"] = value
        return found

    def report(self, kind, parts, speed):
        mean = {k: float(torch.stack([p[k] for p in parts]).mean()) for k in parts[0]}
        if not all(map(math.isfinite, mean.values())):
            sys.exit(f"train: the loss is not finite: {mean}: a lower --rate, from the last.pt that was kept?")
        row = dict(samples=self.samples, looked=self.looked, minutes=self.minutes(), **mean)
        if kind == self.acting:
            with torch.autocast(self.a.device, torch.bfloat16, enabled=self.bf16):
                row.update(self.judged())
            self.rows.append(row | dict(per_second=speed))
        print(" ".join(f"{k} {v:.4g}" for k, v in row.items()), f"per_second {speed:.4g}", flush=True)
        self.save()
        if self.episodes.look():
            print(f"samples to train on now: {self.episodes.count(self.episodes.train)}")

    def stage(self, kind, done, goes_on):
        """Steps of one kind, with reports. done: how many samples there were, at any time."""
        while goes_on() and not self.stopped:
            began, from_, parts = time.monotonic(), done(), []
            while goes_on() and not self.stopped and time.monotonic() - began < REPORT_S:
                parts.append(self.step(kind))
            self.report(kind, parts, (done() - from_) / (time.monotonic() - began))

    def stop(self, *_):
        self.stopped = True

    def go(self):
        print(f"{parameters(self.model) / 1e6:.2f} M parameters, {'bfloat16' if self.bf16 else 'float32'}; "
              f"samples to train on: {self.episodes.count(self.episodes.train)}; held out: {self.episodes.count(self.episodes.test)}", flush=True)
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        self.stage(self.looking, lambda: self.looked, lambda: self.looked < self.a.eyes and self.share() < 1)
        self.stage(self.acting, lambda: self.samples, lambda: self.share() < 1)


def main():
    a = arguments()
    if any(os.environ.get(k) != v for k, v in MALLOC.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **MALLOC})
    if a.threads > 0:
        torch.set_num_threads(a.threads)
    torch.set_flush_denormal(True)
    Run(a).go()


if __name__ == "__main__":
    main()
