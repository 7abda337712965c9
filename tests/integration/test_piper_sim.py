#!/usr/bin/python3
"""dreamvla-sim --piper as hosts on its bus see it, through socketcand's protocol: feedback, motion, stop, faults, several clients, and
those that misbehave."""
import os
import re
import socket
import subprocess
import sys
import time
import unittest

import msgpack
import zmq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from piper_client import MOVE_J, MOVE_P, Host, Node  # noqa: E402
from ports import free_addresses  # noqa: E402
from robots_bench import B, PATIENCE_S, Bench, wait_for  # noqa: E402

POSTURE = [10000, 60000, -70000, 20000, 30000, -40000]
FAST, SLOW = list(range(0x2A1, 0x2A9)) + list(range(0x251, 0x257)), range(0x261, 0x267)


class Station(unittest.TestCase):
    arguments = ("--no-cameras",)
    firmware = "S-V1.8-9"

    def setUp(self):
        self.bench = Bench(model="piper")
        self.addCleanup(self.bench.close)
        self.bench.address["faults"] = free_addresses(1)[0]
        self.sim = self.bench.start("dreamvla-sim", *[a.replace("CONFIG", self.bench.config) for a in self.arguments],
                                    "--piper", "socketcand://127.0.0.1:0", "--piper-firmware", self.firmware,
                                    "--faults", self.bench.address["faults"], "--duration", "300")
        self.port = wait_for("the simulator's port", self.find_port)
        self.faults = self.bench.connect(zmq.REQ, "faults")
        self.host = self.join()
        self.addCleanup(self.assert_ends_well)

    def find_port(self):
        found = re.search(r"PiPER at socketcand://127\.0\.0\.1:(\d+)", self.bench.log_of(self.sim))
        return found and int(found.group(1))

    def join(self, kind=Host):
        host = kind(self.port)
        self.addCleanup(host.close)
        return host

    def assert_ends_well(self):
        self.assertIsNone(self.sim.poll(), self.bench.log_of(self.sim))
        self.assertEqual(self.bench.end(self.sim), 0)

    def ask(self, cmd="status", **fields):
        self.faults.send(msgpack.packb(dict(fields, cmd=cmd)))
        return msgpack.unpackb(self.faults.recv())

    def arm(self, cmd="status", **fields):
        reply = self.ask(cmd, **fields)
        self.assertTrue(reply.pop("ok"), reply)
        return reply

    def up(self):
        self.host.enable()
        self.host.mode(MOVE_J)
        self.host.goes_to_joints(POSTURE)

    def firmware_of(self, host):
        """As the SDK: ask, gather, look for the text."""
        host.forget()
        got = []
        take = host.take_message
        host.take_message = lambda words: (take(words), got.append(words[3]) if words[:2] == ["frame", "4AF"] else None)
        host.send(0x4AF, 1, 0, 0, 0, 0, 0, 0, 0)
        host.wait("the firmware's name", lambda: len(got) >= 11)
        host.take_message = take
        return bytes.fromhex("".join(got))


class Feedback(Station):
    firmware = "S-V1.6-2"

    def test_all_of_it_at_its_rates(self):
        self.host.forget()
        first = time.monotonic()
        self.host.wait("1 s of feedback", lambda: self.host.count.get(0x2A8, 0) >= 200)
        self.assertLess(200 / (time.monotonic() - first), 400)  # not faster than 200 Hz, but for what a pause had held up
        count = dict(self.host.count)
        for i in FAST:
            self.assertIn(count[i] - 200, range(-10, 11), hex(i))
        for i in SLOW:
            self.assertIn(count[i] - 40, range(-3, 4), hex(i))
        self.assertEqual(set(count), set(FAST) | set(SLOW))
        self.assertEqual(self.host.odd, 0)
        stamps = [self.host.last[i][0] for i in (0x2A5, 0x2A6, 0x2A7)]
        self.assertEqual(stamps, sorted(stamps))
        self.assertLess(abs(stamps[0] - time.time()), 60)

    def test_firmware_and_limits(self):
        self.assertIn(b"S-V1.6-2250925", self.firmware_of(self.host))
        for j in range(1, 7):
            self.host.send(0x472, j, 1, 0, 0, 0, 0, 0, 0)
        self.host.wait("limits of joint 6", lambda: 0x473 in self.host.last and self.host.last[0x473][1][0] == 6)
        self.assertEqual(self.host.count[0x473], 6)
        self.assertEqual(self.host.last[0x473][1].hex(), "0604b0fb500bb800")

    def test_two_hosts(self):
        other = self.join()
        self.host.enable()
        other.wait("that all are enabled", lambda: other.next_of(0x261)[0][5] & 0x40)
        self.assertIn(b"S-V1.6-2", self.firmware_of(other))
        other.forget()
        self.host.send(0x159, 0, 0, 0xC3, 0x50, 3, 0xE8, 1, 0)
        other.wait("the other's command", lambda: 0x159 in other.last)
        self.assertEqual(other.last[0x159][1].hex(), "0000c35003e80100")
        self.assertNotIn(0x159, self.host.last)
        other.close()
        self.host.next_of(*FAST)


class Motion(Station):
    def test_joints_pose_gripper(self):
        self.up()
        self.host.wait("rest", lambda: self.host.status()[4] == 0)
        self.assertLessEqual(max(abs(a - b) for a, b in zip(self.host.joints_mdeg(), POSTURE)), 1)
        want = self.host.pose()
        want[0] += 30000
        want[1] -= 40000
        self.host.mode(MOVE_P)
        self.host.target(0x152, want)
        self.host.wait("the pose to 1 mm", lambda: max(abs(a - b) for a, b in zip(self.host.pose()[:3], want)) <= 1000)
        self.host.wait("the pose", lambda: max(abs(a - b) for a, b in zip(self.host.pose(), want)) <= 3)
        self.host.target(0x152, [900000] + want[1:])
        self.host.wait("no solution", lambda: self.host.status()[1] == 2)
        self.host.send_text("159 00 00 75 30 03 e8 01 00")
        self.host.wait("30 mm", lambda: abs(self.host.gripper()[0] - 30000) <= 1)
        self.assertEqual(self.host.gripper()[2], 0xC0)
        self.assertAlmostEqual(self.arm()["gripper_m"], 0.03, places=5)

    def test_stop_and_resume(self):
        self.up()
        before = self.host.joints_mdeg()
        self.host.send_text("150 01 00 00 00 00 00 00 00")
        self.host.wait("the stop", lambda: self.host.status()[1] == 1)
        self.host.wait("sinking", lambda: abs(self.host.joints_mdeg()[1] - before[1]) > 500)
        ignored = self.arm()["ignored"]
        self.host.target(0x155, POSTURE)
        wait_for("targets to be ignored", lambda: self.arm()["ignored"] == ignored + 3)
        self.host.send_text("150 02 00 00 00 00 00 00 00")
        self.host.wait("standby", lambda: self.host.status()[:2] == b"\0\0")
        self.host.wait("no power", lambda: not any(d[5] & 0x40 for d in self.host.next_of(*SLOW)))
        self.up()

    def test_nobody_left(self):
        self.up()
        self.host.close()
        time.sleep(1)
        again = self.join()
        self.assertLessEqual(max(abs(a - b) for a, b in zip(again.joints_mdeg(), POSTURE)), 1)


class Faults(Station):
    def test_feedback_lost_late_and_from_nowhere(self):
        self.arm("drop", what="feedback", count=100000, id=0x2A6)
        self.host.forget()
        self.host.wait("20 frames", lambda: self.host.count.get(0x2A7, 0) >= 20)
        self.assertLessEqual(self.host.count.get(0x2A6, 0), 1)
        self.arm("drop", what="feedback", count=0)
        self.host.next_of(0x2A6)
        self.arm("noise", ms=1000)
        self.host.wait("noise", lambda: self.host.odd > 50)
        self.arm("delay", what="feedback", ms=100)
        self.host.next_of(*FAST)
        self.arm("delay", what="feedback", ms=0)
        self.host.enable()

    def test_commands_lost(self):
        self.arm("drop", what="commands", count=2, id=0x471)
        for _ in range(2):
            self.host.send_text("471 07 02 00 00 00 00 00 00")
        wait_for("both lost", lambda: self.arm()["dropped"] == 2)
        self.assertEqual(self.arm()["enabled"], 0)
        self.host.enable()

    def test_silence_and_bus_off(self):
        for fault in ("silence", "bus_off"):
            self.arm(fault, ms=60000)
            time.sleep(0.2)
            self.host.forget()
            self.host.send_text("471 07 02 00 00 00 00 00 00")
            time.sleep(0.5)
            self.host.drain()
            self.assertEqual(self.host.count, {})
            wait_for("what it hears", lambda: self.arm()["enabled"] == (63 if fault == "silence" else 0))
            self.arm("power_cycle")
            self.arm(fault, ms=0)
            self.host.next_of(*FAST)
        self.assertEqual(self.arm()["frames"], 1)

    def test_bus_off_ends_by_itself(self):
        self.arm("bus_off", ms=300)
        self.host.forget()
        self.host.wait("the bus again", lambda: self.host.count.get(0x2A5, 0) > 20)

    def test_joint_gripper_limits_stop(self):
        self.host.enable()
        self.arm("joint", joint=3, bits=32, communication=False)
        self.host.wait("the driver's error", lambda: self.host.next_of(0x263)[0][5] == 0x60)
        self.assertEqual(self.host.status()[1], 9)
        self.arm("joint", joint=3, bits=0, communication=True)
        self.host.wait("the lost joint", lambda: self.host.status()[1] == 5 and self.host.status()[7] == 4)
        self.arm("joint", joint=3, bits=0, communication=False)
        self.host.wait("all well", lambda: self.host.status()[1] == 0)
        self.arm("corrupt_limits", on=True)
        self.host.forget()
        self.host.send(0x472, 1, 1)
        self.host.wait("limits", lambda: 0x473 in self.host.last)
        self.assertEqual(self.host.last[0x473][1].hex(), "01ffffffffffff00")
        self.arm("gripper_range", range_mm=0)
        self.host.wait("nothing of the gripper", lambda: self.host.gripper() == (0, 0, 0))
        self.host.send_text("47d 64 46 01 00 00 00 00 00")
        self.host.wait("the gripper", lambda: self.host.gripper()[0] > 0)
        self.arm("gripper", bits=4)
        self.host.wait("the gripper's error", lambda: self.host.gripper()[2] & 4)
        self.arm("emergency_stop")
        self.host.wait("the button", lambda: self.host.status()[1] == 1)

    def test_leader(self):
        q = [0.3, 1.0, -1.0, 0.2, 0.1, -0.4]
        self.assertFalse(self.ask("lead", q=q)["ok"])
        self.arm("leader", on=True)
        self.arm("lead", q=q)
        self.host.wait("the leader's joints", lambda: max(abs(a * 0.001 * 0.01745329252 - b) for a, b in zip(self.host.six(0x155), q)) < 1e-4)
        self.assertFalse([i for i in self.host.count if 0x2A0 <= i <= 0x2AF])
        self.arm("leader", on=False)
        self.host.next_of(*FAST)

    def test_requests_that_are_refused(self):
        for request in (dict(cmd="drop", what="frames", count=1), dict(cmd="drop", what="feedback"), dict(cmd="delay", what="feedback", ms=128),
                        dict(cmd="joint", joint=0, bits=0, communication=False), dict(cmd="joint", joint=7, bits=0, communication=False),
                        dict(cmd="gripper_range", range_mm=80), dict(cmd="noise", ms=-1), dict(cmd="lead", q=[0.0] * 5),
                        dict(cmd="lead", q=[9.0] * 6), dict(cmd="leader", on=1), dict(cmd="nonsense"), dict(cmd="status", more=1)):
            reply = self.ask(**request)
            self.assertFalse(reply["ok"], request)
            self.assertTrue(reply["error"], request)


class Misbehaviour(Station):
    def test_hostile_lines(self):
        for line in (b"< send >", b"< send 155 9 0 0 0 0 0 0 0 0 0 >", b"< send 155 8 0 >", b"< send FFFFFFFFF 0 >", b"< send 155 1 100 >",
                     b"< send -1 1 1 >", b"< send 155 -8 0 >", b"> > > < < <", b"<" * 5000, b"< " + b"a" * 100000 + b" >", bytes(range(256)) * 40,
                     b"< open can0 >", b"< bcmmode >", b"< subscribe 0 0 123 >", b"\0" * 1000, b"< send 471 8 7 2 0 0 0 0 0"):
            with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as s:
                try:
                    s.sendall(line)  # before it is let in
                except OSError:
                    pass
            guest = Node(self.port)
            try:
                guest.raw(line)
                guest.raw(b"< send 155 8 0 0 0 0 0 0 0 0 >")
            except OSError:
                pass  # thrown out already
            guest.close()
        self.assertEqual(self.arm()["enabled"], 0)
        self.host.enable()

    def test_a_client_that_does_not_read(self):
        sleeper = Node(self.port, receive_bytes=4096)
        self.addCleanup(sleeper.close)
        self.host.wait("that the other one is too slow", lambda: "reads too slowly" in self.bench.log_of(self.sim))
        self.up()
        sleeper.wait("what had been sent to it", lambda: sleeper.count.get(0x2A5, 0) > 0)

    def test_more_clients_than_it_takes(self):
        guests = []
        for _ in range(10):
            guests.append(socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S))
        replies = [g.recv(1024) for g in guests]
        self.assertIn(b"< hi >", replies)
        self.assertTrue([r for r in replies if r != b"< hi >"])
        for g in guests:
            g.close()
        self.host.next_of(*FAST)
        wait_for("room again", lambda: self.join(Node))


class Seen(Station):
    arguments = ("--config", "CONFIG", "--size", "64x64", "--rate-hz", "10")

    def test_cameras_beside_the_arm(self):
        cameras = self.bench.bind(zmq.SUB, "cameras")
        self.addCleanup(cameras.close)
        cameras.subscribe(b"")
        cameras.rcvtimeo = 1000 * PATIENCE_S
        self.up()
        self.assertEqual({cameras.recv_multipart()[0] for _ in range(8)}, {b"camera/overhead", b"camera/wrist"})


class Options(unittest.TestCase):
    def refused(self, *arguments):
        done = subprocess.run([os.path.join(B, "dreamvla-sim"), "--no-cameras", *arguments], capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_what_does_not_go_together(self):
        for arguments, text in (
                (("--piper", "can0", "--franka", "127.0.0.1"), "--franka and --piper"),
                (("--piper", "can0", "--model", "panda"), "is --model piper"),
                (("--piper", "can0", "--model", "piper_1.6-2"), "is --model piper"),
                (("--piper", "can0", "--model", "piper", "--piper-firmware", "S-V1.6-2"), "is --model piper_1.6-2"),
                (("--piper-firmware", "S-V1.8-9"), "give --piper"),
                (("--piper", "can0", "--piper-firmware", "S-V1.4-9"), "S-V1.5-2 or newer"),
                (("--piper", "can0", "--piper-firmware", "S-V1.8-10"), "8 characters"),
                (("--piper", "nosuchcan7", "--faults", free_addresses(1)[0]), "nosuchcan7"),
                (("--piper", "socketcand://127.0.0.1:70000", "--faults", free_addresses(1)[0]), "70000")):
            self.assertIn(text, self.refused(*arguments))

    def test_a_port_that_is_taken(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            self.assertIn(str(s.getsockname()[1]), self.refused("--piper", "socketcand://127.0.0.1:%d" % s.getsockname()[1],
                                                                "--faults", free_addresses(1)[0]))


if __name__ == "__main__":
    unittest.main()
