"""test_record_faults.py - what goes wrong with a recording while the policy drives an arm is the recording's trouble alone: the disk's reader
hangs, there are no descriptors left, the directory is none; cameras send half pictures and other formats meanwhile. AUTO goes on, and the
arm's targets have no gap. A file that may not grow is in test_recording.py.

In real time: dreamvlad, its threads and a file system."""
import contextlib
import os
import pathlib
import resource
import signal
import subprocess
import unittest

import msgpack
import zmq

import peers

GAP_NS = 2_000_000_000 * peers.SLOW  # a machine of tests stands still at times; an arm that noticed would stop for longer, or for good


class Door:
    """A control socket that stays open: a process without descriptors takes no new connection."""

    def __init__(self, folder):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.REQ)
        self.socket.linger = 0
        self.socket.connect(f"ipc://{folder}/control")

    def ask(self, **request):
        self.socket.send(msgpack.packb(request))
        assert self.socket.poll(1000 * peers.PATIENCE_S), f"no reply to {request}"
        return msgpack.unpackb(self.socket.recv())

    def close(self):
        self.socket.close()
        self.context.term()


def spoil(cameras):
    """From now on every other frame is bad: half a picture, another size than it says, half a JPEG, none at all, another format.
    Returns what counts them."""
    jpeg = (peers.ROOT / "robots/sim/pictures/wrist.jpg").read_bytes()
    kinds = [({"encoding": "rgb8", "width": 64, "height": 48}, os.urandom(3 * 64 * 24)),
             ({"encoding": "rgb8", "width": 32, "height": 24}, os.urandom(3 * 32 * 25)),
             ({"encoding": "jpeg", "width": 320, "height": 320}, jpeg[:len(jpeg) // 2]),
             ({"encoding": "jpeg", "width": 64, "height": 48}, os.urandom(500)),
             ({"encoding": "yuyv", "width": 64, "height": 48}, os.urandom(2 * 64 * 48))]
    good, sent = cameras.publisher.send, []

    def send(topic, fields, picture, **special):
        sent.append(topic)
        bad = (len(sent) - 1) // 2 % 2  # of both cameras, so that the good ones are not 50 ms apart
        good(topic, *(kinds[len(sent) % len(kinds)] if bad else (fields, picture)), **special)

    cameras.publisher.send = send
    return sent


class Faults(unittest.TestCase):
    @contextlib.contextmanager
    def driven(self, command=(), **keys):
        """A bench in AUTO that records on request into FOLDER/tapes; the arm is not to notice what the body does."""
        extra = "record:\n" + "".join(f"  {key}: {value}\n" for key, value in
                                      {"dir": "tapes", "at_start": "false", "min_free_mb": 0, "buffer_mb": 8, **keys}.items())
        with peers.bench(extra=extra, command=command) as (daemon, arm, cameras, _):
            door = Door(daemon.folder)
            self.addCleanup(door.close)
            peers.into_auto(door.ask)
            self.moved(arm)
            first = len(arm.targets)
            yield daemon, arm, cameras, door.ask
            self.moved(arm)
            self.assertEqual(door.ask(cmd="status")["mode"], "AUTO", daemon.text())
            self.assert_unbroken(arm.targets[first:])

    def moved(self, arm):
        """Targets of the policy go on coming, one second's worth."""
        count = lambda: sum(t["source"] == "policy" for t in arm.targets)
        before = count()
        peers.until("targets of the policy", lambda: count() > before + 200)

    def assert_unbroken(self, targets):
        """None is missing, on the grid of periods, all of them of AUTO."""
        for a, b in zip(targets, targets[1:]):
            self.assertEqual(b["seq"], a["seq"] + 1)
            step_ns = b["t_ns"] - a["t_ns"]
            self.assertEqual(step_ns % 5_000_000, 0)
            self.assertLess(step_ns, GAP_NS)
        self.assertLessEqual({t["source"] for t in targets}, {"policy", "hold"})

    def folder(self, daemon):
        path = pathlib.Path(daemon.folder) / "tapes"
        path.mkdir()
        return path

    def record(self, ask):
        return ask(cmd="status").get("record") or {}

    def test_a_disk_that_hangs(self):
        """Nothing is read from the tapes any more: they run full, records are dropped and counted."""
        with self.driven() as (daemon, arm, _, ask):
            self.folder(daemon)
            self.assertTrue(ask(cmd="record", action="start")["ok"])
            with peers.hanging(self, daemon, "aux"):
                self.assertFalse(ask(cmd="record", action="stop")["ok"])
                for _ in range(8):
                    self.moved(arm)
            peers.until("the drops to be counted", lambda: self.record(ask).get("dropped", 0) > 0)

    def test_a_file_system_that_is_full_and_then_read_only(self):
        """A tmpfs of 3 MB that only dreamvlad sees: it fills up within a second or two; then it is mounted read-only."""
        own = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        if subprocess.run([*own, "mount", "-t", "tmpfs", "none", "/mnt"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest("may not mount anything in a namespace of its own")
        mount = 'tapes="$(dirname "$3")/tapes"; mkdir "$tapes" && mount -t tmpfs -o size=3m none "$tapes" && exec "$@"'
        with self.driven(command=(*own, "sh", "-c", mount, "sh")) as (daemon, arm, _, ask):
            self.assertTrue(ask(cmd="record", action="start")["ok"])
            peers.until("the disk to be full", lambda: not self.record(ask)["runs"])
            told = self.record(ask)
            self.assertIn("No space left on device", told["reason"])
            self.assertGreater(told["messages"], 0)
            self.moved(arm)
            inside = ["nsenter", "-m", "-t", str(daemon.process.pid)] + ([] if os.geteuid() == 0 else ["-U", "--preserve-credentials"])
            subprocess.run([*inside, "mount", "-o", "remount,ro", f"{daemon.folder}/tapes"], check=True)
            refused = ask(cmd="record", action="start")
            self.assertFalse(refused["ok"])
            self.assertIn("mount it writable", refused["error"])

    def test_a_stop_while_the_disk_hangs(self):
        """The arm is let go of, and the process ends without what is still on the tapes."""
        with peers.bench(extra="record:\n  dir: tapes\n  at_start: false\n  min_free_mb: 0\n") as (daemon, arm, _, ask):
            self.folder(daemon)
            peers.into_auto(ask)
            self.assertTrue(ask(cmd="record", action="start")["ok"])
            self.moved(arm)
            with peers.hanging(self, daemon, "aux") as has_ended:
                daemon.process.send_signal(signal.SIGTERM)
                peers.until("the arm to be let go of", lambda: arm.requests[-1]["cmd"] == "detach")
                peers.until("the end", has_ended, 20 * peers.SLOW)
            daemon.assert_ends_well()
            self.assertIn("recorder is still at work", daemon.text())
            self.assertTrue(list((pathlib.Path(daemon.folder) / "tapes").glob("*.mcap.part")))

    def test_no_directory_and_no_descriptors(self):
        with self.driven() as (daemon, arm, _, ask):
            path, pid = pathlib.Path(daemon.folder) / "tapes", daemon.process.pid
            self.assertFalse(ask(cmd="record", action="start")["ok"])
            os.mkfifo(path)
            self.assertFalse(ask(cmd="record", action="start")["ok"])
            path.unlink()
            path.mkdir()
            limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            open_files = {int(fd.name) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
            first_free = min(set(range(len(open_files) + 1)) - open_files)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (first_free, limits[1]))
            refused = ask(cmd="record", action="start")
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
            self.assertFalse(refused["ok"])
            self.assertIn("open files", refused["error"])
            self.assertTrue(ask(cmd="record", action="start")["ok"])

    def test_cameras_that_send_rubbish_while_it_is_recorded(self):
        with self.driven() as (daemon, arm, cameras, ask):
            self.folder(daemon)
            self.assertTrue(ask(cmd="record", action="start")["ok"])
            sent = spoil(cameras)
            peers.until("bad frames", lambda: len(sent) > 80)
            self.moved(arm)
            status = ask(cmd="status")
            self.assertGreater(status["counters"]["frames_void"] + status["counters"].get("rejected", 0), 0)
            self.assertTrue(self.record(ask)["runs"])


if __name__ == "__main__":
    unittest.main()
