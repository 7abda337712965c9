"""A random checkpoint as tests/golden/make_random_checkpoint.py writes it, far smaller: it loads, answers, and single layers are right.

Not in real time: programs that read files and end."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

BUILD = os.path.abspath(os.environ.get("B", "build/release"))
GOLDEN = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "golden"))
PICTURE = os.path.join(GOLDEN, "pictures", "scene_a.ppm")
sys.path.insert(0, GOLDEN)
sys.dont_write_bytecode = True
import check_layer  # noqa: E402 (NumPy only)

SIZES = ("--layers 2 --hidden 64 --heads 4 --kv-heads 2 --mlp 96 --rows 896 --blocks 2 --width 32 --vision-heads 2 "
         "--shard-bytes 200000").split()
TIME_LIMIT_S = 100  # sanitizers are slow


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=TIME_LIMIT_S)


class RandomCheckpoint(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.model = os.path.join(cls.folder.name, "model")
        made = run(sys.executable, os.path.join(GOLDEN, "make_random_checkpoint.py"), cls.model, *SIZES)
        assert made.returncode == 0, made.stderr

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def infer(self, *more, chunk=2):
        return run(os.path.join(BUILD, "dreamvla-infer"), "--model", self.model, "--action-chunk", chunk, "--image", PICTURE, PICTURE,
                   "--instruction", "pick up", "--state", "0,0,0,0,0,0,0,0", *more)

    def test_shards_and_projector_are_used(self):
        self.assertGreater(len([name for name in os.listdir(self.model) if name.startswith("model-")]), 2)
        without_state = run(os.path.join(BUILD, "dreamvla-infer"), "--model", self.model, "--action-chunk", 2, "--image", PICTURE,
                            "--instruction", "x")
        self.assertIn("proprio projector", without_state.stderr)

    def test_an_action_wins_in_both_precisions(self):
        for precision in ("fp32", "bf16"):
            done = self.infer("--precision", precision, "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIsNone(json.loads(done.stdout)["lost"])

    def test_layers_are_those_of_numpy(self):
        dump = os.path.join(self.folder.name, "dump.safetensors")
        done = self.infer("--dump", dump)
        self.assertEqual(done.returncode, 0, done.stderr)
        for number in (0, 1):
            checked = run(sys.executable, os.path.join(GOLDEN, "check_layer.py"), self.model, dump, "--layer", number, "--block", number)
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
            self.assertEqual(checked.stdout.count("relative error"), 2)

    def test_bench_counts_every_product(self):
        done = run(os.path.join(BUILD, "dreamvla-bench"), "policy", "--model", self.model, "--instruction", "pick up", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(found["ratio_reached"], found["chunk"]["wall_s"] <= found["aim_ratio"] * found["products_alone"]["wall_s"])
        self.assertEqual((found["aim_own_memory_bytes"], found["own_memory_reached"]), (1500000000, found["own_memory_bytes"] < 1500000000))
        dump = os.path.join(self.folder.name, "bench.safetensors")
        self.assertEqual(self.infer("--dump", dump, chunk=8).returncode, 0)
        sequence = len(check_layer.map_tensors(dump)["decoder.input"])
        heads = sequence * 64 * (64 + 32 + 32) + 2 * sequence ** 2 * 64
        behind = 64 * 64 + 3 * 64 * 96  # of attention, a row; the last layer has only those of the 56 actions and the 2 tokens behind them
        layers = 2 * heads + (sequence + 58) * behind
        block = 512 * (4 * 32 * 32 + 2 * 32 * 128) + 2 * 2 * 256 ** 2 * 32
        merger = 128 * (128 * 128 + 128 * 64 + 2 * 64 * 64)
        outside = 512 * 1176 * 32 + (8 * 64 + 64 * 64) + 56 * 896 * 64  # patches, state, logits of 8 steps of 7 values
        self.assertAlmostEqual(found["chunk_tflop"] * 1e12, 2 * (layers + 2 * block + merger + outside), delta=1)

    def test_bench_refuses(self):
        for more, words in (((), "--model DIR is missing"), (("--model", self.model, "--precision", "int8"), "want fp32 or bf16"),
                            (("--model", "/nowhere"), "config.json")):
            done = run(os.path.join(BUILD, "dreamvla-bench"), "policy", *more)
            self.assertEqual(done.returncode, 1)
            self.assertIn(words, done.stderr)

    def test_generator_refuses_what_exists(self):
        self.assertIn("FileExistsError", run(sys.executable, os.path.join(GOLDEN, "make_random_checkpoint.py"), self.model).stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
