#!/usr/bin/python3
"""dreamvla-arm --driver franka and what can keep it from its robot, here the simulated Franka: each has a word, is said once in the log,
and is over by itself when its cause is. Runs in a network of its own where that is permitted, whose cable can be pulled."""
import os
import signal
import socket
import subprocess
import sys
import time
import unittest

import msgpack
import zmq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fci_client import free_address  # noqa: E402
from overlap import load_tests, waits  # noqa: E402,F401  # unittest looks for load_tests
from ports import free_addresses  # noqa: E402
from robots_bench import B, Bench, wait_for  # noqa: E402

OWN_NETWORK = "DREAMVLA_TEST_OWN_NETWORK"
NEAR, FAR = "10.77.0.1/24", "10.77.0.2"


class Connection(unittest.TestCase):
    def bench_of(self, model="panda", address=None):
        self.station = address or free_address()
        self.bench = Bench(model=model, robot="    address: %s" % self.station)
        self.addCleanup(self.bench.close)
        self.bench.address["faults"] = free_addresses(1)[0]

    def start_sim(self, *arguments, inside=()):
        command = [*inside, os.path.abspath(os.path.join(B, "dreamvla-sim"))]
        return self.bench.start(*command, "--no-cameras", "--franka", self.station, "--faults", self.bench.address["faults"],
                                "--duration", "250", *arguments)

    def start_arm(self):
        self.arm = self.bench.start("dreamvla-arm", "--config", self.bench.config, "--driver", "franka")
        self.door = self.bench.connect(zmq.REQ, "control")

    def fault(self, cmd, **fields):
        with self.bench.connect(zmq.REQ, "faults") as faults:
            faults.send(msgpack.packb(dict(fields, cmd=cmd)))
            reply = msgpack.unpackb(faults.recv())
        self.assertTrue(reply.pop("ok"), reply)
        return reply

    def status(self):
        self.door.send(msgpack.packb({"cmd": "status"}))
        return msgpack.unpackb(self.door.recv())

    def until(self, mode, *troubles):
        """In this mode, for one of these reasons."""
        def found():
            s = self.status()
            return s if s["mode"] == mode and s.get("trouble", "") in (troubles or ("",)) else None

        try:
            return wait_for("%s, %s" % (mode, troubles), found)
        except AssertionError as late:
            raise AssertionError("%s: it is %s\n%s" % (late, self.status(), self.bench.log_of(self.arm))) from late

    def lines(self, words):
        return [line for line in self.bench.log_of(self.arm).splitlines() if words in line]

    def assert_said_once(self, trouble):
        """What was found, with the address, and then what mends it."""
        said = wait_for("both lines", lambda: (found := self.lines(": %s: " % trouble))[1:] and found)
        self.assertEqual([self.station in line for line in said], [True, False], self.bench.log_of(self.arm))

    @waits
    def test_fci_comes_later(self):
        self.bench_of()
        self.start_arm()
        s = self.until("disconnected", "fci_inactive")
        self.assertIn("Desk", s["remedy"])
        time.sleep(1)  # some tries
        self.start_sim()
        self.until("ready")
        self.assert_said_once("fci_inactive")

    @waits
    def test_another_generation(self):
        self.bench_of(model="panda")
        sim = self.start_sim("--franka-version", "10")
        self.start_arm()
        s = self.until("disconnected", "wrong_model")
        self.assertIn("fr3_5.9", s["remedy"])
        self.assertFalse(self.fault("status")["connected"])
        self.assertEqual(self.fault("status")["motions"], 0)
        self.assert_said_once("wrong_model")
        self.assertEqual(len(self.lines("protocol 10")), 1)
        self.bench.end(sim)
        self.start_sim("--franka-version", "5")
        self.until("ready")

    def test_older_system(self):
        self.bench_of(model="fr3")
        self.start_sim("--franka-version", "7")
        self.start_arm()
        self.until("ready")
        self.assertEqual(self.fault("status")["version"], 7)

    @waits
    def test_another_client(self):
        self.bench_of()
        self.start_sim()
        self.fault("status")
        other = socket.create_connection((self.station, 1337))
        self.start_arm()
        self.until("disconnected", "other_client")
        other.close()
        self.until("ready")
        self.assert_said_once("other_client")

    @waits
    def test_no_such_name(self):
        self.bench_of(address="1.2.3.4.5")
        self.start_arm()
        self.until("disconnected", "name_unknown")
        self.assert_said_once("name_unknown")

    def test_cut_and_back(self):
        self.bench_of()
        self.start_sim()
        self.start_arm()
        before = self.until("ready")
        self.fault("close")
        wait_for("the loss in the log", lambda: self.lines(": connection_lost: "))
        after = self.until("ready")
        self.assertEqual(after["q_d"], before["q_d"])
        self.assertEqual(self.fault("status")["motions"], 0)

    @waits
    def test_hung_and_back(self):
        """Its kernel acknowledges and accepts, and nobody answers."""
        self.bench_of()
        sim = self.start_sim()
        self.start_arm()
        before = self.until("ready")
        sim.send_signal(signal.SIGSTOP)
        try:
            self.until("disconnected", "no_states", "other_client")
            self.until("disconnected", "other_client")
        finally:
            sim.send_signal(signal.SIGCONT)
        after = self.until("ready")
        self.assertEqual(after["q_d"], before["q_d"])

    def far_network(self):
        """A second network, joined to this one by a cable; returns what runs a program there."""
        if OWN_NETWORK not in os.environ:
            self.skipTest("a network of its own: not permitted here (unshare -n)")
        keeper = subprocess.Popen(["unshare", "-n", "sleep", "300"])
        self.addCleanup(keeper.wait)
        self.addCleanup(keeper.kill)
        inside = ["/usr/bin/nsenter", "-t", str(keeper.pid), "-n"]
        here = os.readlink("/proc/self/ns/net")
        wait_for("the other network", lambda: os.readlink("/proc/%d/ns/net" % keeper.pid) != here)
        for command in (["ip", "link", "add", "name", "near", "type", "veth", "peer", "name", "far", "netns", str(keeper.pid)],
                        ["ip", "addr", "add", NEAR, "dev", "near"], ["ip", "link", "set", "near", "up"],
                        inside + ["ip", "addr", "add", FAR + "/24", "dev", "far"], inside + ["ip", "link", "set", "far", "up"],
                        inside + ["ip", "link", "set", "lo", "up"]):
            subprocess.run(command, check=True)
        return inside

    @waits
    def test_cable_pulled_and_back(self):
        inside = self.far_network()
        self.bench_of(address=FAR)
        self.start_sim(inside=inside)
        self.start_arm()
        before = self.until("ready")
        for _ in range(2):
            subprocess.run(inside + ["ip", "link", "set", "far", "down"], check=True)
            self.until("disconnected", "unreachable")
            subprocess.run(inside + ["ip", "link", "set", "far", "up"], check=True)
            after = self.until("ready")
            self.assertEqual(after["q_d"], before["q_d"])


def into_own_network():
    """This program again, in a network that has nothing but a loopback, where a person may make such."""
    for way in (["unshare", "-n"], ["unshare", "-rn"]):
        command = way + ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        try:
            permitted = subprocess.run(command + ["true"], stderr=subprocess.DEVNULL).returncode == 0
        except FileNotFoundError:
            return
        if permitted:
            os.environ[OWN_NETWORK] = "1"
            os.execvp(command[0], command + [sys.executable] + sys.argv)


if __name__ == "__main__":
    if OWN_NETWORK not in os.environ:
        into_own_network()
    unittest.main(argv=sys.argv)
