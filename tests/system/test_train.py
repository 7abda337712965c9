"""test_train.py - the demo policy's training, with few samples: what it writes is a checkpoint that dreamvla-infer reads the same, it goes on
where it was stopped and from a checkpoint, and says what is wrong with episodes.

Not in real time: nothing here is judged by the clock.
Nothing to sanitize: the programs that it calls have sanitized tests of their own."""
import csv
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRAIN = ROOT / "policy/train"
BUILD = pathlib.Path(os.environ.get("B", ROOT / "build/release"))
SMALL = ("--batch", "4", "--threads", "1")
ENDS_S = 120            # for a hang, not for speed

try:
    import safetensors.torch
    import torch
except ImportError as missing:
    print(f"{missing}: training needs PyTorch and safetensors")
    sys.exit(77)
sys.path.insert(0, str(TRAIN))
import checkpoint  # noqa: E402
from network import DreamVla  # noqa: E402
from objective import ahead, draw_mask, left_over  # noqa: E402
from vocabulary import Vocabulary  # noqa: E402


def program(name, *arguments):
    return subprocess.Popen([sys.executable, str(TRAIN / name), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


class Training(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        kept = tempfile.TemporaryDirectory()
        cls.addClassCleanup(kept.cleanup)
        cls.folder = pathlib.Path(kept.name)
        cls.data, cls.out, cls.checkpoint = cls.folder / "data", cls.folder / "out", cls.folder / "checkpoint"
        subprocess.run([BUILD / "dreamvla-sim", "--expert", "8", "--seed", "1", "--config", ROOT / "config/demo-pick.yaml", "--out", cls.data],
                       check=True, stdout=subprocess.DEVNULL)
        cls.said = cls.run_to_end("train.py", "--data", cls.data, "--out", cls.out, "--samples", 24, "--eyes", 8, *SMALL)
        cls.run_to_end("export.py", "--from", cls.out / "last.pt", "--to", cls.checkpoint, "--data", cls.data, "--check", 1,
                       "--infer", BUILD / "dreamvla-infer")

    @classmethod
    def run_to_end(cls, name, *arguments, code=0):
        p = program(name, *arguments)
        said, _ = p.communicate(timeout=ENDS_S)
        if p.returncode != code:
            raise AssertionError(f"{name}: {p.returncode}: {said}")
        return said

    def rows(self, out):
        with open(out / "loss.csv", newline="", encoding="utf-8") as f:
            return list(csv.DictReader(f))

    def test_counts_and_judges(self):
        was = torch.load(self.out / "last.pt", weights_only=False)
        self.assertEqual((was["samples"], was["looked"]), (24, 8))
        (row,) = self.rows(self.out)
        self.assertGreater(float(row["action"]), 0)
        self.assertGreater(float(row["near_mm"]), 0)

    def test_checkpoint_comes_back(self):
        model = DreamVla(Vocabulary())
        state = checkpoint.read(model, self.checkpoint)
        ours, theirs = checkpoint.tensors(model), safetensors.torch.load_file(self.checkpoint / "model.safetensors")
        self.assertEqual(ours.keys(), theirs.keys())
        for name, value in ours.items():
            self.assertTrue(torch.equal(value, theirs[name]), name)
        was = torch.load(self.out / "last.pt", weights_only=False)
        for name in ("low", "high"):
            self.assertTrue((state[name] == was["state"][name]).all(), name)
        for key, value in was["average"].items():
            if key.startswith("proprio."):
                self.assertTrue(torch.equal(model.state_dict()[key], value.to(torch.bfloat16).float()), key)

    def test_goes_on_and_begins(self):
        begun = self.folder / "begun"
        for samples in (12, 24):
            self.run_to_end("train.py", "--data", self.data, "--out", begun, "--samples", samples, "--eyes", 0, "--begin", self.checkpoint, *SMALL)
        self.run_to_end("train.py", "--data", self.data, "--out", begun, "--samples", 24, "--eyes", 0, "--finish", 12, *SMALL)
        self.assertEqual([r["samples"] for r in self.rows(begun)], ["12", "24", "36"])

    def test_stopped_it_keeps_what_it_has(self):
        out = self.folder / "stopped"
        p = program("train.py", "--data", self.data, "--out", out, *SMALL)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.kill)
        p.stdout.readline()
        time.sleep(2)           # steps, some; none is right too
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(ENDS_S), 0)
        self.assertTrue((out / "last.pt").exists())

    def test_episodes_of_another_format(self):
        old = self.folder / "old"
        old.mkdir(exist_ok=True)
        head = json.dumps(dict(picture=dict(dtype="U8", shape=[0, 2, 112, 112, 3], data_offsets=[0, 0]),
                               action=dict(dtype="F32", shape=[0, 8, 7], data_offsets=[0, 0]))).encode()
        (old / "episodes_1.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + b"\0")
        said = self.run_to_end("train.py", "--data", old, "--out", self.folder / "none", *SMALL, code=1)
        self.assertIn("episodes_1.safetensors: action: found (8, 7), want (4, 8, 7)", said)
        said = self.run_to_end("train.py", "--data", self.folder / "out", "--out", self.folder / "none", *SMALL, code=1)
        self.assertIn("no episodes_", said)


class GivenActions(unittest.TestCase):
    def test_so_many_as_the_episodes_say_where_they_lead_astray(self):
        given = torch.arange(400) % 7 + 1
        mask, first, astray = draw_mask(400, given, torch.Generator().manual_seed(1))
        self.assertTrue(0.3 < astray.float().mean() < 0.5)
        self.assertTrue((mask[astray].long().diff(dim=1) >= 0).all())           # first given, then to be found
        self.assertTrue(((~mask[astray]).sum(1) == 7 * given[astray]).all() and (first[astray] == given[astray]).all())
        self.assertTrue((first[mask.all(1)] == 0).all() and ((~mask)[first > 0].sum(1) == 7 * first[first > 0]).all())
        self.assertTrue(0.3 < mask.all(1).float().mean() < 0.5)

    def test_where_they_lead_is_in_the_state(self):
        bins = torch.full((4, 8, 7), 127)
        bins[:, :, 0], bins[:, :, 5] = 254, 0           # 3 cm, and -0.2 rad
        state = ahead(torch.full((2, 14), 0.25), bins, torch.tensor([0, 1, 4, 7]))
        self.assertTrue((state[:, :8] == 0.25).all())
        for row, n in zip(state.tolist(), (0, 1, 4, 7)):
            for found, want in zip(row[8:], (n * 0.03 / 0.15, 0, 0, 0, 0, max(-n * 0.2 / 0.6, -1))):
                self.assertAlmostEqual(found, min(want, 1), delta=0.02)

    def test_what_is_left_of_a_way(self):
        bins = torch.full((1, 8, 7), 127)       # half of 255 bins: nothing
        bins[0, :2, 0], bins[0, :, 6] = 254, 254
        bins[0, 5:, 6] = 0                      # the fingers close with the sixth
        way, known = left_over(torch.tensor([[0.06, 0, 0]]), bins)
        self.assertEqual(known[0].tolist(), [1, 1, 1, 1, 1, 1, 0, 0])
        for found, want in zip(way[0, :, 0].tolist(), (0.06, 0.03, 0, 0, 0, 0, 0, 0)):
            self.assertAlmostEqual(found, want, delta=3e-4)


if __name__ == "__main__":
    unittest.main()
