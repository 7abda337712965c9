"""dreamvla-infer used wrongly: what it says, so that the next try is right. Answers of the network: tests/golden."""

import os
import subprocess
import sys
import unittest

INFER = os.path.join(os.environ.get("B", "build/release"), "dreamvla-infer")
ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
CHECKPOINT = os.path.join(ROOT, "tests", "golden", "checkpoints", "two_cameras")
PICTURE = os.path.join(ROOT, "tests", "golden", "pictures", "scene_a.ppm")
TIME_LIMIT_S = 120  # sanitizers are slow


def infer(*more):
    return subprocess.run([INFER, "--model", CHECKPOINT, "--action-chunk", "8", *more], capture_output=True, text=True,
                          timeout=TIME_LIMIT_S)


class WrongUse(unittest.TestCase):
    def test_allowed_values(self):
        for option, value, allowed in (("--resize", "224", "HEIGHTxWIDTH"), ("--center-crop", "9", "above 0 and up to 1"),
                                       ("--precision", "fp16", "fp32 or bf16"), ("--action-chunk", "0", "1 or more"),
                                       ("--threads", "-3", "1 or more"), ("--algorithm", "best", "maskgit_plus"),
                                       ("--vocabulary", "some", "full or actions"), ("--state", "a,b", "commas")):
            done = infer(option, value)
            self.assertEqual(done.returncode, 2, option)
            self.assertIn("%s: found '%s', allowed " % (option, value), done.stderr)
            self.assertIn(allowed, done.stderr)

    def test_instruction_without_quotes(self):
        for words in (["pick", "up", "it"], ["pick"] + ["up"] * 40):
            done = infer("--image", PICTURE, "--instruction", *words)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("is the text of --instruction in quotes?", done.stderr)
        done = infer("--instruction", "pick up", "--image", "none.ppm")
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("quotes", done.stderr)

    def test_other_versions(self):
        for option, value, there in (("--decoder", "l1_regression", "discrete"), ("--decoder", "flow_matching", "discrete"),
                                     ("--decoder", "diffusion", "discrete"), ("--backend", "cuda", "cpu")):
            done = infer("--image", PICTURE, "--instruction", "pick up", option, value)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"'%s': not part of this version; there are: .*%s" % (value, there))


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
