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
            seen = len(self.attaches(arm))
            request(cmd="mode", mode="auto")  # attaches too, but clears nothing
            peers.until("an attempt", lambda: len(self.attaches(arm)) > seen)
            self.assertNotIn(True, [r["clear_stop"] for r in self.attaches(arm)[seen:]])


if __name__ == "__main__":
    unittest.main()
