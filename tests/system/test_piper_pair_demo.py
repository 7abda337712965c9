"""test_piper_pair_demo.py - `make demo ROBOT=piper-pair`: one policy of 14 dimensions, two PiPERs, each on a bus and in a world of its own.
Too long for make check: what is another here than with one arm, test_two_arms.py has too."""
import os
import tempfile
import unittest

from demo import run_demo
from franka import begun_anew_after_stalls


@begun_anew_after_stalls(5)
class Demo(unittest.TestCase):
    def test_a_good_run(self):
        with tempfile.TemporaryDirectory() as folder:
            code, out = run_demo("piper-pair", "demo-piper-pair.yaml", folder)
            for arm in ("left", "right"):
                self.assertIn(f"PiPER {arm}, as the robot saw it", out)
            self.assertNotIn("asked to end", out)
            if not os.environ.get("SAN"):       # too slow for the criteria, but whole
                self.assertIn("all 10 criteria met", out)
                self.assertEqual(code, 0)


if __name__ == "__main__":
    unittest.main()
