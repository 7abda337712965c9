#!/usr/bin/python3
"""dreamvla-arm --maintenance with the simulated PiPER over socketcand: a person's yes, what the arm then has, and what is refused."""
import os
import re
import signal
import subprocess
import sys
import threading
import unittest

import msgpack
import zmq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from piper_bench import Station  # noqa: E402
from piper_client import Host  # noqa: E402
from ports import free_addresses  # noqa: E402
from robots_bench import B, PATIENCE_S, Bench, wait_for  # noqa: E402
from test_arm import steady  # noqa: E402

CONFIG = """
policy: {model: /nowhere, cameras: [overhead]}
cameras: {overhead: {}}
robots:
  - name: left
    model: piper
    address: socketcand://127.0.0.1:%s
    control: %s
"""


class Maintenance(unittest.TestCase):
    def setUp(self):
        self.bench = Bench(model="piper")
        self.addCleanup(self.bench.close)
        self.bench.address["faults"] = free_addresses(1)[0]
        sim = self.bench.start("dreamvla-sim", "--no-cameras", "--piper", "socketcand://127.0.0.1:0", "--faults", self.bench.address["faults"],
                               "--duration", "300")
        self.port = int(wait_for("the simulator's port",
                                 lambda: re.search(r"PiPER at socketcand://127\.0\.0\.1:(\d+)", self.bench.log_of(sim))).group(1))
        self.faults = self.bench.connect(zmq.REQ, "faults")
        self.addCleanup(self.faults.close)
        self.config = os.path.join(self.bench.folder.name, "left.yaml")
        with open(self.config, "w") as f:
            f.write(CONFIG % (self.port, free_addresses(1)[0]))
        self.host = Host(self.port)
        self.addCleanup(self.host.close)

    def arm(self, cmd="status", **fields):
        self.faults.send(msgpack.packb(dict(fields, cmd=cmd)))
        reply = msgpack.unpackb(self.faults.recv())
        self.assertTrue(reply.pop("ok"), reply)
        return reply

    def command(self, *arguments, driver="piper"):
        return [os.path.join(B, "dreamvla-arm"), "--config", self.config, "--driver", driver, *arguments]

    def maintain(self, *arguments, typed="", **more):
        return subprocess.run(self.command("--maintenance", *arguments, **more), input=typed, capture_output=True, text=True, timeout=PATIENCE_S)

    def start(self, *arguments):
        process = subprocess.Popen(self.command(*arguments), stdout=subprocess.PIPE, text=True)
        for end in (process.stdout.close, process.wait, process.kill):  # last first
            self.addCleanup(end)
        return process

    def does(self, *arguments, typed=""):
        done = self.maintain(*arguments, typed=typed)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refuses(self, word, *arguments, code=1, **more):
        before = self.arm()["maintenance"]
        done = self.maintain(*arguments, **more)
        self.assertEqual(done.returncode, code, done.stdout)
        self.assertIn(word, done.stderr)
        self.assertEqual(self.arm()["maintenance"], before)

    def test_nothing_without_a_yes(self):
        for typed in ("", "yes", "yes please\n"):
            self.refuses("nobody said yes", "collision=3", typed=typed)
        said = self.does("collision=3", typed="yes\n")
        self.assertIn("left, the PiPER at socketcand://127.0.0.1:%d: firmware S-V1.8-9, collision levels 1 1 1 1 1 1." % self.port, said)
        self.assertIn("collision levels 3 3 3 3 3 3;", said)
        self.host.forget()
        self.host.send(0x477, 2, 0, 0, 0, 3, 0, 0, 0)
        self.host.wait("the levels", lambda: 0x47B in self.host.last)
        self.assertEqual(self.host.last[0x47B][1].hex(), "0303030303030000")

    def test_gripper_and_errors(self):
        self.arm("gripper_range", range_mm=0)
        self.assertIn("stroke 0 mm (never set)", self.does("gripper=100", "--yes"))
        self.host.wait("the gripper", lambda: self.host.gripper()[0] > 0)
        self.arm("joint", joint=3, bits=32, communication=True)
        self.assertIn("joints with errors 0x00,", self.does("clear-errors", "--yes"))
        self.assertEqual(self.host.status()[1], 0)

    def test_leader_and_follower(self):
        self.host.enable()
        self.refuses("dreamvlactl disable left", "leader", "--yes")
        self.arm("power_cycle")
        for role in ("leader", "follower"):
            before = self.arm()["maintenance"]
            process = self.start("--maintenance", role, "--yes")
            said = [process.stdout.readline(), process.stdout.readline()]
            process.send_signal(signal.SIGSTOP)  # a person may be as quick: all is sent before it says so
            self.assertIn("Switch the arm off and on now", said[1])
            wait_for("all that it was told", lambda: self.arm()["maintenance"] == before + 3)
            self.assertEqual(self.arm()["leader"], role == "follower")
            self.arm("silence", ms=500)
            self.arm("power_cycle")
            process.send_signal(signal.SIGCONT)
            self.assertIn("a %s; next:" % role, process.communicate(timeout=PATIENCE_S)[0])
            self.assertEqual(process.returncode, 0)
            self.assertEqual(self.arm()["leader"], role == "leader")

    def test_another_host(self):
        end = threading.Event()
        poses = threading.Thread(target=self.stream_poses, args=(end,))
        poses.start()
        self.addCleanup(poses.join)
        self.addCleanup(end.set)
        for what in ("collision=0", "clear-errors"):
            self.refuses("somebody commands the PiPER", what, "--yes")

    def stream_poses(self, end):
        while not end.wait(0.01):
            self.host.send(0x151, 1, 0, 10, 0, 0, 0, 0, 0)
            self.host.send(0x152, 0, 0, 0, 0, 0, 0, 0, 0)

    def test_what_does_not_go_together(self):
        self.refuses("want leader", "zero", code=2)
        self.refuses("belongs to --driver piper", "leader", code=2, driver="sim")
        self.refuses("want one of them", "leader", "--preflight", code=2)
        done = subprocess.run(self.command("--yes"), capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual((done.returncode, "--yes belongs to --maintenance" in done.stderr), (2, True))


@steady
class BesideADriver(Station):
    def maintain(self, what, config, why):
        done = subprocess.run([os.path.join(B, "dreamvla-arm"), "--config", config, "--driver", "piper", "--maintenance", what, "--yes"],
                              capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(why, done.stderr)

    def test_an_arm_that_is_held_is_left_alone(self):
        """By a driver of another configuration too."""
        other = self.bench.config + ".other"
        with open(self.bench.config, encoding="utf-8") as f, open(other, "w", encoding="utf-8") as to:
            text = f.read()
            self.assertIn(self.bench.address["control"], text)
            to.write(text.replace(self.bench.address["control"], free_addresses(1)[0]))
        self.enable()
        for what in ("collision=3", "clear-errors", "gripper=100", "leader"):
            self.maintain(what, other, "somebody commands the PiPER")
        self.assertEqual(self.robot()["maintenance"], 0)
        self.assertEqual(self.status()["mode"], "ready")

    def test_an_arm_that_is_off_is_left_alone(self):
        """Its driver says nothing then, and would not learn of the change."""
        self.off()
        for what in ("gripper=100", "collision=3"):
            self.maintain(what, self.bench.config, "end its dreamvla-arm first")
        self.assertEqual(self.robot()["maintenance"], 0)


if __name__ == "__main__":
    unittest.main()
