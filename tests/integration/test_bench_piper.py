"""test_bench_piper.py - `dreamvla-bench piper` shows every rate, mode and kind of targets, in words and as JSON, and the same in both.
Not in real time: everything that it measures is on virtual time."""
import json
import math
import os
import subprocess
import unittest

BENCH = os.path.join(os.environ.get("B", "build/release"), "dreamvla-bench")
CASES = [(targets, mode, rate_hz) for targets in ("played out", "raw") for mode in ("planned", "high_follow") for rate_hz in (50, 100, 200)]


def run(*arguments):
    return subprocess.run([BENCH, "piper", *arguments], capture_output=True, text=True)


class Table(unittest.TestCase):
    def test_words_and_json_say_the_same(self):
        words, done = run(), run("--json")
        self.assertEqual((words.returncode, words.stderr, done.returncode, done.stderr), (0, "", 0, ""))
        measured = json.loads(done.stdout)
        self.assertEqual([(c["targets"], c["mode"], c["rate_hz"]) for c in measured["cases"]], CASES)
        rows = [line.split() for line in words.stdout.replace("played out", "played_out").splitlines()
                if line.startswith(("played_out ", "raw "))]
        self.assertEqual(len(rows), len(CASES))
        for case, row in zip(measured["cases"], rows):
            self.assertEqual(row[:3], [case["targets"].replace(" ", "_"), case["mode"], str(case["rate_hz"])])
            keys = (("lag_ms", 1, 0), ("off_by_rad", 1e3, 1), ("sway_rad_s", 1, 3), ("jolt_rad_s", 1, 3), ("pause_jolt_rad_s", 1, 3),
                    ("overshoot_rad", 1e3, 2), ("final_rad", 1e3, 3))
            self.assertEqual(row[3:], [f"{case[key] * unit:.{digits}f}" for key, unit, digits in keys])
            self.assertEqual(case["ignored"], 0)
            self.assertTrue(all(math.isfinite(case[key]) for key, _, _ in keys))

    def test_a_stray_word(self):
        done = run("soon")
        self.assertEqual(done.returncode, 2)
        self.assertIn("found 'soon'", done.stderr)


if __name__ == "__main__":
    unittest.main()
