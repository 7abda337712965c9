"""dreamvla-infer used wrongly: what it says, so that the next try is right. Answers of the network: tests/golden.

Not in real time: a program that reads files and ends."""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile

INFER = os.path.join(os.environ.get("B", "build/release"), "dreamvla-infer")
ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
CHECKPOINT = os.path.join(ROOT, "tests", "golden", "checkpoints", "two_cameras")
PICTURE = os.path.join(ROOT, "tests", "golden", "pictures", "scene_a.ppm")
FLOW = ["--image", PICTURE, PICTURE, "--instruction", "pick up", "--state", ",".join(["0"] * 8), "--json", "--decoder", "flow_matching",
        "--heads", os.path.join(CHECKPOINT, "heads", "flow_matching")]
DISCRETE = [*FLOW[:-3], "discrete", "--heads", os.path.join(CHECKPOINT, "heads", "discrete")]
TIME_LIMIT_S = 120  # sanitizers are slow


def infer(*more):
    return subprocess.run([INFER, "--model", CHECKPOINT, "--action-chunk", "8", *more], capture_output=True, text=True,
                          timeout=TIME_LIMIT_S)


class WrongUse(unittest.TestCase):
    def test_allowed_values(self):
        for option, value, allowed in (("--resize", "224", "HEIGHTxWIDTH"), ("--center-crop", "9", "above 0 and up to 1"),
                                       ("--precision", "fp16", "fp32 or bf16"), ("--action-chunk", "0", "1 or more"),
                                       ("--threads", "-3", "1 or more"), ("--algorithm", "best", "maskgit_plus"),
                                       ("--vocabulary", "some", "full or actions"), ("--state", "a,b", "commas"),
                                       ("--normalisation", "sigma", "auto, quantiles or bounds"),
                                       ("--seed", "-1", "0 or more"), ("--seed", "1x", "0 or more")):
            done = infer(option, value)
            self.assertEqual(done.returncode, 2, option)
            self.assertIn("%s: found '%s', allowed " % (option, value), done.stderr)
            self.assertIn(allowed, done.stderr)

    def test_one_value_is_given_once(self):
        for option, value in (("--state", "1,2"), ("--seed", "0"), ("--decoder", "discrete"), ("--instruction", "pick up")):
            done = infer(*FLOW, "--seed", "0", option, value)
            self.assertEqual((done.returncode, done.stdout), (2, ""), option)
            self.assertIn("given more than once: %s\n" % option, done.stderr)

    def test_too_many_steps(self):
        started = infer(*FLOW, "--steps", "1000000")
        self.assertEqual(started.returncode, 1)
        self.assertIn("1000000 steps; it takes 1 to 50", started.stderr)

    def test_instructions_that_say_nothing(self):
        for text, words in (("   ", "no text but blanks"), ("lift\x1b[1m", "byte 4 is 0x1b"), ("x" * 2000, "has 2000 bytes")):
            done = infer("--image", PICTURE, PICTURE, "--instruction", text, "--heads", os.path.join(CHECKPOINT, "heads", "discrete"),
                         "--state", ",".join(["0"] * 8))
            self.assertEqual((done.returncode, done.stdout), (1, ""), text)
            self.assertIn(words, done.stderr)

    def test_a_state_far_outside_the_statistics(self):
        with open(os.path.join(CHECKPOINT, "dataset_statistics.json")) as file:
            part = json.load(file)["libero_spatial_no_noops"]["proprio"]
        low, high = part["q01"], part["q99"]
        for share, warned in ((1.49, False), (1.51, True), (-0.49, False), (-0.51, True)):
            state = [(a + b) / 2 for a, b in zip(low, high)]
            state[2] = low[2] + share * (high[2] - low[2])
            done = infer(*FLOW[:5], "--json", "--heads", os.path.join(CHECKPOINT, "heads", "discrete"),
                         "--state", ",".join(map(str, state)))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stderr, "dreamvla-infer: warning: state[2] is %g, the statistics have %g..%g (q01..q99)\n"
                             % (state[2], low[2], high[2]) if warned else "")

    def test_statistics_without_entries(self):
        with tempfile.TemporaryDirectory() as model:
            for name in os.listdir(CHECKPOINT):
                os.symlink(os.path.join(os.path.abspath(CHECKPOINT), name), os.path.join(model, name))
            os.unlink(os.path.join(model, "dataset_statistics.json"))
            with open(os.path.join(model, "dataset_statistics.json"), "w") as file:
                file.write("{}")
            done = subprocess.run([INFER, "--model", model, "--describe"], capture_output=True, text=True, timeout=TIME_LIMIT_S)
        self.assertEqual(done.returncode, 1)
        self.assertIn("dataset_statistics.json: has no entries", done.stdout)
        self.assertNotIn("there is no dataset_statistics.json", done.stdout)

    def test_instruction_without_quotes(self):
        for words in (["pick", "up", "it"], ["pick"] + ["up"] * 40):
            done = infer("--image", PICTURE, "--instruction", *words)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("is the text of --instruction in quotes?", done.stderr)
        done = infer("--instruction", "pick up", "--image", "none.ppm")
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("quotes", done.stderr)

    def test_other_versions(self):
        for option, value, there in (("--decoder", "autoregressive", "diffusion"), ("--backend", "abacus", "cpu")):
            done = infer("--image", PICTURE, "--instruction", "pick up", option, value)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"'%s': not part of this version; there are: .*%s" % (value, there))

    def test_decoders_without_their_head_files(self):
        for decoder, steps in (("l1_regression", 1), ("flow_matching", 4), ("diffusion", 10)):
            done = infer("--image", PICTURE, "--instruction", "pick up", "--decoder", decoder, "--steps", str(steps))
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, "decoder %s: .*two_cameras: has no action_head--.*_checkpoint.pt.*--heads" % decoder)

    def test_options_that_do_nothing(self):
        for mode, option, value in (("--describe", "--steps", "99"), ("--describe", "--image", "none.ppm"),
                                    ("--describe", "--instruction", "x"), ("--describe", "--tokenize", None),
                                    ("--tokenize", "--json", None), ("--tokenize", "--heads", "none")):
            done = subprocess.run([INFER, "--model", CHECKPOINT, mode, option] + [value] * (value is not None), capture_output=True,
                                  text=True, stdin=subprocess.DEVNULL, timeout=TIME_LIMIT_S)
            self.assertEqual((done.returncode, done.stdout), (2, ""), (mode, option))
            self.assertRegex(done.stderr, "--(tokenize|describe|%s) does nothing with --(describe|tokenize)" % option[2:])
        done = infer(*FLOW, "--noise", "none.safetensors", "--seed", "0")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--seed does nothing with --noise", done.stderr)

    def test_a_folder_of_heads_that_is_not_there(self):
        for decoder, code in (("discrete", 0), ("discrete_diffusion", 0), ("l1_regression", 1), ("flow_matching", 1), ("diffusion", 1)):
            steps = "10" if decoder == "diffusion" else "1"
            done = infer("--image", PICTURE, "--instruction", "pick up", "--decoder", decoder, "--steps", steps, "--heads", "/nonexistent")
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertRegex(done.stderr, "/nonexistent: [Nn]o such")
            self.assertEqual("warning" in done.stderr, code == 0)


def spoil_floats(source, path):
    """A copy of a `.pt` whose tensors are all 0xff: NaN in every type."""
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as spoilt:
        for entry in whole.infolist():
            data, copy = whole.read(entry), zipfile.ZipInfo(entry.filename)
            padding = -(spoilt.fp.tell() + 30 + len(entry.filename) + 4) % 64  # tensors lie aligned, as torch.save puts them
            copy.extra = struct.pack("<HH", 0x4246, padding) + bytes(padding)
            spoilt.writestr(copy, b"\xff" * len(data) if re.search(r"/data/\d+$", entry.filename) else data)


class Lost(unittest.TestCase):
    def test_no_value_vanishes(self):
        with tempfile.TemporaryDirectory() as heads:
            whole = os.path.join(CHECKPOINT, "heads", "l1_regression")
            for name in os.listdir(whole):
                (spoil_floats if name.startswith("action_head") else shutil.copy)(os.path.join(whole, name), os.path.join(heads, name))
            done = infer("--image", PICTURE, PICTURE, "--instruction", "pick up", "--state", ",".join(["0"] * 8), "--json", "--decoder",
                         "l1_regression", "--heads", heads)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("is not a number", done.stderr)
        answer = json.loads(done.stdout)
        self.assertEqual(answer["lost"], {"position": 0, "token": -1})
        for table in (answer["actions"], answer["normalised"]):
            self.assertEqual(table, [[None] * 7] * 8)


class Ranges(unittest.TestCase):
    """The checkpoint's statistics hold both kinds; the formula is that of policy/README.md."""

    def test_normalisation(self):
        with open(os.path.join(CHECKPOINT, "dataset_statistics.json")) as file:
            part = json.load(file)["libero_spatial_no_noops"]["action"]
        for kind, low, high in ((None, "q01", "q99"), ("auto", "q01", "q99"), ("quantiles", "q01", "q99"), ("bounds", "min", "max")):
            done = infer(*DISCRETE, *(["--normalisation", kind] if kind else []))
            self.assertEqual(done.returncode, 0, done.stderr)
            answer = json.loads(done.stdout)
            for action, normalised in zip(answer["actions"], answer["normalised"]):
                for i, (a, x) in enumerate(zip(action, normalised)):
                    wide = part[high][i] - part[low][i] + 1e-8
                    self.assertAlmostEqual(a, 0.5 * (x + 1) * wide + part[low][i] if part["mask"][i] else x, 9)


def tensor_file(shape, kind="F64", name="noise", cut=0, value=0.5):
    """A safetensors file with one tensor of this value."""
    count = shape[0] * shape[1]
    data = struct.pack("<%d%s" % (count, "d" if kind == "F64" else "f"), *[value] * count)
    header = json.dumps({name: {"dtype": kind, "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    return struct.pack("<Q", len(header)) + header + data[:len(data) - cut]


class Noise(unittest.TestCase):
    def run_with(self, content, *more):
        with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
            file.write(content)
            file.flush()
            return infer(*FLOW, "--noise", file.name, *more)

    def test_files_that_do_not_fit(self):
        for content, words in ((tensor_file([7, 8]), "noise: F64 [7,8], want F64 or F32 [8,7]"),
                               (tensor_file([56, 1]), "noise: F64 [56,1], want F64 or F32 [8,7]"),
                               (tensor_file([8, 7], kind="I32"), "noise: I32 [8,7], want F64 or F32"),
                               (tensor_file([8, 7], name="x"), "tensor noise is missing"),
                               (tensor_file([8, 7], cut=1), "truncated"),
                               (tensor_file([8, 7], value=float("nan")), "value 0 of 56 is nan"),
                               (b"\xff" * 40, "no safetensors file"), (b"", "no safetensors file")):
            done = self.run_with(content)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn(words, done.stderr)
            self.assertIn(".safetensors: ", done.stderr)
        self.assertIn("No such file", infer(*FLOW, "--noise", "none.safetensors").stderr)

    def test_only_where_noise_is_taken(self):
        with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
            file.write(tensor_file([8, 7]))
            file.flush()
            done = infer(*DISCRETE, "--noise", file.name)
        self.assertEqual(done.returncode, 1)
        self.assertIn("flow_matching and diffusion do", done.stderr)

    def test_same_noise_same_actions(self):
        given = [json.loads(self.run_with(tensor_file([8, 7], kind)).stdout) for kind in ("F32", "F64")]
        self.assertEqual(given[0]["actions"], given[1]["actions"])
        self.assertIsNone(given[0]["tokens"])
        seeded = [json.loads(infer(*FLOW, *more).stdout)["actions"] for more in ([], ["--seed", "0"], ["--seed", "18446744073709551615"])]
        self.assertEqual(seeded[0], seeded[1])
        self.assertNotEqual(seeded[0], seeded[2])
        self.assertNotEqual(seeded[0], given[0]["actions"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
