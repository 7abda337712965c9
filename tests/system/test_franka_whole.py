"""test_franka_whole.py - dreamvlad, dreamvla-arm --driver franka and the simulated Franka with its cameras: policy and person move the
arm; when one of the three dies in motion, or the robot ends it, the arm stands, says why, and moves again only when a person wants it."""
import time
import unittest

import franka
import peers
import whole
from franka import begun_anew_after_stalls

DRIVE = [0.0, 0.0, 0.1, 0.0, 0.0, 0.0]


@begun_anew_after_stalls(5)
class Whole(unittest.TestCase):
    def assert_rests(self, b, seconds=0.4):
        before = b.robot_stands()["q"]
        time.sleep(seconds)
        self.assertLess(max(abs(x - y) for x, y in zip(b.robot()["q"], before)), 1e-4)

    def fault(self, b, pattern):
        status = peers.until("FAULT", lambda: (s := b.ask(cmd="status"))["mode"] == "FAULT" and s)
        self.assertRegex(status["reason"], pattern)

    def starts_anew(self, b):
        """By an operator: reset, AUTO."""
        peers.until("the arm in status", lambda: b.ask(cmd="status")["arms"]["arm"]["mode"] == "ready")
        peers.until("the reset", lambda: b.ask(cmd="reset")["ok"])
        peers.until("attach", b.attached)
        b.into_motion()
        b.assert_within_limits(self)

    def test_policy_stop_and_a_good_end(self):
        with whole.bench(franka.Bench) as b:
            b.into_motion()
            path = b.ask_arm()["tcp_path_m"]
            peers.until("a way of 0.1 m", lambda: b.ask_arm()["tcp_path_m"] > path + 0.1)
            whole.assert_traced(self, b.ask(cmd="status"))
            self.assertTrue(b.ask(cmd="stop")["ok"])
            peers.until("HOLD", lambda: b.mode() == "HOLD")
            state = b.stand()
            r = b.robot_stands()
            self.assertLess(max(abs(x - y) for x, y in zip(r["q"], state["q_d"])), 2e-3)
            self.assertEqual((r["mode"], r["motions"], r["reflexes"]), ("move", 1, 0))  # held in the one motion
            self.assertEqual(b.daemon.end(), 0)
            r = b.robot_idle()
            self.assertEqual((r["motions"], r["reflexes"]), (1, 0))
            self.assertEqual(b.arm.end(), 0)
            b.robot()

    def test_a_person_takes_over(self):
        with whole.bench(franka.Bench) as b:
            b.into_motion()
            device = whole.Device(b)
            whole.take_over(b, device, values=DRIVE)
            height = b.ask_arm()["ee_pos"][2]

            def lifted():
                if b.ask(cmd="status")["driver"] != "teleop/pad":   # a pause of the machine asks for a new edge
                    whole.take_over(b, device, values=DRIVE)
                return b.ask_arm()["ee_pos"][2] > height + 0.03
            peers.until("the arm to follow the person up", lifted)
            device.set(deadman=False)
            peers.until("HOLD", lambda: b.mode() == "HOLD")
            b.robot_stands()
            r = b.robot()
            self.assertEqual((r["motions"], r["reflexes"]), (1, 0))
            b.assert_within_limits(self)

    def test_killed_daemon(self):
        """The arm brakes and holds; nobody drives it 500 ms later, and its motion ends as it should."""
        with whole.bench(franka.Bench) as b:
            b.into_motion()
            b.daemon.kill()
            r = b.robot_idle()
            self.assertEqual((r["motions"], r["reflexes"]), (1, 0))
            state = b.stand()
            self.assertEqual((state["accepted_from"], state["errors"]), (0, []))
            self.assert_rests(b)
            b.start_daemon()
            peers.until("attach", b.attached)
            self.assert_rests(b)
            peers.until("READY", lambda: b.mode() == "READY")
            b.into_motion()
            b.assert_within_limits(self)

    def test_killed_arm(self):
        """Its connection ends with it, and so does the robot's motion: in a reflex, where the process takes longer to go than 20 commands.
        The next one is nobody's until an operator wants it."""
        with whole.bench(franka.Bench) as b:
            b.into_motion()
            b.arm.kill()
            self.fault(b, "newest state is")
            self.assert_rests(b)
            self.assertFalse(b.robot()["connected"])
            b.start_arm()
            state = peers.until("the new one", lambda: (s := b.ask_arm())["mode"] in ("ready", "reflex") and s)
            self.assertEqual(state["accepted_from"], 0)
            if state["mode"] == "reflex":
                self.recovers_by_a_person(b, "communication_constraints_violation")
                return
            peers.until("the restart in status", lambda: "driver has restarted" in b.ask(cmd="status")["reason"])
            self.assert_rests(b)
            self.starts_anew(b)

    def test_hung_arm(self):
        """Its connection stays: the robot ends the motion itself, and only a person recovers it."""
        with whole.bench(franka.Bench) as b:
            b.into_motion()
            b.arm.pause()
            r = peers.until("the robot's reflex", lambda: (r := b.robot())["mode"] == "reflex" and r)
            self.assertEqual((r["reflexes"], r["violations"]), (1, 1))
            self.fault(b, "newest state is")
            b.arm.go_on()
            self.recovers_by_a_person(b, "communication_constraints_violation")

    def test_reflex(self):
        with whole.bench(franka.Bench) as b:
            b.into_motion()
            b.robot("reflex")
            peers.until("an end of AUTO", lambda: b.mode() in ("FAULT", "HOLD"))
            self.assertIn("reflex", b.ask(cmd="status")["reason"])
            self.recovers_by_a_person(b, "joint_reflex")

    def recovers_by_a_person(self, b, error):
        state = peers.until("the error", lambda: error in (s := b.ask_arm())["errors"] and s)
        self.assertEqual((state["mode"], state["accepted_from"]), ("reflex", 0))
        self.assert_rests(b)
        self.assertFalse(b.ask(cmd="mode", mode="auto")["ok"])
        self.assertEqual(b.robot()["mode"], "reflex")
        self.assertTrue(b.ask_arm("recover")["ok"])
        peers.until("the recovery", lambda: b.ask_arm()["mode"] == "ready")
        self.assert_rests(b)
        self.starts_anew(b)

    def test_killed_robot(self):
        """The next one is at home: elsewhere than the first was."""
        with whole.bench(franka.Bench) as b:
            b.into_motion()
            b.sim.kill()
            self.fault(b, "ended the connection|disconnected|newest state is|newest frame")
            peers.until("the arm to be gone", lambda: b.ask_arm()["mode"] == "disconnected")
            self.assertEqual(b.ask_arm()["accepted_from"], 0)
            b.start_sim()
            state = b.stand()
            self.assertLess(max(abs(q - home) for q, home in zip(state["q_d"], peers.HOME)), 1e-3)
            self.assert_rests(b)
            self.assertEqual(b.robot()["motions"], 0)
            self.starts_anew(b)


if __name__ == "__main__":
    unittest.main()
