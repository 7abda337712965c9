"""test_bench_run.py - dreamvla-bench run, report and compare, from start to end: a short run makes a folder whose files parse, a policy that is
slowed down on purpose is seen by compare, and a daemon that dies leaves a report of what was seen before.

In real time: it measures a running daemon; what is compared is 300 ms apart."""
import base64
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import demo
import recording

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
from peer import jpeg, picture  # noqa: E402

BUILD = os.environ.get("B", "build/release")
BENCH = os.path.join(BUILD, "dreamvla-bench")
SECONDS, PATIENCE_S, LATENCY_MS = 2, 240, 300


def bench(*arguments):
    return subprocess.run([BENCH, *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(p) for p in f.read().split()]


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as f:
            return f.read().strip()
    except OSError:
        return ""


class Run(unittest.TestCase):
    def setUp(self):
        held = tempfile.TemporaryDirectory(prefix="bench-run-")
        self.addCleanup(held.cleanup)
        self.folder = held.name
        self.config = demo.write_config("demo.yaml", self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def arguments(self, name, *more):
        return ("run", self.path(name), "--programs", BUILD, "--config", str(self.config), "--seconds", str(SECONDS), *more)

    def summary(self, name):
        with open(os.path.join(self.path(name), "summary.json"), encoding="utf-8") as f:
            return json.load(f)

    def check_files(self, name):
        with open(os.path.join(self.path(name), "report.html"), encoding="utf-8") as f:
            page = f.read()
        self.assertIn("</html>", page)
        self.assertNotIn("<script", page)
        with open(os.path.join(self.path(name), "trace.json"), encoding="utf-8") as f:
            events = json.load(f)["traceEvents"]
        self.assertGreater(sum(e["ph"] == "X" for e in events), 10)
        with open(os.path.join(self.path(name), "config.yaml"), encoding="utf-8") as f:
            self.assertIn("extra_latency_ms", f.read())

    def recording(self, name):
        return next(os.path.join(self.path(name), f) for f in os.listdir(self.path(name)) if ".mcap" in f)

    def test_a_slower_policy_is_seen(self):
        for name, more in (("a", ()), ("b", ("--policy-latency", str(LATENCY_MS), "--drop-frames", "20", "--hogs", "1"))):
            done = bench(*self.arguments(name, *more))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check_files(name)
        a, b = self.summary("a"), self.summary("b")
        slower_us = b["stages"]["frame_to_target"]["p50_us"] - a["stages"]["frame_to_target"]["p50_us"]
        self.assertGreater(slower_us, 0.5e3 * LATENCY_MS)
        self.assertGreaterEqual(b["stages"]["overhead"]["max_us"], 1e3 * LATENCY_MS)
        self.assertRegex(b["notes"]["frames of the cameras"], r"[1-9]\d* passed on, [1-9]\d* dropped")
        worse = bench("compare", self.path("a"), self.path("b"), "--json")
        self.assertEqual(worse.returncode, 1, worse.stderr)
        self.assertEqual({r["name"]: r["verdict"] for r in json.loads(worse.stdout)["rows"]}["frame_to_target.p50_us"], "worse")
        self.assertEqual(bench("compare", self.path("a"), self.path("a"), "--threshold", "0").returncode, 0)
        made = bench("report", self.recording("a"), self.path("again"))
        self.assertEqual(made.returncode, 0, made.stderr)
        self.check_files("again")

    def test_recorded_pictures_take_the_place_of_simulated_ones(self):
        frames = [(50_000_000 * i, {"format": "jpeg", "data": base64.b64encode(jpeg(picture(i))).decode()}) for i in range(20)]
        for name, topics in (("both", ("/camera/overhead", "/camera/wrist")), ("one", ("/camera/wrist",))):
            path = self.path(name + ".mcap")
            recording.write(path, {topic: frames for topic in topics})
            done = bench(*self.arguments(name, "--frames", path))
            if name == "one":
                self.assertEqual(done.returncode, 1)
                self.assertIn("holds no /camera/overhead", done.stderr)
            else:
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(path, self.summary(name)["notes"]["pictures"])
                self.assertGreater(self.summary(name)["chunks"], 0)

    def test_a_daemon_that_runs_is_looked_at(self):
        text = self.config.read_text(encoding="utf-8") + f"record:\n  dir: {self.folder}\n  at_start: false\n"
        self.config.write_text(text, encoding="utf-8")
        with subprocess.Popen([BENCH, "demo", "--programs", BUILD, "--config", str(self.config), "--seconds", "5"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as other:
            until = time.monotonic() + PATIENCE_S
            while (done := bench(*self.arguments("seen", "--attach"))).returncode != 0 and "sent no status" in done.stderr + done.stdout:
                self.assertLess(time.monotonic(), until)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check_files("seen")
            self.assertEqual(other.wait(PATIENCE_S), 0)

    def test_a_daemon_that_dies_leaves_what_was_seen(self):
        with subprocess.Popen([BENCH, *self.arguments("dies")[:-1], "60"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
            until = time.monotonic() + PATIENCE_S
            while "AUTO" not in (self.modes() or ""):
                self.assertIsNone(p.poll())
                self.assertLess(time.monotonic(), until)
                time.sleep(0.2)
            daemon = next(c for c in children(p.pid) if name_of(c) == "dreamvlad")
            os.kill(daemon, signal.SIGKILL)
            _, said = p.communicate(timeout=PATIENCE_S)
        self.assertEqual(p.returncode, 1)
        self.assertIn("dreamvlad was ended by signal 9", said)
        self.check_files("dies")
        self.assertIn("recording was cut", self.summary("dies")["notes"])

    def modes(self):
        """What the recording that is being written holds, as far as a report can be made of it: AUTO has come once a target was the policy's."""
        try:
            recording = self.recording("dies")
        except (StopIteration, FileNotFoundError):
            return None
        folder = self.path(f"look-{time.monotonic_ns()}")
        return "AUTO" if bench("report", recording, folder).returncode == 0 and self.has_chunks(folder) else None

    @staticmethod
    def has_chunks(folder):
        with open(os.path.join(folder, "summary.json"), encoding="utf-8") as f:
            return "driver" in json.load(f)["stages"]

    def test_wrong_use_is_told(self):
        os.mkdir(self.path("full"))
        with open(self.path("full/file"), "w", encoding="ascii") as f:
            f.write("mine")
        cases = ((self.arguments("none", "--attach"), 1, "sent no status"), (self.arguments("none", "--attach", "--drop-frames", "5"), 2, "as it is"), (("run",), 2, "want a new folder"), (self.arguments("full"), 1, "not an empty folder"), (("report", "/nowhere.mcap", self.path("r")), 1, "/nowhere.mcap"),
                 (("report", self.path("full/file"), self.path("r")), 1, "full/file"), (("compare", self.path("full"), self.path("full")), 2, "summary.json"),
                 (("run", self.path("x"), "--drop-frames", "101"), 2, "--drop-frames"), (("run", self.path("x"), "--hogs", "-1"), 2, "--hogs"))
        for arguments, status, words in cases:
            with self.subTest(arguments=arguments):
                done = bench(*arguments)
                self.assertEqual(done.returncode, status)
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
