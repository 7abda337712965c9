"""Dream-VLA, small, for training: the same tensors under the same names as policy/ reads, computed for batches.

Shapes: P pairs of pictures of SIDE x SIDE, M merged patches of both, C sentences for each, B = P * C sequences, H hidden size, N = chunk * dim
action positions. Four heads exist in training only: `eyes` (which merged patch shows which block or pad, where within it, and how a block
is turned), `spot` (which one shows the named block, and the named pad), `way` (from the hand to them) and `turn` (of the block's sides against the
fingers).
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from vocabulary import ACTION_TOKENS, COLOURS, instruction

SIDE, PATCH, MERGE, PICTURES = 112, 14, 2, 2
GRID = SIDE // PATCH                    # patches along a side
TOKENS = (GRID // MERGE) ** 2           # of a picture, in the sequence
CHUNK, DIM, AHEAD = 8, 7, 6
STATE = 8 + AHEAD                       # where the hand is; and how far it will have come when the given actions end
N = CHUNK * DIM
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
VISION = dict(depth=3, width=96, heads=4, mlp=4)
DECODER = dict(layers=5, hidden=160, heads=4, groups=2, mlp=448)
THETA, VISION_THETA = 1e6, 1e4
SPREAD = 0.02                           # standard deviation of embeddings at first
WAVES = 8                               # smooth functions of a bin that its embedding is made of at first
TRAINING_ONLY = ("eyes.", "spot.", "way.", "turn.")


def rotate(x, angle):
    """Rotate-half form; x [B, heads, length, size], angle [length, size]."""
    first, second = x.chunk(2, -1)
    return x * angle.cos() + torch.cat((-second, first), -1) * angle.sin()


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        w = VISION["width"]
        self.norm1, self.norm2 = nn.LayerNorm(w, 1e-6), nn.LayerNorm(w, 1e-6)
        self.attn = nn.ModuleDict(dict(qkv=nn.Linear(w, 3 * w), proj=nn.Linear(w, w)))
        self.mlp = nn.ModuleDict(dict(fc1=nn.Linear(w, VISION["mlp"] * w), fc2=nn.Linear(VISION["mlp"] * w, w)))

    def forward(self, x, angle):
        b, p, w = x.shape
        q, k, v = self.attn["qkv"](self.norm1(x)).reshape(b, p, 3, VISION["heads"], -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(rotate(q, angle).to(v.dtype), rotate(k, angle).to(v.dtype), v)
        x = x + self.attn["proj"](y.transpose(1, 2).reshape(b, p, w))
        h = self.mlp["fc1"](self.norm2(x))
        return x + self.mlp["fc2"](h * torch.sigmoid(1.702 * h))


def vision_angle():
    """[patches of a picture, head size], in the merged order: row angles, then column angles, twice."""
    size = VISION["width"] // VISION["heads"]
    frequency = VISION_THETA ** -(torch.arange(0, size // 2, 2) / (size // 2))
    side = torch.arange(GRID)
    place = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1).reshape(GRID // MERGE, MERGE, GRID // MERGE, MERGE, 2)
    angle = (place.transpose(1, 2).reshape(-1, 2)[:, :, None] * frequency).flatten(1)
    return torch.cat((angle, angle), -1)


class Vision(nn.Module):
    """Both time slices of the patch embedding see the same picture: one weight here, half of it in each when it is exported."""

    def __init__(self):
        super().__init__()
        w, h = VISION["width"], DECODER["hidden"]
        self.patch_embed = nn.Linear(3 * PATCH * PATCH, w, bias=False)
        self.blocks = nn.ModuleList(Block() for _ in range(VISION["depth"]))
        self.ln_q = nn.LayerNorm(w, 1e-6)
        self.merge = nn.Sequential(nn.Linear(MERGE * MERGE * w, MERGE * MERGE * w), nn.GELU(), nn.Linear(MERGE * MERGE * w, h))
        self.register_buffer("angle", vision_angle(), persistent=False)

    def forward(self, picture):
        """picture uint8 [P, PICTURES, SIDE, SIDE, 3] to [P, M, H]."""
        b = picture.shape[0]
        x = (picture.float() / 255 - picture.new_tensor(MEAN, dtype=torch.float)) / picture.new_tensor(STD, dtype=torch.float)
        x = x.reshape(b * PICTURES, GRID // MERGE, MERGE, PATCH, GRID // MERGE, MERGE, PATCH, 3)
        x = x.permute(0, 1, 4, 2, 5, 7, 3, 6).reshape(b * PICTURES, GRID * GRID, -1)   # block row, block column, row, column; c, y, x
        x = self.patch_embed(x)
        for block in self.blocks:
            x = block(x, self.angle)
        return self.merge(self.ln_q(x).reshape(b, PICTURES * TOKENS, -1))


class RmsNorm(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, x):
        wide = x.float()
        return self.weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-6)).to(x.dtype)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        h, size = DECODER["hidden"], DECODER["hidden"] // DECODER["heads"]
        k = DECODER["groups"] * size
        self.input_layernorm, self.post_attention_layernorm = RmsNorm(h), RmsNorm(h)
        self.self_attn = nn.ModuleDict(dict(q_proj=nn.Linear(h, h), k_proj=nn.Linear(h, k), v_proj=nn.Linear(h, k),
                                            o_proj=nn.Linear(h, h, bias=False)))
        self.mlp = nn.ModuleDict(dict(gate_proj=nn.Linear(h, DECODER["mlp"], bias=False), up_proj=nn.Linear(h, DECODER["mlp"], bias=False),
                                      down_proj=nn.Linear(DECODER["mlp"], h, bias=False)))

    def forward(self, x, angle):
        b, s, h = x.shape
        heads, groups = DECODER["heads"], DECODER["groups"]
        y, a = self.input_layernorm(x), self.self_attn
        q = rotate(a["q_proj"](y).reshape(b, s, heads, -1).transpose(1, 2), angle)
        k = rotate(a["k_proj"](y).reshape(b, s, groups, -1).transpose(1, 2), angle).repeat_interleave(heads // groups, 1)
        v = a["v_proj"](y).reshape(b, s, groups, -1).transpose(1, 2).repeat_interleave(heads // groups, 1)
        y = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v)
        x = x + a["o_proj"](y.transpose(1, 2).reshape(b, s, h))
        y = self.post_attention_layernorm(x)
        return x + self.mlp["down_proj"](F.silu(self.mlp["gate_proj"](y)) * self.mlp["up_proj"](y))


def alike(n, width):
    """Embeddings [n, width] of actions' bins: neighbours begin alike. Each learned by itself, a given bin was still read 4 mm off on average
    after 170,000 sequences, and what several of them sum up to far more so."""
    wave = torch.arange(1, WAVES + 1)
    out = (torch.cos(math.pi * wave * (torch.arange(n)[:, None] + 0.5) / n) / wave) @ torch.randn(WAVES, width)
    return SPREAD * out / out.square().mean().sqrt()


class DreamVla(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        h = DECODER["hidden"]
        self.visual = Vision()
        self.projector = nn.Sequential(nn.Linear(h, h), nn.GELU(), nn.Linear(h, h))
        self.embed_tokens = nn.Embedding(len(vocabulary), h)
        self.layers = nn.ModuleList(Layer() for _ in range(DECODER["layers"]))
        self.norm = RmsNorm(h)
        self.lm_head = nn.Linear(h, len(vocabulary), bias=False)
        self.proprio = nn.Sequential(nn.Linear(STATE, h), nn.GELU(), nn.Linear(h, h))
        n = len(COLOURS)            # training only: blocks have five values, pads three; to the block and to the pad
        self.eyes, self.spot, self.way, self.turn = nn.Linear(h, 5 * n + 3 * n), nn.Linear(h, 2), nn.Linear(h, 2 * 6), nn.Linear(h, 2)
        nn.init.normal_(self.embed_tokens.weight, std=SPREAD)
        nn.init.normal_(self.lm_head.weight, std=SPREAD)
        with torch.no_grad():
            self.embed_tokens.weight[-ACTION_TOKENS:] = alike(ACTION_TOKENS, h)
        for name, pads in (("pick", (None,)), ("put", range(n))):   # of one length each: a colour is one token
            prompts = torch.tensor([vocabulary.prompt(instruction(c, p), TOKENS) for c in range(n) for p in pads])
            self.register_buffer(name, prompts, persistent=False)
        self.register_buffer("image_at", (prompts[0] == vocabulary.added["<|image_pad|>"]).nonzero()[:, 0], persistent=False)
        size = h // DECODER["heads"]
        length = 1 + prompts.shape[1] + N + len(vocabulary.suffix())
        angle = torch.arange(1, length + 1)[:, None] * THETA ** -(torch.arange(0, size, 2) / size)
        self.register_buffer("angle", torch.cat((angle, angle), -1), persistent=False)

    def see(self, picture):
        """Vision tokens [P, M, H] of pictures [P, PICTURES, SIDE, SIDE, 3]."""
        return self.projector(self.visual(picture))

    def sentences(self, colour, pad):
        """Ids of the sequence up to the actions [P * C, its length]: colour [P, C]; pad [P, C], or None where none is named."""
        if pad is None:
            return self.pick[colour.flatten()]
        return self.put[(colour * len(COLOURS) + pad).flatten()]

    def forward(self, seen, state, ids, tokens):
        """Of P pictures' vision tokens (see), C sequences each: states normalised [P * C, STATE], ids [P * C, length] (sentences), tokens
        [P * C, N + 2] with masks. Hidden states that predict them [P * C, N + 2, H], those of the pictures' tokens [P * C, M, H]."""
        c = len(ids) // len(seen)
        prompt, at = self.embed_tokens(ids), self.image_at
        prompt = prompt.index_copy(1, at, seen.repeat_interleave(c, 0).to(prompt.dtype))
        state = self.proprio(state)[:, None]
        x = torch.cat((state.to(prompt.dtype), prompt, self.embed_tokens(tokens)), 1)
        for layer in self.layers:
            x = layer(x, self.angle[:x.shape[1]])
        x = self.norm(x)
        first = ids.shape[1]            # 1 for the state, and one back: position i - 1 predicts token i
        return x[:, first:first + tokens.shape[1]], x[:, 1 + at]


def parameters(model):
    return sum(p.numel() for name, p in model.named_parameters() if not name.startswith(TRAINING_ONLY))
