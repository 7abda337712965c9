"""Small doors of our own for dreamvlactl to knock at: ROUTER sockets of pyzmq on free loopback ports that speak msgpack by its
reference implementation. Programs are taken from the folder in B (build/release)."""

import os
import subprocess
import tempfile
import threading
import unittest

import msgpack
import zmq

CTL = os.path.join(os.environ.get("B", "build/release"), "dreamvlactl")
TIME_LIMIT_S = 120 if os.environ.get("SAN") else 30  # of one call; sanitizers are slow

STATUS = {
    "ok": True, "mode": "HOLD", "reason": "operator's stop", "driver": "none", "instruction": "pick up the red block",
    "faults": ["camera stale"], "speed": 0.25,
    "sources": {"camera/wrist": {"age_ms": 12.5, "rate_hz": 30.0, "state": "fresh"},
                "state/arm": {"age_ms": 700.0, "rate_hz": 0.0, "state": "stale"}},
    "stages": {"vision": {"n": 120, "p50_us": 80000.0, "p99_us": 95000.0, "max_us": 99000.0}},
    "control": {"rate_hz": 200.0, "late_p50_us": 8.0, "late_p99_us": 40.0, "late_p999_us": 90.0, "late_max_us": 120.0,
                "overruns": 3},
    "margins": {"position": 0.8, "velocity": 0.7, "acceleration": 0.6, "jerk": 0.5,
                "workspace": 0.4, "floor": 0.3, "tcp_speed": 0.2, "tracking": 0.1},
    "arms": {"arm": {"mode": "ready", "present": True, "attached": True, "stopped": False, "refused": "",
                     "control": "tcp://127.0.0.1:7421"}},
    "counters": {"chunks": 42, "requests_refused": 0},
}


class Door:
    """A control socket that answers with what `answer(request)` returns: a dict, raw bytes, or None for silence."""

    def __init__(self, answer, parts=1, secret=None, host="127.0.0.1"):
        self.answer, self.parts, self.requests = answer, parts, []
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.linger = 0
        if secret:
            self.socket.curve_server, self.socket.curve_secretkey = True, secret
        self.address = "tcp://%s:%d" % (host, self.socket.bind_to_random_port("tcp://" + host))
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while not self.ending.is_set():
            if not self.socket.poll(20):
                continue
            peer, empty, body = self.socket.recv_multipart()
            assert empty == b""
            request = msgpack.unpackb(body)
            self.requests.append(request)
            reply = self.answer(request)
            if reply is not None:
                packed = reply if isinstance(reply, bytes) else msgpack.packb(reply)
                self.socket.send_multipart([peer, b""] + [packed] * self.parts)

    def close(self):
        self.ending.set()
        self.thread.join()
        self.socket.close()
        self.context.term()


def free_port():
    """A port where nobody listens. It is free again when this returns, so nothing but tests may take it meanwhile."""
    context = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    socket.close(0)
    context.term()
    return port


def ctl(*arguments, stdin=""):
    return subprocess.run([CTL, *arguments], input=stdin, capture_output=True, text=True, timeout=TIME_LIMIT_S)


class WithDoor(unittest.TestCase):
    def door(self, answer, **more):
        door = Door(answer, **more)
        self.addCleanup(door.close)
        return door

    def bench(self, control, arms):
        """A configuration file with these control addresses."""
        file = tempfile.NamedTemporaryFile("w", suffix=".yaml", prefix="dreamvla_ctl_", delete=False)
        self.addCleanup(os.unlink, file.name)
        dims = "".join("  - name: %s\n    model: panda\n    control: %s\n    action_first: %d\n" % (name, address, 6 * i)
                       for i, (name, address) in enumerate(arms.items()))
        file.write("policy:\n  model: /nowhere\n  cameras: [wrist]\n  action_space: ee_delta\ncameras:\n  wrist:\n"
                   "sockets:\n  control: %s\nrobots:\n%s" % (control, dims))
        file.close()
        return file.name

    def asks(self, arguments, request, answer=None, **more):
        door = self.door(lambda _: answer or {"ok": True, "mode": "HOLD"})
        done = ctl("--address", door.address, *arguments, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(door.requests, [request])
        return done
