"""test_piper_faults.py - dreamvlad, dreamvla-arm --driver piper and a simulated PiPER in which something goes wrong while the policy moves it:
on the bus, in the arm, or because a process hangs. Afterwards a person puts it in order and the policy goes on.

Too long for make check: each fault is followed by the way back into motion.
"""
import time
import unittest

import peers
import piper
import whole
from piper import begun_anew_after_stalls

DRIVER_ERROR = 32  # bit of 0x26x


@begun_anew_after_stalls(20)
class Faults(piper.Case):
    def goes_on(self, b):
        """In AUTO, and the arm moves."""
        path = b.ask_arm()["tcp_path_m"]
        peers.until("more way", lambda: b.ask_arm()["tcp_path_m"] > path + 0.02)
        self.assertEqual(b.mode(), "AUTO")
        b.assert_within_limits(self)

    def test_noise_delay_and_loss(self):
        """None of them ends the motion."""
        with whole.bench(piper.Bench) as b:
            b.into_motion()
            b.robot("noise", ms=2000)
            self.goes_on(b)
            b.robot("delay", what="commands", ms=20)
            b.robot("delay", what="feedback", ms=20)
            self.goes_on(b)
            for what in ("commands", "feedback"):
                b.robot("delay", what=what, ms=0)
                b.robot("drop", what=what, count=5)
            self.goes_on(b)
            r = b.robot()
            self.assertEqual((r["never"], r["maintenance"]), (0, 0))

    def test_off_the_bus(self):
        with whole.bench(piper.Bench) as b:
            b.into_motion()
            for cmd in ("bus_off", "silence"):
                b.robot(cmd, ms=1500)
                self.fault(b, "lost the arm|disconnected|newest state is")
                b.arm_says("ready")
                self.assert_rests(b)
                b.starts_anew()
            self.assert_well(b)

    def test_hung_arm(self):
        """The robot holds the last target that it got. What has been commanded meanwhile is not made up for."""
        with whole.bench(piper.Bench) as b:
            b.into_motion()
            b.arm.pause()
            self.fault(b, "newest state is")
            self.assert_rests(b)
            before = b.robot()["q"]
            b.arm.go_on()
            b.arm_says("ready")
            self.assert_rests(b)
            self.assertLess(max(abs(x - y) for x, y in zip(b.robot()["q"], before)), 0.02)
            b.starts_anew()
            self.assert_well(b)

    def test_joint_error(self):
        """It is named; motors off, motors on and the way home are a person's."""
        with whole.bench(piper.Bench) as b:
            b.into_motion()
            b.robot("joint", joint=3, bits=DRIVER_ERROR, communication=False)
            peers.until("an end of AUTO", lambda: b.mode() in ("FAULT", "HOLD"))
            state = b.until_arm("the joint's error", lambda s: any("joint_3" in e for e in s["errors"]))
            self.assertEqual(state["accepted_from"], 0)
            self.assertFalse(b.ask(cmd="mode", mode="auto")["ok"])
            self.assertTrue(b.ask_arm("recover", confirm=True)["ok"])
            b.robot("joint", joint=3, bits=0, communication=False)
            b.arm_says("idle", "motors_off")
            self.recovers_by_a_person(b)

    def test_emergency_stop(self):
        """By the arm's button: nothing that is sent ends it but an operator's word."""
        with whole.bench(piper.Bench) as b:
            b.into_motion()
            b.robot("emergency_stop")
            peers.until("an end of AUTO", lambda: b.mode() in ("FAULT", "HOLD"))
            b.arm_says("estop", "emergency_stop")
            self.assertTrue(b.robot()["stopped"])
            reply = b.ask_arm("recover")
            self.assertFalse(reply["ok"])
            self.assertRegex(reply["error"] + reply.get("hint", ""), "drop|fall")
            time.sleep(0.3)
            self.assertTrue(b.robot()["stopped"])
            self.recovers_by_a_person(b)

    def recovers_by_a_person(self, b):
        if b.ask_arm()["mode"] != "idle":
            self.assertTrue(b.ask_arm("recover", confirm=True)["ok"])
        b.enable()
        peers.until("the reset", lambda: b.ask(cmd="reset")["ok"])
        peers.until("attach", b.attached)
        b.go_home()
        b.into_motion()
        self.assert_well(b)


if __name__ == "__main__":
    unittest.main()
