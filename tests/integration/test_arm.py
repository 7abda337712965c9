#!/usr/bin/python3
"""dreamvla-arm --driver sim as dreamvlad and an operator see it: attach, targets, refusals, stop, silence, and bad input.
This peer speaks the contract with pyzmq and msgpack only."""

import functools
import math
import os
import random
import signal
import statistics
import subprocess
import sys
import time
import unittest

import msgpack
import zmq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from robots_bench import B, HOME, PATIENCE_S, TCP, Bench, Witness, now_ns, wait_for  # noqa: E402

ME, OTHER = 0x1234567890ABCDEF, 42
PERIOD_S = 0.005
LEAD_NS = 400_000_000  # generous: this peer is no real-time process, and the machine may be busy


TRIES = 3
PAUSE_S = 0.1  # streams and attachments end in silence
ENDED_WELL = (None, 0, -signal.SIGKILL)  # not at all, by itself, by a test
WAIT_S = PATIENCE_S / 3


def steady(case):
    """What the machine itself has interrupted proves nothing about the arm: a test that failed when this process had stood still is
    begun anew, on a new bench, and says so; tests/run.sh shows that. Nothing that the arm says or does counts as an interruption, and
    a program that crashed is none. The last try counts anyway."""
    def again(test):
        @functools.wraps(test)
        def run(self):
            for left in reversed(range(getattr(case, "tries", TRIES))):
                try:
                    test(self)
                    self.assert_programs_end_well()
                    return
                except AssertionError as failure:
                    if left == 0 or not self.interruption():
                        raise AssertionError("%s\n%s" % (failure, self.bench.log_of(self.arm))) from failure
                    print("%s: begun anew, %s:\n%s" % (self.id(), self.interruption(), failure), file=sys.stderr)
                self.doCleanups()
                self.setUp()
        return run

    for name in [n for n in dir(case) if n.startswith("test_")]:
        setattr(case, name, again(getattr(case, name)))
    return case


def held_up(test):
    """Many short pauses, none of which is long enough for a witness, end a motion too; the arm says so."""
    return "the arm's loop had been held up" if "dreamvla-arm was held up" in test.bench.log_of(test.arm) else None


class Driver:
    """Plays dreamvlad: binds targets and states, keeps the newest state, streams targets."""

    def __init__(self, bench):
        self.bench = bench
        self.targets = bench.bind(zmq.PUB, "targets")
        self.states = bench.bind(zmq.SUB, "states")
        self.states.subscribe(b"")
        self.seq = 0
        self.recent = []
        self.acted_ns = 0  # when the last request was answered, the last stream ended

    def ask(self, cmd, **more):
        s = self.bench.connect(zmq.REQ, "control")
        s.send(msgpack.packb({"cmd": cmd, **more}))
        reply = msgpack.unpackb(s.recv())
        s.close()
        self.acted_ns = now_ns()
        self.take_states()
        return reply

    def attach(self, sender=ME, **more):
        return self.ask("attach", **{"from": sender, "model": "panda", "dof": 7, "tcp": TCP, **more})

    def take_states(self):
        """Called often: a long queue would cost a busy machine more time than there is before an attachment is lost."""
        while self.states.poll(0):
            topic, raw = self.states.recv_multipart()
            assert topic == b"state/arm", topic
            self.recent.append(msgpack.unpackb(raw))

    def look(self):
        """The newest state."""
        self.take_states()
        return self.recent[-1] if self.recent else None

    def wait(self, what, condition, seconds=WAIT_S):
        """The first state since the last request or stream that fulfils the condition, however short it lasted."""
        seen = 0

        def found():
            nonlocal seen
            self.take_states()
            new, seen = self.recent[seen:], len(self.recent)
            return next((s for s in new if s["stamp_ns"] >= self.acted_ns and condition(s)), None)

        return wait_for(what, found, seconds)

    def target(self, q, sender=ME, topic=b"target/arm", **more):
        """`more` replaces keys; a value of None leaves the key out."""
        self.seq += 1
        now = now_ns()
        m = {"v": 1, "from": sender, "seq": self.seq, "stamp_ns": now, "t_ns": now + LEAD_NS, "kind": "joint", "q": q, "dq": [0.0] * 7, "source": "policy", "valid_for_ms": 100, "epoch": 1, "chunk": 1, "step": 0,
             "frame_stamp_ns": 0, "intervention": False}
        m.update(more)
        self.targets.send_multipart([topic, msgpack.packb({k: v for k, v in m.items() if v is not None})])
        self.take_states()

    def hold(self, seconds, q=None, **more):
        """Streams a standing target."""
        q = q or self.look()["q_d"]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.target(q, **more)
            time.sleep(PERIOD_S)
        self.acted_ns = now_ns()

    def swing(self, seconds, stop_when=lambda: False):
        """Moves joint 1 by 0.1 rad to and fro on an absolute grid, from rest: q = q0 + 0.05 (1 - cos(w t)), w ramped up."""
        q0 = list(self.look()["q_d"])
        start = now_ns()
        for k in range(int(seconds / PERIOD_S)):
            t = k * PERIOD_S
            ramp, rate = (t * t * (3 - 2 * t), 6 * t * (1 - t)) if t < 1 else (1.0, 0.0)
            x, v = 0.05 * (1 - math.cos(2 * t)), 0.1 * math.sin(2 * t)
            due = start + int(t * 1e9) + LEAD_NS
            self.target([q0[0] + ramp * x] + q0[1:], dq=[ramp * v + rate * x] + [0.0] * 6, t_ns=due)
            if stop_when():
                break
            pause = (start + int((t + PERIOD_S) * 1e9) - now_ns()) * 1e-9
            if pause > 0:
                time.sleep(pause)
        self.acted_ns = now_ns()


@steady
class Arm(unittest.TestCase):
    def setUp(self):
        self.witness = Witness()
        self.witness.start()
        self.addCleanup(self.witness.ended.set)
        self.bench = Bench()
        self.addCleanup(self.bench.close)
        self.driver = Driver(self.bench)
        self.sim = self.bench.start_sim("--no-cameras")
        self.arm = self.bench.start_arm()
        self.driver.wait("the arm is ready", lambda s: s["mode"] == "ready", PATIENCE_S)
        # A subscription needs a moment to reach the publisher; foreign targets show that it has.
        wait_for("targets arrive", self.targets_arrive)

    def interruption(self):
        """What held up this test, or nothing."""
        if any(p.poll() not in ENDED_WELL for p in self.bench.processes):
            return None
        if self.witness.longest_s > PAUSE_S:
            return "this process had stood still for %.2f s" % self.witness.longest_s
        return held_up(self)

    def assert_programs_end_well(self):
        """A crash after the last reply must not go unseen, and only a program that ends by itself tells of leaks."""
        for p in reversed(self.bench.processes):
            code = p.poll()
            if code is None:
                code = self.bench.end(p)
            if code not in ENDED_WELL:
                raise AssertionError("%s ended with %d:\n%s" % (p.args[0], code, self.bench.log_of(p)))

    def targets_arrive(self):
        self.driver.target(HOME, sender=OTHER)
        return self.driver.ask("status")["targets_foreign"] > 0

    def assertOk(self, reply):
        self.assertTrue(reply["ok"], reply)

    def assertRefused(self, reply, says):
        self.assertFalse(reply["ok"])
        self.assertIn(says, reply["error"])

    # -- what it says of itself

    def test_state(self):
        s = self.driver.look()
        self.assertEqual((s["v"], s["mode"], s["errors"], s["accepted_from"], s["stopped"]), (1, "ready", [], 0, False))
        self.assertEqual((s["ack_seq"], s["ack_t_ns"]), (0, 0))
        for key, values in (("q", HOME), ("q_d", HOME), ("dq", [0] * 7), ("ee_pos", [0.306891, 0, 0.486882])):
            self.assertEqual(len(s[key]), len(values))
            for a, b in zip(s[key], values):
                self.assertAlmostEqual(a, b, places=5)
        self.assertAlmostEqual(sum(x * x for x in s["ee_quat"]), 1, places=6)
        self.assertAlmostEqual(abs(s["ee_quat"][0]), 1, places=5)  # pointing down
        self.assertAlmostEqual(s["gripper_m"], 0.08)
        before = len(self.driver.recent)
        wait_for("100 states", lambda: self.driver.look() and len(self.driver.recent) >= before + 100)
        states = self.driver.recent[before:]
        steps_ns = [b["stamp_ns"] - a["stamp_ns"] for a, b in zip(states, states[1:])]
        self.assertGreaterEqual(min(steps_ns), 0)
        self.assertTrue(all(b["seq"] > a["seq"] for a, b in zip(states, states[1:])))
        self.assertLessEqual(statistics.median(steps_ns), 10_000_000)  # 100 Hz or more
        self.assertEqual({t["from"] for t in states}, {s["from"]})

    def test_status_and_ping(self):
        r = self.driver.ask("status")
        self.assertOk(r)
        for key in ("q", "ee_pos", "mode", "targets_received", "targets_refused", "targets_foreign", "interval_p50_us",
                    "interval_max_us", "limits_exceeded", "underruns", "q_d_step_max_rad", "tcp_path_m", "late_p99_us"):
            self.assertIn(key, r)
        self.assertNotIn("v", r)
        r = self.driver.ask("ping", t_ns=-5)
        self.assertEqual(r["t_ns"], -5)
        self.assertLessEqual(r["recv_ns"], r["send_ns"])
        self.assertLess(abs(now_ns() - r["send_ns"]), 10 ** 10)  # the configured clock: monotonic

    # -- attach

    def test_attach_compares(self):
        for more, says in (({"model": "fr3"}, "panda"), ({"dof": 6}, "dof"), ({"tcp": [0] * 6 + [1]}, "tcp"),
                           ({"tcp": [0] * 3}, "tcp"), ({"model": None}, "model"), ({"dof": "7"}, "dof"),
                           ({"takeover": 1}, "takeover"), ({"unknown": 1}, "unknown"), ({"from": 0}, "from"),
                           ({"from": -1}, "from")):
            self.assertRefused(self.driver.attach(**more) if "from" not in more else
                               self.driver.ask("attach", model="panda", dof=7, tcp=TCP, **more), says)
        self.assertEqual(self.driver.look()["accepted_from"], 0)
        self.assertOk(self.driver.attach(tcp=[-x if i > 2 else x for i, x in enumerate(TCP)]))  # the same rotation
        self.driver.wait("attached", lambda s: s["accepted_from"] == ME)
        self.assertRefused(self.driver.attach(sender=OTHER), "another one drives")
        self.assertRefused(self.driver.ask("detach", **{"from": OTHER}), "not attached")
        self.assertOk(self.driver.ask("detach", **{"from": ME}))

    def test_attach_is_lost_in_silence(self):
        self.assertOk(self.driver.attach())
        self.driver.hold(0.7)
        self.assertEqual(self.driver.look()["accepted_from"], ME)
        self.driver.wait("500 ms without targets let go", lambda s: s["accepted_from"] == 0)
        self.assertEqual(self.bench.end(self.arm), 0)
        self.assertIn("let go of %016x: 500 ms without valid targets" % ME, self.bench.log_of(self.arm))

    def test_takeover(self):
        self.assertOk(self.driver.attach())
        self.driver.swing(1.0)
        self.assertOk(self.driver.attach(sender=OTHER, takeover=True))
        s = self.driver.wait("it stops first", lambda s: s["mode"] == "ready" and s["accepted_from"] == OTHER)
        self.assertOk(self.driver.ask("detach", **{"from": OTHER}))
        self.assertGreater(abs(s["q_d"][0]), 0.005)

    # -- targets

    def test_swing(self):
        self.assertOk(self.driver.attach())
        self.driver.swing(3.0)
        s = self.driver.look()
        self.assertIn(s["mode"], ("moving", "ready"))
        r = self.driver.ask("status")
        self.assertEqual(r["targets_refused"], 0, r["refused"])
        self.assertEqual(r["limits_exceeded"], 0)
        self.assertGreater(r["targets_accepted"], 500)
        self.assertGreater(s["ack_seq"], 500)
        self.assertGreater(s["ack_t_ns"], 0)
        self.assertGreater(r["tcp_path_m"], 0.03)
        self.assertLess(r["velocity_peak"], 0.2)
        self.assertGreater(r["interval_p50_us"], 0)
        for a, b in zip(s["q"], s["q_d"]):
            self.assertAlmostEqual(a, b, delta=0.01)

    def test_far_first_target(self):
        self.assertOk(self.driver.attach())
        self.driver.hold(0.1, [HOME[0] + 0.03] + HOME[1:])
        s = self.driver.wait("refused", lambda s: s["refused"]["seq"] > 0)
        self.assertIn("0.02 rad", s["refused"]["reason"])
        self.assertAlmostEqual(s["q"][0], HOME[0], places=6)
        self.assertEqual(s["mode"], "ready")

    def test_moving_first_target(self):
        self.assertOk(self.driver.attach())
        self.driver.hold(0.1, HOME, dq=[0.1] + [0] * 6)
        s = self.driver.wait("refused", lambda s: s["refused"]["seq"] > 0)
        self.assertIn("rad/s", s["refused"]["reason"])
        self.assertAlmostEqual(s["q"][0], HOME[0], places=6)

    def test_jump_brakes(self):
        self.assertOk(self.driver.attach())
        self.driver.hold(0.2)
        self.driver.target([HOME[0] + 0.5] + HOME[1:])
        s = self.driver.wait("refused", lambda s: s["refused"]["seq"] > 0)
        self.assertIn("limits", s["refused"]["reason"])
        self.assertLess(abs(s["q"][0]), 0.01)
        self.assertGreater(self.driver.ask("status")["limits_exceeded"], 0)

    def test_targets_stop(self):
        self.assertOk(self.driver.attach())
        self.driver.swing(1.2)
        self.driver.wait("it brakes by itself and stands", lambda s: s["mode"] == "ready")
        r = self.driver.ask("status")
        self.assertGreater(r["underruns"], r["held_up"], r)
        self.assertIn("brakes: there was no target left to play", self.bench.log_of(self.arm))
        self.assertEqual(r["limits_exceeded"], 0)
        time.sleep(0.1)
        q = self.driver.look()["q"]
        time.sleep(0.1)
        for a, b in zip(q, self.driver.look()["q"]):
            self.assertAlmostEqual(a, b, places=6)

    def test_foreign(self):
        self.assertOk(self.driver.attach())
        before = self.driver.ask("status")["targets_foreign"]
        self.driver.hold(0.2, [HOME[0] + 0.01] + HOME[1:], sender=OTHER)
        r = self.driver.ask("status")
        self.assertGreater(r["targets_foreign"], before)
        self.assertEqual((r["targets_accepted"], r["targets_refused"]), (0, 0))
        self.assertAlmostEqual(r["q"][0], HOME[0], places=6)
        self.driver.hold(0.1, HOME, v=2)
        wait_for("another kind is void", lambda: self.driver.ask("status")["targets_void"] > 0, WAIT_S)
        self.bench.end(self.arm)
        log = self.bench.log_of(self.arm)
        self.assertIn("target/arm: from: a second publisher, %016x" % OTHER, log)
        self.assertIn("target/arm: v:", log)  # another kind is said within the same second

    def test_whole_topic(self):
        self.assertOk(self.driver.attach())
        before = self.driver.ask("status")["targets_received"]
        self.driver.hold(0.1, HOME, topic=b"target/arm2")
        self.driver.hold(0.1, HOME, topic=b"target/arm/x")
        self.driver.target(HOME)  # arrives after those, so that they must have been counted by then
        wait_for("the one of ours", lambda: self.driver.ask("status")["targets_received"] > before, WAIT_S)
        self.assertEqual(self.driver.ask("status")["targets_received"], before + 1)

    def test_time_voids(self):
        self.assertOk(self.driver.attach())
        for late in (10 ** 9, 150 * 10 ** 6):
            self.driver.target(HOME, t_ns=now_ns() - late)
        wait_for("late ones are counted", lambda: self.driver.ask("status")["targets_late"] == 2, WAIT_S)
        for more in ({"t_ns": now_ns() + 10 ** 9}, {"stamp_ns": now_ns() + 10 ** 9}, {"t_ns": 2 ** 63 - 1}, {"t_ns": -2 ** 63}):
            self.driver.target(HOME, **more)
        wait_for("impossible ones are void", lambda: self.driver.ask("status")["targets_void"] == 4, WAIT_S)
        self.assertEqual(self.driver.ask("status")["targets_accepted"], 0)

    def test_gripper(self):
        self.assertOk(self.driver.attach())
        self.driver.hold(0.3, gripper_m=0.05)
        s = self.driver.wait("it closes a little", lambda s: abs(s["gripper_m"] - 0.05) < 1e-6)
        self.assertOk(self.driver.ask("stop"))
        time.sleep(0.2)
        self.assertAlmostEqual(self.driver.look()["gripper_m"], 0.05)
        self.assertEqual(s["mode"], "ready")

    # -- stop

    def test_stop_is_latched(self):
        self.assertOk(self.driver.attach())
        self.driver.swing(5.0, stop_when=lambda: self.driver.look()["mode"] == "moving" and abs(self.driver.look()["q_d"][0]) > 0.01)
        self.assertOk(self.driver.ask("stop"))
        self.driver.hold(0.1)
        self.driver.wait("targets are refused", lambda s: "latched" in s["refused"]["reason"])
        s = self.driver.wait("it stands", lambda s: s["mode"] == "ready" and s["stopped"])
        self.assertRefused(self.driver.attach(), "stopped")
        self.assertRefused(self.driver.attach(takeover=True), "stopped")
        self.assertOk(self.driver.attach(clear_stop=True))
        self.driver.hold(0.2, s["q_d"])
        r = self.driver.ask("status")
        self.assertGreater(r["targets_accepted"], 10)
        self.assertEqual((r["stopped"], r["limits_exceeded"]), (False, 0))
        self.bench.end(self.arm)
        log = self.bench.log_of(self.arm)  # who drove, what stopped it, and what let it go again, in this order
        said = ["the driver has found it", "has attached and drives it now", "stop at its own door", "cleared by an operator's reset",
                "dreamvla-arm is ending: it stops"]
        places = [log.find(said[0])]
        for text in said[1:]:
            places.append(log.find(text, places[-1] + 1))
        self.assertNotIn(-1, places, log)

    def test_stop_is_never_crowded_out(self):
        self.assertOk(self.driver.attach())
        flood = self.bench.connect(zmq.DEALER, "control")
        body = msgpack.packb({"cmd": "detach", "from": OTHER})
        refused = answered = 0

        def push():
            nonlocal refused, answered
            try:
                for _ in range(200):
                    flood.send_multipart([b"", body], zmq.DONTWAIT)
            except zmq.Again:
                pass
            while flood.poll(0):
                answered += 1
                refused += "too many" in msgpack.unpackb(flood.recv_multipart()[1])["error"]

        s = self.bench.connect(zmq.REQ, "control")
        stops = 0
        while stops < 200 or (refused == 0 and answered < 10 ** 5):
            push()
            s.send(msgpack.packb({"cmd": "stop"}))
            self.assertOk(msgpack.unpackb(s.recv()))
            stops += 1
        self.assertGreater(refused, 0)  # the flood was one
        self.driver.wait("stopped", lambda s: s["stopped"])
        s.close()
        flood.close()

    def test_enable_disable_recover(self):
        self.assertRefused(self.driver.ask("recover"), "nothing to recover")
        self.assertRefused(self.driver.ask("home_gripper"), "no homing")
        self.assertOk(self.driver.ask("disable", confirm=True))
        self.driver.wait("idle", lambda s: s["mode"] == "idle")
        self.assertRefused(self.driver.attach(), "idle")
        self.assertOk(self.driver.ask("enable"))
        self.driver.wait("ready", lambda s: s["mode"] == "ready")
        self.assertOk(self.driver.attach())

    def test_emergency_stop_of_an_arm_that_has_none(self):
        self.assertOk(self.driver.attach())
        self.assertRefused(self.driver.ask("emergency_stop"), "button")
        self.driver.wait("stopped", lambda s: s["stopped"] and s["mode"] == "ready")
        self.assertTrue(self.driver.ask("status")["brakes"])

    # -- the world goes, the arm goes

    def test_world_dies_and_returns(self):
        self.assertOk(self.driver.attach())
        self.driver.hold(0.1)
        self.bench.end(self.sim, signal.SIGKILL)
        s = self.driver.wait("disconnected", lambda s: s["mode"] == "disconnected")
        self.assertEqual(s["accepted_from"], 0)
        for key in ("q", "dq", "q_d", "ee_pos", "ee_quat"):
            self.assertIsNone(s.get(key))
        self.assertRefused(self.driver.attach(), "disconnected")
        self.bench.start_sim("--no-cameras")
        self.driver.wait("ready again", lambda s: s["mode"] == "ready")
        self.assertOk(self.driver.attach())
        self.driver.hold(0.2)
        self.assertGreater(self.driver.ask("status")["targets_accepted"], 5)

    def test_sigterm(self):
        self.assertOk(self.driver.attach())
        self.driver.swing(1.0)
        self.assertEqual(self.bench.end(self.arm), 0)
        self.driver.wait("its last word", lambda s: (s["mode"], s["accepted_from"], s["stopped"]) == ("ready", 0, True))

    # -- bad input

    def test_bad_targets(self):
        self.assertOk(self.driver.attach())
        nan, inf = float("nan"), float("inf")
        for more in ({"q": [nan] + HOME[1:]}, {"q": [inf] + HOME[1:]}, {"q": HOME[1:]}, {"q": HOME + [0]}, {"q": None},
                     {"q": "home"}, {"dq": [0] * 6}, {"dq": None}, {"kind": "dance"}, {"t_ns": "soon"}, {"t_ns": None},
                     {"valid_for_ms": 101}, {"valid_for_ms": nan}, {"v": 2}, {"from": -1}, {"seq": None}, {"source": "me"}):
            before = self.driver.ask("status")["targets_void"]
            q = more.pop("q", HOME)
            self.driver.target(q, **more)
            wait_for("void: %s %s" % (q, more), lambda: self.driver.ask("status")["targets_void"] == before + 1, WAIT_S)
        rng = random.Random(1)
        before = self.driver.ask("status")["targets_void"]
        for _ in range(200):
            self.driver.targets.send_multipart([b"target/arm", rng.randbytes(rng.randrange(200))])
            time.sleep(0.001)
        self.driver.targets.send_multipart([b"target/arm"])
        self.driver.targets.send_multipart([b"target/arm"] * 9)
        wait_for("garbage is void", lambda: self.driver.ask("status")["targets_void"] > before + 100, WAIT_S)
        self.assertOk(self.driver.attach())
        self.driver.hold(0.2)
        r = self.driver.ask("status")
        self.assertGreater(r["targets_accepted"], 5)
        self.assertAlmostEqual(r["q"][0], HOME[0], places=6)

    def test_bad_requests(self):
        s = self.bench.connect(zmq.REQ, "control")
        rng = random.Random(2)
        for raw in [b"\x00", msgpack.packb([]), msgpack.packb({}), msgpack.packb({"cmd": 5}), msgpack.packb({"cmd": "dance"}),
                    msgpack.packb({"cmd": "stop", "extra": 1}), msgpack.packb({"cmd": "ping"}),
                    msgpack.packb({"cmd": "attach"}), b"\xde\xff\xff", b"\x91" * 4000] + \
                   [rng.randbytes(rng.randrange(1, 300)) for _ in range(50)]:
            s.send(raw)
            reply = msgpack.unpackb(s.recv())
            self.assertFalse(reply["ok"])
            self.assertTrue(reply["error"])
        s.close()
        self.assertFalse(self.driver.look()["stopped"])
        self.assertOk(self.driver.ask("status"))


class Start(unittest.TestCase):
    def run_arm(self, *arguments):
        return subprocess.run([os.path.join(B, "dreamvla-arm"), *arguments], capture_output=True, text=True, timeout=PATIENCE_S)

    def test_bad_arguments(self):
        bench = Bench()
        self.addCleanup(bench.close)
        for arguments, says, code in [
            ([], "--config", 2),
            (["--config", bench.config], "--driver", 2),
            (["--nonsense"], "--help", 2),
            (["stray"], "stray", 2),
            (["--config", bench.config, "--driver", "ur5"], "not part of this version; want one of sim franka piper", 1),
            (["--config", bench.config, "--driver", "piper"], "found panda, which --driver piper does not drive", 1),
            (["--config", bench.config, "--driver", "franka"], "robots[0].address: not given", 1),
            (["--config", bench.config, "--driver", "sim", "--arm", "left"], "left", 1),
            (["--config", "/nowhere.yaml", "--driver", "sim"], "/nowhere.yaml", 1),
            (["--config", bench.config, "--driver", "sim", "--world", "nonsense"], "nonsense", 1),
        ]:
            done = self.run_arm(*arguments)
            self.assertEqual(done.returncode, code, arguments)
            self.assertIn(says, done.stderr)
        self.assertIn("--driver", self.run_arm("--help").stdout)

    def test_control_address_in_use(self):
        bench = Bench()
        self.addCleanup(bench.close)
        owner = bench.bind(zmq.ROUTER, "control")
        done = self.run_arm("--config", bench.config, "--driver", "sim")
        self.assertEqual(done.returncode, 1)
        self.assertIn("in use", done.stderr)
        owner.close()

    def test_realtime_clock(self):
        bench = Bench(more="clock: realtime")
        self.addCleanup(bench.close)
        driver = Driver(bench)
        arm = bench.start_arm()
        s = driver.wait("a state", lambda s: True)
        self.assertLess(abs(time.time_ns() - s["stamp_ns"]), 10 ** 10)
        self.assertLess(abs(time.time_ns() - driver.ask("ping", t_ns=0)["recv_ns"]), 10 ** 10)
        self.assertEqual(bench.end(arm), 0)

    def test_sim_has_another_arm(self):
        bench = Bench(model="piper")
        self.addCleanup(bench.close)
        driver = Driver(bench)
        bench.start_sim("--no-cameras")
        arm = bench.start_arm()
        driver.wait("a state", lambda s: s["mode"] == "disconnected")
        wait_for("what is wrong", lambda: "the sim world's arm has 7 joints, robots[].model has 6: start dreamvla-sim with the same --model" in bench.log_of(arm))
        self.assertEqual(driver.look()["mode"], "disconnected")
        self.assertEqual(bench.end(arm), 0)

    def test_no_world_at_all(self):
        bench = Bench()
        self.addCleanup(bench.close)
        driver = Driver(bench)
        arm = bench.start_arm()
        s = driver.wait("a state without a world", lambda s: s["mode"] == "disconnected")
        self.assertIsNone(s.get("q"))
        self.assertFalse(driver.attach()["ok"])
        self.assertEqual(bench.end(arm), 0)


if __name__ == "__main__":
    unittest.main()
