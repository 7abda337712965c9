"""test_embodiments.py - the blocks of config/README.md are accepted as they stand, and an arm state unlike those of the training data
is refused, reported or let through as configured."""
import json
import pathlib
import re
import subprocess
import tempfile
import unittest

import peers

CHECKPOINTS = peers.ROOT / "tests/golden/checkpoints"
PAGE = peers.ROOT / "config/README.md"
# By heading: a golden checkpoint whose heads have the right widths, and the widths of statistics of its own (0: it has them).
STANDS_IN = {"LIBERO": ("two_cameras", 0), "Bridge (WidowX)": ("one_camera", 0), "Fractal (RT-1)": ("one_camera", 0),
             "ALOHA (two arms)": ("three_cameras", 0), "Your own Franka: seven joints and a gripper": ("two_cameras", 8),
             "Your own PiPER: six joints and a gripper": ("one_camera", 7)}


def blocks():
    """{heading: configuration}"""
    return dict(re.findall(r"^## ([^\n]*)\n(?:(?!^## ).)*?^```yaml\n(.*?)^```$", PAGE.read_text(), re.M | re.S))


class Page(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def checkpoint(self, name, width):
        """The golden one, with statistics of so many joints and a gripper if it needs them."""
        golden = CHECKPOINTS / name
        model = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        for file in golden.iterdir():
            if not (width and file.name == "dataset_statistics.json"):
                (model / file.name).symlink_to(file)
        if width:
            part = {"q01": [-1.0] * width, "q99": [1.0] * width}
            (model / "dataset_statistics.json").write_text(json.dumps({"own": {"action": part, "proprio": part}}))
        return model

    def check(self, text):
        file = self.folder / "bench.yaml"
        file.write_text(text)
        return subprocess.run([peers.BUILD / "dreamvlad", "--config", file, "--check"], capture_output=True, text=True,
                              timeout=peers.PATIENCE_S, check=False)

    def test_every_block_is_accepted(self):
        self.assertEqual(set(blocks()), set(STANDS_IN))
        for heading, text in blocks().items():
            with self.subTest(heading):
                decoder = re.search(r"^  decoder: (\w+)$", text, re.M)[1]
                model = self.checkpoint(*STANDS_IN[heading])
                heads = model / "heads" / decoder
                text = re.sub(r"^  model: /.*$", f"  model: {model}", text, count=1, flags=re.M)
                if heads.is_dir():
                    text = re.sub(r'^  heads: ""$', f"  heads: {heads}", text, count=1, flags=re.M)
                else:  # one_camera was fine-tuned without a state
                    text = re.sub(r"^  proprio: .*$", "  proprio: []", text, count=1, flags=re.M)
                done = self.check(text)
                self.assertEqual(done.returncode, 0, done.stderr)


class StateRange(unittest.TestCase):
    """The golden statistics are made up: no pose of a Panda fits them."""

    def chunks(self, request, n):
        peers.until("chunks", lambda: request(cmd="status")["counters"]["chunks"] >= n)

    def test_refuse(self):
        with peers.bench(state_range="refuse") as (daemon, _, _, request):
            self.assertTrue(request(cmd="instruction", text="pick up the red block")["ok"])
            self.chunks(request, 3)
            refusal = request(cmd="mode", mode="auto")
            self.assertFalse(refusal["ok"])
            self.assertRegex(refusal["error"], r"the state's dimension \d+ is outside the policy's statistics.*policy.state_range")
            self.assertEqual(daemon.text().count("policy: state dimension"), 1)

    def test_warn(self):
        with peers.bench(state_range="warn") as (daemon, _, _, request):
            peers.into_auto(request)
            self.assertTrue(request(cmd="mode", mode="hold")["ok"])
            self.chunks(request, 10)
            said = re.findall(r"policy: state dimension (\d+) is \S+, the statistics have", daemon.text())
            self.assertLess(len(said), 4, daemon.text())  # once for each dimension that came to be the first one outside
            self.assertGreater(len(said), 0, daemon.text())

    def test_an_arm_without_a_gripper_is_no_closed_gripper(self):
        def take_gripper_away(arm):
            send = arm.publisher.send
            arm.publisher.send = lambda topic, fields: send(topic, {k: v for k, v in fields.items() if k != "gripper_m"})

        with peers.bench(prepare=take_gripper_away) as (daemon, _, _, request):
            self.assertTrue(request(cmd="instruction", text="pick up the red block")["ok"])
            peers.until("a word about it", lambda: daemon.says("state/arm has no gripper_m, which policy.proprio needs"))
            self.assertFalse(request(cmd="mode", mode="auto")["ok"])
            self.assertEqual(request(cmd="status")["counters"]["chunks"], 0)


if __name__ == "__main__":
    unittest.main()
