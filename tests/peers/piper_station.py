"""A simulated PiPER for the tests in this folder, and AgileX's SDK connected to it as its documentation says, by socketcand."""
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

from piper_sdk import C_PiperInterface_V2, LogLevel

B = os.environ.get("B", "build/release")
HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT_S = 30  # for whatever takes an arm moments: the machine may be loaded
numbers = itertools.count()


def free_port():
    """Below those that Linux gives to outgoing connections, so that none of these can take it meanwhile."""
    for _ in range(100):
        port = random.randint(15000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


def wait(what, condition, seconds=LIMIT_S):
    """The condition's first answer that is true."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < end, "not within %g s: %s" % (seconds, what)
        time.sleep(0.01)


class Station:
    def __init__(self, *arguments):
        self.folder = tempfile.TemporaryDirectory()
        self.port = free_port()
        self.channel = "piper%d" % next(numbers)  # the SDK has one object for each, for the life of the process
        self.faults = "ipc://" + os.path.join(self.folder.name, "faults")
        self.log = open(os.path.join(self.folder.name, "log"), "w+b")
        address = "socketcand://127.0.0.1:%d/%s" % (self.port, self.channel)
        self.sim = subprocess.Popen([os.path.join(B, "dreamvla-sim"), "--no-cameras", "--piper", address, "--faults", self.faults,
                                     "--duration", "280", *arguments], stderr=self.log)
        wait("dreamvla-sim listens", self.listens)

    def listens(self):
        assert self.sim.poll() is None, "dreamvla-sim ended"
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def connect(self, **options):
        """The SDK, connected; its answers are those of a moment ago."""
        os.environ["CAN_CONFIG"] = json.dumps({"host": "127.0.0.1", "port": self.port, "tcp_tune": True})
        piper = C_PiperInterface_V2(self.channel, judge_flag=False, can_auto_init=False, logger_level=LogLevel.ERROR, **options)
        piper.CreateCanBus(self.channel, bustype="socketcand")
        piper.ConnectPort()
        wait("feedback arrives", lambda: piper.GetArmStatus().Hz > 0 and piper.GetArmJointMsgs().Hz > 0)
        return piper

    def ask(self, cmd, **fields):
        """A request on the faults' socket, by a Python that has pyzmq and msgpack."""
        done = subprocess.run(["/usr/bin/python3", os.path.join(HERE, "ask.py"), self.faults, json.dumps(dict(fields, cmd=cmd))],
                              capture_output=True, text=True, timeout=30, check=True)
        reply = json.loads(done.stdout)
        assert reply["ok"], reply
        return reply

    def close(self):
        self.sim.send_signal(signal.SIGTERM)
        code = self.sim.wait(timeout=30)
        self.log.seek(0)
        sys.stderr.write(self.log.read().decode(errors="replace"))
        self.log.close()
        self.folder.cleanup()
        assert code == 0, "dreamvla-sim ended with %d" % code
