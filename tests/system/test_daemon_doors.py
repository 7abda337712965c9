"""test_daemon_doors.py - dreamvlad at the arms' own doors: what it asks there, what it makes of the answers, and of none."""
import time
import unittest

import peers

WISH_S = 2.0  # how long an operator's reset keeps trying


def latched(arm):
    """The arm's stop is latched: it says so and refuses to be attached to without clear_stop."""
    ordinary = arm.answer

    def answer(request):
        if request["cmd"] == "attach" and arm.special.get("stopped"):
            if not request["clear_stop"]:
                arm.requests.append(request)
                return {"ok": False, "error": "stopped"}
            arm.special = {}
        return ordinary(request)

    arm.answer, arm.special = answer, {"stopped": True}


class Attach(unittest.TestCase):
    def attaches(self, arm):
        return [r for r in arm.requests if r["cmd"] == "attach"]

    def test_an_old_reset_does_not_undo_a_later_stop(self):
        with peers.bench(with_arm=False, with_cameras=False) as (_, arm, _, request):
            peers.until("the reset", lambda: request(cmd="reset")["ok"])
            time.sleep(1.2 * WISH_S)
            latched(arm)
            arm.start()
            peers.until("two attempts", lambda: len(self.attaches(arm)) > 1)
            self.assertNotIn(True, [r["clear_stop"] for r in self.attaches(arm)])
            self.assertEqual(arm.accepted_from, 0)

    def test_a_reset_clears_the_stop_that_was_seen_and_only_that(self):
        with peers.bench(with_arm=False, with_cameras=False) as (_, arm, _, request):
            latched(arm)
            arm.start()
            peers.until("the stop in status", lambda: request(cmd="status")["arms"]["arm"]["stopped"])
            peers.until("the reset", lambda: request(cmd="reset")["ok"])
            peers.until("the attach", lambda: arm.accepted_from)
            arm.special, arm.accepted_from = {"stopped": True}, 0
            arm_seen = lambda: request(cmd="status")["arms"]["arm"]
            peers.until("the second stop in status", lambda: arm_seen()["stopped"] and not arm_seen()["attached"])
            seen = len(self.attaches(arm))
            # attaches too, but clears nothing; asked again, because control knows of the arm's letting go a tick after status
            peers.until("an attempt", lambda: request(cmd="mode", mode="auto") and len(self.attaches(arm)) > seen)
            self.assertNotIn(True, [r["clear_stop"] for r in self.attaches(arm)[seen:]])

    def test_late_answers_of_another_kind_attach_to_nobody(self):
        with peers.bench(with_arm=False, with_cameras=False, extra="clock: realtime") as (daemon, arm, _, request):
            arm.answer = lambda asked: {"ok": True, "t_ns": 1, "recv_ns": 2, "send_ns": 3}
            arm.start()
            peers.until("attach to fail", lambda: "no answer" in request(cmd="status")["arms"]["arm"]["refused"])
            self.assertNotIn("attached at", daemon.text())


class Clock(unittest.TestCase):
    """`clock: realtime`: stamps of several hosts, and AUTO only with arms whose clock was measured and is right."""

    def setUp(self):
        peers.CLOCK = time.CLOCK_REALTIME
        self.addCleanup(setattr, peers, "CLOCK", time.CLOCK_MONOTONIC)

    def bench(self, pong):
        """pong makes the answer to a ping; None: there is none."""
        def prepare(arm):
            ordinary = arm.answer

            def answer(request):
                return pong(request) if request["cmd"] == "ping" else ordinary(request)

            arm.answer = answer

        return peers.bench(extra="clock: realtime", prepare=prepare)

    def pong(self, request, ahead_ns=0):
        now_ns = time.time_ns() + ahead_ns
        return {"ok": True, "t_ns": request["t_ns"], "recv_ns": now_ns, "send_ns": now_ns}

    def refusal(self, request):
        """What keeps AUTO away once everything but the clock is there."""
        self.assertTrue(request(cmd="instruction", text="wave")["ok"])
        wait = ("nothing received", "no state", "not attached", "policy: ")

        def only_the_clock():
            reply = request(cmd="mode", mode="auto")
            self.assertFalse(reply["ok"], "AUTO")
            return reply["error"] if not any(words in reply["error"] for words in wait) else None

        return peers.until("only the clock to be wrong", only_the_clock)

    def test_a_good_clock_lets_auto_begin(self):
        with self.bench(self.pong) as (_, arm, _, request):
            peers.into_auto(request)
            peers.until("targets of the policy", lambda: [t for t in arm.targets if t["source"] == "policy"])
            self.assertEqual(request(cmd="status")["faults"], [])

    def test_a_clock_that_is_20_ms_off_keeps_auto_away(self):
        with self.bench(lambda request: self.pong(request, 20_000_000)) as (daemon, _, _, request):
            self.assertIn("clock", self.refusal(request))
            peers.until("the log to say why", lambda: "its clock is off (offset" in daemon.text())

    def test_an_arm_that_answers_no_ping_keeps_auto_away(self):
        with self.bench(lambda _: None) as (daemon, _, _, request):
            self.assertIn("clock", self.refusal(request))
            peers.until("the log to say why", lambda: "no answer to ping" in daemon.text())

    def test_answers_that_are_not_to_our_ping_measure_nothing(self):
        def other(request):
            return {**self.pong(request), "t_ns": request["t_ns"] + 1}

        def huge(request):
            return {**self.pong(request), "recv_ns": -2**63, "send_ns": -2**63}

        for answer in (other, huge):
            with self.bench(answer) as (daemon, _, _, request):
                self.assertIn("clock", self.refusal(request))
                self.assertNotIn("its clock is right", daemon.text())


if __name__ == "__main__":
    unittest.main()
