"""A simulated PiPER behind a socketcand server, dreamvla-arm --driver piper in front of it, and between test and arm the peer of
test_arm.py: what the tests of the PiPER driver share."""
import math
import os
import subprocess
import time
import unittest

import msgpack
import zmq

from ports import free_addresses
from robots_bench import B, PATIENCE_S, Bench, Witness, now_ns, wait_for
from stalls import TRIES, Stalls
from test_arm import ENDED_WELL, ME, PAUSE_S, PERIOD_S, Driver, held_up

PIPER_TCP = [0, 0, 0.145, 0, 0, 0, 1]
ALL_ON = 63
LEAD_NS = 400_000_000 if os.environ.get("SAN") else 250_000_000  # targets are sent so long before they are due
STALL_MS = 40       # feedback that is older than 50 ms stops the stream, older than 200 ms ends a connection: as they should
REACHED_RAD = 2e-3  # of what the arm's own planner goes to: 0.1 degree
STILL_RAD = 1e-3    # of an arm that nobody told to move


def largest(values):
    return max(map(abs, values))


def apart(a, b):
    assert len(a) == len(b), (a, b)
    return largest(x - y for x, y in zip(a, b))


def smooth(t):
    """A way from 0 to 1 in the time from 0 to 1, with its rate; velocity and acceleration are 0 at both ends."""
    t = min(max(t, 0.0), 1.0)
    return t ** 3 * (10 - 15 * t + 6 * t * t), 30 * t * t * (1 - t) ** 2


class Peer(Driver):
    """dreamvlad for an arm of six joints."""

    def attach(self, sender=ME, **more):
        return super().attach(sender, **{"model": "piper", "dof": 6, "tcp": PIPER_TCP, **more})

    def target(self, q, **more):
        super().target(q, **{"dq": [0.0] * 6, **more})


class Station(unittest.TestCase):
    """Both programs run, the motors are off, unless a test says otherwise."""

    tries = TRIES
    firmware, robot_keys = "S-V1.8-9", ""

    def setUp(self):
        self.witness = Witness()
        self.witness.start()
        self.addCleanup(self.witness.ended.set)
        self.stalls = Stalls()
        self.addCleanup(self.stalls.close)
        port = free_addresses(1)[0].rsplit(":", 1)[1]
        self.bus = "socketcand://127.0.0.1:" + port
        self.bench = Bench("piper", robot="    address: %s\n    piper: {rate_hz: 100%s}\n" % (self.bus, self.robot_keys))
        self.addCleanup(self.bench.close)
        self.bench.address["faults"] = free_addresses(1)[0]
        self.write_config()
        self.driver = Peer(self.bench)
        self.start()

    def write_config(self):
        """Anywhere above the table: this arm rests folded, behind the box of a Franka's bench."""
        with open(self.bench.config, encoding="utf-8") as f:
            text = f.read()
        lines = ["    tcp: %s" % PIPER_TCP if line.startswith("    tcp:") else line for line in text.splitlines()]
        lines = ["    workspace_min: [-0.7, -0.7, 0.0]" if "workspace_min" in line else line for line in lines]
        with open(self.bench.config, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")

    def start(self):
        self.start_sim()
        self.start_arm()

    def start_sim(self, *arguments):
        self.sim = self.bench.start("dreamvla-sim", "--no-cameras", "--piper", self.bus, "--piper-firmware", self.firmware, "--faults",
                                    self.bench.address["faults"], "--duration", "300", *arguments)

    def start_arm(self):
        self.arm = self.bench.start("dreamvla-arm", "--config", self.bench.config, "--driver", "piper")

    # ---- for steady(), see test_arm.py

    def interruption(self):
        if any(p.poll() not in ENDED_WELL for p in self.bench.processes):
            return None
        stall_ms = self.stalls.longest_ms()
        if stall_ms > STALL_MS:
            return "a processor had stood still for %.0f ms" % stall_ms
        if self.witness.longest_s > PAUSE_S:
            return "this process had stood still for %.2f s" % self.witness.longest_s
        return held_up(self)

    def assert_programs_end_well(self):
        for p in reversed(self.bench.processes):
            code = p.poll()
            if code is None:
                code = self.bench.end(p)
            self.assertIn(code, ENDED_WELL, "%s:\n%s" % (p.args[0], self.bench.log_of(p)))

    # ---- the arm's other end

    def robot(self, cmd="status", **fields):
        """What the faults' socket answers. A socket of its own: the simulator may be restarted."""
        s = self.bench.connect(zmq.REQ, "faults")
        s.send(msgpack.packb(dict(fields, cmd=cmd)))
        reply = msgpack.unpackb(s.recv())
        s.close()
        self.assertTrue(reply.pop("ok"), reply)
        return reply

    def wait_robot(self, what, condition):
        def true():
            r = self.robot()
            return r if condition(r) else None
        return wait_for(what, true)

    # ---- our end

    def assertOk(self, reply):
        self.assertTrue(reply["ok"], reply)

    def assertRefused(self, reply, text):
        self.assertFalse(reply["ok"], reply)
        self.assertIn(text, reply["error"] + " " + reply.get("hint", ""))

    def ctl(self, *arguments, stdin=""):
        return subprocess.run([os.path.join(B, "dreamvlactl"), "--config", self.bench.config, *arguments], input=stdin,
                              capture_output=True, text=True, timeout=4 * PATIENCE_S)

    def done(self, *arguments):
        done = self.ctl(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.bench.log_of(self.arm))
        return done.stdout

    def status(self):
        return self.driver.ask("status")

    def until(self, what, condition):
        """The first status that fulfils the condition; fails with what the arm says instead."""
        def found():
            s = self.status()
            return s if condition(s) else None
        try:
            return wait_for(what, found)
        except AssertionError as late:
            raise AssertionError("%s: it is %s\nthe arm's log:\n%s" % (late, self.status(), self.bench.log_of(self.arm))) from late

    def until_mode(self, mode, trouble=""):
        return self.until("%s, %s" % (mode, trouble), lambda s: s["mode"] == mode and s.get("trouble", "") == trouble)

    def off(self):
        return self.until_mode("idle", "motors_off")

    def ready(self):
        return self.until_mode("ready")

    def enable(self):
        self.off()
        self.assertOk(self.driver.ask("enable"))
        return self.ready()

    def engage(self):
        """Enabled, attached, held where it is."""
        self.enable()
        self.take()

    def take(self):
        self.driver.acted_ns = now_ns()
        self.driver.wait("a ready arm", lambda s: s["mode"] == "ready")
        self.assertOk(self.driver.attach(clear_stop=True))
        self.goal = list(self.driver.look()["q_d"])
        self.due_ns = 0

    def stream(self, seconds, at):
        """Targets at 200 Hz on an absolute grid for so long; at(t) is q and dq, t in s. They go on from the ones before without a gap, as
        long as those lie ahead."""
        start = (self.due_ns if self.due_ns > now_ns() else now_ns() + LEAD_NS) + int(PERIOD_S * 1e9) - LEAD_NS
        for k in range(int(seconds / PERIOD_S) + 1):
            t = k * PERIOD_S
            q, dq = at(t)
            self.due_ns = start + int(t * 1e9) + LEAD_NS
            self.driver.target(q, dq=dq, t_ns=self.due_ns, **self.gripper())
            pause = (start + int((t + PERIOD_S) * 1e9) - now_ns()) * 1e-9
            if pause > 0:
                time.sleep(pause)
        self.driver.acted_ns = now_ns()

    opening_m = None

    def gripper(self):
        return {} if self.opening_m is None else {"gripper_m": self.opening_m}

    def hold(self, seconds):
        self.stream(seconds, lambda _: (self.goal, [0.0] * 6))

    def go(self, delta, seconds=1.0):
        """There; the last targets are still to be played. The middle of 1 s accelerates by 6 times the way: the limit here is 2.5 rad/s^2."""
        start = self.goal

        def at(t):
            share, rate = smooth(t / seconds)
            return [q + share * d for q, d in zip(start, delta)], [rate * d / seconds for d in delta]
        self.stream(seconds, at)
        self.goal = at(seconds)[0]

    def arrive(self):
        """Held there until robot and arm are there."""
        def there():
            self.hold(0.05)
            self.assertEqual(self.driver.look()["accepted_from"], ME, self.driver.look())
            return apart(self.robot()["q"], self.goal) < REACHED_RAD and apart(self.driver.look()["q"], self.goal) < REACHED_RAD
        wait_for("the arm to be there", there)
        r = self.status()
        self.assertEqual((r["targets_refused"], r["limits_exceeded"]), (0, 0), r["refused"])

    OUT = [0.2, 0.5, -0.4, 0.1, 0.2, -0.1]

    def to_work(self):
        """From where it rests to where there is room to all sides."""
        self.engage()
        self.go(self.OUT, 1.5)
        self.arrive()

    def stands(self, seconds=0.4, within_rad=REACHED_RAD):
        """It does not move for so long."""
        before = self.robot()["q"]
        time.sleep(seconds)
        self.assertLess(apart(self.robot()["q"], before), within_rad)
        return before
