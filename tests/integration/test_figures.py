#!/usr/bin/python3
"""policy/train/figures.py with the scripted expert: every condition is run once, its results are kept, and the numbers are those of
dreamvla-sim. Not in real time: all of it runs on virtual time."""
import importlib.util
import json
import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

B = os.environ.get("B", "build/release")
PATH = "policy/train/figures.py"
spec = importlib.util.spec_from_file_location("figures", PATH)
figures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(figures)


def outcomes(text):
    return {"each": [{"seed": i, "verdict": "done" if c == "+" else "too late"} for i, c in enumerate(text)]}


class Figures(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = os.path.join(folder.name, "figures")

    def run_figures(self, *arguments):
        return subprocess.run([PATH, "--program", os.path.join(B, "dreamvla-sim"), "--policy", "expert", "--out", self.out, *arguments],
                              capture_output=True, text=True, timeout=200, check=False)

    def test_all_of_it(self):
        r = self.run_figures("--episodes", "1", "--latencies-ms", "200,0")
        self.assertEqual(r.returncode, 0, r.stderr)
        wanted = {f"{m}_{ms}ms.json" for m in ("sync", "async", "ensemble") for ms in (0, 200)} | {"faults_none.json"} | {f"faults_{i}.json" for i in range(1, 5)} | {
            "put_sync_0ms.json", "put_async_300ms.json"}
        self.assertEqual(set(os.listdir(self.out)), wanted | {"figures.md", "latency.svg"})
        self.assertEqual(r.stderr.count(" of 1 ("), len(wanted))
        with open(self.out + "/faults_4.json") as f:
            worst = json.load(f)["result"]
        self.assertEqual((worst["drop"], worst["camera_late_ms"], worst["take_over"], worst["mode"]), (0.1, 80, True, "async"))
        with open(self.out + "/put_async_300ms.json") as f:
            put = json.load(f)["result"]
        self.assertEqual((put["task"], put["mode"], put["latency_ms"]), ("put", "async", 300))
        self.assertIn("| sync, 200 ms | 100.0 (20.7 to 100.0) | +0.0 (", r.stdout)
        points = xml.etree.ElementTree.parse(self.out + "/latency.svg").findall(".//{http://www.w3.org/2000/svg}circle")
        self.assertEqual(len(points), 2 * 6)
        self.goes_on(r.stdout, len(wanted))

    def goes_on(self, table, n):
        """What is there is not run again; what is of something else is not taken for it."""
        os.remove(self.out + "/sync_200ms.json")
        r = self.run_figures("--episodes", "1", "--latencies-ms", "0,200")
        self.assertEqual((r.returncode, r.stdout, r.stderr.count(" of 1 (")), (0, table, 1), r.stderr)
        r = self.run_figures("--episodes", "2", "--latencies-ms", "0,200")
        self.assertEqual(r.returncode, 1)
        self.assertRegex(r.stderr, r"_0ms\.json: is a result with other episodes: remove it, or give another --out")
        self.assertEqual(len([f for f in os.listdir(self.out) if f.endswith(".json")]), n)

    def test_wrong_input(self):
        for arguments, code, want in ((("--latencies-ms", "100"), 2, "want 0 among them"), (("--episodes", "0"), 2, "want 1 or more"),
                                      (("--config", "/nowhere.yaml"), 2, "/nowhere.yaml: is not there"),
                                      (("--config", "config/piper.yaml", "--episodes", "1"), 1, "config/piper.yaml")):
            r = self.run_figures(*arguments)
            self.assertEqual(r.returncode, code, (arguments, r.stderr))
            self.assertIn(want, r.stderr)

    def test_paired_difference(self):
        """3 gained and 1 lost of 10: (4 - 2) / 12 with the standard error of these two shares of 12, by hand."""
        d, low, high = figures.paired_difference(outcomes("++++++----"), outcomes("---++++---"))
        self.assertAlmostEqual(d, 0.2)
        half = 1.959964 * (((4 + 2) / 12 - (2 / 12) ** 2) / 12) ** 0.5
        self.assertAlmostEqual(low, 2 / 12 - half, 6)
        self.assertAlmostEqual(high, 2 / 12 + half, 6)
        self.assertEqual(figures.paired_difference(outcomes("+-"), outcomes("+-"))[0], 0)

    def test_a_policy_that_never_succeeds(self):
        result = {**outcomes("--"), "success": 0, "successes": 0, "interval_95": [0, 0.66], "median_s": 0, "jerk_rms_m_s3": 0,
                  "wrong_block": 0, "too_late": 2, "stopped": 0}
        condition = figures.conditions([0], False)[0]
        self.assertEqual(figures.row(condition, {condition.name: result})[3:5], ("–", "–"))
        drawn = figures.svg({condition.name: result}, [0])
        self.assertEqual(drawn.count("<circle"), 1)  # no jerk of nothing
        xml.etree.ElementTree.fromstring(drawn)


if __name__ == "__main__":
    unittest.main()
