#!/usr/bin/python3
"""dreamvla-arm --driver piper against the simulated PiPER: switched on, moved, held, stopped, switched off, and left alone. An arm without
brakes: nothing moves, falls or is switched that nobody asked for. What goes wrong on the way is in test_piper_faults.py."""
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from piper_bench import ALL_ON, REACHED_RAD, STILL_RAD, Station, apart, largest  # noqa: E402
from robots_bench import wait_for  # noqa: E402
from test_arm import steady  # noqa: E402


@steady
class Power(Station):
    def test_nothing_by_itself(self):
        """Connected, the arm is asked what it is, and that is all."""
        s = self.off()
        self.assertEqual(s["errors"], [])                              # nothing is wrong with it
        self.assertIn("dreamvlactl enable", s["remedy"])
        self.assertFalse(s["brakes"])
        r = self.stands(1.0) and self.robot()
        self.assertEqual((r["enabled"], r["control"], r["targets"], r["maintenance"], r["never"], r["unknown"]), (0, 0, 0, 0, 0, 0))
        self.assertRefused(self.driver.attach(), "idle")
        self.assertLess(apart(self.status()["q"], r["q"]), STILL_RAD)
        self.assertEqual((s["piper_firmware_minor"], s["piper_firmware_patch"], s["piper_withheld"]), (8, 9, 0))
        self.assertIn("S-V1.8-9", self.bench.log_of(self.arm))

    def test_on_move_off(self):
        before = self.off() and self.robot()["q"]
        self.done("enable")
        self.ready()
        self.assertEqual((self.robot()["enabled"], self.robot()["control"]), (ALL_ON, 1))
        self.assertLess(apart(self.stands(), before), STILL_RAD)  # switching on moves nothing
        self.take()
        self.go(self.OUT, 1.5)
        self.arrive()
        self.stands()
        self.assertOk(self.driver.ask("detach", **{"from": self.driver.look()["accepted_from"]}))
        self.assertLess(apart(self.stands(), self.goal), REACHED_RAD)  # and letting go neither
        self.assertRefused(self.driver.ask("disable"), "no brakes")
        self.assertEqual(self.ctl("disable").returncode, 1)            # nobody says yes
        self.assertEqual(self.robot()["enabled"], ALL_ON)
        self.done("disable", "--yes")
        self.assertEqual(self.robot()["enabled"], 0)                   # whoever holds it may go by that
        self.off()

    def test_emergency_stop_and_recovery(self):
        self.to_work()
        before = self.robot()["q"]
        self.assertIn("hold it", self.done("emergency-stop", "arm"))
        s = self.until_mode("estop", "emergency_stop")
        self.assertEqual((s["stopped"], s["accepted_from"]), (True, 0))
        self.assertTrue(self.robot()["stopped"])
        self.wait_robot("sinking", lambda r: apart(r["q"], before) > 0.01)
        self.assertRefused(self.driver.ask("enable"), "estop")
        refused = self.ctl("disable", "--yes")                         # nor does that take recover's place
        self.assertEqual((refused.returncode, self.status()["mode"]), (1, "estop"), refused.stdout)
        self.assertIn("dreamvlactl recover", refused.stderr)
        self.assertRefused(self.driver.ask("recover"), "no brakes")
        self.assertEqual(self.ctl("recover").returncode, 1)            # nobody says yes
        self.assertTrue(self.robot()["stopped"])
        self.assertIn("enable", self.done("recover", "--yes"))
        self.assertEqual(self.robot()["enabled"], 0)                   # it has fallen when that says so
        self.off()
        self.assertEqual((self.robot()["enabled"], self.robot()["stopped"]), (0, False))
        self.done("enable")                                            # deaf to the first 0x471: asked again
        self.take()
        self.go([0.0, 0.3, -0.2, 0.0, 0.0, 0.0])
        self.arrive()

    def test_gripper(self):
        self.engage()
        self.until("a gripper", lambda s: "gripper_m" in s)
        for opening_m in (0.05, 0.0, 0.07):
            self.opening_m = opening_m
            wait_for("%g m" % opening_m, lambda: self.hold(0.1) or abs(self.robot()["gripper_m"] - opening_m) < 5e-4)
            self.until("that it says so", lambda s: abs(s["gripper_m"] - opening_m) < 5e-4)

    def test_killed_in_motion(self):
        self.to_work()
        self.go([-0.3, 0.2, 0.0, 0.0, 0.0, 0.0])
        self.assertGreater(largest(self.robot()["dq"]), 0.05)
        self.bench.end(self.arm, signal.SIGKILL)
        self.wait_robot("rest", lambda r: largest(r["dq"]) < 1e-3)
        held = self.stands(0.5)
        self.assertEqual(self.robot()["enabled"], ALL_ON)
        self.start_arm()
        self.ready()                                                   # without being enabled anew
        self.assertLess(apart(self.stands(0.5), held), STILL_RAD)
        self.take()
        self.go([0.2, 0.0, 0.0, 0.0, 0.0, 0.0])
        self.arrive()


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
