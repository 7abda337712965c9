#!/usr/bin/python3
"""dreamvla-sim --franka from outside: every protocol, faults on purpose, and clients that misbehave. The client is written from the
protocol's tables and shares no code with the simulator."""
import ctypes
import os
import random
import socket
import struct
import sys
import time
import unittest

import msgpack
import numpy
import zmq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fci_client import GRIPPER, IDS, ROBOT, Client, Gone, free_address  # noqa: E402
from overlap import load_tests, waits  # noqa: E402,F401
from ports import free_addresses  # noqa: E402
from robots_bench import PATIENCE_S, Bench, wait_for  # noqa: E402

OTHER, IDLE, MOVE, GUIDING, REFLEX, USER_STOPPED = range(6)
COMMUNICATION, JOINT_REFLEX = 25, 6


class Station(unittest.TestCase):
    def setUp(self):
        self.bench = Bench()
        self.addCleanup(self.bench.close)
        self.address = free_address()
        self.bench.address["faults"] = free_addresses(1)[0]
        self.sim = self.bench.start("dreamvla-sim", "--franka", self.address, "--faults", self.bench.address["faults"],
                                    "--duration", "250", *self.arguments())
        self.faults = self.bench.connect(zmq.REQ, "faults")
        self.ask("status")

    def arguments(self):
        return ["--no-cameras"]

    def ask(self, cmd, **fields):
        self.faults.send(msgpack.packb(dict(fields, cmd=cmd)))
        reply = msgpack.unpackb(self.faults.recv())
        self.assertTrue(reply.pop("ok"), reply)
        return reply

    def refused(self, cmd, **fields):
        self.faults.send(msgpack.packb(dict(fields, cmd=cmd)))
        reply = msgpack.unpackb(self.faults.recv())
        self.assertFalse(reply["ok"], (cmd, fields))
        return reply["error"]

    def client(self, version=None, port=ROBOT):
        c = Client(self.address, port, PATIENCE_S)
        self.addCleanup(c.close)
        if version is not None:
            self.assertEqual(c.connect(version), (0, version))
            c.state()
        return c

    def connects(self, version=5):
        """A new client is served: what came before has not harmed the robot."""
        wait_for("the robot to be free", lambda: not self.ask("status")["connected"])
        c = self.client(version)
        self.assertEqual(c.state().mode, IDLE)
        c.close()
        wait_for("the robot to be free", lambda: not self.ask("status")["connected"])


class Protocol(Station):
    def test_every_version(self):
        for version in range(5, 11):
            c = self.client(version)
            ids = IDS[version]
            self.assertEqual(c.ask(ids[2], struct.pack("<7d", *[1000.0] * 7)), b"\0")
            self.assertEqual(c.ask(ids[1]), b"\0")                 # StopMove with nothing to stop
            self.assertEqual(c.ask(ids[4] + 1), b"\1")             # no such command: refused, answered
            self.assertEqual(c.move(), 1)
            s = c.wait_state(lambda s: s.mode == MOVE, "moving")
            self.assertEqual((s.generator, s.controller), (1, 0))
            start = s.q_d
            for _ in range(20):
                c.command(s, q=start)
                s = c.state()
            for _ in range(500):
                c.command(s, q=start, finished=True)
                s = c.state()
                if s.mode == IDLE:
                    break
            self.assertEqual((s.mode, s.generator), (IDLE, 0))
            self.assertEqual(c.answer(), (1, c.n - 1, b"\0"))      # the second response
            c.close()
            wait_for("it to be gone", lambda: not self.ask("status")["connected"])

    def test_models(self):
        c = self.client(5)
        body = c.ask(13, b"\0\0")
        self.assertEqual(body[:5], b"\0\x7fELF")
        self.assertEqual(c.ask(13, b"\2\0"), b"\1")               # no library for other machines
        c.close()
        wait_for("it to be gone", lambda: not self.ask("status")["connected"])
        c = self.client(10)
        body = c.ask(11)
        self.assertEqual(body[:1], b"\0")
        self.assertTrue(body.endswith(b"</robot>\n"), body[-40:])

    def test_states_come_once_a_millisecond(self):
        c = self.client(10)
        first, begun = c.state(), time.monotonic()
        last = c.wait_state(lambda s: s.id >= first.id + 1000, "a second")
        self.assertLess(abs((last.id - first.id) - (time.monotonic() - begun) * 1000), 200)

    def test_missing_commands_end_the_motion(self):
        c = self.client(5)
        self.assertEqual(c.move(), 1)
        s = c.wait_state(lambda s: s.mode == MOVE, "moving")
        c.command(s, q=s.q_d)
        s = c.wait_state(lambda s: s.mode == REFLEX, "communication violation")
        self.assertEqual(s.reflex_reason[COMMUNICATION], 1)
        self.assertEqual(c.answer()[2], b"\6")
        self.assertEqual(c.move(), 3)
        self.assertEqual(c.ask(IDS[5][3]), b"\0")
        c.wait_state(lambda s: s.mode == IDLE, "recovered")

    @waits
    def test_hand(self):
        c = Client(self.address, GRIPPER, PATIENCE_S)
        self.addCleanup(c.close)

        def ask(command, payload=b""):
            c.tcp.sendall(struct.pack("<HII", command, c.n, 10 + len(payload)) + payload)
            c.n += 1
            got, number, size = struct.unpack("<HII", c.take(10))
            self.assertEqual((got, number), (command, c.n - 1))
            return struct.unpack("<H", c.take(size - 10)[:2])[0]

        self.assertEqual(ask(0, struct.pack("<HH", 3, c.udp.getsockname()[1])), 0)
        state = struct.unpack("<IddBH", c.udp.recv(4096))
        self.assertEqual(state[1:3], (0.08, 0.08))
        self.assertEqual(ask(3, struct.pack("<2d", 0.02, 0.1)), 0)
        c.udp.recv(4096)
        wait_for("0.02 m", lambda: abs(struct.unpack("<IddBH", c.udp.recv(4096))[1] - 0.02) < 1e-3)
        self.assertEqual(ask(3, struct.pack("<2d", 0.09, 0.1)), 1)   # wider than it can
        self.assertEqual(ask(3, struct.pack("<2d", float("nan"), 0.1)), 1)
        self.assertEqual(ask(2, struct.pack("<5d", 0.0, 0.005, 0.005, 0.1, 20)), 0)
        self.assertEqual(ask(2, struct.pack("<5d", 0.05, 0.005, 0.005, 0.1, 20)), 2)  # nothing there
        self.assertEqual(ask(1), 0)
        self.assertEqual(ask(4), 0)
        self.assertEqual(ask(5), 1)                                 # no such command: refused, but answered
        self.assertEqual(ask(0xffff, bytes(400)), 1)
        self.assertEqual(ask(4), 0)                                 # and in step with its client


class OneVersion(Station):
    def arguments(self):
        return ["--no-cameras", "--franka-version", "5"]

    def test_others_are_refused(self):
        for version in (0, 4, 6, 10, 11, 65535):
            c = self.client()
            self.assertEqual(c.connect(version), (1, 5))
            c.close()
        self.connects(5)


def grey(jpeg):
    """[height][width] of a picture, by libturbojpeg."""
    library = ctypes.CDLL("libturbojpeg.so.0")
    library.tjInitDecompress.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(library.tjInitDecompress())
    out = numpy.zeros((224, 224), numpy.uint8)
    rc = library.tjDecompress2(handle, jpeg, ctypes.c_ulong(len(jpeg)), ctypes.c_void_p(out.ctypes.data), 224, 0, 224, 6, 0)
    library.tjDestroy(handle)
    assert rc == 0
    return out.astype(float)


class Cameras(Station):
    def setUp(self):
        super().setUp()
        self.pictures = self.bench.bind(zmq.SUB, "cameras")
        self.pictures.rcvtimeo = 1000 * PATIENCE_S
        self.pictures.subscribe("camera/overhead")

    def arguments(self):
        return ["--config", self.bench.config, "--rate-hz", "20"]

    def picture(self):
        while self.pictures.poll(0):
            self.pictures.recv_multipart()
        return grey(self.pictures.recv_multipart()[2])

    def test_they_show_this_robot(self):
        c = self.client(5)
        self.picture()
        before, still = self.picture(), self.picture()
        self.assertEqual(c.move(0, 1), 1)                   # joint velocity
        s = c.wait_state(lambda s: s.mode == MOVE, "moving")
        begun, start = s.id, s.q[0]
        while s.id - begun < 2000:
            t = (s.id - begun) / 2000
            c.command(s, dq=[0.6 * 30 * t * t * (1 - t) * (1 - t) / 2] + [0.0] * 6)
            s = c.state()
            if s.mode != MOVE:
                break
        self.assertGreater(s.q[0] - start, 0.1)
        self.picture()
        noise = abs(still - before).mean()
        self.assertGreater(abs(self.picture() - before).mean(), 2 * noise + 0.5)


class Faults(Station):
    def test_nonsense_is_refused(self):
        for cmd, fields, says in [("explode", {}, "status, drop"), ("drop", {"what": "all", "count": 1}, "states or commands"),
                                  ("drop", {"what": "states"}, "count"), ("delay", {"what": "commands", "ms": 128}, "ms"),
                                  ("delay", {"what": "states", "ms": float("inf")}, "ms"), ("delay", {"ms": 1}, "what"), ("duplicate", {"count": 1}, "what"),
                                  ("user_stop", {"on": 1}, "on"), ("version", {"version": 4}, "5 to 10"), ("freeze", {"hours": 1}, "hours")]:
            self.assertIn(says, self.refused(cmd, **fields))

    def test_buttons(self):
        c = self.client(9)
        for cmd, mode in [("user_stop", USER_STOPPED), ("guiding", GUIDING), ("brakes", OTHER)]:
            self.ask(cmd, on=True)
            c.wait_state(lambda s: s.mode == mode, cmd)
            self.assertEqual(c.move(), 5)
            self.ask(cmd, on=False)
            c.wait_state(lambda s: s.mode == IDLE, "idle")
        self.ask("reflex")
        s = c.wait_state(lambda s: s.mode == REFLEX, "reflex")
        self.assertEqual(s.reflex_reason[JOINT_REFLEX], 1)

    def test_streams(self):
        c = self.client(5)
        self.ask("freeze", ms=400)
        before = c.state()
        after = c.wait_state(lambda s: s.id > before.id + 350, "the stream goes on")
        self.assertGreater(after.id, before.id)
        self.ask("drop", what="states", count=300)
        before = c.state()
        c.wait_state(lambda s: s.id > before.id + 250, "the stream goes on")
        self.ask("duplicate", what="states", count=1000)
        ids = [struct.unpack_from("<Q", c.udp.recv(4096))[0] for _ in range(400)]
        self.assertLess(len(set(ids)), 300)
        self.ask("close")
        with self.assertRaises(Gone):
            c.answer()
        self.connects()

    def test_delay(self):
        c = self.client(5)
        self.ask("delay", what="states", ms=100)
        self.assertEqual(c.move(), 1)
        s = c.wait_state(lambda s: s.mode == MOVE, "moving")
        for _ in range(200):                                # each answers a state of 100 ms ago: all are late
            c.command(s, q=s.q_d)
            s = c.state()
        self.assertGreater(self.ask("status")["late"], 50)
        c.wait_state(lambda s: s.mode == REFLEX, "no command was in time")

    def test_late_and_repeated_commands(self):
        c = self.client(5)
        self.assertEqual(c.move(), 1)
        s = c.wait_state(lambda s: s.mode == MOVE, "moving")
        before = self.ask("status")["late"]
        self.ask("duplicate", what="commands", count=200)
        for _ in range(200):                                # answered in time or not: every echo is late
            c.command(s, q=s.q_d)
            s = c.state()
            if s.mode != MOVE:                              # this machine stood still
                break
        else:
            wait_for("the echoes to be noticed", lambda: self.ask("status")["late"] - before >= 150)
        self.ask("delay", what="commands", ms=50)
        c.close()
        wait_for("the robot to be free", lambda: not self.ask("status")["connected"])
        c = self.client(5)
        if c.state().mode == REFLEX:
            self.assertEqual(c.ask(IDS[5][3]), b"\0")
            c.wait_state(lambda s: s.mode == IDLE, "recovered")
        self.assertEqual(c.move(), 1)
        s = c.wait_state(lambda s: s.mode == MOVE, "moving")
        for _ in range(200):
            c.command(s, q=s.q_d)
            s = c.state()
        c.wait_state(lambda s: s.mode == REFLEX, "no command was in time")
        self.assertEqual(self.ask("status")["commands"], 0)


def vanish(tcp):
    """From now on nothing reaches this socket, so that nothing is acknowledged: as if its machine were gone."""
    nothing = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # one instruction: return 0 bytes
    tcp.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", 1, ctypes.addressof(nothing)))  # SO_ATTACH_FILTER


class BadClients(Station):
    def vanished(self, c):
        vanish(c.tcp)
        wait_for("the robot to be free", lambda: not self.ask("status")["connected"])
        c.close()

    @waits
    def test_vanished_from_the_network(self):
        """Keep-alive sees this one."""
        self.vanished(self.client(5))

    @waits
    def test_vanished_in_motion(self):
        """A response is on its way: nothing is heard of keep-alive."""
        c = self.client(5)
        self.assertEqual(c.move(), 1)
        s = c.wait_state(lambda s: s.mode == MOVE, "moving")
        c.command(s, q=s.q_d)
        self.vanished(c)

    @waits
    def test_silent(self):
        silent = self.client()
        with self.assertRaises(Gone):                       # 5 s, then it is in nobody's way any more
            silent.answer()
        self.connects(10)

    def test_vanishing(self):
        c = self.client()
        c.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()                                           # a reset before Connect
        c = self.client(5)
        c.move()
        c.close()                                           # and one in motion
        self.connects(10)

    def test_one_at_a_time(self):
        first = self.client(5)
        second = self.client()
        with self.assertRaises(Gone):
            second.connect(5)
        self.assertEqual(first.ask(IDS[5][1]), b"\0")
        self.assertGreaterEqual(self.ask("status")["turned_away"], 1)

    def test_bytes_one_by_one(self):
        c = self.client()
        c.tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in struct.pack("<IIIHH", 0, 0, 16, 5, c.udp.getsockname()[1]):
            c.tcp.sendall(bytes([byte]))
            time.sleep(0.003)
        self.assertEqual(c.answer()[2], b"\0\5\0")

    def test_wrong_sizes_and_orders(self):
        for raw in [struct.pack("<III", 0, 0, 11), struct.pack("<III", 0, 0, 0), struct.pack("<III", 0, 0, 2**32 - 1),
                    struct.pack("<III", 1, 0, 68), b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n"]:
            c = self.client()
            c.tcp.sendall(raw)
            with self.assertRaises(Gone):
                c.answer()
            c.close()
        for command, size in [(0, 16), (1, 67), (1, 69), (1, 12), (13, 12), (40, 429), (40, 2**31)]:
            c = self.client(5)
            c.send(command, size=size)
            with self.assertRaises(Gone):
                c.answer()
            c.close()
            wait_for("it to be gone", lambda: not self.ask("status")["connected"])
        self.connects()

    def test_floods(self):
        c = self.client(5)
        stop = struct.pack("<III", IDS[5][1], 1, 12)
        library = struct.pack("<IIIBB", 13, 1, 14, 0, 0)
        c.tcp.setblocking(False)
        sent, end = 0, time.monotonic() + 2
        while time.monotonic() < end:                       # never reads: the robot stops reading too, and goes on living
            try:
                sent += c.tcp.send(library * 200 + stop * 200)
            except BlockingIOError:
                time.sleep(0.01)
        self.assertGreater(sent, 0)
        before = self.ask("status")
        self.assertTrue(before["connected"])
        c.close()
        self.connects()

    def test_datagrams(self):
        c = self.client(7)
        self.assertEqual(c.move(), 1)
        s = c.wait_state(lambda s: s.mode == MOVE, "moving")
        c.command(s, q=s.q_d)
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(stranger.close)
        rng = random.Random(1)
        for n in range(400):
            c.udp.sendto(rng.randbytes(rng.choice([0, 1, 8, 369, 370, 372, 1500])), c.server)
            stranger.sendto(struct.pack("<Q", s.id) + bytes(363), c.server)
            s = c.state()
            if s.mode == MOVE:
                c.command(s, q=s.q_d)
        status = self.ask("status")
        self.assertGreater(status["malformed"], 100)
        self.assertLess(max(abs(d) for d in status["dq"]), 1e-6)
        c.close()
        self.connects()

    def test_nonsense_of_the_right_size(self):
        rng = random.Random(2)
        for version in (5, 7, 10):
            c = self.client(version)
            size = 371 if version >= 7 else 370
            for n in range(150):
                if c.state().mode in (IDLE, MOVE) and n % 10 == 0:
                    c.send(IDS[version][0], struct.pack("<II", n // 10 % 3, n // 10 % 4) + struct.pack("<6d", *[1.0] * 6) +
                           (bytes(57) if version == 10 else b""))
                s = c.state()
                c.udp.sendto(struct.pack("<Q", s.id) + rng.randbytes(size - 8), c.server)
                if s.mode == REFLEX:
                    c.send(IDS[version][3])
            self.assertLess(max(abs(d) for d in self.ask("status")["dq"]), 3.0)
            c.close()
            self.connects(version)


if __name__ == "__main__":
    unittest.main()
