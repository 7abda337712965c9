#!/usr/bin/python3
"""dreamvla-arm --driver franka and the simulated Franka: every protocol, motions there and back by joints and by poses, how they begin
and end. What goes wrong is in test_franka_faults.py."""
import math
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fci_client import Client  # noqa: E402
from franka_bench import HELD_S, ME, TOLERANCE_RAD, Station, apart, smooth  # noqa: E402
from robots_bench import HOME, PATIENCE_S, wait_for  # noqa: E402
from test_arm import steady  # noqa: E402


@steady
class New(Station):
    """As it was started."""

    def test_says_where_it_is(self):
        s = self.driver.look()
        self.assertEqual((s["mode"], s["errors"], s["accepted_from"], s["stopped"]), ("ready", [], 0, False))
        self.assertLess(apart(s["q"], HOME), 1e-4)
        self.assertLess(apart(s["q_d"], HOME), 1e-4)
        self.assertLess(apart(s["ee_pos"], [0.306891, 0, 0.486882]), 1e-4)
        self.assertEqual(len(s["tau"]), 7)
        self.assertGreater(abs(s["tau"][3]), 15)        # gravity is in it: the forearm's weight
        r = self.robot()
        self.assertEqual((r["version"], r["motions"], r["mode"]), (5, 0, "idle"))  # connected, nothing asked of it


@steady
class Panda(Station):
    """Protocol 5."""

    def test_there_and_back(self):
        self.moves_again()
        self.assertEqual(self.robot_since("motions", "reflexes"), (1, 0))
        r = self.driver.ask("status")
        self.assertLessEqual(r["velocity_peak"], 1)
        self.assertLessEqual(r["acceleration_peak"], 1)
        self.assertEqual(self.arm_since("underruns"), (0,))

    def test_all_joints_at_once(self):
        self.engage()
        start = self.robot()["q"]
        delta = [0.2, -0.15, 0.2, 0.15, -0.3, 0.25, 0.3]
        self.arrive(self.go(delta, 0.8))
        self.assertLess(apart(self.robot()["q"], [q + d for q, d in zip(start, delta)]), TOLERANCE_RAD)
        self.arrive(self.go([-d for d in delta], 0.8))
        self.assertEqual(self.robot_since("reflexes"), (0,))

    def test_nothing_moves_before_the_motion_has_begun(self):
        """A first target within 0.02 rad is one to go on from, not one to jump to."""
        self.attach()
        aside = [q + 0.015 for q in self.driver.look()["q_d"]]
        seen = []
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            self.hold(0.05, (aside, [0.0] * 7))
            seen.append(self.robot_since("reflexes"))
        self.assertEqual(set(seen), {(0,)})
        r = self.driver.ask("status")
        self.assertLessEqual(r["acceleration_peak"], 1)
        self.assertEqual(r["limits_exceeded"], 0)

    def test_detach_ends_the_motion(self):
        self.engage()
        self.assertOk(self.driver.ask("detach", **{"from": ME}))
        self.ready()
        self.wait_robot("the motion's end", lambda r: r["mode"] == "idle")
        self.assertEqual(self.robot_since("motions", "reflexes"), (1, 0))
        self.moves_again()
        self.assertEqual(self.robot_since("motions", "reflexes"), (2, 0))

    def test_detach_in_motion_brakes_first(self):
        self.into_motion()
        self.assertOk(self.driver.ask("detach", **{"from": ME}))
        self.wait_robot("the motion's end", lambda r: r["mode"] == "idle")
        self.assertEqual(self.robot_since("reflexes"), (0,))
        self.assert_rests()
        s = self.ready()
        self.assertEqual(s["accepted_from"], 0)
        self.assertLess(apart(s["q_d"], self.robot()["q"]), TOLERANCE_RAD)
        self.assertEqual(self.driver.ask("status")["limits_exceeded"], 0)
        self.moves_again()

    def test_targets_stop(self):
        """It brakes by itself, lets go after 500 ms and ends the motion."""
        self.into_motion()
        self.stands()
        self.wait_robot("the motion's end", lambda r: r["mode"] == "idle")
        self.assertEqual(self.robot_since("reflexes"), (0,))
        self.assertEqual(self.ready()["accepted_from"], 0)
        self.assertGreater(self.arm_since("underruns"), (0,))
        self.moves_again()

    def test_stop_and_its_reset(self):
        self.into_motion()
        self.assertOk(self.driver.ask("stop"))
        self.driver.hold(0.3)
        self.stands()
        self.assertEqual(self.robot_since("reflexes"), (0,))
        s = self.wait("stopped", lambda s: s["stopped"] and s["mode"] == "ready")
        self.assertFalse(self.driver.attach(model=self.model)["ok"])
        self.attach(clear_stop=True)
        self.hold(0.2, (s["q_d"], [0.0] * 7))
        self.assertOk(self.driver.ask("detach", **{"from": ME}))
        self.moves_again()

    def test_sigterm_in_motion(self):
        """It brakes, ends the motion properly and leaves."""
        self.into_motion()
        self.assertEqual(self.bench.end(self.arm), 0)
        r = self.stands()
        self.assertEqual((self.robot_since("reflexes"), r["mode"], r["connected"]), ((0,), "idle", False))

    def test_killed_in_motion(self):
        """The robot misses it and stops; the successor shows that, and waits for a person."""
        self.into_motion()
        self.bench.end(self.arm, signal.SIGKILL)
        r = self.wait_robot("the client to be gone", lambda r: not r["connected"])
        self.stands()
        self.start_arm()
        if r["mode"] == "reflex":       # or it saw the connection end before 20 commands were missing
            self.trouble("communication_constraints_violation", "reflex")
            self.assertFalse(self.driver.attach(model=self.model)["ok"])
            self.assert_rests()
            self.assertOk(self.driver.ask("recover"))
        self.moves_again()


@steady
class Poses(Station):
    """output: pose: the same arm by the robot's Cartesian generator."""

    robot_keys, policy_keys = "    output: pose", "  action_space: ee_delta"

    def target(self, at, t_ns):
        pos, quat, twist = at
        self.driver.target(None, dq=None, kind="pose", pos=pos, quat=quat, twist=twist, t_ns=t_ns)
        self.due_ns = t_ns

    def standing(self):
        s = self.driver.look()
        return s["ee_pos"], s["ee_quat"], [0.0] * 6

    def circle(self):
        self.engage()
        s = self.driver.look()
        pos, quat, seconds = s["ee_pos"], s["ee_quat"], 2.0

        def at(t):
            """A circle in a plane of x and z, down to 4 cm, while the tool turns about z by 0.2 rad and back."""
            share, rate = smooth(t / seconds)
            a, da = 2 * math.pi * share, 2 * math.pi * rate / seconds
            turn, dturn = 0.1 * (1 - math.cos(a)), 0.1 * math.sin(a) * da
            half = (0.0, 0.0, math.sin(turn / 2), math.cos(turn / 2))
            x, y, z, w = quat
            turned = [half[3] * x - half[2] * y, half[3] * y + half[2] * x, half[3] * z + half[2] * w, half[3] * w - half[2] * z]
            return ([pos[0] + 0.02 * math.sin(a), pos[1], pos[2] - 0.02 * (1 - math.cos(a))], turned,
                    [0.02 * math.cos(a) * da, 0, -0.02 * math.sin(a) * da, 0, 0, dturn])
        lowest = []

        def until(t):
            lowest.append(self.driver.look()["ee_pos"][2])
            return False
        self.stream(seconds, at, until)

        def back():
            self.hold(HELD_S, (pos, quat, [0.0] * 6))
            s = self.driver.look()
            return s["mode"] == "ready" and apart(s["ee_pos"], pos) < 1e-3
        wait_for("the circle to close", back)
        self.assertLess(min(lowest), pos[2] - 0.035)
        self.assertGreater(abs(sum(a * b for a, b in zip(self.driver.look()["ee_quat"], quat))), 1 - 1e-6)
        r = self.driver.ask("status")
        self.assertEqual((r["targets_refused"], r["limits_exceeded"]), (0, 0), r["refused"])
        self.assertEqual(self.robot_since("motions", "reflexes"), (1, 0))

    def test_there_and_back(self):
        self.circle()


@steady
class PosesSoftly(Poses):
    """The robot's other controller: the motions are what they are with the preset one."""

    robot_keys = "    output: pose\n    franka:\n      controller: cartesian_impedance\n      cartesian_impedance: [100, 200, 300, 10, 20, 30]"

    def test_there_and_back(self):
        self.circle()
        self.assertEqual(self.robot()["controller"], "cartesian_impedance")


@steady
class JointsSoftly(Station):
    robot_keys = "    franka:\n      controller: cartesian_impedance"

    def test_there_and_back(self):
        self.moves_again()
        r = self.robot()
        self.assertEqual((r["controller"], r["reflexes"]), ("cartesian_impedance", 0))


class OtherProtocols:
    """Without a robot at first; one that speaks the protocol is there when the test begins."""

    protocols = ()

    def test_every_one(self):
        for n, version in enumerate(self.protocols):
            if n:
                self.robot("version", version=version)
                self.robot("close")
            self.wait_robot("protocol %d" % version, lambda r: r["connected"] and r["version"] == version)
            self.moves_again()
            self.assertEqual(self.robot()["reflexes"], 0)
            self.assertOk(self.driver.ask("detach", **{"from": ME}))


@steady
class Fr3(OtherProtocols, Station):
    model, protocols, sim_arguments = "fr3", (6, 7), ("--franka-version", "6")


@steady
class NewerFr3(OtherProtocols, Station):
    """A robot of its own: one that closes a third time is given time."""

    model, protocols, sim_arguments = "fr3", (8, 9), ("--franka-version", "8")


@steady
class Fr3From59(OtherProtocols, Station):
    model, protocols, sim_arguments = "fr3_5.9", (10,), ("--franka-version", "10")


@steady
class Fr3Poses(Poses):
    """States in float32."""

    model, sim_arguments = "fr3_5.9", ("--franka-version", "10")


@steady
class Connecting(Station):
    model, keeps = "fr3", False

    def start(self):
        pass

    def test_wrong_generation(self):
        """The robot tells which protocol it speaks; limits of another generation than configured are not used."""
        self.start_sim("--franka-version", "5")
        self.start_arm()
        self.trouble("wrong_model", "disconnected")
        self.assertFalse(self.driver.attach(model=self.model)["ok"])
        self.robot("version", version=10)
        time.sleep(1.0)
        self.trouble("wrong_model", "disconnected")
        self.robot("version", version=7)
        self.ready()
        self.assertEqual(self.robot()["version"], 7)

    def test_nobody_listens(self):
        self.start_arm()
        self.trouble("fci_inactive", "disconnected")
        s = self.driver.look()
        for key in ("q", "dq", "q_d", "ee_pos", "ee_quat"):
            self.assertIsNone(s.get(key))
        self.start_sim()
        self.ready()
        wait_for("targets arrive", self.targets_arrive)
        self.moves_again()

    def test_another_client_is_there(self):
        self.start_sim()
        self.robot()
        first = Client(self.address, patience_s=PATIENCE_S)
        self.addCleanup(first.close)
        self.assertEqual(first.connect(6)[0], 0)
        self.start_arm()
        self.trouble("other_client", "disconnected")
        self.assertEqual(first.ask(2), b"\0")               # the first is not disturbed
        first.close()
        self.ready()

    def test_ends_while_it_connects(self):
        self.start_arm()
        self.trouble("fci_inactive")
        self.assertEqual(self.bench.end(self.arm), 0)
        self.start_arm()
        wait_for("its first word", lambda: self.bench.log_of(self.arm))
        self.assertEqual(self.bench.end(self.arm), 0)       # perhaps before its first try


if __name__ == "__main__":
    unittest.main()
