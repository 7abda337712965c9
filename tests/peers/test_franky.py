#!/usr/bin/python3
"""franky-control, unmodified, against dreamvla-sim --franka: 1.1.2 (libfranka 0.16.0, protocol 9) and 2.0.0 (libfranka 0.21.2,
protocol 10).

What 1.1.2 cannot do is said at its test. Bounds on velocities are what one or two commands that this machine missed may cost.

environments: franky-1.1.2 franky-2.0.0
"""
import math
import os
import sys
import threading
import time
import unittest
from importlib.metadata import version

import franky
import numpy as np
from franky import (Affine, CartesianImpedanceMotion, CartesianMotion, CartesianVelocityMotion, CartesianVelocityStopMotion, Duration,
                    Gripper, JointMotion, JointStopMotion, JointVelocityMotion, JointVelocityStopMotion, RealtimeConfig, ReferenceType,
                    Robot, Twist)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from station import READY, Station, steady  # noqa: E402

PROTOCOL = 10 if version("franky-control").startswith("2.") else 9
SECONDS = float(os.environ.get("PEER_SECONDS", "10"))  # of the long run


@steady
class Franky(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.station = Station("--franka-version", str(PROTOCOL))
        cls.addClassCleanup(cls.station.close)

    def setUp(self):
        self.robot = Robot(self.station.address, realtime_config=RealtimeConfig.Ignore)
        self.robot.recover_from_errors()
        self.robot.relative_dynamics_factor = 0.2  # its dynamics are the Panda's: at 1.0 an FR3 refuses them

    def tearDown(self):
        self.station.report("franky %s %s" % (version("franky-control"), self.id().split(".")[-1]))
        self.robot = None

    def q(self):
        return np.array(self.robot.current_joint_state.position)

    def p(self):
        return np.array(self.robot.current_pose.end_effector_pose.translation)

    def home(self):
        self.robot.move(JointMotion(list(READY)))

    def test_joints(self):
        goal = np.array(READY) + [0.2, -0.1, 0.1, 0.2, 0.1, -0.1, 0.2]
        self.robot.move(JointMotion(list(goal)))
        np.testing.assert_allclose(self.q(), goal, atol=1e-5)
        self.home()
        np.testing.assert_allclose(self.q(), READY, atol=1e-5)

    def test_poses(self):
        self.home()
        start, turn = self.p(), self.robot.current_pose.end_effector_pose.quaternion
        self.robot.move(CartesianMotion(Affine(start + [0.05, 0.03, -0.02], turn)))
        np.testing.assert_allclose(self.p(), start + [0.05, 0.03, -0.02], atol=1e-5)
        self.robot.move(CartesianMotion(Affine([0.0, 0.0, 0.03]), ReferenceType.Relative))  # along the tool, which points down
        np.testing.assert_allclose(self.p(), start + [0.05, 0.03, -0.05], atol=1e-5)

    def test_velocities(self):
        self.home()
        x = self.p()[0]
        self.robot.move(CartesianVelocityMotion(Twist([0.05, 0, 0], [0, 0, 0]), Duration(500)))
        self.robot.move(CartesianVelocityStopMotion())
        self.assertAlmostEqual(self.p()[0] - x, 0.05 * 0.5, delta=5e-4)
        q = self.q()[6]
        self.robot.move(JointVelocityMotion([0, 0, 0, 0, 0, 0, 0.2], Duration(500)))
        self.robot.move(JointVelocityStopMotion())
        self.assertAlmostEqual(self.q()[6] - q, 0.2 * 0.5, delta=2e-3)
        time.sleep(0.2)
        np.testing.assert_allclose(np.array(self.robot.current_joint_state.velocity), 0, atol=1e-5)

    def test_impedance(self):
        self.home()
        turn = self.robot.current_pose.end_effector_pose.quaternion
        if PROTOCOL == 9:  # 1.1.2 steps its torques with a target elsewhere, which any robot refuses
            goal = self.p()
            self.robot.move(CartesianImpedanceMotion(Affine(goal, turn), Duration(3000)))
        else:
            goal = self.p() + [0, 0.02, 0]
            self.robot.move(CartesianImpedanceMotion(Affine(goal, turn)), asynchronous=True)
            time.sleep(3.5)
        np.testing.assert_allclose(self.p(), goal, atol=1e-5)
        if PROTOCOL == 10:  # its impedance motion goes on until it is stopped
            self.robot.stop()
            with self.assertRaisesRegex(Exception, "preempted"):
                self.robot.join_motion()

    @unittest.skipUnless(PROTOCOL == 10, "franky 1.1.2 has no such motions")
    def test_joint_impedance_and_torque_stop(self):
        """Neither ends by itself but by the torques' own finished flag, which a torque stop sends."""
        self.home()
        goal = np.array(READY) + [0.05, 0, 0, 0.05, 0, 0.05, 0.05]
        self.robot.move(franky.JointImpedanceMotion(list(goal)), asynchronous=True)
        time.sleep(3.5)
        np.testing.assert_allclose(self.q(), goal, atol=1e-4)
        self.robot.move(franky.TorqueStopMotion())
        np.testing.assert_allclose(self.q(), goal, atol=1e-3)  # the stop lets go of the spring
        np.testing.assert_allclose(np.array(self.robot.current_joint_state.velocity), 0, atol=1e-3)
        self.home()  # idle: another motion starts

    def test_stop(self):
        self.robot.move(JointMotion([q + 0.5 for q in READY[:1]] + READY[1:]), asynchronous=True)
        time.sleep(0.3)
        self.robot.stop()
        with self.assertRaisesRegex(Exception, "preempted"):
            self.robot.join_motion()
        self.robot.move(JointStopMotion())
        self.home()

    def test_reflex_and_recovery(self):
        self.home()
        self.robot.relative_dynamics_factor = 1.0
        with self.assertRaisesRegex(Exception, "joint_motion_generator_(velocity|acceleration)_discontinuity"):
            self.robot.move(JointMotion([q + 0.5 for q in READY[:1]] + READY[1:]))
        self.assertTrue(self.robot.recover_from_errors())
        self.robot.relative_dynamics_factor = 0.2
        self.home()
        np.testing.assert_allclose(self.q(), READY, atol=1e-5)

    def test_user_stop(self):
        self.home()
        self.robot.move(JointMotion([q + 0.5 for q in READY[:1]] + READY[1:]), asynchronous=True)
        time.sleep(0.3)
        self.addCleanup(self.station.ask, "user_stop", on=False)
        self.station.ask("user_stop", on=True)
        with self.assertRaisesRegex(Exception, "User Stop pressed!"):
            self.robot.join_motion()
        self.station.ask("user_stop", on=False)
        self.robot.recover_from_errors()
        self.home()

    def test_model(self):
        self.home()
        state = self.robot.state
        model = self.robot.model
        np.testing.assert_allclose(model.gravity(state), state.tau_J, atol=0.02)

    def test_comes_back(self):
        for _ in range(3):
            self.robot = None
            self.robot = Robot(self.station.address, realtime_config=RealtimeConfig.Ignore)
        self.robot.relative_dynamics_factor = 0.2
        self.home()

    def test_long_run(self):
        """SECONDS of joint motions at 1 kHz."""
        begun, k = time.monotonic(), 0
        while time.monotonic() - begun < SECONDS:
            k += 1
            self.robot.move(JointMotion([READY[0] + 0.4 * math.sin(k)] + READY[1:6] + [READY[6] + 0.4 * math.cos(k)]))


class Hand(unittest.TestCase):
    def test_hand(self):
        station = Station("--franka-version", str(PROTOCOL))
        self.addCleanup(station.close)
        hand = Gripper(station.address)
        self.assertTrue(hand.homing())
        self.assertAlmostEqual(hand.max_width, 0.08)
        self.assertTrue(hand.move(0.03, 0.1))
        self.assertAlmostEqual(hand.width, 0.03, delta=1e-3)
        self.assertTrue(hand.open(0.1))
        self.assertAlmostEqual(hand.width, 0.08, delta=1e-3)
        self.assertTrue(hand.grasp(0.0, 0.1, 20.0))
        self.assertTrue(hand.is_grasped)
        self.assertFalse(hand.grasp(0.05, 0.1, 20.0))
        thread = threading.Thread(target=hand.stop)
        thread.start()
        thread.join()


if __name__ == "__main__":
    unittest.main(verbosity=2)
