"""test_bench_piper.py - `dreamvla-bench piper` shows every rate, mode and kind of targets, in words and as JSON, and the same in both; and what config/README.md
says of it is what it shows.
Not in real time: everything that it measures is on virtual time."""
import json
import math
import os
import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = os.path.join(os.environ.get("B", "build/release"), "dreamvla-bench")
CASES = [(targets, mode, rate_hz) for targets in ("played out", "raw") for mode in ("planned", "high_follow") for rate_hz in (50, 100, 200)]


def begin(*arguments):
    return subprocess.Popen([BENCH, "piper", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def readme_rows():
    """{(targets, mode, rate_hz): the numbers as they stand there}"""
    rows = {}
    for line in (ROOT / "config/README.md").read_text().splitlines():
        cells = [c.strip(" *`") for c in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 8 and cells[1] in ("planned", "high_follow"):
            rows["raw" if cells[0].startswith("raw") else "played out", cells[1], int(cells[2])] = cells[3:]
    return rows


class Table(unittest.TestCase):
    def test_words_and_json_say_the_same(self):
        both = begin(), begin("--json")  # at the same time
        (words, words_error), (text, text_error) = (p.communicate() for p in both)
        self.assertEqual(([p.returncode for p in both], words_error, text_error), ([0, 0], "", ""))
        measured = json.loads(text)
        self.compare_with_readme(measured["cases"])
        self.assertEqual([(c["targets"], c["mode"], c["rate_hz"]) for c in measured["cases"]], CASES)
        rows = [line.split() for line in words.replace("played out", "played_out").splitlines()
                if line.startswith(("played_out ", "raw "))]
        self.assertEqual(len(rows), len(CASES))
        for case, row in zip(measured["cases"], rows):
            self.assertEqual(row[:3], [case["targets"].replace(" ", "_"), case["mode"], str(case["rate_hz"])])
            keys = (("lag_ms", 1, 0), ("off_by_rad", 1e3, 1), ("sway_rad_s", 1, 3), ("jolt_rad_s", 1, 3), ("pause_jolt_rad_s", 1, 3),
                    ("overshoot_rad", 1e3, 2), ("final_rad", 1e3, 3))
            self.assertEqual(row[3:], [f"{case[key] * unit:.{digits}f}" for key, unit, digits in keys])
            self.assertEqual(case["ignored"], 0)
            self.assertTrue(all(math.isfinite(case[key]) for key, _, _ in keys))

    def compare_with_readme(self, cases):
        """As rounded there, and a little more: another processor may round otherwise."""
        found = {(c["targets"], c["mode"], c["rate_hz"]): c for c in cases}
        rows = readme_rows()
        self.assertEqual(len(rows), 8)
        for case, row in rows.items():
            for text, (key, unit) in zip(row, (("lag_ms", 1), ("off_by_rad", 1e3), ("sway_rad_s", 1), ("jolt_rad_s", 1), ("pause_jolt_rad_s", 1))):
                digit = 10.0 ** -len(text.partition(".")[2])
                self.assertLess(abs(float(text) - found[case][key] * unit), 0.6 * digit, (case, key))

    def test_a_stray_word(self):
        done = subprocess.run([BENCH, "piper", "soon"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("soon: not an option", done.stderr)

    def test_options_that_would_do_nothing(self):
        for command, option, value, whose in (("piper", "--seconds", "5", "demo control"), ("demo", "--hogs", "2", "run"), ("run", "--from", "14:32", "report"),
                                              ("policy", "--config", "x", "demo show"), ("report", "--threshold", "5", "compare")):
            done = subprocess.run([BENCH, command, option, value], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 2, command)
            self.assertIn("dreamvla-bench %s: %s does not belong to %s, but to: %s" % (command, option, command, whose), done.stderr)


if __name__ == "__main__":
    unittest.main()
