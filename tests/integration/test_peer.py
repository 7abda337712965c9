"""The main job seen from outside: cameras, an arm and an operator in Python drive dreamvlad from start to SIGTERM.

One daemon for the whole file; the tests are steps of one story and run in the order of their names. Nothing here measures
time: rates are read from the time grid that the targets carry."""

import statistics
import unittest

import peer


def velocity(target):
    return max(abs(v) for v in target["dq"])


class Story(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bench = peer.Bench()
        cls.cameras, cls.arm = [], None

    @classmethod
    def tearDownClass(cls):
        for p in [*cls.cameras, cls.arm]:
            if p:
                p.end()
        code = cls.bench.end()
        assert code == 0, "dreamvlad ended with %d" % code

    def setUp(self):
        self.assertIsNone(self.bench.process.poll(), "dreamvlad ended with %s:\n%s" % (self.bench.process.returncode, self.bench.log()))

    def wait_until(self, true, what):
        try:
            return peer.wait_until(true, what)
        except AssertionError as error:
            raise AssertionError("%s\nstatus: %s\nlog:\n%s" % (error, self.bench.status(), self.bench.log())) from None

    def wait_for_mode(self, mode):
        """The status that says so first."""
        return self.wait_until(lambda: (s := self.bench.status())["mode"] == mode and s, "mode " + mode)

    def new_targets(self, count, wanted=lambda t: True):
        """So many targets that arrive from now on and are wanted."""
        first = len(self.arm.targets)

        def enough():
            found = [t for t in self.arm.targets[first:] if wanted(t)]
            return found if len(found) >= count else None

        return self.wait_until(enough, "%d targets" % count)

    def test_01_status_has_every_field_of_the_contract(self):
        status = self.bench.status()
        for key in ("mode", "reason", "driver", "instruction", "faults", "sources", "stages", "control", "margins", "speed",
                    "arms", "counters"):
            self.assertIn(key, status)
        self.assertEqual(set(status["sources"]), {"camera/overhead", "camera/wrist", "state/arm"})
        for source in status["sources"].values():
            self.assertEqual(source["state"], "absent")
            self.assertEqual(set(source), {"age_ms", "rate_hz", "state"})
        for stage in status["stages"].values():
            self.assertLessEqual({"p50_us", "p99_us", "max_us"}, set(stage))
        self.assertLessEqual({"rate_hz", "overruns"}, set(status["control"]))
        self.assertEqual(set(status["arms"]), {"arm"})
        self.assertLessEqual({"mode", "attached", "refused", "stopped", "control"}, set(status["arms"]["arm"]))
        for key in ("v", "from", "seq", "stamp_ns"):
            self.assertNotIn(key, status)

    def test_02_status_is_published_too(self):
        topic, message = self.wait_until(lambda: [m for m in self.bench.topics() if m[0] == "status"], "status")[0]
        self.assertEqual(topic, "status")
        self.assertEqual(message["v"], 1)
        self.assertLessEqual({"from", "seq", "stamp_ns", "mode"}, set(message))

    def test_03_auto_is_refused_and_the_pre_flight_names_what_is_missing(self):
        reply = self.bench.ask("mode", mode="auto")
        self.assertFalse(reply["ok"])
        for word in ("overhead", "wrist", "arm", "instruction"):
            self.assertIn(word, reply["error"], self.bench.log())
        self.assertGreaterEqual(len(reply["error"].splitlines()), 4)

    def test_04_the_arm_is_attached_to(self):
        type(self).arm = peer.Arm(self.bench).start()
        self.wait_until(lambda: self.bench.status()["arms"]["arm"]["attached"], "attach")
        attach = next(r for r in self.arm.requests if r["cmd"] == "attach")
        self.assertEqual((attach["model"], attach["dof"]), ("panda", 7))
        self.assertEqual(len(attach["tcp"]), 7)
        self.assertNotIn(True, (attach.get("takeover", False), attach.get("clear_stop", False)))

    def test_05_a_standing_arm_gets_one_hold_target_per_period(self):
        targets = self.new_targets(200)
        steps = [b["t_ns"] - a["t_ns"] for a, b in zip(targets, targets[1:])]
        self.assertEqual(statistics.median(steps), peer.PERIOD_NS)
        for step in steps:  # a skipped tick leaves a gap of whole periods
            self.assertGreater(step, 0)
            self.assertEqual(step % peer.PERIOD_NS, 0)
        # published before they are due; one may be late on a busy machine
        self.assertGreater(statistics.median(t["t_ns"] - t["stamp_ns"] for t in targets), 0)
        for a, b in zip(targets, targets[1:]):
            self.assertGreater(b["seq"], a["seq"])  # a slow reader loses the oldest: the queue is short on purpose
        for t in targets:
            self.assertEqual((t["v"], t["kind"], t["source"]), (1, "joint", "hold"))
            self.assertEqual((len(t["q"]), len(t["dq"])), (7, 7))
            self.assertLess(velocity(t), 1e-6)
            self.assertLessEqual(max(abs(a - b) for a, b in zip(t["q"], peer.HOME)), 0.02)
            self.assertTrue(0 < t["valid_for_ms"] <= 100)
            self.assertIs(t["intervention"], False)
            self.assertLessEqual({"epoch", "chunk", "step", "frame_stamp_ns", "from"}, set(t))

    def test_06_sources_become_fresh(self):
        type(self).cameras = [peer.Camera(self.bench, "overhead", "rgb8").start(), peer.Camera(self.bench, "wrist", "jpeg").start()]

        def fresh():
            return all(s["state"] == "fresh" and s["rate_hz"] > 0 for s in self.bench.status()["sources"].values())

        self.wait_until(fresh, "fresh sources")

    def test_07_auto_still_needs_an_instruction(self):
        reply = self.bench.ask("mode", mode="auto")
        self.assertFalse(reply["ok"])
        self.assertIn("instruction", reply["error"])

    def test_08_an_instruction_comes_by_its_topic(self):
        operator = peer.Publisher(self.bench.context, self.bench.address["operators"], "instruction")

        def heard():
            operator.send({"text": "push the red block to the left"})
            return self.bench.status()["instruction"] == "push the red block to the left"

        self.wait_until(heard, "the instruction")
        operator.close()

    def test_09_auto_after_the_pre_flight(self):
        def auto():
            reply = self.bench.ask("mode", mode="auto")
            return reply if reply["ok"] else None

        self.assertEqual(self.wait_until(auto, "AUTO")["mode"], "AUTO")
        targets = self.new_targets(400, lambda t: t["source"] == "policy")
        self.assertGreater(max(velocity(t) for t in targets), 0.001)
        self.new_targets(1, lambda t: t["chunk"] > targets[0]["chunk"])  # inference goes on: later chunks follow the first
        for t in targets:
            self.assertGreater(t["chunk"], 0)
            self.assertGreater(t["frame_stamp_ns"], 0)
            self.assertLess(t["frame_stamp_ns"], t["t_ns"])
        steps = [b["t_ns"] - a["t_ns"] for a, b in zip(targets, targets[1:])]
        self.assertTrue(all(s % peer.PERIOD_NS == 0 for s in steps))

    def test_10_the_motion_is_smooth(self):
        # The model's limits (Franka's documentation, Panda), of which limit_scale 0.5 may be used.
        speed = [2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61]
        targets = [t for t in self.arm.targets if t["from"] == self.arm.attached]
        for a, b in zip(targets, targets[1:]):
            passed_s = (b["t_ns"] - a["t_ns"]) * 1e-9
            for j in range(7):
                self.assertLessEqual(abs(b["dq"][j]), 0.5 * speed[j] * 1.001)
                if b["t_ns"] - a["t_ns"] > 2 * peer.PERIOD_NS:
                    continue  # ticks were skipped
                # position and velocity belong together: the step is what the two velocities say
                self.assertAlmostEqual(b["q"][j] - a["q"][j], 0.5 * (a["dq"][j] + b["dq"][j]) * passed_s, delta=2e-4)

    def test_11_auto_shows_in_status(self):
        status = self.bench.status()
        self.assertEqual((status["mode"], status["driver"]), ("AUTO", "policy"))
        # What would stand in the way of a request now: an arm in motion, and nothing else.
        self.assertEqual(status["faults"], [])
        self.assertGreater(status["counters"]["chunks"], 0)
        self.assertGreater(status["counters"]["targets"], 0)
        self.assertGreater(status["control"]["rate_hz"], 0)
        self.assertEqual(set(status["margins"]), {"position", "velocity", "acceleration", "jerk", "workspace", "floor", "tcp_speed",
                                                  "tracking"})
        for margin in status["margins"].values():
            self.assertTrue(0 <= margin <= 1)

    def test_12_requests(self):
        self.assertEqual(self.bench.ask("ping", t_ns=-5)["t_ns"], -5)
        self.assertTrue(self.bench.ask("speed", scale=0.5)["ok"])
        self.wait_until(lambda: abs(self.bench.status()["speed"] - 0.5) < 1e-9, "speed 0.5")
        self.assertFalse(self.bench.ask("speed", scale=2)["ok"])
        self.assertEqual(self.bench.ask("config")["control.rate_hz"], "200")
        self.assertTrue(self.bench.ask("instruction", text="pick up the red block")["ok"])
        self.assertEqual(self.bench.status()["instruction"], "pick up the red block")

    def test_13_stop_brakes_and_holds(self):
        self.assertTrue(self.bench.ask("stop")["ok"])
        self.wait_for_mode("HOLD")
        self.new_targets(50, lambda t: t["source"] == "hold" and velocity(t) < 1e-6)
        standing = self.new_targets(20)
        self.assertLess(max(velocity(t) for t in standing), 1e-6)
        self.assertEqual(len({tuple(t["q"]) for t in standing}), 1)

    def test_14_edges_were_published_as_events(self):
        edges = [(m["kind"], m["mode"]) for topic, m in self.bench.topics() if topic == "event"]
        self.assertIn(("mode", "AUTO"), edges)
        self.assertIn(("mode", "HOLD"), edges)

    def test_15_a_silent_camera_ends_auto(self):
        self.wait_until(lambda: self.bench.ask("mode", mode="auto")["ok"], "AUTO again")
        self.cameras.pop().end()
        self.assertIn("wrist", self.wait_for_mode("HOLD")["reason"])

    def test_16_a_silent_arm_is_a_fault_that_needs_a_reset(self):
        self.arm.ending.set()
        self.assertIn("arm", self.wait_for_mode("FAULT")["reason"])
        self.arm.end()
        type(self).arm = peer.Arm(self.bench).start()
        self.wait_until(lambda: self.bench.status()["sources"]["state/arm"]["state"] == "fresh", "a fresh state")
        self.assertFalse(self.bench.ask("mode", mode="auto")["ok"])
        self.wait_until(lambda: self.bench.ask("reset")["ok"], "reset")
        self.wait_for_mode("HOLD")
        self.wait_until(lambda: self.bench.status()["arms"]["arm"]["attached"], "attach after the reset")

    def test_17_sigterm_lets_go_and_ends_with_0(self):
        self.bench.process.terminate()
        code = self.bench.process.wait(peer.PATIENCE_S)
        self.assertEqual(code, 0, self.bench.log())
        peer.wait_until(lambda: any(r["cmd"] == "detach" for r in self.arm.requests), "detach")


if __name__ == "__main__":
    unittest.main(failfast=True)
