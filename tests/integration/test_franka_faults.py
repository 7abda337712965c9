#!/usr/bin/python3
"""dreamvla-arm --driver franka when things go wrong: buttons and reflexes, lost and late datagrams, a robot that hangs, vanishes and
returns, and datagrams from whoever can reach its port. Nothing ever moves by itself, and a person can always go on.
Too long for make check: nearly a minute, most of it the robot's and the session's own time limits."""
import math
import os
import random
import signal
import socket
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fci_client import STATE_BYTES, free_address  # noqa: E402
from franka_bench import ME, TOLERANCE_RAD, Station, apart, largest  # noqa: E402
from robots_bench import now_ns, wait_for  # noqa: E402
from test_arm import steady  # noqa: E402

THERE = [0.1, 0, 0, 0.1, 0, 0, 0]


class Faulty(Station):
    def assert_refused(self, says):
        reply = self.driver.attach(model=self.model)
        self.assertFalse(reply["ok"])
        self.assertIn(says, reply["error"])

    def rests_until_asked(self):
        """Ready again, of nobody, and still."""
        s = self.ready()
        self.assertEqual(s["accepted_from"], 0)
        self.assert_rests()
        self.assertLess(apart(s["q_d"], self.robot()["q"]), TOLERANCE_RAD)


@steady
class Hands(Faulty):
    """What people do to a robot."""

    BUTTONS = (("user_stop", "user_stopped", "user_stopped"), ("guiding", "guiding", "guiding"), ("brakes", "idle", "locked"))

    def test_standing(self):
        for button, mode, name in self.BUTTONS:
            self.robot(button, on=True)
            self.trouble(name, mode)
            self.assert_refused(mode)
            self.robot(button, on=False)
            self.ready()
        self.moves_again()

    def test_in_motion(self):
        for button, mode, name in self.BUTTONS:
            self.into_motion()
            self.robot(button, on=True)
            s = self.trouble(name, mode)
            self.assertEqual(s["accepted_from"], 0)
            self.stands()
            self.robot(button, on=False)
            self.rests_until_asked()
        self.moves_again()

    def test_reflex_and_recovery(self):
        self.assertFalse(self.driver.ask("recover")["ok"])          # nothing to recover from
        self.into_motion()
        self.robot("reflex")
        s = self.trouble("joint_reflex", "reflex")
        self.assertIn("reflex", s["errors"])
        self.assertEqual(s["accepted_from"], 0)
        self.assert_refused("reflex")
        self.stands()
        time.sleep(0.5)
        self.assertEqual(self.driver.look()["mode"], "reflex")      # no recovery by itself
        self.assertEqual(self.robot()["mode"], "reflex")
        self.assertOk(self.driver.ask("recover"))
        self.rests_until_asked()
        self.moves_again()


@steady
class Streams(Faulty):
    """Datagrams that are lost, late, or there twice."""

    def test_short_gaps_of_states(self):
        """The robot goes on by itself; what differs afterwards is made up for without a jump."""
        for count in (1, 5, 12):
            self.gap("states", count)

    def test_short_gaps_of_commands(self):
        for count in (1, 5, 12):
            self.gap("commands", count)

    def gap(self, what, count):
        """In each way of there and back."""
        self.engage()
        before = self.robot()
        self.arrive(self.go(THERE, 0.4, lambda: self.robot("drop", what=what, count=count)))
        self.arrive(self.go([-d for d in THERE], 0.4, lambda: self.robot("drop", what=what, count=count)))
        r = self.robot()
        self.assertGreaterEqual(r["missed"], before["missed"] + 2 * count)
        self.assertEqual((self.robot_since("reflexes"), r["mode"]), ((0,), "move"), (what, count))
        self.assertEqual(self.arm_since("underruns"), (0,))
        self.assertOk(self.driver.ask("detach", **{"from": ME}))
        self.wait_robot("the motion's end", lambda r: r["mode"] == "idle")

    def violated(self):
        self.trouble("communication_constraints_violation", "reflex")
        self.assertEqual(self.driver.look()["accepted_from"], 0)
        self.stands()
        violations, reflexes = self.robot_since("violations", "reflexes")
        self.assertEqual(violations, reflexes)
        self.assertOk(self.driver.ask("recover"))
        self.rests_until_asked()

    def test_long_gaps(self):
        for what in ("states", "commands"):
            self.into_motion()
            self.robot("drop", what=what, count=30)
            self.violated()
            self.robot("drop", what=what, count=0)                  # what is left over would hit the next motion
        self.moves_again()

    def test_late(self):
        """Each command answers a state of 5 ms ago: none counts."""
        for what in ("states", "commands"):
            self.into_motion()
            self.robot("delay", what=what, ms=5)
            self.violated()
            self.robot("delay", what=what, ms=0)
        self.moves_again()

    def test_duplicates(self):
        self.engage()
        self.robot("duplicate", what="states", count=100000)
        self.robot("duplicate", what="commands", count=100000)
        self.arrive(self.go(THERE))
        self.arrive(self.go([-d for d in THERE]))
        self.assertEqual(self.robot_since("reflexes"), (0,))

    def test_silence_while_it_moves(self):
        self.into_motion()
        self.robot("freeze", ms=300)
        self.violated()
        self.moves_again()

    def test_silence_while_it_stands(self):
        def clients():
            return self.bench.log_of(self.sim).count("a client of protocol")
        before = clients()
        self.robot("freeze", ms=60000)
        self.wait("no states", lambda s: s["mode"] == "disconnected")
        wait_for("a new connection, without states as well", lambda: clients() > before)
        self.assertEqual(self.driver.look()["mode"], "disconnected")
        self.robot("freeze", ms=0)
        self.rests_until_asked()
        self.moves_again()


@steady
class Connection(Faulty):
    def test_cut_in_motion(self):
        self.into_motion()
        self.robot("close")
        s = self.wait("disconnected", lambda s: s["mode"] == "disconnected")
        self.assertEqual(s["accepted_from"], 0)
        self.assertTrue(s["errors"])
        self.stands()
        s = self.wait("connected again", lambda s: s["mode"] != "disconnected")
        if s["mode"] == "reflex":
            self.assertOk(self.driver.ask("recover"))
        self.rests_until_asked()
        self.assertGreater(self.arm_since("reconnects"), (0,))
        self.moves_again()

    def test_robot_hangs(self):
        """In motion for longer than its client waits; what it does then is its own affair, but nothing begins by itself."""
        self.into_motion()
        self.sim.send_signal(signal.SIGSTOP)
        s = self.wait("disconnected", lambda s: s["mode"] == "disconnected")
        self.assertEqual(s["accepted_from"], 0)
        time.sleep(1.0)
        self.sim.send_signal(signal.SIGCONT)
        s = self.wait("connected again", lambda s: s["mode"] != "disconnected")
        if s["mode"] == "reflex":
            self.assertOk(self.driver.ask("recover"))
        self.rests_until_asked()
        self.moves_again()

    def test_robot_dies_and_returns(self):
        """The new one is at home: elsewhere."""
        self.into_motion()
        self.bench.end(self.sim, signal.SIGKILL)
        s = self.wait("disconnected", lambda s: s["mode"] == "disconnected")
        self.assertEqual(s["accepted_from"], 0)
        for key in ("q", "dq", "q_d", "ee_pos", "ee_quat"):
            self.assertIsNone(s.get(key))
        self.assert_refused("disconnected")
        self.start_sim()
        self.rests_until_asked()
        self.moves_again()

    def test_robot_dies_standing_and_returns(self):
        self.bench.end(self.sim, signal.SIGKILL)
        self.wait("disconnected", lambda s: s["mode"] == "disconnected")
        self.start_sim()
        self.rests_until_asked()
        self.moves_again()


def forged(number, q, mode=2, generator=1):
    """A state of protocol 5 with nothing in it but an id, joints and modes."""
    raw = bytearray(STATE_BYTES[5])
    struct.pack_into("<Q", raw, 0, number)
    for at in (8, 136, 264, 520, 648, 1944):                # poses: identity
        struct.pack_into("<16d", raw, at, *[float(i % 5 == 0) for i in range(16)])
    for at in (1184, 1240):
        struct.pack_into("<7d", raw, at, *q)
    raw[2280], raw[2281], raw[2364] = generator, 0, mode
    return bytes(raw)


@steady
class Hostile(Faulty):
    """Whatever comes to the port at which the arm hears its robot: the robot stays where it is held, in the motion that it is in."""

    def start_sim(self, *arguments):
        type(self).started_ns = now_ns()
        super().start_sim(*arguments)

    def setUp(self):
        super().setUp()
        ports = self.udp_ports(self.arm)
        self.assertGreaterEqual(len(ports), 1)
        self.targets = [("127.0.0.1", port) for port in ports]
        self.engage()
        self.held_at = self.stands()["q"]
        self.arm_before = self.driver.ask("status")

    def sender(self, address, port=0):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(s.close)
        s.bind((address, port))
        return s

    def attack(self, address, datagrams, port=0):
        s = self.sender(address, port)
        for n, raw in enumerate(datagrams):
            for to in self.targets:
                s.sendto(raw, to)
            if n % 20 == 19:
                self.held()
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            self.held()
            self.assertLess(apart(self.robot()["q"], self.held_at), 1e-4)
        self.assertEqual((self.robot_since("reflexes", "motions"), self.robot()["mode"]), ((0, 1), "move"))
        self.assertEqual(self.arm_since("underruns", "limits_exceeded", "targets_refused"), (0, 0, 0))
        self.assertEqual(self.driver.look()["mode"], "ready")

    def elsewhere(self, k):
        return [q + 0.01 * k for q in self.held_at]

    def number(self):
        """Of the robot's states at about this time, which number the milliseconds of its life."""
        return (now_ns() - type(self).started_ns) // 1_000_000

    def believable(self):
        """States that look like the robot's, a little newer than its own."""
        return [forged(self.number() + 2000 + 100 * k, self.elsewhere(k)) for k in range(200)]

    def test_of_another_sender(self):
        """From the robot's own ports, but not from its address."""
        for port in self.udp_ports(self.sim):
            self.attack(free_address(), self.believable(), port)

    def test_of_the_right_sender(self):
        """Wrong sizes, old numbers, and what is no number, from the robot's own address."""
        chance = random.Random(5)
        newer = self.number() + 20000
        good = forged(newer, self.held_at)
        raws = [b"", b"\0", good[:-1], good + b"\0", good[:1377], good * 3, bytes(len(good)), b"\xff" * len(good)]
        raws += [chance.randbytes(n) for n in (1, 100, 1377, 2373, 4000, 65000)]
        raws += [forged(k, self.elsewhere(20)) for k in (0, 1, 2, 100)]
        raws += [forged(number, [bad] * 7) for number in (newer, 2 ** 40) for bad in (math.nan, math.inf, -math.inf, 1e300)]
        raws += [forged(2 ** 40 + k, self.elsewhere(k)) for k in range(5)]
        for at in range(8, 2280, 8):
            raw = bytearray(good)
            struct.pack_into("<d", raw, at, math.nan)
            raws.append(bytes(raw))
        self.attack(self.address, raws)

    def test_of_the_right_address_and_another_port(self):
        """Believable, from a program on the robot's own address that is not the robot."""
        self.attack(self.address, self.believable())

    def test_noise_while_it_moves(self):
        s, chance = self.sender(free_address()), random.Random(6)

        def flood():
            for _ in range(500):
                for to in self.targets:
                    s.sendto(chance.randbytes(chance.choice((1, 8, 1377, 2373, 9000))), to)
        self.arrive(self.go(THERE, 1.0, flood))
        self.assertEqual(self.robot_since("reflexes"), (0,))
        self.assertLess(largest(self.robot()["dq"]), 1e-3)


if __name__ == "__main__":
    unittest.main()
