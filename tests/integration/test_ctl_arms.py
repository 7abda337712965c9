#!/usr/bin/python3
"""dreamvlactl and what is wrong with an arm: what status shows, and recover, enable, disable and home-gripper at the arm's own door."""

import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ctl_doors import STATUS, WithDoor, ctl  # noqa: E402

JOINTS = {k: [0.0] * 7 for k in ("q", "dq", "q_d")}


def state(mode="ready", errors=(), **more):
    return {"ok": True, **JOINTS, "ee_pos": [0.5, 0.0, 0.3], "ee_quat": [1.0, 0.0, 0.0, 0.0], "mode": mode, "errors": list(errors),
            "ack_seq": 0, "ack_t_ns": 0, "accepted_from": 0, "stopped": False, "driver": "franka", "franka_states": 7.0, **more}


REFLEX = state("reflex", ["joint_reflex", "reflex"], trouble="reflex", remedy="clear the way")
RECOVERING = state("reflex", ["recovering"], trouble="recovering", remedy="wait")


class Shown(WithDoor):
    def table(self, source="fresh", age_ms=5.0, **changed):
        status = dict(STATUS, sources={"state/arm": {"age_ms": age_ms, "rate_hz": 0.0, "state": source}},
                      arms={"arm": dict(STATUS["arms"]["arm"], **changed)})
        return self.asks(["status"], {"cmd": "status"}, status).stdout

    def test_troubles(self):
        """Which error it was and what mends it, of an arm that is heard; never an old state's."""
        wrong = {"mode": "reflex", "errors": ["joint_reflex", "reflex"], "trouble": "reflex", "remedy": "clear the way\x1b, then recover"}
        self.assertRegex(self.table(**wrong), r"(?m)^arm +joint_reflex, reflex: clear the way\?, then recover$")
        hand = {"errors": [], "trouble": "hand_absent", "remedy": "plug it in"}
        self.assertRegex(self.table(**hand), r"(?m)^arm +hand_absent: plug it in$")
        self.assertNotIn("joint_reflex", self.table("stale", 900.0, **wrong))
        self.assertNotRegex(self.table(errors=[]), r"(?m)^arm +: ")


class Deeds(WithDoor):
    def arm(self, before, then, reply=None):
        """An arm that is as `before` says until something else than status is asked, and then as the list `then` says, its last one
        staying."""
        self.asked = []
        left = [before]

        def answer(request):
            if request["cmd"] == "status":
                return left.pop(0) if len(left) > 1 else left[0]
            self.asked.append(request)
            if reply is None or reply["ok"]:
                left[:] = list(then)
            return reply or {"ok": True, "mode": before["mode"], "accepted_from": 0}

        return self.door(answer)

    def call(self, arm, *arguments, name="arm", **more):
        return ctl("--config", self.bench("tcp://127.0.0.1:1", {name: arm.address}), *arguments, **more)

    def test_recover_asks_first(self):
        arm = self.arm(REFLEX, [RECOVERING, RECOVERING, state()])
        done = self.call(arm, "recover", stdin="y\n")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.asked, [{"cmd": "recover", "confirm": True}])
        self.assertIn("Arm arm is reflex (joint_reflex).", done.stderr)
        self.assertIn("reflex (recovering)\nready\n", done.stdout)
        self.assertIn("`dreamvlactl reset`", done.stdout)

    def test_nothing_is_sent_without_a_yes(self):
        for command, answer in (("recover", "n\n"), ("recover", ""), ("recover", "yes please\n"), ("disable", "\n"), ("home-gripper", "no\n")):
            arm = self.arm(REFLEX, [state()])
            done = self.call(arm, command, stdin=answer)
            self.assertEqual(done.returncode, 1)
            self.assertIn("not confirmed, nothing was sent", done.stderr)
            self.assertEqual(self.asked, [])

    def test_nothing_to_recover_from(self):
        """Nobody is asked whether an arm that is well may fall."""
        for mode in ("ready", "moving"):
            done = self.call(self.arm(state(mode, brakes=False), []), "recover", stdin="y\n")
            self.assertEqual((done.returncode, self.asked), (1, []))
            self.assertIn("arm arm is %s: there is nothing to recover from" % mode, done.stderr)
            self.assertNotIn("FALLS", done.stderr)

    def test_who_drives_then(self):
        """An arm that is driven is not attached again."""
        done = self.call(self.arm(state("idle"), [state()]), "enable")
        self.assertIn("says that it is not attached, `dreamvlactl reset`", done.stdout)
        done = self.call(self.arm(state("moving", accepted_from=7), [state("moving", accepted_from=7)]), "enable")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("somebody is attached to it", done.stdout)
        self.assertNotIn("reset", done.stdout)

    def test_yes(self):
        self.assertEqual(self.call(self.arm(REFLEX, [state()]), "recover", "--yes").returncode, 0)
        self.assertEqual(self.asked, [{"cmd": "recover", "confirm": True}])

    def test_refused(self):
        refusal = {"ok": False, "error": "there is nothing to recover from", "hint": "look"}
        done = self.call(self.arm(state(), [], refusal), "recover", "--yes")
        self.assertEqual(done.returncode, 1)
        self.assertIn("refused: there is nothing to recover from\nhint: look", done.stderr)
        done = self.call(self.arm(state(), [], refusal), "recover", "--yes", "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout)), (1, refusal))

    def test_recovery_that_fails(self):
        """Said at once, with what mends it, not after the time that one may take."""
        refused = state("reflex", ["joint_position_limits_violation", "recovery_refused"], trouble="recovery_refused", remedy="by hand, in Desk")
        begun = time.monotonic()
        done = self.call(self.arm(REFLEX, [RECOVERING, refused]), "recover", "--yes")
        self.assertLess(time.monotonic() - begun, 25)
        self.assertEqual(done.returncode, 1)
        self.assertIn("recovery_refused", done.stderr)
        self.assertIn("by hand, in Desk", done.stderr)

    def test_arm_that_falls_silent(self):
        """What it said last is no news of what became of it."""
        asked = []

        def answer(request):
            if request["cmd"] != "status":
                asked.append(request)
                return {"ok": True, "mode": "idle", "accepted_from": 0}
            return None if asked else state("idle")

        done = self.call(self.door(answer), "enable")
        self.assertEqual((done.returncode, len(asked)), (1, 1))
        self.assertIn("enable: no answer from", done.stderr)

    def test_recovered_but_stopped(self):
        """The error is gone, and the arm is not ready all the same."""
        stopped = state("user_stopped", ["user_stopped"], trouble="user_stopped", remedy="release the button")
        done = self.call(self.arm(REFLEX, [stopped]), "recover", "--yes")
        self.assertEqual(done.returncode, 1)
        self.assertIn("release the button", done.stderr)

    def test_enable_and_disable(self):
        done = self.call(self.arm(state("idle"), [state("idle"), state()]), "enable")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.asked, [{"cmd": "enable"}])
        done = self.call(self.arm(state(), [state("idle")]), "disable", stdin="yes\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.asked, [{"cmd": "disable", "confirm": True}])
        self.assertIn("DROPS", done.stderr)

    def test_motors_that_take_their_time(self):
        """Whoever holds the arm while it is switched off is told when it is off, or that it is not."""
        on, going = state(brakes=False), state("idle", ["disabling"], trouble="disabling", remedy="wait", brakes=False)
        off = state("idle", ["motors_off"], trouble="motors_off", remedy="enable it", brakes=False, limp=True)
        stuck = state("idle", ["not_disabled"], trouble="not_disabled", remedy="use its switch", brakes=False)
        done = self.call(self.arm(on, [going, going, off]), "disable", "--yes")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("idle (disabling)\nidle (motors_off)\n", done.stdout)
        done = self.call(self.arm(on, [going, stuck]), "disable", "--yes")
        self.assertEqual(done.returncode, 1)
        self.assertIn("use its switch", done.stderr)
        begun = time.monotonic()
        no_news = state("idle", brakes=False, limp=False)  # off by the program's own word alone, or while somebody else leads
        done = self.call(self.arm(on, [no_news] * 15 + [off]), "disable", "--yes")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater(time.monotonic() - begun, 1.5)
        unsupported = state("idle", ["limits_bad"], trouble="limits_bad", remedy="its tool", brakes=False, limp=True)
        self.assertEqual(self.call(self.arm(on, [going, unsupported]), "disable", "--yes").returncode, 0)
        again = state("idle", ["not_enabled"], trouble="not_enabled", remedy="off and on", brakes=False)
        done = self.call(self.arm(again, [again, state("idle", trouble="enabling", remedy="wait", brakes=False), on]), "enable")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_recover_of_an_arm_without_brakes(self):
        """It falls and is off then, which is what was asked for; and the question says so."""
        stopped = state("estop", ["emergency_stop"], trouble="emergency_stop", remedy="hold it", brakes=False)
        cutting = state("idle", ["resuming"], trouble="resuming", remedy="it falls", brakes=False, limp=False)
        off = state("idle", ["motors_off"], trouble="motors_off", remedy="enable it", brakes=False, limp=True)
        done = self.call(self.arm(stopped, [stopped, cutting, cutting, off]), "recover", stdin="y\n")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.asked, [{"cmd": "recover", "confirm": True}])
        self.assertRegex(done.stderr, "no brakes.*FALLS.*HOLD it")
        self.assertIn("`dreamvlactl enable`", done.stdout)
        self.assertIn("idle (resuming)\nidle (motors_off)\n", done.stdout)
        done = self.call(self.arm(stopped, [off]), "recover", stdin="n\n")
        self.assertEqual((done.returncode, self.asked), (1, []))

    def test_power_that_is_not_cut(self):
        """It still falls: whoever holds it is not told that it is over before it is, and not that it failed before it has."""
        stopped = state("estop", ["emergency_stop"], trouble="emergency_stop", remedy="hold it", brakes=False)
        cutting = state("idle", ["resuming"], trouble="resuming", remedy="it falls", brakes=False, limp=False)
        failed = state("idle", ["not_resumed"], trouble="not_resumed", remedy="use its switch", brakes=False, limp=False)
        off = state("idle", ["motors_off"], trouble="motors_off", remedy="enable it", brakes=False, limp=True)
        begun = time.monotonic()
        done = self.call(self.arm(stopped, [cutting] * 58 + [off]), "recover", "--yes")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater(time.monotonic() - begun, 5.8)
        done = self.call(self.arm(stopped, [cutting] * 3 + [failed]), "recover", "--yes")
        self.assertEqual(done.returncode, 1)
        self.assertIn("use its switch", done.stderr)
        done = self.call(self.arm(failed, [failed] * 5 + [cutting] * 3 + [off]), "recover", "--yes")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_home_gripper(self):
        """Over when the fingers rest wide open, not while they are closed: no message says so."""
        away = state(gripper_m=0.06, trouble="hand_not_homed", remedy="take your fingers out")
        on_the_way = [state(gripper_m=m) for m in [0.03] + [0.0] * 25 + [0.05]]
        begun = time.monotonic()
        done = self.call(self.arm(away, [away] * 3 + on_the_way + [state(gripper_m=0.0799)]), "home-gripper", stdin="y\n")
        self.assertGreater(time.monotonic() - begun, 0.1 * len(on_the_way) + 1.5)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.asked, [{"cmd": "home_gripper"}])
        self.assertIn("knows its range", done.stdout)
        self.assertIn("let go of what it holds", done.stderr)

    def test_home_gripper_that_fails(self):
        """Said at once and with its reason; that of the one before is none."""
        failed = dict(trouble="hand_homing_failed", remedy="clear the fingers")
        begun = time.monotonic()
        done = self.call(self.arm(state(gripper_m=0.06), [state(gripper_m=0.06), state(gripper_m=0.03, **failed)]), "home-gripper", "--yes")
        self.assertLess(time.monotonic() - begun, 10)
        self.assertEqual(done.returncode, 1)
        self.assertIn("hand_homing_failed", done.stderr)
        self.assertIn("clear the fingers", done.stderr)
        before = [state(gripper_m=0.06, **failed)] * 3
        then = before + [state(gripper_m=0.0), state(gripper_m=0.08)]
        done = self.call(self.arm(before[0], then), "home-gripper", "--yes")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        begun = time.monotonic()
        done = self.call(self.arm(before[0], before), "home-gripper", "--yes")
        self.assertEqual(done.returncode, 1)
        self.assertLess(time.monotonic() - begun, 15)

    def test_home_gripper_of_an_arm_that_is_not_ready(self):
        """What the arm is in does not say that its fingers failed."""
        idle = dict(mode="reflex", errors=["reflex"])
        homes = [state(gripper_m=m, **idle) for m in [0.05, 0.0] + [0.0] * 25 + [0.08]]
        done = self.call(self.arm(state(gripper_m=0.08, **idle), homes), "home-gripper", "--yes")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_json(self):
        done = self.call(self.arm(REFLEX, [RECOVERING, state()]), "recover", "--yes", "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout)), (0, {"ok": True, "arm": "arm", "mode": "ready"}))

    def test_which_arm(self):
        doors = {name: self.door(lambda _: state()) for name in ("left", "right")}
        bench = self.bench("tcp://127.0.0.1:1", {name: d.address for name, d in doors.items()})
        for arguments in (("enable",), ("enable", "arm")):
            done = ctl("--config", bench, *arguments)
            self.assertEqual(done.returncode, 1)
            self.assertIn("want one of the arms: left right", done.stderr)
        self.assertEqual([d.requests for d in doors.values()], [[], []])
        self.assertEqual(ctl("--config", bench, "enable", "right").returncode, 0)
        self.assertEqual(doors["left"].requests, [])
        self.assertIn({"cmd": "enable"}, doors["right"].requests)

    def test_arm_that_dreamvlad_knows(self):
        arm = self.arm(state("idle"), [state()])
        daemon = self.door(lambda _: dict(STATUS, arms={"arm": dict(STATUS["arms"]["arm"], control=arm.address)}))
        self.assertEqual(ctl("--address", daemon.address, "enable").returncode, 0)
        self.assertEqual(self.asked, [{"cmd": "enable"}])

    def test_nobody(self):
        done = ctl("--address", "tcp://127.0.0.1:1", "recover")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no arm is known", done.stderr)
        silent = self.door(lambda _: None)
        done = self.call(silent, "recover", "--yes")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no answer from", done.stderr)

    def test_wrong_use(self):
        for wrong in (["recover", "a", "b"], ["enable", "--yes"], ["home-gripper", "--watch"], ["disable", "--wait", "1"]):
            done = ctl(*wrong)
            self.assertEqual((done.returncode, done.stdout), (2, ""), wrong)


class EmergencyStop(WithDoor):
    """As `stop`: nothing is asked first, nobody is waited for, and no other arm sinks by mistake."""

    def call(self, *arguments, answer=None):
        self.doors = [self.door(lambda _: answer or {"ok": True, "mode": "ready"}) for _ in range(3)]
        bench = self.bench(self.doors[0].address, {"left": self.doors[1].address, "right": self.doors[2].address})
        return ctl("--config", bench, *arguments)

    def assertTold(self, *commands):
        self.assertEqual([[r["cmd"] for r in d.requests] for d in self.doors], list(commands))

    def test_all_of_them(self):
        done = self.call("emergency-stop")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTold(["stop"], ["emergency_stop"], ["emergency_stop"])
        self.assertIn("hold it", done.stdout)

    def test_one(self):
        self.assertEqual(self.call("emergency-stop", "right").returncode, 0)
        self.assertTold([], [], ["emergency_stop"])

    def test_nobody_is_called_so(self):
        done = self.call("emergency-stop", "rihgt")
        self.assertEqual(done.returncode, 1)
        self.assertTold(["stop"], ["stop"], ["stop"])
        self.assertIn("no arm is called rihgt, want one of the arms: left right;", done.stderr)

    def test_wrong_call(self):
        self.assertEqual(self.call("--nonsense", "emergency-stop", "--yes").returncode, 0)
        self.assertTold(["stop"], ["emergency_stop"], ["emergency_stop"])

    def test_arm_that_has_none(self):
        done = self.call("emergency-stop", "left", answer={"ok": False, "error": "it has a button", "hint": "press it"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("FAILED: refused: it has a button; press it", done.stdout)

    def test_arms_of_dreamvlad(self):
        arm = self.door(lambda _: {"ok": True})
        arms = {"left": dict(STATUS["arms"]["arm"], control=arm.address)}
        daemon = self.door(lambda q: dict(STATUS, arms=arms) if q["cmd"] == "status" else {"ok": True, "mode": "HOLD"})
        self.assertEqual(ctl("--address", daemon.address, "emergency-stop", "left").returncode, 0)
        self.assertEqual([r["cmd"] for r in arm.requests], ["emergency_stop"])
        self.assertEqual([r["cmd"] for r in daemon.requests], ["status"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
