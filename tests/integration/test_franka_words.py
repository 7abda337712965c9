#!/usr/bin/python3
"""dreamvla-arm --driver franka and dreamvlactl against the simulated Franka: what the arm says of itself in every state that a person has
to know of, and what an operator does about it."""
import os
import subprocess
import sys
import unittest

import msgpack
import zmq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fci_client import free_address  # noqa: E402
from ports import free_addresses  # noqa: E402
from robots_bench import B, PATIENCE_S, Bench, wait_for  # noqa: E402


class Words(unittest.TestCase):
    def setUp(self):
        self.station = free_address()
        self.bench = Bench(robot="    address: %s" % self.station)
        self.addCleanup(self.bench.close)
        self.bench.address["faults"] = free_addresses(1)[0]
        self.sim = self.bench.start("dreamvla-sim", "--no-cameras", "--franka", self.station, "--faults", self.bench.address["faults"],
                                    "--duration", "250")
        self.faults = self.bench.connect(zmq.REQ, "faults")
        self.fault("status")
        self.arm = self.bench.start("dreamvla-arm", "--config", self.bench.config, "--driver", "franka")
        self.door = self.bench.connect(zmq.REQ, "control")

    def fault(self, cmd, **fields):
        self.faults.send(msgpack.packb(dict(fields, cmd=cmd)))
        reply = msgpack.unpackb(self.faults.recv())
        self.assertTrue(reply.pop("ok"), reply)
        return reply

    def status(self):
        self.door.send(msgpack.packb({"cmd": "status"}))
        return msgpack.unpackb(self.door.recv())

    def until(self, mode, trouble=""):
        def found():
            s = self.status()
            return s if s["mode"] == mode and s.get("trouble", "") == trouble else None

        try:
            return wait_for("%s, %s" % (mode, trouble), found)
        except AssertionError as late:
            raise AssertionError("%s: it is %s\n%s" % (late, self.status(), self.bench.log_of(self.arm))) from late

    def ctl(self, *arguments):
        return subprocess.run([os.path.join(B, "dreamvlactl"), "--config", self.bench.config, *arguments], input="", capture_output=True,
                              text=True, timeout=4 * PATIENCE_S)

    def done(self, *arguments):
        done = self.ctl(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.bench.log_of(self.arm))
        return done.stdout

    def test_nothing_wrong(self):
        s = self.until("ready")
        self.assertEqual((s["errors"], s.get("remedy"), s["driver"]), ([], None, "franka"))
        self.assertEqual(len(s["tau"]), 7)
        self.assertGreater(abs(s["tau"][3]), 5)  # joint 4 carries the forearm
        self.assertGreater(s["franka_states"], 0)
        self.assertNotIn("success_rate", s)      # of no motion

    def test_reflex_and_recovery(self):
        self.until("ready")
        self.fault("reflex")
        s = self.until("reflex", "reflex")
        self.assertIn("joint_reflex", s["errors"])
        self.assertEqual(s["errors"][-1], "reflex")
        self.assertIn("dreamvlactl recover", s["remedy"])
        self.assertIn("joint_reflex", self.bench.log_of(self.arm))
        refused = self.ctl("recover")            # nobody says yes
        self.assertEqual(refused.returncode, 1)
        self.assertIn("Arm arm is reflex (joint_reflex", refused.stderr)
        self.until("reflex", "reflex")
        self.assertIn("ready\n", self.done("recover", "--yes"))
        self.assertEqual(self.until("ready")["errors"], [])
        again = self.ctl("recover", "--yes")
        self.assertEqual(again.returncode, 1)
        self.assertIn("there is nothing to recover from", again.stderr)

    def test_modes(self):
        self.until("ready")
        for fault, mode, trouble in (("user_stop", "user_stopped", "user_stopped"), ("guiding", "guiding", "guiding")):
            self.fault(fault, on=True)
            s = self.until(mode, trouble)
            self.assertEqual(s["errors"], [trouble])
            self.assertNotEqual(s["remedy"], "")
            self.fault(fault, on=False)
            self.until("ready")
        self.fault("brakes", on=True)
        self.assertIn("Desk", self.until("idle", "locked")["remedy"])
        self.fault("brakes", on=False)
        self.until("ready")

    def test_disable_and_enable(self):
        self.until("ready")
        self.assertEqual(self.ctl("disable").returncode, 1)  # nobody says yes
        self.done("disable", "--yes")
        self.assertEqual(self.until("idle")["errors"], [])
        self.done("enable")
        self.until("ready")

    def test_gone_and_back(self):
        self.until("ready")
        self.bench.end(self.sim)
        s = wait_for("lost", lambda: (lambda s: s if s["mode"] == "disconnected" and s["errors"] else None)(self.status()))
        self.assertNotIn("q", s)
        self.assertEqual(s["errors"], [s["trouble"]])
        self.sim = self.bench.start("dreamvla-sim", "--no-cameras", "--franka", self.station, "--faults", self.bench.address["faults"],
                                    "--duration", "250")
        self.until("ready")

    def test_hand(self):
        self.until("ready")
        wait_for("the hand", lambda: "gripper_m" in self.status())
        self.assertEqual(self.ctl("home-gripper").returncode, 1)  # nobody says yes
        self.assertIn("knows its range", self.done("home-gripper", "--yes"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
