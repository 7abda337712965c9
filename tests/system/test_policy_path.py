"""test_policy_path.py - what is between the wire and the policy, in dreamvlad: pictures in every encoding, rotated and cropped as
configured, the arm's state and the instruction make exactly the actions that dreamvla-infer makes of them; and what a lost policy
says is thrown away."""
import json
import pathlib
import re
import shutil
import tempfile
import unittest

import numpy

import peers
import pictures

CROP = 0.7
CAMERA = f"\n    center_crop: {CROP}"
FIXED = "camera:\n  frozen_frames: 1000000"  # the same picture over and over is what is wanted here
SPOKEN = "Pick up the RED block"
TRAINED = SPOKEN.lower()


class Frames(peers.Cameras):
    """Cameras that show what they are given: {name: (encoding, picture)}."""

    def __init__(self, context, folder, shown):
        super().__init__(context, folder)
        self.shown = shown

    def run(self):
        encode = {"rgb8": lambda p: p.tobytes(), "bgr8": lambda p: p[:, :, ::-1].tobytes(), "jpeg": pictures.jpeg}
        while not self.stopped.wait(0.05):
            stamp_ns, shown = peers.now_ns(), self.shown
            for name, (encoding, picture) in shown.items():
                size = {"width": picture.shape[1], "height": picture.shape[0]}
                self.publisher.send(f"camera/{name}", {"encoding": encoding, **size}, encode[encoding](picture), stamp_ns=stamp_ns)


def chunks(daemon):
    """[actions] of every chunk so far, flat."""
    return [[float(word) for word in line.split()] for line in re.findall(r"policy: chunk \d+:(.*)\n", daemon.text())]


class Path(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.picture = {"overhead": pictures.read_ppm(peers.ROOT / "tests/golden/pictures/scene_a.ppm"),
                        "wrist": pictures.read_ppm(peers.ROOT / "tests/golden/pictures/scene_b.ppm")}
        statistics = json.loads((peers.CHECKPOINT / "dataset_statistics.json").read_text())
        mean = statistics["libero_spatial_no_noops"]["proprio"]["mean"]
        self.state = pictures.state_of(peers.HOME, 0.04, mean)

    def file(self, name, picture, encoding="rgb8"):
        path = self.folder / name
        if encoding == "jpeg":
            path.write_bytes(pictures.jpeg(picture))
        else:
            pictures.write_ppm(path, picture)
        return path

    def expected(self, overhead="rgb8", turn=True, swap=False, instruction=TRAINED, crop=CROP, **decoder):
        a, b = self.picture["overhead"], self.picture["wrist"]
        files = [self.file("overhead", a, overhead), self.file("wrist", (b[::-1, ::-1] if turn else b)[:, :, ::-1 if swap else 1])]
        return pictures.infer(files, self.state, instruction, crop, **decoder)["actions"]

    def shown(self, overhead, wrist):
        return {"overhead": (overhead, self.picture["overhead"]), "wrist": (wrist, self.picture["wrist"])}

    def test_each_step_matters_to_this_checkpoint(self):
        """Otherwise the test below would show nothing."""
        right = self.expected()
        for wrong in ({"turn": False}, {"swap": True}, {"instruction": SPOKEN}, {"crop": 0.9}, {"overhead": "jpeg"}):
            self.assertNotEqual(self.expected(**wrong), right, wrong)

    def test_actions_are_those_of_dreamvla_infer(self):
        settings = {"overhead": CAMERA, "wrist": CAMERA + "\n    rotate_180: true", "extra": FIXED}
        with peers.bench(with_cameras=False, **settings) as (daemon, arm, cameras, request):
            frames = Frames(arm.context, arm.folder, self.shown("rgb8", "bgr8"))
            frames.start()
            self.addCleanup(frames.stopped.set)
            self.assertTrue(request(cmd="instruction", text=SPOKEN)["ok"])
            for overhead, wrist in (("rgb8", "bgr8"), ("bgr8", "rgb8"), ("jpeg", "bgr8")):
                with self.subTest(overhead=overhead, wrist=wrist):
                    frames.shown = self.shown(overhead, wrist)
                    self.compare(daemon, request, self.expected(overhead if overhead == "jpeg" else "rgb8"))
            frames.stopped.set()
            frames.join()

    def test_the_first_chunk_takes_the_first_noise_of_the_seed(self):
        settings = {"overhead": CAMERA, "wrist": CAMERA, "extra": FIXED, "decoder": "flow_matching", "steps": "2\n  seed: 11"}
        with peers.bench(with_cameras=False, **settings) as (daemon, arm, cameras, request):
            self.assertTrue(request(cmd="instruction", text=SPOKEN)["ok"])
            frames = Frames(arm.context, arm.folder, self.shown("rgb8", "rgb8"))
            frames.start()
            self.addCleanup(frames.stopped.set)
            peers.until("a chunk", lambda: chunks(daemon))
            first = chunks(daemon)[0]
            frames.stopped.set()
            frames.join()
        right, wrong = (self.expected(turn=False, decoder="flow_matching", more=("--steps", "2", "--seed", seed)) for seed in ("11", "12"))
        self.assertGreater(numpy.abs(numpy.subtract(right, wrong)).max(), 1e-3)
        numpy.testing.assert_allclose(first, numpy.ravel(right), rtol=1e-5, atol=1e-5)

    def compare(self, daemon, request, expected):
        """In SHADOW, and again if pauses of this machine have ended it."""
        before = len(chunks(daemon))

        def enough():
            if request(cmd="status")["mode"] != "SHADOW":
                request(cmd="mode", mode="shadow")
            return len(chunks(daemon)) >= before + 4

        try:
            peers.until("chunks of these pictures alone", enough)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{daemon.text()}") from None
        numpy.testing.assert_allclose(chunks(daemon)[-1], numpy.ravel(expected), rtol=1e-5, atol=1e-5)

    def lost_checkpoint(self):
        """The golden one with two huge rows of opposite sign for two tokens of text: one of them is always the best."""
        model = self.folder / "lost"
        shutil.copytree(peers.CHECKPOINT, model)
        path = model / "model.safetensors"
        data = bytearray(path.read_bytes())
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])["lm_head.weight"]
        self.assertEqual(header["dtype"], "BF16")
        begin, end = (start + at for at in header["data_offsets"])
        rows = numpy.frombuffer(data[begin:end], numpy.uint16).reshape(header["shape"]).copy()
        rows[0], rows[1] = 0x447a, 0xc47a  # 1000 and -1000
        data[begin:end] = rows.tobytes()
        path.write_bytes(data)
        return model

    def test_lost_policy_moves_nothing(self):
        model = self.lost_checkpoint()
        files = [self.file(name, self.picture[name]) for name in ("overhead", "wrist")]
        self.assertIsNotNone(pictures.infer(files, self.state, TRAINED, CROP, model)["lost"])
        with peers.bench(model=model) as (daemon, arm, _, request):
            self.assertTrue(request(cmd="instruction", text=TRAINED)["ok"])
            peers.until("chunks to be rejected", lambda: request(cmd="status")["counters"]["chunks_rejected"] >= 5)
            refusal = request(cmd="mode", mode="auto")
            self.assertFalse(refusal["ok"])
            self.assertIn("a token that is no action", refusal["error"])
            status = request(cmd="status")
            self.assertEqual(status["mode"], "READY")
            self.assertEqual(status["counters"]["chunks"], 0)
            self.assertEqual({t["source"] for t in arm.targets} - {"hold"}, set())
            peers.until("the log to say why", lambda: daemon.says("lost, its best token is no action"))


if __name__ == "__main__":
    unittest.main()
