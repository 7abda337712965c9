#!/usr/bin/python3
"""dreamvla-teleop with a PiPER that was made a leader: dreamvla-sim --piper behind socketcand's protocol, a pedal, and what is published."""
import os
import re
import signal
import sys
import time
import unittest

import msgpack
import zmq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fake_input as fake  # noqa: E402
import test_teleop  # noqa: E402
from robots_bench import Bench, wait_for  # noqa: E402
from ports import free_addresses  # noqa: E402

Q = [0.1, 0.2, -0.2, 0.1, 0.05, -0.1]
TOPIC = "teleop/piper-leader"


class Leader(test_teleop.Bench):
    def setUp(self):
        super().setUp()
        self.bench = Bench(model="piper")
        self.addCleanup(self.bench.close)
        self.bench.address["faults"] = free_addresses(1)[0]
        self.start_arm(0)
        self.pedal = self.device("event0", fake.PEDAL)

    def start_arm(self, port):
        self.sim = self.bench.start("dreamvla-sim", "--no-cameras", "--piper", f"socketcand://127.0.0.1:{port}", "--faults",
                                    self.bench.address["faults"], "--duration", "300")
        self.port = int(wait_for("the simulator's port",
                                 lambda: re.search(r"PiPER at socketcand://127\.0\.0\.1:(\d+)", self.bench.log_of(self.sim))).group(1))
        self.faults = self.bench.connect(zmq.REQ, "faults")
        self.addCleanup(self.faults.close)

    def arm(self, cmd="status", **fields):
        self.faults.send(msgpack.packb(dict(fields, cmd=cmd)))
        reply = msgpack.unpackb(self.faults.recv())
        self.assertTrue(reply.pop("ok"), reply)
        return reply

    def lead(self, q, gripper_m=0.05):
        self.arm("leader", on=True)
        self.arm("lead", q=q, gripper_m=gripper_m)
        wait_for("the hand's posture", lambda: max(abs(a - b) for a, b in zip(self.arm()["q"], q)) < 1e-4)

    def begin(self, *arguments):
        self.process = self.start("--device", "piper-leader", "--bus", f"socketcand://127.0.0.1:{self.port}", *arguments)

    def begin_with_pedal(self):
        self.begin("--deadman-evdev", self.pedal.path)

    def hear(self, what, condition):
        return self.until(what, condition, TOPIC)

    def step(self):
        """With a foot on the pedal, which steps on it anew where this machine's pauses were a leader's silence."""
        self.hear("a released dead-man", lambda m: not m["deadman"])
        for _ in range(10):
            self.pedal.key(fake.KEY_SPACE, 0)
            time.sleep(0.05)
            self.pedal.key(fake.KEY_SPACE, 1)
            end = time.monotonic() + 3
            while time.monotonic() < end:
                if self.take(TOPIC) and self.heard[-1]["deadman"]:
                    return self.heard[-1]
                time.sleep(0.005)
        raise AssertionError("the dead-man was never pressed")

    def assert_released_until_pressed_anew(self):
        self.hear("messages again", lambda m: not m["deadman"])
        time.sleep(0.3)
        self.assertFalse(any(m["deadman"] for m in self.take(TOPIC)[-10:]))  # a foot that stays there is no press
        self.step()

    def assert_near(self, values, q):
        self.assertLess(max(abs(a - b) for a, b in zip(values, q)), 1e-4)

    def test_joints_gripper_and_pedal(self):
        self.lead(Q)
        self.begin_with_pedal()
        m = self.hear("a message", lambda m: True)
        self.assertEqual((m["kind"], m["deadman"], len(m["values"])), ("joint", False, 6))
        self.assert_near(m["values"], Q)
        self.assertAlmostEqual(m["gripper_m"], 0.05)
        self.step()
        moved = [0.0, 0.3, -0.1, 0.2, 0.1, -0.2]
        self.arm("lead", q=moved)
        m = self.hear("the new joints", lambda m: max(abs(a - b) for a, b in zip(m["values"], moved)) < 1e-4)
        self.arm("silence", ms=60000)
        self.hear("the release by silence", lambda m: not m["deadman"])
        self.arm("silence", ms=0)
        self.assert_released_until_pressed_anew()
        self.pedal.unplug()
        wait_for("silence without the pedal", lambda: self.silent(TOPIC))
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(test_teleop.PATIENCE_S), 0)
        self.assertEqual(self.arm()["frames"], 0)  # nothing was ever sent to its bus

    def test_the_gripper_as_the_dead_man(self):
        self.lead(Q, 0.01)
        self.begin("--deadman-gripper", "0.02")
        self.assertNotIn("gripper_m", self.hear("a message", lambda m: True))
        time.sleep(0.3)
        self.assertFalse(any(m["deadman"] for m in self.take(TOPIC)))  # closed from the beginning: nobody has pressed it
        for _ in range(10):  # this machine's pauses can be a leader's silence
            self.arm("lead", q=Q, gripper_m=0.05)
            time.sleep(0.2)
            self.arm("lead", q=Q, gripper_m=0.01)
            time.sleep(0.2)
            if self.take(TOPIC)[-1]["deadman"]:
                break
        self.assertTrue(self.heard[-1]["deadman"])
        self.arm("lead", q=Q, gripper_m=0.05)
        self.hear("the release", lambda m: not m["deadman"])

    def test_a_bus_that_is_lost_is_opened_again(self):
        self.lead(Q)
        self.begin_with_pedal()
        self.step()
        self.sim.kill()
        self.sim.wait()
        self.hear("the release", lambda m: not m["deadman"])
        self.start_arm(self.port)
        self.lead(Q)
        self.assert_released_until_pressed_anew()

    def test_an_arm_that_is_no_leader(self):
        self.begin_with_pedal()
        self.assertTrue(self.silent(TOPIC))
        self.lead(Q)
        self.step()
        self.arm("leader", on=False)
        wait_for("silence", lambda: self.silent(TOPIC))
        self.arm("leader", on=True)
        self.hear("messages again", lambda m: not m["deadman"])
        log = self.log_of(self.process)
        self.assertIn("One whose control ids were moved (0x165 or 0x175", log)  # before anything was heard
        self.assertIn("is no leader (it says its joints, 0x2A5,", log)
        self.assertEqual(self.arm()["frames"], 0)

    def test_options(self):
        bus = f"socketcand://127.0.0.1:{self.port}"
        pedal = ["--deadman-evdev", self.pedal.path]
        with open(self.folder / "franka.yaml", "w") as f:
            f.write("policy: {model: /nowhere, cameras: [overhead]}\ncameras: {overhead: {}}\nrobots: [{name: arm, model: panda}]\n")
        for arguments, word in ((["--device", "piper-leader", *pedal], "--bus is missing"),
                                (["--device", "piper-leader", "--bus", bus], "without a dead-man"),
                                (["--device", "piper-leader", "--bus", "nosuchcan7", *pedal], "nosuchcan7"),
                                (["--device", "piper-leader", "--bus", bus, *pedal, "--topic", "state/lead"], "--topic does not belong"),
                                (["--device", "piper-leader", "--bus", bus, *pedal, "--config", self.folder / "franka.yaml"], "the arm to drive 7"),
                                (["--device", "leader", "--bus", bus], "--bus does not belong"),
                                (["--device", "leader-piper"], "want gamepad")):
            done = self.call(*arguments)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(word, done.stderr)


if __name__ == "__main__":
    unittest.main()
