#!/usr/bin/python3
"""dreamvla-sim --evaluate and --expert: what they say, what they write, a checkpoint in the loop, and everything malformed.
Not in real time: all of it runs on virtual time."""
import glob
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import unittest

import numpy as np

B = os.environ.get("B", "build/release")
PICK = "config/demo-pick.yaml"
KINDS = {"U8": np.uint8, "F32": np.float32, "I64": np.int64}


def sim(*arguments):
    return subprocess.run([os.path.join(B, "dreamvla-sim"), *arguments], capture_output=True, text=True, timeout=300)


def read(path):
    with open(path, "rb") as f:
        raw = f.read()
    n = struct.unpack("<Q", raw[:8])[0]
    out = {}
    for name, part in json.loads(raw[8:8 + n]).items():
        begin, end = (8 + n + k for k in part["data_offsets"])
        out[name] = np.frombuffer(raw[begin:end], KINDS[part["dtype"]]).reshape(part["shape"])
    return out


class Trial(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def evaluate(self, *arguments):
        r = sim("--evaluate", "3", "--seed", "11", "--json", *arguments)
        self.assertEqual(r.returncode, 0, r.stderr)
        return json.loads(r.stdout)

    def test_expert_as_the_policy(self):
        r = self.evaluate("--config", PICK, "--policy", "expert", "--mode", "sync", "--latency-ms", "100", "--drop", "0.1")
        self.assertEqual((r["episodes"], r["successes"], r["success"], r["policy"], r["mode"]), (3, 3, 1, "expert", "sync"))
        self.assertEqual((r["latency_ms"], r["drop"], r["seed"], r["stopped"], r["lost"]), (100, 0.1, 11, 0, 0))
        self.assertAlmostEqual(r["interval_95"][0], 0.4385, 3)  # Wilson: 3 of 3
        self.assertTrue(2 < r["median_s"] < 12 and r["jerk_rms_m_s3"] > 0.1)
        text = sim("--evaluate", "1", "--config", PICK, "--policy", "expert")
        self.assertRegex(text.stdout, r"^1 of 1 episodes: 100\.0 % \(95 % interval 20\.7 to 100\.0\)")

    def test_putting_on_pads(self):
        r = self.evaluate("--config", PICK, "--task", "put", "--policy", "expert", "--mode", "sync")
        self.assertEqual((r["task"], r["successes"]), ("put", 3))
        self.assertTrue(all(s["pad"] in ("red", "green", "blue", "yellow") and 6 < s["took_s"] < 20 for s in r["each"]))

    def test_each_seed(self):
        r = self.evaluate("--config", PICK, "--policy", "expert", "--mode", "async", "--take-over", "--jitter-ms", "50")
        self.assertEqual([s["seed"] for s in r["each"]], [11, 12, 13])
        self.assertEqual((r["take_over"], r["jitter_ms"], {s["verdict"] for s in r["each"]}), (True, 50, {"done"}))
        self.assertEqual(sorted(s["took_s"] for s in r["each"])[1], r["median_s"])
        self.assertAlmostEqual(np.sqrt(np.mean([s["jerk_m_s3"] ** 2 for s in r["each"]])), r["jerk_rms_m_s3"], 4)
        for s in r["each"]:
            self.assertIn(s["colour"], ("red", "green", "blue", "yellow"))
            self.assertIsNone(s["pad"])
            self.assertTrue(2 < s["taken_over_s"] < 5 and s["reason"] == "NONE")

    def test_without_auto(self):
        """A seed that AUTO is not granted in counts as stopped, with its reason, and the others are looked at."""
        r = sim("--evaluate", "2", "--config", PICK, "--policy", "expert", "--camera-late-ms", "500", "--json")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("seed 1000000: no AUTO was entered: CAMERA_STALE", r.stderr)
        r = json.loads(r.stdout)
        self.assertEqual((r["stopped"], r["successes"], r["median_s"], r["jerk_rms_m_s3"]), (2, 0, 0, 0))
        self.assertEqual([(s["verdict"], s["reason"]) for s in r["each"]], [("stopped", "CAMERA_STALE")] * 2)

    def test_late_cameras(self):
        with open(PICK) as f:
            text = f.read().replace("max_age_ms: 400", "max_age_ms: 1000")
        path = os.path.join(self.folder, "late.yaml")
        with open(path, "w") as f:
            f.write(text)
        r = self.evaluate("--config", path, "--policy", "expert", "--mode", "sync", "--camera-late-ms", "500", "--drop", "0.1")
        self.assertEqual((r["successes"], r["camera_late_ms"]), (3, 500))

    def test_state_out_of_range(self):
        """policy.state_range refuse: as dreamvlad, the arm is not let drive."""
        config = self.checkpoint_config()
        with open(config) as f:
            text = f.read().replace("state_range: warn", "state_range: refuse\n  state_margin: 0")
        with open(config, "w") as f:
            f.write(text)
        r = self.evaluate("--config", config, "--steps", "1")
        self.assertEqual([s["reason"] for s in r["each"]], ["STATE_OUT_OF_RANGE"] * 3)

    def test_lost(self):
        """Weights that are no numbers: nothing comes of them, and the text says so once."""
        broken = os.path.join(self.folder, "broken")
        shutil.copytree("tests/golden/checkpoints/two_cameras", broken)
        with open(broken + "/model.safetensors", "r+b") as f:
            n = struct.unpack("<Q", f.read(8))[0]
            begin, end = next(v["data_offsets"] for k, v in json.loads(f.read(n)).items() if k.endswith("model.norm.weight"))
            f.seek(8 + n + begin)
            f.write(b"\xc0\x7f" * ((end - begin) // 2))
        r = sim("--evaluate", "2", "--config", self.checkpoint_config(broken), "--steps", "1", "--json")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(r.stderr.count("an inference gave no chunk: lost: its answer is not a number"), 1, r.stderr)
        r = json.loads(r.stdout)
        self.assertEqual([s["reason"] for s in r["each"]], ["POLICY_LOST"] * 2)
        self.assertGreater(r["lost"], 2)

    def checkpoint_config(self, golden="tests/golden/checkpoints/two_cameras"):
        """Random weights: nothing is picked up, but all of the policy's path runs."""
        golden = os.path.abspath(golden)
        with open(PICK) as f:
            text = f.read().replace(", committed_pos, committed_rotvec", "").replace("../policy/demo", golden + "\n  heads: " + golden + "/heads/discrete_diffusion"
                                    "\n  unnorm_key: libero_spatial_no_noops\n  vocabulary: actions"
                                    "\n  action_scale: [0.02, 0.02, 0.02, 0.01, 0.01, 0.01, 1]")
        path = os.path.join(self.folder, "checkpoint.yaml")
        with open(path, "w") as f:
            f.write(text)
        return path

    def test_the_demo_policy_keeps_its_skill(self):
        """With 300 ms of latency it must know how far the settled actions lead (committed_pos): 58 % without that, 97 % with it. And pads."""
        for arguments, least in ((("20", "--mode", "inpaint", "--latency-ms", "300"), 17), (("5", "--task", "put", "--mode", "sync"), 4)):
            r = sim("--evaluate", *arguments, "--config", PICK, "--json")
            self.assertEqual(r.returncode, 0, r.stderr)
            r = json.loads(r.stdout)
            self.assertGreaterEqual(r["successes"], least)
            self.assertEqual((r["lost"], r["stopped"]), (0, 0))

    def test_checkpoint(self):
        config = self.checkpoint_config()
        for mode, latency in (("async", 0), ("inpaint", 300)):
            r = sim("--evaluate", "1", "--config", config, "--mode", mode, "--latency-ms", str(latency), "--steps", "2", "--json")
            self.assertEqual(r.returncode, 0, r.stderr)
            r = json.loads(r.stdout)
            self.assertEqual((r["episodes"], r["successes"], r["mode"], r["steps"], r["lost"]), (1, 0, mode, 2, 0))
            self.assertGreater(r["infer_ms"], 0)

    def test_episodes(self):
        out = os.path.join(self.folder, "new")
        r = sim("--expert", "9", "--seed", "5", "--config", PICK, "--out", out, "--json")
        self.assertEqual(r.returncode, 0, r.stderr)
        told = json.loads(r.stdout)
        files = sorted(glob.glob(out + "/*.safetensors"))
        self.assertEqual([os.path.basename(f) for f in files], ["episodes_0000000005.safetensors", "episodes_0000000013.safetensors"])
        d = [read(f) for f in files]
        self.assertEqual(told["samples"], sum(len(x["colour"]) for x in d))
        self.assertEqual(sorted(set(np.concatenate([x["episode"] for x in d]))), list(range(5, 14)))
        self.check_samples(d[0])

    def test_episodes_with_pads(self):
        out = os.path.join(self.folder, "put")
        r = sim("--expert", "3", "--seed", "5", "--task", "put", "--config", PICK, "--out", out, "--json")
        self.assertEqual(r.returncode, 0, r.stderr)
        d, = [read(f) for f in glob.glob(out + "/*.safetensors")]
        n = len(d["colour"])
        self.assertEqual((d["pad"].shape, d["pad_at"].shape, d["pad_spot"].shape), ((n, 2), (n, 2, 3), (n, 2, 2, 2)))
        self.assertTrue(set(d["pad"].ravel()) <= {0, 1, 2, 3} and (d["pad"][:, 0] != d["pad"][:, 1]).all())
        self.assertEqual((d["second_action"].shape, d["second_astray"].shape, d["second_given"].shape), ((n, 8, 7), (n, 8, 7), (n,)))
        # What is held high goes to the named pad, which is the first; had the second been named, to that.
        rows = [k for k in range(n) if d["held"][k] == d["colour"][k] and d["block"][k, d["held"][k], 2] > 0.1]
        self.assertGreater(len(rows), 10)
        for k in rows:
            for pad, action in enumerate((d["action"][k, d["held"][k]], d["second_action"][k])):
                way, step = d["pad_at"][k, pad, :2] - d["block"][k, d["held"][k], :2], action[0, :2]
                if np.linalg.norm(way) > 0.03:
                    self.assertGreater(way @ step, 0.95 * np.linalg.norm(way) * np.linalg.norm(step))
        given = np.arange(8)[:, None] < d["second_given"][:, None, None]
        self.assertTrue((1 <= d["second_given"]).all() and (d["second_given"] < 8).all())
        self.assertGreater((np.where(given, d["second_astray"] != d["second_action"], False)).any((1, 2)).mean(), 0.7)

    def check_samples(self, d):
        n = len(d["colour"])
        self.assertEqual(d["picture"].shape, (n, 2, 112, 112, 3))
        self.assertEqual((d["state"].shape, d["action"].shape, d["block"].shape, d["spot"].shape), ((n, 14), (n, 4, 8, 7), (n, 4, 3), (n, 4, 2, 2)))
        self.assertTrue((d["state"][:, 8:] == 0).all())                     # nothing is committed before a policy has said anything
        self.assertTrue(set(d["colour"]) <= {0, 1, 2, 3} and set(d["action"][..., 6].ravel()) == {0, 1})
        self.assertLess(np.abs(d["action"][..., :3]).max(), 0.0301)
        self.check_labels(d)
        self.check_astray(d)
        self.assertTrue((d["state"][:, 2] > 0).all() and (np.abs(d["state"][:, 3]) > 2.8).all())  # above the table, pointing down
        # The named block is seen where it is said to be: its colour is there.
        colour = np.array([[214, 38, 34], [34, 158, 60], [36, 82, 214], [244, 204, 28]], float)
        at = np.clip((d["spot"][np.arange(n), d["colour"], 0] * 112).astype(int), 0, 111)
        seen = d["picture"][np.arange(n), 0, at[:, 1], at[:, 0]].astype(float)
        unit = lambda v: (v - v.mean(-1, keepdims=True)) / np.linalg.norm(v - v.mean(-1, keepdims=True), axis=-1, keepdims=True)  # noqa: E731
        like = unit(seen + 1e-3 * colour[0]) @ unit(colour).T
        self.assertGreater((like.argmax(1) == d["colour"]).mean(), 0.7)  # else the hand is before it

    def check_labels(self, d):
        """Whatever is named, the expert goes there; what is held by mistake is put down first, and what is wanted goes up."""
        self.assertTrue(set(d["held"]) <= {-1, 0, 1, 2, 3} and (d["held"] >= 0).any() and (d["held"] < 0).any())
        to = d["block"][:, :, :2] - d["state"][:, None, :2]
        step = d["action"][:, :, 0, :2]
        moves = np.linalg.norm(step, axis=-1) > 0.002
        along = (to * step).sum(-1) / np.maximum(np.linalg.norm(to, axis=-1) * np.linalg.norm(step, axis=-1), 1e-9)
        self.assertTrue(moves.any() and (along[moves] > 0.9).all())
        for row in np.nonzero(d["held"] >= 0)[0]:
            up = d["action"][row, :, 0, 2]
            self.assertTrue(all(up[c] <= 0 for c in range(4) if c != d["held"][row]), (d["held"][row], up))
            if d["block"][row, d["held"][row], 2] < 0.14:
                self.assertGreater(up[d["held"][row]], 0)
        self.assertTrue((np.diff(d["colour"])[np.diff(d["episode"]) == 0] != 0).any())  # a sentence is changed

    def check_astray(self, d):
        """Led elsewhere by the given actions, it comes back to the block: at the end of a chunk it is nearer than right after them."""
        self.assertEqual((d["astray"].shape, d["given"].shape), (d["action"].shape, d["action"].shape[:2]))
        self.assertTrue(set(d["given"].ravel()) <= set(range(1, 8)))
        self.assertGreater((d["astray"][:, :, 0] != d["action"][:, :, 0]).any(-1).mean(), 0.8)
        way = (d["block"] - d["state"][:, None, :3])[..., :2]
        gone = d["astray"][..., :2].cumsum(2)
        first = np.take_along_axis(gone, (d["given"] - 1)[..., None, None], 2)[:, :, 0]
        left, end = np.linalg.norm(way - first, axis=-1), np.linalg.norm(way - gone[:, :, -1], axis=-1)
        far = (left > 0.01) & (d["given"] < 4) & (d["held"] < 0)[:, None] & (d["state"][:, None, 2] > 0.07)
        self.assertGreater(far.sum(), 50)
        self.assertTrue((end[far] < left[far]).all())

    def test_wrong_input(self):
        for arguments, want in (
                (("--evaluate", "0", "--config", PICK), "--evaluate: found 0, want a whole number, 1..1000000"),
                (("--evaluate", "two", "--config", PICK), "--evaluate: found two, want"),
                (("--evaluate", "2.5", "--config", PICK), "--evaluate: found 2.5, want a whole"),
                (("--evaluate", "1"), "give --config FILE"),
                (("--evaluate", "1", "--expert", "1", "--config", PICK), "want one of them"),
                (("--evaluate", "1", "--config", PICK, "--task", "sort"), "--task: found sort, want pick or put"),
                (("--expert", "1", "--config", PICK), "give --out DIR"),
                (("--evaluate", "1", "--out", "x", "--config", PICK), "writes no episodes"),
                (("--evaluate", "1", "--config", PICK, "--mode", "fast"), "--mode: found fast, want sync, async, ensemble or inpaint"),
                (("--evaluate", "1", "--config", PICK, "--steps", "0"), "--steps: found 0, want a whole number, 1..50"),
                (("--evaluate", "1", "--config", PICK, "--latency-ms", "-1"), "--latency-ms: found -1, want"),
                (("--evaluate", "1", "--config", PICK, "--latency-ms", "nan"), "--latency-ms: found nan, want"),
                (("--evaluate", "1", "--config", PICK, "--drop", "1"), "--drop: found 1, want"),
                (("--evaluate", "1", "--config", PICK, "--jitter-ms", "x"), "--jitter-ms: found x, want"),
                (("--evaluate", "1", "--config", PICK, "--policy", self.folder, "--clumsy", "0.1"), "a checkpoint drives"),
                (("--evaluate", "1", "--config", PICK, "--clumsy", "0.1"), "a checkpoint drives"),
                (("--expert", "1", "--config", PICK, "--out", "x", "--take-over"), "--take-over: "),
                (("--evaluate", "1", "--config", PICK, "--seed", "-4"), "--seed: found -4, want"),
                (("--expert", "2", "--config", PICK, "--out", "x", "--seed", "999999"), "seeds from 1000000 on are for --evaluate"),
                (("--evaluate", "1", "--config", PICK, "more"), "more: not an option"),
                (("--evaluate", "1", "--config", PICK, "--nonsense"), "lists the options"),
                (("--evaluate", "1", "--config", PICK, "--drop", "0.1", "--drop", "0.2"), "--drop: given twice")):
            r = sim(*arguments)
            self.assertEqual(r.returncode, 2, arguments)
            self.assertIn(want, r.stderr)
        for arguments, want in (
                (("--evaluate", "1", "--config", "/nowhere.yaml"), "/nowhere.yaml"),
                (("--evaluate", "1", "--config", PICK, "--policy", self.folder), "config.json"),
                (("--evaluate", "1", "--config", PICK, "--policy", "expert", "--mode", "inpaint"), "the expert has none"),
                (("--evaluate", "1", "--config", "config/piper.yaml", "--policy", "expert"), "want"),
                (("--expert", "1", "--config", PICK, "--out", "/nowhere/here"), "--out /nowhere/here: ")):
            r = sim(*arguments)
            self.assertEqual(r.returncode, 1, (arguments, r.stderr))
            self.assertIn(want, r.stderr)
            self.assertTrue(re.match(r"dreamvla-sim: .", r.stderr.splitlines()[-1]), r.stderr)


if __name__ == "__main__":
    unittest.main()
