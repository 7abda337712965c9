"""What test_sim.py and test_arm.py share: the programs under test, a configuration on free ports, and a peer that speaks
the contract with pyzmq and msgpack instead of our code."""
import math
import os
import signal
import socket
import subprocess
import tempfile
import time

import msgpack
import zmq

B = os.environ.get("B", "build/release")
TCP = [0, 0, 0.1034, 0, 0, -0.3826834, 0.9238795]
HOME = [0, -math.pi / 4, 0, -3 * math.pi / 4, 0, math.pi / 2, math.pi / 4]

CONFIG = """
sockets:
  cameras: {cameras}
  states: {states}
  targets: {targets}
policy:
  model: {folder}
  cameras: [overhead, wrist]
cameras:
  overhead: {{}}
  wrist: {{}}
{more}
robots:
  - name: arm
    model: {model}
    control: {control}
    tcp: {tcp}
    workspace_min: [0.1, -0.6, 0.0]
"""


def free_addresses(n):
    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    addresses = ["tcp://127.0.0.1:%d" % s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return addresses


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def wait_for(what, seconds, condition):
    """The first true value of condition(); fails with `what` when there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError("not within %g s: %s" % (seconds, what))


class Bench:
    """A folder with a configuration, the programs started in it, and dreamvlad's side of the sockets."""

    def __init__(self, model="panda", more=""):
        self.folder = tempfile.TemporaryDirectory()
        self.processes = []
        self.context = zmq.Context()
        names = ("cameras", "states", "targets", "control", "world")
        self.address = dict(zip(names, free_addresses(len(names))))
        self.config = os.path.join(self.folder.name, "bench.yaml")
        with open(self.config, "w") as f:
            f.write(CONFIG.format(tcp=TCP, folder=self.folder.name, model=model, more=more, **self.address))

    def close(self):
        for p in self.processes:
            if p.poll() is None:
                p.kill()
            p.wait()
            p.stderr.close()
        self.context.destroy(linger=0)
        self.folder.cleanup()

    def start(self, program, *arguments):
        p = subprocess.Popen([os.path.join(B, program), *arguments], stderr=subprocess.PIPE)
        self.processes.append(p)
        return p

    def start_sim(self, *arguments):
        return self.start("dreamvla-sim", "--config", self.config, "--world", self.address["world"], *arguments)

    def start_arm(self):
        return self.start("dreamvla-arm", "--config", self.config, "--driver", "sim", "--world", self.address["world"])

    def end(self, p, signal_number=signal.SIGTERM):
        p.send_signal(signal_number)
        return p.wait(timeout=20)

    def log_of(self, p):
        """What an ended program wrote."""
        return p.stderr.read().decode()

    def bind(self, kind, name):
        s = self.context.socket(kind)
        s.linger = 0
        s.bind(self.address[name])
        return s

    def connect(self, kind, name):
        s = self.context.socket(kind)
        s.linger = 0
        s.sndtimeo = 1000
        s.connect(self.address[name])
        return s
