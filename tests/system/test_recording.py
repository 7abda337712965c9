"""test_recording.py - what dreamvlad records while a policy drives, whatever becomes of the file: stopped, killed, split, refused, full.
In real time: whole programs."""
import base64
import os
import pathlib
import resource
import signal
import tempfile
import unittest

import peers
from recording import Recording

TOPICS = {"/camera/overhead", "/camera/wrist", "/state/arm", "/target/arm", "/instruction", "/chunk", "/event", "/status", "/trace"}


def record(folder, **keys):
    rows = {"dir": folder, "at_start": "false", "min_free_mb": 0, **keys}
    return "record:\n" + "".join(f"  {key}: {value}\n" for key, value in rows.items())


def files(folder):
    return sorted(pathlib.Path(folder).iterdir())


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def bytes_recorded(self, request, least):
        return peers.until(f"{least} MB", lambda: request(cmd="status")["record"]["mb"] > least)


class Files(Case):
    def test_a_recording_holds_what_went_to_and_fro(self):
        with peers.bench(extra=record(self.folder)) as (_, arm, _, request):
            self.assertIn("nothing is recorded", request(cmd="record", action="mark")["error"])
            self.assertIn("nothing is recorded", request(cmd="record", action="stop")["error"])
            self.assertIn("want start, stop or mark", request(cmd="record", action="pause")["error"])
            started = request(cmd="record", action="start")
            self.assertTrue(started["ok"] and started["file"].endswith(".mcap.part"), started)
            self.assertIn("already", request(cmd="record", action="start")["error"])
            peers.into_auto(request)
            peers.until("targets of the policy", lambda: sum(t["source"] == "policy" for t in list(arm.targets)) > 200)
            self.assertTrue(request(cmd="record", action="mark", label='the "red" block')["ok"])
            self.assertEqual(request(cmd="status")["record"]["dropped"], 0)
            peers.stop_recording(request)
            self.assertFalse(request(cmd="status")["record"]["runs"])
            targets = {t["seq"]: t for t in list(arm.targets)}
        path, = files(self.folder)
        self.assertEqual(path.suffix, ".mcap")
        self.check(Recording(path), targets)

    def check(self, r, targets):
        self.assertTrue(r.ended)
        self.assertLessEqual(TOPICS, set(r.messages))
        self.assertIn('the "red" block', [e["reason"] for e in r.of("/event") if e["kind"] == "mark"])
        self.assertIn("AUTO", [e["mode"] for e in r.of("/event") if e["kind"] == "mode"])
        self.assertEqual({i["text"] for i in r.of("/instruction")}, {"pick up the red block"})
        recorded = [t for t in r.of("/target/arm") if t["seq"] in targets]
        self.assertGreater(len(recorded), 200)
        for t in recorded:
            sent = {**targets[t["seq"]], "from": str(targets[t["seq"]]["from"])}  # 64 bits: a text, for readers whose numbers are doubles
            self.assertEqual({k: t[k] for k in sent}, sent)  # to the last bit
        numbers = [t["seq"] for t in r.of("/target/arm")]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        for frame in r.of("/camera/wrist"):
            self.assertEqual((frame["frame_id"], frame["encoding"], frame["step"]), ("wrist", "rgb8", 3 * frame["width"]))
            self.assertEqual(len(base64.b64decode(frame["data"], validate=True)), frame["step"] * frame["height"])
        self.assertEqual({schema for topic, _, schema in r.channels.values() if topic == "/camera/wrist"}, {"foxglove.RawImage"})

    def test_without_cameras_no_picture_is_written_in_any_form(self):
        with peers.bench(extra=record(self.folder, at_start="true", cameras="false")) as (_, arm, _, request):
            peers.into_auto(request)
            peers.until("targets of the policy", lambda: sum(t["source"] == "policy" for t in list(arm.targets)) > 50)
            peers.stop_recording(request)
        path, = files(self.folder)
        found = Recording(path)
        self.assertGreater(len(found.of("/chunk")), 0)
        self.assertEqual([t for t in found.messages if t.startswith("/camera/") or t == "/replay/observation"], [])

    def test_a_killed_one_leaves_its_last_whole_chunk(self):
        with self.assertRaises(AssertionError), peers.bench(extra=record(self.folder, at_start="true")) as (daemon, _, _, request):
            self.bytes_recorded(request, 0.3)
            daemon.kill()
        path, = files(self.folder)
        self.assertEqual(path.suffix, ".part")
        r = Recording(path)
        self.assertFalse(r.ended)
        self.assertGreater(len(r.of("/state/arm")), 0)

    def test_large_files_follow_each_other_and_sigterm_closes_the_last(self):
        with peers.bench(extra=record(self.folder, at_start="true", max_mb=1)) as (daemon, _, _, request):
            self.bytes_recorded(request, 2.5)
            self.assertEqual(daemon.terminate(), 0)
        found = [Recording(path) for path in files(self.folder)]
        self.assertGreaterEqual(len(found), 3)
        self.assertTrue(all(r.ended for r in found))
        seen = [m["seq"] for r in found for m in r.of("/status")]
        self.assertEqual(len(seen), len(set(seen)))
        self.assertEqual(sorted(seen), list(range(min(seen), max(seen) + 1)))  # nothing lost between two files


class Refused(Case):
    def start(self, **keys):
        with peers.bench(with_cameras=False, extra=record(self.folder, **keys)) as (_, _, _, request):
            reply = request(cmd="record", action="start")
            self.assertFalse(reply["ok"])
            self.assertFalse(request(cmd="status").get("record", {"runs": False})["runs"])
            return reply["error"]

    def test_what_cannot_begin_says_why_and_what_to_do(self):
        for keys, words in (({"dir": '""'}, "record.dir is not set"),
                            ({"dir": f"{self.folder}/none"}, "mkdir -p"),
                            ({"dir": "/proc"}, "record.dir: /proc: "),
                            ({"min_free_mb": 1048576}, "record.min_free_mb")):
            self.assertIn(words, self.start(**keys))
        self.assertEqual(files(self.folder), [])

    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere")
    def test_a_directory_of_somebody_else(self):
        os.chmod(self.folder, 0o500)
        self.assertIn("chown", self.start())
        os.chmod(self.folder, 0o700)

    def test_a_disk_that_fills_ends_the_recording_and_nothing_else(self):
        """A limit on the size of files: the kernel's EFBIG stands in for ENOSPC."""
        with peers.bench(extra=record(self.folder)) as (daemon, arm, _, request):
            peers.into_auto(request)
            resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
            self.assertTrue(request(cmd="record", action="start")["ok"])
            status = peers.until("the end", lambda: not (s := request(cmd="status"))["record"]["runs"] and s)
            self.assertIn("make room", status["record"]["reason"])
            self.assertEqual(status["mode"], "AUTO")
            before = len(arm.targets)
            peers.until("more targets", lambda: len(arm.targets) > before + 100)
            resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        path, = files(self.folder)
        self.assertGreater(len(Recording(path).messages), 0)


if __name__ == "__main__":
    unittest.main()
