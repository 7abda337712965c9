"""test_piper_whole.py - dreamvlad, dreamvla-arm --driver piper and the simulated PiPER with its cameras: the policy moves the arm; when one
of the three dies in motion the arm stands and holds, which without brakes means that its motors stay on, and moves again only when a
person wants it.

Too long for make check: a way home, and new ways into motion, in each; test_piper_demo shows the whole path there.
"""
import time
import unittest

import peers
import piper
import whole
from piper import begun_anew_after_stalls


@begun_anew_after_stalls(20)
class Whole(piper.Case):
    def test_policy_stop_and_a_good_end(self):
        with whole.bench(piper.Bench) as b:
            b.into_motion()
            path = b.ask_arm()["tcp_path_m"]
            peers.until("a way of 0.1 m", lambda: b.ask_arm()["tcp_path_m"] > path + 0.1)
            whole.assert_traced(self, b.ask(cmd="status"))
            self.assertTrue(b.ask(cmd="stop")["ok"])
            peers.until("HOLD", lambda: b.mode() == "HOLD")
            state = b.stand()
            r = b.robot_stands()
            self.assertLess(max(abs(x - y) for x, y in zip(r["q"], state["q_d"])), 5e-3)
            self.assert_well(b)
            self.assertEqual(b.daemon.end(), 0)
            self.assertEqual(b.arm.end(), 0)
            self.assert_rests(b)

    def test_killed_daemon_and_killed_arm(self):
        with whole.bench(piper.Bench) as b:
            b.into_motion()
            b.daemon.kill()
            state = b.until_arm("an arm of nobody", lambda s: s["mode"] == "ready" and not s["accepted_from"])
            self.assertEqual(state["errors"], [])
            self.assert_rests(b)
            b.start_daemon()
            peers.until("attach", b.attached)
            self.assert_rests(b)
            peers.until("READY", lambda: b.mode() == "READY")
            b.into_motion()
            self.assert_well(b)
            b.arm.kill()
            self.fault(b, "newest state is")
            self.assert_rests(b)
            b.start_arm()
            state = b.arm_says("ready")
            self.assertEqual(state["accepted_from"], 0)
            self.assert_rests(b)
            b.starts_anew()
            self.assert_well(b)

    def test_killed_robot(self):
        """The next one lies there without power: an operator's enable, and the way home, come before anything else."""
        with whole.bench(piper.Bench) as b:
            b.into_motion()
            b.sim.kill()
            self.fault(b, "lost the arm|disconnected|newest state is|newest frame")
            b.arm_says("disconnected")
            b.start_sim()
            b.arm_says("idle", "motors_off")
            time.sleep(0.4)
            self.assertEqual(b.robot()["enabled"], 0)
            b.enable()
            self.assert_rests(b)
            peers.until("the reset", lambda: b.ask(cmd="reset")["ok"])
            peers.until("attach", b.attached)
            b.go_home()
            b.into_motion()
            self.assert_well(b)


if __name__ == "__main__":
    unittest.main()
