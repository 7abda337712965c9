"""What the demo policy is trained on, and how it is judged. Shapes as in network.py."""

import numpy as np
import torch
import torch.nn.functional as F

from data import BINS, COLOURS, FAR_M, NEAR_M, THINGS, TURN, WRIST, from_bins
from network import CHUNK, DIM, N, PICTURES

SOFT_BINS = 3.0             # the labels' Gaussian: a neighbouring bin is nearly right
FULL, PREFIX = 0.6, 0.8     # shares of the sequences: all masked, up to here; else the first actions are given, from PREFIX on; random between
SPOILED = 0.5               # share of the latter whose given actions are somewhat off, as a policy's own are
SPOILED_BINS = 2.0, 4.0     # by so much (standard deviation), but for the gripper
EYES_WEIGHT, SPOT_WEIGHT, WAY_WEIGHT, TURN_WEIGHT = 1.0, 1.0, 0.5, 0.5
JUDGED = 256                # samples, each with all colours


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
    """True where a token is to be found: all of them, or a random share, or what comes after the first actions; and which are of the last kind [B, 1]."""
    kind = torch.rand(b, 1, generator=generator)
    random = torch.rand(b, length, generator=generator) < torch.rand(b, 1, generator=generator)
    given = DIM * torch.randint(1, CHUNK, (b, 1), generator=generator)
    after = torch.arange(length) >= given
    mask = torch.where(kind < FULL, torch.ones_like(random), torch.where(kind < PREFIX, random, after))
    mask[:, 0] |= ~mask.any(1)
    return mask, kind >= PREFIX


def spoil(bins, prefix, generator):
    """bins [B, CHUNK, DIM] with noise in some of those sequences that have a prefix: only what is given of them is ever read."""
    b = len(bins)
    low, high = SPOILED_BINS
    noise = torch.randn(bins.shape, generator=generator) * (low + (high - low) * torch.rand(b, 1, 1, generator=generator))
    noise *= (prefix & (torch.rand(b, 1, generator=generator) < SPOILED))[..., None]
    noise[..., DIM - 1] = 0
    return (bins + noise.round().long()).clamp(0, BINS - 1)


def mean_where(value, known):
    return (value * known).sum() / known.sum().clamp(min=1)


def eyes_loss(model, seen, batch):
    """Of the vision tokens as they go into the decoder: which block or pad each merged patch shows, where within it, and, in the wrist's picture,
    how a block's sides are turned."""
    shown, within, sides = model.eyes(seen).float().split((THINGS, 2 * THINGS, 2 * COLOURS), -1)
    which = F.binary_cross_entropy_with_logits(shown, batch["shown"])
    where = mean_where((within.reshape(batch["within"].shape) - batch["within"]).square().sum(-1), batch["shown"])
    wrist = batch["shown"][..., :COLOURS].chunk(PICTURES, 1)[WRIST] * batch["sides_seen"][:, None]
    off = sides.chunk(PICTURES, 1)[WRIST].unflatten(-1, (COLOURS, 2)) - batch["sides"][:, None]
    sides = mean_where(off.square().sum(-1), wrist)
    return which + where + TURN_WEIGHT * sides, dict(eyes=which, sides=sides)


def way_loss(model, hidden, batch):
    to_block, to_pad = model.way(hidden[:, 0]).float().chunk(2, -1)
    loss = F.mse_loss(to_block, batch["way"].flatten(0, 1))
    if "pad" not in batch:
        return loss
    colours = batch["colour"].shape[1]
    return loss + F.mse_loss(to_pad, batch["pad_way"].repeat_interleave(colours, 0))


def losses(model, labels, batch, mask, tokens):
    """The sum to go down, and its parts."""
    bins = batch["bins"].flatten(0, 1)
    seen = model.see(batch["picture"])
    ids = model.sentences(batch["colour"], batch.get("pad"))
    hidden, after = model(seen, batch["state"], ids, torch.where(mask, labels.mask_id, tokens))
    logits = model.lm_head(hidden[mask]).float()
    action = -(labels.targets(bins)[mask] * F.log_softmax(logits, -1)).sum(-1).mean()
    spot = F.binary_cross_entropy_with_logits(model.spot(after).float(), batch["shows"].flatten(0, 1))
    way = way_loss(model, hidden, batch)
    off = model.turn(hidden[:, TURN]).float() - batch["side"].flatten(0, 1)
    turn = mean_where(off.square().sum(-1), batch["side_seen"].flatten())
    eyes, parts = eyes_loss(model, seen, batch)
    total = action + EYES_WEIGHT * eyes + SPOT_WEIGHT * spot + WAY_WEIGHT * way + TURN_WEIGHT * turn
    return total, dict(action=action, **parts, spot=spot, way=way, side=turn)


@torch.no_grad()
def answers(model, labels, batch):
    """Everything masked, one step: bins [B, CHUNK, DIM], the way's head [B, 12] and whether `eyes` has the patches right (share of those that
    show a block or a pad)."""
    b = batch["colour"].numel()
    seen = model.see(batch["picture"])
    ids = model.sentences(batch["colour"], batch.get("pad"))
    hidden, _ = model(seen, batch["state"], ids, torch.full((b, N + 2), labels.mask_id, device=seen.device))
    best = model.lm_head(hidden[:, :N]).argmax(-1).reshape(b, CHUNK, DIM)
    shown = batch["shown"] > 0
    right = ((model.eyes(seen)[..., :THINGS] > 0) == shown)[shown]
    return (labels.length - 1 - best).clamp(0, BINS - 1), model.way(hidden[:, 0]).float(), right.float()


def together(a, b):
    """Their correlation, 0 where one of them is always the same."""
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 1 and min(a.std(), b.std()) > 0 else 0.0


def judge(model, labels, episodes, task, device):
    """On worlds never trained on, for every colour: the first action's correlation with the expert's (of the turn where the wrist
    camera sees the block) and its distance from it, the latter also where the hand is near the block, which decides about grasping; right grippers; how far off the heads are."""
    found, wanted, guess, way, right, seen = [], [], [], [], [], []
    rows = episodes.judged(task, JUDGED)
    for part in np.array_split(rows, max(1, len(rows) // 32)):
        batch = {k: v.to(device) for k, v in episodes.batch(part, np.random.default_rng(0), COLOURS).items()}
        parts = [v.cpu().numpy() for v in answers(model, labels, batch)]
        for kept, v in zip((found, guess, right), parts):
            kept.append(v)
        wanted.append(batch["bins"].flatten(0, 1).cpu().numpy())
        way.append(batch["way"].flatten(0, 1).cpu().numpy())
        seen.append(batch["side_seen"].flatten().cpu().numpy() > 0)
    found, wanted = from_bins(np.concatenate(found)), from_bins(np.concatenate(wanted))
    guess, way = (1000 * FAR_M * np.concatenate(v)[:, :3] for v in (guess, way))
    first = [together(found[:, 0, i], wanted[:, 0, i]) for i in (0, 1, 2)] + [together(*(v[np.concatenate(seen), 0, TURN] for v in (found, wanted)))]
    off = 1000 * np.linalg.norm((found - wanted)[:, 0, :3], axis=-1)
    near = np.linalg.norm(way, axis=-1) < 1000 * NEAR_M
    return dict(zip(("dx", "dy", "dz", "turn"), first), first_mm=float(off.mean()), near_mm=float(off[near].mean()) if near.any() else 0.0,
                gripper=float(((found[..., -1] > 0.5) == (wanted[..., -1] > 0.5)).mean()),
                way_mm=float(np.linalg.norm(guess - way, axis=-1).mean()), seen=float(np.concatenate(right).mean()))
