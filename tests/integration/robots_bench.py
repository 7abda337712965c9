"""What test_sim.py and test_arm.py share: the programs under test, a configuration on free ports, and a peer that speaks
the contract with pyzmq and msgpack instead of our code."""
import math
import os
import signal
import subprocess
import tempfile
import threading
import time

import msgpack
import zmq

from ports import free_addresses

B = os.environ.get("B", "build/release")
PATIENCE_S = 120 if os.environ.get("SAN") else 30  # until something that must happen is given up
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
{policy}
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
{robot}
"""


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def wait_for(what, condition, seconds=PATIENCE_S):
    """The first true value of condition(); fails with `what` when there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError("not within %g s: %s" % (seconds, what))


class Witness(threading.Thread):
    """Sees how long this process stood still, whatever it was that held it up."""

    def __init__(self):
        super().__init__(daemon=True)
        self.longest_s, self.ended = 0.0, threading.Event()

    def run(self):
        before = time.monotonic()
        while not self.ended.wait(0.005):
            now = time.monotonic()
            self.longest_s, before = max(self.longest_s, now - before), now


class Bench:
    """A folder with a configuration, the programs started in it, and dreamvlad's side of the sockets."""

    def __init__(self, model="panda", more="", robot="", policy=""):
        self.folder = tempfile.TemporaryDirectory()
        self.processes = []
        self.context = zmq.Context()
        names = ("cameras", "states", "targets", "control", "world")
        self.address = dict(zip(names, free_addresses(len(names))))
        self.config = os.path.join(self.folder.name, "bench.yaml")
        with open(self.config, "w") as f:
            f.write(CONFIG.format(tcp=TCP, folder=self.folder.name, model=model, more=more, robot=robot, policy=policy, **self.address))

    def close(self):
        for p in self.processes:
            if p.poll() is None:
                p.kill()
            p.wait()
        self.context.destroy(linger=0)
        self.folder.cleanup()

    def start(self, program, *arguments):
        """Its standard error is a file: a pipe that nobody reads could hold it up."""
        path = os.path.join(self.folder.name, "log-%d" % len(self.processes))
        with open(path, "wb") as log:
            p = subprocess.Popen([os.path.join(B, program), *arguments], stderr=log)
        p.log_path = path
        self.processes.append(p)
        return p

    def start_sim(self, *arguments):
        return self.start("dreamvla-sim", "--config", self.config, "--world", self.address["world"], *arguments)

    def start_arm(self):
        return self.start("dreamvla-arm", "--config", self.config, "--driver", "sim", "--world", self.address["world"])

    def end(self, p, signal_number=signal.SIGTERM):
        p.send_signal(signal_number)
        return p.wait(timeout=PATIENCE_S)

    def log_of(self, p):
        """What a program has written so far."""
        with open(p.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def bind(self, kind, name):
        s = self.context.socket(kind)
        s.linger = 0
        s.bind(self.address[name])
        return s

    def connect(self, kind, name):
        s = self.context.socket(kind)
        s.linger = 0
        s.sndtimeo = s.rcvtimeo = 1000 * PATIENCE_S
        s.connect(self.address[name])
        return s
