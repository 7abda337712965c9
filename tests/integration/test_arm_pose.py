"""dreamvla-arm --driver sim and pose targets from a hostile peer: what is no pose is void, what breaks a limit is refused with a brake
and a reason, and a good stream is followed before and after."""
import math
import os
import random
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from robots_bench import Bench, now_ns, wait_for  # noqa: E402
from test_arm import LEAD_NS, ME, OTHER, PERIOD_S, WAIT_S, Driver  # noqa: E402

STILL = [0.0] * 6


class Poses(unittest.TestCase):
    def setUp(self):
        self.bench = Bench()
        self.addCleanup(self.bench.close)
        self.driver = Driver(self.bench)
        self.bench.start_sim("--no-cameras")
        self.arm = self.bench.start_arm()
        self.driver.wait("the arm is ready", lambda s: s["mode"] == "ready")
        s = self.driver.look()
        self.pos, self.quat, self.q = s["ee_pos"], s["ee_quat"], s["q_d"]
        wait_for("targets arrive", self.targets_arrive)
        self.assertTrue(self.driver.attach()["ok"])

    def tearDown(self):
        """Nothing crashed, and whatever was sent, what was commanded kept the limits."""
        r = self.driver.ask("status")
        self.assertLessEqual(r["velocity_peak"], 1)
        self.assertLessEqual(r["acceleration_peak"], 1.05)
        self.assertEqual(self.bench.end(self.arm), 0, self.bench.log_of(self.arm))

    def targets_arrive(self):
        self.pose(sender=OTHER)
        return self.driver.ask("status")["targets_foreign"] > 0

    def pose(self, **more):
        self.driver.target(None, **{"dq": None, "kind": "pose", "pos": self.pos, "quat": self.quat, "twist": STILL, **more})

    def hold(self, seconds, **more):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.pose(**more)
            time.sleep(PERIOD_S)
        self.driver.acted_ns = now_ns()

    def swing(self, seconds):
        """Down by 4 cm and up again at 200 Hz on an absolute grid, from rest. Returns when the next target would be due."""
        start, due = now_ns(), 0
        for k in range(int(seconds / PERIOD_S)):
            t = k * PERIOD_S
            ramp, rate = (t * t * (3 - 2 * t), 6 * t * (1 - t)) if t < 1 else (1.0, 0.0)
            x, v = 0.02 * (1 - math.cos(2 * t)), 0.04 * math.sin(2 * t)
            due = start + int(t * 1e9) + LEAD_NS
            self.pose(pos=[self.pos[0], self.pos[1], self.pos[2] - ramp * x], twist=[0, 0, -ramp * v - rate * x, 0, 0, 0], t_ns=due)
            pause = (start + int((t + PERIOD_S) * 1e9) - now_ns()) * 1e-9
            if pause > 0:
                time.sleep(pause)
        self.driver.acted_ns = now_ns()
        return due + int(PERIOD_S * 1e9)

    def begin(self):
        """Everything that was sent has been played, the arm stands, and streams start from where it is."""
        time.sleep(LEAD_NS * 1e-9 + 0.1)
        self.driver.acted_ns = now_ns()
        s = self.driver.wait("the arm to stand", lambda s: s["mode"] == "ready")
        self.assertTrue(self.driver.attach()["ok"])
        self.pos, self.quat = s["ee_pos"], s["ee_quat"]

    def still_alive(self):
        """A good first target is accepted, once the arm stands and someone is attached."""
        def accepted():
            self.begin()
            before = self.driver.ask("status")["targets_accepted"]
            self.hold(0.05)
            return self.driver.ask("status")["targets_accepted"] > before

        wait_for("a good pose is accepted again", accepted, WAIT_S)

    def test_a_good_stream_is_followed(self):
        def followed():
            self.begin()
            height = self.pos[2]
            self.swing(2.0)
            s = self.driver.look()
            return height - s["ee_pos"][2] > 0.01 and s["ack_seq"] > 100

        wait_for("the arm to follow", followed)
        self.still_alive()

    def test_what_is_no_pose_is_void(self):
        void = [{"pos": self.pos[:2]}, {"pos": self.pos + [0.0]}, {"pos": None}, {"quat": self.quat[:3]}, {"quat": None}, {"twist": [0.0] * 5},
                {"twist": None}, {"quat": [0.0] * 4}, {"quat": [2 * x for x in self.quat]}, {"quat": [1.002 * x for x in self.quat]},
                {"pos": [math.nan, 0, 0]}, {"pos": [math.inf, 0, 0]}, {"quat": [math.nan] * 4}, {"twist": [math.nan] * 6},
                {"twist": [-math.inf] * 6}, {"pos": "here"}, {"pos": [self.pos] * 3}, {"kind": "twist"}, {"kind": 1}]
        for more in void:
            before = self.driver.ask("status")["targets_void"]

            def counted(more=more, before=before):
                self.pose(**more)
                return self.driver.ask("status")["targets_void"] > before

            wait_for("%s to be void" % more, counted, WAIT_S)
        r = self.driver.ask("status")
        self.assertEqual(r["targets_accepted"], 0)
        for a, b in zip(r["q_d"], self.q):
            self.assertAlmostEqual(a, b, places=9)
        self.still_alive()

    def refused(self, reason, **more):
        def said():
            self.pose(**more)
            return reason in self.driver.ask("status")["refused"]["reason"]

        wait_for("a refusal that says: " + reason, said, WAIT_S)

    def test_bad_starts_are_refused(self):
        x, y, z = self.pos
        self.refused("5 mm", pos=[x + 0.006, y, z])
        self.refused("has 0.05 rad", quat=[self.quat[0] * math.cos(0.025), self.quat[1], self.quat[2], math.sin(0.025)])
        self.refused("0.5 m/s", twist=[0, 0, 0.5, 0, 0, 0])
        self.refused("3 rad/s", twist=[0, 0, 0, 3, 0, 0])
        self.refused("not a number", pos=[1e200, y, z])
        r = self.driver.ask("status")
        for a, b in zip(r["q_d"], self.q):
            self.assertAlmostEqual(a, b, places=9)
        self.still_alive()

    def test_a_jump_and_another_kind_in_motion_brake(self):
        for bad, reason in (({"pos": [0.9, 0.0, 0.1]}, "TCP speed"), ({"kind": "joint"}, "one motion")):
            def braked(bad=bad, reason=reason):
                self.begin()
                due = self.swing(1.2)
                if "kind" in bad:
                    self.driver.target(self.driver.look()["q_d"], t_ns=due)
                else:
                    self.pose(**bad, t_ns=due)
                self.driver.take_states()
                return reason in self.driver.ask("status")["refused"]["reason"]

            wait_for("a brake because of " + reason, braked)
            self.still_alive()

    def test_noise(self):
        """Poses of all sizes, mad and nearly right, mixed with good ones."""
        chance = random.Random(7)
        for i in range(3000):
            size = chance.choice((1e-6, 1e-4, 1e-2, 1.0, 1e3))
            self.pose(pos=[p + size * chance.uniform(-1, 1) for p in self.pos],
                      quat=chance.choice((self.quat, [-x for x in self.quat], [0.5] * 4)),
                      twist=[size * chance.uniform(-1, 1) for _ in range(6)],
                      t_ns=now_ns() + chance.choice((LEAD_NS, 10_000_000, -5, 2 ** 62, LEAD_NS + chance.randrange(10 ** 8))))
            if i % 10 == 0:
                self.pose()
            if i % 20 == 0:
                time.sleep(0.005)
        self.still_alive()


if __name__ == "__main__":
    unittest.main()
