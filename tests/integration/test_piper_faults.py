#!/usr/bin/python3
"""dreamvla-arm --driver piper when things go wrong: programs and buses that die, frames that are lost, late or from nowhere, joints in
error, arms that are not to be driven. Nothing moves, falls or is switched that nobody asked for, and a person can always go on.
Too long for make check: three quarters of a minute, a robot and an arm's process for each."""
import math
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from piper_client import MOVE_J, Host  # noqa: E402
from piper_bench import ALL_ON, REACHED_RAD, Station, apart  # noqa: E402
from piper_client import Host  # noqa: E402
from test_arm import steady  # noqa: E402


@steady
class Gone(Station):
    """Programs that die, a bus that dies: the arm holds, and whoever comes back goes on from where it is."""

    def test_ended_while_it_holds(self):
        self.to_work()
        self.assertEqual(self.bench.end(self.arm), 0)
        self.assertLess(apart(self.stands(0.5), self.goal), REACHED_RAD)
        r = self.robot()
        self.assertEqual((r["enabled"], r["stopped"], r["control"]), (ALL_ON, False, 1))

    def test_arm_dies_and_returns(self):
        """Another arm for all we know: its motors are off, and stay so."""
        self.enable()
        generation = self.status()["piper_connects"]
        self.bench.end(self.sim, signal.SIGKILL)
        self.until("lost", lambda s: s["mode"] == "disconnected" and s["errors"])
        self.assertNotIn("q", self.status())
        self.start_sim()
        self.off()
        self.assertGreater(self.status()["piper_connects"], generation)
        self.stands()
        self.assertEqual(self.robot()["enabled"], 0)

    def test_silence(self):
        self.to_work()
        before = self.robot()["q"]
        self.robot("silence", ms=1000)
        self.until_mode("disconnected", "silent")
        s = self.ready()
        self.assertEqual(s["accepted_from"], 0)                        # nobody drives on as if nothing had been
        self.assertLess(apart(self.stands(), before), REACHED_RAD)
        self.take()
        self.go([0.1, 0.0, 0.0, 0.0, 0.0, 0.0])
        self.arrive()

    def test_power_cycle(self):
        self.to_work()
        self.robot("power_cycle")
        s = self.off()
        self.assertEqual(s["accepted_from"], 0)
        self.assertEqual(self.stands(0.3, within_rad=9.9) and self.robot()["enabled"], 0)


class StoodStill(Station):
    """Ctrl-Z and fg: what the bus has kept for the driver meanwhile is the oldest, and looks new."""

    def test_another_host_moved_the_arm_meanwhile(self):
        self.to_work()
        self.assertOk(self.driver.ask("detach", **{"from": self.driver.look()["accepted_from"]}))
        os.kill(self.arm.pid, signal.SIGSTOP)
        try:
            time.sleep(1)                                              # more than a socket has room for
            moved = self.other_host_turns(math.radians(30))
        finally:
            os.kill(self.arm.pid, signal.SIGCONT)
        self.assertLess(apart(self.stands(2.0), moved), REACHED_RAD)
        self.assertLess(apart(self.stands(0), moved), REACHED_RAD)
        self.ready()

    def other_host_turns(self, by_rad):
        before = [round(math.degrees(q) * 1000) for q in self.robot()["q"]]
        goal = [before[0] + round(math.degrees(by_rad) * 1000)] + before[1:]
        host = Host(int(self.bus.rsplit(":", 1)[1]))
        host.mode(MOVE_J)
        host.target(0x155, goal)
        host.wait("it turned", lambda: abs(host.joints_mdeg()[0] - goal[0]) < 100)
        host.close()
        time.sleep(1)
        return self.robot()["q"]


class Nobody(Station):
    def start(self):
        self.start_arm()

    def test_server_that_comes_later(self):
        s = self.until_mode("disconnected", "no_server")
        self.assertEqual(s["errors"], ["no_server"])
        self.start_sim()
        self.off()


@steady
class Disturbed(Station):
    def test_frames_lost_in_motion(self):
        """One of three frames missing now and then: that set is not used, and nothing is made of halves."""
        self.to_work()
        self.robot("drop", what="feedback", count=5, id=0x2A6)
        self.go([0.2, 0.0, 0.1, 0.0, 0.0, 0.0])
        self.robot("drop", what="commands", count=5, id=0x156)
        self.go([-0.2, 0.0, -0.1, 0.0, 0.0, 0.0])
        self.arrive()
        s = self.status()
        self.assertGreater(s["piper_frames_torn"], 0)
        self.assertEqual(s["errors"], [])

    def test_delay_in_motion(self):
        self.to_work()
        self.robot("delay", what="feedback", ms=15)
        self.robot("delay", what="commands", ms=15)
        self.go([0.2, 0.0, 0.1, 0.0, 0.0, 0.0])
        self.arrive()

    def test_joints_not_heard(self):
        """The rest of its feedback comes, its joints do not: nobody knows where it is."""
        self.to_work()
        before = self.robot()["q"]
        self.robot("drop", what="feedback", count=100000, id=0x2A6)
        self.until_mode("disconnected", "silent")
        self.assertLess(apart(self.stands(), before), REACHED_RAD)
        self.robot("drop", what="feedback", count=0)
        self.ready()
        self.assertLess(apart(self.stands(), before), REACHED_RAD)

    def test_bus_off(self):
        self.to_work()
        before = self.robot()["q"]
        self.robot("bus_off", ms=600)
        self.until("lost", lambda s: s["mode"] == "disconnected")
        self.ready()
        self.assertLess(apart(self.stands(), before), REACHED_RAD)

    def test_noise(self):
        """Frames from nowhere, some with the arm's own ids: it does not fall, leap or let go."""
        self.to_work()
        before = self.robot()["q"]
        self.robot("noise", ms=1500)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            self.hold(0.1)
        r = self.robot()
        self.assertEqual((r["enabled"], r["stopped"]), (ALL_ON, False))
        self.assertLess(apart(r["q"], before), REACHED_RAD)
        self.ready()


@steady
class Wrong(Station):
    def test_joint_error(self):
        """By name, and nothing is done about it before somebody says so."""
        self.to_work()
        self.robot("joint", joint=3, bits=32, communication=False)
        s = self.until("an error", lambda s: s["mode"] == "reflex" and [e for e in s["errors"] if e.startswith("joint_3_")])
        self.assertIn("recover", s["remedy"])
        self.assertEqual(s["accepted_from"], 0)
        time.sleep(0.5)
        self.assertFalse(self.robot()["stopped"])
        self.assertRefused(self.driver.ask("recover"), "no brakes")
        self.done("recover", "--yes")
        self.off()

    def test_joint_that_is_lost(self):
        self.enable()
        self.robot("joint", joint=2, bits=0, communication=True)
        self.until("an error", lambda s: s["mode"] == "reflex" and [e for e in s["errors"] if e.startswith("joint_2_")])

    def test_stop_button(self):
        self.to_work()
        self.robot("emergency_stop")
        self.until_mode("estop", "emergency_stop")
        self.assertRefused(self.driver.attach(clear_stop=True), "estop")


@steady
class Answers(Station):
    """Whoever holds the arm, or stands beside it, goes by what is answered: an OK is for what is done."""

    def test_not_reached(self):
        self.to_work()
        self.robot("silence", ms=3000)
        self.until_mode("disconnected", "silent")
        self.assertRefused(self.driver.ask("disable", confirm=True), "disconnected (silent)")
        self.assertEqual(self.robot()["enabled"], ALL_ON)
        done = self.ctl("emergency-stop", "arm")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("its own switch", done.stdout)
        self.assertNotIn("hold it", done.stdout)
        self.until_mode("estop", "emergency_stop")                     # as it was told, when it is heard again
        self.assertTrue(self.robot()["stopped"])

    def test_motor_that_was_switched_off(self):
        """What its remedy says can be done."""
        self.enable()
        host = Host(int(self.bus.rsplit(":", 1)[1]))
        self.addCleanup(host.close)
        host.send(0x471, 3, 1, 0, 0, 0, 0, 0, 0)
        s = self.until_mode("idle", "other_host")
        self.assertRefused(self.driver.ask("disable", confirm=True), "other_host")
        s = self.until_mode("idle", "motor_lost")
        self.assertIn("dreamvlactl recover", s["remedy"])
        self.assertRefused(self.driver.ask("recover"), "no brakes")
        self.done("recover", "--yes")
        self.assertEqual(self.robot()["enabled"], 0)                   # by then, not some time later
        self.off()
        self.assertRefused(self.driver.ask("recover", confirm=True), "motors_off")


class Early(Station):
    def start(self):
        self.start_sim()
        self.robot("drop", what="feedback", count=100000, id=0x4AF)
        self.start_arm()

    def test_enable_before_the_arm_is_known(self):
        self.until_mode("idle", "asking")
        done = self.ctl("enable")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "it is idle .asking(.|\n)*being asked for its firmware")
        self.robot("drop", what="feedback", count=0)
        self.enable()


class Refused(Station):
    """Arms that are not to be driven, and are not: nothing but questions is sent."""

    def start(self):
        self.start_sim()

    def refused(self, trouble):
        self.start_arm()
        s = self.until(trouble, lambda s: s.get("trouble") == trouble)
        self.assertNotEqual(s["mode"], "ready")
        self.assertFalse(self.driver.attach()["ok"])
        self.driver.ask("enable")
        time.sleep(0.3)
        r = self.robot()
        self.assertEqual((r["enabled"], r["targets"]), (0, 0))
        self.assertNotEqual(r["control"], 1)
        return s

    def test_corrupted_limits(self):
        self.robot("corrupt_limits", on=True)
        self.refused("limits_bad")
        self.assertIn("65535", self.bench.log_of(self.arm))

    def test_leader(self):
        """It sends the ids that we would: two nodes with one id are an error on the wire, so that nothing is sent but what no leader says."""
        self.robot("leader", on=True)
        r = self.robot()
        before, before_control = r["frames"], r["control"]
        self.refused("leader")
        time.sleep(0.5)
        self.assertEqual(self.robot()["frames"], before)
        self.assertRefused(self.driver.ask("emergency_stop"), "not reached")
        r = self.wait_robot("the stop", lambda r: r["frames"] > before)
        self.assertEqual((r["targets"], r["control"], r["maintenance"], r["never"], r["unknown"]), (0, before_control, 0, 0, 0))


class OldFirmware(Refused):
    firmware = "S-V1.6-2"
    test_corrupted_limits = test_leader = None

    def test_wrong_model(self):
        self.assertIn("robots[].model is piper, ", self.refused("wrong_model_new")["remedy"])


class BadFirmware(Refused):
    firmware = "S-V1.6-5"
    test_corrupted_limits = test_leader = None

    def test_firmware_with_faults(self):
        self.assertIn("S-V1.6-5, which is known to go to its zero pose", self.refused("firmware_bad")["remedy"])


class GripperRange(Station):
    def start(self):
        self.start_sim()
        self.robot("gripper_range", range_mm=100)
        self.start_arm()

    def test_other_stroke(self):
        """The arm may be driven, its gripper is not: what it says of its opening is not to be believed."""
        self.until("its trouble", lambda s: s.get("trouble") in ("motors_off", "gripper_range"))
        self.assertOk(self.driver.ask("enable"))
        s = self.until_mode("ready", "gripper_range")
        self.assertIn("maintenance", s["remedy"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
