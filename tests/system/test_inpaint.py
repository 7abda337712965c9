"""test_inpaint.py - execution.method inpaint in dreamvlad as a whole: in AUTO every chunk begins with the actions that it was told to
continue, and is, to the last id, what dreamvla-infer --committed makes of the same pictures, state and ids."""
import json
import pathlib
import re
import tempfile
import unittest

import peers
import pictures

CROP = 0.7
ACTION_DIM = 7
CHUNK = 8
COMPARED = 4
# The arm says that it stands at home, so that the policy's state is known, and follows its targets all the same.
MORE = "    tracking_error_rad: 1\ncamera:\n  frozen_frames: 1000000"


class Cameras(peers.Cameras):
    def run(self):
        shown = {name: pictures.read_ppm(peers.ROOT / f"tests/golden/pictures/{file}.ppm") for name, file in (("overhead", "scene_a"), ("wrist", "scene_b"))}
        while not self.stopped.wait(0.05):
            stamp_ns = peers.now_ns()
            for name, picture in shown.items():
                size = {"width": picture.shape[1], "height": picture.shape[0]}
                self.publisher.send(f"camera/{name}", {"encoding": "rgb8", **size}, picture.tobytes(), stamp_ns=stamp_ns)


def ids(words):
    return [int(word) for word in words.split()]


def inferences(daemon):
    """[(committed ids, tokens)] of every chunk so far."""
    committed = {chunk: ids(words) for chunk, words in re.findall(r"policy: chunk (\d+) continues \d+ actions:(.*)\n", daemon.text())}
    tokens = {chunk: ids(words) for chunk, words in re.findall(r"policy: chunk (\d+) has the tokens:(.*)\n", daemon.text())}
    return [(committed[chunk], tokens[chunk]) for chunk in tokens if chunk in committed]


class Inpaint(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def infer(self, state, committed):
        files = [peers.ROOT / f"tests/golden/pictures/{name}.ppm" for name in ("scene_a", "scene_b")]
        more = ("--committed", ",".join(map(str, committed))) if committed else ()
        return pictures.infer(files, state, "pick up the red block", CROP, decoder="discrete_diffusion", more=more)["tokens"]

    def test_chunks_begin_with_what_they_continue(self):
        camera = f"\n    center_crop: {CROP}"
        settings = {"decoder": "discrete_diffusion", "method": "inpaint", "overhead": camera, "wrist": camera, "extra": MORE}
        position, quaternion = peers.forward(peers.HOME)
        standing = {"q": peers.HOME, "dq": [0.0] * 7, "ee_pos": position, "ee_quat": quaternion}
        with peers.bench(with_cameras=False, prepare=lambda arm: arm.special.update(standing), **settings) as (daemon, arm, _, request):
            cameras = Cameras(arm.context, arm.folder)
            cameras.start()
            self.addCleanup(cameras.stopped.set)
            peers.into_auto(request)

            def enough():
                # On a busy machine the motion gets further than the bound before four chunks are there: then from home again.
                mode = request(cmd="status")["mode"]
                if mode == "FAULT":
                    request(cmd="reset")
                elif mode != "AUTO":
                    request(cmd="mode", mode="auto")
                return sum(1 for committed, _ in inferences(daemon) if committed) >= COMPARED

            peers.until(f"{COMPARED} chunks that continue a motion", enough)
            counters = request(cmd="status")["counters"]
            self.assertGreater(counters["chunks_adopted"], COMPARED // 2)
            self.assertGreaterEqual(counters["actions_committed"], COMPARED)
            self.assertIn("policy", {target["source"] for target in arm.targets})
            cameras.stopped.set()
            cameras.join()
            made = inferences(daemon)
        statistics = json.loads((peers.CHECKPOINT / "dataset_statistics.json").read_text())
        state = pictures.state_of(peers.HOME, 0.04, statistics["libero_spatial_no_noops"]["proprio"]["mean"])
        free = self.infer(state, [])
        continuing = [one for one in made if one[0]]
        for committed, tokens in made:
            self.assertEqual(len(committed) % ACTION_DIM, 0)
            self.assertLess(len(committed), CHUNK * ACTION_DIM)
            self.assertEqual(tokens[:len(committed)], committed)
        for committed, tokens in continuing[:COMPARED]:
            self.assertEqual(self.infer(state, committed), tokens)
        self.assertTrue(any(tokens != free for _, tokens in continuing), "what was committed changed nothing")

    def test_a_decoder_that_cannot_is_named(self):
        daemon = peers.Daemon(self.folder, arguments=["--check"], method="inpaint", decoder="l1_regression")
        self.addCleanup(daemon.kill)
        self.assertNotEqual(daemon.wait_end(), 0)
        for word in ("execution.method", "l1_regression", "discrete_diffusion", "async"):
            self.assertIn(word, daemon.text())


if __name__ == "__main__":
    unittest.main()
