"""What the demo policy is trained on, and how it is judged. Shapes as in network.py."""

import numpy as np
import torch
import torch.nn.functional as F

from data import ACTION_HIGH, ACTION_LOW, AHEAD_RANGE, BINS, COLOURS, THINGS, TURN, WRIST, from_bins
from network import AHEAD, CHUNK, DIM, N, PICTURES

SOFT_BINS = 3.0             # the labels' Gaussian: a neighbouring bin is nearly right
FULL, PREFIX = 0.4, 0.5     # shares of the sequences: all masked, up to here; else the first actions are given, from PREFIX on; random between
ASTRAY = 0.8                # share of the latter whose given actions are those of another plan, right or not
FAR_M, NEAR_M = 0.2, 0.03   # scales of the way to a thing: all of it, and its last centimetres
EYES_WEIGHT, SPOT_WEIGHT, WAY_WEIGHT, PAD_WEIGHT, TURN_WEIGHT = 1.0, 1.0, 0.5, 2.0, 0.5
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


def draw_mask(b, given, generator):
    """Which tokens are to be found [B, N + 2]: all, or a random share, or those after the first actions; how many of these are given [B], 0 for the
    others; and which sequences are to begin astray [B], with `given` [B] actions of another plan."""
    length = N + 2
    kind = torch.rand(b, 1, generator=generator)
    astray = (kind >= PREFIX) & (torch.rand(b, 1, generator=generator) < ASTRAY)
    random = torch.rand(b, length, generator=generator) < torch.rand(b, 1, generator=generator)
    first = torch.where(astray, given[:, None], torch.randint(1, CHUNK, (b, 1), generator=generator))
    after = torch.arange(length) >= DIM * first
    mask = torch.where(kind < FULL, torch.ones_like(random), torch.where(kind < PREFIX, random, after))
    mask[:, 0] |= ~mask.any(1)
    return mask, torch.where(kind >= PREFIX, first, 0)[:, 0], astray[:, 0]


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


def ways(way):
    """[..., 3] m to [..., 6]: all of it, and its last centimetres."""
    return torch.cat((way / FAR_M, (way / NEAR_M).clamp(-1, 1)), -1)


def before(each):
    """Of what each action does [B, CHUNK, ...], the sum over those before it."""
    return each.cumsum(1) - each


def values(bins):
    low, high = (torch.tensor(v, device=bins.device) for v in (ACTION_LOW, ACTION_HIGH))
    return (bins + 0.5) / BINS * (high - low) + low


def left_over(way, bins):
    """Of a way [B, 3], what is left before each action [B, CHUNK, 3] of bins [B, CHUNK, DIM]; and where that is so, [B, CHUNK]: before the
    fingers close, for then the block comes along."""
    action = values(bins)
    return way[:, None] - before(action[..., :3]), (before((action[..., DIM - 1] < 0.5).float()) == 0).float()


def way_loss(model, hidden, batch, bins):
    """At the first token of each action: how far it then is."""
    to_block, to_pad = model.way(hidden[:, :N:DIM]).float().chunk(2, -1)
    way, known = left_over(batch["way"].flatten(0, 1), bins)
    loss = mean_where((to_block - ways(way)).square().mean(-1), known)
    if "pad" not in batch:
        return loss
    way, _ = left_over(batch["pad_way"].flatten(0, 1), bins)
    return loss + PAD_WEIGHT * F.mse_loss(to_pad, ways(way))


def ahead(state, bins, first):
    """The state [P, STATE] of sequences whose first `first` [B] actions of bins [B, CHUNK, DIM] are given, [B, STATE]: how far they lead, in the
    ranges that the checkpoint's statistics have. Turns are about one axis, so they add up."""
    state = state.repeat_interleave(len(bins) // len(state), 0)
    given = (torch.arange(CHUNK, device=bins.device) < first[:, None])[..., None]
    led = (values(bins)[..., :AHEAD] * given).sum(1) / torch.tensor(AHEAD_RANGE, device=bins.device)
    return torch.cat((state[:, :-AHEAD], led.clamp(-1, 1)), 1)


def losses(model, labels, batch, mask, first, astray):
    """The sum to go down, and its parts. mask, first, astray: draw_mask's."""
    bins = torch.where(astray[:, None, None], batch["astray"].flatten(0, 1), batch["bins"].flatten(0, 1))
    seen = model.see(batch["picture"])
    ids = model.sentences(batch["colour"], batch.get("pad"))
    hidden, after = model(seen, ahead(batch["state"], bins, first), ids, torch.where(mask, labels.mask_id, labels.tokens(bins)))
    logits = model.lm_head(hidden[mask]).float()
    action = -(labels.targets(bins)[mask] * F.log_softmax(logits, -1)).sum(-1).mean()
    spot = F.binary_cross_entropy_with_logits(model.spot(after).float(), batch["shows"].flatten(0, 1))
    way = way_loss(model, hidden, batch, bins)
    off = model.turn(hidden[:, TURN]).float() - batch["side"].flatten(0, 1)
    turn = mean_where(off.square().sum(-1), batch["side_seen"].flatten())
    eyes, parts = eyes_loss(model, seen, batch)
    total = action + EYES_WEIGHT * eyes + SPOT_WEIGHT * spot + WAY_WEIGHT * way + TURN_WEIGHT * turn
    return total, dict(action=action, **parts, spot=spot, way=way, side=turn)


@torch.no_grad()
def answers(model, labels, batch):
    """One step: bins [B, CHUNK, DIM] with everything masked, and with the given actions of another plan; the way's head [B, 12] and whether `eyes`
    has the patches right (share of those that show a block or a pad)."""
    seen = model.see(batch["picture"])
    ids = model.sentences(batch["colour"], batch.get("pad"))
    bins, found = batch["astray"].flatten(0, 1), []
    given = batch["given"].flatten()
    for first in (torch.zeros_like(given), given):
        mask = torch.arange(N + 2, device=seen.device) >= DIM * first[:, None]
        hidden, _ = model(seen, ahead(batch["state"], bins, first), ids, torch.where(mask, labels.mask_id, labels.tokens(bins)))
        found.append((labels.length - 1 - model.lm_head(hidden[:, :N]).argmax(-1)).reshape(-1, CHUNK, DIM).clamp(0, BINS - 1))
        way = way if len(found) > 1 else model.way(hidden[:, 0]).float()
    shown = batch["shown"] > 0
    right = ((model.eyes(seen)[..., :THINGS] > 0) == shown)[shown]
    return *found, way, right.float()


def together(a, b):
    """Their correlation, 0 where one of them is always the same."""
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 1 and min(a.std(), b.std()) > 0 else 0.0


def off_mm(found, wanted):
    return 1000 * np.linalg.norm((found - wanted)[:, :3], axis=-1)


def mean(values):
    return float(values.mean()) if len(values) else 0.0


def pad_off(episodes, rows, way_found):
    """How far off the head has the pad where the block is in the hand."""
    at, held = episodes.take(rows, "pad_at")[:, 0] - episodes.take(rows, "state")[:, :3], episodes.take(rows, "held") == episodes.take(rows, "colour")
    found = way_found.reshape(len(rows), COLOURS, -1)[:, 0]
    return dict(pad_mm=mean(off_mm(FAR_M * found[held, 6:9], at[held])))


def judge(model, labels, episodes, task, device):
    """On worlds never trained on, for every colour: the first action's correlation with the expert's (of the turn where the wrist camera sees the
    block) and its distance from it, the latter also where the hand is near the block, which decides about grasping, and that of the first
    action after given ones of another plan; right grippers; how far off the heads are."""
    kept = {name: [] for name in ("found", "after", "way_found", "right", "wanted", "astray", "given", "way", "seen")}
    rows = episodes.judged(task, JUDGED)
    for part in np.array_split(rows, max(1, len(rows) // 32)):
        batch = {k: v.to(device) for k, v in episodes.batch(part, np.random.default_rng(0), COLOURS).items()}
        flat = [batch[k].flatten(0, 1) for k in ("bins", "astray", "given", "way")] + [batch["side_seen"].flatten() > 0]
        for name, value in zip(kept, (*answers(model, labels, batch), *flat)):
            kept[name].append(value.cpu().numpy())
    kept = {name: np.concatenate(v) for name, v in kept.items()}
    found, after, wanted, astray = (from_bins(kept[k]) for k in ("found", "after", "wanted", "astray"))
    first = [together(found[:, 0, i], wanted[:, 0, i]) for i in (0, 1, 2)] + [together(*(v[kept["seen"], 0, TURN] for v in (found, wanted)))]
    each, given = np.arange(len(found)), kept["given"]
    off, later = off_mm(found[:, 0], wanted[:, 0]), off_mm(after[each, given], astray[each, given])
    near = np.linalg.norm(kept["way"], axis=-1) < NEAR_M
    to_pad = pad_off(episodes, rows, kept["way_found"]) if task == "put" else {}
    return dict(zip(("dx", "dy", "dz", "turn"), first), first_mm=mean(off), near_mm=mean(off[near]), after_mm=mean(later), after_near_mm=mean(later[near]),
                gripper=mean((found[..., -1] > 0.5) == (wanted[..., -1] > 0.5)),
                after_gripper=mean((after[each, given, -1] > 0.5) == (astray[each, given, -1] > 0.5)),
                way_mm=mean(1000 * np.linalg.norm(FAR_M * kept["way_found"][:, :3] - kept["way"], axis=-1)), seen=mean(kept["right"]), **to_pad)
