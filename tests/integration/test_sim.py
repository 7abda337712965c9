#!/usr/bin/python3
"""dreamvla-sim as its peers see it: pictures, camera frames, the world's socket, and everything malformed."""
import os
import struct
import subprocess
import sys
import unittest

import msgpack
import zmq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from robots_bench import B, HOME, PATIENCE_S, Bench, now_ns, wait_for  # noqa: E402

COMMAND = struct.Struct("<8sQQQQd7d")
STATE = struct.Struct("<8sQQqQQdd7d7d")


def command(sender, seq, q, dof=7, gripper=None):
    return COMMAND.pack(b"DVWCOM01", sender, seq, dof, gripper is not None, gripper or 0.0, *q)


class State:
    def __init__(self, raw):
        v = STATE.unpack(raw)
        assert v[0] == b"DVWSTA01"
        self.sender, self.seq, self.stamp_ns, self.command_seq, self.dof = v[1:6]
        self.gripper, self.gripper_max, self.q, self.dq = v[6], v[7], v[8:15], v[15:22]


class Picture(unittest.TestCase):
    def run_sim(self, *arguments):
        return subprocess.run([os.path.join(B, "dreamvla-sim"), *arguments], capture_output=True, text=True, timeout=PATIENCE_S)

    def setUp(self):
        self.bench = Bench()
        self.addCleanup(self.bench.close)

    def picture(self, *arguments):
        path = os.path.join(self.bench.folder.name, "p.ppm")
        done = self.run_sim("--picture", path, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(path, "rb") as f:
            return f.read()

    def test_ppm(self):
        head = b"P6\n320 240\n255\n"
        raw = self.picture("--size", "320x240", "--camera", "wrist")
        self.assertEqual(raw[:len(head)], head)
        self.assertEqual(len(raw), len(head) + 3 * 320 * 240)

    def test_seed_decides(self):
        self.assertEqual(self.picture("--seed", "4"), self.picture("--seed", "4"))
        self.assertNotEqual(self.picture("--seed", "4"), self.picture("--seed", "5"))

    def test_model_decides(self):
        self.assertEqual(self.picture(), self.picture("--model", "panda"))
        self.assertNotEqual(self.picture(), self.picture("--model", "piper"))

    def test_jpeg(self):
        path = os.path.join(self.bench.folder.name, "p.jpg")
        self.assertEqual(self.run_sim("--picture", path).returncode, 0)
        with open(path, "rb") as f:
            self.assertEqual(f.read(2), b"\xff\xd8")

    def test_bad_arguments(self):
        for arguments, says, code in [
            (["--picture", "/nowhere/p.ppm"], "/nowhere/p.ppm", 1),
            (["--picture", "/nowhere/p.png"], ".jpg, .jpeg or .ppm", 1),
            (["--picture", "p.ppm", "--size", "8x8"], "8x8: each side must be 16..2048", 2),
            (["--no-cameras", "--size", "2049x224"], "2049x224: each side must be 16..2048", 2),
            (["--picture", "p.ppm", "--size", "8by8"], "WIDTHxHEIGHT", 2),
            (["--picture", "p.ppm", "--camera", "left"], "overhead or wrist", 2),
            (["--model", "r2d2"], "--model r2d2: want one of panda, ", 2),
            (["--seed", "-1"], "--seed", 2),
            (["--rate-hz", "nan"], "--rate-hz", 2),
            (["--duration", "soon"], "--duration", 2),
            (["--nonsense"], "--help", 2),
            (["stray"], "stray", 2),
            ([], "--config", 2),
            (["--config", "/nowhere.yaml"], "/nowhere.yaml", 1),
        ]:
            done = self.run_sim(*arguments)
            self.assertEqual(done.returncode, code, arguments)
            self.assertIn(says, done.stderr)

    def test_help(self):
        self.assertIn("--picture", self.run_sim("--help").stdout)


class Cameras(unittest.TestCase):
    def setUp(self):
        self.bench = Bench()
        self.addCleanup(self.bench.close)

    def test_frames(self):
        frames = self.bench.bind(zmq.SUB, "cameras")
        frames.subscribe(b"")
        frames.rcvtimeo = 1000 * PATIENCE_S
        sim = self.bench.start_sim("--size", "224x224")
        seen = {}
        while min([len(v) for v in seen.values()] + [0 if len(seen) < 2 else 99]) < 10:
            topic, head, jpeg = frames.recv_multipart()
            arrived_ns = now_ns()
            head = msgpack.unpackb(head)
            self.assertEqual((head["v"], head["encoding"], head["width"], head["height"]), (1, "jpeg", 224, 224))
            self.assertEqual((jpeg[:2], jpeg[-2:]), (b"\xff\xd8", b"\xff\xd9"))
            self.assertLess(head["stamp_ns"], arrived_ns)
            seen.setdefault(topic, []).append(head)
        self.assertEqual(sorted(seen), [b"camera/overhead", b"camera/wrist"])
        for heads in seen.values():
            self.assertEqual(len({h["from"] for h in heads}), 1)
            for a, b in zip(heads, heads[1:]):
                self.assertEqual(b["seq"], a["seq"] + 1)
                self.assertGreater(b["stamp_ns"], a["stamp_ns"])
        self.assertEqual(self.bench.end(sim), 0)

    def name_cameras(self, overhead, wrist):
        with open(self.bench.config) as f:
            text = f.read().replace("overhead", overhead).replace("wrist", wrist)
        with open(self.bench.config, "w") as f:
            f.write(text)

    def test_two_worlds_have_cameras_of_their_own(self):
        self.name_cameras("left_overhead", "right_wrist")
        frames = self.bench.bind(zmq.SUB, "cameras")
        frames.subscribe(b"")
        frames.rcvtimeo = 1000 * PATIENCE_S
        sims = [self.bench.start("dreamvla-sim", "--config", self.bench.config, "--world", f"ipc://{self.bench.folder.name}/{prefix}",
                                 "--camera-prefix", prefix) for prefix in ("left_", "right_")]
        seen = {}
        while len(seen) < 2 or min(len(v) for v in seen.values()) < 5:
            topic, head, _ = frames.recv_multipart()
            seen.setdefault(topic, []).append(msgpack.unpackb(head)["from"])
        self.assertEqual(sorted(seen), [b"camera/left_overhead", b"camera/right_wrist"])
        self.assertTrue(all(len(set(senders)) == 1 for senders in seen.values()))
        for sim in sims:
            self.assertEqual(self.bench.end(sim), 0)

    def test_a_world_without_cameras_of_its_own(self):
        self.name_cameras("left_overhead", "left_wrist")
        sim = self.bench.start_sim("--camera-prefix", "right_")
        self.assertEqual(sim.wait(timeout=PATIENCE_S), 1)
        self.assertIn("none of the world's (right_overhead, right_wrist)", self.bench.log_of(sim))

    def test_no_known_camera(self):
        self.name_cameras("left", "right")
        sim = self.bench.start_sim()
        self.assertEqual(sim.wait(timeout=PATIENCE_S), 1)
        self.assertIn("overhead, wrist", self.bench.log_of(sim))


class World(unittest.TestCase):
    def setUp(self):
        self.bench = Bench()
        self.addCleanup(self.bench.close)
        self.sim = self.bench.start_sim("--no-cameras")
        self.peer = self.bench.connect(zmq.DEALER, "world")
        self.seq = 0

    def say(self, q=HOME, sender=1, **more):
        self.seq += 1
        self.peer.send(command(sender, self.seq, q, **more))

    def newest(self):
        state = None
        while self.peer.poll(0):
            state = State(self.peer.recv()) or state
        return state

    def state(self, what, condition, **say):
        """Keeps talking until a state fulfils the condition."""
        def look():
            self.say(**say)
            s = self.newest()
            return s if s and condition(s) else None
        return wait_for(what, look)

    def test_arm_follows_and_holds(self):
        s = self.state("a greeting is answered", lambda s: s.dof == 7, dof=0)
        self.assertEqual(s.command_seq, 0)
        for q, home in zip(s.q, HOME):
            self.assertAlmostEqual(q, home, places=9)
        goal = [HOME[0] + 0.05] + HOME[1:]
        s = self.state("the goal is reached", lambda s: abs(s.q[0] - goal[0]) < 1e-6, q=goal, gripper=0.03)
        self.assertGreater(s.command_seq, 0)
        s = self.state("silence holds the command", lambda s: abs(s.gripper - 0.03) < 1e-9, dof=0)
        self.assertAlmostEqual(s.q[0], goal[0], places=6)

    def test_malformed(self):
        good = command(1, 1, HOME)
        self.state("a greeting is answered", lambda s: True, dof=0)
        for bad in [b"", b"x", good[:-1], good + b"\0", b"DVWCOM02" + good[8:], os.urandom(COMMAND.size),
                    command(1, 10 ** 6, [float("nan")] * 7), command(1, 10 ** 6, [float("inf")] * 7),
                    command(1, 10 ** 6, HOME, dof=8), b"y" * 65536]:
            self.peer.send(bad)
        self.peer.send_multipart([good] * 9)
        # The one that was too large ended that connection; ZeroMQ makes a new one and the world goes on.
        s = self.state("the world still answers", lambda s: True, dof=0)
        for q, home in zip(s.q, HOME):
            self.assertAlmostEqual(q, home, places=9)

    def test_one_peer_at_a_time(self):
        self.state("the first is obeyed", lambda s: s.command_seq > 0)
        other = self.bench.connect(zmq.DEALER, "world")

        def first_goes_on():
            self.say()
            other.send(command(2, self.seq, [HOME[0] + 1] + HOME[1:]))
            return self.seq > 100
        wait_for("100 commands of both", first_goes_on)
        s = self.state("the first is answered", lambda s: s.command_seq > 50)
        self.assertAlmostEqual(s.q[0], HOME[0], places=9)
        self.assertEqual(other.poll(0), 0)

    def test_ends_with_0(self):
        self.state("a greeting is answered", lambda s: True, dof=0)
        self.assertEqual(self.bench.end(self.sim), 0)

    def test_address_in_use(self):
        self.state("a greeting is answered", lambda s: True, dof=0)
        second = self.bench.start_sim("--no-cameras")
        self.assertEqual(second.wait(timeout=PATIENCE_S), 1)
        self.assertIn("in use", self.bench.log_of(second))

    def test_duration(self):
        self.bench.end(self.sim)
        timed = self.bench.start_sim("--no-cameras", "--duration", "0.2")
        self.assertEqual(timed.wait(timeout=PATIENCE_S), 0)


if __name__ == "__main__":
    unittest.main()
