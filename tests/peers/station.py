"""A simulated Franka for the tests in this folder, whose Python has the peer's packages and none of ours."""
import functools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

B = os.environ.get("B", "build/release")
HERE = os.path.dirname(os.path.abspath(__file__))
READY = [0.0, -0.7853981633974483, 0.0, -2.356194490192345, 0.0, 1.5707963267948966, 0.7853981633974483]


def free_address():
    """An address of the loopback network of our own, because the protocol's ports are fixed."""
    for _ in range(100):
        address = "127.%d.%d.%d" % (random.randint(1, 254), random.randint(0, 254), random.randint(1, 254))
        with socket.socket() as s:
            try:
                s.bind((address, 1337))
                return address
            except OSError:
                continue
    raise AssertionError("no free loopback address")


class Station:
    def __init__(self, *arguments):
        self.folder = tempfile.TemporaryDirectory()
        self.address = free_address()
        self.faults = "ipc://" + os.path.join(self.folder.name, "faults")
        self.log = open(os.path.join(self.folder.name, "log"), "w+b")
        self.sim = subprocess.Popen([os.path.join(B, "dreamvla-sim"), "--no-cameras", "--franka", self.address, "--faults", self.faults,
                                     "--duration", "280", *arguments], stderr=self.log)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                socket.create_connection((self.address, 1337), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("dreamvla-sim does not listen")

    def ask(self, cmd, **fields):
        """A request on the faults' socket, by a Python that has pyzmq and msgpack."""
        done = subprocess.run(["/usr/bin/python3", os.path.join(HERE, "ask.py"), self.faults, json.dumps(dict(fields, cmd=cmd))],
                              capture_output=True, text=True, timeout=30, check=True)
        reply = json.loads(done.stdout)
        assert reply["ok"], reply
        return reply

    def report(self, what):
        s = self.ask("status")
        print("%-48s %7d commands, %4d missed, longest row %2d, %4d late, %2d motions, %d reflexes; machine stood still %d ms" % (
            what, s["commands"], s["missed"], s["longest_row"], s["late"], s["motions"], s["reflexes"], s["stood_still_ms"]), flush=True)
        return s

    def close(self):
        self.sim.send_signal(signal.SIGTERM)
        code = self.sim.wait(timeout=30)
        self.log.seek(0)
        sys.stderr.write(self.log.read().decode(errors="replace"))
        self.log.close()
        self.folder.cleanup()
        assert code == 0, "dreamvla-sim ended with %d" % code


def steady(cls):
    """A test of the class that failed while commands were missing in a row is done once more, up to three times: then the machine was too
    busy for 1 kHz, a robot may end a motion, and nothing was shown. Written down, as tests/run.sh wants it."""
    def missing(self, failure):
        row = self.station.ask("status")["longest_row"]
        if row >= 2:
            print("%s: begun anew, %d commands in a row were missing: %s" % (self.id(), row, str(failure).split("\n", 1)[0]), flush=True)
        return row >= 2

    def again(self):
        self.tearDown()
        self.station.ask("user_stop", on=False)
        self.setUp()

    def wrap(test):
        @functools.wraps(test)
        def run(self):
            for last in (False, False, False, True):
                try:
                    return test(self)
                except unittest.SkipTest:
                    raise
                except Exception as failure:  # of unittest or of the client
                    if last or not missing(self, failure):
                        raise
                again(self)
        return run

    for name in [n for n in vars(cls) if n.startswith("test_")]:
        setattr(cls, name, wrap(getattr(cls, name)))
    return cls
