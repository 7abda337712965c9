"""The demo policy's own tokenizer: byte-level BPE in the files that Qwen2 uses, learned from the few sentences it has to understand.

Base tokens are GPT-2's 256 letters for bytes and the merges; behind them stand the special tokens and 256 action tokens, in the order of
Dream-VLA's tokenizer. `export.py` checks it against dreamvla-infer --tokenize.
"""

import json
import re
from collections import Counter

COLOURS = ("red", "green", "blue", "yellow")            # in the order of the episodes' `colour`
SYSTEM = "You are a helpful assistant."
QUESTION = "What action should the robot take to {}?"
SPECIAL = ("<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|> <|quad_start|> "
           "<|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|> <|beginoftext|> <|mask|>").split()
ACTION_TOKENS = 256
# Qwen2's split for text in ASCII, which is all that is learned from.
SPLIT = re.compile(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\nA-Za-z0-9]?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_letters():
    """GPT-2's letter for each byte: itself where it can be printed, else one from 256 on."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in kept]
    return {**{b: chr(b) for b in kept}, **{b: chr(256 + i) for i, b in enumerate(others)}}


LETTER = byte_letters()


def instruction(colour, pad=None):
    return f"pick up the {COLOURS[colour]} block" if pad is None else f"put the {COLOURS[colour]} block on the {COLOURS[pad]} pad"


def words(text):
    return [tuple(LETTER[b] for b in word.encode()) for word in SPLIT.findall(text)]


def join(word, pair):
    out, i = [], 0
    while i < len(word):
        both = word[i:i + 2] == pair
        out.append(word[i] + word[i + 1] if both else word[i])
        i += 2 if both else 1
    return tuple(out)


def learn_merges():
    """The most frequent pair first, until every word of every sentence is one token; ties by the alphabet."""
    texts = ["system\n", "user\n", "assistant\n", SYSTEM] + [QUESTION.format(instruction(c)) for c in range(len(COLOURS))]
    texts += [f" put the {a} block on the {a} pad" for a in COLOURS]
    found = Counter(w for text in texts for w in words(text))
    merges = []
    while True:
        pairs = Counter()
        for word, n in found.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += n
        if not pairs:
            return merges
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        found = Counter({join(w, best): n for w, n in found.items()})


class Vocabulary:
    def __init__(self):
        self.merges = learn_merges()
        base = [*LETTER.values(), *(a + b for a, b in self.merges)]
        self.base = {token: i for i, token in enumerate(dict.fromkeys(base))}
        added = SPECIAL + [f"<|action_{i}|>" for i in range(ACTION_TOKENS)]
        self.added = {token: len(self.base) + i for i, token in enumerate(added)}
        self.rank = {pair: i for i, pair in enumerate(self.merges)}

    def __len__(self):
        return len(self.base) + len(self.added)

    def encode(self, text):
        ids = []
        for word in words(text):
            while pairs := [p for p in zip(word, word[1:]) if p in self.rank]:
                word = join(word, min(pairs, key=self.rank.get))
            ids += [self.base[t] for t in word]
        return ids

    def prompt(self, instruction, tokens_per_picture, pictures=2):
        """Ids of the sequence before the actions, the picture's place-holder repeated (policy/README.md, Sequence)."""
        a = self.added
        out = [a["<|im_start|>"], *self.encode("system\n" + SYSTEM), a["<|im_end|>"], *self.encode("\n"), a["<|im_start|>"],
               *self.encode("user\n")]
        for _ in range(pictures):
            out += [a["<|vision_start|>"], *[a["<|image_pad|>"]] * tokens_per_picture, a["<|vision_end|>"]]
        out += [*self.encode(QUESTION.format(instruction)), a["<|im_end|>"], *self.encode("\n"), a["<|im_start|>"]]
        return out + self.encode("assistant\n")

    def suffix(self):
        return [self.added["<|im_end|>"], *self.encode("\n")]

    def write(self, directory):
        (directory / "vocab.json").write_text(json.dumps(self.base))
        (directory / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in self.merges))
        (directory / "added_tokens.json").write_text(json.dumps(self.added, indent=1))
        described = {str(i): dict(content=t, lstrip=False, normalized=False, rstrip=False, single_word=False, special=True)
                     for t, i in self.added.items()}
        (directory / "tokenizer_config.json").write_text(json.dumps(
            dict(add_prefix_space=False, added_tokens_decoder=described, tokenizer_class="Qwen2Tokenizer"), indent=1))
