#!/usr/bin/python3
"""The Franka Hand behind dreamvla-arm --driver franka: what becomes of gripper_m in targets, homing by an operator, and a hand that
goes wrong while the arm does not.
Too long for make check: half a minute, most of it the time that fingers take."""
import math
import os
import sys
import time
import unittest

import msgpack
import zmq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fci_client import free_address  # noqa: E402
from ports import free_addresses  # noqa: E402
from robots_bench import PATIENCE_S, Bench, now_ns, wait_for  # noqa: E402
from test_arm import ME, Driver, steady  # noqa: E402

HELD_S = 0.05
OPEN_M, NEAR_M = 0.08, 0.002


class Station(unittest.TestCase):
    keys = ""

    def setUp(self):
        self.address = free_address()
        self.bench = Bench(robot="    address: %s\n%s" % (self.address, self.keys))
        self.addCleanup(self.bench.close)
        self.bench.address["faults"] = free_addresses(1)[0]
        self.sim = self.bench.start("dreamvla-sim", "--no-cameras", "--franka", self.address, "--faults", self.bench.address["faults"],
                                    "--duration", "300")
        self.faults = self.bench.connect(zmq.REQ, "faults")
        self.robot("status")
        self.driver = Driver(self.bench)
        self.arm = self.bench.start("dreamvla-arm", "--config", self.bench.config, "--driver", "franka")

    # ---- for steady(), see test_arm.py

    def interruption(self):
        """What is tested here is the hand: a busy machine whose motions ended for want of commands proves nothing about it."""
        ended = self.robot()["violations"]
        return "the robot ended %d motions for want of commands" % ended if ended else None

    def assert_programs_end_well(self):
        self.assertEqual([p.poll() for p in self.bench.processes], [None, None])

    def robot(self, cmd="status", **fields):
        self.faults.send(msgpack.packb(dict(fields, cmd=cmd)))
        reply = msgpack.unpackb(self.faults.recv())
        self.assertTrue(reply.pop("ok"), reply)
        return reply

    def wait(self, what, condition):
        """The first state from now on that fulfils the condition."""
        self.driver.acted_ns = now_ns()
        try:
            return self.driver.wait(what, condition, PATIENCE_S)
        except AssertionError as failure:
            raise AssertionError("%s; the state is %s\n%s" % (failure, self.driver.look(), self.bench.log_of(self.arm))) from failure

    def ready(self):
        return self.wait("arm and hand are ready", lambda s: s["mode"] == "ready" and "trouble" not in s and "gripper_m" in s)

    def attach(self):
        """Targets of one who stands still are sent from now on by tell(), and taken."""
        def attached():
            return self.driver.attach()["ok"]
        self.q = self.ready()["q_d"]
        wait_for("the arm to be attached", attached)

    def tell(self, width_m, what, condition):
        """Streams targets with that opening until the state fulfils the condition."""
        def true():
            self.driver.hold(HELD_S, self.q, gripper_m=width_m)
            self.assertNotEqual(self.driver.look()["mode"], "reflex")
            return condition(self.driver.look())
        try:
            wait_for(what, true)
        except AssertionError as failure:
            raise AssertionError("%s; the state is %s\n%s" % (failure, self.driver.look(), self.bench.log_of(self.arm))) from failure

    def goes_to(self, width_m):
        self.tell(width_m, "%g m" % width_m, lambda s: abs(s.get("gripper_m", -1) - width_m) < NEAR_M)

    def grasps(self):
        self.tell(0.0, "a grasp", lambda s: self.robot()["grasped"])

    def assert_arm_rests(self):
        """The hand's doing is nothing that the arm notices."""
        s = self.driver.look()
        self.assertIn(s["mode"], ("ready", "moving"))
        self.assertLess(max(abs(a - b) for a, b in zip(self.robot()["q"], self.q)), 1e-3)
        self.assertEqual(self.robot()["reflexes"], 0)


@steady
class Gripper(Station):
    def test_moves_and_grasps(self):
        self.attach()
        self.goes_to(0.03)
        self.goes_to(0.06)
        self.grasps()
        self.tell(0.0, "the state to show it", lambda s: s["gripper_m"] < NEAR_M)  # later than the robot knows
        commands = self.robot()["hand_commands"]
        self.assertEqual(commands, 3)
        self.driver.hold(1.0, self.q)                            # without gripper_m: as it was
        self.assertTrue(self.driver.ask("detach", **{"from": ME})["ok"])
        time.sleep(0.5)
        self.assertTrue(self.robot()["grasped"])
        self.assertEqual(self.robot()["hand_commands"], commands)
        self.assert_arm_rests()


    def test_homing(self):
        """Only when an operator wants it; and what was wanted before is over then."""
        self.robot("hand_forget")
        self.wait("hand_not_homed", lambda s: s.get("trouble") == "hand_not_homed" and s["mode"] == "ready")
        self.q = self.driver.look()["q_d"]
        wait_for("the arm to be attached", lambda: self.driver.attach()["ok"])
        self.driver.hold(1.0, self.q, gripper_m=0.0)
        self.assertEqual(self.robot()["hand_commands"], 0)
        self.assertTrue(self.driver.ask("home_gripper")["ok"])

        def homed(s):
            return s.get("trouble") != "hand_not_homed" and abs(s.get("gripper_m", 0) - OPEN_M) < NEAR_M
        self.tell(0.0, "homed", homed)
        self.driver.hold(1.0, self.q, gripper_m=0.0)
        self.assertEqual(self.robot()["hand_commands"], 1)
        self.assertEqual(self.driver.look().get("trouble"), "hand_waits")
        self.goes_to(0.05)
        self.grasps()
        self.assertNotIn("trouble", self.driver.look())
        self.assert_arm_rests()

    def test_homing_is_stopped(self):
        """By an operator's stop, by the arm's own button; and it is not begun while the button is pressed. What is grasped stays so."""
        self.ready()
        self.assertTrue(self.driver.ask("home_gripper")["ok"])
        self.wait("on its way", lambda s: s["gripper_m"] < 0.075)
        self.assertTrue(self.driver.ask("stop")["ok"])
        stopped = self.wait("stopped", lambda s: s.get("trouble") == "hand_homing_failed")
        self.driver.hold(0.3, stopped["q_d"])
        stopped = self.driver.look()
        self.driver.hold(0.5, stopped["q_d"])
        self.assertLess(abs(self.driver.look()["gripper_m"] - stopped["gripper_m"]), 1e-3)
        self.assertTrue(self.driver.ask("home_gripper")["ok"])
        self.wait("on its way again", lambda s: s.get("trouble") != "hand_homing_failed" and s["gripper_m"] < stopped["gripper_m"] - 0.005)
        self.robot("user_stop", on=True)
        self.wait("the button", lambda s: s["mode"] == "user_stopped")
        wait_for("a homing and a stop, twice", lambda: self.robot()["hand_commands"] == 4)
        refused = self.driver.ask("home_gripper")
        self.assertFalse(refused["ok"])
        self.assertIn("user_stopped", refused["error"])
        time.sleep(0.5)
        self.assertEqual(self.robot()["hand_commands"], 4)
        self.robot("user_stop", on=False)
        self.wait("failed", lambda s: s["mode"] == "ready" and s.get("trouble") == "hand_homing_failed")
        self.q = self.driver.look()["q_d"]
        wait_for("the arm to be attached", lambda: self.driver.attach(clear_stop=True)["ok"])
        self.grasps()
        self.assertTrue(self.driver.ask("stop")["ok"])
        time.sleep(0.5)
        self.assertTrue(self.robot()["grasped"])

    def test_is_cut_off_in_a_grasp(self):
        self.attach()
        self.tell(0.0, "on its way", lambda s: s["gripper_m"] < 0.07)
        self.robot("hand_close")
        self.tell(0.0, "connected again", lambda s: s.get("trouble") == "hand_waits")
        width_m = self.driver.look()["gripper_m"]
        self.driver.hold(1.0, self.q, gripper_m=0.0)
        self.assertLess(abs(self.driver.look()["gripper_m"] - width_m), 1e-3)
        self.goes_to(OPEN_M)
        self.assert_arm_rests()

    def test_a_hand_that_answers_nothing_leaves_the_arm_alone(self):
        self.attach()
        self.robot("hand_mute", on=True)
        self.tell(0.0, "the hand is stuck", lambda s: s.get("trouble") in ("hand_stuck", "hand_other_client"))
        before = self.driver.look()["q_d"][0]
        self.driver.swing(math.pi / 2)  # half of one: from rest to rest
        self.driver.hold(0.5)
        self.assertGreater(max(abs(s["q"][0] - before) for s in self.driver.recent[-400:] if "q" in s), 0.02)
        self.assertEqual(self.robot()["reflexes"], 0)
        self.robot("hand_mute", on=False)
        self.q = self.driver.look()["q_d"]
        self.tell(0.0, "the hand is back", lambda s: "gripper_m" in s and self.robot()["hand_connected"])
        self.goes_to(0.04)


@steady
class NoHand(Station):
    keys = "    franka: {hand: {use: false}}\n"

    def test_an_arm_without(self):
        s = self.wait("the arm is ready", lambda s: s["mode"] == "ready" and "trouble" not in s)
        self.assertNotIn("gripper_m", s)
        self.assertFalse(self.robot()["hand_connected"])
        self.assertFalse(self.driver.ask("home_gripper")["ok"])


if __name__ == "__main__":
    unittest.main()
